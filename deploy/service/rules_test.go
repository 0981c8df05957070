package service_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sumoship/deploy/finding"
	"sumoship/deploy/service"
)

// Each rule has a file of inputs that it is found in, with its severity, and where.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, path := range files {
		id := strings.TrimSuffix(filepath.Base(path), ".txtar")
		ids = append(ids, id)
		archive, all := inputs(t, path)
		for i, in := range all {
			t.Run(fmt.Sprintf("%s/%d", id, i+1), func(t *testing.T) { testRule(t, id, in) })
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for _, r := range service.Rules() {
		want = append(want, r.ID)
	}
	slices.Sort(want)
	slices.Sort(ids)
	if d := cmp.Diff(want, ids); d != "" {
		t.Errorf("rules with a file in testdata (-want +got):\n%s", d)
	}
}

func testRule(t *testing.T, id string, in input) {
	if in.finding == nil {
		t.Fatal("no finding at the end of the file")
	}
	s := in.mustNew(t)
	var got []finding.Finding
	for _, f := range slices.Concat(s.Findings, s.ServiceFindings) {
		if f.ID == id {
			got = append(got, f)
		}
		around := strings.HasPrefix(in.task, "[") // of a list, what is around it has no place in the input
		if f.Pointer != "" && f.Line == 0 && !around || f.Why == "" {
			t.Errorf("%+v has no place or reason", f)
		}
	}
	if len(got) == 0 {
		t.Fatal("no finding")
	}
	if *update {
		in.finding.Data = describe(got)
	}
	if d := cmp.Diff(string(in.finding.Data), string(describe(got))); d != "" {
		t.Errorf("finding (-want +got), go test -update writes it:\n%s", d)
	}
	refused := slices.ContainsFunc(got, func(f finding.Finding) bool { return f.Severity == finding.Error })
	if s.Refused() != refused {
		t.Errorf("refused: %t, want %t\n%+v", s.Refused(), refused, s.Findings)
	}
}

// describe writes findings as text: place, severity, action and pointer, and below
// it the change, why, and what to do.
func describe(findings []finding.Finding) []byte {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%d:%d %s %s %s\n", f.Line, f.Column, f.Severity, f.Action, f.Pointer)
		if f.Before != "" {
			fmt.Fprintf(&b, "    - %s\n", f.Before)
		}
		if f.After != "" {
			fmt.Fprintf(&b, "    + %s\n", f.After)
		}
		fmt.Fprintf(&b, "    %s\n", f.Why)
		if len(f.Help) > 0 {
			fmt.Fprintf(&b, "    → %s\n", f.Help)
		}
	}
	return []byte(b.String())
}
