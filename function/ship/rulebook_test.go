package ship

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sumoship/rules"
	"sumoship/transform"
)

// A place of rules is named so that an operator finds it; a key in it is not.
func TestPlacesOfRules(t *testing.T) {
	const ssm = "arn:aws:ssm:eu-west-1:111122223333:parameter/rules"
	for v, want := range map[string]string{
		"s3://b/k/l.json": "s3://b/k/l.json", "arn:aws:s3:::b/k": "s3://b/k", "s3://b/a b": "s3://b/a%20b", ssm: "ssm " + ssm, `{"version":1}`: "RULES", "": "RULES", "s3:/x": "RULES",
	} {
		if p, err := parseRulesPlace(v); err != nil || p.String() != want {
			t.Errorf("%s: %s, %v", v, p, err)
		}
	}
	for _, v := range []string{"s3://b", "s3://b/", "s3:///k", "s3://b?/k", "s3://b c/k", "arn:aws:s3:::b", "arn:aws:s3:::", "arn:aws:secretsmanager:r:1:secret:x", "arn:aws:ssm:x", "arn:"} {
		if p, err := parseRulesPlace(v); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not ", v)) && !strings.HasPrefix(v, "arn:aws:s3") || p.inline != "" || p.bucket != "" {
			t.Errorf("%s: %+v, %v", v, p, err)
		}
	}
	_, err := ReadRules([]byte(`{"version":1,"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}`), nil)
	if got := shortened(err).Error(); len(rules.AsMistakes(err)) != 6 || !strings.HasSuffix(got, "; and 1 more") {
		t.Errorf("six mistakes: %s", got)
	}
}

// counting is a store that counts what it is asked.
type counting struct {
	noStore
	n     int
	err   error
	until time.Time // from when it does not hang any more
}

func (c *counting) Object(context.Context, string, string, string, int) ([]byte, string, error) {
	c.n++
	return []byte(`{"version":1}`), "", c.err
}

func (c *counting) Parameter(context.Context, string, string) (string, error) {
	c.n++
	return "a-key-of-the-store", c.err
}

func (c *counting) Tags(ctx context.Context, account, group string) (map[string]string, error) {
	c.n++
	if time.Now().Before(c.until) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return map[string]string{"of": account + group}, c.err
}

// Rules are read again after five minutes, one half a minute after a failure, those of
// the variable never unless their key is in a store.
func TestRulesAreReadWhenTheyMayHaveChanged(t *testing.T) {
	key := secret{value: "arn", service: "ssm", region: "r"}
	for name, c := range map[string]struct {
		place rulesPlace
		key   secret
		err   error
		reads []int // after 0 s, 15 s, 45 s, 4 m 59 s, 5 m 1 s, and 100 days
	}{
		"none":                         {reads: []int{0, 0, 0, 0, 0, 0}},
		"in the variable":              {place: rulesPlace{inline: `{"version":1}`}, key: secret{value: "literal-key-0123"}, reads: []int{0, 0, 0, 0, 0, 0}},
		"in the variable, with a key":  {place: rulesPlace{inline: `{"version":1}`}, key: key, reads: []int{1, 1, 1, 1, 2, 3}},
		"in a bucket":                  {place: rulesPlace{bucket: "b", key: "k"}, reads: []int{1, 1, 1, 1, 2, 3}},
		"in a bucket, with a key":      {place: rulesPlace{bucket: "b", key: "k"}, key: key, reads: []int{2, 2, 2, 2, 4, 6}},
		"in a bucket that is not open": {place: rulesPlace{bucket: "b", key: "k"}, err: errDown, reads: []int{1, 1, 2, 3, 3, 4}},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &counting{err: c.err}
			w := newWorld()
			f, err := NewForwarder(w.options())
			if err != nil {
				t.Fatal(err)
			}
			b := &rulebook{place: c.place, key: c.key, secrets: store, objects: store, log: f.out.Log}
			var reads []int
			var first *rules.Set
			start := time.Now()
			for i, at := range []time.Duration{0, 15 * time.Second, 45 * time.Second, 299 * time.Second, 301 * time.Second, 100 * 24 * time.Hour} {
				time.Sleep(time.Until(start.Add(at)))
				set, stale, err := b.get(t.Context())
				if (set != nil) != (c.err == nil && c.place != rulesPlace{}) || stale || (err != nil) != (c.err != nil) {
					t.Errorf("%s after %s: %v, %t, %v", name, at, set, stale, err)
				}
				if i == 0 {
					first = set
				}
				if name == "in the variable" && set != first {
					t.Errorf("%s: compiled again after %s", name, at)
				}
				reads = append(reads, store.n)
			}
			check(t, name, c.reads, reads)
			if c.place.bucket == "" || c.err != nil {
				return
			}
			again := func(what string, after time.Duration, want, stale bool) {
				t.Helper()
				time.Sleep(after)
				before := store.n
				if set, old, err := b.get(t.Context()); set == nil || old != stale || err != nil || (store.n > before) != want {
					t.Errorf("%s, %s: %v, stale %t, %v, asked %d times", name, what, set, old, err, store.n-before)
				}
			}
			store.err = errDown
			again("before the store is down", time.Minute, false, false)
			again("the store is down", 5*time.Minute, true, true)
			again("a moment later", 15*time.Second, false, true)
			again("half a minute later", 30*time.Second, true, true)
			store.err = nil
			again("it is back", time.Minute, true, false)
			b.at = time.Now().Add(time.Hour)
			again("the clock was set back", 0, true, false)
		})
	}
}

// The tags of a log group are asked for once in five minutes, those of another account or
// Region never, and a failure is remembered for half a minute unless it was for want of
// time.
func TestTagsAreAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.vars["AWS_REGION"] = "r"
		store := new(counting)
		o := w.options()
		o.Tags = store
		f, err := NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		as := func(arn string) context.Context {
			return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: arn})
		}
		const ours = "arn:aws:lambda:r:1:function:f"
		for _, c := range []struct {
			ctx             context.Context
			account, region string
			asked           bool
		}{
			{as(ours), "1", "r", true}, {as(ours), "2", "r", false}, {as(ours), "1", "s", false}, {as(ours), "", "r", false},
			{as("arn:aws:lambda:r:3"), "3", "r", true}, {as("arn:aws:lambda:r:3"), "4", "r", false}, {as("arn:aws:lambda:r"), "5", "r", true}, {t.Context(), "6", "r", true}, {t.Context(), "", "r", false},
		} {
			before := store.n
			tags, err := f.tagsFor(c.ctx)(c.account, c.region, "g")
			if err != nil || store.n-before != map[bool]int{true: 1}[c.asked] || (tags["of"] == c.account+"g") != c.asked {
				t.Errorf("%+v: %v, %v, asked %d times", c, tags, err, store.n-before)
			}
		}
		at := func(d time.Duration, err error, want int) {
			t.Helper()
			time.Sleep(d)
			before := store.n
			tags, got := f.tags.get(t.Context(), "1", "g")
			if store.n-before != want || !errors.Is(got, err) || (tags == nil) != (err != nil) {
				t.Errorf("asked %d times, want %d: %v, %v", store.n-before, want, tags, got)
			}
		}
		at(rulesTTL-time.Second, nil, 0)
		at(2*time.Second, nil, 1)
		store.err = errDown
		at(rulesTTL+time.Second, errDown, 1)
		at(15*time.Second, errDown, 0)
		store.err = nil
		at(30*time.Second, nil, 1)

		f.tags.known["1:g"] = cachedTags{at: time.Now().Add(time.Hour), until: time.Now().Add(time.Hour)}
		at(0, nil, 1) // the clock was set back

		// For want of time.
		store.until = time.Now().Add(time.Hour)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if tags, err := f.tags.get(short, "1", "other"); err == nil || tags != nil || !strings.Contains(err.Error(), "tags of log group other: ") {
			t.Errorf("%v, %v", tags, err)
		}
		if n := strings.Count(w.log.String(), "cannot be read"); n != 1 {
			t.Errorf("told %d times: %s", n, &w.log)
		}
		store.until = time.Time{}
		before := store.n
		if _, err := f.tags.get(t.Context(), "1", "other"); err != nil || store.n != before+1 {
			t.Errorf("%v, asked %d times", err, store.n-before)
		}

		for i := range maxTagged + 10 {
			f.tags.get(t.Context(), "1", fmt.Sprint(i))
			if n := len(f.tags.known); n > maxTagged {
				t.Fatalf("%d log groups are remembered", n)
			}
			if i == maxTagged-1-5 { // 5 accounts, and the other group, are there
				check(t, "full", maxTagged, len(f.tags.known))
			}
		}
	})
}

// What a rule says of records is what the records are written by; where it says nothing
// the variables count.
func TestRulesBecomeOptions(t *testing.T) {
	set, err := ReadRules([]byte(`{"version":1,"rules":[
		{"rule":"all","match":{"logGroup":"all"},"name":"n","category":"c","host":"h","fields":{"k":"v"},"format":"Others","metadataFromMessages":"none","redact":["user.name"],"mask":["email"],"flowLogs":{"internal":["10.0.0.0/8"],"format":"${dstaddr} ${version} ${srcaddr}"},"sample":{"rate":0.5}}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	base := transform.Options{Format: transform.Raw}
	treat := &Treatment{Set: set}
	r := treat.Apply(base).Rule(transform.Origin{LogGroup: "all"})
	if r == nil || r.Columns == nil || *r.Columns != [2]int{2, 0} || len(r.Redact) != 1 || r.Masks == nil || r.Decide == nil || len(r.Internal) != 1 || r.Source.Name != "n" || r.Source.Category != "c" || r.Source.Host != "h" || r.Source.Fields != "k=v" {
		t.Errorf("%+v", r)
	}
	shipped := 0
	for i := range 100 {
		switch drop, fields := r.Decide(fmt.Append(nil, "id ", i), []byte("m")); {
		case drop == "" && fields == rules.RateField+"=0.5":
			shipped++
		case drop != "all:sample" || fields != "":
			t.Errorf("event %d: %q, %q", i, drop, fields)
		}
	}
	if shipped < 25 || shipped > 75 {
		t.Errorf("%d of 100 are shipped", shipped)
	}
	for want := range 3 {
		check(t, "masked", want, treat.Masked["email"])
		if out, n := r.Masks.Append(nil, []byte("to a@example.com"), nil); string(out) != "to [email]" || n != 1 {
			t.Errorf("%s, %d", out, n)
		}
		treat.Count()
		treat.Count() // since the last call
	}
	if treat.Apply(base).Rule(transform.Origin{LogGroup: "other"}) != nil {
		t.Error("a rule fits what it does not match")
	}
	if r := (&Treatment{Set: set, FilterOnly: true}).Apply(base).Rule(transform.Origin{LogGroup: "all"}); r.Masks != nil {
		t.Error("masks where nothing is sent")
	}
}

// shop is a store of rules and of their key.
type shop struct {
	noStore
	key, document, etag string
	err, keyErr         error
	known               []string // ETags that were asked with
}

func (s *shop) Parameter(_ context.Context, _, name string) (string, error) {
	if strings.HasSuffix(name, "key") {
		return s.key, s.keyErr
	}
	return s.document, s.err
}

func (s *shop) Secret(context.Context, string, string) (string, error) { return s.key, s.keyErr }

func (s *shop) Object(_ context.Context, bucket, key, etag string, limit int) ([]byte, string, error) {
	s.known = append(s.known, fmt.Sprintf("%s/%s %d %s", bucket, key, limit, etag))
	if etag != "" && etag == s.etag {
		return nil, etag, nil
	}
	return []byte(s.document), s.etag, s.err
}

// Why there are no rules names their place, or that of their key; the key is never told.
func TestWhyThereAreNoRules(t *testing.T) {
	const hmac = `{"version":1,"masks":{"email":{"hmac":true}},"default":{"mask":["email"]}}`
	const good = "SECRET-of-sixteen"
	parameter := secret{value: "arn:aws:ssm:r:1:parameter/rules", service: "ssm", region: "r"}
	key := secret{value: "arn:aws:ssm:r:1:parameter/key", service: "ssm", region: "r"}
	inSecret := secret{value: "arn:aws:secretsmanager:r:1:secret:key", service: "secretsmanager", region: "r"}
	for name, c := range map[string]struct {
		place rulesPlace
		key   secret
		shop  shop
		want  string
	}{
		"a bucket":             {rulesPlace{bucket: "b", key: "k"}, key, shop{key: good, document: hmac}, ""},
		"a parameter":          {rulesPlace{parameter: parameter}, inSecret, shop{key: " " + good + "\n", document: hmac}, ""},
		"the variable":         {rulesPlace{inline: hmac}, secret{value: good}, shop{}, ""},
		"no answer, a bucket":  {rulesPlace{bucket: "b", key: "k"}, key, shop{key: good, err: errDown}, "rules: reading s3://b/k: it is down"},
		"no answer, parameter": {rulesPlace{parameter: parameter}, key, shop{key: good, err: errDown}, "rules: reading ssm arn:aws:ssm:r:1:parameter/rules: it is down"},
		"no key":               {rulesPlace{inline: hmac}, key, shop{keyErr: errDown}, "the key of the rules: reading ssm arn:aws:ssm:r:1:parameter/key: it is down"},
		"no secret":            {rulesPlace{inline: hmac}, inSecret, shop{keyErr: errDown}, "the key of the rules: reading secretsmanager arn:aws:secretsmanager:r:1:secret:key: it is down"},
		"a short key":          {rulesPlace{inline: hmac}, key, shop{key: "  SECRET-of-15-xx  "}, "the key of the rules in ssm arn:aws:ssm:r:1:parameter/key has 15 bytes; want at least 16"},
		"a key, just":          {rulesPlace{inline: hmac}, key, shop{key: "  SECRET-of-16-xxx  "}, ""},
		"wrong":                {rulesPlace{bucket: "b", key: "k"}, key, shop{key: good, document: `{"version":1,"a":1,"b":2}`}, "rules in s3://b/k: "},
		"wrong, in a variable": {rulesPlace{inline: "{"}, secret{}, shop{}, "rules in RULES: "},
	} {
		b := &rulebook{place: c.place, key: c.key, secrets: &c.shop, objects: &c.shop}
		set, stale, err := b.get(t.Context())
		if stale || (set == nil) != (c.want != "") || c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, %t, %v", name, set, stale, err)
		}
		if err != nil && (strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A document that is unchanged is not compiled again, unless the key is another one.
func TestUnchangedRulesAreKept(t *testing.T) {
	s := &shop{key: "the-first-key-0123", document: `{"version":1}`, etag: "1"}
	b := &rulebook{place: rulesPlace{bucket: "b", key: "k"}, key: secret{value: "key", service: "ssm", region: "r"}, secrets: s, objects: s}
	var sets []*rules.Set
	for _, change := range []func(){func() {}, func() {}, func() { s.key = "the-second-key-012" }, func() {}, func() { s.etag = "2" }, func() {}} {
		change()
		b.next = time.Time{}
		set, _, err := b.get(t.Context())
		if err != nil || set == nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	limit := rules.MaxSize + 1
	var want []string
	for _, etag := range []string{"", "1", "", "1", "1", "2"} {
		want = append(want, fmt.Sprintf("b/k %d %s", limit, etag))
	}
	check(t, "asked", want, s.known)
	for i, same := range []bool{true, false, true, false, true} {
		if (sets[i] == sets[i+1]) != same {
			t.Errorf("read %d: the same rules: %t", i+1, !same)
		}
	}
}
