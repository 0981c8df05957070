package cfn

import (
	"fmt"
	"strings"

	"sumoship/deploy/tree"
)

// expression is a text of which CloudFormation may have to fill in parts: for
// each of them a rune of a private area stands in the text, so that it can be
// cut and matched like any other.
type Expression struct {
	Text  string
	parts []Part // by stand-in
}

// part is what only a deployment knows.
type Part struct {
	Node *tree.Node // intrinsic function
	From *tree.Node // value of the input that it is in, nil for what is not from there
}

// The private area, Supplementary Private Use Area-A, and the pattern of a rune
// of it. Source: Unicode Standard, "Private-Use Characters".
const (
	firstPart = '\U000F0000'
	lastPart  = '\U000FFFFD'
	StandIn   = `[\x{F0000}-\x{FFFFD}]`
)

func isPart(r rune) bool { return r >= firstPart && r <= lastPart }

func Literal(s string) Expression { return Expression{Text: s} }

// pseudo is a pseudo parameter, such as AWS::Region.
func Pseudo(name string) Expression {
	return UnknownPart(Ref(name), nil)
}

func UnknownPart(node, from *tree.Node) Expression {
	return Expression{string(firstPart), []Part{{node, from}}}
}

// sub returns a substring of the text, with what stands for its parts.
func (e Expression) Sub(text string) Expression { return Expression{text, e.parts} }

// concat joins expressions and strings.
func Concat(all ...any) Expression {
	var text strings.Builder
	var parts []Part
	for _, v := range all {
		e, ok := v.(Expression)
		if !ok {
			e = Literal(v.(string))
		}
		for _, r := range e.Text {
			if isPart(r) {
				parts = append(parts, e.parts[r-firstPart])
				r = firstPart + rune(len(parts)-1)
			}
			text.WriteRune(r)
		}
	}
	return Expression{text.String(), parts}
}

// opaque returns the parts that stand in the text.
func (e Expression) Opaque() (all []Part) {
	for _, r := range e.Text {
		if isPart(r) {
			all = append(all, e.parts[r-firstPart])
		}
	}
	return all
}

// only returns the part that the whole text is, nil if it is more or less.
func (e Expression) Only() *Part {
	if r := []rune(e.Text); len(r) == 1 && isPart(r[0]) {
		return &e.parts[r[0]-firstPart]
	}
	return nil
}

// fill puts values in place of the pseudo parameters that are known.
func (e Expression) Fill(known map[string]string) Expression {
	var all []any
	for _, r := range e.Text {
		if !isPart(r) {
			all = append(all, string(r))
			continue
		}
		p := e.parts[r-firstPart]
		if v := known[RefName(p.Node)]; v != "" {
			all = append(all, v)
		} else {
			all = append(all, UnknownPart(p.Node, p.From))
		}
	}
	return Concat(all...)
}

// refName is the name in a Ref, "" if it is none.
func RefName(n *tree.Node) string { return n.Key("Ref").Str() }

// attribute returns the resource and the attribute of a Fn::GetAtt, "" if it is
// none of literals.
func Attribute(n *tree.Node) (resource, name string) {
	get := n.Key("Fn::GetAtt")
	if s, ok := get.Text(); ok {
		resource, name, _ = strings.Cut(s, ".")
		return resource, name
	}
	var all []string
	for _, v := range get.Elements() {
		s, ok := v.Text()
		if !ok {
			return "", ""
		}
		all = append(all, s)
	}
	if len(all) < 2 {
		return "", ""
	}
	return all[0], strings.Join(all[1:], ".")
}

// node writes the expression for CloudFormation: a string, the function that it
// is, or Fn::Sub.
func (e Expression) Node() *tree.Node {
	if p := e.Only(); p != nil {
		return p.Node
	}
	if len(e.Opaque()) == 0 {
		return tree.NewString(e.Text)
	}
	var text strings.Builder
	var variables []tree.Member
	var plain strings.Builder
	flush := func() {
		text.WriteString(escapeSub(plain.String()))
		plain.Reset()
	}
	for _, r := range e.Text {
		if !isPart(r) {
			plain.WriteRune(r)
			continue
		}
		flush()
		n := e.parts[r-firstPart].Node
		name := RefName(n)
		if resource, attribute := Attribute(n); resource != "" {
			name = resource + "." + attribute
		}
		if name == "" {
			name = fmt.Sprintf("Part%d", len(variables)+1)
			variables = append(variables, Prop(name, n))
		}
		text.WriteString("${" + name + "}")
	}
	flush()
	sub := tree.NewString(text.String())
	if len(variables) > 0 {
		sub = tree.NewArray(sub, Object(variables...))
	}
	return Object(Prop("Fn::Sub", sub))
}

// escapeSub writes a text for Fn::Sub so that it comes out as it is: ${X} as
// ${!X}, where X is all up to the next brace, and so is not escaped itself.
func escapeSub(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("${!")
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString(inside)
			return b.String()
		}
		b.WriteString(inside + "}")
		s = after
	}
}
