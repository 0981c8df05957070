package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a document.
const (
	MaxSize  = 256 << 10 // bytes
	maxNodes = 20_000    // also of what aliases stand for
	maxDepth = 50
)

// Mistake is one thing that is wrong with a document.
type Mistake struct {
	Line   int    `json:"line"` // from 1; 0 if it is of the whole document
	Column int    `json:"column"`
	Rule   string `json:"rule,omitempty"` // its name, or #3 if it has none
	Path   string `json:"path,omitempty"` // rules[2].match.logGroup
	Text   string `json:"text"`           // what is wrong and what was expected
}

func (m Mistake) String() string {
	var parts []string
	if m.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d, column %d", m.Line, m.Column))
	}
	if m.Rule != "" {
		parts = append(parts, "rule "+m.Rule)
	}
	if m.Path != "" {
		parts = append(parts, m.Path)
	}
	return strings.Join(append(parts, m.Text), ": ")
}

// Mistakes is all that is wrong with a document.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].String()
	}
	return strings.Join(lines, "\n")
}

// kind is what a node is.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

func (k kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "an object"}[k]
}

// node is a value of the document.
type node struct {
	kind
	line, column int
	value        string  // of a scalar, as JSON has it; the text itself of a text
	keys         []*node // of an object
	items        []*node // of a list; the values of an object
}

// parse reads a document into nodes: JSON if it begins like an object, else YAML.
func parse(data []byte) (*node, Mistakes) {
	switch {
	case len(data) > MaxSize:
		return nil, Mistakes{{Text: fmt.Sprintf("the document has %d bytes; want at most %d", len(data), MaxSize)}}
	case len(bytes.TrimSpace(data)) == 0:
		return nil, Mistakes{{Text: "the document is empty; want version and rules"}}
	case !utf8.Valid(data):
		return nil, Mistakes{{Text: "the document is not UTF-8"}}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		n, err := parseJSON(data)
		if err == nil {
			return n, nil
		}
		// {a: b} is YAML, but its error is of use only if it is meant to be.
		if n, yamlMistakes := parseYAML(data); yamlMistakes == nil {
			return n, nil
		}
		return nil, Mistakes{*err}
	}
	return parseYAML(data)
}

type jsonReader struct {
	data  []byte
	dec   *json.Decoder
	nodes int

	at, line, column int // of the offset that was asked for last, from 0
}

func parseJSON(data []byte) (*node, *Mistake) {
	r := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err == nil {
		if _, more := r.dec.Token(); more != io.EOF {
			err = errors.New("there is more after the end of the document")
		}
	}
	if err != nil {
		at := int(r.dec.InputOffset())
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = max(at, int(syntax.Offset)-1)
		}
		line, column := r.place(min(at, len(data)))
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the document ends too early")
		}
		return nil, &Mistake{Line: line, Column: column, Text: "not valid JSON: " + err.Error()}
	}
	return n, nil
}

// place returns where an offset is. Offsets must not decrease.
func (r *jsonReader) place(at int) (line, column int) {
	for ; r.at < at; r.at++ {
		switch c := r.data[r.at]; {
		case c == '\n':
			r.line, r.column = r.line+1, 0
		case utf8.RuneStart(c):
			r.column++
		}
	}
	return r.line + 1, r.column + 1
}

func (r *jsonReader) value(depth int) (*node, error) {
	at := int(r.dec.InputOffset())
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	for at < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[at]) >= 0 {
		at++
	}
	n := &node{}
	n.line, n.column = r.place(at)
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return nil, fmt.Errorf("the document has more than %d values or is nested deeper than %d", maxNodes, maxDepth)
	}
	switch v := token.(type) {
	case nil:
	case bool:
		n.kind, n.value = boolean, strconv.FormatBool(v)
	case json.Number:
		n.kind, n.value = number, v.String()
	case string:
		n.kind, n.value = text, v
	case json.Delim:
		n.kind = list
		if v == '{' {
			n.kind = object
		}
		for r.dec.More() {
			if n.kind == object {
				key, err := r.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.keys = append(n.keys, key)
			}
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		if _, err := r.dec.Token(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

type yamlReader struct {
	mistakes Mistakes
	nodes    int
	open     map[*yaml.Node]bool // that are being read: an alias for one is a cycle
}

func parseYAML(data []byte) (*node, Mistakes) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := decodeYAML(dec, &doc); err != nil {
		return nil, Mistakes{yamlMistake(err)}
	}
	if err := decodeYAML(dec, &second); err != io.EOF {
		return nil, Mistakes{{Line: max(1, second.Line), Column: max(1, second.Column), Text: "there is a second document; want one"}}
	}
	r := &yamlReader{open: map[*yaml.Node]bool{}}
	n := r.value(&doc, 0)
	return n, r.mistakes
}

// decodeYAML reads a document. The library panics on some that are not valid.
func decodeYAML(dec *yaml.Decoder, to *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return dec.Decode(to)
}

func yamlMistake(err error) Mistake {
	if err == io.EOF {
		return Mistake{Text: "the document is empty; want version and rules"}
	}
	m := Mistake{Text: "not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if found := regexp.MustCompile(`^not valid YAML: line (\d+): (.*)$`).FindStringSubmatch(m.Text); found != nil {
		m.Line, _ = strconv.Atoi(found[1])
		m.Column, m.Text = 1, "not valid YAML: "+found[2]
	}
	return m
}

func (r *yamlReader) fail(n *yaml.Node, format string, args ...any) *node {
	r.mistakes = append(r.mistakes, Mistake{Line: n.Line, Column: n.Column, Text: fmt.Sprintf(format, args...)})
	return &node{line: n.Line, column: n.Column}
}

func (r *yamlReader) value(y *yaml.Node, depth int) *node {
	if len(r.mistakes) > 0 && r.nodes > maxNodes {
		return &node{}
	}
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		r.nodes = maxNodes + 1
		return r.fail(y, "the document has more than %d values or is nested deeper than %d", maxNodes, maxDepth)
	}
	n := &node{line: y.Line, column: y.Column}
	switch y.Kind {
	case yaml.DocumentNode:
		return r.value(y.Content[0], depth)
	case yaml.AliasNode:
		if r.open[y.Alias] {
			return r.fail(y, "*%s stands for what it is part of; want no cycle", y.Value)
		}
		of := *r.value(y.Alias, depth+1)
		return &of
	case yaml.SequenceNode, yaml.MappingNode:
		r.open[y] = true
		defer delete(r.open, y)
		n.kind = list
		step := 1
		if y.Kind == yaml.MappingNode {
			n.kind, step = object, 2
		}
		for i := 0; i+step <= len(y.Content); i += step {
			if step == 2 {
				if y.Content[i].Tag == "!!merge" {
					r.fail(y.Content[i], "merge keys (<<) are not supported; want an alias, or the members themselves")
					continue
				}
				n.keys = append(n.keys, r.value(y.Content[i], depth+1))
			}
			n.items = append(n.items, r.value(y.Content[i+step-1], depth+1))
		}
		return n
	}
	n.value = y.Value
	switch y.ShortTag() {
	case "!!null":
		n.kind = null
	case "!!bool":
		var v bool
		if y.Decode(&v) == nil {
			n.kind, n.value = boolean, strconv.FormatBool(v)
		}
	case "!!int", "!!float":
		n.kind = number
		var v float64
		if y.Decode(&v) == nil {
			n.value = strconv.FormatFloat(v, 'g', -1, 64)
		}
	case "!!str", "!!timestamp":
		n.kind = text
	default:
		return r.fail(y, "the tag %s is not supported; want text, a number, true or false", y.Tag)
	}
	return n
}

// json returns a node as JSON.
func (n *node) json() []byte {
	switch n.kind {
	case null:
		return []byte("null")
	case boolean, number:
		return []byte(n.value)
	case text:
		b, _ := json.Marshal(n.value) // a string
		return b
	}
	var b bytes.Buffer
	open, end := byte('['), byte(']')
	if n.kind == object {
		open, end = '{', '}'
	}
	b.WriteByte(open)
	for i, item := range n.items {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.kind == object {
			b.Write(n.keys[i].json())
			b.WriteByte(':')
		}
		b.Write(item.json())
	}
	b.WriteByte(end)
	return b.Bytes()
}
