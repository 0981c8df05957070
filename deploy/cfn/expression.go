package cfn

import (
	"fmt"
	"strings"

	"sumoship/deploy/tree"
)

// Expression is a text with parts that CloudFormation fills in. In Text a rune of
// a private area stands for each part, so that the text can be cut and matched
// like any other; [AnyPart] matches such a rune.
type Expression struct {
	Text  string
	parts []Part // by stand-in
}

// Part is what is known only after deployment.
type Part struct {
	Node *tree.Node // the intrinsic function
	From *tree.Node // the value of the input that it is in, nil if it is not from there
}

// AnyPart is a regular expression that matches one part in a text.
const AnyPart = `[\x{F0000}-\x{FFFFD}]`

// Source: Unicode Standard, "Private-Use Characters" (Supplementary Private Use
// Area-A).
const (
	firstPart = '\U000F0000'
	lastPart  = '\U000FFFFD'
)

func isPart(r rune) bool { return r >= firstPart && r <= lastPart }

// Literal returns a text that is known.
func Literal(s string) Expression { return Expression{Text: s} }

// Pseudo returns a pseudo parameter, such as AWS::Region.
func Pseudo(name string) Expression { return Deferred(Ref(name), nil) }

// Deferred returns the value of an intrinsic function, which is known only after
// deployment. from is the value of the input that it is in, nil for none.
func Deferred(node, from *tree.Node) Expression {
	return Expression{string(firstPart), []Part{{node, from}}}
}

// Substring returns a text that was cut out of that of e, with its parts.
func (e Expression) Substring(text string) Expression { return Expression{text, e.parts} }

// Concat joins all, each an [Expression] or a string.
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

// Parts returns the parts in the text, in order.
func (e Expression) Parts() (all []Part) {
	for _, r := range e.Text {
		if isPart(r) {
			all = append(all, e.parts[r-firstPart])
		}
	}
	return all
}

// Only returns the part that is the whole text, nil if there is none.
func (e Expression) Only() *Part {
	if r := []rune(e.Text); len(r) == 1 && isPart(r[0]) {
		return &e.parts[r[0]-firstPart]
	}
	return nil
}

// Fill replaces the pseudo parameters in known by their values.
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
			all = append(all, Deferred(p.Node, p.From))
		}
	}
	return Concat(all...)
}

// Node returns the expression as CloudFormation takes it: a string, the intrinsic
// function that it is, or Fn::Sub.
func (e Expression) Node() *tree.Node {
	if p := e.Only(); p != nil {
		return p.Node
	}
	if len(e.Parts()) == 0 {
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
		if resource, attribute := GetAttName(n); resource != "" {
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
