package cfn

import (
	"strings"
	"testing"
	"unicode/utf8"

	"sumoship/deploy/tree"
)

// deployed returns what CloudFormation deploys for a string or a Fn::Sub without
// variables; a name in angle brackets stands for its value. It reads them without
// the code under test.
func deployed(n *tree.Node) (text string, ok bool) {
	if name := RefName(n); name != "" {
		return "<" + name + ">", true
	}
	if resource, attribute := GetAttName(n); resource != "" {
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

// A Fn::Sub that was read and written again is deployed as the same text.
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
		if e := Concat("x", e, e.Substring(e.Text)); len(e.Parts())%2 != 0 {
			t.Errorf("%q: %d parts", s, len(e.Parts()))
		}
		filled := e.Fill(map[string]string{"AWS::Region": "eu-west-1"})
		if got, ok := deployed(filled.Node()); ok && got != strings.ReplaceAll(want, "<AWS::Region>", "eu-west-1") {
			t.Errorf("%q is filled in as %q", s, got)
		}
	})
}
