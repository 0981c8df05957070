package transform

import (
	"bytes"
	"cmp"
	"strings"
)

// Origin is where a log event came from, as far as it is known.
type Origin struct {
	Account, Region, LogGroup, LogStream string
}

// Rule is what is done with the log events of an origin, instead of what Options
// say of the same.
type Rule struct {
	Format   Format
	Metadata Metadata
	Internal []Network
	Columns  *[2]int // of the addresses in a flow record; nil means those of the default format

	// Source overrides that of Options where it is not "". Its texts may also name
	// {tag:KEY} and {json:PATH}; a placeholder without a value is empty here, a field
	// with an empty value is left out, and a text that is empty then counts as not set.
	Source Source
	Tags   map[string]string // of the log group

	// Decide says what becomes of an event with this id and message: a reason not to
	// ship it, "" if there is none, and fields to send with it. nil ships all.
	Decide func(id, message []byte) (drop, fields string)

	Masks  Masks      // nil masks nothing
	Redact [][]string // paths in JSON messages whose values are replaced; * is any name
}

// Masks hide parts of texts.
type Masks interface {
	// May reports whether JSON without escapes may hold something to hide in its
	// strings.
	May(json []byte) bool
	// Append appends text, which is UTF-8, with what must be hidden replaced, and
	// returns how many replacements there are; it appends nothing if there are none.
	// key is the member of a JSON object that
	// the text is the value of, or nil.
	Append(dst, text, key []byte) (out []byte, n int)
}

// ParsePath returns the path of a text such as user.cards.*.number.
func ParsePath(text string) []string { return strings.Split(text, ".") }

// rule returns what is done with the events of an origin.
func (o *Options) rule(from Origin) *Rule {
	if o.Rule != nil {
		if r := o.Rule(from); r != nil {
			return r
		}
	}
	return &Rule{Format: o.Format, Metadata: o.Metadata, Internal: o.Internal}
}

// messageText returns what the patterns of rules are tried on: the message as it was
// logged, without one trailing newline.
func (w *writer) messageText() []byte {
	e := &w.event
	if e.value != nil {
		return e.value
	}
	return w.plain(cutNewline(e.msg))
}

// plain returns the characters of canonical text. They are valid until the next
// call.
func (w *writer) plain(s []byte) []byte {
	if bytes.IndexByte(s, '\\') >= 0 {
		w.text = appendUnescaped(w.text[:0], s)
		if w.event.lone {
			replaceLoneSurrogates(w.text)
		}
		return w.text
	}
	return s
}

// eventID returns the id of the event that was read last, nil if it has none.
func (e *event) eventID() []byte {
	for i := range e.members {
		if m := &e.members[i]; m.kind == eventID && len(m.value) > 2 && m.value[0] == '"' {
			return m.value[1 : len(m.value)-1]
		}
	}
	return nil
}

// decide asks the rule what becomes of the event, and sets r accordingly.
func (w *writer) decide(r *Record) (ship bool) {
	rule := w.from.rule
	if rule.Decide == nil {
		return true
	}
	drop, fields := rule.Decide(w.event.eventID(), w.messageText())
	if drop != "" {
		r.Dropped, r.Why = ByRule, drop
		return false
	}
	if fields != "" {
		r.Source = w.from.with(fields)
		r.Usual = r.Source
	}
	return true
}

// with returns the source of an origin with more fields.
func (from *origin) with(fields string) Source {
	if from.moreFields != fields {
		s := from.source
		if s.Fields != "" {
			s.Fields += ","
		}
		s.Fields += fields
		from.moreFields, from.withMore = fields, s
	}
	return from.withMore
}

// withoutEmpty returns a list of fields without those that have no value.
func withoutEmpty(fields string) string {
	var kept []string
	for field := range strings.SplitSeq(fields, ",") {
		if _, value, found := strings.Cut(field, "="); !found || strings.TrimSpace(value) != "" {
			kept = append(kept, field)
		}
	}
	return strings.Join(kept, ",")
}

// overridden returns s with what a rule overrides of it.
func (s Source) overridden(by Source, values placeholderValues) Source {
	values.loose = true
	set := func(was, override string, field bool) string {
		if override == "" {
			return was
		}
		if unlessNone(override) == "" {
			return ""
		}
		values.field = field
		value, _ := values.expand(override)
		if field {
			value = withoutEmpty(value)
		}
		return cmp.Or(value, was)
	}
	return Source{
		Name: set(s.Name, by.Name, false), Category: set(s.Category, by.Category, false),
		Host: set(s.Host, by.Host, false), Fields: set(s.Fields, by.Fields, true),
	}
}

// namesMessage reports whether a text of a source has a placeholder {json:…}.
func (s Source) namesMessage() bool {
	return strings.Contains(s.Name+s.Category+s.Host+s.Fields, "{json:")
}

// chooseFromMessage sets the source of a record whose rule names parts of its
// message, value, which is JSON or nil.
func (w *writer) chooseFromMessage(r *Record, value []byte) {
	if !w.from.perMessage {
		return
	}
	values := w.from.values
	values.json = func(path string) string { return lookupJSON(value, ParsePath(path)) }
	more, _ := strings.CutPrefix(strings.TrimPrefix(r.Source.Fields, w.from.source.Fields), ",")
	r.Source = w.from.base.overridden(w.from.rule.Source, values)
	if more != "" {
		if r.Source.Fields != "" {
			r.Source.Fields += ","
		}
		r.Source.Fields += more
	}
}

// lookupJSON returns the value at a path of compact JSON as text; "" if there is none
// or if it is an object, an array or null.
func lookupJSON(value []byte, path []string) (found string) {
	if len(value) == 0 {
		return ""
	}
	if len(path) == 0 {
		found, _ = plain(value)
		if value[0] == '[' {
			return ""
		}
		return found
	}
	switch value[0] {
	case '{':
		scanObject(value, 0, func(key []byte, i int) int {
			end, _ := scanValue(value, i, 0)
			if keyIs(key, path[0]) {
				found = lookupJSON(value[i:end], path[1:])
			}
			return end
		})
	case '[':
		n := 0
		scanArray(value, 0, func(i int) int {
			end, _ := scanValue(value, i, 0)
			if path[0] == decimal(n) {
				found = lookupJSON(value[i:end], path[1:])
			}
			n++
			return end
		})
	}
	return found
}
