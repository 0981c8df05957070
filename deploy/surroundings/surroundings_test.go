package surroundings_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/surroundings"
	"sumoship/deploy/taskdef"
	"sumoship/function/awstest/moto"
)

var update = flag.Bool("update", false, "write the findings and templates in testdata")

// Each file of testdata holds a template, what is found in it, and the template after
// its edit, which a second run leaves as it is.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	found := map[string]bool{}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { testAdapt(t, path, found) })
	}
	for _, r := range surroundings.Rules() {
		if !found[r.ID] {
			t.Errorf("no template in testdata has %s", r.ID)
		}
		if r.Summary == "" || r.Source == "" || len(r.Help) == 0 || r.Severity != finding.Warning {
			t.Errorf("%s is not complete", r.ID)
		}
	}
}

func testAdapt(t *testing.T, path string, found map[string]bool) {
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files) == 1 {
		a.Files = append(a.Files, txtar.File{Name: "findings"}, txtar.File{Name: "edited.yaml"})
	}
	src := a.Files[0].Data
	d := document(t, src)
	findings := surroundings.Adapt(d, surroundings.Options{})
	if diff := cmp.Diff(string(src), string(d.Bytes())); diff != "" {
		t.Errorf("a report edits the template:\n%s", diff)
	}
	for _, f := range findings {
		found[f.ID] = true
		if f.Line == 0 || f.Severity != finding.Warning || len(f.Help) == 0 {
			t.Errorf("%+v lacks a place or help", f)
		}
	}
	for _, f := range surroundings.Adapt(d, surroundings.Options{Edit: true}) {
		found[f.ID] = true
	}
	for i, got := range [][]byte{describe(findings), d.Bytes()} {
		if *update {
			a.Files[i+1].Data = got
		}
		if diff := cmp.Diff(string(a.Files[i+1].Data), string(got)); diff != "" {
			t.Errorf("%s (-want +got), go test -update writes it:\n%s", a.Files[i+1].Name, diff)
		}
	}
	again := document(t, d.Bytes())
	for _, f := range surroundings.Adapt(again, surroundings.Options{Edit: true}) {
		if f.Action != finding.Keep {
			t.Errorf("a second run edits again: %+v", f)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The edited templates can be deployed: cfn-lint finds nothing in them. Of the
// converted ones with the old surroundings it refuses most.
func TestEditedTemplatesPassCFNLint(t *testing.T) {
	lint := moto.Tool(t, "cfn-lint", "pip install cfn-lint==1.51.0")
	dir := t.TempDir()
	files, _ := filepath.Glob("testdata/*.txtar")
	args := []string{"--non-zero-exit-code", "warning", "--regions", "us-east-1", "cn-north-1", "us-gov-west-1", "--template"}
	for _, path := range files {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(a.Files[2].Data), "LoadBalancerName") || strings.Contains(string(a.Files[2].Data), "DAEMON") {
			continue // what --with-services cannot edit
		}
		name := filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ".txtar")+".yaml")
		if err := os.WriteFile(name, converted(t, a.Files[2].Data), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	if out, err := exec.Command(lint, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Around a definition that is for Fargate already, with a service that is, nothing
// is found.
func TestNothingAroundAFargateDefinition(t *testing.T) {
	d := document(t, []byte(`Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: {Family: a, RequiresCompatibilities: [FARGATE], NetworkMode: awsvpc, Cpu: 256, Memory: 512, ContainerDefinitions: [{Name: a, Image: a}]}
  Service:
    Type: AWS::ECS::Service
    Properties: {TaskDefinition: !Ref Task, NetworkConfiguration: {AwsvpcConfiguration: {Subnets: [subnet-12345678]}}}
  Scale: {Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: {ResourceId: !Sub "service/c/${Service.Name}"}}
`))
	if got := surroundings.Adapt(d, surroundings.Options{Edit: true}); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func document(t *testing.T, src []byte) *taskdef.Document {
	t.Helper()
	d, err := taskdef.Read("a.yaml", src, taskdef.ReadOptions{Resource: "Task"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// converted returns a template with its definition converted.
func converted(t *testing.T, src []byte) []byte {
	t.Helper()
	d := document(t, src)
	findings, err := fargate.Convert(d, fargate.Options{Region: "eu-west-1",
		ExecutionRole: "arn:aws:iam::111122223333:role/run", TaskRole: "arn:aws:iam::111122223333:role/task"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Severity == finding.Error {
			t.Fatalf("%+v", f)
		}
	}
	return d.Bytes()
}

func describe(findings []finding.Finding) []byte {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%d:%d %s %s\n    %s\n    → %s\n", f.Line, f.Column, f.ID, f.Pointer, f.Why, f.Help)
	}
	return []byte(b.String())
}
