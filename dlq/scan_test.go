package dlq_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

// distant is SQS with a latency.
type distant struct {
	*sqstest.Server
	latency time.Duration
}

func (d distant) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(d.latency)
	return d.Server.Do(r)
}

// fill puts n messages into a queue.
func fill(t testing.TB, q *dlq.Queue, n int) {
	t.Helper()
	for chunk := range slices.Chunk(entries(n, 0), 1000) {
		if failed, err := q.Put(context.Background(), chunk); len(failed) > 0 || err != nil {
			t.Fatal(err)
		}
	}
}

// A scan sees each message once, however long it takes, gives all back at once, and
// makes few receives.
func TestScanSeesEachMessageOnce(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11, 1000} {
		synctest.Test(t, func(t *testing.T) {
			server := sqstest.New()
			url := server.Add(sqstest.Config{Name: "q", Visibility: time.Hour})
			q := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) {
				return server.Client(func(o *sqs.Options) { o.HTTPClient = distant{server, 50 * time.Millisecond} }), nil
			})
			fill(t, q, n)
			var mu sync.Mutex
			seen := map[string]int{}
			got, err := q.Scan(t.Context(), dlq.Scan{Workers: 4, Visibility: 10 * time.Second}, func(messages []dlq.Message) ([]dlq.Message, error) {
				time.Sleep(3 * time.Second) // longer in all than the visibility timeout
				mu.Lock()
				defer mu.Unlock()
				for _, m := range messages {
					seen[m.ID]++
				}
				return nil, nil
			})
			if err != nil || got.Messages != n || len(seen) != n || !got.All || got.Deleted != 0 {
				t.Errorf("%d messages: %+v, %d seen, %v", n, got, len(seen), err)
			}
			for id, times := range seen {
				if times != 1 {
					t.Errorf("%s was seen %d times", id, times)
				}
			}
			if most := n/10 + n/100 + 5; got.Receives > most {
				t.Errorf("%d messages: %d receives, want at most %d", n, got.Receives, most)
			}
			for _, m := range server.Messages("q") {
				if m.VisibleAt.After(time.Now()) || m.Receives != 1 {
					t.Errorf("visible at %s after %d receives", m.VisibleAt, m.Receives)
				}
			}
		})
	}
}

// What visit returns is deleted, all else is given back, also after an error, an
// interruption, or the bound on messages.
func TestScanGivesBackWhatItDoesNotDelete(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		scan  dlq.Scan
		after int // visits
		err   error
		all   bool
	}{
		"to the end":  {dlq.Scan{Workers: 3}, 1000, nil, true},
		"an error":    {dlq.Scan{Workers: 3}, 5, broken, false},
		"interrupted": {dlq.Scan{Workers: 3}, 5, context.Canceled, false},
		"bounded":     {dlq.Scan{Workers: 3, Most: 34}, 1000, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			onQueue(t, sqstest.Config{}, 0, func(b *bench) {
				fill(t, b.queue, 100)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				var mu sync.Mutex
				visits, deleted := 0, map[string]bool{}
				got, err := b.queue.Scan(ctx, c.scan, func(messages []dlq.Message) ([]dlq.Message, error) {
					mu.Lock()
					defer mu.Unlock()
					if visits++; visits > c.after {
						if c.err == broken {
							return nil, broken
						}
						cancel()
					}
					deleted[messages[0].ID] = true
					return messages[:1], nil
				})
				if !errors.Is(err, c.err) || got.All != c.all || got.Deleted != len(deleted) || c.scan.Most > 0 && got.Messages != c.scan.Most {
					t.Errorf("%+v, %v", got, err)
				}
				left := b.server.Messages("q")
				for _, m := range left {
					if deleted[m.ID] || m.VisibleAt.After(time.Now()) {
						t.Errorf("%s is left, deleted %t, visible at %s", m.ID, deleted[m.ID], m.VisibleAt)
					}
				}
				if len(left)+len(deleted) != 100 {
					t.Errorf("%d left, %d deleted", len(left), len(deleted))
				}
			})
		})
	}
}

// A scan ends before its receives have SQS move a message away.
func TestScanEndsNearTheLimit(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		b.server.Add(sqstest.Config{Name: "aside"})
		url := b.server.Add(sqstest.Config{Name: "q", DeadLetter: "aside", MaxReceives: 10})
		b.equal(url, b.url)
		fill(t, b.queue, 30)
		looks := 0
		for ; looks < 20; looks++ {
			_, err := b.queue.Scan(b.Context(), dlq.Scan{MaxReceives: 10}, func([]dlq.Message) ([]dlq.Message, error) { return nil, nil })
			if errors.Is(err, dlq.ErrNearLimit) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if looks != 7 {
			t.Errorf("%d looks, want 7 of 10", looks)
		}
		for range 2 { // and again
			if _, err := b.queue.Scan(b.Context(), dlq.Scan{MaxReceives: 10}, func([]dlq.Message) ([]dlq.Message, error) { return nil, nil }); !errors.Is(err, dlq.ErrNearLimit) {
				t.Error(err)
			}
		}
		b.equal(len(b.server.Messages("q")), 30)
		b.equal(len(b.server.Messages("aside")), 0)
	})
}
