// Package cfn holds the values of CloudFormation: resources and intrinsic
// functions to write a template with, and expressions to read one, of which
// parts are known only after deployment.
package cfn

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"sumoship/deploy/tree"
)

// The values that templates are made of.

func Prop(name string, v *tree.Node) tree.Member { return tree.Member{Name: name, Value: v} }

// object is an object of those properties that have a value.
func Object(properties ...tree.Member) *tree.Node {
	var have []tree.Member
	for _, p := range properties {
		if p.Value != nil {
			have = append(have, p)
		}
	}
	return tree.NewObject(have...)
}

// array is a list, nil if nothing is in it.
func Array(values ...*tree.Node) *tree.Node {
	if len(values) == 0 {
		return nil
	}
	return tree.NewArray(values...)
}

func Strings(values ...string) *tree.Node {
	var nodes []*tree.Node
	for _, v := range values {
		nodes = append(nodes, tree.NewString(v))
	}
	return Array(nodes...)
}

// resource is a resource without attributes such as DependsOn.
func Resource(kind string, properties ...tree.Member) *tree.Node {
	return Object(Prop("Type", tree.NewString(kind)), Prop("Properties", Object(properties...)))
}

// ref, getAtt and sub are intrinsic functions.
// Source: AWS CloudFormation User Guide, "Intrinsic function reference".
func Ref(name string) *tree.Node { return Object(Prop("Ref", tree.NewString(name))) }

func GetAtt(resource, attribute string) *tree.Node {
	return Object(Prop("Fn::GetAtt", tree.NewArray(tree.NewString(resource), tree.NewString(attribute))))
}

func Sub(s string) *tree.Node { return Object(Prop("Fn::Sub", tree.NewString(s))) }

// writeTemplate writes a template as JSON, or as YAML with the short tags of the
// intrinsic functions.
func Write(n *tree.Node, json bool) []byte {
	if json {
		return n.Bytes()
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(yamlOf(n)); err != nil {
		panic(fmt.Sprintf("deploy: a template that YAML cannot hold: %v", err)) // yamlOf makes none
	}
	_ = e.Close() // writes nothing more, and to a buffer
	return b.Bytes()
}

func yamlOf(n *tree.Node) *yaml.Node {
	if name, arg, ok := Intrinsic(n); ok {
		if y := shortTag(name, arg); y != nil {
			return y
		}
	}
	switch n.Kind() {
	case tree.Object:
		y := &yaml.Node{Kind: yaml.MappingNode}
		for name, v := range n.Members() {
			y.Content = append(y.Content, scalar("!!str", name), yamlOf(v))
		}
		return y
	case tree.Array:
		y := &yaml.Node{Kind: yaml.SequenceNode}
		for _, v := range n.Elements() {
			y.Content = append(y.Content, yamlOf(v))
		}
		return y
	case tree.String:
		s, _ := n.Text()
		return scalar("!!str", s)
	case tree.Number:
		if _, ok := n.Int(); ok {
			return scalar("!!int", n.Source())
		}
		return scalar("!!float", n.Source())
	case tree.Bool:
		return scalar("!!bool", n.Source())
	}
	return scalar("!!null", "null")
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// intrinsicOf takes an intrinsic function apart.
func Intrinsic(n *tree.Node) (name string, arg *tree.Node, ok bool) {
	if n.Kind() != tree.Object || !n.Opaque() {
		return "", nil, false
	}
	for name, arg := range n.Members() {
		return name, arg, true
	}
	return "", nil, false
}

// shortTag writes an intrinsic function by its tag, nil where it has none: a tag
// cannot stand before another.
func shortTag(name string, arg *tree.Node) *yaml.Node {
	tag := "!" + strings.TrimPrefix(name, "Fn::")
	if strings.Contains(tag, "::") || arg.Kind() == tree.Object && name != "Fn::Transform" || arg.Kind() < tree.Bool {
		return nil // Fn::ForEach::Name is a key; an object may be another function
	}
	if name == "Fn::GetAtt" && arg.Kind() == tree.Array && arg.Len() == 2 {
		var parts []string
		for _, v := range arg.Elements() {
			s, ok := v.Text()
			if !ok || strings.Contains(s, "${") {
				return nil
			}
			parts = append(parts, s)
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: strings.Join(parts, ".")}
	}
	y := yamlOf(arg)
	y.Tag = tag
	return y
}
