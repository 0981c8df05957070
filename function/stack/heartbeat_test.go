package stack_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/lambdatest"
	"sumoship/transform"
)

// platform are lines that Lambda adds to the log of a function, in both of its
// formats.
//
// Source: AWS Lambda Developer Guide, "Configuring JSON and plain text log formats".
var platform = []string{
	`{"time":"2026-01-02T15:04:05.000Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"provided:al2023.v1"}}`,
	`{"time":"2026-01-02T15:04:05.000Z","type":"platform.start","record":{"requestId":"1","version":"$LATEST"}}`,
	`{"time":"2026-01-02T15:04:05.000Z","type":"platform.runtimeDone","record":{"requestId":"1","status":"success"}}`,
	`{"time":"2026-01-02T15:04:05.000Z","type":"platform.report","record":{"requestId":"1","metrics":{"durationMs":1},"status":"error","errorType":"Runtime.ExitError"}}`,
	"INIT_START Runtime Version: provided:al2023.v1	Runtime Version ARN: arn",
	"START RequestId: 1 Version: $LATEST",
	"END RequestId: 1",
	"REPORT RequestId: 1	Duration: 1.00 ms	Billed Duration: 2 ms	Memory Size: 128 MB",
	"RequestId: 1 Error: Runtime exited with error: exit status 1",
}

// matches reports whether a filter pattern that compares one member of JSON with a
// text matches a line.
func matches(t *testing.T, pattern, line string) bool {
	t.Helper()
	m := regexp.MustCompile(`^\{ \$\.(\w+) = "(\w+)" \}$`).FindStringSubmatch(pattern)
	if m == nil {
		t.Fatalf("pattern %s: the test does not know this form", pattern)
	}
	var members map[string]any
	return json.Unmarshal([]byte(line), &members) == nil && members[m[1]] == m[2]
}

// beat invokes the built heartbeat, and returns the event that CloudWatch Logs
// makes of what the filter of the stack matches.
func (s *stack) beat(t *testing.T, bootstrap string) []byte {
	t.Helper()
	filter := s.resources["HeartbeatSubscription"].Properties
	f := lambdatest.Deploy(t, bootstrap, nil)
	const beats = 2
	for range beats {
		if r := f.Invoke([]byte(`{"source":"aws.events"}`), 10*time.Second); r.Failed() {
			t.Fatalf("%+v", r)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); strings.Count(f.Output(), "\n") < beats && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // its output may arrive after its answer
	}
	var events []map[string]any
	for _, line := range append(strings.Split(strings.TrimSuffix(f.Output(), "\n"), "\n"), platform...) {
		if matches(t, filter["FilterPattern"].(string), line) {
			events = append(events, map[string]any{"id": "1", "timestamp": time.Now().UnixMilli(), "message": line})
		}
	}
	if len(events) != beats {
		t.Fatalf("%d beats make %d log events\n%s", beats, len(events), f.Output())
	}
	events = events[:1]
	b, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "logGroup": filter["LogGroupName"], "logStream": "2026/01/02/[$LATEST]1",
		"subscriptionFilters": []any{filter["FilterName"]}, "logEvents": events,
	})
	if err != nil {
		t.Fatal(err)
	}
	return transform.Pack(b)
}

// The heartbeat cannot loop, although its log group is subscribed: a beat makes one
// log event, nothing that ships it writes into that group, and nothing but the
// schedule makes a beat.
func TestHeartbeatCannotLoop(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		heartbeat, there := s.resources["Heartbeat"]
		if want := s.parameters["HeartbeatSchedule"] != ""; there != want {
			t.Fatalf("HeartbeatSchedule %q, heartbeat: %t", s.parameters["HeartbeatSchedule"], there)
		}
		group := s.variables("Forwarder")["HEARTBEAT_LOG_GROUP"]
		if !there {
			if group != "" {
				t.Errorf("the forwarder waits for heartbeats of %s", group)
			}
			return
		}
		filter := s.resources["HeartbeatSubscription"].Properties
		if group != s.ref("HeartbeatLogs") || filter["LogGroupName"] != group || filter["DestinationArn"] != s.attribute("Forwarder", "Arn") {
			t.Errorf("the forwarder counts the heartbeats of %q, the filter %v", group, filter)
		}
		// Who may write into that log group?
		for name := range s.of("AWS::Serverless::Function") {
			writes := get(s.resources[name].Properties, "LoggingConfig", "LogGroup") == group
			for _, st := range s.statements(name) {
				for _, p := range permissions(st) {
					writes = writes || get(st, "Effect") == "Allow" && covers(p, "logs:PutLogEvents "+s.attribute("HeartbeatLogs", "Arn").(string))
				}
			}
			if writes != (name == "Heartbeat") {
				t.Errorf("%s writes into the log group of the heartbeat: %t", name, writes)
			}
		}
		// Who may invoke it?
		want := map[string]any{"Beat": map[string]any{"Type": "Schedule", "Properties": map[string]any{
			"Description": "The heartbeat of ship", "Schedule": s.parameters["HeartbeatSchedule"],
		}}}
		if d := cmp.Diff(want, heartbeat.Properties["Events"]); d != "" {
			t.Errorf("what invokes the heartbeat (-want +got):\n%s", d)
		}
		if retries := get(heartbeat.Properties, "EventInvokeConfig", "MaximumRetryAttempts"); retries != 0 {
			t.Errorf("Lambda retries a beat %v times", retries)
		}
		for _, p := range s.of("AWS::Lambda::Permission") {
			if p.Properties["FunctionName"] == s.attribute("Heartbeat", "Arn") {
				t.Errorf("permission %v", p.Properties)
			}
		}
		// It may do nothing but write its log.
		if code, services := s.grants("Heartbeat"); len(code) > 0 || !cmp.Equal(services, []string{"logs:CreateLogStream", "logs:PutLogEvents"}) {
			t.Errorf("the heartbeat may %v %v", code, services)
		}
		// The subscriber does not take the filter for its own.
		if _, ok := s.resources["Subscriber"]; ok && s.variables("Subscriber")["FILTER_NAME"] == filter["FilterName"] {
			t.Errorf("the subscriber owns the filter %v", filter["FilterName"])
		}
		for _, line := range platform {
			if matches(t, filter["FilterPattern"].(string), line) {
				t.Errorf("the filter matches a line of Lambda: %s", line)
			}
		}
	})
}
