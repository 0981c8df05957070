package transform

import (
	"bytes"
	"strconv"
)

// redacted takes the place of a value that a rule redacts.
const redacted = `"[REDACTED]"`

// hideText returns canonical text with what the masks of the rule find replaced. It
// is valid until the next event.
func (w *writer) hideText(s []byte) []byte {
	masks := w.from.rule.Masks
	if masks == nil {
		return s
	}
	var n int
	if w.hidden, n = masks.Append(w.hidden[:0], w.plain(s), nil); n == 0 {
		return s
	}
	w.escaped = appendEscapedText(w.escaped[:0], w.hidden)
	return w.escaped
}

// hideJSON returns compact, valid JSON with what the rule redacts, and what its masks
// find in strings that are not keys, replaced. It is JSON again, and valid until the
// next call. If nothing is replaced it is value itself.
func (w *writer) hideJSON(value []byte) []byte {
	if redact := w.from.rule.Redact; len(redact) > 0 && (value[0] == '{' || value[0] == '[') {
		if w.redacted = appendRedacted(w.redacted[:0], value, redact); !bytes.Equal(w.redacted, value) {
			value = w.redacted
		}
	}
	return w.hideStrings(value)
}

// hideMember returns the value of another member of the event than its message,
// which CloudWatch Logs does not write. The message may be in the scratch buffers.
func (w *writer) hideMember(value []byte) []byte {
	text, hidden, escaped := w.text, w.hidden, w.escaped
	w.text, w.hidden, w.escaped = nil, nil, nil
	value = w.hideStrings(appendCompact(nil, value))
	w.text, w.hidden, w.escaped = text, hidden, escaped
	return value
}

func (w *writer) hideStrings(value []byte) []byte {
	rule := w.from.rule
	if rule.Masks == nil || bytes.IndexByte(value, '\\') < 0 && !rule.Masks.May(value) {
		return value
	}
	out, changed := w.escaped[:0], false
	var key []byte
	for i := 0; i < len(value); {
		next := bytes.IndexByte(value[i:], '"')
		if next < 0 {
			out = append(out, value[i:]...)
			break
		}
		out = append(out, value[i:i+next]...)
		i += next
		end, flags := scanString(value, i)
		text := value[i+1 : end-1]
		if end < len(value) && value[end] == ':' {
			key = text
			out = append(out, value[i:end]...)
			i = end
			continue
		}
		if flags != 0 {
			w.text = appendUnescaped(w.text[:0], text)
			replaceLoneSurrogates(w.text)
			text = w.text
		}
		var n int
		if w.hidden, n = rule.Masks.Append(w.hidden[:0], text, key); n == 0 {
			out = append(out, value[i:end]...)
		} else {
			changed = true
			out = append(appendEscapedText(append(out, '"'), w.hidden), '"')
		}
		i = end
	}
	if w.escaped = out; changed {
		return out
	}
	return value
}

// appendEscapedText appends text as the inside of a JSON string.
func appendEscapedText(dst, text []byte) []byte {
	from := 0
	for i, c := range text {
		if c == '"' || c == '\\' || c < 0x20 {
			dst = append(dst, text[from:i]...)
			dst = appendEscaped(dst, rune(c))
			from = i + 1
		}
	}
	return append(dst, text[from:]...)
}

// appendRedacted appends compact JSON with the values at paths replaced. A path that
// is nil ends here.
func appendRedacted(dst, value []byte, paths [][]string) []byte {
	for _, p := range paths {
		if len(p) == 0 {
			return append(dst, redacted...)
		}
	}
	if len(paths) == 0 || value[0] != '{' && value[0] != '[' {
		return append(dst, value...)
	}
	from, n := 0, 0
	item := func(key []byte, i int) int {
		end, _ := scanValue(value, i, 0)
		var rest [][]string
		for _, p := range paths {
			if p[0] == "*" || key != nil && keyIs(key, p[0]) || key == nil && p[0] == decimal(n) {
				rest = append(rest, p[1:])
			}
		}
		n++
		if len(rest) > 0 {
			dst = append(dst, value[from:i]...)
			dst = appendRedacted(dst, value[i:end], rest)
			from = end
		}
		return end
	}
	if value[0] == '{' {
		scanObject(value, 0, item)
	} else {
		scanArray(value, 0, func(i int) int { return item(nil, i) })
	}
	return append(dst, value[from:]...)
}

func decimal(n int) string { return strconv.Itoa(n) }
