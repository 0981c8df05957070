package stackcmd

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/doctor"
	"sumoship/function/awstest/moto"
)

type tree struct {
	Doctor Doctor `cmd:""`
	Status Status `cmd:""`
	Tail   Tail   `cmd:""`
}

// inside is set in the process that runs beside the stack.
const inside = "SUMOSHIP_INSIDE_STACK"

// The verbs look at the stack of template.yaml, which stack.py creates on moto; then
// faults are made in it, and found.
func TestVerbsOnMoto(t *testing.T) {
	if os.Getenv(inside) != "" {
		verbsBesideStack(t)
		return
	}
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 || !strings.HasPrefix(r.UserAgent(), "sumoship/") {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer source.Close()
	cmd := exec.Command(moto.Python(t), "../../../../testdata/template/stack.py", "with", "../../../../template.yaml",
		"SumoEndpoint="+source.URL+"/receiver/v1/http/SECRET", "Subscription=pattern", "LogGroupPattern=^/ecs/", "--", os.Args[0], "-test.run=^TestVerbsOnMoto$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1", "AWS_MAX_ATTEMPTS=1") // moto answers 500 where it has nothing
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") || strings.Contains(string(out), "SECRET") {
		t.Errorf("%v\n%s", err, out)
	}
}

func verbsBesideStack(t *testing.T) {
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, getenv := t.Context(), map[string]string{}
	logs := doctor.LogsFromAWS(cfg)
	functions := lambda.NewFromConfig(cfg)

	// found returns the faults, each once.
	found := func(args ...string) (faults []string, findings []doctor.Finding) {
		t.Helper()
		status, out, errs := clitest.Run(t, new(tree), getenv, append([]string{"doctor", "--json"}, args...)...)
		var r doctor.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("status %d: %v\n%s%s", status, err, out, errs)
		}
		if broken := r.Count(doctor.Broken) > 0; broken != (status == cli.ExitFound) {
			t.Errorf("status %d\n%s", status, out)
		}
		for _, f := range r.Findings {
			if f.Fault != "" && !slices.Contains(faults, f.Fault) {
				faults = append(faults, f.Fault)
			}
		}
		slices.Sort(faults)
		return faults, r.Findings
	}
	// stack.py leaves the timeout a text, which no client reads.
	if _, err := functions.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String(os.Getenv("ReplayName")), Timeout: aws.Int32(300)}); err != nil && !strings.Contains(err.Error(), "deserialization") {
		t.Fatal(err)
	}
	// moto has no alarms of a stack, no policies of an account, no dead-letter queues of
	// functions, and does not speak the protocol of metrics.
	missing := []string{"alarms-none", "forwarder-without-queue", "not-seen"}
	faults, findings := found("--stack", os.Getenv("STACK"))
	if diff := cmp.Diff(missing, faults); diff != "" {
		t.Errorf("(-want +got):\n%s\n%+v", diff, findings)
	}
	for _, check := range []string{"replay", "endpoint", "permission", "event source mapping", "dead-letter queue", "quarantine queue"} {
		if !slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Check == check && f.Status == doctor.Sound }) {
			t.Errorf("%s is not sound: %+v", check, findings)
		}
	}

	// The verbs that look at what it does.
	report := `{"time":"` + time.Now().UTC().Format(time.RFC3339Nano) + `","level":"WARN","msg":"dead-lettered","version":"v1.2.3","logGroup":"/ecs/shop","events":3,"confirmed":1,"deadLettered":2,"ms":45,"class":"unavailable","error":"503"}`
	if err := logs.Put(ctx, os.Getenv("ForwarderLogGroup"), "s", report, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := logs.Put(ctx, os.Getenv("ForwarderLogGroup"), "s", `{"level":"INFO","_aws":{"Timestamp":1}}`, time.Now()); err != nil {
		t.Fatal(err)
	}
	status, out, errs := clitest.Run(t, new(tree), getenv, "tail", "--no-follow")
	if want := "  forwarder   dead-lettered  /ecs/shop  1 of 3 log events confirmed, 2 dead-lettered  45 ms  unavailable 503\n"; status != 0 || !strings.HasSuffix(out, want) || strings.Count(out, "\n") != 1 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if _, out, _ := clitest.Run(t, new(tree), getenv, "tail", "--no-follow", "--jsonl", "--function", "forwarder"); out != report+"\n" {
		t.Error(out)
	}
	// Faults.
	if _, err := functions.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String(os.Getenv("ForwarderName")), ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	mappings, err := functions.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: aws.String(os.Getenv("ReplayName"))})
	if err != nil || len(mappings.EventSourceMappings) != 1 {
		t.Fatal(err)
	}
	if _, err := functions.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: mappings.EventSourceMappings[0].UUID, Enabled: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	if _, err := secretsmanager.NewFromConfig(cfg).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(os.Getenv("EndpointArn")), SecretString: aws.String("not a URL")}); err != nil {
		t.Fatal(err)
	}
	queues := sqs.NewFromConfig(cfg)
	if _, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(os.Getenv("QuarantineQueueUrl")), MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String(os.Getenv("DeadLetterQueueUrl"))}); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"endpoint-invalid", "forwarder-paused", "group-missing", "quarantined", "queue-missing", "replay-off"}, missing...)
	slices.Sort(want)
	if faults, findings := found("--log-group", "/ecs/nowhere"); !cmp.Equal(want, faults) {
		t.Errorf("(-want +got):\n%s\n%+v", cmp.Diff(want, faults), findings)
	}
	if faults, findings := found("--stack", "nowhere"); !cmp.Equal([]string{"stack-unknown"}, faults) {
		t.Errorf("%v\n%+v", faults, findings)
	}
	status, out, errs = clitest.Run(t, new(tree), getenv, "status", "--stack", "nowhere")
	if status != cli.ExitUsage || out != "" || !strings.Contains(errs, "no stack nowhere in us-east-1: name it by --stack") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// What status writes for people.
func TestStatusText(t *testing.T) {
	n := 12
	var out strings.Builder
	if err := cli.WriteTable(&out, nil, overview(&doctor.Overview{Stack: "sumoship", Region: "eu-west-1", Account: "123456789012", State: "UPDATE_COMPLETE",
		Versions: map[string]string{"replay": "v1", "forwarder": "v2"}, Minutes: 5, Events: 5100, Confirmed: 5000, Bytes: 1_000_000,
		Failures: map[string]int{"unavailable": 90, "throttled": 10}, Breaker: "open", Queue: 3, Oldest: 90, Quarantine: 1, Subscribed: &n, Alarms: []string{"a", "b"}})); err != nil {
		t.Fatal(err)
	}
	want := `stack              sumoship in eu-west-1 of account 123456789012, UPDATE_COMPLETE
versions           forwarder v2, replay v1
shipped            1000 log events a minute, 200 kB a minute, 5000 of 5100 confirmed in 5 minutes
failures           throttled 10, unavailable 90
breaker            open
dead-letter queue  3 messages, the oldest 1m30s
quarantine queue   1 message
subscribed         12 log groups
alarms             a, b
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What doctor writes for people.
func TestDoctorText(t *testing.T) {
	r := &doctor.Report{Findings: []doctor.Finding{
		{Check: "stack", Status: doctor.Sound, Seen: "there"},
		{Check: "endpoint", Status: doctor.Broken, Seen: "refused", Fault: "x", Why: "it matters a great deal to all who read", Mend: "do this and that and also the other thing"},
	}}
	for columns, want := range map[string]string{
		"": "✔ stack     there\n✘ endpoint  refused\n            it matters a great deal to all who read\n            → do this and that and also the other thing\n\n1 sound, 0 doubtful, 1 broken\n",
		"40": "✔ stack     there\n✘ endpoint  refused\n            it matters a great deal to\n            all who read\n" +
			"            → do this and that and also\n              the other thing\n\n1 sound, 0 doubtful, 1 broken\n",
	} {
		var out strings.Builder
		if err := write(cli.Streams{Out: &out, Getenv: func(string) string { return columns }}, r); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.ReplaceAll(out.String(), " \n", "\n"), " \n", "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s columns (-want +got):\n%s", columns, diff)
		}
	}
}
