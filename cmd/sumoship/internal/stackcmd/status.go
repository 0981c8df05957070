package stackcmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
)

// Status is the verb.
type Status struct {
	flags
	Watch bool          `help:"Show it again and again, until Ctrl-C."`
	Every time.Duration `help:"With --watch, how often." default:"10s" placeholder:"TIME"`
	JSON  bool          `name:"json" help:"Write the result as JSON; with --watch a line each time."`
}

// Help is shown by --help.
func (c *Status) Help() string {
	return `One screen: what the forwarder shipped in the last five minutes, failures by class,
the circuit breaker, the queues, the log groups that the subscriber has subscribed, the
alarms that are on, and the versions of the functions that have logged since.

  sumoship status --watch

Exit status: 0, 2 the command is wrong, 3 AWS refused.`
}

// Outputs is what it writes as JSON.
func (c *Status) Outputs() []any { return []any{doctor.Overview{}} }

// Run shows the stack.
func (c *Status) Run(ctx context.Context, s cli.Streams) error {
	if c.Every < time.Second {
		return cli.Usagef("--every: %s: want 1s or more", c.Every)
	}
	cfg, clients, err := c.open(ctx)
	if err != nil {
		return err
	}
	show := func() error {
		o, err := doctor.Look(ctx, clients, c.Stack, cfg.Region)
		if err != nil {
			return c.failed(err)
		}
		if c.JSON {
			return cli.WriteJSON(s.Out, o)
		}
		if c.Watch && cli.Style(s.Out, s.Getenv).Colour { // a terminal that can
			fmt.Fprint(s.Out, "\x1b[H\x1b[2J")
		}
		return cli.WriteTable(s.Out, nil, overview(s.Out, o))
	}
	if !c.Watch {
		return show()
	}
	return again(ctx, s, c.Every, show)
}

// overview is an overview as rows, in the colours of w.
func overview(w io.Writer, o *doctor.Overview) []cli.Row {
	list := func(m map[string]string) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, name+" "+m[name])
		}
		if len(parts) == 0 {
			return "not known: nothing has been logged"
		}
		return strings.Join(parts, ", ")
	}
	failures := "none"
	if len(o.Failures) > 0 {
		var parts []string
		for _, class := range slices.Sorted(maps.Keys(o.Failures)) {
			parts = append(parts, fmt.Sprintf("%s %d", class, o.Failures[class]))
		}
		failures = cli.Paint(w, cli.Doubt, strings.Join(parts, ", "))
	}
	queue := cli.Count(o.Queue, "message")
	if o.Oldest > 0 {
		queue += ", the oldest " + (time.Duration(o.Oldest) * time.Second).String()
	}
	if o.Queue > 0 {
		queue = cli.Paint(w, cli.Doubt, queue)
	}
	quarantine, breaker := cli.Count(o.Quarantine, "message"), o.Breaker
	if o.Quarantine > 0 {
		quarantine = cli.Paint(w, cli.Bad, quarantine)
	}
	if breaker == "open" {
		breaker = cli.Paint(w, cli.Doubt, breaker)
	}
	rows := []cli.Row{
		{"stack", fmt.Sprintf("%s in %s of account %s, %s", o.Stack, o.Region, o.Account, o.State)},
		{"versions", list(o.Versions)},
		{"shipped", fmt.Sprintf("%d log events a minute, %s a minute, %d of %d confirmed in %d minutes",
			o.Confirmed/o.Minutes, cli.Size(o.Bytes/o.Minutes), o.Confirmed, o.Events, o.Minutes)},
		{"failures", failures},
		{"breaker", breaker},
		{"dead-letter queue", queue},
		{"quarantine queue", quarantine},
	}
	if o.Subscribed != nil {
		rows = append(rows, cli.Row{"subscribed", cli.Count(*o.Subscribed, "log group")})
	}
	alarms := "none is on"
	if len(o.Alarms) > 0 {
		alarms = cli.Paint(w, cli.Bad, strings.Join(o.Alarms, ", "))
	}
	return append(rows, cli.Row{"alarms", alarms})
}
