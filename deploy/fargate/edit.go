package fargate

import (
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// converter is one conversion of one definition. Its methods in this file are
// the only ones that edit a definition, and each reports what it does: an edit
// without a finding cannot be written. (A test reads the source for it.)
type converter struct {
	Options
	*finding.Recorder
	def      *tree.Node // the task definition
	template bool       // it stands in a CloudFormation template
	list     bool       // only its containers are in the input, and will be in the output

	fargate           bool // it claims FARGATE already: nothing in it speaks of an instance
	windows           bool
	mode              string                // network mode that it came with, "" for none
	containers        []*tree.Node          // those that can be read
	names             map[*tree.Node]string // of the containers
	byName            map[string]*tree.Node
	containersUnknown bool // one container or more is known only when it is deployed
	said              map[*tree.Node]bool
}

// report adds a finding about an edit or a node. The finding says so where the
// output has no place for the edit.
func (c *converter) report(rule finding.Rule, action finding.Action, n *tree.Node, why string, args []any) *finding.Finding {
	f := c.Report(rule, action, n, why, args...)
	if c.list && action == finding.Set && n.Parent() == c.def {
		f.Help = append(f.Help, "A list of containers has no place for it: set it in the resource around the list.")
	}
	return f
}

// failOnce is Fail for what would be said of each container otherwise.
func (c *converter) failOnce(rule finding.Rule, n *tree.Node) {
	if !c.Has(rule) {
		c.Fail(rule, n, "")
	}
}

// refuseOrDrop refuses a member or element, or drops it if that is allowed.
func (c *converter) refuseOrDrop(rule finding.Rule, n *tree.Node, why string, args ...any) (dropped bool) {
	if c.Refuse(rule, n, why, args...) {
		c.drop(rule, n, why, args...)
		return true
	}
	return false
}

// refuseOrKeep refuses what is at a node, or keeps it if that is allowed.
func (c *converter) refuseOrKeep(rule finding.Rule, n *tree.Node, why string, args ...any) {
	if c.Refuse(rule, n, why, args...) {
		c.Note(rule, n, why, args...)
	}
}

// set gives owner a member, by its name in the API.
func (c *converter) set(rule finding.Rule, owner *tree.Node, member string, v *tree.Node, why string, args ...any) *finding.Finding {
	before := finding.Shown(owner.Field(member))
	n := owner.SetField(member, v)
	f := c.report(rule, finding.Set, n, why, args)
	f.Before, f.After = before, n.Source()
	return f
}

// setOption gives the options of a log driver an entry.
func (c *converter) setOption(rule finding.Rule, options *tree.Node, key string, v *tree.Node, why string, args ...any) *finding.Finding {
	before := finding.Shown(options.Key(key))
	n := options.SetKey(key, v)
	f := c.report(rule, finding.Set, n, why, args)
	f.Before, f.After = before, n.Source()
	return f
}

// drop takes a member or an element away; with its last element a list goes too,
// for of some lists ECS does not take an empty one.
func (c *converter) drop(rule finding.Rule, n *tree.Node, why string, args ...any) *finding.Finding {
	before := finding.Shown(n)
	list := n.Parent()
	last := list.Kind() == tree.Array && list.Len() == 1
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

// swapFor puts a member in the place of another.
func (c *converter) swapFor(rule finding.Rule, old *tree.Node, member string, v *tree.Node, why string, args ...any) *finding.Finding {
	f := c.report(rule, finding.Rewrite, old, why, args)
	f.Before = finding.Shown(old)
	owner := old.Parent()
	owner.DeleteKey(old.Name())
	f.After = owner.SetField(member, v).Source()
	return f
}

// put puts an element at the end of an array, and returns it.
func (c *converter) put(rule finding.Rule, array, v *tree.Node, why string, args ...any) *tree.Node {
	n := array.Append(v)
	c.report(rule, finding.Set, n, why, args).After = n.Source()
	return n
}

// rewrite gives a node another value. Of what stood there and what stands there
// now only the parts that matter, before and after, are told.
func (c *converter) rewrite(rule finding.Rule, n, v *tree.Node, before, after, why string, args ...any) *finding.Finding {
	f := c.report(rule, finding.Rewrite, n, why, args)
	n.Replace(v)
	f.Before, f.After = before, after
	return f
}

var valueUnknown = finding.Rule{ID: "value-unknown", Severity: finding.Info, Action: finding.Keep,
	Summary: "This value is known only when it is deployed, so it stays and could not be checked.", Help: finding.Advice{"See that what it will be suits Fargate."}}

// unknown remarks, once, that a value is not known before it is deployed.
func (c *converter) unknown(n *tree.Node) bool {
	if !n.Opaque() {
		return false
	}
	if !c.said[n] {
		c.said[n] = true
		c.Note(valueUnknown, n, "")
	}
	return true
}

// text reads a string; "" if it is absent, of another type, or not known yet.
func (c *converter) text(n *tree.Node) string {
	if c.unknown(n) {
		return ""
	}
	s, _ := n.Text()
	return s
}

// number reads a whole number; 0 if it is absent, of another type, or not known yet.
func (c *converter) number(n *tree.Node) int64 {
	if c.unknown(n) {
		return 0
	}
	i, _ := n.Int()
	return i
}

// flag reads true or false; false if it is absent, of another type, or not known yet.
func (c *converter) flag(n *tree.Node) bool {
	if c.unknown(n) {
		return false
	}
	v, _ := n.Bool()
	return v
}

// items returns the elements of an array that can be read.
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
