package transform

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// A message goes from the payload into the record as it is written, the inside of
// a JSON string: most messages are never unescaped. The functions here work on
// such escaped text in its canonical form, the one that JSON.stringify writes:
// two-character escapes where they exist, \u00xx for other control characters,
// \udxxx for a lone surrogate, and every other character as itself.

// appendCanonical appends escaped text in its canonical form. lone reports whether
// it holds a lone surrogate.
func appendCanonical(dst, s []byte) (out []byte, lone bool) {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...), lone
		}
		dst = append(dst, s[:i]...)
		r, n := unescape(s[i:])
		lone = lone || isSurrogate(r)
		dst = appendEscaped(dst, r)
		s = s[i+n:]
	}
}

const hexDigits = "0123456789abcdef"

func appendEscaped(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\b':
		return append(dst, `\b`...)
	case r == '\f':
		return append(dst, `\f`...)
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r < 0x20 || isSurrogate(r):
		return append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

func isSurrogate(r rune) bool { return 0xd800 <= r && r <= 0xdfff }

// unescape reads the escape at the start of s (valid JSON). A pair of surrogates is
// one character; a lone surrogate is returned as it is.
func unescape(s []byte) (r rune, n int) {
	switch s[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ = hex4(s, 2)
		if r >= 0xd800 && r <= 0xdbff && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if low, _ := hex4(s, 8); low >= 0xdc00 && low <= 0xdfff {
				return (r-0xd800)<<10 | (low - 0xdc00) + 0x10000, 12
			}
		}
		return r, 6
	}
	return rune(s[1]), 2
}

// appendUnescaped appends the characters of escaped text. A lone surrogate, which
// has no form in UTF-8, takes three bytes as if it had one; replaceLoneSurrogates
// or escapeLoneSurrogates must deal with it.
func appendUnescaped(dst, s []byte) []byte {
	dst = slices.Grow(dst, len(s)+8)
	d := dst[len(dst):cap(dst)]
	i, j := 0, 0
	for i < len(s) {
		// Eight bytes at a time, then on from the backslash among them: what was
		// copied after it is overwritten.
		if i+8 <= len(s) {
			x := binary.LittleEndian.Uint64(s[i:])
			binary.LittleEndian.PutUint64(d[j:], x)
			m := (x ^ lows*'\\' - lows) & ^(x ^ lows*'\\') & highs
			n := bits.TrailingZeros64(m) / 8 // 8 if there is none
			i += n
			j += n
			if n == 8 {
				continue
			}
		} else if s[i] != '\\' {
			d[j] = s[i]
			i++
			j++
			continue
		}
		// Embedded JSON is mostly \": skip the general case for it.
		if c := s[i+1]; c == '"' || c == '\\' {
			d[j] = c
			i += 2
			j++
			continue
		}
		r, n := unescape(s[i:])
		if isSurrogate(r) {
			d[j], d[j+1], d[j+2] = 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f)
			j += 3
		} else {
			j += utf8.EncodeRune(d[j:], r)
		}
		i += n
	}
	return dst[:len(dst)+j]
}

// loneSurrogate finds the first lone surrogate that appendUnescaped left.
func loneSurrogate(b []byte) (at int, r rune) {
	for i := 0; i+2 < len(b); i++ {
		if b[i] == 0xed && b[i+1] >= 0xa0 {
			return i, 0xd000 | rune(b[i+1]&0x3f)<<6 | rune(b[i+2]&0x3f)
		}
	}
	return -1, 0
}

// replaceLoneSurrogates replaces lone surrogates by U+FFFD, as a UTF-8 encoder does.
func replaceLoneSurrogates(b []byte) {
	for {
		i, _ := loneSurrogate(b)
		if i < 0 {
			return
		}
		b = b[i+copy(b[i:], "\ufffd"):]
	}
}

// escapeLoneSurrogates appends JSON with lone surrogates as escapes.
func escapeLoneSurrogates(dst, b []byte) []byte {
	for {
		i, r := loneSurrogate(b)
		if i < 0 {
			return append(dst, b...)
		}
		dst = appendEscaped(append(dst, b[:i]...), r)
		b = b[i+3:]
	}
}

// next returns the first character of canonical text and its width; -1 at the end.
func next(s []byte) (r rune, width int) {
	switch {
	case len(s) == 0:
		return -1, 0
	case s[0] == '\\':
		return unescape(s)
	case s[0] < utf8.RuneSelf:
		return rune(s[0]), 1
	}
	return utf8.DecodeRune(s)
}

// isSpace reports whether r is white space to JavaScript's \s and trim: unlike
// unicode.IsSpace, U+FEFF is and U+0085 is not. Searches written for Sumo's
// function rely on its trimming.
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff:
		return true
	}
	return 0x2000 <= r && r <= 0x200a
}

func trimLeft(s []byte) []byte {
	for {
		r, n := next(s)
		if n == 0 || !isSpace(r) {
			return s
		}
		s = s[n:]
	}
}

// trim cuts white space off both ends of canonical text.
func trim(s []byte) []byte {
	s = trimLeft(s)
	for len(s) > 0 {
		n := lastSpace(s)
		if n == 0 {
			break
		}
		s = s[:len(s)-n]
	}
	return s
}

// lastSpace returns the width of the white space character at the end of canonical
// text, or 0.
func lastSpace(s []byte) int {
	c := s[len(s)-1]
	switch {
	case c >= utf8.RuneSelf:
		if r, n := utf8.DecodeLastRune(s); isSpace(r) {
			return n
		}
	case c == ' ':
		return 1
	case c == 'n' || c == 't' || c == 'r' || c == 'f':
		if escapedAt(s, len(s)-2) {
			return 2
		}
	case c == 'b':
		if n := len(s) - len(`\u000b`); n >= 0 && string(s[n:]) == `\u000b` && escapedAt(s, n) {
			return len(s) - n
		}
	}
	return 0
}

// escapedAt reports whether an escape starts at s[i]: a backslash that is not
// itself escaped.
func escapedAt(s []byte, i int) bool {
	n := 0
	for ; i >= 0 && s[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// cutNewline removes one trailing newline from canonical text.
func cutNewline(s []byte) []byte {
	if n := len(s) - 2; n >= 0 && s[n+1] == 'n' && escapedAt(s, n) {
		return s[:n]
	}
	return s
}
