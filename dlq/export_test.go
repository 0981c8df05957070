package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

// byGroup names the file of a message by its log group, of which there are ten at most.
func byGroup(m dlq.Message) string {
	group := m.Entry.Cause.LogGroup
	return "x" + group[:min(len(group), len("/ecs/1"))]
}

// export exports a queue, and deletes what is on the disk.
func export(ctx context.Context, q *dlq.Queue, dir string, workers int) (dlq.Scanned, error) {
	e, err := dlq.OpenExport(ctx, dir, byGroup)
	if err != nil {
		return dlq.Scanned{}, err
	}
	return drain(ctx, q, e, workers)
}

// archive is where an export goes.
type archive interface {
	Write(context.Context, []dlq.Message) ([]dlq.Message, error)
	Flush(context.Context) ([]dlq.Message, error)
	Close(context.Context) (files int, bytes int64, err error)
	Written() int
}

// drain exports a queue to an archive, and deletes what that has.
func drain(ctx context.Context, q *dlq.Queue, to archive, workers int) (dlq.Scanned, error) {
	scan := dlq.Scan{Workers: workers, Last: func() ([]dlq.Message, error) { return to.Flush(ctx) }}
	got, err := q.Scan(ctx, scan, func(messages []dlq.Message) ([]dlq.Message, error) { return to.Write(ctx, messages) })
	if _, _, e := to.Close(ctx); err == nil {
		err = e
	}
	return got, err
}

// contents are the bodies and attributes of a queue's messages.
func contents(s *sqstest.Server, queue string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, m := range s.Messages(queue) {
		all[m.Body] = m.Attributes
	}
	return all
}

// What was exported and deleted is the same after an import.
func TestExportAndImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, dir := sqstest.New(), t.TempDir()
		url := server.Add(sqstest.Config{Name: "q"})
		q := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
		const n = 237
		for i := range n {
			if _, err := q.Put(t.Context(), []dlq.Entry{{Event: fmt.Appendf(nil, `{"awslogs":{"data":"%d é \n <"}}`, i),
				Cause: dlq.Cause{Class: "unavailable", LogGroup: fmt.Sprint("/web/", i%3), FirstFailure: time.Unix(int64(i), 0).UTC(), Attempts: i}}}); err != nil {
				t.Fatal(err)
			}
		}
		before := contents(server, "q")
		got, err := export(t.Context(), q, dir, 4)
		if err != nil || got.Messages != n || got.Deleted != n || len(server.Messages("q")) != 0 {
			t.Fatalf("%+v, %v, %d left", got, err, len(server.Messages("q")))
		}
		if out, err := exec.Command("sh", "-c", "cd "+dir+" && sha256sum -c SHA256SUMS").CombinedOutput(); err != nil || strings.Count(string(out), "OK") != 3 {
			t.Errorf("%s %v", out, err)
		}
		progress := 0
		in, err := q.Import(t.Context(), dlq.Dir(dir), dlq.Import{Workers: 1, Progress: func(n int) { progress += n }})
		if err != nil || in.Messages != n || in.Files != 3 || progress != n {
			t.Fatalf("%+v, %v", in, err)
		}
		if d := cmp.Diff(before, contents(server, "q")); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		// Again, nothing is put twice.
		if in, err = q.Import(t.Context(), dlq.Dir(dir), dlq.Import{}); err != nil || in.Messages != 0 || in.Before != n || len(server.Messages("q")) != n {
			t.Errorf("%+v, %v", in, err)
		}
		// Nor written twice.
		got, err = export(t.Context(), q, dir, 4)
		if err != nil || got.Deleted != n {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// A file that cannot be written whole deletes nothing, and one that is not what was
// exported puts nothing.
func TestExportAndImportOfBrokenFiles(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		fill(t, b.queue, 25)
		full := t.TempDir()
		e, err := dlq.OpenExport(b.Context(), full, func(dlq.Message) string { return "full" })
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/dev/full", filepath.Join(full, "full.ndjson")); err != nil {
			t.Fatal(err)
		}
		got, err := b.queue.Scan(b.Context(), dlq.Scan{Workers: 2}, func(messages []dlq.Message) ([]dlq.Message, error) {
			return e.Write(b.Context(), messages)
		})
		if err == nil || got.Deleted != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		b.visible(25)

		dir := t.TempDir()
		if e, err = dlq.OpenExport(b.Context(), dir, func(dlq.Message) string { return "x" }); err != nil {
			t.Fatal(err)
		}
		if _, err := b.queue.Scan(b.Context(), dlq.Scan{Workers: 2}, func(messages []dlq.Message) ([]dlq.Message, error) {
			return e.Write(b.Context(), messages)
		}); err != nil {
			t.Fatal(err)
		}
		if files, size, err := e.Close(b.Context()); err != nil || files != 1 || size == 0 {
			t.Fatal(files, size, err)
		}
		path := filepath.Join(dir, "x.ndjson")
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ text, want string }{
			"changed":   {strings.Replace(string(whole), `\"`, `'`, 1), "checksum"},
			"not ours":  {string(whole) + "{}\n", "x.ndjson:26: not a message"},
			"not JSON":  {"hello\n", "x.ndjson:1: not a message"},
			"no export": {"", "no *.ndjson"},
		} {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "no export" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			in, err := b.queue.Import(b.Context(), dlq.Dir(dir), dlq.Import{})
			if err == nil || !strings.Contains(err.Error(), c.want) || in.Messages != 0 {
				t.Errorf("%s: %+v, %v", name, in, err)
			}
		}
		// A line that is cut off was not deleted from its queue.
		if err := os.WriteFile(path, whole[:len(whole)-5], 0o600); err != nil {
			t.Fatal(err)
		}
		if in, err := b.queue.Import(b.Context(), dlq.Dir(dir), dlq.Import{}); err != nil || in.Messages != 24 || in.Cut != 1 {
			t.Errorf("%+v, %v", in, err)
		}
	})
}

// An event that replay has saved in a bucket is imported too.
func TestImportOfEvents(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "2026/01/02/ecs"), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "2026/01/02/ecs/1.json")
		if err := os.WriteFile(path, []byte(`{"awslogs":{"data":"x"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if in, err := b.queue.Import(b.Context(), dlq.Dir(dir), dlq.Import{}); err != nil || in.Messages != 1 {
			t.Errorf("%+v, %v", in, err)
		}
		b.equal(b.server.Messages("q")[0].Body, `{"awslogs":{"data":"x"}}`)
		if err := os.WriteFile(path, []byte(`{"other":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "imported.log")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.queue.Import(b.Context(), dlq.Dir(dir), dlq.Import{}); err == nil {
			t.Error("an object that is not an event is imported")
		}
	})
}

// TestChild is not a test: it is what the next test kills.
func TestChild(t *testing.T) {
	dir, what := os.Getenv("DLQ_DIR"), os.Getenv("DLQ_CHILD")
	if what == "" {
		t.Skip("for TestKilledExportsAndImports")
	}
	q := dlq.New(os.Getenv("DLQ_URL"), 0, func(context.Context) (*sqs.Client, error) {
		return sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: aws.String(os.Getenv("DLQ_API")), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}), nil
	})
	var err error
	if what == "export" {
		_, err = export(t.Context(), q, dir, 4)
	} else {
		_, err = q.Import(t.Context(), dlq.Dir(dir), dlq.Import{Workers: 4})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// kill -9 in the middle of an export and of an import loses nothing, and an import
// repeats at most what was in flight.
func TestKilledExportsAndImports(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	const n, inFlight = 500, 4 * 2 * 10 // a batch that is put, and one that is noted
	server, dir := sqstest.New(), t.TempDir()
	url := server.Add(sqstest.Config{Name: "q", Visibility: time.Second})
	copyURL := server.Add(sqstest.Config{Name: "copy"})
	api := httptest.NewServer(server)
	defer api.Close()
	q := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
	fill(t, q, n)
	want := contents(server, "q")
	run := func(what, url string, after time.Duration) (killed bool) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), "DLQ_CHILD="+what, "DLQ_DIR="+dir, "DLQ_URL="+url, "DLQ_API="+api.URL)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		err := cmd.Wait()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if ok && exit.ExitCode() > 0 {
			t.Fatalf("%s failed: %v", what, err)
		}
		return ok
	}
	kills := 0
	for after := 60 * time.Millisecond; run("export", url, after); after = after * 8 / 5 {
		kills++
		// What a dead process holds is visible again after a while.
		for _, m := range server.Messages("q") {
			if m.VisibleAt.After(time.Now()) {
				server.Show("q")
				break
			}
		}
	}
	if left := len(server.Messages("q")); left != 0 {
		t.Fatalf("%d messages are left", left)
	}
	imports := 0
	for after := 60 * time.Millisecond; run("import", copyURL, after); after = after * 8 / 5 {
		imports++
	}
	got := contents(server, "copy")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%.2000s", d)
	}
	if repeated := len(server.Messages("copy")) - len(got); repeated > imports*inFlight {
		t.Errorf("%d messages are there twice after %d kills", repeated, imports)
	}
	t.Logf("export was killed %d times, import %d times; %d messages twice", kills, imports, len(server.Messages("copy"))-len(got))
	if kills == 0 || imports == 0 {
		t.Error("nothing was killed in its middle")
	}
}
