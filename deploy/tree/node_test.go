package tree_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/tree"
)

// names are some of those of a task definition.
var names = &tree.Names{
	Irregular: []tree.Spelling{
		{Camel: "efsVolumeConfiguration", Pascal: "EFSVolumeConfiguration"},
		{Camel: "iam", Pascal: "IAM"},
		{Parent: "efsVolumeConfiguration", Camel: "fileSystemId", Pascal: "FilesystemId"},
		{Parent: "proxyConfiguration", Camel: "properties", Pascal: "ProxyConfigurationProperties"},
	},
	Maps: map[string]bool{"options": true, "dockerLabels": true},
}

func parseJSON(src []byte) (*tree.Node, error) { return tree.ParseJSON(src, names) }
func parseYAML(src []byte) (*tree.Node, error) { return tree.ParseYAML(src, names) }

// TestNames has names that differ in more than the first letter, and some that
// do not.
func TestNames(t *testing.T) {
	for _, c := range []struct{ parent, camel, pascal string }{
		{"", "efsVolumeConfiguration", "EFSVolumeConfiguration"},
		{"authorizationConfig", "iam", "IAM"},
		{"efsVolumeConfiguration", "fileSystemId", "FilesystemId"},
		{"EFSVolumeConfiguration", "fileSystemId", "FilesystemId"},
		{"fsxWindowsFileServerVolumeConfiguration", "fileSystemId", "FileSystemId"},
		{"proxyConfiguration", "properties", "ProxyConfigurationProperties"},
		{"", "properties", "Properties"},
		{"ephemeralStorage", "sizeInGiB", "SizeInGiB"},
		{"", "readonlyRootFilesystem", "ReadonlyRootFilesystem"},
		{"", "dnsServers", "DnsServers"},
		{"", "", ""}, {"", "_x", "_x"}, {"", "é", "é"},
	} {
		for _, name := range []string{c.camel, c.pascal} {
			if got := names.Pascal(name, c.parent); got != c.pascal {
				t.Errorf("Pascal(%q, %q) = %q, want %q", name, c.parent, got, c.pascal)
			}
			if got := names.Camel(name, c.parent); got != c.camel {
				t.Errorf("Camel(%q, %q) = %q, want %q", name, c.parent, got, c.camel)
			}
			n := must(t, parseJSON, fmt.Sprintf(`{%q: {%q: 1}}`, c.parent, name))
			if n.Key(c.parent).Field(c.camel) == nil {
				t.Errorf("Field(%q) does not find %q in %q", c.camel, name, c.parent)
			}
		}
	}
}

// Without names, spellings differ in the first letter, and every key is a name.
func TestNoNames(t *testing.T) {
	var none *tree.Names
	if got := none.Pascal("efsVolumeConfiguration", ""); got != "EfsVolumeConfiguration" {
		t.Errorf("Pascal: %s", got)
	}
	if got := none.Camel("EFSVolumeConfiguration", ""); got != "eFSVolumeConfiguration" {
		t.Errorf("Camel: %s", got)
	}
	n, err := tree.ParseJSON([]byte(`{"DockerLabels":{"a":1},"EFSVolumeConfiguration":2}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n.Field("dockerLabels") == nil {
		t.Error("Field goes by the case of the first letter")
	}
	if got := n.Recase(nil, tree.Pascal).Source(); got != `{"DockerLabels":{"A":1},"EFSVolumeConfiguration":2}` {
		t.Errorf("Recase: %s", got)
	}
	if got := n.Recase(names, tree.Camel).Source(); got != `{"dockerLabels":{"a":1},"efsVolumeConfiguration":2}` {
		t.Errorf("Recase: %s", got)
	}
}

// A value takes on the names of the document that it is put into, also where it
// replaces one that has none.
func TestNamesAreAdopted(t *testing.T) {
	volume := tree.NewObject(tree.Member{Name: "efsVolumeConfiguration", Value: tree.NewObject(tree.Member{Name: "fileSystemId", Value: tree.NewInt(1)})})
	for _, put := range []func(n *tree.Node) *tree.Node{
		func(n *tree.Node) *tree.Node { return n.SetField("volume", volume) },
		func(n *tree.Node) *tree.Node { return n.SetField("volume", tree.NewInt(1)).Replace(volume) },
		func(n *tree.Node) *tree.Node { return n.Key("Arn").Key("Fn::GetAtt").Append(volume) },
		func(n *tree.Node) *tree.Node {
			for _, part := range n.Key("Arn").Key("Fn::GetAtt").Elements() {
				return part.Replace(volume)
			}
			return nil
		},
	} {
		n := must(t, parseYAML, "Arn: !GetAtt a.b\n")
		v := put(n)
		if got := v.Field("efsVolumeConfiguration").Name(); got != "EFSVolumeConfiguration" {
			t.Errorf("%s: %s", n.Source(), got)
		}
		v.Field("efsVolumeConfiguration").DeleteField("fileSystemId")
		v.Field("efsVolumeConfiguration").SetField("fileSystemId", tree.NewInt(2))
		if v.Field("efsVolumeConfiguration").Key("FilesystemId") == nil {
			t.Errorf("%s", n.Source())
		}
	}
}

func must(t *testing.T, parse func([]byte) (*tree.Node, error), src string) *tree.Node {
	t.Helper()
	n, err := parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestValues has the same values in both languages, and what their readers say.
func TestValues(t *testing.T) {
	says := func(n *tree.Node) string {
		all := fmt.Sprintf("%s %s", n.Kind(), n.Source())
		if text, ok := n.Text(); ok {
			all += fmt.Sprintf(", text %q", text)
		}
		if i, ok := n.Int(); ok {
			all += fmt.Sprintf(", int %d", i)
		}
		if b, ok := n.Bool(); ok {
			all += fmt.Sprintf(", bool %v", b)
		}
		if n.Opaque() {
			all += ", opaque"
		}
		return all
	}
	for _, c := range []struct{ json, yaml, want string }{
		{`"256"`, `'256'`, `a string "256", text "256", int 256`},
		{`256`, `256`, `a number 256, int 256`},
		{`1e3`, `1e3`, `a number 1e3, int 1000`},
		{`1.5`, `1.5`, `a number 1.5`},
		{`1e99`, `1e99`, `a number 1e99`},
		{`99999999999999999999`, `99999999999999999999`, `a number 99999999999999999999`},
		{`31`, `0x1F`, `a number 31, int 31`},
		{`"012345678910"`, `012345678910`, `a string "012345678910", text "012345678910", int 12345678910`},
		{`"010"`, `010`, `a string "010", text "010", int 10`},
		{`"2010-09-09"`, `2010-09-09`, `a string "2010-09-09", text "2010-09-09"`},
		{`true`, `True`, `a boolean true, bool true`},
		{`"False"`, `"False"`, `a string "False", text "False", bool false`},
		{`null`, `~`, `null null`},
		{`"${x}"`, `${x}`, `a string "${x}", text "${x}", opaque`},
		{`"{{ x }}"`, `'{{ x }}'`, `a string "{{ x }}", text "{{ x }}", opaque`},
		{`"${x"`, `'${x'`, `a string "${x", text "${x"`},
		{`{"Ref":"Cpu"}`, `!Ref Cpu`, `an object {"Ref":"Cpu"}, opaque`},
		{`{"Fn::GetAtt":["Role","Arn"]}`, `!GetAtt Role.Arn`, `an object {"Fn::GetAtt":["Role","Arn"]}, opaque`},
		{`{"Fn::If":["C",{"a":1},{"Ref":"AWS::NoValue"}]}`, "!If [C, {a: 1}, !Ref 'AWS::NoValue']", `an object {"Fn::If":["C",{"a":1},{"Ref":"AWS::NoValue"}]}, opaque`},
		{`[1,"a"]`, "- 1\n- a", `a list [1,"a"]`},
		{`"a b\nc\n"`, ">\n  a\n  b\n\n  c\n", `a string "a b\nc\n", text "a b\nc\n"`},
	} {
		if got := says(must(t, parseJSON, c.json)); got != c.want {
			t.Errorf("JSON %s\n is %s\nwant %s", c.json, got, c.want)
		}
		if got := says(must(t, parseYAML, c.yaml)); got != c.want {
			t.Errorf("YAML %s\n is %s\nwant %s", c.yaml, got, c.want)
		}
	}
}

// TestAbsent: every reader takes a nil node.
func TestAbsent(t *testing.T) {
	n := must(t, parseJSON, `{}`).Field("a").Key("b")
	n.DeleteField("x")
	n.DeleteKey("x")
	n.Remove(n)
	for range n.Members() {
		t.Error("a member")
	}
	for range n.Elements() {
		t.Error("an element")
	}
	if n.Kind() != tree.Absent || n.Len() != 0 || n.Pointer() != "" || n.Pos() != (tree.Pos{}) || n.Name() != "" || n.Opaque() || n.Huge() {
		t.Error("a nil node has a kind, a length, a place or a name")
	}
	if n.Parent() != nil || n.Root() != nil || n.First() != nil || n.Get("x") != nil || n.Clone() != nil || n.Replace(tree.NewInt(1)) != nil {
		t.Error("a nil node leads to another")
	}
	if n.Source() != "" || n.Bytes() != nil || n.JSON() != nil || n.Str() != "" || n.Identity() != "" || n.Items() != nil || n.Strs() != nil {
		t.Error("a nil node has a value")
	}
}

// TestPlacesStay: edits move neither pointers nor places of what they leave.
func TestPlacesStay(t *testing.T) {
	n := must(t, parseJSON, "[{\"a\": 1},\n {\"b/c\": [2, 3]}]")
	var items []*tree.Node
	for _, item := range n.Elements() {
		items = append(items, item)
	}
	three := func() *tree.Node {
		for i, v := range items[1].Key("b/c").Elements() {
			if s := v.Source(); s == "3" || i > 1 {
				return v
			}
		}
		return nil
	}()
	n.Remove(items[0])
	items[1].Key("b/c").Append(tree.NewInt(4))
	three.Replace(tree.NewString("x"))
	added := n.Append(tree.NewObject(tree.Member{Name: "z", Value: tree.NewNull()}))
	got := []string{three.Pointer(), fmt.Sprint(three.Pos()), fmt.Sprint(items[1].KeyPos("b/c")), added.Key("z").Pointer(), string(n.Bytes())}
	want := []string{"/1/b~1c/1", "{24 2 14}", "{13 2 3}", "/2/z", "[{\"b/c\": [2, \"x\", 4]},\n {\"z\": null}]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCase: new names are written as those around them are, keys of maps never.
func TestCase(t *testing.T) {
	container := tree.NewObject(
		tree.Member{Name: "logConfiguration", Value: tree.NewObject(
			tree.Member{Name: "logDriver", Value: tree.NewString("awslogs")},
			tree.Member{Name: "options", Value: tree.NewObject(
				tree.Member{Name: "mode", Value: tree.NewString("x")},
				tree.Member{Name: "Tag", Value: tree.NewString("y")},
			)},
		)},
	)
	const (
		camel  = `{"logConfiguration":{"logDriver":"awslogs","options":{"mode":"x","Tag":"y"}}}`
		pascal = `{"LogConfiguration":{"LogDriver":"awslogs","Options":{"mode":"x","Tag":"y"}}}`
	)
	for src, want := range map[string]string{
		`{"a":{"containers":[]}}`:                  `{"a":{"containers":[` + camel + `]}}`,
		`{"A":{"containers":[]}}`:                  `{"A":{"containers":[` + camel + `]}}`,
		`{"A":{"Containers":[]}}`:                  `{"A":{"Containers":[` + pascal + `]}}`,
		`{"a":{"containers":[{"Name":"pascal"}]}}`: `{"a":{"containers":[{"Name":"pascal"},` + pascal + `]}}`,
	} {
		n := must(t, parseJSON, src)
		for _, v := range n.Members() {
			v.Field("containers").Append(container)
		}
		if diff := cmp.Diff(want, string(n.Bytes())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestAliases: an edit of what aliases repeat, or through one, changes one place.
func TestAliases(t *testing.T) {
	const src = "a: &x\n  k: 1 # one\nb: *x\nc: [*x, 2]\n"
	for name, c := range map[string]struct {
		edit func(n *tree.Node)
		want string
	}{
		"through":   {func(n *tree.Node) { n.Key("b").SetKey("k", tree.NewInt(9)) }, "a: &x\n  k: 1 # one\nb:\n  k: 9\nc: [*x, 2]\n"},
		"of origin": {func(n *tree.Node) { n.Key("a").SetKey("k", tree.NewInt(9)) }, "a: &x\n  k: 9 # one\nb:\n  k: 1\nc: [{k: 1}, 2]\n"},
		"deleted":   {func(n *tree.Node) { n.DeleteKey("a") }, "b:\n  k: 1\nc: [{k: 1}, 2]\n"},
		"elsewhere": {func(n *tree.Node) { n.SetKey("d", tree.NewString("x")) }, src + "d: x\n"},
	} {
		n := must(t, parseYAML, src)
		c.edit(n)
		if diff := cmp.Diff(c.want, string(n.Spliced())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	bomb := "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	if _, err := parseYAML([]byte(bomb)); err == nil {
		t.Error("a document without end was read")
	}
}

// TestYAMLEdits has edits next to what is easily broken: comments, texts in lines,
// what follows a dash, the end of the file.
func TestYAMLEdits(t *testing.T) {
	list := tree.NewArray(tree.NewString("x"), tree.NewString("y"))
	for _, c := range []struct {
		src  string
		edit func(n *tree.Node)
		want string
	}{
		{"a: |\n  text", func(n *tree.Node) { n.SetKey("b", tree.NewInt(1)) }, "a: |-\n  text\nb: 1"},
		{"a: |\n  text\nb: 1", func(n *tree.Node) { n.DeleteKey("b") }, "a: |\n  text\n"},
		{"a: |\n  one\n  two\nb: 1\n", func(n *tree.Node) { n.SetKey("a", tree.NewString("three\n\n  four\n")) }, "a: |\n  three\n\n    four\nb: 1\n"},
		{"a: 'x' # why\nb: 1\n", func(n *tree.Node) { n.SetKey("a", tree.NewString("it's")) }, "a: 'it''s' # why\nb: 1\n"},
		{"a: x # why\nb: 1\n", func(n *tree.Node) { n.SetKey("a", list) }, "a: # why\n  - x\n  - \"y\"\nb: 1\n"},
		{"a: # why\n  - x\nb: 1\n", func(n *tree.Node) { n.SetKey("a", tree.NewInt(1)) }, "a: 1 # why\nb: 1\n"},
		{"a: [1, 2] # why\n", func(n *tree.Node) { n.SetKey("a", list) }, "a: [x, \"y\"] # why\n"},
		{"- a: 1\n  b: 2\n- c: 3\n", func(n *tree.Node) { first(n).DeleteKey("a") }, "- b: 2\n- c: 3\n"},
		{"- a: 1\n  b: 2\n- c: 3\n", func(n *tree.Node) { first(n).DeleteKey("a"); first(n).DeleteKey("b") }, "- {}\n- c: 3\n"},
		{"- a: 1\n  b: 2\n- c: 3\n", func(n *tree.Node) { n.Remove(first(n)) }, "- c: 3\n"},
		{"a:\n  # kept\n  - 1 # goes\n\n  - 2 # stays\n", func(n *tree.Node) { n.Key("a").Remove(first(n.Key("a"))) }, "a:\n  # kept\n\n  - 2 # stays\n"},
		{"a:\nb: 1\n", func(n *tree.Node) { n.SetKey("a", tree.NewInt(1)) }, "a: 1\nb: 1\n"},
		{"a: {b: 1} # why\n", func(n *tree.Node) { n.Key("a").DeleteKey("b") }, "a: {} # why\n"},
		{"a: [1, # one\n  2, # two\n  3]\n", func(n *tree.Node) { n.Key("a").Append(tree.NewInt(4)) }, "a: [1, # one\n  2, # two\n  3, 4]\n"},
		{"[a: 1, b: 2]\n", func(n *tree.Node) { first(n).SetKey("c", tree.NewInt(3)) }, "[{a: 1, c: 3}, b: 2]\n"},
		{"[a: 1, b: 2]\n", func(n *tree.Node) { first(n).DeleteKey("a") }, "[{}, b: 2]\n"},
		{"[a: 1, b: 2]\n", func(n *tree.Node) { first(n).SetKey("a", list) }, "[a: [x, \"y\"], b: 2]\n"},
		{"[a: , b]\n", func(n *tree.Node) { n.Remove(n.Items()[1]) }, "[a: ]\n"},
		{"a: !Ref B # why\n", func(n *tree.Node) { n.SetKey("a", tree.NewString("yes")) }, "a: \"yes\" # why\n"},
	} {
		n := must(t, parseYAML, c.src)
		c.edit(n)
		if diff := cmp.Diff(c.want, string(n.Spliced())); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.src, diff)
		}
		if again, err := parseYAML(n.Spliced()); err != nil || !tree.Equal(n, again) {
			t.Errorf("%q does not read back: %v", c.src, err)
		}
	}
}

func first(n *tree.Node) *tree.Node {
	for _, v := range n.Elements() {
		return v
	}
	return nil
}

// TestYAMLLaidOutAnew: a document that splicing would garble is written anew.
func TestYAMLLaidOutAnew(t *testing.T) {
	n := must(t, parseYAML, "0\n\t")
	n.Replace(tree.NewString("12:30"))
	if diff := cmp.Diff("\"12:30\"\n", string(n.Bytes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
