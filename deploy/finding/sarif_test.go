package finding_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
	"sumoship/deploy/taskdef"
)

// someFindings are findings of two rules, at a place, at none, and one that is
// hostile to terminals.
func someFindings() []finding.Finding {
	rules := fargate.Rules()
	return []finding.Finding{
		{ID: rules[0].ID, Severity: finding.Error, Pointer: "/containerDefinitions/0/links", Line: 12, Column: 7, Container: "web", Action: finding.Refuse,
			Before: `["db"]`, Why: "Nobody listens there.", Help: finding.Advice{"Look at https://example.com/."}, Source: "AWS says so"},
		{ID: rules[1].ID, Severity: finding.Info, Action: finding.Set, After: `"awsvpc"`, Why: "It has to be."},
		{ID: rules[0].ID, Severity: finding.Warning, Pointer: "/a~1b", Line: 3, Column: 1, Container: "\x1b[2Jevil\x07", Action: finding.Keep, Why: "Say \x1b]0;title\x07 <&>."},
	}
}

func TestSARIFIsValid(t *testing.T) {
	_, unreadable := taskdef.Read("broken file.json", []byte("{\n  \"family\": x}"), taskdef.ReadOptions{})
	if unreadable == nil {
		t.Fatal("read")
	}
	r := finding.Report{Inputs: []finding.Input{
		{Name: "team one/shop.json", Findings: someFindings()},
		{Name: "/srv/templates/shop.yaml", Resource: "Web", Findings: someFindings()[:1]},
		{Name: "shop:7", Findings: someFindings()[:1]},
		{Name: "broken file.json", Err: unreadable},
	}}
	var out bytes.Buffer
	if err := r.SARIF(&out, slices.Concat(fargate.Rules(), service.Rules())); err != nil {
		t.Fatal(err)
	}
	log := readSARIF(t, out.Bytes())
	run := log.Runs[0]
	if len(log.Runs) != 1 || len(run.Tool.Driver.Rules) != len(fargate.Rules())+len(service.Rules()) || len(run.Results) != 5 {
		t.Fatalf("%d runs, %d rules, %d results", len(log.Runs), len(run.Tool.Driver.Rules), len(run.Results))
	}
	type seen struct {
		Rule, Level, URI, Pointer string
		Line, Column              int
	}
	var got []seen
	for _, result := range run.Results {
		p := result.Locations[0].PhysicalLocation
		if rule := run.Tool.Driver.Rules[result.RuleIndex]; *rule.ID != *result.RuleID {
			t.Errorf("rule %d is %s and not %s", result.RuleIndex, *rule.ID, *result.RuleID)
		}
		column := 0
		if p.Region.StartColumn != nil {
			column = *p.Region.StartColumn
		}
		got = append(got, seen{*result.RuleID, result.Level, *p.ArtifactLocation.URI, *result.Locations[0].LogicalLocations[0].FullyQualifiedName, *p.Region.StartLine, column})
	}
	first, second := fargate.Rules()[0].ID, fargate.Rules()[1].ID
	want := []seen{
		{first, "error", "team%20one/shop.json", "/containerDefinitions/0/links", 12, 7},
		{second, "note", "team%20one/shop.json", "/", 1, 0},
		{first, "warning", "team%20one/shop.json", "/a~1b", 3, 1},
		{first, "error", "file:///srv/templates/shop.yaml", "/containerDefinitions/0/links", 12, 7},
		{first, "error", "shop:7", "/containerDefinitions/0/links", 12, 7},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	invocation := run.Invocations[0]
	if *invocation.ExecutionSuccessful || len(invocation.ToolExecutionNotifications) != 1 {
		t.Errorf("%+v", invocation)
	} else if n := invocation.ToolExecutionNotifications[0]; *n.Locations[0].PhysicalLocation.ArtifactLocation.URI != "broken%20file.json" || *n.Locations[0].PhysicalLocation.Region.StartLine != 2 {
		t.Errorf("%+v", n)
	}
}

// readSARIF reads a log and holds it to the schema of SARIF 2.1.0.
func readSARIF(t *testing.T, b []byte) *sarif.Report {
	t.Helper()
	// The schema forbids members that it does not know; so does this decoder.
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(new(sarif.Report)); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	log, err := sarif.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	// The library validates what it writes itself, and it always writes these.
	for _, run := range log.Runs {
		run.Language, run.Tool.Driver.Language = "en-US", "en-US"
		run.NewlineSequences = []string{"\n"}
	}
	if err := log.Validate(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return log
}

// Without findings the results are an empty list: the run was made.
func TestSARIFOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := (finding.Report{Inputs: []finding.Input{{Name: "shop.json"}}}).SARIF(&out, nil); err != nil {
		t.Fatal(err)
	}
	readSARIF(t, out.Bytes())
	if !strings.Contains(out.String(), `"results": []`) || !strings.Contains(out.String(), `"executionSuccessful": true`) {
		t.Error(out.String())
	}
}
