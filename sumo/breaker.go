package sumo

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Breaker remembers, from one delivery to the next, that the source was
// unavailable. While it is open a Client begins no delivery; then it lets one
// through as a probe, with one request a body and one body in flight. Anything
// but unavailable closes it again.
//
// The zero value is closed and has the defaults. It is safe for concurrent use.
type Breaker struct {
	// Pause is how long it stays open, give or take half of that, and after a probe
	// that failed twice as long; 0 means DefaultPause. If the source answered that it
	// cannot, the first pause is a 32nd of it and doubles up to there: probes cost
	// little then, and a source of which a part works is found again soon.
	Pause time.Duration
	// Throttled takes the place of Pause after a 429 without Retry-After, and does
	// not begin with less; 0 means Pause.
	Throttled time.Duration
	// Probe is the timeout of the requests of a probe: short, since a source that
	// hangs holds every environment that probes it. Every patientProbe-th probe
	// has the Timeout of the Client, for a source that has become slow. 0 means
	// that all have it.
	Probe time.Duration
	// Rand is for jitter, as that of a Client.
	Rand func() float64

	mu       sync.Mutex
	failures int // deliveries in a row that found the source unavailable
	probing  bool
	opened   time.Time     // by the monotonic clock
	openedAt time.Time     // by the wall clock
	pause    time.Duration // from then
	why      *SendError
}

// DefaultPause is the default of [Breaker.Pause].
const DefaultPause = 30 * time.Second

const patientProbe = 8

// BreakerState says what the next delivery may do.
type BreakerState string

// States of a Breaker.
const (
	Closed  BreakerState = "closed"  // send
	Open    BreakerState = "open"    // do not send
	Probing BreakerState = "probing" // the pause is over: one delivery tries
)

// ErrOpen is in the error of [Client.Begin] while the breaker is open.
var ErrOpen = errors.New("not tried")

// State returns the state, and for an open breaker how long it stays so.
func (b *Breaker) State() (state BreakerState, left time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state()
}

func (b *Breaker) state() (BreakerState, time.Duration) {
	if b.failures == 0 {
		return Closed, 0
	}
	if left := b.pause - b.since(); left > 0 {
		return Open, left
	}
	return Probing, 0
}

// since returns the time since the breaker opened, by the clock that has gone on
// for longer: the monotonic one may stand still while Lambda has frozen the
// environment, and the wall clock may be set back.
func (b *Breaker) since() time.Duration {
	return max(time.Since(b.opened), time.Now().Round(0).Sub(b.openedAt))
}

// enter asks for a delivery. probe is the timeout of its requests if it is a
// probe, at most timeout; 0 if it is not.
func (b *Breaker) enter(timeout time.Duration) (probe time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	state, left := b.state()
	switch {
	case state == Closed:
		return 0, nil
	case state == Probing && !b.probing:
		b.probing = true
		if b.Probe == 0 || b.failures%patientProbe == 0 {
			return timeout, nil
		}
		return min(b.Probe, timeout), nil
	case state == Probing:
		return 0, &SendError{Class: b.why.Class, Status: b.why.Status, Err: fmt.Errorf("%w: another delivery is trying whether the source is back; before, %w", ErrOpen, b.why.Err)}
	}
	return 0, &SendError{Class: b.why.Class, Status: b.why.Status, Err: fmt.Errorf("%w for another %s: %w", ErrOpen, rounded(left), b.why.Err)}
}

// leave takes what a delivery found. Nothing is learned from one that made no
// request, or ran out of time after the source had answered others.
func (b *Breaker) leave(probe bool, o *Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	requests := 0
	for _, n := range o.Attempts {
		requests += n
	}
	failure, _ := errors.AsType[*SendError](o.Err)
	switch {
	case requests == 0:
	case b.failures > 0 && !probe:
		// It began before the breaker opened. That it failed is nothing new; that it
		// did not says little of a source that throttles.
	case failure == nil || failure.Class == Misconfigured || failure.Class == Rejected:
		b.failures, b.why = 0, nil
	case failure.Class == OutOfTime && o.Confirmed > 0:
	default:
		b.failures++
		b.opened, b.openedAt, b.why = time.Now(), time.Now().Round(0), failure
		b.pause = b.next(failure)
	}
}

// next is how long to stay open after a failure.
func (b *Breaker) next(failure *SendError) time.Duration {
	pause, doublings := cmp.Or(b.Pause, DefaultPause), 1
	switch {
	case failure.Class == Throttled:
		pause = cmp.Or(b.Throttled, pause)
	case failure.Status != 0:
		doublings = 6
	}
	pause = 2 * pause >> max(0, doublings-(b.failures-1))
	random := random(b.Rand)
	pause = pause/2 + part(pause, random)
	if failure.RetryAfter > 0 {
		// A little later than asked for, so that not all come back at once.
		pause = max(pause, failure.RetryAfter+part(failure.RetryAfter/4, random))
	}
	return pause
}

// rounded leaves out of a duration what does not matter to people.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}
