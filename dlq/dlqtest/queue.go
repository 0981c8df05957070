// Package dlqtest is a dead-letter queue in memory: for tests, and for looking
// on how the real one is used.
package dlqtest

import (
	"context"
	"fmt"
	"sync"

	"sumoship/dlq"
)

// MaxMessage is the size of the largest message that SQS takes, in bytes.
const MaxMessage = 1 << 20

// Queue is a dead-letter queue in memory. The zero value is ready.
type Queue struct {
	Max int   // bytes of the largest event; 0 means MaxMessage
	Err error // what Put fails with, if not nil

	mu      sync.Mutex
	letters []dlq.Letter
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
			l.Event = append([]byte(nil), l.Event...)
			q.letters = append(q.letters, l)
		}
	}
	return failed, err
}

// Letters are the letters in the queue, in the order in which they came.
func (q *Queue) Letters() []dlq.Letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]dlq.Letter(nil), q.letters...)
}
