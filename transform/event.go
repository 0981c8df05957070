package transform

import (
	"bytes"
	"math"
)

// kind is which member of a log event it is. An event of CloudWatch Logs has id,
// timestamp and message, and extractedFields where the subscription filter parses
// the line or says where it came from; Rebuild may add requestID. Other members pass
// through.
type kind uint8

const (
	other kind = iota
	eventID
	timestamp
	message
	extractedFields
	reqID
	logStream
	logGroup
	account
	region
	sourceGroup
	level
	kinds
)

func kindOf(key []byte) kind {
	if bytes.IndexByte(key, '\\') >= 0 {
		key = append(appendUnescaped([]byte{'"'}, key[1:len(key)-1]), '"')
	}
	switch string(key) {
	case `"id"`:
		return eventID
	case `"timestamp"`:
		return timestamp
	case `"message"`:
		return message
	case `"extractedFields"`:
		return extractedFields
	case `"requestID"`:
		return reqID
	case `"logStream"`:
		return logStream
	case `"logGroup"`:
		return logGroup
	case `"account"`:
		return account
	case `"region"`:
		return region
	case `"sourceGroup"`:
		return sourceGroup
	case `"level"`:
		return level
	}
	return other
}

// member is one member of a log event, as written.
type member struct {
	kind       kind
	key, value []byte
	flags      int // of value, if it is a string
}

// eventIndex holds where the members of an event are, if it is written exactly as
// CloudWatch Logs writes it, without or with extractedFields:
//
//	{"id":"…","timestamp":…,"message":"…"}
//	{"id":"…","timestamp":…,"message":"…","extractedFields":{…}}
//
// It halves the time to read an event, whose strings need not be scanned again.
// Any other event has the zero eventIndex.
type eventIndex struct {
	id      uint32 // end of the value of id
	message uint32 // start of the message, at its quote
	fields  uint32 // start of extractedFields, 0 if there are none
	end     uint32 // of the event
	flags   int32  // of the message
}

// maxIndexed bounds the index of a batch, to 1.3 MB. Later events are not indexed.
const maxIndexed = 1 << 16

const beforeID, beforeTime, beforeMessage, beforeFields = `{"id":`, `,"timestamp":`, `,"message":`, `,"extractedFields":`

// indexEvent returns the index of the event that starts at b[i].
func indexEvent(b []byte, i int) eventIndex {
	at := func(s string) bool { return i >= 0 && len(b)-i > len(s) && string(b[i:i+len(s)]) == s }
	var m eventIndex
	if len(b) > math.MaxUint32 || !at(beforeID) {
		return eventIndex{}
	}
	if i, _ = scanString(b, i+len(beforeID)); !at(beforeTime) {
		return eventIndex{}
	}
	m.id = uint32(i)
	if i = scanNumber(b, i+len(beforeTime)); !at(beforeMessage) {
		return eventIndex{}
	}
	i += len(beforeMessage)
	m.message = uint32(i)
	i, flags := scanString(b, i)
	if at(beforeFields) {
		i += len(beforeFields)
		m.fields = uint32(i)
		i, _ = scanValue(b, i, 3)
	}
	if !at("}") {
		return eventIndex{}
	}
	m.end, m.flags = uint32(i+1), int32(flags)
	return m
}

// event is a log event, parsed, before it becomes a record.
type event struct {
	members []member
	scratch []byte // holds the message if it had to be rewritten

	msg    []byte // the message as canonical escaped text, nil if it is not a string
	value  []byte // the message if it is a JSON value other than a string
	preset []byte // value of requestID
	own    []byte // the request id in the message
	level  string // the log level in the prefix of the message
	body   []byte // msg without that prefix and its trailing newline
	fields []byte // value of extractedFields, nil if there are none

	lone   bool // msg holds a lone surrogate
	report bool // a REPORT line of Lambda: the last of its request
	aside  bool // own is that of this event alone: later lines do not belong to it
	bare   bool // the event is not an object but the message itself
	lambda bool // the log stream is one of AWS Lambda
}

// read parses event n of a batch, which starts at doc[i], and returns where it
// ends.
func (e *event) read(batch *Batch, n, i int) int {
	b := batch.doc
	*e = event{members: e.members[:0], scratch: e.scratch[:0], lambda: batch.lambda}
	if n < len(batch.index) && batch.index[n].end != 0 {
		m := batch.index[n]
		id, text, end := int(m.id), int(m.message), int(m.end)-1
		after := end
		if m.fields != 0 {
			e.fields = b[m.fields:end]
			after = int(m.fields) - len(beforeFields)
		}
		e.members = append(e.members,
			member{eventID, b[i+1 : i+len(beforeID)-1], b[i+len(beforeID) : id], 0},
			member{timestamp, b[id+1 : id+len(beforeTime)-1], b[id+len(beforeTime) : text-len(beforeMessage)], 0},
			member{message, b[text-len(beforeMessage)+1 : text-1], b[text:after], int(m.flags)})
		e.setMessage(e.members[2])
		return end + 1
	}
	member := func(key []byte, i int) (end int) {
		m := member{kind: kindOf(key), key: key}
		if b[i] == '"' {
			end, m.flags = scanString(b, i)
		} else {
			end, _ = scanValue(b, i, 2)
		}
		m.value = b[i:end]
		e.add(m)
		return end
	}
	var end int
	if e.bare = b[i] != '{'; e.bare {
		end = member([]byte(`"message"`), i)
	} else {
		end = scanObject(b, i, member)
	}
	for _, m := range e.members {
		switch m.kind {
		case message:
			e.setMessage(m)
		case reqID:
			e.preset = m.value
		case extractedFields:
			e.fields = m.value
		}
	}
	return end
}

// add appends a member. Of several members of one name the last value counts, at
// the position of the first, as in JSON.parse.
func (e *event) add(m member) {
	if m.kind != other {
		for i, old := range e.members {
			if old.kind == m.kind {
				e.members[i] = m
				return
			}
		}
	}
	e.members = append(e.members, m)
}

func (e *event) setMessage(m member) {
	if m.value[0] != '"' {
		if string(m.value) != "null" {
			e.value = m.value
		}
		return
	}
	msg := m.value[1 : len(m.value)-1]
	if m.flags&hasUnicode != 0 {
		e.scratch, e.lone = appendCanonical(e.scratch, msg)
		msg = e.scratch
	}
	e.msg = msg
	e.body = cutNewline(msg)
	var ok bool
	if e.own, e.level, e.body, ok = cutConsole(e.body); ok {
		return
	}
	e.own = requestID(e.body)
	e.report = bytes.HasPrefix(e.body, []byte("REPORT RequestId: "))
	e.aside = e.own != nil && !e.lambda && !platformLine(e.body)
}
