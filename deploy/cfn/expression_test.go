package cfn

import (
	"strings"
	"testing"
	"unicode/utf8"

	"sumoship/deploy/tree"
)

// deployed is what CloudFormation makes of a string or a Fn::Sub without
// variables: each name in angle brackets stands for its value.
func deployed(n *tree.Node) (text string, ok bool) {
	if name := RefName(n); name != "" {
		return "<" + name + ">", true
	}
	if resource, attribute := Attribute(n); resource != "" {
		return "<" + resource + "." + attribute + ">", true
	}
	if s, ok := n.Text(); ok {
		return s, true
	}
	pattern, ok := n.Key("Fn::Sub").Text()
	if !ok {
		return "", false
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "${")
		b.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !found:
			return b.String(), true
		case !closed, strings.TrimSpace(name) == "", strings.HasPrefix(strings.TrimSpace(name), "."), strings.HasSuffix(strings.TrimSpace(name), "."):
			return "", false // CloudFormation refuses it
		case strings.HasPrefix(strings.TrimSpace(name), "!"):
			b.WriteString("${" + strings.TrimSpace(name)[1:] + "}")
		default:
			b.WriteString("<" + strings.TrimSpace(name) + ">")
		}
		pattern = after
	}
}

// What is read of a Fn::Sub and written again is deployed as the same text.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"", "plain", "${A}", "a${A}b", "${A.Arn}/x", "${!aws:username}/${A}", "${A}${A}", "${ AWS::Region }", "$${A}", "${A}$", "{${A}}", "${A", "${!A}", "${A}-${!B}-${C.D.E}", "${A}${!${}", "${A}${!B${C}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from := Object(Prop("Fn::Sub", tree.NewString(s)))
		want, ok := deployed(from)
		ok = ok && utf8.ValidString(s) && !strings.ContainsAny(s, "<>") // the parsers take no other; these are marks of this test
		if !ok {
			t.Skip()
		}
		r := &Reader{template: true}
		e, err := r.Expression(from)
		if err != nil {
			if strings.ContainsFunc(s, isPart) {
				return
			}
			t.Fatal(err)
		}
		if got, ok := deployed(e.Node()); !ok || got != want {
			t.Errorf("%q is deployed as %q, not %q: %s", s, got, want, e.Node().Source())
		}
		if e := Concat("x", e, e.Sub(e.Text)); len(e.Opaque())%2 != 0 {
			t.Errorf("%q: %d parts", s, len(e.Opaque()))
		}
		filled := e.Fill(map[string]string{"AWS::Region": "eu-west-1"})
		if got, ok := deployed(filled.Node()); ok && got != strings.ReplaceAll(want, "<AWS::Region>", "eu-west-1") {
			t.Errorf("%q is filled in as %q", s, got)
		}
	})
}

// What is in a Fn::Join or in the variables of a Fn::Sub comes out in one text;
// what is known only by another function becomes a variable.
func TestExpressionOfFunctions(t *testing.T) {
	for source, want := range map[string]string{
		`{"Fn::Join": ["/", ["", "ecs", {"Ref": "AWS::StackName"}]]}`:    `{"Fn::Sub":"/ecs/${AWS::StackName}"}`,
		`{"Fn::Join": ["", ["a", "b"]]}`:                                 `"ab"`,
		`{"Fn::Join": ["", {"Ref": "List"}]}`:                            `{"Fn::Join":["",{"Ref":"List"}]}`,
		`{"Fn::Sub": ["${A}/${B}/${C}", {"A": "x", "B": {"Ref": "Y"}}]}`: `{"Fn::Sub":"x/${Y}/${C}"}`,
		`{"Fn::Sub": ["${A}/b", {"A": {"Fn::ImportValue": "shared"}}]}`:  `{"Fn::Sub":["${Part1}/b",{"Part1":{"Fn::ImportValue":"shared"}}]}`,
		`{"Fn::Sub": ["${A}", {"A": {"Fn::ImportValue": "shared"}}]}`:    `{"Fn::ImportValue":"shared"}`,
		`{"Fn::GetAtt": ["Logs", "Arn"]}`:                                `{"Fn::GetAtt":["Logs","Arn"]}`,
		`"{{resolve:ssm:/shop/arn}}"`:                                    `"{{resolve:ssm:/shop/arn}}"`,
	} {
		n, err := tree.ParseJSON([]byte(source), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Reader{template: true}
		e, err := r.Expression(n)
		if got := e.Node().Source(); err != nil || got != want {
			t.Errorf("%s: %s, want %s (%v)", source, got, want, err)
		}
	}
	for _, source := range []string{`"\udb80\udc00"`, `{"Fn::Sub": "${A}\udb80\udc00"}`, `"${A}"`, `["a"]`} {
		n, err := tree.ParseJSON([]byte(source), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Reader{template: true}
		if e, err := r.Expression(n); err == nil {
			t.Errorf("%s: %s", source, e.Node().Source())
		}
	}
}
