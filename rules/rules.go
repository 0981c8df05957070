// Package rules reads the document that says what is shipped, under which name and
// without what: rules that choose log events by where they came from, and then
// name, filter, sample and mask them. It decides and does no I/O; package transform
// writes the records.
package rules

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"sumoship/rules/mask"
	"sumoship/rules/pattern"
)

// Document is a document as written.
type Document struct {
	Version int             `json:"version"`
	Masks   map[string]Mask `json:"masks"`
	Rules   []Rule          `json:"rules"`
	Default *Actions        `json:"default"`
}

// Mask is a mask of the document: a pattern, or another replacement for a built-in
// mask.
type Mask struct {
	Pattern  string `json:"pattern"`
	Replace  string `json:"replace"`
	KeepLast int    `json:"keepLast"`
	HMAC     bool   `json:"hmac"`
}

// Rule is a rule of the document.
type Rule struct {
	Name  string `json:"rule"`
	Match Match  `json:"match"`
	Actions
}

// Match is what a rule chooses; an empty member chooses everything.
type Match struct {
	LogGroup  string            `json:"logGroup"`
	LogStream string            `json:"logStream"`
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	Tags      map[string]string `json:"tags"`
}

// Actions is what is done with the log events that a rule chooses.
type Actions struct {
	Category string            `json:"category"`
	Name     string            `json:"name"`
	Host     string            `json:"host"`
	Fields   map[string]string `json:"fields"`

	Format               string `json:"format"`
	MetadataFromMessages string `json:"metadataFromMessages"`

	Drop    bool     `json:"drop"`
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
	Sample  *Sample  `json:"sample"`

	Mask     []string  `json:"mask"`
	Redact   []string  `json:"redact"`
	FlowLogs *FlowLogs `json:"flowLogs"`
}

// Sample is which share of the log events is kept.
type Sample struct {
	Rate float64  `json:"rate"`
	Keep []string `json:"keep"`
}

// FlowLogs says which records of VPC flow logs are dropped.
type FlowLogs struct {
	Format   string   `json:"format"`
	Internal []string `json:"internal"`
}

// Set is a compiled document. It may be used concurrently.
type Set struct {
	rules    []*Compiled
	fallback *Compiled
}

// Compiled is a compiled rule, or the default, whose name is DefaultName.
type Compiled struct {
	Name    string
	Actions Actions
	Masks   *mask.Set // nil if there are none

	match            matcher
	include, exclude []*pattern.Pattern
	keep             []*pattern.Pattern
}

// DefaultName is the name of the default.
const DefaultName = "default"

type matcher struct {
	group, stream, account, region *pattern.Pattern
	tags                           map[string]*pattern.Pattern
}

// Origin is where a log event came from.
type Origin struct {
	LogGroup, LogStream, Account, Region string
	Tags                                 map[string]string // of the log group; nil if unknown
}

// Options are what reading a document needs to know.
type Options struct {
	// Template returns what is wrong with a text that has placeholders; nil means
	// nothing is.
	Template func(text string) error
	// Network returns what is wrong with a network of flowLogs.internal.
	Network func(text string) error
	// Key is the key of masks that replace by HMAC; nil is none.
	Key []byte
}

// Read reads a document, JSON or YAML, and compiles it. The error is Mistakes.
func Read(data []byte, o Options) (*Set, error) {
	root, mistakes := parse(data)
	if mistakes != nil {
		return nil, mistakes
	}
	c := &checker{Options: o}
	doc := c.document(root)
	if len(c.mistakes) > 0 {
		slices.SortStableFunc(c.mistakes, func(a, b Mistake) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, c.mistakes
	}
	return c.compile(doc), nil
}

// Match returns the first rule that chooses log events of an origin, or the
// default, or nil if the document has none.
func (s *Set) Match(o Origin) *Compiled {
	for _, r := range s.rules {
		if r.match.matches(o) {
			return r
		}
	}
	return s.fallback
}

// Rules returns the rules in order, with the default at the end if there is one.
func (s *Set) Rules() []*Compiled {
	if s.fallback == nil {
		return s.rules
	}
	return append(slices.Clip(s.rules), s.fallback)
}

// NeedsTags reports whether rules match on the tags of log groups.
func (s *Set) NeedsTags() bool {
	return slices.ContainsFunc(s.rules, func(r *Compiled) bool { return len(r.match.tags) > 0 })
}

// NamesTags reports whether a text has a placeholder {tag:…}.
func (s *Set) NamesTags() bool {
	return slices.ContainsFunc(s.Rules(), func(r *Compiled) bool {
		a := r.Actions
		for _, text := range a.Fields {
			if strings.Contains(text, "{tag:") {
				return true
			}
		}
		return strings.Contains(a.Category+a.Name+a.Host, "{tag:")
	})
}

func (m *matcher) matches(o Origin) bool {
	for _, c := range [...]struct {
		p    *pattern.Pattern
		text string
	}{{m.group, o.LogGroup}, {m.stream, o.LogStream}, {m.account, o.Account}, {m.region, o.Region}} {
		if c.p != nil && !c.p.MatchString(c.text) {
			return false
		}
	}
	for key, p := range m.tags {
		if value, ok := o.Tags[key]; !ok || !p.MatchString(value) {
			return false
		}
	}
	return true
}

// Verdict is what becomes of a log event.
type Verdict uint8

const (
	Ship       Verdict = iota
	Dropped            // by drop
	NotMatched         // by include: it matches none of the patterns
	Excluded           // by exclude
	SampledOut         // by sample
)

func (v Verdict) String() string {
	return [...]string{"ship", "drop", "include", "exclude", "sample"}[v]
}

// RateField is the field that says which share of such log events was kept.
const RateField = "sample_rate"

// Decide says what becomes of a log event with this id and message. rate is the
// share of log events like it that are shipped: 1 if it was kept for what it says.
// The same id has the same verdict always, so that a replay drops the same events.
func (r *Compiled) Decide(id, message []byte) (v Verdict, rate float64) {
	switch a := &r.Actions; {
	case a.Drop:
		return Dropped, 1
	case matchesAny(r.exclude, message):
		return Excluded, 1
	case len(r.include) > 0 && !matchesAny(r.include, message):
		return NotMatched, 1
	case a.Sample == nil || matchesAny(r.keep, message):
		return Ship, 1
	case !sampled(id, message, a.Sample.Rate):
		return SampledOut, a.Sample.Rate
	default:
		return Ship, a.Sample.Rate
	}
}

// Decides reports whether Decide looks at log events at all.
func (r *Compiled) Decides() bool {
	return r.Actions.Drop || len(r.exclude)+len(r.include) > 0 || r.Actions.Sample != nil
}

func matchesAny(patterns []*pattern.Pattern, text []byte) bool {
	return slices.ContainsFunc(patterns, func(p *pattern.Pattern) bool { return p.Match(text) })
}

// sampled reports whether an event is among the share that is kept. One without an
// id is known by its message.
func sampled(id, message []byte, rate float64) bool {
	h := fnv.New64a()
	if len(id) == 0 {
		id = message
	}
	h.Write(id)
	// FNV changes the high bits little at the last bytes: mix them (splitmix64).
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) < rate*(1<<53)
}

// Slow returns the patterns of the rule that require no text literally, so that each
// message is compared with them.
func (r *Compiled) Slow() []string {
	var out []string
	for _, list := range [][]*pattern.Pattern{r.include, r.exclude, r.keep} {
		for _, p := range list {
			if !p.Literal() {
				out = append(out, p.String())
			}
		}
	}
	if r.Masks != nil {
		out = append(out, r.Masks.Slow()...)
	}
	return out
}

// FormatRate returns a rate as the value of RateField.
func FormatRate(rate float64) string { return strconv.FormatFloat(rate, 'g', -1, 64) }

// FieldList returns the fields as Sumo Logic's header has them, in the order of
// their names.
func (a *Actions) FieldList() string {
	var list []string
	for key, value := range a.Fields {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// compile compiles a document without mistakes.
func (c *checker) compile(doc *Document) *Set {
	s := &Set{}
	for _, r := range doc.Rules {
		compiled := c.compileActions(doc, r.Name, r.Actions)
		one := func(source string) *pattern.Pattern {
			if source == "" {
				return nil
			}
			return must(pattern.Compile(source))
		}
		compiled.match = matcher{group: one(r.Match.LogGroup), stream: one(r.Match.LogStream), account: one(r.Match.Account), region: one(r.Match.Region)}
		for key, source := range r.Match.Tags {
			if compiled.match.tags == nil {
				compiled.match.tags = map[string]*pattern.Pattern{}
			}
			compiled.match.tags[key] = must(pattern.Compile(source))
		}
		s.rules = append(s.rules, compiled)
	}
	if doc.Default != nil {
		s.fallback = c.compileActions(doc, DefaultName, *doc.Default)
	}
	return s
}

func (c *checker) compileActions(doc *Document, name string, a Actions) *Compiled {
	all := func(sources []string) (out []*pattern.Pattern) {
		for _, source := range sources {
			out = append(out, must(pattern.Compile(source)))
		}
		return out
	}
	r := &Compiled{Name: name, Actions: a, include: all(a.Include), exclude: all(a.Exclude)}
	if a.Sample != nil {
		r.keep = all(a.Sample.Keep)
	}
	var masks []mask.Mask
	for _, name := range a.Mask {
		masks = append(masks, maskOf(doc, name))
	}
	if masks != nil {
		r.Masks = must(mask.New(masks, c.Key))
	}
	return r
}

func maskOf(doc *Document, name string) mask.Mask {
	m := doc.Masks[name]
	out := mask.Mask{Name: name, Replace: mask.Replacement{Text: m.Replace, KeepLast: m.KeepLast, HMAC: m.HMAC}}
	if m.Pattern != "" {
		out.Pattern = must(pattern.Compile(m.Pattern))
	}
	return out
}

// must returns what was compiled. The checker has compiled it before.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("rules: checked, and yet: %v", err))
	}
	return v
}
