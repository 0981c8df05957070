package history

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Result is what became of a batch.
type Result struct {
	Events    int // Confirmed + Filtered + Rejected + Unsent
	Confirmed int
	Filtered  int   // dropped by a rule
	Rejected  int   // that Sumo Logic will not take
	Unsent    int   // that it did not confirm for want of time, or since the endpoint is wrong
	Left      []int // the numbers of the rejected and the unsent in the batch
	Sent      int64 // bytes of confirmed bodies, as sent
	Err       error // why some are left
	Stop      bool  // the next batch would fare no better
}

// Totals are the results of a run.
type Totals struct {
	Batches   int
	Events    int
	Confirmed int
	Filtered  int
	Rejected  int
	Unsent    int
	Bytes     int64 // of the documents that were shipped
	Sent      int64
	Old       int // batches that begin before Retention
}

// Shipper ships a batch, or those of its log events that only names, if it is not nil.
type Shipper func(ctx context.Context, b Batch, only []int) Result

// Feed reads an input.
type Feed interface {
	// Feed reads the input in units and yields their batches, until ctx is done.
	Feed(ctx context.Context, r *Run) error
}

// Run ships what a feed reads. Its fields are set before Do.
type Run struct {
	Ship       Shipper
	Workers    int                           // batches in flight; 0 means 1
	Rate       int64                         // bytes of documents in a second; 0 means as fast as it goes
	Checkpoint *Checkpoint                   // nil for none
	Progress   func(Totals)                  // after each batch; may be nil
	Failed     func(where string, err error) // of what is left of a batch; may be nil
	Unread     func(where string, err error) // of an input that cannot be read whole; may be nil
	Buffers    chan []byte                   // of batches that are shipped

	work  chan shipment
	stop  context.CancelCauseFunc
	start time.Time

	mu     sync.Mutex
	paced  int64
	totals Totals
}

// Unit is a part of an input that is read from its beginning: a file, or a time of a
// log group.
type Unit struct {
	// shipped notes what became of a batch, in the checkpoint.
	shipped func(batch int, n Counts, left []int) error
	// complete notes that all of the unit is confirmed.
	complete func(n Counts) error

	mu      sync.Mutex
	pending int // batches
	ended   bool
	failed  bool
	done    Counts
}

type shipment struct {
	Batch
	only []int
	unit *Unit
}

// bytes are those of the document. What an earlier run left of a batch has none: that
// run counted them.
func (s shipment) bytes() int64 {
	if s.only != nil {
		return 0
	}
	return int64(len(s.Doc))
}

// Do ships what the feed reads. When read is done it takes nothing more, and what is
// in flight goes on until ship is done.
//
// Errors: those of the feed, of the checkpoint, and of a Result with Stop; none of a
// batch that is merely rejected.
func (r *Run) Do(read, ship context.Context, feed Feed) (Totals, error) {
	read, r.stop = context.WithCancelCause(read)
	defer r.stop(nil)
	r.work, r.start = make(chan shipment), time.Now()
	var workers sync.WaitGroup
	for range max(1, r.Workers) {
		workers.Go(func() {
			for s := range r.work {
				if err := r.one(ship, s); err != nil {
					r.stop(err)
				}
			}
		})
	}
	err := feed.Feed(read, r)
	close(r.work)
	workers.Wait()
	if cause := context.Cause(read); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return r.totals, err
}

// Yield hands a batch to a worker. It waits until one is free, and as long as the rate
// says.
func (r *Run) Yield(ctx context.Context, u *Unit, b Batch, only []int) error {
	if err := r.pace(ctx, int64(len(b.Doc))); err != nil {
		return err
	}
	u.mu.Lock()
	u.pending++
	u.mu.Unlock()
	select {
	case r.work <- shipment{b, only, u}:
		return nil
	case <-ctx.Done():
		u.mu.Lock()
		u.pending--
		u.failed = true
		u.mu.Unlock()
		return ctx.Err()
	}
}

// pace waits until bytes may go.
func (r *Run) pace(ctx context.Context, bytes int64) error {
	r.mu.Lock()
	before := r.paced
	r.paced += bytes
	r.mu.Unlock()
	if r.Rate <= 0 {
		return ctx.Err()
	}
	at := r.start.Add(time.Duration(float64(before) / float64(r.Rate) * float64(time.Second)))
	select {
	case <-time.After(time.Until(at)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// End says that no batch of a unit follows. err is why it was not read whole.
func (r *Run) End(u *Unit, err error) error {
	u.mu.Lock()
	u.ended = true
	u.failed = u.failed || err != nil
	complete := u.pending == 0 && !u.failed
	u.mu.Unlock()
	if complete {
		return u.complete(u.done)
	}
	return nil
}

// Fail tells what cannot be read.
func (r *Run) Fail(where string, err error) {
	if r.Unread != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.Unread(where, err)
	}
}

// one ships a batch.
func (r *Run) one(ctx context.Context, s shipment) error {
	result := r.Ship(ctx, s.Batch, s.only)
	n := Counts{Confirmed: result.Confirmed, Filtered: result.Filtered, Bytes: s.bytes()}
	var err error
	if s.unit.shipped != nil && (len(result.Left) == 0 || n.Confirmed+n.Filtered > 0) {
		err = s.unit.shipped(s.Seq, n, result.Left)
	}
	u := s.unit
	u.mu.Lock()
	u.pending--
	u.failed = u.failed || result.Rejected+result.Unsent > 0 || err != nil
	u.done.Add(n)
	complete := u.ended && u.pending == 0 && !u.failed
	done := u.done
	u.mu.Unlock()
	if complete {
		err = errors.Join(err, u.complete(done))
	}
	r.count(s, result)
	select {
	case r.Buffers <- s.Doc:
	default:
	}
	if err == nil && result.Stop {
		err = result.Err
	}
	return err
}

func (r *Run) count(s shipment, result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.totals
	t.Batches++
	t.Events += result.Events
	t.Confirmed += result.Confirmed
	t.Filtered += result.Filtered
	t.Rejected += result.Rejected
	t.Unsent += result.Unsent
	t.Bytes += s.bytes()
	t.Sent += result.Sent
	if !s.First.IsZero() && time.Since(s.First) > Retention {
		t.Old++
	}
	if result.Err != nil && r.Failed != nil {
		r.Failed(s.Where, result.Err)
	}
	if r.Progress != nil {
		r.Progress(*t)
	}
}
