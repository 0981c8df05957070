package deploycmd

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
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
	return clitest.Run(t, new(tree), variables, args...)
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

// With what a release has and nothing else, the stack is created, updated, rolled back
// and deleted. moto has no outputs of a stack that a change set makes.
func TestReleaseOnMoto(t *testing.T) {
	clitest.StartMoto(t)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	template := expanded(t)
	first, firstPrefix := releaseOf(t, template, "first")
	endpoint := map[string]string{"SUMO_ENDPOINT": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sumo-AbCdEf"}
	parameters := func(stack string) map[string]string {
		out, err := cloudformation.NewFromConfig(cfg).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &stack})
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]string{}
		for _, p := range out.Stacks[0].Parameters {
			m[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
		}
		return m
	}
	samconfig := filepath.Join(t.TempDir(), "logs.toml")
	put(t, samconfig, []byte("[default.deploy.parameters]\nstack_name = \"logs\"\ntags = \"team=ops\"\nparameter_overrides = [\"LogRetention=7\", \"SourceCategoryOverride=aws/logs of all\"]\n"))

	// A dry run makes no stack.
	status, out, errs := run(t, endpoint, "deploy", "--from", first, "--parameters", samconfig, "--dry-run")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "create stack logs in eu-west-1, account 123456789012", "SourceCategoryOverride = aws/logs of all", "× AWS::SQS::Queue", "nothing was changed")
	clitest.Mentions(t, errs, "bucket sumoship-123456789012-eu-west-1 is new; 11 files uploaded")

	// Create it.
	status, out, errs = run(t, endpoint, "deploy", "--from", first, "--parameters", samconfig, "--yes")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "stack logs: CREATE_COMPLETE")
	clitest.Mentions(t, errs, "is there; 0 files uploaded", "CREATE_COMPLETE")
	p := parameters("logs")
	if p["LogRetention"] != "7" || p["SumoEndpointArn"] != endpoint["SUMO_ENDPOINT"] || p[codePrefix] != firstPrefix || p[codeBucket] != "sumoship-123456789012-eu-west-1" {
		t.Errorf("parameters %v", p)
	}
	queues, err := sqs.NewFromConfig(cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("sumoship-")})
	if err != nil || len(queues.QueueUrls) != 2 {
		t.Errorf("queues %v, %v", queues, err)
	}
	encryption, err := s3.NewFromConfig(cfg).GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: aws.String(p[codeBucket])})
	if err != nil || len(encryption.ServerSideEncryptionConfiguration.Rules) != 1 {
		t.Errorf("the bucket is not encrypted: %v", err)
	}
	closed, err := s3.NewFromConfig(cfg).GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: aws.String(p[codeBucket])})
	if err != nil || !aws.ToBool(closed.PublicAccessBlockConfiguration.BlockPublicPolicy) {
		t.Errorf("the bucket is open: %v", err)
	}

	// Delete it.
	status, out, errs = run(t, nil, "destroy", "--stack", "logs", "--yes")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "these stay, with what is in them: CentralBucket, CentralStream, DeadLetterQueue, QuarantineQueue", "stack logs is deleted")
	status, _, errs = run(t, nil, "destroy", "--stack", "logs", "--yes")
	if status != cli.ExitFound || !strings.Contains(errs, "no stack logs, or you may not see it (looked in ") {
		t.Errorf("status %d: %s", status, errs)
	}

	// moto cannot update a stack with conditions, so the rest is with a smaller template.
	one, onePrefix := releaseOf(t, small, "one")
	two, twoPrefix := releaseOf(t, small, "two")
	for _, c := range []struct {
		args     []string
		status   int
		mentions []string
		want     map[string]string // the parameters afterwards
	}{
		{[]string{"deploy", "--from", one, "--set", "LogRetention=7"}, cli.ExitOK, []string{"stack small: CREATE_COMPLETE"},
			map[string]string{codePrefix: onePrefix, "LogRetention": "7", previousCode: ""}},
		{[]string{"rollback"}, cli.ExitFound, []string{"has had no other release"}, nil},
		// What is not given keeps its value.
		{[]string{"deploy", "--from", two, "--diff"}, cli.ExitOK, []string{"update stack small", `+      "Default": "sumoship/two/"`, "stack small: UPDATE_COMPLETE"},
			map[string]string{codePrefix: twoPrefix, "LogRetention": "7", previousCode: onePrefix}},
		{[]string{"deploy", "--from", two, "--set", "LogRetention=14"}, cli.ExitOK, []string{`LogRetention = 14, before "7"`},
			map[string]string{codePrefix: twoPrefix, "LogRetention": "14", previousCode: onePrefix}},
		{[]string{"rollback"}, cli.ExitOK, []string{"with the functions of sumoship/one/"},
			map[string]string{codePrefix: onePrefix, "LogRetention": "14", previousCode: twoPrefix}},
		{[]string{"rollback"}, cli.ExitOK, []string{"with the functions of sumoship/two/"},
			map[string]string{codePrefix: twoPrefix, "LogRetention": "14", previousCode: onePrefix}},
		{[]string{"destroy"}, cli.ExitOK, []string{"stack small is deleted"}, nil},
	} {
		status, out, errs := run(t, endpoint, append(c.args, "--stack", "small", "--yes")...)
		if status != c.status {
			t.Fatalf("%v: status %d\n%s%s", c.args, status, out, errs)
		}
		clitest.Mentions(t, out+errs, c.mentions...)
		if c.want == nil {
			continue
		}
		got := parameters("small")
		delete(got, codeBucket)
		delete(got, "SumoEndpointArn")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: parameters (-want +got):\n%s", c.args, diff)
		}
	}
}

// small is a template that moto can update.
var small = []byte(`{"Parameters":{"CodeBucket":{"Type":"String"},"CodePrefix":{"Type":"String"},"PreviousCode":{"Type":"String","Default":""},
	"SumoEndpointArn":{"Type":"String"},"LogRetention":{"Type":"Number","Default":30}},"Outputs":{},
	"Resources":{"Logs":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Fn::Sub":"/sumoship/${AWS::StackName}"},"RetentionInDays":{"Ref":"LogRetention"}}},
	"Queue":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":"sumoship-small"}}}}`)

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
		{variables: map[string]string{"SUMO_ENDPOINT": "http://example.com/SECRETPATH"}, wrong: "SUMO_ENDPOINT: "},
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
