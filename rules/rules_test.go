package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/rules.schema.json")

const example = `
version: 1
masks:
  order: {pattern: 'order-(\d+)', hmac: true}
  card: {keepLast: 4}
rules:
  - rule: payments
    match: {logGroup: ^/ecs/payments, region: ^eu-, tags: {team: ^pay$}}
    category: prod/{logGroup}
    fields: {team: "{tag:team}", env: prod}
    include: [ERROR, WARN]
    exclude: [healthz]
    mask: [email, card, order]
    redact: [user.password]
  - rule: noise
    match: {logGroup: noise}
    drop: true
  - rule: chatty
    match: {logStream: ^web/, account: "^1234"}
    sample: {rate: 0.25, keep: [ERROR]}
    format: RAW
    metadataFromMessages: none
    flowLogs: {internal: [10.0.0.0/8], format: "${version} ${dstaddr} ${srcaddr}"}
default:
  mask: [email]
`

func read(t testing.TB, doc string) *Set {
	t.Helper()
	s, err := Read([]byte(doc), Options{Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFirstMatchWins(t *testing.T) {
	s := read(t, example)
	for _, c := range []struct {
		o    Origin
		want string
	}{
		{Origin{LogGroup: "/ecs/payments-api", Region: "eu-west-1", Tags: map[string]string{"team": "pay"}}, "payments"},
		{Origin{LogGroup: "/ecs/payments-api", Region: "us-east-1", Tags: map[string]string{"team": "pay"}}, "default"},
		{Origin{LogGroup: "/ecs/payments-api", Region: "eu-west-1", Tags: map[string]string{"team": "payroll"}}, "default"},
		{Origin{LogGroup: "/ecs/payments-api", Region: "eu-west-1"}, "default"},
		{Origin{LogGroup: "a-noise", LogStream: "web/x", Account: "123456789012"}, "noise"},
		{Origin{LogStream: "web/x", Account: "123456789012"}, "chatty"},
	} {
		if got := s.Match(c.o); got.Name != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got.Name, c.want)
		}
	}
	if !s.NeedsTags() || !s.NamesTags() || len(s.Rules()) != 4 {
		t.Errorf("tags %v %v, %d rules", s.NeedsTags(), s.NamesTags(), len(s.Rules()))
	}
	if none := read(t, `{"version":1}`); none.Match(Origin{}) != nil || none.NeedsTags() || none.NamesTags() {
		t.Error("a document without rules has one")
	}
	if got := s.Rules()[0].Actions.FieldList(); got != "env=prod,team={tag:team}" {
		t.Errorf("fields %q", got)
	}
}

func TestDecide(t *testing.T) {
	s := read(t, example)
	for _, c := range []struct {
		rule          int
		message, want string
		rate          float64
	}{
		{0, "an ERROR", "ship", 1},
		{0, "nothing of note", "include", 1},
		{0, "ERROR in healthz", "exclude", 1}, // exclude wins
		{1, "ERROR", "drop", 1},
		{2, "an ERROR", "ship", 1},
		{3, "whatever", "ship", 1},
	} {
		r := s.Rules()[c.rule]
		if v, rate := r.Decide([]byte("1"), []byte(c.message)); v.String() != c.want || rate != c.rate {
			t.Errorf("%s on %q: %s, %g; want %s, %g", r.Name, c.message, v, rate, c.want, c.rate)
		}
	}
	if s.Rules()[3].Decides() || !s.Rules()[2].Decides() {
		t.Error("Decides is wrong")
	}
}

// A sample is the share it says, of ids that are alike too, and the same each time.
func TestSampleIsDeterministicAndFair(t *testing.T) {
	s := read(t, example)
	r := s.Rules()[2]
	for name, id := range map[string]string{"long": "%056d", "short": "%d", "no id": ""} {
		kept := 0
		const n = 20_000
		for i := range n {
			event := []byte(fmt.Sprintf(id, i))
			if id == "" {
				event = nil
			}
			message := []byte(fmt.Sprintf("message %d", i))
			v, rate := r.Decide(event, message)
			if again, _ := r.Decide(event, message); again != v || rate != 0.25 {
				t.Fatalf("%s: %s, then %s, at %g", name, v, again, rate)
			}
			if v == Ship {
				kept++
			}
		}
		if share := float64(kept) / n; share < 0.235 || share > 0.265 {
			t.Errorf("%s: %.3f are kept; want 0.25", name, share)
		}
	}
	if FormatRate(0.25) != "0.25" {
		t.Error(FormatRate(0.25))
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	const doc = `version: 1
masks:
  Card: {pattern: x}
  email: {pattern: x}
  mine: {keepLast: 4}
rules:
  - rule: a
    match: {logGroup: "(", loggroup: x}
    category: ""
    fields: {"a b": x, c: "d,e"}
    format: raw
    sample: {rate: 1.5}
  - rule: a
    mask: [e-mail]
    account: 1
    drop: "yes"
  - include: []
    exclude: [1]
    redact: [a..b]
    flowLogs: {format: srcaddr}
default: []
more: 1
`
	_, err := Read([]byte(doc), Options{})
	const want = `line 3, column 3: masks.Card: "Card" cannot be a name here; want one that matches ^[a-z][a-z0-9-]{0,31}$
line 8, column 23: rule a: rules[0].match.logGroup: missing closing ): "("; want a regular expression (RE2)
line 8, column 28: rule a: rules[0].match.loggroup: is not known; want logGroup
line 9, column 15: rule a: rules[0].category: is empty; want text, none for no header, or no such member
line 10, column 14: rule a: rules[0].fields.a b: "a b" cannot be a name here; want one that matches ^[A-Za-z_][A-Za-z0-9_.-]{0,63}$
line 10, column 27: rule a: rules[0].fields.c: holds a comma or an equals sign, which part fields; want text without
line 11, column 13: rule a: rules[0].format: "raw" is not known; want one of Others, VPC-JSON, VPC-RAW, RAW
line 12, column 20: rule a: rules[0].sample.rate: is 1.5; want more than 0 and less than 1
line 13, column 11: rule a: rules[1].rule: rules[0] has the same name; want another
line 14, column 12: rule a: rules[1].mask[0]: unknown mask "e-mail"; want one of masks, or a built-in one: BUILTIN
line 15, column 5: rule a: rules[1].account: is not known; want one of MEMBERS
line 16, column 11: rule a: rules[1].drop: is text; want true or false
line 17, column 5: rule #3: rules[2].rule: is missing; want text: name of the rule, in reports and metrics
line 17, column 14: rule #3: rules[2].include: has 0 elements; want 1 to 200
line 18, column 15: rule #3: rules[2].exclude[0]: is a number; want text, in quotes, such as "ERROR|FATAL"
line 19, column 14: rule #3: rules[2].redact[0]: "a..b" is not a path; want names with dots between them, such as user.cards.*.number
line 20, column 15: rule #3: rules[2].flowLogs.internal: is missing; want a list: networks; a record is dropped if both of its addresses are in one of them
line 20, column 24: rule #3: rules[2].flowLogs.format: "srcaddr" is not a field of a flow log; want fields such as ${srcaddr} with a space between them
line 21, column 10: default: is a list; want an object
line 22, column 1: more: is not known; want one of version, masks, rules, default`
	got := err.Error()
	got = strings.Replace(got, "email, ipv4, ipv6, card, aws-access-key, aws-secret, bearer, jwt, private-key, iban, phone, phone-us, phone-gb, phone-de, phone-fr", "BUILTIN", 1)
	got = strings.Replace(got, "rule, match, category, name, host, fields, format, metadataFromMessages, drop, include, exclude, sample, mask, redact, flowLogs", "MEMBERS", 1)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(AsMistakes(err)); n != 20 {
		t.Errorf("%d mistakes", n)
	}
}

func TestReadRefuses(t *testing.T) {
	deep := strings.Repeat("[", 60) + strings.Repeat("]", 60)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i, name := range []string{"b", "c", "d", "e", "f"} {
		bomb += name + ": &" + name + " [" + strings.Repeat("*"+string("abcde"[i])+",", 10) + "]\n"
	}
	for name, c := range map[string]struct{ doc, want string }{
		"empty":            {" \n", "the document is empty; want version and rules"},
		"only a comment":   {"# x\n", "the document is empty; want version and rules"},
		"too large":        {strings.Repeat("#", MaxSize+1), "the document has 262145 bytes; want at most 262144"},
		"not UTF-8":        {"a: \xff", "the document is not UTF-8"},
		"broken JSON":      {"{\"version\": 1,\n \"rules\": [}", "line 2, column 12: not valid JSON: invalid character '}' looking for beginning of value"},
		"cut JSON":         {`{"version": 1`, "line 1, column 14: not valid JSON: the document ends too early"},
		"more JSON":        {`{"version": 1} {}`, "line 1, column 17: not valid JSON: there is more after the end of the document"},
		"broken YAML":      {"version: 1\nrules: [\n", "line 2, column 1: not valid YAML: did not find expected node content"},
		"two documents":    {"version: 1\n---\nversion: 1\n", "line 2, column 1: there is a second document; want one"},
		"a list":           {"[]", "line 1, column 1: the document is a list; want an object with version and rules"},
		"a newer version":  {"version: 2\nfuture: 1", "line 1, column 10: version: is 2; this program reads up to 1: update it"},
		"no version":       {"rules: []", "line 1, column 1: version: is missing; want a number: version of the document's form"},
		"twice":            {`{"version":1,"version":1}`, "line 1, column 14: version: is there twice"},
		"a cycle":          {"version: 1\nrules: &a [*a]", "line 2, column 12: *a stands for what it is part of; want no cycle"},
		"a bomb":           {bomb, "the document has more than 20000 values or is nested deeper than 50"},
		"deep":             {"a: " + deep, "the document has more than 20000 values or is nested deeper than 50"},
		"deep JSON":        {`{"a": ` + deep + "}", "the document has more than 20000 values or is nested deeper than 50"},
		"merge":            {"version: 1\ndefault:\n  <<: {drop: true}", "line 3, column 3: merge keys (<<) are not supported; want an alias, or the members themselves"},
		"tag":              {"version: 1\ndefault: {category: !secret x}", "line 2, column 21: the tag !secret is not supported; want text, a number, true or false"},
		"long pattern":     {"version: 1\ndefault: {include: [" + strings.Repeat("a", 10_000) + "]}", "line 2, column 21: rule default: default.include[0]: the pattern has 10000 characters; want at most 1000"},
		"HMAC without key": {"version: 1\nmasks: {card: {hmac: true}}\ndefault: {mask: [card]}", "line 2, column 15: masks.card: replaces by HMAC, which needs a key of at least 16 bytes; there is one of 0"},
		"own built-in":     {"version: 1\nmasks: {card: {pattern: x}}", "line 2, column 15: masks.card: is the name of a built-in mask; want another for a mask with a pattern"},
		"no pattern":       {"version: 1\nmasks: {mine: {replace: x}}", "line 2, column 15: masks.mine: lacks a pattern and is not a built-in mask; want a pattern, or one of email,"},
		"two replacements": {"version: 1\nmasks: {mine: {pattern: y, replace: x, hmac: true}}\ndefault: {mask: [mine]}", "line 2, column 15: masks.mine: has several replacements"},
		"a template":       {"version: 1\ndefault: {host: '{nope}'}", "line 2, column 17: rule default: default.host: unknown {nope}"},
		"a network":        {"version: 1\ndefault: {flowLogs: {internal: [x]}}", "line 2, column 33: rule default: default.flowLogs.internal[0]: not a network: x"},
	} {
		_, err := Read([]byte(c.doc), Options{
			Template: func(s string) error {
				if strings.Contains(s, "{nope}") {
					return errors.New("unknown {nope}")
				}
				return nil
			},
			Network: func(s string) error { return errors.New("not a network: " + s) },
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// HMAC needs a key only where it is used.
func TestUnusedMasksNeedNoKey(t *testing.T) {
	if _, err := Read([]byte("version: 1\nmasks: {card: {hmac: true}}"), Options{}); err != nil {
		t.Error(err)
	}
}

func TestFlowColumns(t *testing.T) {
	for format, want := range map[string]string{
		"":                                   "3 4 <nil>",
		"${srcaddr} ${dstaddr}":              "0 1 <nil>",
		"${pkt-srcaddr} ${a} ${pkt-dstaddr}": "0 2 <nil>",
		"${pkt-srcaddr} ${srcaddr} ${dstaddr} ${pkt-dstaddr}": "1 2 <nil>",
		"${srcaddr}": "0 0 the format lacks ${srcaddr} or ${dstaddr}; want both, or pkt-srcaddr and pkt-dstaddr",
	} {
		s, d, err := FlowColumns(format)
		if got := fmt.Sprint(s, d, err); got != want {
			t.Errorf("%q: %s, want %s", format, got, want)
		}
	}
}

// The published schema is that of the code, and is one.
func TestSchemaIsPublished(t *testing.T) {
	const name = "../docs/rules.schema.json"
	got := Schema()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not that of the code: go test ./rules -update", name)
	}
	var schema struct {
		Properties map[string]any
		Required   []string
	}
	if err := json.Unmarshal(got, &schema); err != nil || len(schema.Properties) != 4 || schema.Required[0] != "version" {
		t.Errorf("%+v, %v", schema, err)
	}
}

// Documents never panic, and one that is read is read the same as JSON.
func FuzzRead(f *testing.F) {
	for _, doc := range []string{example, `{"version":1,"rules":[{"rule":"a","drop":true}]}`, "version: 1\nrules: &a [*a]", "a: !!binary x", "? [a]\n: b", "{a: 1", "version: 0x1", "- &a\n- *a"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		o := Options{Key: []byte("0123456789abcdef")}
		s, err := Read(doc, o)
		if err != nil {
			if len(AsMistakes(err)) == 0 {
				t.Errorf("%q: %v", doc, err)
			}
			return
		}
		root, _ := parse(doc)
		again, err := Read(root.json(), o)
		if err != nil {
			t.Fatalf("%q: as JSON %s: %v", doc, root.json(), err)
		}
		for i, r := range s.Rules() {
			if diff := cmp.Diff(r.Actions, again.Rules()[i].Actions); diff != "" || r.Name != again.Rules()[i].Name {
				t.Errorf("%q: (-YAML +JSON):\n%s", doc, diff)
			}
		}
	})
}
