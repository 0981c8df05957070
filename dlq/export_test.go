package dlq_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// An import notes a message once the queue has it, and not before: whoever is killed
// meanwhile, or refused, puts it the next time.
func TestImportNotesWhatWasPut(t *testing.T) {
	onQueue(t, sqstest.Config{}, 0, func(b *bench) {
		fill(t, b.queue, 25)
		dir := t.TempDir()
		if _, err := export(b.Context(), b.queue, dir, 1); err != nil {
			t.Fatal(err)
		}
		b.puts(func(n int) (fault sqstest.Fault) {
			time.Sleep(time.Second) // whatever else is done meanwhile is done
			noted, _ := os.ReadFile(filepath.Join(dir, "imported.log"))
			if got, put := strings.Count(string(noted), "\n"), len(b.server.Messages("q")); got != put {
				t.Errorf("%d messages are noted when %d were put", got, put)
			}
			if n == 2 {
				fault.Code = "QueueDoesNotExist"
			}
			return fault
		})
		first, err := b.queue.Import(b.Context(), dlq.Dir(dir), dlq.Import{Workers: 1})
		if err == nil || first.Messages == 0 {
			t.Errorf("%+v, %v", first, err)
		}
		b.server.OnRequest(nil)
		if in, err := b.queue.Import(b.Context(), dlq.Dir(dir), dlq.Import{Workers: 1}); err != nil || in.Before != first.Messages || in.Messages != 25-first.Messages {
			t.Errorf("%+v, %v", in, err)
		}
		b.visible(25)
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
