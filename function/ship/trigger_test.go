package ship_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"sumoship/function/ship"
	"sumoship/function/trigger"
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
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"aGk="},"eventID":"shardId-0:1"}]}`: "this is an event of Amazon Kinesis: it belongs to the stream function;",
		`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"m"}}]}`:                                 "this is an event of Amazon SNS;",
		`{"Records":[{"eventSource":"aws:s3","s3":{}}]}`:                                                "this is an event of Amazon S3;",
		`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{}}]}`:                                    "this is an event of Amazon DynamoDB Streams;",
		`{"eventSource":"aws:kafka","records":{"topic-0":[]}}`:                                          "this is an event of Amazon MSK;",
		`{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:x","records":[]}`:                    "this is an event of Amazon Data Firehose;",
		`[{"eventSource":"aws:kinesis","data":"aGk=","partitionKey":"p"}]`:                              "this is an event of Amazon Kinesis, by a pipe of Amazon EventBridge;",
		`{"detail-type":"Object Created","source":"aws.s3","detail":{}}`:                                "this is an event of Amazon EventBridge;",
		`{"requestContext":{"http":{}},"body":"b"}`:                                                     "this is an event of an HTTP request;",
		good:                    "this is an event of Amazon CloudWatch Logs: it belongs to the forwarder;",
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
		`{"Records":[{"eventSource":"aws:s3","body":1}]}`:                                                  "this is an event of Amazon S3;",
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
			// encoding/json takes names in any case, and of two the last.
			var m struct {
				MessageID string  `json:"messageId"`
				Body      *string `json:"body"`
			}
			if text, err := json.Marshal(r); err != nil || json.Unmarshal(text, &m) != nil || m.Body == nil || m.MessageID == "" {
				t.Fatalf("%q: success, with a record that is not a message", trigger)
			}
			if slices.Contains(failed, m.MessageID) {
				continue
			}
			if p := w.replayer(t, false).Preview([]byte(*m.Body)); p.Records == 0 && p.Class == "" {
				continue // an event with nothing to send
			}
			if dealt--; dealt < 0 {
				t.Fatalf("%q: success for more records than were delivered or quarantined", trigger)
			}
		}
	})
}

// The forwarder does not answer success for an event of another service, and names it.
// What it cannot name it dead-letters, as before.
func TestForwarderRefusesOtherEvents(t *testing.T) {
	for event, want := range map[string]string{
		string(records(streamRecord(0, data(event("a"))))):                           "this is an event of Amazon Kinesis: it belongs to the stream function;",
		string(sqsEvent(string(event("a")))):                                         "this is an event of Amazon SQS: it belongs to replay;",
		`{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:x","records":[]}`: "this is an event of Amazon Data Firehose;",
		`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`:        "this is an event of a schedule of Amazon EventBridge;",
		`{"requestContext":{"http":{}},"body":"b"}`:                                  "this is an event of an HTTP request;",
	} {
		w := newFixture()
		answer, err := w.forwarder(t).Invoke(t.Context(), []byte(event))
		var lost *ship.LostError
		if !errors.As(err, &lost) || !strings.Contains(err.Error(), want) || answer != nil {
			t.Errorf("%.80s: %s, %v; want %s", event, answer, err, want)
		}
		if len(w.source.Requests()) != 0 || len(w.queue.Entries()) != 0 {
			t.Errorf("%.80s: something was sent or dead-lettered", event)
		}
		if r, level := w.report(t); r.Lost != 1 || r.DeadLettered != 0 || level != "ERROR lost" || !strings.Contains(r.Error, want) {
			t.Errorf("%.80s: %s %+v", event, level, r)
		}
		// Lambda dead-letters it after its tries; then replay names it, too.
		w.put([]byte(event))
		w.queue.Wake()
		if _, err := w.replayer(t, true).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if q := w.quarantine.Entries(); len(q) != 1 || !strings.Contains(q[0].Cause.Message, want) {
			t.Errorf("%.80s: quarantined %+v", event, q)
		}
	}
	for _, event := range []string{"", "{}", "null", "garbage", `{"key1":"value1"}`, `{"awslogs":7}`, `{"awslogs":{"data":"junk"}}`} {
		w := newFixture()
		if _, err := w.forwarder(t).Invoke(t.Context(), []byte(event)); err != nil || len(w.queue.Entries()) != 1 {
			t.Errorf("%s: %v, %d dead-lettered", event, err, len(w.queue.Entries()))
		}
	}
}

// FuzzForwarderTrigger gives the forwarder any event: success means that each of its
// log events was delivered, filtered or dead-lettered, and that it is not known to be
// of another service.
func FuzzForwarderTrigger(f *testing.F) {
	for _, seed := range [][]byte{event("a", "", "b"), sqsEvent("x"), records(streamRecord(0, "")), []byte(`[{"eventSource":"aws:s3"}]`), nil, []byte("{}"), []byte("garbage"),
		[]byte(`{"awslogs":{"data":"junk"}}`), []byte(`{"awslogs":{"data":"junk"},"Records":[{"eventSource":"aws:sqs"}]}`), []byte(`{"detail-type":"x"}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		w := newFixture()
		answer, err := w.forwarder(t).Invoke(t.Context(), event)
		of := trigger.Of(event)
		foreign := of.Service != "" && of.Function != trigger.Forwarder
		if err != nil {
			var lost *ship.LostError
			if !foreign || !errors.As(err, &lost) {
				t.Fatalf("%q: %v", event, err)
			}
			return
		}
		var r ship.Report
		if err := json.Unmarshal(answer, &r); err != nil || foreign || r.Lost != 0 ||
			r.Events != r.Confirmed+r.FilteredTotal()+r.DeadLettered || r.Confirmed != len(w.source.Taken()) || min(1, r.DeadLettered) != len(w.queue.Entries()) {
			t.Fatalf("%q: %s, %v", event, answer, err)
		}
	})
}
