package stack_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/awstest/logstest"
	"sumoship/function/ship"
	"sumoship/function/subscribe"
	"sumoship/function/subscribe/awsapi"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// emitted returns the metrics that each function writes while a source answers in
// every possible way.
func emitted(t *testing.T) map[string][]string {
	t.Helper()
	written := map[string][]string{"Subscriber": metricsIn(t, subscriberOutput(t.Context(), t))}
	// In virtual time, for the sources that hang.
	synctest.Test(t, func(t *testing.T) {
		written["Forwarder"] = metricsIn(t, forwarderOutput(t.Context(), t))
		written["Replay"] = metricsIn(t, replayOutput(t.Context(), t))
		written["Stream"] = metricsIn(t, streamOutput(t.Context(), t))
	})
	return written
}

var oneEvent = transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":1,"message":"m"}]}`))

// answers are the ways in which a source answers one event, to a function that tries
// once: a new function for each, since an outage is remembered.
var answers = [][]sumotest.Step{
	{{Status: 200}}, {{Status: 200, Body: `{"code":"ingest.budget","message":"dropped"}`}}, {{Status: 304}}, {{Status: 400}}, {{Status: 401}},
	{{Status: 429}}, {{Status: 503}}, {{Kind: sumotest.Reset}}, {{Kind: sumotest.Hang}},
}

// shipping returns options for a function that ships to a source, and writes to out.
func shipping(out *bytes.Buffer, steps []sumotest.Step) ship.Options {
	variables := map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "NUMBER_OF_RETRIES": "0", "HEARTBEAT_LOG_GROUP": "g", "MAX_SOURCES": "1"}
	return ship.Options{
		Env:  function.Env{Getenv: func(n string) string { return variables[n] }, Out: out},
		HTTP: &http.Client{Transport: sumotest.New(steps...)}, Queue: new(dlqtest.Queue),
	}
}

// twoSources is an event whose messages choose two sources.
var twoSources = transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[
	{"id":"1","timestamp":1,"message":"{\"_sumo_metadata\":{\"category\":\"a\"}}"},{"id":"2","timestamp":1,"message":"{\"_sumo_metadata\":{\"category\":\"b\"}}"}]}`))

// unreadable is not an event of CloudWatch Logs.
var unreadable = []byte(`{"awslogs":{"data":"?"}}`)

func forwarderOutput(ctx context.Context, t *testing.T) string {
	out := new(bytes.Buffer)
	for _, steps := range answers {
		forwarder, err := ship.NewForwarder(shipping(out, steps))
		if err != nil {
			t.Fatal(err)
		}
		// The second event finds the breaker open, if the first has opened it.
		for _, event := range [][]byte{oneEvent, oneEvent, twoSources, unreadable} {
			ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
			if _, err := forwarder.Invoke(ctx, event); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	return out.String()
}

// batchOf is a batch of a stream with these payloads of CloudWatch Logs.
func batchOf(payloads ...[]byte) []byte {
	var records []map[string]any
	for i, p := range payloads {
		var event struct{ Awslogs struct{ Data string } }
		data := base64.StdEncoding.EncodeToString(p)
		if json.Unmarshal(p, &event) == nil && event.Awslogs.Data != "" {
			data = event.Awslogs.Data
		}
		records = append(records, map[string]any{
			"eventID": fmt.Sprint("shardId-000000000000:", i), "eventSource": "aws:kinesis", "eventName": "aws:kinesis:record", "awsRegion": "us-east-1",
			"eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/ship",
			"kinesis":        map[string]any{"sequenceNumber": fmt.Sprint(i), "partitionKey": "k", "data": data, "approximateArrivalTimestamp": 1767323045.0},
		})
	}
	b, _ := json.Marshal(map[string]any{"Records": records})
	return b
}

func streamOutput(ctx context.Context, t *testing.T) string {
	out := new(bytes.Buffer)
	for _, steps := range answers {
		stream, err := ship.NewStreamForwarder(shipping(out, steps))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
			if _, err := stream.Invoke(ctx, batchOf(oneEvent, []byte("unreadable"))); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	return out.String()
}

func replayOutput(ctx context.Context, t *testing.T) string {
	out := new(bytes.Buffer)
	for _, steps := range answers {
		queue := new(dlqtest.Queue)
		replay, err := ship.NewReplayer(ship.ReplayOptions{Options: shipping(out, append(slices.Clone(steps), steps...)), Inbox: queue, Quarantine: new(dlqtest.Queue), Archive: shelf{}})
		if err != nil {
			t.Fatal(err)
		}
		killer := dlq.Entry{Event: oneEvent, Cause: dlq.Cause{Isolated: true, Deaths: 3}}
		for _, entry := range []dlq.Entry{{Event: oneEvent}, {Event: oneEvent}, {Event: twoSources}, {Event: unreadable}, killer} {
			ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
			queue.Put(ctx, []dlq.Entry{entry})
			if _, err := replay.Invoke(ctx, []byte("{}")); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
		time.Sleep(11 * 24 * time.Hour) // what is left nears its expiry
		if _, err := replay.Drain(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// shelf is an archive that takes everything.
type shelf struct{}

func (shelf) Save(context.Context, dlq.Message) error { return nil }

func subscriberOutput(ctx context.Context, t *testing.T) string {
	out, groups := new(bytes.Buffer), logstest.New()
	destination := map[string]string{"DESTINATION_ARN": groups.AddFunction("forwarder", "")}
	subscriber, err := subscribe.NewSubscriber(subscribe.Options{
		Env:       function.Env{Getenv: func(n string) string { return destination[n] }, Out: out},
		LogGroups: awsapi.NewLogGroups(groups.Logs()), Functions: awsapi.NewFunctions(groups.Lambda()),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := subscriber.Invoke(ctx, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// metricsIn returns the names of the metrics in what a function has written.
func metricsIn(t *testing.T, output string) []string {
	t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(output) {
		var emf struct {
			AWS struct {
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name string }
				}
			} `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(line), &emf); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for _, m := range emf.AWS.CloudWatchMetrics {
			if m.Namespace != function.Namespace || !cmp.Equal(m.Dimensions, [][]string{{"function"}}) {
				t.Fatalf("namespace %s, dimensions %v", m.Namespace, m.Dimensions)
			}
			for _, metric := range m.Metrics {
				found[metric.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// metric is a metric that an alarm or the dashboard uses.
type metric struct {
	namespace, name string
	dimensions      map[string]string
}

// known holds the metrics of AWS's services that the template may use, by namespace and
// dimensions.
//
// Source: AWS Lambda Developer Guide, "Types of metrics for Lambda functions";
// Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS";
// Amazon Kinesis Data Streams Developer Guide, "Monitor the Amazon Kinesis Data
// Streams service with Amazon CloudWatch";
// Amazon CloudWatch Logs User Guide, "Monitoring usage with CloudWatch metrics".
var known = map[string][]string{
	"AWS/Lambda FunctionName": {
		"Errors", "Throttles", "DeadLetterErrors", "Invocations", "ConcurrentExecutions", "AsyncEventAge", "AsyncEventsDropped", "IteratorAge",
	},
	// With MetricsConfig EventCount.
	"AWS/Lambda EventSourceMappingUUID": {"DroppedEventCount", "OnFailureDestinationDeliveredEventCount"},
	"AWS/Kinesis StreamName":            {"IncomingRecords", "WriteProvisionedThroughputExceeded"},
	"AWS/SQS QueueName": {
		"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
		"ApproximateAgeOfOldestMessage",
	},
	"AWS/Logs DestinationType FilterName LogGroupName": {"DeliveryErrors", "DeliveryThrottling"},
}

// check returns an error unless the metric exists, for a resource of the stack.
func (s *stack) check(m metric, emitted map[string][]string) error {
	if m.namespace == function.Namespace {
		for name, metrics := range emitted {
			if _, there := s.resources[name]; !there {
				continue
			}
			if cmp.Equal(m.dimensions, map[string]string{"function": s.ref(name).(string)}) {
				if !slices.Contains(metrics, m.name) {
					return fmt.Errorf("%s does not write %s", name, m.name)
				}
				return nil
			}
		}
		return fmt.Errorf("no function writes %v", m)
	}
	keys := slices.Sorted(maps.Keys(m.dimensions))
	if !slices.Contains(known[m.namespace+" "+strings.Join(keys, " ")], m.name) {
		return fmt.Errorf("unknown metric %v", m)
	}
	for dimension, value := range m.dimensions {
		var there []string
		switch dimension {
		case "FunctionName":
			for name := range s.of("AWS::Serverless::Function") {
				there = append(there, s.ref(name).(string))
			}
		case "QueueName":
			for name := range s.of("AWS::SQS::Queue") {
				there = append(there, s.name(name, "QueueName"))
			}
		case "LogGroupName":
			for _, f := range s.of("AWS::Logs::SubscriptionFilter") {
				there = append(there, f.Properties["LogGroupName"].(string))
			}
		case "FilterName":
			for _, f := range s.of("AWS::Logs::SubscriptionFilter") {
				there = append(there, f.Properties["FilterName"].(string))
			}
		case "DestinationType":
			there = []string{"Lambda"}
		case "EventSourceMappingUUID":
			for name := range s.of("AWS::Lambda::EventSourceMapping") {
				there = append(there, s.ref(name).(string))
			}
		case "StreamName":
			for name := range s.of("AWS::Kinesis::Stream") {
				there = append(there, s.ref(name).(string))
			}
		}
		if !slices.Contains(there, value) {
			return fmt.Errorf("%s %s: the stack has %v", dimension, value, there)
		}
	}
	return nil
}

func dimensions(v any) map[string]string {
	m := map[string]string{}
	l, _ := v.([]any)
	for _, d := range l {
		m[get(d, "Name").(string)] = get(d, "Value").(string)
	}
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
