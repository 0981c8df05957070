package fargate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// WrongType reports a value that cannot be read, such as a list where the API wants
// a string.
var WrongType = finding.Rule{
	ID: "wrong-type", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "A value has the wrong type.",
	Help:    finding.Advice{"Write it as the ECS API defines it."},
	Refusal: "a parameter has an invalid type",
}

// validate reports what the other rules cannot read: values that are missing,
// unknown, out of range or of the wrong type. It fixes numbers written as strings
// and strings written as numbers, which AWS tools accept only in templates.
func (c *converter) validate(n *tree.Node, s *taskdef.Schema) {
	if n.Kind() == tree.Null {
		if n.Parent().Kind() == tree.Array {
			c.Fail(WrongType, n, "wrong type: want %s, got null", s.Kind)
		}
		return
	}
	switch s.Kind {
	case taskdef.KindRecord, taskdef.KindMap, taskdef.KindList:
		if c.unknown(n) {
			return
		}
	default:
		if n.Opaque() {
			return // noted where it is read
		}
	}
	ok := true
	switch s.Kind {
	case taskdef.KindRecord:
		if ok = n.Kind() == tree.Object; ok {
			c.validateRecord(n, s)
		}
	case taskdef.KindMap:
		if ok = n.Kind() == tree.Object; ok {
			for _, v := range n.Members() {
				c.validate(v, s.Element)
			}
		}
	case taskdef.KindList:
		if ok = n.Kind() == tree.Array; ok {
			for _, v := range n.Elements() {
				c.validate(v, s.Element)
			}
		}
	case taskdef.KindText:
		ok = c.validateText(n, s)
	case taskdef.KindWhole:
		ok = c.validateWhole(n, s)
	case taskdef.KindFlag:
		ok = c.validateFlag(n)
	}
	if !ok {
		c.Fail(WrongType, n, "wrong type: want %s, got %s", s.Kind, n.Kind())
	}
}

var unknownMember = finding.Rule{
	ID: "unknown-member", Severity: finding.Warning, Action: finding.Keep, Source: apiTask,
	Summary: "This parameter is unknown: it is misspelt, or newer than sumoship. It is kept.",
	Help:    finding.Advice{"Check whether ECS and Fargate support it."},
}

func (c *converter) validateRecord(n *tree.Node, s *taskdef.Schema) {
	for name, v := range n.Members() {
		m := s.Member(name)
		if m == nil {
			c.Note(unknownMember, v, "%q is not a parameter that sumoship knows here", name)
			continue
		}
		c.validate(v, m)
	}
	for _, name := range s.Required {
		if n.Get(name) == nil {
			c.Fail(memberMissing, n, "%s is missing", name)
		}
	}
}

var typeMended = finding.Rule{
	ID: "type-mended", Usual: true, Severity: finding.Info, Action: finding.Rewrite, Source: apiTask,
	Summary: "A number or boolean is written as a string, or the other way round, which the AWS CLI does not accept.",
}

func (c *converter) validateText(n *tree.Node, s *taskdef.Schema) bool {
	switch n.Kind() {
	case tree.String:
		text, _ := n.Text()
		if len(s.Values) > 0 && !slices.Contains(s.Values, text) {
			choice := slices.DeleteFunc(slices.Clone(s.Values), func(v string) bool { return v == "" })
			c.Fail(valueInvalid, n, "invalid value %q: want one of %s", text, strings.Join(choice, ", "))
		}
	case tree.Number, tree.Bool:
		if len(s.Values) > 0 {
			return false
		}
		if !c.template {
			f := c.rewrite(typeMended, n, tree.NewString(n.Source()), "the API wants a string here; it was quoted")
			f.Before, f.After = "", "" // it may be secret
		}
	default:
		return false
	}
	return true
}

func (c *converter) validateWhole(n *tree.Node, s *taskdef.Schema) bool {
	i, ok := n.Int()
	if !ok {
		return false
	}
	if i < s.Min || i > s.Max {
		limits := fmt.Sprintf("%d to %d", s.Min, s.Max)
		if s.Max == math.MaxInt32 {
			limits = fmt.Sprintf("%d or more", s.Min)
		}
		c.Fail(valueOutOfRange, n, "%d is out of range: want %s", i, limits)
	}
	if n.Kind() == tree.String && !c.template {
		c.unquote(n, tree.NewInt(i))
	}
	return true
}

func (c *converter) validateFlag(n *tree.Node) bool {
	v, ok := n.Bool()
	if ok && n.Kind() == tree.String && !c.template {
		c.unquote(n, tree.NewBool(v))
	}
	return ok
}

func (c *converter) unquote(n, v *tree.Node) {
	c.rewrite(typeMended, n, v, "the API wants %s without quotes here", v.Kind())
}
