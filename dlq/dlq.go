// Package dlq keeps what Sumo Logic did not confirm in a dead-letter queue in
// Amazon SQS, as native events of CloudWatch Logs, from where they can be
// replayed. It puts, receives, delays, deletes and inspects messages, and does not
// look into their events.
package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// Limits of SQS.
// Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".
const (
	maxBatchEntries = 10
	maxBatchBytes   = 1 << 20
	oldMaxMessage   = 256 << 10 // what an older queue may still have
	maxVisibility   = 12 * time.Hour
)

// DefaultDelay is the delay before a new message becomes visible: an
// immediate replay would meet the same outage.
const DefaultDelay = 60 * time.Second

// Queue is a dead-letter queue in SQS. It is safe for concurrent use.
type Queue struct {
	url    string
	client func(context.Context) (*sqs.Client, error)
	delay  time.Duration

	mu    sync.Mutex
	sqs   *sqs.Client
	limit int
}

// New returns the queue with that URL. client is called when the queue is first
// used. New messages become visible after delay, give or take half of it; 0
// means the queue's own delay, which is 0 by default.
func New(url string, delay time.Duration, client func(context.Context) (*sqs.Client, error)) *Queue {
	return &Queue{url: url, delay: delay, client: client}
}

// Name returns the name of the queue.
func (q *Queue) Name() string { return q.url[strings.LastIndexByte(q.url, '/')+1:] }

// Error is a failed operation on a queue.
type Error struct {
	Queue string // its name
	Op    string // open, limit, put, receive, delete, change visibility, find, status, redrive
	Class string // SQS's error code: AccessDenied, AWS.SimpleQueueService.NonExistentQueue, …; "" without a response
	Err   error
}

func (e *Error) Error() string {
	return fmt.Sprintf("queue %s: %s: %s: %v", e.Queue, e.Op, cmp.Or(e.Class, "no response"), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// message is the message of an error of SQS, without the SDK's own words.
type message struct {
	text string
	err  error
}

func (m *message) Error() string { return m.text }
func (m *message) Unwrap() error { return m.err }

func (q *Queue) failed(op string, err error) error {
	e := &Error{Queue: q.Name(), Op: op, Err: err}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Class, e.Err = api.ErrorCode(), &message{api.ErrorMessage(), err}
	}
	return e
}

func (q *Queue) open(ctx context.Context) (*sqs.Client, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sqs == nil {
		c, err := q.client(ctx)
		if err != nil {
			return nil, q.failed("open", err)
		}
		q.sqs = c
	}
	return q.sqs, nil
}

// Limit returns the size of the largest message that the queue accepts, in bytes:
// of an event, and of its cause unless that may be shortened. It asks the queue
// once; until that succeeds, it returns what every queue accepts.
func (q *Queue) Limit(ctx context.Context) (int, error) {
	c, err := q.open(ctx)
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	limit := q.limit
	q.mu.Unlock()
	if limit > 0 {
		return limit, nil
	}
	out, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameMaximumMessageSize},
	})
	if err != nil {
		return oldMaxMessage, nil
	}
	n, err := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameMaximumMessageSize)])
	if err != nil {
		return oldMaxMessage, nil
	}
	if n <= attributeRoom {
		return 0, q.failed("limit", fmt.Errorf("accepts messages of only %d bytes; set its MaximumMessageSize to 1048576", n))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = n
	return q.limit, nil
}

// maxMessage returns the size of the largest message, as far as it is known, for an
// event of that size.
func (q *Queue) maxMessage(event int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.limit > 0:
		return q.limit
	case event <= oldMaxMessage:
		return oldMaxMessage
	}
	return maxBatchBytes
}
