package taskdef

import (
	"strings"

	"sumoship/deploy/tree"
)

// ReadOptions say what the input leaves open.
type ReadOptions struct {
	Resource string // logical ID of the task definition in a template that has several
	Family   string // for a list of containers, which has no place for it
}

// Read reads a task definition in any shape that AWS's tools write or take: the
// output of describe-task-definition, a bare definition, a list of container
// definitions, a CloudFormation or SAM template; in JSON or YAML, with members in
// camelCase or PascalCase. The name is for messages; its extension decides
// between JSON and YAML where the content does not.
//
// The error is an *[InputError].
func Read(name string, src []byte, o ReadOptions) (*Document, error) {
	root, err := Parse(name, src)
	if err != nil {
		return nil, err
	}
	r := reader{name: name, ReadOptions: o}
	return r.read(root)
}

// ReadAll reads every task definition of an input: all that a template has,
// unless o.Resource names one, and the only one of any other shape. For a document
// that holds none, such as another file of a repository, it returns none and no
// error.
//
// The error is an *[InputError].
func ReadAll(name string, src []byte, o ReadOptions) ([]*Document, error) {
	root, err := Parse(name, src)
	if err != nil {
		return nil, err
	}
	if !holdsDefinition(root) {
		return nil, nil
	}
	ids := []string{o.Resource}
	if resources := root.Key("Resources"); resources != nil && o.Resource == "" {
		ids = nil
		for _, n := range taskDefinitions(resources) {
			ids = append(ids, n.Name())
		}
	}
	var all []*Document
	for _, id := range ids {
		r := reader{name: name, ReadOptions: ReadOptions{Resource: id, Family: o.Family}}
		d, err := r.read(root.Clone()) // each has its own tree, to edit apart
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// reader reads one input.
type reader struct {
	name string
	ReadOptions
}

// read finds the task definition in a document, and checks that rules can read
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

// fail is [Errorf] for this input.
func (r *reader) fail(n *tree.Node, help, what string, args ...any) error {
	return Errorf(r.name, n, help, what, args...)
}

// check reports what makes a definition unreadable for every rule. What is wrong
// in a single member is for the rules to report, all at once.
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

// CheckValues reports what does not read as it is written: a number larger than
// any that ECS has, and members merged from elsewhere in YAML.
//
// The error is an *[InputError] about the input called name.
func CheckValues(name string, n *tree.Node) error {
	if n.Huge() {
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

// short shortens what a message quotes.
func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
