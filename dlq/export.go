package dlq

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Saved is a message in a file of NDJSON.
type Saved struct {
	ID         string            `json:"id"`
	Sent       time.Time         `json:"sent"`
	Receives   int               `json:"receives"`
	Attributes map[string]string `json:"attributes,omitempty"` // as ParseEntry takes them
	SHA256     string            `json:"sha256"`               // of the body, in hexadecimal
	Body       string            `json:"body"`
}

const (
	exportSuffix = ".ndjson"
	sumsFile     = "SHA256SUMS"
	maxOpen      = 128 // files of an export
)

// line is a message in a file.
func line(m Message) ([]byte, error) {
	sum := sha256.Sum256([]byte(m.Body))
	b, err := json.Marshal(Saved{m.ID, m.Sent, m.Receives, m.Entry.Cause.attributes(), hex.EncodeToString(sum[:]), m.Body})
	return append(b, '\n'), err
}

// Export saves messages in files of a directory. It can go on where another one
// was killed: a message that is there is not written again, and a line that was not
// written to its end is cut off. It is safe for concurrent use.
type Export struct {
	dir   Dir
	name  func(Message) string
	lock  *flock.Flock
	flush func(*os.File) error // to the disk

	mu      sync.Mutex
	known   map[string]bool     // IDs that are in a file
	files   map[string]*os.File // open, by path
	dirty   map[string]bool     // written to since the last sync
	pending *commit
	written int
	broken  error

	syncing sync.Mutex
}

// commit is what waits for the disk together.
type commit struct {
	done bool
	err  error
}

// OpenExport opens a directory, which it creates, and locks it. name returns the path of
// the file of a message, with slashes, relative to the directory and without a suffix.
//
// Errors: [ErrInUse], *FileError.
func OpenExport(ctx context.Context, dir string, name func(Message) string) (*Export, error) {
	return openExport(ctx, Dir(dir), name, (*os.File).Sync)
}

func openExport(ctx context.Context, dir Dir, name func(Message) string, flush func(*os.File) error) (*Export, error) {
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		return nil, err
	}
	held, err := dir.lock()
	if err != nil {
		return nil, err
	}
	e := &Export{dir: dir, name: name, lock: held, flush: flush, known: map[string]bool{}, files: map[string]*os.File{}, dirty: map[string]bool{}}
	if err := e.read(ctx); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return e, nil
}

// read reads what is there, and has the disk store it: whoever wrote it may have been
// killed before.
func (e *Export) read(ctx context.Context) error {
	files, err := exportFiles(ctx, e.dir)
	if err != nil {
		return err
	}
	folders := map[string]bool{}
	for _, file := range files {
		end, err := readSaved(ctx, e.dir, file.Name, func(_ int, s Saved) error {
			e.known[s.ID] = true
			return nil
		})
		if err == nil {
			err = e.settle(e.dir.Path(file.Name), end)
		}
		if err != nil {
			return err
		}
		e.above(e.dir.Path(file.Name), folders)
	}
	for folder := range folders {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

// settle cuts a file to a size, and has the disk store it.
func (e *Export) settle(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = f.Truncate(size)
	}
	if err == nil {
		err = e.flush(f)
	}
	return errors.Join(err, f.Close())
}

// above adds the folders of a file, up to that of the export: they may be new too.
func (e *Export) above(path string, folders map[string]bool) {
	for folder := filepath.Dir(path); !folders[folder]; folder = filepath.Dir(folder) {
		folders[folder] = true
		if folder == filepath.Clean(string(e.dir)) {
			return
		}
	}
}

// Written returns how many messages were added.
func (e *Export) Written() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.written
}

// Write saves messages. When it returns them without an error they are on the disk, so
// that they can be deleted from the queue. After an error it takes no more.
func (e *Export) Write(_ context.Context, messages []Message) (stored []Message, err error) {
	e.mu.Lock()
	if e.broken != nil {
		defer e.mu.Unlock()
		return nil, e.broken
	}
	for _, m := range messages {
		if e.known[m.ID] {
			continue
		}
		if err := e.append(m); err != nil {
			e.broken = err
			e.mu.Unlock()
			return nil, err
		}
		e.known[m.ID] = true
		e.written++
	}
	if e.pending == nil {
		e.pending = new(commit)
	}
	c := e.pending
	e.mu.Unlock()

	e.syncing.Lock() // meanwhile others write, to be synced together
	defer e.syncing.Unlock()
	if !c.done {
		c.done, c.err = true, e.sync()
	}
	if c.err != nil {
		return nil, c.err
	}
	return messages, nil
}

// Flush has nothing left to do: Write stores at once.
func (e *Export) Flush(context.Context) (stored []Message, err error) { return nil, nil }

// append writes the line of a message with one call. The lock is held.
func (e *Export) append(m Message) error {
	text, err := line(m)
	if err != nil {
		return err
	}
	path := e.dir.Path(e.name(m) + exportSuffix)
	f := e.files[path]
	if f == nil {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
			return err
		}
		e.files[path] = f
	}
	e.dirty[path] = true
	_, err = f.Write(text) // a part of a line is cut off by the next export
	return err
}

// sync has the disk store what was written.
func (e *Export) sync() error {
	e.mu.Lock()
	e.pending = nil
	if e.broken != nil { // the disk tells of a failure only once
		defer e.mu.Unlock()
		return e.broken
	}
	files := map[string]*os.File{}
	for path := range e.dirty {
		files[path] = e.files[path]
	}
	clear(e.dirty)
	e.mu.Unlock()
	folders := map[string]bool{}
	var err error
	for path, f := range files {
		if info, e := f.Stat(); e == nil && !info.Mode().IsRegular() {
			continue
		}
		err = errors.Join(err, e.flush(f))
		e.above(path, folders)
	}
	for folder := range folders {
		err = errors.Join(err, syncFolder(folder))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.files) > maxOpen {
		for path, f := range e.files {
			if !e.dirty[path] {
				err = errors.Join(err, f.Close())
				delete(e.files, path)
			}
		}
	}
	if err != nil {
		e.broken = err
	}
	return err
}

// Close closes the files, writes their checksums to SHA256SUMS, as sha256sum -c reads
// it, and unlocks the directory. It returns how many files there are, and their size in
// bytes.
func (e *Export) Close(ctx context.Context) (files int, bytes int64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer func() { err = errors.Join(err, e.lock.Close()) }()
	for path, f := range e.files {
		err = errors.Join(err, f.Close())
		delete(e.files, path)
	}
	if err == nil {
		err = e.broken
	}
	if err != nil {
		return 0, 0, err
	}
	list, err := exportFiles(ctx, e.dir)
	if err != nil || len(list) == 0 {
		return 0, 0, err
	}
	var all sums
	for _, file := range list {
		sum, err := e.dir.Sum(ctx, file.Name)
		if err != nil {
			return 0, 0, err
		}
		bytes += file.Size
		all.add(file.Name, sum)
	}
	return len(list), bytes, putText(ctx, e.dir, sumsFile, all.String())
}

// putText puts a text into a store.
func putText(ctx context.Context, to Store, name, text string) error {
	return to.Put(ctx, name, strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text)))
}

// exportFiles returns the files of an export, in order.
func exportFiles(ctx context.Context, in Store) ([]File, error) {
	all, err := in.List(ctx)
	var files []File
	for _, f := range all {
		if strings.HasSuffix(f.Name, exportSuffix) {
			files = append(files, f)
		}
	}
	return files, err
}

// FileError says where a file is not what an export has written.
type FileError struct {
	Path string
	Line int // from 1
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err) }

func (e *FileError) Unwrap() error { return e.Err }

// readSaved calls yield for each line of a file. A last line without its end was not
// written whole: it is left out, and end is where it begins.
func readSaved(ctx context.Context, in Store, name string, yield func(line int, s Saved) error) (end int64, err error) {
	f, err := in.Open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return readLines(f, in.Path(name), yield)
}

// maxLine bounds a line: a message of 1 MiB, whose characters may all be escaped.
const maxLine = 8 << 20

// readLines is readSaved of what is open.
func readLines(in io.Reader, path string, yield func(line int, s Saved) error) (end int64, err error) {
	r := bufio.NewReaderSize(in, 256<<10)
	for n := 1; ; n++ {
		line, err := readLine(r)
		if err == io.EOF {
			return end, nil
		}
		if errors.Is(err, errLong) {
			return end, &FileError{path, n, err}
		}
		if err != nil {
			return end, err
		}
		var s Saved
		if err := json.Unmarshal(line, &s); err != nil || s.ID == "" || strings.ContainsAny(s.ID, "\r\n") {
			return end, &FileError{path, n, errors.New("not a message as sumoship dlq export writes it")}
		}
		if sum := sha256.Sum256([]byte(s.Body)); s.SHA256 != hex.EncodeToString(sum[:]) {
			return end, &FileError{path, n, errors.New("the body is not what was exported: its checksum differs")}
		}
		if err := yield(n, s); err != nil {
			return end, err
		}
		end += int64(len(line))
	}
}

var errLong = fmt.Errorf("not a message as sumoship dlq export writes it: the line is longer than %d bytes", maxLine)

// readLine reads a line with its end. A last one without it is io.EOF.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errLong
		}
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}
