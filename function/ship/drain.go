package ship

import (
	"cmp"
	"context"
	"sync"
	"time"

	"sumoship/dlq"
	"sumoship/sumo"
	"sumoship/transform"
)

const (
	// receiveWait is how long an empty queue is polled before it counts as empty.
	// Long polling asks all of SQS's servers.
	receiveWait = time.Second
	// minMessageTime is the least time that must be left to begin a message.
	minMessageTime = 2 * time.Second
	// visibilityTimeout is that of a message if the run has no deadline.
	visibilityTimeout = 15 * time.Minute
	// receiveBytes is about how many bytes of messages a worker receives at once,
	// judged by the messages before.
	receiveBytes = 512 << 10
)

// Drain replays the queue until no message is visible, time is short, or Sumo
// Logic cannot be reached. Its error is the first that the queue returned.
func (r *Replayer) Drain(ctx context.Context) (Report, error) {
	run, end := r.begin(ctx)
	err := run.drain()
	return end(), err
}

func (r *run) drain() error {
	r.deletes = true
	_, pause := r.client.Breaker.State()
	r.wait(pause)
	// As many requests are in flight as there are workers. A few more workers
	// prepare the next messages meanwhile.
	workers := r.workers
	if workers >= r.inFlight {
		workers += workers / 2
	}
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { errs[i] = r.work() })
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// Preview reports what a replay of an event would send, and sends nothing:
// Records is the number of log events that Sumo Logic would have to confirm.
func (r *Replayer) Preview(event []byte) Report {
	report := Report{Left: -1}
	batch, err := transform.Decode(event, r.limit)
	if err != nil {
		report.Events = 1
		report.failed(Undecodable, err, 1)
		return report
	}
	report.read(batch)
	set, _, err := r.rulebook.get(context.Background())
	if err != nil {
		report.failed(string(sumo.Misconfigured), err, batch.Len())
		return report
	}
	by := &Treatment{Set: set, Tags: r.tagsFor(context.Background()), FilterOnly: true}
	for rec := range r.options(batch, by).Records(batch) {
		if rec.Dropped != transform.Kept && rec.Why != unknownTags {
			report.filter(rec.Reason(), 1)
		} else {
			report.Records++
		}
	}
	return report
}

// work handles messages until none is visible or the run stops.
func (r *run) work() error {
	n := 1
	for !r.stopped() && r.timeForMore() {
		visibility := visibilityTimeout
		if deadline, ok := r.saving.Deadline(); ok {
			visibility = time.Until(deadline) + time.Minute
		}
		messages, bytes, err := r.receive(n, visibility)
		if err != nil && r.sending.Err() == nil {
			return err
		}
		if len(messages) == 0 {
			return nil
		}
		r.reportAge(messages)
		next, release := r.hold(messages)
		for _, m := range messages {
			r.handle(m)
			next()
		}
		release()
		r.received.Release(bytes)
		n = max(1, min(10, receiveBytes*len(messages)/max(int(bytes), 1)))
	}
	return nil
}

// hold extends the visibility timeout of messages while they are in work or wait for
// it, if the run has no deadline: a source may have a message wait for minutes, body
// for body. next says that the first of them is handled, release that all are.
func (r *run) hold(messages []dlq.Message) (next, release func()) {
	if _, ok := r.saving.Deadline(); ok {
		return func() {}, func() {} // it was asked for all the time that there is
	}
	var mu sync.Mutex
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-time.After(visibilityTimeout / 3):
			case <-ended:
				return
			}
			mu.Lock()
			held := messages
			mu.Unlock()
			for _, m := range held {
				if err := r.inbox.ChangeVisibility(r.saving, m, visibilityTimeout); err != nil {
					r.out.Log.Warn("the visibility timeout of a message could not be extended; it may be sent twice", "message", m.ID, "error", err)
				}
			}
		}
	})
	next = func() {
		mu.Lock()
		defer mu.Unlock()
		messages = messages[1:]
	}
	return next, func() { close(ended); wg.Wait() }
}

func (r *run) timeForMore() bool {
	deadline, ok := r.sending.Deadline()
	return !ok || time.Until(deadline) >= minMessageTime
}
