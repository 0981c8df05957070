package service_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"sumoship/deploy/iam"
	"sumoship/deploy/service"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var update = flag.Bool("update", false, "write the findings and templates in testdata")

// input is what a service is made of.
type input struct {
	task, existing string // existing may be ""
	options        service.Options
	finding        *txtar.File // of a rule, as [describe] writes it
}

// new returns the service of an input.
func (in input) new(t testing.TB) (*service.Service, error) {
	t.Helper()
	name := "task.json"
	if !strings.HasPrefix(in.task, "{") && !strings.HasPrefix(in.task, "[") {
		name = "task.yaml"
	}
	d, err := taskdef.Read(name, []byte(in.task), taskdef.ReadOptions{Family: "family"})
	if err != nil {
		t.Fatal(err)
	}
	var e *service.Existing
	if in.existing != "" {
		if e, err = service.ReadExisting("service.json", []byte(in.existing), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	return service.New(d, e, in.options)
}

// mustNew returns the service of an input that is valid.
func (in input) mustNew(t testing.TB) *service.Service {
	t.Helper()
	s, err := in.new(t)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// with returns the input with other options.
func (in input) with(o service.Options) input {
	in.options = o
	return in
}

// shop is a service of EC2 with all that Fargate changes and nothing that it
// refuses.
func shop(t testing.TB, o service.Options) input {
	return shape(t, "existing").with(o)
}

// shopTask is the definition of shop without its service.
func shopTask(t testing.TB, o service.Options) input {
	in := shop(t, o)
	in.existing = ""
	return in
}

// shapes are the names of inputs of many shapes whose templates are good.
func shapes(t testing.TB) (names []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/shapes/*.txtar")
	if err != nil || len(files) < 18 {
		t.Fatalf("%d shapes: %v", len(files), err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".txtar"))
	}
	return names
}

func shape(t testing.TB, name string) input {
	t.Helper()
	_, all := inputs(t, filepath.Join("testdata", "shapes", name+".txtar"))
	if len(all) != 1 {
		t.Fatalf("%s: %d inputs", name, len(all))
	}
	return all[0]
}

// inputs reads the inputs of a file. Each has a task.json or task.yaml, by default
// testdata/shop.json, a service.json if there is an existing service, and an
// options.json. A section called finding ends an input.
func inputs(t testing.TB, path string) (*txtar.Archive, []input) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() input { return input{task: read(t, "testdata/shop.json")} }
	all := []input{fresh()}
	for i := range archive.Files {
		in := &all[len(all)-1]
		if in.finding != nil {
			all = append(all, fresh())
			in = &all[len(all)-1]
		}
		switch f := &archive.Files[i]; f.Name {
		case "task.json", "task.yaml":
			in.task = string(f.Data)
		case "service.json":
			in.existing = string(f.Data)
		case "options.json":
			in.options = options(t, f.Data)
		case "finding":
			in.finding = f
		default:
			t.Fatalf("%s: unknown section %s", path, f.Name)
		}
	}
	return archive, all
}

// options reads the members of [service.Options], and as Allow the grants of the
// task role.
func options(t testing.TB, src []byte) service.Options {
	t.Helper()
	var o struct {
		service.Options
		Allow []string
	}
	d := json.NewDecoder(strings.NewReader(string(src)))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v in %s", err, src)
	}
	o.Roles.Allow = grants(t, o.Allow...)
	return o.Options
}

func grants(t testing.TB, all ...string) (gs []iam.Grant) {
	t.Helper()
	for _, s := range all {
		g, err := iam.ParseGrant(s)
		if err != nil {
			t.Fatal(err)
		}
		gs = append(gs, g)
	}
	return gs
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// parseJSON reads JSON without placeholders.
func parseJSON(src []byte) (*tree.Node, error) {
	if !json.Valid(src) {
		return nil, fmt.Errorf("not JSON:\n%s", src)
	}
	return tree.ParseJSON(src, nil)
}
