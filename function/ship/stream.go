package ship

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/function/trigger"
	"sumoship/sumo"
	"sumoship/transform"
)

// StreamForwarder is the function that an event source mapping of a Kinesis stream
// invokes. CloudWatch Logs, of any account, writes into the stream.
//
// The stream is the buffer: what Sumo Logic does not take now stays there, in order.
// Only what it will never take goes to the dead-letter queue.
type StreamForwarder struct {
	*shipper
	room  *semaphore.Weighted // inflated bytes of the records that are decoded and sent at this moment
	ahead map[string]bool     // IDs of records that are done, in batches that failed before them
	stuck bool                // the invocation before has done nothing new
}

// NewStreamForwarder returns a stream forwarder for its environment. The error names
// every variable that is wrong.
func NewStreamForwarder(o Options) (*StreamForwarder, error) {
	s, err := newShipper(o, "kinesis-aws-lambda", impatient)
	if err != nil {
		return nil, err
	}
	s.client.MaxRequests = max(s.inFlight, s.workers)
	s.client.Budget = s.timeout
	s.client.Breaker = &sumo.Breaker{Pause: s.breakerPause, Throttled: s.breakerPause / 6, Probe: probeTimeout, Rand: o.Rand}
	return &StreamForwarder{shipper: s, room: semaphore.NewWeighted(maxInWork), ahead: map[string]bool{}}, nil
}

// Invoke takes an event of an event source mapping of Kinesis with
// ReportBatchItemFailures. It returns the lowest sequence number of a record that is
// not done, {"batchItemFailures":[{"itemIdentifier":"…"}]}: Lambda invokes it again
// with that record and those after it. A record is done when each of its log events
// was confirmed by Sumo Logic, is in the dead-letter queue, or was dropped by a rule
// that the report counts. Any other event is an error.
//
// Source: AWS Lambda Developer Guide, "Configuring partial batch response with Kinesis
// Data Streams and Lambda".
func (f *StreamForwarder) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	records, err := readStream(event)
	if err != nil {
		return nil, &EventError{err}
	}
	type failure struct {
		ID string `json:"itemIdentifier"`
	}
	failures := []failure{}
	if lowest := f.batch(ctx, records); lowest != "" {
		failures = append(failures, failure{lowest})
	}
	return json.Marshal(map[string]any{"batchItemFailures": failures})
}

// readStream returns the records of an event.
func readStream(event []byte) ([]transform.StreamRecord, error) {
	const want = "the stream function takes those of an event source mapping of Amazon Kinesis"
	records, err := transform.StreamRecords(event)
	if err != nil {
		e := trigger.Of(event)
		if e.Function == trigger.Stream {
			return nil, fmt.Errorf("an event of Amazon Kinesis that cannot be read: %w", err)
		}
		return nil, cmp.Or(e.Error(want), fmt.Errorf("%w; %s", err, want))
	}
	for _, r := range records {
		if e := trigger.Source(r.Source); e.Function != trigger.Stream {
			return nil, e.Error(want)
		}
	}
	return records, nil
}

// streamRun is one invocation of a stream forwarder.
type streamRun struct {
	*StreamForwarder
	sending context.Context // sending must end with it
	saving  context.Context // for the dead-letter queue
	failed  atomic.Bool     // a record stays in the stream: those after it are not begun

	mu     sync.Mutex
	report Report
}

// batch handles records, several at a time. It returns the lowest sequence number of
// those that are not done, "" if all are. While the source is known to be unavailable,
// or for a moment after an invocation that has done nothing, it waits; then one record
// finds out whether it goes on. Lambda would not wait.
func (f *StreamForwarder) batch(ctx context.Context, records []transform.StreamRecord) (lowest string) {
	start := time.Now()
	sending, saving, release := function.SplitDeadline(ctx, f.reserve)
	defer release()
	r := &streamRun{StreamForwarder: f, sending: sending, saving: saving, report: Report{Stream: &StreamCounts{Received: len(records)}}}
	outcomes := make([]streamOutcome, len(records))
	next := 0
	var buffer []byte
	if state, left := r.client.Breaker.State(); state != sumo.Closed || f.stuck {
		if state == sumo.Closed {
			left = f.breakerPause / 6
		}
		r.wait(sending, left)
		outcomes[0], buffer = r.handle(records[0], buffer)
		next = 1
	}
	var at atomic.Int64
	at.Store(int64(next))
	var wg sync.WaitGroup
	for range min(r.workers, len(records)) {
		own := buffer
		buffer = nil
		wg.Go(func() {
			for i := int(at.Add(1)) - 1; i < len(records) && !r.failed.Load(); i = int(at.Add(1)) - 1 {
				outcomes[i], own = r.handle(records[i], own)
			}
		})
	}
	wg.Wait()
	counts := r.report.Stream
	for i, o := range outcomes {
		switch o {
		case streamDone, streamRepeated:
			counts.Done++
			if o == streamRepeated {
				counts.Repeated++
			}
			continue
		case streamKept:
			counts.Kept++
		default:
			counts.Untried++
		}
		if s := records[i].Sequence; lowest == "" || before(s, lowest) {
			lowest = s
		}
	}
	f.remember(records, outcomes, lowest)
	f.stuck = counts.Done == counts.Repeated && lowest != ""
	r.report.Breaker = f.breaker()
	r.report.Millis, r.report.Left = function.Elapsed(ctx, start)
	f.writeReport(ctx, &r.report)
	return lowest
}

// before reports whether a sequence number is lower than another. They are decimal
// numbers of more digits than an integer has.
func before(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) < 0
}

// maxAhead bounds the records that are remembered.
const maxAhead = 10_000

// remember remembers which records are done of those that Lambda gives again, so that
// they are not sent twice if this environment gets them.
func (f *StreamForwarder) remember(records []transform.StreamRecord, outcomes []streamOutcome, lowest string) {
	for i, o := range outcomes {
		id := records[i].ID
		switch {
		case o != streamDone && o != streamRepeated || id == "":
		case lowest == "" || before(records[i].Sequence, lowest):
			delete(f.ahead, id)
		case len(f.ahead) < maxAhead:
			f.ahead[id] = true
		}
	}
}

// streamOutcome is what became of a record of a stream.
type streamOutcome uint8

const (
	streamUntried  streamOutcome = iota // stays in the stream: one before it does, or time is short
	streamDone                          // confirmed, filtered or dead-lettered
	streamRepeated                      // the same, by an earlier invocation with this batch
	streamKept                          // stays in the stream
)

// handle handles a record. It returns its buffer for the next one.
func (r *streamRun) handle(record transform.StreamRecord, buffer []byte) (outcome streamOutcome, _ []byte) {
	if r.ahead[record.ID] {
		return streamRepeated, buffer
	}
	event := record.AppendEvent(buffer[:0])
	err := inWork(r.sending, r.room, event, r.limit, func(limit int64) (more bool) {
		decoder := r.takeDecoder()
		left, report := r.send(r.sending, decoder, event, limit, nil)
		if left.tooLarge && limit < r.limit {
			return true
		}
		outcome = r.settle(record, left, &report)
		r.countHeartbeat(&report)
		if report.PayloadBytes <= keepDecoded {
			r.keepDecoder(decoder)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.Add(report)
		if r.report.Error == "" {
			r.report.Class, r.report.Error = report.Class, report.Error
		}
		return false
	})
	if err != nil || outcome == streamKept {
		r.failed.Store(true)
	}
	return outcome, event
}

// settle does with the remainder of a record what becomes it. What may succeed later
// stays in the stream, in front of what follows it. What never will would stop the
// shard: it is dead-lettered alone. So is the remainder of a record that is wrongly
// configured for: it would repeat what was confirmed until somebody mends that.
func (r *streamRun) settle(record transform.StreamRecord, left remainder, report *Report) streamOutcome {
	switch class := sumo.Class(left.cause.Class); {
	case left.events == 0:
		return streamDone
	case left.batch != nil && class != sumo.Rejected && !(class == sumo.Misconfigured && left.partial):
		report.Kept = left.events
		return streamKept
	}
	accepted, err := r.deadLetter(r.saving, left)
	if _, large := errors.AsType[sizeError](err); large {
		if err = r.inPieces(record, left); err == nil {
			accepted = left.events
		}
	}
	report.DeadLettered, report.Kept = accepted, left.events-accepted
	if err == nil {
		return streamDone
	}
	if lost, ok := errors.AsType[*LostError](err); ok { // which it is not: the stream has it
		err = lost.Err
	}
	report.Error = err.Error()
	return streamKept
}

// inPieces dead-letters a record that does not fit the queue, in several messages that
// each have a piece of its data. Nothing can replay them, but the data is there and the
// shard goes on.
func (r *streamRun) inPieces(record transform.StreamRecord, left remainder) error {
	limit, err := r.queue.Limit(r.saving)
	if err != nil {
		return err
	}
	cause := func(n, of int) dlq.Cause {
		c := left.cause
		c.Message = fmt.Sprintf("piece %d of %d of the data of record %s, which is too large for the queue: %s", n, of, record.ID, c.Message)
		return c
	}
	empty := transform.StreamRecord{Data: []byte(`""`)}
	size := (limit - len(empty.AppendEvent(nil)) - cause(100, 100).Size()) / 4 * 4 // whole groups of base64
	data := strings.Trim(string(record.Data), `"`)
	if size <= 0 {
		return sizeError(limit)
	}
	pieces := (len(data) + size - 1) / size
	entries := make([]dlq.Entry, pieces)
	for n := range entries {
		piece := transform.StreamRecord{Data: []byte(`"` + data[n*size:min(len(data), (n+1)*size)] + `"`)}
		entries[n] = dlq.Entry{Event: piece.AppendEvent(nil), Cause: cause(n+1, pieces)}
	}
	_, err = r.queue.Put(r.saving, entries)
	return err
}
