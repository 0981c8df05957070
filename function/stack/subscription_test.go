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
		for _, more := range []string{"", "/vpc/flow", "/vpc/flow,/trail"} {
			for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
				s := tmpl.create(t, with(made, "Partition="+partition, fmt.Sprint("Subscription=", subscription), "LogGroupName=/ecs/web", "ExcludedLogGroups="+more))
				var own []string
				for _, g := range s.of("AWS::Logs::LogGroup") {
					own = append(own, g.Properties["LogGroupName"].(string))
				}
				slices.Sort(own)
				if len(own) != len(s.of("AWS::Serverless::Function")) {
					t.Fatalf("%d functions, log groups %v", len(s.of("AWS::Serverless::Function")), own)
				}
				for _, g := range own {
					if tmpl.accepts(t, "LogGroupName", g) || !strings.HasPrefix(g, "/sumoship/ship/") {
						t.Errorf("LogGroupName takes our %s", g)
					}
				}
				leftOut := slices.Clone(own)
				if more != "" {
					leftOut = append(leftOut, strings.Split(more, ",")...)
				}
				if subscription == "pattern" {
					if d := cmp.Diff(strings.Join(leftOut, ","), s.variables("Subscriber")["OWN_LOG_GROUPS"]); d != "" {
						t.Errorf("the subscriber takes for our own:\n%s", d)
					}
				} else {
					leftOut = append(leftOut, "/sumoship/ship/subscriber") // it may still be there
				}
				slices.Sort(leftOut)
				filters, policies := s.of("AWS::Logs::SubscriptionFilter"), s.of("AWS::Logs::AccountPolicy")
				if (len(filters) == 1) != (subscription == "log-group") || (len(policies) == 1) != (subscription == "account") || len(filters) > 1 || len(policies) > 1 {
					t.Errorf("Subscription %v: %d filters, %d policies", subscription, len(filters), len(policies))
				}
				for _, f := range filters {
					if f.Properties["LogGroupName"] != "/ecs/web" {
						t.Errorf("subscribed %v", f.Properties["LogGroupName"])
					}
				}
				for name, p := range policies {
					criteria, ok := strings.CutPrefix(p.Properties["SelectionCriteria"].(string), "LogGroupName NOT IN ")
					var excluded []string
					if err := json.Unmarshal([]byte(criteria), &excluded); !ok || err != nil {
						t.Fatalf("%s: selection criteria %v: %v", name, p.Properties["SelectionCriteria"], err)
					}
					slices.Sort(excluded)
					if d := cmp.Diff(leftOut, excluded); d != "" {
						t.Errorf("%s leaves out:\n%s", name, d)
					}
				}
			}
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
