package sumo_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

// guarded returns a client with a breaker, over a source.
func guarded(source http.RoundTripper) *sumo.Client {
	return &sumo.Client{HTTP: over(source), Attempts: 3, Timeout: 10 * time.Second, Budget: 10 * time.Second, Breaker: new(sumo.Breaker)}
}

// attempt delivers one record, and reports whether it was tried.
func attempt(t *testing.T, c *sumo.Client) (o sumo.Outcome, tried bool) {
	t.Helper()
	d, err := c.Begin(t.Context(), endpoint(t, address, ""))
	if err != nil {
		if !errors.Is(err, sumo.ErrOpen) {
			t.Fatalf("error %v, want ErrOpen in it", err)
		}
		return o, false
	}
	d.Add(sumo.Source{}, 0, []byte("a"))
	return d.Wait(), true
}

func state(t *testing.T, c *sumo.Client, want sumo.BreakerState) (left time.Duration) {
	t.Helper()
	got, left := c.Breaker.State()
	if got != want || (left > 0) != (want == sumo.Open) {
		t.Errorf("the breaker is %s, want %s", got, want)
	}
	return left
}

func TestBreakerOpensAndCloses(t *testing.T) {
	for name, step := range map[string]sumotest.Step{
		"503": {Status: 503}, "429": {Status: 429}, "408": {Status: 408}, "reset": {Kind: sumotest.Reset}, "hang": {Kind: sumotest.Hang},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := sumotest.New(endless(step)[:5]...)
				c := guarded(source)
				state(t, c, sumo.Closed)
				start := time.Now()
				o, _ := attempt(t, c)
				requests := len(source.Requests())
				if want := 3; o.Err == nil || name != "hang" && requests != want || name == "hang" && requests != 1 {
					t.Fatalf("%d requests, outcome %+v", requests, o)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("the first delivery took %s", took)
				}
				left := state(t, c, sumo.Open)
				pause := sumo.DefaultPause
				if step.Status != 0 && step.Status != http.StatusTooManyRequests {
					pause /= 32
				}
				if left < pause/2 || left > pause*3/2 {
					t.Errorf("open for %s, want %s give or take half", left, pause)
				}
				if _, tried := attempt(t, c); tried || len(source.Requests()) != requests {
					t.Error("tried while open")
				}
				for len(source.Requests()) < 5 {
					time.Sleep(left)
					before := len(source.Requests())
					state(t, c, sumo.Probing)
					if o, tried := attempt(t, c); !tried || o.Err == nil || len(source.Requests()) != before+1 {
						t.Fatalf("probe: tried %t, %d requests, %+v", tried, len(source.Requests())-before, o)
					}
					left = state(t, c, sumo.Open)
				}
				time.Sleep(left)
				if o, tried := attempt(t, c); !tried || o.Confirmed != 1 {
					t.Fatalf("the source is back: tried %t, %+v", tried, o)
				}
				state(t, c, sumo.Closed)
			})
		})
	}
}

// Probes are short, and now and then one is patient.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := sumotest.New(endless(sumotest.Step{Kind: sumotest.Hang})...)
		c := guarded(source)
		c.Breaker = &sumo.Breaker{Probe: 2 * time.Second}
		attempt(t, c)
		patient := 0
		for i := range 64 {
			left, want := state(t, c, sumo.Open), time.Minute
			if i == 0 {
				want = 30 * time.Second
			}
			if left < want/2 || left > want*3/2 {
				t.Errorf("pause %d: %s, want %s give or take half", i, left, want)
			}
			time.Sleep(left)
			start := time.Now()
			_, tried := attempt(t, c)
			switch took := time.Since(start); {
			case !tried:
				t.Errorf("probe %d was not tried", i)
			case took == 10*time.Second:
				patient++
			case took != 2*time.Second:
				t.Errorf("probe %d took %s", i, took)
			}
		}
		if patient != 8 {
			t.Errorf("%d of 64 probes were patient, want 8", patient)
		}
	})
}

// A source that has become slow, but works, is found again.
func TestSlowSourceIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := sumotest.New(sumotest.Statuses(503, 503, 503)...)
		c := guarded(roundTripper(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(5 * time.Second):
				return source.RoundTrip(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}))
		c.Budget, c.Breaker = 0, &sumo.Breaker{Probe: 2 * time.Second}
		attempt(t, c)
		for range 100 {
			_, left := c.Breaker.State()
			time.Sleep(left)
			if o, _ := attempt(t, c); o.Confirmed == 1 {
				state(t, c, sumo.Closed)
				return
			}
		}
		t.Error("a source that answers after 5 s was never found again")
	})
}

func TestRetryAfterSetsThePause(t *testing.T) {
	for _, tt := range []struct {
		header      string
		least, most time.Duration
	}{
		{"60", time.Minute, 75 * time.Second},
		{"31536000", sumo.MaxRetryAfter, sumo.MaxRetryAfter * 5 / 4},
		{"Fri, 31 Dec 9999 23:59:59 GMT", sumo.MaxRetryAfter, sumo.MaxRetryAfter * 5 / 4},
		{"1", 15 * time.Second, 45 * time.Second},
		{"-5", 15 * time.Second, 45 * time.Second},
		{"99999999999999999999", 15 * time.Second, 45 * time.Second},
		{"soon", 15 * time.Second, 45 * time.Second},
		{"Mon, 01 Jan 1900 00:00:00 GMT", 15 * time.Second, 45 * time.Second},
	} {
		t.Run(tt.header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := guarded(sumotest.New(endless(sumotest.Step{Status: 429, RetryAfter: tt.header})...))
				start := time.Now()
				if o, _ := attempt(t, c); sumo.ClassOf(o.Err) != sumo.Throttled {
					t.Errorf("%+v", o)
				}
				if took := time.Since(start); took > c.Budget {
					t.Errorf("waited %s in the invocation", took)
				}
				if left := state(t, c, sumo.Open); left < tt.least || left > tt.most {
					t.Errorf("open for %s, want %s to %s", left, tt.least, tt.most)
				}
			})
		})
	}
}

// What does not say that the source is unavailable does not open the breaker.
func TestBreakerStaysClosed(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := guarded(sumotest.New(sumotest.Statuses(400, 401, 403, 404, 302)...))
			for range 5 {
				if o, tried := attempt(t, c); !tried || o.Err == nil {
					t.Errorf("tried %t, %+v", tried, o)
				}
				state(t, c, sumo.Closed)
			}
		})
	})
	t.Run("a short deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			source := sumotest.New()
			c := guarded(roundTripper(func(r *http.Request) (*http.Response, error) {
				time.Sleep(400 * time.Millisecond)
				return source.RoundTrip(r)
			}))
			c.MaxBody, c.InFlight = 1, 1
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if o := deliver(ctx, t, c, "a", "b", "c", "d"); o.Confirmed == 0 || sumo.ClassOf(o.Err) != sumo.OutOfTime {
				t.Errorf("%+v", o)
			}
			state(t, c, sumo.Closed)
		})
	})
	t.Run("no time to try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := guarded(sumotest.New())
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			deliver(ctx, t, c, "a")
			state(t, c, sumo.Closed)
		})
	})
}

// That the first bodies were confirmed does not excuse a source that then fails.
func TestBreakerOpensInTheMiddleOfADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := guarded(sumotest.New(sumotest.Statuses(200, 503, 503, 503)...))
		c.MaxBody, c.InFlight = 1, 1
		if o := deliver(t.Context(), t, c, "a", "b", "c"); o.Confirmed != 1 || sumo.ClassOf(o.Err) != sumo.Unavailable {
			t.Errorf("%+v", o)
		}
		state(t, c, sumo.Open)
	})
}

// An open breaker and a probe that gets no time: the next delivery probes.
func TestProbeWithoutTimeIsNotSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := guarded(sumotest.New(sumotest.Statuses(503, 503, 503)...))
		attempt(t, c)
		time.Sleep(state(t, c, sumo.Open))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		deliver(ctx, t, c, "a")
		state(t, c, sumo.Probing)
		if o, tried := attempt(t, c); !tried || o.Confirmed != 1 {
			t.Errorf("tried %t, %+v", tried, o)
		}
	})
}

// Of several deliveries one is the probe, whatever the others do.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := sumotest.New(append(sumotest.Statuses(503, 503, 503), sumotest.Step{Kind: sumotest.Hang})...)
		c := guarded(source)
		attempt(t, c)
		time.Sleep(state(t, c, sumo.Open))
		var wg sync.WaitGroup
		var mu sync.Mutex
		tries := 0
		for range 10 {
			wg.Go(func() {
				if _, tried := attempt(t, c); tried {
					mu.Lock()
					tries++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		_, err := c.Begin(t.Context(), endpoint(t, address, ""))
		if sumo.ClassOf(err) != sumo.Unavailable || !errors.Is(err, sumo.ErrOpen) || !strings.Contains(err.Error(), "another delivery is trying") {
			t.Errorf("beside the probe: %v", err)
		}
		wg.Wait()
		if tries != 1 {
			t.Errorf("%d deliveries tried, want 1", tries)
		}
		state(t, c, sumo.Open)
	})
}

func TestErrOpenSaysWhyAndHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := guarded(sumotest.New(endless(sumotest.Step{Status: 503})...))
		attempt(t, c)
		_, err := c.Begin(t.Context(), endpoint(t, address, ""))
		if sumo.ClassOf(err) != sumo.Unavailable || !errors.Is(err, sumo.ErrOpen) {
			t.Fatal(err)
		}
		for _, want := range []string{"not tried for another ", "503 Service Unavailable"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q, want %q in it", err, want)
			}
		}
		if strings.Contains(err.Error(), "S3CRET") {
			t.Error("the error shows the endpoint")
		}
	})
}

// A source that flaps every few seconds costs a pause each time it is met down,
// and nothing while it is up.
func TestBreakerOfAFlappingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		requests := 0
		c := guarded(roundTripper(func(r *http.Request) (*http.Response, error) {
			requests++
			_, _ = io.Copy(io.Discard, r.Body)
			status := http.StatusOK
			if int(time.Since(start)/(3*time.Second))%2 == 1 {
				status = http.StatusServiceUnavailable
			}
			return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
		}))
		confirmed, tries := 0, 0
		for range 3600 {
			o, tried := attempt(t, c)
			confirmed += o.Confirmed
			if tried {
				tries++
			}
			time.Sleep(time.Second)
		}
		if requests > 2*tries || confirmed < tries/3 {
			t.Errorf("%d requests in %d deliveries that tried, %d confirmed", requests, tries, confirmed)
		}
	})
}
