package dlq_test

import (
	"context"
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

var messages = flag.Int("messages", 3000, "of TestSpeed; docs/operations.md has 50000")

// With calls of 50 ms and 16 in flight, in virtual time: a scan makes few receives, and
// scan, export and import take at most a tenth longer than their calls do.
func TestSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency, workers, uploads = 50 * time.Millisecond, 16, 16
		n, dir := *messages, t.TempDir()
		server := sqstest.New()
		url := server.Add(sqstest.Config{Name: "q", Visibility: time.Hour, Retention: 14 * 24 * time.Hour})
		near := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
		far := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) {
			return server.Client(func(o *sqs.Options) { o.HTTPClient = distant{server, latency} }), nil
		})
		fill(t, near, n)
		calls := func(perMessages float64) time.Duration {
			return time.Duration(perMessages * float64(n) / workers * float64(latency))
		}
		within := func(what string, took, least time.Duration) {
			t.Logf("%s of %d messages: %s, %.0f %% of what the latency allows", what, n, took.Round(time.Millisecond), 100*least.Seconds()/took.Seconds())
			if took.Seconds() > least.Seconds()/0.9 {
				t.Errorf("%s took %s, and its calls %s", what, took, least)
			}
		}
		const last = time.Second + 2*latency // the receives that find the queue empty wait for a second

		start := time.Now()
		got, err := far.Scan(t.Context(), dlq.Scan{Workers: workers}, func([]dlq.Message) ([]dlq.Message, error) { return nil, nil })
		if err != nil || got.Messages != n {
			t.Fatal(got, err)
		}
		if most := n/10 + n/100 + workers; got.Receives > most {
			t.Errorf("%d receives, want at most %d", got.Receives, most)
		}
		t.Logf("%d receives", got.Receives)
		within("stats", time.Since(start)-last, calls(0.2)) // a receive, and a change of visibility, for ten

		start = time.Now()
		if got, err = export(t.Context(), far, dir, workers); err != nil || got.Deleted != n {
			t.Fatal(got, err)
		}
		within("export", time.Since(start)-last, calls(0.1)) // a receive for ten, and meanwhile a delete

		start = time.Now()
		in, err := far.Import(t.Context(), dlq.Dir(dir), dlq.Import{Workers: workers})
		if err != nil || in.Messages != n {
			t.Fatal(in, err)
		}
		within("import", time.Since(start), calls(0.1)+latency) // a batch of ten

		// Into a bucket: the same calls, and its own.
		b := &bucket{latency: latency, files: map[string]string{}}
		start = time.Now()
		if got, err = upload(t.Context(), far, b, workers); err != nil || got.Deleted != n {
			t.Fatal(got, err)
		}
		own := time.Duration(2+(len(b.files)+uploads-1)/uploads+1) * latency // two lists, the puts, SHA256SUMS
		within("export into a bucket", time.Since(start)-last, calls(0.2)+own)

		start = time.Now()
		if in, err = far.Import(t.Context(), b, dlq.Import{Workers: workers}); err != nil || in.Messages != n {
			t.Fatal(in, err)
		}
		within("import from a bucket", time.Since(start), calls(0.1)+4*latency) // a list, to check, to open, to note the last
	})
}
