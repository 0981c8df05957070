package ship

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sumoship/dlq"
	"sumoship/sumo"
)

// batch handles messages, several at a time, then those that are isolated one by
// one. While the source is known to be unavailable it waits; then one message finds
// out whether the source is back.
func (r *run) batch(messages []dlq.Message) []disposition {
	r.reportAge(messages)
	out := make([]disposition, len(messages))
	order, isolated := split(messages)
	if len(isolated) > 0 {
		r.deletes = true // at once, for the process may end before Lambda does it
	}
	if state, left := r.client.Breaker.State(); state != sumo.Closed {
		r.wait(left)
		if len(order) > 0 {
			out[order[0]] = r.handle(messages[order[0]])
			order = order[1:]
		}
	}
	var at atomic.Int64
	var wg sync.WaitGroup
	for range min(r.workers, len(order)) {
		wg.Go(func() {
			for n := int(at.Add(1)) - 1; n < len(order); n = int(at.Add(1)) - 1 {
				out[order[n]] = r.handle(messages[order[n]])
			}
		})
	}
	wg.Wait()
	for _, i := range isolated {
		out[i] = r.handle(messages[i])
	}
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
