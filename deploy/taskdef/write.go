package taskdef

import (
	"bytes"

	"sumoship/deploy/tree"
)

// readOnly are the members that ECS adds to a task definition and does not take.
// Source: Amazon ECS API Reference, TaskDefinition less RegisterTaskDefinition.
var readOnly = []string{
	"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities",
	"registeredAt", "registeredBy", "deregisteredAt", "deleteRequestedAt",
}

// Bytes returns the document in the shape of the input, byte for byte as it was
// but for what was edited. Of a described definition it returns the definition
// alone, without the members that ECS does not take back.
func (d *Document) Bytes() []byte {
	if d.shape == Described {
		return registrable(d.definition).Bytes()
	}
	return d.root.Bytes()
}

// ECS returns the definition as JSON for RegisterTaskDefinition, whatever the
// shape of the input: names in camelCase, no read-only members and no nulls,
// strings and numbers where ECS wants them. Values that are known only after
// deployment stay as they are, placeholders in quotes. A byte order mark goes.
func (d *Document) ECS() []byte {
	n := registrable(d.definition)
	if cased(n, Definition()) {
		n = Recase(n, tree.Camel)
	}
	conform(n, Definition())
	n.Quote()
	return bytes.TrimPrefix(n.JSON(), []byte(bom))
}

// CloudFormation returns a template, in JSON or YAML like the input: the document
// itself if it is one, and otherwise one that has the task definition alone.
func (d *Document) CloudFormation() []byte {
	if d.shape == Template {
		return d.Bytes()
	}
	t := tree.NewObject(
		tree.Member{Name: "AWSTemplateFormatVersion", Value: tree.NewString("2010-09-09")},
		tree.Member{Name: "Resources", Value: tree.NewObject(
			tree.Member{Name: "TaskDefinition", Value: tree.NewObject(
				tree.Member{Name: "Type", Value: tree.NewString(ResourceType)},
				tree.Member{Name: "Properties", Value: Recase(ForTemplate(d.definition), tree.Pascal)},
			)},
		)},
	)
	return t.BytesLike(d.root)
}

// ForTemplate returns a copy of a definition as the properties of a resource take
// it, but for the case of its names: no read-only members and no nulls, strings
// and numbers where ECS wants them.
func ForTemplate(definition *tree.Node) *tree.Node {
	n := registrable(definition)
	conform(n, Definition())
	if c := n.Field("placementConstraints"); c.Kind() == tree.Array && c.Len() == 0 {
		n.DeleteField("placementConstraints") // ECS describes none as an empty list, which cfn-lint refuses for Fargate
	}
	return n
}

// registrable returns a copy of a definition without what ECS does not take.
func registrable(definition *tree.Node) *tree.Node {
	n := definition.Clone()
	for _, name := range readOnly {
		n.DeleteField(name)
	}
	return n
}

// cased reports whether a name of the schema is not written as the ECS API does.
func cased(n *tree.Node, s *Schema) bool {
	for name, v := range n.Members() {
		camel := names.Camel(name, n.Name())
		if m := s.members[camel]; m != nil && s.Kind == KindRecord && (camel != name || cased(v, m)) {
			return true
		}
	}
	if s.Kind == KindList {
		for _, v := range n.Elements() {
			if cased(v, s.Element) {
				return true
			}
		}
	}
	return false
}

// conform edits a definition to the types of the schema where a value says the
// same in another type, and drops nulls. Templates and forms are lax about both;
// the API is not.
func conform(n *tree.Node, s *Schema) {
	for name, v := range n.Members() {
		if v.Kind() == tree.Null {
			n.DeleteKey(name)
			continue
		}
		if s.Kind == KindMap {
			conform(v, s.Element)
		} else if m := s.members[names.Camel(name, n.Name())]; s.Kind == KindRecord && m != nil {
			conform(v, m)
		}
	}
	if s.Kind == KindList {
		for _, v := range n.Elements() {
			conform(v, s.Element)
		}
	}
	if n.Opaque() {
		return
	}
	switch s.Kind {
	case KindText:
		if k := n.Kind(); k == tree.Number || k == tree.Bool {
			n.Replace(tree.NewString(n.Source()))
		}
	case KindWhole:
		if i, ok := n.Int(); ok && n.Kind() == tree.String {
			n.Replace(tree.NewInt(i))
		}
	case KindFlag:
		if v, ok := n.Bool(); ok {
			n.Replace(tree.NewBool(v))
		}
	}
}
