package fleet

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/dlq"
)

var long = flag.Bool("long", false, "the outages of docs/reliability.md, in minutes of real time")

const head = "| source | outage | events a second | limit | events | executions, outage / health | peak / health | replays at once | requests per event | drain / outage | latency while draining / health | dead-lettered while draining | oldest message | quarantined | lost | twice | GB·s per event, outage / health |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"

func simulate(t *testing.T, sc scenario) (r result) {
	synctest.Test(t, func(t *testing.T) { r = newFleet(t, sc, readDefaults(t)).run() })
	return r
}

// Promises 9 and 10, with the template's defaults.
func TestOutagesStayCheapAndEnd(t *testing.T) {
	if raced() {
		t.Skip("takes half a minute with the race detector, which TestFleets is for")
	}
	scenarios := []scenario{
		{condition: status, outage: time.Hour, rate: 0.5, account: 1000, scale: 0.01},
		{condition: hang, outage: time.Hour, rate: 0.5, account: 1000, scale: 0.01},
	}
	if *long {
		scenarios = nil
		for _, c := range []condition{status, hang, throttle, slow, halfDead} {
			scenarios = append(scenarios,
				scenario{condition: c, outage: time.Hour, rate: 5, account: 1000, scale: 0.1},
				scenario{condition: c, outage: 12 * time.Hour, rate: 0.5, account: 1000, scale: 0.01})
		}
		scenarios = append(scenarios, scenario{condition: status, outage: 15 * time.Minute, rate: 15, limit: 45, account: 1000, scale: 0.3})
		for _, c := range []condition{status, hang} {
			scenarios = append(scenarios, scenario{condition: c, outage: 96 * time.Hour, rate: 0.3, account: 1000, scale: 0.006})
		}
	}
	fmt.Println(head)
	for _, sc := range scenarios {
		t.Run(fmt.Sprint(sc.condition, " ", sc.outage), func(t *testing.T) {
			r := simulate(t, sc)
			fmt.Println(r)
			r.check(t)
		})
	}
}

// The receives of a message outlast its retention, also with the shortest rests
// that the jitter allows and with dead replays in between, so that no outage
// quarantines it.
func TestReceivesOutlastTheRetention(t *testing.T) {
	d := readDefaults(t)
	receives, age := 0, time.Duration(0)
	for age < d.retention {
		receives++
		m := dlq.Message{Receives: receives, Sent: time.Now().Add(-age)}
		least, most := m.Backoff(), time.Duration(0)
		for range 100 {
			least, most = min(least, m.Backoff()), max(most, m.Backoff())
		}
		if held := most + d.replayTimeout; held > 12*time.Hour {
			t.Fatalf("a message is in flight for %s; SQS allows 12 h", held)
		}
		age += least
	}
	if receives > d.maxReceives/2 {
		t.Errorf("%d receives in %s; want at most half of the template's %d", receives, d.retention, d.maxReceives)
	}
}

// An outage nearly as long as the retention quarantines nothing and loses nothing.
func TestLongOutageQuarantinesNothing(t *testing.T) {
	if testing.Short() || raced() {
		t.Skip("takes half a minute with the race detector, which TestFleets is for")
	}
	r := simulate(t, scenario{condition: status, outage: 13 * 24 * time.Hour, rate: 0.0001, account: 1000, scale: 0.001})
	t.Log(r)
	if r.lost > 0 || r.quarantined > 0 || r.events < 80 {
		t.Errorf("of %d events %d lost, %d messages quarantined", r.events, r.lost, r.quarantined)
	}
}

// raced reports whether the race detector watches, which makes a fleet seven times slower.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

var seeds = flag.Uint64("seeds", 10, "how many small fleets TestFleets goes through")

// Whatever the outage: nothing is lost, nothing good is quarantined, and the queue
// is empty in the end.
func TestFleets(t *testing.T) {
	conditions := []condition{status, hang, throttle, slow, halfDead}
	for seed := range *seeds {
		rng := rand.New(rand.NewPCG(seed, 17))
		sc := scenario{
			condition: conditions[rng.IntN(len(conditions))],
			outage:    time.Duration(1+rng.IntN(90)) * time.Minute,
			rate:      0.02 + rng.Float64()/10,
			account:   1 + rng.IntN(20),
			scale:     0.001,
			seed:      seed,
		}
		if rng.IntN(3) == 0 {
			sc.limit = 1 + 3*rng.Float64()
		}
		if r := simulate(t, sc); r.lost > 0 || r.quarantined > 0 {
			t.Errorf("seed %d: %d lost, %d quarantined of %d\n%+v", seed, r.lost, r.quarantined, r.events, sc)
		}
	}
}
