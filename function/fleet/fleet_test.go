package fleet

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/function/sim"
	"sumoship/sumo/sumotest"
)

// scenario is one run.
type scenario struct {
	source  string // what the source does in the outage, as in a schedule
	outage  time.Duration
	rate    float64 // events a second, of one log event each
	limit   float64 // requests a second that the source takes; 0 means any number
	account int     // concurrent executions that the account allows
	scale   float64 // share of the template's replay, for a rate that is a share of 50 a second
	seed    uint64
}

// phase is what was measured in a part of a run.
type phase struct {
	sim.Totals // what was done in it; At is how long it took
}

func (p phase) executions() float64     { return p.Forwarding.Seconds() / p.At.Seconds() }
func (p phase) replays() float64        { return p.Replaying.Seconds() / p.At.Seconds() }
func (p phase) latency() float64        { return p.Latency.Seconds() / float64(max(1, p.Served)) }
func (p phase) untaken() float64        { return float64(p.Untaken) / float64(max(1, p.Served)) }
func (p phase) billedPerEvent() float64 { return p.Billed.Seconds() / float64(max(1, p.Events)) }

// result is what a run found.
type result struct {
	scenario
	health, outage, drain phase
	oldest                time.Duration
	fates                 sim.Fates
	left                  int // messages in the queue
}

const health = 10 * time.Minute

// simulate goes through health, outage and drain.
func simulate(t *testing.T, sc scenario) (r result) {
	synctest.Test(t, func(t *testing.T) { r = run(t, sc) })
	return r
}

func run(t *testing.T, sc scenario) result {
	down := fmt.Sprintf("%s@%s..%s", sc.source, 2*health, 2*health+sc.outage)
	schedule, err := sumotest.ParseSchedule(down)
	if err != nil {
		t.Fatal(err)
	}
	f := sim.New(sim.Config{
		Stack: readTemplate(t).Share(sc.scale, false), Seed: sc.seed, Rate: sc.rate, Limit: sc.limit, Account: sc.account, Schedule: schedule,
	})
	f.Start()
	r := result{scenario: sc}
	time.Sleep(health) // environments and connections
	begun := f.Totals()
	mark := func() phase {
		t := f.Totals()
		p := phase{sim.Totals{
			At: t.At - begun.At, Events: t.Events - begun.Events, Requests: t.Requests - begun.Requests, Forwarding: t.Forwarding - begun.Forwarding,
			Replaying: t.Replaying - begun.Replaying, Billed: t.Billed - begun.Billed, Served: t.Served - begun.Served,
			Latency: t.Latency - begun.Latency, Untaken: t.Untaken - begun.Untaken, MostExecuting: t.MostExecuting,
		}}
		begun = t
		return p
	}
	time.Sleep(health)
	r.health = mark()
	time.Sleep(sc.outage)
	r.outage = mark()
	since := time.Now()
	for f.Depth() > int(2*sc.rate) && time.Since(since) < 4*sc.outage+time.Hour {
		time.Sleep(15 * time.Second)
	}
	r.drain = mark()
	f.EndArrivals()
	for f.Depth() > 0 && time.Since(since) < sc.outage+24*time.Hour {
		time.Sleep(time.Minute)
	}
	r.left, r.oldest, r.fates = f.Depth(), f.Totals().Oldest, f.Fates()
	if err := f.Stop(); err != nil {
		t.Error(err)
	}
	return r
}

// goal bounds what an outage costs, by what the source does in it.
type goal struct {
	executions float64 // of the forwarder, over those in health
	requests   float64 // to the source, per event
	untaken    float64 // share of the events that is dead-lettered
	billed     float64 // GB·s per event of forwarder and replay, over those in health
}

var anything = math.Inf(1)

// Of a source that takes nothing, events wait in the queue, and what replay costs is
// bounded by its concurrency. One of which a part works is to be used: who delivers an
// event at the second request takes 50 + 100 + 250 + 100 ms instead of 50 + 100 ms, 3.3
// times as long, and a few need a third request.
var goals = map[string]goal{
	status:   {1.5, 0.5, 1, anything},
	throttle: {1.5, 0.5, 1, anything},
	hang:     {3, 0.5, 1, anything},
	slow:     {3, 0.5, 1, anything},
	half:     {4, 2, 0.7, 7},
	third:    {2.5, 1.5, 0.25, 3},
	fifth:    {2, 1.25, 0.05, 2},
}

// check compares a result with the goals.
func (r result) check(t *testing.T) {
	t.Helper()
	atMost := func(what string, got, want float64) {
		t.Helper()
		if got > want {
			t.Errorf("%s %s: %s is %.2f, want at most %.2f", r.source, r.scenario.outage, what, got, want)
		}
	}
	goal := goals[r.source]
	atMost("executions in the outage over those in health", r.outage.executions()/r.health.executions(), goal.executions)
	atMost("requests per event in the outage", float64(r.outage.Requests)/float64(r.outage.Events), goal.requests)
	atMost("share of events that were dead-lettered in the outage", r.outage.untaken(), goal.untaken)
	atMost("GB·s per event in the outage over those in health", r.outage.billedPerEvent()/r.health.billedPerEvent(), goal.billed)
	atMost("drain over outage", r.drain.At.Seconds()/r.scenario.outage.Seconds(), 1)
	atMost("latency while it drains over that in health", r.drain.latency()/r.health.latency(), 1.1)
	r.lostNothing(t)
}

// lostNothing checks that each event was delivered.
func (r result) lostNothing(t *testing.T) {
	t.Helper()
	if f := r.fates; f.Delivered+f.Replayed != f.All() || r.left > 0 {
		t.Errorf("%+v: %+v, and %d messages are left", r.scenario, f, r.left)
	}
}

func (r result) String() string {
	limit := "none"
	if r.limit > 0 {
		limit = fmt.Sprintf("%.0f a second", r.limit)
	}
	return fmt.Sprintf("| %s | %s | %.1f | %s | %d | %.2f | %.1f %% | %.0f | %.1f | %.2f | %.2f | %.2f | %.1f %% | %s | %d | %d | %d | %.2f |",
		r.source, strings.TrimSuffix(strings.TrimSuffix(r.scenario.outage.String(), "0s"), "0m"), r.rate, limit, r.fates.All(),
		r.outage.executions()/r.health.executions(), 100*r.outage.untaken(), float64(r.outage.MostExecuting)/r.health.executions(),
		r.outage.replays(), float64(r.outage.Requests)/float64(r.outage.Events), r.drain.At.Seconds()/r.scenario.outage.Seconds(),
		r.drain.latency()/r.health.latency(), 100*r.drain.untaken(), r.oldest.Round(time.Minute),
		r.fates.Quarantined, r.fates.Lost, r.fates.Twice, r.outage.billedPerEvent()/r.health.billedPerEvent())
}
