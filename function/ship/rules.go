package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sumoship/rules"
	"sumoship/rules/mask"
	"sumoship/transform"
)

// Objects reads objects of S3.
type Objects interface {
	// Object returns an object of at most limit bytes and its ETag. data is nil if the
	// object still has the ETag that is given.
	Object(ctx context.Context, bucket, key, etag string, limit int) (data []byte, newETag string, err error)
}

// Tags reads the tags of log groups.
type Tags interface {
	// Tags returns the tags of a log group of the function's own account and Region.
	Tags(ctx context.Context, account, group string) (map[string]string, error)
}

// rulesTTL is how long rules from a store, and tags, are used before they are read
// again.
const rulesTTL = 5 * time.Minute

// rulesPlace is where the rules are: in the variable itself, or in a store.
type rulesPlace struct {
	inline      string
	parameter   secret // an SSM parameter
	bucket, key string
}

// parseRulesPlace reads RULES. Anything that is not the name of a place is a
// document.
func parseRulesPlace(v string) (p rulesPlace, err error) {
	if name, ok := strings.CutPrefix(v, "arn:"); ok {
		if _, object, ok := strings.Cut(name, ":s3:::"); ok {
			v = "s3://" + object
		} else {
			p.parameter = secret{value: v}
			if err := p.parameter.parseARN(); err != nil || p.parameter.service != "ssm" {
				return p, fmt.Errorf("%q is not the ARN of an SSM parameter (arn:aws:ssm:REGION:ACCOUNT:parameter/NAME) or of an object (arn:aws:s3:::BUCKET/KEY)", v)
			}
			return p, nil
		}
	}
	if object, ok := strings.CutPrefix(v, "s3://"); ok {
		bucket, key, _ := strings.Cut(object, "/")
		if bucket == "" || key == "" || strings.ContainsAny(bucket, "?#:@\\ ") {
			return p, fmt.Errorf("%q is not an object; want s3://BUCKET/KEY", v)
		}
		p.bucket, p.key = bucket, key
		return p, nil
	}
	p.inline = v
	return p, nil
}

func (p rulesPlace) String() string {
	switch {
	case p.bucket != "":
		return (&url.URL{Scheme: "s3", Host: p.bucket, Path: "/" + p.key}).String()
	case p.parameter.value != "":
		return p.parameter.place()
	}
	return "RULES"
}

// ReadRules reads rules as the functions do. key is for masks that replace by HMAC.
// The error is rules.Mistakes.
func ReadRules(document, key []byte) (*rules.Set, error) {
	return rules.Read(document, rules.Options{
		Key:      key,
		Template: transform.CheckTemplate,
		Network: func(text string) error {
			_, err := transform.ParseNetworks(text)
			return err
		},
	})
}

// RecordOptions returns how the variables of a function say to write records. The
// error names every variable that is wrong.
func RecordOptions(getenv func(string) string) (transform.Options, error) {
	c, err := readConfig(getenv, impatient)
	return c.records, err
}

// rulebook caches the rules. Without any it gives nil.
type rulebook struct {
	place   rulesPlace
	key     secret // for masks that replace by HMAC
	secrets Secrets
	objects Objects
	log     *slog.Logger

	mu     sync.Mutex
	cached *rules.Set
	etag   string
	keyed  string // the key that cached was made with
	err    error  // of the last read
	at     time.Time
	next   time.Time // when to read again
}

// get returns the rules. Rules that were read before are used while they cannot be
// read again, or are wrong now; stale reports whether that is so. Without any the
// error says why, and nothing may be shipped.
func (b *rulebook) get(ctx context.Context) (set *rules.Set, stale bool, err error) {
	if b.place == (rulesPlace{}) {
		return nil, false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now().Round(0) // by the wall clock, as with the endpoint
	if (b.err != nil || b.cached != nil) && now.Before(b.next) && !now.Before(b.at) {
		if b.cached == nil {
			return nil, false, b.err
		}
		return b.cached, b.err != nil, nil
	}
	fresh, err := b.fetch(ctx)
	if err != nil && ctx.Err() != nil && b.cached == nil {
		return nil, false, err // for want of time, which says nothing of the store
	}
	b.err, b.at = err, now
	switch {
	case err == nil:
		b.cached, b.next = fresh, now.Add(rulesTTL)
		if b.place.inline != "" && b.key.service == "" {
			b.next = now.Add(365 * 24 * time.Hour)
		}
		return fresh, false, nil
	case b.cached == nil:
		b.next = now.Add(rereadAfter())
		return nil, false, err
	}
	b.next = now.Add(rereadAfter())
	b.log.Warn("the rules could not be read again; those read before are used", "place", b.place.String(), "error", err)
	return b.cached, true, nil
}

func (b *rulebook) fetch(ctx context.Context) (*rules.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	key := b.key.value
	var err error
	if b.key.service != "" {
		if key, err = readStored(ctx, b.secrets, b.key); err != nil {
			return nil, fmt.Errorf("the key of the rules: %w", err)
		}
		if key = strings.TrimSpace(key); len(key) < mask.MinKey {
			return nil, fmt.Errorf("the key of the rules in %s has %d bytes; want at least %d", b.key.place(), len(key), mask.MinKey)
		}
	}
	document := []byte(b.place.inline)
	etag := ""
	switch {
	case b.place.bucket != "":
		known := b.etag
		if b.cached == nil || key != b.keyed {
			known = ""
		}
		if document, etag, err = b.objects.Object(ctx, b.place.bucket, b.place.key, known, rules.MaxSize+1); err == nil && document == nil && known != "" {
			return b.cached, nil
		}
	case b.place.parameter.value != "":
		var text string
		text, err = b.secrets.Parameter(ctx, b.place.parameter.region, b.place.parameter.value)
		document = []byte(text)
	}
	if err != nil {
		return nil, fmt.Errorf("rules: reading %s: %w", b.place, err)
	}
	set, err := ReadRules(document, []byte(key))
	if err != nil {
		return nil, fmt.Errorf("rules in %s: %w", b.place, shortened(err))
	}
	b.etag, b.keyed = etag, key
	return set, nil
}

// shortened returns the first mistakes of a document, for a message in a queue.
func shortened(err error) error {
	const most = 5
	mistakes := rules.AsMistakes(err)
	if len(mistakes) <= most {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return fmt.Errorf("%s; and %d more", strings.ReplaceAll(mistakes[:most].Error(), "\n", "; "), len(mistakes)-most)
}

// readStored returns what an SSM parameter or a secret holds.
func readStored(ctx context.Context, secrets Secrets, s secret) (value string, err error) {
	if s.service == "ssm" {
		value, err = secrets.Parameter(ctx, s.region, s.value)
	} else {
		value, err = secrets.Secret(ctx, s.region, s.value)
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", s.place(), err)
	}
	return value, nil
}

// Treatment is rules applied to the records of one event. It is not for concurrent
// use.
type Treatment struct {
	Set *rules.Set
	// Tags returns the tags of a log group, nil if they are unknown; nil is no tags.
	Tags   func(account, region, group string) (map[string]string, error)
	Masked map[string]int // replacements by mask; what redact replaces is not counted
	NoTags int            // origins whose tags could not be read

	FilterOnly bool // records are not to be sent: what they hold needs no masks

	counts  []func()
	unknown error // why tags, on which the choice depends, are unknown
	names   map[*transform.Rule]string
}

// unknownTags is the reason of log events whose rule cannot be chosen.
const unknownTags = "unknown tags"

// Apply returns options that write records by the rules, and as base says where
// those say nothing.
func (t *Treatment) Apply(base transform.Options) transform.Options {
	base.Rule = func(from transform.Origin) *transform.Rule {
		origin := rules.Origin{LogGroup: from.LogGroup, LogStream: from.LogStream, Account: from.Account, Region: from.Region}
		if t.Tags != nil && (t.Set.NeedsTags() || t.Set.NamesTags()) {
			var err error
			if origin.Tags, err = t.Tags(from.Account, from.Region, from.LogGroup); err != nil {
				t.NoTags++
				if t.Set.NeedsTags() {
					t.unknown = err
					return &transform.Rule{Decide: func(_, _ []byte) (string, string) { return unknownTags, "" }}
				}
			}
		}
		chosen := t.Set.Match(origin)
		if chosen == nil {
			return nil
		}
		r := t.rule(base, chosen, origin.Tags)
		if t.names == nil {
			t.names = map[*transform.Rule]string{}
		}
		t.names[r] = chosen.Name
		return r
	}
	return base
}

// rule returns a compiled rule as package transform takes it.
func (t *Treatment) rule(base transform.Options, chosen *rules.Compiled, tags map[string]string) *transform.Rule {
	a := &chosen.Actions
	r := &transform.Rule{
		Format: base.Format, Metadata: base.Metadata, Internal: base.Internal, Tags: tags,
		Source: transform.Source{Name: a.Name, Category: a.Category, Host: a.Host, Fields: a.FieldList()},
	}
	// The document has been checked: these do not fail.
	if a.Format != "" {
		r.Format, _ = transform.ParseFormat(a.Format)
	}
	if a.MetadataFromMessages != "" {
		r.Metadata, _ = transform.ParseMetadata(a.MetadataFromMessages)
	}
	if a.FlowLogs != nil {
		r.Internal, _ = transform.ParseNetworks(strings.Join(a.FlowLogs.Internal, ","))
		source, destination, _ := rules.FlowColumns(a.FlowLogs.Format)
		r.Columns = &[2]int{source, destination}
	}
	for _, path := range a.Redact {
		r.Redact = append(r.Redact, transform.ParsePath(path))
	}
	if chosen.Masks != nil && !t.FilterOnly {
		m := &counted{Set: chosen.Masks, counts: make([]int, chosen.Masks.Len())}
		r.Masks = m
		t.counts = append(t.counts, func() {
			for i, n := range m.counts {
				if n > 0 {
					add(&t.Masked, m.Name(i), n)
					m.counts[i] = 0
				}
			}
		})
	}
	if chosen.Decides() {
		reasons := map[rules.Verdict]string{}
		for _, v := range []rules.Verdict{rules.Dropped, rules.NotMatched, rules.Excluded, rules.SampledOut} {
			reasons[v] = chosen.Name + ":" + v.String()
		}
		sampled := ""
		if a.Sample != nil {
			sampled = rules.RateField + "=" + rules.FormatRate(a.Sample.Rate)
		}
		r.Decide = func(id, message []byte) (drop, fields string) {
			switch v, rate := chosen.Decide(id, message); {
			case v != rules.Ship:
				return reasons[v], ""
			case rate != 1:
				return "", sampled
			}
			return "", ""
		}
	}
	return r
}

// Name returns the name of the rule of a record, "" if none fits its origin.
func (t *Treatment) Name(r transform.Record) string { return t.names[r.Rule] }

// Count adds what was masked since the last call to Masked.
func (t *Treatment) Count() {
	for _, count := range t.counts {
		count()
	}
}

// counted are masks that count what they replace.
type counted struct {
	*mask.Set
	counts []int
}

func (c *counted) Append(dst, text, key []byte) (out []byte, n int) {
	return c.Set.Append(dst, text, key, c.counts)
}

// tagsFor returns a reader of tags for one event. Those of other accounts and Regions
// cannot be read: there are none.
func (s *shipper) tagsFor(ctx context.Context) func(account, region, group string) (map[string]string, error) {
	own := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		if part := strings.Split(lc.InvokedFunctionArn, ":"); len(part) > 4 {
			own = part[4]
		}
	}
	return func(account, region, group string) (map[string]string, error) {
		if account == "" || own != "" && account != own || region != s.records.Region {
			return nil, nil
		}
		return s.tags.get(ctx, account, group)
	}
}

// tagCache caches the tags of log groups. That they could not be read is kept for a
// while too: each event would wait for it anew.
type tagCache struct {
	tags Tags
	log  *slog.Logger

	tell  sync.Once
	mu    sync.Mutex
	known map[string]cachedTags
}

type cachedTags struct {
	tags  map[string]string
	err   error
	at    time.Time
	until time.Time
}

// maxTagged bounds the log groups whose tags are kept.
const maxTagged = 1000

func (c *tagCache) get(ctx context.Context, account, group string) (map[string]string, error) {
	now := time.Now().Round(0)
	c.mu.Lock()
	known, ok := c.known[account+":"+group]
	c.mu.Unlock()
	if ok && now.Before(known.until) && !now.Before(known.at) {
		return known.tags, known.err
	}
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	tags, err := c.tags.Tags(reading, account, group)
	until := now.Add(rulesTTL)
	if err != nil {
		tags, err = nil, fmt.Errorf("tags of log group %s: %w", group, err)
		if ctx.Err() != nil {
			return nil, err // for want of time, which says nothing of the tags
		}
		until = time.Now().Round(0).Add(rereadAfter())
		c.tell.Do(func() {
			c.log.Warn("the tags of a log group cannot be read: a name that holds one goes without it, and where a rule depends on one, nothing is sent", "logGroup", group, "error", err)
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxTagged {
		c.known = map[string]cachedTags{}
	}
	c.known[account+":"+group] = cachedTags{tags, err, now, until}
	return tags, err
}
