package transform

import (
	"bytes"
	"encoding/json"
	"io"
)

// chunk is the maximum number of log events that ReadInput puts into one batch,
// which is also that of CloudWatch Logs for one request.
// Source: Amazon CloudWatch Logs API Reference, PutLogEvents.
const chunk = 10_000

// ReadInput reads log data that people have at hand and returns it as Lambda
// events. The input is any number of JSON documents, one after the other or in an
// array, each
//
//   - an event, {"awslogs":{"data":"…"}};
//   - its decoded payload, {"messageType":"DATA_MESSAGE","logEvents":[…]};
//   - the output of aws logs filter-log-events or get-log-events,
//     {"events":[…]}, which does not name its log group: group does. Each log
//     stream becomes an event of its own.
//
// Anything else is returned unchanged; Decode reports what is wrong with it.
func ReadInput(input []byte, group string) [][]byte {
	var out [][]byte
	dec := json.NewDecoder(bytes.NewReader(input))
	for n := 0; ; n++ {
		var doc json.RawMessage
		from := dec.InputOffset()
		if err := dec.Decode(&doc); err == io.EOF && n > 0 {
			return out
		} else if err != nil {
			return append(out, bytes.TrimSpace(input[from:]))
		}
		docs := []json.RawMessage{doc}
		if doc[0] == '[' {
			docs = nil
			_ = json.Unmarshal(doc, &docs) // it is an array: this cannot fail
		}
		for _, d := range docs {
			out = append(out, readDocument(d, group)...)
		}
	}
}

func readDocument(doc []byte, group string) [][]byte {
	var shape struct {
		AWSLogs   json.RawMessage `json:"awslogs"`
		LogEvents json.RawMessage `json:"logEvents"`
		Events    []struct {
			Stream    string          `json:"logStreamName"`
			Timestamp json.RawMessage `json:"timestamp"`
			Message   json.RawMessage `json:"message"`
			ID        json.RawMessage `json:"eventId"`
		} `json:"events"`
	}
	err := json.Unmarshal(doc, &shape)
	switch {
	case err == nil && shape.LogEvents != nil && shape.AWSLogs == nil:
		return [][]byte{Pack(doc)}
	case err != nil || shape.Events == nil || shape.AWSLogs != nil:
		return [][]byte{doc}
	}
	type logEvent struct {
		ID        json.RawMessage `json:"id,omitempty"`
		Timestamp json.RawMessage `json:"timestamp,omitempty"`
		Message   json.RawMessage `json:"message,omitempty"`
	}
	streams := map[string][]logEvent{}
	var order []string
	for _, e := range shape.Events {
		if _, known := streams[e.Stream]; !known {
			order = append(order, e.Stream)
		}
		streams[e.Stream] = append(streams[e.Stream], logEvent{e.ID, e.Timestamp, e.Message})
	}
	var out [][]byte
	for _, stream := range order {
		events := streams[stream]
		for len(events) > 0 {
			n := min(len(events), chunk)
			payload, _ := json.Marshal(map[string]any{ // of JSON: this cannot fail
				"messageType": "DATA_MESSAGE", "logGroup": group, "logStream": stream, "logEvents": events[:n],
			})
			out = append(out, Pack(payload))
			events = events[n:]
		}
	}
	return out
}
