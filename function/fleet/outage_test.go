package fleet

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"sumoship/dlq"
)

var long = flag.Bool("long", false, "the outages of docs/reliability.md, in minutes of real time")

const head = "| source | outage | events a second | limit | events | executions, outage / health | dead-lettered in the outage | peak / health | replays at once | requests per event | drain / outage | latency while draining / health | dead-lettered while draining | oldest message | quarantined | lost | twice | GB·s per event, outage / health |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"

// What a source does in an outage.
const (
	status   = "503"
	hang     = "hang"
	throttle = "429"
	slow     = "slow" // answers after 20 s
)

// What a source does of which a part works: it fails each second, third or fifth request.
const (
	half  = "503/2"
	third = "503/3"
	fifth = "503/5"
)

// Promises 9 and 10, with the template's defaults.
func TestOutagesStayCheapAndEnd(t *testing.T) {
	if raced() {
		t.Skip("takes half a minute with the race detector, which TestFleets is for")
	}
	scenarios := []scenario{
		{source: status, outage: time.Hour, rate: 0.5, account: 1000, scale: 0.01},
		{source: hang, outage: time.Hour, rate: 0.5, account: 1000, scale: 0.01},
		{source: third, outage: time.Hour, rate: 5, account: 1000, scale: 0.1},
	}
	if *long {
		scenarios = nil
		for _, c := range []string{status, hang, throttle, slow, half, third, fifth} {
			scenarios = append(scenarios,
				scenario{source: c, outage: time.Hour, rate: 5, account: 1000, scale: 0.1},
				scenario{source: c, outage: 12 * time.Hour, rate: 0.5, account: 1000, scale: 0.01})
		}
		scenarios = append(scenarios, scenario{source: status, outage: 15 * time.Minute, rate: 15, limit: 45, account: 1000, scale: 0.3})
		for _, c := range []string{status, hang} {
			scenarios = append(scenarios, scenario{source: c, outage: 96 * time.Hour, rate: 0.3, account: 1000, scale: 0.006})
		}
	}
	fmt.Println(head)
	for _, sc := range scenarios {
		t.Run(fmt.Sprint(sc.source, " ", sc.outage), func(t *testing.T) {
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
	d := readTemplate(t)
	receives, age := 0, time.Duration(0)
	for age < d.Retention {
		receives++
		least, most := 24*time.Hour, time.Duration(0)
		for id := range 100 {
			m := dlq.Message{ID: strconv.Itoa(id), Receives: receives, Sent: time.Now().Add(-age)}
			least, most = min(least, m.Backoff()), max(most, m.Backoff())
		}
		if held := most + d.ReplayTimeout; held > 12*time.Hour {
			t.Fatalf("a message is in flight for %s; SQS allows 12 h", held)
		}
		age += least
	}
	if receives > d.MaxReceives/2 {
		t.Errorf("%d receives in %s; want at most half of the template's %d", receives, d.Retention, d.MaxReceives)
	}
}

// An outage nearly as long as the retention quarantines nothing and loses nothing.
func TestLongOutageQuarantinesNothing(t *testing.T) {
	if testing.Short() || raced() {
		t.Skip("takes half a minute with the race detector, which TestFleets is for")
	}
	r := simulate(t, scenario{source: status, outage: 13 * 24 * time.Hour, rate: 0.0001, account: 1000, scale: 0.001})
	t.Log(r)
	if r.lostNothing(t); r.fates.All() < 80 {
		t.Errorf("only %d events", r.fates.All())
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
	conditions := []string{status, hang, throttle, slow, half}
	for seed := range *seeds {
		rng := rand.New(rand.NewPCG(seed, 17))
		sc := scenario{
			source:  conditions[rng.IntN(len(conditions))],
			outage:  time.Duration(1+rng.IntN(90)) * time.Minute,
			rate:    0.02 + rng.Float64()/10,
			account: 1 + rng.IntN(20),
			scale:   0.001,
			seed:    seed,
		}
		if rng.IntN(3) == 0 {
			sc.limit = 1 + 3*rng.Float64()
		}
		simulate(t, sc).lostNothing(t)
	}
}
