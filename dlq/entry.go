package dlq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Entry is the content of a message in the dead-letter queue.
type Entry struct {
	Event []byte // {"awslogs":{"data":"…"}}, as a Lambda function receives it
	Cause Cause
}

// Cause says why an entry is in the queue. It travels beside the event, in
// message attributes, so that anything can replay the event.
type Cause struct {
	Class        string    // unavailable, misconfigured, rejected, out_of_time, undecodable
	Message      string    // without secrets
	FirstFailure time.Time // the same after every replay
	LogGroup     string
	Attempts     int  // invocations that did not get the event confirmed
	Rules        bool // rules decided what of the event may leave

	// Isolated says that a process that replayed the event has died, perhaps of it,
	// so that it is replayed alone. Deaths is how often it was certainly this event.
	Isolated bool
	Deaths   int
}

// Names of the message attributes that hold a Cause.
const (
	attrClass        = "ErrorClass"
	attrMessage      = "ErrorMessage" // Lambda's dead-letter setting writes this one too
	attrFirstFailure = "FirstFailure"
	attrLogGroup     = "LogGroup"
	attrAttempts     = "Attempts"
	attrRules        = "Rules"
	attrDeaths       = "ReplayDeaths" // of what is isolated
)

const attrType = "String"

// Sizes of attribute values in bytes. Attributes count toward the size of a
// message; attributeRoom bounds them all with their names and types.
const (
	maxMessage    = 1024
	maxValue      = 512
	attributeRoom = 3 << 10
)

// attributes returns the message attributes of a cause, none of them empty: SQS
// refuses empty values.
func (c Cause) attributes() map[string]string {
	m := map[string]string{}
	set := func(name, value string, limit int) {
		if value = cut(legal(value), limit); value != "" {
			m[name] = value
		}
	}
	set(attrClass, c.Class, maxValue)
	set(attrMessage, c.Message, maxMessage)
	set(attrLogGroup, c.LogGroup, maxValue)
	if !c.FirstFailure.IsZero() {
		set(attrFirstFailure, c.FirstFailure.UTC().Format(time.RFC3339Nano), maxValue)
	}
	if c.Attempts > 0 {
		set(attrAttempts, strconv.Itoa(c.Attempts), maxValue)
	}
	if c.Rules {
		set(attrRules, "true", maxValue)
	}
	if c.Isolated {
		set(attrDeaths, strconv.Itoa(c.Deaths), maxValue)
	}
	return m
}

// Size returns the bytes that the cause takes of a message.
func (c Cause) Size() int { return sizeOf(c.attributes()) }

func sizeOf(attributes map[string]string) int {
	n := 0
	for name, value := range attributes {
		n += len(name) + len(attrType) + len(value)
	}
	return n
}

// within returns the attributes of a cause that fit into so many bytes: the event
// matters more than why it is here.
func (c Cause) within(room int) map[string]string {
	all := c.attributes()
	if sizeOf(all) <= room {
		return all
	}
	kept := map[string]string{}
	for _, name := range []string{attrRules, attrDeaths, attrFirstFailure, attrAttempts, attrClass, attrLogGroup, attrMessage} {
		value, ok := all[name]
		left := room - len(name) - len(attrType)
		if name == attrMessage && left > len("…") {
			value = cut(value, left)
		}
		if ok && len(value) <= left {
			kept[name] = value
			room = left - len(value)
		}
	}
	return kept
}

// ParseEntry reads the body and the attributes of a message. sent, when it was
// put into the queue, is the first failure if the attributes name none.
//
// A body is an event of CloudWatch Logs, as this package and Lambda's
// dead-letter setting write it, or the record that Lambda writes to an
// on-failure destination, which holds the event as requestPayload. Any other
// body becomes the event as it is.
func ParseEntry(body string, attributes map[string]string, sent time.Time) Entry {
	e := Entry{Event: []byte(body), Cause: Cause{
		Class: attributes[attrClass], Message: attributes[attrMessage], LogGroup: attributes[attrLogGroup], FirstFailure: sent,
	}}
	if t, err := time.Parse(time.RFC3339Nano, attributes[attrFirstFailure]); err == nil {
		e.Cause.FirstFailure = t
	}
	if n, err := strconv.Atoi(attributes[attrAttempts]); err == nil && n > 0 {
		e.Cause.Attempts = n
	}
	e.Cause.Rules = attributes[attrRules] == "true"
	if n, err := strconv.Atoi(attributes[attrDeaths]); err == nil && n >= 0 {
		e.Cause.Isolated, e.Cause.Deaths = true, n
	}
	// A body may be a megabyte: parse it only if it has the member.
	if strings.Contains(body, `"requestPayload"`) {
		var record struct {
			RequestPayload json.RawMessage `json:"requestPayload"`
			RequestContext struct{ Condition string }
			Awslogs        json.RawMessage
		}
		if json.Unmarshal(e.Event, &record) == nil && len(record.RequestPayload) > 0 && record.Awslogs == nil {
			e.Event = record.RequestPayload
			if e.Cause.Message == "" {
				e.Cause.Message = record.RequestContext.Condition
			}
		}
	}
	return e
}

// body returns the event as the body of a message. Characters that SQS refuses
// are escaped: in JSON they occur only inside strings, where the escape means
// the same.
//
// Source: Amazon SQS API Reference, SendMessage.
func (e Entry) body() string {
	if len(bytes.TrimSpace(e.Event)) == 0 {
		return "null" // no event either, and SQS refuses an empty body
	}
	if utf8.Valid(e.Event) && bytes.IndexFunc(e.Event, illegal) < 0 {
		return string(e.Event)
	}
	var b strings.Builder
	for _, r := range string(e.Event) {
		if illegal(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r) // U+FFFD for bytes that are not UTF-8
		}
	}
	return b.String()
}

func illegal(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
}

// legal replaces the characters of a value that SQS refuses.
func legal(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if illegal(r) {
			return utf8.RuneError
		}
		return r
	}, s))
}

// cut shortens s to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + mark
}
