package ship_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
)

// isolation is a dead-letter queue, its quarantine queue and a temporary directory,
// which outlast a replayer.
type isolation struct {
	*fixture
	server    *sqstest.Server
	url       string
	temporary string
	network   http.RoundTripper
}

func newIsolation(t *testing.T) *isolation {
	s := sqstest.New()
	s.Add(sqstest.Config{Name: "quarantine", Retention: 14 * 24 * time.Hour})
	url := s.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 1000, Retention: 14 * 24 * time.Hour, Visibility: 30 * time.Minute})
	w := newFixture()
	return &isolation{w, s, url, t.TempDir(), w.source}
}

// replayer returns a new process of replay.
func (w *isolation) replayer(t *testing.T) *ship.Replayer {
	t.Helper()
	open := func(url string) *dlq.Queue {
		return dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return w.server.Client(), nil })
	}
	queue, o := open(w.url), w.replayOptions()
	o.HTTP = &http.Client{Transport: w.network}
	o.Queue, o.Inbox, o.Quarantine, o.Temporary = queue, queue, open(strings.Replace(w.url, "dead", "quarantine", 1)), w.temporary
	return replayerOf(t, o)
}

func (w *isolation) send(t *testing.T, body []byte, attributes map[string]string) {
	t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: &w.url, MessageBody: aws.String(string(body)), MessageAttributes: map[string]types.MessageAttributeValue{}}
	for name, value := range attributes {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	if _, err := w.server.Client().SendMessage(context.Background(), in); err != nil {
		t.Fatal(err)
	}
}

// receive receives what is visible, as a mapping does.
func (w *isolation) receive(t *testing.T) []types.Message {
	t.Helper()
	out, err := w.server.Client().ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &w.url, MaxNumberOfMessages: 10,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// moody is a source whose condition changes: it answers with a status, or after a
// minute, if that is 0.
type moody struct {
	mu     sync.Mutex
	status int
	taken  int
}

func (m *moody) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	if m.status == 0 {
		select {
		case <-time.After(time.Minute):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if m.status == 200 {
		m.mu.Lock()
		m.taken++
		m.mu.Unlock()
	}
	return &http.Response{StatusCode: max(m.status, 200), Header: http.Header{}, Body: http.NoBody, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// Whatever happens to a good message in 14 days, but a death, is not taken for one:
// people who look into the queue, a throttled function, a source that answers 503 or
// 429 or not at all, processes that end between two invocations.
func TestGoodMessagesAreNeverIsolated(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 14))
			w, source := newIsolation(t), &moody{}
			w.network = source
			w.vars["NUMBER_OF_RETRIES"] = "1"
			for i := range 4 {
				w.send(t, event(fmt.Sprint("good ", i)), nil)
			}
			invoke := func(r *ship.Replayer) {
				messages := w.receive(t)
				if len(messages) == 0 {
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
				defer cancel()
				answer, err := r.Invoke(ctx, mappingEvent(messages))
				if err != nil {
					t.Error(err)
				}
				for _, m := range messages { // Lambda deletes what is done
					if !strings.Contains(string(answer), *m.MessageId) {
						if _, err := w.server.Client().DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &w.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
							t.Error(err)
						}
					}
				}
			}
			r := w.replayer(t)
			queue := dlq.New(w.url, 0, func(context.Context) (*sqs.Client, error) { return w.server.Client(), nil })
			for start := time.Now(); time.Since(start) < 13*24*time.Hour; {
				switch rng.IntN(10) {
				case 0:
					if _, err := queue.Peek(context.Background(), 10); err != nil {
						t.Fatal(err)
					}
				case 1:
					w.receive(t) // and Lambda throttles the function
				case 2:
					r = w.replayer(t)
				default:
					source.status = []int{503, 429, 0, 500, 404}[rng.IntN(5)]
					invoke(r)
				}
				time.Sleep(time.Duration(rng.IntN(180)) * time.Minute)
			}
			for _, m := range w.server.Messages("dead") {
				if _, isolated := m.Attributes["ReplayDeaths"]; isolated {
					t.Errorf("seed %d: a good message is isolated: %v", seed, m.Attributes)
				}
			}
			source.status = 200
			for range 8 {
				invoke(r)
				time.Sleep(2 * time.Hour)
			}
			if source.taken != 4 || len(w.server.Messages("dead")) > 0 || len(w.server.Messages("quarantine")) > 0 {
				t.Errorf("seed %d: %d taken, %d left, %d quarantined", seed, source.taken, len(w.server.Messages("dead")), len(w.server.Messages("quarantine")))
			}
			if strings.Contains(w.log.String(), "killed") {
				t.Errorf("seed %d: %s", seed, w.log.String())
			}
		})
	}
}

// died leaves in the temporary directory what a process leaves there that was killed
// with these messages in work.
func (w *isolation) died(t *testing.T, messages []types.Message) {
	t.Helper()
	dir := filepath.Join(w.temporary, "sumoship-replay")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		attributes := map[string]string{}
		for name, v := range m.MessageAttributes {
			attributes[name] = *v.StringValue
		}
		b, err := dlq.NewMessage(*m.MessageId, *m.Body, m.Attributes, attributes).WithHandle(*m.ReceiptHandle).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "message-"+*m.MessageId), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What was in work when a process was killed is put anew, isolated. It counts as a
// death only for a message that was alone.
func TestDeathsAreFoundByTheNextProcess(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  string // ReplayDeaths
		after   time.Duration
		want    string
		receive bool // by this execution environment, after that
	}{
		{name: "with others", want: "0"},
		{name: "alone", before: "0", want: "1"},
		{name: "alone again", before: "1", want: "2"},
		{name: "and was received again by us", before: "1", after: time.Hour, want: "2", receive: true},
		{name: "and is somebody else's now", before: "1", after: time.Hour, want: "1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newIsolation(t)
			attributes := map[string]string{"ErrorClass": "unavailable"}
			if c.before != "" {
				attributes["ReplayDeaths"] = c.before
			}
			w.send(t, event("suspect"), attributes)
			w.died(t, w.receive(t))
			time.Sleep(c.after)
			w.send(t, event("another"), nil)
			messages := w.receive(t)
			if !c.receive {
				for i, m := range messages {
					if *m.Body == string(event("another")) {
						messages = messages[i : i+1]
						break
					}
				}
			}
			if _, err := w.replayer(t).Invoke(context.Background(), mappingEvent(messages)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range w.server.Messages("dead") {
				if m.Body == string(event("suspect")) {
					got = append(got, m.Attributes["ReplayDeaths"])
				}
			}
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("%s: deaths %q, want %q\n%s", c.name, got, c.want, w.log.String())
			}
			if strings.Join(w.source.Taken(), "") != `{"timestamp":0,"message":"another"}` {
				t.Errorf("%s: taken %q", c.name, w.source.Taken())
			}
			if left, err := filepath.Glob(filepath.Join(w.temporary, "sumoship-replay", "message-*")); (len(left) > 0) != (c.after > 0 && !c.receive) || err != nil { // what is somebody else's may still be reported
				t.Errorf("%s: %q are still in the journal, %v", c.name, left, err)
			}
			// A second process finds nothing new.
			w.log.Reset()
			if _, err := w.replayer(t).Drain(t.Context()); err != nil || strings.Contains(w.log.String(), "may have killed") {
				t.Errorf("%s: %v %s", c.name, err, w.log.String())
			}
		})
	}
}

// While a message is in work its file is for this user only, and holds what the queue
// holds; then it is gone. What is not a whole file is not taken for a message.
func TestJournalHoldsWhatIsInWork(t *testing.T) { synctest.Test(t, testJournal) }

func testJournal(t *testing.T) {
	w := newIsolation(t)
	seen := 0
	w.network = doer(func(r *http.Request) (*http.Response, error) {
		files, _ := filepath.Glob(filepath.Join(w.temporary, "*", "*"))
		for _, name := range files {
			seen++
			info, err := os.Stat(name)
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if b, err := os.ReadFile(name); err != nil || strings.Contains(string(b), "SECRET") || !strings.Contains(string(b), `{"awslogs"`) {
				t.Errorf("%s, %v", b, err)
			}
		}
		return w.source.RoundTrip(r)
	})
	dir := filepath.Join(w.temporary, "sumoship-replay")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"message-1", "new-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"id":"x","size":10}`+"\n{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.send(t, event("a"), nil)
	report, err := w.replayer(t).Drain(t.Context())
	if err != nil || report.Confirmed != 1 || report.Failures[ship.Killed] != 0 || seen != 1 {
		t.Errorf("%+v, %v, %d files", report, err, seen)
	}
	left := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			left++
		}
		return nil
	})
	if left > 0 {
		t.Errorf("%d files are left", left)
	}

	// Without a directory that can be written, replay says so once and goes on.
	w.temporary = filepath.Join(dir, "missing\x00")
	w.send(t, event("b"), nil)
	w.send(t, event("c"), nil)
	w.log.Reset()
	if report, err := w.replayer(t).Drain(t.Context()); err != nil || report.Confirmed != 2 || strings.Count(w.log.String(), "temporary directory") != 1 {
		t.Errorf("%+v, %v\n%s", report, err, w.log.String())
	}
}

// A message that panics is put anew three times and then quarantined; its neighbours
// are delivered. Without a quarantine queue it stays in the queue, untouched.
func TestPanicIsTheFaultOfOneMessage(t *testing.T) {
	for _, quarantine := range []bool{true, false} {
		var panics atomic.Int32
		w := newFixture()
		w.vars["COMPRESS_DATA"], w.vars["MAX_BODY_BYTES"] = "false", "1"
		o := w.replayOptions()
		o.HTTP = &http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "bad") {
				panics.Add(1)
				panic("a value with a SECRET")
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			return w.source.RoundTrip(r)
		})}
		if quarantine {
			o.Quarantine = w.quarantine
		}
		w.put(event("a"), event("bad", "bad too"), event("b")) // the first body of two goes from a goroutine of its own
		r := replayerOf(t, o)
		for i := range 5 {
			report, err := r.Drain(t.Context())
			if err != nil || report.Events != report.Confirmed+report.DeadLettered+report.Quarantined || report.Breaker != "" || report.Failures[ship.Killed] != report.DeadLettered+report.Quarantined {
				t.Fatalf("run %d: %+v, %v", i, report, err)
			}
			w.queue.Wake()
		}
		if got := strings.Join(w.source.Taken(), " "); len(w.source.Taken()) != 2 || panics.Load() < 3 || panics.Load() > 6 {
			t.Errorf("%d panics, taken %s", panics.Load(), got)
		}
		left, there := w.queue.Entries(), w.quarantine.Entries()
		switch {
		case quarantine && (len(left) != 0 || len(there) != 1 || there[0].Cause.Message != "killed replay 3 times" || there[0].Cause.Class != ship.Killed):
			t.Errorf("left %v, quarantined %+v", left, there)
		case !quarantine && (len(left) != 1 || left[0].Cause.Deaths != 3):
			t.Errorf("left %+v", left)
		}
		if strings.Contains(w.log.String(), "SECRET") {
			t.Errorf("a secret in %s", w.log.String())
		}
	}
}

// Without a queue to put it into, a message whose attempt panics stays where it is.
func TestPanicWithoutAQueue(t *testing.T) {
	w := newFixture()
	o := w.replayOptions()
	o.Queue = nil
	o.HTTP = &http.Client{Transport: doer(func(*http.Request) (*http.Response, error) { panic("now") })}
	w.put(event("a"))
	report, err := replayerOf(t, o).Drain(t.Context())
	if left := w.queue.Entries(); err != nil || len(left) != 1 || left[0].Cause.Isolated || report.Messages.Kept != 1 {
		t.Errorf("%+v, %+v, %v", left, report, err)
	}
}

// A message that does not end with its time is given up, put anew to be replayed alone,
// and stops the run, which itself ends in time.
func TestMessageThatDoesNotEndIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		alone  bool
		deaths int
	}{"with others": {false, 0}, "alone": {true, 1}} {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture()
			o := w.replayOptions()
			o.HTTP = &http.Client{Transport: doer(func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Hour) // whatever its context says
				return nil, io.ErrUnexpectedEOF
			})}
			o.Quarantine = w.quarantine
			if _, err := w.queue.Put(t.Context(), []dlq.Entry{{Event: event("a"), Cause: dlq.Cause{Attempts: 1, Isolated: c.alone}}}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			report, err := replayerOf(t, o).Drain(ctx)
			if took := time.Since(start); took >= time.Minute || took < 30*time.Second {
				t.Errorf("%s: it took %s", name, took)
			}
			left := w.queue.Entries()
			if len(left) != 1 || !left[0].Cause.Isolated || left[0].Cause.Deaths != c.deaths || report.DeadLettered != 1 || report.Messages.Isolated != 1 {
				t.Errorf("%s: %+v, %+v, %v", name, left, report, err)
			}
			time.Sleep(2 * time.Hour)
			if n := len(w.queue.Entries()); n != 1 {
				t.Errorf("%s: %d messages after its end", name, n)
			}
		})
	}
}

// An alarm sees the age of a message that was received before, even if replay dies of
// it.
func TestAgeIsReportedBeforeTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsolation(t)
		w.send(t, event("a"), nil)
		w.receive(t)
		time.Sleep(time.Hour)
		early := false
		w.network = doer(func(r *http.Request) (*http.Response, error) {
			early = strings.Contains(w.log.String(), `"MessageAge":3600`)
			return w.source.RoundTrip(r)
		})
		if _, err := w.replayer(t).Invoke(context.Background(), mappingEvent(w.receive(t))); err != nil || !early {
			t.Errorf("%v, before the work: %s", err, w.log.String())
		}
	})
}

// An isolated message has the time and the process for itself, and comes back soon if
// the process dies.
func TestIsolatedMessagesGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsolation(t)
		for i := range 3 {
			w.send(t, event(fmt.Sprint("isolated ", i)), map[string]string{"ReplayDeaths": "1"})
			w.send(t, event(fmt.Sprint("good ", i)), nil)
		}
		var mu sync.Mutex
		inFlight, most := 0, 0
		w.network = doer(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			inFlight++
			if len(w.source.Taken()) >= 3 {
				most = max(most, inFlight)
				for _, m := range w.server.Messages("dead") {
					if m.Attributes["ReplayDeaths"] == "" {
						t.Errorf("a good message is not deleted yet")
					}
				}
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			inFlight--
			return w.source.RoundTrip(r)
		})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		_, err := w.replayer(t).Invoke(ctx, mappingEvent(w.receive(t)))
		if err != nil || most != 1 || len(w.source.Taken()) != 6 {
			t.Errorf("%v, %d at once, %d taken", err, most, len(w.source.Taken()))
		}
		first := w.source.Taken()[:3]
		if strings.Contains(strings.Join(first, ""), "isolated") {
			t.Errorf("first %q", first)
		}
		if n := len(w.server.Messages("dead")); n != 0 {
			t.Errorf("%d messages left", n)
		}
	})
}

// A drain has several workers, which wait while an isolated message is in work.
func TestIsolatedMessagesGoAloneInADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsolation(t)
		for i := range 40 {
			attributes := map[string]string{}
			if i%4 == 0 {
				attributes["ReplayDeaths"] = "1"
			}
			w.send(t, event(fmt.Sprint(i, attributes)), attributes)
		}
		w.vars["COMPRESS_DATA"] = "false"
		var mu sync.Mutex
		inFlight, most := map[string]bool{}, 0
		w.network = doer(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			mu.Lock()
			inFlight[string(body)] = true
			most = max(most, len(inFlight))
			for other := range inFlight {
				if len(inFlight) > 1 && strings.Contains(other, "ReplayDeaths") {
					t.Errorf("an isolated message is in work with %d others", len(inFlight)-1)
				}
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			delete(inFlight, string(body))
			return w.source.RoundTrip(r)
		})
		report, err := w.replayer(t).Drain(t.Context())
		if err != nil || report.Confirmed != 40 || most < 3 {
			t.Errorf("%+v, %v, %d at once", report, err, most)
		}
	})
}

// A message that panics while it tries whether the source is back leaves that to the
// next.
func TestProbeThatPanicsIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(503)...)
		w.vars["COMPRESS_DATA"], w.vars["NUMBER_OF_RETRIES"], w.vars["NUM_OF_WORKERS"] = "false", "0", "1"
		o := w.replayOptions()
		o.HTTP = &http.Client{Transport: doer(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if strings.Contains(string(body), "bad") {
				panic("bad")
			}
			return w.source.RoundTrip(r)
		})}
		r := replayerOf(t, o)
		for _, message := range []string{"a", "bad", "a"} {
			if _, err := r.Invoke(t.Context(), sqsEvent(string(event(message)))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if len(w.source.Taken()) != 1 {
			t.Errorf("taken %q\n%s", w.source.Taken(), w.log.String())
		}
	})
}
