// Package tree is an ordered document, JSON or YAML, that is edited without
// touching a byte that no edit names: the order of members, white space,
// comments, the spelling of numbers and strings stay as their author wrote them.
//
// A document is read once into nodes that know their place in the source. Edits
// change nodes; [Node.Bytes] copies the source and writes only what was edited,
// in the indentation, the line ends and the case of names around it.
//
// Nodes are not safe for concurrent use while one of them is edited.
package tree

import (
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the JSON type of a value.
type Kind uint8

// The kinds. The zero, Absent, is that of an absent node.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// Pos is a place in the source: a byte offset from its beginning, a line and a
// column from 1, the column in characters. Its zero value is no place.
type Pos struct{ Offset, Line, Column int }

// Node is a value in a document. A nil Node is an absent value: every reader
// takes it, and finds nothing in it.
//
// A short tag of CloudFormation's YAML reads as its long form: !Ref Cluster is
// the object {"Ref": "Cluster"}.
type Node struct {
	kind   Kind
	text   string // of a string, decoded; of a number, true, false or null as it is written in JSON
	parent *Node

	fields []field // of an object, in order
	items  []*Node // of an array, in order

	src        *source // where it was read, nil for a node that an edit made
	start, end int     // its span in src, properties such as a tag included
	name       string  // its key in the parent object, as in the source or as it was set
	index      int     // its index in the parent array, in the source or when it was added
	next       int     // of an array, the index of the next element that is added
	tag        string  // a YAML tag that is not one of JSON's types nor CloudFormation's

	yaml *yamlNode // how it is written in YAML, nil in JSON and for a made node

	made    bool // the value is no longer that of the span
	edited  bool // the value, or one below, is no longer as in the source
	virtual bool // stands around a document, and is no part of it
}

// field is a member of an object. The span of the key is empty for a made one.
type field struct {
	name             string
	keyStart, keyEnd int
	value            *Node
}

// source is a document as it was read.
type source struct {
	text  string // with its byte order mark, if any
	lines []int  // offsets at which lines begin
	style style
	yaml  *yamlSource // nil for JSON
}

// pos returns the line and column of an offset.
func (s *source) pos(offset int) Pos {
	low, high := 0, len(s.lines)
	for high-low > 1 {
		if mid := (low + high) / 2; s.lines[mid] <= offset {
			low = mid
		} else {
			high = mid
		}
	}
	line := s.text[s.lines[low]:offset]
	if low == 0 {
		line = strings.TrimPrefix(line, bom)
	}
	return Pos{Offset: offset, Line: low + 1, Column: utf8.RuneCountInString(line) + 1}
}

// indent returns the white space that the line of an offset begins with.
func (s *source) indent(offset int) string {
	begin := strings.LastIndexByte(s.text[:offset], '\n') + 1
	end := begin
	for end < offset && (s.text[end] == ' ' || s.text[end] == '\t') {
		end++
	}
	return s.text[begin:end]
}

// Kind returns the type of the value, Absent for a nil node.
func (n *Node) Kind() Kind {
	if n == nil {
		return Absent
	}
	return n.kind
}

// Pos returns where the value begins in the source; of a value that was
// replaced, where the old one began. It is zero for a node that an edit made.
func (n *Node) Pos() Pos {
	if n == nil || n.src == nil {
		return Pos{}
	}
	return n.src.pos(n.start)
}

// KeyPos returns where the key of the member named name begins in the source.
func (n *Node) KeyPos(name string) Pos {
	if n == nil {
		return Pos{}
	}
	for _, f := range n.fields {
		if f.name == name && f.keyEnd > f.keyStart && n.src != nil {
			return n.src.pos(f.keyStart)
		}
	}
	return Pos{}
}

// Parent returns the object or array that holds the value, nil for a document.
func (n *Node) Parent() *Node {
	if n == nil {
		return nil
	}
	return n.parent
}

// Name returns the key of the value in its parent, "" for an element of an array
// and for a document.
func (n *Node) Name() string {
	if n == nil {
		return ""
	}
	return n.name
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer returns the place of the value in the input as a JSON pointer. Edits
// do not move it; a node that an edit made has the place where it was put.
// Source: RFC 6901.
func (n *Node) Pointer() string {
	if n == nil || n.parent == nil || n.parent.virtual && n.src != nil {
		return ""
	}
	step := n.name
	if n.parent.kind == Array {
		step = strconv.Itoa(n.index)
	}
	return n.parent.Pointer() + "/" + pointerEscapes.Replace(step)
}

// Field returns the member that the schema calls name, written in camelCase,
// whatever the case of the document: "efsVolumeConfiguration" finds
// EFSVolumeConfiguration. An exact match wins over another. Names that
// CloudFormation spells differently are found too.
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
		case found < 0 && sameName(key, name, n.name):
			found = i
		}
	}
	return found
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

// Members yields the members of an object in order, with their keys as they are
// written. The object may be edited meanwhile: the members are those of the
// beginning.
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
// meanwhile: the elements are those of the beginning.
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

// Len returns the number of members or elements.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.fields) + len(n.items)
}

// Text returns the value of a string.
func (n *Node) Text() (string, bool) {
	if n.Kind() != String {
		return "", false
	}
	return n.text, true
}

// Int returns the value of a whole number, or of a string that holds one, as in
// "256". A number such as 256.0 or 1e3 is whole; one beyond 64 bits is not ok.
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

// Bool returns the value of true or false, also of a string that holds one.
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

// Opaque reports that the value is known only when it is deployed: an intrinsic
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

// Huge reports whether a number is beyond 64 bits.
func Huge(n *Node) bool {
	if n.Kind() != Number {
		return false
	}
	f, err := strconv.ParseFloat(n.text, 64)
	return err != nil || f >= 1<<63 || f < -1<<63
}

// Get returns a member by its name in the ECS API, whichever case the document
// writes it in; nil if it is absent or null.
func (n *Node) Get(name string) *Node {
	if v := n.Field(name); v.Kind() != Null {
		return v
	}
	return nil
}

// Str returns the text of a string, "" for anything else.
func (n *Node) Str() string {
	s, _ := n.Text()
	return s
}

// Identity returns what two nodes that name the same thing have in common, also
// where the name is known only after deployment; "" for lists and objects.
func (n *Node) Identity() string {
	if s, ok := n.Text(); ok {
		return s
	}
	if n.Opaque() || n.Kind() == Number || n.Kind() == Bool {
		return n.Source()
	}
	return ""
}

// Items returns the elements of an array as a slice, nil for anything else.
func (n *Node) Items() (all []*Node) {
	for _, item := range n.Elements() {
		all = append(all, item)
	}
	return all
}

// Strs returns the strings in an array.
func (n *Node) Strs() (all []string) {
	for _, item := range n.Elements() {
		if s, ok := item.Text(); ok {
			all = append(all, s)
		}
	}
	return all
}

// First returns the first element of an array, nil if there is none.
func (n *Node) First() *Node {
	for _, item := range n.Elements() {
		return item
	}
	return nil
}

// Root returns the node around all others.
func (n *Node) Root() *Node {
	for n.Parent() != nil {
		n = n.Parent()
	}
	return n
}
