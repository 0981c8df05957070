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

// Find returns the URL of a queue that is given by its URL, its ARN or its name.
func Find(ctx context.Context, c *sqs.Client, queue string) (string, error) {
	if strings.Contains(queue, "://") {
		return queue, nil
	}
	in := &sqs.GetQueueUrlInput{QueueName: &queue}
	if part := strings.Split(queue, ":"); len(part) == 6 && part[0] == "arn" {
		in.QueueName, in.QueueOwnerAWSAccountId = &part[5], &part[4]
	}
	out, err := c.GetQueueUrl(ctx, in)
	if err != nil {
		return "", (&Queue{url: queue}).failed("find", err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// Status is the state of a queue. The numbers are approximate, as SQS has them.
type Status struct {
	Name      string
	Visible   int // messages that can be received
	InFlight  int // received and not deleted, or in backoff after a failure
	Delayed   int // put within the delay
	Retention time.Duration
	Timeout   time.Duration // of visibility
	ARN       string

	MaxReceives int    // of the redrive policy; 0 without one
	Quarantine  string // ARN of the queue that it names; "" without one
}

// Depth returns the number of all messages.
func (s Status) Depth() int { return s.Visible + s.InFlight + s.Delayed }

// Status returns the state of the queue.
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
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // 0 where SQS has none
		return n
	}
	s := Status{
		Name: q.Name(), ARN: out.Attributes[string(types.QueueAttributeNameQueueArn)],
		Visible:   number(types.QueueAttributeNameApproximateNumberOfMessages),
		InFlight:  number(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed:   number(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
		Retention: time.Duration(number(types.QueueAttributeNameMessageRetentionPeriod)) * time.Second,
		Timeout:   time.Duration(number(types.QueueAttributeNameVisibilityTimeout)) * time.Second,
	}
	if policy := out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]; policy != "" {
		var p struct {
			Target string          `json:"deadLetterTargetArn"`
			Max    json.RawMessage `json:"maxReceiveCount"` // a number or a string
		}
		if err := json.Unmarshal([]byte(policy), &p); err != nil {
			return s, q.failed("status", errors.New("its redrive policy is not JSON"))
		}
		s.Quarantine = p.Target
		s.MaxReceives, _ = strconv.Atoi(strings.Trim(string(p.Max), `"`))
	}
	return s, nil
}

// Other returns the queue with that ARN, through the same client.
func (q *Queue) Other(ctx context.Context, arn string, delay time.Duration) (*Queue, error) {
	c, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	part := strings.Split(arn, ":")
	if len(part) != 6 {
		return nil, q.failed("find", errors.New("its redrive policy does not name a queue"))
	}
	out, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &part[5], QueueOwnerAWSAccountId: &part[4]})
	if err != nil {
		return nil, (&Queue{url: part[5]}).failed("find", err)
	}
	return New(aws.ToString(out.QueueUrl), delay, func(context.Context) (*sqs.Client, error) { return c, nil }), nil
}

// Peek receives up to n messages, each once, and makes them visible again at once.
// SQS counts it as a receive.
func (q *Queue) Peek(ctx context.Context, n int) (messages []Message, err error) {
	if n <= 0 {
		return nil, nil
	}
	_, err = q.Scan(ctx, Scan{Workers: 1, Most: n}, func(got []Message) ([]Message, error) {
		messages = append(messages, got...)
		return nil, nil
	})
	return messages, err
}

// Move is the progress of a redrive.
type Move struct {
	State string // as SQS has it: RUNNING, COMPLETED, FAILED, …
	Moved int
	Total int // approximate
	Why   string
}

// Redrive starts to move all messages of this queue to the queue with that ARN.
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

// LastMove returns the progress of the last redrive of this queue, or the zero
// Move if there was none.
func (q *Queue) LastMove(ctx context.Context) (Move, error) {
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
