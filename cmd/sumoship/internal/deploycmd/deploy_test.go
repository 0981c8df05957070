package deploycmd

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/stackcmd"
	"sumoship/function/awstest/moto"
	"sumoship/sumo/leaktest"
)

// tree has the verbs of this package.
type tree struct {
	Deploy   Deploy   `cmd:""`
	Rollback Rollback `cmd:""`
	Destroy  Destroy  `cmd:""`
}

const endpointURL = "https://collectors.example.com/receiver/v1/http/" + leaktest.Secret

func run(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	verbs := new(tree)
	verbs.Deploy.Canary = stackcmd.SendCanary
	return clitest.Run(t, verbs, variables, args...)
}

// releaseOf writes what a release has beside the command: the expanded template of this
// repository, as far as moto creates it, and archives with some content.
func releaseOf(t *testing.T, expanded []byte, content string) (dir, prefix string) {
	t.Helper()
	prefix = "sumoship/" + content + "/"
	dir = t.TempDir()
	var doc map[string]any
	if err := json.Unmarshal(expanded, &doc); err != nil {
		t.Fatal(err)
	}
	doc["Parameters"].(map[string]any)[codePrefix].(map[string]any)["Default"] = prefix
	for name, r := range doc["Resources"].(map[string]any) {
		kind := r.(map[string]any)["Type"].(string)
		// moto has no support for these in stacks.
		if strings.HasPrefix(kind, "AWS::CloudWatch::") || kind == "AWS::Logs::Destination" {
			delete(doc["Resources"].(map[string]any), name)
		}
		if kind == "AWS::Lambda::Function" {
			// moto leaves a Number in a variable a number, which no client of Lambda expects.
			properties, _ := r.(map[string]any)["Properties"].(map[string]any)
			// It finds what a changed parameter changes by Ref alone, not in Fn::Sub.
			if code, ok := properties["Code"].(map[string]any); ok {
				_, rest, _ := strings.Cut(code["S3Key"].(map[string]any)["Fn::Sub"].(string), "${CodePrefix}")
				code["S3Key"] = map[string]any{"Fn::Join": []any{"", []any{map[string]any{"Ref": codePrefix}, map[string]any{"Fn::Sub": rest}}}}
			}
			environment, _ := properties["Environment"].(map[string]any)
			variables, _ := environment["Variables"].(map[string]any)
			for variable, value := range variables {
				if ref, ok := value.(map[string]any)["Ref"].(string); ok {
					variables[variable] = map[string]any{"Fn::Sub": "${" + ref + "}"}
				}
			}
			for _, architecture := range []string{"arm64", "x86_64"} {
				var buf bytes.Buffer
				w := zip.NewWriter(&buf)
				f, err := w.Create("bootstrap")
				if err != nil {
					t.Fatal(err)
				}
				f.Write([]byte(name + architecture + content))
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				put(t, filepath.Join(dir, filepath.FromSlash(prefix), strings.ToLower(name)+"-"+architecture+".zip"), buf.Bytes())
			}
		}
	}
	for _, output := range []string{"DashboardUrl", "DestinationArn"} {
		delete(doc["Outputs"].(map[string]any), output)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, filepath.FromSlash(prefix), templateName), body)
	return dir, prefix
}

func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// expanded returns the template of a release.
func expanded(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), templateName)
	root := "../../../../"
	if out, err := exec.Command(moto.Python(t), root+"release/expand.py", root+"template.yaml", "sumoship/x/", "v1.2.3", file).CombinedOutput(); err != nil {
		t.Fatalf("expand.py: %v\n%s", err, out)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// account is moto, and what it lacks: outputs of a stack that a change set makes, the
// protocol of Amazon CloudWatch, and a forwarder that answers the canary.
type account struct {
	*httptest.Server
	logs       *cloudwatchlogs.Client
	outputs    map[string]string // of the stack
	changeSets []url.Values      // how they were asked for
	parameters map[string]string // of the stack
	watched    string            // the rollback configuration that CloudFormation keeps
	asked      map[string]string // those of the last change set
	canaries   []string          // messages
}

func startAccount(t *testing.T) *account {
	endpoint := moto.Start(t)
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{outputs: map[string]string{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			if bytes.Contains(body, []byte("<DescribeStacksResult>")) {
				var members strings.Builder
				for name, value := range a.outputs {
					fmt.Fprintf(&members, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", name, value)
				}
				body = bytes.Replace(bytes.Replace(body, []byte("<Outputs/>"), nil, 1), []byte("<StackName>"), []byte("<Outputs>"+members.String()+"</Outputs>"+a.watched+"<StackName>"), 1)
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/operation/DescribeAlarms") {
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.Header().Set("Content-Type", "application/cbor")
			_, _ = w.Write(cbor.Encode(cbor.Map{"MetricAlarms": cbor.List{cbor.Map{
				"AlarmName": cbor.String("logs-critical-LostAlarm"), "AlarmArn": cbor.String(alarmARN + "logs-critical-LostAlarm"), "StateValue": cbor.String("OK"),
			}}}))
			return
		}
		if form, err := url.ParseQuery(string(body)); err == nil {
			switch form.Get("Action") {
			case "CreateChangeSet":
				a.changeSets = append(a.changeSets, form)
				body = []byte(a.previous(form).Encode())
			case "ExecuteChangeSet":
				a.parameters, a.watched = a.asked, ""
				if last := a.changeSets[len(a.changeSets)-1]; last.Has("RollbackConfiguration.RollbackTriggers.member.1.Arn") {
					a.watched = "<RollbackConfiguration><RollbackTriggers><member><Arn>" + last.Get("RollbackConfiguration.RollbackTriggers.member.1.Arn") + "</Arn></member></RollbackTriggers></RollbackConfiguration>"
				}
			}
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
		var put struct {
			LogGroupName string
			LogEvents    []struct{ Message string }
		}
		if r.Header.Get("X-Amz-Target") == "Logs_20140328.PutLogEvents" && json.Unmarshal(body, &put) == nil && put.LogGroupName == a.outputs["HeartbeatLogGroup"] {
			a.canaries = append(a.canaries, put.LogEvents[0].Message)
			a.report(t, put.LogGroupName)
		}
	}))
	t.Cleanup(a.Close)
	clitest.SetAWS(t, a.URL)
	return a
}

// previous asks with the values that parameters keep, as CloudFormation does: moto takes
// what refers to one that is asked for so for changed, and then loses a log group, which
// it cannot update.
func (a *account) previous(form url.Values) url.Values {
	out := url.Values{}
	for name, value := range form {
		if !strings.HasPrefix(name, "Parameters.") {
			out[name] = value
		}
	}
	a.asked = map[string]string{}
	for i := 1; form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", i)); i++ {
		member := fmt.Sprintf("Parameters.member.%d.", i)
		name, value := form.Get(member+"ParameterKey"), form.Get(member+"ParameterValue")
		if form.Get(member+"UsePreviousValue") == "true" {
			before, given := a.parameters[name]
			if !given {
				continue // the default
			}
			value = before
		}
		a.asked[name] = value
		to := fmt.Sprintf("Parameters.member.%d.", len(a.asked))
		out.Set(to+"ParameterKey", name)
		out.Set(to+"ParameterValue", value)
	}
	return out
}

// report writes what the forwarder would about a log event.
func (a *account) report(t *testing.T, group string) {
	forwarder, now := a.outputs["ForwarderLogGroup"], time.Now()
	for range 2 { // there may be no stream yet
		_, err := a.logs.PutLogEvents(context.WithoutCancel(t.Context()), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &forwarder, LogStreamName: aws.String("played"), LogEvents: []logstypes.InputLogEvent{{
			Timestamp: aws.Int64(now.UnixMilli()), Message: aws.String(fmt.Sprintf(`{"time":%q,"logGroup":%q,"events":1,"confirmed":1,"ms":7}`, now.Format(time.RFC3339Nano), group)),
		}}})
		if err == nil {
			return
		}
		if _, err := a.logs.CreateLogStream(context.WithoutCancel(t.Context()), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &forwarder, LogStreamName: aws.String("played")}); err != nil {
			t.Error(err)
		}
	}
	t.Error("the forwarder's report was not written")
}

// With what a release has and nothing else, the stack of the template is created,
// updated, rolled back and deleted, with one command each.
func TestReleaseOnMoto(t *testing.T) {
	a := startAccount(t)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.logs = cloudwatchlogs.NewFromConfig(cfg)
	stacks, buckets, functions := cloudformation.NewFromConfig(cfg), s3.NewFromConfig(cfg), lambda.NewFromConfig(cfg)
	template := expanded(t)
	one, onePrefix := releaseOf(t, template, "one")
	two, twoPrefix := releaseOf(t, template, "two")
	variables := map[string]string{"SUMO_ENDPOINT": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sumo-AbCdEf"}
	samconfig := filepath.Join(t.TempDir(), "logs.toml")
	// With all functions: moto updates a resource whose condition is false, and fails.
	put(t, samconfig, []byte("[default.deploy.parameters]\nstack_name = \"logs\"\ntags = \"team=ops\"\n"+
		"parameter_overrides = [\"LogRetention=7\", \"SourceCategoryOverride=aws/logs of all\", \"Subscription=pattern\", \"LogGroupPattern=^/ecs/\", \"OrganizationId=o-a1b2c3d4e5\"]\n"))
	const bucket = "sumoship-123456789012-eu-west-1"

	// A dry run makes no stack.
	status, out, errs := run(t, variables, "deploy", "--from", one, "--parameters", samconfig, "--dry-run")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "create stack logs in eu-west-1, account 123456789012", "SourceCategoryOverride = aws/logs of all", "× AWS::SQS::Queue", "nothing was changed")
	clitest.Mentions(t, errs, "bucket "+bucket+" is new; 11 files uploaded")
	asked := a.changeSets
	clitest.Look{Args: "deploy --dry-run --from " + one + " --parameters " + samconfig, Colour: "\x1b[32mnew\x1b[0m"}.Check(t, new(tree), variables)
	a.changeSets = asked
	status, _, errs = run(t, nil, "destroy", "--stack", "logs", "--yes")
	if status != cli.ExitFound || !strings.Contains(errs, "no stack logs, or you may not see it (looked in ") {
		t.Errorf("status %d: %s", status, errs)
	}
	// As if the command had ended before the bucket was whole, and somebody had set a key.
	if _, err := buckets.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	if _, err := buckets.DeleteBucketLifecycle(t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	if _, err := buckets.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: aws.String(bucket), ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms}}},
	}}); err != nil {
		t.Fatal(err)
	}

	physical := func(name string) string {
		out, err := stacks.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: aws.String("logs")})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.StackResources {
			if aws.ToString(r.LogicalResourceId) == name {
				return aws.ToString(r.PhysicalResourceId)
			}
		}
		t.Fatalf("the stack has no %s", name)
		return ""
	}
	// The deployed function: its memory, and which release its code is of.
	deployed := func() (memory int32, release string) {
		f, err := functions.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(physical("Forwarder"))})
		if err != nil {
			t.Fatal(err)
		}
		for dir, prefix := range map[string]string{one: onePrefix, two: twoPrefix} {
			content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(prefix), "forwarder-arm64.zip"))
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(content); base64.StdEncoding.EncodeToString(sum[:]) == aws.ToString(f.Configuration.CodeSha256) {
				return aws.ToInt32(f.Configuration.MemorySize), prefix
			}
		}
		return aws.ToInt32(f.Configuration.MemorySize), "another"
	}
	var results []result
	for _, c := range []struct {
		args     []string
		status   int
		mentions []string
		memory   int32 // 0 if there is no stack afterwards
		want     map[string]string
	}{
		{[]string{"deploy", "--from", one, "--parameters", samconfig}, cli.ExitOK, []string{"stack logs: CREATE_COMPLETE", bucket + " is there; 0 files uploaded", "CREATE_COMPLETE"}, 256,
			map[string]string{codePrefix: onePrefix, "LogRetention": "7", previousCode: "", "SumoEndpointArn": variables["SUMO_ENDPOINT"], codeBucket: bucket}},
		{[]string{"rollback"}, cli.ExitFound, []string{"has had no other release"}, 256, nil},
		// What is not given keeps its value.
		{[]string{"deploy", "--from", two, "--set", "ForwarderMemory=512", "--diff", "--monitor", "20m", "--json"}, cli.ExitOK,
			[]string{"update stack logs", `+      "Default": "sumoship/two/"`, `ForwarderMemory = 512, before "256"`, "watched for 20 minutes afterwards", ": logs-critical-LostAlarm", "stack logs: UPDATE_COMPLETE",
				"(sumoship doctor --canary)", "invoked with 1 log event", "confirmed"}, 512,
			map[string]string{codePrefix: twoPrefix, "LogRetention": "7", "SourceCategoryOverride": "aws/logs of all", previousCode: onePrefix}},
		{[]string{"deploy", "--from", two, "--set", "ForwarderMemory=1024", "--no-canary"}, cli.ExitOK, []string{`ForwarderMemory = 1024, before "512"`}, 1024,
			map[string]string{codePrefix: twoPrefix, "LogRetention": "7", previousCode: onePrefix}},
		{[]string{"rollback"}, cli.ExitOK, []string{"with the functions of sumoship/one/"}, 1024,
			map[string]string{codePrefix: onePrefix, "ForwarderMemory": "1024", previousCode: twoPrefix}},
		{[]string{"rollback", "--json"}, cli.ExitOK, []string{"with the functions of sumoship/two/"}, 1024,
			map[string]string{codePrefix: twoPrefix, "ForwarderMemory": "1024", previousCode: onePrefix}},
		{[]string{"destroy", "--json"}, cli.ExitOK, []string{"these stay, with what is in them: CentralBucket, CentralStream, DeadLetterQueue, QuarantineQueue", " has 0 messages", "stack logs is deleted"}, 0, nil},
	} {
		status, out, errs := run(t, variables, append(c.args, "--stack", "logs", "--yes")...)
		if status != c.status {
			t.Fatalf("%v: status %d\n%s%s", c.args, status, out, errs)
		}
		clitest.Mentions(t, out+errs, c.mentions...)
		if slices.Contains(c.args, "--json") {
			results = append(results, resultOf(t, out))
		}
		if c.memory == 0 {
			continue
		}
		memory, release := deployed()
		if memory != c.memory || c.want != nil && release != c.want[codePrefix] {
			t.Errorf("%v: the forwarder has %d MB, and the code of %s", c.args, memory, release)
		}
		described, err := stacks.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("logs")})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range c.want {
			if got := parameter(&described.Stacks[0], name); got != want {
				t.Errorf("%v: %s is %q, want %q", c.args, name, got, want)
			}
		}
		if len(a.outputs) == 0 {
			clitest.Look{Args: "destroy --dry-run --stack logs", Colour: "\x1b[32mthese stay\x1b[0m"}.Check(t, new(tree), nil)
		}
		if len(a.outputs) == 0 { // after the first deployment: what moto lacks
			for output, resource := range map[string]string{"HeartbeatLogGroup": "HeartbeatLogs", "ForwarderLogGroup": "ForwarderLogs", "DeadLetterQueueUrl": "DeadLetterQueue"} {
				a.outputs[output] = physical(resource)
			}
		}
	}

	// As JSON, with what was said on standard error; moto names no changes of an update.
	if u, b, d := results[0], results[1], results[2]; b.Action != rolledBack || b.Before.Functions != onePrefix || b.After.Functions != twoPrefix || u.Action != updated || u.Before.Functions != onePrefix || u.After.Functions != twoPrefix || u.Canary == nil || !u.Canary.Arrived() ||
		u.Outputs["HeartbeatLogGroup"] == "" || d.Action != deleted || len(withEffect(d.Changes, drains)) != 4 || len(d.Queues) != 1 {
		t.Errorf("results %+v", results)
	}
	// The canary went into the log group of the heartbeat, after the deployment that did not
	// say otherwise.
	if len(a.canaries) != 1 || !strings.Contains(a.canaries[0], `"sumoship":"heartbeat"`) {
		t.Errorf("canaries %v", a.canaries)
	}
	// moto ignores which alarms are watched; this is how it was asked: for the update, and
	// to take them off again with the next.
	for i, form := range a.changeSets {
		want := map[int]string{2: "20 arn:aws:cloudwatch:eu-west-1:123456789012:alarm:logs-critical-LostAlarm AWS::CloudWatch::Alarm", 3: "0 none"}[i]
		got := strings.TrimSpace(form.Get("RollbackConfiguration.MonitoringTimeInMinutes") + " " + form.Get("RollbackConfiguration.RollbackTriggers.member.1.Arn") + " " + form.Get("RollbackConfiguration.RollbackTriggers.member.1.Type"))
		if form.Has("RollbackConfiguration.RollbackTriggers") { // an empty list
			got += " none"
		}
		if got != want {
			t.Errorf("change set %d is watched by %q, want %q", i, got, want)
		}
	}
	if len(a.changeSets) != 6 {
		t.Errorf("%d change sets", len(a.changeSets))
	}
	closed, err := buckets.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: aws.String(bucket)})
	if err != nil || !aws.ToBool(closed.PublicAccessBlockConfiguration.BlockPublicPolicy) {
		t.Errorf("the bucket is open: %v", err)
	}
	encryption, err := buckets.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: aws.String(bucket)})
	if err != nil || encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != s3types.ServerSideEncryptionAwsKms {
		t.Errorf("the encryption of the bucket was changed: %v", err)
	}
	if _, err := buckets.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String(bucket)}); err != nil {
		t.Error(err)
	}
}

// resultOf reads a result, and nothing else.
func resultOf(t *testing.T, out string) (r result) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&r); err != nil || d.More() {
		t.Fatalf("%v, or more than a result:\n%s", err, out)
	}
	return r
}

// What is wrong is refused before AWS is asked, with what to do.
func TestDeployRefuses(t *testing.T) {
	dir, prefix := releaseOf(t, tiny, "one")
	other := t.TempDir()
	body, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(prefix), templateName))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(other, "sumoship/two", templateName), body)
	torn, tornPrefix := releaseOf(t, tiny, "torn")
	if err := os.Remove(filepath.Join(torn, filepath.FromSlash(tornPrefix), "forwarder-x86_64.zip")); err != nil {
		t.Fatal(err)
	}
	transformed := t.TempDir()
	put(t, filepath.Join(transformed, "sumoship/x", templateName), []byte(`{"Transform":"AWS::Serverless-2016-10-31","Parameters":{},"Resources":{}}`))
	bad := filepath.Join(t.TempDir(), "bad.toml")
	put(t, bad, []byte("[default.deploy.parameters]\nparameter_overrides = \"LogRetention=7 ExcludedLogGroups='a\"\n"))
	notTOML := filepath.Join(t.TempDir(), "not.toml")
	put(t, notTOML, []byte("[default\n"))
	for _, c := range []struct {
		name  string
		args  []string
		wants []string
	}{
		{"a plain build", []string{"deploy"}, []string{"not beside this command", "make bucket"}},
		{"no directory", []string{"deploy", "--from", "/nowhere"}, []string{"--from: /nowhere has no sumoship/*/template.json"}},
		{"another release's template", []string{"deploy", "--from", other}, []string{"is of another release"}},
		{"a missing archive", []string{"deploy", "--from", torn}, []string{"lacks forwarder-x86_64.zip"}},
		{"a template with a transform", []string{"deploy", "--from", transformed}, []string{"has no transform"}},
		{"a misspelt parameter", []string{"deploy", "--from", dir, "--set", "LogRetension=7"}, []string{"did you mean LogRetention?"}},
		{"an unknown parameter", []string{"deploy", "--from", dir, "--set", "Colour=blue"}, []string{"no parameter Colour"}},
		{"a parameter of deploy's own", []string{"deploy", "--from", dir, "--set", "CodeBucket=x"}, []string{"--bucket chooses the bucket"}},
		{"an open quote", []string{"deploy", "--from", dir, "--parameters", bad}, []string{"bad.toml", "parameter_overrides", "a quote is open"}},
		{"no TOML", []string{"deploy", "--from", dir, "--parameters", notTOML}, []string{"not.toml: line "}},
		{"no parameters file", []string{"deploy", "--from", dir, "--parameters", "/nowhere.toml"}, []string{"--parameters: ", "/nowhere.toml"}},
		{"no Region", []string{"deploy", "--from", dir}, []string{"which Region?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clitest.SetAWS(t, "http://127.0.0.1:1")
			t.Setenv("AWS_REGION", "")
			status, out, errs := run(t, nil, c.args...)
			if status != cli.ExitUsage {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
			clitest.Mentions(t, errs, c.wants...)
		})
	}
}

// tiny is a template with one function.
var tiny = []byte(`{"Parameters":{"CodeBucket":{},"CodePrefix":{},"LogRetention":{}},"Outputs":{},"Resources":{"Forwarder":{"Type":"AWS::Lambda::Function"}}}`)

// --write writes the template and the archives, and overwrites nothing.
func TestWrite(t *testing.T) {
	dir, _ := releaseOf(t, tiny, "one")
	to := filepath.Join(t.TempDir(), "out")
	status, out, errs := run(t, nil, "deploy", "--from", dir, "--write", to)
	if status != cli.ExitOK || !strings.Contains(out, "2 function archives") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	var names []string
	entries, _ := os.ReadDir(to)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"forwarder-arm64.zip", "forwarder-x86_64.zip", "template.json"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if status, _, errs = run(t, nil, "deploy", "--from", dir, "--write", to); status != cli.ExitUsage || !strings.Contains(errs, "is not empty") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// The endpoint of a new stack comes from the environment, and is checked, not shown.
func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		given, variables, want map[string]string
		wrong                  string
	}{
		{variables: map[string]string{"SUMO_ENDPOINT": endpointURL}, want: map[string]string{"SumoEndpoint": endpointURL}},
		{variables: map[string]string{"SUMO_ENDPOINT": endpointURL + "\n", "SUMO_TOKEN": "T"}, want: map[string]string{"SumoEndpoint": endpointURL, "SumoToken": "T"}},
		{variables: map[string]string{"SUMO_ENDPOINT": "arn:aws:ssm:x"}, want: map[string]string{"SumoEndpointArn": "arn:aws:ssm:x"}},
		{given: map[string]string{"SumoEndpointArn": "a"}, variables: map[string]string{"SUMO_ENDPOINT": endpointURL}, want: map[string]string{"SumoEndpointArn": "a"}},
		{wrong: "which HTTP Source?"},
		{variables: map[string]string{"SUMO_ENDPOINT": "http://example.com/" + leaktest.Secret}, wrong: "SUMO_ENDPOINT: "},
	} {
		got := map[string]string{}
		maps.Copy(got, c.given)
		err := endpoint(got, func(name string) string { return c.variables[name] })
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || leaktest.Find(err.Error()) != "" {
				t.Errorf("%v: error %v, want %q", c.variables, err, c.wrong)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", c.variables, err, diff)
		}
	}
}

// parameter_overrides and tags are read in each of the shapes that SAM accepts.
func TestSettings(t *testing.T) {
	want := map[string]string{"A": "1", "B": "two words", "C": `a"b`, "D": ""}
	for _, value := range []string{
		`"A=1 B=\"two words\" C='a\"b' D="`, `["A=1", "B=two words", 'C=a"b', "D="]`, `{A = 1, B = "two words", C = 'a"b', D = ""}`,
	} {
		file := filepath.Join(t.TempDir(), "s.toml")
		put(t, file, []byte("[default.global.parameters]\nstack_name = \"first\"\nregion = \"eu-west-1\"\n[default.deploy.parameters]\nstack_name = \"logs\"\ns3_bucket = \"b\"\nparameter_overrides = "+value+"\n"))
		got, err := readSettings(file)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if diff := cmp.Diff(want, got.parameters); diff != "" || got.stack != "logs" || got.region != "eu-west-1" || got.bucket != "b" {
			t.Errorf("%s: %+v (-want +got):\n%s", value, got, diff)
		}
	}
	// The file of the repository.
	if s, err := readSettings("../../../../samconfig.toml"); err != nil || s.stack != "sumoship" || s.tags["application"] != "sumoship" {
		t.Errorf("samconfig.toml: %+v, %v", s, err)
	}
	t.Chdir(t.TempDir())
	if s, err := readSettings(""); err != nil || len(slices.Collect(maps.Keys(s.parameters))) > 0 {
		t.Errorf("without a file: %+v, %v", s, err)
	}
}
