package ship_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

// A source that asks for a long pause gets it between deliveries, not within one,
// which would hold a message beyond its visibility timeout.
func TestLongRetryAfterGivesTheMessagesBack(t *testing.T) {
	for _, after := range []string{"300", "86400", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		steps := make([]sumotest.Step, 100)
		for i := range steps {
			steps[i] = sumotest.Step{Status: 429, RetryAfter: after}
		}
		for name, limit := range map[string]time.Duration{"by hand": 0, "in Lambda": 15 * time.Minute} {
			t.Run(name+" "+after, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					if limit > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, limit)
						defer cancel()
					}
					w := newFixture(steps...)
					w.put(event("a"), event("b"), event("c"))
					w.queue.Wake()
					start := time.Now()
					r, err := w.replayer(t, false).Drain(ctx)
					if took := time.Since(start); took > time.Minute {
						t.Errorf("took %s", took)
					}
					if err != nil || r.Confirmed != 0 || r.Messages.Done != 0 || r.Class != string(sumo.Throttled) || !strings.Contains(r.Error, "retry after 5m0s") {
						t.Errorf("%+v, %v", r, err)
					}
					if n := len(w.source.Requests()); n > 3 {
						t.Errorf("%d requests", n)
					}
					time.Sleep(15 * time.Minute) // the longest backoff
					messages, err := w.queue.Receive(ctx, 10, 0, time.Minute)
					if len(messages) != 3 || err != nil && limit == 0 {
						t.Errorf("%d messages are visible, %v", len(messages), err)
					}
				})
			})
		}
		t.Run("batch "+after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
				defer cancel()
				w := newFixture(steps...)
				var records []map[string]any
				for _, id := range []string{"1", "2", "3"} {
					records = append(records, map[string]any{"messageId": id, "receiptHandle": id, "eventSource": "aws:sqs", "body": string(event(id))})
				}
				batch, _ := json.Marshal(map[string]any{"Records": records})
				start := time.Now()
				out, err := w.replayer(t, false).Invoke(ctx, batch)
				if took := time.Since(start); took > time.Minute || err != nil || strings.Count(string(out), "itemIdentifier") != 3 {
					t.Errorf("%s in %s, %v", out, took, err)
				}
			})
		})
		t.Run("forwarder "+after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFixture(steps...)
				start := time.Now()
				r, err := w.forwarder(t).Ship(t.Context(), event("a"))
				if took := time.Since(start); took > time.Minute || err != nil || r.DeadLettered != 1 {
					t.Errorf("%+v in %s, %v", r, took, err)
				}
			})
		})
	}
}

// A message whose bodies each wait for the source, together for longer than the
// visibility timeout, is not received by anyone else meanwhile; nor are those that
// wait behind it.
func TestLongMessagesStayInvisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsolation(t)
		w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["NUM_OF_WORKERS"] = "1", "1", "1"
		var lines []string
		for i := range 12 {
			lines = append(lines, fmt.Sprint("line ", i))
		}
		w.send(t, event(lines...), nil)
		w.send(t, event("behind it"), nil)
		var requests atomic.Int32
		w.network = doer(func(r *http.Request) (*http.Response, error) {
			for _, m := range w.server.Messages("dead") {
				if m.Receives > 1 || m.Receives == 1 && !m.VisibleAt.After(time.Now()) {
					t.Errorf("visible again after %d requests", requests.Load())
				}
			}
			if requests.Add(1)%2 == 1 {
				return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"230"}}, Body: http.NoBody, Request: r}, nil
			}
			return w.source.RoundTrip(r)
		})
		report, err := w.replayer(t).Drain(t.Context())
		if err != nil || report.Confirmed != 13 || len(w.server.Messages("dead")) != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
