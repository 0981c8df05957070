package dlq

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Import puts the messages of files into the queue. It can go on where another one
// was killed, by a file in the directory that names what was put.
type Import struct {
	Workers int // batches at once; 0 means 16

	// Progress, if not nil, is called with the number of messages that were put.
	Progress func(n int)
}

// Imported is what an import has done.
type Imported struct {
	Files    int
	Messages int // put
	Before   int // put by an earlier import
	Cut      int // lines that an export was not able to write to their end
}

// importLog has the ID of each message that was put, one a line.
const importLog = "imported.log"

// eventSuffix is that of a file with one native event, as replay saves it in a bucket.
const eventSuffix = ".json"

// Import imports a directory: the NDJSON that an Export has written, and files that end
// in .json and hold one event. It reads everything once before it puts anything, so that
// a broken file is found in time.
func (q *Queue) Import(ctx context.Context, dir string, o Import) (out Imported, err error) {
	paths, events, err := importFiles(dir)
	if err != nil {
		return out, err
	}
	if len(paths)+len(events) == 0 {
		return out, fmt.Errorf("%s: no *.ndjson of an export, and no *.json of an event", dir)
	}
	out.Files = len(paths) + len(events)
	for _, path := range paths {
		end, err := readSaved(path, func(int, Saved) error { return nil })
		if err != nil {
			return out, err
		}
		if info, err := os.Stat(path); err == nil && info.Size() > end {
			out.Cut++
		}
	}
	log, err := openImportLog(filepath.Join(dir, importLog))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, log.file.Close()) }()

	putting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	workers := cmp.Or(o.Workers, scanWorkers)
	batches := make(chan []Saved, workers)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for batch := range batches {
				if putting.Err() != nil {
					continue
				}
				put, err := q.putSaved(putting, batch)
				if e := log.add(put); err == nil {
					err = e
				}
				mu.Lock()
				out.Messages += len(put)
				mu.Unlock()
				if o.Progress != nil && len(put) > 0 {
					o.Progress(len(put))
				}
				if err != nil {
					stop(err)
				}
			}
		})
	}
	var batch []Saved
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		select {
		case batches <- batch:
		case <-putting.Done():
			return context.Cause(putting)
		}
		batch, size = nil, 0
		return nil
	}
	add := func(_ int, s Saved) error {
		if log.has(s.ID) {
			out.Before++
			return nil
		}
		n := len(s.Body) + attributeRoom
		if len(batch) == maxBatchEntries || size+n > maxBatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, s), size+n
		return nil
	}
	err = func() error {
		for _, path := range paths {
			if _, err := readSaved(path, add); err != nil {
				return err
			}
		}
		for _, path := range events {
			s, err := readEvent(dir, path)
			if err == nil {
				err = add(1, s)
			}
			if err != nil {
				return err
			}
		}
		return flush()
	}()
	close(batches)
	wg.Wait()
	return out, cmp.Or(context.Cause(putting), err)
}

// putSaved puts messages, and returns those that the queue accepted.
func (q *Queue) putSaved(ctx context.Context, batch []Saved) (put []Saved, err error) {
	entries := make([]Entry, len(batch))
	for i, s := range batch {
		entries[i] = ParseEntry(s.Body, s.Attributes, s.Sent)
	}
	failed, err := q.Put(ctx, entries)
	refused := map[int]bool{}
	for _, i := range failed {
		refused[i] = true
	}
	for i, s := range batch {
		if !refused[i] {
			put = append(put, s)
		}
	}
	return put, err
}

// importFiles returns the files of a directory that can be imported.
func importFiles(dir string) (paths, events []string, err error) {
	if paths, err = exportFiles(dir); err != nil {
		return nil, nil, err
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, eventSuffix) {
			events = append(events, path)
		}
		return err
	})
	return paths, events, err
}

// readEvent reads a file with one event. Its time is the message's.
func readEvent(dir, path string) (Saved, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Saved{}, err
	}
	if info.Size() > maxBatchBytes {
		return Saved{}, &FileError{path, 1, fmt.Errorf("an event of %d bytes does not fit a message, which may have %d", info.Size(), maxBatchBytes)}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Saved{}, err
	}
	if !strings.Contains(string(b), `"awslogs"`) {
		return Saved{}, &FileError{path, 1, errors.New(`not an event of CloudWatch Logs, {"awslogs":{"data":"…"}}`)}
	}
	rel, err := filepath.Rel(dir, path)
	return Saved{ID: filepath.ToSlash(rel), Sent: info.ModTime().UTC(), Body: string(b)}, err
}

// importProgress is the file that names what was put.
type importProgress struct {
	file *os.File
	done map[string]bool // before this import

	mu sync.Mutex
}

func openImportLog(path string) (*importProgress, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	p := &importProgress{file: f, done: map[string]bool{}}
	for s := bufio.NewScanner(f); s.Scan(); {
		p.done[s.Text()] = true // a line that was not written to its end names nothing
	}
	// After a line that was not written to its end, the next begins anew.
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			if _, err := f.WriteString("\n"); err != nil {
				return nil, errors.Join(err, f.Close())
			}
		}
	}
	return p, nil
}

func (p *importProgress) has(id string) bool { return p.done[id] }

// add notes messages with one call.
func (p *importProgress) add(put []Saved) error {
	if len(put) == 0 {
		return nil
	}
	var b strings.Builder
	for _, s := range put {
		b.WriteString(s.ID + "\n")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.file.WriteString(b.String())
	return err
}
