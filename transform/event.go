package transform

import (
	"bytes"
	"math"
)

// kind tells which member of a log event it is. An event of CloudWatch Logs has
// id, timestamp and message, and extractedFields where the subscription filter
// takes the line apart; Rebuild may add requestID. What else there is passes.
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
	level
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
	case `"level"`:
		return level
	}
	return other
}

// member is one member of a log event, as it is written.
type member struct {
	kind       kind
	key, value []byte
	flags      int // of value, if it is a string
}

// mark tells where an event has its members if it is written just as CloudWatch
// Logs writes it:
//
//	{"id":"…","timestamp":…,"message":"…"}
//
// Reading an event takes half the time where its strings have been scanned
// before. The zero mark is that of any other event.
type mark struct {
	id      uint32 // end of the value of id
	message uint32 // start of the message, at its quote
	end     uint32 // of the event
	flags   int32  // of the message
}

// maxMarks bounds the marks of a batch: they are 1 MB then. Of events beyond
// there is none.
const maxMarks = 1 << 16

const beforeID, beforeTime, beforeMessage = `{"id":`, `,"timestamp":`, `,"message":`

// markOf is the mark of the event that starts at b[i].
func markOf(b []byte, i int) mark {
	at := func(s string) bool { return i >= 0 && len(b)-i > len(s) && string(b[i:i+len(s)]) == s }
	var m mark
	if len(b) > math.MaxUint32 || !at(beforeID) {
		return mark{}
	}
	if i, _ = scanString(b, i+len(beforeID)); !at(beforeTime) {
		return mark{}
	}
	m.id = uint32(i)
	if i = scanNumber(b, i+len(beforeTime)); !at(beforeMessage) {
		return mark{}
	}
	i += len(beforeMessage)
	m.message = uint32(i)
	end, flags := scanString(b, i)
	if i = end; !at("}") {
		return mark{}
	}
	m.end, m.flags = uint32(i+1), int32(flags)
	return m
}

// event is what is known of a log event before it becomes a record.
type event struct {
	members []member
	scratch []byte // holds the message where it had to be rewritten

	msg    []byte // the message as canonical escaped text, nil if it is no string
	halves bool   // msg holds half a surrogate pair
	value  []byte // the message where it is a JSON value but no string
	preset []byte // value of requestID
	report bool   // a REPORT line of Lambda: the last of its request

	own   []byte // the request id in the message
	level string // the log level in the prefix of the message
	body  []byte // msg without the newline at its end and that prefix
}

// read takes the event with number n of a batch apart, which starts at doc[i],
// and returns where it ends.
func (e *event) read(batch *Batch, n, i int) int {
	b := batch.doc
	*e = event{members: e.members[:0], scratch: e.scratch[:0]}
	if n < len(batch.marks) && batch.marks[n].end != 0 {
		m := batch.marks[n]
		id, text, end := int(m.id), int(m.message), int(m.end)-1
		e.members = append(e.members,
			member{eventID, b[i+1 : i+len(beforeID)-1], b[i+len(beforeID) : id], 0},
			member{timestamp, b[id+1 : id+len(beforeTime)-1], b[id+len(beforeTime) : text-len(beforeMessage)], 0},
			member{message, b[text-len(beforeMessage)+1 : text-1], b[text:end], int(m.flags)})
		e.setMessage(e.members[2])
		return end + 1
	}
	end := scanObject(b, i, func(key []byte, i int) int {
		m := member{kind: kindOf(key), key: key}
		var end int
		if b[i] == '"' {
			end, m.flags = scanString(b, i)
		} else {
			end, _ = scanValue(b, i, 2)
		}
		m.value = b[i:end]
		e.add(m)
		return end
	})
	for _, m := range e.members {
		switch m.kind {
		case message:
			e.setMessage(m)
		case reqID:
			e.preset = m.value
		}
	}
	return end
}

// add keeps the last of several members of one name, at the place of the first,
// as JSON.parse does.
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
		e.scratch, e.halves = appendCanonical(e.scratch, msg)
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
}
