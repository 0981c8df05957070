package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// converter is one conversion of one definition. Its methods in this file are
// the only ones that edit a definition, and each reports what it does: an edit
// without a finding cannot be written. (A test reads the source for it.)
type converter struct {
	Options
	def      *tree.Node // the task definition
	template bool       // it stands in a CloudFormation template
	list     bool       // only its containers are in the input, and will be in the output
	check    bool       // what ECS refuses is an error, not an edit
	allowed  map[string]bool
	findings []placedFinding

	fargate           bool // it claims FARGATE already: nothing in it speaks of an instance
	windows           bool
	mode              string                // network mode that it came with, "" for none
	containers        []*tree.Node          // those that can be read
	names             map[*tree.Node]string // of the containers
	byName            map[string]*tree.Node
	containersUnknown bool // one container or more is known only when it is deployed
	said              map[*tree.Node]bool
}

// placedFinding is a finding and the offset of its place in the input.
type placedFinding struct {
	Finding
	offset int
}

// report adds a finding at a node. The pointer to it is good until the next one.
func (c *converter) report(id string, action Action, n *tree.Node, why string, args []any) *Finding {
	rule := ruleOf(id)
	f := Finding{
		ID:        id,
		Severity:  rule.Severity,
		Pointer:   n.Pointer(),
		Container: c.containerOf(n),
		Action:    action,
		Why:       rule.Summary,
		Help:      rule.Help,
		Source:    rule.Source,
	}
	if why != "" {
		f.Why = sentence(fmt.Sprintf(why, args...))
	}
	var offset int
	if place := placed(n); place != nil {
		pos := place.Pos()
		f.Line, f.Column, offset = pos.Line, pos.Column, pos.Offset
	}
	switch {
	case c.allowed[id]:
		if f.Severity == Error {
			f.Severity = Warning
		}
	case action == Refuse:
		f.Severity = Error
		if rule.Allow != "" {
			f.Help = strings.TrimSpace(f.Help + " Or allow " + id + ": " + rule.Allow)
		}
	case c.check && c.fargate && rule.Refusal != "":
		f.Severity = Error
		f.Why += " ECS refuses it: " + rule.Refusal
		f.Help = strings.TrimSpace(f.Help + mends[action])
	}
	if c.list && action == Set && n.Parent() == c.def {
		f.Help = strings.TrimSpace(f.Help + " A list of containers has no place for it: set it in the resource around the list.")
	}
	c.findings = append(c.findings, placedFinding{f, offset})
	return &c.findings[len(c.findings)-1].Finding
}

// mends says what convert does about what ECS refuses.
var mends = map[Action]string{
	Set:     " Convert sets it.",
	Rewrite: " Convert rewrites it.",
	Drop:    " Convert drops it.",
}

// placed returns the node, or the nearest around it, that has a place in the input.
func placed(n *tree.Node) *tree.Node {
	for ; n != nil; n = n.Parent() {
		if n.Pos().Line > 0 {
			return n
		}
	}
	return nil
}

func (c *converter) containerOf(n *tree.Node) string {
	for ; n != nil; n = n.Parent() {
		if name, ok := c.names[n]; ok {
			return name
		}
	}
	return ""
}

// sentence makes s begin with a capital, unless it begins with a name, and end
// with a full stop.
func sentence(s string) string {
	if word, _, _ := strings.Cut(s, " "); word != "" && word == strings.ToLower(word) && !strings.ContainsAny(word, `"'._/:-0123456789`) {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// note remarks on a node that stays as it is. An empty why is the summary of the
// rule, here and below.
func (c *converter) note(id string, n *tree.Node, why string, args ...any) *Finding {
	return c.report(id, Keep, n, why, args)
}

// fail reports what no conversion can mend and nobody can allow.
func (c *converter) fail(id string, n *tree.Node, why string, args ...any) *Finding {
	return c.report(id, Refuse, n, why, args)
}

// failOnce is fail for what would be said of each container otherwise.
func (c *converter) failOnce(id string, n *tree.Node) {
	for _, f := range c.findings {
		if f.ID == id {
			return
		}
	}
	c.fail(id, n, "")
}

// refuse reports what Fargate cannot do, and tells whether the user allows what
// the rule says about that. If so the caller does it, and so reports it.
func (c *converter) refuse(id string, n *tree.Node, why string, args ...any) (allowed bool) {
	if c.allowed[id] {
		return true
	}
	f := c.report(id, Refuse, n, why, args)
	if _, whole := c.names[n]; !whole && n != c.def {
		f.Before = shown(n)
	}
	return false
}

// refuseOrDrop refuses a member or element, or drops it if that is allowed.
func (c *converter) refuseOrDrop(id string, n *tree.Node, why string, args ...any) (dropped bool) {
	if c.refuse(id, n, why, args...) {
		c.drop(id, n, why, args...)
		return true
	}
	return false
}

// refuseOrKeep refuses what is at a node, or keeps it if that is allowed.
func (c *converter) refuseOrKeep(id string, n *tree.Node, why string, args ...any) {
	if c.refuse(id, n, why, args...) {
		c.note(id, n, why, args...)
	}
}

// set gives owner a member, by its name in the API.
func (c *converter) set(id string, owner *tree.Node, member string, v *tree.Node, why string, args ...any) *Finding {
	before := shown(owner.Field(member))
	n := owner.SetField(member, v)
	f := c.report(id, Set, n, why, args)
	f.Before, f.After = before, n.Source()
	return f
}

// setOption gives the options of a log driver an entry.
func (c *converter) setOption(id string, options *tree.Node, key string, v *tree.Node, why string, args ...any) *Finding {
	before := shown(options.Key(key))
	n := options.SetKey(key, v)
	f := c.report(id, Set, n, why, args)
	f.Before, f.After = before, n.Source()
	return f
}

// drop takes a member or an element away; with its last element a list goes too,
// for of some lists ECS does not take an empty one.
func (c *converter) drop(id string, n *tree.Node, why string, args ...any) *Finding {
	before := shown(n)
	list := n.Parent()
	last := list.Kind() == tree.Array && list.Len() == 1
	if last {
		n = list
	}
	f := c.report(id, Drop, n, why, args)
	f.Before = before
	if list.Kind() == tree.Array && !last {
		list.Remove(n)
	} else {
		n.Parent().DeleteKey(n.Name())
	}
	return f
}

// swapFor puts a member in the place of another.
func (c *converter) swapFor(id string, old *tree.Node, member string, v *tree.Node, why string, args ...any) *Finding {
	f := c.report(id, Rewrite, old, why, args)
	f.Before = shown(old)
	owner := old.Parent()
	owner.DeleteKey(old.Name())
	f.After = owner.SetField(member, v).Source()
	return f
}

// put puts an element at the end of an array, and returns it.
func (c *converter) put(id string, array, v *tree.Node, why string, args ...any) *tree.Node {
	n := array.Append(v)
	c.report(id, Set, n, why, args).After = n.Source()
	return n
}

// rewrite gives a node another value. Of what stood there and what stands there
// now only the parts that matter, before and after, are told.
func (c *converter) rewrite(id string, n, v *tree.Node, before, after, why string, args ...any) *Finding {
	f := c.report(id, Rewrite, n, why, args)
	n.Replace(v)
	f.Before, f.After = before, after
	return f
}

// unknown remarks, once, that a value is not known before it is deployed.
func (c *converter) unknown(n *tree.Node) bool {
	if !n.Opaque() {
		return false
	}
	if !c.said[n] {
		c.said[n] = true
		c.note("value-unknown", n, "")
	}
	return true
}

// sorted returns the findings by their place in the input.
func (c *converter) sorted() []Finding {
	order := make([]int, len(c.findings))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.findings[a].offset, c.findings[b].offset), a-b)
	})
	all := make([]Finding, len(order))
	for i, at := range order {
		all[i] = c.findings[at].Finding
	}
	return all
}

// secret are the members whose values are their author's: any may hold a password.
var secret = map[string]bool{
	"environment": true, "command": true, "entrypoint": true,
	"options": true, "driveropts": true, "labels": true, "dockerlabels": true,
}

// shown returns a node as JSON for a finding, without the values of maps and
// environments.
func shown(n *tree.Node) string {
	if n.Kind() == tree.Absent {
		return ""
	}
	hidden := false
	for p := n; p != nil; p = p.Parent() {
		hidden = hidden || secret[strings.ToLower(p.Name())]
	}
	if !hidden && !holdsSecrets(n) {
		return n.Source()
	}
	var b strings.Builder
	show(&b, n, hidden)
	return b.String()
}

func holdsSecrets(n *tree.Node) bool {
	for name, v := range n.Members() {
		if secret[strings.ToLower(name)] || holdsSecrets(v) {
			return true
		}
	}
	for _, v := range n.Elements() {
		if holdsSecrets(v) {
			return true
		}
	}
	return false
}

func show(b *strings.Builder, n *tree.Node, hidden bool) {
	switch n.Kind() {
	case tree.Object:
		b.WriteByte('{')
		first := true
		for name, v := range n.Members() {
			if !first {
				b.WriteByte(',')
			}
			first = false
			b.WriteString(quoted(name) + ":")
			show(b, v, hidden && !strings.EqualFold(name, "name") || secret[strings.ToLower(name)])
		}
		b.WriteByte('}')
	case tree.Array:
		b.WriteByte('[')
		for i, v := range n.Elements() {
			if i > 0 {
				b.WriteByte(',')
			}
			show(b, v, hidden)
		}
		b.WriteByte(']')
	default:
		if hidden {
			b.WriteString(`"…"`)
		} else {
			b.WriteString(n.Source())
		}
	}
}

func quoted(s string) string { return tree.NewString(s).Source() }

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
