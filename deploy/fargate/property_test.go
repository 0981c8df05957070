package fargate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

func TestConvertGenerated(t *testing.T) {
	allow := allowable()
	var converted, refused int
	for seed := range uint64(2000) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		src := g.source(g.definition())
		o := Options{Region: "us-east-1", ExecutionRole: "exec"}
		if g.chance(70) {
			o.Allow = allow
		}
		o.KeepEC2, o.Fluentd, o.RewriteLinks = g.chance(20), one(g, "", "firelens"), one(g, "", "all", "none")
		o.Arch, o.MemoryBasis = one(g, "", "arm64", "x86_64"), one(g, "", "reservation")
		if g.chance(20) {
			o.Volumes, o.Shm = map[string]string{"v": "ephemeral", "w": "efs:fs-0123456789abcdef0:/x"}, "tmpfs"
		}
		d := read(t, "td.json", string(src))
		checked, err := Check(d, o)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.Bytes(), read(t, "td.json", string(src)).Bytes()) {
			t.Fatalf("seed %d: Check edited:\n%s\n%s", seed, src, d.Bytes())
		}
		found, err := Convert(d, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(slices.Clone(found), checked...) {
			if s := fmt.Sprint(f); strings.Contains(s, secretText) {
				t.Fatalf("seed %d: a secret in %s", seed, s)
			}
		}
		before := read(t, "td.json", string(src)).Definition()
		for place, id := range unexplained(before, d.Definition(), found) {
			t.Fatalf("seed %d: %s was edited without a finding (%s)\n%s\n%s", seed, place, id, src, d.Bytes())
		}
		if hasError(found) {
			refused++
			continue
		}
		converted++
		out := d.Bytes()
		for _, again := range []*taskdef.Document{d, read(t, "td.json", string(out))} {
			second, err := Convert(again, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range second {
				if f.Action != finding.Keep || f.Severity == finding.Error {
					t.Fatalf("seed %d: not idempotent: %+v\n%s\n%s", seed, f, src, out)
				}
			}
			if diff := cmp.Diff(string(out), string(again.Bytes())); diff != "" {
				t.Fatalf("seed %d: the second conversion edited:\n%s", seed, diff)
			}
		}
		rechecked, err := Check(read(t, "td.json", string(out)), o)
		if err != nil {
			t.Fatal(err)
		}
		if hasError(rechecked) {
			t.Fatalf("seed %d: the output does not pass: %+v\n%s", seed, rechecked, out)
		}
		loggedSomewhere(t, d.Definition())
	}
	if converted < 300 || refused < 300 {
		t.Errorf("%d converted, %d refused: the generator is lopsided", converted, refused)
	}
	t.Logf("%d converted, %d refused", converted, refused)
}

// convertTwice converts a document, and converts the outcome again, which has to edit
// nothing more. It returns the second outcome, nil if the document is refused.
func convertTwice(t *testing.T, seed uint64, src string, doc *taskdef.Document, o Options) (again *taskdef.Document) {
	t.Helper()
	found, err := Convert(doc, o)
	if err != nil {
		t.Fatal(err)
	}
	if hasError(found) {
		return nil
	}
	again = read(t, "t.json", string(doc.Bytes()))
	second, err := Convert(again, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range second {
		if f.Action != finding.Keep || f.Severity == finding.Error {
			t.Fatalf("seed %d: not idempotent: %+v\n%s\n%s", seed, f, src, doc.Bytes())
		}
	}
	return again
}

// TestConvertGeneratedTemplates converts generated definitions in CloudFormation
// templates.
func TestConvertGeneratedTemplates(t *testing.T) {
	allow := allowable()
	var converted int
	for seed := range uint64(400) {
		g := generator{rand.New(rand.NewPCG(seed, 2))}
		d := g.definition()
		delete(d, "compatibilities")
		template := read(t, "td.json", string(g.source(d))).CloudFormation()
		o := Options{ExecutionRole: "exec", Fluentd: one(g, "", "firelens"), Allow: allow}
		doc := read(t, "template.json", string(template))
		again := convertTwice(t, seed, string(template), doc, o)
		if again == nil {
			continue
		}
		converted++
		for name := range again.Definition().Members() {
			if name[0] >= 'a' && name != "gadget" && name != "futureMember" {
				t.Fatalf("seed %d: %s is not in the case of the template:\n%s", seed, name, doc.Bytes())
			}
		}
	}
	if converted < 100 {
		t.Errorf("only %d converted", converted)
	}
}

// TestAnyValueAnywhere puts values of each type, and values that are known only
// when they are deployed, in the place of each value of whole definitions.
func TestAnyValueAnywhere(t *testing.T) {
	o := Options{Region: "us-east-1", ExecutionRole: "exec", Fluentd: "firelens", RewriteLinks: "all", Shm: "tmpfs", Allow: allowable()}
	values := []*tree.Node{
		tree.NewNull(), tree.NewInt(-3), tree.NewInt(1 << 60), tree.NewString("abc"), tree.NewString(""), tree.NewString("{{ x }}"), tree.NewBool(true),
		tree.NewArray(), tree.NewArray(tree.NewNull(), tree.NewInt(1), tree.NewString("${x}")), tree.NewObject(),
		tree.NewObject(tree.Member{Name: "Ref", Value: tree.NewString("X")}),
	}
	inputs, err := filepath.Glob("testdata/convert/*/in.json")
	if err != nil || len(inputs) == 0 {
		t.Fatal(err)
	}
	var conversions int
	for _, in := range inputs {
		src, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		var places int
		walk(read(t, in, string(src)).Definition(), func(*tree.Node) { places++ })
		for place := 1; place < places; place++ {
			for _, v := range values {
				d := read(t, in, string(src))
				i := 0
				var at string
				walk(d.Definition(), func(n *tree.Node) {
					if i++; i == place+1 {
						at = n.Pointer()
						n.Replace(v)
					}
				})
				d, err := taskdef.Read(in, d.Bytes(), taskdef.ReadOptions{})
				if err != nil {
					continue // unreadable
				}
				conversions++
				found, err := Convert(d, o)
				if err != nil {
					t.Fatal(err)
				}
				if hasError(found) {
					continue
				}
				again, err := Convert(read(t, in, string(d.Bytes())), o)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range again {
					if (f.Action != finding.Keep || f.Severity == finding.Error) && d.Shape() != taskdef.List {
						t.Errorf("%s with %s at %s: not idempotent: %+v", in, v.Source(), at, f)
					}
				}
			}
		}
	}
	if conversions < 1000 {
		t.Errorf("only %d conversions", conversions)
	}
}

func walk(n *tree.Node, f func(*tree.Node)) {
	f(n)
	for _, v := range n.Members() {
		walk(v, f)
	}
	for _, v := range n.Elements() {
		walk(v, f)
	}
}

// unexplained returns the places that differ between before and after without a
// finding that edited them.
func unexplained(before, after *tree.Node, found []finding.Finding) map[string]string {
	edited := map[string]bool{}
	for _, f := range found {
		if f.Action != finding.Keep && f.Action != finding.Refuse {
			edited[f.Pointer] = true
		}
	}
	explained := func(p string) bool {
		for ; ; p = p[:strings.LastIndexByte(p, '/')] {
			if edited[p] {
				return true
			}
			if !strings.Contains(p, "/") {
				return false
			}
		}
	}
	values := func(n *tree.Node) map[string]string {
		all := map[string]string{}
		var walk func(n *tree.Node)
		walk = func(n *tree.Node) {
			v := n.Kind().String()
			if n.Len() == 0 {
				v = n.Source()
			}
			switch n.Kind() {
			case tree.Array, tree.Object:
				v = n.Kind().String() // its elements show its length
			}
			all[n.Pointer()] = v
			for _, m := range n.Members() {
				walk(m)
			}
			for _, e := range n.Elements() {
				walk(e)
			}
		}
		walk(n)
		return all
	}
	was, is := values(before), values(after)
	wrong := map[string]string{}
	for p, v := range was {
		if w, ok := is[p]; (!ok || w != v) && !explained(p) {
			// A swap is reported at the member that it removes.
			wrong[p] = "gone or other"
		}
	}
	for p := range is {
		if _, ok := was[p]; !ok && !explained(p) && !swapped(p, edited) {
			wrong[p] = "new"
		}
	}
	return wrong
}

// swapped reports whether a new member replaces one that a finding removed.
func swapped(p string, edited map[string]bool) bool {
	for _, swap := range [][2]string{
		{"host", "dockerVolumeConfiguration"}, {"efsVolumeConfiguration", "host"},
		{"efsVolumeConfiguration", "dockerVolumeConfiguration"}, {"tmpfs", "sharedMemorySize"},
	} {
		if owner, _, ok := strings.Cut(p, "/"+swap[0]); ok && edited[owner+"/"+swap[1]] {
			return true
		}
	}
	return false
}

// loggedSomewhere fails unless each container has a log driver of Fargate, and with
// awslogs the options for streams named prefix/container/task-id.
func loggedSomewhere(t *testing.T, def *tree.Node) {
	t.Helper()
	for _, c := range def.Field("containerDefinitions").Elements() {
		logs := c.Field("logConfiguration")
		driver, _ := logs.Field("logDriver").Text()
		switch {
		case driver == "awslogs":
			for _, key := range []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} {
				if s, ok := logs.Field("options").Key(key).Text(); !ok || s == "" {
					t.Fatalf("no %s in %s", key, logs.Source())
				}
			}
		case driver == "splunk", driver == "awsfirelens", logs.Field("logDriver").Opaque():
		default:
			t.Fatalf("no log destination: %s", c.Source())
		}
	}
}
