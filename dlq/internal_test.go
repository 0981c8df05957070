package dlq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An export that goes on after another has the disk store what that one has written: it
// may have been killed before. What cannot be stored is not taken for known.
func TestExportSettlesWhatItFinds(t *testing.T) {
	dir := t.TempDir()
	text, err := line(Message{ID: "1", Body: "x"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "g", "h.ndjson")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, `{"id":"2`...), 0o600); err != nil {
		t.Fatal(err)
	}
	var flushed []string
	var broken error
	flush := func(f *os.File) error {
		info, err := f.Stat()
		if err != nil || info.Size() != int64(len(text)) {
			t.Errorf("%s is flushed with %d bytes, before it is cut to %d", f.Name(), info.Size(), len(text))
		}
		flushed = append(flushed, f.Name())
		return broken
	}
	name := func(Message) string { return "g/h" }
	e, err := openExport(t.Context(), Dir(dir), name, flush)
	if err != nil || len(flushed) != 1 || flushed[0] != path {
		t.Fatalf("%v, flushed %q", err, flushed)
	}
	if _, err := openExport(t.Context(), Dir(dir), name, flush); !errors.Is(err, ErrInUse) {
		t.Errorf("two exports in one directory: %v", err)
	}
	q := New("q", 0, nil)
	if _, err := q.Import(context.Background(), Dir(dir), Import{}); !errors.Is(err, ErrInUse) {
		t.Errorf("an import of what is exported: %v", err)
	}
	if _, _, err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken = errors.New("input/output error")
	if _, err := openExport(t.Context(), Dir(dir), name, flush); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	broken = nil
	if e, err = openExport(t.Context(), Dir(dir), name, flush); err != nil {
		t.Fatalf("it is locked after an error: %v", err)
	}
	_, _, _ = e.Close(t.Context())
}

// Many files, or many bytes, are put before all is received.
func TestUploadIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		bounds
		name func(Message) string
		want []int // stored by each write of ten messages
	}{
		"files": {bounds{1 << 30, 20, 1 << 20}, func(m Message) string { return m.ID }, []int{0, 20, 0, 20, 0}},
		"bytes": {bounds{1000, 100, 1 << 20}, func(Message) string { return "g" }, []int{10, 10, 10, 10, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := OpenUpload(t.Context(), Dir(t.TempDir()), c.name)
			if err != nil {
				t.Fatal(err)
			}
			u.bounds = c.bounds
			var got []int
			for i := range len(c.want) {
				var messages []Message
				for j := range 10 {
					messages = append(messages, Message{ID: fmt.Sprint(i, "-", j), Body: "x"})
				}
				done, err := u.Write(t.Context(), messages)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, len(done))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if _, err := u.Flush(t.Context()); err != nil || u.Written() != 50 {
				t.Errorf("%d written, %v", u.Written(), err)
			}
			dir := u.dir
			if _, _, err := u.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", dir, err)
			}
		})
	}
}

// What comes after a large file goes into another, and is known there.
func TestUploadInPieces(t *testing.T) {
	to := Dir(t.TempDir())
	export := func(ids ...string) int {
		t.Helper()
		u, err := OpenUpload(t.Context(), to, func(Message) string { return "g" })
		if err != nil {
			t.Fatal(err)
		}
		u.piece = 400
		for _, id := range ids {
			if _, err := u.Write(t.Context(), []Message{{ID: id, Body: "x"}}); err != nil {
				t.Fatal(err)
			}
		}
		if done, err := u.Flush(t.Context()); err != nil || len(done) != len(ids) {
			t.Fatalf("%d of %d stored, %v", len(done), len(ids), err)
		}
		if _, _, err := u.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return u.Written()
	}
	got := []int{export("a", "b", "c"), export("a", "b", "c", "d"), export("a", "d", "e"), export("a", "b", "c", "d", "e", "f"), export("g"), export("b", "e", "g")}
	if d := cmp.Diff([]int{3, 1, 1, 1, 1, 0}, got); d != "" {
		t.Error(d)
	}
	var ids []string
	for _, name := range []string{"g.ndjson", "g.2.ndjson", "g.3.ndjson"} {
		if _, err := readSaved(t.Context(), to, name, func(_ int, s Saved) error {
			ids = append(ids, name+" "+s.ID)
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	want := "g.ndjson a,g.ndjson b,g.ndjson c,g.2.ndjson d,g.2.ndjson e,g.2.ndjson f,g.3.ndjson g"
	if d := cmp.Diff(want, strings.Join(ids, ",")); d != "" {
		t.Error(d)
	}
}
