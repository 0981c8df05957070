package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sumoship/dlq"
	"sumoship/rules"
	"sumoship/sumo"
	"sumoship/transform"
)

// What the environment says is what a function does, beside what its kind is for.
func TestFunctionsAreMadeOfTheirEnvironment(t *testing.T) {
	type made struct {
		Name                              string
		Attempts, MaxRequests, InFlight   int
		Timeout, Budget, Pause, Throttled time.Duration
		Yield, Plain                      bool
		Decoders, MaxBody                 int
	}
	of := func(s *shipper) made {
		c := s.client
		return made{c.Name, c.Attempts, c.MaxRequests, c.InFlight, c.Timeout, c.Budget, c.Breaker.Pause, c.Breaker.Throttled, c.Yield, c.NoCompression, cap(s.decoders), c.MaxBody}
	}
	for name, c := range map[string]struct {
		vars                      map[string]string
		forwarder, stream, replay made
	}{
		"nothing": {nil,
			made{"cwl-aws-lambda", 3, 0, 4, 10 * time.Second, 10 * time.Second, 30 * time.Second, 5 * time.Second, false, false, 20, sumo.DefaultMaxBody},
			made{"kinesis-aws-lambda", 3, 10, 4, 10 * time.Second, 10 * time.Second, 30 * time.Second, 5 * time.Second, false, false, 20, sumo.DefaultMaxBody},
			made{"dlq-aws-lambda", sumo.DefaultAttempts, 10, 4, sumo.DefaultTimeout, 4 * time.Minute, 30 * time.Second, time.Minute, true, false, 20, sumo.DefaultMaxBody}},
		"all of it": {map[string]string{"SUMO_CLIENT_HEADER": "mine", "NUMBER_OF_RETRIES": "7", "MAX_IN_FLIGHT": "3", "NUM_OF_WORKERS": "5", "REQUEST_TIMEOUT": "2000", "BREAKER_PAUSE": "60000", "COMPRESS_DATA": "false", "MAX_BODY_BYTES": "77"},
			made{"mine", 8, 0, 3, 2 * time.Second, 2 * time.Second, time.Minute, 10 * time.Second, false, true, 10, 77},
			made{"mine", 8, 5, 3, 2 * time.Second, 2 * time.Second, time.Minute, 10 * time.Second, false, true, 10, 77},
			made{"dlq-aws-lambda", 8, 5, 3, 2 * time.Second, 4 * time.Minute, time.Minute, 2 * time.Minute, true, true, 10, 77}},
	} {
		w := newWorld()
		w.vars = map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x"}
		maps.Copy(w.vars, c.vars)
		f, err := NewForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStreamForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		r := w.replayer(t, nil)
		check(t, name+": forwarder", c.forwarder, of(f.shipper))
		check(t, name+": stream", c.stream, of(s.shipper))
		check(t, name+": replay", c.replay, of(r.shipper))
		if !s.room.TryAcquire(maxInWork) || s.room.TryAcquire(1) || !r.room.TryAcquire(maxInWork) || r.room.TryAcquire(1) || !r.received.TryAcquire(maxReceived) || r.received.TryAcquire(1) {
			t.Error("the room for what is in work is not what it should be")
		}
	}
}

// Without what a test gives, a function has what its environment names: the queues, the
// bucket and the stores.
func TestFunctionsOpenWhatTheirEnvironmentNames(t *testing.T) {
	w := newWorld()
	bare := Options{Env: w.options().Env}
	if _, err := NewReplayer(ReplayOptions{Options: bare}); err == nil || !strings.Contains(err.Error(), "TASK_QUEUE_URL: is not set") {
		t.Error(err)
	}
	f, err := NewForwarder(bare)
	if err != nil || f.queue != nil || f.interfaces != nil || f.rulebook.objects == nil || f.tags.tags == nil || f.load == nil {
		t.Errorf("%+v, %v", f.shipper, err)
	}
	w.vars["TASK_QUEUE_URL"] = "https://sqs.eu-west-1.amazonaws.com/111122223333/dead"
	r, err := NewReplayer(ReplayOptions{Options: bare})
	if err != nil || r.queue == nil || r.inbox == nil || r.quarantineQueue != nil || r.archive != nil || r.journal != nil {
		t.Errorf("a queue alone: %+v, %v", r, err)
	}
	w.vars["QUARANTINE_QUEUE_URL"], w.vars["OVERFLOW_BUCKET"], w.vars["INCLUDE_SECURITY_GROUP_INFO"] = "https://sqs.eu-west-1.amazonaws.com/111122223333/bad", "logs-overflow", "true"
	r, err = NewReplayer(ReplayOptions{Options: bare, Temporary: t.TempDir()})
	if err != nil || r.queue == nil || r.inbox == nil || r.quarantineQueue == nil || r.archive.(*bucket).name != "logs-overflow" || r.journal == nil || r.interfaces == nil {
		t.Errorf("everything: %+v, %v", r, err)
	}
	given := ReplayOptions{Options: w.options(), Inbox: w, Quarantine: shelf{w, "quarantine", 1}, Archive: &bucket{name: "given"}}
	given.Options.Objects, given.Options.Tags = noStore{}, noStore{}
	r, err = NewReplayer(given)
	if err != nil || r.queue != given.Queue || r.inbox != w || r.quarantineQueue != given.Quarantine || r.archive != given.Archive || r.rulebook.objects != given.Objects || r.tags.tags != given.Tags {
		t.Errorf("what was given: %+v, %v", r, err)
	}
	w.vars["SUMO_ENDPOINT"], w.vars["NUM_OF_WORKERS"] = "nowhere", "x"
	for _, make := range []func() (any, error){
		func() (any, error) { return NewForwarder(bare) }, func() (any, error) { return NewStreamForwarder(bare) }, func() (any, error) { return NewReplayer(given) },
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), "SUMO_ENDPOINT") || !strings.Contains(err.Error(), "NUM_OF_WORKERS") {
			t.Errorf("does not name every mistake: %v", err)
		}
	}
}

// noStore has nothing.
type noStore struct{}

func (noStore) Object(context.Context, string, string, string, int) ([]byte, string, error) {
	return nil, "", errDown
}
func (noStore) Tags(context.Context, string, string) (map[string]string, error) { return nil, errDown }
func (noStore) Parameter(context.Context, string, string) (string, error)       { return "", errDown }
func (noStore) Secret(context.Context, string, string) (string, error)          { return "", errDown }

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

// A receive that ends with the time of the run is no error of the queue.
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

// What an event leaves behind is accounted for, whatever stops it: each log event once.
func TestWhatIsLeftOfAnEvent(t *testing.T) {
	event := packed("a", "", "b")
	b, err := transform.Decode(event, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	size := b.Size()
	report := func(r Report) Report {
		r.LogGroup, r.LogStream, r.Events, r.PayloadBytes, r.Left = "g", "s", 3, size, -1
		return r
	}
	cause := func(class, message string) dlq.Cause {
		return dlq.Cause{Class: class, Message: message, LogGroup: "g", Attempts: 1}
	}
	blank := map[string]int{"blank": 1}
	const open = "unavailable: not tried for another 45s: the source answered 503 Service Unavailable"
	for name, c := range map[string]struct {
		set      func(w *world, s *shipper)
		event    []byte
		withheld error
		left     remainder
		report   Report
	}{
		"confirmed": {report: report(Report{Filtered: blank, Confirmed: 2, Records: 2, Bodies: 1, Attempts: map[string]int{"2xx": 1}})},
		"unreadable": {event: []byte("junk"), left: remainder{events: 1, cause: dlq.Cause{Class: Undecodable, Attempts: 1}},
			report: Report{Events: 1, Left: -1, Failures: map[string]int{Undecodable: 1}, Class: Undecodable}},
		"refused": {set: func(w *world, _ *shipper) { w.answer = func(*http.Request) int { return 400 } },
			left:   remainder{events: 2, unconfirmed: []int{0, 2}, cause: cause("rejected", "rejected: the source answered 400 Bad Request")},
			report: report(Report{Filtered: blank, Records: 2, Bodies: 1, Attempts: map[string]int{"4xx": 1}, Failures: map[string]int{"rejected": 2}, Class: "rejected", Error: "rejected: the source answered 400 Bad Request"})},
		"refused in part": {set: func(w *world, s *shipper) {
			s.client.MaxBody, s.client.InFlight = 1, 1
			var once sync.Once
			w.answer = func(*http.Request) (status int) { status = 400; once.Do(func() { status = 200 }); return status }
		}, left: remainder{events: 1, unconfirmed: []int{2}, partial: true, cause: cause("rejected", "rejected: the source answered 400 Bad Request")},
			report: report(Report{Filtered: blank, Confirmed: 1, Records: 2, Bodies: 2, Attempts: map[string]int{"2xx": 1, "4xx": 1}, Failures: map[string]int{"rejected": 1}, Class: "rejected", Error: "rejected: the source answered 400 Bad Request"})},
		"the source is down": {set: func(w *world, s *shipper) {
			w.answer = func(*http.Request) int { return 503 }
			s.send(context.Background(), s.takeDecoder(), packed("x"), 1<<20, nil)
		}, left: remainder{events: 2, unconfirmed: []int{0, 2}, cause: cause("unavailable", open)},
			report: report(Report{Filtered: blank, Records: 2, Untried: 2, Failures: map[string]int{"unavailable": 2}, Class: "unavailable", Error: open})},
		"the source is down, and nothing is to be sent": {set: func(w *world, s *shipper) {
			w.answer = func(*http.Request) int { return 503 }
			s.send(context.Background(), s.takeDecoder(), packed("x"), 1<<20, nil)
			s.records.StreamPrefixes = []string{"other"}
		}, report: report(Report{Filtered: map[string]int{"stream": 3}})},
		"no endpoint": {set: func(_ *world, s *shipper) {
			s.endpoints.endpoint, s.endpoints.secrets = secret{value: "arn:aws:ssm:r:1:parameter/e", service: "ssm", region: "r"}, noStore{}
		}, left: remainder{events: 2, unconfirmed: []int{0, 2}, cause: cause("misconfigured", "")},
			report: report(Report{Filtered: blank, Records: 2, Failures: map[string]int{"misconfigured": 2}, Class: "misconfigured"})},
		"withheld": {withheld: ErrRulesMissing, left: remainder{events: 3, unconfirmed: []int{0, 1, 2}, cause: cause("misconfigured", ErrRulesMissing.Error())},
			report: report(Report{Records: 3, Failures: map[string]int{"misconfigured": 3}, Class: "misconfigured", Error: ErrRulesMissing.Error()})},
		"no rules": {set: func(_ *world, s *shipper) {
			s.rulebook.place, s.rulebook.objects = rulesPlace{bucket: "b", key: "k"}, noStore{}
		},
			left:   remainder{events: 3, unconfirmed: []int{0, 1, 2}, cause: dlq.Cause{Class: "misconfigured", Message: "rules: reading s3://b/k: it is down", LogGroup: "g", Attempts: 1, Rules: true}},
			report: report(Report{Records: 3, Failures: map[string]int{"misconfigured": 3}, Class: "misconfigured", Error: "rules: reading s3://b/k: it is down"})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				o := w.options()
				o.Rand = func() float64 { return 1 }
				f, err := NewForwarder(o)
				if err != nil {
					t.Fatal(err)
				}
				if c.set != nil {
					c.set(w, f.shipper)
				}
				c.left.event = event
				if c.event != nil {
					c.left.event = c.event
				}
				decoder := f.takeDecoder()
				left, r := f.send(t.Context(), decoder, c.left.event, 1<<20, c.withheld)
				if (left.batch != nil) != (c.event == nil) {
					t.Errorf("batch %v", left.batch)
				}
				if left.events > 0 && !left.cause.FirstFailure.Equal(time.Now()) || r.Error != left.cause.Message {
					t.Errorf("%+v, %s", left.cause, r.Error)
				}
				if c.report.Error == "" && c.left.events > 0 { // whatever it says
					c.report.Error, c.left.cause.Message = r.Error, r.Error
				}
				left.batch, left.cause.FirstFailure = nil, time.Time{}
				r.RawBytes, r.SentBytes = 0, 0
				if d := cmp.Diff(c.left, left, cmp.AllowUnexported(remainder{}), cmpopts.EquateErrors()); d != "" {
					t.Errorf("left (-want +got):\n%s", d)
				}
				check(t, "report", c.report, r)
				if f.client.Breaker != nil && name != "the source is down" && name != "the source is down, and nothing is to be sent" {
					check(t, "breaker", "", f.breaker())
				}
			})
		})
	}
}

// The remainder of an event goes whole if nothing of it was confirmed and it fits, or
// rebuilt; how much the queue accepted is counted, and the rest is an error that says so.
func TestRemaindersAreDeadLettered(t *testing.T) {
	var noisy []string
	for i := range 40 {
		noisy = append(noisy, fmt.Sprintf("%02d %x", i, i*7919*104729*1299709))
	}
	large := packed(noisy...)
	small := packed("a", "b")
	of := func(event []byte, partial bool, unconfirmed ...int) remainder {
		b, err := transform.Decode(event, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return remainder{event: event, batch: b, events: len(unconfirmed), unconfirmed: unconfirmed, partial: partial, cause: dlq.Cause{Class: "rejected", Message: "why"}}
	}
	all := make([]int, len(noisy))
	for i := range all {
		all[i] = i
	}
	inQueue := func(r remainder) remainder { r.inQueue = true; return r }
	junk := remainder{event: []byte("junk of 16 bytes"), events: 1, cause: dlq.Cause{Class: Undecodable, Message: "why"}}
	room := junk.cause.Size()
	for name, c := range map[string]struct {
		left  remainder
		limit int
		set   func(*world, *shipper)
		over  bool     // the time
		put   []string // the first word of each log event, or +n if there are several messages
		lost  int
		err   string
	}{
		"nothing":                          {left: remainder{event: small}, limit: 1000},
		"no queue":                         {left: of(small, false, 0, 1), set: func(_ *world, s *shipper) { s.queue = nil }, lost: 2, err: "why; there is no dead-letter queue"},
		"no limit":                         {left: of(small, false, 0, 1), set: func(w *world, _ *shipper) { w.fails["limit"] = true }, lost: 2, err: "why; it is down"},
		"whole":                            {left: of(small, false, 0, 1), limit: 1000, put: []string{"a+b"}},
		"whole, of which some is filtered": {left: of(small, false, 1), limit: 1000, put: []string{"a+b"}},
		"whole, just":                      {left: of(small, false, 0, 1), limit: len(small), put: []string{"a+b"}},
		"whole, refused":                   {left: of(small, false, 0, 1), limit: 1000, set: func(w *world, _ *shipper) { w.fails["put"] = true }, put: []string{"a+b"}, lost: 2, err: "why; it is down"},
		"the rest":                         {left: of(small, true, 1), limit: 1000, put: []string{"b"}},
		"the rest, refused":                {left: of(small, true, 1), limit: 1000, set: func(w *world, _ *shipper) { w.fails["put"] = true }, put: []string{"b"}, lost: 1, err: "why; it is down"},
		"unreadable, just":                 {left: junk, limit: 16, put: []string{"junk of 16 bytes"}},
		"unreadable, too large":            {left: junk, limit: 15, lost: 1, err: "why; the queue accepts at most 15 bytes"},
		"too large for anything":           {left: of(small, false, 0, 1), limit: 20, lost: 2, err: "why; the queue accepts at most 20 bytes"},
		"without time, whole":              {left: of(small, true, 1), limit: 1000, over: true, put: []string{"a+b"}},
		"without time, refused":            {left: of(small, true, 1), limit: 1000, over: true, set: func(w *world, _ *shipper) { w.fails["put"] = true }, put: []string{"a+b"}, lost: 1, err: "why; rebuilding the event: context canceled\nit is down"},
		"without time, in the queue":       {left: inQueue(of(small, true, 1)), limit: 1000, over: true, lost: 1, err: "why; rebuilding the event: context canceled"},
		"without time, too large":          {left: of(large, false, all...), limit: 200, over: true, lost: 40, err: "why; rebuilding the event: context canceled"},
		"in parts":                         {left: of(large, false, all...), limit: 300 + room, put: []string{"+40"}},
		"in parts, in the queue":           {left: inQueue(of(large, true, all...)), limit: 300 + room, put: []string{"+40"}},
		"in parts, refused":                {left: of(large, false, all...), limit: 300 + room, set: func(w *world, _ *shipper) { w.fails["put"] = true }, put: []string{"+40"}, lost: 40, err: "it is down"},
	} {
		w := newWorld()
		o := w.options()
		o.Queue = shelf{w, "put", c.limit}
		f, err := NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		if c.set != nil {
			c.set(w, f.shipper)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if c.over {
			cancel()
		}
		accepted, err := f.deadLetter(ctx, c.left)
		cancel()
		check(t, name+": accepted", c.left.events-c.lost, accepted)
		lost, _ := errors.AsType[*LostError](err)
		switch {
		case c.err == "" && err != nil, c.err != "" && lost == nil:
			t.Errorf("%s: %v", name, err)
		case lost != nil:
			if lost.Events != c.lost || !strings.Contains(lost.Err.Error(), c.err) || !strings.HasPrefix(err.Error(), fmt.Sprintf("%d log events reached neither Sumo Logic nor the dead-letter queue: why; ", c.lost)) {
				t.Errorf("%s: %v", name, err)
			}
			if strings.Contains(c.err, "it is down") && !errors.Is(err, errDown) {
				t.Errorf("%s: %v is not why", name, err)
			}
		}
		var put []string
		for _, note := range w.noted() {
			text, _, _ := strings.Cut(strings.TrimPrefix(note, "put "), ":")
			put = append(put, text)
		}
		if len(c.put) == 1 && strings.HasPrefix(c.put[0], "+") {
			if len(put) < 3 || fmt.Sprint("+", strings.Count(strings.Join(put, "+"), "+")+1) != c.put[0] {
				t.Errorf("%s: %q", name, put)
			}
			put = c.put
		}
		check(t, name+": put", c.put, put)
	}
}

// If the queue has accepted some, what fits only without its cause is lost: the others
// would be there twice.
func TestNothingIsRebuiltTwice(t *testing.T) {
	texts := []string{noise(1, 600), noise(2, 600), noise(3, 660)}
	event := packed(texts...)
	batch, err := transform.Decode(event, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	left := remainder{event: event, batch: batch, events: 3, unconfirmed: []int{0, 1, 2}, cause: dlq.Cause{Class: "rejected", Message: "why"}}
	var sizes []int // alone
	for i := range texts {
		for p := range batch.Rebuild(t.Context(), func(event int) bool { return event == i }, 1<<20) {
			sizes = append(sizes, len(p.Event))
		}
	}
	limit := max(sizes[0], sizes[1]) + left.cause.Size()
	if sizes[2] <= limit-left.cause.Size() || sizes[2] > limit {
		t.Fatalf("%d bytes, the limit is %d", sizes, limit)
	}
	w := newWorld()
	o := w.options()
	o.Queue = shelf{w, "put", limit}
	f, err := NewForwarder(o)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := f.deadLetter(t.Context(), left)
	notes := w.noted()
	if accepted != 2 || err == nil || len(notes) != 2 || !strings.HasPrefix(notes[0], "put "+texts[0]) || !strings.HasPrefix(notes[1], "put "+texts[1]) {
		t.Errorf("%d accepted, %q, %v", accepted, notes, err)
	}
}

// noise returns n characters that gzip does not shorten by more than half.
func noise(seed, n int) string {
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[rng.IntN(16)]
	}
	return string(b)
}

// An event that is put in parts when the time ends goes whole if it fits, though a part is
// there already, and counts once. If the queue does not take it whole, the part counts.
func TestTimeEndsBetweenParts(t *testing.T) {
	var messages []string // alike, so that parts of the event are nearly as long as it
	for i := range 8 {
		messages = append(messages, noise(1, 600)+noise(2+i, 100))
	}
	event := packed(messages...)
	batch, err := transform.Decode(event, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	left := remainder{event: event, batch: batch, events: 8, unconfirmed: []int{0, 1, 2, 3, 4, 5, 6, 7}, partial: true, cause: dlq.Cause{Class: "rejected", Message: "why" + strings.Repeat(".", 300)}}
	for _, refused := range []bool{false, true} {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		var sizes []int
		o := w.options()
		o.Queue = puts{shelf{w, "put", len(event)}, &sizes, func(i int) bool { cancel(); return refused && i > 0 }}
		f, err := NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := f.deadLetter(ctx, left)
		if len(sizes) < 2 || sizes[0] >= len(event) || sizes[1] != len(event) {
			t.Fatalf("put %d bytes, want a part and the %d of the event", sizes, len(event))
		}
		lost, _ := errors.AsType[*LostError](err)
		if !refused && (accepted != 8 || err != nil || len(sizes) != 2) || refused && (accepted < 1 || accepted > 4 || lost == nil || lost.Events != 8-accepted) {
			t.Errorf("refused %t: %d accepted, %v", refused, accepted, err)
		}
	}
}

// puts notes how many entries come at once.
type puts struct {
	shelf
	sizes *[]int
	fails func(i int) bool
}

func (q puts) Put(_ context.Context, entries []dlq.Entry) (failed []int, err error) {
	size := 0
	for i, e := range entries {
		size += len(e.Event)
		if q.fails != nil && q.fails(len(*q.sizes)) && i == 0 {
			failed, err = append(failed, i), errDown
		}
	}
	*q.sizes = append(*q.sizes, size)
	return failed, err
}

// An event is rebuilt while it is put, so that about a message of it is in memory; that of
// a message that is in the queue only when all of it is there. What the queue refuses of
// it is lost, no less and no more.
func TestEventsArePutWhileTheyAreRebuilt(t *testing.T) {
	var messages []string
	for i := range 200 {
		messages = append(messages, fmt.Sprintf("%x", i*7919*104729*1299709))
	}
	event := packed(messages...)
	batch, err := transform.Decode(event, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	left := remainder{event: event, batch: batch, events: 200, partial: true, cause: dlq.Cause{Class: "rejected", Message: "why"}}
	for i := range 200 {
		left.unconfirmed = append(left.unconfirmed, i)
	}
	limit := len(event)/3 + left.cause.Size()
	record := func(q Queue) {
		w := newWorld()
		o := w.options()
		o.Queue = q
		s, err := NewStreamForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		report := Report{}
		left := left
		left.partial = false
		outcome := (&streamRun{StreamForwarder: s, sending: t.Context(), saving: t.Context()}).settle(transform.StreamRecord{}, left, &report)
		if outcome != streamKept || report.DeadLettered < 50 || report.Kept < 20 || report.DeadLettered+report.Kept != 200 || !strings.Contains(report.Error, "it is down") {
			t.Errorf("a record of a stream: %+v", report)
		}
	}
	var once []int
	record(puts{shelf{newWorld(), "put", limit}, &once, func(i int) bool { return i == 1 }})
	for name, c := range map[string]struct {
		inQueue bool
		fails   func(int) bool
	}{"put": {}, "in the queue": {inQueue: true}, "the second is refused": {fails: func(i int) bool { return i == 1 }}, "the last is refused": {fails: func(i int) bool { return i == 3 }}} {
		w := newWorld()
		o := w.options()
		var sizes []int
		o.Queue = puts{shelf{w, "put", limit}, &sizes, c.fails}
		f, err := NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		left.inQueue = c.inQueue
		accepted, err := f.deadLetter(t.Context(), left)
		total := 0
		for _, size := range sizes {
			total += size
			if !c.inQueue && size > limit {
				t.Errorf("%s: %d bytes at once, with a limit of %d", name, size, limit)
			}
		}
		if total < len(event) || (len(sizes) == 1) != c.inQueue || (accepted == 200) != (c.fails == nil) || (err != nil) != (c.fails != nil) {
			t.Errorf("%s: %d bytes in %v, %d accepted, %v", name, total, sizes, accepted, err)
		}
		if lost, ok := errors.AsType[*LostError](err); ok && (lost.Events != 200-accepted || accepted < 50) {
			t.Errorf("%s: %d accepted, %v", name, accepted, err)
		}
	}
}

// A payload up to 2 MB leaves its buffers for the next, a larger one does not.
func TestBuffersOfLargePayloadsAreNotKept(t *testing.T) {
	for size, want := range map[int]int{keepDecoded: 1, keepDecoded + 1: 0} {
		doc := `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"a"}]}`
		event := transform.Pack([]byte(doc + strings.Repeat(" ", size-len(doc))))
		w := newWorld()
		r := w.replayer(t, nil)
		run, end := r.begin(t.Context())
		check(t, fmt.Sprint("replay of ", size), delivered, run.handle(message("m", event)))
		end()
		check(t, fmt.Sprint("replay of ", size), want, len(r.decoders))
		s, err := NewStreamForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		data := strings.TrimSuffix(strings.TrimPrefix(string(event), `{"awslogs":{"data":`), `}}`)
		check(t, "lowest", "", s.batch(t.Context(), []transform.StreamRecord{{ID: "1", Sequence: "1", Source: "aws:kinesis", Data: []byte(data)}}))
		check(t, fmt.Sprint("stream of ", size), want, len(s.decoders))
		f, err := NewForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Ship(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		check(t, fmt.Sprint("forwarder, of ", size), 1, len(f.decoders)) // one event at a time
	}
}

// What becomes of a record of a stream depends on what of it was not confirmed, and why:
// what may succeed later stays, and the rest is dead-lettered.
func TestRemaindersOfRecords(t *testing.T) {
	batch, err := transform.Decode(packed("a", "b"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	of := func(class string, unconfirmed ...int) remainder {
		return remainder{event: packed("a", "b"), batch: batch, events: len(unconfirmed), unconfirmed: unconfirmed, partial: len(unconfirmed) == 1, cause: dlq.Cause{Class: class, Message: "why", LogGroup: "g", Attempts: 1}}
	}
	junk := remainder{event: []byte(`{"awslogs":{"data":"junkjunk"}}`), events: 1, cause: dlq.Cause{Class: Undecodable, Message: "why", Attempts: 1}}
	for name, c := range map[string]struct {
		left  remainder
		fails string
		limit int
		want  streamOutcome
		put   int
		err   string
	}{
		"confirmed":                  {left: of(""), want: streamDone},
		"unavailable":                {left: of("unavailable", 0, 1), want: streamKept},
		"unavailable in part":        {left: of("unavailable", 1), want: streamKept},
		"throttled in part":          {left: of("throttled", 1), want: streamKept},
		"out of time":                {left: of("out_of_time", 0, 1), want: streamKept},
		"misconfigured":              {left: of("misconfigured", 0, 1), want: streamKept},
		"misconfigured in part":      {left: of("misconfigured", 1), want: streamDone, put: 1},
		"rejected":                   {left: of("rejected", 0, 1), want: streamDone, put: 1},
		"rejected in part":           {left: of("rejected", 1), want: streamDone, put: 1},
		"rejected, the queue fails":  {left: of("rejected", 0, 1), fails: "put", want: streamKept, put: 1, err: "why; it is down"},
		"unreadable":                 {left: junk, want: streamDone, put: 1},
		"unreadable, no limit":       {left: junk, fails: "limit", want: streamKept, err: "why; it is down"},
		"unreadable, no room at all": {left: junk, limit: 20, want: streamKept, err: "the queue accepts at most 20 bytes"},
	} {
		w := newWorld()
		w.fails[c.fails] = true
		o := w.options()
		o.Queue = shelf{w, "put", max(c.limit, 1<<20*(1-min(c.limit, 1)))}
		s, err := NewStreamForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		r := &streamRun{StreamForwarder: s, sending: t.Context(), saving: t.Context()}
		report := Report{Left: -1, Events: 2}
		got := r.settle(transform.StreamRecord{ID: "1", Data: []byte(`"junkjunk"`)}, c.left, &report)
		check(t, name, c.want, got)
		want := Report{Left: -1, Events: 2, Error: c.err}
		if c.want == streamKept {
			want.Kept = c.left.events
		} else {
			want.DeadLettered = c.left.events
		}
		check(t, name, want, report)
		check(t, name+": put", c.put, len(w.noted()))
	}
}

// While the source is known to be unavailable, and after an invocation that has done
// nothing, a batch waits and one record goes first; if it is done, the others go
// together.
func TestStreamTriesOneRecordFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.vars["NUM_OF_WORKERS"], w.vars["MAX_IN_FLIGHT"], w.vars["BREAKER_PAUSE"], w.vars["HEARTBEAT_LOG_GROUP"] = "4", "10", "60000", "g"
		o := w.options()
		o.Rand = func() float64 { return 0.5 } // pauses as they are
		s, err := NewStreamForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		var records []transform.StreamRecord
		for i := range 9 {
			data := strings.TrimSuffix(strings.TrimPrefix(string(packed("a")), `{"awslogs":{"data":`), `}}`)
			records = append(records, transform.StreamRecord{ID: fmt.Sprint(i), Sequence: fmt.Sprint(100 + i), Source: "aws:kinesis", Data: []byte(data)})
		}
		status := 200
		w.answer = func(*http.Request) int { time.Sleep(time.Second); return status }
		for _, c := range []struct {
			status       int
			wait         time.Duration
			lowest       string
			done, kept   int
			class, level string
		}{
			{200, 3 * time.Second, "", 9, 0, "", `"level":"INFO","msg":"delivered"`},
			{404, time.Second, "100", 0, 4, "misconfigured", `"level":"WARN","msg":"kept"`},
			{404, 11 * time.Second, "100", 0, 1, "misconfigured", `"level":"WARN","msg":"kept"`}, // a sixth of the pause
			{200, 13 * time.Second, "", 9, 0, "", `"level":"INFO","msg":"delivered"`},            // 10 s, one, and twice four
			{200, 3 * time.Second, "", 9, 0, "", `"level":"INFO","msg":"delivered"`},
			{503, time.Second, "100", 0, 4, "unavailable", `"level":"WARN","msg":"kept"`},
			{503, 61 * time.Second, "100", 0, 1, "unavailable", `"level":"WARN","msg":"kept"`},
			{200, 123 * time.Second, "", 9, 0, "", `"level":"INFO","msg":"delivered"`},
			{200, 3 * time.Second, "", 9, 0, "", `"level":"INFO","msg":"delivered"`},
		} {
			status = c.status
			w.log.Reset()
			start := time.Now()
			what := fmt.Sprintf("%+v", c)
			check(t, what, c.lowest, s.batch(t.Context(), records))
			if took := time.Since(start); took != c.wait {
				t.Errorf("%s: took %s", what, took)
			}
			counts := fmt.Sprintf(`"stream":{"received":9,"done":%d,"kept":%d,"untried":%d}`, c.done, c.kept, 9-c.done-c.kept)
			if !w.logged(c.level, counts, fmt.Sprintf(`"events":%d,`, c.done+c.kept), fmt.Sprintf(`"confirmed":%d,`, c.done), `"lost":0,`, `"msLeft":-1`) {
				t.Errorf("%s: no %s in %s", what, counts, &w.log)
			}
			if w.logged(`"class":"`+c.class+`","error":"`) != (c.class != "") || w.logged(`"breaker":"open"`) != (c.class == "unavailable") || w.logged(fmt.Sprintf(`"heartbeat":%d`, c.done)) != (c.done > 0) {
				t.Errorf("%s: %s", what, &w.log)
			}
		}
	})
}

// A place of rules is named so that an operator finds it; a key in it is not.
func TestPlacesOfRules(t *testing.T) {
	const ssm = "arn:aws:ssm:eu-west-1:111122223333:parameter/rules"
	for v, want := range map[string]string{
		"s3://b/k/l.json": "s3://b/k/l.json", "arn:aws:s3:::b/k": "s3://b/k", "s3://b/a b": "s3://b/a%20b", ssm: "ssm " + ssm, `{"version":1}`: "RULES", "": "RULES", "s3:/x": "RULES",
	} {
		if p, err := parseRulesPlace(v); err != nil || p.String() != want {
			t.Errorf("%s: %s, %v", v, p, err)
		}
	}
	for _, v := range []string{"s3://b", "s3://b/", "s3:///k", "s3://b?/k", "s3://b c/k", "arn:aws:s3:::b", "arn:aws:s3:::", "arn:aws:secretsmanager:r:1:secret:x", "arn:aws:ssm:x", "arn:"} {
		if p, err := parseRulesPlace(v); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not ", v)) && !strings.HasPrefix(v, "arn:aws:s3") || p.inline != "" || p.bucket != "" {
			t.Errorf("%s: %+v, %v", v, p, err)
		}
	}
	_, err := ReadRules([]byte(`{"version":1,"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}`), nil)
	if got := shortened(err).Error(); len(rules.AsMistakes(err)) != 6 || !strings.HasSuffix(got, "; and 1 more") {
		t.Errorf("six mistakes: %s", got)
	}
}

// counting is a store that counts what it is asked.
type counting struct {
	noStore
	n     int
	err   error
	until time.Time // from when it does not hang any more
}

func (c *counting) Object(context.Context, string, string, string, int) ([]byte, string, error) {
	c.n++
	return []byte(`{"version":1}`), "", c.err
}

func (c *counting) Parameter(context.Context, string, string) (string, error) {
	c.n++
	return "a-key-of-the-store", c.err
}

func (c *counting) Tags(ctx context.Context, account, group string) (map[string]string, error) {
	c.n++
	if time.Now().Before(c.until) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return map[string]string{"of": account + group}, c.err
}

// Rules are read again after five minutes, one half a minute after a failure, those of
// the variable never unless their key is in a store.
func TestRulesAreReadWhenTheyMayHaveChanged(t *testing.T) {
	key := secret{value: "arn", service: "ssm", region: "r"}
	for name, c := range map[string]struct {
		place rulesPlace
		key   secret
		err   error
		reads []int // after 0 s, 15 s, 45 s, 4 m 59 s, 5 m 1 s, and 100 days
	}{
		"none":                         {reads: []int{0, 0, 0, 0, 0, 0}},
		"in the variable":              {place: rulesPlace{inline: `{"version":1}`}, key: secret{value: "literal-key-0123"}, reads: []int{0, 0, 0, 0, 0, 0}},
		"in the variable, with a key":  {place: rulesPlace{inline: `{"version":1}`}, key: key, reads: []int{1, 1, 1, 1, 2, 3}},
		"in a bucket":                  {place: rulesPlace{bucket: "b", key: "k"}, reads: []int{1, 1, 1, 1, 2, 3}},
		"in a bucket, with a key":      {place: rulesPlace{bucket: "b", key: "k"}, key: key, reads: []int{2, 2, 2, 2, 4, 6}},
		"in a bucket that is not open": {place: rulesPlace{bucket: "b", key: "k"}, err: errDown, reads: []int{1, 1, 2, 3, 3, 4}},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &counting{err: c.err}
			w := newWorld()
			f, err := NewForwarder(w.options())
			if err != nil {
				t.Fatal(err)
			}
			b := &rulebook{place: c.place, key: c.key, secrets: store, objects: store, log: f.out.Log}
			var reads []int
			var first *rules.Set
			start := time.Now()
			for i, at := range []time.Duration{0, 15 * time.Second, 45 * time.Second, 299 * time.Second, 301 * time.Second, 100 * 24 * time.Hour} {
				time.Sleep(time.Until(start.Add(at)))
				set, stale, err := b.get(t.Context())
				if (set != nil) != (c.err == nil && c.place != rulesPlace{}) || stale || (err != nil) != (c.err != nil) {
					t.Errorf("%s after %s: %v, %t, %v", name, at, set, stale, err)
				}
				if i == 0 {
					first = set
				}
				if name == "in the variable" && set != first {
					t.Errorf("%s: compiled again after %s", name, at)
				}
				reads = append(reads, store.n)
			}
			check(t, name, c.reads, reads)
			if c.place.bucket == "" || c.err != nil {
				return
			}
			again := func(what string, after time.Duration, want, stale bool) {
				t.Helper()
				time.Sleep(after)
				before := store.n
				if set, old, err := b.get(t.Context()); set == nil || old != stale || err != nil || (store.n > before) != want {
					t.Errorf("%s, %s: %v, stale %t, %v, asked %d times", name, what, set, old, err, store.n-before)
				}
			}
			store.err = errDown
			again("before the store is down", time.Minute, false, false)
			again("the store is down", 5*time.Minute, true, true)
			again("a moment later", 15*time.Second, false, true)
			again("half a minute later", 30*time.Second, true, true)
			store.err = nil
			again("it is back", time.Minute, true, false)
			b.at = time.Now().Add(time.Hour)
			again("the clock was set back", 0, true, false)
		})
	}
}

// The tags of a log group are asked for once in five minutes, those of another account or
// Region never, and a failure is remembered for half a minute unless it was for want of
// time.
func TestTagsAreAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.vars["AWS_REGION"] = "r"
		store := new(counting)
		o := w.options()
		o.Tags = store
		f, err := NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		as := func(arn string) context.Context {
			return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: arn})
		}
		const ours = "arn:aws:lambda:r:1:function:f"
		for _, c := range []struct {
			ctx             context.Context
			account, region string
			asked           bool
		}{
			{as(ours), "1", "r", true}, {as(ours), "2", "r", false}, {as(ours), "1", "s", false}, {as(ours), "", "r", false},
			{as("arn:aws:lambda:r:3"), "3", "r", true}, {as("arn:aws:lambda:r:3"), "4", "r", false}, {as("arn:aws:lambda:r"), "5", "r", true}, {t.Context(), "6", "r", true}, {t.Context(), "", "r", false},
		} {
			before := store.n
			tags, err := f.tagsFor(c.ctx)(c.account, c.region, "g")
			if err != nil || store.n-before != map[bool]int{true: 1}[c.asked] || (tags["of"] == c.account+"g") != c.asked {
				t.Errorf("%+v: %v, %v, asked %d times", c, tags, err, store.n-before)
			}
		}
		at := func(d time.Duration, err error, want int) {
			t.Helper()
			time.Sleep(d)
			before := store.n
			tags, got := f.tags.get(t.Context(), "1", "g")
			if store.n-before != want || !errors.Is(got, err) || (tags == nil) != (err != nil) {
				t.Errorf("asked %d times, want %d: %v, %v", store.n-before, want, tags, got)
			}
		}
		at(rulesTTL-time.Second, nil, 0)
		at(2*time.Second, nil, 1)
		store.err = errDown
		at(rulesTTL+time.Second, errDown, 1)
		at(15*time.Second, errDown, 0)
		store.err = nil
		at(30*time.Second, nil, 1)

		f.tags.known["1:g"] = cachedTags{at: time.Now().Add(time.Hour), until: time.Now().Add(time.Hour)}
		at(0, nil, 1) // the clock was set back

		// For want of time.
		store.until = time.Now().Add(time.Hour)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if tags, err := f.tags.get(short, "1", "other"); err == nil || tags != nil || !strings.Contains(err.Error(), "tags of log group other: ") {
			t.Errorf("%v, %v", tags, err)
		}
		if n := strings.Count(w.log.String(), "cannot be read"); n != 1 {
			t.Errorf("told %d times: %s", n, &w.log)
		}
		store.until = time.Time{}
		before := store.n
		if _, err := f.tags.get(t.Context(), "1", "other"); err != nil || store.n != before+1 {
			t.Errorf("%v, asked %d times", err, store.n-before)
		}

		for i := range maxTagged + 10 {
			f.tags.get(t.Context(), "1", fmt.Sprint(i))
			if n := len(f.tags.known); n > maxTagged {
				t.Fatalf("%d log groups are remembered", n)
			}
			if i == maxTagged-1-5 { // 5 accounts, and the other group, are there
				check(t, "full", maxTagged, len(f.tags.known))
			}
		}
	})
}

// What a rule says of records is what the records are written by; where it says nothing
// the variables count.
func TestRulesBecomeOptions(t *testing.T) {
	set, err := ReadRules([]byte(`{"version":1,"rules":[
		{"rule":"all","match":{"logGroup":"all"},"name":"n","category":"c","host":"h","fields":{"k":"v"},"format":"Others","metadataFromMessages":"none","redact":["user.name"],"mask":["email"],"flowLogs":{"internal":["10.0.0.0/8"],"format":"${dstaddr} ${version} ${srcaddr}"},"sample":{"rate":0.5}}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	base := transform.Options{Format: transform.Raw}
	treat := &Treatment{Set: set}
	r := treat.Apply(base).Rule(transform.Origin{LogGroup: "all"})
	if r == nil || r.Columns == nil || *r.Columns != [2]int{2, 0} || len(r.Redact) != 1 || r.Masks == nil || r.Decide == nil || len(r.Internal) != 1 || r.Source.Name != "n" || r.Source.Category != "c" || r.Source.Host != "h" || r.Source.Fields != "k=v" {
		t.Errorf("%+v", r)
	}
	shipped := 0
	for i := range 100 {
		switch drop, fields := r.Decide(fmt.Append(nil, "id ", i), []byte("m")); {
		case drop == "" && fields == rules.RateField+"=0.5":
			shipped++
		case drop != "all:sample" || fields != "":
			t.Errorf("event %d: %q, %q", i, drop, fields)
		}
	}
	if shipped < 25 || shipped > 75 {
		t.Errorf("%d of 100 are shipped", shipped)
	}
	for want := range 3 {
		check(t, "masked", want, treat.Masked["email"])
		if out, n := r.Masks.Append(nil, []byte("to a@example.com"), nil); string(out) != "to [email]" || n != 1 {
			t.Errorf("%s, %d", out, n)
		}
		treat.Count()
		treat.Count() // since the last call
	}
	if treat.Apply(base).Rule(transform.Origin{LogGroup: "other"}) != nil {
		t.Error("a rule fits what it does not match")
	}
	if r := (&Treatment{Set: set, FilterOnly: true}).Apply(base).Rule(transform.Origin{LogGroup: "all"}); r.Masks != nil {
		t.Error("masks where nothing is sent")
	}
}

// shop is a store of rules and of their key.
type shop struct {
	noStore
	key, document, etag string
	err, keyErr         error
	known               []string // ETags that were asked with
}

func (s *shop) Parameter(_ context.Context, _, name string) (string, error) {
	if strings.HasSuffix(name, "key") {
		return s.key, s.keyErr
	}
	return s.document, s.err
}

func (s *shop) Secret(context.Context, string, string) (string, error) { return s.key, s.keyErr }

func (s *shop) Object(_ context.Context, bucket, key, etag string, limit int) ([]byte, string, error) {
	s.known = append(s.known, fmt.Sprintf("%s/%s %d %s", bucket, key, limit, etag))
	if etag != "" && etag == s.etag {
		return nil, etag, nil
	}
	return []byte(s.document), s.etag, s.err
}

// Why there are no rules names their place, or that of their key; the key is never told.
func TestWhyThereAreNoRules(t *testing.T) {
	const hmac = `{"version":1,"masks":{"email":{"hmac":true}},"default":{"mask":["email"]}}`
	const good = "SECRET-of-sixteen"
	parameter := secret{value: "arn:aws:ssm:r:1:parameter/rules", service: "ssm", region: "r"}
	key := secret{value: "arn:aws:ssm:r:1:parameter/key", service: "ssm", region: "r"}
	inSecret := secret{value: "arn:aws:secretsmanager:r:1:secret:key", service: "secretsmanager", region: "r"}
	for name, c := range map[string]struct {
		place rulesPlace
		key   secret
		shop  shop
		want  string
	}{
		"a bucket":             {rulesPlace{bucket: "b", key: "k"}, key, shop{key: good, document: hmac}, ""},
		"a parameter":          {rulesPlace{parameter: parameter}, inSecret, shop{key: " " + good + "\n", document: hmac}, ""},
		"the variable":         {rulesPlace{inline: hmac}, secret{value: good}, shop{}, ""},
		"no answer, a bucket":  {rulesPlace{bucket: "b", key: "k"}, key, shop{key: good, err: errDown}, "rules: reading s3://b/k: it is down"},
		"no answer, parameter": {rulesPlace{parameter: parameter}, key, shop{key: good, err: errDown}, "rules: reading ssm arn:aws:ssm:r:1:parameter/rules: it is down"},
		"no key":               {rulesPlace{inline: hmac}, key, shop{keyErr: errDown}, "the key of the rules: reading ssm arn:aws:ssm:r:1:parameter/key: it is down"},
		"no secret":            {rulesPlace{inline: hmac}, inSecret, shop{keyErr: errDown}, "the key of the rules: reading secretsmanager arn:aws:secretsmanager:r:1:secret:key: it is down"},
		"a short key":          {rulesPlace{inline: hmac}, key, shop{key: "  SECRET-of-15-xx  "}, "the key of the rules in ssm arn:aws:ssm:r:1:parameter/key has 15 bytes; want at least 16"},
		"a key, just":          {rulesPlace{inline: hmac}, key, shop{key: "  SECRET-of-16-xxx  "}, ""},
		"wrong":                {rulesPlace{bucket: "b", key: "k"}, key, shop{key: good, document: `{"version":1,"a":1,"b":2}`}, "rules in s3://b/k: "},
		"wrong, in a variable": {rulesPlace{inline: "{"}, secret{}, shop{}, "rules in RULES: "},
	} {
		b := &rulebook{place: c.place, key: c.key, secrets: &c.shop, objects: &c.shop}
		set, stale, err := b.get(t.Context())
		if stale || (set == nil) != (c.want != "") || c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, %t, %v", name, set, stale, err)
		}
		if err != nil && (strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A document that is unchanged is not compiled again, unless the key is another one.
func TestUnchangedRulesAreKept(t *testing.T) {
	s := &shop{key: "the-first-key-0123", document: `{"version":1}`, etag: "1"}
	b := &rulebook{place: rulesPlace{bucket: "b", key: "k"}, key: secret{value: "key", service: "ssm", region: "r"}, secrets: s, objects: s}
	var sets []*rules.Set
	for _, change := range []func(){func() {}, func() {}, func() { s.key = "the-second-key-012" }, func() {}, func() { s.etag = "2" }, func() {}} {
		change()
		b.next = time.Time{}
		set, _, err := b.get(t.Context())
		if err != nil || set == nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	limit := rules.MaxSize + 1
	var want []string
	for _, etag := range []string{"", "1", "", "1", "1", "2"} {
		want = append(want, fmt.Sprintf("b/k %d %s", limit, etag))
	}
	check(t, "asked", want, s.known)
	for i, same := range []bool{true, false, true, false, true} {
		if (sets[i] == sets[i+1]) != same {
			t.Errorf("read %d: the same rules: %t", i+1, !same)
		}
	}
}

// What a function answers is its report, or nothing beside an error.
func TestAnswersAreReports(t *testing.T) {
	w := newWorld()
	f, err := NewForwarder(w.options())
	if err != nil {
		t.Fatal(err)
	}
	read := func(answer []byte, err error) (r Report) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answer, &r); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		return r
	}
	if r := read(f.Invoke(t.Context(), packed("a", "b"))); r.Confirmed != 2 || r.Left != -1 {
		t.Errorf("%+v", r)
	}
	w.come = [][]dlq.Message{{message("1", packed("a"))}}
	if r := read(w.replayer(t, nil).Invoke(t.Context(), []byte("{}"))); r.Confirmed != 1 || *r.Messages != (Messages{Received: 1, Done: 1, Age: r.Messages.Age}) {
		t.Errorf("%+v", r)
	}
	w.answer, w.fails["put"] = func(*http.Request) int { return 400 }, true
	var lost *LostError
	if answer, err := f.Invoke(t.Context(), packed("a")); answer != nil || !errors.As(err, &lost) || lost.Events != 1 {
		t.Errorf("%s, %v", answer, err)
	}
	var other *EventError
	if answer, err := w.replayer(t, nil).Invoke(t.Context(), []byte("[]")); answer != nil || !errors.As(err, &other) {
		t.Errorf("%s, %v", answer, err)
	}
}

// A message that waits for its turn, or for the way, does not begin once the run has
// stopped; the way is free for nobody else then.
func TestStoppedRunBeginsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r, end := w.replayer(t, nil).begin(t.Context())
		defer end()
		first := r.enter(dlq.Message{Entry: dlq.Entry{Cause: dlq.Cause{Isolated: true}}})
		entered := make(chan bool)
		go func() { entered <- r.enter(dlq.Message{}) != nil }()
		synctest.Wait()
		r.stop(nil)
		check(t, "stopped by nothing", false, r.stopped())
		r.stop(errDown)
		r.stop(errOverrun)
		if !r.stopped() || r.stopErr != errDown {
			t.Errorf("stopped by %v, want the first reason", r.stopErr)
		}
		first()
		if <-entered || !r.alone.TryAcquire(everyone) {
			t.Error("it begins, or holds the way")
		}
		r.alone.Release(everyone)
		r.pace.interval = time.Hour
		before := r.pace.next
		if r.enter(dlq.Message{}) != nil || r.pace.next != before {
			t.Error("it begins, or takes a turn")
		}
		r.stopErr = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.sending = ctx
		if release := r.enter(dlq.Message{}); release == nil {
			t.Error("the first turn is free")
		}
		if r.enter(dlq.Message{}) != nil {
			t.Error("it begins though its turn is after the end")
		}
	})
}

// The report of a stream names the first failure, whatever comes after it.
func TestReportOfAStreamNamesTheFirstFailure(t *testing.T) {
	data := []byte(strings.TrimSuffix(strings.TrimPrefix(string(packed("a")), `{"awslogs":{"data":`), `}}`))
	for _, statuses := range [][]int{{400, 200, 200}, {200, 400, 404}, {400, 404, 200}} {
		w := newWorld()
		w.answer = func(*http.Request) int { s := statuses[0]; statuses = statuses[1:]; return s }
		s, err := NewStreamForwarder(w.options())
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprint(statuses)
		var records []transform.StreamRecord
		for i := range 3 {
			records = append(records, transform.StreamRecord{ID: fmt.Sprint(i), Sequence: fmt.Sprint(i), Source: "aws:kinesis", Data: data})
		}
		s.batch(t.Context(), records)
		if !w.logged(`"class":"rejected","error":"rejected: the source answered 400`, `"failures":{`) {
			t.Errorf("%s: %s", what, &w.log)
		}
	}
}

// What a message chooses beyond the bound goes with the source of its origin, and an
// origin beyond it with that of the payload. What is admitted stays so.
func TestSourcesBeyondTheBound(t *testing.T) {
	batch, err := transform.Decode(packed("a"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	payload := (transform.Options{}).SourceOf(batch)
	origin := func(i int) transform.Source { return transform.Source{Host: fmt.Sprint("origin ", i)} }
	chosen := func(i int) transform.Source { return transform.Source{Category: fmt.Sprint("chosen ", i)} }
	for limit, refused := range map[int]int{1: 4, 2: 1, 3: 0} {
		s := sources{limit: limit, batch: batch}
		over := 0
		for i, c := range []struct {
			source, usual, one, two transform.Source // one and two are admitted with a limit of 1 and 2
		}{
			{payload, payload, payload, payload},
			{chosen(1), origin(1), chosen(1), chosen(1)},
			{chosen(2), origin(1), origin(1), chosen(2)},
			{origin(1), origin(1), origin(1), origin(1)},
			{origin(2), origin(2), payload, origin(2)},
			{chosen(1), origin(3), chosen(1), chosen(1)},
			{chosen(2), origin(3), payload, chosen(2)},
			{payload, origin(1), payload, payload},
			{chosen(3), origin(2), payload, origin(2)},
			{chosen(1), origin(1), chosen(1), chosen(1)},
		} {
			want := map[int]transform.Source{1: c.one, 2: c.two, 3: c.source}[limit]
			if want != c.source {
				over++
			}
			check(t, fmt.Sprintf("limit %d, record %d", limit, i), sumo.Source(want), s.admit(transform.Record{Source: c.source, Usual: c.usual}))
		}
		if s.refused != refused || over != refused {
			t.Errorf("limit %d: %d are refused, want %d (%d)", limit, s.refused, refused, over)
		}
	}
}

// An endpoint that is wrong may have been rotated, and is read again; what else fails says
// nothing of it.
func TestWrongEndpointIsReadAgain(t *testing.T) {
	for status, want := range map[int]int{200: 1, 400: 1, 503: 1, 401: 2, 404: 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.vars["SUMO_ENDPOINT"], w.vars["BREAKER_PAUSE"] = "arn:aws:ssm:eu-west-1:111122223333:parameter/endpoint", "1000"
			w.answer = func(*http.Request) int { return status }
			store := new(addresses)
			o := w.options()
			o.Secrets = store
			f, err := NewForwarder(o)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := f.Ship(t.Context(), packed("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			check(t, fmt.Sprint("reads after ", status), want, store.reads)
		})
	}
}

// addresses is a store of an endpoint.
type addresses struct {
	noStore
	reads int
}

func (a *addresses) Parameter(context.Context, string, string) (string, error) {
	a.reads++
	return "https://collectors.example.com/x", nil
}

// What was done behind a record that stays is counted as repeated, and not sent again.
func TestRepeatedRecordsAreCounted(t *testing.T) {
	data := []byte(strings.TrimSuffix(strings.TrimPrefix(string(packed("a")), `{"awslogs":{"data":`), `}}`))
	w := newWorld()
	w.vars["NUM_OF_WORKERS"] = "3"
	s, err := NewStreamForwarder(w.options())
	if err != nil {
		t.Fatal(err)
	}
	var records []transform.StreamRecord
	for i := range 3 {
		records = append(records, transform.StreamRecord{ID: fmt.Sprint(i), Sequence: fmt.Sprint(i), Source: "aws:kinesis", Data: data})
	}
	s.ahead["1"], s.ahead["2"] = true, true
	requests, status := 0, 404
	w.answer = func(*http.Request) int { requests++; return status }
	check(t, "answer", "0", s.batch(t.Context(), records))
	if !w.logged(`"stream":{"received":3,"done":2,"repeated":2,"kept":1,"untried":0}`) || !s.stuck || len(s.ahead) != 2 {
		t.Errorf("stuck %t, %s", s.stuck, &w.log)
	}
	s.stuck, status = false, 200
	check(t, "answer", "", s.batch(t.Context(), records))
	if !w.logged(`"stream":{"received":3,"done":3,"repeated":2,"kept":0,"untried":0}`) || s.stuck || len(s.ahead) != 0 || requests != 2 {
		t.Errorf("stuck %t, %d requests, %s", s.stuck, requests, &w.log)
	}
}

// An event is one JSON object that has each member once.
func TestEventsAreOneObject(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "", ` {"a":1,"b":[]} `: "", `[]`: "not a JSON object", `1`: "not a JSON object", ``: "not a JSON object", `{"a"`: "not valid JSON", `{"a":`: "not valid JSON", `{"a":1`: "not valid JSON",
		`{"a":1,}`: "not valid JSON", `{1:1}`: "not valid JSON", `{"a":1]`: "not valid JSON", `{"a":1}{}`: "more than one JSON document", `{"a":1} x`: "more than one JSON document", `{"a":1,"a":2}`: `it has "a" twice`,
	} {
		members, err := readObject([]byte(text))
		if err == nil && want != "" || err != nil && err.Error() != want || (members == nil) != (want != "") {
			t.Errorf("%s: %v, %v; want %s", text, members, err, want)
		}
	}
}

// The options of records are those of the variables, and every mistake is named.
func TestRecordOptionsOfTheEnvironment(t *testing.T) {
	vars := map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "LOG_FORMAT": "RAW", "SOURCE_HOST_OVERRIDE": "h"}
	o, err := RecordOptions(func(name string) string { return vars[name] })
	if err != nil || o.Format != transform.Raw || o.Source.Host != "h" {
		t.Errorf("%+v, %v", o, err)
	}
	vars["LOG_FORMAT"], vars["NUM_OF_WORKERS"] = "raw", "x"
	if _, err := RecordOptions(func(name string) string { return vars[name] }); err == nil || !strings.Contains(err.Error(), "LOG_FORMAT") || !strings.Contains(err.Error(), "NUM_OF_WORKERS") {
		t.Error(err)
	}
}
