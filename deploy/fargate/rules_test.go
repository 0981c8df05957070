package fargate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sumoship/deploy/finding"
)

// ruleCase is a definition with a finding of a rule, and one like it without.
type ruleCase struct {
	id        string
	bad, good string
	o         Options
	finding   *txtar.File // the findings of the rule in bad, as describe writes them
}

// ruleFile returns the cases of testdata/rules/ID.txtar. Each begins with bad.json,
// followed by good.json, options.json if it needs [Options], and finding.
func ruleFile(t testing.TB, path string) (a *txtar.Archive, cases []*ruleCase) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Files {
		f := &a.Files[i]
		if f.Name == "bad.json" {
			cases = append(cases, &ruleCase{id: strings.TrimSuffix(filepath.Base(path), ".txtar")})
		}
		if len(cases) == 0 {
			t.Fatalf("%s: begins with %s, want bad.json", path, f.Name)
		}
		c := cases[len(cases)-1]
		switch f.Name {
		case "bad.json":
			c.bad = string(f.Data)
		case "good.json":
			c.good = string(f.Data)
		case "options.json":
			if err := json.Unmarshal(f.Data, &c.o); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		case "finding":
			c.finding = f
		default:
			t.Fatalf("%s: unknown section %s", path, f.Name)
		}
	}
	for i, c := range cases {
		if c.bad == "" || c.good == "" || c.finding == nil {
			t.Fatalf("%s: case %d lacks a section", path, i+1)
		}
		c.o = usual(c.o)
	}
	return a, cases
}

func ruleFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files of rules: %v", len(files), err)
	}
	return files
}

func TestRules(t *testing.T) {
	for _, path := range ruleFiles(t) {
		archive, cases := ruleFile(t, path)
		for i, c := range cases {
			t.Run(fmt.Sprintf("%s/%d", c.id, i+1), func(t *testing.T) { c.test(t) })
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (c *ruleCase) test(t *testing.T) {
	rule, ok := lookup(c.id)
	if !ok {
		t.Fatal("no such rule")
	}
	got := withID(findings(t, c.bad, c.o), c.id)
	if len(got) == 0 {
		t.Fatalf("no finding in %s", c.bad)
	}
	if *update {
		c.finding.Data = describe(got)
	}
	if d := cmp.Diff(string(c.finding.Data), string(describe(got))); d != "" {
		t.Errorf("finding (-want +got), go test -update writes it:\n%s", d)
	}
	f := got[0]
	if f.Severity != rule.Severity || len(f.Help) == 0 && len(rule.Help) > 0 || f.Why == "" || f.Source != rule.Source {
		t.Errorf("finding %+v, rule %+v", f, rule)
	}
	edits := func(a finding.Action) bool { return a != finding.Keep && a != finding.Refuse }
	if f.Action != rule.Action && !(edits(f.Action) && edits(rule.Action)) {
		t.Errorf("action %s, rule says %s", f.Action, rule.Action)
	}
	if f.Line == 0 && !strings.HasPrefix(c.bad, "[") {
		t.Errorf("no place: %+v", f)
	}
	if good := withID(findings(t, c.good, c.o), c.id); len(good) > 0 {
		t.Errorf("finding %+v in %s", good[0], c.good)
	}
	if rule.Allow == "" {
		return
	}
	o := c.o
	o.Allow = append(slices.Clone(o.Allow), c.id)
	for _, f := range withID(findings(t, c.bad, o), c.id) {
		if f.Severity != finding.Warning || f.Action == finding.Refuse {
			t.Errorf("allowed: %+v", f)
		}
	}
}

func TestEachRuleHasCases(t *testing.T) {
	have := map[string]bool{}
	for _, path := range ruleFiles(t) {
		have[strings.TrimSuffix(filepath.Base(path), ".txtar")] = true
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s is in Rules twice", r.ID)
		}
		seen[r.ID] = true
		if !have[r.ID] {
			t.Errorf("%s has no case", r.ID)
		}
		if r.Summary == "" || r.Severity == "" || r.Action == "" || r.Source == "" && !slices.Contains([]string{"value-unknown", "family-suffix"}, r.ID) {
			t.Errorf("%s is not complete", r.ID)
		}
		if (r.Action == finding.Refuse) != (r.Severity == finding.Error) || r.Allow != "" && r.Action != finding.Refuse {
			t.Errorf("%s: action %s, severity %s, allow %q", r.ID, r.Action, r.Severity, r.Allow)
		}
		if r.Severity == finding.Error && len(r.Help) == 0 {
			t.Errorf("%s does not say what to do", r.ID)
		}
	}
}
