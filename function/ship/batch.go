package ship

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sumoship/dlq"
	"sumoship/sumo"
)

// batch handles messages, several at a time. While the source is known to be
// unavailable it waits; then one message finds out whether the source is back.
func (r *run) batch(messages []dlq.Message) []disposition {
	out := make([]disposition, len(messages))
	next := 0
	if state, left := r.client.Breaker.State(); state != sumo.Closed {
		r.wait(left)
		out[0] = r.handle(messages[0])
		next = 1
	}
	var at atomic.Int64
	at.Store(int64(next))
	var wg sync.WaitGroup
	for range min(r.workers, len(messages)) {
		wg.Go(func() {
			for i := int(at.Add(1)) - 1; i < len(messages); i = int(at.Add(1)) - 1 {
				out[i] = r.handle(messages[i])
			}
		})
	}
	wg.Wait()
	r.pace.learn(r.report.Failures[string(sumo.Throttled)] > 0)
	return out
}

// wait lets a pause of the breaker pass, as far as there is time to send
// afterwards. Messages that are given back at once would only be received again:
// SQS bounds both the receives of a message and the messages in flight.
func (r *run) wait(pause time.Duration) { r.shipper.wait(r.sending, pause) }

func (s *shipper) wait(sending context.Context, pause time.Duration) {
	if deadline, ok := sending.Deadline(); ok {
		pause = min(pause, time.Until(deadline)-s.timeout)
	}
	if pause <= 0 {
		return
	}
	select {
	case <-time.After(pause):
	case <-sending.Done():
	}
}
