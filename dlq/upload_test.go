package dlq_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
)

// bucket is a store in memory, with a latency.
type bucket struct {
	latency time.Duration
	fail    func(op, name string) error // may be nil

	mu    sync.Mutex
	files map[string]string
	puts  int
}

func (b *bucket) call(op, name string) error {
	time.Sleep(b.latency)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail(op, name)
	}
	return nil
}

func (b *bucket) Path(name string) string { return "bucket/" + name }

func (b *bucket) List(context.Context) (files []dlq.File, err error) {
	err = b.call("list", "")
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		files = append(files, dlq.File{Name: name, Size: int64(len(b.files[name]))})
	}
	return files, err
}

func (b *bucket) Open(_ context.Context, name string) (io.ReadCloser, error) {
	err := b.call("open", name)
	b.mu.Lock()
	defer b.mu.Unlock()
	return io.NopCloser(strings.NewReader(b.files[name])), err
}

func (b *bucket) Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	if err := b.call("put", name); err != nil {
		return err
	}
	text, err := io.ReadAll(body)
	if err != nil || int64(len(text)) != size || sha256.Sum256(text) != sum {
		return fmt.Errorf("a wrong body: %d bytes of %d, %v", len(text), size, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	b.files[name] = string(text)
	return ctx.Err()
}

func (b *bucket) Sum(_ context.Context, name string) ([sha256.Size]byte, error) {
	err := b.call("sum", name)
	b.mu.Lock()
	defer b.mu.Unlock()
	return sha256.Sum256([]byte(b.files[name])), err
}

func upload(ctx context.Context, q *dlq.Queue, to dlq.Store, workers int) (dlq.Scanned, error) {
	u, err := dlq.OpenUpload(ctx, to, byGroup)
	if err != nil {
		return dlq.Scanned{}, err
	}
	return drain(ctx, q, u, workers)
}

// keeping deletes nothing.
type keeping struct{ archive }

func (k keeping) Write(ctx context.Context, m []dlq.Message) ([]dlq.Message, error) {
	_, err := k.archive.Write(ctx, m)
	return nil, err
}

func (k keeping) Flush(ctx context.Context) ([]dlq.Message, error) {
	_, err := k.archive.Flush(ctx)
	return nil, err
}

// grouped puts n messages of three log groups into a queue.
func grouped(t *testing.T, q *dlq.Queue, from, n int) {
	t.Helper()
	var all []dlq.Entry
	for i := range n {
		all = append(all, dlq.Entry{Event: fmt.Appendf(nil, `{"awslogs":{"data":"%d"}}`, from+i), Cause: dlq.Cause{Class: "rejected", LogGroup: fmt.Sprint("/web/", i%3), FirstFailure: time.Unix(int64(i), 0).UTC()}})
	}
	if _, err := q.Put(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

// What is exported into a bucket is deleted once it is there, goes on in the files that
// are there, has one SHA256SUMS, and is the same after an import, which puts nothing
// twice.
func TestUploadAndImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		url := server.Add(sqstest.Config{Name: "q"})
		q := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
		b := &bucket{files: map[string]string{"other.txt": "x"}}
		grouped(t, q, 0, 100)
		want := contents(server, "q")
		for deleted := range 2 { // an export, and one that finds all of it there
			var to archive
			to, err := dlq.OpenUpload(t.Context(), b, byGroup)
			if err != nil {
				t.Fatal(err)
			}
			if deleted == 0 {
				to = keeping{to}
			}
			got, err := drain(t.Context(), q, to, 4)
			if err != nil || got.Messages != 100 || got.Deleted != 100*deleted || to.Written() != 100*(1-deleted) {
				t.Fatal(got, err)
			}
		}
		if len(server.Messages("q")) != 0 || b.puts != 3+2 {
			t.Errorf("%d messages left, %d puts", len(server.Messages("q")), b.puts)
		}
		grouped(t, q, 100, 50)
		maps.Copy(want, contents(server, "q"))
		if _, err := upload(t.Context(), q, b, 4); err != nil {
			t.Fatal(err)
		}
		var sums strings.Builder
		lines := 0
		for _, name := range slices.Sorted(maps.Keys(b.files)) {
			if strings.HasSuffix(name, ".ndjson") {
				fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(b.files[name])), name)
				lines += strings.Count(b.files[name], "\n")
			}
		}
		if d := cmp.Diff(sums.String(), b.files["SHA256SUMS"]); d != "" || lines != 150 || strings.Count(sums.String(), "\n") != 3 {
			t.Errorf("%d lines\n%s", lines, d)
		}
		in, err := q.Import(t.Context(), b, dlq.Import{Workers: 3})
		if err != nil || in.Messages != 150 || in.Files != 3 {
			t.Fatalf("%+v, %v", in, err)
		}
		if d := cmp.Diff(want, contents(server, "q")); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		if in, err = q.Import(t.Context(), b, dlq.Import{}); err != nil || in.Messages != 0 || in.Before != 150 {
			t.Errorf("%+v, %v", in, err)
		}
	})
}

// A bucket that refuses deletes nothing that it has not stored, and the next export goes
// on.
func TestUploadThatFails(t *testing.T) {
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		op, file string
		deleted  bool // some were
	}{
		"list": {"list", "", false}, "put": {"put", "x/web/1.ndjson", true}, "all puts": {"put", "", false}, "the sums": {"put", "SHA256SUMS", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := sqstest.New()
				url := server.Add(sqstest.Config{Name: "q"})
				q := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return server.Client(), nil })
				grouped(t, q, 0, 90)
				want := contents(server, "q")
				b := &bucket{files: map[string]string{}, fail: func(op, file string) error {
					if op == c.op && strings.HasPrefix(file, c.file) {
						return refused
					}
					return nil
				}}
				got, err := upload(t.Context(), q, b, 4)
				if !errors.Is(err, refused) || (got.Deleted > 0) != c.deleted {
					t.Errorf("%+v, %v", got, err)
				}
				b.fail = nil
				if got, err = upload(t.Context(), q, b, 4); err != nil || len(server.Messages("q")) != 0 {
					t.Fatalf("%+v, %v, %d left", got, err, len(server.Messages("q")))
				}
				if _, err := q.Import(t.Context(), b, dlq.Import{}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, contents(server, "q")); d != "" || len(server.Messages("q")) != 90 {
					t.Errorf("-want +got:\n%s", d)
				}
			})
		})
	}
}
