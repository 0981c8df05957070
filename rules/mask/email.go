package mask

import (
	"bytes"
	"unicode/utf8"
)

// Lengths of an address. Source: RFC 5321, 4.5.3.1.
const (
	maxLocal  = 64
	maxDomain = 255
)

func localPart(c byte) bool {
	return alnum(c) || c >= utf8.RuneSelf || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c == '\''
}

func email(text, _ []byte, from int) (start, end int) {
	for i := from; ; i++ {
		n := bytes.IndexByte(text[i:], '@')
		if n < 0 {
			return -1, -1
		}
		i += n
		if start, end = addressAt(text, from, i, i+1); start >= 0 {
			return start, end
		}
	}
}

// encodedEmail finds addresses in the query of a URL.
func encodedEmail(text, _ []byte, from int) (start, end int) {
	for i := from; ; i++ {
		n := bytes.Index(text[i:], []byte("%40"))
		if n < 0 {
			return -1, -1
		}
		i += n
		if start, end = addressAt(text, from, i, i+3); start >= 0 {
			return start, end
		}
	}
}

// addressAt returns the address whose local part ends at local and whose domain
// starts at domain.
func addressAt(text []byte, from, local, domain int) (start, end int) {
	start = local
	for start > from && local-start < maxLocal && localPart(text[start-1]) {
		start--
	}
	for start < local && !alnum(text[start]) && text[start] != '_' && !utf8.RuneStart(text[start]) || start < local && bytes.IndexByte([]byte(".%+-'"), text[start]) >= 0 {
		start++
	}
	if start == local || text[local-1] == '.' {
		return -1, -1
	}
	// The labels of the domain; end is after the last that can be the top level.
	end = -1
	labels := 0
	for i := domain; i < len(text) && i-domain < maxDomain; {
		label := i
		i = run(text, i, maxLocal, func(c byte) bool { return alnum(c) || c == '-' || c >= utf8.RuneSelf })
		name := text[label:i]
		if len(name) == 0 || name[0] == '-' {
			break
		}
		if labels++; labels > 1 && topLevel(name) {
			end = label + len(bytes.TrimRight(name, "-"))
		}
		if at(text, i) != '.' {
			break
		}
		i++
	}
	if end < 0 || !utf8.RuneStart(at(text, end)) || lookalike(text, start, local, domain, end) {
		return -1, -1
	}
	return start, end
}

// topLevel reports whether a label can be a top-level domain.
func topLevel(label []byte) bool {
	if bytes.HasPrefix(label, []byte("xn--")) {
		return true
	}
	label = bytes.TrimRight(label, "-")
	for _, c := range label {
		if !letter(c) && c < utf8.RuneSelf {
			return false
		}
	}
	return len(label) >= 2 && len(label) <= 24
}

// lookalike reports whether what has the form of an address is a version
// (module@v1.2.3-rc.a), an instance of a systemd unit, an image for a dense
// screen (icon@2x.png), or the user of a Git remote (git@host:path).
func lookalike(text []byte, start, local, domain, end int) bool {
	name := text[domain:end]
	i := 0
	if name[0] == 'v' {
		i = 1
	}
	if n := run(name, i, maxLocal, digit); n > i && at(name, n) == '.' && digit(at(name, n+1)) {
		return true
	}
	last := name[bytes.LastIndexByte(name, '.')+1:]
	switch string(last) {
	case "service", "socket", "timer", "mount", "target", "slice", "scope", "png", "jpg", "jpeg", "gif", "svg", "webp":
		return true
	}
	return string(text[start:local]) == "git" && at(text, end) == ':'
}
