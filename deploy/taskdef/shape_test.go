package taskdef_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var update = flag.Bool("update", false, "write the golden files anew")

var shapes = map[string]taskdef.Shape{"bare": taskdef.Bare, "described": taskdef.Described, "list": taskdef.List, "template": taskdef.Template}

// TestShapes reads documents in every shape. Each archive of testdata/shapes has
// the input; what Bytes returns, unless that is the input; and what ECS returns,
// unless that is what Bytes does. Its comment has the shape and the resource that
// the document must have, and the options of the reader.
func TestShapes(t *testing.T) {
	paths, err := filepath.Glob("testdata/shapes/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no archives", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			says := map[string]string{}
			for line := range strings.Lines(string(archive.Comment)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				says[key] = value
			}
			shape, ok := shapes[says["shape"]]
			if !ok {
				t.Fatalf("shape %q", says["shape"])
			}
			input := archive.Files[0]
			d := read(t, input.Name, string(input.Data), taskdef.ReadOptions{Resource: says["choose"], Family: says["family"]})
			if d.Shape() != shape || d.Resource() != says["resource"] {
				t.Errorf("shape %d of %q, want %d of %q", d.Shape(), d.Resource(), shape, says["resource"])
			}
			if kind := d.Definition().Field("containerDefinitions").Kind(); kind != tree.Array {
				t.Errorf("the containers are %s", kind)
			}
			if *update {
				updateShape(t, path, archive, d)
				return
			}
			files := map[string]string{}
			for _, f := range archive.Files[1:] {
				files[strings.TrimSuffix(f.Name, filepath.Ext(f.Name))] = string(f.Data)
			}
			wantBytes, ok := files["bytes"]
			if !ok {
				wantBytes = string(input.Data)
			}
			wantECS, ok := files["ecs"]
			if !ok {
				wantECS = wantBytes
			}
			checkWritten(t, d, wantBytes, wantECS)
		})
	}
}

// checkWritten checks what a document is written as, and that writing it for ECS
// leaves it as it is.
func checkWritten(t *testing.T, d *taskdef.Document, wantBytes, wantECS string) {
	t.Helper()
	for _, c := range []struct{ what, want, got string }{
		{"Bytes", wantBytes, string(d.Bytes())},
		{"ECS", wantECS, string(d.ECS())},
		{"Bytes after ECS", wantBytes, string(d.Bytes())},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

func updateShape(t *testing.T, path string, archive *txtar.Archive, d *taskdef.Document) {
	t.Helper()
	archive.Files = archive.Files[:1]
	input := archive.Files[0]
	written, ecs := d.Bytes(), d.ECS()
	if string(written) != string(input.Data) {
		archive.Files = append(archive.Files, txtar.File{Name: "bytes" + filepath.Ext(input.Name), Data: written})
	}
	if string(ecs) != string(written) {
		archive.Files = append(archive.Files, txtar.File{Name: "ecs.json", Data: ecs})
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Byte order mark, line ends and a missing last line break stay; only ECS gets no
// byte order mark, which JSON does not have.
func TestBytesStay(t *testing.T) {
	const windows = "\ufeff{ \"family\": \"app\",\r\n  \"containerDefinitions\": [ {\"name\": \"web\", \"image\":\"nginx\"} ] }\r\n"
	checkWritten(t, read(t, "td.json", windows, taskdef.ReadOptions{}), windows, strings.TrimPrefix(windows, "\ufeff"))
	const line = `{"family":"a","status":"ACTIVE","containerDefinitions":[{"name":"web","image":"i"}]}`
	checkWritten(t, read(t, "", line, taskdef.ReadOptions{}), line, strings.Replace(line, `"status":"ACTIVE",`, "", 1))
	const ofECS = `{"taskDefinitionArn":"arn","revision":1,"containerDefinitions":[{"name":"web","image":"i"}],"tags":[]}`
	without := strings.Replace(ofECS, `"taskDefinitionArn":"arn","revision":1,`, "", 1)
	checkWritten(t, read(t, "", ofECS, taskdef.ReadOptions{}), without, without)
}
