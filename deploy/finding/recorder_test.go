package finding_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

func definition(t *testing.T) *tree.Node {
	t.Helper()
	d, err := taskdef.Read("td.json", []byte(`{"family": "f", "containerDefinitions": [
		{"name": "web", "image": "i", "links": ["db"], "command": ["x"], "environment": [{"name": "A", "value": "x"}],
		 "dockerLabels": {"k": "x"}, "user": "root"}]}`), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d.Definition()
}

func firstContainer(t *testing.T) *tree.Node {
	t.Helper()
	for _, n := range definition(t).Get("containerDefinitions").Elements() {
		return n
	}
	t.Fatal("no container")
	return nil
}

func TestRecorderOrdersByPlace(t *testing.T) {
	r := finding.NewRecorder(nil)
	container := firstContainer(t)
	r.Note(linked, container.Get("links"), "second")
	r.Note(mode, container.Get("links"), "third %d", 3)
	r.Note(mode, container.Parent().Parent(), "")
	var got []string
	for _, f := range r.Findings() {
		got = append(got, strings.TrimSpace(f.Container+" "+f.Why))
	}
	if d := cmp.Diff([]string{"There is one mode.", "web Second.", "web Third 3."}, got); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
}

func TestRecorderSeverity(t *testing.T) {
	for name, c := range map[string]struct {
		allow  []string
		strict bool
		report func(r *finding.Recorder, n *tree.Node)
		want   finding.Finding
	}{
		"refused": {nil, false, func(r *finding.Recorder, n *tree.Node) {
			if r.Refuse(linked, n, "") {
				t.Error("allowed")
			}
		}, finding.Finding{ID: "linked", Severity: finding.Error, Action: finding.Refuse, Why: linked.Summary, Before: `["db"]`,
			Help: finding.Advice{"Look.", "Listen.", "Or allow linked: it is dropped."}}},
		"allowed": {[]string{"linked"}, false, func(r *finding.Recorder, n *tree.Node) {
			if r.Refuse(linked, n, "") {
				r.Dropped(linked, n, "")
			}
		}, finding.Finding{ID: "linked", Severity: finding.Warning, Action: finding.Drop, Why: linked.Summary, Before: `["db"]`, Help: linked.Help}},
		"not strict": {nil, false, func(r *finding.Recorder, n *tree.Node) { r.Report(mode, finding.Set, n, "") },
			finding.Finding{ID: "mode", Severity: finding.Info, Action: finding.Set, Why: mode.Summary}},
		"strict": {nil, true, func(r *finding.Recorder, n *tree.Node) { r.Report(mode, finding.Set, n, "") },
			finding.Finding{ID: "mode", Severity: finding.Error, Action: finding.Set, Why: mode.Summary + " ECS refuses it: one mode only",
				Help: finding.Advice{"Convert sets it."}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := finding.NewRecorder(c.allow)
			r.Strict = c.strict
			c.report(r, firstContainer(t).Get("links"))
			found := r.Findings()
			if len(found) != 1 {
				t.Fatalf("%d findings, want 1", len(found))
			}
			got := found[0]
			rule := map[string]finding.Rule{linked.ID: linked, mode.ID: mode}[c.want.ID]
			c.want.Topic, c.want.Source, c.want.Container = rule.Topic, rule.Source, "web"
			c.want.Pointer, c.want.Line, c.want.Column = "/containerDefinitions/0/links", 2, 42
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("finding (-want +got):\n%s", d)
			}
			if r.Refused() != (got.Severity == finding.Error) {
				t.Errorf("Refused is %v", r.Refused())
			}
		})
	}
}

func TestShown(t *testing.T) {
	n := firstContainer(t)
	const want = `{"name":"web","image":"i","links":["db"],"command":["…"],"environment":[{"name":"A","value":"…"}],"dockerLabels":{"k":"…"},"user":"root"}`
	if d := cmp.Diff(want, finding.Shown(n)); d != "" {
		t.Errorf("container (-want +got):\n%s", d)
	}
	if got := finding.Shown(n.Field("dockerLabels").Key("k")); got != `"…"` {
		t.Errorf("a label is %s", got)
	}
	if got := finding.Shown(nil); got != "" {
		t.Errorf("nothing is %s", got)
	}
}

// TestRecorderFoldsRepetitions has what the branches of a condition report twice, and
// a value that they set one after the other.
func TestRecorderFoldsRepetitions(t *testing.T) {
	r := finding.NewRecorder(nil)
	container := firstContainer(t)
	for range 2 {
		r.Note(linked, container.Get("links"), "the same")
	}
	r.Note(linked, container.Get("links"), "another")
	set := func(before, after string) {
		f := r.Report(mode, finding.Set, container.Get("user"), "%s", after)
		f.Before, f.After = before, after
	}
	set(`"a"`, `"b"`)
	set(`"b"`, `"c"`)
	set(`"x"`, `"y"`)
	var got []string
	for _, f := range r.Findings() {
		got = append(got, f.Before+f.After+f.Why)
	}
	want := []string{"The same.", "Another.", `"a""c""c".`, `"x""y""y".`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
}
