package tree

import (
	"iter"
	"strconv"
	"strings"
)

// Kind returns the type of the value, Absent for a nil node.
func (n *Node) Kind() Kind {
	if n == nil {
		return Absent
	}
	return n.kind
}

// Pos returns where the value begins in the source; for a value that was
// replaced, where the old one began. It is zero for a node that an edit made.
func (n *Node) Pos() Pos {
	if n == nil || n.src == nil {
		return Pos{}
	}
	return n.src.pos(n.start)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer returns the place of the value in the input as a JSON pointer. Edits
// do not move it; a node that an edit made has the place where it was put.
// Source: RFC 6901.
func (n *Node) Pointer() string {
	if n == nil || n.parent == nil || n.parent.virtual && n.src != nil {
		return ""
	}
	if n.home != nil {
		return n.home.list.Pointer() + "/" + strconv.Itoa(n.home.index)
	}
	step := n.name
	if n.parent.kind == Array {
		step = strconv.Itoa(n.index)
	}
	return n.parent.Pointer() + "/" + pointerEscapes.Replace(step)
}

// Name returns the key of the value in its parent, "" for an element of an array
// and for a document.
func (n *Node) Name() string {
	if n == nil {
		return ""
	}
	return n.name
}

// Parent returns the object or array that holds the value, nil for a document.
func (n *Node) Parent() *Node {
	if n == nil {
		return nil
	}
	return n.parent
}

// Root returns the outermost node that holds the value, or the value itself.
func (n *Node) Root() *Node {
	for n.Parent() != nil {
		n = n.Parent()
	}
	return n
}

// Field returns the member called name, in camelCase, whichever case the document
// writes it in: "image" finds Image. An exact match wins over another. Spellings
// that the document's [Names] have are found too.
func (n *Node) Field(name string) *Node {
	if i := n.fieldIndex(name); i >= 0 {
		return n.fields[i].value
	}
	return nil
}

func (n *Node) fieldIndex(name string) int {
	if n == nil {
		return -1
	}
	found := -1
	for i := range n.fields {
		switch key := n.fields[i].name; {
		case key == name:
			return i
		case found < 0 && n.names.same(key, name, n.name):
			found = i
		}
	}
	return found
}

// Get is [Node.Field], but returns nil for a member that is null.
func (n *Node) Get(name string) *Node {
	if v := n.Field(name); v.Kind() != Null {
		return v
	}
	return nil
}

// Key returns the member with exactly this key.
func (n *Node) Key(name string) *Node {
	if i := n.keyIndex(name); i >= 0 {
		return n.fields[i].value
	}
	return nil
}

func (n *Node) keyIndex(name string) int {
	if n != nil {
		for i := range n.fields {
			if n.fields[i].name == name {
				return i
			}
		}
	}
	return -1
}

// Len returns the number of members or elements.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.fields) + len(n.items)
}

// Members yields the members of an object in order, with their keys as written.
// The object may be edited meanwhile: the members are those that it had when the
// loop began.
func (n *Node) Members() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		if n == nil {
			return
		}
		for _, f := range append([]field(nil), n.fields...) {
			if !yield(f.name, f.value) {
				return
			}
		}
	}
}

// Elements yields the elements of an array in order. The array may be edited
// meanwhile: the elements are those that it had when the loop began.
func (n *Node) Elements() iter.Seq2[int, *Node] {
	return func(yield func(int, *Node) bool) {
		if n == nil {
			return
		}
		for i, item := range append([]*Node(nil), n.items...) {
			if !yield(i, item) {
				return
			}
		}
	}
}

// Items returns the elements of an array, nil for any other value.
func (n *Node) Items() []*Node {
	if n == nil {
		return nil
	}
	return append([]*Node(nil), n.items...)
}

// First returns the first element of an array, nil if there is none.
func (n *Node) First() *Node {
	if n == nil || len(n.items) == 0 {
		return nil
	}
	return n.items[0]
}

// Strs returns those elements of an array that are strings.
func (n *Node) Strs() (all []string) {
	for _, item := range n.Elements() {
		if s, ok := item.Text(); ok {
			all = append(all, s)
		}
	}
	return all
}

// values yields the values of members and elements.
func (n *Node) values() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for _, f := range n.fields {
			if !yield(f.value) {
				return
			}
		}
		for _, item := range n.items {
			if !yield(item) {
				return
			}
		}
	}
}

// Text returns the value of a string.
func (n *Node) Text() (string, bool) {
	if n.Kind() != String {
		return "", false
	}
	return n.text, true
}

// Str is [Node.Text], but returns "" for anything that is not a string.
func (n *Node) Str() string {
	s, _ := n.Text()
	return s
}

// Int returns the value of a whole number, or of a string that holds one, such as
// "256". 256.0 and 1e3 are whole; a number beyond 64 bits is not ok.
func (n *Node) Int() (int64, bool) {
	switch n.Kind() {
	case Number:
		return wholeNumber(n.text)
	case String:
		i, err := strconv.ParseInt(strings.TrimSpace(n.text), 10, 64)
		return i, err == nil
	}
	return 0, false
}

func wholeNumber(text string) (int64, bool) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	const exact = 1 << 53 // beyond it a float skips whole numbers
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int64(f)) || f >= exact || f <= -exact {
		return 0, false
	}
	return int64(f), true
}

// Huge reports whether the value is a number beyond 64 bits.
func (n *Node) Huge() bool {
	if n.Kind() != Number {
		return false
	}
	f, err := strconv.ParseFloat(n.text, 64)
	return err != nil || f >= 1<<63 || f < -1<<63
}

// Bool returns the value of true or false, or of a string that holds one.
func (n *Node) Bool() (value, ok bool) {
	if k := n.Kind(); k != Bool && k != String {
		return false, false
	}
	switch strings.ToLower(n.text) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Opaque reports whether the value is known only after deployment: an intrinsic
// function of CloudFormation, such as {"Ref": …}, {"Fn::…": …} or a YAML short
// tag, or a string with a placeholder, ${…} or {{ … }}.
func (n *Node) Opaque() bool {
	switch n.Kind() {
	case String:
		return placeholder(n.text)
	case Object:
		return len(n.fields) == 1 && intrinsic(n.fields[0].name)
	}
	return n != nil && n.tag != ""
}

// placeholder reports whether a string holds ${…} or {{ … }}.
func placeholder(s string) bool {
	if _, rest, ok := strings.Cut(s, "${"); ok && strings.Contains(rest, "}") {
		return true
	}
	_, rest, ok := strings.Cut(s, "{{")
	return ok && strings.Contains(rest, "}}")
}

// intrinsic reports whether a key is that of an intrinsic function.
// Source: AWS CloudFormation User Guide, "Intrinsic function reference".
func intrinsic(key string) bool {
	return key == "Ref" || key == "Condition" || strings.HasPrefix(key, "Fn::")
}

// Identity returns a text that is equal for values that name the same thing, even
// if the name is known only after deployment. It is the text of a string, and
// otherwise the [Node.Source] of a scalar or intrinsic function; "" for a list,
// an object or null.
func (n *Node) Identity() string {
	if s, ok := n.Text(); ok {
		return s
	}
	if n.Opaque() || n.Kind() == Number || n.Kind() == Bool {
		return n.Source()
	}
	return ""
}
