// Package dlqtest is a dead-letter queue in memory: for tests, and for looking
// on how the real one is used.
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

// Queue is a dead-letter queue in memory. A letter is seen as soon as it was
// put. The zero value is ready.
type Queue struct {
	Max int   // bytes of the largest event; 0 means MaxMessage
	Err error // what Put fails with, if not nil

	mu       sync.Mutex
	last     int // id of the letter that came last
	messages []*message
}

type message struct {
	dlq.Message
	visible time.Time // from when on
}

// Limit is the size of the largest event that the queue takes, in bytes.
func (q *Queue) Limit(context.Context) (int, error) {
	if q.Max > 0 {
		return q.Max, nil
	}
	return MaxMessage, nil
}

// Put adds the letters. It returns the numbers of those that did not get in.
func (q *Queue) Put(ctx context.Context, letters []dlq.Letter) (failed []int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit, _ := q.Limit(ctx)
	for i, l := range letters {
		switch {
		case q.Err != nil:
			failed, err = append(failed, i), q.Err
		case len(l.Event) > limit:
			failed, err = append(failed, i), fmt.Errorf("a message of %d bytes is over the limit of %d", len(l.Event), limit)
		default:
			q.last++
			l.Event = slices.Clone(l.Event)
			m := dlq.Message{ID: strconv.Itoa(q.last), Letter: l, Sent: time.Now(), Body: string(l.Event)}
			q.messages = append(q.messages, &message{Message: m, visible: m.Sent})
		}
	}
	return failed, err
}

// Receive takes up to n letters that can be seen, for the time of hidden. It
// never waits.
func (q *Queue) Receive(_ context.Context, n int, _, hidden time.Duration) ([]dlq.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []dlq.Message
	now := time.Now()
	for _, m := range q.messages {
		if len(out) < n && !m.visible.After(now) {
			m.Receives++
			m.visible = now.Add(hidden)
			out = append(out, m.Message)
		}
	}
	return out, nil
}

// Delete removes a letter.
func (q *Queue) Delete(_ context.Context, m dlq.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(o *message) bool { return o.ID == m.ID })
	return nil
}

// Release makes a letter visible again after that time.
func (q *Queue) Release(_ context.Context, m dlq.Message, after time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range q.messages {
		if o.ID == m.ID {
			o.visible = time.Now().Add(after)
		}
	}
	return nil
}

// Wake makes every letter visible at once, as if its time had passed.
func (q *Queue) Wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		m.visible = time.Now()
	}
}

// Letters are the letters in the queue, in the order in which they came.
func (q *Queue) Letters() []dlq.Letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []dlq.Letter
	for _, m := range q.messages {
		out = append(out, m.Letter)
	}
	return out
}
