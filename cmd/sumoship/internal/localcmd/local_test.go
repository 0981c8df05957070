package localcmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
)

// The totals add up whatever fails, and agree with the exit status.
func TestLocalAddsUp(t *testing.T) {
	broken := t.TempDir() + "/broken.json"
	if err := os.WriteFile(broken, []byte(`{"awslogs":{"data":"H4sIAAAA"}} {"foo":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args         []string
		status       int
		deadLettered bool
	}{
		"all well":     {nil, cli.ExitOK, false},
		"retry":        {[]string{"--fail", "503x3,429,reset,lost"}, cli.ExitOK, false},
		"outage":       {[]string{"--fail", "503x50"}, cli.ExitOK, true},
		"gone":         {[]string{"--fail", "404x50"}, cli.ExitOK, true},
		"refused":      {[]string{"--fail", "400"}, cli.ExitOK, true},
		"too large":    {[]string{"--fail", "413x20"}, cli.ExitOK, true},
		"broken input": {[]string{broken}, cli.ExitUsage, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := run(context.Background(), append([]string{"local", "--json"}, c.args...),
				cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
			var result struct {
				Posts       []post
				DeadLetters []struct{ Class string }
				Total       ship.Report
			}
			if err := json.Unmarshal(out.Bytes(), &result); err != nil {
				t.Fatalf("%v in %s", err, out.String())
			}
			r := result.Total
			if status != c.status || r.Lost != 0 || r.DeadLettered > 0 != c.deadLettered || len(result.DeadLetters) > 0 != c.deadLettered {
				t.Errorf("status %d, %+v\n%s", status, r, errs.String())
			}
			if r.Events == 0 || r.Events != r.Confirmed+r.FilteredTotal()+r.DeadLettered+r.Quarantined+r.Lost {
				t.Errorf("does not add up: %+v", r)
			}
		})
	}
}

// With a real source, replay ends when it makes no progress: the built-in one goes
// on with its script.
func TestLocalReplayEndsAtARealSource(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(status)
		}))
		defer source.Close()
		ctx, cancel := context.WithCancel(t.Context()) // without a deadline, as a terminal
		defer time.AfterFunc(10*time.Second, cancel).Stop()
		var out, errs bytes.Buffer
		got := run(ctx, []string{"local", "--replay", "--endpoint", source.URL + "/" + leaktest.Secret},
			cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
		if got != cli.ExitFound || ctx.Err() != nil || !strings.Contains(out.String(), "retry after 5m0s") {
			t.Errorf("%d: exit status %d, %v\n%s%s", status, got, ctx.Err(), &out, &errs)
		}
	}
}

// The secret URL of a source appears in no output.
func TestLocalKeepsTheEndpointSecret(t *testing.T) {
	var out bytes.Buffer
	status := run(context.Background(), []string{"local", "--logs", "--endpoint", "http://127.0.0.1:1/receiver/v1/http/" + leaktest.Secret},
		cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(name string) string {
			return map[string]string{"NUMBER_OF_RETRIES": "0", "SUMO_TOKEN": leaktest.Token}[name]
		}})
	if status != cli.ExitFound || !strings.Contains(out.String(), "not delivered, and") || leaktest.Find(out.String()) != "" {
		t.Errorf("status %d\n%s", status, out.String())
	}
}

// A long input is read from standard input as aws logs filter-log-events writes
// it.
func TestLocalTakesFilterLogEvents(t *testing.T) {
	var in bytes.Buffer
	in.WriteString(`{"searchedLogStreams":[],"events":[`)
	for i := range 25_000 {
		if i > 0 {
			in.WriteByte(',')
		}
		stream := []string{"a", "b"}[i%2]
		b, _ := json.Marshal(map[string]any{"logStreamName": stream, "timestamp": i, "message": "line", "eventId": "x", "ingestionTime": i})
		in.Write(b)
	}
	in.WriteString("]}")
	var out, errs bytes.Buffer
	status := run(context.Background(), []string{"local", "-", "--log-group", "/ecs/g"}, cli.Streams{In: &in, Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	if status != cli.ExitOK || !strings.Contains(out.String(), "25000 = 25000 + 0 + 0 + 0") || !strings.Contains(out.String(), "X-Sumo-Host: /ecs/g") {
		t.Errorf("status %d\n%s%s", status, out.String(), errs.String())
	}
}

// A server can send back what it got in a form that nothing recognizes.
func TestLocalQuotesNoServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				io.Copy(io.Discard, r.Body)
				fmt.Fprintf(conn, "HTTP/1.1 %x %s\r\n\r\n", r.URL.Path, r.URL.Path[:len(r.URL.Path)-1])
			}
			conn.Close()
		}
	}()
	const secret = "SECRETPATH0123456789"
	for _, flags := range [][]string{nil, {"--json"}, {"--logs"}} {
		var out bytes.Buffer
		run(t.Context(), append([]string{"local", "--endpoint", "http://" + ln.Addr().String() + "/receiver/v1/http/" + secret}, flags...),
			cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(name string) string { return map[string]string{"NUMBER_OF_RETRIES": "0"}[name] }})
		for _, part := range []string{"SECRET", fmt.Sprintf("%x", "SECRET")} {
			if strings.Contains(out.String(), part) || !strings.Contains(out.String(), "not HTTP/1.1") {
				t.Errorf("%v: %s in\n%s", flags, part, out.String())
			}
		}
	}
}
