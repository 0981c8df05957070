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

// reading are the expressions of one document.
type reading struct {
	reader
	template bool
}

// expressions reads a text; of a Fn::If it reads both. A placeholder that nobody
// fills in is an error.
func (r *reading) expressions(n *tree.Node) ([]expression, error) {
	if branches := n.Key("Fn::If"); n.Opaque() && branches.Len() == 3 {
		var all []expression
		for i, branch := range branches.Elements() {
			if i == 0 || refName(branch) == "AWS::NoValue" {
				continue
			}
			es, err := r.expressions(branch)
			if err != nil {
				return nil, err
			}
			all = append(all, es...)
		}
		return all, nil
	}
	e, err := r.expression(n)
	if err != nil {
		return nil, err
	}
	return []expression{e}, nil
}

func (r *reading) expression(n *tree.Node) (expression, error) {
	if s, ok := n.Text(); ok {
		return r.text(n, s)
	}
	if s := n.Kind(); s == tree.Number || s == tree.Bool {
		return literal(n.Source()), nil
	}
	if !n.Opaque() {
		return expression{}, r.fail(n, "", "the value of %s is %s and not a string", n.Pointer(), n.Kind())
	}
	if !r.template {
		return expression{}, r.fail(n, "put the value there", "the value of %s is a function of CloudFormation, in a document that is no template", n.Pointer())
	}
	switch sub, join := n.Key("Fn::Sub"), n.Key("Fn::Join"); {
	case sub != nil:
		pattern, variables := sub, (*tree.Node)(nil)
		for i, v := range sub.Elements() {
			switch i {
			case 0:
				pattern = v
			case 1:
				variables = v
			}
		}
		if s, ok := pattern.Text(); ok {
			return r.substitute(n, s, variables)
		}
	case join.Len() == 2:
		return r.join(n, join)
	}
	return unknownPart(n, n), nil
}

// text reads a string as it stands.
func (r *reading) text(n *tree.Node, s string) (expression, error) {
	if strings.ContainsFunc(s, isPart) {
		return expression{}, r.private(n)
	}
	if r.template && strings.Contains(s, "{{resolve:") {
		return unknownPart(n, n), nil
	}
	if placeholder(s) {
		return expression{}, r.fail(n, "put the value there", "the value of %s holds a placeholder, which nobody fills in here", n.Pointer())
	}
	return literal(s), nil
}

// private reports a text that holds what stands for parts here.
func (r *reading) private(n *tree.Node) error {
	return r.fail(n, "take it out", "the value of %s holds a character for private use", n.Pointer())
}

// substitute reads the text of a Fn::Sub, the value from.
func (r *reading) substitute(from *tree.Node, s string, variables *tree.Node) (expression, error) {
	if strings.ContainsFunc(s, isPart) {
		return expression{}, r.private(from)
	}
	var all []any
	for {
		before, rest, found := strings.Cut(s, "${")
		all = append(all, before)
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !found:
			return concat(all...), nil
		case !closed:
			all = append(all, "${"+rest)
			return concat(all...), nil
		}
		s = after
		name = strings.TrimSpace(name)
		resource, attribute, dotted := strings.Cut(name, ".")
		switch v := variables.Key(name); {
		case strings.HasPrefix(name, "!"):
			all = append(all, "${"+name[1:]+"}")
		case v != nil:
			e, err := r.expression(v)
			if err != nil {
				return expression{}, err
			}
			all = append(all, e)
		case dotted:
			all = append(all, unknownPart(getAtt(resource, attribute), from))
		default:
			all = append(all, unknownPart(ref(name), from))
		}
	}
}

// join reads a Fn::Join of what can be read one by one.
func (r *reading) join(n, join *tree.Node) (expression, error) {
	var separator string
	var list *tree.Node
	for i, v := range join.Elements() {
		if i == 0 {
			separator, _ = v.Text()
		} else {
			list = v
		}
	}
	if list.Kind() != tree.Array {
		return unknownPart(n, n), nil
	}
	var all []any
	for i, v := range list.Elements() {
		if i > 0 {
			all = append(all, separator)
		}
		e, err := r.expression(v)
		if err != nil {
			return expression{}, err
		}
		all = append(all, e)
	}
	return concat(all...), nil
}
