// Package localcmd is sumoship local: it runs the forwarder here, with a source and a
// queue in memory. The view shows what is sent, and what becomes of each event.
package localcmd

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/history"
	"sumoship/sumo"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

//go:embed samples/*.json
var samples embed.FS

// Cmd runs the forwarder that Lambda runs.
type Cmd struct {
	Events   []string `arg:"" optional:"" predictor:"file" help:"Files in one of the formats that backfill reads, such as Lambda events or the output of aws logs filter-log-events; - means standard input. Default: sample events."`
	Endpoint string   `sets:"SUMO_ENDPOINT" help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret, instead of the built-in source." placeholder:"URL|ARN"`
	Fail     string   `help:"Script of the built-in source: a status, reset (before the body is stored), lost (after), hang; xN repeats it N times, as in 503x3,429,reset. Then it answers 200." placeholder:"SCRIPT"`
	Replay   bool     `help:"Then drain the dead-letter queue with the replay function, as long as it makes progress."`
	LogGroup string   `help:"Log group of files that do not name it, such as filter-log-events output." default:"local"`
	Records  int      `help:"Number of records to show of each request; -1 shows all." default:"10"`
	Logs     bool     `help:"Write the forwarder's own log lines and metrics to standard error."`
	Yes      bool     `short:"y" help:"Do not ask before the sample events go to --endpoint."`
	JSON     bool     `name:"json" help:"Write the result as JSON."`
}

func (c *Cmd) Help() string {
	return `  sumoship local --fail 503x50
  LOG_FORMAT=RAW sumoship local
  aws logs filter-log-events --log-group-name G | sumoship local - --log-group G

The variables of the Lambda function work here too. Sample events go to a real source
only after you agree.

With the built-in source, NUMBER_OF_RETRIES is 5, RETRY_INTERVAL is 20 ms,
BREAKER_PAUSE 5 ms and REQUEST_TIMEOUT 2 s unless these variables are set. What it
does not accept goes to a dead-letter queue in memory. If it fails for longer than
there are events, heartbeats find out when it is back, as those of a stack do.

Exit status: 0 if nothing was lost, 1 if something was lost or a real endpoint
did not accept it, 2 if the command or its input is wrong.`
}

func (c *Cmd) Run(ctx context.Context, s cli.Streams) error {
	script, err := sumotest.ParseScript(c.Fail)
	if err != nil {
		return cli.Usagef("--fail: %w", err)
	}
	if c.Endpoint != "" && c.Fail != "" {
		return cli.Usagef("--fail scripts the built-in source and --endpoint replaces it: give one of them")
	}
	getenv, stop, err := c.source(s, script)
	if err != nil {
		return err
	}
	defer stop()
	view := &view{Cmd: c, out: s.Out, breakers: map[string]string{}, bar: cli.NewBar(-1, "", io.Discard)}
	logs := io.Discard
	if c.Logs {
		logs = s.Err
	}
	client := sumo.NewHTTP(sumo.DefaultInFlight)
	client.Transport = &observer{next: client.Transport, see: view.post}
	queue := &deadLetters{Queue: new(dlqtest.Queue)}
	options := ship.Options{Env: function.Env{Getenv: getenv, Out: logs}, HTTP: client, Queue: queue}
	forwarder, err := ship.NewForwarder(options)
	if err != nil {
		return cli.Usagef("invalid configuration:\n%w", err)
	}
	replayer, err := ship.NewReplayer(ship.ReplayOptions{Options: options, Inbox: queue, Quarantine: new(dlqtest.Queue)})
	if err != nil {
		return err
	}
	outage := newOutage(forwarder, queue, getenv, c.Endpoint == "")
	if len(c.Events) == 0 && c.Endpoint != "" && !loopback(c.Endpoint) {
		question := "Send sample events to this source, which keeps and bills them?"
		if err := cli.Consent(ctx, s, c.Yes, question); err != nil {
			return err
		}
	}
	total := ship.Report{Left: -1}
	broken, tried := false, 0
	unread := c.read(ctx, s, func(event []byte) error {
		outage.wait(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if tried++; tried == 1 {
			view.begin()
		}
		if tried == manyEvents {
			view.bar = cli.NewBar(-1, "shipping", s.Err)
		}
		r, err := forwarder.Ship(ctx, event)
		outage.saw(r)
		total.Add(r)
		broken = broken || r.Class == ship.Undecodable
		view.breaker("forwarder", r.Breaker)
		view.event(r, err)
		return nil
	})
	switch {
	case tried == 0 && ctx.Err() == nil && unread != nil:
		return cli.Usagef("%w", unread)
	case tried == 0 && ctx.Err() == nil && !c.JSON:
		_, err := fmt.Fprintln(s.Out, "There are no log events to send.")
		return err
	case tried == 0:
		view.begin()
	}
	switch {
	case c.Replay:
		if err := replay(ctx, replayer, queue.Queue, view, &total); err != nil {
			return err
		}
	case outage != nil && outage.open && ctx.Err() == nil:
		view.quiet = true
		view.heartbeats(outage.heartbeats(ctx))
	}
	if err := view.end(total, queue.Queue); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return cli.Interrupted(ctx, "%s tried, %s confirmed; the others were in the dead-letter queue in memory, and the rest was not read",
			cli.Count(tried, "Lambda event"), cli.Count(total.Confirmed, "log event"))
	case unread != nil:
		return cli.Usagef("%w", unread)
	case total.Lost > 0:
		return cli.Exit{Status: cli.ExitFound}
	case broken:
		return cli.Exit{Status: cli.ExitUsage}
	case c.Endpoint != "" && total.DeadLettered > 0:
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s not delivered, and the dead-letter queue was in memory: run the command again", cli.Count(total.DeadLettered, "log event")))
	}
	return nil
}

// loopback reports whether an endpoint is of this machine.
func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// source returns the environment of a forwarder that sends to the endpoint or,
// without one, to the built-in source, which runs until stop is called.
func (c *Cmd) source(s cli.Streams, script []sumotest.Step) (getenv func(name string) string, stop func(), err error) {
	if c.Endpoint != "" {
		return s.With(map[string]string{"SUMO_ENDPOINT": c.Endpoint}), func() {}, nil
	}
	address, stop, err := sumotest.New(script...).Serve()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen on the loopback interface: %w", err)
	}
	return s.With(map[string]string{
		"SUMO_ENDPOINT":     address,
		"SUMO_TOKEN":        "", // of a real source
		"NUMBER_OF_RETRIES": cmp.Or(s.Getenv("NUMBER_OF_RETRIES"), "5"),
		"RETRY_INTERVAL":    cmp.Or(s.Getenv("RETRY_INTERVAL"), "20"),
		"REQUEST_TIMEOUT":   cmp.Or(s.Getenv("REQUEST_TIMEOUT"), "2000"),
		"BREAKER_PAUSE":     cmp.Or(s.Getenv("BREAKER_PAUSE"), "5"),
	}), stop, nil
}

// maxRounds bounds how often the dead-letter queue is drained, whatever the
// script of the source.
const maxRounds = 1000

// replay drains the queue until it is empty or a round makes no progress.
func replay(ctx context.Context, r *ship.Replayer, queue *dlqtest.Queue, view *view, total *ship.Report) error {
	for round := 0; round < maxRounds && len(queue.Entries()) > 0 && ctx.Err() == nil; round++ {
		queue.Wake() // as if their visibility timeouts had passed
		report, err := r.Drain(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		view.breaker("replay", report.Breaker)
		view.drained(report)
		total.DeadLettered -= report.Confirmed + report.Quarantined
		report.Events, report.Filtered, report.DeadLettered = 0, nil, 0 // they have been counted
		total.Add(report)
		scripted := view.Endpoint == "" && (sumo.Class(report.Class) == sumo.Unavailable || sumo.Class(report.Class) == sumo.Throttled)
		if report.Confirmed == 0 && !scripted {
			return nil // Sumo Logic would refuse it again, or is not back yet
		}
	}
	return nil
}

// read reads the events, as Lambda would get them, and hands them on one by one.
func (c *Cmd) read(ctx context.Context, s cli.Streams, do func(event []byte) error) error {
	one := func(name string, in io.Reader) error {
		r := &history.Reader{File: name, Hints: history.Hints{LogGroup: c.LogGroup}, Size: 1 << 20} // about what a delivery holds
		return r.Read(ctx, in, func(b history.Batch) error {
			return do(transform.Event(b.Doc))
		})
	}
	if len(c.Events) == 0 {
		files, err := samples.ReadDir("samples")
		if err != nil {
			return err
		}
		for _, f := range files {
			b, err := samples.ReadFile("samples/" + f.Name())
			if err != nil {
				return err
			}
			if err := one(f.Name(), bytes.NewReader(b)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range c.Events {
		if name == cli.Stdin {
			if err := one("standard input", cli.Reading(ctx, s.In)); err != nil {
				return err
			}
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = one(name, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// manyEvents is the number of events from which a progress bar is shown.
const manyEvents = 20
