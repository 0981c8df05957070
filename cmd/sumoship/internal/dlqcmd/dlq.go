// Package dlqcmd is sumoship dlq: one file a verb. The work is done by packages dlq
// and function/ship.
package dlqcmd

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
)

// Cmd works on the dead-letter queue of a deployed forwarder.
type Cmd struct {
	Status  statusCmd  `cmd:"" help:"Show the queue's depth, without a receive, and how soon it will be empty."`
	Stats   statsCmd   `cmd:"" help:"Count the messages by log group and class."`
	Peek    peekCmd    `cmd:"" help:"Show messages and why they are in the queue, and leave them there."`
	Replay  replayCmd  `cmd:"" help:"Replay the queue to Sumo Logic from here."`
	Export  exportCmd  `cmd:"" help:"Save messages in files, and delete them if you say so."`
	Import  importCmd  `cmd:"" help:"Put the messages of files into the queue."`
	Redrive redriveCmd `cmd:"" help:"Move the messages of the quarantine queue back to the dead-letter queue."`
	Purge   purgeCmd   `cmd:"" help:"Delete what cannot be read from the quarantine queue, after saving it."`
}

// queueFlags select a queue, as those of the AWS CLI do.
type queueFlags struct {
	Queue string `help:"The dead-letter queue: its name, URL or ARN, which the output DeadLetterQueueUrl of the stack has. Default: the variable TASK_QUEUE_URL." placeholder:"NAME|URL|ARN"`
	cli.AWSFlags
	JSON bool `name:"json" help:"Write the result as JSON."`
}

// aws loads the AWS configuration of the caller, for the Region of a queue or
// secret.
func (f *queueFlags) aws(ctx context.Context, region string) (aws.Config, error) {
	return f.ProfileFlag.Load(ctx, cmp.Or(region, f.Region))
}

// queue is the name, URL or ARN of the queue.
func (f *queueFlags) queue(s cli.Streams) string { return cmp.Or(f.Queue, s.Getenv("TASK_QUEUE_URL")) }

// config is the AWS configuration for the Region of the queue.
func (f *queueFlags) config(ctx context.Context, s cli.Streams) (aws.Config, error) {
	return f.ProfileFlag.LoadRegion(ctx, cmp.Or(regionOf(f.queue(s)), f.Region))
}

// open finds the queue. What is put into it becomes visible after delay.
func (f *queueFlags) open(ctx context.Context, s cli.Streams, delay time.Duration) (address string, q *dlq.Queue, err error) {
	name := f.queue(s)
	if name == "" {
		return "", nil, cli.Usagef("which queue? Give --queue or set TASK_QUEUE_URL")
	}
	cfg, err := f.config(ctx, s)
	if err != nil {
		return "", nil, err
	}
	client := sqs.NewFromConfig(cfg)
	if address, err = dlq.Find(ctx, client, name); err != nil {
		return "", nil, cli.Fail(cli.ExitAWS, err)
	}
	return address, dlq.New(address, delay, func(context.Context) (*sqs.Client, error) { return client, nil }), nil
}

// openQuarantine finds the queue's quarantine queue, and reads the status of both.
func (f *queueFlags) openQuarantine(ctx context.Context, s cli.Streams) (status dlq.Status, quarantine *dlq.Queue, there dlq.Status, err error) {
	_, q, err := f.open(ctx, s, 0)
	if err != nil {
		return status, nil, there, err
	}
	if status, err = q.Status(ctx); err != nil {
		return status, nil, there, cli.Fail(cli.ExitAWS, err)
	}
	if status.Quarantine == "" {
		return status, nil, there, cli.Usagef("queue %s has no redrive policy, so it has no quarantine queue", status.Name)
	}
	if quarantine, err = q.Other(ctx, status.Quarantine, 0); err == nil {
		there, err = quarantine.Status(ctx)
	}
	if err != nil {
		return status, nil, there, cli.Fail(cli.ExitAWS, err)
	}
	return status, quarantine, there, nil
}

// regionOf is the Region in the ARN or the URL of a queue, "" of a name.
func regionOf(queue string) string {
	if a, err := arn.Parse(queue); err == nil {
		return a.Region
	}
	if u, err := url.Parse(queue); err == nil {
		if part := strings.Split(u.Host, "."); len(part) > 3 && part[0] == "sqs" && strings.HasPrefix(part[2], "amazonaws") {
			return part[1]
		}
	}
	return ""
}

func age(t time.Time) string { return span(time.Since(t)) }

func span(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= 48*time.Hour {
		return days(d)
	}
	return d.String()
}

func days(d time.Duration) string { return fmt.Sprintf("%.3g days", d.Hours()/24) }

// unseen is about how many messages of a queue were in flight or delayed, of those that
// were there before some were seen.
func unseen(before dlq.Status, seen int) int {
	return max(0, min(before.Depth()-seen, before.InFlight+before.Delayed))
}
