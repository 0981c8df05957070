package transform

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestHex4OfEveryByte(t *testing.T) {
	for at := range 4 {
		for c := range 256 {
			digits := []byte("x1a5F0")
			digits[1+at] = byte(c)
			want, err := strconv.ParseUint(string(digits[1:5]), 16, 16)
			if got, ok := hex4(digits, 1); ok != (err == nil) || ok && got != rune(want) {
				t.Errorf("%q: %#x, %t", digits[1:5], got, ok)
			}
		}
	}
	for n := range 4 {
		if _, ok := hex4([]byte("abcd")[:n], 0); ok {
			t.Errorf("%d digits are read as four", n)
		}
	}
}

// Every \u escape, and every other, at every offset from what is copied eight bytes at
// a time. A lone surrogate has the three bytes of its number.
func TestEveryEscape(t *testing.T) {
	check := func(escaped, want string) {
		t.Helper()
		for offset := range 9 {
			before, after := "12345678"[:offset], strings.Repeat("z", offset%3*5)
			if got := string(appendUnescaped([]byte("kept"), []byte(before+escaped+after))); got != "kept"+before+want+after {
				t.Fatalf("%s at %d: %q, want %q", escaped, offset, got, want)
			}
		}
	}
	character := func(r rune) string {
		if isSurrogate(r) {
			return string([]byte{0xed, 0x80 | byte(r>>6&0x3f), 0x80 | byte(r&0x3f)})
		}
		return string(r)
	}
	for r := range rune(0x10000) {
		check(fmt.Sprintf(`\u%04x`, r), character(r))
		if got := isSurrogate(r); got != (utf8.RuneLen(r) < 0) {
			t.Errorf("%x is a surrogate: %t", r, got)
		}
	}
	for _, escape := range []string{`\b`, `\f`, `\n`, `\r`, `\t`, `\"`, `\\`, `\/`, `\u00E9`, `\u00e9`} {
		var want string
		if err := json.Unmarshal([]byte(`"`+escape+`"`), &want); err != nil {
			t.Fatal(err)
		}
		check(escape, want)
	}
	high, low := []rune{0xd800, 0xd801, 0xdbfe, 0xdbff}, []rune{0xdc00, 0xdc01, 0xdffe, 0xdfff}
	for _, h := range high {
		for _, l := range low {
			check(fmt.Sprintf(`\u%04x\u%04X`, h, l), string((h-0xd800)<<10|(l-0xdc00)+0x10000))
			check(fmt.Sprintf(`\u%04x\u%04X`, l, h), character(l)+character(h))
			check(fmt.Sprintf(`\u%04x\u%04X`, l, l), character(l)+character(l))
			check(fmt.Sprintf(`\u0041\u%04X`, l), "A"+character(l))
			check(fmt.Sprintf(`\u%04x\n\u%04X`, h, l), character(h)+"\n"+character(l))
		}
		check(fmt.Sprintf(`\u%04x\udbff`, h), character(h)+character(0xdbff))
		check(fmt.Sprintf(`\u%04x\ue000`, h), character(h)+"\ue000")
		check(fmt.Sprintf(`\u%04x\\u0041`, h), character(h)+`\u0041`)
	}
}

// A document that is not packed is read as one that is.
func TestDocumentIsReadAsAPayload(t *testing.T) {
	var d Decoder
	for _, doc := range []string{
		withMessages("a", `{"b":1}`, "c"), withMessages("d"), `{"messageType":"CONTROL_MESSAGE","logEvents":[]}`,
		"{\"logEvents\":[{\"message\":\"caf\xe9\"}]}", `{"logEvents":7}`, `[]`, `{`, withMessages("e", "f"),
	} {
		want, wantErr := Decode(Pack([]byte(doc)), DefaultLimit)
		got, err := d.Document([]byte(doc))
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: %v, want %v", doc, err, wantErr)
			continue
		}
		if err == nil && (got.Control != want.Control || cmp.Diff(lines(Options{}, want), lines(Options{}, got)) != "") {
			t.Errorf("%s: %q", doc, lines(Options{}, got))
		}
	}
	doc := []byte(withMessages("a"))
	if got := Event(Pack(doc)); string(got) != string(Pack(doc)) {
		t.Errorf("an event becomes %s", got)
	}
	if got := Event(doc); string(got) != string(Pack(doc)) {
		t.Errorf("a document becomes %s", got)
	}
}

// A key may be written with escapes.
func TestKeysOfEverySpelling(t *testing.T) {
	for name, want := range map[string]kind{
		"id": eventID, "timestamp": timestamp, "message": message, "extractedFields": extractedFields, "requestID": reqID, "logStream": logStream,
		"logGroup": logGroup, "account": account, "region": region, "sourceGroup": sourceGroup, "level": level, "": other, "Id": other, "requestId": other,
	} {
		var escaped strings.Builder
		for _, r := range name {
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
		for _, key := range []string{name, escaped.String()} {
			if got := kindOf([]byte(`"` + key + `"`)); got != want {
				t.Errorf("%s: %d, want %d", key, got, want)
			}
		}
	}
}

func TestLookups(t *testing.T) {
	const value = `{"a":{"b":[1,"x",[2],{"c":true}],"n":null},"a.b":7,"s":"\u00e9","d":1,"d":2}`
	for path, want := range map[string]string{
		"a": "", "a.b": "", "a.b.0": "1", "a.b.1": "x", "a.b.2": "", "a.b.2.0": "2", "a.b.3.c": "true", "a.b.3": "", "a.b.4": "", "a.b.00": "", "a.b.-1": "",
		"a.n": "", "a.n.x": "", "a.b.1.x": "", "s": "é", "s.0": "", "d": "2", "nope": "", "": "",
	} {
		if got := lookupJSON([]byte(value), ParsePath(path)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := lookupJSON(nil, nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	for id, want := range map[string]string{`"id":"7"`: "7", `"id":7`: "", `"id":""`: "", `"id":"7","id":"8"`: "8", `"x":"7"`: "", `"id":777`: "", `"x":"7","id":"9"`: "9"} {
		var seen string
		rule := Rule{Decide: func(id, _ []byte) (drop, fields string) { seen = string(id); return "", "" }}
		records(withRule(rule), decode(t, document(`{`+id+`,"message":"x"}`)))
		if seen != want {
			t.Errorf("%s: the rule sees the id %q, want %q", id, seen, want)
		}
	}
	for message, want := range map[string]string{`"a\nb\n"`: "a\nb", `"a\n\n"`: "a\n", `{"a" : 1}`: `{"a" : 1}`, `"\ud800"`: "\ufffd", `"é"`: "é", `"\\"`: `\`, `7`: "7"} {
		var seen string
		rule := Rule{Decide: func(_, message []byte) (drop, fields string) { seen = string(message); return "", "" }}
		records(withRule(rule), decode(t, document(`{"id":"1","message":`+message+`}`)))
		if seen != want {
			t.Errorf("%s: the rule sees %q, want %q", message, seen, want)
		}
	}
}

// What an event lacks is named.
func TestEventsAreRefusedByWhatTheyLack(t *testing.T) {
	for event, want := range map[string]string{
		" ": "the event is empty", "{": "not one JSON document", `{} {}`: "not one JSON document", "7": "the event is not an object", `{}`: `no "awslogs"`,
		`{"awslogs":7}`: `"awslogs" is not an object`, `{"awslogs":{}}`: `"awslogs" has no "data"`, `{"awslogs":{"data":7}}`: `"awslogs.data" is not a string`,
	} {
		if _, err := Decode([]byte(event), DefaultLimit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", event, err, want)
		}
	}
}
