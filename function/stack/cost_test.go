package stack_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/operations.md counts the alarms of a stack, and the metrics that AWS bills
// them by.
func TestCostCountsTheAlarms(t *testing.T) {
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	tmpl := readTemplate(t)
	count := func(given map[string]string) (metrics, alarms int) {
		for _, a := range tmpl.create(t, given).of("AWS::CloudWatch::Alarm") {
			queries, _ := a.Properties["Metrics"].([]any)
			metrics += max(1, len(metricsOf(queries)))
			alarms++
		}
		return metrics, alarms
	}
	metrics, alarms := count(made)
	lossMetrics, lossAlarms := count(with(made, "Alarms=loss"))
	moreMetrics, moreAlarms := count(with(made, "Subscription=pattern"))
	for _, want := range []string{
		fmt.Sprintf("| alarms | %d metrics in %d alarms × $0.10 | %.2f |", metrics, alarms, float64(metrics)*0.10),
		fmt.Sprintf("`loss` has %d metrics in %d alarms and saves $%.2f", lossMetrics, lossAlarms, float64(metrics-lossMetrics)*0.10),
		fmt.Sprintf("| alarms | %d metrics in %d alarms × $0.10 | %.2f |", moreMetrics-metrics, moreAlarms-alarms, float64(moreMetrics-metrics)*0.10),
	} {
		if !strings.Contains(string(operations), want) {
			t.Errorf("docs/operations.md lacks %q", want)
		}
	}
}
