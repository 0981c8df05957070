package stack_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
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

// So does it for many accounts: what parameters save, and what a central account adds.
func TestCostOfManyAccounts(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	tmpl := readTemplate(t)
	alarms := func(given map[string]string) (metrics, n int) {
		for _, a := range tmpl.create(t, given).of("AWS::CloudWatch::Alarm") {
			queries, _ := a.Properties["Metrics"].([]any)
			metrics += max(1, len(metricsOf(queries)))
			n++
		}
		return metrics, n
	}
	all, n := alarms(made)
	loss, _ := alarms(with(made, "Alarms=loss"))
	central, m := alarms(with(made, "OrganizationId="+organization))
	sums := regexp.MustCompile(`(?m)^\| \*\*sum\*\* \| \| \*\*([\d.]+)\*\* \|$`).FindAllStringSubmatch(string(page), -1)
	if len(sums) != 5 {
		t.Fatalf("%d sums", len(sums))
	}
	fixed, err := strconv.ParseFloat(sums[1][1], 64)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	row := func(label string, stack float64) {
		whole := fmt.Sprintf("%.0f", 600*stack)
		want = append(want, fmt.Sprintf("| %s | %.2f | %s,%s |", label, stack, whole[:1], whole[1:]))
	}
	row("the defaults", fixed)
	row("one central secret (`SumoEndpointArn`)", fixed-0.40)
	row("and `DashboardEnabled` `false`", fixed-0.40-3)
	row("and `Alarms` `loss`", fixed-0.40-3-0.10*float64(all-loss))
	none := fixed - 0.40 - 3 - 0.10*float64(all) - 0.50
	row("and `Alarms` `none`, watched from elsewhere", none)
	added := 29.20 + 3.90 + 1.20 + 0.10*float64(central-all)
	want = append(want,
		fmt.Sprintf("| alarms | %d metrics in %d alarms × $0.10 | %.2f |", central-all, m-n, 0.10*float64(central-all)),
		fmt.Sprintf("| **sum** | | **%.2f** |", added),
		fmt.Sprintf("2 × $%.2f = $%.2f a month", fixed+added, 2*(fixed+added)),
		fmt.Sprintf("$%.2f to $%.2f a month for each account and Region", none, fixed),
	)
	perGB := 0.13*0.08 + 0.13*0.04 + 0.13*144/720*0.10 + 1000/7.6*0.5*0.0000133334
	for gb, label := range map[float64]string{100: "100", 10_000: "10,000", 100_000: "100,000"} {
		out := gb / 4.15 * 0.09
		total := fixed + added + gb*perGB + out
		want = append(want, fmt.Sprintf("| %s | %.2f | %s | %s | %s | %.3f |", label, fixed+added, thousands(gb*perGB), thousands(out), thousands(total), total/gb))
	}
	for _, w := range want {
		if !strings.Contains(string(page), w) {
			t.Errorf("docs/operations.md lacks %q", w)
		}
	}
}

// thousands formats an amount below a million with a comma.
func thousands(v float64) string {
	s := fmt.Sprintf("%.2f", v)
	if i := len(s) - len(".00") - 3; i > 0 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
