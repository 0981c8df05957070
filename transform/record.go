package transform

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Format is the form of a record.
type Format uint8

const (
	// Others is {"timestamp":…,"message":…} and whatever else is known of the
	// event. A message that is JSON is embedded as written, without the white
	// space between its tokens; any other is a string, trimmed.
	Others Format = iota
	// VPCJSON is Others without the timestamp, for VPC flow logs.
	VPCJSON
	// VPCRaw is the message alone, trimmed; for a JSON string its content.
	VPCRaw
	// Raw is the message alone, as it is, without one trailing newline.
	Raw
)

// ParseFormat returns the Format of a LOG_FORMAT value, which is case-sensitive.
// Any other name that begins with VPC is VPC-JSON, as in Sumo's function.
func ParseFormat(name string) (Format, error) {
	switch name {
	case "", "Others":
		return Others, nil
	case "VPC-RAW":
		return VPCRaw, nil
	case "RAW":
		return Raw, nil
	}
	if strings.HasPrefix(name, "VPC") {
		return VPCJSON, nil
	}
	return Others, fmt.Errorf("unknown format %q: want Others, VPC-JSON, VPC-RAW or RAW, case-sensitive", name)
}

func (f Format) vpc() bool { return f == VPCJSON || f == VPCRaw }

// Options control how records are written. The zero value writes what Sumo's
// function writes when none of its variables is set.
type Options struct {
	Format         Format
	LogInfo        bool      // add logStream and logGroup to each record, and what its event says of its origin
	EventID        bool      // keep the id of the log event in each record
	StreamPrefixes []string  // ship only log streams that begin with one of these; none means all
	Internal       []Network // VPC formats: drop flow records between these

	// Source overrides the log stream (Name) and the log group (Host; of the source,
	// if the event says it), and sets the rest. "none" omits a header. Placeholders
	// stand for their values; an override counts as not set where one has none. See
	// CheckOverride.
	Source Source
	Region string // of the function: what {region} means for events that do not say theirs

	Metadata Metadata // what _sumo_metadata in a message may override of Source

	// Interfaces tells what VPC-JSON adds to flow records: the security groups, the
	// direction, the subnet, the VPC and the Region. nil adds nothing.
	Interfaces Interfaces

	// Rule returns the rule for the events of an origin, nil if there is none. It is
	// asked once for each origin of a batch.
	Rule func(Origin) *Rule
}

// Reason is why an event has no record.
type Reason uint8

const (
	Kept        Reason = iota
	Blank              // its message is empty or white space
	OtherStream        // its log stream is not among Options.StreamPrefixes
	InternalVPC        // a flow record between Options.Internal
	ByRule             // Rule.Decide has said so, see Record.Why
)

func (r Reason) String() string {
	return [...]string{"kept", "blank", "stream", "vpc_internal", "rule"}[r]
}

// Record is one log event on its way to Sumo Logic.
type Record struct {
	Event   int    // number of the event in the batch
	Dropped Reason // Kept, or why there is no Line
	Why     string // the reason of Rule.Decide, if Dropped is ByRule
	Rule    *Rule  // the one that counts for its origin: of Options.Rule, or one that says what Options say
	Source  Source
	Usual   Source // what Source would be without _sumo_metadata in the message
	Line    []byte // without a trailing newline; valid until the next record
}

// Reason returns why the event has no record.
func (r *Record) Reason() string { return cmp.Or(r.Why, r.Dropped.String()) }

// Records yields a record for each event of the batch, in order.
//
// Source: the record format of SumoLogic/sumologic-aws-lambda,
// cloudwatchlogs-with-dlq.
func (o Options) Records(b *Batch) func(yield func(Record) bool) {
	return func(yield func(Record) bool) {
		if b.n == 0 {
			return
		}
		w := o.writer(b)
		matches := o.matches(b.LogStream)
		i := 0
		scanArray(b.doc, b.from, func(at int) int {
			end := w.event.read(b, i, at)
			w.locate()
			r := Record{Event: i, Source: w.from.source, Usual: w.from.source, Dropped: OtherStream, Rule: w.from.rule}
			i++
			if matches {
				w.write(&r)
			}
			if !yield(r) {
				return -1
			}
			return end
		})
	}
}

func (o Options) matches(stream string) bool {
	return len(o.StreamPrefixes) == 0 ||
		slices.ContainsFunc(o.StreamPrefixes, func(p string) bool { return strings.HasPrefix(stream, p) })
}

// writer writes the records of one batch.
type writer struct {
	Options
	batch   *Batch
	payload origin // of events that say nothing of their own
	origins map[systemFields]*origin
	from    *origin // of the event that was read last
	fields  []byte  // its extractedFields
	ids     ids
	event   event
	line    []byte

	flow []byte // the message, before masks

	// scratch
	json, text, hidden, escaped, redacted []byte
}

func (o Options) writer(b *Batch) *writer {
	w := &writer{Options: o, batch: b}
	w.payload = *w.originOf(systemFields{})
	w.from = &w.payload
	return w
}

func quote(s string) []byte {
	out := []byte{'"'}
	for _, r := range s {
		out = appendEscaped(out, r)
	}
	return append(out, '"')
}

// write sets the line of the event that was read last.
func (w *writer) write(r *Record) {
	e, rule := &w.event, w.from.rule
	id := w.ids.of(e)
	whole := e.body
	if rule.Format == Raw {
		whole = cutNewline(e.msg)
	}
	body := trim(whole)
	switch {
	case e.value == nil && len(body) == 0:
		r.Dropped = Blank
		return
	case !w.decide(r):
		return
	case rule.Format.vpc() && internal(body, rule.Internal, rule.Columns):
		r.Dropped = InternalVPC
		return
	}
	w.flow = body
	var value []byte
	changed := false
	if e.value != nil {
		w.json = appendCompact(w.json[:0], e.value)
		value = w.hideJSON(w.json)
		w.chooseFromMessage(r, value)
	} else if maybeJSON(body) && onlyJSONSpace(whole, body) {
		value, changed = w.parse(body, r)
	}
	if value == nil {
		whole = w.hideText(whole)
		body = trim(whole)
		w.chooseFromMessage(r, nil)
	}
	switch {
	case rule.Format == Raw && e.value == nil && !changed:
		w.line = w.appendText(w.line[:0], whole)
	case rule.Format == Raw || rule.Format == VPCRaw:
		w.line = w.appendRaw(w.line[:0], value, body)
	default:
		w.line = w.appendRecord(w.line[:0], value, body, id)
	}
	if r.Line = w.line; len(w.line) > 0 {
		r.Dropped = Kept
	} else {
		r.Dropped = Blank // the JSON string "" in a raw format
	}
}

// parse returns the message, compacted and without what the rule hides, if it is
// JSON, else nil. It removes a _sumo_metadata member and applies it to r; changed
// reports whether it has removed or hidden anything.
func (w *writer) parse(body []byte, r *Record) (value []byte, changed bool) {
	w.json = appendUnescaped(w.json[:0], body)
	if w.event.lone && w.from.rule.Masks != nil {
		replaceLoneSurrogates(w.json) // masks may cut text anywhere between characters
	}
	from, to, spaced, ok := isJSON(w.json)
	if !ok {
		return nil, false
	}
	value = w.json[from:to]
	if spaced {
		value = appendCompact(value[:0], value)
	}
	hidden := w.hideJSON(value)
	changed = len(hidden) != len(value) || &hidden[0] != &value[0]
	value = hidden
	w.chooseFromMessage(r, value)
	// The key may be written with escapes.
	if w.from.rule.Metadata != NoMetadata && value[0] == '{' && (bytes.Contains(value, []byte(metadataKey)) || bytes.Contains(value, []byte(`\u`))) {
		var cut bool
		value, cut = w.cutMetadata(value, r)
		changed = changed || cut
	}
	if w.event.lone {
		value = escapeLoneSurrogates(nil, value)
	}
	return value, changed
}

// maybeJSON rules out most text that is not JSON, without unescaping it.
func maybeJSON(body []byte) bool {
	first, n := next(body)
	last := body[len(body)-1]
	switch first {
	case '{':
		return last == '}'
	case '[':
		return last == ']'
	case '"':
		return last == '"' && len(body) > n
	case 't', 'f', 'n':
		return string(body) == "true" || string(body) == "false" || string(body) == "null"
	}
	return (first == '-' || first >= '0' && first <= '9') && scanNumber(body, 0) == len(body)
}

// onlyJSONSpace reports whether what trim has cut off s is white space in JSON too:
// a byte order mark, for instance, makes a message text.
func onlyJSONSpace(s, trimmed []byte) bool {
	left := s[:len(s)-len(trimLeft(s))]
	right := s[len(left)+len(trimmed):]
	for _, cut := range [][]byte{left, right} {
		for len(cut) > 0 {
			r, n := next(cut)
			if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
				return false
			}
			cut = cut[n:]
		}
	}
	return true
}

// cutMetadata removes _sumo_metadata from a compact JSON object, in place.
func (w *writer) cutMetadata(value []byte, r *Record) (out []byte, found bool) {
	out = value[:1]
	source := r.Source
	scanObject(value, 0, func(key []byte, i int) int {
		end, _ := scanValue(value, i, 0)
		if keyIs(key, metadataKey) {
			r.Source, found = w.sourceOf(source, value[i:end]), true
			return end
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, value[i-1-len(key):end]...)
		return end
	})
	return append(out, '}'), found
}

func (w *writer) sourceOf(source Source, metadata []byte) Source {
	from := w.from
	if source != from.source {
		return w.choose(source, metadata) // its rule has set something for this event alone
	}
	s, ok := from.chosen[string(metadata)]
	if !ok {
		s = w.choose(source, metadata)
		if from.chosen == nil {
			from.chosen = map[string]Source{}
		}
		from.chosen[string(metadata)] = s
	}
	return s
}

// choose returns a source with what _sumo_metadata may override of it.
func (w *writer) choose(source Source, metadata []byte) Source {
	s := source.override(metadata)
	if w.from.rule.Metadata == FieldsMetadata {
		source.Fields = s.Fields
		return source
	}
	return s
}

// appendRaw appends the message alone: the content of a JSON string, other JSON as
// it is, and the text body if value is nil.
func (w *writer) appendRaw(dst, value, body []byte) []byte {
	switch {
	case value == nil:
		return w.appendText(dst, body)
	case value[0] == '"':
		return append(dst, text(value)...)
	}
	return append(dst, value...)
}

func (w *writer) appendText(dst, s []byte) []byte {
	dst = appendUnescaped(dst, s)
	if w.event.lone {
		replaceLoneSurrogates(dst)
	}
	return dst
}

// appendRecord appends the event as a JSON object: its members in order, the
// message as value or, if that is nil, as the text body, and then what else is
// known of the event.
func (w *writer) appendRecord(dst, value, body, id []byte) []byte {
	e, info := &w.event, &w.from.info
	var done [kinds]bool
	dst = append(dst, '{')
	for i := range e.members {
		m := &e.members[i]
		if w.omits(m, id) {
			continue
		}
		done[m.kind] = true
		dst = append(comma(dst), m.key...)
		dst = append(dst, ':')
		switch {
		case m.kind == message && value == nil:
			dst = appendQuoted(dst, body)
		case m.kind == message:
			dst = append(dst, value...)
		case m.kind == reqID && id != nil:
			dst = appendQuoted(dst, id)
		case info[m.kind] != nil:
			dst = append(dst, info[m.kind]...)
		case m.kind != eventID && m.kind != timestamp && m.kind != reqID && w.from.rule.Masks != nil:
			dst = append(dst, w.hideMember(m.value)...)
		default:
			dst = appendCompact(dst, m.value)
		}
	}
	if id != nil && !done[reqID] {
		dst = appendQuoted(append(comma(dst), `"requestID":`...), id)
	}
	if e.level != "" && !done[level] {
		dst = append(append(append(comma(dst), `"level":"`...), e.level...), '"')
	}
	if !w.LogInfo {
		return append(w.appendInterface(dst), '}')
	}
	for _, add := range [...]struct {
		kind kind
		key  string
	}{{logStream, `"logStream":`}, {logGroup, `"logGroup":`}, {account, `"account":`}, {region, `"region":`}, {sourceGroup, `"sourceGroup":`}} {
		if v := info[add.kind]; v != nil && !done[add.kind] {
			dst = append(append(comma(dst), add.key...), v...)
		}
	}
	return append(w.appendInterface(dst), '}')
}

// omits reports whether a member of the event is left out of its record.
func (w *writer) omits(m *member, id []byte) bool {
	switch m.kind {
	case extractedFields:
		return true
	case eventID:
		return !w.EventID
	case timestamp:
		return w.from.rule.Format.vpc()
	case reqID:
		return id == nil && string(m.value) == "null"
	}
	return false
}

func comma(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return dst
}

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
