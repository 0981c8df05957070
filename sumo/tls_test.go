package sumo_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo"
	"sumoship/sumo/sumotest"
)

// startTLS starts s and returns a client of NewHTTP that trusts it.
func startTLS(t *testing.T, s *httptest.Server, inFlight int) *http.Client {
	t.Helper()
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	h := sumo.NewHTTP(inFlight)
	t.Cleanup(h.CloseIdleConnections)
	ours, trusting := h.Transport.(*http.Transport), s.Client().Transport.(*http.Transport)
	if ours.TLSClientConfig == nil {
		ours.TLSClientConfig = trusting.TLSClientConfig.Clone()
		ours.TLSClientConfig.NextProtos = nil
	}
	ours.TLSClientConfig.RootCAs = trusting.TLSClientConfig.RootCAs
	return h
}

// Sumo Logic's servers may offer HTTP/2.
func TestDeliveryOverTLS(t *testing.T) {
	reset, lost := sumotest.Step{Kind: sumotest.Reset}, sumotest.Step{Kind: sumotest.Lost}
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 offered %t", http2), func(t *testing.T) {
			broken := []sumotest.Step{reset, lost}
			source := sumotest.New(slices.Concat(sumotest.Statuses(200, 503, 200), broken, sumotest.Statuses(429, 200), broken)...)
			server := httptest.NewUnstartedServer(source)
			server.EnableHTTP2 = http2
			h := startTLS(t, server, 3)
			c := &sumo.Client{HTTP: h, InFlight: 3, MaxBody: 200, InitialBackoff: time.Millisecond, Timeout: 10 * time.Second}
			d := begin(t, c, t.Context(), endpoint(t, server.URL+"/S3CRET", ""))
			var want []string
			for i := range 300 {
				want = append(want, fmt.Sprintf("record %03d", i))
				d.Add(sumo.Source{}, i, []byte(want[i]))
			}
			o := d.Wait()
			if o.Confirmed != 300 || o.Err != nil || o.Attempts["none"] != 4 {
				t.Fatalf("%+v", o)
			}
			taken := source.Taken()
			if len(taken) <= 300 {
				t.Errorf("%d records were taken: lost answers make some come twice", len(taken))
			}
			slices.Sort(taken)
			if d := cmp.Diff(want, slices.Compact(taken)); d != "" {
				t.Errorf("records taken (-want +got):\n%s", d)
			}
		})
	}
}

func TestConnectionsAreFewAndReused(t *testing.T) {
	var mu sync.Mutex
	fresh := 0
	source := sumotest.New()
	server := httptest.NewUnstartedServer(source)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if s == http.StateNew {
			fresh++
		}
	}
	h := startTLS(t, server, 3)
	c := &sumo.Client{HTTP: h, InFlight: 3, MaxBody: 1}
	for range 2 {
		d := begin(t, c, t.Context(), endpoint(t, server.URL+"/S3CRET", ""))
		for i := range 50 {
			d.Add(sumo.Source{}, i, []byte("a"))
		}
		if o := d.Wait(); o.Confirmed != 50 {
			t.Fatalf("%+v", o)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if fresh < 1 || fresh > 3 {
		t.Errorf("%d connections for 100 bodies, 3 at once", fresh)
	}
}

// A client that followed would send a GET without the records, and take its 200 for
// a confirmation.
func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var mu sync.Mutex
		var seen []string
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, r.Method+" "+r.URL.Path)
			if r.URL.Path != "/elsewhere" {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}
		}))
		h := startTLS(t, server, 1)
		d := begin(t, (&sumo.Client{HTTP: h}), t.Context(), endpoint(t, server.URL+"/S3CRET", ""))
		d.Add(sumo.Source{}, 0, []byte("a"))
		o := d.Wait()
		mu.Lock()
		if d := cmp.Diff([]string{"POST /S3CRET"}, seen); d != "" || o.Confirmed != 0 || sumo.ClassOf(o.Err) != sumo.Misconfigured {
			t.Errorf("%d: %+v (-want +got):\n%s", status, o, d)
		}
		mu.Unlock()
	}
}

// A server that answers 200 at once and reads no further confirms nothing of a body that
// is still on its way. (What lies in the buffers of the system no client can tell from
// what has arrived.)
func TestServerThatAnswersBeforeItReads(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	requests := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // the test is over
			}
			defer conn.Close()
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				t.Error(err)
			}
			requests <- struct{}{}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // the client may be gone
		}
	}()
	c := &sumo.Client{NoCompression: true, MaxBody: 64 << 20, Attempts: 2, InitialBackoff: time.Millisecond}
	d := begin(t, c, t.Context(), endpoint(t, "http://"+ln.Addr().String(), ""))
	d.Add(sumo.Source{}, 0, make([]byte, 32<<20)) // more than the buffers of the system hold
	o := d.Wait()
	if o.Confirmed != 0 || len(requests) != 2 || sumo.ClassOf(o.Err) != sumo.Unavailable || !strings.Contains(o.Err.Error(), "before it had the whole body") {
		t.Errorf("%d requests: %+v", len(requests), o)
	}
}

// The zero Client works.
func TestZeroClientDeliversOverHTTP(t *testing.T) {
	for _, plain := range []bool{false, true} {
		source := sumotest.New(sumotest.Step{Kind: sumotest.Reset})
		server := httptest.NewServer(source)
		defer server.Close()
		d := begin(t, (&sumo.Client{NoCompression: plain}), t.Context(), endpoint(t, server.URL, ""))
		d.Add(sumo.Source{Name: "a"}, 0, []byte("a"))
		d.Add(sumo.Source{Name: "b"}, 1, nil)
		if o := d.Wait(); o.Confirmed != 2 || len(source.Requests()) != 3 {
			t.Errorf("plain %t: %+v", plain, o)
		}
	}
}

// One lost packet would delay all requests of an HTTP/2 connection.
func TestHTTP2IsNotUsed(t *testing.T) {
	var protocols []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocols = append(protocols, r.Proto) }))
	server.EnableHTTP2 = true
	h := startTLS(t, server, 1)
	d := begin(t, &sumo.Client{HTTP: h}, t.Context(), endpoint(t, server.URL+"/S3CRET", ""))
	d.Add(sumo.Source{}, 0, []byte("a"))
	o := d.Wait()
	if diff := cmp.Diff([]string{"HTTP/1.1"}, protocols); diff != "" || o.Confirmed != 1 {
		t.Errorf("%v (-want +got):\n%s", o.Err, diff)
	}
}
