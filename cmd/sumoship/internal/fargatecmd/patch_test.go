package fargatecmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
)

// patch applies a diff of convert to its input, also where that has members that ECS
// does not take back, and gets what convert writes.
func TestDiffApplies(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skip("no patch")
	}
	for name, doc := range map[string]string{
		"described": "{\n  \"family\": \"a\",\n  \"revision\": 1,\n  \"taskDefinitionArn\": \"arn:aws:ecs:eu-west-1:123456789012:task-definition/a:1\",\n" +
			"  \"executionRoleArn\": \"e\",\n  \"containerDefinitions\": [\n    {\"name\": \"a\", \"image\": \"i\", \"memory\": 64}\n  ],\n  \"status\": \"ACTIVE\"\n}\n",
		"bare":     bareYAML,
		"template": ec2Template,
		"output":   ec2Shop,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			path := filepath.Join(dir, "td")
			if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
				t.Fatal(err)
			}
			_, want, errs := command(t, nil, "fargate", "convert", "td", "--region", "eu-west-1")
			if want == "" {
				t.Fatal(errs)
			}
			status, diff, errs := command(t, nil, "fargate", "diff", "td", "--region", "eu-west-1")
			if status != cli.ExitOK {
				t.Fatal(errs)
			}
			if err := os.WriteFile("td.diff", []byte(diff), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("patch", "-p0", "-i", "td.diff").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, diff)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
