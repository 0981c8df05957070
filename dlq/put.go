package dlq

import (
	"cmp"
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v4"
)

// Put adds entries to the queue, with as much of their causes as fits beside their
// events. It returns the indexes of those that SQS did
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
		body := e.body()
		request := types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: &body, DelaySeconds: q.delaySeconds(body),
			MessageAttributes: map[string]types.MessageAttributeValue{},
		}
		n := len(body)
		attributes := e.Cause.within(q.maxMessage(n) - n)
		for name, value := range attributes {
			request.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(attrType), StringValue: aws.String(value)}
		}
		n += sizeOf(attributes)
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
func (q *Queue) delaySeconds(body string) int32 {
	if q.delay <= 0 {
		return 0
	}
	return int32(min(900, max(1, q.delay.Seconds()*(0.5+spread(body)))))
}

// spread returns a number from 0 to 1 that differs from text to text: jitter that is
// the same for the same message, so that a simulation can be run again.
func spread(text string) float64 {
	return float64(crc32.ChecksumIEEE([]byte(text))) / (1 << 32)
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
