package cutover_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/deploy/cutover"
)

// moved checks that the new version has everything, or with back that the old one has.
func (w *world) moved(t *testing.T, back bool) {
	t.Helper()
	want, tasks := 100, 0
	if back {
		want, tasks = 0, 1
	}
	if slices.ContainsFunc(w.shares, func(s int) bool { return s != want }) {
		t.Errorf("shares %v, want %d\n%s", w.shares, want, strings.Join(w.log, "\n"))
	}
	if got := len(w.fleets[cutover.Old].tasks); !back && got != tasks || back && got < tasks {
		t.Errorf("the old version has %d tasks\n%s", got, strings.Join(w.log, "\n"))
	}
	// A look, and the calls that follow it.
	if limit := 40 * time.Second; w.empty > limit {
		t.Errorf("for %s requests went where nothing was healthy\n%s", w.empty, strings.Join(w.log, "\n"))
	}
}

func TestStepsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, 1, 2)
		start := time.Now()
		if err := w.run(); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(w.log, "\n"))
		}
		w.moved(t, false)
		if got := len(w.fleets[cutover.New].tasks); got != 8 {
			t.Errorf("the new version has %d tasks, want as many as the old one had", got)
		}
		var steps []string
		for _, line := range w.log {
			if strings.Contains(line, "% of the requests go") {
				steps = append(steps, strings.Fields(line)[0])
			}
		}
		if got := strings.Join(steps, " "); got != "5 25 50 100" {
			t.Errorf("steps %s", got)
		}
		if took := time.Since(start); took < 25*time.Minute || took > 35*time.Minute {
			t.Errorf("took %s: 4 steps and the drain of 5 minutes each", took)
		}
		if err := w.run(); err != nil || w.calls == 0 { // nothing is left to do
			t.Error(err)
		}
	})
}

// Each fault of the new version is noticed within the step in which it begins.
func TestWorseVersionsGoBack(t *testing.T) {
	for name, fault := range map[string]func(f *fleet, begun func() bool){
		"errors": func(f *fleet, begun func() bool) { f.errors = func() float64 { return pick(begun(), 0.05, 0.001) } },
		"latency": func(f *fleet, begun func() bool) {
			f.latency = func() time.Duration { return pick(begun(), time.Second, 100*time.Millisecond) }
		},
		"hosts":  func(f *fleet, begun func() bool) { f.sick = func() int { return pick(begun(), 1, 0) } },
		"dead":   func(f *fleet, begun func() bool) { f.sick = func() int { return pick(begun(), 99, 0) } },
		"silent": func(f *fleet, begun func() bool) { f.silent = begun },
	} {
		for _, at := range []int{5, 50, 100} {
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 8, 2, 1)
					fault(w.fleets[cutover.New], func() bool { return w.highest >= at })
					err := w.run()
					if _, ok := errors.AsType[*cutover.WentBackError](err); !ok {
						t.Fatalf("%v\n%s", err, strings.Join(w.log, "\n"))
					}
					w.moved(t, true)
					if w.highest != at {
						t.Errorf("went on to %d %%", w.highest)
					}
				})
			})
		}
	}
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

// An old version that was bad before, or that is as bad now, does not hold the new
// one back; one that gets worse with the new one does.
func TestOldVersionIsTheMeasure(t *testing.T) {
	for name, c := range map[string]struct {
		old, fresh func(begun bool) float64
		back       bool
	}{
		"both were bad":    {func(bool) float64 { return 0.2 }, func(bool) float64 { return 0.2 }, false},
		"the new is good":  {func(bool) float64 { return 0.2 }, func(bool) float64 { return 0 }, false},
		"the old suffers":  {func(begun bool) float64 { return pick(begun, 0.2, 0.0) }, func(bool) float64 { return 0 }, true},
		"the new is worse": {func(bool) float64 { return 0.2 }, func(bool) float64 { return 0.3 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 4, 4, 1)
				w.fleets[cutover.Old].errors = func() float64 { return c.old(w.highest > 0) }
				w.fleets[cutover.New].errors = func() float64 { return c.fresh(w.highest > 0) }
				if err := w.run(); (err != nil) != c.back {
					t.Errorf("%v\n%s", err, strings.Join(w.log, "\n"))
				}
				w.moved(t, c.back)
			})
		})
	}
}

// A process may be killed at any call, which may or may not have been carried out. The
// next one ends what it began, whether that was to go on or to go back.
func TestKilledProcessesAreResumed(t *testing.T) {
	for _, bad := range []bool{false, true} {
		calls := 1 << 30
		for at := 1; at <= calls; at += pick(at < 60, 1, 7) {
			for _, after := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 4, 1, 2)
					w.killAt, w.after = at, after
					if bad {
						w.fleets[cutover.New].errors = func() float64 { return pick(w.highest >= 25, 0.5, 0) }
					}
					err := w.run()
					if _, back := errors.AsType[*cutover.WentBackError](err); back != bad || err != nil && !bad {
						t.Errorf("killed at call %d: %v\n%s", at, err, strings.Join(w.log, "\n"))
					}
					if w.moved(t, bad); t.Failed() {
						t.Fatalf("killed at call %d, after %t", at, after)
					}
					calls = w.calls
				})
			}
		}
	}
}

// Whatever happens, in an order of chance: requests go for no longer than a few looks
// where nothing is healthy, the process ends, and the requests are whole on one side.
func TestFaultsAtRandom(t *testing.T) {
	const worlds = 400
	done, back := 0, 0
	for seed := range uint64(worlds) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			w := newWorld(t, 1+r.IntN(12), r.IntN(3), 1+r.IntN(3))
			w.rand, w.failing = r, []float64{0, 0.02, 0.1}[r.IntN(3)]
			if r.IntN(3) == 0 {
				w.killAt, w.after = 1+r.IntN(300), r.IntN(2) == 0
			}
			start := time.Now()
			for _, f := range w.fleets {
				from := time.Duration(r.IntN(60)) * time.Minute
				to := from + time.Duration(r.IntN(20))*time.Minute
				during := func() bool { d := time.Since(start); return d >= from && d < to }
				switch r.IntN(8) {
				case 0:
					f.errors = func() float64 { return pick(during(), 0.3, 0) }
				case 1:
					f.sick = func() int { return pick(during(), 99, 0) }
				case 2:
					f.sick = func() int { return pick(during(), 1, 0) }
				case 3:
					f.latency = func() time.Duration { return pick(during(), 3*time.Second, 90*time.Millisecond) }
				}
			}
			err := w.run()
			for errors.Is(err, errFault) { // AWS refused, and a person runs it again
				time.Sleep(time.Minute)
				err = w.run()
			}
			_, wentBack := errors.AsType[*cutover.WentBackError](err)
			switch {
			case wentBack:
				back++
			case err == nil:
				done++
			default:
				t.Errorf("%v", err)
			}
			for _, share := range w.shares {
				if share != pick(wentBack, 0, 100) {
					t.Errorf("shares %v", w.shares)
				}
			}
			// Of faults of AWS, four looks may fail in a row, and the calls that follow
			// are tried again.
			if limit := pick(w.failing > 0 || w.killAt > 0, 5*time.Minute, 40*time.Second); w.empty > limit {
				t.Errorf("for %s requests went where nothing was healthy", w.empty)
			}
			if t.Failed() {
				t.Fatalf("world %d\n%s", seed, strings.Join(w.log, "\n"))
			}
		})
	}
	if done < worlds/4 || back < worlds/10 {
		t.Errorf("%d moved and %d went back: the worlds are too alike", done, back)
	}
}

// Who cannot see how it is goes back.
func TestBlindnessGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, 4, 1)
		start := time.Now()
		w.blind = start.Add(7 * time.Minute)
		err := w.run()
		if _, ok := errors.AsType[*cutover.WentBackError](err); !ok || !strings.Contains(err.Error(), "cannot see") || time.Since(start) > 9*time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		w.moved(t, true)
	})
}

// Back returns from anywhere, also after the old version was stopped.
func TestBackFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, 4, 1)
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		if err := w.cutover().Back(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.moved(t, true)
		if got := len(w.fleets[cutover.Old].tasks); got != 4 {
			t.Errorf("the old version has %d tasks", got)
		}
		if err := w.run(); err != nil { // and forward again
			t.Fatal(err)
		}
		w.moved(t, false)
	})
}

// Versions without a load balancer share the work by tasks: new ones start before old
// ones stop.
func TestCounts(t *testing.T) {
	for _, tasks := range []int{1, 2, 7} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, tasks, 0, 1)
			c := w.cutover()
			c.Router = &cutover.Counts{Fleets: c.Fleets, Tasks: tasks}
			c.Report = func(string, ...any) {
				if w.store.Phase == cutover.Forward && w.store.Step < 100 && len(w.fleets[0].tasks) == 0 {
					t.Errorf("at %d %% no old task runs", w.store.Step)
				}
			}
			if err := c.Run(t.Context()); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(w.log, "\n"))
			}
			if old, fresh := len(w.fleets[0].tasks), len(w.fleets[1].tasks); old != 0 || fresh != tasks {
				t.Errorf("%d old tasks and %d new ones of %d", old, fresh, tasks)
			}
			if err := c.Back(t.Context()); err != nil {
				t.Fatal(err)
			}
			if old, fresh := len(w.fleets[0].tasks), len(w.fleets[1].tasks); old != tasks || fresh != 0 {
				t.Errorf("back: %d old tasks and %d new ones of %d", old, fresh, tasks)
			}
		})
	}
}
