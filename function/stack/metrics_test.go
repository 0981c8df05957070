package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

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
	ctx, cancel := context.WithTimeout(t.Context(), 1<<40)
	defer cancel()
	return map[string][]string{
		"Forwarder":  metricsIn(t, forwarderOutput(ctx, t)),
		"Replay":     metricsIn(t, replayOutput(ctx, t)),
		"Subscriber": metricsIn(t, subscriberOutput(ctx, t)),
	}
}

var oneEvent = transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"m"}]}`))

// shipping returns options for a function that ships to a flaky source, and writes
// to out.
func shipping(out *bytes.Buffer) ship.Options {
	source := sumotest.New(sumotest.Step{Kind: sumotest.Reset}, sumotest.Step{Status: 503}, sumotest.Step{Status: 429},
		sumotest.Step{Status: 304}, sumotest.Step{Status: 200})
	variables := map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "RETRY_INTERVAL": "1"}
	return ship.Options{
		Env:  function.Env{Getenv: func(n string) string { return variables[n] }, Out: out},
		HTTP: &http.Client{Transport: source}, Queue: new(dlqtest.Queue),
	}
}

func forwarderOutput(ctx context.Context, t *testing.T) string {
	out := new(bytes.Buffer)
	forwarder, err := ship.NewForwarder(shipping(out))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := forwarder.Invoke(ctx, oneEvent); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func replayOutput(ctx context.Context, t *testing.T) string {
	out, queue := new(bytes.Buffer), new(dlqtest.Queue)
	replay, err := ship.NewReplayer(ship.ReplayOptions{Options: shipping(out), Inbox: queue})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		queue.Put(ctx, []dlq.Entry{{Event: oneEvent}})
		if _, err := replay.Invoke(ctx, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

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
// Amazon CloudWatch Logs User Guide, "Monitoring usage with CloudWatch metrics".
var known = map[string][]string{
	"AWS/Lambda FunctionName": {
		"Errors", "Throttles", "DeadLetterErrors", "Invocations", "ConcurrentExecutions", "AsyncEventsDropped",
	},
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
			there = []string{s.parameters["LogGroupName"]}
		case "FilterName":
			for _, f := range s.of("AWS::Logs::SubscriptionFilter") {
				there = append(there, f.Properties["FilterName"].(string))
			}
		case "DestinationType":
			there = []string{"Lambda"}
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
