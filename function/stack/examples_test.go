package stack_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The examples for other tools, and the pages, set parameters that there are, to values
// that they accept.
func TestExamplesSetParametersThatThereAre(t *testing.T) {
	tmpl := readTemplate(t)
	ofRelease := []string{"CodeBucket", "CodePrefix"}
	check := func(file, name, value string) {
		if slices.Contains(ofRelease, name) {
			return
		}
		if tmpl.section("Parameters")[name] == nil {
			t.Errorf("%s sets %s, which is not a parameter", file, name)
		} else if value != "" && !tmpl.accepts(t, name, value) {
			t.Errorf("%s sets %s to %q, which it does not accept", file, name, value)
		}
	}
	for file, c := range map[string]struct {
		block, line string
	}{
		"../../examples/terraform/main.tf": {`(?s)parameters = \{(.*?)\n  \}`, `(?m)^ +(\w+) += (?:"([^"]*)"|.*)$`},
		"../../examples/cdk/sumoship.ts":   {`(?s)parameters: \{(.*?)\n  \}`, `(?m)^ +(\w+): (?:'([^']*)'|(?:\d+)|.*),`},
		"../../docs/scenarios.md":          {`(?s)(.*)`, `(?m)^    ([A-Z]\w+)=(.*)$`},
		"../../README.md":                  {`(?s)(.*)`, `--set (\w+)=(\S+)`},
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile(c.block).FindStringSubmatch(string(b))
		if blocks == nil {
			t.Fatalf("%s has no parameters", file)
		}
		lines := regexp.MustCompile(c.line).FindAllStringSubmatch(blocks[1], -1)
		if len(lines) < 2 {
			t.Errorf("%s sets %d parameters", file, len(lines))
		}
		for _, m := range lines {
			check(file, m[1], strings.Trim(m[2], "'"))
		}
	}
}

// Whoever deploys the template by other means has to acknowledge what sumoship deploy does:
// roles that can have names. The examples and the commands of the pages do.
func TestExamplesAcknowledgeNamedRoles(t *testing.T) {
	const capability = "CAPABILITY_NAMED_IAM"
	named := false
	for _, r := range readTemplate(t).section("Resources") {
		named = named || text(get(r, "Type")) == "AWS::IAM::Role" && get(r, "Properties", "RoleName") != nil
	}
	if !named {
		t.Fatalf("no role has a name: %s is not needed any more", capability)
	}
	for file, min := range map[string]int{"../../examples/terraform/main.tf": 1, "../../examples/cdk/sumoship.ts": 1, "../../samconfig.toml": 1, "../../docs/scenarios.md": 2, "../../docs/operations.md": 2} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), capability); n < min {
			t.Errorf("%s has %s %d times, want %d", file, capability, n, min)
		}
		for _, m := range regexp.MustCompile(`(?s)create-stack-set .*?\n(?:done|\x60{3})|capabilities *= *.*?\n`).FindAllString(string(b), -1) {
			if !strings.Contains(m, capability) {
				t.Errorf("%s lacks %s in:\n%s", file, capability, m)
			}
		}
	}
}

// The metadata for the Serverless Application Repository is what it accepts.
//
// Source: AWS Serverless Application Repository Developer Guide, "AWS SAM template
// Metadata section properties".
func TestServerlessRepositoryMetadata(t *testing.T) {
	m := get(readTemplate(t).section("Metadata"), "AWS::ServerlessRepo::Application").(map[string]any)
	for field, limit := range map[string]int{"Name": 140, "Description": 256, "Author": 127} {
		if v := text(m[field]); v == "" || len(v) > limit {
			t.Errorf("%s has %d bytes, want 1 to %d", field, len(v), limit)
		}
	}
	if labels := m["Labels"].([]any); len(labels) > 10 {
		t.Errorf("%d labels", len(labels))
	}
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(text(m["SemanticVersion"])) {
		t.Errorf("version %v", m["SemanticVersion"])
	}
	if _, err := os.Stat("../../" + text(m["ReadmeUrl"])); err != nil {
		t.Error(err)
	}
}
