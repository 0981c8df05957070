package dlq

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever is in a file of an export: what is read of it is what export wrote, with its
// checksum, and comes before what is refused or cut off.
func FuzzSaved(f *testing.F) {
	for _, m := range []Message{{ID: "1", Body: `{"awslogs":{"data":"x"}}`, Entry: Entry{Cause: Cause{Class: "rejected", LogGroup: "/é\n"}}}, {ID: "2", Body: "\x7f <&\u2028"}} {
		text, err := line(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)-2])
		f.Add(append(bytes.Clone(text), "{}\n"...))
	}
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		end, err := readLines(bytes.NewReader(text), "x", func(at int, s Saved) error {
			n++
			if at != n || s.ID == "" || strings.ContainsAny(s.ID, "\r\n") {
				t.Errorf("line %d is %d, ID %q", n, at, s.ID)
			}
			again, err := line(Message{ID: s.ID, Sent: s.Sent, Receives: s.Receives, Body: s.Body, Entry: ParseEntry(s.Body, s.Attributes, s.Sent)})
			if err != nil {
				return nil // a year that JSON does not have
			}
			if _, err := readLines(bytes.NewReader(again), "y", func(_ int, b Saved) error {
				if b.ID != s.ID || b.Body != s.Body {
					t.Errorf("%q %q is %q %q after another export", s.ID, s.Body, b.ID, b.Body)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			return nil
		})
		if whole := bytes.Count(text[:end], []byte("\n")); whole != n {
			t.Errorf("%d lines of %d were read", n, whole)
		}
		if err == nil && bytes.Contains(text[end:], []byte("\n")) {
			t.Errorf("it ends before the last line")
		}
	})
}

// memory is a store.
type memory map[string]string

func (m memory) List(context.Context) (files []File, err error) {
	for name, text := range m {
		files = append(files, File{Name: name, Size: int64(len(text))})
	}
	return files, nil
}

func (m memory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(m[name])), nil
}

func (m memory) Put(_ context.Context, name string, body io.ReadSeeker, _ int64, _ [sha256.Size]byte) error {
	text, err := io.ReadAll(body)
	m[name] = string(text)
	return err
}

func (m memory) Sum(ctx context.Context, name string) ([sha256.Size]byte, error) {
	return sumOf(ctx, m, name)
}

func (memory) Path(name string) string { return name }

// Whatever the files that note what was put hold: an import reads them, and what it
// notes afterwards is known together with what was there.
func FuzzImportLog(f *testing.F) {
	f.Add("a\nb\nc", "x")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, id string) {
		if id == "" || strings.ContainsAny(id, "\r\n") || len(text) > 1<<16 {
			return
		}
		dir := memory{"imported.log": text}
		open := func() *importLog {
			files, err := dir.List(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			l, err := openImportLog(context.Background(), dir, files)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := open()
		if err := (&notes{log: l}).add(context.Background(), []Saved{{ID: id}}); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{id: true}
		for known := range l.done {
			want[known] = true
		}
		if d := cmp.Diff(want, open().done); d != "" {
			t.Error(d)
		}
		if dir["imported.log"] != text {
			t.Errorf("an older part was changed: %q", dir["imported.log"])
		}
	})
}
