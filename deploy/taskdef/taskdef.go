// Package taskdef reads and writes a task definition as a document: in which
// shape it came, where each value is in the input, which members and types ECS
// takes. It knows nothing of EC2 or Fargate.
package taskdef

import (
	"fmt"
	"strings"

	"sumoship/deploy/tree"
)

// ResourceType is the type of a task definition in a template.
const ResourceType = "AWS::ECS::TaskDefinition"

// MaxContainers is how many containers a task definition can have.
// Source: Amazon ECS service quotas.
const MaxContainers = 10

// Shape is what a document holds around its task definition.
type Shape uint8

// The shapes.
const (
	Bare      Shape = iota // nothing: as RegisterTaskDefinition takes it
	Described              // what DescribeTaskDefinition adds, with or without the tags beside it
	List                   // nothing: the container definitions alone, as Terraform takes them
	Template               // a CloudFormation or SAM template
)

// Document is a task definition and the document it came in.
type Document struct {
	name       string // of the input, for messages
	shape      Shape
	definition *tree.Node
	root       *tree.Node // of the input
	resource   string     // logical ID, in a template
	listed     bool       // the input is a list of containers
}

// Name returns the name of the input, for messages.
func (d *Document) Name() string { return d.name }

// Shape returns the shape of the input.
func (d *Document) Shape() Shape { return d.shape }

// Resource returns the logical ID of the task definition in a template, "" in
// other shapes.
func (d *Document) Resource() string { return d.resource }

// Whole returns a list of containers as a bare definition, whose other members are
// those that edits set. Documents of other shapes are whole.
func (d *Document) Whole() *Document {
	if d.shape != List {
		return d
	}
	whole := *d
	whole.shape, whole.listed = Bare, true
	return &whole
}

// Root returns the whole document.
func (d *Document) Root() *tree.Node { return d.root }

// Definition returns the task definition, to read and edit. Around a list of
// containers it is an object that is not part of the input.
func (d *Document) Definition() *tree.Node { return d.definition }

// With returns a document like d with another definition, which is in a document
// of its own.
func (d *Document) With(definition *tree.Node) *Document {
	return &Document{name: d.name, shape: d.shape, definition: definition, root: definition.Root(), resource: d.resource}
}

// InTemplate returns d as a part of a template that is being written: its values may
// be intrinsic functions.
func (d *Document) InTemplate() *Document {
	t := *d
	t.shape = Template
	return &t
}

// Errorf is [Errorf] for this document.
func (d *Document) Errorf(n *tree.Node, help, what string, args ...any) error {
	return Errorf(d.name, n, help, what, args...)
}

// InputError says why an input cannot be read as a task definition, where, and
// what to do. Line and Column count from 1, the column in characters; both are 0
// if no place is to blame.
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

// Errorf returns an *[InputError] about a node of the input called name. Its
// place is that of the node, or of the nearest around it that has one. help says
// what to do; args are formatted into what.
func Errorf(name string, n *tree.Node, help, what string, args ...any) error {
	e := &InputError{Name: name, What: fmt.Sprintf(what, args...), Help: help}
	for ; n != nil && e.Line == 0; n = n.Parent() {
		pos := n.Pos()
		e.Line, e.Column = pos.Line, pos.Column
	}
	return e
}

// ContainerOf returns the container definition that a node is in, nil if there is
// none.
func ContainerOf(n *tree.Node) *tree.Node {
	for ; n != nil; n = n.Parent() {
		if strings.EqualFold(n.Parent().Name(), "containerDefinitions") {
			return n
		}
	}
	return nil
}
