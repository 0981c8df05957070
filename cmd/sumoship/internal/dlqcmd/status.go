package dlqcmd

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
)

type statusCmd struct {
	queueFlags
	Sample   int           `help:"Also receive so many messages, for their age and their receives. SQS counts it." placeholder:"N"`
	Forecast time.Duration `help:"Measure the depth over this time, such as 1m, and say when the queue will be empty." placeholder:"TIME"`
}

func (c *statusCmd) Help() string {
	return `  sumoship dlq status --queue dead-letters
  sumoship dlq status --queue dead-letters --forecast 1m

This asks for the attributes of the queues and for their metrics, and receives nothing,
unless you give --sample. The numbers are approximate, as SQS has them; the metrics are
minutes old, and it goes without where it may not read them
(cloudwatch:GetMetricData).`
}

// queueReport is the status of a queue in JSON.
type queueReport struct {
	Queue    string `json:"queue"`
	Depth    int    `json:"depth"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"inFlight"`
	Delayed  int    `json:"delayed"`

	MaxReceives     int    `json:"maxReceiveCount,omitempty"`
	Quarantine      string `json:"quarantineQueue,omitempty"`
	QuarantineDepth *int   `json:"quarantineDepth,omitempty"`

	Metrics   metrics `json:"metrics"`
	NearLimit bool    `json:"nearMaxReceiveCount,omitempty"` // by the metrics, or in the sample

	Sample       int        `json:"sample,omitempty"`       // messages received
	Oldest       *time.Time `json:"oldest,omitempty"`       // sent, of the sample
	FirstFailure *time.Time `json:"firstFailure,omitempty"` // of the sample
	MostReceives int        `json:"mostReceives,omitempty"` // of the sample

	PerMinute *float64 `json:"changePerMinute,omitempty"`
	EmptyIn   *float64 `json:"emptyInMinutes,omitempty"`
}

// Outputs is what it writes as JSON.
func (c *statusCmd) Outputs() []any { return []any{queueReport{}} }

func (c *statusCmd) Run(ctx context.Context, s cli.Streams) error {
	if c.Sample < 0 || c.Forecast < 0 {
		return cli.Usagef("--sample and --forecast: want more than 0")
	}
	_, q, err := c.open(ctx, s, 0)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	r := queueReport{MaxReceives: status.MaxReceives}
	forecast := ""
	if c.Forecast > 0 {
		before := status
		select {
		case <-time.After(c.Forecast):
		case <-ctx.Done():
			return cli.Interrupted(ctx, "nothing was changed")
		}
		if status, err = q.Status(ctx); err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		forecast = r.forecast(before, status, c.Forecast)
	}
	r.Queue, r.Depth, r.Visible, r.InFlight, r.Delayed = status.Name, status.Depth(), status.Visible, status.InFlight, status.Delayed
	if status.Quarantine != "" {
		quarantine, err := q.Other(ctx, status.Quarantine, 0)
		if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		p, err := quarantine.Status(ctx)
		if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		depth := p.Depth()
		r.Quarantine, r.QuarantineDepth = p.Name, &depth
	}
	r.Metrics = c.metrics(ctx, s, status.Name, status.MaxReceives, time.Now())
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "nothing was changed")
	}
	var scanErr error
	if c.Sample > 0 {
		scanErr = r.sample(ctx, q, status, c.Sample)
	}
	r.NearLimit = r.Metrics.near(status.MaxReceives) || dlq.NearLimit(r.MostReceives, status.MaxReceives)
	if c.JSON {
		if err := cli.WriteJSON(s.Out, r); err != nil {
			return err
		}
		return scanError(ctx, scanErr, cli.Count(r.Sample, "message")+" received")
	}
	depth := "depth"
	if r.Depth > 0 {
		depth = cli.Paint(s.Out, cli.Doubt, depth)
	}
	rows := []cli.Row{
		{"queue", r.Queue},
		{depth, strconv.Itoa(r.Depth), fmt.Sprintf("%d visible, %d in flight or in backoff after a failure, %d delayed", r.Visible, r.InFlight, r.Delayed)},
	}
	rows = append(rows, r.Metrics.rows(status.MaxReceives, status.Retention)...)
	if r.Oldest != nil {
		rows = append(rows,
			cli.Row{"sample", age(*r.Oldest), fmt.Sprintf("in the queue, the oldest of %s received; the retention is %s", cli.Count(r.Sample, "message"), days(status.Retention))},
			cli.Row{"failed first", age(*r.FirstFailure) + " ago", "of the sample"})
		receives := fmt.Sprintf("of %d, at most", status.MaxReceives)
		if status.MaxReceives == 0 {
			receives = "at most; without a redrive policy there is no limit"
		}
		if dlq.NearLimit(r.MostReceives, status.MaxReceives) {
			receives += cli.Paint(s.Out, cli.Bad, nearLimit)
		}
		rows = append(rows, cli.Row{"received", strconv.Itoa(r.MostReceives), receives})
	}
	if forecast != "" {
		rows = append(rows, cli.Row{"forecast", forecast})
	}
	if r.QuarantineDepth != nil {
		name := "quarantine"
		if *r.QuarantineDepth > 0 {
			name = cli.Paint(s.Out, cli.Bad, name)
		}
		rows = append(rows, cli.Row{name, strconv.Itoa(*r.QuarantineDepth), fmt.Sprintf("in %s, after %d receives, or what cannot be read or kills replay", r.Quarantine, status.MaxReceives)})
	} else {
		rows = append(rows, cli.Row{"quarantine", "-", "the queue has no redrive policy"})
	}
	if err := cli.WriteTable(s.Out, nil, rows); err != nil {
		return err
	}
	return scanError(ctx, scanErr, cli.Count(r.Sample, "message")+" received")
}

// nearLimit is said of messages with few receives left.
const nearLimit = ": near the end, after which SQS moves messages to the quarantine queue"

// sample receives messages for what their attributes say.
func (r *queueReport) sample(ctx context.Context, q *dlq.Queue, status dlq.Status, n int) error {
	var mu sync.Mutex
	_, err := q.Scan(ctx, dlq.Scan{Workers: 1, Most: n, MaxReceives: status.MaxReceives}, func(messages []dlq.Message) ([]dlq.Message, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range messages {
			first := m.Entry.Cause.FirstFailure
			if r.Oldest == nil || m.Sent.Before(*r.Oldest) {
				r.Oldest = &m.Sent
			}
			if r.FirstFailure == nil || first.Before(*r.FirstFailure) {
				r.FirstFailure = &first
			}
			r.MostReceives = max(r.MostReceives, m.Receives)
		}
		r.Sample += len(messages)
		return nil, nil
	})
	return err
}

// forecast says when the queue will be empty, if it goes on as between two looks.
func (r *queueReport) forecast(before, after dlq.Status, took time.Duration) string {
	perMinute := float64(after.Depth()-before.Depth()) / took.Minutes()
	r.PerMinute = &perMinute
	switch {
	case after.Depth() == 0:
		return "empty"
	case perMinute == 0:
		return fmt.Sprintf("the depth has not changed in %s", took)
	case perMinute > 0:
		return fmt.Sprintf("grows by %.3g messages a minute", perMinute)
	}
	minutes := float64(after.Depth()) / -perMinute
	r.EmptyIn = &minutes
	return fmt.Sprintf("shrinks by %.3g messages a minute: empty in %s", -perMinute, (time.Duration(minutes*60) * time.Second).Round(time.Second))
}
