package cfn

import (
	"errors"
	"slices"
	"strings"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Reader reads the values of a document that may hold intrinsic functions. It
// collects what it cannot read.
type Reader struct {
	name      string // of the document, for messages
	template  bool
	resources *tree.Node // of the template
	errs      []error
}

// NewReader returns a reader of a document.
func NewReader(d *taskdef.Document) *Reader {
	return &Reader{name: d.Name(), template: d.Shape() == taskdef.Template, resources: d.Root().Key("Resources")}
}

// Err returns all that could not be read, joined: an *InputError each.
func (r *Reader) Err() error { return errors.Join(r.errs...) }

// Errorf returns an *InputError about a node of the document.
func (r *Reader) Errorf(n *tree.Node, help, what string, args ...any) error {
	return taskdef.Errorf(r.name, n, help, what, args...)
}

// Resource returns a resource of the template, nil if there is none or the
// document is not a template.
func (r *Reader) Resource(id string) *tree.Node { return r.resources.Key(id) }

// wrong notes an error, once.
func (r *Reader) Wrong(err error) {
	if !slices.ContainsFunc(r.errs, func(other error) bool { return other.Error() == err.Error() }) {
		r.errs = append(r.errs, err)
	}
}

// read reads a text, in all its variants. What cannot be read is an error of the
// whole.
func (r *Reader) Read(n *tree.Node) []Expression {
	if n == nil {
		return nil
	}
	all, err := r.expressions(n)
	if err != nil {
		r.Wrong(err)
	}
	return all
}

// each returns the objects of a list, of conditions those of both branches.
func (r *Reader) Each(n *tree.Node) (all []*tree.Node) {
	switch branches := n.Key("Fn::If"); {
	case n.Kind() == tree.Array:
		for _, element := range n.Elements() {
			all = append(all, r.Each(element)...)
		}
	case branches.Len() == 3:
		for i, branch := range branches.Elements() {
			if i > 0 && RefName(branch) != "AWS::NoValue" {
				all = append(all, r.Each(branch)...)
			}
		}
	case n.Opaque():
		r.Wrong(r.Errorf(n, "put it there", "%s is known only when it is deployed, and with it what it needs", n.Pointer()))
	case n.Kind() == tree.Object:
		all = append(all, n)
	}
	return all
}

// logConfigurations are those of a container: one, or those of the branches of a
// condition.
func (r *Reader) LogConfigurations(container *tree.Node) []*tree.Node {
	all := r.Each(container.Get("logConfiguration"))
	for _, configuration := range all {
		if driver := configuration.Get("logDriver"); driver.Opaque() {
			r.Wrong(r.Errorf(driver, "put it there", "%s is known only when it is deployed, and with it where the logs go", driver.Pointer()))
		}
	}
	return all
}

// expressions reads a text; of a Fn::If it reads both. A placeholder that nobody
// fills in is an error.
func (r *Reader) expressions(n *tree.Node) ([]Expression, error) {
	if branches := n.Key("Fn::If"); n.Opaque() && branches.Len() == 3 {
		var all []Expression
		for i, branch := range branches.Elements() {
			if i == 0 || RefName(branch) == "AWS::NoValue" {
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
	e, err := r.Expression(n)
	if err != nil {
		return nil, err
	}
	return []Expression{e}, nil
}

func (r *Reader) Expression(n *tree.Node) (Expression, error) {
	if s, ok := n.Text(); ok {
		return r.text(n, s)
	}
	if s := n.Kind(); s == tree.Number || s == tree.Bool {
		return Literal(n.Source()), nil
	}
	if !n.Opaque() {
		return Expression{}, r.Errorf(n, "", "the value of %s is %s and not a string", n.Pointer(), n.Kind())
	}
	if !r.template {
		return Expression{}, r.Errorf(n, "put the value there", "the value of %s is a function of CloudFormation, in a document that is no template", n.Pointer())
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
	return UnknownPart(n, n), nil
}

// text reads a string as it stands.
func (r *Reader) text(n *tree.Node, s string) (Expression, error) {
	if strings.ContainsFunc(s, isPart) {
		return Expression{}, r.private(n)
	}
	if r.template && strings.Contains(s, "{{resolve:") {
		return UnknownPart(n, n), nil
	}
	if tree.NewString(s).Opaque() {
		return Expression{}, r.Errorf(n, "put the value there", "the value of %s holds a placeholder, which nobody fills in here", n.Pointer())
	}
	return Literal(s), nil
}

// private reports a text that holds what stands for parts here.
func (r *Reader) private(n *tree.Node) error {
	return r.Errorf(n, "take it out", "the value of %s holds a character for private use", n.Pointer())
}

// substitute reads the text of a Fn::Sub, the value from.
func (r *Reader) substitute(from *tree.Node, s string, variables *tree.Node) (Expression, error) {
	if strings.ContainsFunc(s, isPart) {
		return Expression{}, r.private(from)
	}
	var all []any
	for {
		before, rest, found := strings.Cut(s, "${")
		all = append(all, before)
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !found:
			return Concat(all...), nil
		case !closed:
			all = append(all, "${"+rest)
			return Concat(all...), nil
		}
		s = after
		name = strings.TrimSpace(name)
		resource, attribute, dotted := strings.Cut(name, ".")
		switch v := variables.Key(name); {
		case strings.HasPrefix(name, "!"):
			all = append(all, "${"+name[1:]+"}")
		case v != nil:
			e, err := r.Expression(v)
			if err != nil {
				return Expression{}, err
			}
			all = append(all, e)
		case dotted:
			all = append(all, UnknownPart(GetAtt(resource, attribute), from))
		default:
			all = append(all, UnknownPart(Ref(name), from))
		}
	}
}

// join reads a Fn::Join of what can be read one by one.
func (r *Reader) join(n, join *tree.Node) (Expression, error) {
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
		return UnknownPart(n, n), nil
	}
	var all []any
	for i, v := range list.Elements() {
		if i > 0 {
			all = append(all, separator)
		}
		e, err := r.Expression(v)
		if err != nil {
			return Expression{}, err
		}
		all = append(all, e)
	}
	return Concat(all...), nil
}
