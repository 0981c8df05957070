package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"sumoship/sumo"
	"sumoship/transform"
)

// Backfiller ships log events of the past, in batches that somebody else reads. It
// has no dead-letter queue: what it reads stays where it is, so it waits for Sumo
// Logic as long as its context lasts.
type Backfiller struct {
	*shipper
	// Stop, once closed, ends the waiting for Sumo Logic; what is in flight goes on.
	Stop <-chan struct{}
}

// NewBackfiller returns a backfiller for its environment, in which one body of each
// batch is in flight. The error names every variable that is wrong.
func NewBackfiller(o Options) (*Backfiller, error) {
	s, err := newShipper(o, "sumoship-backfill", patient)
	if err != nil {
		return nil, err
	}
	s.client.InFlight, s.queue = 1, nil
	return &Backfiller{shipper: s}, nil
}

// InFlight is how many bodies may be in flight at once (MAX_IN_FLIGHT): as many as
// there should be calls of Ship.
func (b *Backfiller) InFlight() int { return b.inFlight }

// SetWorkers makes the backfiller keep buffers for n concurrent calls of Ship.
func (b *Backfiller) SetWorkers(n int) { b.decoders = make(chan *transform.Decoder, n) }

// Endpoint reads the endpoint, so that a wrong one is found before anything is sent,
// and returns what may be shown of it.
func (b *Backfiller) Endpoint(ctx context.Context) (string, error) {
	endpoint, err := b.endpoints.get(ctx)
	return endpoint.String(), err
}

// Retrying is what a backfiller waits for.
type Retrying struct {
	Events int // that are not confirmed
	Wait   time.Duration
	Class  string
	Err    error
}

// Pauses between the tries of a batch, beyond those of each body.
const (
	firstWait = time.Second
	maxWait   = time.Minute
)

// Ship ships a document {"messageType":"DATA_MESSAGE","logEvents":[…],…}, or a Lambda
// event {"awslogs":{"data":"…"}}; of its log events only those whose numbers are in
// only, if that is not nil. What Sumo Logic does not take for want of time or room is
// sent again, alone, until ctx is done; told, if not nil, is called before each wait.
//
// It returns the numbers of the log events that are not confirmed, Report.Lost of
// them: Sumo Logic rejects them, ctx ended first, or the endpoint turned out to be
// wrong. Report.Class says which.
func (b *Backfiller) Ship(ctx context.Context, doc []byte, only []int, told func(Retrying)) (total Report, numbers []int) {
	start := time.Now()
	decoder := b.takeDecoder()
	defer b.keepDecoder(decoder)
	read := decoder.Document
	if bytes.HasPrefix(doc, []byte(`{"awslogs":`)) {
		read = func(event []byte) (*transform.Batch, error) { return decoder.Decode(event, b.limit) }
	}
	batch, err := read(doc)
	var left remainder
	if err == nil && only != nil {
		left = remainder{batch: batch, unconfirmed: only, events: len(only)}
		left, total = b.again(ctx, left)
		numbers = translate(left.unconfirmed, only)
	} else {
		left, total = b.sendBatch(ctx, nil, batch, err, nil, 0)
		numbers = left.unconfirmed
	}
	waits := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstWait), backoff.WithMaxInterval(maxWait), backoff.WithMaxElapsedTime(0))
	class, message, refused := total.Class, total.Error, false
	for left.events > 0 && left.batch != nil && ctx.Err() == nil {
		// A body that is rejected does not stop the others, and its error may come
		// first: what it leaves is tried once more.
		if rejected := sumo.Class(class) == sumo.Rejected; !rejected && !retryable(class) || rejected && refused {
			break
		} else if refused = rejected; !rejected && !b.wait(ctx, Retrying{left.events, waits.NextBackOff(), class, errors.New(message)}, told) {
			break
		}
		before := left.events
		var r Report
		left, r = b.again(ctx, left)
		numbers = translate(left.unconfirmed, numbers)
		if left.events < before {
			waits.Reset()
			refused = false
		}
		class, message = r.Class, r.Error
		r.Events, r.Records, r.PayloadBytes, r.Filtered = 0, 0, 0, nil // they have been counted
		total.Add(r)
	}
	total.Lost, total.Class, total.Error = left.events, "", ""
	if left.events > 0 {
		total.Class, total.Error = class, message
		if retryable(class) {
			total.Class, total.Error = string(sumo.OutOfTime), "interrupted"
		}
	}
	if len(numbers) < left.events {
		numbers = []int{0} // of what cannot be read
	}
	total.Millis = time.Since(start).Milliseconds()
	return total, numbers
}

// translate returns what indexes of a rebuilt batch are in the one before.
func translate(indexes, before []int) []int {
	out := make([]int, len(indexes))
	for i, n := range indexes {
		out[i] = before[n]
	}
	return out
}

// wait waits before a batch is sent again. It reports whether there is still time.
func (b *Backfiller) wait(ctx context.Context, r Retrying, told func(Retrying)) bool {
	if told != nil {
		told(r)
	}
	select {
	case <-ctx.Done():
		return false
	case <-b.Stop:
		return false
	case <-time.After(r.Wait):
		return true
	}
}

// again sends the log events of a batch that are not confirmed.
func (b *Backfiller) again(ctx context.Context, left remainder) (remainder, Report) {
	keep := func(event int) bool {
		_, found := slices.BinarySearch(left.unconfirmed, event)
		return found
	}
	same := make([]int, len(left.unconfirmed)) // after a failure
	for i := range same {
		same[i] = i
	}
	for part := range left.batch.Rebuild(ctx, keep, 1<<30) {
		batch, err := new(transform.Decoder).Decode(part.Event, 1<<30)
		if err != nil {
			return remainder{unconfirmed: same, events: left.events}, Report{Class: Undecodable, Error: fmt.Sprintf("sending again: %v", err)}
		}
		return b.sendBatch(ctx, nil, batch, nil, nil, 0)
	}
	return remainder{unconfirmed: same, events: left.events}, Report{Class: string(sumo.OutOfTime), Error: "interrupted"}
}

// retryable reports whether a failure passes by itself.
func retryable(class string) bool {
	switch sumo.Class(class) {
	case sumo.Unavailable, sumo.Throttled, sumo.OutOfTime:
		return true
	}
	return false
}
