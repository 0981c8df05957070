package dlq

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Import puts the messages of files into the queue. It can go on where another one
// was killed, by files beside them that name what was put.
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

// eventSuffix is that of a file with one native event, as replay saves it in a bucket.
const eventSuffix = ".json"

// readers is how many files an import reads at once.
const readers = 4

// Import imports a store: the NDJSON that an export has written, and files that end in
// .json and hold one event. It reads all once before it puts anything, so that a broken
// file is found in time.
//
// Errors: *FileError, *Error, [ErrInUse], those of the store.
func (q *Queue) Import(ctx context.Context, from Store, o Import) (out Imported, err error) {
	if d, ok := from.(Dir); ok {
		held, err := d.lock()
		if err != nil {
			return out, err
		}
		defer func() { _ = held.Close() }() // the end of the process unlocks it too
	}
	list, err := from.List(ctx)
	if err != nil {
		return out, err
	}
	files := slices.DeleteFunc(slices.Clone(list), func(f File) bool {
		return !strings.HasSuffix(f.Name, exportSuffix) && !strings.HasSuffix(f.Name, eventSuffix)
	})
	if len(files) == 0 {
		return out, fmt.Errorf("%s: no *.ndjson of an export, and no *.json of an event", from.Path(""))
	}
	out.Files = len(files)
	workers := cmp.Or(o.Workers, scanWorkers)
	if out.Cut, err = check(ctx, from, files, workers); err != nil {
		return out, err
	}
	log, err := openImportLog(ctx, from, list)
	if err != nil {
		return out, err
	}
	putting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	batches := make(chan []Saved, workers)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			// While a batch is put, the one before it is noted.
			noted := make(chan error, 1)
			noted <- nil
			for batch := range batches {
				if putting.Err() != nil {
					continue
				}
				put, err := q.putSaved(putting, batch)
				if e := <-noted; err == nil {
					err = e
				}
				go func() { noted <- log.add(context.WithoutCancel(ctx), put) }()
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
			if err := <-noted; err != nil {
				stop(err)
			}
		})
	}
	var reading errgroup.Group
	reading.SetLimit(readers)
	for _, file := range files {
		reading.Go(func() error {
			var batch []Saved
			size, before := 0, 0
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
			err := each(putting, from, file, func(s Saved) error {
				if log.has(s.ID) {
					before++
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
			})
			if err == nil {
				err = flush()
			}
			mu.Lock()
			out.Before += before
			mu.Unlock()
			if err != nil {
				stop(err)
			}
			return err
		})
	}
	err = reading.Wait()
	close(batches)
	wg.Wait()
	return out, cmp.Or(context.Cause(putting), err)
}

// check reads the files, and returns how many last lines are not whole.
func check(ctx context.Context, from Store, files []File, workers int) (cut int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	ends := make([]int64, len(files))
	for i, file := range files {
		group.Go(func() (err error) {
			if strings.HasSuffix(file.Name, eventSuffix) {
				ends[i] = file.Size
				_, err = readEvent(ctx, from, file)
				return err
			}
			ends[i], err = readSaved(ctx, from, file.Name, func(int, Saved) error { return ctx.Err() })
			return err
		})
	}
	err = group.Wait()
	for i, file := range files {
		if file.Size > ends[i] {
			cut++
		}
	}
	return cut, err
}

// each yields the messages of a file.
func each(ctx context.Context, from Store, file File, yield func(Saved) error) error {
	if strings.HasSuffix(file.Name, eventSuffix) {
		s, err := readEvent(ctx, from, file)
		if err != nil {
			return err
		}
		return yield(s)
	}
	_, err := readSaved(ctx, from, file.Name, func(_ int, s Saved) error { return yield(s) })
	return err
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

// readEvent reads a file with one event. Its time is the message's.
func readEvent(ctx context.Context, from Store, file File) (Saved, error) {
	wrong := func(format string, args ...any) error {
		return &FileError{from.Path(file.Name), 1, fmt.Errorf(format, args...)}
	}
	if file.Size > maxBatchBytes {
		return Saved{}, wrong("an event of %d bytes does not fit a message, which may have %d", file.Size, maxBatchBytes)
	}
	f, err := from.Open(ctx, file.Name)
	if err != nil {
		return Saved{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBatchBytes))
	if err != nil {
		return Saved{}, err
	}
	if !strings.Contains(string(b), `"awslogs"`) || strings.ContainsAny(file.Name, "\r\n") {
		return Saved{}, wrong(`not an event of CloudWatch Logs, {"awslogs":{"data":"…"}}`)
	}
	return Saved{ID: file.Name, Sent: file.Modified.UTC(), Body: string(b)}, nil
}

// importLog notes what was put: the ID of each message, one a line. A store cannot add
// to a file, so that it is in parts: imported.log, imported-2.log and so on.
type importLog struct {
	in   Store
	done map[string]bool // before this import

	mu      sync.Mutex
	pending *noting
	part    int
	text    strings.Builder // of the part
	lines   int

	writing sync.Mutex
}

// noting is what is noted together.
type noting struct {
	text  strings.Builder
	lines int
	done  bool
	err   error
}

// maxLines is how many lines a part has, about.
const maxLines = 1000

var logName = regexp.MustCompile(`^imported(?:-([0-9]{1,9}))?\.log$`)

func logPart(n int) string {
	if n == 1 {
		return "imported.log"
	}
	return fmt.Sprintf("imported-%d.log", n)
}

// openImportLog reads the parts among files, and begins another.
func openImportLog(ctx context.Context, in Store, files []File) (*importLog, error) {
	l := &importLog{in: in, done: map[string]bool{}, part: 1}
	for _, file := range files {
		m := logName.FindStringSubmatch(file.Name)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(cmp.Or(m[1], "1")) // it is digits
		l.part = max(l.part, n+1)
		f, err := in.Open(ctx, file.Name)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.Path(file.Name), err)
		}
		for id := range strings.Lines(string(b)) {
			if id, whole := strings.CutSuffix(id, "\n"); whole { // half a line names nothing
				l.done[id] = true
			}
		}
	}
	return l, nil
}

func (l *importLog) has(id string) bool { return l.done[id] }

// add notes messages. Those that come while others are noted go together.
func (l *importLog) add(ctx context.Context, put []Saved) error {
	if len(put) == 0 {
		return nil
	}
	l.mu.Lock()
	if l.pending == nil {
		l.pending = new(noting)
	}
	n := l.pending
	for _, s := range put {
		n.text.WriteString(s.ID + "\n")
	}
	n.lines += len(put)
	l.mu.Unlock()

	l.writing.Lock()
	defer l.writing.Unlock()
	if n.done {
		return n.err
	}
	l.mu.Lock()
	l.pending = nil
	l.mu.Unlock()
	n.done = true
	l.text.WriteString(n.text.String())
	l.lines += n.lines
	text := l.text.String()
	if n.err = l.in.Put(ctx, logPart(l.part), strings.NewReader(text), int64(len(text)), sha256.Sum256([]byte(text))); n.err != nil {
		n.err = fmt.Errorf("note what was put: %w", n.err)
		return n.err
	}
	if l.lines >= maxLines {
		l.part++
		l.lines = 0
		l.text.Reset()
	}
	return nil
}
