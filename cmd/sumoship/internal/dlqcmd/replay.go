package dlqcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo"
)

type replayCmd struct {
	queueFlags
	selectFlags `group:"Which messages"`
	Max         int    `help:"At most so many messages." placeholder:"N"`
	All         bool   `help:"With --dry-run, count all messages, not only the first 1000."`
	Endpoint    string `sets:"SUMO_ENDPOINT" help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret. Default: the variable SUMO_ENDPOINT." placeholder:"URL|ARN"`
	DryRun      bool   `help:"Show what would be sent, and send nothing."`
	NoRules     bool   `help:"Also send, without rules, what a function with rules has dead-lettered."`
	Workers     *int   `sets:"NUM_OF_WORKERS" help:"Number of messages in flight, or of receives with --dry-run. Default: 4, or 16." placeholder:"N"`
	Logs        bool   `help:"Write the function's own log lines to standard error."`
}

func (c *replayCmd) Help() string {
	return `  sumoship dlq replay --queue dead-letters --dry-run
  sumoship dlq replay --queue dead-letters --log-group /ecs/shop --dry-run --all
  sumoship dlq replay --queue dead-letters --log-group /ecs/shop

Messages that cannot be read go to the quarantine queue of the redrive policy, if
there is one. Messages in backoff after a failure are not visible until their
visibility timeout ends. Ctrl-C stops after the messages in flight; nothing is
lost.

SQS cannot choose: to replay some of the messages all are received, and the others
held and given back in the end, which counts as a receive of each. This stops before
they come near the maxReceiveCount of the redrive policy.

The variables of the replay function work here too. Set RULES and RULES_KEY as it has
them: without, nothing is masked or dropped by rules, and what a function with rules
has dead-lettered stays in the queue, unless --no-rules is given.

Exit status: 0 if all that was meant was sent, 1 if some could not be sent in full
and stays, 2 if the command is wrong, 3 if AWS refused.`
}

// replayed is the result in JSON.
type replayed struct {
	ship.Report
	Others int  `json:"others,omitempty"` // messages that were not meant
	Depth  *int `json:"depth,omitempty"`  // messages in the queue afterwards, about
}

// previewed is the result of a dry run in JSON.
type previewed struct {
	Messages   int         `json:"messages"`   // meant
	Unreadable int         `json:"unreadable"` // of these
	Others     int         `json:"others"`     // messages that were not meant
	Total      ship.Report `json:"total"`      // what would be sent
	Looked     int         `json:"looked"`     // messages looked at
	All        bool        `json:"all"`        // false if the queue has more
	Depth      int         `json:"depth"`      // messages in the queue, about
}

// Outputs is what it writes as JSON.
func (c *replayCmd) Outputs() []any { return []any{replayed{}, previewed{}} }

func (c *replayCmd) Run(ctx context.Context, s cli.Streams) error {
	workers := 4
	if c.DryRun {
		workers = 16
	}
	if c.Workers != nil {
		if workers = *c.Workers; workers < 1 || workers > 64 {
			return cli.Usagef("--workers: %d: want 1 to 64", workers)
		}
	}
	match, err := c.matcher(time.Now())
	if err != nil {
		return err
	}
	if c.Max < 0 {
		return cli.Usagef("--max: want 1 or more")
	}
	url, q, err := c.open(ctx, s, dlq.DefaultDelay)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	variables := map[string]string{"TASK_QUEUE_URL": url, "NUM_OF_WORKERS": fmt.Sprint(workers)}
	if c.Endpoint != "" {
		variables["SUMO_ENDPOINT"] = c.Endpoint
	}
	env := function.Env{Out: io.Discard, Getenv: s.With(variables)}
	if c.Logs {
		env.Out = s.Err
	}
	if env.Getenv("RULES") == "" && !c.DryRun {
		fmt.Fprintln(s.Err, "sumoship: RULES is not set: nothing is masked or dropped by rules; what a function with rules has dead-lettered stays, unless --no-rules is given")
	}
	options := ship.ReplayOptions{Options: ship.Options{Env: env, AWS: c.aws, Queue: q}, Inbox: q, KeepRules: !c.NoRules}
	var inbox *chosen
	giveBack := func() {}
	if (c.any() || c.Max > 0) && !c.DryRun {
		held, err := q.Hold(ctx, 5*time.Minute)
		if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		giveBack = sync.OnceFunc(func() { _ = held.Release() }) // what stays is visible again in minutes
		defer giveBack()
		inbox = &chosen{Queue: q, match: match, most: c.Max, maxReceives: status.MaxReceives, held: held}
		if c.Max == 0 && len(c.ID) > 0 {
			inbox.most = len(c.ID)
		}
		options.Inbox = inbox
	}
	if status.Quarantine != "" {
		quarantine, err := q.Other(ctx, status.Quarantine, 0)
		if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		options.Quarantine = quarantine
	}
	replayer, err := ship.NewReplayer(options)
	if err != nil {
		return cli.Usagef("invalid configuration:\n%w", err)
	}
	if c.DryRun {
		return c.preview(ctx, s, q, dlq.Scan{Workers: workers, MaxReceives: status.MaxReceives}, status.Depth(), match, replayer)
	}
	total := status.Visible
	if c.Max > 0 {
		total = min(total, c.Max)
	}
	bar := cli.NewBar(total, "replaying", s.Err)
	var mu sync.Mutex
	replayer.Progress = func(ship.Report) {
		mu.Lock()
		defer mu.Unlock()
		bar.Add(1)
	}
	report, err := replayer.Drain(ctx)
	giveBack()
	bar.Finish()
	others := 0
	if inbox != nil {
		others = inbox.others
	}
	if err != nil && !errors.Is(err, dlq.ErrNearLimit) {
		return cli.Fail(cli.ExitAWS, err)
	}
	near := err
	if ctx.Err() != nil && report.Class == string(sumo.OutOfTime) {
		report.Class, report.Error = "", "" // that is the interruption
	}
	var after *dlq.Status
	if status, err := q.Status(ctx); err == nil { // what was done is done: this only says what is left
		after = &status
	}
	if err := c.write(s, report, others, after); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "%s done; the others are still in the queue", cli.Count(report.Messages.Done, "message"))
	}
	if near != nil {
		return scanError(ctx, near, cli.Count(report.Messages.Done, "message")+" done")
	}
	if left := report.Messages.Kept + report.Messages.Untried + report.Messages.PutBack; left > 0 {
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s could not be sent in full and will become visible again", cli.Count(left, "message")))
	}
	return nil
}

// write writes what became of the messages.
func (c *replayCmd) write(s cli.Streams, report ship.Report, others int, after *dlq.Status) error {
	if c.JSON {
		r := replayed{report, others, nil}
		if after != nil {
			depth := after.Depth()
			r.Depth = &depth
		}
		return cli.WriteJSON(s.Out, r)
	}
	m := report.Messages
	rows := []cli.Row{{"messages", m.Received, "received"}, {"  done", m.Done, "deleted from the queue"}}
	add := func(meaning cli.Meaning, what string, n int, means string) {
		if n > 0 {
			rows = append(rows, cli.Row{cli.Paint(s.Out, meaning, what), n, means})
		}
	}
	add(cli.Doubt, "    in part", m.PutBack, "of the done: what Sumo Logic did not confirm is in new messages of the queue")
	add(cli.Bad, "    quarantined", m.Quarantined, "of the done: they cannot be read, and are in the quarantine queue")
	add(cli.Doubt, "  kept", m.Kept, "not confirmed: visible again when their backoff ends")
	add(cli.Doubt, "  untried", m.Untried, "not sent: Sumo Logic could not be reached a moment before, or time was short")
	add("", "others", others, "not meant: received once each, and given back")
	confirmed := "  confirmed"
	if report.Confirmed > 0 {
		confirmed = cli.Paint(s.Out, cli.Good, confirmed)
	}
	rows = append(rows, cli.Row{"log events", report.Events, "in these messages"}, cli.Row{confirmed, report.Confirmed, "by Sumo Logic"})
	add("", "  filtered", report.FilteredTotal(), "dropped by rules or variables, as on the first way")
	add(cli.Doubt, "  dead-lettered", report.DeadLettered, "still in the queue")
	add(cli.Bad, "  quarantined", report.Quarantined, "in the quarantine queue")
	if after != nil {
		rows = append(rows, cli.Row{"left", after.Depth(), fmt.Sprintf("messages in the queue, about: %d visible, %d in flight or in backoff, %d delayed", after.Visible, after.InFlight, after.Delayed)})
	}
	if err := cli.WriteTable(s.Out, nil, rows); err != nil || report.Error == "" {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "first error: %s: %s\n", report.Class, strings.TrimPrefix(report.Error, report.Class+": "))
	return err
}

// maxPreview bounds the messages of a dry run, unless all are asked for.
const maxPreview = 1000

func (c *replayCmd) preview(ctx context.Context, s cli.Streams, q *dlq.Queue, scan dlq.Scan, depth int, match func(message) bool, r *ship.Replayer) error {
	total := ship.Report{Left: -1}
	groups := map[string]*ship.Report{}
	messages, broken, others := 0, 0, 0
	var mu sync.Mutex
	if !c.All {
		scan.Most = maxPreview
	}
	bar := cli.NewBar(-1, "looking at messages", s.Err)
	found, scanErr := q.Scan(ctx, scan, func(batch []dlq.Message) ([]dlq.Message, error) {
		for _, m := range batch {
			looked := look(m)
			meant := match(looked)
			var p ship.Report
			if meant {
				p = r.Preview(m.Entry.Event)
			}
			mu.Lock()
			switch {
			case !meant || c.Max > 0 && messages == c.Max:
				others++
			case p.Class == ship.Undecodable:
				messages++
				broken++
				total.Add(p)
			default:
				messages++
				total.Add(p)
				if groups[p.LogGroup] == nil {
					groups[p.LogGroup] = new(ship.Report)
				}
				groups[p.LogGroup].Add(p)
			}
			mu.Unlock()
		}
		bar.Add(len(batch))
		return nil, nil
	})
	bar.Finish()
	if c.JSON {
		if err := cli.WriteJSON(s.Out, previewed{messages, broken, others, total, found.Messages, found.All, depth}); err != nil {
			return err
		}
		return scanError(ctx, scanErr, cli.Count(found.Messages, "message")+" looked at")
	}
	var rows []cli.Row
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		g := groups[group]
		rows = append(rows, cli.Row{cmp.Or(group, "?"), g.Events, g.Records, g.PayloadBytes})
	}
	if err := cli.WriteTable(s.Out, cli.Row{"LOG GROUP", "EVENTS", "RECORDS", "BYTES"}, rows); err != nil {
		return err
	}
	text := fmt.Sprintf("%s would be sent, %d unreadable would be quarantined", cli.Count(messages-broken, "message"), broken)
	if others > 0 {
		text += fmt.Sprintf(", %s not meant", cli.Count(others, "other"))
	}
	if !found.All {
		text = fmt.Sprintf("Of the first %d of about %s, ", found.Messages, cli.Count(max(depth, found.Messages), "message")) + text + "; --all counts all"
	}
	if _, err := fmt.Fprintln(s.Out, text+". Nothing was sent."); err != nil {
		return err
	}
	return scanError(ctx, scanErr, cli.Count(found.Messages, "message")+" looked at")
}
