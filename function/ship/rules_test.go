package ship_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"sumoship/function/ship"
	"sumoship/rules/mask"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// document is what a store holds, or why it does not answer.
type document struct {
	text  string
	err   error
	etag  string
	reads int
	asked []string // ETags
}

func (d *document) Parameter(_ context.Context, region, name string) (string, error) {
	if !strings.Contains(name, "rules") {
		return "key-of-the-store-0123", nil
	}
	d.reads++
	return d.text, d.err
}

func (d *document) Secret(context.Context, string, string) (string, error) {
	return "", errors.New("not here")
}

func (d *document) Object(_ context.Context, bucket, key, etag string, limit int) ([]byte, string, error) {
	d.reads++
	d.asked = append(d.asked, bucket+"/"+key+" "+etag)
	if d.err != nil || etag == d.etag && etag != "" {
		return nil, etag, d.err
	}
	return []byte(d.text), d.etag, nil
}

const maskMail = `{"version":1,"rules":[{"rule":"web","match":{"logGroup":"web"},"category":"c/{container}","mask":["email"],"exclude":["healthz"]}]}`

func (w *fixture) withRules(place string, d *document) *fixture {
	w.vars["RULES"] = place
	w.secrets = d
	w.objects = d
	return w
}

func ships(t *testing.T, f *ship.Forwarder, messages ...string) ship.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := f.Ship(ctx, event(messages...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRulesAreApplied(t *testing.T) {
	for name, place := range map[string]string{
		"inline": maskMail, "SSM": "arn:aws:ssm:eu-west-1:111122223333:parameter/rules",
		"S3": "s3://conf/rules.json", "the ARN of an object": "arn:aws:s3:::conf/rules.json",
	} {
		w := newFixture().withRules(place, &document{text: maskMail})
		r := ships(t, w.forwarder(t), "mail a@example.com", `{"to":"b@example.com","n":1}`, "GET /healthz", "nothing")
		if diff := cmp.Diff(map[string]int{"web:exclude": 1}, r.Filtered); diff != "" || r.Confirmed != 3 || r.Masked["email"] != 2 {
			t.Errorf("%s: %+v\n%s", name, r, diff)
		}
		var lines []string
		for _, request := range w.source.Requests() {
			lines = append(lines, string(request.Body))
		}
		if text := strings.Join(lines, "\n"); strings.Contains(text, "@") || strings.Count(text, "[email]") != 2 {
			t.Errorf("%s: sent %s", name, text)
		}
		for _, metric := range []string{`"Filtered_web":1`, `"Masked_email":2`, `"Filtered":1`} {
			if !strings.Contains(w.log.String(), metric) {
				t.Errorf("%s: no metric %s in %s", name, metric, w.log.String())
			}
		}
	}
}

// No log event leaves while nobody can say what to mask: each is dead-lettered.
func TestNothingLeavesWithoutRules(t *testing.T) {
	for name, d := range map[string]*document{
		"the store does not answer": {err: errors.New("hangs")},
		"no document":               {text: ""},
		"not JSON":                  {text: "{"},
		"a wrong rule":              {text: `{"version":1,"rules":[{"rule":"a","mask":["e-mail"]}]}`},
		"a newer version":           {text: `{"version":2}`},
		"a wrong template":          {text: `{"version":1,"default":{"category":"{nope}"}}`},
		"too large":                 {text: strings.Repeat(" ", 300<<10)},
		"HMAC without its key":      {text: `{"version":1,"masks":{"email":{"hmac":true}},"default":{"mask":["email"]}}`},
	} {
		for _, place := range []string{"arn:aws:ssm:eu-west-1:111122223333:parameter/rules", "s3://conf/rules.json"} {
			w := newFixture().withRules(place, d)
			f, before := w.forwarder(t), d.reads
			for range 2 { // the second finds what the first has found
				r := ships(t, f, "mail a@example.com", "", "x")
				if r.DeadLettered != 3 || r.Lost != 0 || r.Class != "misconfigured" || !strings.Contains(r.Error, "rules") || strings.Contains(r.Error, "\n") ||
					!strings.Contains(r.Error, map[bool]string{true: place, false: "/rules"}[strings.HasPrefix(place, "s3:")]) {
					t.Errorf("%s, %s: %+v", name, place, r)
				}
			}
			if n := len(w.source.Requests()); n != 0 || d.reads-before != 1 {
				t.Errorf("%s, %s: %d requests, %d reads", name, place, n, d.reads-before)
			}
			entries := w.queue.Entries()
			if len(entries) != 2 || len(messages(t, entries[0].Event)) != 3 {
				t.Fatalf("%s: %d entries", name, len(entries))
			}
		}
	}
}

// A person who replays by hand without the rules of the function that dead-lettered a
// message does not send it; the function without rules, whose owner took them away, does.
func TestReplayByHandKeepsWhatHadRules(t *testing.T) {
	w := newFixture().withRules("s3://conf/rules.json", &document{err: errors.New("no answer")})
	ships(t, w.forwarder(t), "mail a@example.com", "x")
	w.put(event("never had rules"))
	delete(w.vars, "RULES")
	o := w.replayOptions()
	o.KeepRules = true
	byHand, err := ship.NewReplayer(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		replayer *ship.Replayer
		taken    int
	}{{byHand, 1}, {w.replayer(t, false), 3}} {
		w.queue.Wake()
		if _, err := c.replayer.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.source.Taken(); len(got) != c.taken {
			t.Errorf("the source took %q, want %d records", got, c.taken)
		}
	}
}

// Rules that were read before are used while the store does not answer or has wrong
// ones, and that is told; new ones are used within minutes.
func TestStaleRulesAreUsedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &document{text: maskMail, etag: `"1"`}
		w := newFixture().withRules("s3://conf/rules.json", d)
		f := w.forwarder(t)
		if r := ships(t, f, "a@example.com"); r.Masked["email"] != 1 || r.StaleRules {
			t.Fatalf("%+v", r)
		}
		time.Sleep(4 * time.Minute)
		if ships(t, f, "x"); d.reads != 1 {
			t.Errorf("%d reads within the TTL", d.reads)
		}
		time.Sleep(2 * time.Minute)
		if r := ships(t, f, "a@example.com"); r.Masked["email"] != 1 || r.StaleRules || d.reads != 2 {
			t.Errorf("unchanged: %+v, %d reads", r, d.reads)
		}
		d.err = errors.New("answers nothing")
		time.Sleep(6 * time.Minute)
		if r := ships(t, f, "a@example.com"); r.Masked["email"] != 1 || !r.StaleRules {
			t.Errorf("the store is down: %+v", r)
		}
		if ships(t, f, "x"); d.reads != 3 {
			t.Errorf("%d reads: a store that is down is asked again at once", d.reads)
		}
		d.err, d.text, d.etag = nil, "{", `"2"`
		time.Sleep(6 * time.Minute)
		if r := ships(t, f, "a@example.com"); r.Masked["email"] != 1 || !r.StaleRules {
			t.Errorf("wrong rules: %+v", r)
		}
		if log := w.log.String(); !strings.Contains(log, "those read before are used") || !strings.Contains(log, `"staleRules":true`) || !strings.Contains(log, `"StaleRules":1`) {
			t.Error(log)
		}
		d.text, d.etag = `{"version":1,"default":{"drop":true}}`, `"3"`
		time.Sleep(time.Minute)
		if r := ships(t, f, "a@example.com"); r.Filtered["default:drop"] != 1 || r.StaleRules {
			t.Errorf("new rules: %+v", r)
		}
		want := []string{`conf/rules.json `, `conf/rules.json "1"`, `conf/rules.json "1"`, `conf/rules.json "1"`, `conf/rules.json "1"`}
		if diff := cmp.Diff(want, d.asked); diff != "" {
			t.Errorf("ETags (-want +got):\n%s", diff)
		}
	})
}

func TestRulesKeyFromAStore(t *testing.T) {
	const hmac = `{"version":1,"masks":{"email":{"hmac":true}},"default":{"mask":["email"]}}`
	sent := map[string]bool{}
	for _, key := range []string{"literal-key-0123456", "arn:aws:ssm:eu-west-1:111122223333:parameter/key", "literal-key-0123456"} {
		w := newFixture().withRules(hmac, &document{})
		w.vars["RULES_KEY"] = key
		ships(t, w.forwarder(t), "a@example.com")
		sent[string(w.source.Requests()[0].Body)] = true
		if log := w.log.String(); strings.Contains(log, "key-0123456") || strings.Contains(log, "store-0123") { // not digits alone: a time may have them
			t.Error("the key is in the log")
		}
	}
	if len(sent) != 2 || !strings.Contains(slices.Collect(maps.Keys(sent))[0], "[email:") {
		t.Errorf("%v", sent)
	}
}

// A rule says where its flow records have their addresses.
func TestFlowRecordsOfARule(t *testing.T) {
	const rule = `{"version":1,"default":{"format":"VPC-RAW","flowLogs":{"internal":["10.0.0.0/8"],"format":"${version} ${dstaddr} ${srcaddr}"}}}`
	w := newFixture().withRules(rule, &document{})
	r := ships(t, w.forwarder(t), "5 10.0.0.1 10.0.0.2", "5 8.8.8.8 10.0.0.2", "5 10.0.0.1 8.8.8.8")
	if r.Confirmed != 2 || sum(r.Filtered) != 1 {
		t.Errorf("%+v: %q", r, w.source.Taken())
	}
}

// A preview says what cannot be sent, and why.
func TestPreviewOfWhatCannotBeSent(t *testing.T) {
	r := newFixture().replayer(t, false).Preview([]byte("unreadable"))
	if r.Records != 0 || r.Events != 1 || r.Class != ship.Undecodable || r.Failures[ship.Undecodable] != 1 || r.Left != -1 {
		t.Errorf("unreadable: %+v", r)
	}
	w := newFixture().withRules("s3://conf/rules.json", &document{err: errors.New("no answer")})
	r = w.replayer(t, false).Preview(event("a", "b"))
	if r.Records != 0 || r.Events != 2 || r.Class != "misconfigured" || r.Failures["misconfigured"] != 2 || !strings.Contains(r.Error, "rules") {
		t.Errorf("without rules: %+v", r)
	}
}

// rotating is a document whose key changes.
type rotating struct {
	*document
	key string
}

func (r *rotating) Parameter(context.Context, string, string) (string, error) { return r.key, nil }

// A new key counts though the document with the rules is the old one.
func TestRulesKeyIsReadAgain(t *testing.T) {
	const hmac = `{"version":1,"masks":{"email":{"hmac":true}},"default":{"mask":["email"]}}`
	for _, place := range []string{"s3://conf/rules.json", hmac} {
		synctest.Test(t, func(t *testing.T) {
			d := &rotating{&document{text: hmac, etag: `"1"`}, "the-first-key-01234"}
			w := newFixture().withRules(place, d.document)
			w.secrets, w.vars["RULES_KEY"] = d, "arn:aws:ssm:eu-west-1:111122223333:parameter/key"
			f := w.forwarder(t)
			for _, key := range []string{d.key, d.key, "the-second-key-0123"} {
				d.key = key
				ships(t, f, "a@example.com")
				time.Sleep(10 * time.Minute)
			}
			sent := bodies(w)
			if len(sent) != 3 || sent[0] != sent[1] || sent[1] == sent[2] {
				t.Errorf("%s: %q", place, sent)
			}
		})
	}
}

func bodies(w *fixture) (texts []string) {
	for _, r := range w.source.Requests() {
		texts = append(texts, string(r.Body))
	}
	return texts
}

// late is a store that answers from the second call on.
type late struct{ *document }

func (l late) Object(ctx context.Context, bucket, key, etag string, limit int) ([]byte, string, error) {
	if l.reads == 0 {
		l.reads++
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	return l.document.Object(ctx, bucket, key, etag, limit)
}

// An invocation without time for the rules says nothing of the store: the next one asks
// at once.
func TestRulesAreReadAfterOneWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &document{text: maskMail}
		w := newFixture().withRules("s3://conf/rules.json", d)
		w.objects = late{d}
		f := w.forwarder(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if r, err := f.Ship(ctx, event("a@example.com")); err != nil || r.DeadLettered != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r := ships(t, f, "a@example.com"); r.Confirmed != 1 || r.Masked["email"] != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestWrongRulesStopTheStart(t *testing.T) {
	for _, tt := range []struct{ rules, key, want string }{
		{"arn:aws:sns:eu-west-1:111122223333:x", "", "is not the ARN of an SSM parameter"},
		{"arn:aws:secretsmanager:eu-west-1:111122223333:secret:x", "", "is not the ARN of an SSM parameter"},
		{"s3://bucket", "", "want s3://BUCKET/KEY"},
		{"version: 1\nrules: [{rule: a, mask: [e-mail]}]", "", `RULES: line 2, column 26: rule a: rules[0].mask[0]: unknown mask "e-mail"`},
		{"version: 1\ndefault: {host: '{nope}'}", "", "unknown placeholder {nope}"},
		{"version: 1", "short", "RULES_KEY: has 5 bytes; want at least 16"},
	} {
		w := newFixture()
		w.vars["RULES"], w.vars["RULES_KEY"] = tt.rules, tt.key
		if _, err := ship.NewForwarder(w.options()); err == nil || !strings.Contains(err.Error(), tt.want) || tt.key != "" && strings.Contains(err.Error(), tt.key) {
			t.Errorf("%s: %v, want %s", tt.rules, err, tt.want)
		}
	}
}

// The example of the page is read as it stands there.
func TestDocumentedRulesAreRight(t *testing.T) {
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	set, err := ship.ReadRules([]byte(example), nil)
	if err != nil || !found || len(set.Rules()) != 4 {
		t.Error(found, err)
	}
}

// A replay drops what a sample has dropped, and nothing else.
func TestReplaySamplesTheSameEvents(t *testing.T) {
	w := newFixture().withRules(`{"version":1,"rules":[{"rule":"some","sample":{"rate":0.5,"keep":["ERROR"]}}]}`, &document{})
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	first := ships(t, w.forwarder(t), append(lines, "ERROR")...)
	if n := first.Filtered["some:sample"]; n < 8 || n > 32 {
		t.Fatalf("%+v", first)
	}
	bodies := func() map[string]string {
		out := map[string]string{}
		for _, r := range w.source.Requests() {
			out[r.Header.Get("X-Sumo-Fields")] += string(r.Body)
		}
		return out
	}
	before := bodies()
	if !strings.Contains(before[""], "ERROR") || strings.Contains(before["sample_rate=0.5"], "ERROR") || len(before) != 2 {
		t.Errorf("%q", before)
	}
	w.source = sumotest.New()
	if second := ships(t, w.forwarder(t), append(lines, "ERROR")...); cmp.Diff(first.Filtered, second.Filtered) != "" || cmp.Diff(before, bodies()) != "" {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// tagStore holds the tags of log groups.
type tagStore struct {
	tags  map[string]string
	err   error
	calls []string
}

func (s *tagStore) Tags(_ context.Context, account, group string) (map[string]string, error) {
	s.calls = append(s.calls, account+" "+group)
	return s.tags, s.err
}

func TestTags(t *testing.T) {
	owned := func(owner string) []byte {
		return transform.Pack([]byte(`{"owner":"` + owner + `","logGroup":"/ecs/web","logStream":"s","logEvents":[{"id":"1","message":"a"},{"id":"2","message":"b"}]}`))
	}
	invoke := func(f *ship.Forwarder, event []byte) ship.Report {
		ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{InvokedFunctionArn: "arn:aws:lambda:eu-west-1:111122223333:function:f"})
		r, err := f.Ship(ctx, event)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	newForwarder := func(rules string, store *tagStore) (*fixture, *ship.Forwarder) {
		w := newFixture().withRules(rules, &document{})
		w.vars["AWS_REGION"] = "eu-west-1"
		o := w.options()
		o.Tags = store
		f, err := ship.NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		return w, f
	}
	const match = `{"version":1,"rules":[{"rule":"a","match":{"tags":{"team":"pay"}},"mask":["email"],"category":"{tag:team}"}],"default":{"drop":true}}`
	store := &tagStore{tags: map[string]string{"team": "pay"}}
	w, f := newForwarder(match, store)
	invoke(f, owned("111122223333"))
	invoke(f, owned("111122223333"))
	if got := w.source.Requests(); len(got) != 2 || got[0].Header.Get("X-Sumo-Category") != "pay" || len(store.calls) != 1 || store.calls[0] != "111122223333 /ecs/web" {
		t.Errorf("%d requests, calls %q", len(got), store.calls)
	}
	if r := invoke(f, owned("999999999999")); r.Filtered["default:drop"] != 2 || len(store.calls) != 1 {
		t.Errorf("another account: %+v, calls %q", r, store.calls)
	}

	// So does a preview. What nobody can decide would be sent, as far as is known.
	preview := func(store *tagStore) ship.Report {
		w := newFixture().withRules(match, &document{})
		w.vars["AWS_REGION"], w.tags = "eu-west-1", store
		return w.replayer(t, false).Preview(owned("111122223333"))
	}
	if r := preview(&tagStore{}); r.Records != 0 || r.Filtered["default:drop"] != 2 {
		t.Errorf("preview without the tag: %+v", r)
	}
	if r := preview(&tagStore{err: errors.New("refused")}); r.Records != 2 || len(r.Filtered) != 0 {
		t.Errorf("preview with unreadable tags: %+v", r)
	}

	// Without tags nobody knows which rule, and with it which masks, apply.
	w, f = newForwarder(match, &tagStore{err: errors.New("refused")})
	if r := invoke(f, owned("111122223333")); r.DeadLettered != 2 || len(w.source.Requests()) != 0 || r.Filtered != nil || r.Class != "misconfigured" || !strings.Contains(r.Error, "refused") {
		t.Errorf("unreadable tags: %+v", r)
	}
	synctest.Test(t, func(t *testing.T) {
		store := &tagStore{err: errors.New("refused")}
		w, f := newForwarder(`{"version":1,"default":{"category":"{tag:team}"}}`, store)
		for range 3 {
			if r := invoke(f, owned("111122223333")); r.Confirmed != 2 || r.UnknownTags != 1 || len(store.calls) != 1 {
				t.Errorf("tags in a name only: %+v, calls %q", r, store.calls)
			}
		}
		out := w.log.String()
		if strings.Count(out, "cannot be read") != 1 || strings.Count(out, `"unknownTags":1`) != 3 || strings.Count(out, `"UnknownTags":1`) != 3 {
			t.Errorf("not told once, and counted each time:\n%s", out)
		}
		store.err, store.tags = nil, map[string]string{"team": "pay"}
		time.Sleep(40 * time.Second) // the failure is remembered for 20 to 40 s
		if r := invoke(f, owned("111122223333")); r.UnknownTags != 0 || len(store.calls) != 2 {
			t.Errorf("afterwards: %+v, calls %q", r, store.calls)
		}
		if r := w.source.Requests()[3]; r.Header.Get("X-Sumo-Category") != "pay" {
			t.Errorf("afterwards the category is %q", r.Header.Get("X-Sumo-Category"))
		}
	})
	store = &tagStore{}
	_, f = newForwarder(`{"version":1,"default":{"category":"x"}}`, store)
	if invoke(f, owned("111122223333")); len(store.calls) != 0 {
		t.Errorf("calls %q that nobody needs", store.calls)
	}
}

// The requests that are signed here, as S3 and CloudWatch Logs get them.
func TestSignedCalls(t *testing.T) {
	var got []string
	answer := func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.EscapedPath()+" "+r.Header.Get("X-Amz-Target")+r.Header.Get("If-None-Match"))
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKID/") {
			t.Errorf("not signed: %q", r.Header)
		}
		switch {
		case strings.Contains(r.URL.Path, "gone"):
			w.WriteHeader(404)
			fmt.Fprint(w, "<Error><Code>NoSuchKey</Code><Message>"+leaktest.Secret+"</Message></Error>")
		case r.Method == http.MethodPost:
			fmt.Fprint(w, `{"tags":{"team":"pay"}}`)
		case r.Header.Get("If-None-Match") == `"1"`:
			w.WriteHeader(304)
		default:
			w.Header().Set("ETag", `"1"`)
			fmt.Fprint(w, `{"version":1,"default":{"category":"{tag:team}"}}`)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	run := func(place string) (*fixture, ship.Report) {
		w := newFixture()
		maps.Copy(w.vars, map[string]string{"RULES": place, "AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"})
		o := w.options()
		o.Secrets, o.Objects = nil, nil
		f, err := ship.NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Ship(t.Context(), transform.Pack([]byte(`{"owner":"111122223333","logGroup":"/ecs/web","logStream":"s","logEvents":[{"id":"1","message":"a"}]}`)))
		if err != nil {
			t.Fatal(err)
		}
		return w, r
	}
	w, r := run("s3://conf/a b/rules+1.json")
	if r.Confirmed != 1 || w.source.Requests()[0].Header.Get("X-Sumo-Category") != "pay" {
		t.Errorf("%+v", r)
	}
	if _, r = run("s3://conf/gone"); r.DeadLettered != 1 || r.Error != "rules: reading s3://conf/gone: answered 404 NoSuchKey" {
		t.Errorf("%+v", r)
	}
	want := []string{"GET /conf/a%20b/rules%2B1.json ", "POST / Logs_20140328.ListTagsForResource", "GET /conf/gone "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// With all of the built-in masks on, a record is JSON as its message was, and a second
// look at it finds nothing more.
func FuzzNothingUnmaskedLeaves(f *testing.F) {
	for _, m := range []string{
		"ann@example.com from 10.0.0.1", `{"to":"ann@example.com","n":4111111111111111,"ann@example.com":1}`, `{"a":"4111 1111\u00201111 1111"}`,
		`{"SecretAccessKey":"wJalrXUtnFEMI\/K7MDENG/bPxRfiCYEXAMPLEKEY"}`, `{"Authorization":["Basic dXNlcjpwYXNz"]}`, "Bearer abcdef123456\tx\n",
		`"-----BEGIN PRIVATE KEY-----\nMII"`, `{"x":"{\"mail\":\"a@b.example.com\"}"}`, "\ud7ff\u2028é@example.com",
	} {
		f.Add(m)
	}
	document, err := json.Marshal(map[string]any{"version": 1, "default": map[string]any{"mask": mask.Names()}})
	if err != nil {
		f.Fatal(err)
	}
	set, err := ship.ReadRules(document, nil)
	if err != nil {
		f.Fatal(err)
	}
	look := func(t *testing.T, message string) (line []byte, masked map[string]int) {
		b, err := transform.Decode(event(message), transform.DefaultLimit)
		if err != nil {
			t.Fatal(err)
		}
		by := &ship.Treatment{Set: set}
		for r := range by.Apply(transform.Options{}).Records(b) {
			line = slices.Clone(r.Line)
		}
		by.Count()
		return line, by.Masked
	}
	f.Fuzz(func(t *testing.T, message string) {
		line, _ := look(t, message)
		if line == nil {
			return // blank
		}
		var record struct{ Message json.RawMessage }
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%q: %v: %s", message, err, line)
		}
		again := string(record.Message)
		var text string
		if json.Unmarshal(record.Message, &text) == nil {
			again = text
		}
		if _, masked := look(t, again); len(masked) > 0 {
			t.Errorf("%q: %v is left in %s", message, masked, line)
		}
	})
}
