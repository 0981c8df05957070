package ship_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/function/ship"
	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

// slow answers like a source behind it after a while, and counts the requests in
// flight.
type slow struct {
	http.RoundTripper
	delay time.Duration

	mu           sync.Mutex
	now, most, n int
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.now++
	s.n++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.RoundTripper.RoundTrip(r)
}

// An outage is paid for once by an environment, not by each of its events.
func TestOutageIsCheap(t *testing.T) {
	for name, c := range map[string]struct {
		step  sumotest.Step
		first time.Duration
	}{
		"503":  {sumotest.Step{Status: 503}, 2 * time.Second},
		"hang": {sumotest.Step{Kind: sumotest.Hang}, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				steps := make([]sumotest.Step, 1000)
				for i := range steps {
					steps[i] = c.step
				}
				w := newFixture(steps...)
				w.vars["MAX_BODY_BYTES"] = "1" // a body for each log event
				f := w.forwarder(t)
				start := time.Now()
				ship := func() (untried int) {
					r, err := f.Ship(t.Context(), event("a", "b", "c"))
					if err != nil || r.DeadLettered != 3 || r.Breaker == "" {
						t.Fatalf("%+v, %v", r, err)
					}
					return r.Untried
				}
				ship()
				if took := time.Since(start); took > c.first {
					t.Errorf("the first event took %s, want at most %s", took, c.first)
				}
				const events = 600
				untried := 0
				busy := time.Duration(0)
				for range events {
					before := time.Now()
					untried += ship()
					busy += time.Since(before)
					time.Sleep(time.Second)
				}
				if untried < 3*events*9/10 {
					t.Errorf("%d of %d log events untried, want nearly all", untried, 3*events)
				}
				if requests := len(w.source.Requests()); requests > events/2 {
					t.Errorf("%d requests for %d events", requests, events)
				}
				if busy > events*100*time.Millisecond {
					t.Errorf("%d events took %s", events, busy)
				}
				if !strings.Contains(w.log.String(), `"BreakerOpen":1`) || !strings.Contains(w.log.String(), `"Untried":3`) {
					t.Error("no metric of the breaker or of untried log events")
				}
			})
		})
	}
}

// batchOf is an event of a mapping with these bodies.
func batchOf(bodies ...[]byte) []byte {
	all := make([]string, len(bodies))
	for i, b := range bodies {
		all[i] = string(b)
	}
	return sqsEvent(all...)
}

func replayerOf(t *testing.T, o ship.ReplayOptions) *ship.Replayer {
	t.Helper()
	r, err := ship.NewReplayer(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// failures are the messages that a batch leaves in the queue.
func failures(t *testing.T, out []byte) (ids []string) {
	t.Helper()
	var in struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(out, &in); err != nil {
		t.Fatal(err)
	}
	for _, f := range in.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func TestBatchIsReplayedInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture()
		source := &slow{RoundTripper: w.source, delay: 100 * time.Millisecond}
		o := w.replayOptions()
		o.HTTP = &http.Client{Transport: source}
		r := replayerOf(t, o)
		var bodies [][]byte
		for range 10 {
			bodies = append(bodies, event("a"))
		}
		start := time.Now()
		out, err := r.Invoke(t.Context(), batchOf(bodies...))
		if err != nil || len(failures(t, out)) != 0 {
			t.Fatalf("%s, %v", out, err)
		}
		if took := time.Since(start); took != 100*time.Millisecond || source.most != 10 {
			t.Errorf("took %s with %d requests in flight, want 100 ms and 10", took, source.most)
		}
	})
}

// The bytes in work are bounded, however many workers there are.
func TestBatchIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture()
		source := &slow{RoundTripper: w.source, delay: 100 * time.Millisecond}
		o := w.replayOptions()
		o.HTTP = &http.Client{Transport: source}
		r := replayerOf(t, o)
		var bodies [][]byte
		for range 10 {
			bodies = append(bodies, append(event("a"), make([]byte, 900<<10)...))
		}
		for i := range bodies { // white space after the event
			for j := range bodies[i] {
				if bodies[i][j] == 0 {
					bodies[i][j] = ' '
				}
			}
		}
		out, err := r.Invoke(t.Context(), batchOf(bodies...))
		if err != nil || len(failures(t, out)) != 0 {
			t.Fatalf("%s, %v", out, err)
		}
		if source.most > 4 {
			t.Errorf("%d messages of 0.9 MB in work at once, want at most 4", source.most)
		}
	})
}

// The first message that finds the source unavailable stops the others from
// starting; the next batch waits for the source before it tries one message.
func TestBatchStopsWhileTheSourceIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(repeated(503, 6+1)...)...)
		w.vars["NUM_OF_WORKERS"] = "1"
		r := replayerOf(t, w.replayOptions())
		invoke := func(want int) {
			t.Helper()
			out, err := r.Invoke(t.Context(), batchOf(event("a"), event("b"), event("c"), event("d")))
			if err != nil || len(failures(t, out)) != want {
				t.Fatalf("%s, %v, want %d failures", out, err, want)
			}
		}
		invoke(4)
		if n := len(w.source.Requests()); n != 6 {
			t.Errorf("%d requests, want the 6 of one message", n)
		}
		start := time.Now()
		invoke(4) // a probe, which fails
		if took, n := time.Since(start), len(w.source.Requests()); took < sumo.DefaultPause/64 || n != 7 {
			t.Errorf("the next batch took %s and made %d requests, want a pause and 1", took, n-6)
		}
		invoke(0) // a probe, and then the others
		start = time.Now()
		invoke(0)
		if took := time.Since(start); took != 0 {
			t.Errorf("a batch took %s after the source is back", took)
		}
	})
}

// When the source throttles, replay pauses, goes on with more time between
// messages, and comes back to its speed.
func TestReplayGivesWayWhenThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(429, 429, 429)...)
		w.vars["NUM_OF_WORKERS"] = "1"
		r := replayerOf(t, w.replayOptions())
		var bodies [][]byte
		for range 10 {
			bodies = append(bodies, event("a"))
		}
		batch := func() time.Duration {
			t.Helper()
			start := time.Now()
			if _, err := r.Invoke(t.Context(), batchOf(bodies...)); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		if took := batch(); took != 0 {
			t.Errorf("the first batch took %s", took)
		}
		if took := batch(); took < 30*time.Second { // a probe, which is throttled too
			t.Errorf("back after %s", took)
		}
		batch() // and another one
		start := time.Now()
		batch()
		if paused := time.Since(start); paused < 30*time.Second {
			t.Errorf("back after %s", paused)
		}
		slow := batch()
		if slow < 9*70*time.Millisecond {
			t.Errorf("a batch after three that were throttled took %s", slow)
		}
		last := slow
		for range 30 {
			took := batch()
			if took > last {
				t.Errorf("a batch took %s, the one before %s", took, last)
			}
			last = took
		}
		if last != 0 {
			t.Errorf("the last batch took %s", last)
		}
	})
}

// A batch that has little time left does not use it up by waiting.
func TestWaitLeavesTimeToTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(repeated(503, 6)...)...)
		w.vars["NUM_OF_WORKERS"] = "1"
		r := replayerOf(t, w.replayOptions())
		if _, err := r.Invoke(t.Context(), batchOf(event("a"))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		out, err := r.Invoke(ctx, batchOf(event("a"), event("b")))
		if err != nil || ctx.Err() != nil {
			t.Fatalf("%s, %v, %v", out, err, ctx.Err())
		}
	})
}
