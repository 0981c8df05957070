package tree

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// style is how the author of a document lays it out.
type style struct {
	unit                    string // indentation of a level
	newline                 string
	colon, comma            string // with the white space around them, on one line
	lines                   bool   // the document has several lines
	flatArrays, flatObjects bool   // those of scalars are on one line
	padArray, padObject     string // white space inside their brackets
}

// pretty is the style of a value without a document.
var pretty = style{unit: "  ", newline: "\n", colon: ": ", comma: ", ", lines: true}

// Bytes returns the value as text. A document returns its source, byte for byte
// but for what was edited. A part of a document is moved to the left margin. A
// value outside of any document is written as JSON.
func (n *Node) Bytes() []byte {
	switch {
	case n == nil:
		return nil
	case n.src == nil:
		s := n.style()
		return append(appendMade(nil, n, "", s, lines), s.newline...)
	case n.src.yaml != nil:
		return n.yamlBytes()
	}
	s := &n.src.style
	l := flat
	if s.lines {
		l = lines
	}
	if n.parent != nil && !n.parent.virtual {
		return append(appendJSON(nil, n, "", s, l), s.newline...)
	}
	b := append([]byte(nil), n.src.text[:n.start]...)
	b = appendJSON(b, n, n.src.indent(n.start), s, l)
	return append(b, n.src.text[n.end:]...)
}

// JSON returns the value as a JSON document: what Bytes returns for JSON, laid out
// anew for YAML.
func (n *Node) JSON() []byte {
	if n == nil || n.src == nil || n.src.yaml == nil {
		return n.Bytes()
	}
	return append(appendMade(nil, n, "", &pretty, lines), '\n')
}

// Source returns the value as it is now, as JSON on one line.
func (n *Node) Source() string {
	if n == nil {
		return ""
	}
	return string(appendFlat(nil, n))
}

// style returns the style of the document that n wraps, pretty if there is none.
func (n *Node) style() *style {
	if n.virtual {
		for _, f := range n.fields {
			if f.value.src != nil && f.value.src.yaml == nil && f.value.src.style.lines {
				return &f.value.src.style
			}
		}
	}
	return &pretty
}

// layout is how an object or array is laid out: on one line or in several.
type layout uint8

const (
	flat layout = iota
	lines
)

// of returns the layout of a new value in a parent of layout l: that of the
// element before it, or of most values of its kind in the document.
func (l layout) of(n, sibling *Node, s *style) layout {
	if l == flat || n.kind < Array {
		return flat
	}
	if sibling != nil && sibling.parent.kind == Array && sibling.kind == n.kind && sibling.src != nil && !sibling.made && sibling.Len() > 0 {
		if strings.Contains(sibling.src.text[sibling.start:sibling.end], "\n") {
			return lines
		}
		if !deep(n) || deep(sibling) {
			return flat
		}
	}
	if deep(n) {
		return lines
	}
	if n.kind == Array && s.flatArrays || n.kind == Object && s.flatObjects {
		return flat
	}
	return lines
}

// deep reports whether there is more than one level below a value.
func deep(n *Node) bool {
	for v := range n.values() {
		if v.Len() > 0 {
			return true
		}
	}
	return false
}

// appendJSON writes a value whose first line is indented by indent.
func appendJSON(b []byte, n *Node, indent string, s *style, l layout) []byte {
	if n.src == nil || n.src.yaml != nil || n.made {
		return appendMade(b, n, indent, s, l)
	}
	return append(b, shift(string(appendSourced(nil, n, l)), n.src.indent(n.start), indent)...)
}

// shift moves all lines but the first from one indentation to another. This
// cannot change a value of JSON, whose strings have no line breaks.
func shift(text, from, to string) string {
	if from == to || !strings.Contains(text, "\n") {
		return text
	}
	parts := strings.SplitAfter(text, "\n")
	for i, line := range parts[1:] {
		for j := 0; j < len(from) && strings.HasPrefix(line, from[j:j+1]); j++ {
			line = line[1:]
		}
		if strings.TrimRight(line, "\r\n") != "" {
			line = to + line
		}
		parts[i+1] = line
	}
	return strings.Join(parts, "")
}

// part is a member or an element, which are laid out alike.
type part struct {
	key   string // as written, "" for an element
	start int    // in the source, -1 for a new one
	value *Node
}

func (n *Node) parts() []part {
	parts := make([]part, 0, n.Len())
	for _, f := range n.fields {
		if f.keyEnd > f.keyStart {
			parts = append(parts, part{n.src.text[f.keyStart:f.keyEnd], f.keyStart, f.value})
		} else {
			parts = append(parts, part{string(appendString(nil, f.name)), -1, f.value})
		}
	}
	for _, item := range n.items {
		start := -1
		if item.src != nil {
			start = item.start
		}
		parts = append(parts, part{"", start, item})
	}
	return parts
}

// appendSourced writes a value that is in JSON source as it is there, but for what
// was edited in it. Members keep the white space around them; a new one is set
// like the one before it.
func appendSourced(b []byte, n *Node, l layout) []byte {
	text := n.src.text
	open, end := n.start, n.end-1
	if !n.edited || n.kind < Array {
		return append(b, text[n.start:n.end]...)
	}
	s, indent := &n.src.style, n.src.indent(n.start)
	parts := n.parts()
	lead := leading(text[open+1 : end])
	if open+1+len(lead) == end || len(parts) == 0 { // nothing to keep
		return appendMade(b, n, lineIndent(b, indent), s, l)
	}
	tail := trailing(text[open+1 : end])
	own, fresh := flat, strings.TrimPrefix(s.comma, ",")
	if i := strings.LastIndexByte(lead, '\n'); i >= 0 {
		own, fresh = lines, s.newline+lead[i+1:]
		if unit, deeper := strings.CutPrefix(lead[i+1:], indent); deeper && unit != "" {
			local := *s
			local.unit = unit
			s = &local
		}
	}
	var sibling *Node
	b = append(b, text[open])
	for i, p := range parts {
		old := p.start >= 0
		gap := fresh
		if old {
			gap = trailing(text[open+1 : p.start])
			if p.start > open+1+len(lead) {
				fresh = gap
				if i := strings.LastIndexByte(gap, '\n'); i >= 0 { // without blank lines
					fresh = s.newline + gap[i+1:]
				}
			}
		}
		if i == 0 {
			gap = lead
		}
		b = append(append(b, gap...), p.key...)
		layout := own.of(p.value, sibling, s)
		switch {
		case !old:
			if p.key != "" {
				b = append(b, s.colon...)
			}
			b = appendMade(b, p.value, lineIndent(b, indent), s, layout)
		default:
			b = append(b, text[p.start+len(p.key):p.value.start]...)
			if p.value.made {
				b = appendMade(b, p.value, lineIndent(b, indent), s, layout)
			} else {
				b = appendSourced(b, p.value, layout)
			}
		}
		if i < len(parts)-1 {
			if old {
				if after := leading(text[p.value.end:end]); p.value.end+len(after) < end {
					b = append(b, after...)
				}
			}
			b = append(b, ',')
		}
		sibling = p.value
	}
	return append(append(b, tail...), text[end])
}

// lineIndent returns the indentation of the last line of b, or other if b has one
// line only.
func lineIndent(b []byte, other string) string {
	i := bytes.LastIndexByte(b, '\n')
	if i < 0 {
		return other
	}
	line := b[i+1:]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// appendMade writes a value that an edit made.
func appendMade(b []byte, n *Node, indent string, s *style, l layout) []byte {
	var begin, end byte = '{', '}'
	pad := s.padObject
	switch n.kind {
	case String:
		return appendString(b, n.text)
	case Array:
		begin, end, pad = '[', ']', s.padArray
	case Object:
	default:
		return append(b, n.text...)
	}
	if n.Len() == 0 {
		return append(b, begin, end)
	}
	b = append(b, begin)
	inner := indent
	if l == lines {
		inner += s.unit
	}
	i := 0
	var sibling *Node
	each := func(name string, v *Node) {
		if i > 0 && l == lines {
			b = append(b, ',')
		} else if i > 0 {
			b = append(b, s.comma...)
		}
		if l == lines {
			b = append(append(b, s.newline...), inner...)
		} else if i == 0 {
			b = append(b, pad...)
		}
		if n.kind == Object {
			b = append(appendString(b, name), s.colon...)
		}
		b = appendJSON(b, v, inner, s, l.of(v, sibling, s))
		sibling = v
		i++
	}
	for _, f := range n.fields {
		each(f.name, f.value)
	}
	for _, item := range n.items {
		each("", item)
	}
	if l == lines {
		b = append(append(b, s.newline...), indent...)
	} else {
		b = append(b, pad...)
	}
	return append(b, end)
}

// appendFlat writes a value on one line, without white space.
func appendFlat(b []byte, n *Node) []byte {
	switch n.kind {
	case String:
		return appendString(b, n.text)
	case Array:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFlat(b, item)
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		for i, f := range n.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, f.name), ':')
			b = appendFlat(b, f.value)
		}
		return append(b, '}')
	}
	return append(b, n.text...)
}

const hexDigits = "0123456789abcdef"

// appendString writes a string as JSON, with no escape that it can do without.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x20 || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// leading and trailing return the white space that s begins and ends with.
func leading(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, " \t\r\n"))]
}

func trailing(s string) string {
	return s[len(strings.TrimRight(s, " \t\r\n")):]
}

// BytesLike returns a value outside of any document as a document of its own, in
// the language and style of the document that other is in.
func (n *Node) BytesLike(other *Node) []byte {
	s := &pretty
	if other != nil && other.src != nil {
		s = &other.src.style
		if y := other.src.yaml; y != nil {
			w := &yamlWriter{y: y, newline: s.newline}
			return []byte(w.block(n, 0, y.compact) + s.newline)
		}
	}
	return append(appendMade(nil, n, "", s, lines), s.newline...)
}
