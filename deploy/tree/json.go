package tree

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// bom is the byte order mark that some editors begin a file with.
const bom = "\ufeff"

// maxDepth bounds the nesting of values. A task definition in a template has less
// than twenty levels.
const maxDepth = 1000

// SyntaxError says why a document cannot be read, and where. Line and Column
// count from 1, the column in characters.
type SyntaxError struct {
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// ParseJSON reads one JSON document, with or without a byte order mark. Where a
// lenient reader would lose something it is stricter than encoding/json:
// duplicate keys, invalid UTF-8 and more than 1000 levels are errors.
//
// In files that are templates of JSON a placeholder, ${…} or {{ … }} on one line,
// can stand for a value. It reads as a string that is opaque, and stays without
// quotes where it is.
//
// The error is a *[SyntaxError]. Source: RFC 8259.
func ParseJSON(src []byte, names *Names) (*Node, error) { return parseJSON(src, names, true) }

func parseJSON(src []byte, names *Names, placeholders bool) (*Node, error) {
	s := newSource(string(src))
	p := &jsonParser{src: s, text: s.text, names: names, placeholders: placeholders}
	if strings.HasPrefix(p.text, bom) {
		p.at = len(bom)
	}
	root, err := p.document()
	if err != nil {
		return nil, err
	}
	s.style = p.style()
	return root, nil
}

func newSource(text string) *source {
	s := &source{text: text, lines: []int{0}}
	for i := 0; ; {
		next := strings.IndexByte(text[i:], '\n')
		if next < 0 {
			return s
		}
		i += next + 1
		s.lines = append(s.lines, i)
	}
}

type jsonParser struct {
	src   *source
	text  string
	at    int
	depth int

	names        *Names
	placeholders bool // may stand for values

	// What the style of the document is derived from.
	unit, colon     string
	colonSeen       bool
	arrays, objects [2]int // of scalars, laid out on one line and on several
	padArr, padObj  string
}

func (p *jsonParser) fail(at int, format string, args ...any) error {
	pos := p.src.pos(at)
	return &SyntaxError{pos.Line, pos.Column, fmt.Sprintf(format, args...)}
}

func (p *jsonParser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) document() (*Node, error) {
	p.space()
	if p.at == len(p.text) {
		return nil, p.fail(p.at, "the document is empty")
	}
	root, err := p.value()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.fail(p.at, "%s after the end of the document", p.here())
	}
	return root, nil
}

// here describes what is at the current place, for a message.
func (p *jsonParser) here() string {
	if p.at >= len(p.text) {
		return "the end of the file"
	}
	r, size := utf8.DecodeRuneInString(p.text[p.at:])
	if r == utf8.RuneError && size == 1 {
		return "a byte that is not UTF-8"
	}
	return strconv.QuoteRune(r)
}

func (p *jsonParser) value() (*Node, error) {
	if p.at == len(p.text) {
		return nil, p.fail(p.at, "the document ends where a value should begin")
	}
	n := &Node{src: p.src, names: p.names, start: p.at}
	var err error
	switch c := p.text[p.at]; {
	case p.placeholders && (c == '$' || c == '{') && p.placeholder(n):
	case c == '{':
		n.kind = Object
		err = p.nested(n, p.object)
	case c == '[':
		n.kind = Array
		err = p.nested(n, p.array)
	case c == '"':
		n.kind = String
		n.text, err = p.string()
	case c == '-' || '0' <= c && c <= '9':
		n.kind = Number
		n.text, err = p.number()
	default:
		err = p.literal(n)
	}
	n.end = p.at
	return n, err
}

// placeholder reads ${…} or {{ … }}, if one begins here.
func (p *jsonParser) placeholder(n *Node) bool {
	line, _, _ := strings.Cut(p.text[p.at:], "\n")
	end := -1
	switch {
	case strings.HasPrefix(line, "{{"):
		if end = strings.Index(line, "}}"); end >= 0 {
			end += len("}}")
		}
	case strings.HasPrefix(line, "${"):
		depth := 0
		for i := 1; i < len(line) && end < 0; i++ {
			switch line[i] {
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					end = i + 1
				}
			}
		}
	}
	if end < 0 || !utf8.ValidString(line[:end]) {
		return false
	}
	n.kind, n.text = String, line[:end]
	p.at += end
	return true
}

func (p *jsonParser) nested(n *Node, read func(*Node) error) error {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return p.fail(p.at, "more than %d levels of nesting", maxDepth)
	}
	return read(n)
}

func (p *jsonParser) object(n *Node) error {
	p.at++
	gap := p.at
	p.space()
	p.open(n, gap)
	if p.take('}') {
		return nil
	}
	var seen map[string]bool
	for {
		if p.at == len(p.text) {
			return p.truncated(n)
		}
		if p.text[p.at] != '"' {
			return p.fail(p.at, "%s where the name of a member should begin", p.here())
		}
		f := field{keyStart: p.at}
		var err error
		if f.name, err = p.string(); err != nil {
			return err
		}
		f.keyEnd = p.at
		if len(n.fields) == 16 { // from here on looking back takes longer than a map
			seen = make(map[string]bool)
			for _, f := range n.fields {
				seen[f.name] = true
			}
		}
		if seen[f.name] || seen == nil && n.keyIndex(f.name) >= 0 {
			first := p.src.pos(n.fields[n.keyIndex(f.name)].keyStart)
			return p.fail(f.keyStart, "duplicate member %q, first in line %d", f.name, first.Line)
		}
		if seen != nil {
			seen[f.name] = true
		}
		p.space()
		if p.at == len(p.text) {
			return p.truncated(n)
		}
		if p.text[p.at] != ':' {
			return p.fail(p.at, "%s where the colon after %q should be", p.here(), f.name)
		}
		p.at++
		p.space()
		if !p.colonSeen {
			p.colonSeen, p.colon = true, p.text[f.keyEnd:p.at]
		}
		if p.at == len(p.text) {
			return p.truncated(n)
		}
		if f.value, err = p.value(); err != nil {
			return err
		}
		f.value.parent, f.value.name = n, f.name
		n.fields = append(n.fields, f)
		p.space()
		switch {
		case p.take(','):
			comma := p.at
			p.space()
			if p.at < len(p.text) && p.text[p.at] == '}' {
				return p.fail(comma-1, "a comma after the last member")
			}
		case p.take('}'):
			p.close(n, &p.objects, &p.padObj)
			return nil
		case p.at == len(p.text):
			return p.truncated(n)
		default:
			return p.fail(p.at, "%s where a comma or the end of the object should be", p.here())
		}
	}
}

func (p *jsonParser) array(n *Node) error {
	p.at++
	gap := p.at
	p.space()
	p.open(n, gap)
	if p.take(']') {
		return nil
	}
	for {
		if p.at == len(p.text) {
			return p.truncated(n)
		}
		item, err := p.value()
		if err != nil {
			return err
		}
		n.add(item)
		p.space()
		switch {
		case p.take(','):
			comma := p.at
			p.space()
			if p.at < len(p.text) && p.text[p.at] == ']' {
				return p.fail(comma-1, "a comma after the last element")
			}
		case p.take(']'):
			p.close(n, &p.arrays, &p.padArr)
			return nil
		case p.at == len(p.text):
			return p.truncated(n)
		default:
			return p.fail(p.at, "%s where a comma or the end of the list should be", p.here())
		}
	}
}

func (p *jsonParser) truncated(n *Node) error {
	what := "object"
	if n.kind == Array {
		what = "list"
	}
	return p.fail(len(p.text), "the document ends inside the %s that begins in line %d: it is truncated", what, n.src.pos(n.start).Line)
}

func (p *jsonParser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// open records the indentation of the first object or array that is laid out in
// lines; close records how those of scalars are laid out.
func (p *jsonParser) open(n *Node, gap int) {
	if p.unit == "" && p.at < len(p.text) && strings.Contains(p.text[gap:p.at], "\n") {
		p.unit = strings.TrimPrefix(p.src.indent(p.at), p.src.indent(n.start))
	}
}

func (p *jsonParser) close(n *Node, count *[2]int, pad *string) {
	if !leaf(n) {
		return
	}
	if !strings.Contains(p.text[n.start:p.at], "\n") {
		count[0]++
		*pad = leading(p.text[n.start+1:])
	} else {
		count[1]++
	}
}

func (p *jsonParser) style() style {
	s := style{unit: p.unit, newline: "\n", colon: ": ", comma: ", ", lines: strings.Contains(strings.TrimSpace(p.text), "\n")}
	if i := strings.IndexByte(p.text, '\n'); i > 0 && p.text[i-1] == '\r' {
		s.newline = "\r\n"
	}
	if s.unit == "" {
		s.unit = "  "
	}
	if p.colonSeen && !strings.Contains(p.colon, "\n") {
		s.colon = p.colon
	}
	if !strings.HasSuffix(s.colon, " ") && !s.lines {
		s.comma = ","
	}
	s.padArray, s.padObject = p.padArr, p.padObj
	s.flatArrays, s.flatObjects = p.arrays[0] > p.arrays[1], p.objects[0] > p.objects[1]
	return s
}

func (p *jsonParser) literal(n *Node) error {
	for _, l := range [...]struct {
		text string
		kind Kind
	}{{"true", Bool}, {"false", Bool}, {"null", Null}} {
		if strings.HasPrefix(p.text[p.at:], l.text) {
			n.kind, n.text = l.kind, l.text
			p.at += len(l.text)
			return nil
		}
	}
	for _, l := range []string{"true", "false", "null"} {
		if strings.HasPrefix(l, p.text[p.at:]) {
			return p.fail(len(p.text), "the document ends inside %s: it is truncated", l)
		}
	}
	return p.fail(p.at, "%s where a value should begin", p.here())
}

func (p *jsonParser) number() (string, error) {
	start := p.at
	digits := func() error {
		from := p.at
		for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
			p.at++
		}
		if p.at == from {
			return p.fail(p.at, "%s where a digit should be", p.here())
		}
		return nil
	}
	p.take('-')
	if !p.take('0') {
		if err := digits(); err != nil {
			return "", err
		}
	} else if p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		return "", p.fail(p.at-1, "a number with a leading zero")
	}
	if p.take('.') {
		if err := digits(); err != nil {
			return "", err
		}
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if err := digits(); err != nil {
			return "", err
		}
	}
	return p.text[start:p.at], nil
}

// string reads a string and returns its value.
func (p *jsonParser) string() (string, error) {
	start := p.at
	p.at++
	for i := p.at; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			s := p.text[p.at:i]
			if !utf8.ValidString(s) {
				return "", p.badUTF8(p.at)
			}
			p.at = i + 1
			return s, nil
		case c == '\\' || c < 0x20:
			return p.escaped(start)
		}
	}
	return "", p.endless(start)
}

func (p *jsonParser) endless(start int) error {
	if p.src.pos(start).Line < p.src.pos(len(p.text)).Line {
		return p.fail(start, "a string without a closing quote")
	}
	return p.fail(len(p.text), "the document ends inside a string: it is truncated")
}

func (p *jsonParser) badUTF8(from int) error {
	for i, r := range p.text[from:] {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(p.text[from+i:]); size == 1 {
				return p.fail(from+i, "a byte that is not UTF-8")
			}
		}
	}
	return nil
}

var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *jsonParser) escaped(start int) (string, error) {
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return b.String(), nil
		case c == '\\':
			if p.at+1 == len(p.text) {
				return "", p.endless(start)
			}
			e := p.text[p.at+1]
			if simple := simpleEscapes[e]; simple != 0 {
				b.WriteByte(simple)
				p.at += 2
				break
			}
			if e != 'u' {
				return "", p.fail(p.at, "\\%s is not an escape of JSON", strings.Trim(strconv.QuoteRune(firstRune(p.text[p.at+1:])), "'"))
			}
			r, ok := hex4(p.text[p.at+2:])
			if !ok {
				return "", p.fail(p.at, "\\u without four hexadecimal digits")
			}
			p.at += 6
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if strings.HasPrefix(p.text[p.at:], `\u`) {
					if low, ok := hex4(p.text[p.at+2:]); ok {
						pair = utf16.DecodeRune(r, low)
					}
				}
				if pair != utf8.RuneError {
					p.at += 6
				}
				r = pair
			}
			b.WriteRune(r)
		case c == '\n' || c == '\r':
			return "", p.fail(start, "a string without a closing quote in its line")
		case c < 0x20:
			return "", p.fail(p.at, "a control character in a string: write it as \\u%04x", c)
		default:
			r, size := utf8.DecodeRuneInString(p.text[p.at:])
			if r == utf8.RuneError && size == 1 {
				return "", p.fail(p.at, "a byte that is not UTF-8")
			}
			b.WriteString(p.text[p.at : p.at+size])
			p.at += size
		}
	}
	return "", p.endless(start)
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[:4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
