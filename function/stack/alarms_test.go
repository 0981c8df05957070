package stack_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
