package transform

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadInput(t *testing.T) {
	event := string(Pack([]byte(small)))
	const payload = `{"messageType":"DATA_MESSAGE", "logGroup":"g","logEvents":[{"message":"<x>"}]}`
	const filtered = `{"events":[
		{"logStreamName":"s1","timestamp":1,"message":"a <b> \ud800","ingestionTime":9,"eventId":"e1"},
		{"logStreamName":"s2","timestamp":2,"message":"b","eventId":"e2"},
		{"logStreamName":"s1","timestamp":3,"message":"c\n","eventId":"e3"}],
		"searchedLogStreams":[],"nextToken":"t"}`
	const (
		fromS1 = `{"logEvents":[{"id":"e1","timestamp":1,"message":"a \u003cb\u003e \ud800"},` +
			`{"id":"e3","timestamp":3,"message":"c\n"}],"logGroup":"/ecs/web","logStream":"s1","messageType":"DATA_MESSAGE"}`
		fromS2 = `{"logEvents":[{"id":"e2","timestamp":2,"message":"b"}],"logGroup":"/ecs/web","logStream":"s2","messageType":"DATA_MESSAGE"}`
	)
	// What Decode reads is given as its document, anything else as it is, in quotes.
	for _, tt := range []struct {
		name, input string
		want        []string
	}{
		{"event", event, []string{small}},
		{"events in lines", event + "\n" + event + "\n", []string{small, small}},
		{"events one after the other", event + event, []string{small, small}},
		{"events in an array", "[" + event + " , " + event + "]\n", []string{small, small}},
		{"payload", payload, []string{payload}},
		{"control", `{"messageType":"CONTROL_MESSAGE","logEvents":[]}`, []string{`{"messageType":"CONTROL_MESSAGE","logEvents":[]}`}},
		{"payload without a type", `{"logEvents":[]}`, []string{`{"logEvents":[]}`}},
		{"filter-log-events", filtered, []string{fromS1, fromS2}},
		{"get-log-events", `{"events":[{"timestamp":1,"message":"x","ingestionTime":2}],"nextForwardToken":"f/1"}`,
			[]string{`{"logEvents":[{"timestamp":1,"message":"x"}],"logGroup":"/ecs/web","logStream":"","messageType":"DATA_MESSAGE"}`}},
		{"events that are not strings", `{"events":[{"message":{ "a" : 1.0 },"timestamp":12345678901234567890,"eventId":7}, {}]}`,
			[]string{`{"logEvents":[{"id":7,"timestamp":12345678901234567890,"message":{"a":1.0}},{}],` +
				`"logGroup":"/ecs/web","logStream":"","messageType":"DATA_MESSAGE"}`}},
		{"all kinds", payload + filtered + "[" + event + "]" + event, []string{payload, fromS1, fromS2, small, small}},
		{"filter-log-events that found nothing", `{"events":[],"searchedLogStreams":[]}`, []string{}},
		{"empty array", " [ ] ", []string{}},
		{"nothing found, then an event", `{"events":[]}` + event, []string{small}},

		{"nothing", "", []string{`""`}},
		{"white space", " \n\t", []string{`""`}},
		{"not JSON", " not JSON\n", []string{`"not JSON"`}},
		{"cut short", `{"awslogs":`, []string{`"{\"awslogs\":"`}},
		{"an event and then something that is not JSON", event + "\n oops \n", []string{small, `"oops"`}},
		{"scalars", `1 "two" null [3]`, []string{`"1"`, `"\"two\""`, `"null"`, `"3"`}},
		{"another object", `{"Records":[]}`, []string{`"{\"Records\":[]}"`}},
		{"events null", `{"events":null}`, []string{`"{\"events\":null}"`}},
		{"events not an array", `{"events":{"a":1}}`, []string{`"{\"events\":{\"a\":1}}"`}},
		{"events of strings", `{"events":["a"]}`, []string{`"{\"events\":[\"a\"]}"`}},
		{"an array in an array", `[[1]]`, []string{`"[1]"`}},
		{"awslogs wins", `{"awslogs":1,"logEvents":[],"events":[]}`, []string{`"{\"awslogs\":1,\"logEvents\":[],\"events\":[]}"`}},
		{"awslogs wins over events", `{"awslogs":1,"events":[{}]}`, []string{`"{\"awslogs\":1,\"events\":[{}]}"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := []string{}
			for _, event := range ReadInput([]byte(tt.input), "/ecs/web") {
				if b, err := Decode(event, DefaultLimit); err == nil {
					got = append(got, string(b.doc))
				} else {
					got = append(got, strconv.Quote(string(event)))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadInputBatchesAreAtMostThoseOfCloudWatch(t *testing.T) {
	var events []string
	for i := range 2*chunk + 1 {
		events = append(events, fmt.Sprintf(`{"logStreamName":"s","message":"%d"}`, i))
	}
	n := 0
	for i, event := range ReadInput([]byte(`{"events":[`+strings.Join(events, ",")+`]}`), "g") {
		b, err := Decode(event, DefaultLimit)
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{chunk, chunk, 1}[i]; b.Len() != want {
			t.Errorf("batch %d has %d events, want %d", i, b.Len(), want)
		}
		for r := range (Options{Format: Raw}).Records(b) {
			if string(r.Line) != fmt.Sprint(n) {
				t.Fatalf("event %d is %s", n, r.Line)
			}
			n++
		}
	}
	if n != len(events) {
		t.Errorf("%d of %d events", n, len(events))
	}
}
