package ship

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sumoship/dlq"
	"sumoship/transform"
)

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
	const open = "unavailable: not tried for another 1s: the source answered 503 Service Unavailable"
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
		"the source is down, and nothing is left to send": {set: func(w *world, s *shipper) {
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
				if f.client.Breaker != nil && name != "the source is down" && name != "the source is down, and nothing is left to send" {
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

// What becomes of a message depends on what of it was not confirmed, and why: it is
// counted once, its history goes on, and what would fail for any message stops the run.
func TestRemaindersOfMessages(t *testing.T) {
	batch, err := transform.Decode(packed("a", "b"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	whole := remainder{event: packed("a", "b"), batch: batch, events: 2, unconfirmed: []int{0, 1}}
	part := remainder{event: packed("a", "b"), batch: batch, events: 1, unconfirmed: []int{1}, partial: true}
	unreadable := remainder{event: []byte("junk"), events: 1}
	because := func(left remainder, class string) remainder {
		left.cause = dlq.Cause{Class: class, Message: "why", LogGroup: "g", Attempts: 1, FirstFailure: time.Now()}
		return left
	}
	type want struct {
		disposition               disposition
		deadLettered, quarantined int
		stop                      string
		notes                     []string
		log                       string
	}
	for name, c := range map[string]struct {
		left remainder
		set  func(*world, *ReplayOptions)
		want want
	}{
		"all confirmed": {left: remainder{event: packed("a"), batch: batch}, want: want{disposition: delivered}},
		"unreadable": {because(unreadable, Undecodable), nil, want{quarantined, 0, 1, "",
			[]string{`quarantine body of m: undecodable "why" g, 1999-01-02, attempts 5, isolated false, deaths 0`}, ""}},
		"unreadable, without a quarantine": {because(unreadable, Undecodable), func(_ *world, o *ReplayOptions) { o.Quarantine = nil }, want{kept, 1, 0, "", nil, ""}},
		"unreadable, the quarantine is down": {because(unreadable, Undecodable), func(w *world, _ *ReplayOptions) { w.fails["quarantine"] = true }, want{kept, 1, 0, "",
			[]string{`quarantine body of m: undecodable "why" g, 1999-01-02, attempts 5, isolated false, deaths 0`}, "could not be put into the quarantine queue"}},
		"rejected":      {because(whole, "rejected"), nil, want{kept, 2, 0, "", nil, ""}},
		"unavailable":   {because(whole, "unavailable"), nil, want{kept, 2, 0, "why", nil, ""}},
		"throttled":     {because(whole, "throttled"), nil, want{kept, 2, 0, "why", nil, ""}},
		"misconfigured": {because(whole, "misconfigured"), nil, want{kept, 2, 0, "why", nil, ""}},
		"out of time":   {because(whole, "out_of_time"), nil, want{kept, 2, 0, "why", nil, ""}},
		"rejected in part": {because(part, "rejected"), nil, want{putBack, 1, 0, "",
			[]string{`put b: rejected "why" g, 1999-01-02, attempts 5, isolated false, deaths 0`}, ""}},
		"unavailable for a part": {because(part, "unavailable"), nil, want{putBack, 1, 0, "why",
			[]string{`put b: unavailable "why" g, 1999-01-02, attempts 5, isolated false, deaths 0`}, ""}},
		"rejected in part, the queue is down": {because(part, "rejected"), func(w *world, _ *ReplayOptions) { w.fails["put"] = true }, want{kept, 1, 0, "",
			[]string{`put b: rejected "why" g, 1999-01-02, attempts 5, isolated false, deaths 0`}, `"message":"m","error":"why; it is down"`}},
		"in part, without a queue": {because(part, "throttled"), func(_ *world, o *ReplayOptions) { o.Queue = nil }, want{kept, 1, 0, "why", nil, "there is no dead-letter queue"}},
	} {
		w := newWorld()
		r, end := w.replayer(t, func(o *ReplayOptions) {
			if c.set != nil {
				c.set(w, o)
			}
		}).begin(t.Context())
		m := message("m", c.left.event)
		m.Body = "body of m"
		o := r.settle(m, c.left, Report{Left: -1, Events: 2})
		got := want{disposition: o.disposition, deadLettered: o.report.DeadLettered, quarantined: o.report.Quarantined, notes: w.noted()}
		if o.stop != nil {
			got.stop = o.stop.Error()
		}
		if c.want.log != "" && w.logged(`"level":"ERROR"`, "stays", c.want.log) {
			got.log = c.want.log
		} else {
			got.log = w.log.String()
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(want{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		check(t, name, Report{Left: -1, Events: 2, DeadLettered: c.want.deadLettered, Quarantined: c.want.quarantined}, o.report)
		end()
	}
}
