package ship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"sumoship/dlq"
	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

const endpoint = "https://collectors.example.com" + leaktest.Path

// fixture is everything around a function in a test.
type fixture struct {
	source     *sumotest.Source
	queue      *dlqtest.Queue
	quarantine *dlqtest.Queue
	log        bytes.Buffer
	vars       map[string]string
	secrets    ship.Secrets
	objects    ship.Objects
	tags       ship.Tags
	interfaces ship.Describer
	watched    bool
}

func newFixture(steps ...sumotest.Step) *fixture {
	return &fixture{source: sumotest.New(steps...), queue: new(dlqtest.Queue), quarantine: new(dlqtest.Queue), vars: map[string]string{"SUMO_ENDPOINT": endpoint, "SUMO_TOKEN": leaktest.Token}}
}

// watch searches what the test leaves for the secrets of the endpoint: log and metrics,
// and the messages in the queues.
func (w *fixture) watch(t testing.TB) {
	if w.watched {
		return
	}
	w.watched = true
	t.Cleanup(func() {
		leaktest.Check(t, "the log", w.log.String())
		for _, e := range slices.Concat(w.queue.Entries(), w.quarantine.Entries()) {
			leaktest.Check(t, "a message", fmt.Sprintf("%s %+v", e.Event, e.Cause))
		}
	})
}

func (w *fixture) options() ship.Options {
	return ship.Options{
		Env:  function.Env{Getenv: func(name string) string { return w.vars[name] }, Out: &w.log},
		HTTP: &http.Client{Transport: w.source}, Queue: w.queue, Secrets: w.secrets, Objects: w.objects, Tags: w.tags, Interfaces: w.interfaces,
	}
}

func (w *fixture) replayOptions() ship.ReplayOptions {
	return ship.ReplayOptions{Options: w.options(), Inbox: w.queue}
}

func (w *fixture) forwarder(t *testing.T) *ship.Forwarder {
	t.Helper()
	w.watch(t)
	f, err := ship.NewForwarder(w.options())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (w *fixture) replayer(t testing.TB, quarantine bool) *ship.Replayer {
	t.Helper()
	w.watch(t)
	o := w.replayOptions()
	if quarantine {
		o.Quarantine = w.quarantine
	}
	r, err := ship.NewReplayer(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put puts events into the queue of a fixture.
func (w *fixture) put(events ...[]byte) {
	for _, e := range events {
		w.queue.Put(context.Background(), []dlq.Entry{{Event: e, Cause: dlq.Cause{FirstFailure: time.Unix(1, 0).UTC(), Attempts: 1, Class: "unavailable"}}})
	}
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

// messages returns the messages of the log events in an event.
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
