package dlq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Message is an entry that was received from the queue.
type Message struct {
	ID       string
	Entry    Entry
	Receives int // how often it was received, including this time
	Sent     time.Time
	Body     string // as it is in the queue

	handle string
}

// WithHandle returns m with the receipt handle under which something else, such
// as Lambda, received it.
func (m Message) WithHandle(receipt string) Message {
	m.handle = receipt
	return m
}

// stored is a message as MarshalBinary writes it, in a line of JSON before its body.
type stored struct {
	ID         string            `json:"id"`
	Handle     string            `json:"receiptHandle"`
	Receives   int               `json:"receives"`
	Sent       time.Time         `json:"sent"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Size       int               `json:"size"` // of the body, in bytes
}

// MarshalBinary writes a message with its receipt handle, so that another process
// can deal with it.
func (m Message) MarshalBinary() ([]byte, error) {
	head, err := json.Marshal(stored{m.ID, m.handle, m.Receives, m.Sent, m.Entry.Cause.attributes(), len(m.Body)})
	if err != nil {
		return nil, err
	}
	return append(append(head, '\n'), m.Body...), nil
}

// UnmarshalBinary reads what MarshalBinary has written.
func (m *Message) UnmarshalBinary(b []byte) error {
	head, body, _ := bytes.Cut(b, []byte("\n"))
	var s stored
	if err := json.Unmarshal(head, &s); err != nil {
		return fmt.Errorf("not a stored message: %w", err)
	}
	if len(body) != s.Size || s.ID == "" {
		return errors.New("a stored message is cut off")
	}
	*m = Message{ID: s.ID, Entry: ParseEntry(string(body), s.Attributes, s.Sent), Receives: s.Receives, Sent: s.Sent, Body: string(body), handle: s.Handle}
	return nil
}

// Receive receives up to n messages, at most 10, for a visibility timeout: they
// become visible again after it unless they are deleted. It waits up to wait, at
// most 20 s, for the first.
func (q *Queue) Receive(ctx context.Context, n int, wait, visibility time.Duration) ([]Message, error) {
	c, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(min(n, maxBatchEntries)), WaitTimeSeconds: int32(wait.Seconds()),
		VisibilityTimeout: int32(min(visibility, maxVisibility).Seconds()), MessageAttributeNames: []string{"All"},
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

// NewMessage returns a message from its parts: ID, body, system attributes and
// message attributes.
func NewMessage(id, body string, system, attributes map[string]string) Message {
	m := Message{ID: id, Receives: 1, Body: body}
	if n, err := strconv.Atoi(system[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		m.Receives = n
	}
	if ms, err := strconv.ParseInt(system[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		m.Sent = time.UnixMilli(ms).UTC()
	}
	m.Entry = ParseEntry(body, attributes, m.Sent)
	return m
}

// Delete deletes a message from the queue.
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

// ChangeVisibility makes a received message visible again after timeout, which
// may be 0.
func (q *Queue) ChangeVisibility(ctx context.Context, m Message, timeout time.Duration) error {
	c, err := q.open(ctx)
	if err != nil {
		return err
	}
	if _, err = c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: &m.handle, VisibilityTimeout: int32(min(timeout, maxVisibility).Seconds()),
	}); err != nil {
		return q.failed("change visibility", err)
	}
	return nil
}

// Bounds of the backoff of a message that failed.
const (
	minBackoff  = 30 * time.Second
	maxBackoff  = 15 * time.Minute // of a message that is younger than two hours
	lateBackoff = 2 * time.Hour    // of any other
)

// Backoff returns the visibility timeout for a message that failed: twice as long
// each time up to 15 minutes, or an eighth of the message's age if that is longer,
// up to 2 hours, with jitter. So a message is received some 300 times in the 14 days
// that SQS keeps it at most, and does not reach the maxReceiveCount of its queue in
// an outage, however long. Added to the time that a function may hold a message, it
// is far below the 12 hours that SQS allows.
func (m Message) Backoff() time.Duration {
	d := minBackoff << min(max(m.Receives-1, 0), 5)
	d = min(d, maxBackoff)
	if !m.Sent.IsZero() {
		d = max(d, min(time.Since(m.Sent)/8, lateBackoff))
	}
	return d/2 + time.Duration(spread(m.ID+" "+strconv.Itoa(m.Receives))*float64(d/2))
}
