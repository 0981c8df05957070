package dlq_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

func TestReceiveSetsTheVisibilityTimeout(t *testing.T) {
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
		b.receiveOne(100 * time.Hour) // SQS allows at most 12 hours
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

// A message without attributes, which somebody put there by hand.
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

func TestReceiptOfAnotherQueue(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		m := dlq.NewMessage("id", "body", nil, nil).WithHandle("made up")
		b.fails(b.queue.Delete(b.Context(), m), "q", "delete", "ReceiptHandleIsInvalid")
		b.fails(b.queue.ChangeVisibility(b.Context(), m, 0), "q", "change visibility", "ReceiptHandleIsInvalid")
	})
}

// The backoff of a message that failed grows, with jitter, and stays far below
// what SQS allows.
func TestBackoffGrowsToItsBound(t *testing.T) {
	for receives, most := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 5: 8 * time.Minute, 6: 15 * time.Minute, 1000: 15 * time.Minute} {
		least, seen := most, map[time.Duration]bool{}
		for i := range 200 {
			d := dlq.Message{ID: strconv.Itoa(i), Receives: receives}.Backoff()
			if d > most || d < most/2 {
				t.Fatalf("%d receives: %v, want %v to %v", receives, d, most/2, most)
			}
			least = min(least, d)
			seen[d] = true
		}
		if len(seen) < 50 {
			t.Errorf("%d receives: no jitter", receives)
		}
	}
}
