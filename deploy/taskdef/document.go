// Package taskdef reads and writes a task definition as a document: in which
// shape it came, where each value is in the input, which members and types ECS
// takes. It knows nothing of EC2 or Fargate.
package taskdef

import (
	"fmt"
	"strings"

	"sumoship/deploy/tree"
)

// ReadOptions say what the input leaves open.
type ReadOptions struct {
	Resource string // logical ID of the task definition in a template that has several
	Family   string // for a list of containers, which has no place for it
}

// Shape is what a document is besides the task definition in it.
type Shape uint8

// The shapes.
const (
	Bare      Shape = iota // the definition alone, as RegisterTaskDefinition takes it
	Described              // as DescribeTaskDefinition gives it, with or without the tags beside it
	List                   // the container definitions alone, as Terraform takes them
	Template               // a CloudFormation or SAM template
)

// Document is a task definition and the document it came in.
type Document struct {
	name       string // of the input, for messages
	shape      Shape
	definition *tree.Node
	root       *tree.Node // of the input
	resource   string     // logical ID, in a template
}

// InputError says why an input is not a task definition that can be read, where,
// and what to do. Line and Column count from 1, the column in characters; both
// are 0 where no place is to blame.
type InputError struct {
	Name         string
	Line, Column int
	What, Help   string
}

func (e *InputError) Error() string {
	s := e.Name
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d:%d", e.Name, e.Line, e.Column)
	}
	s += ": " + e.What
	if e.Help != "" {
		s += "; " + e.Help
	}
	return s
}

// Read reads a task definition in any shape that AWS's tools give or take: the
// output of describe-task-definition, a bare definition, a list of container
// definitions, a CloudFormation or SAM template; in JSON or YAML, with members in
// camelCase or PascalCase. The name is for messages; its ending decides between
// JSON and YAML where the content does not.
//
// The error is an *[InputError].
func Read(name string, src []byte, o ReadOptions) (*Document, error) {
	r := reader{name: name, ReadOptions: o}
	root, err := Parse(name, src)
	if err != nil {
		return nil, err
	}
	return r.read(root)
}

// Name returns the name of the input, for messages.
func (d *Document) Name() string { return d.name }

// Root returns the whole document.
func (d *Document) Root() *tree.Node { return d.root }

// With returns a document that is like d, with another definition: a node of a
// document of its own.
func (d *Document) With(definition *tree.Node) *Document {
	return &Document{name: d.name, shape: d.shape, definition: definition, root: definition.Root(), resource: d.resource}
}

// Errorf is [Errorf] for this document.
func (d *Document) Errorf(n *tree.Node, help, what string, args ...any) error {
	return Errorf(d.name, n, help, what, args...)
}

// Shape returns the shape of the input.
func (d *Document) Shape() Shape { return d.shape }

// Resource returns the logical ID of the task definition in a template, "" in
// other shapes.
func (d *Document) Resource() string { return d.resource }

// Definition returns the task definition, to be read and edited. Around a list
// of containers it is an object that is no part of the input.
func (d *Document) Definition() *tree.Node { return d.definition }

// readOnly are the members that ECS adds to a task definition and does not take.
// Source: Amazon ECS API Reference, TaskDefinition less RegisterTaskDefinition.
var readOnly = []string{
	"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities",
	"registeredAt", "registeredBy", "deregisteredAt", "deleteRequestedAt",
}

// Bytes returns the document in the shape of the input: what no edit named is
// byte for byte as it was. Of what ECS described it returns the definition
// alone, without the members that ECS does not take back.
func (d *Document) Bytes() []byte {
	if d.shape == Described {
		return Registrable(d.definition).Bytes()
	}
	return d.root.Bytes()
}

// ECS returns the definition as JSON that RegisterTaskDefinition takes, whatever
// the shape of the input: names in camelCase, without read-only members and
// nulls, strings and numbers where it wants them. Values that only a deployment
// knows stay what they are.
func (d *Document) ECS() []byte {
	n := Registrable(d.definition)
	if cased(n, Definition) {
		n = n.Recase(false)
	}
	Conform(n, Definition)
	return n.JSON()
}

// CloudFormation returns a template, in JSON or YAML like the input: of a
// template the document itself, of other shapes one that has the task definition
// alone.
func (d *Document) CloudFormation() []byte {
	if d.shape == Template {
		return d.Bytes()
	}
	n := Registrable(d.definition)
	Conform(n, Definition)
	if n.Field("placementConstraints").Kind() == tree.Array && n.Field("placementConstraints").Len() == 0 {
		n.DeleteField("placementConstraints") // ECS describes none as an empty list, which cfn-lint does not take for Fargate
	}
	t := tree.NewObject(
		tree.Member{Name: "AWSTemplateFormatVersion", Value: tree.NewString("2010-09-09")},
		tree.Member{Name: "Resources", Value: tree.NewObject(
			tree.Member{Name: "TaskDefinition", Value: tree.NewObject(
				tree.Member{Name: "Type", Value: tree.NewString(ResourceType)},
				tree.Member{Name: "Properties", Value: n.Recase(true)},
			)},
		)},
	)
	return t.BytesLike(d.root)
}

// registrable returns a copy of a definition without what ECS does not take.
func Registrable(definition *tree.Node) *tree.Node {
	n := definition.Clone()
	for _, name := range readOnly {
		n.DeleteField(name)
	}
	return n
}

// cased reports whether a name of the schema is not written as the ECS API does.
func cased(n *tree.Node, s *Schema) bool {
	for name, v := range n.Members() {
		camel := tree.Camel(name, n.Name())
		if m := s.Members[camel]; m != nil && s.Kind == KindRecord && (camel != name || cased(v, m)) {
			return true
		}
	}
	for _, v := range n.Elements() {
		if s.Element != nil && cased(v, s.Element) {
			return true
		}
	}
	return false
}

// conform edits a definition to the types of the schema, where a value says the
// same in another type, and drops nulls. Templates and forms are lax there; the
// API is not.
func Conform(n *tree.Node, s *Schema) {
	for name, v := range n.Members() {
		if v.Kind() == tree.Null {
			n.DeleteKey(name)
			continue
		}
		if s.Kind == KindMap {
			Conform(v, AnyText)
		} else if m := s.Members[tree.Camel(name, n.Name())]; s.Kind == KindRecord && m != nil {
			Conform(v, m)
		}
	}
	if s.Element != nil {
		for _, v := range n.Elements() {
			Conform(v, s.Element)
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

// reader reads one input.
type reader struct {
	name string
	ReadOptions
}

// read finds the task definition in a document and looks whether rules can read
// it.
func (r *reader) read(root *tree.Node) (*Document, error) {
	d, err := r.document(root)
	if err != nil {
		return nil, err
	}
	if err := r.check(d.definition); err != nil {
		return nil, err
	}
	return d, nil
}

// fail returns an error at a node, or at the nearest around it that has a place.
func (r *reader) fail(n *tree.Node, help, what string, args ...any) error {
	return Errorf(r.name, n, help, what, args...)
}

// Errorf returns an *[InputError] about a node of the input called name. Its
// place is that of the node, or of the nearest around it that has one. help says
// what to do; what is formatted with args.
func Errorf(name string, n *tree.Node, help, what string, args ...any) error {
	e := &InputError{Name: name, What: fmt.Sprintf(what, args...), Help: help}
	for ; n != nil && e.Line == 0; n = n.Parent() {
		pos := n.Pos()
		e.Line, e.Column = pos.Line, pos.Column
	}
	return e
}

// check reports what makes a definition unreadable for every rule. What is
// wrong in a member alone is for the rules to report, all at once.
func (r *reader) check(n *tree.Node) error {
	containers := n.Field("containerDefinitions")
	switch text, _ := containers.Text(); {
	case containers.Opaque() && text == "":
		return CheckValues(r.name, n)
	case containers.Kind() == tree.Absent:
		return r.fail(n, "a task definition has 1 to 10 of them", "there are no containerDefinitions")
	case strings.HasPrefix(strings.TrimSpace(text), "["):
		return r.fail(containers, "take it out of the string", "containerDefinitions is a list inside a string")
	case containers.Kind() != tree.Array:
		return r.fail(containers, "a task definition has 1 to 10 containers", "containerDefinitions is %s and not a list", containers.Kind())
	case containers.Len() == 0:
		return r.fail(containers, "a task definition has 1 to 10 of them", "there are no containers")
	case containers.Len() > MaxContainers:
		return r.fail(containers, "ECS takes at most 10 in a task definition: split it", "there are %d containers", containers.Len())
	}
	for _, c := range containers.Elements() {
		if c.Kind() != tree.Object && !c.Opaque() {
			return r.fail(c, "a container is an object with a name and an image", "this container is %s and not an object", c.Kind())
		}
	}
	return CheckValues(r.name, n)
}

// maxContainers is how many containers a task definition can have.
// Source: Amazon ECS service quotas.
const MaxContainers = 10

// CheckValues reports what reads as something else than it says: a number that is
// larger than any of ECS, and members merged from elsewhere in YAML.
func CheckValues(name string, n *tree.Node) error {
	if tree.Huge(n) {
		return Errorf(name, n, "the numbers of ECS have at most 10 digits", "the number %s is larger than ECS can hold", short(n.Source()))
	}
	if merged := n.Key("<<"); merged != nil {
		return Errorf(name, merged, "write the members out: CloudFormation does not merge them either", "members are merged into this object with <<")
	}
	for _, v := range n.Members() {
		if err := CheckValues(name, v); err != nil {
			return err
		}
	}
	for _, v := range n.Elements() {
		if err := CheckValues(name, v); err != nil {
			return err
		}
	}
	return nil
}

// short cuts what a message quotes.
func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// ContainerOf returns the container definition around a node, nil if there is none.
func ContainerOf(n *tree.Node) *tree.Node {
	for ; n != nil; n = n.Parent() {
		if strings.EqualFold(n.Parent().Name(), "containerDefinitions") {
			return n
		}
	}
	return nil
}
