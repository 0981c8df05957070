package sumo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

// bodies are the bodies of all requests.
func bodies(s *sumotest.Source) []string {
	var out []string
	for _, r := range s.Requests() {
		out = append(out, string(r.Body))
	}
	return out
}

func TestBodiesAreCutBetweenRecords(t *testing.T) {
	for _, tt := range []struct {
		name          string
		records, want []string
	}{
		{"one", []string{"a"}, []string{"a"}},
		{"all fit, to the byte", []string{"aaaa", "bbbbb"}, []string{"aaaa\nbbbbb"}},
		{"one byte too many", []string{"aaaa", "bbbbbb"}, []string{"aaaa", "bbbbbb"}},
		{"the largest", []string{"aaaaaaaaaa", "b"}, []string{"aaaaaaaaaa", "b"}},
		{"a larger record goes alone", []string{"a", "bbbbbbbbbbbb", "c", "d"}, []string{"a", "bbbbbbbbbbbb", "c\nd"}},
		{"two larger ones", []string{"aaaaaaaaaaa", "bbbbbbbbbbb"}, []string{"aaaaaaaaaaa", "bbbbbbbbbbb"}},
		{"empty alone", []string{""}, []string{""}},
		{"empties", []string{"", "", "a", "", ""}, []string{"\n\na\n\n"}},
		{"empty beside a larger one", []string{"", "aaaaaaaaaaa", ""}, []string{"", "aaaaaaaaaaa", ""}},
		{"an empty one does not fit", []string{"aaaaaaaaaa", "", "b"}, []string{"aaaaaaaaaa", "\nb"}},
		{"none", nil, nil},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", plain ", plain), func(t *testing.T) {
				source := sumotest.New()
				o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), MaxBody: 10, InFlight: 1, NoCompression: plain}, tt.records...)
				if d := cmp.Diff(tt.want, bodies(source)); d != "" {
					t.Errorf("bodies (-want +got):\n%s", d)
				}
				if o.Records != len(tt.records) || o.Confirmed != len(tt.records) || o.Unconfirmed != nil || o.Err != nil || o.Bodies != len(tt.want) {
					t.Errorf("%+v", o)
				}
			})
		}
	}
}

func TestOutcomeCountsBytesAsTheyWereSent(t *testing.T) {
	for _, plain := range []bool{false, true} {
		source := sumotest.New(sumotest.Statuses(503, 200, 400)...) // what is refused does not count
		c := &sumo.Client{HTTP: over(source), MaxBody: 1000, InFlight: 1, NoCompression: plain, InitialBackoff: time.Nanosecond}
		o := deliver(t.Context(), t, c, strings.Repeat("a", 800), strings.Repeat("b", 800), strings.Repeat("c", 800))
		raw, sent := int64(0), int64(0)
		for _, r := range source.Requests() {
			if r.Taken {
				raw, sent = raw+int64(len(r.Body)), sent+int64(r.Wire)
			}
			if encoding := r.Header.Get("Content-Encoding"); plain && (encoding != "" || r.Wire != len(r.Body)) || !plain && encoding != "gzip" {
				t.Errorf("plain %t: Content-Encoding %q, %d bytes of %d", plain, encoding, r.Wire, len(r.Body))
			}
		}
		if raw != 1600 || o.RawBytes != raw || o.SentBytes != sent || plain == (sent < raw) {
			t.Errorf("plain %t: counted %d raw and %d sent, want %d and %d", plain, o.RawBytes, o.SentBytes, raw, sent)
		}
	}
}

func TestLevelIsTheGzipLevel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var text strings.Builder
	for range 5_000 {
		fmt.Fprintf(&text, "level=%d path=/api/%d ", rnd.IntN(4), rnd.IntN(3000))
	}
	wire := map[int]int{}
	for _, level := range []int{0, 1, sumo.DefaultLevel, 9} {
		source := sumotest.New() // it refuses what is not gzip
		o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), Level: level}, text.String(), "again with the same writer")
		if d := cmp.Diff([]string{text.String(), "again with the same writer"}, source.Taken()); d != "" || o.Confirmed != 2 {
			t.Fatalf("level %d: %v", level, o.Err)
		}
		wire[level] = source.Requests()[0].Wire
	}
	if wire[0] != wire[sumo.DefaultLevel] || wire[9] >= wire[sumo.DefaultLevel] || wire[sumo.DefaultLevel] >= wire[1] {
		t.Errorf("bytes by level: %v", wire)
	}
}

func TestEachSourceHasItsOwnBodyInOrder(t *testing.T) {
	source := sumotest.New()
	d := begin(t, (&sumo.Client{HTTP: over(source)}), t.Context(), endpoint(t, address, ""))
	want := map[string]string{}
	for i := range 30 {
		name, record := fmt.Sprint("source ", i%3), fmt.Sprint("record ", i)
		d.Add(sumo.Source{Name: name, Host: "h"}, i, []byte(record))
		want[name] = strings.TrimPrefix(want[name]+"\n"+record, "\n")
	}
	d.Add(sumo.Source{Name: "source 2", Host: "other"}, 30, []byte("not the same source"))
	d.Wait()
	got := map[string]string{}
	for _, r := range source.Requests() {
		if r.Header.Get("X-Sumo-Host") == "h" {
			got[r.Header.Get("X-Sumo-Name")] += string(r.Body)
		}
	}
	if d := cmp.Diff(want, got); d != "" || len(source.Requests()) != 4 {
		t.Errorf("%d requests (-want +got):\n%s", len(source.Requests()), d)
	}
}

// With one body in flight at a time, order holds across bodies too.
func TestRecordsOfASourceReassembleInOrder(t *testing.T) {
	source := sumotest.New()
	d := begin(t, (&sumo.Client{HTTP: over(source), MaxBody: 100, InFlight: 1}), t.Context(), endpoint(t, address, ""))
	rnd := rand.New(rand.NewPCG(2, 2))
	want := map[string][]string{}
	for i := range 500 {
		name := fmt.Sprint(rnd.IntN(7))
		record := fmt.Sprint(i, strings.Repeat(".", rnd.IntN(150)))
		want[name] = append(want[name], record)
		d.Add(sumo.Source{Name: name}, i, []byte(record))
	}
	d.Wait()
	got := map[string][]string{}
	for _, r := range source.Requests() {
		if len(r.Body) > 100 && len(r.Lines()) > 1 {
			t.Errorf("a body of %d bytes and %d records", len(r.Body), len(r.Lines()))
		}
		name := r.Header.Get("X-Sumo-Name")
		got[name] = append(got[name], r.Lines()...)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records by source (-want +got):\n%s", d)
	}
}

// However many sources there are, a delivery holds only a few bodies.
func TestManySourcesUseLittleMemory(t *testing.T) {
	const maxBody, inFlight = 1000, 2
	var arrived atomic.Int64
	source := sumotest.New()
	c := &sumo.Client{MaxBody: maxBody, InFlight: inFlight, NoCompression: true, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
		arrived.Add(r.ContentLength)
		return source.RoundTrip(r)
	}))}
	d := begin(t, c, t.Context(), endpoint(t, address, ""))
	added := 0
	for i := range 2000 {
		record := fmt.Appendf(nil, "%0100d", i)
		d.Add(sumo.Source{Name: fmt.Sprint(i)}, i, record)
		added += len(record)
		if held := added - int(arrived.Load()); held > (4+inFlight)*maxBody {
			t.Fatalf("%d bytes held after %d records", held, i+1)
		}
	}
	o := d.Wait()
	if o.Confirmed != 2000 || o.Bodies != 2000 {
		t.Errorf("%+v", o)
	}
	for _, r := range source.Requests() {
		if n, _ := strconv.Atoi(string(r.Body)); r.Header.Get("X-Sumo-Name") != fmt.Sprint(n) {
			t.Errorf("record %d went with the name %s", n, r.Header.Get("X-Sumo-Name"))
		}
	}
}

// Of the open bodies the largest is the cheapest to send early.
func TestLargestBodyMakesRoom(t *testing.T) {
	source := sumotest.New()
	d := begin(t, (&sumo.Client{HTTP: over(source), MaxBody: 1000, InFlight: 1}), t.Context(), endpoint(t, address, ""))
	for i := range 100 {
		s, size := sumo.Source{Name: fmt.Sprint(i)}, 50
		if i == 7 {
			size = 900
		}
		d.Add(s, i, make([]byte, size))
	}
	d.Wait()
	if r := source.Requests()[0]; r.Header.Get("X-Sumo-Name") != "7" {
		t.Errorf("the first body has %d bytes", len(r.Body))
	}
}

func TestInFlightBoundsRequestsAndAddWaits(t *testing.T) {
	for inFlight, want := range map[int]int{1: 1, 3: 3, 0: sumo.DefaultInFlight} {
		synctest.Test(t, func(t *testing.T) {
			var now, most int
			var mu sync.Mutex
			source := sumotest.New()
			c := &sumo.Client{InFlight: inFlight, MaxBody: 1, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				return source.RoundTrip(r)
			}))}
			start := time.Now()
			d := begin(t, c, t.Context(), endpoint(t, address, ""))
			for i := range 24 {
				d.Add(sumo.Source{}, i, []byte("a"))
			}
			added := time.Since(start)
			o := d.Wait()
			if most != want || o.Confirmed != 24 {
				t.Errorf("InFlight %d: %d at once, want %d: %+v", inFlight, most, want, o)
			}
			// 23 bodies were handed over by then: all but the last ones were answered.
			if least := time.Duration((23-1)/want) * time.Second; added != least {
				t.Errorf("InFlight %d: Add took %s, want %s", inFlight, added, least)
			}
		})
	}
}

func TestTooLargeBodyIsSplitDownToTheRecord(t *testing.T) {
	var records []string
	for i := range 40 {
		records = append(records, fmt.Sprint("record ", i))
	}
	records[13] = strings.Repeat("x", 200)
	records[39] = strings.Repeat("y", 200)
	for _, plain := range []bool{false, true} {
		source := sumotest.New(sumotest.Step{Kind: sumotest.Limit, Over: 60})
		d := begin(t, (&sumo.Client{HTTP: over(source), NoCompression: plain}), t.Context(), endpoint(t, address, ""))
		for i, r := range records {
			d.Add(sumo.Source{Name: "n"}, 100+3*i, []byte(r)) // event numbers are the caller's
		}
		o := d.Wait()
		if d := cmp.Diff([]int{100 + 3*13, 100 + 3*39}, o.Unconfirmed); d != "" {
			t.Errorf("unconfirmed (-want +got):\n%s", d)
		}
		if o.Confirmed != 38 || sumo.ClassOf(o.Err) != sumo.Rejected {
			t.Errorf("%+v", o)
		}
		want := slices.Concat(records[:13], records[14:39])
		if d := cmp.Diff(want, source.Taken()); d != "" {
			t.Errorf("records taken (-want +got):\n%s", d)
		}
		answered, raw := map[int]int{}, int64(0)
		for _, r := range source.Requests() {
			answered[r.Status]++
			if r.Taken {
				raw += int64(len(r.Body))
			}
			if r.Header.Get("X-Sumo-Name") != "n" {
				t.Error("a part lost its metadata")
			}
		}
		if o.Bodies != answered[200]+2 || o.RawBytes != raw || o.Attempts["4xx"] != answered[413] {
			t.Errorf("%d bodies and %d bytes of %v, %d", o.Bodies, o.RawBytes, answered, raw)
		}
	}
}

// A body that finds the source unavailable has spent the time of all the others.
func TestUnavailableSourceEndsTheDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := sumotest.New(endless(sumotest.Step{Status: 503})...)
		c := &sumo.Client{HTTP: over(source), MaxBody: 1, InFlight: 1, Attempts: 3}
		o := deliver(t.Context(), t, c, strings.Split("abcdefghijklmnopqrst", "")...)
		if n := len(source.Requests()); n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
		if o.Bodies != 20 || len(o.Unconfirmed) != 20 || sumo.ClassOf(o.Err) != sumo.Unavailable {
			t.Errorf("%+v", o)
		}
	})
}

func TestBackoffEndsOnceTheSourceIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var patient atomic.Int64
		c := &sumo.Client{MaxBody: 1, InFlight: 4, Attempts: 4, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
			r.Body.Close()
			if r.Header.Get("X-Sumo-Name") == "patient" {
				patient.Add(1)
				return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"3600"}}, Body: http.NoBody}, nil
			}
			return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
		}))}
		start := time.Now()
		d := begin(t, c, t.Context(), endpoint(t, address, ""))
		for i, name := range []string{"patient", "patient", "patient", "quick", "quick", "quick"} {
			d.Add(sumo.Source{Name: name}, i, []byte("a"))
		}
		o := d.Wait()
		if took := time.Since(start); took > 10*time.Second || patient.Load() > 3 {
			t.Errorf("took %s, with %d requests of the patient", took, patient.Load())
		}
		if len(o.Unconfirmed) != 6 || sumo.ClassOf(o.Err) != sumo.Unavailable {
			t.Errorf("%+v", o)
		}
	})
}

func TestMisconfiguredSourceEndsTheDelivery(t *testing.T) {
	for _, status := range []int{302, 401, 403, 404} {
		source := sumotest.New(sumotest.Statuses(200, status)...)
		o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), MaxBody: 1, InFlight: 1}, "a", "b", "c", "d", "e")
		if n := len(source.Requests()); n != 2 {
			t.Errorf("%d: %d requests, want 2", status, n)
		}
		if d := cmp.Diff([]int{1, 2, 3, 4}, o.Unconfirmed); d != "" || o.Confirmed != 1 || sumo.ClassOf(o.Err) != sumo.Misconfigured {
			t.Errorf("%d: %+v", status, o)
		}
	}
}

func TestSplitBodyIsNotTriedAfterTheEndEither(t *testing.T) {
	for name, tt := range map[string]struct {
		steps    []sumotest.Step
		requests int
	}{
		"misconfigured": {sumotest.Statuses(413, 401), 2},
		"unavailable":   {sumotest.Statuses(413, 503, 503), 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			source := sumotest.New(tt.steps...)
			o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), Attempts: 2}, "a", "b", "c", "d")
			if n := len(source.Requests()); n != tt.requests || len(o.Unconfirmed) != 4 {
				t.Errorf("%s: %d requests, want %d: %+v", name, n, tt.requests, o)
			}
		})
	}
}

func TestRejectedBodyDoesNotStopTheOthers(t *testing.T) {
	source := sumotest.New()
	c := &sumo.Client{MaxBody: 1, InFlight: 1, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-Sumo-Name") == "bad" {
			r.Body.Close()
			return &http.Response{StatusCode: 400, Body: http.NoBody}, nil
		}
		return source.RoundTrip(r)
	}))}
	d := begin(t, c, t.Context(), endpoint(t, address, ""))
	for i, name := range []string{"good", "bad", "good", "bad", "good"} {
		d.Add(sumo.Source{Name: name}, i, []byte("a"))
	}
	o := d.Wait()
	if d := cmp.Diff([]int{1, 3}, o.Unconfirmed); d != "" || o.Confirmed != 3 || o.Bodies != 5 || sumo.ClassOf(o.Err) != sumo.Rejected {
		t.Errorf("%+v", o)
	}
}

// A wrong endpoint must be reported even if a body was refused before.
func TestErrIsTheFirstExceptForAWrongEndpoint(t *testing.T) {
	for _, tt := range []struct {
		statuses []int
		want     int
	}{{[]int{400, 403}, 403}, {[]int{400, 503}, 400}, {[]int{413, 400}, 413}, {[]int{403}, 403}, {[]int{503}, 503}} {
		source := sumotest.New(sumotest.Statuses(tt.statuses...)...)
		o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), MaxBody: 1, InFlight: 1, Attempts: 1}, "a", "b", "c")
		if se, ok := errors.AsType[*sumo.SendError](o.Err); !ok || se.Status != tt.want || len(o.Unconfirmed)+o.Confirmed != 3 {
			t.Errorf("%v: %+v, want %d", tt.statuses, o, tt.want)
		}
	}
}

// A RoundTripper may read a body after it has answered, until it closes it. So
// does net/http where an answer comes before the whole body was written.
func TestBodyIsNotReusedWhileItIsRead(t *testing.T) {
	for _, tt := range []struct {
		status, perBody int
		plain           bool
	}{{400, 1, false}, {400, 1, true}, {413, 4, false}, {413, 4, true}} { // after 413 it is the parts that are read late
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var read []string
			var readers sync.WaitGroup
			c := &sumo.Client{MaxBody: 100 * tt.perBody, InFlight: 1, NoCompression: tt.plain, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
				now, late := r.Clone(r.Context()), r.Clone(context.Background())
				now.Body, _ = r.GetBody()
				source := sumotest.New()
				source.RoundTrip(now)
				if len(source.Taken()) > 1 {
					r.Body.Close()
					return &http.Response{StatusCode: tt.status, Body: http.NoBody}, nil
				}
				readers.Go(func() {
					time.Sleep(time.Second)
					source := sumotest.New()
					if _, err := source.RoundTrip(late); err != nil { // it closes the body
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					read = append(read, source.Taken()...)
				})
				return &http.Response{StatusCode: tt.status, Body: http.NoBody}, nil
			}))}
			var records []string
			for i := range 20 {
				records = append(records, fmt.Sprintf("%090d", i))
			}
			deliver(t.Context(), t, c, records...)
			readers.Wait()
			slices.Sort(read)
			if d := cmp.Diff(records, read); d != "" {
				t.Errorf("%+v: records read (-want +got):\n%s", tt, d)
			}
		})
	}
}

// A client outlives a delivery: Lambda keeps it across invocations.
func TestClientServesConcurrentDeliveries(t *testing.T) {
	source := sumotest.New()
	c := &sumo.Client{HTTP: over(source), MaxBody: 200}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				d := begin(t, c, t.Context(), endpoint(t, address, ""))
				for k := range 100 {
					d.Add(sumo.Source{Name: fmt.Sprint(k % 2)}, k, fmt.Appendf(nil, "%d-%d-%d", i, j, k))
				}
				if o := d.Wait(); o.Records != 100 || o.Confirmed != 100 {
					t.Errorf("%+v", o)
				}
			}
		})
	}
	wg.Wait()
	taken := source.Taken()
	slices.Sort(taken)
	if n := len(slices.Compact(taken)); n != 8*5*100 {
		t.Errorf("%d different records stored, want %d", n, 8*5*100)
	}
}

// Whatever the source does, each event is either answered with 2xx, once, or
// reported. An event is stored twice only if the answer to it was lost.
func TestEachEventIsConfirmedOrReported(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { deliverAtRandom(t, rand.New(rand.NewPCG(seed, seed))) })
		})
	}
}

func randomScript(rnd *rand.Rand) []sumotest.Step {
	var steps []sumotest.Step
	for range rnd.IntN(40) {
		step := []sumotest.Step{
			{Status: 200}, {Status: 200}, {Status: 200}, {Status: 204}, {Status: 503}, {Status: 429, RetryAfter: "3"}, {Status: 413}, {Status: 413},
			{Kind: sumotest.Reset}, {Kind: sumotest.Lost}, {Kind: sumotest.Lost}, {Kind: sumotest.Hang}, {Status: 400}, {Status: 401},
		}[rnd.IntN(14)]
		if step.Status == 401 && rnd.IntN(4) > 0 { // it would end most deliveries early
			step.Status = 202
		}
		steps = append(steps, step)
	}
	if rnd.IntN(3) == 0 {
		steps = append(steps, sumotest.Step{Kind: sumotest.Limit, Over: 20 + rnd.IntN(200)})
	}
	return steps
}

// deliverAtRandom delivers random records with random settings to a random source,
// and checks what became of each event.
func deliverAtRandom(t *testing.T, rnd *rand.Rand) {
	source := sumotest.New(randomScript(rnd)...)
	ctx := t.Context()
	if rnd.IntN(2) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(20_000))*time.Millisecond)
		defer cancel()
	}
	c := &sumo.Client{
		MaxBody: 50 + rnd.IntN(400), InFlight: 1 + rnd.IntN(4), Attempts: 1 + rnd.IntN(4), Timeout: 2 * time.Second, NoCompression: rnd.IntN(2) == 0,
		HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
			if ctx.Err() != nil {
				t.Error("a request after the deadline")
			}
			return source.RoundTrip(r)
		})),
	}
	d := begin(t, c, ctx, endpoint(t, address, ""))
	events, sources := rnd.IntN(120), 1+rnd.IntN(6)
	names := map[int]string{} // of the sources, by event
	for e := range events {
		names[e] = fmt.Sprint(rnd.IntN(sources))
		size := rnd.IntN(60)
		if rnd.IntN(20) == 0 {
			size += c.MaxBody
		}
		d.Add(sumo.Source{Name: names[e]}, e, fmt.Appendf(nil, "%d %s", e, strings.Repeat("x", size)))
	}
	o := d.Wait()
	for _, r := range source.Requests() {
		if len(r.Body) > c.MaxBody && len(r.Lines()) > 1 {
			t.Errorf("a body of %d bytes where %d is the maximum", len(r.Body), c.MaxBody)
		}
	}
	requests := 0
	for _, n := range o.Attempts {
		requests += n
	}
	if requests != len(source.Requests()) {
		t.Errorf("%d requests counted, %d made", requests, len(source.Requests()))
	}
	checkOutcome(t, o, names, fatesOf(t, source, names))
}

// fate is how often an event was answered with 2xx, stored, and stored without an
// answer.
type fate struct{ confirmed, stored, lost int }

// fatesOf returns what became of each event, and checks that requests hold records of
// one source in order.
func fatesOf(t *testing.T, source *sumotest.Source, names map[int]string) map[int]fate {
	t.Helper()
	fates := map[int]fate{}
	for _, r := range source.Requests() {
		last := -1
		for _, line := range r.Lines() {
			number, _, _ := strings.Cut(line, " ")
			e, err := strconv.Atoi(number)
			if err != nil || e <= last || r.Header.Get("X-Sumo-Name") != names[e] {
				t.Fatalf("record %q of source %s after record %d of source %s", line, names[e], last, r.Header.Get("X-Sumo-Name"))
			}
			last = e
			f := fates[e]
			if r.Taken {
				f.stored++
			}
			if r.Taken && r.Status == 0 {
				f.lost++
			}
			if r.Status/100 == 2 {
				f.confirmed++
			}
			fates[e] = f
		}
	}
	return fates
}

func checkOutcome(t *testing.T, o sumo.Outcome, names map[int]string, fates map[int]fate) {
	t.Helper()
	events, confirmed := len(names), 0
	for e, f := range fates {
		if f.confirmed > 0 {
			confirmed++
		}
		if f.confirmed > 1 || f.stored > 1 && f.lost == 0 {
			t.Errorf("event %d: %+v", e, f)
		}
	}
	if o.Records != events || o.Confirmed+len(o.Unconfirmed) != events || confirmed != o.Confirmed || (o.Err == nil) != (len(o.Unconfirmed) == 0) {
		t.Errorf("of %d events %d were answered with 2xx: %+v", events, confirmed, o)
	}
	for i, e := range o.Unconfirmed {
		if i > 0 && e <= o.Unconfirmed[i-1] || names[e] == "" || fates[e].confirmed > 0 {
			t.Errorf("event %d is reported, but %d times confirmed, or twice in %v", e, fates[e].confirmed, o.Unconfirmed)
		}
	}
}

// ok answers everything with 200.
var ok = roundTripper(func(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
})

func BenchmarkDelivery(b *testing.B) {
	const size, n = 300, 10_000
	rnd := rand.New(rand.NewPCG(3, 3))
	records := make([][]byte, n)
	for i := range records {
		for len(records[i]) < size {
			records[i] = fmt.Appendf(records[i], `{"level":"info","path":"/api/%d","took":%d,"id":"%x"}`, rnd.IntN(100), rnd.IntN(1000), rnd.Uint64())
		}
		records[i] = records[i][:size]
	}
	for _, plain := range []bool{false, true} {
		b.Run(fmt.Sprintf("plain=%t", plain), func(b *testing.B) {
			c := &sumo.Client{HTTP: over(ok), NoCompression: plain}
			ep := endpoint(b, address, "")
			b.ReportAllocs()
			b.SetBytes(n * size)
			for b.Loop() {
				d := begin(b, c, b.Context(), ep)
				for i, r := range records {
					d.Add(sumo.Source{Name: "n"}, i, r)
				}
				if o := d.Wait(); o.Confirmed != n {
					b.Fatal(o.Err)
				}
			}
		})
	}
}

// Buffers are reused, so a record allocates nothing: the remaining allocations are
// those of the three requests.
func TestRecordsAllocateNothing(t *testing.T) {
	const records = 10_000
	record := bytes.Repeat([]byte("x"), 300)
	c := &sumo.Client{HTTP: over(ok)}
	ep := endpoint(t, address, "")
	n := testing.AllocsPerRun(10, func() {
		d := begin(t, c, t.Context(), ep)
		for i := range records {
			d.Add(sumo.Source{Name: "n"}, i, record)
		}
		d.Wait()
	})
	if n > 350 {
		t.Errorf("%.0f allocations for %d records", n, records)
	}
}

// However small they are, bodies of many sources do not stay open.
func TestOpenBodiesAreBounded(t *testing.T) {
	var arrived atomic.Int64
	c := &sumo.Client{InFlight: 2, NoCompression: true, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
		arrived.Add(1)
		return ok(r)
	}))}
	d := begin(t, c, t.Context(), endpoint(t, address, ""))
	for i := range 5000 {
		d.Add(sumo.Source{Name: fmt.Sprint(i)}, i, []byte("a"))
		if held := i + 1 - int(arrived.Load()); held > 1000+2 {
			t.Fatalf("%d bodies are held after %d records", held, i+1)
		}
	}
	if o := d.Wait(); o.Confirmed != 5000 || o.Bodies != 5000 {
		t.Errorf("%+v", o)
	}
}

// When nothing more is tried, what is added costs neither memory nor a look at what
// was added before.
func TestAddCostsNothingAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	source := sumotest.New()
	d := begin(t, &sumo.Client{HTTP: over(source), MaxBody: 1000}, ctx, endpoint(t, address, ""))
	d.Add(sumo.Source{Name: "before"}, 0, []byte("a"))
	cancel()
	record, events := bytes.Repeat([]byte("x"), 300), 1
	n := testing.AllocsPerRun(10, func() {
		for range 10_000 {
			d.Add(sumo.Source{Name: strconv.Itoa(events % 100)}, events, record) // a number below 100 takes no memory
			events++
		}
	})
	if n > 10 {
		t.Errorf("%.0f allocations for 10000 records", n)
	}
	o := d.Wait()
	if o.Records != events || len(o.Unconfirmed) != events || sumo.ClassOf(o.Err) != sumo.OutOfTime || len(source.Requests()) != 0 {
		t.Errorf("%d records, %d unconfirmed: %v", o.Records, len(o.Unconfirmed), o.Err)
	}
	if o.Bodies < events*300/1000 || o.Bodies > events/2 { // three to a body
		t.Errorf("%d bodies of %d records", o.Bodies, events)
	}
}

func TestSkippedEventsAreUnconfirmed(t *testing.T) {
	source := sumotest.New()
	d := begin(t, &sumo.Client{HTTP: over(source)}, t.Context(), endpoint(t, address, ""))
	d.Add(sumo.Source{}, 0, []byte("a"))
	d.Skip(1)
	d.Skip(2)
	o := d.Wait()
	if diff := cmp.Diff([]int{1, 2}, o.Unconfirmed); diff != "" || o.Confirmed != 1 || o.Records != 3 || o.Bodies != 1 || sumo.ClassOf(o.Err) != sumo.OutOfTime {
		t.Errorf("%+v", o)
	}
}

// BenchmarkManySources measures the delivery of a record each to many sources.
func BenchmarkManySources(b *testing.B) {
	const n = 80_000
	record := bytes.Repeat([]byte("x"), 75)
	for _, plain := range []bool{false, true} {
		b.Run(fmt.Sprintf("plain=%t", plain), func(b *testing.B) {
			c := &sumo.Client{HTTP: over(ok), NoCompression: plain}
			ep := endpoint(b, address, "")
			b.ReportAllocs()
			for b.Loop() {
				d := begin(b, c, b.Context(), ep)
				for i := range n {
					d.Add(sumo.Source{Category: strconv.Itoa(i)}, i, record)
				}
				if o := d.Wait(); o.Confirmed != n {
					b.Fatal(o.Err)
				}
			}
		})
	}
}

// A source that refuses every size is not asked for each record.
func TestSplittingEnds(t *testing.T) {
	for _, tt := range []struct {
		name            string
		over            int // bytes that the source accepts; -1: none
		records, length int
		confirmed       int
		most            int // requests
	}{
		{"refuses everything", -1, 10_000, 300, 0, 200},
		{"refuses everything, records of a byte", -1, 100_000, 1, 0, 40},
		{"refuses everything, records beyond any body", -1, 50, 100_000, 0, 110},
		{"accepts an ordinary size", 100_000, 10_000, 300, 10_000, 3 * 32},
		{"accepts a small one", 1000, 2_000, 300, 2_000, 2 * 1024},
		{"accepts a record", 300, 64, 300, 64, 2 * 64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := sumotest.New(sumotest.Step{Kind: sumotest.Limit, Over: tt.over})
			var records []string
			for range tt.records {
				records = append(records, strings.Repeat("x", tt.length))
			}
			o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source)}, records...)
			if n := len(source.Requests()); n > tt.most {
				t.Errorf("%d requests, want at most %d", n, tt.most)
			}
			if o.Confirmed != tt.confirmed || len(o.Unconfirmed) != tt.records-tt.confirmed || tt.confirmed == 0 && sumo.ClassOf(o.Err) != sumo.Rejected {
				t.Errorf("%d confirmed, %d unconfirmed: %v", o.Confirmed, len(o.Unconfirmed), o.Err)
			}
		})
	}
}

// That small bodies are refused says nothing once one was accepted: what a source
// refuses is found among many.
func TestSplittingGoesOnWhileSomeAreAccepted(t *testing.T) {
	source := sumotest.New(sumotest.Step{Kind: sumotest.Limit, Over: 400})
	var records []string
	var want []int
	for i := range 2000 {
		size := 100
		if i%100 == 50 {
			size, want = 500, append(want, i)
		}
		records = append(records, strings.Repeat("x", size))
	}
	o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), InFlight: 1}, records...)
	if d := cmp.Diff(want, o.Unconfirmed); d != "" || sumo.ClassOf(o.Err) != sumo.Rejected {
		t.Errorf("unconfirmed (-want +got):\n%s", d)
	}
}

// MaxRequests bounds the requests of all deliveries of a client together.
func TestMaxRequestsBoundsAllDeliveries(t *testing.T) {
	for most, want := range map[int]int{0: 6 * 2, 1: 1, 5: 5} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var now, high int
			c := &sumo.Client{InFlight: 2, MaxRequests: most, MaxBody: 1, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				now++
				high = max(high, now)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				return ok(r)
			}))}
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					if o := deliver(t.Context(), t, c, strings.Split("abcdefgh", "")...); o.Confirmed != 8 {
						t.Errorf("%+v", o)
					}
				})
			}
			wg.Wait()
			if high != want {
				t.Errorf("MaxRequests %d: %d requests at once, want %d", most, high, want)
			}
		})
	}
}

// hasty is a context whose own waiters see it end before the contexts made from it do.
// Every context has such a moment; this one's is a millisecond.
type hasty struct{ context.Context }

// Value hides what contexts are tied together by, so that AfterFunc ties them.
func (hasty) Value(any) any { return nil }

func (h hasty) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(h.Context, func() {
		time.Sleep(time.Millisecond)
		f()
	})
}

// A body that waits for another in flight is given up with a reason when the deadline
// comes, whoever notices that first.
func TestWaitingBodyIsGivenUpWithAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadline, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		source := sumotest.New()
		c := &sumo.Client{MaxBody: 1, InFlight: 1, Attempts: 1, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return source.RoundTrip(r)
		}))}
		if o := deliver(hasty{deadline}, t, c, "a", "b"); !slices.Equal(o.Unconfirmed, []int{1}) || sumo.ClassOf(o.Err) != sumo.OutOfTime {
			t.Errorf("%+v", o)
		}
	})
}
