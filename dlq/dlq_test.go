package dlq_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

// room is what Limit leaves of a message for its attributes.
const room = 3 << 10

// bench is a queue named q on a service of its own, and what was asked of it.
type bench struct {
	*testing.T
	server *sqstest.Server
	wire   *wire
	queue  *dlq.Queue
	url    string
	opened int // how often the queue asked for its client
}

// onQueue runs a test in a bubble, where waiting takes no time.
func onQueue(t *testing.T, config sqstest.Config, delay time.Duration, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		config.Name = "q"
		b := &bench{T: t, server: server, wire: &wire{HTTPClient: server}, url: server.Add(config)}
		b.queue = dlq.New(b.url, delay, func(context.Context) (*sqs.Client, error) {
			b.opened++
			return b.client(), nil
		})
		test(b)
	})
}

func (b *bench) client() *sqs.Client {
	return b.server.Client(func(o *sqs.Options) { o.HTTPClient = b.wire })
}

// puts lets the requests that put entries fail: that with number n, from 1.
func (b *bench) puts(fault func(n int) sqstest.Fault) {
	var mu sync.Mutex
	n := 0
	b.server.OnRequest(func(c sqstest.Call) sqstest.Fault {
		if c.Op != "SendMessageBatch" {
			return sqstest.Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		return fault(n)
	})
}

// put puts entries that all have to get in.
func (b *bench) put(entries ...dlq.Entry) {
	b.Helper()
	failed, err := b.queue.Put(b.Context(), entries)
	if failed != nil || err != nil {
		b.Fatalf("failed: %v, error: %v", failed, err)
	}
}

func (b *bench) receive(n int, wait, visibility time.Duration) []dlq.Message {
	b.Helper()
	got, err := b.queue.Receive(b.Context(), n, wait, visibility)
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func (b *bench) receiveOne(visibility time.Duration) dlq.Message {
	b.Helper()
	got := b.receive(10, 0, visibility)
	if len(got) != 1 {
		b.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

// bodies are those of all messages, in order.
func (b *bench) bodies() []string {
	var all []string
	for _, m := range b.server.Messages("q") {
		all = append(all, m.Body)
	}
	slices.Sort(all)
	return all
}

func (b *bench) equal(got, want any) {
	b.Helper()
	if d := cmp.Diff(want, got); d != "" {
		b.Errorf("-want +got:\n%.2000s", d)
	}
}

// fails holds an error to the queue and the operation that it has to name, and
// to a part of its class.
func (b *bench) fails(err error, queue, op, class string) {
	b.Helper()
	e, ok := errors.AsType[*dlq.Error](err)
	if !ok {
		b.Errorf("%v is no *dlq.Error", err)
		return
	}
	if e.Queue != queue || e.Op != op || !strings.Contains(e.Class, class) || (class == "") != (e.Class == "") {
		b.Errorf("queue %q, operation %q, class %q, want %q, %q, %q", e.Queue, e.Op, e.Class, queue, op, class)
	}
	for _, part := range []string{queue, op, e.Class} {
		if !strings.Contains(err.Error(), part) {
			b.Errorf("%q does not tell of %q", err, part)
		}
	}
}

// causes are all errors of the queue that were joined.
func causes(err error) (all []*dlq.Error) {
	switch e := err.(type) {
	case *dlq.Error:
		all = append(all, e)
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			all = append(all, causes(e)...)
		}
	}
	return all
}

// wire notes what is sent to the service.
type wire struct {
	sqs.HTTPClient
	block func(*http.Request) error // asked before each request, if not nil

	mu       sync.Mutex
	requests []request
}

type request struct {
	op      string
	entries int
	bytes   int // of their bodies and attributes
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct {
		Entries []struct {
			MessageBody       string
			MessageAttributes map[string]struct{ DataType, StringValue string }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	req := request{op: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."), entries: len(in.Entries)}
	for _, e := range in.Entries {
		req.bytes += len(e.MessageBody)
		for name, a := range e.MessageAttributes {
			req.bytes += len(name) + len(a.DataType) + len(a.StringValue)
		}
	}
	w.mu.Lock()
	w.requests = append(w.requests, req)
	w.mu.Unlock()
	if w.block != nil {
		if err := w.block(r); err != nil {
			return nil, err
		}
	}
	return w.HTTPClient.Do(r)
}

// sent is how many entries each request of that operation had.
func (w *wire) sent(op string) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var entries []int
	for _, r := range w.requests {
		if r.op == op {
			entries = append(entries, r.entries)
		}
	}
	return entries
}

// event is one of CloudWatch Logs of that size; name tells it from others.
func event(name string, size int) []byte {
	head, tail := `{"awslogs":{"data":"`+name, `"}}`
	return []byte(head + strings.Repeat("A", max(0, size-len(head)-len(tail))) + tail)
}

// entries are n of them, each unlike the others.
func entries(n, size int) []dlq.Entry {
	all := make([]dlq.Entry, n)
	for i := range all {
		all[i] = dlq.Entry{Event: event(fmt.Sprint("n", i, "/"), size), Cause: dlq.Cause{
			Class: "unavailable", Message: fmt.Sprintf("the source answered %d", 500+i), LogGroup: fmt.Sprint("/ecs/", i),
			FirstFailure: time.Date(2026, 1, 2, 3, 4, 5, i, time.UTC), Attempts: i + 1,
		}}
	}
	return all
}

func bodiesOf(entries []dlq.Entry) []string {
	var all []string
	for _, l := range entries {
		all = append(all, string(l.Event))
	}
	slices.Sort(all)
	return all
}

func sorted(numbers []int) []int { return slices.Sorted(slices.Values(numbers)) }

func upTo(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestPutBringsEachEntryOnce(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		limit, err := b.queue.Limit(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		all := entries(57, 0)
		for i, size := range map[int]int{3: limit, 4: limit, 20: 300 << 10, 21: 300 << 10, 22: 300 << 10, 23: 300 << 10, 40: limit, 56: 900 << 10} {
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
		{3, 1<<20 - room, []int{1, 1, 1}},
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

func TestLimitIsAskedForOnce(t *testing.T) {
	for _, size := range []int{1 << 20, 256 << 10, 4 << 10} {
		onQueue(t, sqstest.Config{MaxSize: size}, 0, func(b *bench) {
			for range 3 {
				limit, err := b.queue.Limit(b.Context())
				if limit != size-room || err != nil {
					b.Errorf("limit %d of a queue for %d bytes, error: %v", limit, size, err)
				}
			}
			b.equal(len(b.wire.requests), 1)
		})
	}
}

func TestLimitOfAQueueThatDoesNotTell(t *testing.T) {
	for name, fault := range map[string]sqstest.Fault{
		"denied": {Code: "AccessDenied"}, "broken": {DropBefore: true}, "busy": {Code: "RequestThrottled"},
	} {
		t.Run(name, func(t *testing.T) {
			onQueue(t, sqstest.Config{}, 0, func(b *bench) {
				limits := func(want, requests int) {
					b.Helper()
					for range 2 {
						if limit, err := b.queue.Limit(b.Context()); limit != want || err != nil {
							b.Errorf("limit %d, want %d, error: %v", limit, want, err)
						}
					}
					b.equal(len(b.wire.requests), requests)
				}
				b.server.OnRequest(func(sqstest.Call) sqstest.Fault { return fault })
				limits(256<<10-room, 2) // it asks again
				b.server.OnRequest(nil)
				limits(1<<20-room, 3)
			})
		})
	}
}

// An entry of the size of the limit fits, whatever its cause. One that does not
// fit is reported, and takes no other with it.
func TestLimitFits(t *testing.T) {
	for size, class := range map[int]string{1 << 20: "BatchRequestTooLong", 256 << 10: "InvalidParameterValue", 4 << 10: "InvalidParameterValue"} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			onQueue(t, sqstest.Config{MaxSize: size}, 0, func(b *bench) {
				limit, err := b.queue.Limit(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				long := strings.Repeat("é", 5000)
				longest := dlq.Cause{Class: long, Message: long, LogGroup: long, FirstFailure: time.Date(2026, 11, 12, 13, 14, 15, 123456789, time.UTC), Attempts: math.MaxInt}
				all := entries(5, 0)
				all[1] = dlq.Entry{Event: event("attributes", limit), Cause: longest}
				all[3] = dlq.Entry{Event: event("none", limit+room)} // uses the room that attributes do not take
				b.put(all...)
				b.equal(b.bodies(), bodiesOf(all))

				b.server.Add(sqstest.Config{Name: "q", MaxSize: size})
				all[3].Event = event("none", limit+room+1)
				failed, err := b.queue.Put(b.Context(), all)
				b.equal(failed, []int{3})
				b.fails(err, "q", "put", class)
				b.equal(b.bodies(), bodiesOf(slices.Delete(all, 3, 4)))
			})
		})
	}
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

// What may pass is tried again, and no entry is lost to it.
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

// One batch that is refused does not keep the others out.
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

// cutShort are the ways in which time runs out, and what is left then.
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
			b.equal(sorted(failed), upTo(25)[10:]) // ten were in by then
			b.equal(time.Since(start), time.Second)
			check(b, failed, err)
		})
	})
}

func TestPutStopsWithItsContext(t *testing.T) {
	cutShort(t, func(b *bench, failed []int, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("%v does not tell of the deadline", err)
		}
	})
}

func TestPutThatStoppedNamesItsQueue(t *testing.T) {
	cutShort(t, func(b *bench, failed []int, err error) {
		if e, ok := errors.AsType[*dlq.Error](err); !ok || e.Queue != "q" || e.Op != "put" {
			b.Errorf("%v names no queue", err)
		}
	})
}

func TestDelay(t *testing.T) {
	for _, c := range []struct{ delay, least, most time.Duration }{
		{0, 0, 0},
		{dlq.DefaultDelay, 30 * time.Second, 90 * time.Second},
		{10 * time.Minute, 5 * time.Minute, 15 * time.Minute}, // SQS takes no more
		{24 * time.Hour, 15 * time.Minute, 15 * time.Minute},
		{time.Nanosecond, time.Second, time.Second}, // nor less than this
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
					b.Errorf("%d entries come back after %d different times", 200, len(seen))
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

// Whatever an event or a cause holds gets in, and means the same there.
func TestPutTakesWhatSQSRefuses(t *testing.T) {
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

func TestReceiveHides(t *testing.T) {
	onQueue(t, sqstest.Config{Visibility: time.Hour}, 0, func(b *bench) {
		sent := time.Now()
		l := entries(1, 0)[0]
		b.put(l)
		time.Sleep(time.Minute)
		for i := range 3 {
			m := b.receiveOne(90 * time.Second)
			b.equal(m.Entry, l)
			b.equal(m.Receives, i+1)
			if !m.Sent.Equal(sent) {
				b.Errorf("sent %v, want %v", m.Sent, sent)
			}
			time.Sleep(90*time.Second - time.Millisecond)
			b.equal(len(b.receive(10, 0, time.Hour)), 0)
			time.Sleep(time.Millisecond)
		}
		at := time.Now()
		b.receiveOne(100 * time.Hour) // SQS hides for 12 hours at most
		b.equal(b.server.Messages("q")[0].VisibleAt.Sub(at), 12*time.Hour)
	})
}

func TestReceiveTakesUpToTen(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.put(entries(15, 0)...)
		b.equal(len(b.receive(3, 0, time.Minute)), 3)
		b.equal(len(b.receive(100, 0, time.Minute)), 10)
		b.equal(len(b.receive(10, 0, time.Minute)), 2)
	})
}

func TestReceiveWaits(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		start := time.Now()
		b.equal(len(b.receive(10, 20*time.Second, time.Minute)), 0)
		b.equal(time.Since(start), 20*time.Second)
		go func() {
			time.Sleep(2 * time.Second)
			b.put(entries(1, 0)...)
		}()
		b.equal(len(b.receive(10, 20*time.Second, time.Minute)), 1)
		b.equal(time.Since(start), 22*time.Second)
		synctest.Wait()
	})
}

// A message without attributes, as people put them there.
func TestReceiveOfAForeignMessage(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		body := "anything"
		if _, err := b.client().SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: &b.url, MessageBody: &body}); err != nil {
			b.Fatal(err)
		}
		m := b.receiveOne(time.Minute)
		b.equal(m.Entry, dlq.Entry{Event: []byte(body), Cause: dlq.Cause{FirstFailure: m.Sent}})
		b.equal(m.Sent.Equal(time.Now()), true)
	})
}

func TestChangeVisibility(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.put(entries(1, 0)...)
		for _, after := range []time.Duration{0, time.Second, 5 * time.Minute, 12 * time.Hour} {
			m := b.receiveOne(time.Hour)
			if err := b.queue.ChangeVisibility(b.Context(), m, after); err != nil {
				b.Fatal(err)
			}
			if after > 0 {
				time.Sleep(after - time.Millisecond)
				b.equal(len(b.receive(10, 0, time.Hour)), 0)
				time.Sleep(time.Millisecond)
			}
		}
		m := b.receiveOne(time.Hour)
		b.equal(m.Receives, 5)
		if err := b.queue.ChangeVisibility(b.Context(), m, 13*time.Hour); err != nil {
			b.Errorf("more than SQS allows: %v", err)
		}
	})
}

func TestDelete(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		all := entries(2, 0)
		b.put(all...)
		m := b.receive(1, 0, time.Minute)[0]
		if err := b.queue.Delete(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		time.Sleep(time.Hour)
		left := b.server.Messages("q")
		if len(left) != 1 || left[0].ID == m.ID {
			b.Errorf("left: %v", left)
		}
	})
}

// A message that Lambda received can be made visible again and deleted by its handle.
func TestWithHandle(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.put(entries(1, 0)...)
		receive := func() dlq.Message {
			b.Helper()
			out, err := b.client().ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &b.url})
			if err != nil || len(out.Messages) != 1 {
				b.Fatalf("%v, error: %v", out, err)
			}
			m := out.Messages[0]
			return dlq.NewMessage(*m.MessageId, *m.Body, nil, nil).WithHandle(*m.ReceiptHandle)
		}
		if err := b.queue.ChangeVisibility(b.Context(), receive(), 0); err != nil {
			b.Error(err)
		}
		if err := b.queue.Delete(b.Context(), receive()); err != nil {
			b.Error(err)
		}
		b.equal(len(b.bodies()), 0)
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
				if limit, err := b.queue.Limit(b.Context()); limit != 1<<20-room || err != nil {
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

// every calls everything that a queue does.
func every(ctx context.Context, q *dlq.Queue, m dlq.Message) map[string]error {
	all := map[string]error{}
	_, all["put"] = q.Put(ctx, entries(1, 0))
	_, all["receive"] = q.Receive(ctx, 1, 0, time.Minute)
	_, all["peek"] = q.Peek(ctx, 1)
	all["delete"] = q.Delete(ctx, m)
	all["change visibility"] = q.ChangeVisibility(ctx, m, 0)
	_, all["status"] = q.Status(ctx)
	all["redrive"] = q.Redrive(ctx, arn("to"))
	_, all["redriven"] = q.Redriven(ctx)
	return all
}

func TestClientIsMadeWhenFirstUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		b := &bench{T: t, server: server, wire: &wire{HTTPClient: server}}
		noRole := errors.New("no role")
		calls, broken := 0, true
		q := dlq.New(server.Add(sqstest.Config{Name: "q"}), 0, func(context.Context) (*sqs.Client, error) {
			if calls++; broken {
				return nil, noRole
			}
			return b.client(), nil
		})
		b.equal(calls, 0)
		b.equal(q.Name(), "q")

		failed, err := q.Put(t.Context(), entries(3, 0))
		b.equal(failed, upTo(3))
		all := every(t.Context(), q, dlq.Message{})
		all["put"] = err
		_, all["limit"] = q.Limit(t.Context())
		_, all["other"] = q.Other(t.Context(), arn("q"), 0)
		for _, err := range all {
			b.fails(err, "q", "open", "")
			if !errors.Is(err, noRole) {
				b.Errorf("%v does not tell why", err)
			}
		}
		b.equal(len(b.wire.requests), 0)

		broken, calls = false, 0
		for range 3 {
			if failed, err := q.Put(t.Context(), entries(3, 0)); failed != nil || err != nil {
				b.Errorf("failed: %v, error: %v", failed, err)
			}
		}
		every(t.Context(), q, dlq.Message{})
		b.equal(calls, 1)
	})
}

// Whatever fails says where and at what.
func TestErrorsNameQueueAndOperation(t *testing.T) {
	for code, class := range map[string]string{"AccessDenied": "AccessDenied", "QueueDoesNotExist": "NonExistentQueue", "KmsAccessDenied": "KMS.AccessDenied", "RequestThrottled": "RequestThrottled", "": ""} {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			b.put(entries(1, 0)...)
			m := b.receiveOne(time.Minute)
			b.server.OnRequest(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: code, DropBefore: code == ""} })
			for op, err := range every(b.Context(), b.queue, m) {
				switch op {
				case "peek":
					op = "receive"
				case "redrive", "redriven":
					op = "status" // it is asked for its ARN first
				}
				b.fails(err, "q", op, class)
			}
			b.equal(len(b.server.Messages("q")), 1)
		})
	}
}

func TestReceiptOfAnotherQueue(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		m := dlq.NewMessage("id", "body", nil, nil).WithHandle("made up")
		b.fails(b.queue.Delete(b.Context(), m), "q", "delete", "ReceiptHandleIsInvalid")
		b.fails(b.queue.ChangeVisibility(b.Context(), m, 0), "q", "change visibility", "ReceiptHandleIsInvalid")
	})
}
