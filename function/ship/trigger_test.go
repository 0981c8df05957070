package ship_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sumoship/function/ship"
)

// pipe is the event of a pipe of EventBridge with the records of a mapping's.
func pipe(t testing.TB, event []byte) []byte {
	var in struct{ Records json.RawMessage }
	if err := json.Unmarshal(event, &in); err != nil {
		t.Fatal(err)
	}
	return in.Records
}

// Replay answers success only for what it has dealt with.
func TestTriggersThatAreNotMessagesFail(t *testing.T) {
	good := string(event("a"))
	for trigger, want := range map[string]string{
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"aGk="},"eventID":"shardId-0:1"}]}`: "this is an event of Amazon Kinesis;",
		`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"m"}}]}`:                                 "this is an event of Amazon SNS;",
		`{"Records":[{"eventSource":"aws:s3","s3":{}}]}`:                                                "this is an event of Amazon S3;",
		`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{}}]}`:                                    "this is an event of Amazon DynamoDB Streams;",
		`{"eventSource":"aws:kafka","records":{"topic-0":[]}}`:                                          "this is an event of Amazon MSK;",
		`{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:x","records":[]}`:                    "this is an event of Amazon Data Firehose;",
		`[{"eventSource":"aws:kinesis","data":"aGk=","partitionKey":"p"}]`:                              "this is an event of Amazon Kinesis;",
		`{"detail-type":"Object Created","source":"aws.s3","detail":{}}`:                                "this is an event of Amazon EventBridge;",
		`{"requestContext":{"http":{}},"body":"b"}`:                                                     "this is an event of an HTTP request;",
		good:                    "this is an event of Amazon CloudWatch Logs;",
		`{"Records":[]}`:        "not an array of messages",
		`{"Records":null}`:      "not an array of messages",
		`{"Records":{}}`:        "not an array of messages",
		`{"Records":"aws:sqs"}`: "not an array of messages",
		`[]`:                    "not an array of messages",
		`[null]`:                "record 0 of the event is null",
		`{"Records":[{"messageId":"m","body":"b"}]}`:                                                       "an unknown service",
		`{"Records":[{"eventSource":"aws:sqs","body":"b"}]}`:                                               "no messageId",
		`{"Records":[{"eventSource":"aws:sqs","messageId":"m"}]}`:                                          "no body",
		`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":1}]}`:                                 "not an array of messages",
		`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"b"},{"eventSource":"aws:kinesis"}]}`: "Amazon Kinesis",
		`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"b"}],"Records":[]}`:                  `it has "Records" twice`,
		`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"b"}`:                                 "not valid JSON",
		`{}{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"b"}]}`:                             "more than one JSON document",
		`{"records":[{"eventSource":"aws:sqs","messageId":"m","body":"b"}]}`:                               "not an event that replay takes",
		`"{}"`:        "not a JSON object",
		`7`:           "not a JSON object",
		`{"key1":""}`: "not an event that replay takes",
		`garbage`:     "not a JSON object",
	} {
		w := newFixture()
		w.put(event("waits"))
		answer, err := w.replayer(t, true).Invoke(t.Context(), []byte(trigger))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v; want an error with %q", trigger, answer, err, want)
		}
		if len(w.source.Requests()) != 0 {
			t.Errorf("%s: something was sent", trigger)
		}
	}
}

// A pipe gives an array of messages, and takes the same answer as a mapping.
func TestTriggerOfAPipe(t *testing.T) {
	w := newFixture()
	answer, err := w.replayer(t, false).Invoke(t.Context(), pipe(t, sqsEvent(string(event("a")), "garbage", string(event("b")))))
	if want := `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`; err != nil || string(answer) != want {
		t.Errorf("%s, %v; want %s", answer, err, want)
	}
	if n := len(w.source.Taken()); n != 2 {
		t.Errorf("%d log events delivered, want 2", n)
	}
}

// An invocation without an event, or by a schedule, drains the queue.
func TestTriggersThatDrain(t *testing.T) {
	for _, trigger := range []string{"", "null", "{}", " { } \n", `{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`} {
		w := newFixture()
		w.put(event("waits"))
		answer, err := w.replayer(t, false).Invoke(t.Context(), []byte(trigger))
		var report ship.Report
		if err != nil || json.Unmarshal(answer, &report) != nil || report.Confirmed != 1 {
			t.Errorf("%q: %s, %v", trigger, answer, err)
		}
	}
}

// FuzzTrigger gives replay any event: success means that each record of it was
// delivered, quarantined, or reported as failed; or that it asked for a drain.
func FuzzTrigger(f *testing.F) {
	good := string(event("a"))
	batch := sqsEvent(good, "garbage", string(event("b")))
	for _, seed := range [][]byte{batch, pipe(f, batch), []byte(good), []byte("{}"), nil, []byte("null"), []byte("[]"), []byte(`{"Records":[]}`),
		[]byte(`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"aGk="}}]}`), []byte(`{"records":[1]}`),
		[]byte(`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"x"},{"eventSource":"aws:sqs"}]}`),
		[]byte(`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"x","body":"y"}],"records":[]}`),
		[]byte(`{"detail-type":"Scheduled Event"}`), []byte("garbage")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, trigger []byte) {
		w := newFixture()
		answer, err := w.replayer(t, true).Invoke(t.Context(), trigger)
		if err != nil {
			return
		}
		var in any
		_ = json.Unmarshal(trigger, &in) // garbage is nil: only what is empty may succeed
		records, isArray := in.([]any)
		if object, ok := in.(map[string]any); ok {
			if all, ok := object["Records"]; ok {
				records, isArray = all.([]any)
				if !isArray {
					t.Fatalf("%q: success, and its Records are %v", trigger, all)
				}
			} else if len(object) > 0 && object["detail-type"] != "Scheduled Event" {
				t.Fatalf("%q: a drain", trigger)
			}
		} else if !isArray && len(strings.TrimSpace(string(trigger))) > 0 && in != nil {
			t.Fatalf("%q: success", trigger)
		}
		var out struct {
			BatchItemFailures []struct{ ItemIdentifier string }
		}
		if err := json.Unmarshal(answer, &out); err != nil {
			t.Fatalf("%q: %s", trigger, answer)
		}
		if isArray && len(records) == 0 {
			t.Fatalf("%q: success for no record", trigger)
		}
		var failed []string
		for _, i := range out.BatchItemFailures {
			failed = append(failed, i.ItemIdentifier)
		}
		dealt := len(w.source.Requests()) + len(w.quarantine.Entries())
		for _, r := range records {
			m, _ := r.(map[string]any)
			id, _ := m["messageId"].(string)
			body, isText := m["body"].(string)
			if !isText || id == "" {
				t.Fatalf("%q: success, with a record that is not a message", trigger)
			}
			if slices.Contains(failed, id) {
				continue
			}
			if p := w.replayer(t, false).Preview([]byte(body)); p.Records == 0 && p.Class == "" {
				continue // an event with nothing to send
			}
			if dealt--; dealt < 0 {
				t.Fatalf("%q: success for more records than were delivered or quarantined", trigger)
			}
		}
	})
}
