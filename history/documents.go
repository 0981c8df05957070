package history

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// documents reads JSON: any number of documents, one after the other or in an array.
// Those that may be large, pages of events and of results, are read element by
// element.
type documents struct {
	*Reader
	dec  *json.Decoder
	base int64 // offset of dec in the input
}

func (r *Reader) json(text *bufio.Reader) error {
	r.in.lines = true
	// What was read ahead has its line breaks counted too.
	ahead, _ := text.Peek(text.Buffered())
	start := r.in.n.Load() - int64(len(ahead))
	for i, c := range ahead {
		if c == '\n' {
			r.in.breaks = append(r.in.breaks, start+int64(i)+1)
		}
	}
	d := &documents{Reader: r, dec: json.NewDecoder(text), base: start}
	for {
		token, err := d.dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return d.broken(err)
		}
		switch token {
		case json.Delim('{'):
			err = d.object()
		case json.Delim('['):
			err = d.list()
		default:
			err = d.refuse(fmt.Sprintf("%v is not a log event", token), "")
		}
		if err != nil {
			return d.broken(err)
		}
	}
}

// offset is where in the input the decoder stopped.
func (d *documents) offset() int64 { return d.base + d.dec.InputOffset() }

// place returns where the decoder stopped.
func (d *documents) place() (line, column int) { return d.in.at(d.offset()) }

// String is a place, for a batch that begins here.
func (d *documents) String() string {
	line, column := d.place()
	return fmt.Sprintf("%d:%d", line, column)
}

func (d *documents) refuse(what, do string) error {
	line, column := d.place()
	return d.fail(line, column, what, do)
}

// broken adds the place to an error of the decoder.
func (d *documents) broken(err error) error {
	if err == io.EOF { // in the middle of a document
		err = io.ErrUnexpectedEOF
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line, column := d.in.at(d.base + syntax.Offset - 1)
		return d.fail(line, column, "not JSON: "+syntax.Error(), "")
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return d.refuse("not a log event: "+err.Error(), "")
	}
	if _, ok := errors.AsType[*FormatError](err); !ok {
		d.errLine, d.errColumn = d.place()
	}
	return err
}

// list reads the elements of an array.
func (d *documents) list() error {
	for d.dec.More() {
		token, err := d.dec.Token()
		if err != nil {
			return err
		}
		if token != json.Delim('{') {
			return d.refuse("the elements of the array are not objects",
				"with aws logs, use --query 'events[]', which keeps timestamp, message and eventId")
		}
		if err := d.object(); err != nil {
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

// members are those of an object that tell what it is. Their values are JSON.
type members struct {
	seen []string // all names

	ID, EventID, Timestamp, Message, LogStreamName                    json.RawMessage // an event
	MessageType, Owner, LogGroup, LogStream, LogEvents                json.RawMessage // a payload
	AWSLogs, RawData, Status, NextToken                               json.RawMessage
	InsightsTimestamp, InsightsMessage, InsightsStream, InsightsGroup json.RawMessage

	pages bool // it has events or results, which have been read
}

func (m *members) of(key string) *json.RawMessage {
	switch key {
	case "id":
		return &m.ID
	case "eventId":
		return &m.EventID
	case "timestamp":
		return &m.Timestamp
	case "message":
		return &m.Message
	case "logStreamName":
		return &m.LogStreamName
	case "messageType":
		return &m.MessageType
	case "owner":
		return &m.Owner
	case "logGroup":
		return &m.LogGroup
	case "logStream":
		return &m.LogStream
	case "logEvents":
		return &m.LogEvents
	case "awslogs":
		return &m.AWSLogs
	case "rawData":
		return &m.RawData
	case "status":
		return &m.Status
	case "NextToken":
		return &m.NextToken
	case "@timestamp":
		return &m.InsightsTimestamp
	case "@message":
		return &m.InsightsMessage
	case "@logStream":
		return &m.InsightsStream
	case "@log":
		return &m.InsightsGroup
	}
	return nil
}

// maxDocument bounds a payload, as the functions do.
const maxDocument = 64 << 20

// object reads an object whose brace has been read.
func (d *documents) object() error {
	var m members
	d.in.budget = maxDocument
	defer func() { d.in.budget = maxEvent }()
	for d.dec.More() {
		token, err := d.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if len(m.seen) < 20 {
			m.seen = append(m.seen, key)
		}
		if key == "events" || key == "results" {
			m.pages = true
			if err := d.page(key); err != nil {
				return err
			}
			continue
		}
		var skip json.RawMessage
		to := m.of(key)
		if to == nil {
			to = &skip
		}
		if err := d.dec.Decode(to); err != nil {
			return err
		}
	}
	if _, err := d.dec.Token(); err != nil {
		return err
	}
	err := d.take(&m)
	d.in.took(d.offset())
	return err
}

// page reads the elements of events or results.
func (d *documents) page(key string) error {
	token, err := d.dec.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return d.refuse(key+" is not an array", "")
	}
	d.in.budget = maxEvent
	defer func() { d.in.budget = maxDocument }()
	d.in.took(d.offset())
	for d.dec.More() {
		if key == "events" {
			err = d.event()
		} else {
			err = d.row()
		}
		if err != nil {
			return err
		}
		d.in.took(d.offset())
	}
	_, err = d.dec.Token()
	return err
}

// event reads an element of events.
func (d *documents) event() error {
	var e struct {
		EventID       json.RawMessage `json:"eventId"`
		ID            json.RawMessage `json:"id"`
		Timestamp     json.RawMessage `json:"timestamp"`
		Message       json.RawMessage `json:"message"`
		LogStreamName json.RawMessage `json:"logStreamName"`
	}
	if err := d.dec.Decode(&e); err != nil {
		return err
	}
	return d.add(Events, "", "", text(e.LogStreamName), either(e.EventID, e.ID), e.Timestamp, e.Message)
}

// either returns the first value that is not missing.
func either(a, b json.RawMessage) json.RawMessage {
	if isNull(a) {
		return b
	}
	return a
}

// row reads an element of results.
func (d *documents) row() error {
	var fields []struct{ Field, Value string }
	if err := d.dec.Decode(&fields); err != nil {
		return err
	}
	var at, message, stream, log string
	found := 0
	for _, f := range fields {
		switch f.Field {
		case "@timestamp":
			at, found = f.Value, found|1
		case "@message":
			message, found = f.Value, found|2
		case "@logStream":
			stream = f.Value
		case "@log":
			log = f.Value
		}
	}
	if found != 3 {
		return d.refuse("a result of Logs Insights without @timestamp and @message", "begin the query with fields @timestamp, @message, @logStream, @log")
	}
	return d.insight(at, message, stream, log)
}

// insight adds a result of Logs Insights. @log is ACCOUNT:GROUP.
func (d *documents) insight(at, message, stream, log string) error {
	t, err := time.Parse("2006-01-02 15:04:05.999", at)
	if err != nil {
		return d.refuse(fmt.Sprintf("@timestamp is %s", shown([]byte(at))), "want YYYY-MM-DD HH:MM:SS.mmm, as Logs Insights writes it")
	}
	owner, group, ok := strings.Cut(log, ":")
	if !ok {
		owner, group = "", log
	}
	return d.add(Insights, owner, group, stream, nil, strconv.AppendInt(nil, t.UnixMilli(), 10), appendString(nil, []byte(strings.TrimSuffix(message, "\n"))))
}

// add adds a log event, of a format, in its place.
func (d *documents) add(f Format, owner, group, stream string, id, timestamp, message []byte) error {
	d.found(f)
	if isNull(message) || isNull(timestamp) {
		return d.refuse("a log event without timestamp and message", "with aws logs, leave out --query or use --query 'events[]'")
	}
	at, err := strconv.ParseInt(string(timestamp), 10, 64)
	if err != nil {
		if at, err = readTime(timestamp); err != nil {
			return d.refuse("the timestamp "+shown(timestamp)+" is not a number of milliseconds", "")
		}
		timestamp = strconv.AppendInt(nil, at, 10)
	}
	n := d.named(owner, group, stream)
	if n.group == "" {
		line, column := d.place()
		return d.noGroup(line, column)
	}
	if d.sniff {
		d.out.sniffed(at)
		return errSniffed
	}
	return d.out.add(n, item{id: id, timestamp: timestamp, message: message, at: at}, d, d.offset())
}

// readTime reads a timestamp in words, or with a fraction.
func readTime(raw []byte) (int64, error) {
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil && f > 0 && f < 1e15 {
		return int64(f), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text(raw))
	return t.UnixMilli(), err
}

// text returns a JSON string, "" of another value.
func text(raw json.RawMessage) string {
	var s string
	if isText(raw) {
		_ = json.Unmarshal(raw, &s) // it is a string: this cannot fail
	}
	return s
}

// take adds what an object is.
func (d *documents) take(m *members) error {
	switch {
	case m.pages:
		if m.Status != nil && text(m.Status) != "Complete" {
			return d.refuse("the query of Logs Insights was not complete: "+text(m.Status), "get its results again when it is")
		}
		if !isNull(m.NextToken) {
			d.Notes = append(d.Notes, d.File+" has a NextToken: the AWS CLI was told to stop, and there are more log events than it holds")
		}
		return nil
	case m.AWSLogs != nil:
		d.found(Lambda)
		if d.sniff {
			return errSniffed
		}
		return d.out.send(append(append([]byte(`{"awslogs":`), m.AWSLogs...), '}'), d.String(), time.Time{}, d.offset())
	case m.LogEvents != nil:
		return d.payload(m)
	case m.RawData != nil:
		return d.backup(m)
	case m.InsightsMessage != nil && m.InsightsTimestamp != nil:
		message := text(m.InsightsMessage)
		if !isText(m.InsightsMessage) {
			message = string(m.InsightsMessage) // the console shows JSON as it is
		}
		return d.insight(text(m.InsightsTimestamp), message, text(m.InsightsStream), text(m.InsightsGroup))
	case m.Message != nil && m.Timestamp != nil:
		return d.add(Events, "", text(m.LogGroup), text(m.LogStreamName), either(m.EventID, m.ID), m.Timestamp, m.Message)
	}
	return d.refuse("an object with the members "+strings.Join(m.seen, ", "), "")
}

// payload hands on a payload of CloudWatch Logs.
func (d *documents) payload(m *members) error {
	d.found(Payloads)
	if d.sniff {
		return errSniffed
	}
	if t := text(m.MessageType); t == "CONTROL_MESSAGE" {
		return nil
	} else if t != "DATA_MESSAGE" && m.MessageType != nil {
		return d.refuse("a payload of the type "+shown(m.MessageType), "want DATA_MESSAGE")
	}
	n := d.named(text(m.Owner), text(m.LogGroup), text(m.LogStream))
	doc := []byte(`{"messageType":"DATA_MESSAGE",`)
	for _, v := range [...]struct{ key, value string }{{"owner", n.owner}, {"logGroup", n.group}, {"logStream", n.stream}} {
		if v.value != "" {
			doc = append(append(append(doc, '"'), v.key...), `":`...)
			doc = append(appendString(doc, []byte(v.value)), ',')
		}
	}
	doc = append(append(append(doc, `"logEvents":`...), m.LogEvents...), '}')
	return d.out.send(doc, d.String(), time.Time{}, d.offset())
}

// backup hands on what Firehose could not deliver: a payload, packed by CloudWatch
// Logs or not.
func (d *documents) backup(m *members) error {
	var raw []byte
	if err := json.Unmarshal(m.RawData, &raw); err != nil {
		return d.refuse("rawData is not base64", "")
	}
	if !bytes.HasPrefix(raw, []byte{0x1F, 0x8B}) && !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return d.refuse("rawData is not a payload of CloudWatch Logs: "+shown(raw), "")
	}
	if bytes.HasPrefix(raw, []byte{0x1F, 0x8B}) {
		d.found(Undeliver)
		if d.sniff {
			return errSniffed
		}
		event := append([]byte(`{"awslogs":{"data":"`), base64.StdEncoding.EncodeToString(raw)...)
		return d.out.send(append(event, `"}}`...), d.String(), time.Time{}, d.offset())
	}
	var p struct {
		MessageType, Owner, LogGroup, LogStream, LogEvents json.RawMessage
	}
	if err := json.Unmarshal(raw, &p); err != nil || p.LogEvents == nil {
		return d.refuse("rawData is not a payload of CloudWatch Logs: "+shown(raw), "")
	}
	d.found(Undeliver)
	return d.payload(&members{MessageType: p.MessageType, Owner: p.Owner, LogGroup: p.LogGroup, LogStream: p.LogStream, LogEvents: p.LogEvents})
}
