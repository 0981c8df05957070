package ship

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sumoship/dlq"
	"sumoship/function/trigger"
)

// record is a message of SQS in an event.
type record struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              *string           `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes map[string]struct {
		StringValue string `json:"stringValue"`
	} `json:"messageAttributes"`
	EventSource string `json:"eventSource"` // EventSource in an event of SNS
}

// source is the source of the events of SQS.
const source = "aws:sqs"

// readTrigger returns the messages in an event of replay: those of an event source
// mapping, {"Records":[…]}, or of a pipe, […]. There are none if replay should
// drain the queue. Whatever is not wholly understood is an error, or a mapping
// would delete what was not sent.
func readTrigger(event []byte) ([]dlq.Message, error) {
	messages, err := readMessages(event)
	if err != nil {
		return nil, &EventError{err}
	}
	return messages, nil
}

// EventError says that a function does not take an event, and of which service it is.
// Whoever invoked the function has the event still. Lambda reports an error by the
// name of its type.
type EventError struct{ Err error }

func (e *EventError) Error() string { return e.Err.Error() }
func (e *EventError) Unwrap() error { return e.Err }

func readMessages(event []byte) ([]dlq.Message, error) {
	event = bytes.TrimSpace(event)
	switch {
	case len(event) == 0 || string(event) == "null":
		return nil, nil
	case event[0] == '[':
		messages, err := readRecords(event)
		if err == nil {
			return messages, nil
		}
		if e := trigger.Of(event); e.Service != "" && e.Function != trigger.Replay {
			return nil, notSQS(e)
		}
		return nil, err
	}
	members, err := readObject(event)
	if err != nil {
		return nil, fmt.Errorf("not an event that replay takes: %w; want messages of Amazon SQS, or {} to drain the queue", err)
	}
	if records, ok := members["Records"]; ok {
		return readRecords(records)
	}
	if len(members) == 0 {
		return nil, nil
	}
	switch e := trigger.Of(event); {
	case e.Service == trigger.Schedule:
		return nil, nil
	case e.Function == trigger.Forwarder:
		return nil, e.Error("subscribe log groups to the forwarder, not to replay")
	case e.Service != "":
		return nil, notSQS(e)
	}
	return nil, errors.New("not an event that replay takes; want messages of Amazon SQS, or {} to drain the queue")
}

// readObject returns the members of a JSON object. A name that is there twice is an
// error.
func readObject(event []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(event))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		key, _ := name.(string) // a member has a name
		if _, twice := members[key]; twice {
			return nil, fmt.Errorf("it has %.40q twice", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		members[key] = value
	}
	if _, err := dec.Token(); err != nil { // }
		return nil, errors.New("not valid JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON document")
	}
	return members, nil
}

// readRecords reads an array of messages.
func readRecords(array []byte) ([]dlq.Message, error) {
	var records []*record
	err := json.Unmarshal(array, &records)
	if err != nil || len(records) == 0 {
		// Which service it is of can often be read all the same.
		var others []struct{ EventSource string }
		_ = json.Unmarshal(array, &others)
		for _, o := range others {
			if o.EventSource != source && o.EventSource != "" {
				return nil, notSQS(trigger.Source(o.EventSource))
			}
		}
		return nil, errors.New("the records of the event are not an array of messages of Amazon SQS")
	}
	messages := make([]dlq.Message, len(records))
	for i, m := range records {
		switch {
		case m == nil:
			return nil, fmt.Errorf("record %d of the event is null; want a message of Amazon SQS", i)
		case m.EventSource != source:
			return nil, notSQS(trigger.Source(m.EventSource))
		case m.MessageID == "" || m.Body == nil:
			return nil, fmt.Errorf("record %d of the event is not a message of Amazon SQS: it has no messageId or no body", i)
		}
		attributes := map[string]string{}
		for name, v := range m.MessageAttributes {
			attributes[name] = v.StringValue
		}
		messages[i] = dlq.NewMessage(m.MessageID, *m.Body, m.Attributes, attributes).WithHandle(m.ReceiptHandle)
	}
	return messages, nil
}

func notSQS(e trigger.Event) error {
	return e.Error("replay takes messages of Amazon SQS, or {} to drain the queue")
}
