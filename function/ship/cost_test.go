//go:build !race

package ship_test

import (
	"context"
	"math"
	"os"
	"runtime"
	"syscall"
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

// compare returns the processor time of ours, and how many times that of theirs it is.
// Another program on the machine takes none of it, but does take the caches: of several
// rounds in turn the least counts, and there are more while it is more than enough.
func compare(t *testing.T, enough float64, ours, theirs func()) (least time.Duration, ratio float64) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	now := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const usual, longest = 500 * time.Millisecond, 5 * time.Second
	least, other := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	begin := now()
	for round := 0; ; round++ {
		if spent := now() - begin; round >= 8 && spent >= usual && (ratio <= enough || spent >= longest) {
			return least, ratio
		}
		start := now()
		ours()
		between := now()
		theirs()
		least, other = min(least, between-start), min(other, now()-between)
		ratio = float64(least) / float64(other)
	}
}

// The processor time of the stream function for a batch, without its network, is within
// 15 % of its codec's where nothing else disturbs the machine, and on one processor it
// does more than the 7.6 MB a second that a full shard brings.
// It times the machine, so only .ci/run asks for it.
func TestStreamStaysNearItsCodec(t *testing.T) {
	if os.Getenv("TIMING") == "" {
		t.Skip("times the machine; set TIMING to run it")
	}
	batch, each, size := streamBatch(32, 350)
	f := newBenchStream(t, new(swallow))
	var c codec
	const want, most, full = 1.15, 1.4, 7.6
	took, ratio := compare(t, want, func() {
		if answer, err := f.Invoke(context.Background(), batch); err != nil || lowest(t, answer) != "" {
			t.Fatalf("%s, %v", answer, err)
		}
	}, func() {
		for _, event := range each {
			c.run(t, event)
		}
	})
	rate := float64(size) / 1e6 / took.Seconds()
	t.Logf("%d records, %.1f MB, %.1f MB/s: %.2f times its codec", len(each), float64(size)/1e6, rate, ratio)
	if ratio > most || rate < full {
		t.Errorf("%.2f times its codec, want %.2f, at most %.2f; %.1f MB/s, want %.1f", ratio, want, most, rate, full)
	}
}

// The processor time of an invocation without its network, in times of its codec, is at
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
		_, ratio := compare(t, was[l.name], invoking(t, f, event), func() { c.run(t, event) })
		t.Logf("%s: %.2f times its codec, %.2f when this was written", l.name, ratio, was[l.name])
		if ratio > 1.5*was[l.name] {
			t.Errorf("%s: %.2f times its codec; it was %.2f times", l.name, ratio, was[l.name])
		}
	}
}

// invoking returns what invokes a function with an event.
func invoking(t *testing.T, f interface {
	Invoke(context.Context, []byte) ([]byte, error)
}, event []byte) func() {
	return func() {
		if _, err := f.Invoke(context.Background(), event); err != nil {
			t.Fatal(err)
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
		_, ratio := compare(t, most, invoking(t, with, event), invoking(t, without, event))
		t.Logf("%s: %.2f times", l.name, ratio)
		if ratio > most {
			t.Errorf("%s: %.2f times an invocation without rules; want at most %.2f", l.name, ratio, most)
		}
	}
}
