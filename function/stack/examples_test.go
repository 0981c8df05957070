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
