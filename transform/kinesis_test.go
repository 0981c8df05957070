package transform

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStreamRecords(t *testing.T) {
	const one = `{"kinesis":{"partitionKey":"p","sequenceNumber":"1","data":"aGk="},"eventSource":"aws:kinesis","eventID":"shardId-0:1"}`
	const two = ` { "eventID" : "shardId-0:2" , "eventSource":"aws:kinesis", "more":[{"data":"x"}], "kinesis" : { "data" : "" , "sequenceNumber":"\u0032" } } `
	event := "\n{\"more\":{\"Records\":7},\"Records\" : [" + one + "," + two + "]}\n"
	got, err := StreamRecords([]byte(event))
	want := []StreamRecord{{"aws:kinesis", "shardId-0:1", "1", []byte(`"aGk="`)}, {"aws:kinesis", "shardId-0:2", "2", []byte(`""`)}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Fatalf("%v (-want +got):\n%s", err, d)
	}
	if e := string(got[0].AppendEvent([]byte("x"))); e != `x{"awslogs":{"data":"aGk="}}` {
		t.Errorf("event %s", e)
	}
	for event, want := range map[string]string{
		"": "is empty", " \n": "is empty", "null": "not one JSON object", "[]": "not one JSON object", "{}": "no records", `{"Records":[]}`: "no records",
		`{"records":[` + one + `]}`:              "no records",
		`{"Records":{}}`:                         "not one JSON object",
		`{"Records":[7]}`:                        "not one JSON object",
		`{"Records":[` + one + `,null]}`:         "not one JSON object",
		`{"Records":[` + one + `]} {}`:           "not one JSON object",
		`{"Records":[` + one + `],"Records":[]}`: "each member once",
		`{"Records":[` + strings.Replace(one, `"data"`, `"sequenceNumber":"2","data"`, 1) + `]}`:              "each member once",
		`{"Records":[` + strings.Replace(one, `"eventID"`, `"eventSource":"aws:kinesis","eventID"`, 1) + `]}`: "each member once",
		`{"Records":[` + strings.Replace(one, `"eventID"`, `"kinesis":{},"eventID"`, 1) + `]}`:                "each member once",
		`{"Records":[` + strings.Replace(one, `"aGk="`, `7`, 1) + `]}`:                                        "not one JSON object",
		`{"Records":[` + strings.Replace(one, `"1"`, `1`, 1) + `]}`:                                           "not one JSON object",
		`{"Records":[` + one + `,` + strings.Replace(one, `"data"`, `"Data"`, 1) + `]}`:                       "record 1 of the event has no kinesis.data",
		`{"Records":[` + strings.Replace(one, `"1"`, `""`, 1) + `]}`:                                          "record 0 of the event has no kinesis.sequenceNumber",
		`{"Records":[` + strings.Replace(one, `"eventSource"`, `"x"`, 1) + `]}`:                               "record 0 of the event has no eventSource",
	} {
		if got, err := StreamRecords([]byte(event)); err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%s: %v, %v; want %s", event, got, err, want)
		}
	}
}

// FuzzStreamRecords: what is read is JSON, with as many records, each whole.
func FuzzStreamRecords(f *testing.F) {
	f.Add([]byte(`{"Records":[{"kinesis":{"sequenceNumber":"1","data":"aGk="},"eventSource":"aws:kinesis","eventID":"s:1"}]}`))
	f.Add([]byte(`{"Records":[{"kinesis":{"sequenceNumber":"\ud800","data":"\/"},"eventSource":"x","eventID":"s:1"},null],"x":[1,{}]}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		got, err := StreamRecords(event)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(event, &want) != nil || json.Unmarshal(want["Records"], &list) != nil || len(list) != len(got) {
			t.Fatalf("%q: %d records, want %d", event, len(got), len(list))
		}
		for _, r := range got {
			if e := r.AppendEvent(nil); r.Source == "" || r.Sequence == "" || !json.Valid(e) {
				t.Fatalf("%q: %+v, event %s", event, r, e)
			}
		}
	})
}
