package deploy

import (
	"fmt"
	"strings"

	"sumoship/deploy/tree"
)

// expression is a text of which CloudFormation may have to fill in parts: for
// each of them a rune of a private area stands in the text, so that it can be
// cut and matched like any other.
type expression struct {
	text  string
	parts []part // by stand-in
}

// part is what only a deployment knows.
type part struct {
	node *tree.Node // intrinsic function
	from *tree.Node // value of the input that it is in, nil for what is not from there
}

// The private area, Supplementary Private Use Area-A, and the pattern of a rune
// of it. Source: Unicode Standard, "Private-Use Characters".
const (
	firstPart = '\U000F0000'
	lastPart  = '\U000FFFFD'
	standIn   = `[\x{F0000}-\x{FFFFD}]`
)

func isPart(r rune) bool { return r >= firstPart && r <= lastPart }

func literal(s string) expression { return expression{text: s} }

// pseudo is a pseudo parameter, such as AWS::Region.
func pseudo(name string) expression {
	return unknownPart(ref(name), nil)
}

func unknownPart(node, from *tree.Node) expression {
	return expression{string(firstPart), []part{{node, from}}}
}

// sub returns a substring of the text, with what stands for its parts.
func (e expression) sub(text string) expression { return expression{text, e.parts} }

// concat joins expressions and strings.
func concat(all ...any) expression {
	var text strings.Builder
	var parts []part
	for _, v := range all {
		e, ok := v.(expression)
		if !ok {
			e = literal(v.(string))
		}
		for _, r := range e.text {
			if isPart(r) {
				parts = append(parts, e.parts[r-firstPart])
				r = firstPart + rune(len(parts)-1)
			}
			text.WriteRune(r)
		}
	}
	return expression{text.String(), parts}
}

// opaque returns the parts that stand in the text.
func (e expression) opaque() (all []part) {
	for _, r := range e.text {
		if isPart(r) {
			all = append(all, e.parts[r-firstPart])
		}
	}
	return all
}

// only returns the part that the whole text is, nil if it is more or less.
func (e expression) only() *part {
	if r := []rune(e.text); len(r) == 1 && isPart(r[0]) {
		return &e.parts[r[0]-firstPart]
	}
	return nil
}

// fill puts values in place of the pseudo parameters that are known.
func (e expression) fill(known map[string]string) expression {
	var all []any
	for _, r := range e.text {
		if !isPart(r) {
			all = append(all, string(r))
			continue
		}
		p := e.parts[r-firstPart]
		if v := known[refName(p.node)]; v != "" {
			all = append(all, v)
		} else {
			all = append(all, unknownPart(p.node, p.from))
		}
	}
	return concat(all...)
}

// refName is the name in a Ref, "" if it is none.
func refName(n *tree.Node) string { return n.Key("Ref").Str() }

// attribute returns the resource and the attribute of a Fn::GetAtt, "" if it is
// none of literals.
func attribute(n *tree.Node) (resource, name string) {
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
func (e expression) node() *tree.Node {
	if p := e.only(); p != nil {
		return p.node
	}
	if len(e.opaque()) == 0 {
		return tree.NewString(e.text)
	}
	var text strings.Builder
	var variables []tree.Member
	var plain strings.Builder
	flush := func() {
		text.WriteString(escapeSub(plain.String()))
		plain.Reset()
	}
	for _, r := range e.text {
		if !isPart(r) {
			plain.WriteRune(r)
			continue
		}
		flush()
		n := e.parts[r-firstPart].node
		name := refName(n)
		if resource, attribute := attribute(n); resource != "" {
			name = resource + "." + attribute
		}
		if name == "" {
			name = fmt.Sprintf("Part%d", len(variables)+1)
			variables = append(variables, prop(name, n))
		}
		text.WriteString("${" + name + "}")
	}
	flush()
	sub := tree.NewString(text.String())
	if len(variables) > 0 {
		sub = tree.NewArray(sub, object(variables...))
	}
	return object(prop("Fn::Sub", sub))
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
