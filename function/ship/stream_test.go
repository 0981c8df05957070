package ship_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/dlq"
	"sumoship/dlq/dlqtest"
	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

func (w *fixture) stream(t testing.TB) *ship.StreamForwarder {
	t.Helper()
	w.watch(t)
	f, err := ship.NewStreamForwarder(w.options())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sequence is the sequence number of the n-th record of a shard, as long as Kinesis
// writes them.
func sequence(n int) string { return fmt.Sprintf("4965%052d", n) }

// streamRecord is the n-th record of a shard, with that data in base64.
func streamRecord(n int, data string) string {
	return fmt.Sprintf(`{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"p","sequenceNumber":%q,"data":%q,"approximateArrivalTimestamp":1764266400.5},`+
		`"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:%s","eventName":"aws:kinesis:record",`+
		`"invokeIdentityArn":"arn:aws:iam::123456789012:role/stream","awsRegion":"eu-west-1","eventSourceARN":"arn:aws:kinesis:eu-west-1:123456789012:stream/logs"}`,
		sequence(n), data, sequence(n))
}

func records(list ...string) []byte { return []byte(`{"Records":[` + strings.Join(list, ",") + `]}`) }

// data is the data of a record of a stream to which CloudWatch Logs has written an
// event.
func data(event []byte) string {
	return strings.TrimSuffix(strings.TrimPrefix(string(event), `{"awslogs":{"data":"`), `"}}`)
}

// streamOf are records of a shard from a number on, each with one message.
func streamOf(from int, messages ...string) (list []string) {
	for i, m := range messages {
		list = append(list, streamRecord(from+i, data(event(m))))
	}
	return list
}

// numbered are n different messages.
func numbered(n int) (messages []string) {
	for i := range n {
		messages = append(messages, fmt.Sprintf("message %d", i))
	}
	return messages
}

// lowest is the sequence number in the answer of a stream function, "" if it has none.
func lowest(t testing.TB, answer []byte) string {
	t.Helper()
	var a struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.BatchItemFailures == nil || len(a.BatchItemFailures) > 1 {
		t.Fatalf("answer %s: %v", answer, err)
	}
	for _, f := range a.BatchItemFailures {
		return f.ItemIdentifier
	}
	return ""
}

// report is the last one that a function has written.
func (w *fixture) report(t testing.TB) (r ship.Report, level string) {
	t.Helper()
	var last struct {
		Msg, Level string
		ship.Report
	}
	for line := range strings.Lines(w.log.String()) {
		var this struct {
			Msg, Level string
			ship.Report
			MS *int
		}
		if json.Unmarshal([]byte(line), &this) == nil && strings.Contains(line, `"sentBytes"`) {
			last.Msg, last.Level, last.Report = this.Msg, this.Level, this.Report
		}
	}
	return last.Report, last.Level + " " + last.Msg
}

func TestStreamShipsABatch(t *testing.T) {
	w := newFixture()
	w.vars["HEARTBEAT_LOG_GROUP"] = "/ecs/web"
	list := streamOf(0, numbered(159)...)
	list = slices.Insert(list, 80, streamRecord(1000, data(transform.Pack([]byte(`{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`)))))
	answer, err := w.stream(t).Invoke(t.Context(), records(list...))
	if err != nil || string(answer) != `{"batchItemFailures":[]}` {
		t.Fatalf("%s, %v", answer, err)
	}
	if n := len(w.source.Taken()); n != 159 {
		t.Errorf("%d records taken", n)
	}
	if c := w.source.Requests()[0].Header.Get("X-Sumo-Client"); c != "kinesis-aws-lambda" {
		t.Errorf("client %s", c)
	}
	r, level := w.report(t)
	if want := (ship.StreamCounts{Received: 160, Done: 160}); *r.Stream != want || r.Events != 159 || r.Confirmed != 159 || r.Heartbeat != 159 || level != "INFO delivered" {
		t.Errorf("%s %+v", level, r)
	}
	if strings.Contains(w.log.String(), `"messages"`) {
		t.Errorf("a stream has no messages of a queue: %s", &w.log)
	}
	for _, metric := range []string{`"StreamRecords":160`, `"StreamRecordsKept":0`, `"Kept":0`, `"Confirmed":159`} {
		if !strings.Contains(w.log.String(), metric) {
			t.Errorf("no %s in %s", metric, &w.log)
		}
	}
}

// What may succeed later stays in the stream, from the first record on that was not
// confirmed. Nothing before it is given back, and nothing is dead-lettered.
func TestStreamFailsFromTheFirstUnconfirmedRecord(t *testing.T) {
	for name, c := range map[string]struct {
		step  sumotest.Step
		class string
	}{
		"unavailable":   {sumotest.Step{Status: 503}, "unavailable"},
		"throttled":     {sumotest.Step{Status: 429}, "throttled"},
		"misconfigured": {sumotest.Step{Status: 401}, "misconfigured"},
		"no response":   {sumotest.Step{Kind: sumotest.Reset}, "unavailable"},
		"out of time":   {sumotest.Step{Kind: sumotest.Hang}, "out_of_time"},
	} {
		for _, workers := range []string{"1", "10"} {
			t.Run(name+"/"+workers, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					// Three are taken; then the source fails for the rest of the invocation.
					w := newFixture(slices.Concat(sumotest.Statuses(200, 200, 200), slices.Repeat([]sumotest.Step{c.step}, 40))...)
					w.vars["NUM_OF_WORKERS"], w.vars["REQUEST_TIMEOUT"] = workers, "30000"
					f := w.stream(t)
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					answer, err := f.Invoke(ctx, records(streamOf(0, numbered(20)...)...))
					if err != nil {
						t.Fatal(err)
					}
					r, level := w.report(t)
					first := lowest(t, answer)
					taken := w.source.Taken()
					for i := range 3 {
						if workers == "1" && (first != sequence(3) || !strings.Contains(taken[i], fmt.Sprintf("message %d\"", i))) {
							t.Errorf("first not done is %s; taken: %q", first, taken)
						}
					}
					if len(taken) != 3 || first == "" || len(w.queue.Entries()) != 0 || r.Class != c.class || level != "WARN kept" {
						t.Fatalf("%s: first %q, %d taken, %d dead-lettered: %s %+v", answer, first, len(taken), len(w.queue.Entries()), level, r)
					}
					for n := 0; sequence(n) < first; n++ {
						if !slices.ContainsFunc(taken, func(l string) bool { return strings.Contains(l, fmt.Sprintf("message %d\"", n)) }) {
							t.Errorf("record %d is before %s, and was not confirmed", n, first)
						}
					}
					s := r.Stream
					if r.Lost != 0 || r.Kept == 0 || s.Received != 20 || s.Done != 3 || s.Kept == 0 || s.Done+s.Kept+s.Untried != 20 || r.Events != r.Confirmed+r.Kept {
						t.Errorf("%+v, %+v", r, s)
					}
				})
			})
		}
	}
}

// Lambda gives the batch again, from the failed record on: what was confirmed is not
// sent again, before that record nor, in the same environment, behind it.
func TestStreamRepeatsNothingConfirmed(t *testing.T) {
	for _, workers := range []string{"1", "10"} {
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				var steps []sumotest.Step
				for range 60 {
					steps = append(steps, sumotest.Statuses([]int{200, 200, 503, 429}[r.IntN(4)])...)
				}
				w := newFixture(steps...)
				w.vars["NUM_OF_WORKERS"], w.vars["NUMBER_OF_RETRIES"] = workers, "0"
				f := w.stream(t)
				all := streamOf(0, numbered(40)...)
				from, tries := 0, 0
				for from < len(all) {
					if tries++; tries > 100 {
						t.Fatal("no end")
					}
					answer, err := f.Invoke(t.Context(), records(all[from:]...))
					if err != nil {
						t.Fatal(err)
					}
					first := lowest(t, answer)
					if first == "" {
						break
					}
					next := slices.IndexFunc(all, func(r string) bool { return strings.Contains(r, first) })
					if next < from {
						t.Fatalf("from %d back to %d", from, next)
					}
					from = next
					time.Sleep(time.Second)
				}
				counts := map[string]int{}
				for _, line := range w.source.Taken() {
					counts[line]++
				}
				if len(counts) != 40 || len(w.source.Taken()) != 40 || len(w.queue.Entries()) != 0 {
					t.Errorf("seed %d, %s workers: %d different of %d taken", seed, workers, len(counts), len(w.source.Taken()))
				}
			})
		}
	}
}

// flaky is a dead-letter queue that fails now and then.
type flaky struct {
	*dlqtest.Queue
	fails func() bool
}

func (q flaky) Put(ctx context.Context, entries []dlq.Entry) (failed []int, err error) {
	if q.fails() {
		return noQueue{}.Put(ctx, entries)
	}
	return q.Queue.Put(ctx, entries)
}

// Whatever fails, Lambda gets through the shard, and each log event was confirmed or is
// in the dead-letter queue. Twice comes only what a lost response or a new
// environment can explain.
func TestStreamLosesNothing(t *testing.T) {
	for seed := range uint64(24) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			excused := seed%2 == 0
			kinds := []sumotest.Step{{Status: 200}, {Status: 200}, {Status: 200}, {Status: 503}, {Status: 429}, {Status: 400}, {Status: 401},
				{Kind: sumotest.Reset}, {Kind: sumotest.Hang}}
			if excused {
				kinds = append(kinds, sumotest.Step{Kind: sumotest.Lost})
			}
			var steps []sumotest.Step
			for range 100 {
				steps = append(steps, kinds[r.IntN(len(kinds))])
			}
			w := newFixture(steps...)
			w.vars["NUM_OF_WORKERS"] = fmt.Sprint(1 + r.IntN(10))
			o := w.options()
			var calls atomic.Int64
			o.Queue = flaky{w.queue, func() bool { return calls.Add(1)%3 == int64(seed%3) }}
			start := func() *ship.StreamForwarder {
				f, err := ship.NewStreamForwarder(o)
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			var all []string
			poison := 0
			for i := range 60 {
				d := data(event(fmt.Sprintf("message %d", i)))
				if r.IntN(10) == 0 {
					d = "junk"
					poison++
				}
				all = append(all, streamRecord(i, d))
			}
			f, from := start(), 0
			for tries := 0; from < len(all); tries++ {
				if tries > 500 {
					t.Fatalf("seed %d: no end at %d", seed, from)
				}
				if excused && r.IntN(10) == 0 {
					f = start()
				}
				batch := all[from:min(len(all), from+1+r.IntN(30))]
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+r.IntN(60))*time.Second)
				answer, err := f.Invoke(ctx, records(batch...))
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				if first := lowest(t, answer); first != "" {
					from += slices.IndexFunc(batch, func(r string) bool { return strings.Contains(r, first) })
				} else {
					from += len(batch)
				}
			}
			counts, junk := map[string]int{}, 0
			for _, line := range w.source.Taken() {
				counts[line]++
			}
			for _, e := range w.queue.Entries() {
				if e.Cause.Class == ship.Undecodable {
					junk++
					continue
				}
				for _, m := range messages(t, e.Event) {
					i := strings.TrimPrefix(m, "message ")
					counts[`{"timestamp":0,"message":"message `+i+`"}`]++
				}
			}
			twice := 0
			for _, n := range counts {
				twice += n - 1
			}
			if len(counts) != len(all)-poison || junk < poison || !excused && (twice > 0 || junk > poison) {
				t.Errorf("seed %d: %d of %d messages, %d twice; %d of %d unreadable ones", seed, len(counts), len(all)-poison, twice, junk, poison)
			}
		})
	}
}

// Poison in the middle of a batch is dead-lettered alone, each with what it is.
func TestStreamDeadLettersPoisonAlone(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	good := data(event("fine"))
	bomb := data(transform.Pack([]byte(`{"logEvents":[],"x":"` + strings.Repeat("0", 1<<20) + `"}`)))
	for name, c := range map[string]struct{ data, class, want string }{
		"KPL":          {encode("\xf3\x89\x9a\xc2\x0a\x01a\x1a\x05hello0123456789abcdef"), "undecodable", "Kinesis Producer Library has aggregated"},
		"text":         {encode("user hunter2 logged in\n"), "undecodable", "this is plain text"},
		"long text":    {encode(strings.Repeat("Grüße hunter2 ", 100)), "undecodable", "this is plain text"},
		"JSON":         {encode(` {"message":"hunter2"}`), "undecodable", "this is JSON without gzip"},
		"zstd":         {encode("\x28\xb5\x2f\xfd\x00hunter2"), "undecodable", "this is zstd"},
		"binary":       {encode("\x00\x01\x02hunter2"), "undecodable", "gzip: invalid header"},
		"empty":        {"", "undecodable", "data is empty"},
		"not base64":   {"!hunter2!", "undecodable", "base64"},
		"truncated":    {good[:len(good)/8*4], "undecodable", "the data is truncated"},
		"bomb":         {bomb, "undecodable", "exceeds the limit of 102400 bytes"},
		"not a batch":  {data(transform.Pack([]byte(`{"logEvents":"hunter2"}`))), "undecodable", "logEvents is missing or not an array"},
		"other type":   {data(transform.Pack([]byte(`{"messageType":"hunter2"}`))), "undecodable", "messageType"},
		"rejected":     {data(event("hunter2")), "rejected", "400"},
		"two are gzip": {data(transform.Pack([]byte(`[1]`))), "undecodable", "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []sumotest.Step
			if c.class == "rejected" {
				steps = sumotest.Statuses(200, 400)
			}
			w := newFixture(steps...)
			w.vars["NUM_OF_WORKERS"], w.vars["MAX_PAYLOAD_BYTES"] = "1", "102400"
			list := []string{streamRecord(0, data(event("before"))), streamRecord(1, c.data), streamRecord(2, data(event("after")))}
			answer, err := w.stream(t).Invoke(t.Context(), records(list...))
			if err != nil || lowest(t, answer) != "" {
				t.Fatalf("%s, %v", answer, err)
			}
			if taken := w.source.Taken(); len(taken) != 2 {
				t.Errorf("taken: %q", taken)
			}
			entries := w.queue.Entries()
			if len(entries) != 1 || string(entries[0].Event) != `{"awslogs":{"data":"`+c.data+`"}}` {
				t.Fatalf("dead-lettered: %d", len(entries))
			}
			if cause := entries[0].Cause; cause.Class != c.class || !strings.Contains(cause.Message, c.want) {
				t.Errorf("cause %+v, want %s", cause, c.want)
			}
			r, _ := w.report(t)
			if *r.Stream != (ship.StreamCounts{Received: 3, Done: 3}) || r.DeadLettered != 1 || r.Confirmed != 2 || r.Failures[c.class] != 1 {
				t.Errorf("%+v", r)
			}
			if strings.Contains(w.log.String()+entries[0].Cause.Message, "hunter2") {
				t.Errorf("content in %s, %s", &w.log, entries[0].Cause.Message)
			}
		})
	}
}

// noQueue is a dead-letter queue that takes nothing.
type noQueue struct{}

func (noQueue) Limit(context.Context) (int, error) { return 1 << 20, nil }
func (noQueue) Put(_ context.Context, entries []dlq.Entry) (failed []int, err error) {
	for i := range entries {
		failed = append(failed, i)
	}
	return failed, errors.New("the queue is gone")
}

// What the queue does not take stays in the stream.
func TestStreamKeepsWhatTheQueueDoesNotTake(t *testing.T) {
	for name, queue := range map[string]ship.Queue{"gone": noQueue{}, "none": nil} {
		w := newFixture()
		w.vars["NUM_OF_WORKERS"] = "1"
		o := w.options()
		o.Queue = queue
		f, err := ship.NewStreamForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := f.Invoke(t.Context(), records(streamRecord(0, data(event("a"))), streamRecord(1, "junk"), streamRecord(2, data(event("b")))))
		if err != nil || lowest(t, answer) != sequence(1) {
			t.Errorf("%s: %s, %v", name, answer, err)
		}
		r, level := w.report(t)
		if taken := w.source.Taken(); len(taken) != 1 || r.Stream.Untried != 1 {
			t.Errorf("%s: the record behind was begun: %q", name, taken)
		}
		if r.Kept != 1 || r.Lost != 0 || r.DeadLettered != 0 || level != "WARN kept" || !strings.Contains(r.Error, "queue") || strings.Contains(r.Error, "reached neither") {
			t.Errorf("%s: %s %+v", name, level, r)
		}
	}
}

// A record near the limit of Kinesis goes its way; if it cannot be read and does not
// fit the queue, it goes there in pieces.
func TestStreamTakesTheLargestRecord(t *testing.T) {
	const largest = 1 << 20
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	hex := make([]string, 16)
	for i := range hex {
		hex[i] = fmt.Sprintf("%x", noise(57_000))
	}
	large := data(event(hex...))
	if n := len(large) / 4 * 3; n < largest*8/10 || n > largest {
		t.Fatalf("a record of %d bytes", n)
	}
	junk := base64.StdEncoding.EncodeToString([]byte(noise(largest)))
	w := newFixture()
	answer, err := w.stream(t).Invoke(t.Context(), records(streamRecord(0, large), streamRecord(1, junk), streamRecord(2, data(event("after")))))
	if err != nil || lowest(t, answer) != "" {
		t.Fatalf("%s, %v", answer, err)
	}
	if n := len(w.source.Taken()); n != len(hex)+1 {
		t.Errorf("%d taken", n)
	}
	joined := ""
	entries := w.queue.Entries()
	for i, e := range entries {
		joined += data(e.Event)
		if want := fmt.Sprintf("piece %d of %d of the data of record shardId-000000000006:%s", i+1, len(entries), sequence(1)); !strings.Contains(e.Cause.Message, want) {
			t.Errorf("%s; want %s", e.Cause.Message, want)
		}
	}
	if len(entries) != 2 || joined != junk {
		t.Errorf("%d pieces, of %d bytes", len(entries), len(joined))
	}
}

// The pieces of a record are as large as the queue takes them with their cause, and
// together the record.
func TestPiecesFillTheirMessages(t *testing.T) {
	const limit = 1000
	pieces := func(junk string) (entries []dlq.Entry, answered string) {
		t.Helper()
		w := newFixture()
		w.queue.Max = limit
		answer, err := w.stream(t).Invoke(t.Context(), records(streamRecord(1, junk)))
		if err != nil {
			t.Fatal(err)
		}
		return w.queue.Entries(), lowest(t, answer)
	}
	entries, _ := pieces(strings.Repeat("junk", 2000))
	size := len(data(entries[0].Event))
	for _, length := range []int{4 * limit, 3*size - 4, 3 * size, 3*size + 4, 12*size + 4} {
		junk := strings.Repeat("abcd", length/4)
		entries, answered := pieces(junk)
		joined := ""
		for i, e := range entries {
			joined += data(e.Event)
			whole := len(e.Event) + e.Cause.Size()
			if whole > limit || i < len(entries)-1 && whole < limit-8 { // three characters of whole groups, four of the numbers
				t.Errorf("piece %d of %d has %d bytes, with its cause %d", i+1, len(entries), len(e.Event), whole)
			}
			if want := fmt.Sprintf("piece %d of %d of the data", i+1, len(entries)); !strings.HasPrefix(e.Cause.Message, want) || e.Cause.Class != ship.Undecodable {
				t.Errorf("%+v, want %s", e.Cause, want)
			}
		}
		if want := (length + size - 1) / size; joined != junk || len(entries) != want || answered != "" {
			t.Errorf("%d bytes: %d pieces of %d bytes, want %d; %q is not done", length, len(entries), len(joined), want, answered)
		}
	}
}

// A queue that has no room for a piece leaves the record in the stream.
func TestPiecesWithoutRoom(t *testing.T) {
	w := newFixture()
	w.queue.Max = 100
	answer, err := w.stream(t).Invoke(t.Context(), records(streamRecord(1, strings.Repeat("junk", 100))))
	if err != nil || lowest(t, answer) != sequence(1) || len(w.queue.Entries()) != 0 {
		t.Errorf("%s, %v, %d messages", answer, err, len(w.queue.Entries()))
	}
	if r, _ := w.report(t); r.Kept != 1 || !strings.Contains(r.Error, "at most 100 bytes") {
		t.Errorf("%+v", r)
	}
}

// A record whose pieces the queue does not take stays in the stream, and so does one for
// which nobody knows how large they may be.
func TestPiecesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		queue ship.Queue
		want  string
	}{
		"not taken":     {&dlqtest.Queue{Max: 1000, Err: errors.New("it is down")}, "it is down"},
		"limit is gone": {&forgetful{Queue: &dlqtest.Queue{Max: 1000}}, "no limit"},
	} {
		w := newFixture()
		o := w.options()
		o.Queue = c.queue
		f, err := ship.NewStreamForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := f.Invoke(t.Context(), records(streamRecord(1, strings.Repeat("junk", 1000))))
		if err != nil || lowest(t, answer) != sequence(1) {
			t.Errorf("%s: %s, %v", name, answer, err)
		}
		if r, _ := w.report(t); r.Kept != 1 || r.DeadLettered != 0 || !strings.Contains(r.Error, c.want) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// forgetful is a queue that tells its limit once.
type forgetful struct {
	*dlqtest.Queue
	told bool
}

func (q *forgetful) Limit(ctx context.Context) (int, error) {
	if q.told {
		return 0, errors.New("no limit")
	}
	q.told = true
	return q.Queue.Limit(ctx)
}

// At least once: what is delivered twice is shipped twice, and nothing else happens.
func TestStreamShipsADuplicateBatch(t *testing.T) {
	w := newFixture()
	f := w.stream(t)
	batch := records(streamOf(0, numbered(5)...)...)
	for range 2 {
		if answer, err := f.Invoke(t.Context(), batch); err != nil || lowest(t, answer) != "" {
			t.Fatalf("%s, %v", answer, err)
		}
	}
	if n := len(w.source.Taken()); n != 10 || len(w.queue.Entries()) != 0 {
		t.Errorf("%d taken", n)
	}
}

// The lowest sequence number is that of the number, whatever the order of records, and
// in a shard of a resharded stream too, whose numbers may have more digits.
func TestStreamAnswersTheLowestNumber(t *testing.T) {
	with := func(numbers ...string) []byte {
		var list []string
		for _, n := range numbers {
			list = append(list, strings.ReplaceAll(streamRecord(0, data(event("m"))), sequence(0), n))
		}
		return records(list...)
	}
	for _, c := range []struct {
		numbers []string
		want    string
	}{
		{[]string{"10", "11", "12"}, "10"},
		{[]string{"9", "10"}, "9"},
		{[]string{"10", "9"}, "9"},
		{[]string{"010", "9"}, "9"},
		{[]string{"49652345678901234567890123456789012345678901234567890123", "149652345678901234567890123456789012345678901234567890123"}, "49652345678901234567890123456789012345678901234567890123"},
	} {
		w := newFixture(slices.Repeat(sumotest.Statuses(401), 20)...)
		if answer, err := w.stream(t).Invoke(t.Context(), with(c.numbers...)); err != nil || lowest(t, answer) != c.want {
			t.Errorf("%v: %s, %v", c.numbers, answer, err)
		}
	}
}

// While nothing can be done an invocation waits instead of failing at once, and one
// record finds out whether it goes on: Lambda invokes again without a pause.
func TestStreamWaitsWhileNothingCanBeDone(t *testing.T) {
	for name, c := range map[string]struct {
		step sumotest.Step
		data string // of the first record
		most int    // invocations in 20 minutes
	}{
		"unavailable":   {sumotest.Step{Status: 503}, data(event("m")), 80},
		"throttled":     {sumotest.Step{Status: 429}, data(event("m")), 270},
		"no answer":     {sumotest.Step{Kind: sumotest.Hang}, data(event("m")), 80},
		"misconfigured": {sumotest.Step{Status: 401}, data(event("m")), 250},
		"no queue":      {sumotest.Step{Status: 200}, "junk", 250},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFixture(slices.Repeat([]sumotest.Step{c.step}, 10_000)...)
				o := w.options()
				o.Queue = noQueue{}
				f, err := ship.NewStreamForwarder(o)
				if err != nil {
					t.Fatal(err)
				}
				// 240 waits of 5 s, the first invocation, and one without a wait before it for each
				// record that is done.
				batch := records(append([]string{streamRecord(0, c.data)}, streamOf(1, numbered(9)...)...)...)
				start, invocations := time.Now(), 0
				for time.Since(start) < 20*time.Minute {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if answer, err := f.Invoke(ctx, batch); err != nil || lowest(t, answer) != sequence(0) {
						t.Fatalf("%s, %v", answer, err)
					}
					cancel()
					if invocations++; invocations > c.most {
						t.Fatalf("%d invocations in %s", invocations, time.Since(start))
					}
				}
				if n := len(w.source.Requests()); n > invocations+60 {
					t.Errorf("%d requests in %d invocations", n, invocations)
				}
				t.Logf("20 minutes: %d invocations, %d requests", invocations, len(w.source.Requests()))
			})
		})
	}
}

// A record that was confirmed in part, and for the rest is wrongly configured for, would
// be confirmed in part again and again.
func TestStreamDeadLettersTheRestOfWhatIsMisconfigured(t *testing.T) {
	w := newFixture(sumotest.Statuses(200, 403)...)
	w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["NUM_OF_WORKERS"] = "1", "1", "1"
	answer, err := w.stream(t).Invoke(t.Context(), records(streamRecord(0, data(event("a", "b", "c"))), streamRecord(1, data(event("d")))))
	if err != nil || lowest(t, answer) != "" {
		t.Fatalf("%s, %v", answer, err)
	}
	if entries := w.queue.Entries(); len(entries) != 1 || !slices.Equal(messages(t, entries[0].Event), []string{"b", "c"}) || len(w.source.Taken()) != 2 {
		t.Errorf("%d dead-lettered, %q taken", len(entries), w.source.Taken())
	}
}

// Events of other services are named, and nothing of them is taken for done.
func TestStreamRefusesOtherEvents(t *testing.T) {
	for event, want := range map[string]string{
		string(event("a")):                   "this is an event of Amazon CloudWatch Logs: it belongs to the forwarder;",
		string(sqsEvent(string(event("a")))): "this is an event of Amazon SQS: it belongs to replay;",
		string(pipe(t, records(streamRecord(0, ""), streamRecord(1, "")))):                                        "this is an event of Amazon Kinesis, by a pipe of Amazon EventBridge;",
		`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"1"}}]}`:                          "this is an event of Amazon DynamoDB Streams;",
		string(records(streamRecord(0, ""), strings.Replace(streamRecord(1, ""), "aws:kinesis\"", "aws:x\"", 1))): `this is an event of "aws:x";`,
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"","sequenceNumber":""}}]}`:                   "record 0 of the event has no kinesis.sequenceNumber",
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"sequenceNumber":"1"}}]}`:                            "record 0 of the event has no kinesis.data",
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":7,"sequenceNumber":"1"}}]}`:                   "an event of Amazon Kinesis that cannot be read",
		`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"","data":"","sequenceNumber":"1"}}]}`:        "each member once",
		`{"Records":[],"window":{},"isFinalInvokeForWindow":true}`:                                                "the event has no records",
		"": "the event is empty", "{}": "the event has no records", "null": "not one JSON object", `{"Records":[`: "not one JSON object",
		`{"Records":[],"Records":[]}`: "each member once",
	} {
		w := newFixture()
		answer, err := w.stream(t).Invoke(t.Context(), []byte(event))
		var named *ship.EventError
		if !errors.As(err, &named) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %s, %v; want %s", event, answer, err, want)
		}
		if len(w.source.Requests()) != 0 || len(w.queue.Entries()) != 0 {
			t.Errorf("%.80s: something was sent", event)
		}
	}
}

// The built stream function runs as Lambda runs it: with a batch of the size that Lambda
// gives, while Sumo Logic is down, and with little of a processor.
func TestBootstrapOfTheStream(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	t.Parallel()
	bootstrap := lambdatest.Build(t, "sumoship/function/stream")
	deploy := func(t *testing.T, variables map[string]string, steps ...sumotest.Step) (*lambdatest.Function, *sumotest.Source, *sqstest.Server) {
		queues := sqstest.New()
		url := queues.Add(sqstest.Config{Name: "dead"})
		api := httptest.NewServer(queues)
		t.Cleanup(api.Close)
		source := sumotest.New(steps...)
		srv := httptest.NewServer(source)
		t.Cleanup(srv.Close)
		t.Cleanup(source.Close)
		all := map[string]string{"SUMO_ENDPOINT": srv.URL, "TASK_QUEUE_URL": url, "AWS_ENDPOINT_URL_SQS": api.URL, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}
		for name, value := range variables {
			all[name] = value
		}
		return lambdatest.Deploy(t, bootstrap, all), source, queues
	}
	answer := func(t *testing.T, f *lambdatest.Function, batch []byte) string {
		t.Helper()
		r := f.Invoke(batch, time.Minute)
		if r.Failed() {
			t.Fatalf("%s: %s\n%s", r.ErrorType, r.Error, f.Output())
		}
		return lowest(t, r.Payload)
	}

	t.Run("a batch", func(t *testing.T) {
		batch, each, size := streamBatch(160, 320)
		f, source, queues := deploy(t, nil)
		start := time.Now()
		if first := answer(t, f, batch); first != "" {
			t.Fatalf("first not done is %s\n%s", first, f.Output())
		}
		took, want := time.Since(start), 0
		for _, e := range each {
			b, err := transform.Decode(e, transform.DefaultLimit)
			if err != nil {
				t.Fatal(err)
			}
			want += b.Len()
		}
		if n := len(source.Taken()); n != want || len(queues.Messages("dead")) != 0 {
			t.Errorf("%d of %d log events taken", n, want)
		}
		t.Logf("%d bytes, %.1f MB inflated, %s, %.0f MB resident", len(batch), float64(size)/1e6, took, float64(f.PeakMemory())/1e6)
		if memory := f.PeakMemory(); memory > 128<<20 {
			t.Errorf("%d MB resident", memory>>20)
		}
	})

	t.Run("an outage", func(t *testing.T) {
		list := streamOf(0, numbered(160)...)
		f, source, queues := deploy(t, map[string]string{"BREAKER_PAUSE": "10", "RETRY_INTERVAL": "1"}, slices.Concat(sumotest.Statuses(slices.Repeat([]int{200}, 50)...), slices.Repeat(sumotest.Statuses(503), 60))...)
		from, invocations := 0, 0
		for from < len(list) {
			first := answer(t, f, records(list[from:]...))
			if first == "" {
				break
			}
			next := slices.IndexFunc(list, func(r string) bool { return strings.Contains(r, first) })
			if next < from {
				t.Fatalf("from %d back to %d\n%s", from, next, f.Output())
			}
			from = next
			if invocations++; invocations > 100 {
				t.Fatal("no end")
			}
		}
		counts := map[string]int{}
		for _, line := range source.Taken() {
			counts[line]++
		}
		if invocations == 0 || len(counts) != 160 || len(source.Taken()) != 160 || len(queues.Messages("dead")) != 0 {
			t.Errorf("%d failed invocations; %d different of %d taken, want 160 each", invocations, len(counts), len(source.Taken()))
		}
	})

	// As many sources as an event may have, each a request.
	t.Run("little of a processor", func(t *testing.T) {
		var events []string
		for i := range 18_000 {
			message, _ := json.Marshal(fmt.Sprintf(`{"_sumo_metadata":{"category":"c%d"},"n":%q}`, i, newLogs(uint64(i)).uuid()))
			events = append(events, fmt.Sprintf(`{"id":"%056d","timestamp":%d,"message":%s,"extractedFields":{"@aws.account":"%012d","@aws.region":"eu-west-1","@source.log":"/a"}}`, i, i, message, i))
		}
		doc := fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"/central","logStream":"s","logEvents":[%s]}`, strings.Join(events, ","))
		list := []string{streamRecord(0, data(transform.Pack([]byte(doc)))), streamRecord(1, data(event("after")))}
		t.Logf("%d bytes, %d inflated", len(list[0]), len(doc))
		f, source, queues := deploy(t, map[string]string{"GOMAXPROCS": "1", "SOURCE_FIELDS_OVERRIDE": "account={account}"})
		f.Slow(0.145)
		start := time.Now()
		if first := answer(t, f, records(list...)); first != "" {
			t.Errorf("first not done is %s\n%s", first, f.Output())
		}
		// 100 sources that messages choose, 100 of the log events, that of the payload in two
		// bodies, and that of the other record.
		if n, requests := len(source.Taken()), len(source.Requests()); n != len(events)+1 || requests != 203 || len(queues.Messages("dead")) != 0 {
			t.Errorf("%d taken by %d requests", n, requests)
		}
		t.Logf("%d requests in %s", len(source.Requests()), time.Since(start))
	})
}

// FuzzStreamTrigger gives the stream function any event: a record that is not in its
// answer, nor behind the one that is, was delivered or dead-lettered.
func FuzzStreamTrigger(f *testing.F) {
	good := streamOf(0, "a", "b")
	for _, seed := range [][]byte{records(good...), records(good[0], streamRecord(5, "junk"), good[1]), records(), event("a"), sqsEvent("x"), nil, []byte("{}"),
		records(strings.Replace(good[0], `"kinesis":`, `"\u006binesis":`, 1)), bytes.Replace(records(good...), []byte(`Records`), []byte(`records`), 1)} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, trigger []byte, down bool) {
		w := newFixture()
		if down {
			w = newFixture(slices.Repeat(sumotest.Statuses(401), 100)...)
		}
		answer, err := w.stream(t).Invoke(t.Context(), trigger)
		if err != nil {
			return
		}
		var in struct {
			Records []struct {
				EventSource string
				Kinesis     *struct{ SequenceNumber, Data string }
			}
		}
		if err := json.Unmarshal(trigger, &in); err != nil {
			t.Fatalf("%q: success", trigger)
		}
		first := lowest(t, answer)
		done := 0
		for _, r := range in.Records {
			if r.EventSource != "aws:kinesis" || r.Kinesis == nil || r.Kinesis.SequenceNumber == "" {
				t.Fatalf("%q: success, with a record that is not of Kinesis", trigger)
			}
			b, err := transform.Decode([]byte(`{"awslogs":{"data":"`+r.Kinesis.Data+`"}}`), transform.DefaultLimit)
			switch {
			case err != nil:
				done++
			case b.Len() > 0 && first == "":
				done += b.Len()
			}
		}
		if n := len(w.source.Taken()) + len(w.queue.Entries()); first == "" && n > done {
			t.Fatalf("%q: %d delivered or dead-lettered, of %d", trigger, n, done)
		} else if first == "" && done > 0 && n == 0 {
			t.Fatalf("%q: success for nothing", trigger)
		}
	})
}
