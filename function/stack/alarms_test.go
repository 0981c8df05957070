package stack_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAlarmsAreDocumented(t *testing.T) {
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, declared []string
	for _, h := range regexp.MustCompile(`(?m)^### (\w+Alarm)\b`).FindAllStringSubmatch(string(operations), -1) {
		documented = append(documented, h[1])
	}
	for name, r := range readTemplate(t).section("Resources") {
		if get(r, "Type") == "AWS::CloudWatch::Alarm" {
			declared = append(declared, name)
		}
	}
	slices.Sort(documented)
	slices.Sort(declared)
	if d := cmp.Diff(declared, documented); d != "" {
		t.Errorf("sections of docs/operations.md (-want +got):\n%s", d)
	}
}

// Every alarm uses metrics that exist, is quiet without data, and notifies the topic
// of the parameters.
func TestAlarms(t *testing.T) {
	emitted := emitted(t)
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		var topics any
		if topic := s.parameters["AlarmTopicArn"]; topic != "" {
			topics = []any{topic}
		} else if s.parameters["AlarmEmail"] != "" {
			topics = []any{s.ref("AlarmTopic")}
		}
		for name, a := range s.of("AWS::CloudWatch::Alarm") {
			p := a.Properties
			if p["TreatMissingData"] != "notBreaching" || text(p["AlarmDescription"]) == "" || p["AlarmName"] != nil {
				t.Errorf("%s: %v", name, p)
			}
			for _, actions := range []string{"AlarmActions", "OKActions"} {
				if d := cmp.Diff(topics, p[actions]); d != "" {
					t.Errorf("%s: %s (-want +got):\n%s", name, actions, d)
				}
			}
			metrics := []metric{{text(p["Namespace"]), text(p["MetricName"]), dimensions(p["Dimensions"])}}
			if queries, ok := p["Metrics"].([]any); ok {
				checkQueries(t, name, queries)
				metrics = metricsOf(queries)
			}
			for _, m := range metrics {
				if err := s.check(m, emitted); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

// The delivery to the functions is watched wherever CloudWatch supports it.
func TestDeliveryIsWatched(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		_, watched := s.of("AWS::CloudWatch::Alarm")["DeliveryErrorsAlarm"]
		if want := s.pseudo["AWS::Partition"] == "aws" || s.parameters["Subscription"] == "log-group"; watched != want {
			t.Errorf("delivery is watched: %v, want %v", watched, want)
		}
	})
}

// metricsOf returns the metrics in the queries of an alarm.
func metricsOf(queries []any) (metrics []metric) {
	for _, q := range queries {
		if stat := get(q, "MetricStat", "Metric"); stat != nil {
			metrics = append(metrics, metric{text(get(stat, "Namespace")), text(get(stat, "MetricName")), dimensions(get(stat, "Dimensions"))})
		}
	}
	return metrics
}

var (
	deliveryQuery = regexp.MustCompile(`^SELECT SUM\((DeliveryErrors|DeliveryThrottling)\) FROM "AWS/Logs" WHERE DestinationType = 'Lambda'$`)
	queryID       = regexp.MustCompile(`\b[a-z]\w*`)
)

// checkQueries checks that an alarm watches one of its queries, and that their
// expressions name only each other.
func checkQueries(t *testing.T, alarm string, queries []any) {
	returned, ids := 0, map[string]bool{}
	for _, q := range queries {
		ids[get(q, "Id").(string)] = true
		if get(q, "ReturnData") != false {
			returned++
		}
	}
	if returned != 1 {
		t.Errorf("%s watches %d numbers, want 1", alarm, returned)
	}
	for _, q := range queries {
		expression := text(get(q, "Expression"))
		if strings.HasPrefix(expression, "SELECT") {
			if !deliveryQuery.MatchString(expression) || get(q, "Period") == nil {
				t.Errorf("%s: query %s", alarm, expression)
			}
			continue
		}
		for _, id := range queryID.FindAllString(expression, -1) {
			if !ids[id] {
				t.Errorf("%s: unknown metric %s in %q", alarm, id, expression)
			}
		}
	}
}
