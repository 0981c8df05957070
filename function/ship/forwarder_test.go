package ship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/dlq/dlqtest"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

func TestForwarderReportsWhatBecameOfEveryEvent(t *testing.T) {
	w := newFixture()
	r, err := w.forwarder(t).Ship(t.Context(), event("a", " \n", "b"))
	if err != nil {
		t.Fatal(err)
	}
	want := ship.Report{LogGroup: "/ecs/web", LogStream: "web/app/1", Events: 3, Filtered: map[string]int{"blank": 1}, Confirmed: 2,
		Records: 2, Bodies: 1, PayloadBytes: r.PayloadBytes, RawBytes: 59, SentBytes: r.SentBytes, Attempts: map[string]int{"2xx": 1}, Millis: r.Millis, Left: -1}
	if d := cmp.Diff(want, r); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{`{"timestamp":0,"message":"a"}`, `{"timestamp":2,"message":"b"}`}, w.source.Taken()); d != "" {
		t.Errorf("records taken (-want +got):\n%s", d)
	}
}

// An invocation writes a log line and a line of metrics, both JSON.
func TestForwarderLogsOneLineAndItsMetrics(t *testing.T) {
	w := newFixture()
	if _, err := w.forwarder(t).Ship(t.Context(), event("a", "")); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2:\n%s", len(lines), w.log.String())
	}
	var line struct {
		Level                       string
		Events, Confirmed           int
		Filtered, Attempts          map[string]int
		DeadLettered, Lost          *int
		MS, Bodies                  *int
		PayloadBytes, RawBytes      *int
		SentBytes, MSLeft, Records  *int
		LogGroup, RequestID, Unused *string
	}
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	if line.Events != 2 || line.Confirmed != 1 || line.Filtered["blank"] != 1 || line.Attempts["2xx"] != 1 || line.DeadLettered == nil || line.Lost == nil ||
		line.MS == nil || line.Bodies == nil || line.RawBytes == nil || line.SentBytes == nil || line.MSLeft == nil || line.Records == nil {
		t.Errorf("log line %s", lines[0])
	}
	var metrics struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	var values map[string]any
	if err := errors.Join(json.Unmarshal([]byte(lines[1]), &metrics), json.Unmarshal([]byte(lines[1]), &values)); err != nil {
		t.Fatal(err)
	}
	m := metrics.AWS.CloudWatchMetrics[0]
	if m.Namespace != "sumoship" || metrics.AWS.Timestamp == 0 || len(m.Metrics) == 0 {
		t.Errorf("metrics %s", lines[1])
	}
	for _, metric := range m.Metrics {
		if _, ok := values[metric.Name].(float64); !ok {
			t.Errorf("metric %s has no value", metric.Name)
		}
	}
	for _, dimension := range m.Dimensions[0] {
		if _, ok := values[dimension].(string); !ok {
			t.Errorf("dimension %s has no value", dimension)
		}
	}
	if values["Events"] != 2.0 || values["Confirmed"] != 1.0 || values["Filtered"] != 1.0 {
		t.Errorf("metrics %s", lines[1])
	}
}

// What fits the queue only without why it is there goes without.
func TestLogEventThatFitsWithoutItsCause(t *testing.T) {
	dead := func(limit int) (ship.Report, []dlq.Entry) {
		w := newFixture(sumotest.Statuses(200, 400)...)
		w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"] = "1", "1"
		w.queue.Max = limit
		r, err := w.forwarder(t).Ship(t.Context(), event("confirmed", strings.Repeat("refused", 100)))
		if err != nil {
			t.Fatal(err)
		}
		return r, w.queue.Entries()
	}
	_, entries := dead(0)
	size := len(entries[0].Event)
	for _, limit := range []int{size + entries[0].Cause.Size(), size + 1, size} {
		r, got := dead(limit)
		if r.DeadLettered != 1 || len(got) != 1 || string(got[0].Event) != string(entries[0].Event) {
			t.Errorf("limit %d for %d bytes: %+v", limit, size, r)
		}
	}
}

// Heartbeats are counted once they are confirmed, and no rule drops them.
func TestHeartbeatIsCounted(t *testing.T) {
	w := newFixture(sumotest.Statuses(200, 200, 400)...)
	w.vars["LOG_STREAM_PREFIX"] = "WEB/"
	for _, c := range []struct {
		group string // of the heartbeat
		want  ship.Report
	}{
		{"/ecs/web", ship.Report{Confirmed: 2, Heartbeat: 2}},
		{"/ecs/web", ship.Report{Confirmed: 2, Heartbeat: 2}},
		{"/ecs/web", ship.Report{DeadLettered: 2}}, // refused
		{"/ecs/other", ship.Report{Filtered: map[string]int{"stream": 2}}},
		{"", ship.Report{Filtered: map[string]int{"stream": 2}}},
	} {
		w.vars["HEARTBEAT_LOG_GROUP"] = c.group
		w.log.Reset()
		r, err := w.forwarder(t).Ship(t.Context(), event("a", "b"))
		if err != nil {
			t.Fatal(err)
		}
		got := ship.Report{Confirmed: r.Confirmed, Heartbeat: r.Heartbeat, DeadLettered: r.DeadLettered, Filtered: r.Filtered}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("heartbeat in %q (-want +got):\n%s", c.group, d)
		}
		if counted := strings.Contains(w.log.String(), `{"Name":"Heartbeat"`); counted != (c.group != "") {
			t.Errorf("heartbeat in %q: metric written: %t", c.group, counted)
		}
	}
}

// Promise 2: an event of which nothing was confirmed is dead-lettered as it came.
func TestNothingConfirmedIsDeadLetteredAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(503, 503, 503, 503, 503, 503)...)
		payload := event("a", "", "b")
		r, err := w.forwarder(t).Ship(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		if r.DeadLettered != 2 || r.Confirmed != 0 || r.FilteredTotal() != 1 || r.Lost != 0 || r.Class != "unavailable" {
			t.Errorf("%+v", r)
		}
		entries := w.queue.Entries()
		if len(entries) != 1 || !bytes.Equal(entries[0].Event, payload) {
			t.Fatalf("%d entries; the event is not as it came", len(entries))
		}
		c := entries[0].Cause
		if c.Class != "unavailable" || !strings.Contains(c.Message, "503") || c.LogGroup != "/ecs/web" || c.Attempts != 1 || c.FirstFailure.IsZero() {
			t.Errorf("cause %+v", c)
		}
	})
}

// Promise 3: what was confirmed is not sent again.
func TestOnlyTheUnconfirmedIsDeadLettered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(200, 400)...)
		w.vars["MAX_BODY_BYTES"] = "32"
		w.vars["MAX_IN_FLIGHT"] = "1"
		r, err := w.forwarder(t).Ship(t.Context(), event("a", "b", "c"))
		if err != nil {
			t.Fatal(err)
		}
		if r.Confirmed != 2 || r.DeadLettered != 1 || r.Class != "rejected" {
			t.Errorf("%+v", r)
		}
		entries := w.queue.Entries()
		if len(entries) != 1 {
			t.Fatalf("%d entries, want 1", len(entries))
		}
		if d := cmp.Diff([]string{"b"}, messages(t, entries[0].Event)); d != "" {
			t.Errorf("messages (-want +got):\n%s", d)
		}
	})
}

// An event that cannot be read is dead-lettered, and nothing reveals its content.
func TestBrokenEventsAreDeadLettered(t *testing.T) {
	doc := func(s string) []byte { return transform.Pack([]byte(s)) }
	whole := string(event("SECRETDATA"))
	for name, c := range map[string]struct {
		event []byte
		stage string
	}{
		"empty":              {nil, "event"},
		"no awslogs":         {[]byte(`{"Records":["SECRETDATA"]}`), "event"},
		"truncated base64":   {[]byte(whole[:len(whole)-9] + `"}}`), "gzip"},
		"junk base64":        {[]byte(`{"awslogs":{"data":"SECRETDATA*"}}`), "base64"},
		"two documents":      {doc(`{"logEvents":[]}{"logEvents":["SECRETDATA"]}`), "document"},
		"unknown type":       {doc(`{"messageType":"SECRETDATA","logEvents":[]}`), "document"},
		"a bomb":             {doc(strings.Repeat(" ", 1<<20) + `{"logEvents":[]}`), "gzip"},
		"no array of events": {doc(`{"logEvents":"SECRETDATA"}`), "document"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture()
			w.vars["MAX_PAYLOAD_BYTES"] = "1000000"
			r, err := w.forwarder(t).Ship(t.Context(), c.event)
			if err != nil {
				t.Fatal(err)
			}
			if r.Events != 1 || r.DeadLettered != 1 || r.Class != "undecodable" || !strings.Contains(r.Error, "decode "+c.stage+":") {
				t.Errorf("%+v, want stage %s", r, c.stage)
			}
			entries := w.queue.Entries()
			if len(entries) != 1 || !bytes.Equal(entries[0].Event, c.event) {
				t.Fatalf("%d entries", len(entries))
			}
			if all := w.log.String() + entries[0].Cause.Message; strings.Contains(all, "SECRET") {
				t.Errorf("content in %s", all)
			}
			if len(w.source.Requests()) != 0 {
				t.Error("something was sent")
			}
		})
	}
}

// Promise 1: without a dead-letter queue, Lambda retries the event.
func TestLostEventsFailTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, set := range map[string]func(*fixture){
			"no queue":       func(w *fixture) { w.queue = nil },
			"queue fails":    func(w *fixture) { w.queue.Err = errors.New("queue: access denied") },
			"nothing fits":   func(w *fixture) { w.queue.Max = 20 },
			"not even whole": func(w *fixture) { w.queue.Max = 180 },
		} {
			w := newFixture(sumotest.Statuses(404)...)
			set(w)
			o := w.options()
			if w.queue == nil {
				o.Queue = nil
			}
			f, err := ship.NewForwarder(o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := f.Ship(t.Context(), event("a", strings.Repeat("x", 10)))
			lost, ok := errors.AsType[*ship.LostError](err)
			if !ok || lost.Events != r.Lost || r.Lost == 0 || r.Lost+r.DeadLettered != 2 {
				t.Errorf("%s: %v, %+v", name, err, r)
				continue
			}
			if _, err := f.Invoke(t.Context(), nil); !errors.As(err, &lost) && w.queue == nil {
				t.Errorf("%s: Invoke returned %v", name, err)
			}
			if strings.Contains(err.Error()+w.log.String(), "SECRET") {
				t.Errorf("%s: a secret in %v", name, err)
			}
		}
	})
}

// Promise 2: an event over the queue's limit is dead-lettered in parts.
func TestTooLargeForTheQueueIsDeadLetteredInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []string
		for i := range 200 {
			all = append(all, fmt.Sprintf("%d-%x", i, i*7919*7919))
		}
		w := newFixture(sumotest.Statuses(401)...)
		w.queue.Max = 1200
		r, err := w.forwarder(t).Ship(t.Context(), event(all...))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range w.queue.Entries() {
			got = append(got, messages(t, l.Event)...)
		}
		if d := cmp.Diff(all, got); d != "" || r.DeadLettered != 200 || len(w.queue.Entries()) < 2 {
			t.Errorf("%d entries, %+v; messages (-want +got):\n%s", len(w.queue.Entries()), r, d)
		}
	})
}

// Promise 4: with a source that hangs, the event is dead-lettered before the
// deadline of the function.
func TestDeadlineLeavesTimeToDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, timeout := range []time.Duration{time.Second, 5 * time.Second, time.Minute} {
			var steps []sumotest.Step
			for range 20 {
				steps = append(steps, sumotest.Step{Kind: sumotest.Hang})
			}
			w := newFixture(steps...)
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			r, err := w.forwarder(t).Ship(ctx, event("a"))
			if err != nil || r.DeadLettered != 1 || ctx.Err() != nil || r.Left < timeout.Milliseconds()/5 && r.Left < 4000 {
				t.Errorf("timeout %v: %v, %+v", timeout, err, r)
			}
			cancel()
			w.source.Close()
		}
	})
}

func TestControlMessageIsNotAnEvent(t *testing.T) {
	w := newFixture()
	r, err := w.forwarder(t).Ship(t.Context(), transform.Pack([]byte(`{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"m"}]}`)))
	if err != nil || r.Events != 0 || len(w.source.Requests()) != 0 || len(w.queue.Entries()) != 0 {
		t.Errorf("%v %+v", err, r)
	}
}

// tardy is a queue that says its limit only when a fraction of the time for
// dead-lettering is left.
type tardy struct {
	*dlqtest.Queue
	left time.Duration
}

func (q tardy) Limit(ctx context.Context) (int, error) {
	if deadline, ok := ctx.Deadline(); ok {
		time.Sleep(time.Until(deadline) - q.left)
	}
	return q.Queue.Limit(ctx)
}

// Where there is no time to rebuild an event, it is dead-lettered as it came: what
// was confirmed arrives twice, but nothing is lost. An event that does not fit the
// queue as it came is an error.
func TestEventThatCannotBeRebuiltInTimeGoesWhole(t *testing.T) {
	for name, c := range map[string]struct {
		max  int           // of the queue, in bytes
		left time.Duration // for dead-lettering
		dead []string
		lost int
	}{
		"with time":               {1 << 20, time.Second, []string{"b"}, 0},
		"without time":            {1 << 20, 1, []string{"a", "b"}, 0},
		"without time, too large": {50, -1, nil, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture(sumotest.Statuses(200, 400)...)
			w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"] = "1", "1"
			w.queue.Max = c.max
			o := w.options()
			o.Queue = tardy{w.queue, c.left}
			f, err := ship.NewForwarder(o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := f.Ship(ctx, event("a", "b"))
			var dead []string
			for _, m := range w.queue.Entries() {
				dead = append(dead, messages(t, m.Event)...)
			}
			if d := cmp.Diff(c.dead, dead); d != "" || r.Confirmed != 1 || r.Lost != c.lost || (err != nil) != (c.lost > 0) {
				t.Errorf("%s: %v, %+v; dead-lettered (-want +got):\n%s", name, err, r, d)
			}
			if c.lost > 0 && !strings.Contains(err.Error(), "rebuilding the event: context deadline exceeded") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
