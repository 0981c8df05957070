package dlqcmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo"
)

type replayCmd struct {
	queueFlags
	Endpoint string `help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret. Default: the variable SUMO_ENDPOINT." placeholder:"URL|ARN"`
	DryRun   bool   `help:"Show what would be sent, and send nothing."`
	Workers  int    `help:"Number of messages in flight." default:"4"`
	Logs     bool   `help:"Write the function's own log lines to standard error."`
}

func (c *replayCmd) Help() string {
	return `Messages that cannot be read go to the quarantine queue of the redrive policy, if
there is one. Messages in backoff after a failure are not visible until their
visibility timeout ends. Ctrl-C stops after the messages in flight; nothing is
lost.

The variables of the replay function work here too.

Exit status: 0 if no visible message is left, 1 if one is, 2 if the command is
wrong, 3 if AWS refused.`
}

func (c *replayCmd) Run(ctx context.Context, s cli.Streams) error {
	url, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	variables := map[string]string{"TASK_QUEUE_URL": url, "NUM_OF_WORKERS": fmt.Sprint(c.Workers)}
	if c.Endpoint != "" {
		variables["SUMO_ENDPOINT"] = c.Endpoint
	}
	env := function.Env{Out: io.Discard, Getenv: s.With(variables)}
	if c.Logs {
		env.Out = s.Err
	}
	options := ship.ReplayOptions{Options: ship.Options{Env: env, AWS: c.aws, Queue: q}, Inbox: q}
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
		return c.preview(ctx, s, q, replayer)
	}
	bar := cli.NewBar(status.Visible, "replaying", s.Err)
	var mu sync.Mutex
	replayer.Progress = func(ship.Report) {
		mu.Lock()
		defer mu.Unlock()
		bar.Add(1)
	}
	report, err := replayer.Drain(ctx)
	bar.Finish()
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if ctx.Err() != nil && report.Class == string(sumo.OutOfTime) {
		report.Class, report.Error = "", "" // that is the interruption
	}
	if err := c.write(s, report); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "%s done; the others are still in the queue", cli.Count(report.Messages.Done, "message"))
	}
	if left := report.Messages.Kept + report.Messages.Untried + report.Messages.PutBack; left > 0 {
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s could not be sent in full and will become visible again", cli.Count(left, "message")))
	}
	return nil
}

// write writes what became of the messages.
func (c *replayCmd) write(s cli.Streams, report ship.Report) error {
	if c.JSON {
		return cli.WriteJSON(s.Out, report)
	}
	m := report.Messages
	rows := []cli.Row{
		{"messages", strconv.Itoa(m.Received), fmt.Sprintf("%d done, of these %d put back in part and %d quarantined; %d kept, %d untried",
			m.Done, m.PutBack, m.Quarantined, m.Kept, m.Untried)},
		{"log events", strconv.Itoa(report.Events), fmt.Sprintf("%d confirmed, %d filtered, %d still dead-lettered, %d quarantined",
			report.Confirmed, report.FilteredTotal(), report.DeadLettered, report.Quarantined)},
	}
	if report.Error != "" {
		rows = append(rows, cli.Row{"first error", report.Class, report.Error})
	}
	return cli.WriteTable(s.Out, nil, rows)
}

// maxPreview bounds the messages of a dry run.
const maxPreview = 1000

func (c *replayCmd) preview(ctx context.Context, s cli.Streams, q *dlq.Queue, r *ship.Replayer) error {
	messages, err := q.Peek(ctx, maxPreview)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
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
		return cli.WriteJSON(s.Out, map[string]any{"messages": len(messages), "unreadable": broken, "total": total})
	}
	var rows []cli.Row
	for _, group := range order {
		g := groups[group]
		rows = append(rows, cli.Row{cmp.Or(group, "?"), g.Events, g.Records, g.PayloadBytes})
	}
	if err := cli.WriteTable(s.Out, cli.Row{"LOG GROUP", "EVENTS", "RECORDS", "BYTES"}, rows); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s would be sent, %d unreadable would be quarantined. Nothing was sent.\n", cli.Count(len(messages)-broken, "message"), broken)
	return err
}
