package transform

import "bytes"

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

// read takes the log event that starts at b[i] apart and returns where it ends.
func (e *event) read(b []byte, i int) int {
	*e = event{members: e.members[:0], scratch: e.scratch[:0]}
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
