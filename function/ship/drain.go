package ship

import (
	"cmp"
	"context"
	"sync"
	"time"

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
	for rec := range r.records.Records(batch) {
		if rec.Dropped != transform.Kept {
			report.filter(rec.Dropped.String(), 1)
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
		for _, m := range messages {
			r.handle(m)
		}
		r.received.Release(bytes)
		n = max(1, min(10, receiveBytes*len(messages)/max(int(bytes), 1)))
	}
	return nil
}

func (r *run) timeForMore() bool {
	deadline, ok := r.sending.Deadline()
	return !ok || time.Until(deadline) >= minMessageTime
}
