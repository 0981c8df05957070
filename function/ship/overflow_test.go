package ship_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/function/awstest/moto"
	"sumoship/function/ship"
)

// shelf is an archive in memory.
type shelf struct {
	err   error
	saved []dlq.Message
}

func (s *shelf) Save(_ context.Context, m dlq.Message) error {
	if s.err == nil {
		s.saved = append(s.saved, m)
	}
	return s.err
}

// What nears its expiry while the source is not available goes to the archive, and
// only then leaves the queue. What is younger stays, and what can be delivered is.
func TestOverflowSavesWhatNearsItsExpiry(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		age    time.Duration
		status int
		full   bool // the archive
		saved  int
		left   int
		taken  int
	}{
		"young":                {9 * day, 503, false, 0, 2, 0},
		"old":                  {11 * day, 503, false, 2, 0, 0},
		"old and refused":      {11 * day, 404, false, 2, 0, 0},
		"old, and delivered":   {11 * day, 200, false, 0, 0, 2},
		"old, no archive left": {11 * day, 503, true, 0, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, source, archive := newFixture(), &moody{status: c.status}, new(shelf)
				w.vars["NUMBER_OF_RETRIES"], w.vars["NUM_OF_WORKERS"] = "0", "1"
				if c.full {
					archive.err = errors.New("full")
				}
				batch := sqsEvent(string(event("a", "b")), string(event("c"))) // one is tried; the other is not, in an outage
				time.Sleep(c.age)
				o := w.replayOptions()
				o.HTTP, o.Archive = &http.Client{Transport: source}, archive
				answer, err := replayerOf(t, o).Invoke(t.Context(), batch)
				if err != nil {
					t.Fatal(err)
				}
				left := strings.Count(string(answer), "itemIdentifier")
				var report ship.Report
				for line := range strings.Lines(w.log.String()) {
					if strings.Contains(line, `"messages":`) {
						if err := json.Unmarshal([]byte(line), &report); err != nil {
							t.Fatal(err)
						}
					}
				}
				if len(archive.saved) != c.saved || left != c.left || source.taken != c.taken || report.Messages.Overflowed != c.saved {
					t.Errorf("%d saved, %d left, %d taken: %+v %+v", len(archive.saved), left, source.taken, report, report.Messages)
				}
				if report.Events != report.Confirmed+report.DeadLettered+report.Overflowed {
					t.Errorf("%+v", report)
				}
				if c.saved > 0 && !strings.Contains(w.log.String(), `"MessagesOverflowed":2`) {
					t.Error(w.log.String())
				}
			})
		})
	}
}

// put is what S3 was asked.
type put struct {
	Method, Path, Body string
	Meta               map[string]string
}

// s3 answers with these statuses in turn, then 200.
type s3 struct {
	statuses []int
	code     string
	region   string
	puts     []put
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p := put{r.Method, r.URL.Path, string(body), map[string]string{}}
	for name := range r.Header {
		if meta, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			p.Meta[meta] = r.Header.Get(name)
		}
	}
	if a := r.Header.Get("Authorization"); !strings.Contains(a, "Credential=AKIDEXAMPLE/") || !strings.Contains(a, "/us-east-1/s3/aws4_request") || !strings.Contains(a, "x-amz-meta-log-group") {
		p.Method = "unsigned"
	}
	s.puts = append(s.puts, p)
	status := http.StatusOK
	if len(s.statuses) > 0 {
		status, s.statuses = s.statuses[0], s.statuses[1:]
	}
	if s.region != "" {
		w.Header().Set("X-Amz-Bucket-Region", s.region)
	}
	w.WriteHeader(status)
	if status != http.StatusOK {
		io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+s.code+`</Code><Message>what it says</Message></Error>`)
	}
}

// overflowing returns a replayer whose one message nears its expiry in an outage.
func overflowing(t *testing.T, w *fixture, endpoint string, cause dlq.Cause) *ship.Replayer {
	t.Helper()
	for name, value := range map[string]string{"OVERFLOW_BUCKET": "my-bucket", "AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "secret", "NUMBER_OF_RETRIES": "0"} {
		w.vars[name] = value
	}
	o := w.replayOptions()
	o.HTTP = &http.Client{Transport: &moody{status: 503}}
	o.Inbox = aged{w.queue}
	if _, err := w.queue.Put(t.Context(), []dlq.Entry{{Event: event("a"), Cause: cause}}); err != nil {
		t.Fatal(err)
	}
	return replayerOf(t, o)
}

// aged is a queue whose messages are eleven days old.
type aged struct{ ship.Inbox }

func (q aged) Receive(ctx context.Context, n int, wait, visibility time.Duration) ([]dlq.Message, error) {
	messages, err := q.Inbox.Receive(ctx, n, wait, visibility)
	for i := range messages {
		messages[i].Sent = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	return messages, err
}

func TestBucketTakesTheEventAndItsCause(t *testing.T) {
	first := time.Date(2026, 1, 2, 23, 59, 0, 0, time.FixedZone("", 3600))
	cause := dlq.Cause{Class: "unavailable", Message: "the source answered 503 – é", LogGroup: "/ecs/web#1/../x", FirstFailure: first, Attempts: 7}
	meta := map[string]string{"Error-Class": "unavailable", "Error-Message": "the source answered 503 %E2%80%93 %C3%A9", "Log-Group": "/ecs/web#1/../x", "First-Failure": "2026-01-02T22:59:00Z",
		"Sent": "2026-01-02T03:04:05Z", "Attempts": "7", "Receives": "1", "Message-Id": "1"}
	want := put{"PUT", "/my-bucket/sumoship/2026/01/02/ecs/web_1/_/x/1.json", string(event("a")), meta}
	for name, c := range map[string]struct {
		s3    s3
		puts  int
		error string
	}{
		"at once":        {s3{}, 1, ""},
		"after retries":  {s3{statuses: []int{503, 500}, code: "SlowDown"}, 3, ""},
		"not at all":     {s3{statuses: []int{503, 503, 503}, code: "SlowDown"}, 3, "bucket my-bucket: PutObject: SlowDown (503)"},
		"denied":         {s3{statuses: []int{403}, code: "AccessDenied"}, 1, "bucket my-bucket: PutObject: AccessDenied (403)"},
		"somewhere else": {s3{statuses: []int{301}, region: "eu-west-1"}, 1, "is in \\\"eu-west-1\\\"; want a bucket in the Region of the function"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(&c.s3)
			defer srv.Close()
			w := newFixture()
			report, err := overflowing(t, w, srv.URL, cause).Drain(t.Context())
			if err != nil || len(c.s3.puts) != c.puts {
				t.Fatalf("%v, %d requests", err, len(c.s3.puts))
			}
			if d := cmp.Diff(want, c.s3.puts[0]); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if saved := c.error == ""; saved != (len(w.queue.Entries()) == 0) || saved != (report.Messages.Overflowed == 1) {
				t.Errorf("%+v, %d left", report.Messages, len(w.queue.Entries()))
			}
			if !strings.Contains(w.log.String(), c.error) || strings.Contains(w.log.String(), "Signature") || strings.Contains(w.log.String(), "SECRET") {
				t.Errorf("want %s in %s", c.error, w.log.String())
			}
		})
	}
}

// The signed request is one that S3's own kind of server takes.
func TestBucketOnMoto(t *testing.T) {
	url := moto.Start(t)
	create, err := http.NewRequest(http.MethodPut, url+"/my-bucket", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := http.DefaultClient.Do(create); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", r, err)
	}
	w := newFixture()
	cause := dlq.Cause{LogGroup: "/ecs/web", FirstFailure: time.Unix(1767323045, 0)}
	if _, err := overflowing(t, w, url, cause).Drain(t.Context()); err != nil || len(w.queue.Entries()) != 0 {
		t.Fatalf("%v\n%s", err, w.log.String())
	}
	get, err := http.NewRequest(http.MethodGet, url+"/my-bucket/sumoship/2026/01/02/ecs/web/1.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	get.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=a")
	r, err := http.DefaultClient.Do(get)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != string(event("a")) || r.Header.Get("x-amz-meta-log-group") != "/ecs/web" {
		t.Errorf("%s %v %v", body, r.Header, err)
	}
}
