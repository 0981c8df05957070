package deploycmd

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/stackcmd"
	"sumoship/function/awstest/moto"
)

// tree has the verbs of this package.
type tree struct {
	Deploy   Deploy   `cmd:""`
	Rollback Rollback `cmd:""`
	Destroy  Destroy  `cmd:""`
}

const endpointURL = "https://collectors.example.com/receiver/v1/http/SECRETPATH"

func run(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	verbs := new(tree)
	verbs.Deploy.Canary = stackcmd.SendCanary
	return clitest.Run(t, verbs, variables, args...)
}

// releaseOf writes what a release has beside the command: the expanded template of this
// repository, and archives with some content.
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
		if r.(map[string]any)["Type"] != "AWS::Lambda::Function" {
			continue
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

// With what a release has and nothing else, the stack of the template is created,
// updated, rolled back and deleted, with one command each.
func TestReleaseOnMoto(t *testing.T) {
	a := startAccount(t)
	var canaries []string
	a.deliver = func(message string) { // and a forwarder answers it
		canaries = append(canaries, message)
		a.report(t, fmt.Sprintf(`{"time":%q,"logGroup":"/sumoship/logs/heartbeat","events":1,"confirmed":1,"ms":7}`, time.Now().Format(time.RFC3339Nano)))
	}
	template := expanded(t)
	defaults := map[string]string{}
	read, err := readTemplate(template)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range read.Parameters {
		if name != codeBucket && name != codePrefix {
			defaults[name] = fmt.Sprint(p.Default)
		}
	}
	if err := read.check(defaults); err != nil {
		t.Errorf("defaults that are not allowed: %v", err)
	}
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
	if _, err := a.buckets.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.buckets.DeleteBucketLifecycle(t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.buckets.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: aws.String(bucket), ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms}}},
	}}); err != nil {
		t.Fatal(err)
	}

	// The deployed function: its memory, and which release its code is of.
	deployed := func() (memory int32, release string) {
		physical, err := a.physical(t.Context(), "logs")
		if err != nil {
			t.Fatal(err)
		}
		f, err := a.functions.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(physical["Forwarder"])})
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
		described, err := a.stacks.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("logs")})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range c.want {
			if got := parameter(&described.Stacks[0], name); got != want {
				t.Errorf("%v: %s is %q, want %q", c.args, name, got, want)
			}
		}
		if slices.Contains(c.args, samconfig) { // the first deployment
			clitest.Look{Args: "destroy --dry-run --stack logs", Colour: "\x1b[32mthese stay\x1b[0m"}.Check(t, new(tree), nil)
		}
		if slices.Contains(c.args, "ForwarderMemory=1024") { // there is a release to go back to
			asked := a.changeSets
			a.changes = "<member><ResourceChange><Action>Modify</Action><LogicalResourceId>Forwarder</LogicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType></ResourceChange></member>" +
				"<member><ResourceChange><Action>Remove</Action><LogicalResourceId>Dashboard</LogicalResourceId><ResourceType>AWS::CloudWatch::Dashboard</ResourceType></ResourceChange></member>"
			clitest.Look{Args: "rollback --dry-run --stack logs", Colour: "\x1b[33mremoved\x1b[0m"}.Check(t, new(tree), nil)
			a.changes, a.changeSets = "", asked
		}
	}

	// A stack of something else is left alone.
	if _, err := a.stacks.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("shop"), TemplateBody: aws.String(`{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}`)}); err != nil {
		t.Fatal(err)
	}
	for _, verb := range [][]string{{"deploy", "--from", two}, {"rollback"}, {"destroy"}} {
		if status, _, errs := run(t, variables, append(verb, "--stack", "shop", "--yes")...); status != cli.ExitUsage || !strings.Contains(errs, "stack shop is not one of sumoship") {
			t.Errorf("%v: status %d: %s", verb, status, errs)
		}
	}

	// As JSON, with what was said on standard error; moto names no changes of an update.
	if u, b, d := results[0], results[1], results[2]; b.Action != rolledBack || b.Before.Functions != onePrefix || b.After.Functions != twoPrefix || u.Action != updated || u.Before.Functions != onePrefix || u.After.Functions != twoPrefix || u.Canary == nil || !u.Canary.Arrived() ||
		u.Outputs["HeartbeatLogGroup"] == "" || d.Action != deleted || len(withEffect(d.Changes, drains)) != 4 || len(d.Queues) != 2 {
		t.Errorf("results %+v", results)
	}
	// The canaries went into the log group of the heartbeat, after the deployments that did not
	// say otherwise.
	if len(canaries) != 2 || !strings.Contains(canaries[1], `"sumoship":"heartbeat"`) {
		t.Errorf("canaries %v", canaries)
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
	closed, err := a.buckets.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: aws.String(bucket)})
	if err != nil || !aws.ToBool(closed.PublicAccessBlockConfiguration.BlockPublicPolicy) {
		t.Errorf("the bucket is open: %v", err)
	}
	encryption, err := a.buckets.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: aws.String(bucket)})
	if err != nil || encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != s3types.ServerSideEncryptionAwsKms {
		t.Errorf("the encryption of the bucket was changed: %v", err)
	}
	if _, err := a.buckets.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String(bucket)}); err != nil {
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
	n := 0
	settings := func(content string) string {
		n++
		name := filepath.Join(t.TempDir(), fmt.Sprintf("settings%d.toml", n))
		put(t, name, []byte(content))
		return name
	}
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
		{"no TOML", []string{"deploy", "--from", dir, "--parameters", notTOML}, []string{"not.toml: line ", "in the shape of samconfig.toml"}},
		{"settings without a table", []string{"deploy", "--from", dir, "--parameters", settings("LogRetention = 7")}, []string{"want [default.deploy.parameters], and the settings below it"}},
		{"settings of another environment", []string{"deploy", "--from", dir, "--parameters", settings("[prod.deploy.parameters]\nstack_name = 'prod'")}, []string{"it has [prod.deploy.parameters]"}},
		{"a misspelt setting", []string{"deploy", "--from", dir, "--parameters", settings("[default.deploy.parameters]\nparameter_override = ['A=1']\ncapabilities = 'CAPABILITY_IAM'")}, []string{"parameter_override; did you mean parameter_overrides?"}},
		{"a value that is not allowed", []string{"deploy", "--from", dir, "--set", "Subscription=patern"}, []string{`Subscription: "patern"; want none, pattern, 7`}},
		{"a value out of range", []string{"deploy", "--from", dir, "--set", "LogRetention=0"}, []string{`LogRetention: "0"; want 1 at least`}},
		{"a value that is not a number", []string{"deploy", "--from", dir, "--set", "LogRetention=week"}, []string{`LogRetention: "week"; want a number`}},
		{"a value that is too long", []string{"deploy", "--from", dir, "--set", "FilterPattern=abcd"}, []string{`FilterPattern: "abcd"; want 3 characters at most`}},
		{"a secret against its pattern", []string{"deploy", "--from", dir, "--set", "SumoToken=SECRET PATH"}, []string{"SumoToken: must be a token without spaces"}},
		{"an endpoint without a path", []string{"deploy", "--from", dir, "--set", "SumoEndpoint=https://SECRET.example.com"}, []string{"SumoEndpoint: path is missing; want the whole URL", "Show URL"}},
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
			if strings.Contains(errs, "SECRET") {
				t.Errorf("a secret is shown: %s", errs)
			}
		})
	}
}

// tiny is a template with one function.
var tiny = []byte(`{"Parameters":{"CodeBucket":{},"CodePrefix":{},"LogRetention":{"Type":"Number","MinValue":1,"MaxValue":9},"FilterPattern":{"Type":"String","MaxLength":3,"AllowedPattern":"(?!x)y"},
	"Subscription":{"Type":"String","AllowedValues":["none","pattern",7]},"SumoEndpoint":{"NoEcho":true},"SumoToken":{"NoEcho":true,"AllowedPattern":"|[!-~]+","ConstraintDescription":"must be a token without spaces"}},"Outputs":{},"Resources":{"Forwarder":{"Type":"AWS::Lambda::Function"}}}`)

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
		{variables: map[string]string{"SUMO_ENDPOINT": "http://example.com/SECRETPATH"}, wrong: "SUMO_ENDPOINT: "},
		{variables: map[string]string{"SUMO_ENDPOINT": "https://SECRETPATH.example.com"}, wrong: "SUMO_ENDPOINT: path is missing; want the whole URL"},
	} {
		got := map[string]string{}
		maps.Copy(got, c.given)
		err := endpoint(got, func(name string) string { return c.variables[name] })
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "SECRETPATH") {
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
