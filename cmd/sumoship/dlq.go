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
	Status  dlqStatusCmd  `cmd:"" help:"Tell how full the queue is and how old what lies there."`
	Peek    dlqPeekCmd    `cmd:"" help:"Look at messages, and why they are there, without taking them out."`
	Replay  dlqReplayCmd  `cmd:"" help:"Send what is in the queue to Sumo Logic, from here."`
	Redrive dlqRedriveCmd `cmd:"" help:"Move what is in the parking queue back to the dead-letter queue."`
}

// queueFlags say which queue, as the AWS CLI would.
type queueFlags struct {
	Queue string `help:"The dead-letter queue: its URL or name. Default: the variable TASK_QUEUE_URL." placeholder:"URL|NAME"`
	awsFlags
	JSON bool `name:"json" help:"Write the result as JSON."`
}

// aws is the AWS configuration of who calls, for a Region of a queue or secret.
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

// sample is how many messages are looked at for their age: SQS tells that of
// the oldest only through CloudWatch.
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
		Parking  string     `json:"parkingQueue,omitempty"`
		Parked   *int       `json:"parkingDepth,omitempty"`
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
	if status.Parking != "" {
		parking, err := q.Other(ctx, status.Parking, 0)
		if err != nil {
			return exit{exitAWS, err}
		}
		p, err := parking.Status(ctx)
		if err != nil {
			return exit{exitAWS, err}
		}
		depth := p.Depth()
		r.Parking, r.Parked = p.Name, &depth
	}
	if c.JSON {
		return writeJSON(s.out, r)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "queue\t%s\n", r.Queue)
	fmt.Fprintf(w, "depth\t%d\t%d can be seen, %d in flight or at rest after a failure, %d just put\n", r.Depth, r.Visible, r.InFlight, r.Delayed)
	if r.Oldest != nil {
		fmt.Fprintf(w, "oldest\t%s\tof %s looked at; kept for %s\n", age(*r.Oldest), count(len(messages), "message"), days(status.Keeps))
	} else {
		fmt.Fprintf(w, "oldest\t-\n")
	}
	if r.Parked != nil {
		fmt.Fprintf(w, "parking\t%d\tin %s, after %d receives or when unreadable\n", *r.Parked, r.Parking, status.MaxReceives)
	} else {
		fmt.Fprintf(w, "parking\t-\tthe queue has no redrive policy\n")
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
	N int `short:"n" help:"How many messages to look at." default:"10"`
}

func (c *dlqPeekCmd) Help() string {
	return `A message is away for a moment and then given back; SQS counts that as a
receive.`
}

func (c *dlqPeekCmd) Run(ctx context.Context, s streams) error {
	if c.N < 1 {
		return usage("-n: %d is not a number of messages", c.N)
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
		Events       *int      `json:"events,omitempty"` // not of a message that cannot be read
		FirstFailure time.Time `json:"firstFailure"`
		Class        string    `json:"class,omitempty"`
		Why          string    `json:"why,omitempty"`
		Attempts     int       `json:"attempts"`
		Receives     int       `json:"receives"`
		Bytes        int       `json:"bytes"`
	}
	rows := []row{}
	for _, m := range messages {
		cause := m.Letter.Cause
		r := row{m.ID, cause.LogGroup, nil, cause.FirstFailure, cause.Class, cause.Message, cause.Attempts, m.Receives, len(m.Body)}
		if b, err := transform.Decode(m.Letter.Event, transform.DefaultLimit); err != nil {
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
		fmt.Fprintln(s.out, "There is no message to be seen.")
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
			cmp.Or(strings.TrimSpace(r.Class+" "+strings.TrimPrefix(r.Why, r.Class+": ")), "not said"))
	}
	return w.Flush()
}

type dlqReplayCmd struct {
	queueFlags
	Endpoint string `help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret. Default: the variable SUMO_ENDPOINT." placeholder:"URL|ARN"`
	DryRun   bool   `help:"Tell what would be sent, and send nothing."`
	Workers  int    `help:"How many messages to work on at once." default:"4"`
	Logs     bool   `help:"Write the function's own log lines to standard error."`
}

func (c *dlqReplayCmd) Help() string {
	return `Messages that cannot be read go to the parking queue of the redrive policy, if
there is one. Messages that rest after a failure are not seen until their time
is up. Ctrl-C stops after what is under way; nothing is lost.

The variables of the replay function work here too.

Exit status: 0 if nothing was left to be seen, 1 if something was, 2 if the
command is wrong, 3 if AWS refused.`
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
	if status.Parking != "" {
		parking, err := q.Other(ctx, status.Parking, 0)
		if err != nil {
			return exit{exitAWS, err}
		}
		options.Parking = parking
	}
	replayer, err := ship.NewReplayer(options)
	if err != nil {
		return usage("the configuration is wrong:\n%w", err)
	}
	if c.DryRun {
		return c.preview(ctx, s, q, replayer)
	}
	bar := newBar(status.Visible, "replaying", s.err)
	var mu sync.Mutex
	replayer.Seen = func(ship.Report) {
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
		fmt.Fprintf(w, "messages\t%d\t%d done, %d of them with a rest put back; %d kept, %d untried, %d unreadable\n", m.Received, m.Done, m.PutBack, m.Kept, m.Untried, m.Poison)
		fmt.Fprintf(w, "log events\t%d\t%d confirmed, %d filtered, %d still in a queue\n", report.Events, report.Confirmed, report.FilteredTotal(), report.Parked)
		if report.Error != "" {
			fmt.Fprintf(w, "first trouble\t%s\t%s\n", report.Class, report.Error)
		}
		err = w.Flush()
	}
	if left := report.Messages.Kept + report.Messages.Untried + report.Messages.PutBack; err == nil && left > 0 {
		return exit{exitFound, fmt.Errorf("%s could not be sent whole and will come back", count(left, "message"))}
	}
	if err == nil && ctx.Err() != nil {
		return exit{exitFound, fmt.Errorf("interrupted; what was not sent is still in the queue")}
	}
	return err
}

// maxPreview bounds the messages that a dry run holds.
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
		p := r.Preview(m.Letter.Event)
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
	fmt.Fprintf(s.out, "%s would be sent, %d unreadable would be parked. Nothing was sent.\n", count(len(messages)-broken, "message"), broken)
	return nil
}

type dlqRedriveCmd struct{ queueFlags }

// redrivePoll is how often SQS is asked how far it is.
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
	if status.Parking == "" {
		return usage("queue %s has no redrive policy, so it has no parking queue", status.Name)
	}
	parking, err := q.Other(ctx, status.Parking, 0)
	if err != nil {
		return exit{exitAWS, err}
	}
	before, err := parking.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	move := dlq.Move{State: "COMPLETED"}
	if before.Depth() > 0 {
		if err := parking.Redrive(ctx, status.ARN); err != nil {
			return exit{exitAWS, err}
		}
		bar := newBar(before.Depth(), "moving", s.err)
		for {
			if move, err = parking.Redriven(ctx); err != nil {
				return exit{exitAWS, err}
			}
			bar.Set(move.Moved)
			if move.State != "RUNNING" {
				break
			}
			select {
			case <-ctx.Done():
				return exit{exitFound, fmt.Errorf("interrupted; SQS goes on moving by itself")}
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
		return exit{exitAWS, fmt.Errorf("SQS stopped moving (%s): %s", move.State, cmp.Or(move.Why, "it does not say why"))}
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
