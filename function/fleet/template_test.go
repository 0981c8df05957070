// Package fleet holds the goals for outages: what one costs, and how soon it is over. It
// measures them on the stack of template.yaml, simulated in virtual time.
package fleet

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"sumoship/function/sim"
)

// readTemplate returns what template.yaml deploys if its parameters are left alone.
func readTemplate(t testing.TB) sim.Stack {
	t.Helper()
	b, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tmpl map[string]any
	if err := yaml.Unmarshal(b, &tmpl); err != nil {
		t.Fatal(err)
	}
	get := func(path ...string) any {
		var v any = tmpl
		for _, name := range path {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		return v
	}
	whole := func(path ...string) int {
		n, ok := get(path...).(int)
		if !ok {
			t.Fatalf("the template has no number at %q", path)
		}
		return n
	}
	values := map[string]string{}
	for name, p := range get("Parameters").(map[string]any) {
		values[name] = fmt.Sprint(p.(map[string]any)["Default"])
	}
	number := func(name string) int {
		n, err := strconv.Atoi(values[name])
		if err != nil {
			t.Fatalf("parameter %s: %v", name, err)
		}
		return n
	}
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	variables := func(retries, timeout string) map[string]string {
		return map[string]string{
			"NUMBER_OF_RETRIES": values[retries], "REQUEST_TIMEOUT": values[timeout],
			"RETRY_INTERVAL": values["RetryInterval"], "MAX_IN_FLIGHT": values["MaxInFlight"], "DEADLINE_RESERVE": values["DeadlineReserve"],
		}
	}
	s := sim.Stack{
		Forwarder: variables("NumberOfRetries", "RequestTimeout"), Replay: variables("ReplayNumberOfRetries", "ReplayRequestTimeout"),
		ForwarderTimeout: seconds(number("ForwarderTimeout")), ReplayTimeout: seconds(number("ReplayTimeout")),
		ForwarderMemory: number("ForwarderMemory"), ReplayMemory: number("ReplayMemory"),
		InvokeRetries:   whole("Resources", "Forwarder", "Properties", "EventInvokeConfig", "MaximumRetryAttempts"),
		InvokeAge:       seconds(whole("Resources", "Forwarder", "Properties", "EventInvokeConfig", "MaximumEventAgeInSeconds")),
		Visibility:      seconds(whole("Mappings", "ReplayTime", values["ReplayTimeout"], "Visibility")),
		Retention:       seconds(whole("Resources", "DeadLetterQueue", "Properties", "MessageRetentionPeriod")),
		MaxReceives:     whole("Resources", "DeadLetterQueue", "Properties", "RedrivePolicy", "maxReceiveCount"),
		DeadLetterDelay: time.Duration(number("DeadLetterDelay")) * time.Millisecond,
		Concurrency:     number("ReplayConcurrency"), BatchSize: number("ReplayBatchSize"), Workers: number("NumOfWorkers"),
	}
	s.Replay["NUM_OF_WORKERS"] = values["NumOfWorkers"]
	return s
}

// The simulator has the template's defaults, also where there is no template.
func TestSimulatorHasTheTemplatesDefaults(t *testing.T) {
	if d := cmp.Diff(readTemplate(t), sim.Template()); d != "" {
		t.Errorf("-template.yaml +sim.Template:\n%s", d)
	}
}
