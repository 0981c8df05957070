package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
)

// dlqCmd works on the dead-letter queue of a deployed forwarder.
type dlqCmd struct {
	Status  dlqStatusCmd  `cmd:"" help:"Show the queue's depth and the age of its oldest message."`
	Peek    dlqPeekCmd    `cmd:"" help:"Show messages and why they are in the queue, and leave them there."`
	Replay  dlqReplayCmd  `cmd:"" help:"Replay the queue to Sumo Logic from here."`
	Redrive dlqRedriveCmd `cmd:"" help:"Move the messages of the quarantine queue back to the dead-letter queue."`
}

// queueFlags select a queue, as those of the AWS CLI do.
type queueFlags struct {
	Queue string `help:"The dead-letter queue: its URL or name. Default: the variable TASK_QUEUE_URL." placeholder:"URL|NAME"`
	awsFlags
	JSON bool `name:"json" help:"Write the result as JSON."`
}

// aws loads the AWS configuration of the caller, for the Region of a queue or
// secret.
func (f *queueFlags) aws(ctx context.Context, region string) (aws.Config, error) {
	return f.profileFlag.load(ctx, cmp.Or(region, f.Region))
}

// open finds the queue.
func (f *queueFlags) open(ctx context.Context, s streams) (url string, q *dlq.Queue, err error) {
	name := cmp.Or(f.Queue, s.getenv("TASK_QUEUE_URL"))
	if name == "" {
		return "", nil, usage("which queue? Give --queue or set TASK_QUEUE_URL")
	}
	cfg, err := f.loadRegion(ctx)
	if err != nil {
		return "", nil, err
	}
	client := sqs.NewFromConfig(cfg)
	if url, err = dlq.Find(ctx, client, name); err != nil {
		return "", nil, exit{exitAWS, err}
	}
	return url, dlq.New(url, dlq.DefaultDelay, func(context.Context) (*sqs.Client, error) { return client, nil }), nil
}

func age(t time.Time) string {
	d := time.Since(t).Round(time.Second)
	if d >= 48*time.Hour {
		return days(d)
	}
	return d.String()
}

func days(d time.Duration) string { return fmt.Sprintf("%.3g days", d.Hours()/24) }
