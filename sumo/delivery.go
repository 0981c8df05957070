package sumo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Delivery sends the records of one invocation. Add and Wait must be called from
// one goroutine.
type Delivery struct {
	c     *Client
	ctx   context.Context
	ep    Endpoint
	slots chan struct{} // one for each body in flight

	probe    bool          // for the breaker
	attempts int           // at a body
	timeout  time.Duration // of a request

	wg sync.WaitGroup

	open    map[Source]*body // bodies that still accept records
	last    *body            // the one that got a record last
	pending int              // bytes in them
	late    late             // what came after the end

	sending context.Context // done when nothing more is tried; its cause is the *SendError
	stop    context.CancelCauseFunc

	mu       sync.Mutex
	out      Outcome
	panicked any // of a goroutine
}

// Bounds of the open bodies of a delivery to many sources. Beyond one of them the
// largest are sent early, until a quarter is free: so bodies are looked through
// rarely, at most a few times for each byte that is added.
const (
	maxPending = 4    // bytes, in multiples of MaxBody
	maxOpen    = 1000 // bodies
)

// late are events that came when nothing more was tried.
type late struct {
	events []int
	bodies int // that their records would have made, had all one source
	room   int // bytes left in the last of these
}

// Outcome is the result of a delivery.
type Outcome struct {
	Records     int            // passed to Add or Skip
	Confirmed   int            // records that the source answered 2xx for
	Unconfirmed []int          // event numbers of the other records, in ascending order
	Err         error          // why: the first *SendError, but a Misconfigured one before a Rejected one; nil if Unconfirmed is empty
	Bodies      int            // confirmed or given up; a body split after a 413 counts by its parts
	RawBytes    int64          // size of the confirmed bodies before gzip
	SentBytes   int64          // size of the confirmed bodies as sent
	Attempts    map[string]int // requests by class of status: 2xx, 3xx, 4xx, 5xx, none
	Warnings    int            // bodies that the source confirmed with a warning: it may have dropped them
	Clipped     int            // bodies whose metadata exceeded a limit of Sumo Logic
}

// body holds the records of one request.
type body struct {
	source Source
	text   []byte // nil once it has been compressed
	ends   []int  // where each record ends in text, before its newline
	events []int
	zipped []byte

	readers atomic.Int32 // requests that may still read text or zipped
	refused int          // small parts of it that were refused as too large since one was confirmed
}

// Bounds of splitting after a 413. A body over alwaysSplit bytes is split in any
// case. A smaller one is not when so many small ones in a row were refused that
// halving has come down to a record: the size is not what the source minds.
const (
	alwaysSplit = 64 << 10 // no source refuses less for its size: Sumo Logic recommends 100 KB to 1 MB
	maxRefused  = 16       // halvings from alwaysSplit down to a byte
)

// size returns the size of the body before gzip, in bytes.
func (b *body) size() int { return b.ends[len(b.ends)-1] }

// Begin starts a delivery. When ctx is done nothing more is sent, and the bodies in
// flight are not confirmed.
//
// While the breaker of the client is open there is no delivery: the error is a
// *[SendError] with [ErrOpen] in it and the class of what opened the breaker.
func (c *Client) Begin(ctx context.Context, ep Endpoint) (*Delivery, error) {
	c.init()
	d := &Delivery{c: c, ctx: ctx, ep: ep, attempts: c.Attempts, timeout: c.Timeout, open: map[Source]*body{}}
	inFlight := c.InFlight
	if c.Breaker != nil {
		probe, err := c.Breaker.enter(c.Timeout)
		if err != nil {
			return nil, err
		}
		if probe > 0 {
			d.probe, d.attempts, d.timeout, inFlight = true, 1, probe, 1
		}
	}
	d.slots = make(chan struct{}, inFlight)
	d.sending, d.stop = context.WithCancelCause(ctx)
	d.out.Attempts = map[string]int{}
	return d, nil
}

// Add adds the record of the log event with that number. Records of one source go,
// in order and joined by newlines, into bodies of at most MaxBody bytes; a larger
// record goes alone. Add waits while InFlight bodies are in flight. When nothing more
// is tried it only notes the event, once the body that it began last is full.
func (d *Delivery) Add(source Source, event int, record []byte) {
	b := d.body(source)
	if b != nil && len(b.ends) > 0 && len(b.text)+1+len(record) > d.c.MaxBody {
		d.flush(b, false)
		b = d.body(source)
	}
	if b == nil {
		if d.late.room -= len(record) + 1; d.late.room < 0 {
			d.late.bodies++
			d.late.room = max(0, d.c.MaxBody-len(record))
		}
		d.Skip(event)
		return
	}
	d.out.Records++
	if len(b.ends) > 0 {
		b.text = append(b.text, '\n')
	}
	b.text = append(b.text, record...)
	b.ends = append(b.ends, len(b.text))
	b.events = append(b.events, event)
	d.pending += len(record) + 1
	if d.pending > maxPending*d.c.MaxBody && len(d.open) > 1 || len(d.open) > maxOpen {
		d.makeRoom()
	}
}

// Skip notes an event that is not sent, for want of time: it is unconfirmed.
func (d *Delivery) Skip(event int) {
	d.out.Records++
	d.late.events = append(d.late.events, event)
}

// body returns the open body of source, nil if there is none that got a record last
// and nothing more is tried.
func (d *Delivery) body(source Source) *body {
	if d.last != nil && d.last.source == source {
		return d.last
	}
	if d.sending.Err() != nil {
		return nil
	}
	b := d.open[source]
	if b == nil {
		b = d.c.empty()
		b.source = source
		d.open[source] = b
	}
	d.last = b
	return b
}

// makeRoom sends the largest of the open bodies.
func (d *Delivery) makeRoom() {
	bySize := slices.SortedFunc(maps.Values(d.open), func(a, b *body) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.events[0], b.events[0]))
	})
	for _, b := range bySize {
		if d.pending <= maxPending*d.c.MaxBody*3/4 && len(d.open) <= maxOpen*3/4 {
			break
		}
		d.flush(b, false)
	}
}

// flush sends an open body. It compresses the body before it waits for a slot, so
// that a waiting body takes little memory. The last body is sent by the calling
// goroutine: most deliveries have no other, and starting a goroutine is a good part
// of what a small one costs.
func (d *Delivery) flush(b *body, last bool) {
	delete(d.open, b.source)
	d.last = nil
	d.pending -= len(b.text) + 1
	if d.stopped() == nil && !d.c.NoCompression {
		d.c.zip(b)
	}
	select {
	case d.slots <- struct{}{}:
	case <-d.sending.Done():
		d.giveUp(b, d.stopped())
		return
	}
	if err := d.stopped(); err != nil {
		d.giveUp(b, err)
		d.c.recycle(b)
		<-d.slots
		return
	}
	send := func() {
		defer func() { <-d.slots }()
		d.deliver(b, &b.refused)
		d.c.recycle(b)
	}
	if last {
		send()
	} else {
		d.wg.Go(func() {
			// It would end the process. Wait panics instead, where the caller can recover.
			defer func() {
				if v := recover(); v != nil {
					d.mu.Lock()
					d.panicked = v
					d.mu.Unlock()
				}
			}()
			send()
		})
	}
}

// Wait sends the remaining bodies and returns the outcome of the delivery.
func (d *Delivery) Wait() Outcome {
	left := slices.SortedFunc(maps.Values(d.open), func(a, b *body) int { return cmp.Compare(a.events[0], b.events[0]) })
	for i, b := range left {
		d.flush(b, i == len(left)-1)
	}
	d.wg.Wait()
	if d.panicked != nil {
		panic(d.panicked)
	}
	if len(d.late.events) > 0 {
		d.giveUp(&body{events: d.late.events}, cmp.Or(d.stopped(), error(outOfTime)))
		d.out.Bodies += d.late.bodies - 1
	}
	d.stop(nil)
	slices.Sort(d.out.Unconfirmed)
	if d.c.Breaker != nil {
		d.c.Breaker.leave(d.probe, &d.out)
	}
	return d.out
}

// Abandon ends a delivery that panicked, so that the breaker of the client does not
// wait for its outcome.
func (d *Delivery) Abandon() {
	d.stop(nil)
	if d.c.Breaker != nil {
		d.c.Breaker.leave(d.probe, &Outcome{})
	}
}

// stopped returns why nothing more is tried, nil while sending goes on.
func (d *Delivery) stopped() error {
	if d.sending.Err() == nil {
		return nil
	}
	if err, ok := errors.AsType[*SendError](context.Cause(d.sending)); ok {
		return err
	}
	if interrupted(d.sending) {
		return &SendError{Class: OutOfTime, Err: errors.New("interrupted before all was sent")}
	}
	return outOfTime
}

// interrupted reports whether the caller has cancelled ctx, and not its deadline or
// what a delivery has found.
func interrupted(ctx context.Context) bool {
	_, found := errors.AsType[*SendError](context.Cause(ctx))
	return errors.Is(ctx.Err(), context.Canceled) && !found
}

var outOfTime = &SendError{Class: OutOfTime, Err: errors.New("the deadline came before all was sent")}

// deliver sends a body until it is confirmed or given up. After a body that finds
// the source unavailable or the endpoint wrong nothing more is tried. refused is that
// of the body that it is a part of.
func (d *Delivery) deliver(b *body, refused *int) {
	header := http.Header{"User-Agent": {cmp.Or(d.c.UserAgent, "sumoship")}}
	clipped := b.source.header(header)
	if name := clean(d.c.Name); name != "" {
		header[headerClient] = []string{name}
	}
	if token := d.ep.secret().token; token != "" {
		header[headerToken] = []string{token}
	}
	payload := b.text
	if !d.c.NoCompression {
		header["Content-Encoding"] = []string{"gzip"}
		payload = b.zipped
	}
	err := d.try(header, payload, &b.readers)
	tooLarge := err != nil && err.Status == http.StatusRequestEntityTooLarge
	switch {
	case err == nil:
		*refused = 0
	case tooLarge && b.size() <= alwaysSplit:
		*refused++
	}
	if tooLarge && len(b.ends) > 1 && (b.size() > alwaysSplit || *refused <= maxRefused) {
		for _, half := range d.c.split(b) {
			if err := d.stopped(); err != nil {
				d.giveUp(half, err)
			} else {
				d.deliver(half, refused)
			}
			b.readers.Add(half.readers.Load()) // it may share b's buffers
		}
		return
	}
	d.mu.Lock()
	if clipped {
		d.out.Clipped++
	}
	d.mu.Unlock()
	if err != nil {
		d.giveUp(b, err)
		if err.Class != Rejected {
			d.stop(err)
		}
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Bodies++
	d.out.Confirmed += len(b.events)
	d.out.RawBytes += int64(b.size())
	d.out.SentBytes += int64(len(payload))
}

// try posts a payload until it is confirmed or a retry is pointless.
func (d *Delivery) try(header http.Header, payload []byte, readers *atomic.Int32) *SendError {
	var last *SendError
	retries := d.c.retries(d.ctx, d.attempts)
	err := backoff.Retry(func() error {
		warned, failure := d.c.post(d.ctx, d.ep, header, payload, d.timeout, readers)
		d.count(warned, failure)
		if last = failure; failure == nil {
			return nil
		}
		retries.after = failure.RetryAfter
		if !failure.temporary() || d.c.Yield && failure.Class == Throttled {
			return backoff.Permanent(failure)
		}
		return failure
	}, backoff.WithContext(retries, d.sending))
	if err == nil {
		return nil
	}
	return last
}

func (d *Delivery) count(warned bool, failure *SendError) {
	class := "2xx"
	switch {
	case failure == nil:
	case failure.Status == 0:
		class = "none"
	default:
		class = fmt.Sprintf("%dxx", failure.Status/100)
	}
	d.mu.Lock()
	d.out.Attempts[class]++
	if warned {
		d.out.Warnings++
	}
	d.mu.Unlock()
}

func (d *Delivery) giveUp(b *body, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Bodies++
	d.out.Unconfirmed = append(d.out.Unconfirmed, b.events...)
	// A wrong endpoint affects all later bodies, a refused body only itself.
	if d.out.Err == nil || ClassOf(d.out.Err) == Rejected && ClassOf(err) == Misconfigured {
		d.out.Err = err
	}
}

// split returns two bodies, each with half of b's records. A source refuses a body
// for its size so rarely that its text may be decompressed again.
func (c *Client) split(b *body) [2]*body {
	text := b.text
	if !c.NoCompression {
		text = unzip(b.zipped, b.size())
	}
	n := len(b.ends) / 2
	cut := b.ends[n-1]
	left := &body{source: b.source, text: text[:cut:cut], ends: b.ends[:n], events: b.events[:n]}
	right := &body{source: b.source, text: text[cut+1:], events: b.events[n:]}
	for _, end := range b.ends[n:] {
		right.ends = append(right.ends, end-cut-1)
	}
	if !c.NoCompression {
		c.zip(left)
		c.zip(right)
	}
	return [2]*body{left, right}
}

// empty returns a body without records, which reuses buffers.
func (c *Client) empty() *body {
	b := c.bodyPool.get()
	if b == nil {
		b = new(body)
	}
	if b.text == nil {
		b.text = c.bufferPool.get()
	}
	return b
}

// recycle keeps the buffers of a body for reuse, unless they are large or an HTTP
// request may still read them.
func (c *Client) recycle(b *body) {
	if max(cap(b.text), cap(b.zipped)) > 2*c.MaxBody || b.readers.Load() != 0 {
		return
	}
	b.source, b.text, b.ends, b.events, b.zipped = Source{}, b.text[:0], b.ends[:0], b.events[:0], b.zipped[:0]
	b.refused = 0
	c.bodyPool.put(b)
}
