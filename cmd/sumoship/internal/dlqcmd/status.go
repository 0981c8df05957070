package dlqcmd

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
)

type statusCmd struct{ queueFlags }

// sample is how many messages are received for their age: SQS reports that of
// the oldest only to CloudWatch.
const sample = 10

func (c *statusCmd) Run(ctx context.Context, s cli.Streams) error {
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	type report struct {
		Queue    string     `json:"queue"`
		Depth    int        `json:"depth"`
		Visible  int        `json:"visible"`
		InFlight int        `json:"inFlight"`
		Delayed  int        `json:"delayed"`
		Oldest   *time.Time `json:"oldest,omitempty"` // of a sample

		Quarantine      string `json:"quarantineQueue,omitempty"`
		QuarantineDepth *int   `json:"quarantineDepth,omitempty"`
	}
	r := report{Queue: status.Name, Depth: status.Depth(), Visible: status.Visible, InFlight: status.InFlight, Delayed: status.Delayed}
	messages, err := q.Peek(ctx, sample)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	for _, m := range messages {
		if r.Oldest == nil || m.Sent.Before(*r.Oldest) {
			r.Oldest = &m.Sent
		}
	}
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
	if c.JSON {
		return cli.WriteJSON(s.Out, r)
	}
	rows := []cli.Row{
		{"queue", r.Queue},
		{"depth", strconv.Itoa(r.Depth), fmt.Sprintf("%d visible, %d in flight or in backoff after a failure, %d delayed", r.Visible, r.InFlight, r.Delayed)},
	}
	if r.Oldest != nil {
		of := fmt.Sprintf("of %s received; the retention is %s", cli.Count(len(messages), "message"), days(status.Retention))
		rows = append(rows, cli.Row{"oldest", age(*r.Oldest), of})
	} else {
		rows = append(rows, cli.Row{"oldest", "-"})
	}
	if r.QuarantineDepth != nil {
		why := fmt.Sprintf("in %s, after %d receives or if unreadable", r.Quarantine, status.MaxReceives)
		rows = append(rows, cli.Row{"quarantine", strconv.Itoa(*r.QuarantineDepth), why})
	} else {
		rows = append(rows, cli.Row{"quarantine", "-", "the queue has no redrive policy"})
	}
	return cli.WriteTable(s.Out, nil, rows)
}
