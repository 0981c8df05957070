package history

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Item is a file or an object.
type Item struct {
	Name string
	Size int64  // as it is stored; -1 if it is not known
	ID   string // of its content, such as an ETag; may be ""
	// Open opens it, at most once after another.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Files reads items, one after the other.
type Files struct {
	Items []Item
	Hints Hints
	// Notes are what was noticed while they were read.
	Notes []string
}

// errGrown is the end of a file that was half a line when it was reached, and is still
// being written.
var errGrown = errors.New("the file grew while it was read, and its last line was not complete")

// FindFiles returns the files at paths. Of a directory it returns those in it, in the
// order of their names, except hidden ones, the one by which CloudWatch Logs tests an
// export, and those in except: a checkpoint may be among what it is of.
func FindFiles(paths []string, except ...string) ([]Item, error) {
	var items []Item
	var errs []error
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			base := filepath.Base(name)
			switch {
			case err != nil:
				return err
			case d.IsDir() && name != path && strings.HasPrefix(base, "."):
				return fs.SkipDir
			case d.IsDir() || name != path && (strings.HasPrefix(base, ".") || Skipped(base) || slices.ContainsFunc(except, func(e string) bool { return same(e, name) })):
				return nil
			}
			item, err := file(name)
			if err == nil {
				items = append(items, item)
			}
			return err
		})
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 && len(items) == 0 {
		errs = append(errs, fmt.Errorf("there are no files in %s", strings.Join(paths, ", ")))
	}
	return items, errors.Join(errs...)
}

// same reports whether two names are of one file.
func same(a, b string) bool {
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}

// Skipped reports whether a file or object of that name holds no log events: an export
// begins with one that says that it may write.
func Skipped(base string) bool { return base == "aws-logs-write-test" }

// file returns a file as it is now.
func file(name string) (Item, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Item{}, err
	}
	if !info.Mode().IsRegular() { // a pipe, which can be read once
		f, err := os.Open(name)
		if err != nil {
			return Item{}, err
		}
		return Stream(name, f), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return Item{}, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return Item{}, err
	}
	return Item{Name: name, Size: info.Size(), ID: fmt.Sprintf("%x", sha256.Sum256(head[:n])), Open: func(context.Context) (io.ReadCloser, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		return &growing{File: f, left: info.Size()}, nil
	}}, nil
}

// growing reads a file up to the size that it had.
type growing struct {
	*os.File
	left int64
	last byte
}

func (g *growing) Read(b []byte) (int, error) {
	if g.left == 0 {
		if more := g.grew(); more > 0 && g.last != '\n' {
			return 0, errGrown
		}
		return 0, io.EOF
	}
	n, err := g.File.Read(b[:min(int64(len(b)), g.left)])
	if n > 0 {
		g.left -= int64(n)
		g.last = b[n-1]
	}
	if err == io.EOF && g.left > 0 {
		err = io.ErrUnexpectedEOF // it was cut meanwhile
	}
	return n, err
}

// grew returns by how many bytes the file is longer now.
func (g *growing) grew() int64 {
	info, err := g.File.Stat()
	if err != nil {
		return 0
	}
	at, err := g.File.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	return info.Size() - at
}

// Stream returns an input that can be read once. It is known by its first bytes, for
// which it waits.
func Stream(name string, in io.Reader) Item {
	b := bufio.NewReaderSize(in, headSize)
	head, _ := b.Peek(4096) // an error shows when it is read
	return Item{Name: name, Size: -1, ID: fmt.Sprintf("%x", sha256.Sum256(head)), Open: func(context.Context) (io.ReadCloser, error) { return peekable{b}, nil }}
}

// peekable is an input whose head can be looked at before it is read.
type peekable struct{ *bufio.Reader }

func (peekable) Close() error { return nil }

// Feed reads the items. One that cannot be read does not stop the others.
func (f *Files) Feed(ctx context.Context, r *Run) error {
	for i, item := range f.Items {
		if r.Checkpoint.Complete(i) {
			continue
		}
		u := &Unit{
			shipped:  func(batch int, n Counts, left []int) error { return r.Checkpoint.Confirm(i, batch, n, left) },
			complete: func(Counts) error { return r.Checkpoint.End(i) },
		}
		err := f.read(ctx, r, u, i, item)
		if ctx.Err() != nil {
			_ = r.End(u, ctx.Err())
			return ctx.Err()
		}
		if err := r.End(u, err); err != nil {
			return err
		}
		if err != nil {
			r.Fail(item.Name, err)
		}
	}
	return nil
}

func (f *Files) read(ctx context.Context, r *Run, u *Unit, unit int, item Item) error {
	in, err := item.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	reader := &Reader{File: item.Name, Hints: f.hints(item), Buffers: r.Buffers}
	err = reader.Read(ctx, in, func(b Batch) error {
		left, only := r.Checkpoint.Left(unit, b.Seq)
		if !left {
			select {
			case r.Buffers <- b.Doc:
			default:
			}
			return nil
		}
		return r.Yield(ctx, u, b, only)
	})
	f.Notes = append(f.Notes, reader.Notes...)
	if g, ok := in.(*growing); ok && err == nil {
		if more := g.grew(); more > 0 {
			f.Notes = append(f.Notes, fmt.Sprintf("%s grew by %d bytes while it was read; they were not read", item.Name, more))
		}
	}
	return err
}

// hints returns those of an item. An export has the log stream in the name of the
// directory: PREFIX/TASK/STREAM/000000.gz.
func (f *Files) hints(item Item) Hints {
	h := f.Hints
	parts := strings.Split(filepath.ToSlash(item.Name), "/")
	if n := len(parts); h.LogStream == "" && n >= 3 && len(parts[n-1]) >= 6 && allDigits(parts[n-1][:6]) && isTask(parts[n-3]) {
		h.LogStream = parts[n-2]
	}
	return h
}

func allDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// isTask reports whether s is the id of an export task, a UUID.
func isTask(s string) bool { return len(s) == 36 && strings.Count(s, "-") == 4 }

// Plan is what a look at the beginning of each item shows.
type Plan struct {
	Items   int
	Size    int64 // as stored; -1 if it is not known
	Text    int64 // of the batches, by the ratio of what was looked at; -1 if it is not known
	Formats map[Format]int
	Oldest  time.Time // first log event of an item; zero if it is not known
	Old     int       // items that begin before Retention
	Looked  int       // at how many items
}

// headSize is how much of an item is looked at.
const headSize = 128 << 10

// maxLook is how many items are looked at; more are too many to open twice.
const maxLook = 200

// Plan looks at the items, and reads none. It refuses what is not one of the formats.
//
// Errors: *FormatError, or those of opening, of up to 10 items.
func (f *Files) Plan(ctx context.Context) (Plan, error) {
	p := Plan{Items: len(f.Items), Formats: map[Format]int{}}
	var errs []error
	var stored, text int64
	step := max(1, (len(f.Items)+maxLook-1)/maxLook)
	for i, item := range f.Items {
		if item.Size < 0 {
			p.Size = -1
		} else if p.Size >= 0 {
			p.Size += item.Size
		}
		if i%step != 0 || len(errs) >= 10 {
			continue
		}
		p.Looked++
		l, err := f.look(ctx, item)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stored, text = stored+l.stored, text+l.text
		p.Formats[l.format]++
		if !l.first.IsZero() && (p.Oldest.IsZero() || l.first.Before(p.Oldest)) {
			p.Oldest = l.first
		}
		if !l.first.IsZero() && time.Since(l.first) > Retention {
			p.Old++
		}
	}
	p.Text = -1
	if p.Size >= 0 && stored > 0 {
		p.Text = int64(float64(p.Size) * float64(text) / float64(stored))
	}
	return p, errors.Join(errs...)
}

type look struct {
	format       Format
	first        time.Time
	stored, text int64 // bytes that were looked at, and those of their batches
}

// look reads the beginning of an item.
func (f *Files) look(ctx context.Context, item Item) (l look, err error) {
	in, err := item.Open(ctx)
	if err != nil {
		return l, err
	}
	defer in.Close()
	var head []byte
	whole := false
	if p, ok := in.(peekable); ok {
		head, err = p.Peek(headSize)
		head = bytes.Clone(head)
	} else {
		head = make([]byte, headSize)
		var n int
		n, err = io.ReadFull(in, head)
		head = head[:n]
	}
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		whole = true
	default:
		return l, err
	}
	reader := &Reader{File: item.Name, Hints: f.hints(item), sniff: true}
	err = reader.Read(ctx, bytes.NewReader(head), func(Batch) error { return nil })
	_, refused := errors.AsType[*FormatError](err)
	switch {
	case err == errSniffed:
		if d := reader.out.last; d != nil {
			l.first = time.UnixMilli(d.first)
		}
	case refused && (whole || !errors.Is(err, io.ErrUnexpectedEOF)):
		return l, err
	case err != nil && !refused:
		return l, err
	}
	l.format = cmp.Or(reader.Format, Unknown)
	l.stored, l.text = int64(len(head)), textOf(head)
	l.text = f.batchesOf(ctx, item, head, l.text)
	return l, nil
}

// sampleSize is how much of a text is read to know what becomes of it.
const sampleSize = 64 << 10

// batchesOf returns how long the batches of a head with so much text are, by the
// beginning of it: pages of the AWS CLI have much that is not shipped, exports nothing.
func (f *Files) batchesOf(ctx context.Context, item Item, head []byte, text int64) int64 {
	in, done, err := plain(bytes.NewReader(head))
	defer done()
	if err != nil {
		return text
	}
	sample, _ := io.ReadAll(io.LimitReader(in, sampleSize)) // the head may be cut off
	size := 0
	// The sample may be cut off too. What is whole of it has been handed on.
	_ = (&Reader{File: item.Name, Hints: f.hints(item)}).Read(ctx, bytes.NewReader(sample), func(b Batch) error {
		size += len(b.Doc)
		return nil
	})
	if size == 0 {
		return text
	}
	return int64(float64(text) * float64(size) / float64(len(sample)))
}

// textOf returns how long a part of an input is without compression.
func textOf(head []byte) int64 {
	text, done, err := plain(bytes.NewReader(head))
	defer done()
	if err != nil {
		return int64(len(head))
	}
	n, _ := io.Copy(io.Discard, text)
	return n
}

// Input describes what a checkpoint of the items is bound to.
func (f *Files) Input() Input {
	h := sha256.New()
	var size int64
	for _, item := range f.Items {
		fmt.Fprintf(h, "%q %d %q\n", item.Name, item.Size, item.ID)
		size += max(0, item.Size)
	}
	fmt.Fprintf(h, "%q %d", f.Hints, BatchSize)
	first := slices.Clone(f.Items[:min(3, len(f.Items))])
	var names []string
	for _, item := range first {
		names = append(names, item.Name)
	}
	if len(f.Items) > len(first) {
		names = append(names, "…")
	}
	return Input{fmt.Sprintf("%x", h.Sum(nil)), fmt.Sprintf("%d files of %d bytes (%s)", len(f.Items), size, strings.Join(names, ", "))}
}
