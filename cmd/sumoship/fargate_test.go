package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/moto"
)

// A definition for EC2 as describe-task-definition gives it: a bridge network,
// ports of the instance, a link, no log driver.
const ec2Shop = `{
    "taskDefinition": {
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7",
        "family": "shop",
        "revision": 7,
        "status": "ACTIVE",
        "networkMode": "bridge",
        "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
        "containerDefinitions": [
            {
                "name": "web",
                "image": "example.com/web:1",
                "cpu": 128,
                "memory": 256,
                "essential": true,
                "links": ["redis:cache"],
                "environment": [{"name": "CACHE_URL", "value": "redis://cache:6379"}],
                "portMappings": [{"containerPort": 8080, "hostPort": 80, "protocol": "tcp"}]
            },
            {
                "name": "redis",
                "image": "redis:7",
                "cpu": 128,
                "memory": 128,
                "essential": true
            }
        ],
        "placementConstraints": [],
        "compatibilities": ["EXTERNAL", "EC2"]
    },
    "tags": [{"key": "team", "value": "shop"}]
}
`

// What convert writes is registered by a real client at a server of somebody
// else's, and comes back the same.
func TestFargateRoundTripThroughECS(t *testing.T) {
	startMoto(t)
	converted := filepath.Join(t.TempDir(), "fargate.json")
	status, out, errs := command(t, nil, "fargate", "convert", file(t, "shop.json", ec2Shop), "--region", "eu-west-1", "-o", converted)
	if status != exitOK || out != "" {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for _, want := range []string{"shop:1\n", "shop:2\n"} {
		if status, out, errs = command(t, nil, "fargate", "register", converted); status != exitOK || out != want {
			t.Fatalf("status %d\n%s%s", status, out, errs)
		}
	}

	// Converting what ECS describes changes nothing: it is the definition that was
	// sent, its tags beside it, but for the order of members and the defaults that
	// the server adds.
	status, out, errs = command(t, nil, "fargate", "convert", "--from-ecs", "shop:2")
	if status != exitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	sent, err := os.ReadFile(converted)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "", exactJSON(t, out), exactJSON(t, string(sent)))
	for _, name := range []string{"shop:2", "shop", "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:2"} {
		if status, out, errs := command(t, nil, "fargate", "check", "--from-ecs", name); status != exitOK || !strings.Contains(out, "1 definition: 0 errors, 0 warnings") {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
	}
	if status, _, errs := command(t, nil, "fargate", "diff", "--from-ecs", "shop:9"); status != exitAWS || !strings.Contains(errs, "describe task definition shop:9: ClientException: ") {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// contains reports what of want is not in got.
func contains(t *testing.T, path string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, w := range want {
			contains(t, path+"/"+name, g[name], w)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(want) {
			t.Errorf("%s: %v, want %v", path, got, want)
			return
		}
		for i, w := range want {
			contains(t, fmt.Sprint(path, "/", i), g[i], w)
		}
	default:
		if !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// A template in YAML, as people write them: comments, short tags, parameters.
const ec2Template = `# The shop.
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Image:
    Type: String
  ExecutionRole:
    Type: String
Resources:
  Web: # in front
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Sub "${AWS::StackName}-web"
      NetworkMode: bridge
      ExecutionRoleArn: !Ref ExecutionRole
      ContainerDefinitions:
        - Name: web
          Image: !Ref Image
          Cpu: 256
          Memory: 512
          Essential: true
          PortMappings:
            - ContainerPort: 8080
              HostPort: 0
          LogConfiguration:
            LogDriver: json-file
            Options:
              max-size: 10m
        - Name: metrics
          Image: example.com/metrics:1
          Memory: 128
          Essential: false
          DockerLabels:
            com.example.Team: shop
          MountPoints:
            - SourceVolume: scratch
              ContainerPath: /scratch
      Volumes:
        - Name: scratch
`

const ec2TemplateJSON = `{
  "Parameters": {"Role": {"Type": "String"}},
  "Resources": {
    "Worker": {
      "Type": "AWS::ECS::TaskDefinition",
      "Properties": {
        "Family": "worker",
        "NetworkMode": "host",
        "Cpu": "1024",
        "Memory": "3000",
        "ExecutionRoleArn": {"Ref": "Role"},
        "ContainerDefinitions": [
          {"Name": "worker", "Image": "example.com/worker:1", "Essential": true,
           "Secrets": [{"Name": "TOKEN", "ValueFrom": {"Fn::Sub": "arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:parameter/token"}}],
           "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "/ecs/worker", "awslogs-region": {"Ref": "AWS::Region"}}}}
        ]
      }
    }
  }
}
`

const samTemplate = `Transform: AWS::Serverless-2016-10-31
Resources:
  Job:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: job
      ExecutionRoleArn: arn:aws:iam::123456789012:role/exec
      TaskRoleArn: arn:aws:iam::123456789012:role/task
      ContainerDefinitions:
        - Name: job
          Image: example.com/job:1
          Memory: 512
  Nightly:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {StartAt: Done, States: {Done: {Type: Succeed}}}
`

const containerList = `[{"name": "web", "image": "example.com/web:1", "cpu": 256, "memory": 512, "essential": true, "portMappings": [{"containerPort": 80, "hostPort": 8080}]}]
`

// Every shape of template that convert writes is one that cfn-lint accepts. (None
// here has 32 vCPU, which cfn-lint 1.51.0 does not know yet.)
func TestConvertedTemplatesPassCfnLint(t *testing.T) {
	bin := moto.Tool(t, "cfn-lint", "pip install cfn-lint==1.51.0")
	dir := t.TempDir()
	var templates []string
	convert := func(name, doc string, args ...string) {
		t.Helper()
		out := filepath.Join(dir, "out-"+strings.ReplaceAll(name, ".json", ".template"))
		args = append([]string{"fargate", "convert", file(t, name, doc), "-o", out, "--region", "eu-west-1"}, args...)
		if status, _, errs := command(t, nil, args...); status != exitOK {
			t.Errorf("%s: status %d\n%s", name, status, errs)
			return
		}
		templates = append(templates, out)
	}
	convert("yaml.yaml", ec2Template)
	convert("json.json", ec2TemplateJSON)
	convert("sam.yaml", samTemplate)
	convert("described.json", ec2Shop, "--format", "cfn")
	convert("bare.json", tomorrowless(t), "--format", "cfn")
	convert("list.json", containerList, "--format", "cfn", "--family", "web", "--execution-role", "arn:aws:iam::123456789012:role/exec")
	convert("yamlbare.yaml", bareYAML, "--format", "cfn")
	convert("keep.json", ec2Shop, "--format", "cfn", "--keep-ec2", "--family-suffix=-fargate", "--arch", "arm64")
	convert("volumes.json", volumes, "--format", "cfn", "--volume", "data=efs:fs-0123456789abcdef0", "--volume", "scratch=ephemeral")
	convert("fluentd.json", fluentd, "--format", "cfn", "--fluentd", "firelens")
	if t.Failed() {
		t.FailNow()
	}
	lint := exec.Command(bin, append([]string{"-r", "eu-west-1", "--"}, templates...)...)
	if report, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, report)
	}
}

// tomorrowless is the definition of tomorrow less what CloudFormation does not
// know today.
func tomorrowless(t *testing.T) string {
	t.Helper()
	s := regexp.MustCompile(`(?m)^.*quantumEntanglement.*\n|, "hoverMode": "low"`).ReplaceAllString(tomorrow, "")
	if strings.Contains(s, "hoverMode") || strings.Contains(s, "quantum") {
		t.Fatal(s)
	}
	return s
}

const bareYAML = `family: web
executionRoleArn: arn:aws:iam::123456789012:role/exec
containerDefinitions:
  - name: web # the only one
    image: example.com/web:1
    memory: 512
    essential: true
    portMappings:
      - containerPort: 80
        hostPort: 0
`

const volumes = `{
  "family": "db",
  "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
  "containerDefinitions": [{
    "name": "db", "image": "example.com/db:1", "cpu": 512, "memory": 3000, "essential": true, "stopTimeout": 600,
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/var/lib/db"}, {"sourceVolume": "scratch", "containerPath": "/scratch"}]
  }],
  "volumes": [{"name": "data", "host": {"sourcePath": "/srv/data"}}, {"name": "scratch", "host": {"sourcePath": "/srv/scratch"}}]
}
`

const fluentd = `{
  "family": "web",
  "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
  "containerDefinitions": [{
    "name": "web", "image": "example.com/web:1", "memory": 512, "essential": true,
    "logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "logs.example.com:24224", "tag": "web"}}
  }]
}
`

// A patch made of the diff turns the input into what convert writes, in every
// shape of input.
func TestDiffIsAPatchToTheConversion(t *testing.T) {
	for name, doc := range map[string]string{"template.yaml": ec2Template, "template.json": ec2TemplateJSON, "volumes.json": volumes, "bare.yaml": bareYAML, "list.json": containerList} {
		t.Run(name, func(t *testing.T) {
			args := []string{file(t, name, doc), "--region", "eu-west-1", "--execution-role", "exec", "--family", "web", "--volume", "data=ephemeral", "--volume", "scratch=ephemeral"}
			status, converted, errs := command(t, nil, append([]string{"fargate", "convert"}, args...)...)
			if status != exitOK || converted == "" || converted == doc {
				t.Fatalf("status %d\n%s%s", status, converted, errs)
			}
			status, diff, errs := command(t, nil, append([]string{"fargate", "diff"}, args...)...)
			if status != exitOK || errs != "" {
				t.Fatalf("status %d\n%s", status, errs)
			}
			if name == "list.json" { // it stands on one line
				doc, converted = string(indent([]byte(doc))), string(indent([]byte(converted)))
			}
			if d := cmp.Diff(converted, patch(t, doc, diff)); d != "" {
				t.Errorf("%s\n%s", d, diff)
			}
			status, same, _ := command(t, nil, append([]string{"fargate", "convert", "--diff"}, args...)...)
			if status != exitOK || same != diff {
				t.Errorf("status %d\n%s", status, same)
			}
		})
	}
}

// patch applies a diff as git does.
func patch(t *testing.T, doc, diff string) string {
	t.Helper()
	_, hunks, ok := strings.Cut(diff, "\n@@")
	if !ok {
		t.Fatalf("no hunk in\n%s", diff)
	}
	name := file(t, "original", doc)
	cmd := exec.Command(moto.Tool(t, "git", "apt-get install git"), "apply", "-")
	cmd.Dir, cmd.Env = filepath.Dir(name), append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(filepath.Dir(name)))
	cmd.Stdin = strings.NewReader("--- a/original\n+++ b/original\n@@" + hunks)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, diff)
	}
	patched, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(patched)
}

// onTerminal runs sumoship on a terminal and returns what that showed.
func onTerminal(t *testing.T, columns uint16, variables map[string]string, args ...string) string {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // ends with an error when the other end is closed
		shown <- string(b)
	}()
	run(t.Context(), args, streams{strings.NewReader(""), terminal, terminal, func(name string) string { return variables[name] }})
	terminal.Close()
	return strings.ReplaceAll(<-shown, "\r\n", "\n")
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]*m")

func TestFargateOnATerminal(t *testing.T) {
	shop := file(t, "shop.json", ec2Shop)
	check := []string{"fargate", "check", shop, "--region", "eu-west-1"}
	_, plain, _ := command(t, nil, check...)
	if escapes.MatchString(plain) {
		t.Errorf("colour in a file:\n%q", plain)
	}
	for _, columns := range []uint16{40, 80, 160} {
		shown := onTerminal(t, columns, map[string]string{"TERM": "xterm"}, check...)
		if !escapes.MatchString(shown) {
			t.Errorf("no colour on a terminal of %d columns:\n%q", columns, shown)
		}
		longest := 0
		for line := range strings.Lines(escapes.ReplaceAllString(shown, "")) {
			if !strings.HasPrefix(line, shop) && !strings.HasPrefix(line, "1 definition") {
				longest = max(longest, len([]rune(strings.TrimSuffix(line, "\n"))))
			}
		}
		if longest > int(columns) || longest < int(columns)/2 {
			t.Errorf("%d columns of %d are used\n%s", longest, columns, shown)
		}
		for name, variables := range map[string]map[string]string{"NO_COLOR": {"NO_COLOR": "1"}, "TERM": {"TERM": "dumb"}} {
			if got := onTerminal(t, columns, variables, check...); got != escapes.ReplaceAllString(shown, "") {
				t.Errorf("%s: want the same without colour:\n%q", name, got)
			}
		}
	}
	diff := onTerminal(t, 80, map[string]string{"TERM": "xterm"}, "fargate", "diff", shop, "--region", "eu-west-1")
	if !strings.Contains(diff, "\x1b[31m-        \"networkMode\": \"bridge\",\x1b[0m\n") && !strings.Contains(diff, "\x1b[31m-") {
		t.Errorf("%q", diff)
	}
}

// What is written is written whole: a file keeps its mode, a link stays a link,
// a pipe is not replaced, and a failure leaves what was there.
func TestConvertWritesFilesWhole(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	convert := func(out string, args ...string) (status int, errs string) {
		status, stdout, errs := command(t, nil, append([]string{"fargate", "convert", path("in.json"), "-o", out, "--region", "eu-west-1"}, args...)...)
		if stdout != "" {
			t.Errorf("written to standard output:\n%s", stdout)
		}
		return status, errs
	}
	for name, mode := range map[string]os.FileMode{"in.json": 0o640, "target.json": 0o600} {
		if err := os.WriteFile(path(name), []byte(ec2Shop), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("target.json", path("link.json")); err != nil {
		t.Fatal(err)
	}
	if status, errs := convert(path("link.json")); status != exitOK {
		t.Fatal(errs)
	}
	converted, err := os.ReadFile(path("target.json"))
	if err != nil || !json.Valid(converted) || !bytes.Contains(converted, []byte("awsvpc")) {
		t.Errorf("%v: %s", err, converted)
	}
	if info, err := os.Lstat(path("link.json")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if status, errs := convert(path("in.json")); status != exitOK { // in place
		t.Fatal(errs)
	}
	if info, err := os.Stat(path("in.json")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info, err)
	}
	if again, err := os.ReadFile(path("in.json")); err != nil || !bytes.Equal(again, converted) {
		t.Errorf("%v: %s", err, again)
	}
	// A pipe of our own: never a device of the machine, which a broken program
	// would replace.
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path("pipe"), os.O_RDWR, 0) // so that nobody waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if status, errs := convert(path("pipe")); status != exitOK {
		t.Error(errs)
	}
	if info, err := os.Lstat(path("pipe")); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v %v", info, err)
	} else if b := make([]byte, len(converted)); true {
		if _, err := io.ReadFull(pipe, b); err != nil || !bytes.Equal(b, converted) {
			t.Errorf("%v: %s", err, b)
		}
	}
	if status, errs := convert(path("no/out.json")); status != exitUsage || !strings.Contains(errs, "no such file or directory") {
		t.Errorf("status %d: %s", status, errs)
	}
	if left, err := filepath.Glob(path("*")); err != nil || len(left) != 4 {
		t.Errorf("left behind: %v", left)
	}
}

// check gives the same report whatever the order in which workers finish, and
// stops when it is interrupted.
func TestCheckIsDeterministicAndCanBeInterrupted(t *testing.T) {
	dir := manyDefinitions(t, 60)
	_, first, _ := command(t, nil, "fargate", "check", dir, "--findings", "json")
	var report struct {
		Inputs  []struct{ Name string }
		Summary struct{ Definitions, Skipped int }
	}
	if err := json.Unmarshal([]byte(first), &report); err != nil || report.Summary.Definitions != 60 || report.Summary.Skipped != 1 || len(report.Inputs) != 60 {
		t.Fatalf("%v: %+v", err, report.Summary)
	}
	for i := 1; i < len(report.Inputs); i++ {
		if report.Inputs[i-1].Name >= report.Inputs[i].Name {
			t.Errorf("%s comes before %s", report.Inputs[i-1].Name, report.Inputs[i].Name)
		}
	}
	for range 5 {
		if _, again, _ := command(t, nil, "fargate", "check", dir, "--findings", "json"); again != first {
			t.Fatal(cmp.Diff(first, again))
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Ctrl-C"))
	var out, errs bytes.Buffer
	status := run(ctx, []string{"fargate", "check", dir}, streams{strings.NewReader(""), &out, &errs, func(string) string { return "" }})
	if status != exitFound || out.Len() > 0 || errs.String() != "sumoship: interrupted\n" {
		t.Errorf("status %d\n%s%s", status, out.String(), errs.String())
	}
}

// manyDefinitions makes a directory of n different definitions, in every shape,
// and one file that is none.
func manyDefinitions(t testing.TB, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, doc string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	docs := []struct{ ext, doc string }{{"json", ec2Shop}, {"yaml", ec2Template}, {"json", volumes}, {"template", ec2TemplateJSON}, {"json", tomorrow}, {"yml", bareYAML}}
	for i := range n {
		d := docs[i%len(docs)]
		write(filepath.Join(dir, fmt.Sprintf("team%02d", i%17), fmt.Sprintf("def%04d.%s", i, d.ext)), strings.ReplaceAll(d.doc, "example.com/", fmt.Sprintf("%d.example.com/", i)))
	}
	write(filepath.Join(dir, "package.json"), `{"name": "shop"}`)
	return dir
}

// 1,000 definitions are checked in one run.
func BenchmarkCheck(b *testing.B) {
	dir := manyDefinitions(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		var out, errs bytes.Buffer
		status := run(b.Context(), []string{"fargate", "check", dir, "--region", "eu-west-1"}, streams{strings.NewReader(""), &out, &errs, func(string) string { return "" }})
		if status != exitFound || !strings.Contains(out.String(), "1000 definitions: ") {
			b.Fatalf("status %d\n%s", status, errs.String())
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "definitions/s")
}
