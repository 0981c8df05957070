// Package tree is an ordered document, JSON or YAML, that can be edited without
// touching any byte that no edit names: the order of members, white space,
// comments, and the spelling of numbers and strings stay as their author wrote
// them.
//
// A document is read once into nodes that know their place in the source. Edits
// change nodes; [Node.Bytes] copies the source and writes only what was edited,
// in the indentation, line ends and case of names around it.
//
// The JSON half is our own because tailscale/hujson (2026-07), which keeps bytes
// and order too, refuses bare placeholders such as {{ x }}, writes what it inserts
// on one line without the indentation around it, and counts columns in bytes. It
// also accepts what would lose something: duplicate keys, invalid UTF-8, comments.
//
// The YAML half uses go.yaml.in/yaml/v3 to read, but not to write: that library,
// goccy/go-yaml and aws-cloudformation/rain all emit a document anew, and none
// splices an edit into the bytes of the source. Bytes checks itself: it reads its
// result again, and lays the value out anew should the result differ from the
// nodes.
//
// Nodes are not safe for concurrent use while one of them is edited.
package tree

import (
	"strings"
	"unicode/utf8"
)

// Kind is the JSON type of a value.
type Kind uint8

// The kinds. Absent, the zero value, is that of a nil node.
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

// Pos is a place in the source: a byte offset, and a line and a column that count
// from 1, the column in characters. The zero value is not a place.
type Pos struct{ Offset, Line, Column int }

// Node is a value in a document. A nil Node is an absent value: every method that
// reads takes it, and finds nothing in it.
//
// A short tag of CloudFormation's YAML reads as its long form: !Ref Cluster is
// the object {"Ref": "Cluster"}.
type Node struct {
	kind   Kind
	text   string // of a string, decoded; of a number, true, false or null as written in JSON
	parent *Node

	fields []field // of an object, in order
	items  []*Node // of an array, in order

	src        *source // where it was read, nil for a node that an edit made
	start, end int     // its span in src, properties such as a tag included
	name       string  // its key in the parent object, as in the source or as it was set
	index      int     // its index in the parent array, in the source or when it was added
	next       int     // of an array, the index of the next element that is added
	tag        string  // a YAML tag that is not one of JSON's types nor CloudFormation's

	names *Names    // that the document was read with, nil for a made node outside of one
	yaml  *yamlNode // how it is written in YAML, nil in JSON and for a made node

	made    bool // the value is no longer that of the span
	edited  bool // the value, or one below, is no longer as in the source
	virtual bool // stands around a document, and is not part of it

	chosen bool  // [Node.Choose] put branches into it
	home   *home // of a branch that Choose put somewhere else
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
	lines []int  // offset of each line
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
