package fargate

import (
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// report adds a finding about an edit. The finding says so if the output has no
// place for it.
func (c *converter) report(rule finding.Rule, action finding.Action, n *tree.Node, why string, args []any) *finding.Finding {
	f := c.Report(rule, action, n, why, args...)
	if c.list && action == finding.Set && n.Parent() == c.def {
		f.Help = append(f.Help, "A list of containers has no place for it: set it in the resource around the list.")
	}
	return f
}

// failOnce is Fail for what would otherwise be reported for each container.
func (c *converter) failOnce(rule finding.Rule, n *tree.Node) {
	if !c.Has(rule) {
		c.Fail(rule, n, "")
	}
}

// refuseOrDrop refuses a member or element, or drops it if allowed.
func (c *converter) refuseOrDrop(rule finding.Rule, n *tree.Node, why string, args ...any) (dropped bool) {
	if c.Refuse(rule, n, why, args...) {
		c.drop(rule, n, why, args...)
		return true
	}
	return false
}

// refuseOrKeep refuses a node, or keeps it if allowed.
func (c *converter) refuseOrKeep(rule finding.Rule, n *tree.Node, why string, args ...any) {
	if c.Refuse(rule, n, why, args...) {
		c.Note(rule, n, why, args...)
	}
}

// set sets a member, by its name in the API.
func (c *converter) set(rule finding.Rule, owner *tree.Node, member string, v *tree.Node, why string, args ...any) *finding.Finding {
	before := finding.Shown(owner.Field(member))
	n := owner.SetField(member, v)
	f := c.report(rule, finding.Set, n, why, args)
	f.Before, f.After = before, n.Source()
	return f
}

// setOption sets an option of a log driver.
func (c *converter) setOption(rule finding.Rule, options *tree.Node, key string, v *tree.Node, why string, args ...any) *finding.Finding {
	before := finding.Shown(options.Key(key))
	n := options.SetKey(key, v)
	f := c.report(rule, finding.Set, n, why, args)
	f.Before, f.After = before, n.Source()
	return f
}

// drop removes a member or an element. A list is dropped with its last element,
// because ECS does not accept some lists empty, unless conditions decide what it
// holds.
func (c *converter) drop(rule finding.Rule, n *tree.Node, why string, args ...any) *finding.Finding {
	before := finding.Shown(n)
	list := n.Parent()
	last := list.Kind() == tree.Array && list.Len() == 1 && !list.Chosen()
	if last {
		n = list
	}
	f := c.report(rule, finding.Drop, n, why, args)
	f.Before = before
	if list.Kind() == tree.Array && !last {
		list.Remove(n)
	} else {
		n.Parent().DeleteKey(n.Name())
	}
	return f
}

// swapFor replaces a member by another.
func (c *converter) swapFor(rule finding.Rule, old *tree.Node, member string, v *tree.Node, why string, args ...any) *finding.Finding {
	f := c.report(rule, finding.Rewrite, old, why, args)
	f.Before = finding.Shown(old)
	owner := old.Parent()
	owner.DeleteKey(old.Name())
	f.After = owner.SetField(member, v).Source()
	return f
}

// put appends an element to an array and returns it.
func (c *converter) put(rule finding.Rule, array, v *tree.Node, why string, args ...any) *tree.Node {
	n := array.Append(v)
	c.report(rule, finding.Set, n, why, args).After = n.Source()
	return n
}

// rewrite gives a node another value.
func (c *converter) rewrite(rule finding.Rule, n, v *tree.Node, why string, args ...any) *finding.Finding {
	f := c.report(rule, finding.Rewrite, n, why, args)
	f.Before, f.After = finding.Shown(n), v.Source()
	n.Replace(v)
	return f
}

var valueUnknown = finding.Rule{
	ID: "value-unknown", Severity: finding.Info, Action: finding.Keep,
	Summary: "This value is known only at deployment, so it was kept and not checked.",
	Help:    finding.Advice{"Make sure that the final value suits Fargate."},
}

// unknown reports whether a value is known only at deployment, and notes it once.
func (c *converter) unknown(n *tree.Node) bool {
	if !n.Opaque() {
		return false
	}
	if !c.reported[n] {
		c.reported[n] = true
		c.Note(valueUnknown, n, "")
	}
	return true
}

// text reads a string, "" if it is absent, of another type or unknown.
func (c *converter) text(n *tree.Node) string {
	if c.unknown(n) {
		return ""
	}
	s, _ := n.Text()
	return s
}

// number reads a whole number, 0 if it is absent, of another type or unknown.
func (c *converter) number(n *tree.Node) int64 {
	if c.unknown(n) {
		return 0
	}
	i, _ := n.Int()
	return i
}

// flag reads a boolean, false if it is absent, of another type or unknown.
func (c *converter) flag(n *tree.Node) bool {
	if c.unknown(n) {
		return false
	}
	v, _ := n.Bool()
	return v
}

// items returns the elements of an array that are known.
func (c *converter) items(n *tree.Node) (all []*tree.Node) {
	if c.unknown(n) || n.Kind() != tree.Array {
		return nil
	}
	for _, item := range n.Elements() {
		if item.Kind() != tree.Null && !c.unknown(item) {
			all = append(all, item)
		}
	}
	return all
}
