package fargate

import (
	"os"
	"path/filepath"
	"testing"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// FuzzConvert converts whatever can be read: no panic, and a second conversion of
// what was converted finds nothing to do.
func FuzzConvert(f *testing.F) {
	inputs, err := filepath.Glob("testdata/convert/*/in.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, in := range inputs {
		src, err := os.ReadFile(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, path := range ruleFiles(f) {
		_, cases := ruleFile(f, path)
		for _, c := range cases {
			f.Add([]byte(c.bad))
		}
	}
	o := Options{
		Region: "us-east-1", ExecutionRole: "exec", TaskRole: "task", LogGroup: "g",
		Fluentd: "firelens", RewriteLinks: "all", Shm: "tmpfs", Allow: allowable(),
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := taskdef.Read("td", src, taskdef.ReadOptions{})
		if err != nil {
			return
		}
		if _, err := Check(d, Options{}); err != nil {
			t.Fatal(err)
		}
		found, err := Convert(d, o)
		if err != nil {
			t.Fatal(err)
		}
		if hasError(found) {
			return
		}
		second, err := Convert(d, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range second {
			if f.Action != finding.Keep || f.Severity == finding.Error {
				t.Fatalf("not idempotent: %+v\n%s", f, d.Bytes())
			}
		}
	})
}
