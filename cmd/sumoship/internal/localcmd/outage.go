package localcmd

import (
	"context"
	"strconv"
	"time"

	"sumoship/dlq"
	"sumoship/dlq/dlqtest"
	"sumoship/function/ship"
	"sumoship/transform"
)

// patience bounds the waiting for an outage of the built-in source to end.
const patience = 10 * time.Second

// outage follows an outage of the built-in source to its end, as a deployed
// forwarder would: time passes between events, and when there are none, the
// heartbeat finds out whether the source is back.
type outage struct {
	forwarder *ship.Forwarder
	queue     *deadLetters
	pause     time.Duration // of the circuit breaker
	waited    time.Duration
	open      bool
}

// newOutage returns nil for a real source, which takes its own time.
func newOutage(f *ship.Forwarder, queue *deadLetters, getenv func(string) string, builtIn bool) *outage {
	if !builtIn {
		return nil
	}
	ms, _ := strconv.Atoi(getenv("BREAKER_PAUSE")) // checked by the forwarder
	return &outage{forwarder: f, queue: queue, pause: time.Duration(ms) * time.Millisecond}
}

// wait lets the pause of an open circuit breaker pass. It reports whether it did:
// not if none is open, or after a long time.
func (o *outage) wait(ctx context.Context) bool {
	if o == nil || !o.open || o.waited+o.pause > patience {
		return false
	}
	o.waited += o.pause
	select {
	case <-ctx.Done():
		return false
	case <-time.After(o.pause):
		return true
	}
}

// saw takes the state of the circuit breaker after an event.
func (o *outage) saw(r ship.Report) {
	if o != nil {
		o.open = r.Breaker != ""
	}
}

// heartbeats ships heartbeats until the source is back or patience has ended. It
// returns how many were sent.
func (o *outage) heartbeats(ctx context.Context) (sent int, back bool) {
	event := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"heartbeat","logStream":"local",` +
		`"logEvents":[{"id":"1","timestamp":1,"message":"heartbeat"}]}`))
	o.queue.closed = true // heartbeats are not of the user
	defer func() { o.queue.closed = false }()
	for o.wait(ctx) {
		r, _ := o.forwarder.Ship(ctx, event)
		for _, n := range r.Attempts {
			sent += n
		}
		o.saw(r)
	}
	return sent, !o.open
}

// deadLetters is the queue of the forwarder. While it is closed it keeps nothing of
// what it takes.
type deadLetters struct {
	*dlqtest.Queue
	closed bool
}

// Put is that of the queue.
func (d *deadLetters) Put(ctx context.Context, entries []dlq.Entry) (failed []int, err error) {
	if d.closed {
		return nil, nil
	}
	return d.Queue.Put(ctx, entries)
}
