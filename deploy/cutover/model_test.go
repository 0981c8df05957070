package cutover_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sumoship/deploy/cutover"
)

// world is two versions behind routes, in virtual time, with faults.
type world struct {
	t      *testing.T
	mu     sync.Mutex
	fleets [2]*fleet
	shares []int
	store  cutover.Entry
	rand   *rand.Rand

	failing float64            // share of calls that fail, and do nothing
	calls   int                // so far
	killAt  int                // this call is the last of its process; 0 is none
	after   bool               // the killing call still does what it is asked to
	kill    context.CancelFunc // of the process

	blind     time.Time // from then on nothing can be measured; zero means never
	log       []string
	highest   int           // share of the new version so far
	empty     time.Duration // longest time that a route had requests for a version without a healthy task, while the other had one
	emptyFrom time.Time
}

// fleet is the tasks of one version.
type fleet struct {
	w     *world
	side  cutover.Side
	tasks []time.Time // when each becomes healthy
	sick  func() int  // how many are unhealthy, of those that started

	errors  func() float64 // share of the answers
	latency func() time.Duration
	silent  func() bool // no logs arrive
}

func newWorld(t *testing.T, old, fresh, routes int) *world {
	w := &world{t: t, shares: make([]int, routes), rand: rand.New(rand.NewPCG(1, 2))}
	for side := range w.fleets {
		w.fleets[side] = &fleet{
			w: w, side: cutover.Side(side),
			sick:    func() int { return 0 },
			errors:  func() float64 { return 0.001 },
			latency: func() time.Duration { return 100 * time.Millisecond },
			silent:  func() bool { return false },
		}
	}
	w.fleets[cutover.Old].tasks = make([]time.Time, old)
	w.fleets[cutover.New].tasks = make([]time.Time, fresh)
	return w
}

// cutover returns a process that moves the service.
func (w *world) cutover() *cutover.Cutover {
	return &cutover.Cutover{
		Fleets: [2]cutover.Fleet{w.fleets[0], w.fleets[1]}, Router: w, Monitor: w, Store: w,
		Report: func(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) },
	}
}

// run runs a process, and the next one when it is killed.
func (w *world) run() error {
	for {
		ctx, kill := context.WithCancel(context.Background())
		w.kill = kill
		err := w.cutover().Run(ctx)
		killed := ctx.Err() != nil
		kill()
		if !killed {
			return err
		}
		w.killAt = 0
		time.Sleep(time.Minute) // until somebody notices
	}
}

var errFault = errors.New("the API throttles")

// call is one call of AWS. It does what do does, unless it fails.
func (w *world) call(ctx context.Context, do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	w.calls++
	if w.calls == w.killAt {
		if w.after {
			do()
			w.check()
		}
		w.kill()
		return context.Canceled
	}
	if w.rand.Float64() < w.failing {
		return errFault
	}
	w.check()
	do()
	w.check()
	return nil
}

// check measures how long requests go where nothing is healthy.
func (w *world) check() {
	starved := false
	for _, share := range w.shares {
		w.highest = max(w.highest, share)
		old, fresh := w.fleets[cutover.Old].health().Healthy, w.fleets[cutover.New].health().Healthy
		starved = starved || share > 0 && fresh == 0 && old > 0 || share < 100 && old == 0 && fresh > 0
	}
	switch now := time.Now(); {
	case !starved:
		w.emptyFrom = time.Time{}
	case w.emptyFrom.IsZero():
		w.emptyFrom = now
	default:
		w.empty = max(w.empty, now.Sub(w.emptyFrom))
	}
}

func (f *fleet) health() (h cutover.Health) {
	for _, start := range f.tasks {
		if !time.Now().Before(start) {
			h.Healthy++
		}
	}
	h.Unhealthy = min(h.Healthy, f.sick())
	h.Healthy -= h.Unhealthy
	return h
}

func (f *fleet) Health(ctx context.Context) (h cutover.Health, err error) {
	err = f.w.call(ctx, func() { h = f.health() })
	return h, err
}

func (f *fleet) Desired(ctx context.Context) (n int, err error) {
	err = f.w.call(ctx, func() { n = len(f.tasks) })
	return n, err
}

func (f *fleet) Scale(ctx context.Context, tasks int) error {
	return f.w.call(ctx, func() {
		for len(f.tasks) < tasks {
			f.tasks = append(f.tasks, time.Now().Add(40*time.Second))
		}
		f.tasks = f.tasks[:tasks]
	})
}

func (w *world) Shares(ctx context.Context) (all []int, err error) {
	err = w.call(ctx, func() { all = append(all, w.shares...) })
	return all, err
}

func (w *world) SetShare(ctx context.Context, route, percent int) error {
	return w.call(ctx, func() {
		if fresh := w.fleets[cutover.New].health().Healthy; percent > w.shares[route] && fresh == 0 {
			w.t.Errorf("route %d gets %d %%, and no task of the new version is healthy", route, percent)
		}
		if percent > w.shares[route] && (w.store.Phase != cutover.Forward || w.store.Step != percent) {
			w.t.Errorf("route %d gets %d %%, and the entry says %s", route, percent, w.store)
		}
		w.shares[route] = percent
	})
}

// share is that of the new version, on average.
func (w *world) share() float64 {
	sum := 0
	for _, s := range w.shares {
		sum += s
	}
	return float64(sum) / float64(len(w.shares)) / 100
}

func (w *world) Sample(ctx context.Context, side cutover.Side, from, to time.Time) (s cutover.Sample, err error) {
	if !w.blind.IsZero() && !time.Now().Before(w.blind) {
		return s, errFault
	}
	err = w.call(ctx, func() {
		share := w.share()
		if side == cutover.Old {
			share = 1 - share
		}
		f := w.fleets[side]
		s.Requests = share * 100 * to.Sub(from).Seconds()
		s.Errors, s.Latency = s.Requests*f.errors(), f.latency()
	})
	return s, err
}

func (w *world) Logs(ctx context.Context, side cutover.Side, _ time.Time) (ok bool, err error) {
	err = w.call(ctx, func() { ok = !w.fleets[side].silent() })
	return ok, err
}

func (w *world) Load(ctx context.Context) (e cutover.Entry, err error) {
	err = w.call(ctx, func() {
		if e, err = cutover.ParseEntry(w.store.String()); err != nil { // as the tag keeps it
			w.t.Error(err)
		}
	})
	return e, err
}

func (w *world) Save(ctx context.Context, e cutover.Entry) error {
	return w.call(ctx, func() { w.store = e })
}
