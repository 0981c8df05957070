package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
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

// Every alarm looks at metrics that exist, stays quiet without data, tells
// whom it is to tell, and has its section in docs/operations.md.
func TestAlarms(t *testing.T) {
	emitted := emitted(t)
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := regexp.MustCompile(`(?m)^### (\w+Alarm)\b`).FindAllStringSubmatch(string(operations), -1)
	var documented []string
	for _, h := range headings {
		documented = append(documented, h[1])
	}
	slices.Sort(documented)
	var declared []string
	for name, r := range readTemplate(t).section("Resources") {
		if get(r, "Type") == "AWS::CloudWatch::Alarm" {
			declared = append(declared, name)
		}
	}
	slices.Sort(declared)
	if d := cmp.Diff(declared, documented); d != "" {
		t.Errorf("alarms (-) and sections of docs/operations.md (+) differ:\n%s", d)
	}

	forEachConfiguration(t, func(t *testing.T, s *stack) {
		for name, a := range s.of("AWS::CloudWatch::Alarm") {
			p := a.Properties
			if p["TreatMissingData"] != "notBreaching" || text(p["AlarmDescription"]) == "" || p["AlarmName"] != nil {
				t.Errorf("%s: %v", name, p)
			}
			var want any
			if topic := s.parameters["AlarmTopicArn"]; topic != "" {
				want = []any{topic}
			} else if s.parameters["AlarmEmail"] != "" {
				want = []any{s.ref("AlarmTopic")}
			}
			if d := cmp.Diff(want, p["AlarmActions"]) + cmp.Diff(want, p["OKActions"]); d != "" {
				t.Errorf("%s tells:\n%s", name, d)
			}
			metrics := []metric{{text(p["Namespace"]), text(p["MetricName"]), dimensions(p["Dimensions"])}}
			if l, ok := p["Metrics"].([]any); ok {
				metrics = nil
				returned, ids := 0, map[string]bool{}
				for _, m := range l {
					ids[get(m, "Id").(string)] = true
					if get(m, "ReturnData") != false {
						returned++
					}
					if stat := get(m, "MetricStat", "Metric"); stat != nil {
						metrics = append(metrics, metric{text(get(stat, "Namespace")), text(get(stat, "MetricName")), dimensions(get(stat, "Dimensions"))})
					}
				}
				for _, m := range l {
					expression := text(get(m, "Expression"))
					if strings.HasPrefix(expression, "SELECT") {
						if !regexp.MustCompile(`^SELECT SUM\((DeliveryErrors|DeliveryThrottling)\) FROM "AWS/Logs" WHERE DestinationType = 'Lambda'$`).MatchString(expression) || get(m, "Period") == nil {
							t.Errorf("%s: query %s", name, expression)
						}
						continue
					}
					for _, id := range regexp.MustCompile(`\b[a-z]\w*`).FindAllString(expression, -1) {
						if !ids[id] {
							t.Errorf("%s: %s in %q is no metric of it", name, id, expression)
						}
					}
				}
				if returned != 1 {
					t.Errorf("%s watches %d numbers", name, returned)
				}
			}
			for _, m := range metrics {
				if err := s.check(m, emitted); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		// The delivery to the functions is watched wherever CloudWatch can.
		_, watched := s.of("AWS::CloudWatch::Alarm")["DeliveryErrorsAlarm"]
		if want := s.pseudo["AWS::Partition"] == "aws" || s.parameters["Subscription"] == "log-group"; watched != want {
			t.Errorf("delivery is watched: %v, want %v", watched, want)
		}
	})
}

// The dashboard is JSON, shows metrics that exist, and fits its grid.
func TestDashboard(t *testing.T) {
	emitted := emitted(t)
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		var body struct {
			Widgets []struct {
				Type                string
				X, Y, Width, Height int
				Properties          struct {
					Title, Region string
					Period        int
					Metrics       [][]any
					Alarms        []string
				}
			}
		}
		if err := json.Unmarshal([]byte(s.resources["Dashboard"].Properties["DashboardBody"].(string)), &body); err != nil {
			t.Fatal(err)
		}
		shown := map[string]bool{}
		taken := map[[2]int]string{}
		for _, w := range body.Widgets {
			p := w.Properties
			if w.X+w.Width > 24 || p.Title == "" || w.Width == 0 || w.Height == 0 {
				t.Errorf("widget %+v", w)
			}
			for x := w.X; x < w.X+w.Width; x++ {
				for y := w.Y; y < w.Y+w.Height; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%q lies over %q", p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if w.Type == "alarm" {
				for name := range s.of("AWS::CloudWatch::Alarm") {
					if !strings.HasPrefix(name, "Delivery") && !slices.Contains(p.Alarms, s.attribute(name, "Arn").(string)) {
						t.Errorf("the dashboard does not show %s", name)
					}
				}
				continue
			}
			if p.Region != s.pseudo["AWS::Region"] || len(p.Metrics) == 0 {
				t.Errorf("%s: region %s, %d metrics", p.Title, p.Region, len(p.Metrics))
			}
			for _, m := range p.Metrics {
				err := s.check(metric{m[0].(string), m[1].(string), map[string]string{m[2].(string): m[3].(string)}}, emitted)
				if err != nil {
					t.Errorf("%s: %v", p.Title, err)
				}
				shown[m[1].(string)] = true
			}
		}
		var all []string
		for name := range s.of("AWS::Serverless::Function") {
			all = append(all, emitted[name]...)
		}
		for _, m := range all {
			if !shown[m] && m != "Events" && m != "Bodies" { // the sums of what is shown
				t.Errorf("the dashboard does not show %s", m)
			}
		}
	})
}

// The command that the outputs give for a test makes an event that the
// forwarder takes. Of the command only what calls AWS is left out.
func TestOutputsGiveCommandsThatWork(t *testing.T) {
	s := readTemplate(t).create(t, made)
	command := s.eval(get(s.template.section("Outputs"), "TestCommand", "Value")).(string)
	pipe, call, ok := strings.Cut(command, " | aws lambda invoke ")
	if !ok || !strings.Contains(call, "--function-name ship-Forwarder ") || !strings.Contains(call, "fileb:///dev/stdin") {
		t.Fatalf("command %s", command)
	}
	event, err := exec.Command("sh", "-c", pipe).Output()
	if err != nil {
		t.Fatal(err)
	}
	source := sumotest.New()
	variables := s.variables("Forwarder")
	variables["SUMO_ENDPOINT"] = "https://collectors.example.com/x"
	f, err := ship.NewForwarder(ship.Options{Env: function.Env{Getenv: func(n string) string { return variables[n] }, Out: new(bytes.Buffer)}, HTTP: &http.Client{Transport: source}, Queue: new(dlqtest.Queue)})
	if err != nil {
		t.Fatal(err)
	}
	report, err := f.Ship(t.Context(), event)
	if err != nil || report.Confirmed != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := source.Taken(); len(got) != 1 || !strings.Contains(got[0], "hello from ship") {
		t.Errorf("the source took %q", got)
	}

	// Those that invoke a function by hand give it what it takes for that.
	s = readTemplate(t).create(t, with(made, "Subscription=pattern"))
	for output, name := range map[string]string{"ReplayCommand": "Replay", "SubscribeCommand": "Subscriber"} {
		pipe, call, ok := strings.Cut(s.outputs()[output], " | aws lambda invoke ")
		if !ok || pipe != "printf '{}'" || !strings.Contains(call, "--function-name ship-"+name+" ") || !strings.Contains(call, "--cli-read-timeout 0 --payload fileb:///dev/stdin") {
			t.Errorf("%s: %s", output, s.outputs()[output])
		}
	}

	for partition, host := range map[string]string{"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"} {
		s := readTemplate(t).create(t, with(made, "Partition="+partition))
		if got := s.eval(get(s.template.section("Outputs"), "DashboardUrl", "Value")).(string); !strings.HasPrefix(got, "https://"+host+"/cloudwatch/") {
			t.Errorf("%s: %s", partition, got)
		}
	}
}
