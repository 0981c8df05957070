package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/schemacmd"
	"sumoship/sumo/leaktest"
)

// documents are the verbs whose result is a document of another kind, or a text.
var documents = map[string]string{
	"rules schema": "writes a JSON Schema", "schema": "writes a JSON Schema", "completion": "writes a script", "man": "writes a page", "help": "is for people",
	"fargate diff": "writes a patch", "fargate iam": "writes policies or a template, as JSON or YAML",
}

// Each verb writes JSON, and each that does documents it.
func TestVerbsDocumentTheirJSON(t *testing.T) {
	seen := map[string]bool{}
	for _, verb := range cli.Verbs(new(verbs)) {
		why, other := documents[verb.Path()]
		seen[verb.Path()] = true
		_, documented := verb.Target.Addr().Interface().(cli.Documented)
		if writes := clitest.WritesJSON(verb); writes == other || writes != documented {
			t.Errorf("%s: has --json %v, has Outputs %v, %s", verb.Path(), writes, documented, why)
		}
	}
	for name := range documents {
		if !seen[name] {
			t.Errorf("%s is not a verb", name)
		}
	}
}

// The files that sumoship schema writes and docs/output.md are those of the types.
func TestDocumentedSchemas(t *testing.T) {
	const dir = "internal/schemacmd/schemas"
	want, page := map[string]string{}, new(strings.Builder)
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	documentedVerbs, schemas, err := clitest.Schemas(new(verbs))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range schemas {
		verb := documentedVerbs[i]
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		want[schemacmd.File(verb.Path())] = b.String()
		fmt.Fprintf(page, "### %s\n\n| Member | Type | |\n|---|---|---|\n", verb.Path())
		for _, m := range clitest.Members(s) {
			fmt.Fprintf(page, "| `%s` | %s | %s |\n", m[0], m[1], cell.Replace(m[2]))
		}
		fmt.Fprintln(page)
	}
	if *update {
		old, _ := filepath.Glob(dir + "/*.json")
		for _, name := range old {
			os.Remove(name)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	files, _ := filepath.Glob(dir + "/*.json")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(name)] = string(b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the schemas are not up to date; -update writes them (-want +got):\n%s", diff)
	}
	documented(t, "../../docs/output.md", "schemas", page.String())
}

// checksOutput runs the command, searches what it writes for the secrets of the endpoint,
// and holds JSON to the schema of its verb. So every script does.
func checksOutput() {
	log.SetOutput(io.Discard)
	cli.Main(func(ctx context.Context, args []string, s cli.Streams) (status int) {
		dir := os.Getenv(checkedDir)
		if dir != "" { // in a script, which has no terminal
			var stdout, stderr shared
			errs := s.Err
			s.Out, s.Err = io.MultiWriter(s.Out, &stdout), io.MultiWriter(s.Err, &stderr)
			defer func() {
				if form := leaktest.Find(stdout.String() + "\n" + stderr.String()); form != "" {
					fmt.Fprintf(errs, "a secret is in the output, as %s\n", form)
					status = 99
				}
			}()
		}
		if !slices.ContainsFunc(args, clitest.AsksJSON) {
			return run(ctx, args, s)
		}
		var out bytes.Buffer
		s.Out = io.MultiWriter(s.Out, &out)
		status = run(ctx, args, s)
		verb := clitest.VerbOf(new(verbs), args)
		if verb == nil || status != cli.ExitOK && status != cli.ExitFound {
			return status
		}
		if err := clitest.CheckJSON(verb, args, &out); err != nil {
			fmt.Fprintln(s.Err, err)
			return 99
		}
		if dir != "" {
			if err := os.WriteFile(filepath.Join(dir, schemacmd.File(verb.Path())), nil, 0o644); err != nil {
				fmt.Fprintln(s.Err, err)
				return 99
			}
		}
		return status
	})
}

// shared is a buffer that several goroutines may write to.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// checkedDir has a file for each verb whose JSON was checked, in a script.
const checkedDir = "SUMOSHIP_TEST_CHECKED"

// elsewhere are the verbs that the tests of their packages run, which check their JSON
// too, as clitest.Run does.
var elsewhere = []string{
	"rules try", "subscribe", "unsubscribe", "deploy", "rollback", "destroy", "doctor", "status", "tail", "fargate logs", "fargate register", "fargate plan",
	"fargate cutover plan", "fargate cutover run", "fargate cutover status", "fargate cutover back", "fargate cutover targets",
}

// everyVerbWasChecked fails a test after which a verb's JSON was not held to its schema.
func everyVerbWasChecked(t *testing.T, dir string) {
	for _, verb := range cli.Verbs(new(verbs)) {
		if !clitest.WritesJSON(verb) {
			continue
		}
		_, err := os.Stat(filepath.Join(dir, schemacmd.File(verb.Path())))
		if here := err == nil; here == slices.Contains(elsewhere, verb.Path()) {
			t.Errorf("%s --json: run by a script %v, by the tests of its package %v", verb.Path(), here, !here)
		}
	}
}
