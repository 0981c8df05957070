package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"
)

// Input is what a checkpoint is bound to.
type Input struct {
	Fingerprint string // of what is read and how
	What        string // for people
}

// Counts are log events and bytes that are done with.
type Counts struct {
	Confirmed int   `json:"confirmed"`
	Filtered  int   `json:"filtered,omitempty"` // dropped by a rule
	Bytes     int64 `json:"bytes"`              // of their documents
}

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	c.Confirmed += o.Confirmed
	c.Filtered += o.Filtered
	c.Bytes += o.Bytes
}

// Span is a time, from its first millisecond to before its last.
type Span struct{ From, To int64 }

// Checkpoint remembers in a file what of an input is confirmed. It is written whole or
// not at all, and each of its methods returns when what it says is in the file. A nil
// checkpoint remembers nothing.
type Checkpoint struct {
	path string
	lock *flock.Flock

	mu      sync.Mutex
	written sync.Cond // a write has ended
	state   state
	changed int // how often state was
	saved   int // changes that are in the file
	saving  bool
	err     error // of the last write
}

type state struct {
	Version int    `json:"version"`
	Input   string `json:"input"`
	What    string `json:"what"`

	First int               `json:"first,omitempty"` // units before this one are complete
	Units map[int]*progress `json:"units,omitempty"`
	Spans map[string][]Span `json:"spans,omitempty"` // that are complete, by log group

	Done Counts `json:"done"`
}

// progress is that of a unit.
type progress struct {
	Complete bool          `json:"complete,omitempty"`
	First    int           `json:"first,omitempty"`   // batches before this one are confirmed
	More     []int         `json:"more,omitempty"`    // others that are, in order
	Partial  map[int][]int `json:"partial,omitempty"` // of batches that are in part: the log events that are not
}

// version is that of the file's form.
const version = 1

var (
	// ErrInUse reports a checkpoint that another run writes.
	ErrInUse = errors.New("another run uses this checkpoint")
	// ErrOtherInput reports a checkpoint of another input.
	ErrOtherInput = errors.New("this checkpoint is of another input")
)

// OpenCheckpoint opens the checkpoint of an input, or begins one if the file does not
// exist. It locks it against other runs until Close, or the end of the process.
//
// Errors: [ErrInUse], [ErrOtherInput].
func OpenCheckpoint(path string, in Input) (c *Checkpoint, err error) {
	held := flock.New(path+".lock", flock.SetPermissions(0o600))
	switch ok, err := held.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case !ok:
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	defer func() {
		if err != nil {
			_ = held.Close() // err matters
		}
	}()
	c = &Checkpoint{path: path, lock: held, state: state{Version: version, Input: in.Fingerprint, What: in.What}}
	c.written.L = &c.mu
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, c.commit(func() {}) // that it cannot be written shows at once
	}
	if err != nil {
		return nil, err
	}
	var have state
	if err := json.Unmarshal(b, &have); err != nil || have.Version == 0 {
		return nil, fmt.Errorf("%s is not a checkpoint of sumoship backfill; give another file", path)
	}
	if have.Version != version {
		return nil, fmt.Errorf("%s is a checkpoint of another version of sumoship (%d, not %d); finish with that one", path, have.Version, version)
	}
	if have.Input != in.Fingerprint {
		return nil, fmt.Errorf("%s: %w: %s, not %s; give another --resume FILE for this one", path, ErrOtherInput, have.What, in.What)
	}
	for group, spans := range have.Spans { // as a person may have left them
		spans = slices.DeleteFunc(spans, func(s Span) bool { return s.To <= s.From })
		have.Spans[group] = union(spans)
	}
	c.state = have
	return c, nil
}

// Close gives the checkpoint back to other runs. Those that are complete may be
// deleted.
func (c *Checkpoint) Close() error {
	if c == nil {
		return nil
	}
	return c.lock.Close()
}

// Done returns what is done with.
func (c *Checkpoint) Done() Counts {
	if c == nil {
		return Counts{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Done
}

// Complete reports whether all of a unit is confirmed.
func (c *Checkpoint) Complete(unit int) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.state.Units[unit]
	return unit < c.state.First || p != nil && p.Complete
}

// Left returns what is left of a batch: nothing, all of it, or the log events in only.
func (c *Checkpoint) Left(unit, batch int) (left bool, only []int) {
	if c == nil {
		return true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.state.Units[unit]
	if unit < c.state.First || p != nil && (p.Complete || batch < p.First || slices.Contains(p.More, batch)) {
		return false, nil
	}
	if p != nil {
		only = p.Partial[batch]
	}
	return true, only
}

// Confirm notes what was done of a batch. only are its log events that are not
// confirmed, if any.
func (c *Checkpoint) Confirm(unit, batch int, n Counts, only []int) error {
	return c.commit(func() {
		s := &c.state
		s.Done.Add(n)
		if s.Units == nil {
			s.Units = map[int]*progress{}
		}
		p := s.Units[unit]
		if p == nil {
			p = &progress{}
			s.Units[unit] = p
		}
		delete(p.Partial, batch)
		if len(only) > 0 {
			if p.Partial == nil {
				p.Partial = map[int][]int{}
			}
			p.Partial[batch] = only
			return
		}
		if i, found := slices.BinarySearch(p.More, batch); !found {
			p.More = slices.Insert(p.More, i, batch)
		}
		for len(p.More) > 0 && p.More[0] == p.First {
			p.First++
			p.More = p.More[1:]
		}
	})
}

// End notes that all of a unit is confirmed.
func (c *Checkpoint) End(unit int) error {
	return c.commit(func() {
		s := &c.state
		if s.Units == nil {
			s.Units = map[int]*progress{}
		}
		s.Units[unit] = &progress{Complete: true}
		for p := s.Units[s.First]; p != nil && p.Complete; p = s.Units[s.First] {
			delete(s.Units, s.First)
			s.First++
		}
	})
}

// EndSpan notes that all of a log group in a time is confirmed.
func (c *Checkpoint) EndSpan(group string, done Span, n Counts) error {
	return c.commit(func() {
		s := &c.state
		s.Done.Add(n)
		if s.Spans == nil {
			s.Spans = map[string][]Span{}
		}
		s.Spans[group] = union(append(s.Spans[group], done))
	})
}

// Gaps returns what of a time of a log group is not confirmed.
func (c *Checkpoint) Gaps(group string, all Span) []Span {
	if c == nil {
		return []Span{all}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var gaps []Span
	at := all.From
	for _, s := range c.state.Spans[group] {
		if at >= all.To {
			break
		}
		if s.From > at {
			gaps = append(gaps, Span{at, min(s.From, all.To)})
		}
		at = max(at, s.To)
	}
	if at < all.To {
		gaps = append(gaps, Span{at, all.To})
	}
	return gaps
}

// union joins spans that touch.
func union(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return int(min(1, max(-1, a.From-b.From))) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// commit changes the state, and returns when the change is in the file. Changes that
// come while the file is written go into the next write together.
func (c *Checkpoint) commit(change func()) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.changed++
	mine := c.changed
	for c.saved < mine {
		if c.saving {
			c.written.Wait()
			if c.err != nil {
				return c.err
			}
			continue
		}
		c.saving = true
		now := c.changed
		b, err := json.Marshal(c.state)
		c.mu.Unlock()
		if err == nil {
			err = maybe.WriteFile(c.path, append(b, '\n'), 0o600)
		}
		c.mu.Lock()
		c.saving = false
		if c.err = err; err != nil {
			c.err = fmt.Errorf("the checkpoint %s cannot be written: %w", c.path, err)
			c.written.Broadcast()
			return c.err
		}
		c.saved = now
		c.written.Broadcast()
	}
	return nil
}
