package fargate

import (
	"strings"
	"testing"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// What ECS Managed Instances support stays as it is, and is not refused; all else is
// as for Fargate. A second conversion edits nothing.
func TestTargetManagedInstances(t *testing.T) {
	const src = `{"family":"a","networkMode":"host","containerDefinitions":[{"name":"a","image":"a","cpu":64,"memory":128,"privileged":true,
		"linuxParameters":{"sharedMemorySize":64,"capabilities":{"add":["NET_ADMIN"]}},"resourceRequirements":[{"type":"GPU","value":"1"}]}]}`
	o := usual(Options{Target: "managed-instances"})
	d, err := taskdef.Read("a.json", []byte(src), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := Convert(d, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Severity == finding.Error {
			t.Errorf("%+v", f)
		}
	}
	out := string(d.Bytes())
	for _, want := range []string{`"MANAGED_INSTANCES"`, `"networkMode":"host"`, `"privileged":true`, `"NET_ADMIN"`, `"sharedMemorySize":64`, `"GPU"`, "awslogs"} {
		if !strings.Contains(strings.ReplaceAll(out, `": `, `":`), want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	again, err := taskdef.Read("a.json", []byte(out), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Convert(again, o); err != nil || string(again.Bytes()) != out {
		t.Errorf("%v: a second conversion edits it: %s", err, again.Bytes())
	}
	for _, f := range findings(t, src, usual(Options{})) { // for Fargate they are refused, with the way out
		if _, ok := OnManagedInstances(f.ID); ok && f.Action == finding.Refuse && !strings.Contains(f.Help.String(), "Managed Instances") {
			t.Errorf("%s does not name the way out: %s", f.ID, f.Help)
		}
	}
}

// Each entry is about a rule that exists.
func TestManagedInstancesAreAboutRules(t *testing.T) {
	for id := range managed {
		if _, ok := lookup(id); !ok && !strings.HasPrefix(id, "service-") {
			t.Errorf("there is no rule %s", id)
		}
	}
}
