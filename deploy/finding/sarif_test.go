package finding_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

var update = flag.Bool("update", false, "write golden files")

// Two rules as packages have them.
var (
	linked = finding.Rule{ID: "linked", Severity: finding.Error, Action: finding.Refuse, Source: "AWS documentation",
		Summary: "Nobody listens <there>.", Help: finding.Advice{"Look.", "Listen."}, Allow: "it is dropped.", Refusal: "no links"}
	mode = finding.Rule{ID: "mode", Topic: finding.Network, Severity: finding.Info, Action: finding.Set, Summary: "There is one mode.", Refusal: "one mode only"}
)

// someFindings are findings of two rules, at a place, at none, and one that is
// hostile to terminals.
func someFindings() []finding.Finding {
	return []finding.Finding{
		{ID: linked.ID, Severity: finding.Error, Pointer: "/containerDefinitions/0/links", Line: 12, Column: 7, Container: "web", Action: finding.Refuse,
			Before: `["db"]`, Why: "Nobody listens there.", Help: finding.Advice{"Look at https://example.com/."}, Source: "AWS documentation"},
		{ID: mode.ID, Severity: finding.Info, Action: finding.Set, After: `"awsvpc"`, Why: "It has to be."},
		{ID: linked.ID, Severity: finding.Warning, Pointer: "/a~1b", Line: 3, Column: 1, Container: "\x1b[2Jevil\x07", Action: finding.Keep,
			Why: "Say \x1b]0;title\x07 <&>."},
	}
}

func TestSARIF(t *testing.T) {
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
	if err := r.SARIF(&out, []finding.Rule{linked, mode}, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	valid(t, out.Bytes())
	const golden = "testdata/report.sarif"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("%s (-want +got), go test -update writes it:\n%s", golden, d)
	}
}

// log is what code scanning reads of SARIF.
type log struct {
	Runs []struct {
		Tool struct {
			Driver struct{ Rules []struct{ ID string } }
		}
		Invocations []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []struct{ Locations []location }
		}
		Results []struct {
			RuleID, Level string
			RuleIndex     int
			Locations     []location
		}
	}
}

type location struct {
	PhysicalLocation struct {
		ArtifactLocation struct{ URI string }
		Region           struct{ StartLine, StartColumn int }
	}
	LogicalLocations []struct{ FullyQualifiedName string }
}

func TestSARIFPlaces(t *testing.T) {
	r := finding.Report{Inputs: []finding.Input{
		{Name: "team one/shop.json", Findings: someFindings()},
		{Name: "/srv/templates/shop.yaml", Findings: someFindings()[:1]},
		{Name: "shop:7", Findings: someFindings()[:1]},
		{Name: "broken file.json", Err: &taskdef.InputError{Name: "broken file.json", Line: 2, Column: 13}},
	}}
	run := readSARIF(t, r).Runs[0]
	type seen struct {
		Rule, Level, URI, Pointer string
		Line, Column              int
	}
	var got []seen
	for _, result := range run.Results {
		if rule := run.Tool.Driver.Rules[result.RuleIndex]; rule.ID != result.RuleID {
			t.Errorf("rule %d is %s, want %s", result.RuleIndex, rule.ID, result.RuleID)
		}
		l := result.Locations[0]
		p := l.PhysicalLocation
		got = append(got, seen{
			result.RuleID, result.Level, p.ArtifactLocation.URI, l.LogicalLocations[0].FullyQualifiedName,
			p.Region.StartLine, p.Region.StartColumn,
		})
	}
	want := []seen{
		{"linked", "error", "team%20one/shop.json", "/containerDefinitions/0/links", 12, 7},
		{"mode", "note", "team%20one/shop.json", "/", 1, 0},
		{"linked", "warning", "team%20one/shop.json", "/a~1b", 3, 1},
		{"linked", "error", "file:///srv/templates/shop.yaml", "/containerDefinitions/0/links", 12, 7},
		{"linked", "error", "shop:7", "/containerDefinitions/0/links", 12, 7},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("results (-want +got):\n%s", d)
	}
	i := run.Invocations[0]
	if i.ExecutionSuccessful || len(i.ToolExecutionNotifications) != 1 {
		t.Fatalf("invocation %+v, want one notification and no success", i)
	}
	p := i.ToolExecutionNotifications[0].Locations[0].PhysicalLocation
	if got := fmt.Sprintf("%s:%d:%d", p.ArtifactLocation.URI, p.Region.StartLine, p.Region.StartColumn); got != "broken%20file.json:2:13" {
		t.Errorf("notification at %s, want broken%%20file.json:2:13", got)
	}
}

// Without findings the results are an empty list: the run was made.
func TestSARIFOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := (finding.Report{Inputs: []finding.Input{{Name: "shop.json"}}}).SARIF(&out, nil, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	valid(t, out.Bytes())
	for _, want := range []string{`"results": []`, `"executionSuccessful": true`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}

func readSARIF(t *testing.T, r finding.Report) (l log) {
	t.Helper()
	var out bytes.Buffer
	if err := r.SARIF(&out, []finding.Rule{linked, mode}, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	valid(t, out.Bytes())
	if err := json.Unmarshal(out.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// valid holds a log to the schema of SARIF 2.1.0, which forbids members that it
// does not know.
func valid(t *testing.T, b []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(new(sarif.Report)); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	log, err := sarif.FromBytes(b, sarif.WithStrictValidation())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Validate(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
}
