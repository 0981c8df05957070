package fargate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var update = flag.Bool("update", false, "write golden files")

// task returns a definition for EC2 with only the findings that every one has, and
// with more members of the task.
func task(members string) string { return of(members, "") }

// container returns such a definition with more members of its container.
func container(members string) string { return of("", members) }

func of(task, container string) string {
	for _, s := range []*string{&task, &container} {
		if *s != "" {
			*s = ", " + *s
		}
	}
	// A later member of the same name would be a duplicate key.
	head := `"family": "app"`
	if strings.Contains(task, `"family"`) {
		head = `"x": null`
	}
	return fmt.Sprintf(`{%s, "containerDefinitions": [{"name": "web", "image": "nginx:1", "cpu": 100, "memory": 256%s}]%s}`, head, container, task)
}

// two returns a definition with two containers.
func two(a, b string) string {
	for _, s := range []*string{&a, &b} {
		if *s != "" {
			*s = ", " + *s
		}
	}
	return fmt.Sprintf(`{"family": "app", "containerDefinitions": [
		{"name": "web", "image": "nginx:1", "cpu": 100, "memory": 256%s},
		{"name": "db", "image": "mysql:8", "cpu": 100, "memory": 256%s}]}`, a, b)
}

// usual completes options as most cases want them; "none" leaves one empty.
func usual(o Options) Options {
	none := func(s, otherwise string) string {
		if s == "none" {
			return ""
		}
		if s == "" {
			return otherwise
		}
		return s
	}
	o.Region, o.ExecutionRole = none(o.Region, "us-east-1"), none(o.ExecutionRole, "exec")
	return o
}

func read(t testing.TB, name, src string) *taskdef.Document {
	t.Helper()
	d, err := taskdef.Read(name, []byte(src), taskdef.ReadOptions{})
	if err != nil {
		t.Fatalf("Read: %v\n%s", err, src)
	}
	return d
}

func findings(t testing.TB, src string, o Options) []finding.Finding {
	t.Helper()
	found, err := Convert(read(t, "td.json", src), o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func withID(found []finding.Finding, id string) (all []finding.Finding) {
	for _, f := range found {
		if f.ID == id {
			all = append(all, f)
		}
	}
	return all
}

func first(n *tree.Node) *tree.Node {
	for _, e := range n.Elements() {
		return e
	}
	return nil
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), go test -update writes it:\n%s", path, diff)
	}
}

func describe(found []finding.Finding) []byte {
	var b bytes.Buffer
	for _, f := range found {
		fmt.Fprintf(&b, "%d:%d %s %s %s %s\n", f.Line, f.Column, f.Severity, f.Action, f.ID, strings.TrimSpace(f.Pointer+" "+f.Container))
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
	return b.Bytes()
}

func allowable() (all []string) {
	for _, r := range Rules() {
		if r.Allow != "" {
			all = append(all, r.ID)
		}
	}
	return all
}

func hasError(found []finding.Finding) bool {
	return slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Severity == finding.Error })
}
