package ship_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// choosing returns messages that choose n sources, from a number on.
func choosing(from, n int) []string {
	var messages []string
	for i := range n {
		messages = append(messages, fmt.Sprintf(`{"_sumo_metadata":{"category":"c%d"},"n":%d}`, from+i, from+i))
	}
	return messages
}

// Any message can choose a source, and each source costs a request.
func TestSourcesOfAnEventAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		messages []string
		limit    string
		requests int
		over     int
	}{
		"default":                 {choosing(0, 300), "", 100 + 1, 200},
		"as many as there may be": {choosing(0, 100), "", 100, 0},
		"the usual one is extra":  {append([]string{"usual"}, choosing(0, 100)...), "", 101, 0},
		"one":                     {append([]string{"usual"}, choosing(0, 3)...), "1", 2, 2},
		"again":                   {append(choosing(0, 3), choosing(0, 3)...), "2", 3, 2},
		"chosen, but usual":       {append(choosing(0, 1), `{"_sumo_metadata":{"category":"none"}}`, `{"_sumo_metadata":{"category":"none","host":"/ecs/web"}}`), "1", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture()
			w.vars["MAX_SOURCES"] = c.limit
			f := w.forwarder(t)
			r, err := f.Ship(t.Context(), event(c.messages...))
			if err != nil || r.Confirmed != len(c.messages) || r.OverMaxSources != c.over || len(w.source.Requests()) != c.requests {
				t.Fatalf("%d requests, want %d: %+v, %v", len(w.source.Requests()), c.requests, r, err)
			}
			usual := 0
			for _, request := range w.source.Requests() {
				if request.Header.Get("X-Sumo-Name") != "web/app/1" || request.Header.Get("X-Sumo-Host") != "/ecs/web" {
					t.Errorf("headers %v", request.Header)
				}
				for _, line := range request.Lines() {
					var record struct{ Message json.RawMessage }
					if err := json.Unmarshal([]byte(line), &record); err != nil || strings.Contains(line, "_sumo") {
						t.Errorf("record %s: %v", line, err)
					}
					switch want := strings.TrimSuffix(strings.TrimPrefix(string(record.Message), `{"n":`), "}"); request.Header.Get("X-Sumo-Category") {
					case "":
						usual++
					case "c" + want:
					default:
						t.Errorf("%s went to %s", line, request.Header.Get("X-Sumo-Category"))
					}
				}
			}
			if usual < c.over {
				t.Errorf("%d records have the usual source, want at least %d", usual, c.over)
			}
			if c.over == 0 {
				return
			}
			if _, err := f.Ship(t.Context(), event(c.messages...)); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(w.log.String(), "MAX_SOURCES"); n != 1 {
				t.Errorf("told %d times:\n%s", n, &w.log)
			}
			for _, count := range []string{fmt.Sprintf(`"overMaxSources":%d`, c.over), fmt.Sprintf(`"OverMaxSources":%d`, c.over)} {
				if !strings.Contains(w.log.String(), count) {
					t.Errorf("%s is not in\n%s", count, &w.log)
				}
			}
		})
	}
}

func TestReplayBoundsTheSourcesToo(t *testing.T) {
	w := newFixture()
	w.put(event(choosing(0, 300)...))
	w.queue.Wake()
	r, err := w.replayer(t, false).Drain(t.Context())
	if err != nil || r.Confirmed != 300 || r.OverMaxSources != 200 || r.Messages.Done != 1 || len(w.source.Requests()) != 101 {
		t.Errorf("%d requests: %+v, %v", len(w.source.Requests()), r, err)
	}
}

// After the deadline no record is written any more: what was not looked at is
// dead-lettered, a message that would have been dropped too.
func TestRecordsAreNotWrittenAfterTheDeadline(t *testing.T) {
	for _, open := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture(sumotest.Step{Kind: sumotest.Hang}, sumotest.Step{Kind: sumotest.Hang}, sumotest.Step{Kind: sumotest.Hang})
			w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["REQUEST_TIMEOUT"] = "1", "1", "30000"
			f := w.forwarder(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			messages := []string{"", "a", "b", "c", "", "d", ""}
			filtered := 1
			if open {
				if _, err := f.Ship(ctx, event("x")); err != nil {
					t.Fatal(err)
				}
				cancel()
				filtered = 0 // nothing was looked at
			}
			r, err := f.Ship(ctx, event(messages...))
			if err != nil || r.Events != 7 || r.FilteredTotal() != filtered || r.DeadLettered != 7-filtered || r.Records != 7-filtered {
				t.Fatalf("%+v, %v", r, err)
			}
			entries := w.queue.Entries()
			if d := cmp.Diff(messages, wholeMessages(t, entries[len(entries)-1].Event)); d != "" {
				t.Errorf("dead-lettered (-want +got):\n%s", d)
			}
		})
	}
}

// wholeMessages returns the messages of the log events in an event, the blank ones too.
func wholeMessages(t *testing.T, payload []byte) []string {
	t.Helper()
	b, err := transform.Decode(payload, transform.DefaultLimit)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, b.Len())
	for r := range (transform.Options{Format: transform.Raw}).Records(b) {
		if r.Dropped == transform.Kept {
			out[r.Event] = string(r.Line)
		}
	}
	return out
}

// BenchmarkManySources measures an event whose every message chooses a source.
func BenchmarkManySources(b *testing.B) {
	const n = 80_000
	type logEvent struct {
		ID        string `json:"id"`
		Timestamp int    `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []logEvent
	for i, m := range choosing(0, n) {
		events = append(events, logEvent{fmt.Sprint(i), i, m})
	}
	doc, _ := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "logGroup": "/ecs/web", "logStream": "web/app/1", "logEvents": events})
	packed := transform.Pack(doc)
	for _, limit := range []string{"100", "10000"} {
		b.Run("MAX_SOURCES="+limit, func(b *testing.B) {
			net := new(swallow)
			f := newBenchForwarder(b, map[string]string{"MAX_SOURCES": limit}, http.RoundTripper(net))
			b.ReportAllocs()
			for b.Loop() {
				if r, err := f.Ship(context.Background(), packed); err != nil || r.Confirmed != n {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(net.bodies.Load())/float64(b.N), "bodies/op")
		})
	}
}

// The built functions survive an event of 1 MB whose every message chooses a source,
// at the processor share and the memory of 256 MB.
// It runs alone: its function has a part of a processor, and no time for others.
func TestBootstrapSurvivesManySources(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	var many []byte
	for n := 60_000; ; n += 5_000 {
		e := event(choosing(0, n)...)
		if len(e) > 1<<20 {
			break
		}
		many = e
	}
	for _, name := range []string{"forwarder", "replay"} {
		t.Run(name, func(t *testing.T) {
			server := sqstest.New()
			url := server.Add(sqstest.Config{Name: "dead"})
			api := httptest.NewServer(server)
			defer api.Close()
			source := sumotest.New()
			sumo := httptest.NewServer(source)
			defer sumo.Close()
			f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/"+name), map[string]string{
				"SUMO_ENDPOINT": sumo.URL, "TASK_QUEUE_URL": url, "AWS_ENDPOINT_URL_SQS": api.URL,
				"GOMAXPROCS": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
			})
			f.Slow(0.145)
			f.Memory(256 << 20)
			input := many
			if name == "replay" {
				input = sqsEvent(string(many))
			}
			start := time.Now()
			r := f.Invoke(input, 60*time.Second)
			if r.Failed() {
				t.Fatalf("%s: %s\n%s", r.ErrorType, r.Error, f.Output())
			}
			if n := len(source.Taken()); n < 60_000 || len(source.Requests()) > 101+len(source.Taken())/1000 || !strings.Contains(f.Output(), `"OverMaxSources":`) {
				t.Errorf("%d events taken with %d requests\n%s", n, len(source.Requests()), f.Output())
			}
			t.Logf("%d sources in %d bytes, %s, %d MB", len(source.Taken()), len(many), time.Since(start).Round(time.Millisecond), f.PeakMemory()>>20)
		})
	}
}
