package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/sumo/sumotest"
)

// simulate runs with a schedule for some hours.
func simulate(t *testing.T, seed uint64, schedule string, length time.Duration, change func(*Run)) (result Result) {
	t.Helper()
	s, err := sumotest.ParseSchedule(schedule)
	if err != nil {
		t.Fatal(err)
	}
	r := Run{Config: Config{Stack: Template().Share(0, true), Seed: seed, Rate: 0.02, Account: 1000, Schedule: s}, Length: length}
	if change != nil {
		change(&r)
	}
	synctest.Test(t, func(t *testing.T) {
		if result, err = r.simulate(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return result
}

// Each fate is counted, and each event has one.
func TestFates(t *testing.T) {
	all := func(f Fates, of int) bool { return of > 0 && f.All() == of && f.Lost+f.Waiting+f.Quarantined == 0 }
	for _, c := range []struct {
		name, schedule string
		change         func(*Run)
		right          func(Result) bool
	}{
		{"up", "", nil, func(r Result) bool {
			return all(r.Fates, r.Fates.Delivered) && r.Fates.Twice == 0 && r.Requests == r.Events
		}},
		{"outage", "503@1h..2h", nil, func(r Result) bool {
			return all(r.Fates, r.Events) && r.Fates.Replayed > 50 && r.Periods[1].Fates.Delivered == 0 && r.Periods[1].Longest > 3000 && r.Periods[0].Longest < 1
		}},
		{"reset", "reset@1h..2h", nil, func(r Result) bool { return all(r.Fates, r.Events) && r.Fates.Replayed > 50 && r.Fates.Twice == 0 }},
		{"lost", "lost@1h..1h20m", nil, func(r Result) bool { return all(r.Fates, r.Events) && r.Fates.Twice > 10 }},
		{"hang", "hang@1h..2h", nil, func(r Result) bool { return all(r.Fates, r.Events) && r.Fates.Replayed > 50 }},
		{"slow", "slow@1h..2h", nil, func(r Result) bool { return all(r.Fates, r.Events) && r.Fates.Replayed > 10 }},
		{"half", "503/2@1h..2h", nil, func(r Result) bool { return all(r.Fates, r.Events) && r.Fates.Delivered > r.Fates.Replayed }},
		{"steps", "503x3", nil, func(r Result) bool { return all(r.Fates, r.Events) && r.Fates.Replayed > 0 && len(r.Periods) == 1 }},
		{"limit", "", func(r *Run) { r.Limit = 0.01 }, func(r Result) bool { return r.Fates.All() == r.Events && r.Fates.Replayed > 0 }},
		{"forever", "503@1h..", func(r *Run) { r.Stack.Retention = 4 * time.Hour }, func(r Result) bool {
			// SQS drops what it has held for too long, and no source ever took it.
			return r.Empty > 0 && r.Fates.Lost > 10 && r.Fates.Delivered+r.Fates.Lost == r.Events && r.Fates.Quarantined == 0
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := simulate(t, 1, c.schedule, 3*time.Hour, c.change); !c.right(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The same seed gives the same bytes, another one others.
func TestSeedReplays(t *testing.T) {
	of := func(seed uint64) []byte {
		r := simulate(t, seed, "503@10m..20m, hang/2@25m..30m, lost@32m..34m", 40*time.Minute, func(r *Run) { r.Rate, r.Limit, r.Account = 0.2, 0.3, 2 })
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, r.SVG()...)
	}
	first := of(7)
	if !bytes.Equal(first, of(7)) {
		t.Error("the same seed gave another result")
	}
	if bytes.Equal(first, of(8)) {
		t.Error("another seed gave the same result")
	}
}

// Who wakes at one instant goes on in the order of the names.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		go turns.give()
		var order []string
		for _, name := range strings.Split("hcaebgfd", "") {
			go func() {
				time.Sleep(time.Second)
				turns.take(name)
				order = append(order, name)
				time.Sleep(time.Second)
				turns.take(name)
				order = append(order, name)
			}()
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := strings.Join(order, ""); got != "abcdefghabcdefgh" {
			t.Errorf("the order was %s", got)
		}
		turns.stop()
	})
}

// A simulation that is interrupted says so.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := Run{Config: Config{Stack: Template().Share(0, true), Rate: 0.02, Account: 1000}, Length: 24 * time.Hour}
	var parts []float64
	r.Progress = func(part float64) {
		if parts = append(parts, part); len(parts) == 10 {
			cancel()
		}
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := r.simulate(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if len(parts) != 10 || !slices.IsSorted(parts) || parts[9] > 0.1 {
		t.Errorf("progress was %v", parts)
	}
}

func TestShare(t *testing.T) {
	for share, want := range map[float64][4]int{0: {2, 1, 2, 1}, 0.1: {5, 2, 10, 1}, 1: {10, 10, 100, 1}} {
		a, b := Template().Share(share, false), Template().Share(share, true)
		if got := [4]int{a.Concurrency, a.Workers, b.Concurrency, b.Workers}; got != want {
			t.Errorf("a share of %v: %v, want %v", share, got, want)
		}
	}
}
