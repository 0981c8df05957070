package tree

import "strconv"

// Member is a member of an object that [NewObject] makes.
type Member struct {
	Name  string
	Value *Node
}

// NewString returns a new string.
func NewString(s string) *Node { return scalar(String, s) }

// NewInt returns a new number.
func NewInt(i int64) *Node { return scalar(Number, strconv.FormatInt(i, 10)) }

// NewBool returns a new boolean.
func NewBool(b bool) *Node { return scalar(Bool, strconv.FormatBool(b)) }

// NewNull returns a new null.
func NewNull() *Node { return scalar(Null, "null") }

// NewArray returns a new array of copies of the values.
func NewArray(values ...*Node) *Node {
	n := &Node{kind: Array, made: true, edited: true}
	for _, v := range values {
		n.add(v.copy(nil))
	}
	return n
}

// NewObject returns a new object with copies of the values, in this order. Names
// are in camelCase; the document that the object is put into decides how they are
// written.
func NewObject(members ...Member) *Node {
	n := &Node{kind: Object, made: true, edited: true}
	for _, m := range members {
		n.put(m.Name, m.Value.copy(nil))
	}
	return n
}

// Wrap returns an object around a document: it holds the members before, and then
// the document itself as the member name. Pointers into the document stay as they
// are.
func Wrap(document *Node, name string, before ...Member) *Node {
	n := &Node{kind: Object, names: document.names, made: true, edited: true, virtual: true}
	for _, m := range before {
		n.put(m.Name, m.Value.copy(n.names))
	}
	n.put(name, document)
	return n
}

func scalar(kind Kind, text string) *Node {
	return &Node{kind: kind, text: text, made: true, edited: true}
}

// put appends a member to an object, which then owns the value; add does the same
// for an element of an array.
func (n *Node) put(name string, v *Node) {
	v.parent, v.name = n, name
	n.fields = append(n.fields, field{name: name, value: v})
}

func (n *Node) add(v *Node) {
	v.parent, v.index = n, n.next
	n.next++
	n.items = append(n.items, v)
}

// copy returns a made, detached copy of the value, for a document with these
// names; with nil names it keeps its own. A nil value becomes a null.
func (n *Node) copy(names *Names) *Node { return n.copyIn(names, n.Name(), asWritten) }

// copyIn is copy for a value whose own name is, or will be, parent; it writes the
// names below in a case.
func (n *Node) copyIn(names *Names, parent string, c Case) *Node {
	if n == nil {
		return NewNull()
	}
	if names == nil {
		names = n.names
	}
	if list := n.branches(); list != nil && c != asWritten && !names.isMap(parent) {
		made := &Node{kind: Object, names: names, made: true, edited: true}
		made.put("Fn::If", NewArray(list.items[0], list.items[1].copyIn(names, parent, c), list.items[2].copyIn(names, parent, c)))
		return made
	}
	if c != asWritten && (names.isMap(parent) || n.Opaque()) {
		c = asWritten
	}
	made := &Node{kind: n.kind, text: n.text, names: names, made: true, edited: true, tag: n.tag}
	for _, f := range n.fields {
		made.put(names.spell(f.name, parent, c), f.value.copyIn(names, f.name, c))
	}
	for _, item := range n.items {
		made.add(item.copyIn(names, parent, c))
	}
	return made
}

// adopt returns a copy of v for the member name of n, with its names in the case
// of those around it.
func (n *Node) adopt(name string, v *Node) *Node {
	c := asWritten
	if !inMap(n) {
		c = caseAround(n)
	}
	return v.copyIn(n.names, name, c)
}

// touch records that the value, or one below it, was edited.
func (n *Node) touch() {
	for ; n != nil; n = n.parent {
		n.edited = true
	}
}

// SetField sets the member called name, in camelCase, to a copy of v and returns
// that copy. An existing member keeps its place and its key; a new one is
// appended, its key in the case of those around it. n must be an object.
func (n *Node) SetField(name string, v *Node) *Node {
	if i := n.fieldIndex(name); i >= 0 {
		return n.fields[i].value.Replace(v)
	}
	if inMap(n) {
		return n.insert(name, v.copy(n.names))
	}
	v = n.adopt(name, v)
	return n.insert(n.names.spell(name, n.schemaName(), caseAround(n)), v)
}

// SetKey sets the member with exactly this key to a copy of v, with its names as
// they are, and returns that copy. n must be an object.
func (n *Node) SetKey(name string, v *Node) *Node {
	if i := n.keyIndex(name); i >= 0 {
		return n.fields[i].value.replace(v.copy(n.names))
	}
	return n.insert(name, v.copy(n.names))
}

func (n *Node) insert(name string, v *Node) *Node {
	n.must(Object)
	n.put(name, v)
	n.touch()
	return v
}

// DeleteField deletes the member called name, in camelCase, if there is one.
func (n *Node) DeleteField(name string) { n.deleteAt(n.fieldIndex(name)) }

// DeleteKey deletes the member with exactly this key, if there is one.
func (n *Node) DeleteKey(name string) { n.deleteAt(n.keyIndex(name)) }

func (n *Node) deleteAt(i int) {
	if i < 0 {
		return
	}
	fields := make([]field, 0, len(n.fields)-1)
	n.fields = append(append(fields, n.fields[:i]...), n.fields[i+1:]...)
	n.touch()
}

// Append adds a copy of v to the end of an array, with its names in the case of
// those around it, and returns that copy. n must be an array.
func (n *Node) Append(v *Node) *Node {
	n.must(Array)
	v = n.adopt(n.schemaName(), v)
	n.add(v)
	n.touch()
	return v
}

// Remove removes an element from an array. An element of another array stays
// where it is.
func (n *Node) Remove(child *Node) {
	if n == nil {
		return
	}
	for i, item := range n.items {
		if item == child {
			items := make([]*Node, 0, len(n.items)-1)
			n.items = append(append(items, n.items[:i]...), n.items[i+1:]...)
			n.touch()
			return
		}
	}
}

// Replace gives n a copy of the value of v, with its names in the case of those
// around n, and returns n. Its key, place, pointer and position stay. Replacing a
// value with an equal one is not an edit.
func (n *Node) Replace(v *Node) *Node {
	if n == nil {
		return nil
	}
	if n.parent == nil {
		return n.replace(v.copy(n.names))
	}
	return n.replace(n.parent.adopt(n.schemaName(), v))
}

func (n *Node) replace(v *Node) *Node {
	if Equal(n, v) {
		return n
	}
	n.kind, n.text, n.fields, n.items, n.next, n.tag = v.kind, v.text, v.fields, v.items, v.next, v.tag
	if v.names != nil {
		n.names = v.names
	}
	for _, f := range n.fields {
		f.value.parent = n
	}
	for _, item := range n.items {
		item.parent = n
	}
	n.made = true
	n.touch()
	return n
}

// schemaName returns the name of the member that n is, or of the array that n is
// an element of.
func (n *Node) schemaName() string {
	for ; n != nil; n = n.parent {
		if n.name != "" {
			return n.name
		}
	}
	return ""
}

// must panics if a value is not of the kind that an edit needs. That is a mistake
// of the program, never of a document: rules look at kinds before they edit.
func (n *Node) must(kind Kind) {
	if n.Kind() != kind {
		panic("tree: edit of " + n.Kind().String() + ", want " + kind.String())
	}
}

// Equal reports whether two values are the same: the same kinds, the same members
// in the same order, and the same text of numbers and strings.
func Equal(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.kind != b.kind || a.text != b.text || a.tag != b.tag || len(a.fields) != len(b.fields) || len(a.items) != len(b.items) {
		return false
	}
	for i := range a.fields {
		if a.fields[i].name != b.fields[i].name || !Equal(a.fields[i].value, b.fields[i].value) {
			return false
		}
	}
	for i := range a.items {
		if !Equal(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

// Clone copies the whole document that n is in, and returns the counterpart of n.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	root := n
	for root.parent != nil {
		root = root.parent
	}
	var found *Node
	var clone func(old, parent *Node) *Node
	clone = func(old, parent *Node) *Node {
		c := *old
		c.parent = parent
		if old == n {
			found = &c
		}
		c.fields = append([]field(nil), old.fields...)
		for i := range c.fields {
			c.fields[i].value = clone(c.fields[i].value, &c)
		}
		c.items = append([]*Node(nil), old.items...)
		for i := range c.items {
			c.items[i] = clone(c.items[i], &c)
		}
		return &c
	}
	clone(root, nil)
	return found
}

// Quote puts the placeholders below n that stand for whole values, ${…} or {{ … }},
// into quotes, so that the document is JSON.
func (n *Node) Quote() {
	if n == nil {
		return
	}
	if n.kind == String && n.src != nil && n.src.yaml == nil && !n.made && n.src.text[n.start] != '"' {
		n.made = true
		n.touch()
	}
	for v := range n.values() {
		v.Quote()
	}
}

// Recase returns a copy of the value outside of any document, with its names in a
// case. The keys of maps and intrinsic functions stay.
func (n *Node) Recase(names *Names, c Case) *Node { return n.copyIn(names, n.Name(), c) }
