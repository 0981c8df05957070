package dlq_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

func arn(name string) string { return "arn:aws:sqs:us-east-1:123456789012:" + name }

// visible checks that the queue has that many visible messages, and no others.
func (b *bench) visible(want int) {
	b.Helper()
	s, err := b.queue.Status(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.equal([]int{s.Visible, s.Depth()}, []int{want, want})
}

func TestPeekLeavesMessagesInPlace(t *testing.T) {
	for n, want := range map[int]int{-1: 0, 0: 0, 1: 1, 10: 10, 12: 12, 25: 25, 100: 25} {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			all := entries(25, 0)
			b.put(all...)
			start := time.Now()
			got, err := b.queue.Peek(b.Context(), n)
			if err != nil {
				b.Fatal(err)
			}
			if d := time.Since(start); d > 2*time.Second {
				b.Errorf("a look at %d took %v", n, d)
			}
			ids := map[string]bool{}
			for _, m := range got {
				ids[m.ID] = true
				if !slices.ContainsFunc(all, func(l dlq.Entry) bool { return string(l.Event) == m.Body && l.Cause == m.Entry.Cause }) {
					b.Errorf("%v was not put", m)
				}
			}
			b.equal([]int{len(got), len(ids)}, []int{want, want})
			b.visible(25)
		})
	}
}

func TestPeekDoesNotSeeDelayedMessages(t *testing.T) {
	onQueue(t, sqstest.Config{}, dlq.DefaultDelay, func(b *bench) {
		b.put(entries(3, 0)...)
		got, err := b.queue.Peek(b.Context(), 10)
		if len(got) != 0 || err != nil {
			b.Errorf("%v, error: %v", got, err)
		}
	})
}

func TestPeekCutShortLeavesMessagesVisible(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.put(entries(25, 0)...)
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		receives := 0
		b.server.OnRequest(func(c sqstest.Call) sqstest.Fault {
			if c.Op == "ReceiveMessage" {
				receives++
			}
			if receives == 2 {
				cancel()
			}
			return sqstest.Fault{DropBefore: c.Op == "ReceiveMessage" && receives == 2}
		})
		got, err := b.queue.Peek(ctx, 25)
		b.equal(len(got), 10)
		if !errors.Is(err, context.Canceled) {
			b.Errorf("%v", err)
		}
		b.server.OnRequest(nil)
		b.visible(25)
	})
}

// A message whose visibility cannot be changed becomes visible by itself.
func TestPeekThatCannotChangeVisibility(t *testing.T) {
	onQueue(t, sqstest.Config{Visibility: 12 * time.Hour}, 0, func(b *bench) {
		b.put(entries(5, 0)...)
		b.server.OnRequest(func(c sqstest.Call) (fault sqstest.Fault) {
			if c.Op == "ChangeMessageVisibilityBatch" {
				fault.Code = "AccessDenied"
			}
			return fault
		})
		got, err := b.queue.Peek(b.Context(), 5)
		b.equal(len(got), 5)
		b.fails(err, "q", "change visibility", "AccessDenied")
		s, err := b.queue.Status(b.Context())
		b.equal([]any{s.Visible, s.InFlight, err}, []any{0, 5, nil})
		time.Sleep(2 * time.Minute)
		b.visible(5)
	})
}

func TestStatus(t *testing.T) {
	onQueue(t, sqstest.Config{Retention: 14 * 24 * time.Hour, DeadLetter: "quarantine", MaxReceives: 7}, 0, func(b *bench) {
		b.server.Add(sqstest.Config{Name: "quarantine"})
		b.put(entries(6, 0)...)
		b.receive(2, 0, time.Minute)
		late := dlq.New(b.url, dlq.DefaultDelay, func(context.Context) (*sqs.Client, error) { return b.client(), nil })
		if failed, err := late.Put(b.Context(), entries(3, 0)); err != nil {
			b.Fatal(failed, err)
		}
		want := dlq.Status{
			Name: "q", Visible: 4, InFlight: 2, Delayed: 3, Retention: 14 * 24 * time.Hour, Timeout: 30 * time.Second, ARN: arn("q"),
			MaxReceives: 7, Quarantine: arn("quarantine"),
		}
		got, err := b.queue.Status(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.equal(got, want)
		b.equal(got.Depth(), 9)
	})
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		got, err := b.queue.Status(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.equal(got, dlq.Status{Name: "q", Retention: 4 * 24 * time.Hour, Timeout: 30 * time.Second, ARN: arn("q")})
	})
}

type doer func(*http.Request) (*http.Response, error)

func (f doer) Do(r *http.Request) (*http.Response, error) { return f(r) }

// saying returns a queue named q on a service with a fixed response.
func saying(b *bench, answer string) *dlq.Queue {
	client := b.server.Client(func(o *sqs.Options) {
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			h := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
			return &http.Response{StatusCode: 200, Header: h, Request: r, Body: io.NopCloser(strings.NewReader(answer))}, nil
		})
	})
	return dlq.New(b.url, 0, func(context.Context) (*sqs.Client, error) { return client, nil })
}

// The count in a redrive policy is a number or a string, as it was set.
func TestStatusReadsRedrivePolicies(t *testing.T) {
	for policy, want := range map[string]dlq.Status{
		`{\"deadLetterTargetArn\":\"arn\",\"maxReceiveCount\":3}`:     {Name: "q", MaxReceives: 3, Quarantine: "arn"},
		`{\"deadLetterTargetArn\":\"arn\",\"maxReceiveCount\":\"3\"}`: {Name: "q", MaxReceives: 3, Quarantine: "arn"},
		``: {Name: "q"},
	} {
		onQueue(t, sqstest.Config{}, 0, func(b *bench) {
			got, err := saying(b, `{"Attributes":{"RedrivePolicy":"`+policy+`"}}`).Status(b.Context())
			if err != nil {
				b.Error(err)
			}
			b.equal(got, want)
		})
	}
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		_, err := saying(b, `{"Attributes":{"RedrivePolicy":"none"}}`).Status(b.Context())
		b.fails(err, "q", "status", "")
	})
}

func TestOther(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.server.Add(sqstest.Config{Name: "quarantine"})
		other, err := b.queue.Other(b.Context(), arn("quarantine"), dlq.DefaultDelay)
		if err != nil {
			b.Fatal(err)
		}
		b.equal(other.Name(), "quarantine")
		if failed, err := other.Put(b.Context(), entries(1, 0)); err != nil {
			b.Fatal(failed, err)
		}
		got := b.server.Messages("quarantine")
		if len(got) != 1 || got[0].VisibleAt.Sub(got[0].Sent) < 30*time.Second || len(b.bodies()) != 0 {
			b.Errorf("quarantine: %v", got)
		}
		b.equal(b.opened, 1)

		_, err = b.queue.Other(b.Context(), arn("none"), 0)
		b.fails(err, "none", "find", "NonExistentQueue")
		_, err = b.queue.Other(b.Context(), "arn:aws:sqs:us-east-1:999999999999:quarantine", 0) // of another account
		b.fails(err, "quarantine", "find", "NonExistentQueue")
		for _, arn := range []string{"", "quarantine", "arn:aws:sqs:us-east-1:123456789012"} {
			_, err = b.queue.Other(b.Context(), arn, 0)
			b.fails(err, "q", "find", "")
		}
	})
}

func TestFind(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		c := b.client()
		for _, name := range []string{"https://sqs.eu-west-1.amazonaws.com/1/elsewhere", "http://localhost:9324/000000000000/q"} {
			got, err := dlq.Find(b.Context(), c, name)
			b.equal([]any{got, err}, []any{name, nil})
		}
		b.equal(len(b.wire.requests), 0)
		got, err := dlq.Find(b.Context(), c, "q")
		b.equal([]any{got, err}, []any{b.url, nil})

		_, err = dlq.Find(b.Context(), c, "none")
		b.fails(err, "none", "find", "NonExistentQueue")
		b.server.OnRequest(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: "AccessDenied"} })
		_, err = dlq.Find(b.Context(), c, "q")
		b.fails(err, "q", "find", "AccessDenied")
	})
}

func TestRedriveMovesAll(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		source := b.server.Add(sqstest.Config{Name: "source", DeadLetter: "q"})
		b.server.Add(sqstest.Config{Name: "elsewhere"})
		all := entries(25, 0)
		b.put(all...)
		got, err := b.queue.LastMove(b.Context())
		b.equal([]any{got, err}, []any{dlq.Move{}, nil})

		if err := b.queue.Redrive(b.Context(), arn("source")); err != nil {
			b.Fatal(err)
		}
		got, err = b.queue.LastMove(b.Context())
		b.equal([]any{got, err}, []any{dlq.Move{State: "COMPLETED", Moved: 25, Total: 25}, nil})
		b.visible(0)
		b.equal(len(b.server.Messages("elsewhere")), 0)

		to := dlq.New(source, 0, func(context.Context) (*sqs.Client, error) { return b.client(), nil })
		moved, err := to.Peek(b.Context(), 100)
		if err != nil {
			b.Fatal(err)
		}
		want, is := map[string]dlq.Cause{}, map[string]dlq.Cause{}
		for i := range all {
			want[string(all[i].Event)] = all[i].Cause
		}
		for _, m := range moved {
			is[m.Body] = m.Entry.Cause
		}
		b.equal(len(moved), 25)
		b.equal(is, want)

		// The last redrive counts.
		b.put(all[:2]...)
		if err := b.queue.Redrive(b.Context(), arn("elsewhere")); err != nil {
			b.Fatal(err)
		}
		got, err = b.queue.LastMove(b.Context())
		b.equal([]any{got, err}, []any{dlq.Move{State: "COMPLETED", Moved: 2, Total: 2}, nil})
		b.equal(len(b.server.Messages("elsewhere")), 2)
	})
}

func TestRedriveThatFails(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.put(entries(1, 0)...)
		b.server.Add(sqstest.Config{Name: "source"})
		b.fails(b.queue.Redrive(b.Context(), arn("source")), "q", "redrive", "InvalidParameterValue") // not its source
		b.server.Add(sqstest.Config{Name: "source", DeadLetter: "q"})
		b.fails(b.queue.Redrive(b.Context(), arn("none")), "q", "redrive", "ResourceNotFound")
		b.server.OnRequest(func(c sqstest.Call) sqstest.Fault {
			if strings.Contains(c.Op, "Move") {
				return sqstest.Fault{Code: "AccessDenied"}
			}
			return sqstest.Fault{}
		})
		b.fails(b.queue.Redrive(b.Context(), arn("source")), "q", "redrive", "AccessDenied")
		_, err := b.queue.LastMove(b.Context())
		b.fails(err, "q", "redrive", "AccessDenied")
		b.visible(1)

		got, err := saying(b, `{"Attributes":{"QueueArn":"arn"},"Results":[{"Status":"FAILED","ApproximateNumberOfMessagesMoved":3,"ApproximateNumberOfMessagesToMove":5,"FailureReason":"AWS.SimpleQueueService.NonExistentQueue"}]}`).LastMove(b.Context())
		b.equal([]any{got, err}, []any{dlq.Move{State: "FAILED", Moved: 3, Total: 5, Why: "AWS.SimpleQueueService.NonExistentQueue"}, nil})
	})
}
