// Package simcmd is sumoship sim: it simulates the stack with a source that fails by a
// schedule, and shows what became of every log event. All the work is in function/sim.
package simcmd

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/sim"
	"sumoship/function/timeline"
	"sumoship/sumo/sumotest"
)

// Cmd simulates the stack.
type Cmd struct {
	Seed  uint64  `help:"Of everything random; the same seed gives the same result." default:"1"`
	Days  float64 `help:"How long log events arrive, in days." default:"1"`
	Fail  string  `help:"What the source does wrong, and when: a status, reset, lost, hang or slow, each with a time such as @2h..5h or a number of requests such as x20." placeholder:"SCHEDULE"`
	Rate  float64 `help:"Log events a second, each in a Lambda event of its own." default:"0.2"`
	Limit float64 `help:"Requests a second that the source takes; it answers 429 to others. 0 means any number." default:"0"`
	SVG   string  `name:"svg" help:"Draw the result to this file." predictor:"file" placeholder:"FILE"`
	JSON  bool    `name:"json" help:"Write the result as JSON."`
}

// Outputs is for the schema of the JSON.
func (c *Cmd) Outputs() []any { return []any{sim.Result{}} }

// Help is shown by --help.
func (c *Cmd) Help() string {
	return `  sumoship sim --fail 503@2h..8h
  sumoship sim --days 4 --fail hang@1d..2d12h --svg outage.svg
  sumoship sim --fail 429/2@1h..2h,reset@3h..3h10m,slow@6h..

The real code of forwarder and replay runs in virtual time, with the defaults of
template.yaml. Around it Lambda, SQS and Sumo Logic are simulated. A day takes some
seconds; nothing leaves this machine.

The steps of SCHEDULE are separated by commas:

  503@2h..5h     from two hours after the start to five
  hang@1d..      from then on; units are d, h, m, s and ms
  503/2@2h..5h   for each second request in that time
  503x20         for the first 20 requests

Each is a status from 200 to 599, reset (before the data is stored), lost (after), hang,
or slow (it answers after 20 s). Of times that overlap, the first in SCHEDULE that applies
to a request counts. After the last log event the simulation goes on until the queue is
empty, for at most 15 days.

Replay has a share of the template's 100 requests at once, as RATE is one of 50 a second,
but at least 2.

Exit status: 0 if every log event was delivered, 1 if not, 2 if the command is wrong.`
}

const (
	maxDays   = 365
	maxRate   = 50 // of which the template's replay is made for
	maxEvents = 2_000_000
	account   = 1000 // executions at once that an account has if nobody asks for more
)

// run returns the simulation that the flags ask for.
func (c *Cmd) run() (sim.Run, error) {
	schedule, err := sumotest.ParseSchedule(c.Fail)
	if err != nil {
		return sim.Run{}, cli.Usagef("--fail: %w", err)
	}
	switch {
	case !(c.Days > 0 && c.Days <= maxDays):
		return sim.Run{}, cli.Usagef("--days is %v; want more than 0, and at most %d", c.Days, maxDays)
	case !(c.Rate > 0 && c.Rate <= maxRate):
		return sim.Run{}, cli.Usagef("--rate is %v; want more than 0, and at most %d", c.Rate, maxRate)
	case !(c.Limit >= 0 && !math.IsInf(c.Limit, 0)):
		return sim.Run{}, cli.Usagef("--limit is %v; want a number of requests a second, or 0 for no limit", c.Limit)
	}
	length := time.Duration(c.Days * 24 * float64(time.Hour))
	if events := c.Rate * length.Seconds(); events > maxEvents {
		return sim.Run{}, cli.Usagef("--days %v with --rate %v are %.0f log events; want at most %d: lower one of them", c.Days, c.Rate, events, maxEvents)
	}
	for _, w := range schedule.Windows {
		if w.From >= length {
			return sim.Run{}, cli.Usagef("--fail: %s begins at %s, after the last log event, which is at %s: raise --days, or begin earlier", w.Name, timeline.Clock(w.From), timeline.Clock(length))
		}
	}
	return sim.Run{
		Config: sim.Config{
			Stack: sim.Template().Share(c.Rate/maxRate, true), Seed: c.Seed, Rate: c.Rate, Limit: c.Limit, Account: account, Schedule: schedule,
		},
		Length: length,
	}, nil
}

// Run simulates, and writes the result.
func (c *Cmd) Run(ctx context.Context, s cli.Streams) error {
	run, err := c.run()
	if err != nil {
		return err
	}
	result, err := watched(ctx, s, run)
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "nothing was written")
	}
	if err != nil {
		return fmt.Errorf("the simulation went wrong, which says nothing of the stack: %w", err)
	}
	if c.SVG != "" {
		if err := cli.WriteFile(c.SVG, result.SVG()); err != nil {
			return err
		}
	}
	if c.JSON {
		err = cli.WriteJSON(s.Out, result)
	} else {
		err = c.write(s, result)
	}
	if err == nil && result.Fates.Delivered+result.Fates.Replayed < result.Events {
		return cli.Exit{Status: cli.ExitFound}
	}
	return err
}

// watched simulates with a progress bar, which has real time.
func watched(ctx context.Context, s cli.Streams, run sim.Run) (sim.Result, error) {
	var part atomic.Int64
	run.Progress = func(p float64) { part.Store(int64(100 * p)) }
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		bar := cli.NewBar(100, "simulating, percent", s.Err)
		defer bar.Finish()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				bar.Set(int(part.Load()))
			case <-done:
				return
			}
		}
	}()
	result, err := run.Simulate(ctx)
	close(done)
	<-ended
	return result, err
}

// write writes the result for people.
func (c *Cmd) write(s cli.Streams, r sim.Result) error {
	fmt.Fprintf(s.Out, "%s in %s, seed %d\n\n", cli.Count(r.Events, "log event"), timeline.Clock(time.Duration(c.Days*24*float64(time.Hour))), r.Seed)
	var rows []cli.Row
	for _, p := range r.Periods {
		rows = append(rows, cli.Row{
			p.Source, clock(p.From), clock(p.To), p.Fates.All(), p.Fates.Delivered, p.Fates.Replayed, p.Fates.Waiting + p.Fates.Quarantined + p.Fates.Lost, p.Fates.Twice,
			clock(p.Longest), p.Requests, fmt.Sprintf("%.2f", p.Forwarders), p.Depth,
		})
	}
	head := cli.Row{"SOURCE", "FROM", "TO", "EVENTS", "AT ONCE", "REPLAYED", "UNDELIVERED", "TWICE", "LONGEST", "REQUESTS", "FORWARDERS", "QUEUE"}
	if err := cli.WriteTable(s.Out, head, rows); err != nil {
		return err
	}
	fmt.Fprintln(s.Out)
	delay := func(n int, d sim.Delay) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("after %s (median), %s (99 %%), %s (longest)", clock(d.Median), clock(d.P99), clock(d.Longest))
	}
	f := r.Fates
	rows = nil
	for _, line := range []struct {
		fate    string
		n       int
		meaning cli.Meaning
		delay   string
	}{
		{"delivered by the forwarder", f.Delivered, cli.Good, delay(f.Delivered, r.Delays.Delivered)},
		{"dead-lettered, then delivered by replay", f.Replayed, cli.Good, delay(f.Replayed, r.Delays.Replayed)},
		{"still in the dead-letter queue", f.Waiting, cli.Doubt, ""},
		{"in the quarantine queue", f.Quarantined, cli.Bad, ""},
		{"lost", f.Lost, cli.Bad, ""},
		{"delivered more than once, among those above", f.Twice, cli.Doubt, ""},
	} {
		if line.n > 0 {
			line.fate = cli.Paint(s.Out, line.meaning, line.fate)
		}
		rows = append(rows, cli.Row{line.fate, line.n, fmt.Sprintf("%.2f %%", 100*float64(line.n)/float64(max(1, r.Events))), line.delay})
	}
	if err := cli.WriteTable(s.Out, nil, rows); err != nil {
		return err
	}
	switch after := r.Empty - c.Days*24*3600; {
	case r.Empty > 0 && after < 60:
		fmt.Fprintln(s.Out, "\nThe queue was empty when the last log event had been shipped.")
	case r.Empty > 0:
		fmt.Fprintf(s.Out, "\nThe queue was empty %s after the last log event.\n", clock(after))
	default:
		fmt.Fprintf(s.Out, "\nThe queue was not empty %s after the last log event; SQS drops a message after 14 days.\n", timeline.Clock(sim.Patience))
	}
	_, err := fmt.Fprintf(s.Out, "%d = %d + %d + %d + %d + %d\n", r.Events, f.Delivered, f.Replayed, f.Waiting, f.Quarantined, f.Lost)
	return err
}

// clock is a time of a result.
func clock(seconds float64) string {
	return timeline.Clock(max(0, time.Duration(seconds*float64(time.Second))))
}
