package fleet

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// defaults are what template.yaml deploys if its parameters are left alone.
type defaults struct {
	values map[string]string // of parameters

	forwarderTimeout, replayTimeout time.Duration
	forwarderMemory, replayMemory   int // MB
	invokeRetries                   int
	invokeAge                       time.Duration

	visibility, retention time.Duration
	maxReceives           int
	deadLetterDelay       time.Duration

	concurrency, batchSize, workers int
}

func readDefaults(t testing.TB) defaults {
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
	d := defaults{values: map[string]string{}}
	for name, p := range get("Parameters").(map[string]any) {
		d.values[name] = fmt.Sprint(p.(map[string]any)["Default"])
	}
	number := func(name string) int {
		n, err := strconv.Atoi(d.values[name])
		if err != nil {
			t.Fatalf("parameter %s: %v", name, err)
		}
		return n
	}
	d.forwarderTimeout = time.Duration(number("ForwarderTimeout")) * time.Second
	d.replayTimeout = time.Duration(number("ReplayTimeout")) * time.Second
	d.forwarderMemory, d.replayMemory = number("ForwarderMemory"), number("ReplayMemory")
	d.visibility = time.Duration(whole("Mappings", "ReplayTime", d.values["ReplayTimeout"], "Visibility")) * time.Second
	d.retention = time.Duration(whole("Resources", "DeadLetterQueue", "Properties", "MessageRetentionPeriod")) * time.Second
	d.maxReceives = whole("Resources", "DeadLetterQueue", "Properties", "RedrivePolicy", "maxReceiveCount")
	d.invokeRetries = whole("Resources", "Forwarder", "Properties", "EventInvokeConfig", "MaximumRetryAttempts")
	d.invokeAge = time.Duration(whole("Resources", "Forwarder", "Properties", "EventInvokeConfig", "MaximumEventAgeInSeconds")) * time.Second
	d.deadLetterDelay = time.Duration(number("DeadLetterDelay")) * time.Millisecond
	d.concurrency, d.batchSize, d.workers = number("ReplayConcurrency"), number("ReplayBatchSize"), number("NumOfWorkers")
	return d
}

// forwarder returns the variables of the forwarder that matter here.
func (d defaults) forwarder() map[string]string {
	return map[string]string{
		"NUMBER_OF_RETRIES": d.values["NumberOfRetries"], "REQUEST_TIMEOUT": d.values["RequestTimeout"],
		"RETRY_INTERVAL": d.values["RetryInterval"], "MAX_IN_FLIGHT": d.values["MaxInFlight"], "DEADLINE_RESERVE": d.values["DeadlineReserve"],
	}
}

// replay returns those of replay.
func (d defaults) replay() map[string]string {
	m := d.forwarder()
	m["NUMBER_OF_RETRIES"], m["REQUEST_TIMEOUT"], m["NUM_OF_WORKERS"] = d.values["ReplayNumberOfRetries"], d.values["ReplayRequestTimeout"], d.values["NumOfWorkers"]
	return m
}
