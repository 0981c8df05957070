package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/transform"
)

// dlqCmd works on the dead-letter queue of a deployed forwarder.
type dlqCmd struct {
	Status  dlqStatusCmd  `cmd:"" help:"Show the queue's depth and the age of its oldest message."`
	Peek    dlqPeekCmd    `cmd:"" help:"Show messages and why they are in the queue, and leave them there."`
	Replay  dlqReplayCmd  `cmd:"" help:"Replay the queue to Sumo Logic from here."`
	Redrive dlqRedriveCmd `cmd:"" help:"Move the messages of the quarantine queue back to the dead-letter queue."`
}

// queueFlags select a queue, as those of the AWS CLI do.
type queueFlags struct {
	Queue string `help:"The dead-letter queue: its URL or name. Default: the variable TASK_QUEUE_URL." placeholder:"URL|NAME"`
	awsFlags
	JSON bool `name:"json" help:"Write the result as JSON."`
}

// aws loads the AWS configuration of the caller, for the Region of a queue or
// secret.
func (f *queueFlags) aws(ctx context.Context, region string) (aws.Config, error) {
	return f.profileFlag.load(ctx, cmp.Or(region, f.Region))
}

// open finds the queue.
func (f *queueFlags) open(ctx context.Context, s streams) (url string, q *dlq.Queue, err error) {
	name := cmp.Or(f.Queue, s.getenv("TASK_QUEUE_URL"))
	if name == "" {
		return "", nil, usage("which queue? Give --queue or set TASK_QUEUE_URL")
	}
	cfg, err := f.load(ctx)
	if err != nil {
		return "", nil, err
	}
	if cfg.Region == "" {
		return "", nil, errNoRegion
	}
	client := sqs.NewFromConfig(cfg)
	if url, err = dlq.Find(ctx, client, name); err != nil {
		return "", nil, exit{exitAWS, err}
	}
	return url, dlq.New(url, dlq.DefaultDelay, func(context.Context) (*sqs.Client, error) { return client, nil }), nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type dlqStatusCmd struct{ queueFlags }

// sample is how many messages are received for their age: SQS reports that of
// the oldest only to CloudWatch.
const sample = 10

func (c *dlqStatusCmd) Run(ctx context.Context, s streams) error {
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
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
		return exit{exitAWS, err}
	}
	for _, m := range messages {
		if r.Oldest == nil || m.Sent.Before(*r.Oldest) {
			r.Oldest = &m.Sent
		}
	}
	if status.Quarantine != "" {
		quarantine, err := q.Other(ctx, status.Quarantine, 0)
		if err != nil {
			return exit{exitAWS, err}
		}
		p, err := quarantine.Status(ctx)
		if err != nil {
			return exit{exitAWS, err}
		}
		depth := p.Depth()
		r.Quarantine, r.QuarantineDepth = p.Name, &depth
	}
	if c.JSON {
		return writeJSON(s.out, r)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "queue\t%s\n", r.Queue)
	fmt.Fprintf(w, "depth\t%d\t%d visible, %d in flight or in backoff after a failure, %d delayed\n", r.Depth, r.Visible, r.InFlight, r.Delayed)
	if r.Oldest != nil {
		fmt.Fprintf(w, "oldest\t%s\tof %s received; the retention is %s\n", age(*r.Oldest), count(len(messages), "message"), days(status.Retention))
	} else {
		fmt.Fprintf(w, "oldest\t-\n")
	}
	if r.QuarantineDepth != nil {
		fmt.Fprintf(w, "quarantine\t%d\tin %s, after %d receives or if unreadable\n", *r.QuarantineDepth, r.Quarantine, status.MaxReceives)
	} else {
		fmt.Fprintf(w, "quarantine\t-\tthe queue has no redrive policy\n")
	}
	return w.Flush()
}

func age(t time.Time) string {
	d := time.Since(t).Round(time.Second)
	if d >= 48*time.Hour {
		return days(d)
	}
	return d.String()
}

func days(d time.Duration) string { return fmt.Sprintf("%.3g days", d.Hours()/24) }

type dlqPeekCmd struct {
	queueFlags
	N int `short:"n" help:"Number of messages to show." default:"10"`
}

func (c *dlqPeekCmd) Help() string {
	return `Each message is received and made visible again at once. SQS counts that as a
receive.`
}

func (c *dlqPeekCmd) Run(ctx context.Context, s streams) error {
	if c.N < 1 {
		return usage("-n: invalid number %d: want 1 or more", c.N)
	}
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	messages, err := q.Peek(ctx, c.N)
	if err != nil {
		return exit{exitAWS, err}
	}
	type row struct {
		ID           string    `json:"id"`
		LogGroup     string    `json:"logGroup,omitempty"`
		Events       *int      `json:"events,omitempty"` // nil if the message cannot be read
		FirstFailure time.Time `json:"firstFailure"`
		Class        string    `json:"class,omitempty"`
		Why          string    `json:"why,omitempty"`
		Attempts     int       `json:"attempts"`
		Receives     int       `json:"receives"`
		Bytes        int       `json:"bytes"`
	}
	rows := []row{}
	for _, m := range messages {
		cause := m.Entry.Cause
		r := row{m.ID, cause.LogGroup, nil, cause.FirstFailure, cause.Class, cause.Message, cause.Attempts, m.Receives, len(m.Body)}
		if b, err := transform.Decode(m.Entry.Event, transform.DefaultLimit); err != nil {
			r.Class, r.Why = ship.Undecodable, err.Error()
		} else {
			n := b.Len()
			r.LogGroup, r.Events = b.LogGroup, &n
		}
		rows = append(rows, r)
	}
	if c.JSON {
		return writeJSON(s.out, rows)
	}
	if len(rows) == 0 {
		fmt.Fprintln(s.out, "No message is visible.")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LOG GROUP\tEVENTS\tFIRST FAILURE\tBYTES\tRECEIVES\tWHY")
	for _, r := range rows {
		events := "?"
		if r.Events != nil {
			events = fmt.Sprint(*r.Events)
		}
		fmt.Fprintf(w, "%s\t%s\t%s ago\t%d\t%d\t%s\n", cmp.Or(r.LogGroup, "?"), events, age(r.FirstFailure), r.Bytes, r.Receives,
			cmp.Or(strings.TrimSpace(r.Class+" "+strings.TrimPrefix(r.Why, r.Class+": ")), "unknown"))
	}
	return w.Flush()
}

type dlqReplayCmd struct {
	queueFlags
	Endpoint string `help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret. Default: the variable SUMO_ENDPOINT." placeholder:"URL|ARN"`
	DryRun   bool   `help:"Show what would be sent, and send nothing."`
	Workers  int    `help:"Number of messages in flight." default:"4"`
	Logs     bool   `help:"Write the function's own log lines to standard error."`
}

func (c *dlqReplayCmd) Help() string {
	return `Messages that cannot be read go to the quarantine queue of the redrive policy, if
there is one. Messages in backoff after a failure are not visible until their
visibility timeout ends. Ctrl-C stops after the messages in flight; nothing is
lost.

The variables of the replay function work here too.

Exit status: 0 if no visible message is left, 1 if one is, 2 if the command is
wrong, 3 if AWS refused.`
}

func (c *dlqReplayCmd) Run(ctx context.Context, s streams) error {
	url, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	variables := map[string]string{"TASK_QUEUE_URL": url, "NUM_OF_WORKERS": fmt.Sprint(c.Workers)}
	if c.Endpoint != "" {
		variables["SUMO_ENDPOINT"] = c.Endpoint
	}
	env := function.Env{Out: io.Discard, Getenv: func(name string) string {
		if v, ok := variables[name]; ok {
			return v
		}
		return s.getenv(name)
	}}
	if c.Logs {
		env.Out = s.err
	}
	options := ship.ReplayOptions{Options: ship.Options{Env: env, AWS: c.aws, Queue: q}, Inbox: q}
	if status.Quarantine != "" {
		quarantine, err := q.Other(ctx, status.Quarantine, 0)
		if err != nil {
			return exit{exitAWS, err}
		}
		options.Quarantine = quarantine
	}
	replayer, err := ship.NewReplayer(options)
	if err != nil {
		return usage("invalid configuration:\n%w", err)
	}
	if c.DryRun {
		return c.preview(ctx, s, q, replayer)
	}
	bar := newBar(status.Visible, "replaying", s.err)
	var mu sync.Mutex
	replayer.Progress = func(ship.Report) {
		mu.Lock()
		defer mu.Unlock()
		bar.Add(1)
	}
	report, err := replayer.Drain(ctx)
	bar.Finish()
	if err != nil {
		return exit{exitAWS, err}
	}
	if c.JSON {
		err = writeJSON(s.out, report)
	} else {
		m := report.Messages
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "messages\t%d\t%d done, of these %d put back in part and %d quarantined; %d kept, %d untried\n", m.Received, m.Done, m.PutBack, m.Quarantined, m.Kept, m.Untried)
		fmt.Fprintf(w, "log events\t%d\t%d confirmed, %d filtered, %d still dead-lettered, %d quarantined\n", report.Events, report.Confirmed, report.FilteredTotal(), report.DeadLettered, report.Quarantined)
		if report.Error != "" {
			fmt.Fprintf(w, "first error\t%s\t%s\n", report.Class, report.Error)
		}
		err = w.Flush()
	}
	if left := report.Messages.Kept + report.Messages.Untried + report.Messages.PutBack; err == nil && left > 0 {
		return exit{exitFound, fmt.Errorf("%s could not be sent in full and will become visible again", count(left, "message"))}
	}
	if err == nil && ctx.Err() != nil {
		return exit{exitFound, fmt.Errorf("interrupted; messages that were not sent are still in the queue")}
	}
	return err
}

// maxPreview bounds the messages of a dry run.
const maxPreview = 1000

func (c *dlqReplayCmd) preview(ctx context.Context, s streams, q *dlq.Queue, r *ship.Replayer) error {
	messages, err := q.Peek(ctx, maxPreview)
	if err != nil {
		return exit{exitAWS, err}
	}
	total := ship.Report{Left: -1}
	groups := map[string]*ship.Report{}
	var order []string
	broken := 0
	for _, m := range messages {
		p := r.Preview(m.Entry.Event)
		total.Add(p)
		if p.Class == ship.Undecodable {
			broken++
			continue
		}
		if groups[p.LogGroup] == nil {
			groups[p.LogGroup] = new(ship.Report)
			order = append(order, p.LogGroup)
		}
		groups[p.LogGroup].Add(p)
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"messages": len(messages), "unreadable": broken, "total": total})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LOG GROUP\tEVENTS\tRECORDS\tBYTES")
	for _, group := range order {
		g := groups[group]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", cmp.Or(group, "?"), g.Events, g.Records, g.PayloadBytes)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s would be sent, %d unreadable would be quarantined. Nothing was sent.\n", count(len(messages)-broken, "message"), broken)
	return nil
}

type dlqRedriveCmd struct{ queueFlags }

// redrivePoll is how often SQS is asked for its progress.
const redrivePoll = 2 * time.Second

func (c *dlqRedriveCmd) Run(ctx context.Context, s streams) error {
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	if status.Quarantine == "" {
		return usage("queue %s has no redrive policy, so it has no quarantine queue", status.Name)
	}
	quarantine, err := q.Other(ctx, status.Quarantine, 0)
	if err != nil {
		return exit{exitAWS, err}
	}
	before, err := quarantine.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	move := dlq.Move{State: "COMPLETED"}
	if before.Depth() > 0 {
		if err := quarantine.Redrive(ctx, status.ARN); err != nil {
			return exit{exitAWS, err}
		}
		bar := newBar(before.Depth(), "moving", s.err)
		for {
			if move, err = quarantine.LastMove(ctx); err != nil {
				return exit{exitAWS, err}
			}
			bar.Set(move.Moved)
			if move.State != "RUNNING" {
				break
			}
			select {
			case <-ctx.Done():
				return exit{exitFound, fmt.Errorf("interrupted; SQS continues the move")}
			case <-time.After(redrivePoll):
			}
		}
		bar.Finish()
	}
	if c.JSON {
		err = writeJSON(s.out, map[string]any{"from": before.Name, "to": status.Name, "moved": move.Moved, "state": move.State})
	} else {
		fmt.Fprintf(s.out, "%s from %s to %s.\n", count(move.Moved, "message"), before.Name, status.Name)
	}
	if err == nil && move.State != "COMPLETED" {
		return exit{exitAWS, fmt.Errorf("SQS stopped the move (%s): %s", move.State, cmp.Or(move.Why, "no reason given"))}
	}
	return err
}

// newBar shows progress on a terminal, and nothing elsewhere.
func newBar(total int, what string, w io.Writer) *progressbar.ProgressBar {
	f, ok := w.(*os.File)
	if !ok || total == 0 || !term.IsTerminal(int(f.Fd())) {
		return progressbar.DefaultSilent(int64(total))
	}
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
}
