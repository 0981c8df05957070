package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/transform"
)

// world is everything around a run of replay. It notes what is asked of the queues, in
// order, and fails where it should.
type world struct {
	mu    sync.Mutex
	notes []string
	fails map[string]bool // by the first word of a note
	slow  time.Duration   // what a Put takes
	log   bytes.Buffer
	vars  map[string]string
	come  [][]dlq.Message // what each receive gets
	asked []string        // what each asks for

	answer func(*http.Request) int // the status of the source; nil means 200
}

var errDown = errors.New("it is down")

func (w *world) note(format string, a ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(format, a...)
	w.notes = append(w.notes, text)
	if word, _, _ := strings.Cut(text, " "); w.fails[word] {
		return errDown
	}
	return nil
}

// noted returns what was noted since the last call.
func (w *world) noted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.notes
	w.notes = nil
	return out
}

func (w *world) Receive(ctx context.Context, n int, _, visibility time.Duration) ([]dlq.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprintf("%d for %s", n, visibility))
	switch {
	case w.fails["receive"]:
		return nil, errDown
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(w.come) == 0:
		return nil, nil
	}
	out := w.come[0]
	w.come = w.come[1:]
	return out, nil
}

func (w *world) Delete(_ context.Context, m dlq.Message) error { return w.note("delete %s", m.ID) }

func (w *world) ChangeVisibility(_ context.Context, m dlq.Message, timeout time.Duration) error {
	return w.note("visible %s in %s", m.ID, timeout)
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	status := 200
	if w.answer != nil {
		status = w.answer(r)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// shelf is a queue of a world.
type shelf struct {
	*world
	name  string
	limit int
}

func (q shelf) Limit(context.Context) (int, error) {
	if q.fails["limit"] {
		return 0, errDown
	}
	return q.limit, nil
}

func (q shelf) Put(_ context.Context, entries []dlq.Entry) (failed []int, err error) {
	time.Sleep(q.slow)
	for i, e := range entries {
		text := string(e.Event)
		if b, err := transform.Decode(e.Event, 1<<20); err == nil {
			var messages []string
			for r := range (transform.Options{Format: transform.Raw}).Records(b) {
				messages = append(messages, string(r.Line))
			}
			text = strings.Join(messages, "+")
		}
		c := e.Cause
		first := "new"
		if !c.FirstFailure.IsZero() && time.Since(c.FirstFailure) > time.Minute {
			first = c.FirstFailure.Format(time.DateOnly)
		}
		if e := q.note("%s %s: %s %q %s, %s, attempts %d, isolated %t, deaths %d", q.name, text, c.Class, c.Message, c.LogGroup, first, c.Attempts, c.Isolated, c.Deaths); e != nil {
			failed, err = append(failed, i), e
		}
	}
	return failed, err
}

func newWorld() *world {
	return &world{fails: map[string]bool{}, vars: map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "NUM_OF_WORKERS": "1", "NUMBER_OF_RETRIES": "0", "COMPRESS_DATA": "false"}}
}

func (w *world) options() Options {
	return Options{Env: function.Env{Getenv: func(name string) string { return w.vars[name] }, Out: &w.log}, HTTP: &http.Client{Transport: w}, Queue: shelf{w, "put", 1 << 20}}
}

func (w *world) replayer(t *testing.T, change func(*ReplayOptions)) *Replayer {
	t.Helper()
	o := ReplayOptions{Options: w.options(), Inbox: w, Quarantine: shelf{w, "quarantine", 1 << 20}}
	if change != nil {
		change(&o)
	}
	r, err := NewReplayer(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// logged reports whether a line of the log has all of these texts.
func (w *world) logged(texts ...string) bool {
	for line := range strings.Lines(w.log.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return true
		}
	}
	return false
}

func packed(messages ...string) []byte {
	var events []string
	for i, m := range messages {
		events = append(events, fmt.Sprintf(`{"id":"%d","timestamp":%d,"message":%q}`, i, i, m))
	}
	return transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[` + strings.Join(events, ",") + `]}`))
}

var long = time.Date(1999, 1, 2, 3, 4, 5, 0, time.UTC) // ago

// message is one that failed four times.
func message(id string, event []byte) dlq.Message {
	return dlq.Message{ID: id, Body: string(event), Receives: 1, Entry: dlq.Entry{Event: event,
		Cause: dlq.Cause{Class: "unavailable", Message: "before", FirstFailure: long, LogGroup: "g", Attempts: 4}}}
}

func check[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
