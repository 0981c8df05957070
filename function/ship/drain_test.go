package ship

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/dlq"
	"sumoship/transform"
)

// A worker of a drain receives about half a megabyte of messages at once, judged by those
// before, and never more than ten; until the queue is empty, and for as long as the run.
func TestDrainAsksForWhatItCanHandle(t *testing.T) {
	of := func(n, size int) (messages []dlq.Message) {
		for range n {
			m := message("m", packed("a"))
			m.Body = strings.Repeat("x", size)
			messages = append(messages, m)
		}
		return messages
	}
	for _, end := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.vars["DEADLINE_RESERVE"] = "10000"
			w.come = [][]dlq.Message{of(1, 100), of(10, 100<<10), of(2, 600<<10), of(1, 0), of(1, 174_763), of(1, 512<<10), of(1, 50_000)}
			ctx, visibility := t.Context(), 15*time.Minute
			if end {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Second)
				defer cancel()
				visibility = 98*time.Second + time.Minute
			}
			r := w.replayer(t, nil)
			report, err := r.Drain(ctx)
			if err != nil || report.Confirmed != 17 || report.Messages.Received != 17 || !r.received.TryAcquire(maxReceived) {
				t.Errorf("%+v, %+v, %v", report, report.Messages, err)
			}
			var want []string
			for _, n := range []int{1, 10, 5, 1, 10, 2, 1, 10} {
				want = append(want, fmt.Sprintf("%d for %s", n, visibility))
			}
			check(t, fmt.Sprint("end ", end), want, w.asked)
			check(t, "deleted", 17, len(w.noted()))
		})
	}
}

// There are as many workers as the function has, and half as many more to prepare
// messages if each may have a request.
func TestWorkersOfADrain(t *testing.T) {
	for _, c := range []struct {
		workers, inFlight string
		want              int
	}{{"4", "10", 4}, {"10", "10", 15}, {"12", "10", 18}, {"1", "1", 1}, {"9", "10", 9}} {
		w := newWorld()
		w.vars["NUM_OF_WORKERS"], w.vars["MAX_IN_FLIGHT"] = c.workers, c.inFlight
		if _, err := w.replayer(t, nil).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, fmt.Sprintf("%+v", c), c.want, len(w.asked))
	}
}

// A drain waits for a source that is known to be unavailable. It ends where there is no
// time for a message, and that is no error; a queue that cannot be read is.
func TestDrainWaitsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.vars["DEADLINE_RESERVE"], w.vars["BREAKER_PAUSE"] = "10000", "20000"
		r := w.replayer(t, nil)
		run, end := r.begin(t.Context())
		for _, left := range []time.Duration{time.Hour, minMessageTime, minMessageTime - 1, 0, -time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			run.sending = ctx
			check(t, fmt.Sprint("time for more with ", left), left >= minMessageTime, run.timeForMore())
			cancel()
		}
		run.sending = t.Context()
		check(t, "time for more without an end", true, run.timeForMore())
		end()

		within := func(left time.Duration) (Report, error) {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			w.asked = nil
			return r.Drain(ctx)
		}
		if report, err := within(11 * time.Second); err != nil || len(w.asked) != 0 || report.Messages.Received != 0 {
			t.Errorf("too late: %v, asked %q", err, w.asked)
		}
		w.come = [][]dlq.Message{{message("1", packed("a"))}, {message("2", packed("a"))}}
		w.answer = func(*http.Request) int { return 503 }
		if report, err := within(time.Minute); err != nil || report.Messages.Kept != 1 || len(w.asked) != 1 || report.Breaker != "open" {
			t.Errorf("the source is down: %+v, %v, asked %q", report, err, w.asked)
		}
		w.answer = nil
		_, left := r.client.Breaker.State()
		start := time.Now()
		if report, err := within(time.Hour); err != nil || report.Confirmed != 1 || left <= 0 || time.Since(start) != left {
			t.Errorf("the source is back after %s, %s of them waited for: %+v, %v", left, time.Since(start), report, err)
		}
		w.fails["receive"] = true
		if _, err := within(time.Minute); !errors.Is(err, errDown) {
			t.Errorf("the queue is down: %v", err)
		}
		if out, err := r.Invoke(t.Context(), nil); !errors.Is(err, errDown) || out != nil {
			t.Errorf("the queue is down: %s, %v", out, err)
		}
		run, end = r.begin(t.Context())
		defer end()
		over, cancel := context.WithCancel(t.Context())
		w.asked, run.sending = nil, over
		check(t, "with time", true, errors.Is(run.work(), errDown))
		cancel()
		check(t, "without time", nil, run.work())
		check(t, "asked", []string{"1 for 15m0s"}, w.asked)
	})
}

// While the source is unavailable a batch waits, and a message that goes together with
// others finds out; those that are isolated go alone in any case.
func TestBatchOfAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		isolated []bool
		status   int
		requests int
		want     []disposition
	}{
		"alone":                       {[]bool{true}, 200, 1, []disposition{delivered}},
		"alone, still down":           {[]bool{true, true}, 503, 1, []disposition{kept, untried}},
		"together":                    {[]bool{false, false, false}, 200, 3, []disposition{delivered, delivered, delivered}},
		"together, still down":        {[]bool{false, false}, 503, 1, []disposition{kept, untried}},
		"one alone":                   {[]bool{true, false}, 200, 2, []disposition{delivered, delivered}},
		"one alone, and still down":   {[]bool{true, false}, 503, 1, []disposition{untried, kept}},
		"none, for a mapping has one": {nil, 200, 0, []disposition{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			requests, status := 0, 503
			w.answer = func(*http.Request) int { requests++; return status }
			p := w.replayer(t, nil)
			r, end := p.begin(t.Context())
			r.handle(message("before", packed("x")))
			end()
			_, left := p.client.Breaker.State()
			requests, status = 0, c.status
			r, end = p.begin(t.Context())
			defer end()
			var messages []dlq.Message
			for i, isolated := range c.isolated {
				m := message(fmt.Sprint(i), packed("a"))
				m.Entry.Cause.Isolated = isolated
				messages = append(messages, m)
			}
			start := time.Now()
			check(t, name, c.want, r.batch(messages))
			check(t, name+": requests", c.requests, requests)
			if took := time.Since(start); took != left || left == 0 {
				t.Errorf("%s: took %s, while the breaker is open for %s", name, took, left)
			}
			check(t, name+": deletes", slices.Contains(c.isolated, true), r.deletes)
		})
	}
}

// A receive that ends with the time of the run is not an error of the queue.
func TestReceiveThatEndsWithTheRun(t *testing.T) {
	w := newWorld()
	r, end := w.replayer(t, nil).begin(t.Context())
	defer end()
	sending, cancel := context.WithCancel(t.Context())
	r.sending = sending
	r.inbox = inbox{receive: func(int, time.Duration) ([]dlq.Message, error) { cancel(); return nil, sending.Err() }}
	if err := r.work(); err != nil {
		t.Error(err)
	}
}

// Without an end, the messages that are in work or wait for it stay invisible: each five
// minutes for fifteen more.
func TestMessagesAreHeld(t *testing.T) {
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.fails["visible"] = down
			r, end := w.replayer(t, nil).begin(t.Context())
			defer end()
			next, release := r.hold([]dlq.Message{{ID: "0"}, {ID: "1"}, {ID: "2"}})
			time.Sleep(time.Second)
			for _, want := range [][]string{
				{"visible 0 in 15m0s", "visible 1 in 15m0s", "visible 2 in 15m0s"}, {"visible 1 in 15m0s", "visible 2 in 15m0s"}, {"visible 2 in 15m0s"}, nil,
			} {
				time.Sleep(5*time.Minute - 2*time.Second)
				check(t, "early", nil, w.noted())
				time.Sleep(2 * time.Second)
				check(t, "each five minutes", want, w.noted())
				if len(want) > 0 {
					next()
				}
			}
			release()
			if told := w.logged(`"level":"WARN"`, "could not be extended", `"message":"1"`, `"error":"it is down"`); told != down {
				t.Errorf("%s", &w.log)
			}
			time.Sleep(time.Hour)
			check(t, "released", nil, w.noted())
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r, end := w.replayer(t, nil).begin(ctx)
		defer end()
		next, release := r.hold([]dlq.Message{{ID: "0"}})
		time.Sleep(time.Hour)
		next()
		release()
		check(t, "with an end", nil, w.noted())
	})
}

// What a preview says is what a replay would send and filter, and nothing is sent.
func TestPreviewCounts(t *testing.T) {
	w := newWorld()
	w.vars["RULES"] = `{"version":1,"default":{"exclude":["health"],"mask":["email"]}}`
	w.answer = func(*http.Request) int { t.Error("something was sent"); return 200 }
	event := packed("a@example.com", "health", "", "b")
	b, err := transform.Decode(event, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "preview", Report{LogGroup: "g", LogStream: "s", Events: 4, Filtered: map[string]int{"blank": 1, "default:exclude": 1}, Records: 2, PayloadBytes: b.Size(), Left: -1}, w.replayer(t, nil).Preview(event))
}
