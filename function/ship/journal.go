package ship

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sumoship/dlq"
)

// journal has a file for each message in work, in a directory that outlives the
// process: Lambda does not clear it when it starts a function anew that timed out,
// was out of memory or ended. What is there when a process starts, was in work when
// an earlier one died. The nil journal notes nothing.
//
// Source: AWS Lambda Developer Guide, "Lambda execution environment lifecycle",
// failures during the invoke phase.
type journal struct {
	dir string
	log *slog.Logger

	complain sync.Once

	mu     sync.Mutex
	fallen []fallen
}

// fallen is a message that was in work when a process died.
type fallen struct {
	message dlq.Message
	path    string
	passed  bool // it is not that process's any more
}

func (f fallen) remove() { _ = os.Remove(f.path) } // if it stays, it is taken up once more

const (
	journalDir = "sumoship-replay"
	inWorkFile = "message-"
	newFile    = "new-"
	// maxAbsence is how long a message can be in flight.
	maxAbsence = 12 * time.Hour
)

// openJournal opens the journal in a directory, and reads what an earlier process has
// left there.
func openJournal(dir string, log *slog.Logger) *journal {
	j := &journal{dir: filepath.Join(dir, journalDir), log: log}
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		j.failed(err)
		return j
	}
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		j.failed(err)
		return j
	}
	for _, e := range entries {
		f := fallen{path: filepath.Join(j.dir, e.Name())}
		b, err := os.ReadFile(f.path)
		if err == nil {
			err = f.message.UnmarshalBinary(b)
		}
		if info, e := e.Info(); e == nil && time.Since(info.ModTime()) > maxAbsence {
			err = errors.New("too old")
		}
		if err != nil || !strings.HasPrefix(filepath.Base(f.path), inWorkFile) {
			f.remove() // not written to its end, or too old
			continue
		}
		j.fallen = append(j.fallen, f)
	}
	return j
}

// failed says once that the journal does not work.
func (j *journal) failed(err error) {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	j.complain.Do(func() {
		j.log.Warn("replay cannot note in its temporary directory which messages are in work; a message that kills it is not found", "error", err)
	})
}

// begin notes that a message is in work until end is called.
func (j *journal) begin(m dlq.Message) (end func()) {
	if j == nil {
		return func() {}
	}
	path, err := j.write(m)
	if err != nil {
		j.failed(err)
		return func() {}
	}
	return func() { _ = os.Remove(path) } // if it stays, the message is replayed alone once more
}

func (j *journal) write(m dlq.Message) (path string, err error) {
	b, err := m.MarshalBinary()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(j.dir, newFile) // for this user only
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	path = filepath.Join(j.dir, inWorkFile+strings.TrimPrefix(filepath.Base(f.Name()), newFile))
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // a full disk, perhaps
	}
	return path, err
}

// find returns the message with an ID, if it was in work when an earlier process died,
// once.
func (j *journal) find(id string) (fallen, bool) {
	if j == nil {
		return fallen{}, false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.IndexFunc(j.fallen, func(f fallen) bool { return f.message.ID == id })
	if i < 0 {
		return fallen{}, false
	}
	f := j.fallen[i]
	j.fallen = slices.Delete(j.fallen, i, i+1)
	return f, true
}

// left returns what was in work when an earlier process died, once.
func (j *journal) left() []fallen {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.fallen
	j.fallen = nil
	return out
}

// keep has left return f again.
func (j *journal) keep(f fallen) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fallen = append(j.fallen, f)
}
