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

	"github.com/cenkalti/backoff/v4"
)

// Delivery sends the records of one invocation. Add and Wait are for one
// goroutine.
type Delivery struct {
	c     *Client
	ctx   context.Context
	ep    Endpoint
	slots chan struct{} // one for each body in flight
	wg    sync.WaitGroup

	open    map[Source]*body // bodies that take records
	last    *body            // the one of them that took a record last
	pending int              // bytes in them

	pausing context.Context // done when nothing is to be tried again; its cause is the *SendError
	stop    context.CancelCauseFunc

	mu  sync.Mutex
	out Outcome
}

// maxPending bounds the open bodies of a delivery of many sources, in multiples
// of MaxBody: beyond it the largest is sent as it is.
const maxPending = 4

// Outcome is what became of a delivery.
type Outcome struct {
	Records     int            // taken
	Confirmed   int            // that the source answered 2xx for
	Unconfirmed []int          // events of the others, in ascending order
	Err         error          // why there are such: the first *SendError, but a Misconfigured one before a Rejected one
	Bodies      int            // confirmed or given up; a body split after a 413 counts by its parts
	RawBytes    int64          // of confirmed bodies before gzip
	SentBytes   int64          // of confirmed bodies as they were sent
	Attempts    map[string]int // requests by class of their status: 2xx, 3xx, 4xx, 5xx, none
	Clipped     int            // bodies whose metadata was over a limit of Sumo Logic's
}

// body is the records of one request.
type body struct {
	source Source
	text   []byte // nil once it has been compressed
	ends   []int  // where each record ends in text, without its newline
	events []int
	zipped []byte

	readers atomic.Int32 // HTTP requests that may still read text or zipped
}

// size of the body before gzip, in bytes.
func (b *body) size() int { return b.ends[len(b.ends)-1] }

// Begin starts a delivery. When ctx is done nothing more is sent; what is on
// its way then is not confirmed.
func (c *Client) Begin(ctx context.Context, ep Endpoint) *Delivery {
	c.init()
	d := &Delivery{c: c, ctx: ctx, ep: ep, slots: make(chan struct{}, c.InFlight), open: map[Source]*body{}}
	d.pausing, d.stop = context.WithCancelCause(ctx)
	d.out.Attempts = map[string]int{}
	return d
}

// Add takes the record of the log event with that number. Records of one source
// go, in their order and joined by newlines, into bodies of at most MaxBody
// bytes; a record that is larger goes alone. Add waits while InFlight bodies
// are on their way.
func (d *Delivery) Add(source Source, event int, record []byte) {
	d.out.Records++
	b := d.body(source)
	if len(b.ends) > 0 && len(b.text)+1+len(record) > d.c.MaxBody {
		d.flush(b, false)
		b = d.body(source)
	}
	if len(b.ends) > 0 {
		b.text = append(b.text, '\n')
	}
	b.text = append(b.text, record...)
	b.ends = append(b.ends, len(b.text))
	b.events = append(b.events, event)
	d.pending += len(record) + 1
	if d.pending > maxPending*d.c.MaxBody && len(d.open) > 1 {
		d.flush(d.largest(), false)
	}
}

// body is the open body of source.
func (d *Delivery) body(source Source) *body {
	if d.last != nil && d.last.source == source {
		return d.last
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

func (d *Delivery) largest() *body {
	var most *body
	for _, b := range d.open {
		if most == nil || len(b.text) > len(most.text) {
			most = b
		}
	}
	return most
}

// flush hands an open body over to be sent. It compresses the body before it
// waits until it may go, so that what is on its way takes no more memory than
// it has to. The last one is sent here and now: most deliveries have no other, and
// handing it to a goroutine is a good part of what a small one costs.
func (d *Delivery) flush(b *body, last bool) {
	delete(d.open, b.source)
	d.last = nil
	d.pending -= len(b.text) + 1
	if d.stopped() == nil && !d.c.Plain {
		d.c.zip(b)
	}
	select {
	case d.slots <- struct{}{}:
	case <-d.ctx.Done():
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
		d.deliver(b)
		d.c.recycle(b)
		<-d.slots
	}
	if last {
		send()
	} else {
		d.wg.Go(send)
	}
}

// Wait sends what is left and tells what became of everything.
func (d *Delivery) Wait() Outcome {
	left := slices.SortedFunc(maps.Values(d.open), func(a, b *body) int { return cmp.Compare(a.events[0], b.events[0]) })
	for i, b := range left {
		d.flush(b, i == len(left)-1)
	}
	d.wg.Wait()
	d.stop(nil)
	slices.Sort(d.out.Unconfirmed)
	return d.out
}

// stopped is why nothing is tried any more, nil while there is no reason.
func (d *Delivery) stopped() error {
	if d.pausing.Err() == nil {
		return nil
	}
	if err, ok := errors.AsType[*SendError](context.Cause(d.pausing)); ok {
		return err
	}
	return &SendError{Class: OutOfTime, Err: errors.New("the time was up before all was sent")}
}

// deliver sends a body until it is confirmed or given up. After one that has
// found the source unavailable or its endpoint wrong nothing more is tried.
func (d *Delivery) deliver(b *body) {
	header := http.Header{"User-Agent": {"sumoship"}}
	clipped := b.source.header(header)
	if name := clean(d.c.Name); name != "" {
		header[headerClient] = []string{name}
	}
	if token := d.ep.secret().token; token != "" {
		header[headerToken] = []string{token}
	}
	payload := b.text
	if !d.c.Plain {
		header["Content-Encoding"] = []string{"gzip"}
		payload = b.zipped
	}
	err := d.try(header, payload, &b.readers)
	if err != nil && err.Status == http.StatusRequestEntityTooLarge && len(b.ends) > 1 {
		for _, half := range d.c.split(b) {
			if err := d.stopped(); err != nil {
				d.giveUp(half, err)
			} else {
				d.deliver(half)
			}
			b.readers.Add(half.readers.Load()) // it may be a part of b's buffers
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

// try posts a payload until it is confirmed or there is no use in trying.
func (d *Delivery) try(header http.Header, payload []byte, readers *atomic.Int32) *SendError {
	var last *SendError
	pauses := d.c.pauses(d.ctx)
	err := backoff.Retry(func() error {
		after, failure := d.c.post(d.ctx, d.ep, header, payload, readers)
		d.count(failure)
		if last = failure; failure == nil {
			return nil
		}
		pauses.after = after
		if failure.Class != Unavailable {
			return backoff.Permanent(failure)
		}
		return failure
	}, backoff.WithContext(pauses, d.pausing))
	if err == nil {
		return nil
	}
	return last
}

func (d *Delivery) count(failure *SendError) {
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
	d.mu.Unlock()
}

func (d *Delivery) giveUp(b *body, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Bodies++
	d.out.Unconfirmed = append(d.out.Unconfirmed, b.events...)
	// A wrong endpoint concerns all that comes after, a refused body itself alone.
	if d.out.Err == nil || ClassOf(d.out.Err) == Rejected && ClassOf(err) == Misconfigured {
		d.out.Err = err
	}
}

// split is b in two, each with half of its records. That a source refuses a
// body for its size is rare enough for taking its text out of gzip again.
func (c *Client) split(b *body) [2]*body {
	text := b.text
	if !c.Plain {
		text = unzip(b.zipped, b.size())
	}
	n := len(b.ends) / 2
	cut := b.ends[n-1]
	left := &body{source: b.source, text: text[:cut:cut], ends: b.ends[:n], events: b.events[:n]}
	right := &body{source: b.source, text: text[cut+1:], events: b.events[n:]}
	for _, end := range b.ends[n:] {
		right.ends = append(right.ends, end-cut-1)
	}
	if !c.Plain {
		c.zip(left)
		c.zip(right)
	}
	return [2]*body{left, right}
}

// empty is a body to be filled, in buffers of earlier ones.
func (c *Client) empty() *body {
	var b *body
	select {
	case b = <-c.boxes:
	default:
		b = new(body)
	}
	if b.text == nil {
		select {
		case b.text = <-c.texts:
		default:
		}
	}
	return b
}

// recycle keeps the buffers of a body for another one, unless they are large or
// an HTTP request has not let go of them.
func (c *Client) recycle(b *body) {
	if max(cap(b.text), cap(b.zipped)) > 2*c.MaxBody || b.readers.Load() != 0 {
		return
	}
	b.source, b.text, b.ends, b.events, b.zipped = Source{}, b.text[:0], b.ends[:0], b.events[:0], b.zipped[:0]
	select {
	case c.boxes <- b:
	default:
	}
}
