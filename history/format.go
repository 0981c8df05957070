package history

import (
	"fmt"
	"strings"
)

// Format is a form that log events are kept in.
type Format string

const (
	Export    Format = "S3 export"               // TIMESTAMP message
	Tail      Format = "aws logs tail"           // TIMESTAMP STREAM message, or TIMESTAMP message
	Events    Format = "events of the AWS CLI"   // filter-log-events, get-log-events, their events[], or one after the other
	Insights  Format = "Logs Insights results"   // get-query-results, or the console's JSON
	Payloads  Format = "CloudWatch Logs payload" // of a subscription, also as Firehose keeps them
	Lambda    Format = "Lambda events"           // {"awslogs":{"data":"…"}}
	Undeliver Format = "Firehose backup"         // of what could not be delivered: {"rawData":"…"}
	Unknown   Format = "not known yet"           // its beginning has no log event
)

// formats are all of them, for people.
const formats = "an S3 export, output of aws logs filter-log-events, get-log-events, get-query-results or tail, " +
	"payloads or Lambda events of a subscription, or a Firehose backup"

// FormatError reports where an input is not one of the formats. Its text quotes the
// beginning of what is there.
type FormatError struct {
	File         string
	Line, Column int // from 1
	What         string
	Do           string // what to do
	Err          error  // below it, if any
}

func (e *FormatError) Unwrap() error { return e.Err }

func (e *FormatError) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.What)
	if e.Do != "" {
		text += "; " + e.Do
	}
	return text
}

// shown is the beginning of a text, fit for a terminal.
func shown(b []byte) string {
	const most = 40
	cut := ""
	if len(b) > most {
		b, cut = b[:most], "…"
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(string(b), "\uFFFD")+cut)
}
