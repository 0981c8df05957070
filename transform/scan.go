package transform

import (
	"encoding/binary"
	"math/bits"
)

// This file reads JSON (RFC 8259) without building anything from it. All
// scanners take a buffer and an index and return the index after what they read,
// or -1 if the text there is not valid JSON. They do not check UTF-8; Decode has
// done that for the whole document.

// maxDepth bounds nesting, and with it the stack. A message nested deeper is
// shipped as text. encoding/json reads one level more, which is the record around
// the message.
const maxDepth = 9_999

// What a scanned string holds besides plain characters.
const (
	hasEscape  = 1 << iota // a backslash
	hasUnicode             // \u or \/: perhaps not in canonical form, see appendCanonical
)

func scanSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanString reads the string whose opening quote is b[i].
func scanString(b []byte, i int) (end, flags int) {
	if i >= len(b) || b[i] != '"' {
		return -1, 0
	}
	i++
	for {
		// Eight bytes at a time up to the next quote, backslash or control
		// character: the lowest marked byte of each test is exact.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			m := ((x - lows*0x20) | (x ^ lows*'"' - lows) | (x ^ lows*'\\' - lows)) & ^x & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1, 0
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, flags
		case c < 0x20:
			return -1, 0
		case c != '\\':
			i++
			continue
		}
		if i+1 >= len(b) {
			return -1, 0
		}
		flags |= hasEscape
		switch b[i+1] {
		case '"', '\\', 'b', 'f', 'n', 'r', 't':
			i += 2
		case '/':
			flags |= hasUnicode
			i += 2
		case 'u':
			if _, ok := hex4(b, i+2); !ok {
				return -1, 0
			}
			flags |= hasUnicode
			i += 6
		default:
			return -1, 0
		}
	}
}

// hex4 reads the four hexadecimal digits of a \u escape.
func hex4(b []byte, i int) (v rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range b[i : i+4] {
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
		v = v<<4 | rune(c)
	}
	return v, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func scanNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

func scanWord(b []byte, i int, word string) int {
	if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
		return i + len(word)
	}
	return -1
}

// scanValue reads the value that starts at b[i], which is not white space.
// spaced reports whether there is white space between its tokens.
func scanValue(b []byte, i, depth int) (end int, spaced bool) {
	if i >= len(b) {
		return -1, false
	}
	switch c := b[i]; c {
	case '"':
		end, _ = scanString(b, i)
		return end, false
	case '{', '[':
		return scanNested(b, i, depth)
	case 't':
		return scanWord(b, i, "true"), false
	case 'f':
		return scanWord(b, i, "false"), false
	case 'n':
		return scanWord(b, i, "null"), false
	default:
		if c == '-' || isDigit(c) {
			return scanNumber(b, i), false
		}
		return -1, false
	}
}

// scanNested reads the object or array that starts at b[i].
func scanNested(b []byte, i, depth int) (end int, spaced bool) {
	if depth >= maxDepth {
		return -1, false
	}
	object, closing := b[i] == '{', b[i]+2 // '{'+2 is '}' and '['+2 is ']'
	space := func() {
		if j := scanSpace(b, i); j > i {
			i, spaced = j, true
		}
	}
	i++
	space()
	if i < len(b) && b[i] == closing {
		return i + 1, spaced
	}
	for {
		if object {
			if i, _ = scanString(b, i); i < 0 {
				return -1, false
			}
			space()
			if i >= len(b) || b[i] != ':' {
				return -1, false
			}
			i++
			space()
		}
		var inner bool
		if i, inner = scanValue(b, i, depth+1); i < 0 {
			return -1, false
		}
		spaced = spaced || inner
		space()
		if i >= len(b) {
			return -1, false
		}
		switch b[i] {
		case ',':
			i++
			space()
		case closing:
			return i + 1, spaced
		default:
			return -1, false
		}
	}
}

// isJSON reports whether b is one JSON value with nothing but white space around
// it, which then is b[from:to].
func isJSON(b []byte) (from, to int, spaced, ok bool) {
	from = scanSpace(b, 0)
	to, spaced = scanValue(b, from, 0)
	if to < 0 || scanSpace(b, to) != len(b) {
		return 0, 0, false, false
	}
	return from, to, spaced, true
}

// appendCompact appends the valid JSON in b without the white space between
// its tokens; every other byte stays as it is.
func appendCompact(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		switch b[i] {
		case ' ', '\n', '\t', '\r':
			i++
		case '"':
			end, _ := scanString(b, i)
			dst = append(dst, b[i:end]...)
			i = end
		default:
			dst = append(dst, b[i])
			i++
		}
	}
	return dst
}

// scanObject reads the object that starts at b[i]. It calls value with each key, as
// written, quotes included, and the index of its value; value returns the index
// after it, or -1 to stop.
func scanObject(b []byte, i int, value func(key []byte, i int) int) int {
	if i >= len(b) || b[i] != '{' {
		return -1
	}
	if i = scanSpace(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		from := i
		if i, _ = scanString(b, i); i < 0 {
			return -1
		}
		key := b[from:i]
		if i = scanSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = value(key, scanSpace(b, i+1)); i < 0 {
			return -1
		}
		if i = scanSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = scanSpace(b, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// scanArray reads the array that starts at b[i]. It calls element with the index of
// each element; element returns the index after it, or -1 to stop.
func scanArray(b []byte, i int, element func(i int) int) int {
	if i >= len(b) || b[i] != '[' {
		return -1
	}
	if i = scanSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = element(i); i < 0 {
			return -1
		}
		if i = scanSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = scanSpace(b, i+1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// keyIs reports whether the JSON string key, quotes included, spells name.
func keyIs(key []byte, name string) bool {
	if len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
		return true
	}
	end, flags := scanString(key, 0)
	return end == len(key) && flags != 0 && string(appendUnescaped(nil, key[1:len(key)-1])) == name
}
