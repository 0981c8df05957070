package fargate

import (
	"encoding/json"
	"testing"

	"sumoship/deploy/taskdef"
)

// A value of a wrong type anywhere is a finding, never a panic: each value of the
// rules' bad task definitions is replaced by values of other types, one at a time.
func TestWrongTypesEverywhere(t *testing.T) {
	var inputs [][]byte
	for _, path := range ruleFiles(t) {
		_, cases := ruleFile(t, path)
		for _, c := range cases {
			inputs = append(inputs, []byte(c.bad))
		}
	}
	o := Options{
		Region: "us-east-1", ExecutionRole: "exec", TaskRole: "task", LogGroup: "g",
		Fluentd: "firelens", RewriteLinks: "all", Shm: "tmpfs", Allow: allowable(),
	}
	for _, src := range inputs {
		var root any
		if json.Unmarshal(src, &root) != nil {
			continue // with comments
		}
		each(&root, func() {
			changed, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			func() {
				defer func() {
					if r := recover(); r != nil {
						t.Errorf("%s\n%v", changed, r)
					}
				}()
				for _, judge := range []func(*taskdef.Document) error{
					func(d *taskdef.Document) error { _, err := Check(d, Options{}); return err },
					func(d *taskdef.Document) error { _, err := Convert(d, o); return err },
				} {
					d, err := taskdef.Read("td", changed, taskdef.ReadOptions{})
					if err != nil {
						return // refused as a whole
					}
					if err := judge(d); err != nil {
						t.Fatalf("%s: %v", changed, err)
					}
				}
			}()
		})
	}
}

// each calls try for each value below v with a value of another type in its place.
func each(v *any, try func()) {
	was := *v
	for _, other := range []any{"x", 7, nil, []any{nil}, map[string]any{"name": 7}} {
		*v = other
		try()
	}
	*v = was
	switch w := was.(type) {
	case map[string]any:
		for k, e := range w {
			each(&e, func() { w[k] = e; try() })
			w[k] = e
		}
	case []any:
		for i := range w {
			each(&w[i], try)
		}
	}
}
