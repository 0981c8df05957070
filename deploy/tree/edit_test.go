package tree_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"sumoship/deploy/tree"
)

var update = flag.Bool("update", false, "write the golden files anew")

// change is what a conversion typically does to a definition: members replaced,
// added and deleted at every level, elements too.
func change(root *tree.Node) {
	def := root
	for name, v := range root.Key("Resources").Members() {
		if strings.HasPrefix(name, "Task") {
			def = v.Key("Properties")
		}
	}
	def.SetField("requiresCompatibilities", tree.NewArray(tree.NewString("FARGATE")))
	def.SetField("networkMode", tree.NewString("awsvpc"))
	def.SetField("runtimePlatform", tree.NewObject(
		tree.Member{Name: "cpuArchitecture", Value: tree.NewString("X86_64")},
		tree.Member{Name: "operatingSystemFamily", Value: tree.NewString("LINUX")},
	))
	def.DeleteField("placementConstraints")
	volumes := def.Field("volumes")
	for _, v := range volumes.Elements() {
		if v.Field("host") == nil {
			volumes.Remove(v)
		}
	}
	volumes.Append(tree.NewObject(
		tree.Member{Name: "name", Value: tree.NewString("shared")},
		tree.Member{Name: "efsVolumeConfiguration", Value: tree.NewObject(
			tree.Member{Name: "fileSystemId", Value: tree.NewString("fs-1")},
			tree.Member{Name: "authorizationConfig", Value: tree.NewObject(tree.Member{Name: "iam", Value: tree.NewString("ENABLED")})},
		)},
	))
	for i, c := range def.Field("containerDefinitions").Elements() {
		c.DeleteField("links")
		c.DeleteField("privileged")
		for _, p := range c.Field("portMappings").Elements() {
			p.DeleteField("hostPort")
		}
		if c.Field("logConfiguration") == nil {
			c.SetField("logConfiguration", tree.NewObject(tree.Member{Name: "logDriver", Value: tree.NewString("json-file")}))
		}
		log := c.Field("logConfiguration")
		log.SetField("logDriver", tree.NewString("awslogs"))
		log.DeleteField("options")
		log.SetField("options", tree.NewObject()).SetKey("awslogs-group", tree.NewString("/ecs/app"))
		if c.Field("environment") != nil && i == 0 {
			c.Field("environment").Append(tree.NewObject(
				tree.Member{Name: "name", Value: tree.NewString("DB")},
				tree.Member{Name: "value", Value: tree.NewString("127.0.0.1:5432")},
			))
		}
		if c.Field("dockerLabels") == nil {
			continue
		}
		c.Field("dockerLabels").SetKey("com.example/Team", tree.NewString("12:30"))
	}
}

// TestEditGolden writes what change does to documents in several layouts. Each
// archive of testdata has the document, input, and the result, output.
func TestEditGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/edit-*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			golden, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			input := golden.Files[0].Data
			if strings.Contains(string(golden.Comment), "CRLF") {
				input = []byte(strings.ReplaceAll(string(input), "\n", "\r\n"))
			}
			parse := parseYAML
			if strings.HasSuffix(golden.Files[0].Name, ".json") {
				parse = parseJSON
			}
			root, err := parse(input)
			if err != nil {
				t.Fatal(err)
			}
			change(root)
			out := root.Spliced()
			if again, err := parse(out); err != nil || !tree.Equal(root, again) {
				t.Errorf("does not read back: %v", err)
			}
			got := string(out)
			if strings.Contains(string(golden.Comment), "CRLF") {
				if strings.Count(got, "\n") != strings.Count(got, "\r\n") {
					t.Error("line ends are mixed")
				}
				got = strings.ReplaceAll(got, "\r\n", "\n")
			}
			if *update {
				golden.Files = append(golden.Files[:1], txtar.File{Name: "output" + filepath.Ext(golden.Files[0].Name), Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(golden.Files) != 2 {
				t.Fatal("no output: run with -update")
			}
			if diff := cmp.Diff(string(golden.Files[1].Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := parse(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range all(again) {
				n.Replace(n.Clone())
			}
			if diff := cmp.Diff(string(out), string(again.Bytes())); diff != "" {
				t.Errorf("values replaced by themselves (-want +got):\n%s", diff)
			}
		})
	}
}
