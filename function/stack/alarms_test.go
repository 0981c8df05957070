package stack_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// alarms returns the alarms of a stack, also the composite one.
func (s *stack) alarms() map[string]resource {
	all := s.of("AWS::CloudWatch::Alarm")
	maps.Copy(all, s.of("AWS::CloudWatch::CompositeAlarm"))
	return all
}

// severity returns critical or warning, from the name of an alarm.
func (s *stack) severity(t *testing.T, name string) string {
	t.Helper()
	full := s.ref(name).(string)
	word, ok := strings.CutSuffix(strings.TrimPrefix(full, "ship-"), "-"+name)
	if !ok || word != "critical" && word != "warning" {
		t.Errorf("%s: name %q, want ship-critical-%[1]s or ship-warning-%[1]s", name, full)
	}
	return word
}

// Each alarm has a section in docs/operations.md, whose anchor is in its description.
func TestAlarmsAreDocumented(t *testing.T) {
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, declared []string
	for _, h := range regexp.MustCompile(`(?m)^### (\w+Alarm)$`).FindAllStringSubmatch(string(operations), -1) {
		documented = append(documented, h[1])
	}
	for name, r := range readTemplate(t).section("Resources") {
		if strings.HasPrefix(get(r, "Type").(string), "AWS::CloudWatch::") && name != "Dashboard" {
			declared = append(declared, name)
		}
	}
	slices.Sort(documented)
	slices.Sort(declared)
	if d := cmp.Diff(declared, documented); d != "" {
		t.Errorf("sections of docs/operations.md (-want +got):\n%s", d)
	}
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		for name, a := range s.alarms() {
			// GitHub makes the anchor of a heading of one word by lower case.
			want := " " + s.parameters["RunbookUrl"] + "#" + strings.ToLower(name)
			if d := text(a.Properties["AlarmDescription"]); !strings.HasSuffix(d, want) || len(d) < len(want)+20 {
				t.Errorf("%s: description %q, want %q at its end", name, d, want)
			}
		}
	})
}

// silence are the alarms for which missing data is what is wrong.
var silence = []string{"HeartbeatAlarm", "QuietAlarm"}

// Every alarm uses metrics that exist, has a severity in its name, is quiet without
// data, and notifies as the parameters say.
func TestAlarms(t *testing.T) {
	emitted := emitted(t)
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		var topics any
		if topic := s.parameters["AlarmTopicArn"]; topic != "" {
			topics = []any{topic}
		} else if s.parameters["AlarmEmail"] != "" {
			topics = []any{s.ref("AlarmTopic")}
		}
		for name, a := range s.alarms() {
			p := a.Properties
			s.severity(t, name)
			composite := a.Type == "AWS::CloudWatch::CompositeAlarm"
			for actions, on := range map[string]bool{"AlarmActions": true, "OKActions": s.parameters["NotifyRecovery"] == "true"} {
				want := topics
				if !on || !composite && s.parameters["AlarmNotify"] != "each" {
					want = nil
				}
				if d := cmp.Diff(want, p[actions]); d != "" {
					t.Errorf("%s: %s (-want +got):\n%s", name, actions, d)
				}
			}
			if composite {
				continue
			}
			missing := "notBreaching"
			if slices.Contains(silence, name) {
				missing = "breaching"
			}
			if p["TreatMissingData"] != missing {
				t.Errorf("%s: missing data is %v, want %s", name, p["TreatMissingData"], missing)
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

// The composite alarm goes off with every critical alarm that there is, and with no
// other.
func TestDeliveryAlarmIsAnyCriticalOne(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		var critical []string
		for name := range s.of("AWS::CloudWatch::Alarm") {
			if s.severity(t, name) == "critical" {
				critical = append(critical, `ALARM("`+s.ref(name).(string)+`")`)
			} else if s.parameters["Alarms"] != "all" {
				t.Errorf("Alarms %s, but there is %s", s.parameters["Alarms"], name)
			}
		}
		delivery, there := s.resources["DeliveryAlarm"]
		if want := s.parameters["Alarms"] != "none"; there != want || (len(critical) > 0) != want {
			t.Fatalf("Alarms %s: %d critical alarms, DeliveryAlarm: %t", s.parameters["Alarms"], len(critical), there)
		}
		if !there {
			return
		}
		got := strings.Split(delivery.Properties["AlarmRule"].(string), " OR ")
		slices.Sort(got)
		slices.Sort(critical)
		if d := cmp.Diff(critical, got); d != "" {
			t.Errorf("rule (-want +got):\n%s", d)
		}
	})
}

// The delivery to the functions is watched wherever CloudWatch supports it, or at
// least that of the heartbeat.
func TestDeliveryIsWatched(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		_, watched := s.of("AWS::CloudWatch::Alarm")["DeliveryErrorsAlarm"]
		supported := s.pseudo["AWS::Partition"] == "aws" || s.parameters["Subscription"] == "log-group" || s.parameters["HeartbeatSchedule"] != ""
		if want := supported && s.parameters["Alarms"] != "none"; watched != want {
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
