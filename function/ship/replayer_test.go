package ship_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/dlq/dlqtest"
	"sumoship/dlq/sqstest"
	"sumoship/function"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
)

// A message whose remainder the queue does not take stays as it is, in a drain and in a
// batch: what was confirmed of it comes twice rather than the rest never.
func TestMessageStaysIfItsRemainderCannotBePutBack(t *testing.T) {
	for _, drain := range []bool{true, false} {
		w := newFixture(sumotest.Statuses(200, 503)...)
		w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["NUMBER_OF_RETRIES"] = "1", "1", "0"
		o := w.replayOptions()
		o.Queue = noQueue{}
		w.put(event("a", "b"))
		if drain {
			report, err := replayerOf(t, o).Drain(t.Context())
			if err != nil || report.Messages.Kept != 1 || report.Messages.Done != 0 || report.Confirmed != 1 {
				t.Errorf("%+v, %+v, %v", report, report.Messages, err)
			}
			if left := w.queue.Entries(); len(left) != 1 || len(messages(t, left[0].Event)) != 2 {
				t.Errorf("%d messages are left", len(left))
			}
		} else if out, err := replayerOf(t, o).Invoke(t.Context(), batchOf(event("a", "b"))); err != nil || len(failures(t, out)) != 1 {
			t.Errorf("%s, %v", out, err)
		}
		if n := len(w.source.Taken()); n != 1 {
			t.Errorf("%d taken", n)
		}
	}
}

// deaf is an inbox from which nothing can be received.
type deaf struct{ ship.Inbox }

func (deaf) Receive(context.Context, int, time.Duration, time.Duration) ([]dlq.Message, error) {
	return nil, errors.New("the queue is gone")
}

// A drain that cannot receive fails its invocation.
func TestDrainWithoutItsQueueFails(t *testing.T) {
	w := newFixture()
	o := w.replayOptions()
	o.Inbox = deaf{}
	if out, err := replayerOf(t, o).Invoke(t.Context(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "gone") || out != nil {
		t.Errorf("%s, %v", out, err)
	}
}

// Progress tells what became of each message.
func TestProgressTellsOfEachMessage(t *testing.T) {
	w := newFixture(sumotest.Statuses(200, 400)...)
	w.vars["NUM_OF_WORKERS"] = "1"
	w.put(event("a"), event("b"), []byte("unreadable"))
	r := w.replayer(t, true)
	var got []string
	r.Progress = func(p ship.Report) {
		got = append(got, fmt.Sprintf("%d done %d quarantined %d confirmed", p.Messages.Done, p.Messages.Quarantined, p.Confirmed))
	}
	if _, err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(w.log.String(), "could not be deleted") {
		t.Error(w.log.String())
	}
	want := []string{"1 done 0 quarantined 1 confirmed", "0 done 0 quarantined 0 confirmed", "1 done 1 quarantined 0 confirmed"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A queue with messages of an older function, of Lambda and of other origin drains: two
// are delivered, one is quarantined.
func TestDrainTakesEverythingThatCanLieInAQueue(t *testing.T) {
	server := sqstest.New()
	server.Add(sqstest.Config{Name: "quarantine"})
	url := server.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine"})
	open := func(url string) *dlq.Queue {
		return dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
	}
	queue := open(url)
	for _, body := range []string{
		string(event("from an old dead letter")),
		`{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + string(event("from a destination")) + `,"responsePayload":{}}`,
		`{"garbage":true}`,
	} {
		if _, err := server.Client().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(body)}); err != nil {
			t.Fatal(err)
		}
	}
	w := newFixture()
	o := w.replayOptions()
	o.Queue, o.Inbox, o.Quarantine = queue, queue, open(strings.Replace(url, "dead", "quarantine", 1))
	r, err := ship.NewReplayer(o)
	if err != nil {
		t.Fatal(err)
	}
	report, err := r.Drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&ship.Messages{Received: 3, Done: 3, Quarantined: 1}, report.Messages); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
	taken := strings.Join(w.source.Taken(), " ")
	if len(w.source.Taken()) != 2 || !strings.Contains(taken, "from an old dead letter") || !strings.Contains(taken, "from a destination") {
		t.Errorf("delivered: %s", taken)
	}
	for _, request := range w.source.Requests() {
		if got := request.Header.Get("X-Sumo-Client"); got != "dlq-aws-lambda" {
			t.Errorf("X-Sumo-Client %q", got)
		}
	}
	quarantined := server.Messages("quarantine")
	if len(server.Messages("dead")) != 0 || len(quarantined) != 1 || quarantined[0].Body != `{"garbage":true}` {
		t.Fatalf("%d left, %d quarantined", len(server.Messages("dead")), len(quarantined))
	}
	if a := quarantined[0].Attributes; a["ErrorClass"] != "undecodable" || !strings.Contains(a["ErrorMessage"], "decode event") {
		t.Errorf("attributes %v", a)
	}
}

// sqsEvent returns an event of an event source mapping.
func sqsEvent(bodies ...string) []byte {
	var records []map[string]any
	for i, b := range bodies {
		records = append(records, map[string]any{"messageId": fmt.Sprint("m", i), "receiptHandle": fmt.Sprint("h", i), "body": b,
			"attributes": map[string]string{"ApproximateReceiveCount": "3", "SentTimestamp": fmt.Sprint(time.Now().UnixMilli())}, "eventSource": "aws:sqs"})
	}
	e, _ := json.Marshal(map[string]any{"Records": records})
	return e
}

// An alarm watches the age of the oldest message that was received.
func TestReplayReportsTheAgeOfTheOldestMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture()
		old, recent := event("old"), event("recent")
		w.put(old)
		time.Sleep(2 * time.Hour)
		w.put(recent)
		report, err := w.replayer(t, false).Drain(t.Context())
		if err != nil || report.Messages.Received != 2 || report.Messages.Age != 7200 {
			t.Errorf("%+v, %v", report.Messages, err)
		}
		if !strings.Contains(w.log.String(), `"MessageAge":7200`) {
			t.Errorf("no metric in %s", w.log.String())
		}
	})
}

// visibility records the visibility timeouts that messages were given.
type visibility struct {
	*dlqtest.Queue
	timeouts map[string]time.Duration
}

func (r visibility) ChangeVisibility(_ context.Context, m dlq.Message, timeout time.Duration) error {
	r.timeouts[m.ID] = timeout
	return nil
}

// Promise 5: one bad message never fails its batch, and the backoff of a message
// grows with each failure.
func TestBatchFailsMessageByMessage(t *testing.T) {
	w := newFixture(sumotest.Statuses(200, 400, 200)...)
	w.vars["NUM_OF_WORKERS"] = "1" // so that the second message is refused
	o := w.replayOptions()
	inbox := visibility{new(dlqtest.Queue), map[string]time.Duration{}}
	o.Inbox = inbox
	r, err := ship.NewReplayer(o)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Invoke(t.Context(), sqsEvent(string(event("a")), "garbage", string(event("refused")), string(event("b"))))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(answer), `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m2"}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, id := range []string{"m1", "m2"} {
		if d := inbox.timeouts[id]; d < time.Minute || d > 2*time.Minute {
			t.Errorf("%s, received 3 times, has a timeout of %v", id, d)
		}
	}
	if len(inbox.timeouts) != 2 {
		t.Errorf("timeouts: %v", inbox.timeouts)
	}
}

// Promise 7: when Sumo Logic cannot be reached, the rest of a batch stays
// untried.
func TestOutageLeavesTheRestUntried(t *testing.T) {
	for _, status := range []int{503, 404} {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture(sumotest.Statuses(status, status, status, status, status, status, status, status)...)
			w.vars["NUMBER_OF_RETRIES"] = "1"
			w.vars["NUM_OF_WORKERS"] = "1"
			w.put(event("a"), event("b"), event("c"))
			answer, err := w.replayer(t, false).Invoke(t.Context(), sqsEvent(string(event("a")), string(event("b")), string(event("c"))))
			want := `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"},{"itemIdentifier":"m2"}]}`
			if err != nil || string(answer) != want {
				t.Errorf("%v %s", err, answer)
			}
			if got := len(w.source.Requests()); got > 2 {
				t.Errorf("%d requests for a source that answers %d", got, status)
			}
			report, err := w.replayer(t, false).Drain(t.Context())
			if err != nil || report.Messages.Done != 0 || report.Messages.Kept != 1 || len(w.queue.Entries()) != 3 {
				t.Errorf("%v %+v", err, report.Messages)
			}
		})
	}
}

// The remainder of a message is in the queue before the message is deleted, and
// keeps its history.
func TestRemainderIsPutBack(t *testing.T) {
	w := newFixture(sumotest.Statuses(200, 400)...)
	w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["NUM_OF_WORKERS"] = "40", "1", "1"
	w.queue.Put(t.Context(), []dlq.Entry{{Event: event("a", "b"), Cause: dlq.Cause{FirstFailure: time.Unix(1000, 0).UTC(), Attempts: 4}}})
	r := w.replayer(t, false)
	var seen atomic.Int64
	r.Progress = func(ship.Report) { seen.Add(1) }
	report, err := r.Drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The remainder, put back without a delay here, is received in the same run.
	if report.Messages.PutBack != 1 || report.Confirmed != 2 || len(w.queue.Entries()) != 0 || seen.Load() != 2 {
		t.Errorf("%+v, %+v", report, report.Messages)
	}
	requests := w.source.Requests()
	if len(requests) != 3 || string(requests[1].Body) != string(requests[2].Body) {
		t.Errorf("%d requests", len(requests))
	}

	w = newFixture(sumotest.Statuses(200, 400, 400)...)
	w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["NUM_OF_WORKERS"] = "40", "1", "1"
	w.queue.Put(t.Context(), []dlq.Entry{{Event: event("a", "b"), Cause: dlq.Cause{FirstFailure: time.Unix(1000, 0).UTC(), Attempts: 4}}})
	if _, err := w.replayer(t, false).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries := w.queue.Entries()
	if len(entries) != 1 || entries[0].Cause.Attempts != 5 || !entries[0].Cause.FirstFailure.Equal(time.Unix(1000, 0)) || entries[0].Cause.Class != "rejected" {
		t.Errorf("%+v", entries)
	}
	if d := cmp.Diff([]string{"b"}, messages(t, entries[0].Event)); d != "" {
		t.Errorf("log messages (-want +got):\n%s", d)
	}
}

// noise returns n random characters, which gzip does not shorten by much.
func noise(n int) string {
	rng := rand.NewChaCha8([32]byte{})
	b := make([]byte, n/2+1)
	rng.Read(b)
	return hex.EncodeToString(b)[:n]
}

// A message just under the queue's limit of which a part is refused: the part is
// put back alone, with what of its cause fits, and the rest is not sent again.
func TestRemainderOfAFullMessageIsPutBackAlone(t *testing.T) {
	for _, space := range []int{0, 40, 200, 600} {
		synctest.Test(t, func(t *testing.T) {
			full := event(noise(6000), "b")
			server := sqstest.New()
			url := server.Add(sqstest.Config{Name: "dead", MaxSize: len(full) + space})
			queue := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
			if _, err := server.Client().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(full))}); err != nil {
				t.Fatal(err)
			}
			w := newFixture(sumotest.Statuses(400, 200, 400, 400)...)
			w.vars["MAX_BODY_BYTES"], w.vars["MAX_IN_FLIGHT"], w.vars["NUM_OF_WORKERS"] = "40", "1", "1"
			o := w.replayOptions()
			o.Queue, o.Inbox = queue, queue
			r := replayerOf(t, o)
			for range 3 {
				if _, err := r.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if taken := len(w.source.Taken()); taken != 1 {
				t.Errorf("%d bytes of space: %d log events taken, want the one that is not refused, once", space, taken)
			}
			left := server.Messages("dead")
			if len(left) != 1 || !slices.Equal(messages(t, []byte(left[0].Body)), []string{noise(6000)}) {
				t.Errorf("%d bytes of space: %d messages left", space, len(left))
				return
			}
			if got := left[0].Attributes["ErrorClass"]; space >= 200 && got != "rejected" {
				t.Errorf("%d bytes of space: attributes %v", space, left[0].Attributes)
			}
		})
	}
}

// A message that cannot be read is never lost, with or without a quarantine queue.
func TestUnreadableMessagesAreQuarantinedOrKept(t *testing.T) {
	for quarantine, want := range map[bool]*ship.Messages{
		false: {Received: 2, Done: 1, Kept: 1},
		true:  {Received: 2, Done: 2, Quarantined: 1},
	} {
		w := newFixture()
		w.vars["NUM_OF_WORKERS"] = "1"
		w.put([]byte("garbage"), event("good"))
		report, err := w.replayer(t, quarantine).Drain(t.Context())
		if err != nil || report.Confirmed != 1 || report.Quarantined != want.Quarantined || report.DeadLettered != want.Kept {
			t.Errorf("quarantine %t: %v %+v", quarantine, err, report)
		}
		if d := cmp.Diff(want, report.Messages); d != "" {
			t.Errorf("quarantine %t: messages (-want +got):\n%s", quarantine, d)
		}
		if left, there := len(w.queue.Entries()), len(w.quarantine.Entries()); left != want.Kept || there != want.Quarantined {
			t.Errorf("quarantine %t: %d left, %d quarantined", quarantine, left, there)
		}
	}
}

// An error of the queue contains its name and its class.
func TestQueueErrorsNameQueueAndClass(t *testing.T) {
	for code, class := range map[string]string{"AccessDenied": "AccessDenied", "QueueDoesNotExist": "NonExistentQueue", "KmsAccessDenied": "KMS.AccessDenied", "RequestThrottled": "RequestThrottled"} {
		server := sqstest.New()
		url := server.Add(sqstest.Config{Name: "dead"})
		server.OnRequest(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: code} })
		queue := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
		w := newFixture(sumotest.Statuses(404)...)
		o := w.replayOptions()
		o.Queue, o.Inbox = queue, queue
		f, err := ship.NewForwarder(o.Options)
		if err != nil {
			t.Fatal(err)
		}
		_, lost := f.Ship(t.Context(), event("a"))
		r, err := ship.NewReplayer(o)
		if err != nil {
			t.Fatal(err)
		}
		_, undrained := r.Drain(t.Context())
		for what, err := range map[string]error{"forwarder": lost, "replayer": undrained} {
			if err == nil || !strings.Contains(err.Error(), "queue dead: ") || !strings.Contains(err.Error(), class) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s, %s: %v", what, code, err)
			}
		}
	}
}

// The binary of replay drains a queue over HTTP.
func TestBootstrapReplays(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	t.Parallel()
	server := sqstest.New()
	url := server.Add(sqstest.Config{Name: "dead", Visibility: 6 * time.Minute})
	api := httptest.NewServer(server)
	defer api.Close()
	for i := range 5 {
		if _, err := server.Client().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(event(fmt.Sprint("line ", i))))}); err != nil {
			t.Fatal(err)
		}
	}
	source := sumotest.New()
	sumo := httptest.NewServer(source)
	defer sumo.Close()
	f := lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/replay"), map[string]string{
		"SUMO_ENDPOINT": sumo.URL + "/" + leaktest.Secret, "TASK_QUEUE_URL": url, "AWS_ENDPOINT_URL_SQS": api.URL,
	})
	r := f.Invoke([]byte(`{}`), 30*time.Second)
	var report ship.Report
	if err := json.Unmarshal(r.Payload, &report); err != nil || r.Failed() {
		t.Fatalf("%+v %v\n%s", r, err, f.Output())
	}
	if len(source.Taken()) != 5 || len(server.Messages("dead")) != 0 || report.Messages.Done != 5 {
		t.Errorf("%d taken, %d left, %s", len(source.Taken()), len(server.Messages("dead")), r.Payload)
	}
	if strings.Contains(f.Output(), "SECRET") {
		t.Errorf("a secret in %s", f.Output())
	}
}

// BenchmarkDrain drains 2,000 messages of 100 KB with 8 workers into a source
// that answers after 50 ms: at best 8/50 ms = 160 messages a second. The metric
// is the percentage of that.
func BenchmarkDrain(b *testing.B) {
	const messages, workers, answer = 2000, 8, 50 * time.Millisecond
	var lines []string // random text, about 100 KB after gzip and base64
	for i := range 510 {
		line := ""
		for j := range 16 {
			line += fmt.Sprintf("%x", uint64(i*16+j+1)*0x9e3779b97f4a7c15)
		}
		lines = append(lines, line)
	}
	payload := event(lines...)
	for b.Loop() {
		b.StopTimer()
		queue := new(dlqtest.Queue)
		for range messages {
			queue.Put(b.Context(), []dlq.Entry{{Event: payload}})
		}
		vars := map[string]string{"SUMO_ENDPOINT": endpoint, "NUM_OF_WORKERS": fmt.Sprint(workers)}
		slow := doer(func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			time.Sleep(answer)
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})
		r, err := ship.NewReplayer(ship.ReplayOptions{Inbox: queue, Options: ship.Options{
			Env:  function.Env{Getenv: func(name string) string { return vars[name] }, Out: io.Discard},
			HTTP: &http.Client{Transport: slow}, Queue: queue}})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		start := time.Now()
		report, err := r.Drain(b.Context())
		if err != nil || report.Messages.Done != messages {
			b.Fatal(err, report.Messages)
		}
		b.ReportMetric(100*float64(messages)*answer.Seconds()/workers/time.Since(start).Seconds(), "%ofbest")
		b.ReportMetric(float64(len(payload)), "B/message")
	}
}

// However many messages are in work, the source gets as many requests at once as
// there are workers, or as one message may make if that is more.
func TestRequestsOfAllWorkersAreBounded(t *testing.T) {
	for _, c := range []struct{ workers, inFlight, want string }{{"3", "2", "3"}, {"2", "4", "4"}, {"1", "1", "1"}} {
		synctest.Test(t, func(t *testing.T) {
			w := newFixture()
			w.vars["NUM_OF_WORKERS"], w.vars["MAX_IN_FLIGHT"], w.vars["MAX_BODY_BYTES"] = c.workers, c.inFlight, "1"
			for range 20 {
				w.put(event("a", "b", "c", "d", "e", "f"))
			}
			w.queue.Wake()
			network := &slow{RoundTripper: w.source, delay: time.Second}
			o := w.replayOptions()
			o.HTTP = &http.Client{Transport: network}
			r, err := ship.NewReplayer(o)
			if err != nil {
				t.Fatal(err)
			}
			if report, err := r.Drain(t.Context()); err != nil || report.Confirmed != 120 || fmt.Sprint(network.most) != c.want {
				t.Errorf("%+v: %d requests at once: %+v, %v", c, network.most, report, err)
			}
		})
	}
}

// What a run did not try is given back: it becomes visible after its backoff, not
// after the visibility timeout.
func TestUntriedMessagesAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(sumotest.Statuses(404)...)
		w.vars["NUM_OF_WORKERS"] = "1"
		o := w.replayOptions()
		inbox := visibility{new(dlqtest.Queue), map[string]time.Duration{}}
		o.Inbox = inbox
		if _, err := replayerOf(t, o).Invoke(t.Context(), sqsEvent(string(event("a")), string(event("b")), string(event("c")))); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"m0", "m1", "m2"} {
			if d, ok := inbox.timeouts[id]; !ok || d > 2*time.Minute || d < 15*time.Second {
				t.Errorf("%s has a timeout of %s, %t", id, d, ok)
			}
		}
	})
}

// asked records the visibility timeout that a drain asks for.
type asked struct {
	*dlqtest.Queue
	visibility time.Duration
}

func (q *asked) Receive(ctx context.Context, n int, wait, visibility time.Duration) ([]dlq.Message, error) {
	q.visibility = visibility
	return q.Queue.Receive(ctx, n, wait, visibility)
}

// A message that a drain holds is not visible before the function is over, and a
// minute later it is.
func TestVisibilityOutlastsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture()
		w.vars["NUM_OF_WORKERS"] = "1"
		o := w.replayOptions()
		inbox := &asked{Queue: w.queue}
		o.Inbox = inbox
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if _, err := replayerOf(t, o).Drain(ctx); err != nil {
			t.Fatal(err)
		}
		if d := inbox.visibility; d < 5*time.Minute+30*time.Second || d > 6*time.Minute {
			t.Errorf("a visibility timeout of %s for a run of 5 minutes", d)
		}
	})
}
