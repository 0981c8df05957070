package mask

import (
	"bytes"
	"net/netip"
)

func ipv4(text, _ []byte, from int) (start, end int) {
	for i := from; ; {
		n := bytes.IndexByte(text[i:], '.')
		if n < 0 {
			return -1, -1
		}
		i += n
		if i == from || !digit(text[i-1]) || !digit(at(text, i+1)) {
			i++
			continue
		}
		start = i
		for start > from && (digit(text[start-1]) || text[start-1] == '.') && i-start < 4 {
			start--
		}
		// All of the numbers and dots belong together: a version of five parts
		// has no address in it.
		parts := 0
		octets := true
		for end = start; digit(at(text, end)); {
			digits := end
			end = run(text, end, len(text), digit)
			parts++
			octets = octets && octet(text[digits:end])
			if at(text, end) != '.' || !digit(at(text, end+1)) {
				break
			}
			end++
		}
		if parts == 4 && octets && !versionBefore(text, start, end) {
			if c := at(text, start-1); !alnum(c) && c != '_' && c != '.' && !letter(at(text, end)) && at(text, end) != '_' {
				return start, end
			}
		}
		i = max(end, i+1)
	}
}

func octet(digits []byte) bool {
	if len(digits) > 3 || len(digits) > 1 && digits[0] == '0' {
		return false
	}
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n < 256
}

// versionBefore reports whether an address is a version: after the word, or after a
// product (Chrome/120.0.0.0), where a host (web/10.0.0.1) does not end in zeros.
func versionBefore(text []byte, start, end int) bool {
	before := text[max(0, start-9):start]
	before = bytes.TrimRight(before, ` :="'`)
	if bytes.HasSuffix(bytes.ToLower(before), []byte("version")) {
		return true
	}
	return at(text, start-1) == '/' && letter(at(text, start-2)) && bytes.HasSuffix(text[start:end], []byte(".0.0"))
}

// maxIPv6 is the length of the longest address, one with an IPv4 address at its
// end.
const maxIPv6 = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

func ipv6(text, _ []byte, from int) (start, end int) {
	for i := from; ; {
		n := bytes.IndexByte(text[i:], ':')
		if n < 0 {
			return -1, -1
		}
		i += n
		if next := at(text, i+1); !hex(next) && next != ':' {
			i++
			continue
		}
		start = i
		for start > from && i-start <= 4 && hex(text[start-1]) {
			start--
		}
		end = run(text, start, 2*maxIPv6, func(c byte) bool { return hex(c) || c == ':' || c == '.' })
		whole := end
		for end > start && (text[end-1] == '.' || text[end-1] == ':' && at(text, end-2) != ':') {
			end--
		}
		before, after := at(text, start-1), at(text, whole)
		if !alnum(before) && before != ':' && before != '_' && !alnum(after) && after != '_' && isIPv6(text[start:end]) {
			return start, end
		}
		i = max(whole, i+1)
	}
}

// isIPv6 reports whether text is an address. One without a digit (face::bad) is
// the name of something, and eight pairs of digits are a number of eight bytes.
func isIPv6(text []byte) bool {
	if len(text) > maxIPv6 || bytes.IndexFunc(text, func(r rune) bool { return r < 128 && digit(byte(r)) }) < 0 ||
		len(text) == len("00:00:00:00:00:00:00:00") && pairs(text) ||
		bytes.Count(text, []byte(":")) < 7 && !bytes.Contains(text, []byte("::")) && bytes.IndexByte(text, '.') < 0 {
		return false
	}
	a, err := netip.ParseAddr(string(text))
	return err == nil && a.Is6()
}

// pairs reports whether text is pairs of characters with a colon between them.
func pairs(text []byte) bool {
	for i, c := range text {
		if (c == ':') != (i%3 == 2) {
			return false
		}
	}
	return true
}
