package stack_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// Limits that neither cfn-lint nor moto checks.
const (
	// AWS CloudFormation User Guide, "Understand CloudFormation quotas".
	templateInRequest = 51_200
	templateInS3      = 1 << 20
	maxResources      = 500
	maxParameters     = 200
	maxOutputs        = 200
	// Amazon CloudWatch API Reference, "PutMetricAlarm": AlarmName, AlarmDescription,
	// Metrics, Period, AlarmActions.
	alarmName        = 255
	alarmDescription = 1024
	alarmMetrics     = 10
	alarmExpressions = 10
	alarmActions     = 5
	shortEvaluation  = 86_400  // seconds of all periods, of a period below an hour
	longEvaluation   = 604_800 // of a longer one
	// Amazon CloudWatch User Guide, "Limits that apply to alarms based on Metrics
	// Insights queries".
	queryEvaluation = 3 * 3600
	// Amazon CloudWatch API Reference, "PutCompositeAlarm", AlarmRule.
	compositeRule   = 10_240
	compositeAlarms = 100
	// Amazon CloudWatch User Guide, "CloudWatch service quotas".
	dashboardMetrics = 2_500
	widgetMetrics    = 500
	widgetAlarms     = 100
	// AWS Lambda Developer Guide, "Lambda quotas".
	environment = 4 << 10
)

// longest are parameters whose values make names and texts as long as they get. The
// longest name of a stack has 128 characters.
var longest = with(subscribing, "AlarmNotify=each", "QuietHours=24",
	"RunbookUrl=https://wiki.example.com/"+strings.Repeat("x", 512-len("https://wiki.example.com/")))

func TestTemplateStaysWithinLimits(t *testing.T) {
	b, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// SAM expands a function into a few resources more, and JSON is longer than YAML.
	if len(b) > templateInS3/4 {
		t.Errorf("%d bytes: the expanded template may exceed the %d that S3 may hold", len(b), templateInS3)
	}
	tmpl := readTemplate(t)
	for section, limit := range map[string]int{"Resources": maxResources / 2, "Parameters": maxParameters, "Outputs": maxOutputs} {
		if n := len(tmpl.section(section)); n > limit {
			t.Errorf("%d %s, the limit is %d", n, section, limit)
		}
	}
	// Over what a request can hold, each way of docs/operations.md goes by S3.
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range strings.Split(strings.ReplaceAll(string(operations), "\\\n", ""), "\n") {
		byRequest := strings.Contains(command, "--template-body") && !strings.Contains(command, "file://source.yaml") ||
			strings.Contains(command, "cloudformation deploy") && !strings.Contains(command, "--s3-bucket")
		if byRequest && len(b) > templateInRequest {
			t.Errorf("the template has %d bytes, over the %d of a request: %s", len(b), templateInRequest, command)
		}
	}
}

func TestAlarmsStayWithinLimits(t *testing.T) {
	stacks := configurations()
	stacks["longest"] = longest
	for name, given := range stacks {
		t.Run(name, func(t *testing.T) {
			s := readTemplate(t).create(t, given)
			if name == "longest" {
				s = readTemplate(t).createNamed(t, given, strings.Repeat("n", 128))
			}
			for name, a := range s.alarms() {
				p := a.Properties
				if n := utf8.RuneCountInString(text(p["AlarmName"])); n > alarmName {
					t.Errorf("%s: a name of %d characters, the limit is %d", name, n, alarmName)
				}
				if n := utf8.RuneCountInString(text(p["AlarmDescription"])); n > alarmDescription {
					t.Errorf("%s: a description of %d characters, the limit is %d", name, n, alarmDescription)
				}
				for _, actions := range []string{"AlarmActions", "OKActions"} {
					if list, _ := p[actions].([]any); len(list) > alarmActions {
						t.Errorf("%s: %d %s, the limit is %d", name, len(list), actions, alarmActions)
					}
				}
				if rule := text(p["AlarmRule"]); len(rule) > compositeRule || strings.Count(rule, "ALARM(") > compositeAlarms {
					t.Errorf("%s: a rule of %d bytes over %d alarms, the limits are %d and %d", name, len(rule), strings.Count(rule, "ALARM("), compositeRule, compositeAlarms)
				}
				if a.Type == "AWS::CloudWatch::Alarm" {
					checkEvaluation(t, name, p)
				}
			}
		})
	}
}

// checkEvaluation checks what an alarm evaluates against the limits.
func checkEvaluation(t *testing.T, name string, p map[string]any) {
	t.Helper()
	queries, _ := p["Metrics"].([]any)
	if n := len(metricsOf(queries)); n > alarmMetrics || len(queries)-n > alarmExpressions {
		t.Errorf("%s: %d metrics and %d expressions, the limits are %d and %d", name, n, len(queries)-n, alarmMetrics, alarmExpressions)
	}
	periods := map[float64]bool{}
	limit := float64(longEvaluation)
	if queries == nil {
		periods[number(p["Period"])] = true
	}
	for _, q := range queries {
		if stat := get(q, "MetricStat"); stat != nil {
			periods[number(get(stat, "Period"))] = true
		} else if strings.HasPrefix(text(get(q, "Expression")), "SELECT") {
			periods[number(get(q, "Period"))] = true
			limit = queryEvaluation
		}
	}
	if len(periods) != 1 {
		t.Errorf("%s: periods %v, want one", name, periods)
	}
	for period := range periods {
		if period < 3600 {
			limit = min(limit, shortEvaluation)
		}
		if n := period * number(p["EvaluationPeriods"]); n > limit || int(period)%60 != 0 {
			t.Errorf("%s: it evaluates %.0f s of periods of %.0f s, the limit is %.0f s", name, n, period, limit)
		}
	}
}

func TestDashboardStaysWithinLimits(t *testing.T) {
	s := readTemplate(t).create(t, longest)
	var body struct {
		Widgets []struct {
			Properties struct{ Metrics, Alarms []any }
		}
	}
	if err := json.Unmarshal([]byte(text(s.resources["Dashboard"].Properties["DashboardBody"])), &body); err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, w := range body.Widgets {
		all += len(w.Properties.Metrics)
		if len(w.Properties.Metrics) > widgetMetrics || len(w.Properties.Alarms) > widgetAlarms {
			t.Errorf("a widget has %d metrics and %d alarms, the limits are %d and %d", len(w.Properties.Metrics), len(w.Properties.Alarms), widgetMetrics, widgetAlarms)
		}
	}
	if all > dashboardMetrics {
		t.Errorf("%d metrics, the limit is %d", all, dashboardMetrics)
	}
}

// With the parameters' defaults there is ample room in the environment of a function;
// the texts of the parameters share what is left.
func TestVariablesStayWithinLimits(t *testing.T) {
	s := readTemplate(t).create(t, longest)
	for name := range s.of("AWS::Serverless::Function") {
		n := 0
		for k, v := range s.variables(name) {
			n += len(k) + len(v)
		}
		if n > environment/2 {
			t.Errorf("%s: variables of %d bytes, the limit is %d", name, n, environment)
		}
	}
}
