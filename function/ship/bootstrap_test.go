package ship_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// The binary runs as Lambda runs it, against a source with TLS.
func TestBootstrapShipsOverTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	t.Parallel()
	source := sumotest.New(sumotest.Statuses(503, 429)...)
	srv := httptest.NewTLSServer(source)
	defer srv.Close()
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/forwarder"), map[string]string{
		"SUMO_ENDPOINT":            srv.URL + "/receiver/v1/http/" + leaktest.Secret,
		"SSL_CERT_FILE":            certificate,
		"SOURCE_CATEGORY_OVERRIDE": "aws/ecs",
		"RETRY_INTERVAL":           "10",
	})

	event := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"/ecs/web","logStream":"web/app/1","logEvents":[
		{"id":"1","timestamp":1767323045000,"message":"hello\n"},{"id":"2","timestamp":1767323045001,"message":"\n"}]}`))
	r := f.InvokeAsync(event, 20*time.Second)
	if r.Failed() {
		t.Fatalf("%s: %s\n%s", r.ErrorType, r.Error, f.Output())
	}
	var report ship.Report
	if err := json.Unmarshal(r.Payload, &report); err != nil {
		t.Fatal(err)
	}
	if report.Events != 2 || report.Confirmed != 1 || report.Filtered["blank"] != 1 || report.Attempts["5xx"] != 1 || report.Attempts["4xx"] != 1 {
		t.Errorf("report %+v", report)
	}
	if got := source.Taken(); len(got) != 1 || got[0] != `{"timestamp":1767323045000,"message":"hello"}` {
		t.Errorf("the source took %q", got)
	}
	last := source.Requests()[2]
	for name, want := range map[string]string{"X-Sumo-Host": "/ecs/web", "X-Sumo-Name": "web/app/1", "X-Sumo-Category": "aws/ecs", "X-Sumo-Client": "cwl-aws-lambda", "Content-Encoding": "gzip"} {
		if got := last.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	// Without a queue, an event that cannot be read goes back to Lambda, which
	// dead-letters it.
	if r := f.InvokeAsync([]byte(`{"awslogs":{"data":"SECRETDATA"}}`), 20*time.Second); r.ErrorType != "LostError" {
		t.Errorf("a broken event: %+v", r)
	}
	if len(f.DeadLetters) != 1 {
		t.Errorf("%d dead letters, want 1", len(f.DeadLetters))
	}
	if out := f.Output(); strings.Contains(out, "SECRET") {
		t.Errorf("the log contains a secret:\n%s", out)
	}
}

// A function whose source hangs still has time to report what it lost.
func TestBootstrapKeepsItsDeadline(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	t.Parallel()
	source := sumotest.New(sumotest.Step{Kind: sumotest.Hang}, sumotest.Step{Kind: sumotest.Hang}, sumotest.Step{Kind: sumotest.Hang})
	srv := httptest.NewServer(source)
	defer srv.Close()
	defer source.Close()
	f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/forwarder"), map[string]string{"SUMO_ENDPOINT": srv.URL})
	event := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"m"}]}`))
	if r := f.Invoke(event, 2*time.Second); r.ErrorType != "LostError" {
		t.Errorf("%+v\n%s", r, f.Output())
	}
}

// An event of 6 MB, which only an invocation by hand can have, does not fit the
// queue: it is rebuilt within the reserve even at the processor share of a small
// function, and its memory is that of one copy.
// It runs alone: its function has a part of a processor, and no time for others.
func TestBootstrapSavesTheLargestEvent(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary and takes half a minute")
	}
	server := sqstest.New()
	url := server.Add(sqstest.Config{Name: "dead"})
	api := httptest.NewServer(server)
	defer api.Close()
	source := sumotest.New(slices.Repeat([]sumotest.Step{{Kind: sumotest.Hang}}, 40)...)
	srv := httptest.NewServer(source)
	defer srv.Close()
	defer source.Close()
	f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/forwarder"), map[string]string{
		"SUMO_ENDPOINT": srv.URL, "TASK_QUEUE_URL": url, "AWS_ENDPOINT_URL_SQS": api.URL, "REQUEST_TIMEOUT": "30000",
		"GOMAXPROCS": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
	})
	f.Slow(0.145)
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([]string, 130_000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%x order %d taken, %d ms %s", r.Uint64(), r.Uint64(), r.IntN(1000), strings.Repeat("in the usual way ", 5))
	}
	large := event(lines...)
	if len(large) < 5<<20 || len(large) > 6<<20 {
		t.Fatalf("an event of %d bytes", len(large))
	}
	result := f.Invoke(large, 30*time.Second)
	var report ship.Report
	if err := json.Unmarshal(result.Payload, &report); err != nil || result.Failed() {
		t.Fatalf("%s: %s\n%s", result.ErrorType, result.Error, f.Output())
	}
	saved := 0
	for _, m := range server.Messages("dead") {
		b, err := transform.Decode([]byte(m.Body), transform.DefaultLimit)
		if err != nil {
			t.Fatal(err)
		}
		saved += b.Len()
	}
	if report.DeadLettered != len(lines) || saved < len(lines) {
		t.Errorf("%d saved of %d: %s", saved, len(lines), result.Payload)
	}
	t.Logf("%s", result.Payload)
}

// The binary does not start with wrong variables, and names them.
func TestBootstrapRefusesWrongVariables(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	t.Parallel()
	f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/forwarder"), map[string]string{
		"SUMO_ENDPOINT": "http://collectors.example.com/receiver/v1/http/" + leaktest.Secret, "COMPRESS_DATA": "yes", "MAX_IN_FLIGHT": "many",
	})
	if r := f.Invoke([]byte(`{}`), 5*time.Second); r.ErrorType != "Runtime.ExitError" {
		t.Errorf("%+v", r)
	}
	out := f.Output()
	for _, want := range []string{"SUMO_ENDPOINT", "https", "COMPRESS_DATA", `"yes"`, "MAX_IN_FLIGHT", `"many"`} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "SECRET") {
		t.Errorf("the output contains a secret:\n%s", out)
	}
}
