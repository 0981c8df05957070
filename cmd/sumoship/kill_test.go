package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/objects/s3test"
	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

var killRounds = flag.Int("killrounds", 1, "how often each command is run to its end, killed up to three times on its way")

// killer is in front of a service and kills a process at one of its requests, which the
// service has done and nobody knows of.
type killer struct {
	http.Handler
	most   int // requests until then
	victim atomic.Pointer[os.Process]
	left   atomic.Int64
	inWork sync.RWMutex // read-locked by each request
}

// settle waits until what a dead process has asked for is done.
func (k *killer) settle(srv *httptest.Server) {
	srv.CloseClientConnections()
	k.inWork.Lock()
	defer k.inWork.Unlock()
}

// aim has the process die at its request n.
func (k *killer) aim(p *os.Process, n int) {
	k.left.Store(int64(n))
	k.victim.Store(p)
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.inWork.RLock()
	defer k.inWork.RUnlock()
	p, left := k.victim.Load(), k.left.Add(-1)
	if p == nil || left != 0 {
		k.Handler.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	k.Handler.ServeHTTP(answer, r)
	_ = p.Kill() // it may have ended
	w.WriteHeader(http.StatusInternalServerError)
}

// untilDone runs the command until it ends, and kills it up to three times, at a random
// request to each of its services in turn. It returns how often it died.
func untilDone(t *testing.T, random *rand.Rand, killers []*killer, between func(), args ...string) (died int) {
	t.Helper()
	for n := 0; ; n++ {
		var out bytes.Buffer
		cmd := exec.Command("sumoship", args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		for _, k := range killers {
			k.victim.Store(nil)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if n < 3 {
			k := killers[(n+1)%len(killers)]
			k.aim(cmd.Process, 1+random.IntN(k.most))
		}
		err := cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signaled() {
			died++
			between()
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, &out)
		}
		return died
	}
}

// kill -9 in the middle of an export and of an import, into a directory and into a
// bucket, loses no message; an import puts at most what was in flight twice.
func TestKilledExportAndImport(t *testing.T) {
	for round := range 2 * *killRounds {
		to := []string{"directory", "bucket"}[round%2]
		t.Run(fmt.Sprint(to, round/2), func(t *testing.T) {
			const n, workers = 300, 2
			queues, s3 := sqstest.New(), s3test.New("bucket")
			queues.Add(sqstest.Config{Name: "dead", Visibility: time.Hour})
			queues.Add(sqstest.Config{Name: "copy"})
			sqsAPI, s3API := &killer{Handler: queues, most: 25}, &killer{Handler: s3, most: 7}
			killers, dir := []*killer{sqsAPI}, filepath.Join(t.TempDir(), "saved")
			srv, objects := httptest.NewServer(sqsAPI), httptest.NewServer(s3API)
			defer srv.Close()
			defer objects.Close()
			clitest.SetAWS(t, srv.URL)
			t.Setenv("TMPDIR", t.TempDir()) // what a killed upload leaves
			t.Setenv("AWS_ENDPOINT_URL_S3", objects.URL)
			if to == "bucket" {
				dir, killers = "s3://bucket/saved", append(killers, s3API)
			}
			q := dlq.New("http://sqs/123456789012/dead", 0, func(context.Context) (*sqs.Client, error) { return queues.Client(), nil })
			var entries []dlq.Entry
			for i := range n {
				group := fmt.Sprint("/ecs/", i%5)
				entries = append(entries, dlq.Entry{Event: transform.Pack(fmt.Appendf(nil, `{"messageType":"DATA_MESSAGE","logGroup":%q,"logStream":"s","logEvents":[{"id":"%d","timestamp":1,"message":"line %d"}]}`, group, i, i)),
					Cause: dlq.Cause{Class: "unavailable", LogGroup: group, FirstFailure: time.Unix(1e9, 0)}})
			}
			if _, err := q.Put(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			want := bodies(queues, "dead")
			random := rand.New(rand.NewPCG(17, uint64(round)))
			between := func() { // what a dead process held is visible again after a while
				sqsAPI.settle(srv)
				queues.Show("dead")
			}
			exports := untilDone(t, random, killers, between, "dlq", "export", dir, "--queue", "dead", "--delete", "--workers", fmt.Sprint(workers))
			if left := len(queues.Messages("dead")); left != 0 {
				t.Errorf("%d messages are left in the queue", left)
			}
			imports := untilDone(t, random, killers, func() {}, "dlq", "import", dir, "--queue", "copy", "--workers", fmt.Sprint(workers))
			got := bodies(queues, "copy")
			twice := 0
			for _, times := range got {
				twice += times - 1
			}
			if d := cmp.Diff(keys(want), keys(got)); d != "" {
				t.Errorf("-want +got:\n%.2000s", d)
			}
			if most := imports * workers * 2 * 10; twice > most {
				t.Errorf("%d messages are there twice, want at most %d", twice, most)
			}
			t.Logf("%d messages: export died %d times, import %d times; %d messages twice", n, exports, imports, twice)
			if exports == 0 || imports == 0 {
				t.Error("nothing was killed in its middle")
			}
		})
	}
}

// bodies are how often each is in a queue.
func bodies(s *sqstest.Server, queue string) map[string]int {
	all := map[string]int{}
	for _, m := range s.Messages(queue) {
		all[m.Body]++
	}
	return all
}

func keys(m map[string]int) map[string]bool {
	all := map[string]bool{}
	for k := range m {
		all[k] = true
	}
	return all
}

// kill -9 in the middle of a backfill loses no log event, and what arrives twice was in
// flight.
func TestKilledBackfill(t *testing.T) {
	for round := range *killRounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) { killedBackfill(t, rand.New(rand.NewPCG(17, uint64(round)))) })
	}
}

func killedBackfill(t *testing.T, random *rand.Rand) {
	const files, events, workers = 12, 1000, 2
	dir := t.TempDir()
	for i := range files {
		var b bytes.Buffer
		for j := range events {
			fmt.Fprintf(&b, "2026-10-02T03:04:05.000Z %d-%d\n", i, j)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := sumotest.New()
	k := &killer{Handler: source, most: 6}
	srv := httptest.NewServer(k)
	defer srv.Close()
	t.Setenv("SUMO_ENDPOINT", srv.URL+"/receiver/v1/http/X")
	t.Setenv("LOG_FORMAT", "RAW")
	died := untilDone(t, random, []*killer{k}, func() {}, "backfill", dir, "--log-group", "g", "--yes", "--no-event-id",
		"--workers", fmt.Sprint(workers), "--resume", filepath.Join(t.TempDir(), "checkpoint"))
	found := map[string]int{}
	for _, r := range source.Requests() {
		if r.Taken {
			for _, line := range r.Lines() {
				found[line]++
			}
		}
	}
	twice := 0
	for _, n := range found {
		twice += n - 1
	}
	// A file is a batch here, and the source may have stored one more whose answer was on
	// its way.
	if len(found) != files*events || twice > died*(workers+1)*events || died == 0 {
		t.Errorf("%d of %d log events, %d twice, after %d kills", len(found), files*events, twice, died)
	}
	t.Logf("%d log events: died %d times; %d twice", len(found), died, twice)
}
