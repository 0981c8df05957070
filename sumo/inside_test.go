package sumo

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// The pause doubles, give or take half, up to twice that of the settings: from a 32nd of
// it if the source answered, from itself if not or if it throttles. It is at least, but
// not by much, what the source asks for.
func TestPauseOfTheBreaker(t *testing.T) {
	for _, tt := range []struct {
		breaker     *Breaker
		failure     SendError
		least, most time.Duration
	}{
		{&Breaker{failures: 1}, SendError{Class: Unavailable}, 15 * time.Second, 45 * time.Second},
		{&Breaker{failures: 1, Pause: 10 * time.Second}, SendError{Class: Unavailable}, 5 * time.Second, 15 * time.Second},
		{&Breaker{failures: 2}, SendError{Class: Unavailable}, 30 * time.Second, 90 * time.Second},
		{&Breaker{failures: 9}, SendError{Class: Unavailable}, 30 * time.Second, 90 * time.Second},
		{&Breaker{failures: 1}, SendError{Class: Unavailable, Status: 503}, DefaultPause / 64, DefaultPause * 3 / 64},
		{&Breaker{failures: 1, Pause: 32 * time.Second}, SendError{Class: Unavailable, Status: 503}, time.Second / 2, time.Second * 3 / 2},
		{&Breaker{failures: 2, Pause: 32 * time.Second}, SendError{Class: Unavailable, Status: 503}, time.Second, 3 * time.Second},
		{&Breaker{failures: 6, Pause: 32 * time.Second}, SendError{Class: Unavailable, Status: 503}, 16 * time.Second, 48 * time.Second},
		{&Breaker{failures: 7, Pause: 32 * time.Second}, SendError{Class: Unavailable, Status: 503}, 32 * time.Second, 96 * time.Second},
		{&Breaker{failures: 99, Pause: 32 * time.Second}, SendError{Class: Unavailable, Status: 503}, 32 * time.Second, 96 * time.Second},
		{&Breaker{failures: 1, Throttled: 4 * time.Second}, SendError{Class: Throttled, Status: 429}, 2 * time.Second, 6 * time.Second},
		{&Breaker{failures: 2, Throttled: 4 * time.Second}, SendError{Class: Throttled, Status: 429}, 4 * time.Second, 12 * time.Second},
		{&Breaker{failures: 99, Throttled: 4 * time.Second}, SendError{Class: Throttled, Status: 429}, 4 * time.Second, 12 * time.Second},
		{&Breaker{failures: 1, Throttled: 4 * time.Second}, SendError{Class: Unavailable}, 15 * time.Second, 45 * time.Second},
		{&Breaker{failures: 1}, SendError{Class: Throttled, Status: 429, RetryAfter: 100 * time.Second}, 100 * time.Second, 125 * time.Second},
	} {
		t.Run(fmt.Sprint(tt.least, tt.most), func(t *testing.T) {
			lowest, highest := time.Hour, time.Duration(0)
			for range 1000 {
				pause := tt.breaker.next(&tt.failure)
				lowest, highest = min(lowest, pause), max(highest, pause)
			}
			spread := (tt.most - tt.least) / 10
			if lowest < tt.least || lowest > tt.least+spread || highest > tt.most || highest < tt.most-spread {
				t.Errorf("%s to %s, want %s to %s", lowest, highest, tt.least, tt.most)
			}
		})
	}
}

// answering answers everything with 200.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func delivery(t *testing.T, c *Client) *Delivery {
	t.Helper()
	ep, err := ParseEndpoint("https://collectors.example.com/receiver/v1/http/S3CRET", "")
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP = &http.Client{Transport: answering{}}
	d, err := c.Begin(t.Context(), ep)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Beyond a bound of the open bodies a quarter of it is freed, and not more: what is sent
// early costs requests.
func TestRoomIsMadeByAQuarter(t *testing.T) {
	for name, tt := range map[string]struct{ maxBody, record, bytes, bodies int }{
		"bytes":  {maxBody: 1000, record: 99, bytes: 3000},
		"bodies": {maxBody: 1_000_000, record: 9, bodies: 750},
	} {
		t.Run(name, func(t *testing.T) {
			d := delivery(t, &Client{MaxBody: tt.maxBody})
			for i := range 1001 {
				d.Add(Source{Name: fmt.Sprint(i)}, i, make([]byte, tt.record))
				if len(d.open) <= i {
					break
				}
			}
			if got := len(d.open); tt.bodies > 0 && got != tt.bodies || tt.bytes > 0 && d.pending != tt.bytes {
				t.Errorf("%d bodies with %d bytes are left", got, d.pending)
			}
			d.Wait()
		})
	}
}

// The buffers of a body serve the next ones, over deliveries: without that each body of
// this test would take 100 KB and a gzip.Writer.
func TestBuffersAreReused(t *testing.T) {
	for _, plain := range []bool{false, true} {
		c := &Client{MaxBody: 100_000, InFlight: 1, NoCompression: plain}
		record := bytes.Repeat([]byte("x"), 50_000)
		deliver := func() {
			d := delivery(t, c)
			for i := range 10 {
				d.Add(Source{}, i, record)
			}
			if o := d.Wait(); o.Confirmed != 10 {
				t.Fatal(o.Err)
			}
		}
		deliver()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			deliver()
		}
		runtime.ReadMemStats(&after)
		if per := (after.TotalAlloc - before.TotalAlloc) / 100; per > 10_000 {
			t.Errorf("plain %t: %d bytes for a body", plain, per)
		}
	}
}
