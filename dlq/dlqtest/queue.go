// Package dlqtest is a dead-letter queue in memory, for tests and for sumoship
// local.
package dlqtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"sumoship/dlq"
)

// MaxMessage is the size of the largest message that SQS takes, in bytes.
const MaxMessage = 1 << 20

// Queue is a dead-letter queue in memory. A message is visible as soon as it was
// put. The zero value is ready to use.
type Queue struct {
	Max int   // bytes of the largest event; 0 means MaxMessage
	Err error // what Put fails with, if not nil

	mu       sync.Mutex
	last     int // ID of the newest message
	messages []*message
}

type message struct {
	dlq.Message
	visible time.Time // again, from then on
}

// Limit returns the size of the largest event that the queue accepts, in bytes.
func (q *Queue) Limit(context.Context) (int, error) {
	if q.Max > 0 {
		return q.Max, nil
	}
	return MaxMessage, nil
}

// Put adds entries. It returns the indexes of those that the queue did not
// accept.
func (q *Queue) Put(ctx context.Context, entries []dlq.Entry) (failed []int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit, _ := q.Limit(ctx)
	for i, e := range entries {
		switch {
		case q.Err != nil:
			failed, err = append(failed, i), q.Err
		case len(e.Event) > limit:
			failed, err = append(failed, i), fmt.Errorf("a message of %d bytes is over the limit of %d", len(e.Event), limit)
		default:
			q.last++
			e.Event = slices.Clone(e.Event)
			m := dlq.Message{ID: strconv.Itoa(q.last), Entry: e, Sent: time.Now(), Body: string(e.Event)}
			q.messages = append(q.messages, &message{Message: m, visible: m.Sent})
		}
	}
	return failed, err
}

// Receive receives up to n visible messages for a visibility timeout. It never
// waits.
func (q *Queue) Receive(_ context.Context, n int, _, visibility time.Duration) ([]dlq.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []dlq.Message
	now := time.Now()
	for _, m := range q.messages {
		if len(out) < n && !m.visible.After(now) {
			m.Receives++
			m.visible = now.Add(visibility)
			out = append(out, m.Message)
		}
	}
	return out, nil
}

// Delete deletes a message.
func (q *Queue) Delete(_ context.Context, m dlq.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(o *message) bool { return o.ID == m.ID })
	return nil
}

// ChangeVisibility makes a message visible again after timeout.
func (q *Queue) ChangeVisibility(_ context.Context, m dlq.Message, timeout time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range q.messages {
		if o.ID == m.ID {
			o.visible = time.Now().Add(timeout)
		}
	}
	return nil
}

// Wake makes every message visible at once.
func (q *Queue) Wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		m.visible = time.Now()
	}
}

// Entries returns the entries in the queue, in the order in which they were put.
func (q *Queue) Entries() []dlq.Entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []dlq.Entry
	for _, m := range q.messages {
		out = append(out, m.Entry)
	}
	return out
}
