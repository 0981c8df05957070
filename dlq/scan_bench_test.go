package dlq_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

// distance is the latency of SQS in the benchmarks.
const distance = 50 * time.Millisecond

func filled(b *testing.B, n int) (*sqstest.Server, *dlq.Queue) {
	b.Helper()
	server := sqstest.New()
	url := server.Add(sqstest.Config{Name: "q", Visibility: time.Hour})
	near := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
	fill(b, near, n)
	return server, dlq.New(url, 0, func(context.Context) (*sqs.Client, error) {
		return server.Client(func(o *sqs.Options) { o.HTTPClient = distant{server, distance} }), nil
	})
}

// BenchmarkStats scans 50,000 messages. The metrics are its receives for each that a
// tenth of the messages makes, and its speed in percent of what the latency allows: a
// receive and a batch of visibility changes for ten messages, 16 at a time.
func BenchmarkStats(b *testing.B) {
	const n, workers = 50_000, 16
	for b.Loop() {
		b.StopTimer()
		_, q := filled(b, n)
		b.StartTimer()
		start := time.Now()
		got, err := q.Scan(b.Context(), dlq.Scan{Workers: workers}, func([]dlq.Message) ([]dlq.Message, error) { return nil, nil })
		if err != nil || got.Messages != n {
			b.Fatal(got, err)
		}
		b.ReportMetric(float64(got.Receives)/(n/10), "receives/least")
		b.ReportMetric(100*(2*n/10*distance.Seconds()/workers)/time.Since(start).Seconds(), "%ofbest")
	}
}

// BenchmarkExport exports 10,000 messages and deletes them: at best a receive and a
// batch of deletes for ten messages, 16 at a time.
func BenchmarkExport(b *testing.B) {
	const n, workers = 10_000, 16
	for b.Loop() {
		b.StopTimer()
		server, q := filled(b, n)
		dir := b.TempDir()
		b.StartTimer()
		start := time.Now()
		got, err := export(b.Context(), q, dir, workers)
		if err != nil || got.Deleted != n || len(server.Messages("q")) > 0 {
			b.Fatal(got, err)
		}
		b.ReportMetric(100*(2*n/10*distance.Seconds()/workers)/time.Since(start).Seconds(), "%ofbest")
	}
}

// BenchmarkImport imports 10,000 messages: at best a batch of ten, 16 at a time.
func BenchmarkImport(b *testing.B) {
	const n, workers = 10_000, 16
	for b.Loop() {
		b.StopTimer()
		server, q := filled(b, n)
		dir := b.TempDir()
		if _, err := export(b.Context(), q, dir, workers); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		start := time.Now()
		got, err := q.Import(b.Context(), dir, dlq.Import{Workers: workers})
		if err != nil || got.Messages != n || len(server.Messages("q")) != n {
			b.Fatal(got, err)
		}
		b.ReportMetric(100*(n/10*distance.Seconds()/workers)/time.Since(start).Seconds(), "%ofbest")
	}
}
