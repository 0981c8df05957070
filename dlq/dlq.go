// Package dlq keeps what Sumo Logic did not confirm in a dead-letter queue in
// Amazon SQS, as native events of CloudWatch Logs, from where they can be
// replayed. It puts, receives, delays, deletes and inspects messages; what is in
// an event does not concern it.
package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v4"
)

// Limits of SQS.
// Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".
const (
	maxBatchEntries = 10
	maxBatchBytes   = 1 << 20
	oldMaxMessage   = 256 << 10 // what an older queue may still have
	maxVisibility   = 12 * time.Hour
)

// DefaultDelay is the delay before a new message becomes visible: during an
// outage there is no point in replaying it at once.
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

func (q *Queue) failed(op string, err error) error {
	e := &Error{Queue: q.Name(), Op: op, Err: err}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Class, e.Err = api.ErrorCode(), errors.New(api.ErrorMessage())
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

// Limit returns the size of the largest event that the queue accepts, in bytes.
// It asks the queue once; until that succeeds, it returns what every queue
// accepts.
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
		return oldMaxMessage - attributeRoom, nil
	}
	n, err := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameMaximumMessageSize)])
	if err != nil {
		return oldMaxMessage - attributeRoom, nil
	}
	if n <= attributeRoom {
		return 0, q.failed("limit", fmt.Errorf("accepts messages of only %d bytes; set its MaximumMessageSize to 1048576", n))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = n - attributeRoom
	return q.limit, nil
}

// Put adds entries to the queue. It returns the indexes of those that SQS did
// not accept, and an error that says why. An entry whose response was lost may
// be in the queue twice.
func (q *Queue) Put(ctx context.Context, entries []Entry) (failed []int, err error) {
	if len(entries) == 0 {
		return nil, nil
	}
	all := func(err error) ([]int, error) {
		for i := range entries {
			failed = append(failed, i)
		}
		return failed, err
	}
	c, err := q.open(ctx)
	if err != nil {
		return all(err)
	}
	var batch []types.SendMessageBatchRequestEntry
	size := 0
	flush := func() {
		if len(batch) == 0 {
			return
		}
		left, e := q.send(ctx, c, batch)
		for _, entry := range left {
			i, _ := strconv.Atoi(aws.ToString(entry.Id)) // our own number
			failed = append(failed, i)
		}
		err = errors.Join(err, e)
		batch, size = nil, 0
	}
	for i, e := range entries {
		request := types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(e.body()), DelaySeconds: q.delaySeconds(),
			MessageAttributes: map[string]types.MessageAttributeValue{},
		}
		n := len(*request.MessageBody)
		for name, value := range e.Cause.attributes() {
			request.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
			n += len(name) + len("String") + len(value)
		}
		if len(batch) == maxBatchEntries || size+n > maxBatchBytes {
			flush()
		}
		batch = append(batch, request)
		size += n
	}
	flush()
	return failed, err
}

// delaySeconds returns the delay with jitter, so that the messages of an outage
// do not all become visible at once.
func (q *Queue) delaySeconds() int32 {
	if q.delay <= 0 {
		return 0
	}
	return int32(min(900, max(1, (q.delay/2+rand.N(q.delay)).Seconds())))
}

// maxAttempts bounds how often a batch is sent, since single entries of it can
// fail. The SDK itself retries a request that failed as a whole.
const maxAttempts = 4

// send sends a batch until SQS has accepted all of it, and returns what it has
// not.
func (q *Queue) send(ctx context.Context, c *sqs.Client, batch []types.SendMessageBatchRequestEntry) (left []types.SendMessageBatchRequestEntry, err error) {
	var refused []types.SendMessageBatchRequestEntry
	var reasons []error
	left = batch
	policy := backoff.WithContext(backoff.WithMaxRetries(backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond)), maxAttempts-1), ctx)
	err = backoff.Retry(func() error {
		out, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: left})
		if err != nil {
			e := q.failed("put", err)
			if permanent(err) {
				return backoff.Permanent(e)
			}
			return e
		}
		failed := map[string]types.BatchResultErrorEntry{}
		for _, f := range out.Failed {
			failed[aws.ToString(f.Id)] = f
		}
		var retry []types.SendMessageBatchRequestEntry
		var last error
		for _, entry := range left {
			f, ok := failed[aws.ToString(entry.Id)]
			if !ok {
				continue
			}
			e := &Error{Queue: q.Name(), Op: "put", Class: aws.ToString(f.Code), Err: errors.New(cmp.Or(aws.ToString(f.Message), "refused"))}
			if f.SenderFault {
				refused, reasons = append(refused, entry), append(reasons, e)
			} else {
				retry, last = append(retry, entry), e
			}
		}
		left = retry
		return last
	}, policy)
	if err == nil {
		return refused, errors.Join(reasons...)
	}
	if _, named := errors.AsType[*Error](err); !named { // ctx ended
		err = q.failed("put", err)
	}
	return append(left, refused...), errors.Join(append(reasons, err)...)
}

// permanent reports whether a retry would fail in the same way.
func permanent(err error) bool {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if strings.Contains(api.ErrorCode(), "Throttl") {
			return false
		}
		var answer interface{ HTTPStatusCode() int }
		return errors.As(err, &answer) && answer.HTTPStatusCode() < http.StatusInternalServerError
	}
	return false
}
