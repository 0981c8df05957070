package cfn

import (
	"errors"
	"slices"
	"strings"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Reader reads the values of a document that may hold intrinsic functions. It
// collects the errors, so that a caller reports all at once.
type Reader struct {
	name      string // of the document, for messages
	template  bool
	resources *tree.Node // of the template
	errs      []error
}

// NewReader returns a Reader of d.
func NewReader(d *taskdef.Document) *Reader {
	return &Reader{name: d.Name(), template: d.Shape() == taskdef.Template, resources: d.Root().Key("Resources")}
}

// Err returns the errors so far, joined: *[taskdef.InputError] of what could not
// be read, and those of AddError.
func (r *Reader) Err() error { return errors.Join(r.errs...) }

// Errorf returns a *[taskdef.InputError] about a node of the document.
func (r *Reader) Errorf(n *tree.Node, help, what string, args ...any) error {
	return taskdef.Errorf(r.name, n, help, what, args...)
}

// Resource returns a resource of the template, nil if there is none or the
// document is not a template.
func (r *Reader) Resource(id string) *tree.Node { return r.resources.Key(id) }

// AddError adds an error, once.
func (r *Reader) AddError(err error) {
	if !slices.ContainsFunc(r.errs, func(other error) bool { return other.Error() == err.Error() }) {
		r.errs = append(r.errs, err)
	}
}

// Read returns the values that a text can have: more than one where it has a
// Fn::If, none where it is absent or cannot be read.
func (r *Reader) Read(n *tree.Node) []Expression {
	if n == nil {
		return nil
	}
	all, err := r.expressions(n)
	if err != nil {
		r.AddError(err)
	}
	return all
}

// Each returns the objects in a list, or the object that n is, with those in both
// branches of each Fn::If.
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
		r.AddError(r.Errorf(n, "write the value instead", "%s is known only when it is deployed, and so is what it needs", n.Pointer()))
	case n.Kind() == tree.Object:
		all = append(all, n)
	}
	return all
}

// LogConfigurations returns the log configurations that a container can have:
// more than one where it has a Fn::If.
func (r *Reader) LogConfigurations(container *tree.Node) []*tree.Node {
	all := r.Each(container.Get("logConfiguration"))
	for _, configuration := range all {
		if driver := configuration.Get("logDriver"); driver.Opaque() {
			r.AddError(r.Errorf(driver, "write the value instead", "%s is known only when it is deployed, and so is where the logs go", driver.Pointer()))
		}
	}
	return all
}

// expressions reads a text, and both branches of a Fn::If.
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

// Expression reads a text, or a Fn::Sub or Fn::Join of texts; any other intrinsic
// function is a part. A placeholder that CloudFormation does not fill in is an
// error.
//
// Errors: *[taskdef.InputError].
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
		return Expression{}, r.Errorf(n, "write the value instead", "the value of %s is an intrinsic function, and the document is not a CloudFormation template", n.Pointer())
	}
	if sub := n.Key("Fn::Sub"); sub != nil {
		text, variables := SubArgs(sub)
		if s, ok := text.Text(); ok {
			return r.substitute(n, s, variables)
		}
	}
	if join := n.Key("Fn::Join").Items(); len(join) == 2 && join[1].Kind() == tree.Array {
		separator, _ := join[0].Text()
		return r.join(separator, join[1])
	}
	return Deferred(n, n), nil
}

// text reads a string.
func (r *Reader) text(n *tree.Node, s string) (Expression, error) {
	if strings.ContainsFunc(s, isPart) {
		return Expression{}, r.private(n)
	}
	if r.template && strings.Contains(s, "{{resolve:") {
		return Deferred(n, n), nil
	}
	if tree.NewString(s).Opaque() {
		return Expression{}, r.Errorf(n, "write the value instead", "the value of %s holds a placeholder that nothing fills in", n.Pointer())
	}
	return Literal(s), nil
}

// private returns the error of a text that holds a rune that stands for a part.
func (r *Reader) private(n *tree.Node) error {
	return r.Errorf(n, "remove it", "the value of %s holds a private-use character", n.Pointer())
}

// substitute reads the text of the Fn::Sub n.
func (r *Reader) substitute(n *tree.Node, text string, variables *tree.Node) (Expression, error) {
	if strings.ContainsFunc(text, isPart) {
		return Expression{}, r.private(n)
	}
	var all []any
	for _, t := range splitSub(text) {
		resource, attribute, dotted := strings.Cut(t.name, ".")
		switch v := variables.Key(t.name); {
		case t.name == "":
			all = append(all, t.text)
		case v != nil:
			e, err := r.Expression(v)
			if err != nil {
				return Expression{}, err
			}
			all = append(all, e)
		case dotted:
			all = append(all, Deferred(GetAtt(resource, attribute), n))
		default:
			all = append(all, Deferred(Ref(t.name), n))
		}
	}
	return Concat(all...), nil
}

// join reads the list of a Fn::Join.
func (r *Reader) join(separator string, list *tree.Node) (Expression, error) {
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
