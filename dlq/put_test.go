package dlq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

func TestPutBringsEachEntryOnce(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		limit, err := b.queue.Limit(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		all := entries(57, 0)
		for i, size := range map[int]int{3: limit, 4: limit, 20: 300 << 10, 21: 300 << 10, 22: 300 << 10, 23: 300 << 10, 40: limit, 56: 900 << 10} {
			if size == limit {
				size -= all[i].Cause.Size()
			}
			all[i].Event = event(fmt.Sprint("n", i, "/"), size)
		}
		b.put(all...)

		want, got := map[string]dlq.Cause{}, map[string]dlq.Cause{}
		for _, l := range all {
			want[string(l.Event)] = l.Cause
		}
		count := 0
		for {
			messages := b.receive(10, 0, time.Hour)
			if len(messages) == 0 {
				break
			}
			for _, m := range messages {
				count++
				got[string(m.Entry.Event)] = m.Entry.Cause
				if m.Body != string(m.Entry.Event) || m.ID == "" || m.Receives != 1 || !m.Sent.Equal(time.Now()) {
					b.Errorf("message %q, received %d times, sent %v: %.50s", m.ID, m.Receives, m.Sent, m.Body)
				}
			}
		}
		b.equal(count, len(all))
		b.equal(got, want)
		for _, r := range b.wire.requests {
			if r.entries > 10 || r.bytes > 1<<20 {
				b.Errorf("a request with %d entries of %d bytes", r.entries, r.bytes)
			}
		}
	})
}

func TestPutFillsItsRequests(t *testing.T) {
	for _, c := range []struct {
		entries, size int
		want          []int
	}{
		{0, 0, nil},
		{1, 0, []int{1}},
		{10, 0, []int{10}},
		{25, 0, []int{10, 10, 5}},
		{12, 100 << 10, []int{10, 2}},
		{5, 300 << 10, []int{3, 2}},
		{3, 1 << 20, []int{1, 1, 1}},
	} {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			all := entries(c.entries, c.size)
			b.put(all...)
			b.equal(b.wire.sent("SendMessageBatch"), c.want)
			b.equal(b.bodies(), bodiesOf(all))
		})
	}
	// Attributes count: without them these would be eight to a request.
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		all := entries(9, 1<<17)
		b.put(all...)
		b.equal(b.wire.sent("SendMessageBatch"), []int{7, 2})
		for i := range all {
			all[i].Cause = dlq.Cause{}
		}
		b.put(all...)
		b.equal(b.wire.sent("SendMessageBatch"), []int{7, 2, 8, 1})
	})
}

func TestPutSendsPartsThatFailedAgain(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.puts(func(n int) sqstest.Fault {
			return sqstest.Fault{FailEntries: map[int][]int{1: {1, 3, 4}, 2: {0, 2}, 3: {1}}[n]}
		})
		all := entries(5, 0)
		start := time.Now()
		b.put(all...)
		b.equal(b.wire.sent("SendMessageBatch"), []int{5, 3, 2, 1})
		b.equal(b.bodies(), bodiesOf(all))
		if d := time.Since(start); d < 100*time.Millisecond || d > 5*time.Second {
			b.Errorf("it took %v", d)
		}
	})
}

func TestPutReportsPartsThatFail(t *testing.T) {
	onQueue(t, sqstest.Config{MaxSize: 4 << 10}, 0, func(b *bench) {
		b.puts(func(n int) sqstest.Fault {
			if n > 4 {
				return sqstest.Fault{} // the second batch
			}
			return sqstest.Fault{FailEntries: []int{max(0, 2-n)}} // entry 1, then the one that is left
		})
		all := entries(13, 0)
		all[5].Event = event("large", 5<<10)
		failed, err := b.queue.Put(b.Context(), all)
		b.equal(sorted(failed), []int{1, 5})
		b.equal(b.wire.sent("SendMessageBatch"), []int{10, 1, 1, 1, 3}) // what is refused is not sent again
		classes := map[string]bool{}
		for _, e := range causes(err) {
			b.fails(e, "q", "put", e.Class)
			classes[e.Class] = true
		}
		b.equal(classes, map[string]bool{"InternalError": true, "InvalidParameterValue": true})
		b.equal(b.bodies(), bodiesOf(slices.Concat(all[:1], all[2:5], all[6:])))
	})
}

// Transient failures are retried, and no entry is lost.
func TestPutTriesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		fault sqstest.Fault
		class string
		adds  int // how often an entry is in the queue after a request that failed
	}{
		"throttled":        {sqstest.Fault{Code: "RequestThrottled"}, "RequestThrottled", 0},
		"throttled by KMS": {sqstest.Fault{Code: "KmsThrottled"}, "KMS.Throttl", 0},
		"internal error":   {sqstest.Fault{Code: "InternalError"}, "InternalError", 0},
		"unavailable":      {sqstest.Fault{Code: "ServiceUnavailable"}, "ServiceUnavailable", 0},
		"a gateway's 503":  {sqstest.Fault{Status: 503}, "", 0},
		"broken before":    {sqstest.Fault{DropBefore: true}, "", 0},
		"broken after":     {sqstest.Fault{DropAfter: true}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			onQueue(t, sqstest.Config{}, 0, func(b *bench) {
				b.puts(func(n int) sqstest.Fault {
					if n < 3 {
						return c.fault
					}
					return sqstest.Fault{}
				})
				all := entries(2, 0)
				b.put(all...)
				b.equal(b.wire.sent("SendMessageBatch"), []int{2, 2, 2})
				want := slices.Repeat(all, 1+2*c.adds)
				b.equal(b.bodies(), bodiesOf(want))
			})
			onQueue(t, sqstest.Config{}, 0, func(b *bench) {
				b.puts(func(int) sqstest.Fault { return c.fault })
				start := time.Now()
				failed, err := b.queue.Put(b.Context(), entries(12, 0))
				b.equal(sorted(failed), upTo(12))
				b.fails(err, "q", "put", c.class)
				b.equal(b.wire.sent("SendMessageBatch"), []int{10, 10, 10, 10, 2, 2, 2, 2})
				if d := time.Since(start); d > 10*time.Second {
					b.Errorf("it took %v", d)
				}
			})
		})
	}
}

func TestPutDoesNotInsist(t *testing.T) {
	for code, class := range map[string]string{"AccessDenied": "AccessDenied", "QueueDoesNotExist": "NonExistentQueue", "KmsAccessDenied": "KMS.AccessDenied", "ExpiredToken": "ExpiredToken"} {
		t.Run(code, func(t *testing.T) {
			onQueue(t, sqstest.Config{}, 0, func(b *bench) {
				b.puts(func(int) sqstest.Fault { return sqstest.Fault{Code: code} })
				start := time.Now()
				failed, err := b.queue.Put(b.Context(), entries(12, 0))
				b.equal(sorted(failed), upTo(12))
				b.fails(err, "q", "put", class)
				b.equal(b.wire.sent("SendMessageBatch"), []int{10, 2})
				b.equal(time.Since(start), time.Duration(0))
			})
		})
	}
}

// A batch that is refused does not affect the others.
func TestPutGoesOnAfterABatchThatFailed(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.puts(func(n int) sqstest.Fault {
			if n == 2 {
				return sqstest.Fault{Code: "AccessDenied"}
			}
			return sqstest.Fault{}
		})
		all := entries(25, 0)
		failed, err := b.queue.Put(b.Context(), all)
		b.equal(sorted(failed), upTo(20)[10:])
		b.fails(err, "q", "put", "AccessDenied")
		b.equal(b.bodies(), bodiesOf(slices.Concat(all[:10], all[20:])))
	})
}

// cutShort puts entries in each way in which time can run out.
func cutShort(t *testing.T, check func(b *bench, failed []int, err error)) {
	t.Helper()
	t.Run("before", func(t *testing.T) {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			ctx, cancel := context.WithDeadline(b.Context(), time.Now())
			defer cancel()
			start := time.Now()
			failed, err := b.queue.Put(ctx, entries(25, 0))
			b.equal(sorted(failed), upTo(25))
			b.equal(time.Since(start), time.Duration(0))
			b.equal(len(b.bodies()), 0)
			check(b, failed, err)
		})
	})
	t.Run("between tries", func(t *testing.T) {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			b.puts(func(int) sqstest.Fault { return sqstest.Fault{Code: "RequestThrottled"} })
			ctx, cancel := context.WithTimeout(b.Context(), 10*time.Millisecond)
			defer cancel()
			start := time.Now()
			failed, err := b.queue.Put(ctx, entries(25, 0))
			b.equal(sorted(failed), upTo(25))
			b.equal(time.Since(start), 10*time.Millisecond)
			check(b, failed, err)
		})
	})
	t.Run("in a request", func(t *testing.T) {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			b.wire.block = func(r *http.Request) error {
				if len(b.wire.sent("SendMessageBatch")) < 2 {
					return nil
				}
				<-r.Context().Done()
				return r.Context().Err()
			}
			ctx, cancel := context.WithTimeout(b.Context(), time.Second)
			defer cancel()
			start := time.Now()
			failed, err := b.queue.Put(ctx, entries(25, 0))
			b.equal(sorted(failed), upTo(25)[10:]) // ten had been accepted
			b.equal(time.Since(start), time.Second)
			check(b, failed, err)
		})
	})
}

func TestPutStopsWithItsContext(t *testing.T) {
	cutShort(t, func(b *bench, failed []int, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("%v does not wrap the deadline", err)
		}
	})
}

func TestPutThatStoppedNamesItsQueue(t *testing.T) {
	cutShort(t, func(b *bench, failed []int, err error) {
		if e, ok := errors.AsType[*dlq.Error](err); !ok || e.Queue != "q" || e.Op != "put" {
			b.Errorf("%v does not name its queue", err)
		}
	})
}

func TestDelay(t *testing.T) {
	for _, c := range []struct{ delay, least, most time.Duration }{
		{0, 0, 0},
		{dlq.DefaultDelay, 30 * time.Second, 90 * time.Second},
		{10 * time.Minute, 5 * time.Minute, 15 * time.Minute}, // the maximum of SQS
		{24 * time.Hour, 15 * time.Minute, 15 * time.Minute},
		{time.Nanosecond, time.Second, time.Second}, // the minimum
	} {
		t.Run(c.delay.String(), func(t *testing.T) {
			onQueue(t, sqstest.Config{}, c.delay, func(b *bench) {
				b.put(entries(200, 0)...)
				seen := map[time.Duration]bool{}
				for _, m := range b.server.Messages("q") {
					d := m.VisibleAt.Sub(m.Sent)
					if d < c.least || d > c.most {
						b.Errorf("visible after %v, want %v to %v", d, c.least, c.most)
					}
					seen[d] = true
				}
				if c.least != c.most && len(seen) < 20 {
					b.Errorf("%d messages become visible after %d different times", 200, len(seen))
				}
				if c.least > 0 {
					time.Sleep(c.least - time.Millisecond)
					b.equal(len(b.receive(10, 0, time.Hour)), 0)
					time.Sleep(c.most - c.least + time.Millisecond)
				}
				b.equal(len(b.receive(10, 0, time.Hour)), 10)
			})
		})
	}
}

// Whatever an event or a cause contains, SQS accepts it, and it means the same.
func TestPutEscapesWhatSQSRefuses(t *testing.T) {
	all := map[string]string{ // event to body
		"":                     "null",
		" \t\n":                "null",
		"{\"a\":\"\x01\"}":     `{"a":"\u0001"}`,
		"{\"b\":\"\x00\x1f\"}": `{"b":"\u0000\u001f"}`,
		"{\"c\":\"\ufffe\"}":   `{"c":"\ufffe"}`,
		"{\"d\":\"\uffff\"}":   `{"d":"\uffff"}`,
		"{\"e\":\"\xff\xc3\"}": "{\"e\":\"\ufffd\ufffd\"}",
		"{\"f\":\"日🙂é\x7f\"}":  "{\"f\":\"日🙂é\x7f\"}",
		"no JSON \x02":         `no JSON \u0002`,
	}
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		var entries []dlq.Entry
		var want []string
		for event, body := range all {
			entries = append(entries, dlq.Entry{Event: []byte(event), Cause: dlq.Cause{Class: event, Message: event, LogGroup: event, Attempts: -1}})
			want = append(want, body)
		}
		slices.Sort(want)
		b.put(entries...)
		b.equal(b.bodies(), want)
	})
}

func TestConcurrentPut(t *testing.T) {
	onQueue(t, sqstest.Config{}, dlq.DefaultDelay, func(b *bench) {
		const workers, each = 8, 23
		all := entries(workers*each, 0)
		// The first entry of each batch fails twice, in whatever order the
		// batches of the workers come.
		var mu sync.Mutex
		seen := map[string]int{}
		b.server.OnRequest(func(c sqstest.Call) (fault sqstest.Fault) {
			if c.Op != "SendMessageBatch" {
				return fault
			}
			var in struct {
				Entries []struct{ MessageBody string }
			}
			if err := json.Unmarshal(c.Body, &in); err != nil {
				b.Error(err)
				return fault
			}
			mu.Lock()
			defer mu.Unlock()
			first := in.Entries[0].MessageBody
			if seen[first]++; seen[first] <= 2 {
				fault.FailEntries = []int{0}
			}
			return fault
		})
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				if limit, err := b.queue.Limit(b.Context()); limit != 1<<20 || err != nil {
					b.Errorf("limit %d, error: %v", limit, err)
				}
				failed, err := b.queue.Put(b.Context(), all[i*each:(i+1)*each])
				if failed != nil || err != nil {
					b.Errorf("failed: %v, error: %v", failed, err)
				}
			})
		}
		wg.Wait()
		b.equal(b.bodies(), bodiesOf(all))
		b.equal(b.opened, 1)
		b.equal(slices.Sorted(maps.Values(seen)), slices.Repeat([]int{3}, workers*3)) // batches of 10, 10 and 3
	})
}
