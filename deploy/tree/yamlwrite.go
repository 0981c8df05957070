package tree

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// splice replaces a span of the source.
type splice struct {
	start, end int
	text       string
}

// yamlBytes returns a value of a YAML document: the source with the edits. It
// reads the result again, and lays the value out anew if that differs: splicing
// does not understand every construct of YAML.
func (n *Node) yamlBytes() []byte {
	out := n.spliced()
	if !n.edited && (n.parent == nil || n.parent.virtual) {
		return out
	}
	if again, err := ParseYAML(out, n.names); err == nil && Equal(n, again) {
		return out
	}
	w := &yamlWriter{y: n.src.yaml, newline: n.src.style.newline}
	if n.kind >= Array && n.Len() > 0 {
		return []byte(w.block(n, 0, w.y.compact) + w.newline)
	}
	return []byte(w.inline(n, 0) + w.newline)
}

// spliced returns the source of a value with the edits.
func (n *Node) spliced() []byte {
	w := &yamlWriter{text: n.src.text, y: n.src.yaml, newline: n.src.style.newline, anchors: map[int]bool{}}
	begin, end := 0, len(w.text)
	document := n.parent == nil || n.parent.virtual
	if !document {
		begin, end = n.yaml.body, n.end
		if comment := strings.TrimLeft(w.text[end:lineEnd(w.text, end)], " \t"); strings.HasPrefix(comment, "#") && !n.yaml.flow {
			end = lineEnd(w.text, end)
		}
		if n.yaml.short || n.yaml.alias || n.tag != "" {
			begin = n.start
		}
	}
	w.root = begin
	w.survey(n)
	w.value(n)
	out := w.apply(begin, end)
	if document {
		return []byte(out)
	}
	out = shift(out, strings.Repeat(" ", column(w.text, begin)), "")
	return []byte(strings.TrimRight(out, "\r\n") + w.newline)
}

type yamlWriter struct {
	text    string
	y       *yamlSource
	newline string
	root    int          // offset of the value that is written
	anchors map[int]bool // offsets of anchored values that are as they were
	splices []splice
}

// survey finds the anchored values that aliases can still repeat.
func (w *yamlWriter) survey(n *Node) {
	if n.yaml == nil || n.yaml.alias {
		return
	}
	if n.yaml.anchor && !n.edited && n.start >= w.root {
		w.anchors[n.start] = true
	}
	for v := range n.values() {
		w.survey(v)
	}
}

func (w *yamlWriter) splice(start, end int, text string) {
	w.splices = append(w.splices, splice{start, end, text})
}

// apply returns a span of the source with the splices. They do not overlap.
func (w *yamlWriter) apply(begin, end int) string {
	slices.SortStableFunc(w.splices, func(a, b splice) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return a.end - b.end
	})
	var b strings.Builder
	for _, s := range w.splices {
		b.WriteString(w.text[begin:max(begin, s.start)])
		b.WriteString(s.text)
		begin = max(begin, s.end)
	}
	b.WriteString(w.text[min(begin, max(begin, end)):max(begin, end)])
	return b.String()
}

// value splices the edits of a value.
func (w *yamlWriter) value(n *Node) {
	switch {
	case n.yaml == nil: // below an alias
	case n.yaml.alias:
		if n.edited || !w.anchors[n.yaml.of] {
			w.replace(n)
		}
	case n.made:
		w.replace(n)
	case n.yaml.short && (len(n.fields) != 1 || n.fields[0].value.yaml == nil || n.fields[0].value.made):
		w.replace(n)
	case n.edited && n.kind >= Array && !n.yaml.short:
		w.collection(n)
	default:
		for v := range n.values() {
			w.value(v)
		}
	}
}

// replace writes a value in place of the one in the source.
func (w *yamlWriter) replace(n *Node) {
	around := n.parent // that is in the source
	for around != nil && around.yaml != nil && around.yaml.short {
		around = around.parent
	}
	switch {
	case around == nil || around.virtual:
		column := column(w.text, n.start)
		switch {
		case n.kind < Array || n.Len() == 0:
			w.put(n.start, n.end, w.inline(n, quoteOf(w.text, n)))
		case strings.TrimLeft(w.text[n.start-column:n.start], " ") != "": // behind ---
			w.put(n.start, n.end, w.newline+w.block(n, 0, w.y.compact))
		default:
			w.put(n.start, n.end, w.block(n, column, w.y.compact))
		}
	case around.yaml.flow || n.parent != around:
		quote := quoteOf(w.text, n)
		if quote == 0 {
			quote = keyQuote(w.text, n)
		}
		w.put(n.start, n.end, w.inline(n, quote))
	default:
		w.replaceInBlock(n, around)
	}
}

// replaceInBlock writes a value behind its colon or dash in the block around. The
// white space and the comments between them stay where they can.
func (w *yamlWriter) replaceInBlock(n, around *Node) {
	from, end := w.behind(around, n), n.end
	quote, indent := quoteOf(w.text, n), column(w.text, around.yaml.body)
	value := w.after(n, indent, around.kind == Array, compactAt(w.text, n, indent, w.y.compact), quote, w.flat(n))
	gap := w.text[from:n.start]
	inLines := strings.Contains(value, "\n")
	if !inLines && gap != "" && !strings.ContainsAny(gap, "\r\n") {
		w.put(n.start, end, value[1:])
		return
	}
	comment := ""
	if i := strings.IndexByte(gap, '#'); i >= 0 {
		comment = " " + gap[i:lineEnd(gap, i)]
	}
	if rest := w.text[end:lineEnd(w.text, end)]; inLines && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#") {
		comment += rest
		end += len(rest)
	}
	value = w.commented(value, comment, indent)
	if quote == '|' && end == len(w.text) {
		value += w.newline // the last line of a text ends too
	}
	w.put(from, end, value)
}

// behind returns the offset behind the colon or the dash of a value in a block.
func (w *yamlWriter) behind(block, value *Node) int {
	for _, f := range block.fields {
		if f.value == value {
			return f.keyEnd + strings.IndexByte(w.text[f.keyEnd:], ':') + 1
		}
	}
	for _, e := range block.yaml.entries {
		if e.valueStart == value.start {
			return e.start + 1
		}
	}
	return value.start
}

// commented returns what goes behind a colon or a dash with a comment in its
// first line.
func (w *yamlWriter) commented(value, comment string, indent int) string {
	head, body, inLines := strings.Cut(value, w.newline)
	switch {
	case comment == "":
		return value
	case !inLines:
		return value + comment
	case head == "" || strings.HasPrefix(head, " |"):
		return head + comment + w.newline + body
	}
	return comment + w.newline + strings.Repeat(" ", indent+2) + value[1:] // of a block behind a dash
}

// put splices a value, with spaces where it would touch what is around it.
func (w *yamlWriter) put(start, end int, value string) {
	before := w.text[:start]
	touches := before != "" && before != bom && !strings.ContainsAny(before[len(before)-1:], " \t\r\n[{")
	if touches && !strings.ContainsAny(value[:1], " \r\n") {
		value = " " + value
	}
	if after := w.text[end:]; after != "" && !strings.ContainsAny(after[:1], " \t\r\n,]}") {
		value += " "
	}
	w.splice(start, end, value)
}

// compactAt reports whether the dashes of a list in the source are below its key;
// other is returned for a value without dashes.
func compactAt(text string, n *Node, parent int, other bool) bool {
	if len(n.yaml.entries) == 0 || n.yaml.flow {
		return other
	}
	return column(text, n.yaml.entries[0].start) == parent
}

// collection splices the edits of an object or array of the source.
func (w *yamlWriter) collection(n *Node) {
	stays := make(map[int]*Node, n.Len()) // by the start of its entry's value
	var added []part
	for _, f := range n.fields {
		if f.keyEnd > f.keyStart {
			stays[f.value.start] = f.value
		} else {
			added = append(added, part{key: f.name, value: f.value})
		}
	}
	for _, item := range n.items {
		if item.src != nil {
			stays[item.start] = item
		} else {
			added = append(added, part{value: item})
		}
	}
	if len(stays) == 0 {
		w.replace(n)
		return
	}
	var last entry
	any := false
	for i, e := range n.yaml.entries {
		child := stays[e.valueStart]
		switch {
		case child != nil:
			w.value(child)
			last, any = e, true
		case n.yaml.flow && any:
			gap := ""
			if endsEmpty(stays[last.valueStart]) {
				gap = " " // else its colon would be part of the key
			}
			w.splice(n.yaml.entries[i-1].end, e.end, gap)
		case n.yaml.flow:
			w.splice(e.start, n.yaml.entries[i+1].start, "")
		default:
			w.deleteLines(n, i, any)
		}
	}
	switch {
	case len(added) == 0:
	case n.yaml.flow:
		w.addFlow(n, added, last, stays[last.valueStart])
	default:
		w.addLines(n, added, last, stays[last.valueStart])
	}
}

// endsEmpty reports whether a value ends with a colon and nothing after it.
func endsEmpty(n *Node) bool {
	for len(n.fields) > 0 && n.yaml != nil && n.yaml.flow {
		n = n.fields[len(n.fields)-1].value
	}
	return n.kind == Null && n.src != nil && n.start == n.end
}

// addFlow adds members or elements to a flow collection, behind the last entry
// that stays and its value.
func (w *yamlWriter) addFlow(n *Node, added []part, last entry, value *Node) {
	separator, first := ", ", n.yaml.entries[0].start
	pair := n.kind == Object && w.text[n.yaml.body] != '{' // in a list, without braces
	if pair {
		w.splice(n.yaml.body, n.yaml.body, "{")
	} else if gap := w.text[n.yaml.body+1 : first]; strings.Contains(gap, "\n") {
		separator = "," + w.newline + strings.Repeat(" ", column(w.text, first))
	}
	if endsEmpty(value) {
		separator = " " + separator
	}
	for _, p := range added {
		text := separator
		if n.kind == Object {
			text += w.key(p.key, w.text[last.start]) + ": "
		}
		w.splice(last.end, last.end, text+w.inline(p.value, w.text[last.start]))
	}
	if pair {
		w.splice(last.end, last.end, "}")
	}
}

// addLines adds members or elements to a block, below the last entry that stays
// and its value.
func (w *yamlWriter) addLines(n *Node, added []part, last entry, value *Node) {
	indent := column(w.text, n.yaml.body)
	inside := indent + 1 // where a comment is about the value
	if value.kind == Array && value.yaml != nil && !value.yaml.flow && !value.yaml.short && column(w.text, value.yaml.body) == indent {
		inside = indent // its dashes are below its key
	}
	at := w.belowComments(lineEnd(w.text, last.end), inside)
	if at == len(w.text) {
		w.seal(value)
	}
	for _, p := range added {
		text := w.newline + strings.Repeat(" ", indent)
		if n.kind == Object {
			text += w.key(p.key, w.text[last.start]) + ":"
		} else {
			text += "-"
		}
		w.splice(at, at, text+w.after(p.value, indent, n.kind == Array, w.y.compact, 0, w.flat(p.value)))
	}
}

// belowComments returns the end of the comments that follow the line that ends at an
// offset, as far as they are indented by as many columns, or more.
func (w *yamlWriter) belowComments(at, indent int) int {
	for end := at; end < len(w.text); {
		next := end + breakSize(w.text, end)
		end = lineEnd(w.text, next)
		switch line := strings.TrimLeft(w.text[next:end], " "); {
		case strings.TrimSpace(line) == "" && next < len(w.text): // between comments
		case strings.HasPrefix(line, "#") && end-next-len(line) >= indent:
			at = end
		default:
			return at
		}
	}
	return at
}

// deleteLines deletes the lines of an entry of a block. Comments above it stay.
func (w *yamlWriter) deleteLines(n *Node, i int, kept bool) {
	e := n.yaml.entries[i]
	first := n.yaml.entries[0].start
	line := lineStart(w.text, first)
	behindDash := strings.TrimLeft(w.text[line:first], " ") != ""
	if !kept && (behindDash || w.text[:line] == "" || w.text[:line] == bom) {
		w.splice(e.start, n.yaml.entries[i+1].start, "")
		return
	}
	begin := lineStart(w.text, e.start) - 1
	if begin > 0 && w.text[begin] == '\n' && w.text[begin-1] == '\r' {
		begin--
	}
	end := lineEnd(w.text, e.end)
	for { // spaces on the lines below could become part of a text in lines above
		next := end + breakSize(w.text, end)
		stop := lineEnd(w.text, next)
		if next == stop || strings.TrimLeft(w.text[next:stop], " ") != "" {
			break
		}
		end = stop
	}
	if end == len(w.text) && begin >= 0 { // what comes before still ends in a line break
		begin += breakSize(w.text, begin)
	}
	w.splice(begin, end, "")
}

// seal keeps a text in lines at the very end of a document, without a last line
// break, from gaining one when something follows it.
func (w *yamlWriter) seal(n *Node) {
	for n.Len() > 0 && n.yaml != nil && !n.yaml.alias {
		if n.kind == Array {
			n = n.items[len(n.items)-1]
		} else {
			n = n.fields[len(n.fields)-1].value
		}
	}
	if n.yaml == nil || n.made || n.end < len(w.text) || n.yaml.body >= n.end || isBreak(w.text, len(w.text)-1) {
		return
	}
	if c := w.text[n.yaml.body]; c != '|' && c != '>' {
		return
	}
	begin := n.yaml.body + 1
	end := begin
	for end < len(w.text) && strings.ContainsAny(w.text[end:end+1], "+-123456789") {
		end++
	}
	header := w.text[begin:end]
	if strings.HasSuffix(n.text, "\n") { // what is behind its last line break is white space
		if strings.Contains(header, "+") { // which would be a line of its own
			blank := strings.TrimSuffix(strings.TrimSuffix(strings.TrimRight(w.text, " \t"), "\n"), "\r")
			w.splice(len(blank), len(w.text), "")
		}
		return
	}
	w.splice(begin, end, strings.Trim(header, "+-")+"-")
}

// flat reports whether a new list is written on one line.
func (w *yamlWriter) flat(n *Node) bool {
	if n.yaml != nil && n.yaml.flow {
		return true
	}
	old := n.yaml != nil && len(n.yaml.entries) > 0
	return !old && n.kind == Array && leaf(n) && w.y.flatArrays
}

// after returns what follows a colon or a dash: a space and a value, or a line
// break and a block. The column is that of the key or dash.
func (w *yamlWriter) after(n *Node, column int, inArray, compact bool, quote byte, flat bool) string {
	if n.kind < Array || n.Len() == 0 || flat {
		if n.kind == String && quote == '|' && literal(n.text) {
			return w.literal(n.text, column+w.y.unit)
		}
		return " " + w.inline(n, quote)
	}
	if n.tag != "" {
		return " " + w.inline(n, quote)
	}
	if inArray {
		return " " + w.block(n, column+2, compact)
	}
	if n.kind == Object || !compact {
		column += w.y.unit
	}
	return w.newline + strings.Repeat(" ", column) + w.block(n, column, compact)
}

// block returns a list or object in lines. The first begins at column.
func (w *yamlWriter) block(n *Node, column int, compact bool) string {
	var b strings.Builder
	between := ""
	for _, f := range n.fields {
		b.WriteString(between + w.key(f.name, 0) + ":")
		b.WriteString(w.after(f.value, column, false, compact, 0, w.flat(f.value)))
		between = w.newline + strings.Repeat(" ", column)
	}
	for _, item := range n.items {
		b.WriteString(between + "-")
		b.WriteString(w.after(item, column, true, compact, 0, w.flat(item)))
		between = w.newline + strings.Repeat(" ", column)
	}
	return b.String()
}

// inline returns a value on one line.
func (w *yamlWriter) inline(n *Node, quote byte) string {
	var b strings.Builder
	if n.tag != "" {
		b.WriteString(n.tag + " ")
	}
	switch n.kind {
	case String:
		b.WriteString(w.scalar(n.text, quote))
	case Array:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(w.inline(item, quote))
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i, f := range n.fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(w.key(f.name, quote) + ": " + w.inline(f.value, quote))
		}
		b.WriteByte('}')
	default:
		b.WriteString(n.text)
	}
	return b.String()
}

// key returns a key, quoted like another key whose first byte is like.
func (w *yamlWriter) key(name string, like byte) string { return w.scalar(name, like) }

// plain is text that YAML takes without quotes everywhere, unless it is one of
// words.
var plain = regexp.MustCompile(`^[A-Za-z0-9_/.$(](?:[A-Za-z0-9_/.$()+=@%^~;-]|:[A-Za-z0-9_/.$()-]| [A-Za-z0-9_/.$(+=])*$`)

// words are what some version of YAML reads as a boolean, null or a number, those
// to the base of 60 included.
var words = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|~|[-+0-9:._]+)$`)

// scalar returns a string, in the quotes of like if that is a quote.
func (w *yamlWriter) scalar(s string, like byte) string {
	switch {
	case like != '"' && like != '\'' && plain.MatchString(s) && !words.MatchString(s) && (&yaml.Node{Kind: yaml.ScalarNode, Value: s}).ShortTag() == "!!str":
		return s
	case (like == '\'' || like != '"' && w.y.single) && printable(s):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	b := appendString(nil, s)
	for _, r := range s { // line breaks of YAML, and what is not printable there
		if r >= 0x80 && !printable(string(r)) {
			b = bytes.ReplaceAll(b, []byte(string(r)), fmt.Appendf(nil, "\\u%04x", r))
		}
	}
	return string(b)
}

// printable reports whether a string can be in single quotes.
func printable(s string) bool {
	for _, r := range s {
		if r < 0x20 || 0x7f <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}

// literal reports whether a text of several lines can be written as it is.
func literal(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasSuffix(body, "\n") || strings.TrimLeft(s, " \n") != s {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if !printable(line) {
			return false
		}
	}
	return true
}

// literal writes a text of several lines as it is, after a | or |-.
func (w *yamlWriter) literal(s string, column int) string {
	body, ended := strings.CutSuffix(s, "\n")
	b := " |"
	if !ended {
		b += "-"
	}
	for line := range strings.SplitSeq(body, "\n") {
		b += w.newline
		if line != "" {
			b += strings.Repeat(" ", column) + line
		}
	}
	return b
}

// keyQuote returns the quote of the key of a value in flow, 0 if there is none.
func keyQuote(text string, n *Node) byte {
	for ; n.parent != nil; n = n.parent {
		for _, f := range n.parent.fields {
			if f.value == n && f.keyEnd > f.keyStart && (text[f.keyStart] == '"' || text[f.keyStart] == '\'') {
				return text[f.keyStart]
			}
		}
		if n.parent.kind == Object {
			break
		}
	}
	return 0
}

// quoteOf returns how the old value of a node is written: a quote, | for a text in
// lines, or 0.
func quoteOf(text string, n *Node) byte {
	if n.yaml == nil || n.yaml.alias || n.yaml.short || n.yaml.body >= len(text) || n.end == n.start {
		return 0
	}
	switch c := text[n.yaml.body]; c {
	case '"', '\'', '|':
		return c
	case '>':
		return '|'
	}
	return 0
}
