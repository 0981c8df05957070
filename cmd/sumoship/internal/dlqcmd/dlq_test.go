package dlqcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/objects/s3test"
	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
)

// twoMessages puts a message into each queue, and one that cannot be read into
// the dead-letter queue. What only looks must leave them as they are.
func twoMessages(t *testing.T) {
	server := clitest.Queues(t)
	clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", "a", " ", "b"),
		map[string]string{"ErrorClass": "unavailable", "ErrorMessage": "unavailable: the source answered 503", "Attempts": "2"})
	clitest.Send(t, server, "dead", "garbage", nil)
	clitest.Send(t, server, "quarantine", "garbage", nil)
	t.Cleanup(func() {
		if n := len(server.Messages("dead")); n != 2 {
			t.Errorf("%d messages are left of 2", n)
		}
		for _, m := range server.Messages("dead") {
			if m.VisibleAt.After(m.Sent.Add(20 * time.Second)) {
				t.Errorf("message %s is not visible until %v", m.ID, m.VisibleAt)
			}
		}
	})
}

func TestDLQStatus(t *testing.T) {
	twoMessages(t)
	status, out, errs := command(t, nil, "dlq", "status", "--queue", "dead")
	if status != cli.ExitOK {
		t.Errorf("status %d: %s", status, errs)
	}
	clitest.Mentions(t, out, "depth       2     2 visible", "quarantine  1     in quarantine, after 100 receives")
	if strings.Contains(out, "failed first") {
		t.Errorf("without --sample nothing is received:\n%s", out)
	}
	clitest.Mentions(t, out, "metrics     -  ") // which nobody answers here
	status, out, errs = command(t, nil, "dlq", "status", "--queue", "dead", "--sample", "10", "--forecast", "1ms")
	if status != cli.ExitOK {
		t.Errorf("status %d: %s", status, errs)
	}
	clitest.Mentions(t, out, "of 2 messages received", "failed first", "received      1 ", "of 100, at most", "forecast      the depth has not changed in 1ms")

	status, out, errs = command(t, map[string]string{"TASK_QUEUE_URL": "http://sqs/123456789012/dead"}, "dlq", "status", "--json")
	var s struct{ Depth, QuarantineDepth int }
	if err := json.Unmarshal([]byte(out), &s); err != nil || status != cli.ExitOK || s.Depth != 2 || s.QuarantineDepth != 1 {
		t.Errorf("status %d: %v %s%s", status, err, out, errs)
	}
}

func TestDLQPeek(t *testing.T) {
	twoMessages(t)
	status, out, errs := command(t, nil, "dlq", "peek", "--queue", "dead", "-n", "5")
	if status != cli.ExitOK {
		t.Errorf("status %d: %s", status, errs)
	}
	clitest.Mentions(t, out, "/ecs/shop                          3  ", "unavailable the source answered 503", "undecodable decode event")

	status, out, _ = command(t, nil, "dlq", "peek", "--queue", "dead", "-n", "1", "--json")
	var rows []struct {
		LogGroup         string
		Events, Attempts int
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil || status != cli.ExitOK || len(rows) != 1 || rows[0].Events != 3 || rows[0].Attempts != 2 {
		t.Errorf("status %d: %v %s", status, err, out)
	}
}

func TestDLQDryRun(t *testing.T) {
	twoMessages(t)
	status, out, errs := command(t, map[string]string{"SUMO_ENDPOINT": "https://example.com/SECRET"}, "dlq", "replay", "--queue", "dead", "--dry-run")
	if status != cli.ExitOK {
		t.Errorf("status %d: %s", status, errs)
	}
	clitest.Mentions(t, out, "/ecs/shop       3        2 ", "1 message would be sent, 1 unreadable would be quarantined. Nothing was sent.")
}

func TestDLQReplayDeliversAndQuarantines(t *testing.T) {
	server := clitest.Queues(t)
	source := sumotest.New()
	url, stop, err := source.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i := range 30 {
		clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", fmt.Sprint("line ", i)), nil)
	}
	clitest.Send(t, server, "dead", "garbage", nil)
	status, out, errs := command(t, nil, "dlq", "replay", "--queue", "dead", "--endpoint", url)
	if status != 0 || !strings.Contains(out, "  done           31  deleted from the queue\n") || !strings.Contains(out, "  confirmed      30  by Sumo Logic\n") || !strings.Contains(out, "left              0  ") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if len(source.Taken()) != 30 || len(server.Messages("dead")) != 0 || len(server.Messages("quarantine")) != 1 {
		t.Errorf("%d taken, %d left, %d quarantined", len(source.Taken()), len(server.Messages("dead")), len(server.Messages("quarantine")))
	}

	// Back from the quarantine queue, once it is known why.
	status, out, errs = command(t, nil, "dlq", "redrive", "--queue", "dead")
	if status != 0 || out != "1 message from quarantine to dead.\n" || len(server.Messages("dead")) != 1 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// rows counts the receives that SQS has had when the first row is written.
type rows struct {
	bytes.Buffer
	receives *atomic.Int64
	first    int64
}

func (r *rows) Write(b []byte) (int, error) {
	if r.first == 0 {
		r.first = r.receives.Load()
	}
	return r.Buffer.Write(b)
}

// A peek shows messages as they come, not once it has all of them.
func TestDLQPeekStreams(t *testing.T) {
	server := clitest.Queues(t)
	for i := range 60 {
		clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", fmt.Sprint(i)), nil)
	}
	var receives atomic.Int64
	server.OnRequest(func(c sqstest.Call) sqstest.Fault {
		if c.Op == "ReceiveMessage" {
			receives.Add(1)
		}
		return sqstest.Fault{}
	})
	out := &rows{receives: &receives}
	status := run(t.Context(), []string{"dlq", "peek", "--queue", "dead", "-n", "100", "--jsonl"},
		cli.Streams{In: strings.NewReader(""), Out: out, Err: io.Discard, Getenv: func(string) string { return "" }})
	if n := strings.Count(out.String(), "\n"); status != cli.ExitOK || n != 60 || out.first > 2 || receives.Load() != 7 {
		t.Errorf("status %d, %d rows, the first after %d receives of %d", status, n, out.first, receives.Load())
	}
}

// One message by its ID, while the others stay.
func TestDLQReplayOfAnID(t *testing.T) {
	server := clitest.Queues(t)
	source := sumotest.New()
	url, stop, err := source.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i := range 12 {
		clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", fmt.Sprint("line ", i)), nil)
	}
	id := server.Messages("dead")[7].ID
	status, out, errs := command(t, nil, "dlq", "replay", "--queue", "dead", "--endpoint", url, "--id", id)
	if status != cli.ExitOK || !strings.Contains(out, "  done        1  deleted from the queue\n") || !strings.Contains(out, "about: 11 visible, 0 in flight") || len(source.Taken()) != 1 || !strings.Contains(source.Taken()[0], "line 7") {
		t.Errorf("status %d, %q\n%s%s", status, source.Taken(), out, errs)
	}
	for _, m := range server.Messages("dead") {
		if m.ID == id || m.VisibleAt.After(time.Now()) {
			t.Errorf("%s is left, visible at %s", m.ID, m.VisibleAt)
		}
	}
	if n := len(server.Messages("dead")); n != 11 {
		t.Errorf("%d messages left", n)
	}
}

// What a bucket refuses deletes and puts nothing.
func TestDLQBucketThatRefuses(t *testing.T) {
	const refused = "access denied: s3:"
	for name, c := range map[string]struct {
		method, end string // of the request that is refused
		status      int
		code        string
		args        []string
		want        string
		queue       int // messages afterwards
	}{
		"list":                {"GET", "bucket", 403, "AccessDenied", []string{"export", "s3://bucket/new", "--delete"}, "export to s3://bucket/new: list s3://bucket/new/: " + refused, 3},
		"write":               {"PUT", ".ndjson", 403, "AccessDenied", []string{"export", "s3://bucket/new", "--delete"}, "0 messages deleted from the queue", 3},
		"write the checksums": {"PUT", "SHA256SUMS", 403, "AccessDenied", []string{"export", "s3://bucket/new", "--delete"}, "3 messages deleted from the queue, all of them stored before", 0},
		"read":                {"GET", ".ndjson", 403, "AccessDenied", []string{"import", "s3://bucket/saved"}, "read s3://bucket/saved/ecs/", 3},
		"vanished":            {"GET", ".ndjson", 404, "NoSuchKey", []string{"import", "s3://bucket/saved"}, "NoSuchKey", 3},
		"note what was put":   {"PUT", "imported.log", 403, "AccessDenied", []string{"import", "s3://bucket/saved"}, "note what was put: ", 6},
		"nothing":             {"", "", 0, "", []string{"import", "s3://bucket/saved"}, "", 6},
	} {
		t.Run(name, func(t *testing.T) {
			server := clitest.Queues(t)
			for i := range 3 {
				clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", fmt.Sprint("line ", i)), nil)
			}
			objects, refuses := s3test.New("bucket"), atomic.Bool{}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if refuses.Load() && r.Method == c.method && strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), c.end) {
					w.WriteHeader(c.status)
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", c.code)
					return
				}
				objects.ServeHTTP(w, r)
			}))
			defer srv.Close()
			t.Setenv("AWS_ENDPOINT_URL_S3", srv.URL)
			variables := map[string]string{"AWS_ENDPOINT_URL_S3": srv.URL}
			if status, out, errs := command(t, variables, "dlq", "export", "s3://bucket/saved", "--queue", "dead"); status != cli.ExitOK {
				t.Fatalf("status %d\n%s%s", status, out, errs)
			}
			refuses.Store(c.method != "")
			status, out, errs := command(t, variables, append(append([]string{"dlq"}, c.args...), "--queue", "dead")...)
			if wrong := c.method != ""; (status == cli.ExitAWS) != wrong || !strings.Contains(errs, c.want) || wrong && !strings.Contains(errs, map[string]string{"AccessDenied": refused, "NoSuchKey": "NoSuchKey"}[c.code]) {
				t.Errorf("status %d\n%s%s\nwant %s", status, out, errs, c.want)
			}
			if n := len(server.Messages("dead")); n != c.queue {
				t.Errorf("%d messages in the queue, want %d", n, c.queue)
			}
		})
	}
}

func TestForecast(t *testing.T) {
	for want, c := range map[string]struct{ before, after int }{
		"shrinks by 25 messages a minute: empty in 4m0s": {150, 100},
		"grows by 50 messages a minute":                  {0, 100},
		"the depth has not changed in 2m0s":              {7, 7},
		"empty":                                          {50, 0},
	} {
		r := new(queueReport)
		if got := r.forecast(dlq.Status{Visible: c.before}, dlq.Status{InFlight: c.after}, 2*time.Minute); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

// SQS moves only messages that are visible; a redrive says what stays.
func TestDLQRedriveSaysWhatStays(t *testing.T) {
	server := clitest.Queues(t)
	for range 3 {
		clitest.Send(t, server, "quarantine", "garbage", nil)
	}
	url := "http://sqs/123456789012/quarantine"
	if out, err := server.Client().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 2, VisibilityTimeout: 600}); err != nil || len(out.Messages) != 2 {
		t.Fatal(out, err)
	}
	const stays = "about 2 messages of quarantine in flight or delayed, which SQS does not move; run the command again when they are visible"
	for _, want := range []string{"1 message from quarantine to dead.\n", "0 messages from quarantine to dead.\n"} {
		if status, out, errs := command(t, nil, "dlq", "redrive", "--queue", "dead"); status != cli.ExitFound || out != want || !strings.Contains(errs, stays) {
			t.Errorf("status %d\n%s%s", status, out, errs)
		}
	}
	server.Show("quarantine")
	if status, out, errs := command(t, nil, "dlq", "redrive", "--queue", "dead", "--json"); status != cli.ExitOK || !strings.Contains(out, `"moved":2,"left":0`) || errs != "" {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// An export says what it could not see: who deletes the queue then would lose it.
func TestDLQExportSaysWhatStays(t *testing.T) {
	server := clitest.Queues(t)
	for range 3 {
		clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", "a"), nil)
	}
	url := "http://sqs/123456789012/dead"
	if out, err := server.Client().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 2, VisibilityTimeout: 600}); err != nil || len(out.Messages) != 2 {
		t.Fatal(out, err)
	}
	export := []string{"dlq", "export", filepath.Join(t.TempDir(), "saved"), "--queue", "dead", "--delete"}
	const stays = "about 2 messages of dead in flight or delayed, which SQS does not show; run the command again when they are visible"
	if status, out, errs := command(t, nil, export...); status != cli.ExitFound || !strings.Contains(out, "1 written; 1 deleted") || !strings.Contains(errs, stays) {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	server.Show("dead")
	if status, out, errs := command(t, nil, append(export, "--json")...); status != cli.ExitOK || !strings.Contains(out, `"deleted":2`) || !strings.Contains(out, `"left":0`) || errs != "" {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// While Sumo Logic is down, a replay stops early, says so, and loses nothing.
func TestDLQReplayDuringAnOutage(t *testing.T) {
	server := clitest.Queues(t)
	for range 5 {
		clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", "a"), nil)
	}
	variables := map[string]string{"NUMBER_OF_RETRIES": "0", "SUMO_ENDPOINT": "http://127.0.0.1:1/SECRET"}
	status, out, errs := command(t, variables, "dlq", "replay", "--queue", "dead", "--workers", "1", "--json")
	var report ship.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != cli.ExitFound || report.Messages.Kept != 1 || report.Class != "unavailable" {
		t.Errorf("status %d: %v %s%s", status, err, out, errs)
	}
	if strings.Contains(out+errs, "SECRET") || len(server.Messages("dead")) != 5 {
		t.Errorf("%d messages left\n%s%s", len(server.Messages("dead")), out, errs)
	}
}

// Ctrl-C stops cleanly: what was not sent is in the queue.
func TestDLQReplayInterrupted(t *testing.T) {
	server := clitest.Queues(t)
	source := sumotest.New(sumotest.Step{Kind: sumotest.Hang})
	url, stop, err := source.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", "a"), nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(source.Requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	var out, errs bytes.Buffer
	status := run(ctx, []string{"dlq", "replay", "--queue", "dead", "--endpoint", url},
		cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	if status != 130 || len(server.Messages("dead")) != 1 || !strings.Contains(errs.String(), "interrupted; 0 messages done; the others are still in the queue") {
		t.Errorf("status %d, %d left\n%s%s", status, len(server.Messages("dead")), out.String(), errs.String())
	}
}

// A queue is named by its name, URL or ARN, and a name that is wrong has near ones.
func TestQueueIsNamed(t *testing.T) {
	clitest.Queues(t)
	for _, name := range []string{"dead", "http://sqs/123456789012/dead", "arn:aws:sqs:eu-west-1:123456789012:dead"} {
		status, out, errs := command(t, nil, "dlq", "status", "--queue", name)
		if status != cli.ExitOK || !strings.Contains(out, "queue       dead") {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
	}
	status, _, errs := command(t, nil, "dlq", "status", "--queue", "quarantin")
	if status != cli.ExitAWS || !strings.Contains(errs, "; did you mean quarantine?") || !strings.Contains(errs, "(looked in eu-west-1") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d\n%s", status, errs)
	}
}

func TestDLQWrongCalls(t *testing.T) {
	server := clitest.Queues(t)
	for want, c := range map[string]struct {
		status int
		args   []string
	}{
		"which queue?":               {cli.ExitUsage, []string{"dlq", "status"}},
		"queue nowhere: find":        {cli.ExitAWS, []string{"dlq", "status", "--queue", "nowhere"}},
		"queue gone: status":         {cli.ExitAWS, []string{"dlq", "status", "--queue", "http://sqs/123456789012/gone"}},
		"has no redrive policy":      {cli.ExitUsage, []string{"dlq", "redrive", "--queue", "quarantine"}},
		"want 1 or more":             {cli.ExitUsage, []string{"dlq", "peek", "--queue", "dead", "-n", "0"}},
		"--endpoint: scheme is http": {cli.ExitUsage, []string{"dlq", "replay", "--queue", "dead", "--endpoint", "http://example.com/SECRET"}},
		"--workers: 0: want 1 to 64": {cli.ExitUsage, []string{"dlq", "replay", "--queue", "dead", "--workers", "0"}},
	} {
		status, out, errs := command(t, nil, c.args...)
		if status != c.status || !strings.Contains(errs, want) || out != "" || strings.Contains(errs, "SECRET") {
			t.Errorf("%v: status %d, want %d\n%s%s", c.args, status, c.status, out, errs)
		}
	}
	server.OnRequest(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: "AccessDenied"} })
	if status, _, errs := command(t, nil, "dlq", "peek", "--queue", "dead"); status != cli.ExitAWS || !strings.Contains(errs, "queue dead: find: access denied: sqs:GetQueueUrl") {
		t.Errorf("status %d: %s", status, errs)
	}
}
