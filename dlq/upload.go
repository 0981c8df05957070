package dlq

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"
)

// bounds are those of an upload.
type bounds struct {
	spool int   // bytes that wait in temporary files
	files int   // that wait
	piece int64 // bytes of a file to which more is added; what comes later goes into another
}

var usual = bounds{1 << 30, 256, 64 << 20}

// uploads is how many files are put at once.
const uploads = 16

// Upload saves messages in files of a store that cannot add to a file, such as a bucket.
// They wait in temporary files, together with what a file has already, until Flush or
// until there are many, and are then put whole. What is not put when the process is
// killed is lost here, and is still in the queue. It is safe for concurrent use.
type Upload struct {
	to   Store
	name func(Message) string
	dir  string // of the temporary files
	bounds

	mu      sync.Mutex
	there   map[string]int64             // sizes of the store's files, by name
	sums    map[string][sha256.Size]byte // of those that were put
	last    map[string]int               // number of the piece that more goes to, by name without a suffix
	known   map[string]bool              // IDs in the files that were read
	waiting map[string]*spooled          // by name without a suffix
	size    int                          // bytes that wait
	written int
	broken  error
}

// spooled is a file that waits.
type spooled struct {
	*os.File
	name     string // in the store
	hash     hash.Hash
	size     int64
	added    int // lines
	messages []Message
}

// OpenUpload opens a store, for an export. name is as of [OpenExport].
func OpenUpload(ctx context.Context, to Store, name func(Message) string) (*Upload, error) {
	files, err := exportFiles(ctx, to)
	if err != nil {
		return nil, err
	}
	u := &Upload{to: to, name: name, bounds: usual, there: map[string]int64{}, sums: map[string][sha256.Size]byte{}, last: map[string]int{}, known: map[string]bool{}, waiting: map[string]*spooled{}}
	for _, f := range files {
		u.there[f.Name] = f.Size
	}
	u.dir, err = os.MkdirTemp("", "sumoship-export-")
	return u, err
}

// piece is the name of a part of a file.
func piece(name string, n int) string {
	if n > 1 {
		name += fmt.Sprintf(".%d", n)
	}
	return name + exportSuffix
}

// Written returns how many messages were added.
func (u *Upload) Written() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.written
}

// Write takes messages. It returns those, of this and of earlier calls, that the store
// has now, so that they can be deleted from the queue; of these only the ID is set.
// After an error it takes no more.
func (u *Upload) Write(ctx context.Context, messages []Message) (stored []Message, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.broken != nil {
		return nil, u.broken
	}
	for _, m := range messages {
		if err := u.add(ctx, m); err != nil {
			u.broken = err
			return nil, err
		}
	}
	if u.size < u.spool && len(u.waiting) < u.files {
		return nil, nil
	}
	return u.flush(ctx)
}

// Flush puts what waits, and returns what the store has now, as Write does, also beside
// an error.
func (u *Upload) Flush(ctx context.Context) (stored []Message, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.broken != nil {
		return nil, u.broken
	}
	return u.flush(ctx)
}

// add has a message wait. The lock is held.
func (u *Upload) add(ctx context.Context, m Message) error {
	name := u.name(m)
	s := u.waiting[name]
	if s == nil {
		var err error
		if s, err = u.begin(ctx, name); err != nil {
			return err
		}
		u.waiting[name] = s
	}
	s.messages = append(s.messages, Message{ID: m.ID})
	if u.known[m.ID] {
		return nil
	}
	text, err := line(m)
	if err == nil {
		err = s.write(text)
	}
	if err != nil {
		return err
	}
	s.added++
	u.known[m.ID] = true
	u.size += len(text)
	return nil
}

func (s *spooled) write(text []byte) error {
	n, err := s.File.Write(text)
	s.hash.Write(text[:n])
	s.size += int64(n)
	return err
}

// begin opens a temporary file, with what its file in the store has.
func (u *Upload) begin(ctx context.Context, name string) (*spooled, error) {
	f, err := os.CreateTemp(u.dir, "*"+exportSuffix)
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // where it is possible, so that nothing is left when the process is killed
	s := &spooled{File: f, hash: sha256.New()}
	for n := max(1, u.last[name]); ; n++ {
		s.name = piece(name, n)
		u.last[name] = n
		size, there := u.there[s.name]
		if !there {
			return s, nil
		}
		if err := u.read(ctx, s); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if _, more := u.there[piece(name, n+1)]; !more && size < u.piece {
			return s, nil
		}
		if err := f.Truncate(0); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		s.size = 0
		s.hash.Reset()
	}
}

// read copies a file of the store, up to its last whole line.
func (u *Upload) read(ctx context.Context, s *spooled) error {
	in, err := u.to.Open(ctx, s.name)
	if err != nil {
		return err
	}
	defer in.Close()
	end, err := readLines(io.TeeReader(in, s.File), u.to.Path(s.name), func(_ int, saved Saved) error {
		u.known[saved.ID] = true
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.Truncate(end); err != nil {
		return err
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.size, err = io.Copy(s.hash, s.File)
	return err
}

// flush puts what waits. The lock is held.
func (u *Upload) flush(ctx context.Context) (stored []Message, err error) {
	var group errgroup.Group
	group.SetLimit(uploads)
	results := make([]error, 0, len(u.waiting))
	var mu sync.Mutex
	for _, s := range u.waiting {
		group.Go(func() error {
			err := u.put(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				results = append(results, err)
				return nil
			}
			stored = append(stored, s.messages...)
			u.there[s.name] = s.size
			u.sums[s.name] = [sha256.Size]byte(s.hash.Sum(nil))
			u.written += s.added
			return nil
		})
	}
	_ = group.Wait() // each result is in results
	for _, s := range u.waiting {
		results = append(results, s.Close())
	}
	clear(u.waiting)
	u.size = 0
	if err = errors.Join(results...); err != nil {
		u.broken = err
	}
	return stored, err
}

// put puts a file, unless the store has all of it.
func (u *Upload) put(ctx context.Context, s *spooled) error {
	if s.added == 0 {
		return nil
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return u.to.Put(ctx, s.name, s.File, s.size, [sha256.Size]byte(s.hash.Sum(nil)))
}

// Close puts SHA256SUMS, and removes what waits. It returns how many files the store has,
// and their size in bytes.
func (u *Upload) Close(ctx context.Context) (files int, bytes int64, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.waiting {
		err = errors.Join(err, s.Close())
	}
	clear(u.waiting)
	err = errors.Join(err, os.RemoveAll(u.dir))
	if err = errors.Join(err, u.broken); err != nil || len(u.there) == 0 {
		return 0, 0, err
	}
	list, err := exportFiles(ctx, u.to) // in order
	if err != nil {
		return 0, 0, err
	}
	all := make([][sha256.Size]byte, len(list))
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for i, file := range list {
		bytes += file.Size
		if sum, ok := u.sums[file.Name]; ok {
			all[i] = sum
			continue
		}
		group.Go(func() (err error) {
			all[i], err = u.to.Sum(ctx2, file.Name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	var text sums
	for i, file := range list {
		text.add(file.Name, all[i])
	}
	return len(list), bytes, putText(ctx, u.to, sumsFile, text.String())
}
