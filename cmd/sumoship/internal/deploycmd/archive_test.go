package deploycmd

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/awstest/moto"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

const root = "../../../.."

// released builds what a release has, as make release does.
func released(t *testing.T, what, version string) (dir string) {
	t.Helper()
	moto.Python(t)
	dir = filepath.Join(t.TempDir(), "release")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./release", "-"+what, "-version", version, "-o", dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("release: %v\n%s", err, out)
	}
	return dir
}

// machine is a new one: the unpacked archive of a release, and nothing else that could be
// run, read or asked.
type machine struct {
	t         *testing.T
	a         *account
	dir       string
	variables []string // besides those of AWS
}

// run runs the command of the archive.
func (m *machine) run(args ...string) (status int, out string) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "./sumoship", args...)
	cmd.Dir = m.dir
	cmd.Env = append([]string{"AWS_ENDPOINT_URL=" + m.a.URL, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret"}, m.variables...)
	b, err := cmd.CombinedOutput()
	leaktest.Check(m.t, strings.Join(args, " "), string(b))
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(b)
	} else if err != nil {
		m.t.Fatal(err)
	}
	return 0, string(b)
}

// do is run for a command that has to succeed.
func (m *machine) do(args ...string) (out string) {
	m.t.Helper()
	status, out := m.run(args...)
	if status != 0 {
		m.t.Fatalf("sumoship %v: status %d\n%s", args, status, out)
	}
	return out
}

// forward plays Lambda with the forwarder that the stack has now: its code as it is in
// the bucket, its variables as they are in the stack.
func (m *machine) forward(prefix string) (deliver func(message string)) {
	var forwarder *lambdatest.Function
	logged := 0
	return func(message string) {
		t := m.t
		if forwarder == nil {
			code := m.forwarder()
			content := m.object(prefix + "forwarder-" + lambdaArchitecture() + ".zip")
			if sum := sha256.Sum256(content); base64.StdEncoding.EncodeToString(sum[:]) != aws.ToString(code.Configuration.CodeSha256) {
				t.Errorf("the code of the forwarder is not that of %s", prefix)
			}
			variables := map[string]string{"AWS_ENDPOINT_URL": m.a.URL, "AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1"}
			for name, value := range code.Configuration.Environment.Variables {
				variables[name] = value
			}
			forwarder = lambdatest.Deploy(t, bootstrapOf(t, content), variables)
		}
		event, err := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/sumoship/logs/heartbeat", "logStream": "sumoship-canary",
			"subscriptionFilters": []string{"heartbeat"}, "logEvents": []any{map[string]any{"id": "1", "timestamp": time.Now().UnixMilli(), "message": message}}})
		if err != nil {
			t.Error(err)
			return
		}
		if r := forwarder.Invoke(transform.Pack(event), 20*time.Second); r.Failed() {
			t.Errorf("%+v\n%s", r, forwarder.Output())
		}
		text := ""
		for end := time.Now().Add(10 * time.Second); !strings.Contains(text, `"logGroup":`) && time.Now().Before(end); time.Sleep(time.Millisecond) {
			text = forwarder.Output()[logged:] // it may arrive after the answer
			text = text[:strings.LastIndexByte(text, '\n')+1]
		}
		logged += len(text)
		leaktest.Check(t, "the log of the forwarder", text)
		for line := range strings.Lines(text) {
			m.a.report(t, line)
		}
	}
}

func lambdaArchitecture() string {
	return map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
}

// bootstrapOf unpacks the code of a function.
func bootstrapOf(t *testing.T, archive []byte) string {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Error(err)
		return ""
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, r); err != nil {
		t.Error(err)
	}
	return filepath.Join(dir, "bootstrap")
}

// object is one of the bucket that deploy has made.
func (m *machine) object(key string) []byte {
	out, err := m.a.buckets.GetObject(context.WithoutCancel(m.t.Context()), &s3.GetObjectInput{Bucket: aws.String("sumoship-123456789012-eu-west-1"), Key: &key})
	if err != nil {
		m.t.Errorf("%s: %v", key, err)
		return nil
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		m.t.Error(err)
	}
	return content
}

// forwarder is the function as Lambda has it.
func (m *machine) forwarder() *lambda.GetFunctionOutput {
	ctx := context.WithoutCancel(m.t.Context())
	physical, err := m.a.physical(ctx, "logs")
	if err != nil {
		m.t.Error(err)
		return new(lambda.GetFunctionOutput)
	}
	f, err := m.a.functions.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(physical["Forwarder"])})
	if err != nil {
		m.t.Error(err)
		return new(lambda.GetFunctionOutput)
	}
	return f
}

// A new machine has only the archive of a release: no Go, SAM or clone, no PATH and no
// HOME. Its command deploys to moto, a second release updates the stack, which is rolled
// back and deleted; the forwarder of each ships the log event that deploy sends.
//
// The archive is built as make release builds it. The second release is built without its
// command, which takes longest: the first one's gets what is beside it.
func TestArchiveOnMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a release")
	}
	if lambdaArchitecture() == "" || runtime.GOOS != "linux" {
		t.Skip("runs a function of the release, for Lambda")
	}
	a := startAccount(t)
	source := sumotest.New()
	address, stop, err := source.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	address = strings.TrimSuffix(address, "/receiver/v1/http/local") + leaktest.Path
	secret, err := a.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("sumo"), SecretString: aws.String(fmt.Sprintf(`{"endpoint":%q,"token":%q}`, address, leaktest.Token))})
	if err != nil {
		t.Fatal(err)
	}
	dependsOnTree(t)
	m := &machine{t: t, a: a, dir: t.TempDir(), variables: []string{"SUMO_ENDPOINT=" + aws.ToString(secret.ARN)}}
	archives, err := filepath.Glob(filepath.Join(released(t, "archive", "v1.2.3"), "sumoship_1.2.3_*.tar.gz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives %v, %v", archives, err)
	}
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", archives[0], "-C", m.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	clitest.Mentions(t, m.do("version"), "v1.2.3")
	if found, err := filepath.Glob(filepath.Join(m.dir, "licences/github.com/aws/*/LICENSE*")); err != nil || len(found) == 0 {
		t.Errorf("no licence of the AWS SDK in the archive: %v, %v", found, err)
	}

	// One command deploys: what is in the bucket is what is in the archive, byte for byte.
	// All functions, since moto updates a resource whose condition is false, and fails.
	one := prefixIn(t, m.dir)
	a.deliver = m.forward(one)
	clitest.Mentions(t, m.do("deploy", "--yes", "--stack", "logs", "--set", "Architecture="+lambdaArchitecture(),
		"--set", "Subscription=pattern", "--set", "LogGroupPattern=^/ecs/", "--set", "OrganizationId=o-a1b2c3d4e5"),
		"bucket sumoship-123456789012-eu-west-1 is new; 11 files uploaded", "create stack logs", "stack logs: CREATE_COMPLETE", "dead-letter queue: http", "invoked with 1 log event", "confirmed")
	m.holds("CREATE_COMPLETE", "v1.2.3", one)
	for _, name := range append(namesBelow(t, filepath.Join(m.dir, "bucket", one)), templateName) {
		content, err := os.ReadFile(filepath.Join(m.dir, "bucket", one, name))
		if err != nil || !bytes.Equal(content, m.object(one+name)) {
			t.Errorf("%s in the bucket is another: %v", name, err)
		}
	}

	// The next release: the plan, then an update.
	if err := os.RemoveAll(filepath.Join(m.dir, "bucket")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(released(t, "bucket", "v1.2.4"), "bucket"), filepath.Join(m.dir, "bucket")); err != nil {
		t.Fatal(err)
	}
	two := prefixIn(t, m.dir)
	if one == two {
		t.Fatalf("both releases have the functions %s", one)
	}
	m.variables = nil // the endpoint is the stack's
	clitest.Mentions(t, m.do("deploy", "--stack", "logs", "--dry-run", "--diff"), `-      "Value": "v1.2.3"`, `+      "Value": "v1.2.4"`, "nothing was changed")
	m.holds("CREATE_COMPLETE", "v1.2.3", one)
	a.deliver = m.forward(two)
	// Replay is off, for moto would run it on what is put into the queue.
	clitest.Mentions(t, m.do("deploy", "--yes", "--stack", "logs", "--set", "ReplayEnabled=false"), "update stack logs", "stack logs: UPDATE_COMPLETE", "confirmed")
	m.holds("UPDATE_COMPLETE", "v1.2.4", two)

	// And back.
	clitest.Mentions(t, m.do("rollback", "--yes", "--stack", "logs"), "with the functions of "+one, "stack logs: UPDATE_COMPLETE")
	m.holds("UPDATE_COMPLETE", "v1.2.3", one)

	// The two canaries came to the source, by the forwarders of two releases.
	var canaries []string
	for _, r := range source.Requests() {
		if id := regexp.MustCompile(`canary[A-Z0-9]+`).FindString(string(r.Body)); id != "" && r.Taken && r.Header.Get("X-Sumo-Token") == leaktest.Token {
			canaries = append(canaries, r.Header.Get("User-Agent"))
		}
	}
	if len(canaries) != 2 {
		t.Errorf("canaries from %q", canaries)
	}

	// What is in the dead-letter queue is told before the stack goes, and outlives it.
	physical, err := a.physical(t.Context(), "logs")
	if err != nil {
		t.Fatal(err)
	}
	queue := physical["DeadLetterQueue"]
	if _, err := a.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String(`{"awslogs":{"data":""}}`)}); err != nil {
		t.Fatal(err)
	}
	clitest.Mentions(t, m.do("destroy", "--stack", "logs", "--dry-run"), "drain it first: sumoship dlq replay --queue "+queue, " has 1 message\n", "nothing was changed")
	m.holds("UPDATE_COMPLETE", "v1.2.3", one)
	clitest.Mentions(t, m.do("destroy", "--yes", "--stack", "logs"), "these stay, with what is in them: CentralBucket, CentralStream, DeadLetterQueue, QuarantineQueue", "stack logs is deleted")
	if out, err := a.stacks.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("logs")}); err == nil {
		t.Errorf("the stack is still there: %s", out.Stacks[0].StackStatus)
	}
	for _, name := range []string{"Forwarder", "Replay", "Stream", "Subscriber", "Heartbeat"} {
		_, err := a.functions.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(physical[name])})
		if missing, ok := errors.AsType[*lambdatypes.ResourceNotFoundException](err); !ok {
			t.Errorf("%s, %s, is left: %v, %v", name, physical[name], missing, err)
		}
	}
	kept, err := a.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	if err != nil {
		t.Errorf("the dead-letter queue: %v", err)
	} else if n := kept.Attributes["ApproximateNumberOfMessages"]; n != "1" {
		t.Errorf("the dead-letter queue has %s messages", n)
	}
	if status, out := m.run("destroy", "--yes", "--stack", "logs"); status != 1 || !strings.Contains(out, "no stack logs") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// holds checks what there is in AWS: the state of the stack, the template that it is of, and
// the code of the forwarder.
func (m *machine) holds(state, version, prefix string) {
	m.t.Helper()
	out, err := m.a.stacks.DescribeStacks(m.t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("logs")})
	if err != nil {
		m.t.Fatal(err)
	}
	stack := &out.Stacks[0]
	if string(stack.StackStatus) != state || parameter(stack, codePrefix) != prefix {
		m.t.Errorf("the stack is %s with %s, want %s with %s", stack.StackStatus, parameter(stack, codePrefix), state, prefix)
	}
	template, err := m.a.stacks.GetTemplate(m.t.Context(), &cloudformation.GetTemplateInput{StackName: aws.String("logs")})
	if err != nil {
		m.t.Fatal(err)
	}
	if !strings.Contains(aws.ToString(template.TemplateBody), `"Value":"`+version+`"`) {
		m.t.Errorf("the stack is not of the template of %s", version)
	}
	sum := sha256.Sum256(m.object(prefix + "forwarder-" + lambdaArchitecture() + ".zip"))
	if got := aws.ToString(m.forwarder().Configuration.CodeSha256); got != base64.StdEncoding.EncodeToString(sum[:]) {
		m.t.Errorf("the forwarder's code is %s, not that of %s", got, prefix)
	}
}

// prefixIn is where the functions beside the command are.
func prefixIn(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "bucket/sumoship/*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("releases %v, %v", found, err)
	}
	return "sumoship/" + filepath.Base(found[0]) + "/"
}

func namesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// dependsOnTree looks at what a release is built from, so that go test runs the test again
// when some of it has changed: what another process reads it does not know.
func dependsOnTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == "dist" || name == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if name := d.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") || name == "go.mod" || name == "Makefile" || name == "template.yaml" || name == "expand.py" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
