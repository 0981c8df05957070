package ship_test

import (
	"strings"
	"testing"

	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
)

func TestEveryWrongVariableIsNamedAtOnce(t *testing.T) {
	for name, c := range map[string]struct{ value, expected string }{
		"SUMO_ENDPOINT":          {"http://collectors.example.com/" + leaktest.Secret, "https"},
		"SUMO_TOKEN":             {"arn:aws:s3:::" + leaktest.Secret, "not the ARN"},
		"LOG_FORMAT":             {"vpc-raw", "VPC-RAW"},
		"COMPRESS_DATA":          {"yes", "neither true nor false"},
		"INCLUDE_LOG_INFO":       {"1", "neither true nor false"},
		"INCLUDE_EVENT_ID":       {"on", "neither true nor false"},
		"COMPRESSION_LEVEL":      {"12", "from 1 to 9"},
		"MAX_BODY_BYTES":         {"2000000", "whole number from 1 to 1048576"},
		"MAX_IN_FLIGHT":          {"0", "from 1 to 64"},
		"MAX_SOURCES":            {"0", "from 1 to 10000"},
		"MAX_PAYLOAD_BYTES":      {"64MB", "whole number"},
		"NUMBER_OF_RETRIES":      {"-1", "from 0 to 100"},
		"RETRY_INTERVAL":         {"5s", "from 1 to 10000"},
		"REQUEST_TIMEOUT":        {"31000", "to 30000"},
		"DEADLINE_RESERVE":       {"soon", "whole number"},
		"VPC_CIDR_PREFIX":        {"10.0.0.0/33", "CIDR"},
		"METADATA_FROM_MESSAGES": {"All", "all, fields or none"},
		"LOG_STREAM_PREFIX":      {" , ", "without an entry"},

		"SOURCE_NAME_OVERRIDE":     {"{stream}", "unknown placeholder {stream}; want one of {logGroup}, "},
		"SOURCE_HOST_OVERRIDE":     {"{Account}", "{account}"},
		"SOURCE_CATEGORY_OVERRIDE": {"aws/{logGroup}/{accountId}", "unknown placeholder {accountId}"},
		"SOURCE_FIELDS_OVERRIDE":   {"a={account},o={owner}", "unknown placeholder {owner}"},
	} {
		w := newFixture()
		w.vars[name] = c.value
		_, err := ship.NewForwarder(w.options())
		if err == nil || !strings.Contains(err.Error(), name+": ") || !strings.Contains(err.Error(), c.expected) {
			t.Errorf("%s=%s: %v", name, c.value, err)
		}
		if err != nil && name == "SUMO_ENDPOINT" && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("a secret in %v", err)
		}
	}
	w := newFixture()
	w.vars["SUMO_ENDPOINT"] = "https://SECRET.example.com/"
	if _, err := ship.NewForwarder(w.options()); err == nil || !strings.Contains(err.Error(), "SUMO_ENDPOINT: path is missing; want the whole URL") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("an endpoint without a path: %v", err)
	}
	w = newFixture()
	w.vars["COMPRESS_DATA"], w.vars["LOG_FORMAT"], w.vars["MAX_IN_FLIGHT"] = "x", "y", "z"
	_, err := ship.NewForwarder(w.options())
	for _, name := range []string{"COMPRESS_DATA", "LOG_FORMAT", "MAX_IN_FLIGHT"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
}

// Each variable has its effect.
func TestVariablesTakeEffect(t *testing.T) {
	body := `{"timestamp":0,"message":"hello"}`
	for name, c := range map[string]struct {
		vars   map[string]string
		line   string
		header map[string]string // "": absent
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
		w := newFixture()
		delete(w.vars, "SUMO_TOKEN")
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
	w := newFixture()
	w.vars["LOG_STREAM_PREFIX"] = "app/,"
	if r, err := w.forwarder(t).Ship(t.Context(), event("hello")); err != nil || r.Filtered["stream"] != 1 || len(w.source.Requests()) != 0 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestMetadataFromMessages(t *testing.T) {
	const message = `{"_sumo_metadata":{"category":"c","sourceFieldsOverride":"role=admin"}}`
	for value, want := range map[string][2]string{"": {"c", "role=admin"}, "all": {"c", "role=admin"}, "fields": {"", "role=admin"}, "none": {"", ""}} {
		for _, rules := range []string{"", `{"version":1,"default":{"mask":["email"]}}`} { // which say nothing of it
			w := newFixture()
			w.vars["METADATA_FROM_MESSAGES"], w.vars["RULES"] = value, rules
			if _, err := w.forwarder(t).Ship(t.Context(), event(message)); err != nil {
				t.Fatal(err)
			}
			h := w.source.Requests()[0].Header
			if got := [2]string{h.Get("X-Sumo-Category"), h.Get("X-Sumo-Fields")}; got != want {
				t.Errorf("%q, rules %q: category and fields %q, want %q", value, rules, got, want)
			}
		}
	}
}

// A replayer without a queue does not start.
func TestReplayerNeedsItsQueue(t *testing.T) {
	for value, want := range map[string]string{"": "TASK_QUEUE_URL: is not set", "dead-entries": "not the URL of a queue", "https://sqs.us-east-1.amazonaws.com/name": "not the URL of a queue"} {
		w := newFixture()
		w.vars["TASK_QUEUE_URL"] = value
		o := w.replayOptions()
		o.Queue, o.Inbox = nil, nil
		if _, err := ship.NewReplayer(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
