package tree

// Choose puts, below n, one branch in the place of each Fn::If, as CloudFormation
// does, and leaves out what is AWS::NoValue. The nodes can then be read and edited
// like any others; an edit of a branch is an edit of that branch alone. pick says
// which branch a condition chooses.
//
// restore puts the functions back, with the branches as they are by then: one that was
// deleted is AWS::NoValue, and what was set where a branch had none is that branch.
func (n *Node) Choose(pick func(condition string) bool) (restore func()) {
	var c chooser
	c.choose(n, pick)
	return c.restore
}

// Branch returns the condition under which the value stands where it does, and whether
// it must hold or not; ok is false for a value that [Node.Choose] did not put in the
// place of an Fn::If.
func (n *Node) Branch() (condition string, holds, ok bool) {
	if n == nil || n.home == nil {
		return "", false, false
	}
	return n.home.list.items[0].text, n.home.index == 1, true
}

// Chosen reports whether [Node.Choose] put branches into an array or object, or left
// some out.
func (n *Node) Chosen() bool { return n != nil && n.chosen }

// Conditions adds the names of the conditions of each Fn::If below n to names, in
// order.
func (n *Node) Conditions(names []string) []string {
	if n == nil {
		return names
	}
	if list := n.branches(); list != nil {
		names = append(names, list.items[0].text)
	}
	for v := range n.values() {
		names = v.Conditions(names)
	}
	return names
}

// branches returns the arguments of the Fn::If that n is, nil if it is another value.
func (n *Node) branches() *Node {
	if n.Kind() == Object && len(n.fields) == 1 && n.fields[0].name == "Fn::If" {
		if list := n.fields[0].value; len(list.items) == 3 && list.items[0].Kind() == String {
			return list
		}
	}
	return nil
}

func (n *Node) noValue() bool {
	return n.Kind() == Object && len(n.fields) == 1 && n.fields[0].name == "Ref" && n.fields[0].value.text == "AWS::NoValue"
}

// chooser remembers what Choose changed.
type chooser struct {
	owners []owner
}

// owner is an object or array with Fn::Ifs, as it was.
type owner struct {
	node   *Node
	fields []field
	items  []*Node
	seats  map[*Node]seat // by the Fn::If
	made   bool
}

// seat is the branch chosen for an Fn::If.
type seat struct {
	list   *Node // the arguments of the innermost Fn::If
	index  int   // of the branch in them
	branch *Node // nil if it is AWS::NoValue
	name   string
	at     int
}

func (c *chooser) choose(n *Node, pick func(string) bool) {
	var o owner
	for i := 0; i < len(n.fields)+len(n.items); i++ {
		v := n.slot(i)
		fn := v
		var s seat
		for list := v.branches(); list != nil; list = v.branches() {
			s.list, s.index = list, 2
			if pick(list.items[0].text) {
				s.index = 1
			}
			v = list.items[s.index]
		}
		if fn == v {
			c.choose(v, pick)
			continue
		}
		if o.node == nil {
			o = owner{node: n, fields: append([]field(nil), n.fields...), items: append([]*Node(nil), n.items...), seats: map[*Node]seat{}, made: n.made}
		}
		if !v.noValue() {
			s.branch, s.name, s.at = v, v.name, v.index
			c.choose(v, pick)
		}
		o.seats[fn] = s
	}
	if o.node == nil {
		return
	}
	n.fields, n.items, n.chosen = nil, nil, true
	for _, f := range o.fields {
		if v := o.sit(f.value); v != nil {
			f.value = v
			n.fields = append(n.fields, f)
		}
	}
	for _, item := range o.items {
		if v := o.sit(item); v != nil {
			n.items = append(n.items, v)
		}
	}
	c.owners = append(c.owners, o)
}

// slot returns the value of a member or element.
func (n *Node) slot(i int) *Node {
	if i < len(n.fields) {
		return n.fields[i].value
	}
	return n.items[i-len(n.fields)]
}

// sit returns the node that takes the place of a value, nil for none.
func (o *owner) sit(v *Node) *Node {
	s, ok := o.seats[v]
	if !ok || s.branch == nil {
		if ok {
			return nil
		}
		return v
	}
	b := s.branch
	b.parent, b.name, b.index, b.home = o.node, v.name, v.index, &home{s.list, s.index}
	return b
}

// home is where a chosen branch belongs.
type home struct {
	list  *Node
	index int
}

// restore undoes choose, the innermost owners last, because choose ends with the
// outermost.
func (c *chooser) restore() {
	for i := len(c.owners) - 1; i >= 0; i-- {
		c.owners[i].restore()
	}
}

func (o *owner) restore() {
	n := o.node
	n.chosen = false
	if n.made && !o.made {
		return // it has another value now
	}
	present := map[*Node]bool{}
	added := map[string]*Node{} // members by name
	for v := range n.values() {
		present[v] = true
	}
	original := map[*Node]bool{}
	for _, f := range o.fields {
		original[f.value] = true
	}
	for _, item := range o.items {
		original[item] = true
	}
	for _, s := range o.seats {
		original[s.branch] = true
	}
	for _, f := range n.fields {
		if !original[f.value] {
			added[f.name] = f.value
		}
	}
	keep := func(v *Node) bool {
		s, ok := o.seats[v]
		if !ok {
			return present[v]
		}
		o.stand(v, s, present, added)
		return true
	}
	var fields []field
	for _, f := range o.fields {
		if keep(f.value) {
			fields = append(fields, f)
		}
	}
	for _, f := range n.fields {
		if added[f.name] == f.value {
			fields = append(fields, f)
		}
	}
	var items []*Node
	for _, item := range o.items {
		if keep(item) {
			items = append(items, item)
		}
	}
	for _, item := range n.items {
		if !original[item] {
			items = append(items, item)
		}
	}
	n.fields, n.items = fields, items
}

// stand puts a branch back where it belongs.
func (o *owner) stand(fn *Node, s seat, present map[*Node]bool, added map[string]*Node) {
	b := s.branch
	if b != nil {
		b.parent, b.name, b.index, b.home = s.list, s.name, s.at, nil
		if b.edited {
			b.touch()
		}
		if present[b] {
			return
		}
	}
	place := s.list.items[s.index]
	if v := added[fn.name]; v != nil && o.node.kind == Object {
		delete(added, fn.name)
		place.replace(v)
		return
	}
	if b != nil {
		place.replace(NewObject(Member{"Ref", NewString("AWS::NoValue")}))
	}
}
