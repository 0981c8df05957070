package ship_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
)

// document is a document of log events with these messages.
func history(messages ...string) []byte {
	type logEvent struct {
		ID        string `json:"id"`
		Timestamp int    `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []logEvent
	for i, m := range messages {
		events = append(events, logEvent{fmt.Sprint("id", i), i, m})
	}
	b, _ := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events})
	return b
}

// taken are the messages that the source has stored, in order.
func (w *fixture) taken(t *testing.T) (all []string) {
	t.Helper()
	for _, r := range w.source.Requests() {
		if r.Taken {
			for _, line := range r.Lines() {
				var record struct{ Message string }
				if err := json.Unmarshal([]byte(line), &record); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				all = append(all, record.Message)
			}
		}
	}
	return all
}

// A backfiller waits for Sumo Logic, sends again what it did not confirm and nothing
// beside it, and tells by number what is left.
func TestBackfill(t *testing.T) {
	messages := []string{"a", "b", "c", "d"}
	outage := sumotest.Statuses(503, 503, 503, 503, 503, 503, 503, 429, 429, 429, 429, 429, 429, 429)
	for name, c := range map[string]struct {
		script []sumotest.Step
		vars   map[string]string
		doc    []byte
		only   []int
		end    time.Duration // 0: never

		taken     []string
		left      []int
		confirmed int
		class     string
		waits     bool
	}{
		"at once":            {doc: history(messages...), taken: messages, confirmed: 4},
		"a Lambda event":     {doc: event("x", "y"), taken: []string{"x", "y"}, confirmed: 2},
		"an outage":          {script: outage, doc: history(messages...), taken: messages, confirmed: 4, waits: true},
		"one body of four":   {script: sumotest.Statuses(200, 503, 503, 503, 503, 503, 503), vars: map[string]string{"MAX_BODY_BYTES": "30"}, doc: history(messages...), taken: messages, confirmed: 4, waits: true},
		"only some":          {doc: history(messages...), only: []int{1, 3}, taken: []string{"b", "d"}, confirmed: 2},
		"a rejected body":    {script: sumotest.Statuses(200, 400, 200, 200, 400), vars: map[string]string{"MAX_BODY_BYTES": "30"}, doc: history(messages...), taken: []string{"a", "c", "d"}, left: []int{1}, confirmed: 3, class: "rejected"},
		"rejected, of some":  {script: sumotest.Statuses(200, 400, 400), vars: map[string]string{"MAX_BODY_BYTES": "30"}, doc: history(messages...), only: []int{1, 3}, taken: []string{"b"}, left: []int{3}, confirmed: 1, class: "rejected"},
		"rejected, then 503": {script: sumotest.Statuses(400, 503, 503, 503, 503, 503, 503, 200, 200, 200), vars: map[string]string{"MAX_BODY_BYTES": "30"}, doc: history("a", "b"), taken: []string{"a", "b"}, confirmed: 2},
		"a wrong endpoint":   {script: sumotest.Statuses(401), doc: history(messages...), left: []int{0, 1, 2, 3}, class: "misconfigured"},
		"not a document":     {doc: []byte("{}"), left: []int{0}, class: "undecodable"},
		"interrupted":        {script: outage, doc: history(messages...), end: 10 * time.Second, left: []int{0, 1, 2, 3}, class: "out_of_time", waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFixture(c.script...)
				for k, v := range c.vars {
					w.vars[k] = v
				}
				b, err := ship.NewBackfiller(w.options())
				if err != nil {
					t.Fatal(err)
				}
				ctx := context.Background()
				if c.end > 0 {
					var end context.CancelFunc
					ctx, end = context.WithTimeout(ctx, c.end)
					defer end()
				}
				waits := 0
				r, left := b.Ship(ctx, c.doc, c.only, func(r ship.Retrying) { waits++ })
				if d := cmp.Diff(c.taken, w.taken(t)); d != "" {
					t.Errorf("taken (-want +got):\n%s", d)
				}
				if !slices.Equal(c.left, left) || r.Lost != len(left) || r.Confirmed != c.confirmed || r.Class != c.class || r.Events != r.Confirmed+r.Lost || (waits > 0) != c.waits || r.DeadLettered > 0 {
					t.Errorf("left %v, want %v, %d waits: %+v", left, c.left, waits, r)
				}
				if len(w.queue.Entries()) > 0 || leaktest.Find(r.Error+w.log.String()) != "" {
					t.Errorf("%v in the queue; %s%s", w.queue.Entries(), r.Error, w.log.String())
				}
			})
		})
	}
}

// An interruption ends the waiting, and not what is in flight.
func TestBackfillStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(slices.Repeat(sumotest.Statuses(503), 1000)...)
		b, err := ship.NewBackfiller(w.options())
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		b.Stop = stop
		time.AfterFunc(5*time.Minute, func() { close(stop) })
		start := time.Now()
		r, left := b.Ship(context.Background(), history("a"), nil, nil)
		if took := time.Since(start); r.Lost != 1 || len(left) != 1 || r.Error != "interrupted" || took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("after %s: %+v", took, r)
		}
		if n := len(w.source.Requests()); n < 10 || n > 150 {
			t.Errorf("%d requests in 5 minutes", n)
		}
	})
}
