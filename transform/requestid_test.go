package transform

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// canonicalOf is text as a message holds it.
func canonicalOf(text string) []byte {
	quoted, _ := json.Marshal(text)
	c, _ := appendCanonical(nil, quoted[1:len(quoted)-1])
	return c
}

// The expressions of Sumo's function, with JavaScript's white space, the ids a
// UUID and the levels whole words.
var (
	hexUUID  = `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`
	wholeID  = regexp.MustCompile(`^` + hexUUID + `$`)
	labelled = regexp.MustCompile(`^(?:RequestId:|Z)[` + jsSpace + `]+([0-9A-Za-z_-]+)`)
	console  = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}` +
		`[^\n\r\x{2028}\x{2029}\x{10000}-\x{10ffff}]\d{3}Z[` + jsSpace + `](` + hexUUID + `)[` + jsSpace + `]` +
		`(?:(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)(?:$|[^\p{L}\p{Nd}_]))?`)
)

// requestIDByRegexp returns what requestID must find.
func requestIDByRegexp(text string) string {
	for i := range text {
		if m := labelled.FindStringSubmatch(text[i:]); m != nil && wholeID.MatchString(m[1]) {
			return m[1]
		}
	}
	return ""
}

// consoleByRegexp returns what cutConsole must find.
func consoleByRegexp(text string) (id, level, rest string, ok bool) {
	m := console.FindStringSubmatchIndex(text)
	if m == nil {
		return "", "", text, false
	}
	id, end := text[m[2]:m[3]], m[1]
	if m[4] >= 0 {
		level, end = text[m[4]:m[5]], m[5]
	}
	return id, level, text[end:], true
}

func checkRequestID(t *testing.T, text string) {
	t.Helper()
	c := canonicalOf(text)
	if got, want := string(requestID(c)), requestIDByRegexp(text); got != want {
		t.Fatalf("requestID(%q) = %q, want %q", text, got, want)
	}
	id, level, rest, ok := cutConsole(c)
	wantID, wantLevel, wantRest, wantOK := consoleByRegexp(text)
	if plain := string(appendUnescaped(nil, rest)); string(id) != wantID || level != wantLevel || plain != wantRest || ok != wantOK {
		t.Fatalf("cutConsole(%q) = %q, %q, %q, %v; want %q, %q, %q, %v", text, id, level, plain, ok, wantID, wantLevel, wantRest, wantOK)
	}
}

// In these @ stands for a UUID and # for the time of a console line.
var requestIDTexts = []string{
	"", "Z", "RequestId:", "@", "Z @", "Z@", "Z  \t\n@", "RequestId: @", "RequestId:@", "RequestId:\u00a0\ufeff@ x", "RequestId: \u0085@",
	"requestId: @", "xRequestId: @", "RequestId: RequestId: @", "RequestId: Z @", "Z RequestId: @", "ZZ @", "Z Z @", "JAZZ music Z @",
	"Z x Z @ RequestId: 00000000-0000-0000-0000-000000000000",
	"RequestId: @ Z 00000000-0000-0000-0000-000000000000", "RequestId: @ RequestId: 00000000-0000-0000-0000-000000000000",
	"Z @-", "Z @_", "Z @a", "Z @Z", "Z @`", "Z @{", "Z @[", "Z @@", "Z @0", "Z @é", "Z @.", "Z @\\", "Z @\n", "Z 0@", "Z -@", "Z {@}",
	"RequestId: 00000000-0000-0000-0000-00000000000g Z @", "Z 00000000-0000-0000-0000-00000000000",
	"#\t@\tINFO\tx", "# @ x", "#\u2003@\u3000WARN\u00a0x", "#@ INFO", "#  @ INFO", "# @", "# @ ", "# @INFO", "# @\nERROR", "# @ ERRORS",
	"# @ ERROR-1", "# @ ERROR_1", "# @ ERROR1", "# @ ERROR\u00e9", "# @ ERROR\u0301", "# @ ERROR\u0663", "# @ ERROR\"", "# @ ERROR:",
	"# @ TRACE", "# @ DEBUG\t", "# @ FATAL INFO", "# @ info", "# @ \tINFO", " # @ INFO", "x# @ INFO", "## @ INFO",
	"2016-11-10T23:11:54,523Z @ INFO x", "2016-11-10T23:11:54\"523Z @ INFO x", "2016-11-10T23:11:54\\523Z @ INFO x",
	"2016-11-10T23:11:54\t523Z @ x", "2016-11-10T23:11:54é523Z @ x", "2016-11-10T23:11:54😀523Z @ x",
	"2016-11-10T23:11:54\n523Z @ x", "2016-11-10T23:11:54\r523Z @ x", "2016-11-10T23:11:54\u2028523Z @ x", "2016-11-10T23:11:54\u2029523Z @ x",
	"2016-11-10T23:11:54\u202a523Z @ x", "2016-11-10T23:11:54\uffff523Z @ x", "2016-11-10T23:11:54\U00010000523Z @ x",
	"2016-11-10T23:11:54\u0001523Z @ x", "2016-11-10T23:11:54.23Z @ x", "2016-11-10T23:11:54523Z @ x", "2016-11-10 23:11:54.523Z @ x",
	"2016-11-10T23:11:54.523 @ x",
	"２016-11-10T23:11:54.523Z @ x", "2016-11-10T23:11:54", "2016-11-10T23:11:54.", "2016-11-10T23:11:54.523Z", "START RequestId: @ Version: 1",
	"REPORT RequestId: @\tDuration: 1 ms",
}

var requestIDMacros = strings.NewReplacer("@", id, "#", stamp)

func TestRequestIDAgreesWithTheExpressions(t *testing.T) {
	found, cut := 0, 0
	for _, text := range requestIDTexts {
		text = requestIDMacros.Replace(text)
		checkRequestID(t, text)
		checkRequestID(t, strings.ToUpper(text))
		if requestIDByRegexp(text) != "" {
			found++
		}
		if _, _, _, ok := consoleByRegexp(text); ok {
			cut++
		}
	}
	if found < 20 || cut < 20 || found == len(requestIDTexts) { // or the texts say nothing
		t.Errorf("of %d texts %d have an id and %d the prefix", len(requestIDTexts), found, cut)
	}
}

func FuzzRequestID(f *testing.F) {
	for _, text := range requestIDTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text = requestIDMacros.Replace(text); utf8.ValidString(text) && len(text) < 10_000 {
			checkRequestID(t, text)
		}
	})
}

func TestUUIDStandsAlone(t *testing.T) {
	for s, want := range map[string]bool{
		id: true, strings.ToUpper(id): true, id + " ": true, id + "é": true, id + `\n`: true, id + `"`: true,
		"": false, id[:35]: false, id + "0": false, id + "z": false, id + "_": false, id + "-": false,
		strings.Replace(id, "-", "_", 1): false, strings.Replace(id, "f", "g", 1): false,
		strings.Replace(id, "f", "@", 1): false, strings.Replace(id, "f", "`", 1): false, "{" + id + "}": false,
	} {
		got := uuid([]byte(s))
		if want && string(got) != s[:36] || !want && got != nil {
			t.Errorf("uuid(%s) = %s", s, got)
		}
	}
}

func TestIDsAreThoseOfTheRunningRequest(t *testing.T) {
	type step struct {
		own, preset string
		report      bool
		aside       bool
		want        string
	}
	a, b := id, id2
	for name, steps := range map[string][]step{
		"nothing known":                        {{}, {report: true}},
		"carried":                              {{own: a, want: a}, {want: a}, {want: a}},
		"replaced":                             {{own: a, want: a}, {own: b, want: b}, {want: b}},
		"ends with its report":                 {{own: a, want: a}, {own: a, report: true, want: a}, {}, {own: b, want: b}},
		"ends with a report without id":        {{own: a, want: a}, {report: true, want: a}, {}},
		"preset is for its own event":          {{own: a, want: a}, {preset: `"` + b + `"`}, {want: a}},
		"preset null ends it":                  {{own: a, want: a}, {preset: "null"}, {}, {}},
		"own beats preset":                     {{own: a, preset: `"x"`, want: a}, {own: b, preset: "null", want: b}, {want: b}},
		"a preset on a report ends nothing":    {{own: a, want: a}, {preset: `"` + a + `"`, report: true}, {want: a}},
		"an id aside is for its own event":     {{own: a, want: a}, {own: b, aside: true, want: b}, {want: a}},
		"an id aside begins nothing":           {{own: b, aside: true, want: b}, {}},
		"a report that is the first of its id": {{own: a, report: true, want: a}, {}},
	} {
		var x ids
		for i, s := range steps {
			var own, preset []byte
			if s.own != "" {
				own = []byte(s.own)
			}
			if s.preset != "" {
				preset = []byte(s.preset)
			}
			if got := string(x.of(&event{own: own, preset: preset, report: s.report, aside: s.aside})); got != s.want {
				t.Errorf("%s: step %d has %q, want %q", name, i, got, s.want)
			}
		}
	}
}

// The id must not be one that the buffer of a later event overwrites.
func TestRequestIDOutlivesItsEvent(t *testing.T) {
	events := []string{fmt.Sprintf(`{"message":"\/Z %s"}`, id)} // \/ makes the message be rewritten
	for range 3 {
		events = append(events, `{"message":"\/Z `+strings.Repeat("x", 100)+`"}`)
	}
	for _, line := range lines(Options{}, decode(t, inLambda(document(events...)))) {
		if !strings.HasSuffix(line, `"requestID":"`+id+`"}`) {
			t.Errorf("%s does not end with the request id", line)
		}
	}
}

// Only a line of Lambda speaks for the lines after it: in the log of a container,
// anyone may have written the text that has an id.
func TestTextWithAnIDSpeaksForItselfOutsideLambda(t *testing.T) {
	const hex = "0123456789abcdef0123456789abcdef"
	messages := []string{"a", "time Z " + id, "b", "RequestId: " + id2, "c", "d Z " + id + " RequestId: " + id2, "e"}
	alone := []string{"", id, "", id2, "", id, ""}
	carried := []string{"", id, id, id2, id2, id, id}
	for _, tt := range []struct {
		group, stream string
		want          []string
	}{
		{"/ecs/web", "web/app/" + hex, alone},
		{"", "", alone},
		{"aws/lambda/fn", "s", alone},
		{"/ecs/web", "2026/01/02/" + hex, alone},
		{"/ecs/web", "2026/01/02/[1]x" + hex, alone},
		{"/ecs/web", "2026/01/02/[1]" + strings.ToUpper(hex), alone},
		{"/ecs/web", "web/2026/01/02/[1]" + hex, alone},
		{"/aws/lambda/fn", "s", carried},
		{"/aws/lambda/us-east-1.edge", "", carried},
		{"/shared", "2026/01/02/[$LATEST]" + hex, carried},
		{"/shared", "2026/01/02/my-function[17]" + hex, carried},
	} {
		doc := strings.NewReplacer("/ecs/web", tt.group, "web/app/1", tt.stream).Replace(withMessages(messages...))
		if diff := cmp.Diff(tt.want, requestIDsOf(t, doc)); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", tt.group, tt.stream, diff)
		}
	}
	// Lines in a form that only Lambda writes begin and end a request anywhere.
	if diff := cmp.Diff([]string{id, id, id2, id2, id2, id2, ""}, requestIDs(t,
		"START RequestId: "+id+" Version: 1", "a", stamp+"\t"+id2+"\tINFO\tb", "c", "d", "REPORT RequestId: "+id2+"\tx", "e",
	)); diff != "" {
		t.Errorf("platform lines (-want +got):\n%s", diff)
	}
}
