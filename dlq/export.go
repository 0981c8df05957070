package dlq

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
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

// Export saves messages in files of a directory. It can go on where another one
// was killed: a message that is there is not written again, and a line that was not
// written to its end is cut off. It is safe for concurrent use.
type Export struct {
	dir  string
	name func(Message) string

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

// OpenExport opens a directory, which it creates. name returns the path of the file
// of a message, with slashes, relative to the directory and without a suffix.
func OpenExport(dir string, name func(Message) string) (*Export, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	e := &Export{dir: dir, name: name, known: map[string]bool{}, files: map[string]*os.File{}, dirty: map[string]bool{}}
	paths, err := exportFiles(dir)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		end, err := readSaved(path, func(_ int, s Saved) error {
			e.known[s.ID] = true
			return nil
		})
		if err == nil {
			err = cutTo(path, end)
		}
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// cutTo shortens a regular file to a size.
func cutTo(path string, size int64) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() == size {
		return err
	}
	return os.Truncate(path, size)
}

// Known returns how many messages were there, and how many were added.
func (e *Export) Known() (before, added int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.known) - e.written, e.written
}

// Write saves messages. When it returns without an error they are on the disk, so
// that they can be deleted from the queue. After an error it takes no more.
func (e *Export) Write(messages []Message) error {
	e.mu.Lock()
	if e.broken != nil {
		defer e.mu.Unlock()
		return e.broken
	}
	for _, m := range messages {
		if e.known[m.ID] {
			continue
		}
		if err := e.append(m); err != nil {
			e.broken = err
			e.mu.Unlock()
			return err
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
	return c.err
}

// append writes the line of a message with one call. The lock is held.
func (e *Export) append(m Message) error {
	sum := sha256.Sum256([]byte(m.Body))
	line, err := json.Marshal(Saved{m.ID, m.Sent, m.Receives, m.Entry.Cause.attributes(), hex.EncodeToString(sum[:]), m.Body})
	if err != nil {
		return err
	}
	path := filepath.Join(e.dir, filepath.FromSlash(e.name(m))+exportSuffix)
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
	_, err = f.Write(append(line, '\n')) // a part of a line is cut off by the next export
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
		err = errors.Join(err, f.Sync())
		// A folder may be new too, up to that of the export.
		for folder := filepath.Dir(path); !folders[folder]; folder = filepath.Dir(folder) {
			folders[folder] = true
			if folder == filepath.Clean(e.dir) {
				break
			}
		}
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

// syncFolder has the disk store that a file is in a folder.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// Close closes the files and writes their checksums to SHA256SUMS, as sha256sum -c
// reads it. It returns how many files there are, and their size in bytes.
func (e *Export) Close() (files int, bytes int64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
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
	paths, err := exportFiles(e.dir)
	if err != nil || len(paths) == 0 {
		return 0, 0, err
	}
	var sums strings.Builder
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return 0, 0, err
		}
		h := sha256.New()
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return 0, 0, err
		}
		bytes += n
		rel, err := filepath.Rel(e.dir, path)
		if err != nil {
			return 0, 0, err
		}
		fmt.Fprintf(&sums, "%x  %s\n", h.Sum(nil), filepath.ToSlash(rel))
	}
	temporary := filepath.Join(e.dir, "."+sumsFile)
	if err := os.WriteFile(temporary, []byte(sums.String()), 0o600); err != nil {
		return 0, 0, err
	}
	return len(paths), bytes, os.Rename(temporary, filepath.Join(e.dir, sumsFile))
}

// exportFiles returns the files of an export, in order.
func exportFiles(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, exportSuffix) {
			if info, e := os.Stat(path); e == nil && info.Mode().IsRegular() {
				paths = append(paths, path)
			}
		}
		return err
	})
	return paths, err
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
func readSaved(path string, yield func(line int, s Saved) error) (end int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return end, nil
		}
		if err != nil {
			return end, err
		}
		var s Saved
		if err := json.Unmarshal(line, &s); err != nil || s.ID == "" {
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
