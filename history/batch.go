package history

import (
	"bytes"
	"strconv"
	"time"
)

// batcher gathers log events into documents, one of each log stream at a time.
type batcher struct {
	hints Hints
	emit  func(Batch) error
	size  int // of a batch; 0 means BatchSize

	open    map[name]*draft
	order   []*draft // as they were begun
	last    *draft
	pending int // bytes
	from    int // where in the last draft the log event starts that was begun
	seq     int
	buffers chan []byte // to reuse; may be nil
}

// name is that of a log stream.
type name struct{ owner, group, stream string }

// draft is a document that is not full.
type draft struct {
	name   name
	doc    []byte
	events int
	first  int64 // timestamp
	from   string
}

// place is where in an input something is.
type place interface{ String() string }

// item is a log event. Its parts are JSON.
type item struct {
	id, timestamp, message []byte
	at                     int64 // the timestamp, ms; 0 if it is not a whole number
}

func (b *batcher) draft(n name, p place) *draft {
	if b.last != nil && b.last.name == n {
		return b.last
	}
	d := b.open[n]
	if d == nil {
		d = &draft{name: n, from: p.String()}
		select {
		case d.doc = <-b.buffers:
			d.doc = d.doc[:0]
		default:
		}
		d.doc = append(d.doc, `{"messageType":"DATA_MESSAGE",`...)
		for _, m := range [...]struct{ key, value string }{{"owner", n.owner}, {"logGroup", n.group}, {"logStream", n.stream}} {
			if m.value != "" || m.key == "logStream" {
				d.doc = append(d.doc, '"')
				d.doc = append(d.doc, m.key...)
				d.doc = append(d.doc, `":`...)
				d.doc = appendString(d.doc, []byte(m.value))
				d.doc = append(d.doc, ',')
			}
		}
		d.doc = append(d.doc, `"logEvents":[`...)
		if b.open == nil {
			b.open = map[name]*draft{}
		}
		b.open[n] = d
		b.order = append(b.order, d)
		b.pending += len(d.doc)
	}
	b.last = d
	return d
}

// add adds a log event.
func (b *batcher) add(n name, e item, p place, input int64) error {
	d := b.draft(n, p)
	before := len(d.doc)
	if d.events++; d.events > 1 {
		d.doc = append(d.doc, ',')
	} else {
		d.first = e.at
	}
	d.doc = append(d.doc, '{')
	if len(e.id) > 0 {
		d.doc = append(append(append(d.doc, `"id":`...), e.id...), ',')
	}
	d.doc = append(append(d.doc, `"timestamp":`...), e.timestamp...)
	d.doc = append(append(d.doc, `,"message":`...), e.message...)
	d.doc = append(d.doc, '}')
	return b.grown(d, len(d.doc)-before, input)
}

// begin begins a log event whose message is text, which more may add to until end or
// drop.
func (b *batcher) begin(n name, at int64, message []byte, p place) {
	d := b.draft(n, p)
	b.from = len(d.doc)
	if d.events++; d.events > 1 {
		d.doc = append(d.doc, ',')
	} else {
		d.first = at
	}
	d.doc = strconv.AppendInt(append(d.doc, `{"timestamp":`...), at, 10)
	d.doc = appendEscaped(append(d.doc, `,"message":"`...), message)
}

// more adds to the message of the log event that was begun.
func (b *batcher) more(text []byte) {
	b.last.doc = appendEscaped(b.last.doc, text)
}

// length is that of the log event that was begun, so far.
func (b *batcher) length() int { return len(b.last.doc) - b.from }

// close ends the log event that was begun.
func (b *batcher) close(input int64) error {
	d := b.last
	d.doc = append(d.doc, `"}`...)
	return b.grown(d, len(d.doc)-b.from, input)
}

// drop takes the log event back that was begun.
func (b *batcher) drop() {
	d := b.last
	d.doc = d.doc[:b.from]
	if d.events--; d.events == 0 {
		b.discard(d)
		b.last = nil
		b.pending -= len(d.doc)
	}
}

// maxEvents is how many log events a batch has at most, as many as CloudWatch Logs
// takes in one request.
//
// Source: Amazon CloudWatch Logs API Reference, PutLogEvents.
const maxEvents = 10_000

// grown hands on what is full.
func (b *batcher) grown(d *draft, by int, input int64) error {
	size := b.size
	if size == 0 {
		size = BatchSize
	}
	b.pending += by
	if len(d.doc) >= size || d.events >= 4*maxEvents {
		return b.flush(d, input)
	}
	for b.pending > maxPending && len(b.order) > 1 {
		if err := b.flush(b.order[0], input); err != nil {
			return err
		}
	}
	return nil
}

// sniffed notes the first log event of an input that is not read further.
func (b *batcher) sniffed(at int64) {
	b.last = &draft{first: at, events: 1}
}

// discard forgets a draft.
func (b *batcher) discard(d *draft) {
	delete(b.open, d.name)
	for i, o := range b.order {
		if o == d {
			b.order = append(b.order[:i], b.order[i+1:]...)
			return
		}
	}
}

// flush hands on a draft.
func (b *batcher) flush(d *draft, input int64) error {
	b.discard(d)
	b.last = nil
	b.pending -= len(d.doc)
	d.doc = append(d.doc, `]}`...)
	return b.send(d.doc, d.from, time.UnixMilli(d.first), input)
}

// send hands on a document.
func (b *batcher) send(doc []byte, where string, first time.Time, input int64) error {
	batch := Batch{Doc: doc, Seq: b.seq, Where: where, First: first, Input: input}
	b.seq++
	return b.emit(batch)
}

// end hands on what is left.
func (b *batcher) end(input int64) error {
	for len(b.order) > 0 {
		if err := b.flush(b.order[0], input); err != nil {
			return err
		}
	}
	return nil
}

const hex = "0123456789abcdef"

// plainBytes are those that a JSON string has as they are. What is not UTF-8 is among
// them: whoever reads the document replaces it.
var plainBytes = func() (plain [256]bool) {
	for c := ' '; c < 256; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// appendString appends text as a JSON string.
func appendString(to, text []byte) []byte {
	return append(appendEscaped(append(to, '"'), text), '"')
}

func appendEscaped(to, text []byte) []byte {
	from := 0
	for i, c := range text {
		if plainBytes[c] {
			continue
		}
		to = append(to, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		case '\t':
			to = append(to, '\\', 't')
		case '\r':
			to = append(to, '\\', 'r')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(to, text[from:]...)
}

// isText reports whether a JSON value is a string.
func isText(raw []byte) bool { return len(raw) > 0 && raw[0] == '"' }

// isNull reports whether a JSON value is missing or null.
func isNull(raw []byte) bool { return len(raw) == 0 || bytes.Equal(raw, []byte("null")) }
