package transform

import (
	"bytes"
	"strings"
	"unicode"
)

// AWS Lambda writes the request id into its platform lines (START, END,
// REPORT) and, for some runtimes, in front of every line:
//
//	2016-11-10T23:11:54.523Z	108af3bb-a79b-11e6-8bd7-91c363cc05d9	INFO	message
//
// Sumo's function makes it a field of the record and cuts that prefix; so do we,
// but only if the id is a UUID: "JAZZ music" has none.

const uuidLen = 36

// uuid returns the UUID at the start of s, or nil if there is none or it is part of
// a longer word.
func uuid(s []byte) []byte {
	if len(s) < uuidLen {
		return nil
	}
	for i, c := range s[:uuidLen] {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return nil
			}
		default:
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return nil
			}
		}
	}
	if len(s) > uuidLen && isWord(s[uuidLen]) {
		return nil
	}
	return s[:uuidLen]
}

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '-'
}

// requestID returns the first UUID in canonical text that follows "RequestId:", or
// the Z of a time, and white space.
func requestID(s []byte) []byte {
	label := []byte("RequestId:")
	at := func(after int) []byte {
		rest := trimLeft(s[after:])
		if len(rest) == len(s)-after {
			return nil
		}
		return uuid(rest)
	}
	limit := len(s)
	var found []byte
	for i := 0; ; {
		n := bytes.Index(s[i:], label)
		if n < 0 {
			break
		}
		i += n + len(label)
		if found = at(i); found != nil {
			limit = i
			break
		}
	}
	for i := 0; ; {
		n := bytes.IndexByte(s[i:limit], 'Z')
		if n < 0 {
			return found
		}
		i += n + 1
		if id := at(i); id != nil {
			return id
		}
	}
}

// The log levels of Lambda's runtimes.
// Source: AWS Lambda Developer Guide, "Log-level filtering".
var levels = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

// cutConsole cuts the prefix of a Lambda console line off canonical text: time,
// request id and, if the next word is one of levels, level. ok is false if there
// is no such prefix.
func cutConsole(s []byte) (id []byte, level string, rest []byte, ok bool) {
	// Only the separator of the milliseconds may be any character (of the basic
	// plane, as in JavaScript): some loggers write a comma.
	const date, millis = "dddd-dd-ddTdd:dd:dd", "dddZ"
	if !shaped(s, date) {
		return nil, "", s, false
	}
	r, n := next(s[len(date):])
	if n == 0 || r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029 || r > 0xffff {
		return nil, "", s, false
	}
	rest = s[len(date)+n:]
	if !shaped(rest, millis) {
		return nil, "", s, false
	}
	rest = rest[len(millis):]
	if r, n = next(rest); !isSpace(r) {
		return nil, "", s, false
	}
	if id = uuid(rest[n:]); id == nil {
		return nil, "", s, false
	}
	rest = rest[n+uuidLen:]
	if r, n = next(rest); !isSpace(r) {
		return nil, "", s, false
	}
	rest = rest[n:]
	for _, l := range levels {
		if after, found := bytes.CutPrefix(rest, []byte(l)); found {
			if r, _ := next(after); r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return id, l, after, true
			}
		}
	}
	return id, "", rest, true
}

// shaped reports whether s starts with pattern, in which d stands for a digit.
func shaped(s []byte, pattern string) bool {
	if len(s) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if c := pattern[i]; c == 'd' && !isDigit(s[i]) || c != 'd' && c != s[i] {
			return false
		}
	}
	return true
}

// byLambda reports whether a log stream is one of AWS Lambda: in its usual log
// group, or of the form YYYY/MM/DD/[VERSION]ID or YYYY/MM/DD/NAME[VERSION]ID.
//
// Source: AWS Lambda Developer Guide, "Configuring CloudWatch log groups".
func byLambda(group, stream string) bool {
	if strings.HasPrefix(group, "/aws/lambda/") {
		return true
	}
	const date = "dddd/dd/dd/"
	if len(stream) < len(date)+32 || !shaped([]byte(stream[:len(date)]), date) {
		return false
	}
	name, id := stream[len(date):len(stream)-32], stream[len(stream)-32:]
	return strings.Contains(name, "[") && strings.HasSuffix(name, "]") && strings.Trim(id, "0123456789abcdef") == ""
}

// platformLine reports whether a message begins as those lines of Lambda that name
// their request.
func platformLine(body []byte) bool {
	for _, word := range [...]string{"START", "END", "REPORT"} {
		if rest, ok := bytes.CutPrefix(body, []byte(word)); ok {
			return bytes.HasPrefix(rest, []byte(" RequestId: "))
		}
	}
	return false
}

// ids tracks the request id through the events of one batch: a line without one
// belongs to the request of the line before it, until a REPORT line ends that
// request.
type ids struct {
	current [uuidLen]byte
	known   bool
}

// of returns the id of the next event. The result is nil if the event has no id or
// only a requestID member, which Rebuild adds to an event separated from the line
// with its id.
func (x *ids) of(e *event) (id []byte) {
	switch {
	case e.own != nil && e.aside:
		return e.own
	case e.own != nil:
		copy(x.current[:], e.own)
		x.known = true
	case e.preset != nil:
		if string(e.preset) == "null" {
			x.known = false
		}
		return nil
	case !x.known:
		return nil
	}
	if e.report {
		x.known = false
	}
	return x.current[:]
}
