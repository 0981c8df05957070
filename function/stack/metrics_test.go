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
	"sumoship/function/logstest"
	"sumoship/function/ship"
	"sumoship/function/subscribe"
	"sumoship/function/subscribe/awsapi"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// emitted are the metrics that the functions write, by function: what they
// write while a source answers in every way there is.
func emitted(t *testing.T) map[string][]string {
	t.Helper()
	event := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"m"}]}`))
	world := func() (*bytes.Buffer, ship.Options) {
		out := new(bytes.Buffer)
		source := sumotest.New(sumotest.Step{Kind: sumotest.Reset}, sumotest.Step{Status: 503}, sumotest.Step{Status: 429}, sumotest.Step{Status: 304}, sumotest.Step{Status: 200})
		variables := map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "RETRY_INTERVAL": "1"}
		return out, ship.Options{Env: function.Env{Getenv: func(n string) string { return variables[n] }, Out: out}, HTTP: &http.Client{Transport: source}, Queue: new(dlqtest.Queue)}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1<<40)
	defer cancel()

	forwarderOut, options := world()
	forwarder, err := ship.NewForwarder(options)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := forwarder.Invoke(ctx, event); err != nil {
			t.Fatal(err)
		}
	}
	replayOut, options := world()
	queue := new(dlqtest.Queue)
	replay, err := ship.NewReplayer(ship.ReplayOptions{Options: options, Inbox: queue})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		queue.Put(ctx, []dlq.Entry{{Event: event}})
		if _, err := replay.Invoke(ctx, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}

	groups, subscriberOut := logstest.New(), new(bytes.Buffer)
	destination := map[string]string{"DESTINATION_ARN": groups.AddFunction("forwarder", "")}
	subscriber, err := subscribe.NewSubscriber(subscribe.Options{Env: function.Env{Getenv: func(n string) string { return destination[n] }, Out: subscriberOut},
		LogGroups: awsapi.NewLogGroups(groups.Logs()), Functions: awsapi.NewFunctions(groups.Lambda())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := subscriber.Invoke(ctx, []byte("{}")); err != nil {
		t.Fatal(err)
	}

	names := map[string][]string{}
	for name, out := range map[string]*bytes.Buffer{"Forwarder": forwarderOut, "Replay": replayOut, "Subscriber": subscriberOut} {
		found := map[string]bool{}
		for line := range strings.Lines(out.String()) {
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
		names[name] = slices.Sorted(maps.Keys(found))
	}
	return names
}

// metric is one that an alarm or the dashboard looks at.
type metric struct {
	namespace, name string
	dimensions      map[string]string
}

// known are the metrics of AWS's services that we use, with their dimensions.
//
// Source: AWS Lambda Developer Guide, "Types of metrics for Lambda functions";
// Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS";
// Amazon CloudWatch Logs User Guide, "Monitoring usage with CloudWatch metrics".
var known = map[string][]string{
	"AWS/Lambda FunctionName":                          {"Errors", "Throttles", "DeadLetterErrors", "Invocations", "ConcurrentExecutions", "AsyncEventsDropped"},
	"AWS/SQS QueueName":                                {"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "ApproximateAgeOfOldestMessage"},
	"AWS/Logs DestinationType FilterName LogGroupName": {"DeliveryErrors", "DeliveryThrottling"},
}

// check tells what is wrong with a metric: it has to exist, on something of
// the stack.
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
		return fmt.Errorf("there is no %v, as far as this test knows", m)
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
