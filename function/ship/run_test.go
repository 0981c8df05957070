package ship

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/transform"
)

// In a batch Lambda deletes what is done; in a drain, or beside a message that is
// isolated, replay does. Whatever is not done is given back after its backoff. What the
// queue refuses is told, and changes nothing of the answer.
func TestMessagesAreDeletedOrGivenBack(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		deletes bool
		fails   string
		want    disposition
		notes   func(m dlq.Message) []string
		log     string
	}{
		"delivered, in a batch":       {200, false, "", delivered, nil, ""},
		"delivered, in a drain":       {200, true, "", delivered, func(dlq.Message) []string { return []string{"delete m"} }, ""},
		"delivered, but not deleted":  {200, true, "delete", delivered, func(dlq.Message) []string { return []string{"delete m"} }, "could not be deleted"},
		"kept, in a batch":            {400, false, "", kept, givenBack, ""},
		"kept, in a drain":            {400, true, "", kept, givenBack, ""},
		"kept, but not given back":    {400, true, "visible", kept, givenBack, "only after its visibility timeout"},
		"unavailable, and given back": {503, true, "", kept, givenBack, ""},
	} {
		w := newWorld()
		w.answer = func(*http.Request) int { return c.status }
		w.fails[c.fails] = true
		p := w.replayer(t, nil)
		var told []Messages
		p.Progress = func(r Report) { told = append(told, *r.Messages) }
		r, end := p.begin(t.Context())
		r.deletes = c.deletes
		m := message("m", packed("a"))
		if got := r.handle(m); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		var notes []string
		if c.notes != nil {
			notes = c.notes(m)
		}
		check(t, name, notes, w.noted())
		if told := w.logged(c.log, `"error":"it is down"`); told != (c.log != "") {
			t.Errorf("%s: log %s", name, &w.log)
		}
		if (r.stopErr != nil) != (c.status == 503) {
			t.Errorf("%s: the run is stopped by %v", name, r.stopErr)
		}
		counts := countOf(m, c.want)
		check(t, name+": told", []Messages{counts}, told)
		check(t, name+": reported", &counts, end().Messages)
	}
}

func givenBack(m dlq.Message) []string { return []string{fmt.Sprintf("visible m in %s", m.Backoff())} }

// The first failure of a run is the one that its report names, and what is not tried
// after it is counted and given back, without having been anywhere.
func TestReportNamesTheFirstFailure(t *testing.T) {
	w := newWorld()
	statuses := []int{200, 400, 404, 200}
	w.answer = func(*http.Request) int { s := statuses[0]; statuses = statuses[1:]; return s }
	r := w.replayer(t, nil)
	var left []int64
	r.Progress = func(p Report) { left = append(left, p.Left) }
	run, end := r.begin(t.Context())
	var messages []dlq.Message
	for i := range 5 {
		messages = append(messages, message(fmt.Sprint(i), packed(fmt.Sprint(i))))
	}
	check(t, "dispositions", []disposition{delivered, kept, kept, untried, untried}, run.batch(messages))
	report := end()
	if report.Class != "rejected" || !strings.Contains(report.Error, "400") || report.Confirmed != 1 || report.DeadLettered != 2 || report.Events != 3 || report.Left != -1 {
		t.Errorf("%+v", report)
	}
	check(t, "failures", map[string]int{"rejected": 1, "misconfigured": 1}, report.Failures)
	check(t, "messages", &Messages{Received: 5, Done: 1, Kept: 2, Untried: 2}, report.Messages)
	check(t, "time left, as each message tells", []int64{-1, -1, -1, -1, -1}, left)
	check(t, "given back", 4, len(w.noted()))
}

// Where a message was given up, the invocation fails, so that Lambda deletes nothing and
// gives nothing back: replay does, at once, and ends.
func TestBatchWithAMessageThatDoesNotEnd(t *testing.T) {
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.fails["visible"], w.fails["delete"] = down, down
			requests := 0
			w.answer = func(*http.Request) int {
				if requests++; requests == 2 {
					time.Sleep(time.Hour)
				}
				return 200
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var panicked any
			func() {
				defer func() { panicked = recover() }()
				out, err := w.replayer(t, nil).Invoke(ctx, []byte(`{"Records":[`+strings.Join([]string{sqsRecord("0"), sqsRecord("1"), sqsRecord("2")}, ",")+`]}`))
				t.Errorf("%s, %v", out, err)
			}()
			if panicked != errOverrun {
				t.Errorf("panicked with %v", panicked)
			}
			notes := w.noted()
			untried := dlq.NewMessage("2", "", map[string]string{"ApproximateReceiveCount": "1"}, nil)
			want := []string{
				`put message 1: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 0`, "visible 2 in " + untried.Backoff().String(),
				"delete 0", "delete 1", "visible 2 in 0s",
			}
			check(t, "asked of the queue", want, notes)
			for _, id := range []string{"0", "1", "2"} {
				if w.logged("comes again later than it could, or twice", `"message":"`+id+`"`, "it is down") != down {
					t.Errorf("%s: %s", id, &w.log)
				}
			}
			if !w.logged(`"msg":"dead-lettered"`, `"received":3,"done":2`, `"isolated":1`, `"untried":1`, `"killed":1`) {
				t.Errorf("no report in %s", &w.log)
			}
			time.Sleep(2 * time.Hour)
			check(t, "asked later", nil, w.noted())
		})
	}
}

// sqsRecord is a message of SQS in an event.
func sqsRecord(id string) string {
	attribute := func(value string) string { return `{"stringValue":"` + value + `","dataType":"String"}` }
	return fmt.Sprintf(`{"messageId":%q,"receiptHandle":"h","eventSource":"aws:sqs","body":%q,"attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{"ErrorClass":%s,"ErrorMessage":%s,"FirstFailure":%s,"Attempts":%s,"LogGroup":%s}}`,
		id, packed("message "+id), attribute("unavailable"), attribute("before"), attribute(long.Format(time.RFC3339)), attribute("4"), attribute("g"))
}

// Of a batch in which a message was given up, what is done is deleted, unless it is
// already, and what was not tried comes back at once. What is kept has its backoff.
func TestBatchIsGivenBack(t *testing.T) {
	all := []disposition{delivered, putBack, quarantined, isolated, overflowed, kept, untried}
	var messages []dlq.Message
	for i := range all {
		messages = append(messages, dlq.Message{ID: fmt.Sprint(i)})
	}
	for deletes, want := range map[bool][]string{
		false: {"delete 0", "delete 1", "delete 2", "delete 3", "delete 4", "visible 6 in 0s"}, true: {"visible 6 in 0s"},
	} {
		w := newWorld()
		r, end := w.replayer(t, nil).begin(t.Context())
		defer end()
		r.deletes = deletes
		r.giveBack(messages, all)
		check(t, fmt.Sprint("deletes ", deletes), want, w.noted())
	}
}

// A message that killed replay before, or that was received before by a process that is
// new, may kill it: it is visible again a minute after the end of the run. Without a
// journal, or an end, nobody would know of it.
func TestSuspectsComeBackSoon(t *testing.T) {
	for name, c := range map[string]struct {
		isolated, used, endless, journalless bool
		receives                             int
		fails                                bool
		want                                 []string
	}{
		"received first":                 {receives: 1},
		"received before":                {receives: 2, want: []string{"visible m in 1m59s"}},
		"received before, by us perhaps": {receives: 2, used: true},
		"isolated":                       {isolated: true, receives: 1, used: true, want: []string{"visible m in 1m59s"}},
		"isolated, refused":              {isolated: true, receives: 1, fails: true, want: []string{"visible m in 1m59s"}},
		"without an end":                 {isolated: true, receives: 2, endless: true},
		"without a journal":              {isolated: true, receives: 2, journalless: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.vars["DEADLINE_RESERVE"] = "5000"
			w.fails["visible"] = c.fails
			p := w.replayer(t, func(o *ReplayOptions) {
				if !c.journalless {
					o.Temporary = t.TempDir()
				}
			})
			if c.used {
				_, end := p.begin(t.Context())
				end()
			}
			ctx := t.Context()
			if !c.endless {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Minute)
				defer cancel()
			}
			r, end := p.begin(ctx)
			defer end()
			m := message("m", packed("a"))
			m.Receives, m.Entry.Cause.Isolated = c.receives, c.isolated
			r.comeBackSoon(m)
			check(t, name, c.want, w.noted())
			if w.logged("could not be shortened", `"error":"it is down"`) != c.fails {
				t.Errorf("%s: %s", name, &w.log)
			}
		})
	}
}

// A run ends its sending with the time of the function less the reserve, its saving a
// fifth of that later, and gives a message up after a quarter of what is between.
func TestTimesOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.vars["DEADLINE_RESERVE"] = "10000"
		p := w.replayer(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, fresh := range []bool{true, false} {
			r, end := p.begin(ctx)
			sending, _ := r.sending.Deadline()
			saving, _ := r.saving.Deadline()
			got := []time.Duration{time.Since(r.start), time.Until(sending), time.Until(saving), time.Until(r.overdue)}
			check(t, "start, sending, saving, overdue", []time.Duration{0, 50 * time.Second, 58 * time.Second, 52 * time.Second}, got)
			if r.fresh != fresh || r.deletes || r.stopped() {
				t.Errorf("fresh %t, deletes %t, stopped %t", r.fresh, r.deletes, r.stopped())
			}
			if report := end(); report.Left != 60_000 || report.Millis != 0 || report.Breaker != "" || r.sending.Err() == nil {
				t.Errorf("%+v", report)
			}
		}
		r, end := p.begin(t.Context())
		if !r.overdue.IsZero() {
			t.Errorf("without an end a message is given up at %s", r.overdue)
		}
		time.Sleep(1500 * time.Millisecond)
		if report := end(); report.Left != -1 || report.Millis != 1500 {
			t.Errorf("%+v", report)
		}
	})
}

// The messages that died with an earlier process are put anew and deleted. They stay
// where they are, and are known still, if somebody else has received them or the queue
// does not take them.
func TestMessagesThatDiedAreTakenUp(t *testing.T) {
	for name, c := range map[string]struct {
		fails     string
		alone     bool
		notes     []string
		remembers int
		log       string
	}{
		"put anew": {notes: []string{"visible m in 2m0s", `put a: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 0`, "delete m"}},
		"put anew, and had been alone": {alone: true, notes: []string{"visible m in 2m0s",
			`put a: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 3`, "delete m"}},
		"somebody else's":   {fails: "visible", notes: []string{"visible m in 2m0s"}, remembers: 1},
		"the queue is down": {fails: "put", notes: []string{"visible m in 2m0s", `put a: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 0`}, remembers: 1, log: "could not be put anew"},
		"it is not deleted": {fails: "delete", notes: []string{"visible m in 2m0s", `put a: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 0`, "delete m"},
			log: "that was put anew could not be deleted"},
	} {
		w := newWorld()
		w.fails[c.fails] = true
		directory := t.TempDir()
		m := message("m", packed("a"))
		m.Entry.Cause.Deaths, m.Entry.Cause.Isolated = 2, c.alone
		w.replayer(t, func(o *ReplayOptions) { o.Temporary = directory }).journal.begin(m) // and its process dies
		p := w.replayer(t, func(o *ReplayOptions) { o.Temporary = directory })
		_, end := p.begin(t.Context())
		report := end()
		check(t, name, c.notes, w.noted())
		files, _ := filepath.Glob(filepath.Join(directory, journalDir, "*"))
		if len(files) != c.remembers || len(p.journal.fallen) != c.remembers {
			t.Errorf("%s: %d files, %d in memory", name, len(files), len(p.journal.fallen))
		}
		dead := 1 - c.remembers
		if report.DeadLettered != dead || report.Events != dead || report.Failures[Killed] != dead {
			t.Errorf("%s: %+v", name, report)
		}
		if c.log != "" && !w.logged(c.log, `"error":"it is down"`) || c.fails == "" && w.logged("it is down") {
			t.Errorf("%s: %s", name, &w.log)
		}
		if c.remembers > 0 { // what was somebody else's is not asked for again; it may come
			w.fails = map[string]bool{}
			_, end := p.begin(t.Context())
			end()
			if again := len(w.noted()); (again > 0) != (c.fails == "put") {
				t.Errorf("%s: asked %d times for it again", name, again)
			}
		}
		_ = os.RemoveAll(directory)
	}
}

// When a message panics, Go's own errors are quoted; any other value may be what a log
// must not have. It is put anew, or stays where it is.
func TestPanicsAreTold(t *testing.T) {
	zero := 0
	for name, c := range map[string]struct {
		panics func()
		queue  bool
		want   string
		kept   bool
	}{
		"an error of Go":  {func() { _ = 1 / zero }, true, "panic: runtime error: integer divide by zero", false},
		"a text":          {func() { panic("SECRET") }, true, "panic with a value of type string", false},
		"an error":        {func() { panic(errDown) }, true, "panic with a value of type *errors.errorString", false},
		"without a queue": {func() { panic("SECRET") }, false, "panic with a value of type string", true},
	} {
		w := newWorld()
		r, end := w.replayer(t, func(o *ReplayOptions) {
			if !c.queue {
				o.Queue = nil
			}
		}).begin(t.Context())
		m := message("m", packed("a"))
		m.Entry.Cause.Deaths = 1
		var o outcome
		func() {
			defer func() { o = r.panicked(m, recover()) }()
			c.panics()
		}()
		want := outcome{disposition: isolated, report: Report{Left: -1, Events: 1, DeadLettered: 1, Failures: map[string]int{Killed: 1}, Class: Killed, Error: c.want}}
		notes := []string{`put a: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 2`}
		if c.kept {
			want.disposition, notes = kept, nil
		}
		if d := cmp.Diff(want, o, cmp.AllowUnexported(outcome{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		check(t, name, notes, w.noted())
		if !w.logged(`"level":"ERROR"`, "a message panicked", `"message":"m"`, c.want, "run_test.go") || !w.logged("may have killed replay", `"message":"m","logGroup":"g","deaths":2`, c.want) || w.logged("SECRET") {
			t.Errorf("%s: %s", name, &w.log)
		}
		end()
	}
}

// After three deaths a message is quarantined as it is, with how often it killed, or
// stays, untouched.
func TestKillersAreBuried(t *testing.T) {
	for _, down := range []bool{false, true} {
		w := newWorld()
		w.fails["quarantine"] = down
		r, end := w.replayer(t, nil).begin(t.Context())
		r.deletes = true
		for deaths := range maxDeaths + 1 {
			m := message("m", packed("a"))
			m.Body, m.Entry.Cause.Isolated, m.Entry.Cause.Deaths = "body of m", true, deaths
			want, notes := delivered, []string{"delete m"}
			if deaths == maxDeaths {
				want, notes = quarantined, []string{`quarantine body of m: killed "killed replay 3 times" g, 1999-01-02, attempts 4, isolated false, deaths 0`, "delete m"}
				if down {
					want, notes = kept, []string{notes[0], givenBack(m)[0]}
				}
			}
			check(t, fmt.Sprint(deaths, " deaths"), want, r.handle(m))
			check(t, fmt.Sprint(deaths, " deaths"), notes, w.noted())
		}
		report := end()
		if report.Events != 4 || report.Confirmed != 3 || report.Quarantined+report.DeadLettered != 1 || (report.DeadLettered == 1) != down || report.Failures[Killed] != 1 || report.Error != "killed replay 3 times" {
			t.Errorf("%+v", report)
		}
	}
	w := newWorld()
	r, end := w.replayer(t, nil).begin(t.Context())
	defer end()
	m := message("m", packed("a"))
	m.Entry.Cause.Deaths = 3
	if o := r.bury(m); o.report.Left != -1 || o.stop != nil {
		t.Errorf("%+v", o)
	}
}

// A message is either the worker's, which puts what is left of it where it belongs even
// beyond its time, or was given up, and then whatever it still does is nothing.
func TestNobodyDecidesTwice(t *testing.T) {
	for name, c := range map[string]struct {
		event   []byte
		answer  func() // of the source, after a minute's run less a second
		slow    time.Duration
		want    outcome
		notes   []string
		overran bool
	}{
		"it ends in time": {event: packed("a"), answer: func() {}, want: outcome{disposition: delivered}},
		"it is being quarantined": {event: []byte("junk"), slow: 55 * time.Second, want: outcome{disposition: quarantined},
			notes: []string{`quarantine junk: undecodable`}},
		"it ends too late":   {event: packed("a"), answer: func() { time.Sleep(time.Hour) }, want: outcome{disposition: isolated, stop: errOverrun}, notes: []string{"put a: unavailable"}, overran: true},
		"it panics too late": {event: packed("a"), answer: func() { time.Sleep(time.Hour); panic("late") }, want: outcome{disposition: isolated, stop: errOverrun}, notes: []string{"put a: unavailable"}, overran: true},
		"it panics in time":  {event: packed("a"), answer: func() { panic("now") }, want: outcome{disposition: isolated}, notes: []string{"put a: unavailable"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.slow = c.slow
			w.answer = func(*http.Request) int { c.answer(); return 200 }
			p := w.replayer(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, end := p.begin(ctx)
			o := r.watched(message("m", c.event))
			notes := w.noted()
			for i := range notes {
				notes[i] = strings.Join(strings.Fields(notes[i])[:3], " ")
			}
			check(t, name, c.notes, notes)
			if o.disposition != c.want.disposition || o.stop != c.want.stop || r.overran.Load() != c.overran {
				t.Errorf("%s: %+v, overran %t", name, o, r.overran.Load())
			}
			if c.overran {
				if took := time.Since(r.start); took != r.overdue.Sub(r.start) || o.report.Error != errOverrun.Error() {
					t.Errorf("%s: given up after %s: %+v", name, took, o.report)
				}
			}
			end()
			time.Sleep(2 * time.Hour)
			check(t, name+", later", nil, w.noted())
			if w.logged("panicked") != (name == "it panics in time") {
				t.Errorf("%s: %s", name, &w.log)
			}
		})
	}
}

// panicky is a queue that panics.
type panicky struct{ shelf }

func (panicky) Put(context.Context, []dlq.Entry) ([]int, error) { panic("in the queue") }

// A panic while what is left of a message is put somewhere is the fault of the message
// too.
func TestPanicOfWhatIsSettled(t *testing.T) {
	w := newWorld()
	r, end := w.replayer(t, func(o *ReplayOptions) { o.Quarantine = panicky{} }).begin(t.Context())
	defer end()
	if o := r.watched(message("m", []byte("junk"))); o.disposition != isolated || o.stop != nil {
		t.Errorf("%+v", o)
	}
	check(t, "put anew", []string{`put junk: unavailable "before" g, 1999-01-02, attempts 4, isolated true, deaths 1`}, w.noted())
}

// Messages go together, those that are isolated after them, the likelier killers last:
// who killed more often, and of those the larger.
func TestOrderOfABatch(t *testing.T) {
	of := func(isolated bool, deaths, size int) dlq.Message {
		return dlq.Message{Entry: dlq.Entry{Event: packed(strings.Repeat("x", size)), Cause: dlq.Cause{Isolated: isolated, Deaths: deaths}}}
	}
	together, alone := split([]dlq.Message{of(true, 2, 1), of(false, 0, 9), of(true, 0, 900), of(true, 0, 90), of(false, 0, 1), of(true, 1, 5), of(true, 0, 90)})
	check(t, "together", []int{1, 4}, together)
	check(t, "alone", []int{3, 6, 2, 5, 0}, alone)
}

// The age of messages that were received before, or killed replay, is written before the
// work, once for the oldest so far.
func TestAgesBeforeTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r, end := w.replayer(t, nil).begin(t.Context())
		defer end()
		time.Sleep(time.Hour)
		of := func(age time.Duration, receives int, isolated bool) dlq.Message {
			return dlq.Message{Sent: time.Now().Add(-age), Receives: receives, Entry: dlq.Entry{Cause: dlq.Cause{Isolated: isolated}}}
		}
		for _, c := range []struct {
			messages []dlq.Message
			want     string
		}{
			{nil, ""},
			{[]dlq.Message{of(10*time.Second, 1, false)}, ""},
			{[]dlq.Message{of(0, 2, false)}, ""},
			{[]dlq.Message{of(20*time.Second, 1, false), of(10*time.Second, 2, false), of(5*time.Second, 1, false)}, `"MessageAge":20`},
			{[]dlq.Message{of(20*time.Second, 2, false)}, ""},
			{[]dlq.Message{of(21*time.Second, 1, true)}, `"MessageAge":21`},
			{[]dlq.Message{of(15*time.Second, 2, false)}, ""},
		} {
			w.log.Reset()
			r.reportAge(c.messages)
			if got := w.log.String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		}
	})
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
			{503, time.Minute/32 + time.Second, "100", 0, 1, "unavailable", `"level":"WARN","msg":"kept"`},
			{200, time.Minute/16 + 3*time.Second, "", 9, 0, "", `"level":"INFO","msg":"delivered"`},
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
