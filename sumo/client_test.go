package sumo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

const address = "https://collectors.example.com/receiver/v1/http/S3CRET"

func endpoint(t testing.TB, address, token string) sumo.Endpoint {
	t.Helper()
	ep, err := sumo.ParseEndpoint(address, token)
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

func over(rt http.RoundTripper) *http.Client { return &http.Client{Transport: rt} }

// begin starts a delivery of a client whose breaker, if any, is not open.
func begin(t testing.TB, c *sumo.Client, ctx context.Context, ep sumo.Endpoint) *sumo.Delivery {
	t.Helper()
	d, err := c.Begin(ctx, ep)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// deliver sends records of one source, numbered from 0.
func deliver(ctx context.Context, t testing.TB, c *sumo.Client, records ...string) sumo.Outcome {
	t.Helper()
	d := begin(t, c, ctx, endpoint(t, address, ""))
	for i, r := range records {
		d.Add(sumo.Source{}, i, []byte(r))
	}
	return d.Wait()
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// stopwatch records when each request starts.
type stopwatch struct {
	http.RoundTripper
	mu sync.Mutex
	at []time.Time
}

func (s *stopwatch) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	return s.RoundTripper.RoundTrip(r)
}

func (s *stopwatch) backoffs() []time.Duration {
	var out []time.Duration
	for i := 1; i < len(s.at); i++ {
		out = append(out, s.at[i].Sub(s.at[i-1]))
	}
	return out
}

// endless returns a script that is long enough for any test.
func endless(step sumotest.Step) []sumotest.Step {
	steps := make([]sumotest.Step, 1000)
	for i := range steps {
		steps[i] = step
	}
	return steps
}

func TestTransientFailuresAreRetried(t *testing.T) {
	for _, tt := range []struct {
		step  sumotest.Step
		class string
	}{
		{sumotest.Step{Status: 408}, "4xx"},
		{sumotest.Step{Status: 429}, "4xx"},
		{sumotest.Step{Status: 500}, "5xx"},
		{sumotest.Step{Status: 502}, "5xx"},
		{sumotest.Step{Status: 503}, "5xx"},
		{sumotest.Step{Status: 504}, "5xx"},
		{sumotest.Step{Kind: sumotest.Reset}, "none"},
		{sumotest.Step{Kind: sumotest.Lost}, "none"},
		{sumotest.Step{Kind: sumotest.Hang}, "none"},
	} {
		t.Run(fmt.Sprint(tt.step.Kind, tt.step.Status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				source := sumotest.New(tt.step, tt.step)
				c := &sumo.Client{HTTP: over(source), Timeout: 3 * time.Second, InitialBackoff: time.Millisecond}
				o := deliver(t.Context(), t, c, "a")
				if o.Confirmed != 1 || o.Err != nil || o.Bodies != 1 {
					t.Errorf("%+v", o)
				}
				if d := cmp.Diff(map[string]int{tt.class: 2, "2xx": 1}, o.Attempts); d != "" {
					t.Errorf("attempts (-want +got):\n%s", d)
				}
				// A request that hangs is given up after Timeout, the others fail at once.
				took, hung := time.Since(start).Truncate(time.Second), tt.step.Kind == sumotest.Hang
				if hung && took != 6*time.Second || !hung && took != 0 {
					t.Errorf("took %s", took)
				}
				for i, r := range source.Requests() {
					if string(r.Body) != "a" {
						t.Errorf("request %d has the body %q", i, r.Body)
					}
				}
			})
		})
	}
}

func TestPermanentFailuresAreNotRetried(t *testing.T) {
	for status, class := range map[int]sumo.Class{
		301: sumo.Misconfigured, 302: sumo.Misconfigured, 307: sumo.Misconfigured, 308: sumo.Misconfigured,
		401: sumo.Misconfigured, 403: sumo.Misconfigured, 404: sumo.Misconfigured,
		400: sumo.Rejected, 405: sumo.Rejected, 410: sumo.Rejected, 413: sumo.Rejected,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				source := sumotest.New(sumotest.Statuses(status)...)
				o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source)}, "a")
				if n := len(source.Requests()); n != 1 || time.Since(start) != 0 {
					t.Errorf("%d requests in %s, want 1 at once", n, time.Since(start))
				}
				se, ok := errors.AsType[*sumo.SendError](o.Err)
				if !ok || se.Class != class || se.Status != status || sumo.ClassOf(fmt.Errorf("x: %w", o.Err)) != class {
					t.Errorf("Err is %#v, want class %s and status %d", o.Err, class, status)
				}
				if d := cmp.Diff([]int{0}, o.Unconfirmed); d != "" || o.Confirmed != 0 || o.Warnings != 0 {
					t.Errorf("%+v", o)
				}
			})
		})
	}
}

// Who yields leaves a source that throttles to others, and tries again one that fails.
func TestYieldDoesNotRetryAfter429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status, want := range map[int]int{429: 1, 503: 3} {
			source := sumotest.New(endless(sumotest.Step{Status: status})...)
			deliver(t.Context(), t, &sumo.Client{HTTP: over(source), Attempts: 3, Yield: true}, "a")
			if n := len(source.Requests()); n != want {
				t.Errorf("%d requests after %d, want %d", n, status, want)
			}
		}
	})
}

// The shortest Retry-After counts, and a retry that is still within the budget.
func TestRetryAfterASecondWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for budget, want := range map[time.Duration]int{time.Second: 2, time.Second - 1: 1, 0: 2} {
			watch := &stopwatch{RoundTripper: sumotest.New(sumotest.Step{Status: 503, RetryAfter: "1"})}
			deliver(t.Context(), t, &sumo.Client{HTTP: over(watch), InitialBackoff: time.Millisecond, Budget: budget}, "a")
			if waits := watch.backoffs(); len(waits)+1 != want || want == 2 && waits[0] != time.Second {
				t.Errorf("budget %s: backoffs %v", budget, waits)
			}
		}
	})
}

// An interruption is told from a deadline, by the requests that it ends and by what is
// not tried any more.
func TestInterruptionIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		late bool // it ends before the delivery begins to send
		want string
	}{
		"interrupted":         {func(c context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(c) }, false, "interrupted before the source answered"},
		"interrupted, before": {func(c context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(c) }, true, "interrupted before all was sent"},
		"deadline": {func(c context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(c, time.Second)
		}, false, "no answer before the deadline"},
		"deadline, before": {func(c context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(c, time.Second)
		}, true, "the deadline came before all was sent"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				d := begin(t, &sumo.Client{HTTP: over(sumotest.New(sumotest.Step{Kind: sumotest.Hang}))}, ctx, endpoint(t, address, ""))
				d.Add(sumo.Source{}, 0, []byte("a"))
				interrupt := func() {
					if strings.HasPrefix(name, "interrupted") {
						cancel()
					}
				}
				if tt.late {
					interrupt()
					time.Sleep(2 * time.Second)
				}
				defer time.AfterFunc(time.Second/2, interrupt).Stop()
				o := d.Wait()
				if sumo.ClassOf(o.Err) != sumo.OutOfTime || !strings.HasSuffix(o.Err.Error(), tt.want) || len(o.Unconfirmed) != 1 || o.Warnings != 0 {
					t.Errorf("%+v, want %s", o, tt.want)
				}
			})
		})
	}
}

// A panic of a request reaches the goroutine that can recover it, whichever sent the
// body; the breaker does not wait for a delivery that is abandoned then.
func TestPanicIsThatOfTheDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := false
		source := sumotest.New(sumotest.Statuses(503, 503, 503)...)
		c := guarded(roundTripper(func(r *http.Request) (*http.Response, error) {
			if broken { // the first body only, which is not sent by the goroutine of the delivery
				broken = false
				panic("broken")
			}
			return source.RoundTrip(r)
		}))
		c.MaxBody = 1
		attempt(t, c)
		time.Sleep(state(t, c, sumo.Open))
		broken = true
		func() {
			d := begin(t, c, t.Context(), endpoint(t, address, ""))
			defer func() {
				if v := recover(); v != "broken" {
					t.Errorf("recovered %v", v)
				}
				d.Abandon()
			}()
			d.Add(sumo.Source{}, 0, []byte("a"))
			d.Add(sumo.Source{}, 1, []byte("b"))
			d.Wait()
			t.Error("no panic")
		}()
		if o, tried := attempt(t, c); !tried || o.Confirmed != 1 {
			t.Errorf("after the panic: tried %t, %+v", tried, o)
		}
	})
}

// closing is the body of a response that tells whether it was closed.
type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

func TestResponsesAreClosed(t *testing.T) {
	for _, status := range []int{200, 400} {
		closed := false
		deliver(t.Context(), t, &sumo.Client{HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: closing{strings.NewReader("x"), &closed}, Request: r}, nil
		}))}, "a")
		if !closed {
			t.Errorf("the response %d is left open", status)
		}
	}
	if err := sumo.NewHTTP(1).CheckRedirect(nil, nil); !errors.Is(err, http.ErrUseLastResponse) {
		t.Errorf("a redirect: %v", err)
	}
}

func TestClassOf(t *testing.T) {
	if got := sumo.ClassOf(errors.New("other")) + sumo.ClassOf(nil); got != "" {
		t.Errorf("class %q", got)
	}
}

// A probe of the endpoint sends no data, and what a delivery would be refused for.
func TestProbe(t *testing.T) {
	source := sumotest.New(sumotest.Statuses(200, 401)...)
	c := &sumo.Client{HTTP: over(source)}
	ep := endpoint(t, address, "T0KEN")
	if err := c.Probe(t.Context(), ep); err != nil {
		t.Error(err)
	}
	if err := c.Probe(t.Context(), ep); sumo.ClassOf(err) != sumo.Misconfigured {
		t.Errorf("after a 401: %v", err)
	}
	for _, r := range source.Requests() {
		if len(r.Body) != 0 || r.Header.Get("X-Sumo-Token") != "T0KEN" || r.Header.Get("User-Agent") != "sumoship" {
			t.Errorf("request with %d bytes, %v", len(r.Body), r.Header)
		}
	}
	source = sumotest.New()
	c = &sumo.Client{HTTP: over(source), UserAgent: "other"}
	if err := c.Probe(t.Context(), endpoint(t, address, "")); err != nil {
		t.Error(err)
	}
	if h := source.Requests()[0].Header; h.Get("User-Agent") != "other" || len(h["X-Sumo-Token"]) != 0 {
		t.Errorf("without a token: %v", h)
	}
}

func TestAttemptsBoundsTheRequestsOfABody(t *testing.T) {
	for attempts, want := range map[int]int{1: 1, 2: 2, 9: 9, 0: sumo.DefaultAttempts} {
		for name, step := range map[string]sumotest.Step{"503": {Status: 503}, "reset": {Kind: sumotest.Reset}, "hang": {Kind: sumotest.Hang}} {
			synctest.Test(t, func(t *testing.T) {
				source := sumotest.New(endless(step)...)
				o := deliver(t.Context(), t, &sumo.Client{HTTP: over(source), Attempts: attempts}, "a")
				if n := len(source.Requests()); n != want {
					t.Errorf("%s, Attempts %d: %d requests, want %d", name, attempts, n, want)
				}
				if se, ok := errors.AsType[*sumo.SendError](o.Err); !ok || se.Class != sumo.Unavailable || se.Status != step.Status {
					t.Errorf("%s: Err is %v", name, o.Err)
				}
				if want := "no answer within 25s"; step.Kind == sumotest.Hang && !strings.Contains(o.Err.Error(), want) {
					t.Errorf("Err is %v, want %q in it", o.Err, want)
				}
			})
		}
	}
}

func TestBackoffDoublesWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 50 {
			watch := &stopwatch{RoundTripper: sumotest.New(endless(sumotest.Step{Status: 503})...)}
			deliver(t.Context(), t, &sumo.Client{HTTP: over(watch), InitialBackoff: 100 * time.Millisecond, Attempts: 6}, "a")
			want := 100 * time.Millisecond
			for i, wait := range watch.backoffs() {
				if wait < want/2 || wait > want*3/2+1 { // backoff rounds up by a nanosecond
					t.Errorf("backoff %d is %s, want %s, plus or minus half", i, wait, want)
				}
				want *= 2
			}
			seen[watch.backoffs()[0]] = true
		}
		if len(seen) < 40 {
			t.Errorf("50 clients had only %d different backoffs: they would all retry at once", len(seen))
		}
	})
}

func TestBackoffIsAtMost10Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &stopwatch{RoundTripper: sumotest.New(endless(sumotest.Step{Status: 503})...)}
		deliver(t.Context(), t, &sumo.Client{HTTP: over(watch), Attempts: 50}, "a")
		seen := map[time.Duration]bool{}
		for i, wait := range watch.backoffs() {
			if wait > 10*time.Second {
				t.Fatalf("backoff %d is %s", i, wait)
			}
			if i > 6 && wait < 3*time.Second {
				t.Errorf("backoff %d is %s: it shrinks again", i, wait)
			}
			seen[wait] = true
		}
		if len(seen) < 20 {
			t.Errorf("49 backoffs of only %d lengths: there is no jitter", len(seen))
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{429, 503} {
			for _, tt := range []struct {
				name, header string
				least, most  time.Duration
			}{
				{"seconds", "7", 7 * time.Second, 7 * time.Second},
				{"date", "+7", 7 * time.Second, 7 * time.Second},
				{"shorter than the backoff", "1", 2 * time.Second, 6*time.Second + 1},
				{"zero", "0", 2 * time.Second, 6*time.Second + 1},
				{"negative", "-7", 2 * time.Second, 6*time.Second + 1},
				{"date gone by", "+-7", 2 * time.Second, 6*time.Second + 1},
				{"neither", "soon", 2 * time.Second, 6*time.Second + 1},
			} {
				if seconds, ok := strings.CutPrefix(tt.header, "+"); ok {
					d, _ := time.ParseDuration(seconds + "s")
					time.Sleep(time.Until(time.Now().Add(time.Second).Truncate(time.Second))) // HTTP dates have whole seconds
					tt.header = time.Now().Add(d).UTC().Format(http.TimeFormat)
				}
				watch := &stopwatch{RoundTripper: sumotest.New(sumotest.Step{Status: status, RetryAfter: tt.header})}
				deliver(t.Context(), t, &sumo.Client{HTTP: over(watch), InitialBackoff: 4 * time.Second}, "a")
				if p := watch.backoffs(); len(p) != 1 || p[0] < tt.least || p[0] > tt.most {
					t.Errorf("%d, %s: backoffs %v, want %s to %s", status, tt.name, p, tt.least, tt.most)
				}
			}
		}
	})
}

func TestRetryAfterCountsForTheNextAttemptOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &stopwatch{RoundTripper: sumotest.New(sumotest.Step{Status: 429, RetryAfter: "60"}, sumotest.Step{Status: 503})}
		deliver(t.Context(), t, &sumo.Client{HTTP: over(watch), InitialBackoff: time.Millisecond}, "a")
		if p := watch.backoffs(); len(p) != 2 || p[0] != time.Minute || p[1] > time.Second {
			t.Errorf("backoffs %v", p)
		}
	})
}

func TestRetryAfterBeyondTheDeadlineEndsTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []string{"60", "10", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)} {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			source := sumotest.New(sumotest.Step{Status: 429, RetryAfter: after})
			o := deliver(ctx, t, &sumo.Client{HTTP: over(source)}, "a")
			cancel()
			if n := len(source.Requests()); n != 1 || time.Since(start) != 0 || len(o.Unconfirmed) != 1 {
				t.Errorf("Retry-After %s: %d requests in %s: %+v", after, n, time.Since(start), o)
			}
		}
	})
}

func TestNoAttemptStartsAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 30 { // the jitter differs each time
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			watch := &stopwatch{RoundTripper: sumotest.New(endless(sumotest.Step{Status: 503})...)}
			o := deliver(ctx, t, &sumo.Client{HTTP: over(watch), Attempts: 100, MaxBody: 1, InFlight: 2}, "a", "b", "c", "d")
			cancel()
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			if len(watch.at) < 4 {
				t.Errorf("only %d attempts in 5 s", len(watch.at))
			}
			for _, at := range watch.at {
				if at.Sub(start) >= 5*time.Second {
					t.Errorf("an attempt after %s", at.Sub(start))
				}
			}
			if d := cmp.Diff([]int{0, 1, 2, 3}, o.Unconfirmed); d != "" {
				t.Errorf("unconfirmed (-want +got):\n%s", d)
			}
		}
	})
}

func TestHangingSourceIsGivenUpAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		source := sumotest.New(endless(sumotest.Step{Kind: sumotest.Hang})...)
		o := deliver(ctx, t, &sumo.Client{HTTP: over(source), MaxBody: 1, InFlight: 2}, "a", "b", "c", "d", "e")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %s, want 2s", took)
		}
		if sumo.ClassOf(o.Err) != sumo.OutOfTime || len(o.Unconfirmed) != 5 || o.Bodies != 5 {
			t.Errorf("%+v", o)
		}
		if n := len(source.Requests()); n != 2 {
			t.Errorf("%d requests, want the 2 that were in flight", n)
		}
	})
}

func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		source := sumotest.New()
		d := begin(t, (&sumo.Client{HTTP: over(source), MaxBody: 1}), ctx, endpoint(t, address, ""))
		time.Sleep(2 * time.Second)
		for i := range 20 {
			d.Add(sumo.Source{}, i, []byte("a"))
		}
		o := d.Wait()
		if n := len(source.Requests()); n != 0 || len(o.Unconfirmed) != 20 || sumo.ClassOf(o.Err) != sumo.OutOfTime {
			t.Errorf("%d requests: %+v", n, o)
		}
	})
}

func TestCancellingEndsTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		source := sumotest.New(sumotest.Step{Status: 429, RetryAfter: "3600"})
		o := deliver(ctx, t, &sumo.Client{HTTP: over(source)}, "a")
		if n := len(source.Requests()); n != 1 || time.Since(start) != time.Second || len(o.Unconfirmed) != 1 {
			t.Errorf("%d requests in %s: %+v", n, time.Since(start), o)
		}
	})
}

// A warning in a 2xx response is logged and changes nothing else.
func TestWarningsInAnswersAreLogged(t *testing.T) {
	type warning struct {
		Status  int    `json:"status"`
		Code    string `json:"code"`
		Warning string `json:"warning"`
	}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   *warning
	}{
		{"code and message", 200, `{"id":"A","code":"budget","message":"over it"}`, &warning{200, "budget", "over it"}},
		{"message alone", 200, `{"message":"over it"}`, &warning{200, "", "over it"}},
		{"errors", 200, ` {"id":"A","errors":[{"code":"budget","message":"over it"}]}` + "\n", &warning{200, "budget", "over it"}},
		{"with a status", 200, `{"status":200,"id":"A","code":"budget","message":"over it"}`, &warning{200, "budget", "over it"}},
		{"with a number as id", 200, `{"id":7,"code":"budget","message":"over it"}`, &warning{200, "budget", "over it"}},
		{"202", 202, `{"code":"budget","message":"over it"}`, &warning{202, "budget", "over it"}},
		{"control characters", 200, `{"code":"a\nb","message":"c\r\nd\u0000\u007f"}`, &warning{200, "a b", "c  d"}},
		{"a long one", 200, `{"code":"` + strings.Repeat("c", 101) + `","message":"` + strings.Repeat("é", 201) + `"}`,
			&warning{200, strings.Repeat("c", 100), strings.Repeat("é", 200)}},
		{"empty", 200, "", nil},
		{"204", 204, "", nil},
		{"text", 200, "OK {}", nil},
		{"HTML", 200, "<html><body>code: message</body></html>", nil},
		{"empty object", 200, "{}", nil},
		{"no errors", 200, `{"id":"A","errors":[]}`, nil},
		{"array", 200, `[{"code":"a","message":"b"}]`, nil},
		{"broken", 200, `{"code":"a","message":"b"`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			source := sumotest.New(sumotest.Step{Status: tt.status, Body: tt.body})
			c := &sumo.Client{HTTP: over(source), Log: slog.New(slog.NewJSONHandler(&log, nil))}
			if o := deliver(t.Context(), t, c, "a"); o.Confirmed != 1 || o.Err != nil || o.Attempts["2xx"] != 1 || (o.Warnings == 1) != (tt.want != nil) {
				t.Errorf("%+v", o)
			}
			var got *warning
			if log.Len() > 0 {
				got = new(warning)
				if err := json.Unmarshal(log.Bytes(), got); err != nil {
					t.Fatalf("not one line of JSON: %v\n%s", err, &log)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("warning (-want +got):\n%s", d)
			}
		})
	}
}

// The status alone confirms the data; sending it again would duplicate it.
func TestStatus200CountsWhateverItsBody(t *testing.T) {
	for name, body := range map[string]func(context.Context) io.Reader{
		"breaks off": func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader(`{"code":`), iotest.ErrReader(io.ErrUnexpectedEOF))
		},
		"hangs": func(ctx context.Context) io.Reader {
			return readerFunc(func([]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		},
		"has no end": func(context.Context) io.Reader {
			return readerFunc(func(p []byte) (int, error) { return len(p), nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				c := &sumo.Client{HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
					requests++
					_, _ = io.Copy(io.Discard, r.Body)
					r.Body.Close()
					return &http.Response{StatusCode: 200, Body: io.NopCloser(body(r.Context()))}, nil
				}))}
				if o := deliver(t.Context(), t, c, "a"); o.Confirmed != 1 || o.Err != nil || requests != 1 {
					t.Errorf("%d requests: %+v", requests, o)
				}
			})
		})
	}
}

// What a source confirms before it has got all of it may never arrive.
func TestConfirmationBeforeTheWholeBodyDoesNotCount(t *testing.T) {
	for name, c := range map[string]struct {
		reads     func(size int64) int64 // how much of a body, the first time
		again     bool                   // the HTTP client then sends it anew, on another connection
		confirmed int
	}{
		"nothing read":             {reads: func(int64) int64 { return 0 }},
		"half":                     {reads: func(size int64) int64 { return size / 2 }},
		"all but a byte":           {reads: func(size int64) int64 { return size - 1 }},
		"all":                      {reads: func(size int64) int64 { return size }, confirmed: 1},
		"half, and then all of it": {reads: func(size int64) int64 { return size / 2 }, again: true, confirmed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			client := &sumo.Client{Attempts: 1, HTTP: over(roundTripper(func(r *http.Request) (*http.Response, error) {
				_, err := io.CopyN(io.Discard, r.Body, c.reads(r.ContentLength))
				if c.again {
					r.Body.Close()
					body, openErr := r.GetBody()
					err = errors.Join(err, openErr)
					_, copyErr := io.Copy(io.Discard, body)
					err = errors.Join(err, copyErr, body.Close())
				}
				if err != nil {
					t.Error(err)
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}))}
			o := deliver(t.Context(), t, client, "a record")
			if o.Confirmed != c.confirmed {
				t.Errorf("%+v", o)
			}
			if c.confirmed == 0 && (sumo.ClassOf(o.Err) != sumo.Unavailable || o.Attempts["none"] != 1) {
				t.Errorf("%+v", o)
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestClientNameAndTokenAreSent(t *testing.T) {
	for _, tt := range []struct{ name, token string }{{"", ""}, {"sumoship", ""}, {"", "S3CRET"}, {"sumoship", "S3CRET"}} {
		source := sumotest.New()
		d := begin(t, (&sumo.Client{HTTP: over(source), Name: tt.name}), t.Context(), endpoint(t, "https://collectors.example.com/receiver/v1/http?a=b#c", tt.token))
		d.Add(sumo.Source{}, 0, []byte("a"))
		d.Wait()
		want := map[string]string{}
		if tt.name != "" {
			want["X-Sumo-Client"] = tt.name
		}
		if tt.token != "" {
			want["X-Sumo-Token"] = tt.token
		}
		r := source.Requests()[0]
		if d := cmp.Diff(want, sumoHeaders(r.Header)); d != "" {
			t.Errorf("headers (-want +got):\n%s", d)
		}
		if r.URI != "/receiver/v1/http?a=b" {
			t.Errorf("posted to %s", r.URI)
		}
	}
}

// A source cannot hold a delivery for longer than MaxRetryAfter, whatever it asks for.
func TestRetryAfterIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []string{"300", "301", "86400", "9999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
			watch := &stopwatch{RoundTripper: sumotest.New(sumotest.Step{Status: 429, RetryAfter: after})}
			breaker := &sumo.Breaker{}
			o := deliver(t.Context(), t, &sumo.Client{HTTP: over(watch), Breaker: breaker}, "a")
			if p := watch.backoffs(); len(p) != 1 || p[0] != sumo.MaxRetryAfter || o.Confirmed != 1 {
				t.Errorf("Retry-After %s: backoffs %v, %+v", after, p, o)
			}

			source := sumotest.New(sumotest.Step{Status: 429, RetryAfter: after})
			o = deliver(t.Context(), t, &sumo.Client{HTTP: over(source), Breaker: breaker, Attempts: 1}, "a")
			if _, left := breaker.State(); left < sumo.MaxRetryAfter || left > sumo.MaxRetryAfter*5/4+1 {
				t.Errorf("Retry-After %s: the breaker is open for %s", after, left)
			}
			if want := "retry after 5m0s"; o.Err == nil || !strings.Contains(o.Err.Error(), want) {
				t.Errorf("Retry-After %s: %v does not say %q", after, o.Err, want)
			}
		}
	})
}
