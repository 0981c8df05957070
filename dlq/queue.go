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
	oldMaxMessage   = 256 << 10 // what a queue that was never changed may still have
	maxVisibility   = 12 * time.Hour
)

// DefaultDelay is how long a letter is not seen after it was put: an outage is
// not answered at once.
const DefaultDelay = 60 * time.Second

// Queue is a dead-letter queue in SQS. It may be used by several goroutines.
type Queue struct {
	url    string
	client func(context.Context) (*sqs.Client, error)
	delay  time.Duration

	mu    sync.Mutex
	sqs   *sqs.Client
	limit int
}

// New makes a queue of its URL. client is called when the queue is first used.
// Letters are first seen after about delay; 0 means after the queue's own delay,
// which is 0 too unless somebody has set it.
func New(url string, delay time.Duration, client func(context.Context) (*sqs.Client, error)) *Queue {
	return &Queue{url: url, delay: delay, client: client}
}

// Name is the name of the queue, for people.
func (q *Queue) Name() string { return q.url[strings.LastIndexByte(q.url, '/')+1:] }

// Error tells which queue did not do what, and of what class the trouble is.
type Error struct {
	Queue string // its name
	Op    string
	Class string // SQS's code: AccessDenied, AWS.SimpleQueueService.NonExistentQueue, …; "" if it did not answer
	Err   error
}

func (e *Error) Error() string {
	return fmt.Sprintf("queue %s: %s: %s: %v", e.Queue, e.Op, cmp.Or(e.Class, "no answer"), e.Err)
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

// Limit is the size of the largest event that the queue takes, in bytes. It
// asks the queue once; while that fails, it is what every queue takes.
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
		return 0, q.failed("limit", fmt.Errorf("it takes messages of only %d bytes; set its MaximumMessageSize to 1048576", n))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = n - attributeRoom
	return q.limit, nil
}

// Put adds letters to the queue. Those with the returned numbers did not get
// in, and then the error says why. A letter may get in twice, when SQS's answer
// was lost.
func (q *Queue) Put(ctx context.Context, letters []Letter) (failed []int, err error) {
	if len(letters) == 0 {
		return nil, nil
	}
	all := func(err error) ([]int, error) {
		for i := range letters {
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
	for i, l := range letters {
		entry := types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(l.body()), DelaySeconds: q.delaySeconds(),
			MessageAttributes: map[string]types.MessageAttributeValue{},
		}
		n := len(*entry.MessageBody)
		for name, value := range l.Cause.attributes() {
			entry.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
			n += len(name) + len("String") + len(value)
		}
		if len(batch) == maxBatchEntries || size+n > maxBatchBytes {
			flush()
		}
		batch = append(batch, entry)
		size += n
	}
	flush()
	return failed, err
}

// delaySeconds is the delay with jitter, so that letters of one outage do not
// all come back in one moment.
func (q *Queue) delaySeconds() int32 {
	if q.delay <= 0 {
		return 0
	}
	return int32(min(900, max(1, (q.delay/2+rand.N(q.delay)).Seconds())))
}

// rounds is how often a batch is sent: parts of it can fail by themselves. The
// SDK tries a request that failed as a whole again on its own.
const rounds = 4

// send sends a batch until all of it is in, and returns what is not.
func (q *Queue) send(ctx context.Context, c *sqs.Client, batch []types.SendMessageBatchRequestEntry) (left []types.SendMessageBatchRequestEntry, err error) {
	var refused []types.SendMessageBatchRequestEntry
	var why []error
	left = batch
	pace := backoff.WithContext(backoff.WithMaxRetries(backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond)), rounds-1), ctx)
	err = backoff.Retry(func() error {
		out, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: left})
		if err != nil {
			if e := q.failed("put", err); permanent(err) {
				return backoff.Permanent(e)
			} else {
				return e
			}
		}
		failed := map[string]types.BatchResultErrorEntry{}
		for _, f := range out.Failed {
			failed[aws.ToString(f.Id)] = f
		}
		var again []types.SendMessageBatchRequestEntry
		var last error
		for _, entry := range left {
			f, ok := failed[aws.ToString(entry.Id)]
			if !ok {
				continue
			}
			e := &Error{Queue: q.Name(), Op: "put", Class: aws.ToString(f.Code), Err: errors.New(cmp.Or(aws.ToString(f.Message), "refused"))}
			if f.SenderFault {
				refused, why = append(refused, entry), append(why, e)
			} else {
				again, last = append(again, entry), e
			}
		}
		left = again
		return last
	}, pace)
	if err == nil {
		return refused, errors.Join(why...)
	}
	if _, named := errors.AsType[*Error](err); !named { // the time was up
		err = q.failed("put", err)
	}
	return append(left, refused...), errors.Join(append(why, err)...)
}

// permanent tells whether SQS would say the same again.
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

// Message is a letter on loan from the queue.
type Message struct {
	ID       string
	Letter   Letter
	Receives int // how often it was received, this time included
	Sent     time.Time
	Body     string // as it lies in the queue

	handle string
}

// WithHandle is m, received elsewhere (by Lambda, for one) under that receipt
// handle.
func (m Message) WithHandle(receipt string) Message {
	m.handle = receipt
	return m
}

// Receive takes up to n messages (at most 10) off the queue for the time of
// hidden, after which they come back unless they are deleted. It waits up to
// wait, at most 20 s, for the first.
func (q *Queue) Receive(ctx context.Context, n int, wait, hidden time.Duration) ([]Message, error) {
	c, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(min(n, maxBatchEntries)), WaitTimeSeconds: int32(wait.Seconds()),
		VisibilityTimeout: int32(min(hidden, maxVisibility).Seconds()), MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
	})
	if err != nil {
		return nil, q.failed("receive", err)
	}
	messages := make([]Message, len(out.Messages))
	for i, m := range out.Messages {
		attributes := map[string]string{}
		for name, v := range m.MessageAttributes {
			attributes[name] = aws.ToString(v.StringValue)
		}
		messages[i] = NewMessage(aws.ToString(m.MessageId), aws.ToString(m.Body), m.Attributes, attributes).WithHandle(aws.ToString(m.ReceiptHandle))
	}
	return messages, nil
}

// NewMessage makes a message of what SQS says of it: its id, body, system
// attributes and message attributes.
func NewMessage(id, body string, system, attributes map[string]string) Message {
	m := Message{ID: id, Receives: 1, Body: body}
	if n, err := strconv.Atoi(system[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		m.Receives = n
	}
	if ms, err := strconv.ParseInt(system[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		m.Sent = time.UnixMilli(ms).UTC()
	}
	m.Letter = ParseLetter(body, attributes, m.Sent)
	return m
}

// Delete removes a message for good.
func (q *Queue) Delete(ctx context.Context, m Message) error {
	c, err := q.open(ctx)
	if err != nil {
		return err
	}
	if _, err = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &m.handle}); err != nil {
		return q.failed("delete", err)
	}
	return nil
}

// Release gives a message back, to be seen again after that time.
func (q *Queue) Release(ctx context.Context, m Message, after time.Duration) error {
	c, err := q.open(ctx)
	if err != nil {
		return err
	}
	if _, err = c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: &m.handle, VisibilityTimeout: int32(min(after, maxVisibility).Seconds()),
	}); err != nil {
		return q.failed("release", err)
	}
	return nil
}

// Bounds of the time after which a message that failed is seen again.
const (
	firstRetry = 30 * time.Second
	lastRetry  = 15 * time.Minute
)

// RetryAfter is how long a message that failed is to rest: twice as long each
// time, with jitter, and never more than 15 minutes. Added to the time that a
// function may hold it, this stays far under the 12 hours that SQS allows.
func (m Message) RetryAfter() time.Duration {
	d := firstRetry << min(max(m.Receives-1, 0), 5)
	d = min(d, lastRetry)
	return d/2 + rand.N(d/2)
}
