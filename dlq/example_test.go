package dlq_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

func Example() {
	ctx := context.Background()
	server := sqstest.New() // in place of SQS
	url := server.Add(sqstest.Config{Name: "dead-letters"})
	queue := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })

	failed, err := queue.Put(ctx, []dlq.Entry{{
		Event: []byte(`{"awslogs":{"data":"H4sIAAAA"}}`),
		Cause: dlq.Cause{Class: "unavailable", Message: "the source answered 503", LogGroup: "/ecs/shop", Attempts: 1},
	}})
	if err != nil {
		log.Fatal(failed, err)
	}

	messages, err := queue.Receive(ctx, 10, 0, 5*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range messages {
		cause := m.Entry.Cause
		fmt.Printf("%s\n%s: %s: %s\n", m.Entry.Event, cause.LogGroup, cause.Class, cause.Message)
		if err := queue.Delete(ctx, m); err != nil { // or ChangeVisibility(ctx, m, m.Backoff())
			log.Fatal(err)
		}
	}
	// Output:
	// {"awslogs":{"data":"H4sIAAAA"}}
	// /ecs/shop: unavailable: the source answered 503
}

// What Lambda sends to an on-failure destination is replayed like any entry.
func ExampleParseEntry() {
	record := `{"requestContext":{"condition":"RetriesExhausted"},"requestPayload":{"awslogs":{"data":"H4sIAAAA"}}}`
	e := dlq.ParseEntry(record, nil, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	fmt.Printf("%s\n%s at %v\n", e.Event, e.Cause.Message, e.Cause.FirstFailure)
	// Output:
	// {"awslogs":{"data":"H4sIAAAA"}}
	// RetriesExhausted at 2026-01-02 03:04:05 +0000 UTC
}

func ExampleQueue_Status() {
	server := sqstest.New()
	server.Add(sqstest.Config{Name: "quarantine"})
	url := server.Add(sqstest.Config{Name: "dead-letters", DeadLetter: "quarantine", MaxReceives: 1000, Retention: 14 * 24 * time.Hour})
	queue := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })

	s, err := queue.Status(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("depth %d, retention %v, after %d receives to %s\n", s.Depth(), s.Retention, s.MaxReceives, s.Quarantine)
	// Output:
	// depth 0, retention 336h0m0s, after 1000 receives to arn:aws:sqs:us-east-1:123456789012:quarantine
}
