package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/moto"
)

func arguments(parameters map[string]string) []string {
	var args []string
	for name, value := range parameters {
		args = append(args, name+"="+value)
	}
	slices.Sort(args)
	return args
}

// cfn-lint runs the SAM transform itself, for a Region of every partition that
// matters.
func TestTemplateIsLinted(t *testing.T) {
	t.Parallel()
	lint := moto.Tool(t, "cfn-lint", "pip install cfn-lint")
	out, err := exec.Command(lint, "-r", "us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1", "--", "../../template.yaml", "../../source.yaml").CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// described is what testdata/template/stack.py finds in the stack that it has
// created.
type described struct {
	Types       map[string]string
	Transformed map[string]map[string]any
	Physical    map[string]string
	Queues      map[string]map[string]string
	Functions   map[string]struct {
		Runtime, Handler, Role, FunctionArn string
		Timeout, MemorySize                 int
		Environment                         struct{ Variables map[string]any }
	}
	Policies map[string][]struct {
		Action    string
		Effect    string
		Principal struct{ Service string }
		Condition map[string]map[string]string
	}
	Mappings []mapping
	Roles    map[string]struct {
		Arn      string
		Inline   map[string]any
		Attached []any
	}
	Rules   map[string]rule
	Streams map[string]struct {
		StreamARN            string
		RetentionPeriodHours int
	}
	Destinations map[string]struct{ Arn, TargetArn, RoleArn, AccessPolicy string }
	Buckets      map[string]string // their encryption
	LogGroups    map[string]int
	Secrets      map[string]string
	Outputs      map[string]string
	Skipped      []string
}

// mapping is an event source mapping.
type mapping struct {
	EventSourceArn, FunctionArn, State, StartingPosition string
	BatchSize, MaximumBatchingWindowInSeconds            int
	FunctionResponseTypes                                []string
	ScalingConfig                                        map[string]int
}

// rule is a rule of EventBridge.
type rule struct {
	EventPattern, ScheduleExpression, State string
	Targets                                 []string
}

func createOnMoto(t *testing.T, parameters map[string]string) described {
	t.Helper()
	cmd := exec.Command(moto.Python(t), append([]string{"../../testdata/template/stack.py", "create", "../../template.yaml"}, arguments(parameters)...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("stack.py: %v\n%s", err, stderr.String())
	}
	var d described
	decoder := json.NewDecoder(bytes.NewReader(out))
	decoder.UseNumber() // keeps variables as they are written
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return d
}

// The template goes through SAM's own transform, and the stack that comes out of it
// is created; each service is then asked for what is there.
func TestStackOnMoto(t *testing.T) {
	t.Parallel()
	d := createOnMoto(t, with(made, "ReplayTimeout=600", "ForwarderMemory=512", "LogRetention=7", "Subscription=pattern", "LogGroupPattern=^/ecs/", "OrganizationId=o-a1b2c3d4e5"))
	for _, c := range []struct {
		name  string
		check func(*testing.T, described)
	}{
		{"resources after the transform", checkTypes},
		{"functions after the transform", checkTransformed},
		{"what moto skips", checkSkipped},
		{"queues", checkQueues},
		{"functions", checkFunctions},
		{"roles", checkRoles},
		{"event source mapping", checkMapping},
		{"stream of other accounts", checkCentral},
		{"permissions", checkPermissions},
		{"rules of EventBridge", checkRules},
		{"log groups", checkLogGroups},
		{"outputs", checkOutputs},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d) })
	}
}

// SAM adds these resources and nothing else: no roles and policies beside ours.
func checkTypes(t *testing.T, d described) {
	want := map[string]string{
		"ForwarderEventInvokeConfig":       "AWS::Lambda::EventInvokeConfig",
		"ReplayDeadLetters":                "AWS::Lambda::EventSourceMapping",
		"HeartbeatEventInvokeConfig":       "AWS::Lambda::EventInvokeConfig",
		"HeartbeatBeat":                    "AWS::Events::Rule",
		"HeartbeatBeatPermission":          "AWS::Lambda::Permission",
		"SubscriberEventInvokeConfig":      "AWS::Lambda::EventInvokeConfig",
		"SubscriberNewLogGroup":            "AWS::Events::Rule",
		"SubscriberNewLogGroupPermission":  "AWS::Lambda::Permission",
		"SubscriberAllLogGroups":           "AWS::Events::Rule",
		"SubscriberAllLogGroupsPermission": "AWS::Lambda::Permission",
	}
	for name, r := range readTemplate(t).section("Resources") {
		kind := get(r, "Type").(string)
		if kind == "AWS::Serverless::Function" {
			kind = "AWS::Lambda::Function"
		}
		want[name] = kind
	}
	if diff := cmp.Diff(want, d.Types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

func checkTransformed(t *testing.T, d described) {
	object := func(key string, v any) map[string]any { return map[string]any{key: v} }
	getAtt := func(resource string) any { return object("Fn::GetAtt", []any{resource, "Arn"}) }
	for _, name := range []string{"Forwarder", "Replay", "Stream", "Subscriber", "Heartbeat"} {
		f := d.Transformed[name]
		logging := map[string]any{
			"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": object("Ref", name+"Logs"),
		}
		if diff := cmp.Diff(logging, f["LoggingConfig"]); diff != "" {
			t.Errorf("%s: logging (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]any{object("Ref", "Architecture")}, f["Architectures"]); diff != "" {
			t.Errorf("%s: architectures (-want +got):\n%s", name, diff)
		}
		if loops := f["RecursiveLoop"] == "Allow"; loops != (name == "Replay" || name == "Subscriber") {
			t.Errorf("%s: RecursiveLoop %v", name, f["RecursiveLoop"])
		}
	}
	want := object("TargetArn", getAtt("DeadLetterQueue"))
	if diff := cmp.Diff(want, d.Transformed["Forwarder"]["DeadLetterConfig"]); diff != "" {
		t.Errorf("dead-letter config of the forwarder (-want +got):\n%s", diff)
	}
	if f := d.Transformed["Heartbeat"]; !cmp.Equal(f["VpcConfig"], object("Ref", "AWS::NoValue")) || f["TracingConfig"].(map[string]any)["Mode"] != "PassThrough" {
		t.Errorf("heartbeat: VPC %v, tracing %v", f["VpcConfig"], f["TracingConfig"])
	}
	for name, function := range map[string]string{"SubscriberNewLogGroup": "Subscriber", "SubscriberAllLogGroups": "Subscriber", "HeartbeatBeat": "Heartbeat"} {
		p := d.Transformed[name+"Permission"]
		if get(p, "FunctionName", "Ref") != function || p["Principal"] != "events.amazonaws.com" || !cmp.Equal(get(p, "SourceArn"), getAtt(name)) {
			t.Errorf("%s may be called by %v", name, p)
		}
	}
	invoke := d.Transformed["ForwarderEventInvokeConfig"]
	if fmt.Sprintf("%v %v", invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) != "2 21600" {
		t.Errorf("invocations of the forwarder %v, want 2 retries in 21600 s", invoke)
	}
}

func checkSkipped(t *testing.T, d described) {
	canSkip := []string{
		"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission",
		"AWS::CloudWatch::CompositeAlarm", "AWS::SQS::QueuePolicy",
	}
	for _, kind := range d.Skipped {
		if !slices.Contains(canSkip, kind) {
			t.Errorf("moto created no %s", kind)
		}
	}
}

func checkQueues(t *testing.T, d described) {
	for name, q := range d.Queues {
		if q["MessageRetentionPeriod"] != "1209600" || q["MaximumMessageSize"] != "1048576" || q["SqsManagedSseEnabled"] != "true" {
			t.Errorf("%s: %v", name, q)
		}
	}
	dead, quarantine := d.Queues["DeadLetterQueue"], d.Queues["QuarantineQueue"]
	if dead["VisibilityTimeout"] != "3600" || !strings.Contains(dead["RedrivePolicy"], quarantine["QueueArn"]) || quarantine["QueueArn"] == "" {
		t.Errorf("dead-letter queue %v", dead)
	}
}

func checkFunctions(t *testing.T, d described) {
	for name, f := range d.Functions {
		if f.Runtime != "provided.al2023" || f.Handler != "bootstrap" || f.Role != d.Roles[name+"Role"].Arn {
			t.Errorf("%s: %+v", name, f)
		}
		err := start(name, func(v string) string {
			if value, ok := f.Environment.Variables[v]; ok {
				return fmt.Sprint(value)
			}
			return ""
		})
		if err != nil {
			t.Errorf("%s does not start: %v", name, err)
		}
	}
	for name, want := range map[string]struct {
		timeout   int
		variables map[string]string
	}{
		"Forwarder": {60, map[string]string{"TASK_QUEUE_URL": d.Physical["DeadLetterQueue"]}},
		"Replay":    {600, map[string]string{"TASK_QUEUE_URL": d.Physical["DeadLetterQueue"], "QUARANTINE_QUEUE_URL": d.Physical["QuarantineQueue"]}},
		"Subscriber": {900, map[string]string{
			"DESTINATION_ARN": d.Functions["Forwarder"].FunctionArn,
			"OWN_LOG_GROUPS":  "/sumoship/sumoship/forwarder,/sumoship/sumoship/heartbeat,/sumoship/sumoship/replay,/sumoship/sumoship/stream,/sumoship/sumoship/subscriber",
		}},
	} {
		f := d.Functions[name]
		if f.Timeout != want.timeout {
			t.Errorf("%s: timeout %d s, want %d s", name, f.Timeout, want.timeout)
		}
		for v, value := range want.variables {
			if f.Environment.Variables[v] != value {
				t.Errorf("%s: %s is %v, want %s", name, v, f.Environment.Variables[v], value)
			}
		}
	}
	if f := d.Functions["Forwarder"]; f.MemorySize != 512 {
		t.Errorf("forwarder: %d MB, want 512 MB", f.MemorySize)
	}
}

func checkRoles(t *testing.T, d described) {
	for name, r := range d.Roles {
		want := []string{strings.ToLower(strings.TrimSuffix(name, "Role"))}
		switch name {
		case "SubscriberRole":
			want = []string{"call-itself", "subscriber"}
		case "CentralRole":
			want = []string{"stream"}
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(r.Inline))); diff != "" || len(r.Attached) != 0 {
			t.Errorf("%s: attached %v, inline (-want +got):\n%s", name, r.Attached, diff)
		}
	}
}

func checkMapping(t *testing.T, d described) {
	if len(d.Mappings) != 2 {
		t.Fatalf("mappings %+v", d.Mappings)
	}
	slices.SortFunc(d.Mappings, func(a, b mapping) int { return strings.Compare(b.EventSourceArn, a.EventSourceArn) })
	if m := d.Mappings[1]; m.EventSourceArn != d.Streams["CentralStream"].StreamARN || m.FunctionArn != d.Functions["Stream"].FunctionArn ||
		m.BatchSize != 500 || !slices.Equal(m.FunctionResponseTypes, []string{"ReportBatchItemFailures"}) || m.StartingPosition != "TRIM_HORIZON" {
		t.Errorf("mapping of the stream %+v", m)
	}
	m := d.Mappings[0]
	if m.EventSourceArn != d.Queues["DeadLetterQueue"]["QueueArn"] || m.FunctionArn != d.Functions["Replay"].FunctionArn || m.State != "Enabled" {
		t.Errorf("mapping %+v", m)
	}
	if m.BatchSize != 10 || !slices.Equal(m.FunctionResponseTypes, []string{"ReportBatchItemFailures"}) || m.ScalingConfig["MaximumConcurrency"] != 10 {
		t.Errorf("mapping %+v", m)
	}
}

// The way of the log events of other accounts: destination, stream, mapping.
func checkCentral(t *testing.T, d described) {
	stream, bucket, destination := d.Streams["CentralStream"], d.Buckets["CentralBucket"], d.Destinations["sumoship"]
	// moto drops the mode and the encryption of a stream in a stack.
	if stream.RetentionPeriodHours != 168 || stream.StreamARN == "" {
		t.Errorf("stream %+v", stream)
	}
	if bucket != "AES256" { // moto drops the rest, too
		t.Errorf("the bucket is encrypted with %q", bucket)
	}
	if destination.TargetArn != stream.StreamARN || destination.RoleArn != d.Roles["CentralRole"].Arn || destination.Arn != d.Outputs["DestinationArn"] {
		t.Errorf("destination %+v", destination)
	}
	if !strings.Contains(destination.AccessPolicy, `"aws:PrincipalOrgID":"o-a1b2c3d4e5"`) || !json.Valid([]byte(destination.AccessPolicy)) {
		t.Errorf("policy of the destination: %s", destination.AccessPolicy)
	}
}

func checkPermissions(t *testing.T, d described) {
	if len(d.Policies["Forwarder"]) != 1 || len(d.Policies["Replay"]) != 0 || len(d.Policies["Subscriber"]) != 2 || len(d.Policies["Heartbeat"]) != 1 {
		t.Fatalf("permissions %+v", d.Policies)
	}
	p := d.Policies["Forwarder"][0]
	account, source := p.Condition["StringEquals"]["AWS:SourceAccount"], p.Condition["ArnLike"]["AWS:SourceArn"]
	if p.Principal.Service != "logs.amazonaws.com" || p.Action != "lambda:InvokeFunction" ||
		account != testAccount || source != "arn:aws:logs:us-east-1:123456789012:log-group:*" {
		t.Errorf("permission %+v", p)
	}
}

func checkRules(t *testing.T, d described) {
	const created = `{"detail":{"errorCode":[{"exists":false}],"eventName":["CreateLogGroup"]},` +
		`"detail-type":["AWS API Call via CloudTrail"],"source":["aws.logs"]}`
	for name, want := range map[string]rule{
		"SubscriberNewLogGroup":  {EventPattern: created},
		"SubscriberAllLogGroups": {ScheduleExpression: "rate(6 hours)"},
		"HeartbeatBeat":          {ScheduleExpression: "rate(5 minutes)"},
	} {
		function := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "NewLogGroup"), "AllLogGroups"), "Beat")
		want.State, want.Targets = "ENABLED", []string{d.Functions[function].FunctionArn}
		if diff := cmp.Diff(want, d.Rules[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func checkLogGroups(t *testing.T, d described) {
	want := map[string]int{
		"/sumoship/sumoship/forwarder": 7, "/sumoship/sumoship/heartbeat": 7, "/sumoship/sumoship/replay": 7, "/sumoship/sumoship/subscriber": 7,
		"/sumoship/sumoship/stream": 7,
	}
	if diff := cmp.Diff(want, d.LogGroups); diff != "" {
		t.Errorf("retention in days (-want +got):\n%s", diff)
	}
}

func checkOutputs(t *testing.T, d described) {
	want := slices.Sorted(maps.Keys(readTemplate(t).section("Outputs")))
	want = slices.DeleteFunc(want, func(o string) bool { return o == "DashboardUrl" }) // moto has no dashboards
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(d.Outputs))); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// samconfig.toml is TOML, asks for no more than the stack needs, and names only
// parameters that exist.
func TestSamconfig(t *testing.T) {
	path := moto.Tool(t, "python3", "Python 3.11")
	out, err := exec.Command(path, "-c", "import json, tomllib; print(json.dumps(tomllib.load(open('../../samconfig.toml', 'rb'))))").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var c map[string]any
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	deploy, _ := get(c, "default", "deploy", "parameters").(map[string]any)
	if c["version"] != 0.1 || deploy["capabilities"] != "CAPABILITY_NAMED_IAM" || get(c, "default", "build", "parameters", "cached") != false {
		t.Errorf("samconfig.toml: %v", c)
	}
	overrides, _ := deploy["parameter_overrides"].([]any)
	for _, o := range overrides {
		name, value, _ := strings.Cut(o.(string), "=")
		if readTemplate(t).section("Parameters")[name] == nil || !readTemplate(t).accepts(t, name, value) {
			t.Errorf("parameter_overrides: %s", o)
		}
	}
}
