package dlq_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// bench is a queue named q on its own service, and what was requested of it.
type bench struct {
	*testing.T
	server *sqstest.Server
	wire   *wire
	queue  *dlq.Queue
	url    string
	opened int // how often the queue opened its client
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

// puts makes requests that put entries fail: fault gets the number of the request,
// from 1.
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

// put puts entries, which the queue must accept.
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

// bodies returns the sorted bodies of all messages.
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

// fails checks that an error names its queue and operation, and that its class
// contains class.
func (b *bench) fails(err error, queue, op, class string) {
	b.Helper()
	e, ok := errors.AsType[*dlq.Error](err)
	if !ok {
		b.Errorf("%v is not a *dlq.Error", err)
		return
	}
	if e.Queue != queue || e.Op != op || !strings.Contains(e.Class, class) || (class == "") != (e.Class == "") {
		b.Errorf("queue %q, operation %q, class %q, want %q, %q, %q", e.Queue, e.Op, e.Class, queue, op, class)
	}
	for _, part := range []string{queue, op, e.Class} {
		if !strings.Contains(err.Error(), part) {
			b.Errorf("%q does not contain %q", err, part)
		}
	}
}

// causes returns all joined errors of the queue.
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

// wire records the requests to the service.
type wire struct {
	sqs.HTTPClient
	block func(*http.Request) error // called before each request, if not nil

	mu       sync.Mutex
	requests []request
}

type request struct {
	op      string
	entries int
	bytes   int // of bodies and attributes
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

// sent returns the number of entries in each request of an operation.
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

// event returns an event of that size, distinct by its name.
func event(name string, size int) []byte {
	head, tail := `{"awslogs":{"data":"`+name, `"}}`
	return []byte(head + strings.Repeat("A", max(0, size-len(head)-len(tail))) + tail)
}

// entries returns n distinct entries.
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

func TestLimitIsAskedForOnce(t *testing.T) {
	for _, size := range []int{1 << 20, 256 << 10, 4 << 10} {
		onQueue(t, sqstest.Config{MaxSize: size}, 0, func(b *bench) {
			for range 3 {
				limit, err := b.queue.Limit(b.Context())
				if limit != size || err != nil {
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
				limits(256<<10, 2) // it asks again
				b.server.OnRequest(nil)
				limits(1<<20, 3)
			})
		})
	}
}

// An entry of the size of the limit fits, whatever its cause. A larger one is
// reported, and does not affect the others.
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
				all[3] = dlq.Entry{Event: event("none", limit)}
				b.put(all...)
				b.equal(b.bodies(), bodiesOf(all))

				b.server.Add(sqstest.Config{Name: "q", MaxSize: size})
				all[3].Event = event("none", limit+1)
				failed, err := b.queue.Put(b.Context(), all)
				b.equal(failed, []int{3})
				b.fails(err, "q", "put", class)
				b.equal(b.bodies(), bodiesOf(slices.Delete(all, 3, 4)))
			})
		})
	}
}

// every calls every operation of a queue.
func every(ctx context.Context, q *dlq.Queue, m dlq.Message) map[string]error {
	all := map[string]error{}
	_, all["put"] = q.Put(ctx, entries(1, 0))
	_, all["receive"] = q.Receive(ctx, 1, 0, time.Minute)
	_, all["peek"] = q.Peek(ctx, 1)
	all["delete"] = q.Delete(ctx, m)
	all["change visibility"] = q.ChangeVisibility(ctx, m, 0)
	_, all["status"] = q.Status(ctx)
	all["redrive"] = q.Redrive(ctx, arn("to"))
	_, all["redriven"] = q.LastMove(ctx)
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
				b.Errorf("%v does not wrap its cause", err)
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

// Each error names its queue and operation.
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
					op = "status" // which reads its ARN first
				}
				b.fails(err, "q", op, class)
			}
			b.equal(len(b.server.Messages("q")), 1)
		})
	}
}
