package cfn

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"sumoship/deploy/tree"
)

// Marshal returns a template as JSON, or as YAML with the short tags of the
// intrinsic functions.
func Marshal(n *tree.Node, json bool) []byte {
	if json {
		return n.Bytes()
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(yamlOf(n)); err != nil {
		panic(fmt.Sprintf("cfn: a template that YAML cannot hold: %v", err)) // yamlOf returns none
	}
	if err := e.Close(); err != nil {
		panic(err) // it writes to a buffer
	}
	return b.Bytes()
}

// yamlOf returns n with the short tags of the intrinsic functions.
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
		if _, ok := n.Int(); ok && !strings.ContainsAny(n.Source(), ".eE") {
			return scalar("!!int", n.Source())
		}
		return scalar("!!float", n.Source())
	case tree.Bool:
		return scalar("!!bool", n.Source())
	}
	return scalar("!!null", "null")
}

// ambiguous matches strings that are booleans or numbers of base 60 in YAML 1.1,
// which CloudFormation reads, and strings in YAML 1.2.
//
// Source: YAML 1.1 types, "bool" and "int".
var ambiguous = regexp.MustCompile(`^(?:(?i:y|yes|n|no|on|off)|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)$`)

func scalar(tag, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	if tag == "!!str" && ambiguous.MatchString(value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// shortTag returns an intrinsic function with its short tag, nil where it cannot
// have one: a tag cannot follow another.
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
