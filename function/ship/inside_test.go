package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/semaphore"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/rules"
	"sumoship/sumo/leaktest"
	"sumoship/transform"
)

// The interval doubles from 20 ms to 10 s while the source throttles, and goes back by
// tenths to nothing.
func TestPaceLearns(t *testing.T) {
	var p pace
	var got []time.Duration
	learn := func(throttled bool, times int) {
		for range times {
			p.learn(throttled)
		}
		got = append(got, p.interval)
	}
	learn(false, 1)
	learn(true, 1)
	learn(true, 1)
	learn(true, 7)
	learn(true, 1)
	learn(false, 1)
	learn(false, 56)
	learn(false, 1)
	learn(false, 1)
	learn(false, 1)
	want := []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond, 5120 * time.Millisecond, 10 * time.Second, 9 * time.Second}
	if d := cmp.Diff(want, got[:6]); d != "" {
		t.Error(d)
	}
	if late := got[6]; late < minInterval || late > 25*time.Millisecond || got[9] != 0 {
		t.Errorf("then %v", got[6:])
	}
	p.interval = minInterval
	if p.learn(false); p.interval != 0 {
		t.Errorf("%s is left", p.interval)
	}
}

func TestPaceSpacesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{interval: time.Second}
		start := time.Now()
		for i := range 4 {
			if err := p.wait(t.Context()); err != nil || time.Since(start) != time.Duration(i)*time.Second {
				t.Errorf("turn %d after %s: %v", i, time.Since(start), err)
			}
		}
		time.Sleep(time.Minute) // it does not save up turns
		for i := range 2 {
			if p.wait(t.Context()); time.Since(start) != 63*time.Second+time.Duration(i)*time.Second {
				t.Errorf("later turn %d after %s", i, time.Since(start))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without time: %v", err)
		}
	})
}

func TestSequenceNumbersAreCompared(t *testing.T) {
	ordered := []string{"0", "1", "9", "10", "49650000000000000000000000000000000000000000000000000001", "49650000000000000000000000000000000000000000000000000010", "149650000000000000000000000000000000000000000000000000000"}
	for i, a := range ordered {
		for j, b := range ordered {
			if before(a, b) != (i < j) || before("00"+a, b) != (i < j) || before(a, "0"+b) != (i < j) {
				t.Errorf("%s before %s: %t", a, b, before(a, b))
			}
		}
	}
}

func TestAddressesOfServices(t *testing.T) {
	for _, tt := range []struct {
		cfg    aws.Config
		bucket string
		want   string
	}{
		{aws.Config{Region: "eu-west-1"}, "logs", "https://logs.s3.eu-west-1.amazonaws.com"},
		{aws.Config{Region: "eu-west-1"}, "my.logs", "https://s3.eu-west-1.amazonaws.com/my.logs"},
		{aws.Config{Region: "cn-north-1"}, "logs", "https://logs.s3.cn-north-1.amazonaws.com.cn"},
		{aws.Config{Region: "us-gov-west-1"}, "logs", "https://logs.s3.us-gov-west-1.amazonaws.com"},
		{aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String("http://localhost:1/")}, "logs", "http://localhost:1/logs"},
		{aws.Config{Region: "eu-west-1", ConfigSources: []any{"other", base("")}}, "logs", "https://logs.s3.eu-west-1.amazonaws.com"},
		{aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String("http://localhost:1"), ConfigSources: []any{base("http://localhost:2/")}}, "logs", "http://localhost:2/logs"},
	} {
		if got := bucketURL(t.Context(), tt.cfg, tt.bucket); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	for key, want := range map[string]string{"a/b c/d+e": "a/b%20c/d%2Be", "ä?&=": "%C3%A4%3F%26%3D", "": "", "/a//b": "/a//b"} {
		if got := escapePath(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	for url, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/1/q": "eu-west-1", "https://sqs.cn-north-1.amazonaws.com.cn/1/q": "cn-north-1",
		"https://sqs.eu-west-1.example.com/1/q": "", "http://sqs.eu-west-1.amazonaws.com/1/q": "", "https://sqs.x/y.amazonaws.com": "",
	} {
		if got := regionOf(url); got != want {
			t.Errorf("%s: %q", url, got)
		}
	}
}

// base is a source of configuration with the address of every service, if any.
type base string

func (b base) GetServiceBaseEndpoint(context.Context, string) (string, bool, error) {
	return string(b), b != "", nil
}

// A key of the archive is a path of plain characters without steps upwards.
func TestKeysOfTheArchive(t *testing.T) {
	day := time.Date(2026, 1, 2, 23, 0, 0, 0, time.FixedZone("", -2*3600)) // the next day in UTC
	for _, tt := range []struct{ group, id, want string }{
		{"/ecs/web", "1a-2b", "sumoship/2026/01/03/ecs/web/1a-2b.json"},
		{"", "1", "sumoship/2026/01/03/unknown/1.json"},
		{"/", "1", "sumoship/2026/01/03/unknown/1.json"},
		{"a//b///c", "x/y", "sumoship/2026/01/03/a/b/c/x_y.json"},
		{"../../etc", "..", "sumoship/2026/01/03/_/_/etc/_.json"},
		{"azAZ09_-.é#", "1", "sumoship/2026/01/03/azAZ09_-.__/1.json"},
		{".a.", "1", "sumoship/2026/01/03/a/1.json"},
	} {
		m := dlq.Message{ID: tt.id, Sent: time.Unix(0, 0), Entry: dlq.Entry{Cause: dlq.Cause{LogGroup: tt.group, FirstFailure: day}}}
		if got := objectKey(m); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.group, tt.id, got, tt.want)
		}
	}
	if got := objectKey(dlq.Message{ID: "1", Sent: day}); got != "sumoship/2026/01/03/unknown/1.json" {
		t.Errorf("without a failure: %s", got)
	}
	for value, want := range map[string]string{" a b ": "a b", "a%b": "a%25b", "\n\x7f~é": "%7F~%C3%A9", "a\tb": "a%09b", strings.Repeat("x", 600): strings.Repeat("x", 513), "": ""} {
		if got := metadata(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// An error of a store is its code.
func TestCodesOfErrors(t *testing.T) {
	for text, want := range map[string]string{
		"<Error><Code>NoSuchKey</Code><Message>x</Message></Error>":               "answered 400 NoSuchKey",
		`{"__type":"com.amazon#ResourceNotFoundException"}`:                       "answered 400 ResourceNotFoundException",
		`{"__type": "AccessDeniedException","Message":"` + leaktest.Secret + `"}`: "answered 400 AccessDeniedException",
		`<Code>a b</Code>`: "answered 400", "": "answered 400",
	} {
		if got := answered(&http.Response{StatusCode: 400}, []byte(text)).Error(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	var mistakes rules.Mistakes
	_, err := ReadRules([]byte(`{"version":1,"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}`), nil)
	if mistakes = rules.AsMistakes(err); len(mistakes) != 7 {
		t.Fatalf("%d mistakes: %v", len(mistakes), err)
	}
	if got := shortened(err).Error(); !strings.HasSuffix(got, "; and 2 more") || strings.Count(got, ";") != 10 || strings.Contains(got, "\n") {
		t.Error(got)
	}
	_, err = ReadRules([]byte(`{"version":1,"a":1,"b":1,"c":1,"d":1,"e":1}`), nil)
	if got := shortened(err).Error(); strings.Contains(got, "more") || strings.Count(got, ";") != 9 || strings.Contains(got, "\n") {
		t.Error(got)
	}
}

// What is large ends early, by twice the time that it took to decode, but has half of
// the time.
func TestLargeEventsSpareTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		decode := func(size int) *transform.Batch {
			b, err := new(transform.Decoder).Document(fmt.Appendf(nil, `{"logEvents":[{"message":"%s"}]}`, strings.Repeat("x", size-30)))
			if err != nil || b.Size() != size {
				t.Fatalf("%d bytes, %v", b.Size(), err)
			}
			return b
		}
		small, large := decode(4<<20-1), decode(4<<20)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for _, tt := range []struct {
			batch    *transform.Batch
			decoding time.Duration
			left     time.Duration
		}{
			{small, time.Second, 10 * time.Second}, {large, time.Second, 8 * time.Second}, {large, 4 * time.Second, 5 * time.Second},
		} {
			got, end := spare(ctx, tt.batch, tt.decoding)
			if deadline, _ := got.Deadline(); time.Until(deadline) != tt.left {
				t.Errorf("decoding %s leaves %s, want %s", tt.decoding, time.Until(deadline), tt.left)
			}
			end()
		}
		got, end := spare(t.Context(), large, time.Second)
		defer end()
		if _, ok := got.Deadline(); ok {
			t.Error("there is a deadline now")
		}
	})
}

// A message that is replayed alone has at least half of the invocation; another has what
// is left of it. Who may not enter leaves the way free.
func TestIsolatedMessagesHaveHalfOfTheTime(t *testing.T) {
	for name, c := range map[string]struct {
		after    time.Duration // of ten seconds
		isolated bool
		enters   bool
	}{
		"alone, early":     {4 * time.Second, true, true},
		"alone, at half":   {5 * time.Second, true, true},
		"alone, too late":  {5*time.Second + 1, true, false},
		"with others":      {9 * time.Second, false, true},
		"after the end":    {11 * time.Second, false, false},
		"alone, after all": {11 * time.Second, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sending, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				r := &run{Replayer: &Replayer{}, start: time.Now(), sending: sending, alone: semaphore.NewWeighted(everyone)}
				time.Sleep(c.after)
				release := r.enter(dlq.Message{Entry: dlq.Entry{Cause: dlq.Cause{Isolated: c.isolated}}})
				if (release != nil) != c.enters {
					t.Errorf("enters %t", release != nil)
				}
				if release != nil {
					share := int64(1)
					if c.isolated {
						share = everyone
					}
					if !r.alone.TryAcquire(everyone-share) || r.alone.TryAcquire(1) {
						t.Error("it has the wrong share of the way")
					}
					r.alone.Release(everyone - share)
					release()
				}
				if !r.alone.TryAcquire(everyone) {
					t.Fatal("the way is not free again")
				}
				// It stays taken until the time is over.
				if r.enter(dlq.Message{}) != nil || r.alone.TryAcquire(1) {
					t.Error("enters a way that is taken")
				}
			})
		})
	}
}

// What is remembered of records behind a failed one is bounded, and forgotten with them.
func TestRecordsAheadAreRememberedWithinBounds(t *testing.T) {
	records := func(sequences ...string) (list []transform.StreamRecord) {
		for _, s := range sequences {
			list = append(list, transform.StreamRecord{ID: "shard:" + s, Sequence: s})
		}
		return list
	}
	batch := records("7", "8", "9", "10")
	f := &StreamForwarder{ahead: map[string]bool{}}
	for i := range maxAhead - 2 {
		f.ahead[fmt.Sprint("other:", i)] = true
	}
	known := func() (got []string) {
		for _, r := range records("6", "7", "8", "9", "10") {
			if f.ahead[r.ID] {
				got = append(got, r.Sequence)
			}
		}
		return got
	}
	f.ahead["shard:6"], f.ahead["shard:7"] = true, true // of earlier invocations
	f.remember(batch, []streamOutcome{streamRepeated, streamKept, streamDone, streamDone}, "8")
	if d := cmp.Diff([]string{"6", "9"}, known()); d != "" || len(f.ahead) != maxAhead {
		t.Errorf("%d are remembered, of the batch (-want +got):\n%s", len(f.ahead), d)
	}
	f.remember(batch[1:], []streamOutcome{streamDone, streamRepeated, streamUntried}, "10")
	if d := cmp.Diff([]string{"6"}, known()); d != "" {
		t.Errorf("then (-want +got):\n%s", d)
	}
	f.remember([]transform.StreamRecord{{Sequence: "11"}}, []streamOutcome{streamDone}, "10") // no ID to know it by
	f.remember(batch[3:], []streamOutcome{streamDone}, "")
	if d := cmp.Diff([]string{"6"}, known()); d != "" || f.ahead[""] || len(f.ahead) != maxAhead-1 {
		t.Errorf("at last %d (-want +got):\n%s", len(f.ahead), d)
	}
}

// What a payload says of its size counts first, and then all that is allowed. Without
// room in time nothing is tried.
func TestPayloadsHaveTheRoomTheySay(t *testing.T) {
	event := transform.Pack([]byte(strings.Repeat("x", 100_000)))
	for name, c := range map[string]struct {
		most int64
		lies bool
		want []int64
	}{
		"it says so":       {most: 1 << 20, want: []int64{100_000}},
		"it lies":          {most: 1 << 20, lies: true, want: []int64{100_000, 1 << 20}},
		"no more allowed":  {most: 100_000, lies: true, want: []int64{100_000}},
		"less is allowed":  {most: 50_000, lies: true, want: []int64{50_000}},
		"more than room":   {most: 2 * maxInWork, lies: true, want: []int64{100_000, 2 * maxInWork}},
		"a byte more only": {most: 100_001, lies: true, want: []int64{100_000, 100_001}},
	} {
		room := semaphore.NewWeighted(maxInWork)
		var got []int64
		err := inWork(t.Context(), room, event, c.most, func(limit int64) bool {
			got = append(got, limit)
			if free := maxInWork - min(limit, maxInWork); free > 0 && !room.TryAcquire(free) || room.TryAcquire(1) {
				t.Errorf("%s: it does not hold the room of %d", name, limit)
			} else {
				room.Release(free)
			}
			return c.lies
		})
		if d := cmp.Diff(c.want, got); d != "" || err != nil || !room.TryAcquire(maxInWork) {
			t.Errorf("%s: %v, (-want +got):\n%s", name, err, d)
		}
	}
	full := semaphore.NewWeighted(maxInWork)
	full.TryAcquire(maxInWork)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := inWork(ctx, full, event, 1<<20, func(int64) bool { t.Error("tried without room"); return false }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A source that throttles is asked again sooner than one that is down.
func TestPausesOfTheBreaker(t *testing.T) {
	vars := map[string]string{"SUMO_ENDPOINT": "https://collectors.example.com/x", "BREAKER_PAUSE": "60000"}
	o := Options{Env: function.Env{Getenv: func(name string) string { return vars[name] }, Out: io.Discard}}
	forwarder, err := NewForwarder(o)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := NewStreamForwarder(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*shipper{forwarder.shipper, stream.shipper} {
		if b := s.client.Breaker; b.Pause != time.Minute || b.Throttled != 10*time.Second {
			t.Errorf("%s after it was unavailable, %s after a 429", b.Pause, b.Throttled)
		}
	}
}

// A pause of the breaker is waited for, as far as there is time for a request afterwards.
func TestWaitsLeaveTimeToSend(t *testing.T) {
	for _, c := range []struct{ pause, left, want time.Duration }{
		{10 * time.Second, 0, 10 * time.Second}, {10 * time.Second, time.Hour, 10 * time.Second}, {10 * time.Second, 5 * time.Second, 4 * time.Second},
		{10 * time.Second, time.Second, 0}, {10 * time.Second, time.Second / 2, 0}, {0, time.Hour, 0}, {-time.Second, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			sending, cancel := context.WithCancel(t.Context())
			if c.left > 0 {
				sending, cancel = context.WithTimeout(t.Context(), c.left)
			}
			defer cancel()
			start := time.Now()
			(&shipper{config: config{timeout: time.Second}}).wait(sending, c.pause)
			if got := time.Since(start); got != c.want {
				t.Errorf("%+v: %s", c, got)
			}
		})
	}
}

// inbox is one that gives some messages, or fails.
type inbox struct {
	Inbox
	receive func(n int, wait time.Duration) ([]dlq.Message, error)
}

func (i inbox) Receive(_ context.Context, n int, wait, _ time.Duration) ([]dlq.Message, error) {
	return i.receive(n, wait)
}

// A receive has room for as many of the largest messages as it asks for, and keeps as much
// of it as has come.
func TestReceivedBytesAreBounded(t *testing.T) {
	room := semaphore.NewWeighted(maxReceived)
	held := func(n int64) bool {
		exactly := room.TryAcquire(maxReceived-n) && !room.TryAcquire(1)
		room.Release(maxReceived - n)
		return exactly
	}
	sending, cancel := context.WithCancel(t.Context())
	come := []dlq.Message{{Body: "abc"}, {Body: "defgh"}}
	r := &run{sending: sending, Replayer: &Replayer{received: room, inbox: inbox{receive: func(n int, wait time.Duration) ([]dlq.Message, error) {
		if !held(int64(n)*maxMessage) || wait != receiveWait {
			t.Errorf("%d messages are asked for, with other room, for %s", n, wait)
		}
		return come, nil
	}}}}
	if messages, bytes, err := r.receive(3, time.Minute); err != nil || len(messages) != 2 || bytes != 8 || !held(8) {
		t.Errorf("%d messages, %d bytes, %v", len(messages), bytes, err)
	}
	room.Release(8)
	come = []dlq.Message{{Body: strings.Repeat("x", maxMessage+1)}}
	if _, bytes, err := r.receive(1, time.Minute); err != nil || bytes != maxMessage || !held(maxMessage) {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	cancel()
	r.inbox = nil
	if !room.TryAcquire(maxReceived - maxMessage) {
		t.Fatal("no room")
	}
	if _, bytes, err := r.receive(1, time.Minute); !errors.Is(err, context.Canceled) || bytes != 0 {
		t.Errorf("without room: %d bytes, %v", bytes, err)
	}
}

// CloudWatch takes 100 metrics of a log line, so not all of many rules have one.
func TestMetricsOfRulesAreBounded(t *testing.T) {
	r := Report{Filtered: map[string]int{"blank": 1}}
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("r%02d", i)
		r.Filtered[name+":exclude"], r.Filtered[name+":sample"] = 1, 2
		if i < 20 {
			want = append(want, "Filtered_"+name+" 3")
		}
	}
	var got []string
	r.countRules(func(name string, n int) { got = append(got, fmt.Sprint(name, " ", n)) })
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
