//go:build !race

package ship_test

import (
	"context"
	"math"
	"os"
	"testing"
	"time"
)

// These tests hold the costs in docs/performance.md. The race detector would
// measure itself.

// An invocation allocates for itself and for each of its bodies, not for each
// of its events.
func TestAllocationsDoNotGrowWithEvents(t *testing.T) {
	const perInvocation, perBody = 120, 60
	for _, l := range loads {
		event, _ := payload(l.kind, l.events)
		net := new(swallow)
		f := newBenchForwarder(t, l.vars, net)
		const runs = 10
		allocs := testing.AllocsPerRun(runs, func() {
			if _, err := f.Invoke(context.Background(), event); err != nil {
				t.Fatal(err)
			}
		})
		bodies := float64(net.bodies.Load()) / (runs + 1)
		if most := perInvocation + perBody*bodies; allocs > most {
			t.Errorf("%s: %.0f allocations for %d events in %.1f bodies; want at most %.0f", l.name, allocs, l.events, bodies, most)
		}
	}
}

// The time of an invocation without its network, in times of its codec, is at
// most 1.5 times what it was when this was written.
// It times the machine, so only .ci/run asks for it.
func TestInvocationStaysNearItsCodec(t *testing.T) {
	if os.Getenv("TIMING") == "" {
		t.Skip("times the machine; set TIMING to run it")
	}
	was := map[string]float64{"small": 1.7, "typical": 1.15, "large": 1.1, "ids": 1.1}
	for _, l := range loads {
		event, _ := payload(l.kind, l.events)
		f := newBenchForwarder(t, l.vars, new(swallow))
		var c codec
		measure := func() float64 {
			// The minimum of several rounds, in turn, is disturbed least by other
			// work on the machine.
			ours, codecs := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			for range max(8, 40_000/l.events) {
				start := time.Now()
				if _, err := f.Invoke(context.Background(), event); err != nil {
					t.Fatal(err)
				}
				ours = min(ours, time.Since(start))
				start = time.Now()
				c.run(t, event)
				codecs = min(codecs, time.Since(start))
			}
			return float64(ours) / float64(codecs)
		}
		ratio := measure()
		for try := 1; try < 3 && ratio > 1.5*was[l.name]; try++ {
			ratio = min(ratio, measure())
		}
		t.Logf("%s: %.2f times its codec, %.2f when this was written", l.name, ratio, was[l.name])
		if ratio > 1.5*was[l.name] {
			t.Errorf("%s: %.2f times its codec; it was %.2f times", l.name, ratio, was[l.name])
		}
	}
}

// Rules cost little: ten with three masks each at most 1.35 times an invocation
// without.
func TestRulesCostLittle(t *testing.T) {
	if os.Getenv("TIMING") == "" {
		t.Skip("times the machine; set TIMING to run it")
	}
	const most = 1.35
	for _, l := range loads[1:3] {
		event, _ := payload(l.kind, l.events)
		with, without := newBenchForwarder(t, map[string]string{"RULES": tenRules()}, new(swallow)), newBenchForwarder(t, nil, new(swallow))
		measure := func() float64 {
			least := [2]time.Duration{math.MaxInt64, math.MaxInt64}
			for range max(8, 40_000/l.events) {
				for i, f := range []interface {
					Invoke(context.Context, []byte) ([]byte, error)
				}{with, without} {
					start := time.Now()
					if _, err := f.Invoke(context.Background(), event); err != nil {
						t.Fatal(err)
					}
					least[i] = min(least[i], time.Since(start))
				}
			}
			return float64(least[0]) / float64(least[1])
		}
		ratio := measure()
		for try := 1; try < 3 && ratio > most; try++ {
			ratio = min(ratio, measure())
		}
		t.Logf("%s: %.2f times", l.name, ratio)
		if ratio > most {
			t.Errorf("%s: %.2f times an invocation without rules; want at most %.2f", l.name, ratio, most)
		}
	}
}
