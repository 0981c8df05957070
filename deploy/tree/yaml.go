package tree

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxAliased bounds the nodes that aliases repeat: a few lines can repeat them
// without end.
const maxAliased = 100_000

// yamlSource is how the author of a YAML document lays it out.
type yamlSource struct {
	unit       int  // spaces of indentation of a level
	compact    bool // the dashes of a list are below its key, not further in
	flatArrays bool // lists of scalars are written [a, b]
	single     bool // strings are quoted 'a' rather than "a"
}

// yamlNode is how a value is written in YAML.
type yamlNode struct {
	body   int  // where the value begins, after its tag and anchor
	flow   bool // [a, b] or {a: b}
	short  bool // a short tag, read as the object with the long name
	anchor bool // aliases may repeat it
	alias  bool // it repeats the value that begins at of
	of     int

	entries []entry // of an array or object, as they are in the source
}

// entry is a member or an element in the source. It begins at the key or, for an
// element of a block, at the dash, and ends with the value.
type entry struct{ start, valueStart, end int }

// ParseYAML reads one YAML document. The short tags of CloudFormation read as
// their long forms, aliases as the values they repeat, and timestamps as strings.
// Duplicate keys, keys that are not scalars, and a second document are errors.
//
// The error is a *[SyntaxError]. Source: YAML 1.2.2; AWS CloudFormation User
// Guide, "Intrinsic function reference".
func ParseYAML(src []byte, names *Names) (*Node, error) {
	s := newSource(string(src))
	s.yaml = new(yamlSource)
	p := &yamlParser{src: s, text: s.text, names: names, anchors: map[*yaml.Node]*Node{}, indent: -1}
	if strings.HasPrefix(p.text, bom) {
		p.base = len(bom)
	}
	if i := strings.IndexFunc(p.text[p.base:], func(r rune) bool { return r < 0x20 && r != '\t' && r != '\n' && r != '\r' }); i >= 0 {
		return nil, p.fail(p.base+i, "a control character")
	}
	if !utf8.ValidString(p.text) {
		i := 0
		for r, size := utf8.DecodeRuneInString(p.text); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRuneInString(p.text[i:]) {
			i += size
		}
		return nil, p.fail(i, "a byte that is not UTF-8")
	}
	p.breaks()
	d := yaml.NewDecoder(strings.NewReader(p.text[p.base:]))
	var document yaml.Node
	if err := decode(d, &document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, p.fail(p.base, "the document is empty")
		}
		return nil, p.syntax(err)
	}
	var second yaml.Node
	if err := decode(d, &second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, p.syntax(err)
		}
		return nil, p.fail(p.offset(&second), "a second document begins here: give one at a time")
	}
	root, err := p.node(document.Content[0], 0)
	if err != nil {
		return nil, err
	}
	if root.tag != "" {
		return nil, p.fail(p.offset(document.Content[0]), "the whole document has the tag %s, which CloudFormation does not know: take it away", root.tag)
	}
	if root.kind == Null && root.start == root.end {
		return nil, p.fail(p.base, "the document is empty")
	}
	p.style()
	return root, nil
}

// decode calls the library, which panics at some of its limits.
func decode(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return d.Decode(n)
}

type yamlParser struct {
	src     *source
	text    string
	names   *Names
	base    int   // after the byte order mark
	starts  []int // of the lines, as YAML counts them
	anchors map[*yaml.Node]*Node
	aliased int

	indent int // of the block that is being read, -1 outside

	// What the style of the document is derived from.
	unit            int
	compact, spread int    // dashes below their key, and further in
	arrays          [2]int // of scalars, in flow and in block
	quotes          [2]int // single and double
}

func (p *yamlParser) fail(at int, format string, args ...any) error {
	pos := p.src.pos(at)
	return &SyntaxError{pos.Line, pos.Column, fmt.Sprintf(format, args...)}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// syntax turns an error of the library into ours. The library names a line only;
// the column is that of the first character in it.
func (p *yamlParser) syntax(err error) error {
	message, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	line = min(max(line, 1), len(p.starts))
	at := p.starts[line-1]
	return p.fail(at+len(p.text[at:])-len(strings.TrimLeft(p.text[at:], " ")), "%s", message)
}

// breaks records where lines begin. YAML 1.1 has line breaks that others lack.
func (p *yamlParser) breaks() {
	p.starts = append(p.starts, p.base)
	for i := p.base; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\n', c == '\r' && (i+1 == len(p.text) || p.text[i+1] != '\n'):
			p.starts = append(p.starts, i+1)
		case c == 0xc2 && strings.HasPrefix(p.text[i:], "\u0085"):
			p.starts = append(p.starts, i+2)
		case c == 0xe2 && (strings.HasPrefix(p.text[i:], "\u2028") || strings.HasPrefix(p.text[i:], "\u2029")):
			p.starts = append(p.starts, i+3)
		}
	}
}

// offset returns where a node begins.
func (p *yamlParser) offset(v *yaml.Node) int {
	if v.Line < 1 || v.Line > len(p.starts) {
		return len(p.text)
	}
	i := p.starts[v.Line-1]
	for range v.Column - 1 {
		if i < len(p.text) {
			_, size := utf8.DecodeRuneInString(p.text[i:])
			i += size
		}
	}
	return i
}

// node reads a value and what is below it.
func (p *yamlParser) node(v *yaml.Node, depth int) (*Node, error) {
	start := p.offset(v)
	if depth > maxDepth {
		return nil, p.fail(start, "more than %d levels of nesting", maxDepth)
	}
	if v.Style&yaml.TaggedStyle != 0 && strings.HasPrefix(v.Tag, "!") && strings.ContainsFunc(v.Tag, notOfATag) {
		return nil, p.fail(start, "the tag %q has a character that no tag may have: put a space behind its name", v.Tag)
	}
	n := &Node{src: p.src, names: p.names, start: start, end: start}
	n.yaml = &yamlNode{body: p.body(v, start), flow: v.Style&yaml.FlowStyle != 0, anchor: v.Anchor != ""}
	if n.yaml.anchor {
		p.anchors[v] = nil // until it is read, nothing can repeat it
	}
	var err error
	switch v.Kind {
	case yaml.ScalarNode:
		err = p.scalar(n, v)
	case yaml.SequenceNode:
		err = p.sequence(n, v, depth)
	case yaml.MappingNode:
		err = p.mapping(n, v, depth)
	case yaml.AliasNode:
		n, err = p.alias(n, v)
	}
	if err != nil {
		return nil, err
	}
	if v.Kind != yaml.AliasNode && v.Style&yaml.TaggedStyle != 0 {
		n = tagged(n, v.Tag)
	}
	if n.yaml.anchor {
		p.anchors[v] = n
	}
	return n, nil
}

// body returns where a value begins, after its tag and anchor, of which it has one at
// most: another is that of the next key.
func (p *yamlParser) body(v *yaml.Node, start int) int {
	if v.Kind != yaml.ScalarNode && v.Anchor == "" && v.Style&yaml.TaggedStyle == 0 {
		return start
	}
	tag, anchor := true, v.Anchor != "" // may follow
	follows := func(at int) bool {
		return at < len(p.text) && (tag && p.text[at] == '!' || anchor && p.text[at] == '&')
	}
	at := start
	for follows(at) {
		tag, anchor = tag && p.text[at] != '!', anchor && p.text[at] != '&'
		stop := " \t\r\n"
		if p.text[at] == '&' || v.Kind != yaml.ScalarNode && !strings.HasPrefix(p.text[at:], "!<") {
			stop += "[]{},"
		}
		end := at + 1
		for end < len(p.text) && !strings.ContainsRune(stop, rune(p.text[end])) {
			end++
		}
		at = p.skip(end)
		if v.Kind == yaml.ScalarNode && v.Value == "" && v.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 &&
			!follows(at) {
			return end // nothing follows the tag
		}
	}
	return at
}

// skip returns where the white space and the comments at an offset end.
func (p *yamlParser) skip(at int) int {
	for at < len(p.text) {
		switch p.text[at] {
		case ' ', '\t', '\r', '\n':
			at++
		case '#':
			at = p.lineEnd(at)
		default:
			return at
		}
	}
	return at
}

// lineEnd returns where the line of an offset ends, before its line break.
func (p *yamlParser) lineEnd(at int) int { return lineEnd(p.text, at) }

func lineEnd(text string, at int) int {
	if i := strings.IndexAny(text[at:], "\r\n"); i >= 0 {
		return at + i
	}
	return len(text)
}

// plainNumber is a number that JSON can write as it is.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func (p *yamlParser) scalar(n *Node, v *yaml.Node) error {
	n.kind, n.text = String, v.Value
	switch v.ShortTag() {
	case "!!null":
		n.kind, n.text = Null, "null"
	case "!!bool":
		if b, err := strconv.ParseBool(strings.ToLower(v.Value)); err == nil {
			n.kind, n.text = Bool, strconv.FormatBool(b)
		}
	case "!!int", "!!float":
		if plainNumber.MatchString(v.Value) {
			n.kind = Number
		} else if i, err := strconv.ParseInt(v.Value, 0, 64); err == nil && len(v.Value) > 1 && !('0' <= v.Value[1] && v.Value[1] <= '9') {
			n.kind, n.text = Number, strconv.FormatInt(i, 10) // 0x1F, 0o17, +5, 1_000
		}
	}
	switch {
	case v.Style&yaml.SingleQuotedStyle != 0:
		p.quotes[0]++
	case v.Style&yaml.DoubleQuotedStyle != 0:
		p.quotes[1]++
	}
	end, ok := p.scalarEnd(n.yaml.body, v)
	if !ok {
		return p.fail(n.start, "cannot find the end of this value: write it in another way")
	}
	n.end = end
	return nil
}

// scalarEnd finds where a scalar that begins at an offset ends.
func (p *yamlParser) scalarEnd(at int, v *yaml.Node) (int, bool) {
	text := p.text
	switch {
	case v.Style&yaml.DoubleQuotedStyle != 0:
		for i := at + 1; i < len(text) && text[at] == '"'; i++ {
			if text[i] == '"' {
				return i + 1, true
			}
			if text[i] == '\\' {
				i++
			}
		}
		return 0, false
	case v.Style&yaml.SingleQuotedStyle != 0:
		for i := at + 1; i < len(text) && text[at] == '\''; i++ {
			if text[i] == '\'' {
				if i+1 == len(text) || text[i+1] != '\'' {
					return i + 1, true
				}
				i++
			}
		}
		return 0, false
	case v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		if at == len(text) || text[at] != '|' && text[at] != '>' {
			return 0, false
		}
		return p.blockEnd(at), true
	}
	return plainEnd(text, at, v.Value)
}

// plainEnd follows a plain scalar through its source, where a line break stands
// for a space and n+1 of them for n line breaks.
func plainEnd(text string, at int, value string) (int, bool) {
	for value != "" {
		if at == len(text) {
			return 0, false
		}
		if text[at] == value[0] && !isBreak(text, at) {
			gap := at
			for gap < len(text) && (text[gap] == ' ' || text[gap] == '\t') {
				gap++
			}
			if gap == at || !isBreak(text, gap) {
				at, value = at+1, value[1:]
				continue
			}
		}
		breaks := 0
		for at < len(text) {
			size := breakSize(text, at)
			if size == 0 && text[at] != ' ' && text[at] != '\t' {
				break
			}
			if size > 0 {
				breaks++
			}
			at += max(size, 1)
		}
		switch {
		case breaks == 0:
			return 0, false
		case breaks == 1:
			if value[0] != ' ' {
				return 0, false
			}
			value = value[1:]
		default:
			if !strings.HasPrefix(value, strings.Repeat("\n", breaks-1)) {
				return 0, false
			}
			value = value[breaks-1:]
		}
	}
	return at, true
}

func isBreak(text string, at int) bool { return breakSize(text, at) > 0 }

func breakSize(text string, at int) int {
	switch {
	case at >= len(text):
		return 0
	case strings.HasPrefix(text[at:], "\r\n"):
		return 2
	case text[at] == '\n' || text[at] == '\r':
		return 1
	}
	return 0
}

// blockEnd returns where a literal or folded scalar ends: after its last line,
// before the line break; with +, after the blank lines that follow too.
func (p *yamlParser) blockEnd(at int) int {
	end := p.lineEnd(at)
	header, _, _ := strings.Cut(p.text[at:end], " ")
	indent, least := 0, max(p.indent+1, 1) // of the content
	if i := strings.IndexAny(header, "123456789"); i >= 0 {
		indent = max(p.indent, 0) + int(header[i]-'0')
	}
	last := end
	for next := end; next < len(p.text); {
		next += breakSize(p.text, next)
		line := p.text[next:p.lineEnd(next)]
		next += len(line)
		spaces := len(line) - len(strings.TrimLeft(line, " "))
		blank := spaces == len(line)
		switch {
		case indent == 0 && blank:
			least = max(least, spaces)
		case indent == 0:
			indent = max(least, spaces)
		}
		if blank && (indent == 0 || spaces <= indent) {
			last = next
			continue
		}
		if spaces < indent {
			break
		}
		end, last = next, next
	}
	if strings.Contains(header, "+") {
		if last == len(p.text) && last > end && p.text[last-1] == '\n' {
			last--
		}
		return last
	}
	return end
}

func (p *yamlParser) sequence(n *Node, v *yaml.Node, depth int) error {
	n.kind = Array
	defer p.enter(n)()
	for _, item := range v.Content {
		child, err := p.node(item, depth+1)
		if err != nil {
			return err
		}
		child.parent = nil
		n.add(child)
		start := child.start
		if !n.yaml.flow {
			if start = p.dash(child.start, n.yaml.body); start < 0 {
				return p.fail(child.start, "cannot find the dash of this element: write it in another way")
			}
		}
		n.yaml.entries = append(n.yaml.entries, entry{start, child.start, child.end})
		n.end = child.end
	}
	return p.collectionEnd(n, '[', ']')
}

func (p *yamlParser) mapping(n *Node, v *yaml.Node, depth int) error {
	n.kind = Object
	if len(v.Content) > 0 && !n.yaml.flow && n.yaml.body == n.start {
		n.yaml.body = p.entryStart(p.offset(v.Content[0]))
	}
	defer p.enter(n)()
	seen := map[string]int{}
	for i := 0; i+1 < len(v.Content); i += 2 {
		k := v.Content[i]
		at := p.offset(k)
		if k.Kind != yaml.ScalarNode {
			return p.fail(at, "a key that is not a word or a string")
		}
		f := field{name: k.Value, keyStart: at}
		var ok bool
		if f.keyEnd, ok = p.scalarEnd(p.body(k, at), k); !ok || f.keyEnd == at {
			return p.fail(at, "cannot find the end of this key: write it as key: value")
		}
		if first, twice := seen[f.name]; twice {
			return p.fail(at, "duplicate member %q, first in line %d", f.name, p.src.pos(first).Line)
		}
		seen[f.name] = at
		colon := p.skip(f.keyEnd)
		if colon == len(p.text) || p.text[colon] != ':' {
			return p.fail(at, "a key without a colon: write it as key: value")
		}
		value, err := p.node(v.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		empty := value.kind == Null && value.start == value.end && value.tag == "" && !value.yaml.anchor
		if empty || value.start < colon+1 { // the library may place nothing behind a comma
			value.start, value.end, value.yaml.body = colon+1, colon+1, colon+1
		}
		f.value = value
		value.parent, value.name = n, f.name
		n.fields = append(n.fields, f)
		n.yaml.entries = append(n.yaml.entries, entry{p.entryStart(at), value.start, value.end})
		n.end = value.end
		p.see(n, value)
	}
	return p.collectionEnd(n, '{', '}')
}

// entryStart returns where the member with the key at an offset begins: at the key
// or at the question mark before it.
func (p *yamlParser) entryStart(key int) int {
	before := strings.TrimRight(p.text[lineStart(p.text, key):key], " ")
	mark := lineStart(p.text, key) + len(before) - 1
	if strings.HasSuffix(before, "?") && mark+1 < key && (len(before) == 1 || strings.ContainsRune(" \t[{,", rune(p.text[mark-1]))) {
		return mark
	}
	return key
}

// enter sets the indentation of a block while its content is read.
func (p *yamlParser) enter(n *Node) (leave func()) {
	outer := p.indent
	if !n.yaml.flow {
		p.indent = column(p.text, n.yaml.body)
	}
	return func() { p.indent = outer }
}

// lineStart returns where the line of an offset begins, after a byte order mark.
func lineStart(text string, at int) int {
	begin := strings.LastIndexAny(text[:at], "\r\n") + 1
	if begin == 0 && strings.HasPrefix(text, bom) {
		return len(bom)
	}
	return begin
}

// column returns how many bytes precede an offset in its line.
func column(text string, at int) int { return at - lineStart(text, at) }

// dash returns the offset of the dash of an element of a block whose first dash
// is at first, -1 if there is none.
func (p *yamlParser) dash(at, first int) int {
	col := column(p.text, first)
	for line := lineStart(p.text, at); ; {
		if i := line + col; i < len(p.text) && i <= at && p.text[i] == '-' && (i+1 == len(p.text) || strings.ContainsRune(" \t\r\n", rune(p.text[i+1]))) {
			return i
		}
		if line <= first {
			return -1
		}
		line--
		if line > 0 && p.text[line] == '\n' && p.text[line-1] == '\r' {
			line--
		}
		line = lineStart(p.text, line)
	}
}

// collectionEnd finds the closing bracket of a flow collection, and checks that
// the value begins as it should.
func (p *yamlParser) collectionEnd(n *Node, open, end byte) error {
	if !n.yaml.flow {
		n.end = max(n.end, n.yaml.body)
		return nil
	}
	at := n.yaml.body
	if at == len(p.text) || p.text[at] != open {
		if len(n.fields) == 1 { // a: b in a list
			return nil
		}
		return p.fail(n.start, "cannot find the beginning of this value: write it in another way")
	}
	at++
	if n.Len() > 0 {
		at = n.end
	}
	for at = p.skip(at); at < len(p.text) && p.text[at] == ','; {
		at = p.skip(at + 1)
	}
	if at == len(p.text) || p.text[at] != end {
		return p.fail(n.start, "cannot find the end of this value: write it in another way")
	}
	n.end = at + 1
	return nil
}

// alias returns a copy of the value that an alias repeats, in the alias's place.
func (p *yamlParser) alias(n *Node, v *yaml.Node) (*Node, error) {
	of := p.anchors[v.Alias]
	if of == nil {
		return nil, p.fail(n.start, "the alias *%s is inside the value that it repeats", v.Value)
	}
	c := of.copy(nil)
	if p.aliased += count(c); p.aliased > maxAliased {
		return nil, p.fail(n.start, "aliases repeat more than %d values", maxAliased)
	}
	c.src, c.made, c.start = n.src, false, n.start
	c.yaml = &yamlNode{body: n.start, alias: true, of: of.start}
	for c.end = c.start + 1; c.end < len(p.text) && !strings.ContainsRune(" \t\r\n,[]{}", rune(p.text[c.end])); c.end++ {
	}
	settle(c)
	return c, nil
}

// settle records that a copy is as in the source.
func settle(n *Node) {
	n.edited = false
	for v := range n.values() {
		settle(v)
	}
}

func count(n *Node) int {
	sum := 1
	for v := range n.values() {
		sum += count(v)
	}
	return sum
}

// functions are the intrinsic functions whose short tags YAML templates use.
// Source: AWS CloudFormation User Guide, "Intrinsic function reference".
var functions = map[string]string{
	"!Ref": "Ref", "!Condition": "Condition",
	"!And": "Fn::And", "!Base64": "Fn::Base64", "!Cidr": "Fn::Cidr", "!Equals": "Fn::Equals",
	"!FindInMap": "Fn::FindInMap", "!GetAZs": "Fn::GetAZs", "!GetAtt": "Fn::GetAtt", "!If": "Fn::If",
	"!ImportValue": "Fn::ImportValue", "!Join": "Fn::Join", "!Length": "Fn::Length", "!Not": "Fn::Not",
	"!Or": "Fn::Or", "!Select": "Fn::Select", "!Split": "Fn::Split", "!Sub": "Fn::Sub",
	"!ToJsonString": "Fn::ToJsonString", "!Transform": "Fn::Transform",
}

// tagged returns a value with its tag, as an object if that is a short tag.
func tagged(n *Node, tag string) *Node {
	name, known := functions[tag]
	if !known {
		if !strings.HasPrefix(tag, "!!") {
			n.tag = tag
		}
		return n
	}
	outer := &Node{kind: Object, src: n.src, names: n.names, start: n.start, end: n.end, yaml: &yamlNode{body: n.yaml.body, short: true, anchor: n.yaml.anchor}}
	n.start = n.yaml.body
	if n.kind != Object && n.kind != Array {
		n.kind = String
		if n.text == "null" && n.end == n.start {
			n.text = ""
		}
	}
	if resource, attribute, ok := strings.Cut(n.text, "."); tag == "!GetAtt" && n.kind == String && ok {
		n.kind, n.text = Array, ""
		n.add(scalar(String, resource))
		n.add(scalar(String, attribute))
		settle(n)
	}
	outer.put(name, n)
	return outer
}

// see records how a list below a key is laid out, and how far in a block is.
func (p *yamlParser) see(n, value *Node) {
	if n.yaml.flow || value.yaml.alias || value.yaml.short || value.Len() == 0 {
		return
	}
	if value.kind == Array && leaf(value) {
		if value.yaml.flow {
			p.arrays[0]++
		} else {
			p.arrays[1]++
		}
	}
	if value.yaml.flow {
		return
	}
	switch step := column(p.text, value.yaml.body) - column(p.text, n.yaml.body); {
	case value.kind == Array && step == 0:
		p.compact++
	case value.kind == Array:
		p.spread++
	case p.unit == 0:
		p.unit = step
	}
}

// leaf reports whether a list or object holds nothing but scalars.
func leaf(n *Node) bool {
	for v := range n.values() {
		if v.kind >= Array {
			return false
		}
	}
	return true
}

func (p *yamlParser) style() {
	y := p.src.yaml
	y.unit = p.unit
	if y.unit < 2 || y.unit > 8 {
		y.unit = 2
	}
	y.compact = p.compact > p.spread
	y.single = p.quotes[0] > p.quotes[1]
	y.flatArrays = p.arrays[0] > p.arrays[1]
	p.src.style = pretty
	if i := strings.IndexByte(p.text, '\n'); i > 0 && p.text[i-1] == '\r' {
		p.src.style.newline = "\r\n"
	}
}

// notOfATag reports whether no tag may have a character. The parser has decoded those
// that were percent-encoded.
func notOfATag(r rune) bool {
	return r <= ' ' || unicode.IsControl(r) || strings.ContainsRune(",[]{}", r)
}
