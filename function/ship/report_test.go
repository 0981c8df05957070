package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/dlq"
	"sumoship/sumo"
	"sumoship/transform"
)

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
	w.vars["NUM_OF_WORKERS"] = "1" // the record that stays comes last, and has the lowest number
	s, err := NewStreamForwarder(w.options())
	if err != nil {
		t.Fatal(err)
	}
	var records []transform.StreamRecord
	for _, i := range []int{1, 2, 0} {
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
