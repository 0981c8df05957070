package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/function/ship"
)

// poller is one concurrent poller of the event source mapping, with an environment
// of replay.
func (f *Fleet) poller(ctx context.Context, i int) {
	name := fmt.Sprintf("replay %03d", i)
	variables := maps.Clone(f.c.Stack.Replay)
	variables["NUM_OF_WORKERS"] = strconv.Itoa(f.c.Stack.Workers)
	o := f.options(variables, name, true)
	inbox, _ := o.Queue.(ship.Inbox)
	r, err := ship.NewReplayer(ship.ReplayOptions{Options: o, Inbox: inbox, Quarantine: f.queue(f.aside, 0, name)})
	if err != nil {
		f.fail(err)
		return
	}
	client := f.queues(name)
	pause := pollPause * time.Duration(i) / time.Duration(f.c.Stack.Concurrency) // not all at once
	for {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		out, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
			QueueUrl: &f.dead, MaxNumberOfMessages: int32(f.c.Stack.BatchSize),
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			f.fail(err)
			return
		}
		if pause = pollPause; len(out.Messages) > 0 {
			f.replay(r, client, out.Messages)
			pause = 0
		}
	}
}

// replay invokes replay with a batch, and deletes what it has done.
func (f *Fleet) replay(r *ship.Replayer, client *sqs.Client, messages []types.Message) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), f.c.Stack.ReplayTimeout)
	time.Sleep(overhead)
	answer, err := r.Invoke(ctx, batch(messages))
	if ctx.Err() != nil {
		f.fail(errors.New("replay ran into its timeout"))
	}
	cancel()
	took := time.Since(start)
	f.mu.Lock()
	f.totals.Replaying += took
	f.totals.Billed += took * time.Duration(f.c.Stack.ReplayMemory) / 1024
	f.mu.Unlock()
	if err != nil {
		return
	}
	var failed struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(answer, &failed); err != nil {
		f.fail(err)
	}
	stays := map[string]bool{}
	for _, i := range failed.BatchItemFailures {
		stays[i.ItemIdentifier] = true
	}
	var done []types.DeleteMessageBatchRequestEntry
	for i, m := range messages {
		if !stays[*m.MessageId] {
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
			f.mu.Lock()
			f.totals.Oldest = max(f.totals.Oldest, time.Since(time.UnixMilli(ms)))
			f.mu.Unlock()
		}
	}
	if len(done) > 0 {
		if _, err := client.DeleteMessageBatch(context.Background(), &sqs.DeleteMessageBatchInput{QueueUrl: &f.dead, Entries: done}); err != nil {
			f.fail(err)
		}
	}
}

// batch is the event of a mapping.
func batch(messages []types.Message) []byte {
	type value struct {
		StringValue string `json:"stringValue"`
	}
	type record struct {
		MessageID         string            `json:"messageId"`
		ReceiptHandle     string            `json:"receiptHandle"`
		Body              string            `json:"body"`
		Attributes        map[string]string `json:"attributes"`
		MessageAttributes map[string]value  `json:"messageAttributes"`
		EventSource       string            `json:"eventSource"`
	}
	var in struct{ Records []record }
	for _, m := range messages {
		r := record{*m.MessageId, *m.ReceiptHandle, *m.Body, m.Attributes, map[string]value{}, "aws:sqs"}
		for name, v := range m.MessageAttributes {
			r.MessageAttributes[name] = value{aws.ToString(v.StringValue)}
		}
		in.Records = append(in.Records, r)
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // strings only
	}
	return b
}
