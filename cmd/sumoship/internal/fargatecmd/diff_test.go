package fargatecmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/awstest/moto"
)

// A patch made of the diff turns the input into what convert writes, in every
// shape of input.
func TestDiffIsAPatchToTheConversion(t *testing.T) {
	for name, doc := range map[string]string{
		"template.yaml": ec2Template, "template.json": ec2TemplateJSON, "volumes.json": volumes, "bare.yaml": bareYAML, "list.json": containerList,
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{file(t, name, doc), "--region", "eu-west-1", "--execution-role", "exec", "--family", "web",
				"--volume", "data=ephemeral", "--volume", "scratch=ephemeral"}
			status, converted, errs := command(t, nil, append([]string{"fargate", "convert"}, args...)...)
			if status != cli.ExitOK || converted == "" || converted == doc {
				t.Fatalf("status %d\n%s%s", status, converted, errs)
			}
			status, diff, errs := command(t, nil, append([]string{"fargate", "diff"}, args...)...)
			if status != cli.ExitOK || errs != "" {
				t.Fatalf("status %d\n%s", status, errs)
			}
			if name == "list.json" { // it stands on one line
				doc, converted = string(indent([]byte(doc))), string(indent([]byte(converted)))
			}
			if d := cmp.Diff(converted, patch(t, doc, diff)); d != "" {
				t.Errorf("differs (-want +got):\n%s\nof the diff\n%s", d, diff)
			}
			status, same, _ := command(t, nil, append([]string{"fargate", "convert", "--diff"}, args...)...)
			if status != cli.ExitOK || same != diff {
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
