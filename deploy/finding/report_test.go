package finding_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/finding"
)

func text(t *testing.T, r finding.Report, style finding.Style) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.Text(&out, style); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// row is a finding whose rule has a name of a known length.
func row() finding.Report {
	return finding.Report{Inputs: []finding.Input{{Name: "shop.json", Findings: []finding.Finding{
		{ID: "host-port-dropped", Severity: finding.Warning, Pointer: "/containerDefinitions/0/portMappings/0/hostPort", Line: 12, Column: 7, Container: "web",
			Action: finding.Drop, Before: "80", Why: "The task has an address of its own, so the port of the container is the port.",
			Help: finding.Advice{"Point clients at 8080."}},
		{ID: "network-mode", Severity: finding.Info, Action: finding.Rewrite, Before: `"bridge"`, After: `"awsvpc"`, Why: "Fargate has no other."},
	}}}}
}

func TestTextIsATableWhereThereIsRoom(t *testing.T) {
	want := `shop.json
  12:7  warning  host-port-dropped  drop 80
                 container web      The task has an address of its own, so the
                                    port of the container is the port.
                                    → Point clients at 8080.
  -     info     network-mode       rewrite "bridge" → "awsvpc"
                                    Fargate has no other.

`
	if d := cmp.Diff(want, text(t, row(), finding.Style{Width: 80})); d != "" {
		t.Errorf("80 columns (-want +got):\n%s", d)
	}
	want = `shop.json
  12:7 warning host-port-dropped
  container web
    drop 80
    The task has an address of its own,
    so the port of the container is the
    port.
    → Point clients at 8080.
  - info network-mode
    rewrite "bridge" → "awsvpc"
    Fargate has no other.

`
	if d := cmp.Diff(want, text(t, row(), finding.Style{Width: 40})); d != "" {
		t.Errorf("40 columns (-want +got):\n%s", d)
	}
	coloured := text(t, row(), finding.Style{Width: 80, Colour: true})
	for _, part := range []string{"\x1b[1mshop.json\x1b[0m\n", "\x1b[33mwarning\x1b[0m", "\x1b[36minfo\x1b[0m"} {
		if !strings.Contains(coloured, part) {
			t.Errorf("no %q in\n%q", part, coloured)
		}
	}
	plain := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[33m", "", "\x1b[36m", "").Replace(coloured)
	if d := cmp.Diff(text(t, row(), finding.Style{Width: 80}), plain); d != "" {
		t.Errorf("colour moves the columns (-want +got):\n%s", d)
	}
}

// A definition cannot control its reader's terminal.
func TestTextHasNoControlCharacters(t *testing.T) {
	r := finding.Report{Inputs: []finding.Input{{Name: "\x1b[31m.json", Findings: someFindings()}}}
	for _, width := range []int{30, 120} {
		for _, c := range text(t, r, finding.Style{Width: width}) {
			if c != '\n' && unicode.IsControl(c) {
				t.Errorf("%q is written", c)
			}
		}
	}
}

// A change takes one line; values that are too long for it are cut.
func TestTextCutsLongValues(t *testing.T) {
	long := strings.Repeat("é", 500)
	for name, c := range map[string]struct{ before, after, want string }{
		"one":         {long, "", "set " + strings.Repeat("é", 55) + "…"},
		"both":        {long, long, "set " + strings.Repeat("é", 25) + "… → " + strings.Repeat("é", 26) + "…"},
		"the first":   {long, "1", "set " + strings.Repeat("é", 51) + "… → 1"},
		"the second":  {"1", long, "set 1 → " + strings.Repeat("é", 51) + "…"},
		"none":        {"1", "2", "set 1 → 2"},
		"only before": {"1", "", "set 1"},
	} {
		f := finding.Finding{ID: "id", Severity: finding.Info, Action: finding.Set, Before: c.before, After: c.after, Why: "Why."}
		r := finding.Report{Inputs: []finding.Input{{Name: "a", Findings: []finding.Finding{f}}}}
		if got, want := text(t, r, finding.Style{Width: 75}), "a\n  -  info  id  "+c.want+"\n               Why.\n\n"; got != want {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(want, got))
		}
	}
}

func TestReportCountsWhatItDoesNotShow(t *testing.T) {
	r := finding.Report{
		Inputs:  []finding.Input{{Name: "a", Findings: someFindings()}, {Name: "b", Err: errors.New("b: no")}, {Name: "c"}},
		Skipped: 2,
		Show:    finding.Error,
	}
	const want = "2 definitions: 1 error, 1 warning, 1 info; 1 file could not be read; skipped 2 files without a task definition"
	if got := r.Summary().String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := text(t, r, finding.Style{}); strings.Contains(got, "warning") || strings.Contains(got, "info") || !strings.Contains(got, "error") {
		t.Error(got)
	}
	var out bytes.Buffer
	if err := r.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version int
		Inputs  []struct {
			Name     string
			Findings []finding.Finding
			Error    *struct{ Message string }
		}
		Summary finding.Summary
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || len(got.Inputs) != 3 || got.Inputs[1].Error == nil || got.Inputs[1].Error.Message != "b: no" || got.Summary != r.Summary() {
		t.Errorf("%+v", got)
	}
	if d := cmp.Diff(someFindings()[:1], got.Inputs[0].Findings); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	if !strings.Contains(out.String(), `"findings": []`) {
		t.Errorf("a clean input has no list\n%s", out.String())
	}
}

// TestTextFoldsUsualInfos names in one line what every definition has, unless it is
// more than an info.
func TestTextFoldsUsualInfos(t *testing.T) {
	r := row()
	findings := &r.Inputs[0].Findings
	(*findings)[1].Usual = true
	*findings = append(*findings, (*findings)[1], finding.Finding{ID: "task-cpu", Severity: finding.Info, Usual: true, Why: "Sizes.", After: `"256"`},
		finding.Finding{ID: "loud", Severity: finding.Error, Usual: true, Why: "Refused."})
	if got := text(t, r, finding.Style{}); !strings.Contains(got, "Sizes.") {
		t.Errorf("folded without being asked to:\n%s", got)
	}
	r.Fold = true
	got := text(t, r, finding.Style{})
	if want := "\n  And as usual: network-mode \"awsvpc\" (2 times), task-cpu \"256\".\n"; !strings.Contains(got, want) ||
		strings.Contains(got, "Sizes.") || !strings.Contains(got, "Refused.") || !strings.Contains(got, "host-port-dropped") {
		t.Errorf("want %q in\n%s", want, got)
	}
	*findings = (*findings)[1:2]
	if got, want := text(t, r, finding.Style{}), "shop.json\n  And as usual: network-mode \"awsvpc\".\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
