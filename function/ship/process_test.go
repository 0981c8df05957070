package ship_test

import (
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sumoship/function/awstest/lambdatest"
)

var processes = flag.Int("process", 0, "with TestProcess, this many `processes` of the forwarder and of the floor for each load; 3 take five minutes")

// sample is what one process cost.
type sample struct {
	first, p50 float64 // ms; first with its start
	cpu        float64 // ms an invocation
	peak       float64 // MB
}

// TestProcess measures what docs/performance.md says of the built forwarder as a process:
// make bench-process. The floor and the forwarder take turns, so that what else runs on the
// machine bears on both. Only the loads are checked: each invocation has to be answered.
func TestProcess(t *testing.T) {
	if *processes == 0 {
		t.Skip("-process N: takes minutes, and measures the machine")
	}
	source := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(source.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: source.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"SUMO_ENDPOINT": source.URL + "/receiver/v1/http/SECRET", "SSL_CERT_FILE": roots,
		"TASK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters"}
	programs := []struct{ name, bootstrap string }{
		{"the floor", lambdatest.Build(t, "./testdata/floor")},
		{"sumoship", lambdatest.Build(t, "sumoship/function/forwarder")},
	}
	var table strings.Builder
	table.WriteString("\n| load | | start and first ms | p50 ms | CPU ms/invocation | CPU ms/MB | of the floor | peak RSS MB |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, l := range []struct {
		name   string
		events int
		bytes  int // of the payload, which it fills with more or fewer events; 0 leaves them
	}{{"small", 10, 0}, {"typical", 500, 0}, {"large", 10_000, 0}, {"max1mb", 1000, 1 << 20}, {"max6mb", 1000, 6 << 20}} {
		event, doc := payload("mixed", l.events)
		for l.bytes > 0 && (len(event) > l.bytes || len(event) < l.bytes*9/10) { // until it is nearly full
			l.events = l.events * l.bytes / 100 * 95 / len(event)
			event, doc = payload("mixed", l.events)
		}
		samples := make([][]sample, len(programs))
		for range *processes {
			for i, p := range programs {
				samples[i] = append(samples[i], measure(t, p.bootstrap, variables, event))
			}
		}
		floor := 0.0
		for i, p := range programs {
			cpu := median(samples[i], func(s sample) float64 { return s.cpu })
			if i == 0 {
				floor = cpu
			}
			fmt.Fprintf(&table, "| %s | %s | %.1f | %.2f | %.2f | %.2f | %.2f | %.1f |\n", l.name, p.name, median(samples[i], func(s sample) float64 { return s.first }),
				median(samples[i], func(s sample) float64 { return s.p50 }), cpu, cpu/float64(len(doc))*1e6, cpu/floor, median(samples[i], func(s sample) float64 { return s.peak }))
		}
	}
	t.Log(table.String())
}

// measure starts a function and invokes it for a second, and ten times at least.
func measure(t *testing.T, bootstrap string, variables map[string]string, event []byte) (s sample) {
	t.Helper()
	f := lambdatest.Deploy(t, bootstrap, variables)
	var took []float64
	invoke := func() {
		start := time.Now()
		if r := f.Invoke(event, time.Minute); r.Failed() {
			t.Fatalf("%s: %+v\n%s", bootstrap, r, f.Output())
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	invoke()
	s.first, took = took[0], nil
	for range 3 { // until its buffers have their size
		invoke()
	}
	took = nil
	before := f.Processor()
	for start := time.Now(); len(took) < 10 || time.Since(start) < time.Second; {
		invoke()
	}
	s.cpu = float64((f.Processor() - before).Microseconds()) / 1000 / float64(len(took))
	s.peak = float64(f.PeakMemory()) / 1e6
	slices.Sort(took)
	s.p50 = took[len(took)/2]
	return s
}

// median is that of a member of samples.
func median(samples []sample, member func(sample) float64) float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, member(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
