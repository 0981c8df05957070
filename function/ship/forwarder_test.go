package ship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

const endpoint = "https://collectors.example.com/receiver/v1/http/SECRETPATH"

// world is a function's surroundings in a test.
type world struct {
	source     *sumotest.Source
	queue      *dlqtest.Queue
	quarantine *dlqtest.Queue
	log        bytes.Buffer
	vars       map[string]string
	secrets    ship.Secrets
}

func newWorld(steps ...sumotest.Step) *world {
	return &world{source: sumotest.New(steps...), queue: new(dlqtest.Queue), quarantine: new(dlqtest.Queue), vars: map[string]string{"SUMO_ENDPOINT": endpoint}}
}

func (w *world) options() ship.Options {
	return ship.Options{
		Env:  function.Env{Getenv: func(name string) string { return w.vars[name] }, Out: &w.log},
		HTTP: &http.Client{Transport: w.source}, Queue: w.queue, Secrets: w.secrets,
	}
}

func (w *world) replayOptions() ship.ReplayOptions {
	return ship.ReplayOptions{Options: w.options(), Inbox: w.queue}
}

func (w *world) forwarder(t *testing.T) *ship.Forwarder {
	t.Helper()
	f, err := ship.NewForwarder(w.options())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func event(messages ...string) []byte {
	type logEvent struct {
		ID        string `json:"id"`
		Timestamp int    `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []logEvent
	for i, m := range messages {
		events = append(events, logEvent{fmt.Sprint("id-", i), i, m})
	}
	doc, _ := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "logGroup": "/ecs/web", "logStream": "web/app/1", "logEvents": events})
	return transform.Pack(doc)
}

// messages are the messages of the events in a payload.
func messages(t *testing.T, payload []byte) []string {
	t.Helper()
	b, err := transform.Decode(payload, transform.DefaultLimit)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for r := range (transform.Options{Format: transform.Raw}).Records(b) {
		out = append(out, string(r.Line))
	}
	return out
}

func TestForwarderReportsWhatBecameOfEveryEvent(t *testing.T) {
	w := newWorld()
	r, err := w.forwarder(t).Ship(t.Context(), event("a", " \n", "b"))
	if err != nil {
		t.Fatal(err)
	}
	want := ship.Report{LogGroup: "/ecs/web", LogStream: "web/app/1", Events: 3, Filtered: map[string]int{"blank": 1}, Confirmed: 2,
		Records: 2, Bodies: 1, PayloadBytes: r.PayloadBytes, RawBytes: 59, SentBytes: r.SentBytes, Attempts: map[string]int{"2xx": 1}, Millis: r.Millis, Left: -1}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{`{"timestamp":0,"message":"a"}`, `{"timestamp":2,"message":"b"}`}, w.source.Taken()); d != "" {
		t.Error(d)
	}
}

// One line for people and one for metrics, both JSON, and they agree.
func TestForwarderLogsOneLineAndItsMetrics(t *testing.T) {
	w := newWorld()
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

// Promise 2: an event of which nothing was confirmed is dead-lettered as it came.
func TestNothingConfirmedIsDeadLetteredAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(sumotest.Statuses(503, 503, 503, 503, 503, 503)...)
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
		w := newWorld(sumotest.Statuses(200, 400)...)
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
			t.Error(d)
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
			w := newWorld()
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
		for name, set := range map[string]func(*world){
			"no queue":       func(w *world) { w.queue = nil },
			"queue fails":    func(w *world) { w.queue.Err = errors.New("queue: access denied") },
			"nothing fits":   func(w *world) { w.queue.Max = 20 },
			"not even whole": func(w *world) { w.queue.Max = 180 },
		} {
			w := newWorld(sumotest.Statuses(404)...)
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
		w := newWorld(sumotest.Statuses(401)...)
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
			t.Errorf("%d entries, %+v\n%s", len(w.queue.Entries()), r, d)
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
			w := newWorld(steps...)
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

// secrets is a store whose content changes.
type secrets struct {
	values []string
	reads  []string
	err    error
}

func (s *secrets) read(kind, region, name string) (string, error) {
	s.reads = append(s.reads, kind+" "+region+" "+name)
	if s.err != nil {
		return "", s.err
	}
	v := s.values[0]
	if len(s.values) > 1 {
		s.values = s.values[1:]
	}
	return v, nil
}

func (s *secrets) Parameter(_ context.Context, region, name string) (string, error) {
	return s.read("ssm", region, name)
}

func (s *secrets) Secret(_ context.Context, region, arn string) (string, error) {
	return s.read("secretsmanager", region, arn)
}

// The endpoint is read once, and again when the source says that it is wrong.
func TestEndpointIsReadAgainAfterItWasRefused(t *testing.T) {
	for _, refused := range []int{401, 403, 404} {
		store := &secrets{values: []string{"https://old.example.com/a", `{"endpoint":"https://new.example.com/b","token":"tok"}`}}
		w := newWorld(sumotest.Statuses(200, refused)...)
		w.secrets = store
		delete(w.vars, "SUMO_ENDPOINT")
		f := w.forwarder(t)
		for range 4 {
			if _, err := f.Ship(t.Context(), event("a")); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]string{"ssm  SUMO_ENDPOINT", "ssm  SUMO_ENDPOINT"}, store.reads); d != "" {
			t.Errorf("%d: %s", refused, d)
		}
		requests := w.source.Requests()
		if len(requests) != 4 || requests[1].URI != "/a" || requests[2].URI != "/b" || requests[2].Header.Get("X-Sumo-Token") != "tok" {
			t.Errorf("%d: requests %+v", refused, requests)
		}
	}
}

func TestEndpointFromItsStores(t *testing.T) {
	for name, c := range map[string]struct{ variable, read string }{
		"parameter": {"arn:aws:ssm:eu-west-1:123456789012:parameter/sumo/endpoint", "ssm eu-west-1 arn:aws:ssm:eu-west-1:123456789012:parameter/sumo/endpoint"},
		"secret":    {"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:sumo-AbCdEf", "secretsmanager cn-north-1 arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:sumo-AbCdEf"},
	} {
		store := &secrets{values: []string{endpoint + "\n"}}
		w := newWorld()
		w.secrets, w.vars["SUMO_ENDPOINT"] = store, c.variable
		r, err := w.forwarder(t).Ship(t.Context(), event("a"))
		if err != nil || r.Confirmed != 1 || len(store.reads) != 1 || store.reads[0] != c.read {
			t.Errorf("%s: %v %+v %q", name, err, r, store.reads)
		}
	}
}

// A store that cannot be read, or holds nonsense, dead-letters the event.
func TestWithoutAnEndpointEventsAreDeadLettered(t *testing.T) {
	for name, store := range map[string]*secrets{
		"denied":   {err: errors.New("AccessDeniedException")},
		"http":     {values: []string{"http://collectors.example.com/SECRETPATH"}},
		"bad JSON": {values: []string{`{"url":"https://SECRETPATH"}`}},
		"nonsense": {values: []string{"SECRETPATH"}},
	} {
		w := newWorld()
		w.secrets = store
		delete(w.vars, "SUMO_ENDPOINT")
		r, err := w.forwarder(t).Ship(t.Context(), event("a", ""))
		if err != nil || r.DeadLettered != 1 || r.FilteredTotal() != 1 || r.Class != "misconfigured" {
			t.Errorf("%s: %v %+v", name, err, r)
		}
		if strings.Contains(w.log.String(), "SECRET") {
			t.Errorf("%s: a secret in %s", name, w.log.String())
		}
	}
}

func TestControlMessageIsNotAnEvent(t *testing.T) {
	w := newWorld()
	r, err := w.forwarder(t).Ship(t.Context(), transform.Pack([]byte(`{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"m"}]}`)))
	if err != nil || r.Events != 0 || len(w.source.Requests()) != 0 || len(w.queue.Entries()) != 0 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestEveryWrongVariableIsNamedAtOnce(t *testing.T) {
	for name, c := range map[string]struct{ value, expected string }{
		"SUMO_ENDPOINT":     {"http://collectors.example.com/SECRETPATH", "https"},
		"SUMO_TOKEN":        {"arn:aws:s3:::SECRETPATH", "not the ARN"},
		"LOG_FORMAT":        {"vpc-raw", "VPC-RAW"},
		"COMPRESS_DATA":     {"yes", "neither true nor false"},
		"INCLUDE_LOG_INFO":  {"1", "neither true nor false"},
		"INCLUDE_EVENT_ID":  {"on", "neither true nor false"},
		"COMPRESSION_LEVEL": {"12", "from 1 to 9"},
		"MAX_BODY_BYTES":    {"2000000", "whole number from 1 to 1048576"},
		"MAX_IN_FLIGHT":     {"0", "from 1 to 64"},
		"MAX_PAYLOAD_BYTES": {"64MB", "whole number"},
		"NUMBER_OF_RETRIES": {"-1", "from 0 to 100"},
		"RETRY_INTERVAL":    {"5s", "from 1 to 10000"},
		"REQUEST_TIMEOUT":   {"31000", "to 30000"},
		"DEADLINE_RESERVE":  {"soon", "whole number"},
		"VPC_CIDR_PREFIX":   {"10.0.0.0/33", "CIDR"},
		"LOG_STREAM_PREFIX": {" , ", "without an entry"},
	} {
		w := newWorld()
		w.vars[name] = c.value
		_, err := ship.NewForwarder(w.options())
		if err == nil || !strings.Contains(err.Error(), name+": ") || !strings.Contains(err.Error(), c.expected) {
			t.Errorf("%s=%s: %v", name, c.value, err)
		}
		if err != nil && name == "SUMO_ENDPOINT" && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("a secret in %v", err)
		}
	}
	w := newWorld()
	w.vars["COMPRESS_DATA"], w.vars["LOG_FORMAT"], w.vars["MAX_IN_FLIGHT"] = "x", "y", "z"
	_, err := ship.NewForwarder(w.options())
	for _, name := range []string{"COMPRESS_DATA", "LOG_FORMAT", "MAX_IN_FLIGHT"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
}

// The variables reach what they are for.
func TestVariablesTakeEffect(t *testing.T) {
	body := `{"timestamp":0,"message":"hello"}`
	for name, c := range map[string]struct {
		vars   map[string]string
		line   string
		header map[string]string // "" means absent
	}{
		"defaults":       {nil, body, map[string]string{"X-Sumo-Name": "web/app/1", "X-Sumo-Host": "/ecs/web", "X-Sumo-Category": "", "X-Sumo-Fields": "", "X-Sumo-Client": "cwl-aws-lambda", "Content-Encoding": "gzip", "X-Sumo-Token": ""}},
		"overrides":      {map[string]string{"SOURCE_NAME_OVERRIDE": "n", "SOURCE_HOST_OVERRIDE": "h", "SOURCE_CATEGORY_OVERRIDE": "c", "SOURCE_FIELDS_OVERRIDE": "a=b"}, body, map[string]string{"X-Sumo-Name": "n", "X-Sumo-Host": "h", "X-Sumo-Category": "c", "X-Sumo-Fields": "a=b"}},
		"none":           {map[string]string{"SOURCE_NAME_OVERRIDE": "None", "SOURCE_HOST_OVERRIDE": "none"}, body, map[string]string{"X-Sumo-Name": "", "X-Sumo-Host": ""}},
		"client":         {map[string]string{"SUMO_CLIENT_HEADER": "me"}, body, map[string]string{"X-Sumo-Client": "me"}},
		"plain":          {map[string]string{"COMPRESS_DATA": "false"}, body, map[string]string{"Content-Encoding": ""}},
		"token":          {map[string]string{"SUMO_TOKEN": "tok"}, body, map[string]string{"X-Sumo-Token": "tok"}},
		"log info":       {map[string]string{"INCLUDE_LOG_INFO": "TRUE"}, `{"timestamp":0,"message":"hello","logStream":"web/app/1","logGroup":"/ecs/web"}`, nil},
		"event id":       {map[string]string{"INCLUDE_EVENT_ID": "true"}, `{"id":"id-0","timestamp":0,"message":"hello"}`, nil},
		"vpc json":       {map[string]string{"LOG_FORMAT": "VPC-JSON"}, `{"message":"hello"}`, nil},
		"raw":            {map[string]string{"LOG_FORMAT": "RAW"}, `hello`, nil},
		"stream matches": {map[string]string{"LOG_STREAM_PREFIX": "x, web/"}, body, nil},
	} {
		w := newWorld()
		for k, v := range c.vars {
			w.vars[k] = v
		}
		if _, err := w.forwarder(t).Ship(t.Context(), event("hello")); err != nil {
			t.Fatal(err)
		}
		requests := w.source.Requests()
		if len(requests) != 1 || string(requests[0].Body) != c.line {
			t.Errorf("%s: %d requests, %q", name, len(requests), w.source.Taken())
			continue
		}
		for h, want := range c.header {
			if got, sent := requests[0].Header[h]; strings.Join(got, "") != want || sent != (want != "") {
				t.Errorf("%s: header %s is %q, want %q", name, h, got, want)
			}
		}
	}
	w := newWorld()
	w.vars["LOG_STREAM_PREFIX"] = "app/,"
	if r, err := w.forwarder(t).Ship(t.Context(), event("hello")); err != nil || r.Filtered["stream"] != 1 || len(w.source.Requests()) != 0 {
		t.Errorf("%v %+v", err, r)
	}
}
