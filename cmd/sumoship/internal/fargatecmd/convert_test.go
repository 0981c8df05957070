package fargatecmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/moto"
)

// A real client registers what convert writes with a server that is not ours,
// and it comes back the same.
func TestFargateRoundTripThroughECS(t *testing.T) {
	clitest.StartMoto(t)
	converted := filepath.Join(t.TempDir(), "fargate.json")
	status, out, errs := command(t, nil, "fargate", "convert", file(t, "shop.json", ec2Shop), "--region", "eu-west-1", "-o", converted)
	if status != cli.ExitOK || out != "" {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for _, want := range []string{"shop:1\n", "shop:2\n"} {
		if status, out, errs = command(t, nil, "fargate", "register", converted); status != cli.ExitOK || out != want {
			t.Fatalf("status %d\n%s%s", status, out, errs)
		}
	}

	// Converting what ECS describes changes nothing: it is the definition that was
	// sent, its tags beside it, but for the order of members and the defaults that
	// the server adds.
	status, out, errs = command(t, nil, "fargate", "convert", "--from-ecs", "shop:2")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	sent, err := os.ReadFile(converted)
	if err != nil {
		t.Fatal(err)
	}
	clitest.Contains(t, "", clitest.ExactJSON(t, out), clitest.ExactJSON(t, string(sent)))
	for _, name := range []string{"shop:2", "shop", "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:2"} {
		status, out, errs := command(t, nil, "fargate", "check", "--from-ecs", name)
		if status != cli.ExitOK || !strings.Contains(out, "1 definition: 0 errors, 0 warnings") {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
	}
	status, _, errs = command(t, nil, "fargate", "diff", "--from-ecs", "shop:9")
	if status != cli.ExitAWS || !strings.Contains(errs, "describe task definition shop:9: ClientException: ") {
		t.Errorf("status %d\n%s", status, errs)
	}
}

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
		if status, _, errs := command(t, nil, args...); status != cli.ExitOK {
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
