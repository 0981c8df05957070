package dlq

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCauseSurvivesTheQueue(t *testing.T) {
	want := Cause{Class: "unavailable", Message: "the source answered 503", FirstFailure: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), LogGroup: "/ecs/shop", Attempts: 3, Isolated: true, Deaths: 2, Rules: true}
	l := Entry{Event: []byte(`{"awslogs":{"data":"x"}}`), Cause: want}
	got := ParseEntry(l.body(), want.attributes(), time.Now())
	if d := cmp.Diff(l, got); d != "" {
		t.Errorf("entry (-want +got):\n%s", d)
	}
}

// The attributes always fit the room that is reserved for them, and contain nothing
// that SQS refuses.
func TestAttributesFitTheirRoom(t *testing.T) {
	for _, filler := range []string{"x", "é", "日", "🙂", "\x00", "￾", "\xff", " "} {
		long := strings.Repeat(filler, 5000)
		size := 0
		for name, value := range (Cause{Class: long, Message: long, LogGroup: long, FirstFailure: time.Now(), Attempts: 1 << 40, Isolated: true, Deaths: 1 << 40}).attributes() {
			size += len(name) + len("String") + len(value)
			if value == "" || !utf8.ValidString(value) || strings.IndexFunc(value, illegal) >= 0 {
				t.Errorf("%q: attribute %s is %.20q", filler, name, value)
			}
		}
		if size > attributeRoom {
			t.Errorf("%q: attributes of %d bytes, room for %d", filler, size, attributeRoom)
		}
	}
	if got := (Cause{}).attributes(); len(got) != 0 {
		t.Errorf("attributes of nothing: %v", got)
	}
}

// Attributes give way to the event: the longest text first, and the history last.
func TestAttributesGiveWay(t *testing.T) {
	c := Cause{Class: "rejected", Message: strings.Repeat("m", 900), LogGroup: strings.Repeat("g", 500), FirstFailure: time.Unix(1000, 0), Attempts: 7}
	for room := range attributeRoom {
		got := c.within(room)
		if n := sizeOf(got); n > room {
			t.Fatalf("%d bytes in a room of %d: %v", n, room, got)
		}
		if room >= c.Size() && len(got) != 5 || room >= 120 && (got[attrFirstFailure] == "" || got[attrAttempts] != "7" || got[attrClass] == "") {
			t.Fatalf("a room of %d: %v", room, got)
		}
		if room >= 900 && len(got[attrMessage]) < 100 {
			t.Fatalf("a room of %d: %v", room, got)
		}
	}
}

// Each kind of message that can be in such a queue becomes its event.
func TestParseEntry(t *testing.T) {
	const event = `{"awslogs":{"data":"H4sIAAAA"}}`
	sent := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		body       string
		attributes map[string]string
		want       Entry
	}{
		"ours": {event, map[string]string{"ErrorClass": "rejected", "ErrorMessage": "why", "LogGroup": "g", "FirstFailure": "2026-01-01T00:00:00Z", "Attempts": "2"},
			Entry{[]byte(event), Cause{Class: "rejected", Message: "why", FirstFailure: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), LogGroup: "g", Attempts: 2}}},
		"Lambda's dead-letter setting": {event, map[string]string{"RequestID": "r", "ErrorCode": "200", "ErrorMessage": "LostError"},
			Entry{[]byte(event), Cause{Message: "LostError", FirstFailure: sent}}},
		"Lambda's on-failure destination": {`{"version":"1.0","timestamp":"2026-01-02T00:00:00Z","requestContext":{"requestId":"r","functionArn":"arn","condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":` + event + `,"responseContext":{"statusCode":200,"functionError":"Unhandled"},"responsePayload":{"errorType":"LostError"}}`, nil,
			Entry{[]byte(event), Cause{Message: "RetriesExhausted", FirstFailure: sent}}},
		"an event that mentions it": {`{"awslogs":{"data":"x"},"requestPayload":{}}`, nil, Entry{[]byte(`{"awslogs":{"data":"x"},"requestPayload":{}}`), Cause{FirstFailure: sent}}},
		"garbage":                   {"gar\"requestPayload\"bage", map[string]string{"Attempts": "many", "FirstFailure": "yesterday"}, Entry{[]byte("gar\"requestPayload\"bage"), Cause{FirstFailure: sent}}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, ParseEntry(c.body, c.attributes, sent)); d != "" {
				t.Errorf("entry (-want +got):\n%s", d)
			}
		})
	}
}

func TestBodyHoldsOnlyWhatSQSTakes(t *testing.T) {
	for event, want := range map[string]string{
		"":                         "null",
		" \n":                      "null",
		"{\"a\":\"\u65e5\"}":       "{\"a\":\"\u65e5\"}",
		"{\"a\":\"x\ufffe\"}":      `{"a":"x\ufffe"}`,
		"{\"a\":\"\uffff\"}":       `{"a":"\uffff"}`,
		"{\"a\":\"\x01\"}":         `{"a":"\u0001"}`,
		"{\"a\":\"\xff\"}":         "{\"a\":\"\ufffd\"}",
		"{\"a\":\t\"\U0010ffff\"}": "{\"a\":\t\"\U0010ffff\"}",
	} {
		if got := (Entry{Event: []byte(event)}).body(); got != want {
			t.Errorf("%q: %q, want %q", event, got, want)
		}
	}
}

// values reads JSON with its numbers as they are written: 1E700 is no float64.
func values(t *testing.T, text string) (v any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"awslogs":{"data":"x"}}`), "unavailable", "why", "g")
	f.Add([]byte("{\"requestPayload\":{}}\ufffe"), "\x00", strings.Repeat("é", 600), "")
	f.Fuzz(func(t *testing.T, event []byte, class, message, group string) {
		l := Entry{Event: event, Cause: Cause{Class: class, Message: message, LogGroup: group}}
		body, attributes := l.body(), l.Cause.attributes()
		if body == "" || !utf8.ValidString(body) || strings.IndexFunc(body, illegal) >= 0 {
			t.Errorf("body %q", body)
		}
		if json.Valid(event) {
			if diff := cmp.Diff(values(t, string(event)), values(t, body)); diff != "" {
				t.Errorf("event %q became %q (-want +got):\n%s", event, body, diff)
			}
		}
		ParseEntry(body, attributes, time.Time{})
	})
}

// A message survives a file, with what deleting it takes; a part of it is an error.
func TestMessageSurvivesAFile(t *testing.T) {
	want := NewMessage("id", "{\"awslogs\":{\"data\":\"x\"}}\n<é>", map[string]string{"ApproximateReceiveCount": "4", "SentTimestamp": "1767323045000"},
		map[string]string{"ErrorClass": "unavailable", "ReplayDeaths": "1"}).WithHandle("handle")
	b, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var got Message
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Message{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for n := range b {
		if err := new(Message).UnmarshalBinary(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a message", n, len(b))
		}
	}
}
