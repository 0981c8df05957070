package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stars masks a word, and everything under the key password.
type stars string

func (s stars) May(json []byte) bool {
	return bytes.Contains(json, []byte(s)) || bytes.Contains(json, []byte(`"password"`))
}

func (s stars) Append(dst, text, key []byte) ([]byte, int) {
	if string(key) == "password" {
		return append(dst, "***"...), 1
	}
	n := bytes.Count(text, []byte(s))
	if n == 0 {
		return dst, 0
	}
	return append(dst, bytes.ReplaceAll(text, []byte(s), []byte(`*"\`+"\n*"))...), n
}

func withRule(r Rule) Options { return Options{Rule: func(Origin) *Rule { return &r }} }

// quoteJSON returns a document with messages.
func documentOf(t testing.TB, stream string, messages ...string) *Batch {
	t.Helper()
	var events []string
	for i, m := range messages {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, fmt.Sprintf(`{"id":"%d","timestamp":7,"message":%s}`, i, b))
	}
	return decode(t, `{"owner":"111122223333","logGroup":"/ecs/shop/api","logStream":"`+stream+`","logEvents":[`+strings.Join(events, ",")+`]}`)
}

func TestMasksHideTextAndStrings(t *testing.T) {
	for _, tt := range []struct{ message, want, raw string }{
		{`a secret here`, `"a *\"\\\n* here"`, "a *\"\\\n* here"},
		{`nothing`, `"nothing"`, "nothing"},
		{`{ "a" : 1.0, "user":{"name": "x"} }`, `{"a":1.0,"user":{"name":"x"}}`, `{ "a" : 1.0, "user":{"name": "x"} }`}, // raw is as it came if nothing is hidden
		{"line\n\tsecret\n", `"line\n\t*\"\\\n*"`, "line\n\t*\"\\\n*"},
		{`{"a":"secret","secret":1,"n":12}`, `{"a":"*\"\\\n*","secret":1,"n":12}`, `{"a":"*\"\\\n*","secret":1,"n":12}`},
		{`{ "a" : ["x secret", {"b":"\u0073ecret"}] }`, `{"a":["x *\"\\\n*",{"b":"*\"\\\n*"}]}`, `{"a":["x *\"\\\n*",{"b":"*\"\\\n*"}]}`},
		{`{"password":"x","p":{"password":"y"},"q":7}`, `{"password":"***","p":{"password":"***"},"q":7}`, `{"password":"***","p":{"password":"***"},"q":7}`},
		{`"a secret"`, `"a *\"\\\n*"`, "a *\"\\\n*"},
		{`{"a":"x\\","b":"\ud800 secret"}`, `{"a":"x\\","b":"` + "\ufffd" + ` *\"\\\n*"}`, `{"a":"x\\","b":"` + "\ufffd" + ` *\"\\\n*"}`},
		{`{"a":"\u0041\/"}`, `{"a":"\u0041\/"}`, `{"a":"\u0041\/"}`}, // untouched where nothing is found
		{`{"user":{"card":41,"names":["x","y"]},"z":[{"card":"x"}]}`, `{"user":{"card":"[REDACTED]","names":["x","[REDACTED]"]},"z":[{"card":"[REDACTED]"}]}`, ``},
		{`{"gone":{"secret":["secret"]}}`, `{"gone":"[REDACTED]"}`, ``},
	} {
		rule := Rule{Masks: stars("secret"), Redact: [][]string{ParsePath("user.card"), ParsePath("*.0.card"), ParsePath("user.names.1"), {"gone"}}}
		b := documentOf(t, "s", tt.message)
		line := string(records(withRule(rule), b)[0].Line)
		if want := `{"timestamp":7,"message":` + tt.want + `}`; line != want {
			t.Errorf("%s:\n%s, want\n%s", tt.message, line, want)
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("%s: not JSON: %s", tt.message, line)
		}
		rule.Format = Raw
		if got := string(records(withRule(rule), b)[0].Line); tt.raw != "" && got != tt.raw {
			t.Errorf("%s, raw:\n%s, want\n%s", tt.message, got, tt.raw)
		}
	}
	// What is not the message, and messages that are not strings.
	b := decode(t, `{"logEvents":[{"extra":{"a":"secret"},"id":"1","message":"the secret","more":"secret"},{"message":{"a": "secret"}}]}`)
	got := records(withRule(Rule{Masks: stars("secret")}), b)
	if want := `{"extra":{"a":"*\"\\\n*"},"message":"the *\"\\\n*","more":"*\"\\\n*"}`; string(got[0].Line) != want {
		t.Errorf("%s, want\n%s", got[0].Line, want)
	}
	// Members of the names that sumoship knows are no less the sender's own.
	b = decode(t, `{"logEvents":[{"id":"1","message":"x","level":"secret","logGroup":"secret","logStream":["secret"],"account":"secret","region":"secret","sourceGroup":"secret"}]}`)
	if line := string(records(withRule(Rule{Masks: stars("secret")}), b)[0].Line); strings.Contains(line, "secret") || strings.Count(line, "*") != 12 {
		t.Error(line)
	}
	if want := `{"message":{"a":"*\"\\\n*"}}`; string(got[1].Line) != want {
		t.Errorf("%s, want\n%s", got[1].Line, want)
	}
}

// Each path redacts on its own, from the outermost value on, and only in JSON that has
// values within.
func TestRedactHidesThePathsOfAnyJSON(t *testing.T) {
	for _, tt := range []struct{ paths, message, want string }{
		{"a", `{"a":1,"b":{"a":2}}`, `{"a":"[REDACTED]","b":{"a":2}}`},
		{"b.a", `{"a":1,"b":{"a":2}}`, `{"a":1,"b":{"a":"[REDACTED]"}}`},
		{"0", `["a",["b"]]`, `["[REDACTED]",["b"]]`},
		{"1.0", `["a",["b"]]`, `["a",["[REDACTED]"]]`},
		{"*.a", `[{"a":1},{"b":{"a":2}},7]`, `[{"a":"[REDACTED]"},{"b":{"a":2}},7]`},
		{"*", `["a",{"b":1}]`, `["[REDACTED]","[REDACTED]"]`},
		{"*", `{"a":[],"b":"c"}`, `{"a":"[REDACTED]","b":"[REDACTED]"}`},
		{"a,b", `{"b":1,"a":2,"c":3}`, `{"b":"[REDACTED]","a":"[REDACTED]","c":3}`},
		{"a,a.b", `{"a":{"b":1}}`, `{"a":"[REDACTED]"}`},
		{"a.b.c", `{"a":{"b":7}}`, `{"a":{"b":7}}`},
		{"a", `{}`, `{}`},
		{"0", `[]`, `[]`},
		{"a", `7`, `7`},
		{"*", `"a"`, `"a"`},
		{"*", `text`, `"text"`},
	} {
		var rule Rule
		for path := range strings.SplitSeq(tt.paths, ",") {
			rule.Redact = append(rule.Redact, ParsePath(path))
		}
		quoted, _ := json.Marshal(tt.message)
		for _, message := range []string{string(quoted), tt.message} { // JSON as text, and as it is
			if !json.Valid([]byte(message)) {
				continue
			}
			got := lines(withRule(rule), decode(t, document(`{"message":`+message+`}`)))
			if d := cmp.Diff([]string{`{"message":` + tt.want + `}`}, got); d != "" {
				t.Errorf("%s in %s (-want +got):\n%s", tt.paths, message, d)
			}
		}
	}
}

// Half of a character, which CloudWatch Logs passes on as an escape, does not keep a
// masked text from being JSON. IDs and times are not text.
func TestMasksLeaveWhatIsNotText(t *testing.T) {
	b := decode(t, `{"logEvents":[{"id":"7","timestamp":7,"message":"{\"a\":\"\ud83d 7\"}"}]}`)
	o := withRule(Rule{Masks: stars("7")})
	o.EventID = true
	line := string(records(o, b)[0].Line)
	if want := `{"id":"7","timestamp":7,"message":{"a":"` + "\ufffd" + ` *\"\\\n*"}}`; line != want {
		t.Errorf("%q, want\n%q", line, want)
	}
}

// A raw message in which masks find nothing is as it was logged.
func TestMasksThatFindNothingLeaveARawMessage(t *testing.T) {
	rule := Rule{Format: Raw, Masks: stars("secret")}
	for _, message := range []string{`{ "a" : "\u0041" }`, `[ "x", {"y" : "\\"} ]`, `{ "secret" : 7 }`, `{ "a" : "b" }`, ` "a\/b" `, ` text \u0041 `, "a\n\tb "} {
		if got := string(records(withRule(rule), documentOf(t, "s", message))[0].Line); got != message {
			t.Errorf("%q becomes %q", message, got)
		}
	}
}

// What goes into headers has been masked before.
func TestMasksHideMetadata(t *testing.T) {
	rule := Rule{Masks: stars("secret"), Source: Source{Category: "c/{json:who}"}}
	b := documentOf(t, "s", `{"who":"secret","_sumo_metadata":{"host":"secret"}}`)
	if got := records(withRule(rule), b)[0].Source; strings.Contains(fmt.Sprint(got), "secret") || got.Category != "c/*\"\\\n*" {
		t.Errorf("%+q", got)
	}
}

func TestRuleNamesRecords(t *testing.T) {
	const task = "0123456789abcdef0123456789abcdef"
	o := Options{Region: "eu-west-1", Source: Source{Name: "{container}", Category: "of-variables", Fields: "a=b"}}
	tags := map[string]string{"team": "pay,1"}
	for _, tt := range []struct {
		stream, message string
		rule            Source
		want            Source
	}{
		{"shop/web/" + task, "x", Source{}, Source{"web", "of-variables", "/ecs/shop/api", "a=b"}},
		{"shop/web/" + task, "x", Source{Category: "{prefix}/{logGroup.2}/{logGroup.9}", Name: "none", Host: "{taskID}"}, Source{"", "shop/shop/", task, "a=b"}},
		{"plain", "x", Source{Category: "{container}", Name: "c/{container}", Host: "{account}.{region}"}, Source{"c/", "of-variables", "111122223333.eu-west-1", "a=b"}},
		{"plain", "x", Source{Fields: "team={tag:team},none={tag:none},c={container},v=1"}, Source{"plain", "of-variables", "/ecs/shop/api", "team=pay_1,v=1"}},
		{"2026/11/27/[$LATEST]" + task, "x", Source{Category: "{version}{function}"}, Source{"2026/11/27/[$LATEST]" + task, "$LATEST", "/ecs/shop/api", "a=b"}},
		{"plain", `{"a":{"b":[1,"x,y"]},"c":true}`, Source{Category: "{json:a.b.1}", Fields: "n={json:a.b.0},s={json:a.b.1},o={json:a},t={json:c}"}, Source{"plain", "x,y", "/ecs/shop/api", "n=1,s=x_y,t=true"}},
		{"a=,b", "x", Source{Name: "{logStream}", Category: "{logStream}", Host: "{logStream}", Fields: "c=,d=1"}, Source{"a=,b", "a=,b", "a=,b", "d=1"}},
		{"plain", `no JSON`, Source{Category: "{json:a}"}, Source{"plain", "of-variables", "/ecs/shop/api", "a=b"}},
		{"plain", `{"a":"m","_sumo_metadata":{"category":"chosen"}}`, Source{Category: "{json:a}", Name: "{json:a}"}, Source{"m", "chosen", "/ecs/shop/api", "a=b"}},
	} {
		o.Rule = func(Origin) *Rule { return &Rule{Source: tt.rule, Tags: tags} }
		if diff := cmp.Diff(tt.want, records(o, documentOf(t, tt.stream, tt.message))[0].Source); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.rule, diff)
		}
	}
	if got, _ := lambdaNames("/aws/lambda/checkout", "2026/11/27/[7]"+task); got != "checkout" {
		t.Errorf("function %q", got)
	}
	for text, ok := range map[string]bool{"{tag:team}{json:a.b}{logGroup.1}": true, "{tag:}": false, "{logGroup.0}": false, "{logGroup.x}": false, "{nope}": false} {
		if err := CheckTemplate(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if CheckOverride("{tag:team}") == nil {
		t.Error("a variable cannot name tags")
	}
}

// A rule is asked for once for each origin, and decides event by event on the
// message as it was logged.
func TestRuleDecides(t *testing.T) {
	asked := map[Origin]int{}
	var seen []string
	rule := Rule{
		Source: Source{Fields: "env=prod"},
		Decide: func(id, message []byte) (drop, fields string) {
			seen = append(seen, string(id)+" "+string(message))
			switch {
			case bytes.Contains(message, []byte("DEBUG")):
				return "quiet:exclude", ""
			case bytes.Contains(message, []byte("INFO")):
				return "", "sample_rate=0.1"
			}
			return "", ""
		},
	}
	o := Options{Rule: func(from Origin) *Rule { asked[from]++; return &rule }}
	got := records(o, documentOf(t, "s", "a \"DEBUG\"\n", "INFO", "WARN", `{"l":"INFO","_sumo_metadata":{"category":"c"}}`, "INFO"))
	if len(asked) != 1 || asked[Origin{"111122223333", "", "/ecs/shop/api", "s"}] != 1 {
		t.Errorf("asked for %v", asked)
	}
	if want := []string{`0 a "DEBUG"`, "1 INFO", "2 WARN", `3 {"l":"INFO","_sumo_metadata":{"category":"c"}}`, "4 INFO"}; cmp.Diff(want, seen) != "" {
		t.Error(cmp.Diff(want, seen))
	}
	if got[0].Dropped != ByRule || got[0].Why != "quiet:exclude" || got[0].Reason() != "quiet:exclude" || got[1].Dropped != Kept || got[1].Reason() != "kept" {
		t.Errorf("%+v", got[:2])
	}
	var fields []string
	for _, r := range got[1:] {
		fields = append(fields, r.Source.Fields+"|"+r.Source.Category)
	}
	if want := []string{"env=prod,sample_rate=0.1|", "env=prod|", "env=prod,sample_rate=0.1|c", "env=prod,sample_rate=0.1|"}; cmp.Diff(want, fields) != "" {
		t.Error(cmp.Diff(want, fields))
	}
}

// A batch without events has no origin, so that nobody asks for what a rule needs.
func TestNoRuleIsAskedForWithoutEvents(t *testing.T) {
	o := Options{Rule: func(from Origin) *Rule { t.Errorf("asked for the rule of %+v", from); return nil }}
	for _, doc := range []string{document(), ` {"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"x"}]}`, `{"logEvents":[ ]}`} {
		if got := records(o, decode(t, doc)); len(got) > 0 {
			t.Errorf("%s: %d records", doc, len(got))
		}
	}
}

// The field of a sample stands behind those that the rule takes from the message.
func TestRuleNamesSampledRecords(t *testing.T) {
	for _, tt := range []struct {
		source            Source
		message, category string
		fields            string
	}{
		{Source{Category: "{json:a}"}, `{"a":"x"}`, "x", "sample_rate=0.1"},
		{Source{Category: "{json:a}", Fields: "env=prod"}, `{"a":"x"}`, "x", "env=prod,sample_rate=0.1"},
		{Source{Fields: "env=prod,a={json:a}"}, `{"a":"x"}`, "", "env=prod,a=x,sample_rate=0.1"},
		{Source{Fields: "a={json:a}"}, `{"b":"x"}`, "", "sample_rate=0.1"},
		{Source{Category: "{json:a}", Fields: "env=prod"}, `{"a":"x","_sumo_metadata":{"category":"c"}}`, "c", "env=prod,sample_rate=0.1"},
	} {
		for _, sampled := range []bool{true, false} {
			rule := Rule{Source: tt.source, Decide: func(_, _ []byte) (drop, fields string) { return "", map[bool]string{true: "sample_rate=0.1"}[sampled] }}
			want := tt.fields
			if !sampled {
				want = strings.TrimSuffix(strings.TrimSuffix(want, "sample_rate=0.1"), ",")
			}
			got := records(withRule(rule), documentOf(t, "s", tt.message))[0].Source
			if got.Category != tt.category || got.Fields != want {
				t.Errorf("%+v, %s, sampled %t: %+v, want %q and %q", tt.source, tt.message, sampled, got, tt.category, want)
			}
		}
	}
}

// With masks on, a record is JSON whenever it is without, and a value that is masked
// is in no string of it.
func FuzzMasks(f *testing.F) {
	for _, m := range []string{`a secret`, `{"a":"secret"}`, `{"a":"\u0073ecret\ud800"}`, "\"secret", `["secret\\",{"secret":"secret"}]`, `{"password":"\""}`} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, message string) {
		b := documentOf(t, "s", message)
		for _, rule := range []Rule{{Masks: stars("secret")}, {Masks: stars("secret"), Redact: [][]string{{"a"}, {"*", "b"}}}} {
			r := records(withRule(rule), b)[0]
			if r.Dropped != Kept {
				continue
			}
			if !json.Valid(r.Line) {
				t.Fatalf("%q: not JSON: %s", message, r.Line)
			}
			var record struct{ Message any }
			if err := json.Unmarshal(r.Line, &record); err == nil && holds(record.Message, "secret") {
				t.Errorf("%q: %s", message, r.Line)
			}
		}
	})
}

// holds reports whether a string in v, not a key, has the word.
func holds(v any, word string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, word)
	case []any:
		for _, e := range v {
			if holds(e, word) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if holds(e, word) {
				return true
			}
		}
	}
	return false
}
