// Package cfn reads and writes values of CloudFormation templates: it builds
// resources and intrinsic functions, and reads texts of which parts are known
// only after deployment.
package cfn

import (
	"strings"

	"sumoship/deploy/tree"
)

// Prop returns a property; [Object] leaves it out if v is nil.
func Prop(name string, v *tree.Node) tree.Member { return tree.Member{Name: name, Value: v} }

// Object returns an object with the properties that have a value.
func Object(properties ...tree.Member) *tree.Node {
	var have []tree.Member
	for _, p := range properties {
		if p.Value != nil {
			have = append(have, p)
		}
	}
	return tree.NewObject(have...)
}

// Array returns a list, nil if it would be empty.
func Array(values ...*tree.Node) *tree.Node {
	if len(values) == 0 {
		return nil
	}
	return tree.NewArray(values...)
}

// Strings returns a list of strings, nil if it would be empty.
func Strings(values ...string) *tree.Node {
	var nodes []*tree.Node
	for _, v := range values {
		nodes = append(nodes, tree.NewString(v))
	}
	return Array(nodes...)
}

// Resource returns a resource with its type and properties.
func Resource(kind string, properties ...tree.Member) *tree.Node {
	return Object(Prop("Type", tree.NewString(kind)), Prop("Properties", Object(properties...)))
}

// Ref returns {"Ref": name}.
func Ref(name string) *tree.Node { return Object(Prop("Ref", tree.NewString(name))) }

// GetAtt returns {"Fn::GetAtt": [resource, attribute]}.
func GetAtt(resource, attribute string) *tree.Node {
	return Object(Prop("Fn::GetAtt", tree.NewArray(tree.NewString(resource), tree.NewString(attribute))))
}

// Sub returns {"Fn::Sub": s}.
func Sub(s string) *tree.Node { return Object(Prop("Fn::Sub", tree.NewString(s))) }

// If returns {"Fn::If": [condition, yes, no]}.
func If(condition string, yes, no *tree.Node) *tree.Node {
	return Object(Prop("Fn::If", tree.NewArray(tree.NewString(condition), yes, no)))
}

// Intrinsic returns the name of the intrinsic function that n is, such as
// Fn::Sub, and its argument.
//
// Source: AWS CloudFormation User Guide, "Intrinsic function reference".
func Intrinsic(n *tree.Node) (name string, arg *tree.Node, ok bool) {
	if n.Kind() != tree.Object || !n.Opaque() {
		return "", nil, false
	}
	for name, arg := range n.Members() {
		return name, arg, true
	}
	return "", nil, false
}

// RefName returns the name in a Ref, "" if n is something else.
func RefName(n *tree.Node) string { return n.Key("Ref").Str() }

// GetAttName returns the resource and the attribute of a Fn::GetAtt, "" if n is
// something else or they are not literal.
func GetAttName(n *tree.Node) (resource, attribute string) {
	arg := n.Key("Fn::GetAtt")
	if s, ok := arg.Text(); ok {
		resource, attribute, _ = strings.Cut(s, ".")
		return resource, attribute
	}
	var names []string
	for _, v := range arg.Elements() {
		s, ok := v.Text()
		if !ok {
			return "", ""
		}
		names = append(names, s)
	}
	if len(names) < 2 {
		return "", ""
	}
	return names[0], strings.Join(names[1:], ".")
}
