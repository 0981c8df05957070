package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/klauspost/compress/gzip"

	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/objects/s3test"
	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/moto"
	"sumoship/transform"
)

var (
	yesterday      = flag.Bool("yesterday", false, "run TestYesterday, which writes the table of docs/operations.md")
	yesterdayMoto  = flag.Bool("yesterdaymoto", false, "TestYesterday runs its queues on moto")
	yesterdayBytes = flag.Int("yesterdaybytes", 1e9, "bytes of log that TestYesterday backfills")
)

// distantSource is an HTTP Source that answers in 50 ms and counts log events by their
// number.
type distantSource struct {
	mu   sync.Mutex
	seen []byte // how often each came
}

var numbered = regexp.MustCompile(`no=([0-9]+) `)

func (s *distantSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var got []int
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := numbered.FindSubmatch(lines.Bytes()); m != nil {
			n, _ := strconv.Atoi(string(m[1])) // digits
			got = append(got, n)
		}
	}
	s.mu.Lock()
	for _, n := range got {
		if n < len(s.seen) {
			s.seen[n]++
		}
	}
	s.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
}

// count returns how many log events came, and how many of them again.
func (s *distantSource) count() (different, again int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.seen {
		if n > 0 {
			different++
			again += int(n) - 1
		}
	}
	return different, again
}

// TestYesterday does what docs/operations.md has a table of: the jobs of a day after, with
// 2,000 dead letters and 1 GB of exported logs, on a source that answers in 50 ms. AWS is
// the fakes, or moto.
func TestYesterday(t *testing.T) {
	if !*yesterday {
		t.Skip("takes minutes: go test ./cmd/sumoship -run Yesterday -yesterday -v -timeout 60m")
	}
	t.Run("queue", yesterdaysQueue)
	t.Run("exports", yesterdaysExports)
}

// runs runs the command, and tells what it took and wrote.
func runs(t *testing.T, job string, args ...string) (out string) {
	t.Helper()
	var o, e bytes.Buffer
	cmd := exec.Command("sumoship", args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	start := time.Now()
	err := cmd.Run()
	if err != nil {
		t.Errorf("%s: %v", job, err)
	}
	text := strings.Split(strings.TrimSpace(o.String()), "\n")
	t.Logf("%s\n  sumoship %s\n  %.1f s, %s\n  %.2000s", job, strings.Join(args, " "), time.Since(start).Seconds(), took(cmd), strings.Join(text[max(0, len(text)-6):], "\n  "))
	if e.Len() > 0 {
		t.Logf("  stderr: %.600s", e.String())
	}
	return o.String()
}

// took is what a process that has ended took.
func took(cmd *exec.Cmd) string {
	return fmt.Sprintf("%.1f s of CPU, %d MB of memory", (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
}

// peeked counts the rows of a peek, the different messages, and the most receives.
func peeked(t *testing.T, out string) (rows, different, most int) {
	t.Helper()
	var list []struct {
		ID       string
		Receives int
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Error(err)
	}
	ids := map[string]bool{}
	for _, m := range list {
		ids[m.ID] = true
		most = max(most, m.Receives)
	}
	return len(list), len(ids), most
}

// onSource sets the variables of a source.
func onSource(t *testing.T, source http.Handler) {
	t.Helper()
	srv := httptest.NewServer(source)
	t.Cleanup(srv.Close)
	t.Setenv("SUMO_ENDPOINT", srv.URL+"/receiver/v1/http/X")
	t.Chdir(t.TempDir())
}

// startMoto starts a moto_server that can hold 2,000 messages. For each that it sends or
// receives, moto counts the queue, and for each of these it asks its own clock, of two
// datetimes, four times: a receive of ten takes two seconds of CPU. So it gets another
// clock. Nor does it mind other threads: of two receives at once both get a message, and
// of two deletes one is undone. So it gets a request at a time.
func startMoto(t *testing.T) (endpoint string) {
	t.Helper()
	dir := t.TempDir()
	const patch = `import time
import moto.core.utils as utils
slow = utils.unix_time
utils.unix_time = lambda dt=None: slow(dt) if dt else time.time()
`
	if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte(patch), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", dir)
	server, err := url.Parse(moto.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy, one := httputil.NewSingleHostReverseProxy(server), sync.Mutex{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func yesterdaysQueue(t *testing.T) {
	onSource(t, &distantSource{})
	var endpoint, address, arn string
	queues := sqstest.New()
	if *yesterdayMoto {
		endpoint = startMoto(t)
	} else {
		queues.OnRequest(func(sqstest.Call) sqstest.Fault { // as in newAccount
			time.Sleep(5 * time.Millisecond)
			return sqstest.Fault{}
		})
		queues.Add(sqstest.Config{Name: "quarantine"})
		address = queues.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 10})
		srv := httptest.NewServer(queues)
		t.Cleanup(srv.Close)
		endpoint = srv.URL
	}
	clitest.SetAWS(t, endpoint)
	static := credentials.NewStaticCredentialsProvider("id", "secret", "")
	if *yesterdayMoto {
		buckets := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: static})
		if _, err := buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("saved")}); err != nil {
			t.Fatal(err)
		}
	} else {
		srv := httptest.NewServer(s3test.New("saved"))
		t.Cleanup(srv.Close)
		t.Setenv("AWS_ENDPOINT_URL_S3", srv.URL)
	}
	api := sqs.New(sqs.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: static})
	for _, name := range []string{"quarantine", "dead"} {
		if !*yesterdayMoto {
			break
		}
		in := &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{}}
		if arn != "" {
			in.Attributes["RedrivePolicy"] = `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":"10"}`
		}
		out, err := api.CreateQueue(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		address = *out.QueueUrl
		attributes, err := api.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &address, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
		if err != nil {
			t.Fatal(err)
		}
		arn = attributes.Attributes["QueueArn"]
	}
	q := dlq.New(address, 0, func(context.Context) (*sqs.Client, error) { return api, nil })
	const n = 2000
	var entries []dlq.Entry
	for i := range n {
		group, class, ago := "/ecs/web", "unavailable", 96*time.Hour
		if i%5 == 0 {
			group, class, ago = "/ecs/shop", "rejected", 3*time.Hour
		}
		event := transform.Pack(fmt.Appendf(nil, `{"messageType":"DATA_MESSAGE","logGroup":%q,"logStream":"s","logEvents":[{"id":"%d","timestamp":1,"message":"x"}]}`, group, i))
		if i%20 == 1 {
			event, class = fmt.Appendf(nil, "unreadable %d", i), "undecodable"
		}
		entries = append(entries, dlq.Entry{Event: event, Cause: dlq.Cause{Class: class, LogGroup: group, FirstFailure: time.Now().Add(-ago)}})
	}
	for len(entries) > 0 {
		start := time.Now()
		if _, err := q.Put(t.Context(), entries[:100]); err != nil {
			t.Fatal(err)
		}
		entries = entries[100:]
		if len(entries)%500 == 0 {
			t.Logf("%d messages put, the last hundred with %s a SendMessageBatch", n-len(entries), time.Since(start)/10)
		}
	}

	run := func(job string, args ...string) string { t.Helper(); return runs(t, job, args...) }
	queue := []string{"--queue", "dead"}
	with := func(args ...string) []string { return append(args, queue...) }
	by := func(args ...string) []string { return with(args...) }
	if *yesterdayMoto {
		// The receives that find the queue empty wait for a second or two, one after another,
		// and are given 30 seconds.
		by = func(args ...string) []string { return with(append(args, "--workers", "4")...) }
	}

	for i := range 13 {
		if job := fmt.Sprintf("status, look %d", i+1); i < 12 {
			if out, err := exec.Command("sumoship", with("dlq", "status")...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", job, err, out)
			}
		} else {
			run(job, with("dlq", "status")...)
		}
	}
	run("what lies in the queue", by("dlq", "stats", "--all")...)
	rows, different, most := peeked(t, run("peek -n 2000", with("dlq", "peek", "-n", "2000", "--json")...))
	t.Logf("  %d rows, %d different, received %d times at most after 13 looks at the status", rows, different, most)
	rows, different, _ = peeked(t, run("peek -n 100000", with("dlq", "peek", "-n", "100000", "--json")...))
	t.Logf("  %d rows, %d different", rows, different)
	run("dry run", by("dlq", "replay", "--dry-run")...)
	run("dry run of all", by("dlq", "replay", "--dry-run", "--all")...)
	run("one log group, one class", by("dlq", "replay", "--log-group", "/ecs/shop", "--class", "rejected", "--since", "1d")...)
	run("export", by("dlq", "export", "saved", "--delete")...)
	run("import", by("dlq", "import", "saved")...)
	run("export to S3", by("dlq", "export", "s3://saved/dead", "--delete")...)
	run("import from S3", by("dlq", "import", "s3://saved/dead")...)
	run("replay", by("dlq", "replay")...)
	run("purge", with("dlq", "purge", "--undecodable", "--save", "purged")...)
	run("status at the end", with("dlq", "status")...)
}

func yesterdaysExports(t *testing.T) {
	source := &distantSource{}
	onSource(t, source)
	total := writePages(t, "pages", *yesterdayBytes)
	source.seen = make([]byte, total)
	backfill := []string{"backfill", "pages", "--log-group", "/ecs/web", "--yes", "--resume", "checkpoint"}
	cmd := exec.Command("sumoship", backfill...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for have := 0; have < total*38/100; have, _ = source.count() {
		time.Sleep(50 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	have, again := source.count()
	t.Logf("Ctrl-C at 38 %%: %v, %d of %d log events arrived, %d twice, %s\n%s", err, have, total, again, took(cmd), out.String())
	runs(t, "the rest", backfill...)
	have, again = source.count()
	t.Logf("  %d of %d log events arrived, %d twice", have, total, again)
	if have != total {
		t.Error("log events are missing")
	}
}

// writePages writes pages of filter-log-events in some files, gzip, and returns how many
// log events they have.
func writePages(t *testing.T, dir string, size int) (events int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const files = 20
	for i := range files {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%02d.json.gz", i)))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewWriterLevel(f, 1)
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriterSize(z, 1<<16)
		for written := 0; written < size/files; {
			w.WriteString(`{"events":[`)
			for j := range 10_000 {
				if j > 0 {
					w.WriteByte(',')
				}
				message := fmt.Sprintf("no=%d level=info msg=GET path=/api/v1/orders/%08x status=200 ms=%d user=%d", events, events*2654435761, events%977, events*7919%100_003)
				fmt.Fprintf(w, `{"logStreamName":"web/app/%d","timestamp":%d,"message":%q,"ingestionTime":1790910245999,"eventId":"%056d"}`, events%3, 1790910245000+events/50, message, events)
				written += len(message)
				events++
			}
			w.WriteString("]}\n")
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return events
}
