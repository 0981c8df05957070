package sumotest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sumoship/sumo/sumotest"
)

func TestParseScript(t *testing.T) {
	reset, lost, hang := sumotest.Step{Kind: sumotest.Reset}, sumotest.Step{Kind: sumotest.Lost}, sumotest.Step{Kind: sumotest.Hang}
	for script, want := range map[string][]sumotest.Step{
		"":                     nil,
		" , ,":                 nil,
		"200":                  {{Status: 200}},
		"599":                  {{Status: 599}},
		"503x3,429,reset,hang": {{Status: 503}, {Status: 503}, {Status: 503}, {Status: 429}, reset, hang},
		" lostx2 , reset ,":    {lost, lost, reset},
		"hangx1":               {hang},
	} {
		got, err := sumotest.ParseScript(script)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", script, err, d)
		}
	}
	for script, want := range map[string]string{
		"what":                     "want a status",
		"199":                      "want a status",
		"600":                      "want a status",
		"-503":                     "want a status",
		"limit":                    "want a status", // a script cannot give its size
		"Reset":                    "want a status",
		"x3":                       "want a status",
		"503 429":                  "want a status",
		"503 x3":                   "want a status",
		"503x":                     "want a count",
		"503x0":                    "want a count",
		"503x-1":                   "want a count",
		"503x1.5":                  "want a count",
		"503x3x3":                  "want a count",
		"resetxx":                  "want a count",
		"503x1000001":              "want a count",
		"503x99999999999999999999": "want a count",
	} {
		steps, err := sumotest.ParseScript("200," + script + ",200")
		if err == nil || steps != nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+script+`"`) {
			t.Errorf("%q: %d steps, %v", script, len(steps), err)
		}
	}
}

func FuzzParseScript(f *testing.F) {
	for _, s := range []string{"", "503x3,429,reset,hang", "lostx2", "x", "200x", "x,x,", "é,200", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		if strings.Count(script, "x")*len(script) > 200 {
			t.Skip("a million steps for each word take a lot of memory")
		}
		steps, err := sumotest.ParseScript(script)
		if err != nil && steps != nil {
			t.Error("both steps and an error")
		}
		for _, s := range steps {
			if (s.Kind == sumotest.Answer) != (s.Status >= 200 && s.Status < 600) {
				t.Fatalf("step %+v", s)
			}
		}
	})
}

func post(ctx context.Context, t *testing.T, h *http.Client, url, encoding, body string) (*http.Response, error) {
	t.Helper()
	if encoding == "gzip" {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, body)
		w.Close()
		body = b.String()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Sumo-Name", "n")
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	return h.Do(req)
}

// A source does the same with and without a network.
func TestSourceFollowsItsScript(t *testing.T) {
	script := []sumotest.Step{
		{Status: 503}, {Status: 429, RetryAfter: "7", Body: "slow down"}, {Kind: sumotest.Reset}, {Kind: sumotest.Lost}, {Status: 204},
		{Kind: sumotest.Limit, Over: 4},
	}
	bodies := []string{"one", "two", "three", "four\n4", "five", "", "six!", "seven", "eigh", "nine\n"}
	want := []sumotest.Request{
		{Status: 503}, {Status: 429}, {}, {Taken: true}, {Status: 204, Taken: true},
		{Status: 200, Taken: true}, {Status: 200, Taken: true}, {Status: 413}, {Status: 200, Taken: true}, {Status: 413},
	}
	for _, network := range []bool{false, true} {
		for _, encoding := range []string{"", "gzip"} {
			source := sumotest.New(script...)
			h, url := &http.Client{Transport: source}, "http://localhost"
			if network {
				address, stop, err := source.Serve()
				if err != nil {
					t.Fatal(err)
				}
				defer stop()
				// A reused connection would be replaced silently.
				h, url = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, address
			}
			for i, body := range bodies {
				resp, err := post(t.Context(), t, h, url+"/S3CRET?a=b", encoding, body)
				if want[i].Status == 0 {
					if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
						t.Errorf("network %t, %q: %v", network, body, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				answer, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != want[i].Status || want[i].Status == 429 && (string(answer) != "slow down" || resp.Header.Get("Retry-After") != "7") {
					t.Errorf("network %t, %q: %d %q", network, body, resp.StatusCode, answer)
				}
			}
			got := source.Requests()
			if d := cmp.Diff(want, got, cmpopts.IgnoreFields(sumotest.Request{}, "Header", "URI", "Body", "Wire")); d != "" {
				t.Errorf("network %t (-want +got):\n%s", network, d)
			}
			for i, r := range got {
				if string(r.Body) != bodies[i] || !strings.HasSuffix(r.URI, "/S3CRET?a=b") || r.Header.Get("X-Sumo-Name") != "n" ||
					encoding == "" && r.Wire != len(bodies[i]) {
					t.Errorf("network %t: %+v", network, r)
				}
			}
			if d := cmp.Diff([]string{"four", "4", "five", "six!", "eigh"}, source.Taken()); d != "" {
				t.Errorf("network %t (-want +got):\n%s", network, d)
			}
		}
	}
}

func TestSourceAnswers200AfterItsScript(t *testing.T) {
	source := sumotest.New(sumotest.Statuses(503, 429)...)
	for i, want := range []int{503, 429, 200, 200, 200} {
		resp, err := post(t.Context(), t, &http.Client{Transport: source}, "http://localhost", "", "a")
		if err != nil || resp.StatusCode != want {
			t.Errorf("request %d: %v, %v", i, resp, err)
		}
	}
}

func TestSourceRefusesWhatIsNotGzip(t *testing.T) {
	source := sumotest.New()
	server := httptest.NewServer(source)
	defer server.Close()
	req, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader("not gzip"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || len(source.Requests()) != 0 {
		t.Errorf("%s, %d requests", resp.Status, len(source.Requests()))
	}
	if _, err := source.RoundTrip(req.Clone(t.Context())); err == nil {
		t.Error("no error without a network")
	}
}

func TestHangLastsUntilTheClientOrTheSourceEndsIt(t *testing.T) {
	hang := sumotest.Step{Kind: sumotest.Hang}
	synctest.Test(t, func(t *testing.T) {
		source := sumotest.New(hang, hang)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := post(ctx, t, &http.Client{Transport: source}, "http://localhost", "", "a")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		time.AfterFunc(time.Minute, source.Close)
		if _, err := post(t.Context(), t, &http.Client{Transport: source}, "http://localhost", "", "a"); err == nil || time.Since(start) != 2*time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if taken := source.Taken(); taken != nil {
			t.Errorf("taken: %q", taken)
		}
	})
	source := sumotest.New(hang, hang)
	server := httptest.NewServer(source)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := post(ctx, t, server.Client(), server.URL, "", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over a network: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, source.Close)
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := post(ctx, t, server.Client(), server.URL, "", "a"); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("of a source that was closed: %v", err)
	}
}

// A client reuses its buffer once the body is closed.
func TestRoundTripClosesTheBody(t *testing.T) {
	for _, step := range []sumotest.Step{{Status: 200}, {Status: 503}, {Kind: sumotest.Reset}, {Kind: sumotest.Lost}} {
		body := &closer{Reader: strings.NewReader("a")}
		req := httptest.NewRequest(http.MethodPost, "/", body)
		sumotest.New(step).RoundTrip(req)
		if !body.closed {
			t.Errorf("%+v: the body is still open, against what http.RoundTripper promises", step)
		}
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }
