// Package dlq keeps what Sumo Logic did not confirm in a dead-letter queue of
// Amazon SQS, as native events of CloudWatch Logs, from where it can be sent
// again.
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

// Letter is the content of one message of the dead-letter queue.
type Letter struct {
	Event []byte // {"awslogs":{"data":"…"}}, just as a Lambda function gets it
	Cause Cause
}

// Cause is why a letter is in the queue. It travels beside the event, in
// message attributes, so that the event stays one that anything can replay.
type Cause struct {
	Class        string    // unavailable, misconfigured, rejected, out_of_time, undecodable
	Message      string    // without secrets
	FirstFailure time.Time // kept over replays
	LogGroup     string
	Attempts     int // how often the event went through a function in vain
}

// Names of the message attributes that hold a Cause.
const (
	attrClass        = "ErrorClass"
	attrMessage      = "ErrorMessage" // Lambda's dead-letter setting writes this one too
	attrFirstFailure = "FirstFailure"
	attrLogGroup     = "LogGroup"
	attrAttempts     = "Attempts"
)

// Sizes of attribute values in bytes. Attributes count toward the size of a
// message, so attributeRoom, which is more than they all can take with their
// names and types, is kept free of it.
const (
	maxMessage    = 1024
	maxValue      = 512
	attributeRoom = 3 << 10
)

// attributes are the values of a cause; SQS takes no empty ones.
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
	return m
}

// ParseLetter reads the body and the attributes of a message. sent is when it
// came into the queue: the first failure, where the attributes tell of none.
//
// It takes whatever lies in such a queue: an event of CloudWatch Logs, as we
// and Lambda's dead-letter setting write it, and the record that Lambda writes
// to an on-failure destination, which holds the event as requestPayload.
func ParseLetter(body string, attributes map[string]string, sent time.Time) Letter {
	l := Letter{Event: []byte(body), Cause: Cause{
		Class: attributes[attrClass], Message: attributes[attrMessage], LogGroup: attributes[attrLogGroup], FirstFailure: sent,
	}}
	if t, err := time.Parse(time.RFC3339Nano, attributes[attrFirstFailure]); err == nil {
		l.Cause.FirstFailure = t
	}
	if n, err := strconv.Atoi(attributes[attrAttempts]); err == nil && n > 0 {
		l.Cause.Attempts = n
	}
	// The name is looked for first: a body may be a megabyte.
	if strings.Contains(body, `"requestPayload"`) {
		var record struct {
			RequestPayload json.RawMessage `json:"requestPayload"`
			RequestContext struct{ Condition string }
			Awslogs        json.RawMessage
		}
		if json.Unmarshal(l.Event, &record) == nil && len(record.RequestPayload) > 0 && record.Awslogs == nil {
			l.Event = record.RequestPayload
			if l.Cause.Message == "" {
				l.Cause.Message = record.RequestContext.Condition
			}
		}
	}
	return l
}

// body is the event as the body of a message. A character that SQS does not
// take can only stand in a string of JSON, where an escape means the same.
//
// Source: Amazon SQS API Reference, SendMessage.
func (l Letter) body() string {
	if len(bytes.TrimSpace(l.Event)) == 0 {
		return "null" // as little of an event, but SQS takes no empty body
	}
	if utf8.Valid(l.Event) && bytes.IndexFunc(l.Event, illegal) < 0 {
		return string(l.Event)
	}
	var b strings.Builder
	for _, r := range string(l.Event) {
		if illegal(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r) // of bytes that are no UTF-8 U+FFFD
		}
	}
	return b.String()
}

func illegal(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
}

// legal replaces what SQS does not take in a value.
func legal(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if illegal(r) {
			return utf8.RuneError
		}
		return r
	}, s))
}

// cut shortens s to at most n bytes, at the end of a character.
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
