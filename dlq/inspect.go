package dlq

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Find is the URL of a queue that is named by its URL or its name.
func Find(ctx context.Context, c *sqs.Client, queue string) (string, error) {
	if strings.Contains(queue, "://") {
		return queue, nil
	}
	out, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		return "", (&Queue{url: queue}).failed("find", err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// Status is how a queue stands. SQS counts roughly.
type Status struct {
	Name     string
	Visible  int           // messages that can be received
	InFlight int           // that somebody holds, or that rest after a failure
	Delayed  int           // that were just put
	Keeps    time.Duration // how long a message may lie there
	ARN      string

	MaxReceives int    // after so many receives a message moves to the parking queue; 0: never
	Parking     string // ARN of that queue, "" if there is none
}

// Depth is the number of all messages.
func (s Status) Depth() int { return s.Visible + s.InFlight + s.Delayed }

// Status asks the queue how it stands.
func (q *Queue) Status(ctx context.Context) (Status, error) {
	c, err := q.open(ctx)
	if err != nil {
		return Status{}, err
	}
	out, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return Status{}, q.failed("status", err)
	}
	number := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // of SQS; 0 where it has none
		return n
	}
	s := Status{
		Name: q.Name(), ARN: out.Attributes[string(types.QueueAttributeNameQueueArn)],
		Visible:  number(types.QueueAttributeNameApproximateNumberOfMessages),
		InFlight: number(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed:  number(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
		Keeps:    time.Duration(number(types.QueueAttributeNameMessageRetentionPeriod)) * time.Second,
	}
	if policy := out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]; policy != "" {
		var p struct {
			Target string          `json:"deadLetterTargetArn"`
			Max    json.RawMessage `json:"maxReceiveCount"` // a number or a string
		}
		if err := json.Unmarshal([]byte(policy), &p); err != nil {
			return s, q.failed("status", errors.New("its redrive policy cannot be read"))
		}
		s.Parking = p.Target
		s.MaxReceives, _ = strconv.Atoi(strings.Trim(string(p.Max), `"`))
	}
	return s, nil
}

// Other is another queue of the same client, named by its ARN.
func (q *Queue) Other(ctx context.Context, arn string, delay time.Duration) (*Queue, error) {
	c, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	part := strings.Split(arn, ":")
	if len(part) != 6 {
		return nil, q.failed("find", errors.New("its redrive policy names no queue"))
	}
	out, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &part[5], QueueOwnerAWSAccountId: &part[4]})
	if err != nil {
		return nil, (&Queue{url: part[5]}).failed("find", err)
	}
	return New(aws.ToString(out.QueueUrl), delay, func(context.Context) (*sqs.Client, error) { return c, nil }), nil
}

// peekHidden bounds how long a message is away for a look at it.
const peekHidden = 30 * time.Second

// Peek looks at up to n messages and gives them back at once. SQS counts it as
// a receive.
func (q *Queue) Peek(ctx context.Context, n int) (messages []Message, err error) {
	defer func() {
		for _, m := range messages {
			// Even if ctx is done; at worst a message comes back after peekHidden.
			err = errors.Join(err, q.Release(context.WithoutCancel(ctx), m, 0))
		}
	}()
	for len(messages) < n {
		got, err := q.Receive(ctx, n-len(messages), time.Second, peekHidden)
		if err != nil {
			return messages, err
		}
		if len(got) == 0 {
			break
		}
		messages = append(messages, got...)
	}
	return messages, nil
}

// Move is how far a redrive is.
type Move struct {
	State string // of SQS: RUNNING, COMPLETED, FAILED, …
	Moved int
	Total int // about
	Why   string
}

// Redrive starts moving all messages of this queue to the one with that ARN.
func (q *Queue) Redrive(ctx context.Context, to string) error {
	c, err := q.open(ctx)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return err
	}
	if _, err := c.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &status.ARN, DestinationArn: &to}); err != nil {
		return q.failed("redrive", err)
	}
	return nil
}

// Redriven tells how far the last redrive of this queue is.
func (q *Queue) Redriven(ctx context.Context) (Move, error) {
	c, err := q.open(ctx)
	if err != nil {
		return Move{}, err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return Move{}, err
	}
	out, err := c.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &status.ARN, MaxResults: aws.Int32(1)})
	if err != nil {
		return Move{}, q.failed("redrive", err)
	}
	if len(out.Results) == 0 {
		return Move{}, nil
	}
	r := out.Results[0]
	return Move{aws.ToString(r.Status), int(r.ApproximateNumberOfMessagesMoved), int(aws.ToInt64(r.ApproximateNumberOfMessagesToMove)), aws.ToString(r.FailureReason)}, nil
}
