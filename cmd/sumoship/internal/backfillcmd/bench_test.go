package backfillcmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"

	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/history"
	"sumoship/sumo"
	"sumoship/transform"
)

// confirms is an HTTP Source that takes everything.
type confirms struct{}

func (confirms) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	r.Body.Close()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// cpu is the time that the process has computed, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	s := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return s(u.Utime) + s(u.Stime)
}

// BenchmarkBackfill compares the CPU of a gzip export with that of the same log events
// through the forwarder, as CloudWatch Logs delivers them: it should be at most 1.3
// times as much.
func BenchmarkBackfill(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	words := []string{"GET", "POST", "/api/v1/orders", "timeout", "connected", "user", "cache", "hit", "miss", "query", "took", "retry"}
	var export, doc bytes.Buffer
	var events [][]byte
	begin := func() {
		doc.Reset()
		doc.WriteString(`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"/ecs/web","logStream":"s","logEvents":[`)
	}
	begin()
	raw := 0
	for i := range 100_000 {
		message := fmt.Sprintf(`{"level":"info","id":"%08x","msg":"%s %s %s %s","ms":%d}`, r.Uint32(), words[r.IntN(12)], words[r.IntN(12)], words[r.IntN(12)], words[r.IntN(12)], r.IntN(5000))
		raw += len(message)
		fmt.Fprintf(&export, "2026-10-02T03:04:05.%03dZ %s\n", i%1000, message)
		if doc.Bytes()[doc.Len()-1] != '[' {
			doc.WriteByte(',')
		}
		fmt.Fprintf(&doc, `{"id":"%056d","timestamp":%d,"message":%q}`, i, 1790910245000+i%1000, message)
		if doc.Len() > 1<<20 || i == 99_999 { // about what one delivery holds
			doc.WriteString("]}")
			events = append(events, transform.Pack(doc.Bytes()))
			begin()
		}
	}
	variables := map[string]string{"SUMO_ENDPOINT": "https://sumo.example.com/receiver/v1/http/X"}
	options := ship.Options{Env: function.Env{Getenv: func(name string) string { return variables[name] }, Out: io.Discard}, HTTP: &http.Client{Transport: confirms{}}}
	forwarder, err := ship.NewForwarder(options)
	if err != nil {
		b.Fatal(err)
	}
	backfiller, err := ship.NewBackfiller(options)
	if err != nil {
		b.Fatal(err)
	}
	backfiller.SetWorkers(sumo.DefaultInFlight)
	packed := zipped(b, export.Bytes())
	buffers := make(chan []byte, 8)
	var through, back float64
	b.SetBytes(int64(raw))
	for b.Loop() {
		start := cpu()
		for _, e := range events {
			if r, err := forwarder.Ship(context.Background(), e); err != nil || r.Confirmed != r.Events {
				b.Fatal(err, r)
			}
		}
		middle := cpu()
		files := &history.Files{Hints: history.Hints{LogGroup: "/ecs/web"}, Items: []history.Item{history.Stream("export", bytes.NewReader(packed))}}
		run := &history.Run{Workers: sumo.DefaultInFlight, Buffers: buffers, Ship: func(ctx context.Context, batch history.Batch, only []int) history.Result {
			report, left := backfiller.Ship(ctx, batch.Doc, only, nil)
			return resultOf(report, left)
		}}
		totals, err := run.Do(context.Background(), context.Background(), files)
		if err != nil || totals.Confirmed != 100_000 {
			b.Fatal(err, totals)
		}
		end := cpu()
		through, back = through+middle-start, back+end-middle
	}
	b.ReportMetric(through*1e9/float64(b.N)/float64(raw), "forwarder-ns/B")
	b.ReportMetric(back*1e9/float64(b.N)/float64(raw), "backfill-ns/B")
	b.ReportMetric(back/through, "times")
}
