package stack_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// No log loop: whatever is subscribed, our own groups are not.
func TestOwnLogGroupsAreNeverSubscribed(t *testing.T) {
	tmpl := readTemplate(t)
	for _, subscription := range get(tmpl.section("Parameters"), "Subscription", "AllowedValues").([]any) {
		for _, excluded := range []string{"", "/vpc/flow", "/vpc/flow,/trail"} {
			for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
				t.Run(fmt.Sprintf("%s %s without %s", partition, subscription, excluded), func(t *testing.T) {
					s := tmpl.create(t, with(made, "LogGroupName=/ecs/web", "Partition="+partition,
						fmt.Sprint("Subscription=", subscription), "ExcludedLogGroups="+excluded))
					s.checkOwnLogGroups(t, excluded)
				})
			}
		}
	}
}

func (s *stack) checkOwnLogGroups(t *testing.T, excluded string) {
	subscription := s.parameters["Subscription"]
	var own []string
	for _, g := range s.of("AWS::Logs::LogGroup") {
		own = append(own, g.Properties["LogGroupName"].(string))
	}
	slices.Sort(own)
	if n := len(s.of("AWS::Serverless::Function")); len(own) != n {
		t.Fatalf("%d functions, log groups %v", n, own)
	}
	// The heartbeat's group has a filter of the stack: the one exception.
	if _, there := s.resources["HeartbeatSubscription"]; !there {
		t.Error("nothing ships the heartbeat")
	}
	for _, g := range own {
		if s.template.accepts(t, "LogGroupName", g) || !strings.HasPrefix(g, "/sumoship/ship/") {
			t.Errorf("LogGroupName accepts our %s", g)
		}
	}
	want := slices.Clone(own)
	if _, there := s.resources["Stream"]; !there {
		// It may still exist, or exist already.
		want = slices.Insert(want, slices.Index(want, "/sumoship/ship/replay")+1, "/sumoship/ship/stream")
	}
	if excluded != "" {
		want = append(want, strings.Split(excluded, ",")...)
	}
	if subscription == "pattern" {
		if d := cmp.Diff(strings.Join(want, ","), s.variables("Subscriber")["OWN_LOG_GROUPS"]); d != "" {
			t.Errorf("log groups that the subscriber leaves alone (-want +got):\n%s", d)
		}
	} else {
		want = append(want, "/sumoship/ship/subscriber") // it may still exist
	}
	slices.Sort(want)
	filters, policies := s.of("AWS::Logs::SubscriptionFilter"), s.of("AWS::Logs::AccountPolicy")
	delete(filters, "HeartbeatSubscription")
	counts := map[string][2]int{"log-group": {1, 0}, "account": {0, 1}}[subscription]
	if got := [2]int{len(filters), len(policies)}; got != counts {
		t.Errorf("filters and policies: %v, want %v", got, counts)
	}
	for _, f := range filters {
		if f.Properties["LogGroupName"] != "/ecs/web" {
			t.Errorf("subscribed %v", f.Properties["LogGroupName"])
		}
	}
	for name, p := range policies {
		criteria, ok := strings.CutPrefix(p.Properties["SelectionCriteria"].(string), "LogGroupName NOT IN ")
		var got []string
		if err := json.Unmarshal([]byte(criteria), &got); !ok || err != nil {
			t.Fatalf("%s: selection criteria %v: %v", name, p.Properties["SelectionCriteria"], err)
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: excluded (-want +got):\n%s", name, d)
		}
	}
}

// A filter pattern arrives as it was written, also inside the JSON of a policy.
func TestFilterPatternSurvives(t *testing.T) {
	tmpl := readTemplate(t)
	for _, pattern := range []string{"", "ERROR", `{ $.level = "error" && $.path = "C:\\x" }`, `"a \" b"`, `%\d{3}%`, `\`} {
		s := tmpl.create(t, with(made, "Subscription=account", "FilterPattern="+pattern))
		var document map[string]string
		if err := json.Unmarshal([]byte(s.resources["AccountSubscription"].Properties["PolicyDocument"].(string)), &document); err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if d := cmp.Diff(map[string]string{"DestinationArn": s.attribute("Forwarder", "Arn").(string), "FilterPattern": pattern}, document); d != "" {
			t.Errorf("policy document (-want +got):\n%s", d)
		}
		s = tmpl.create(t, with(made, "Subscription=log-group", "LogGroupName=g", "FilterPattern="+pattern))
		if got := s.resources["LogGroupSubscription"].Properties["FilterPattern"]; got != pattern {
			t.Errorf("%v, want %s", got, pattern)
		}
		if got := tmpl.create(t, with(made, "Subscription=pattern", "FilterPattern="+pattern)).variables("Subscriber")["FILTER_PATTERN"]; got != pattern {
			t.Errorf("%v, want %s", got, pattern)
		}
	}
}

// What a filter says of centralised and transformed logs arrives in the filter or at
// the subscriber.
func TestFilterOptionsArrive(t *testing.T) {
	tmpl := readTemplate(t)
	options := []string{"EmitSystemFields=@aws.account,@source.log", `FieldSelectionCriteria=@aws.region = "eu-west-1"`, "ApplyOnTransformedLogs=true"}
	members := []string{"EmitSystemFields", "FieldSelectionCriteria", "ApplyOnTransformedLogs"}
	for _, c := range []struct {
		given []string
		want  []any // nil is not in the filter
	}{
		{nil, []any{nil, nil, nil}},
		{[]string{"EmitSystemFields=none", "FieldSelectionCriteria=none"}, []any{nil, nil, nil}},
		{options, []any{[]any{"@aws.account", "@source.log"}, `@aws.region = "eu-west-1"`, "true"}},
	} {
		f := tmpl.create(t, with(made, append(c.given, "Subscription=log-group", "LogGroupName=g")...)).resources["LogGroupSubscription"].Properties
		for i, name := range members {
			if d := cmp.Diff(c.want[i], f[name]); d != "" {
				t.Errorf("%v: %s (-want +got):\n%s", c.given, name, d)
			}
		}
	}
	v := tmpl.create(t, with(made, append(options, "Subscription=pattern")...)).variables("Subscriber")
	for i, name := range []string{"EMIT_SYSTEM_FIELDS", "FIELD_SELECTION_CRITERIA", "APPLY_ON_TRANSFORMED_LOGS"} {
		if _, want, _ := strings.Cut(options[i], "="); v[name] != want {
			t.Errorf("%s: %q, want %q", name, v[name], want)
		}
	}
}

// One permission, for CloudWatch Logs of this account and Region alone, in
// every partition.
func TestPermissionIsNarrow(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		permissions := s.of("AWS::Lambda::Permission")
		if len(permissions) != 1 {
			t.Fatalf("%d permissions", len(permissions))
		}
		for _, p := range permissions {
			want := map[string]any{
				"FunctionName": s.attribute("Forwarder", "Arn"), "Action": "lambda:InvokeFunction", "Principal": "logs." + s.pseudo["AWS::URLSuffix"],
				"SourceAccount": testAccount, "SourceArn": s.arn("logs", "log-group:*"),
			}
			if d := cmp.Diff(want, p.Properties); d != "" {
				t.Errorf("permission (-want +got):\n%s", d)
			}
		}
	})
}
