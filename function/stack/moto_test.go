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
	lint := moto.Tool(t, "cfn-lint", "pip install cfn-lint")
	out, err := exec.Command(lint, "-r", "us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1", "--", "../../template.yaml").CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// described is what testdata/template/stack.py found after it had created the
// stack.
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
	Mappings []struct {
		EventSourceArn, FunctionArn, State        string
		BatchSize, MaximumBatchingWindowInSeconds int
		FunctionResponseTypes                     []string
		ScalingConfig                             map[string]int
	}
	Roles map[string]struct {
		Arn      string
		Inline   map[string]any
		Attached []any
	}
	Rules     map[string]rule
	LogGroups map[string]int
	Secrets   map[string]string
	Outputs   map[string]string
	Skipped   []string
}

// rule is one of EventBridge.
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
	decoder.UseNumber() // a variable is to be seen as it is written
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return d
}

// The template goes through SAM's own transform, and what comes out makes a
// stack whose parts are really there.
func TestStackOnMoto(t *testing.T) {
	d := createOnMoto(t, with(made, "ReplayTimeout=600", "ForwarderMemory=512", "LogRetention=7", "Subscription=pattern", "LogGroupPattern=^/ecs/"))

	// What SAM adds, and nothing else: no roles and policies beside ours.
	s := readTemplate(t)
	want := map[string]string{
		"ForwarderEventInvokeConfig": "AWS::Lambda::EventInvokeConfig", "ReplayDeadLetters": "AWS::Lambda::EventSourceMapping",
		"SubscriberEventInvokeConfig": "AWS::Lambda::EventInvokeConfig",
		"SubscriberNewLogGroup":       "AWS::Events::Rule", "SubscriberNewLogGroupPermission": "AWS::Lambda::Permission",
		"SubscriberAllLogGroups": "AWS::Events::Rule", "SubscriberAllLogGroupsPermission": "AWS::Lambda::Permission",
	}
	for name, r := range s.section("Resources") {
		kind := get(r, "Type").(string)
		if kind == "AWS::Serverless::Function" {
			kind = "AWS::Lambda::Function"
		}
		want[name] = kind
	}
	if diff := cmp.Diff(want, d.Types); diff != "" {
		t.Errorf("resources after the transform:\n%s", diff)
	}
	forwarder, replay, subscriber := d.Transformed["Forwarder"], d.Transformed["Replay"], d.Transformed["Subscriber"]
	for name, f := range map[string]map[string]any{"Forwarder": forwarder, "Replay": replay, "Subscriber": subscriber} {
		if diff := cmp.Diff(map[string]any{"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": map[string]any{"Ref": name + "Logs"}}, f["LoggingConfig"]); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if diff := cmp.Diff([]any{map[string]any{"Ref": "Architecture"}}, f["Architectures"]); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(map[string]any{"TargetArn": map[string]any{"Fn::GetAtt": []any{"DeadLetterQueue", "Arn"}}}, forwarder["DeadLetterConfig"]); diff != "" {
		t.Errorf("dead-letter config of the forwarder (-want +got):\n%s", diff)
	}
	if replay["RecursiveLoop"] != "Allow" || subscriber["RecursiveLoop"] != "Allow" {
		t.Errorf("RecursiveLoop %v, %v", replay["RecursiveLoop"], subscriber["RecursiveLoop"])
	}
	for _, name := range []string{"SubscriberNewLogGroup", "SubscriberAllLogGroups"} {
		p := d.Transformed[name+"Permission"]
		if get(p, "FunctionName", "Ref") != "Subscriber" || p["Principal"] != "events.amazonaws.com" || !cmp.Equal(get(p, "SourceArn"), any(map[string]any{"Fn::GetAtt": []any{name, "Arn"}})) {
			t.Errorf("%s may be called by %v", name, p)
		}
	}
	invoke := d.Transformed["ForwarderEventInvokeConfig"]
	if fmt.Sprintf("%v %v", invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) != "2 21600" {
		t.Errorf("%v", invoke)
	}

	// What moto made of it, asked of its services one by one.
	canSkip := []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission", "AWS::SQS::QueuePolicy"}
	for _, kind := range d.Skipped {
		if !slices.Contains(canSkip, kind) {
			t.Errorf("moto made no %s", kind)
		}
	}
	dead, quarantine := d.Queues["DeadLetterQueue"], d.Queues["QuarantineQueue"]
	for name, q := range d.Queues {
		if q["MessageRetentionPeriod"] != "1209600" || q["MaximumMessageSize"] != "1048576" || q["SqsManagedSseEnabled"] != "true" {
			t.Errorf("%s: %v", name, q)
		}
	}
	if dead["VisibilityTimeout"] != "3600" || !strings.Contains(dead["RedrivePolicy"], quarantine["QueueArn"]) || quarantine["QueueArn"] == "" {
		t.Errorf("%v", dead)
	}
	for name, f := range d.Functions {
		if f.Runtime != "provided.al2023" || f.Handler != "bootstrap" || f.Role != d.Roles[name+"Role"].Arn ||
			name != "Subscriber" && f.Environment.Variables["TASK_QUEUE_URL"] != d.Physical["DeadLetterQueue"] {
			t.Errorf("%s: %+v", name, f)
		}
		if err := start(name, func(v string) string {
			if value, ok := f.Environment.Variables[v]; ok {
				return fmt.Sprint(value)
			}
			return ""
		}); err != nil {
			t.Errorf("%s does not start: %v", name, err)
		}
	}
	if f := d.Functions["Forwarder"]; f.Timeout != 60 || f.MemorySize != 512 {
		t.Errorf("forwarder %+v", f)
	}
	if f := d.Functions["Replay"]; f.Timeout != 600 || f.Environment.Variables["QUARANTINE_QUEUE_URL"] != d.Physical["QuarantineQueue"] {
		t.Errorf("replay %+v", f)
	}
	if f := d.Functions["Subscriber"]; f.Timeout != 900 || f.Environment.Variables["DESTINATION_ARN"] != d.Functions["Forwarder"].FunctionArn ||
		f.Environment.Variables["OWN_LOG_GROUPS"] != "/sumoship/sumoship/forwarder,/sumoship/sumoship/replay,/sumoship/sumoship/subscriber" {
		t.Errorf("subscriber %+v", f)
	}
	for name, r := range d.Roles {
		policies := []string{strings.ToLower(strings.TrimSuffix(name, "Role"))}
		if name == "SubscriberRole" {
			policies = []string{"call-itself", "subscriber"}
		}
		if !cmp.Equal(policies, slices.Sorted(maps.Keys(r.Inline))) || len(r.Attached) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if len(d.Mappings) != 1 {
		t.Fatalf("mappings %+v", d.Mappings)
	}
	if m := d.Mappings[0]; m.EventSourceArn != dead["QueueArn"] || m.FunctionArn != d.Functions["Replay"].FunctionArn || m.State != "Enabled" || m.BatchSize != 10 ||
		!slices.Equal(m.FunctionResponseTypes, []string{"ReportBatchItemFailures"}) || m.ScalingConfig["MaximumConcurrency"] != 2 {
		t.Errorf("mapping %+v", m)
	}
	if len(d.Policies["Forwarder"]) != 1 || len(d.Policies["Replay"]) != 0 || len(d.Policies["Subscriber"]) != 2 {
		t.Fatalf("permissions %+v", d.Policies)
	}
	p := d.Policies["Forwarder"][0]
	if p.Principal.Service != "logs.amazonaws.com" || p.Action != "lambda:InvokeFunction" || p.Condition["StringEquals"]["AWS:SourceAccount"] != testAccount ||
		p.Condition["ArnLike"]["AWS:SourceArn"] != "arn:aws:logs:us-east-1:123456789012:log-group:*" {
		t.Errorf("permission %+v", p)
	}
	for rule, want := range map[string]rule{
		"SubscriberNewLogGroup":  {EventPattern: `{"detail":{"errorCode":[{"exists":false}],"eventName":["CreateLogGroup"]},"detail-type":["AWS API Call via CloudTrail"],"source":["aws.logs"]}`},
		"SubscriberAllLogGroups": {ScheduleExpression: "rate(6 hours)"},
	} {
		want.State, want.Targets = "ENABLED", []string{d.Functions["Subscriber"].FunctionArn}
		if diff := cmp.Diff(want, d.Rules[rule]); diff != "" {
			t.Errorf("%s:\n%s", rule, diff)
		}
	}
	if diff := cmp.Diff(map[string]int{"/sumoship/sumoship/forwarder": 7, "/sumoship/sumoship/replay": 7, "/sumoship/sumoship/subscriber": 7}, d.LogGroups); diff != "" {
		t.Errorf("log groups (-want +got):\n%s", diff)
	}
	outputs := slices.Sorted(maps.Keys(s.section("Outputs")))
	outputs = slices.DeleteFunc(outputs, func(o string) bool { return o == "DashboardUrl" })
	if diff := cmp.Diff(outputs, slices.Sorted(maps.Keys(d.Outputs))); diff != "" {
		t.Errorf("outputs:\n%s", diff)
	}
}

// samconfig.toml is TOML, asks for no more than is needed, and names only
// parameters that exist.
func TestSamconfig(t *testing.T) {
	path := moto.Tool(t, "python3", "Python 3.11")
	out, err := exec.Command(path, "-c", "import tomllib,json; print(json.dumps(tomllib.load(open('../../samconfig.toml','rb'))))").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var c map[string]any
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	deploy, _ := get(c, "default", "deploy", "parameters").(map[string]any)
	if c["version"] != 0.1 || deploy["capabilities"] != "CAPABILITY_IAM" || get(c, "default", "build", "parameters", "cached") != false {
		t.Errorf("%v", c)
	}
	overrides, _ := deploy["parameter_overrides"].([]any)
	for _, o := range overrides {
		name, value, _ := strings.Cut(o.(string), "=")
		if readTemplate(t).section("Parameters")[name] == nil || !readTemplate(t).takes(t, name, value) {
			t.Errorf("parameter_overrides: %s", o)
		}
	}
}
