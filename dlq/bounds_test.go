package dlq

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCutIsBetweenCharacters(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "ab…"}, {"abcdef", 4, "a…"}, {"abcdef", 3, "…"}, {"", 0, ""},
		{"ééé", 6, "ééé"}, {"ééé", 5, "é…"}, {"éééé", 6, "é…"}, {"éééé", 7, "éé…"}, {"\U0001F600\U0001F600", 7, "\U0001F600…"}, {"\U0001F600\U0001F600", 6, "…"},
	} {
		if got := cut(tt.text, tt.n); got != tt.want {
			t.Errorf("%q to %d: %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

// Source: Amazon SQS API Reference, SendMessage: #x9 | #xA | #xD | #x20 to #xD7FF |
// #xE000 to #xFFFD | #x10000 to #x10FFFF.
func TestIllegalIsWhatSQSRefuses(t *testing.T) {
	for r := range rune(0x11000) {
		want := !(r == 9 || r == 0xa || r == 0xd || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000)
		if isSurrogate := r >= 0xd800 && r <= 0xdfff; illegal(r) != want && !isSurrogate {
			t.Errorf("%#x: %t", r, illegal(r))
		}
	}
}

// Before a queue has said its limit, an event that every queue takes goes as if this
// one took no more, and a larger one as if it took the most.
func TestLimitThatIsNotKnown(t *testing.T) {
	q := &Queue{}
	for event, want := range map[int]int{0: oldMaxMessage, oldMaxMessage: oldMaxMessage, oldMaxMessage + 1: maxBatchBytes} {
		if got := q.maxMessage(event); got != want {
			t.Errorf("for an event of %d bytes: %d, want %d", event, got, want)
		}
	}
	if q.limit = 5000; q.maxMessage(oldMaxMessage+1) != 5000 {
		t.Error("what the queue has said does not count")
	}
}

// Attributes that are not as this package writes them say nothing.
func TestAttributesOfOthers(t *testing.T) {
	sent := time.Unix(7, 0)
	for name, tt := range map[string]struct {
		attributes map[string]string
		attempts   int
		isolated   bool
		deaths     int
	}{
		"none":     {nil, 0, false, 0},
		"no ints":  {map[string]string{attrAttempts: "x", attrDeaths: "x", attrFirstFailure: "x", attrRules: "x"}, 0, false, 0},
		"negative": {map[string]string{attrAttempts: "-1", attrDeaths: "-1"}, 0, false, 0},
		"zero":     {map[string]string{attrAttempts: "0", attrDeaths: "0"}, 0, true, 0},
		"one":      {map[string]string{attrAttempts: "1", attrDeaths: "1"}, 1, true, 1},
	} {
		c := ParseEntry("x", tt.attributes, sent).Cause
		if c.Attempts != tt.attempts || c.Isolated != tt.isolated || c.Deaths != tt.deaths || !c.FirstFailure.Equal(sent) || c.Rules {
			t.Errorf("%s: %+v", name, c)
		}
	}
	for body, want := range map[string]string{
		`{"requestPayload":{"a":1},"requestContext":{"condition":"RetriesExhausted"}}`: `{"a":1}`,
		`{"requestPayload":{"a":1},"awslogs":{}}`:                                      `{"requestPayload":{"a":1},"awslogs":{}}`,
		`"requestPayload" is no JSON`:                                                  `"requestPayload" is no JSON`,
		`{"other":"requestPayload"}`:                                                   `{"other":"requestPayload"}`,
		`{"requestpayload":{"a":1}}`:                                                   `{"requestpayload":{"a":1}}`,
	} {
		e := ParseEntry(body, nil, sent)
		if string(e.Event) != want || (e.Cause.Message == "RetriesExhausted") != strings.Contains(body, "Retries") {
			t.Errorf("%s: %s, %+v", body, e.Event, e.Cause)
		}
	}
	if e := ParseEntry(`{"requestPayload":{},"requestContext":{"condition":"RetriesExhausted"}}`, map[string]string{attrMessage: "known"}, sent); e.Cause.Message != "known" {
		t.Errorf("a message of its own gives way: %+v", e.Cause)
	}
}

// A message that failed rests from 30 s to 15 min, twice as long each time, or an
// eighth of its age up to 2 h; of that at least half.
func TestBackoffOfAMessage(t *testing.T) {
	for _, tt := range []struct {
		receives int
		age      time.Duration
		most     time.Duration
	}{
		{0, 0, 30 * time.Second}, {1, 0, 30 * time.Second}, {2, 0, time.Minute}, {5, 0, 8 * time.Minute}, {6, 0, 15 * time.Minute}, {100, 0, 15 * time.Minute},
		{1, 80 * time.Minute, 10 * time.Minute}, {100, 4 * time.Hour, 30 * time.Minute}, {100, 100 * time.Hour, 2 * time.Hour},
	} {
		m := Message{Receives: tt.receives}
		if tt.age > 0 {
			m.Sent = time.Now().Add(-tt.age)
		}
		lowest, highest := tt.most*2, time.Duration(0)
		for i := range 1000 {
			m.ID = strconv.Itoa(i) // the same message rests for the same time
			d := m.Backoff()
			lowest, highest = min(lowest, d), max(highest, d)
		}
		near := tt.most / 20
		if lowest < tt.most/2 || lowest > tt.most/2+near || highest > tt.most+near || highest < tt.most-near {
			t.Errorf("%d receives, %s old: %s to %s, want %s to %s", tt.receives, tt.age, lowest, highest, tt.most/2, tt.most)
		}
	}
}

func TestMessagesThatAreNotWhole(t *testing.T) {
	for _, text := range []string{"", "\n", "x", "x\nbody", "{}\n", "{\"id\":\"1\",\"size\":2}\nx", "{\"id\":\"1\",\"size\":2}\nxyz", "{\"id\":\"\",\"size\":1}\nx", "{\"id\":7,\"size\":1}\nx", "{\"id\":\"1\",\"size\":\"x\"}\n"} {
		var m Message
		if err := m.UnmarshalBinary([]byte(text)); err == nil || m.ID != "" || m.Body != "" {
			t.Errorf("%q: %+v, %v", text, m, err)
		}
	}
	for _, system := range []map[string]string{nil, {"ApproximateReceiveCount": "x", "SentTimestamp": "x"}} {
		if m := NewMessage("1", "body", system, nil); m.Receives != 1 || !m.Sent.IsZero() || m.Body != "body" || m.ID != "1" {
			t.Errorf("%v: %+v", system, m)
		}
	}
	if m := NewMessage("1", "body", map[string]string{"ApproximateReceiveCount": "3", "SentTimestamp": "1500"}, nil); m.Receives != 3 || !m.Sent.Equal(time.UnixMilli(1500)) {
		t.Errorf("%+v", m)
	}
}
