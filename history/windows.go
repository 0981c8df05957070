package history

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// LogEvent is a log event as CloudWatch Logs returns it.
type LogEvent struct {
	ID, Stream, Message string
	Timestamp           int64 // ms
}

// ErrThrottled is an error of Searcher that asks for slower calls.
var ErrThrottled = errors.New("throttled")

// Searcher finds log events of a log group.
type Searcher interface {
	// Search returns a page of the log events in a time, and the token of the next
	// page, which is "" after the last.
	Search(ctx context.Context, group string, in Span, token string) (page []LogEvent, next string, err error)
}

// Group is a log group of CloudWatch Logs.
type Group struct{ Name, Owner string }

// Windows reads log groups from CloudWatch Logs, one after the other, each in windows of
// time. A window is as wide as it takes for about Target log events, by the density
// of those before it, and several are searched at once.
type Windows struct {
	Search   Searcher
	Groups   []Group
	Time     Span
	Searches int    // at once; 0 means 4
	Target   int    // log events in a window; 0 means 20,000, two pages at least
	Query    string // what else decides what is found, for the checkpoint

	pace pacer
}

// Bounds of a window, in ms.
const (
	minWindow = 1000
	maxWindow = 24 * 3600 * 1000
)

// Input describes what a checkpoint is bound to.
func (w *Windows) Input() Input {
	h := sha256.New()
	var names []string
	for _, g := range w.Groups {
		fmt.Fprintf(h, "%q %q\n", g.Name, g.Owner)
		names = append(names, g.Name)
	}
	fmt.Fprintf(h, "%v %q", w.Time, w.Query)
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	return Input{fmt.Sprintf("%x", h.Sum(nil)), fmt.Sprintf("%d log groups (%s) from %s to %s", len(w.Groups), strings.Join(names, ", "), at(w.Time.From), at(w.Time.To))}
}

// Feed reads the log groups. One that cannot be searched does not stop the others.
func (w *Windows) Feed(ctx context.Context, r *Run) error {
	for _, g := range w.Groups {
		if err := w.group(ctx, r, g); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.Fail(g.Name, err)
		}
	}
	return nil
}

// Samples of a plan.
const (
	maxSampled = 5     // log groups
	samples    = 5     // times in each
	sampleTime = 60000 // ms of each, at most
)

// Plan estimates how many log events there are, and how many bytes their messages
// have, by a look at a few times of the first log groups.
func (w *Windows) Plan(ctx context.Context) (events, bytes int64, err error) {
	total := w.Time.To - w.Time.From
	width := min(max(total/100, 1), sampleTime)
	var n, size, covered int64
	sampled := w.Groups[:min(maxSampled, len(w.Groups))]
	for _, g := range sampled {
		for i := range int64(samples) {
			span := Span{From: w.Time.From + (2*i+1)*total/(2*samples)}
			span.To = min(span.From+width, w.Time.To)
			page, next, err := w.search(ctx, g.Name, span, "")
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", g.Name, err)
			}
			last := span.From
			for _, e := range page {
				n, size, last = n+1, size+int64(len(e.Message)), max(last, e.Timestamp)
			}
			if next == "" || len(page) == 0 {
				last = span.To - 1
			}
			covered += last + 1 - span.From
		}
	}
	if covered == 0 {
		return 0, 0, nil
	}
	scale := float64(total) * float64(len(w.Groups)) / float64(covered)
	return int64(float64(n) * scale), int64(float64(size) * scale), nil
}

// group reads a log group.
func (w *Windows) group(ctx context.Context, r *Run, g Group) error {
	cut := &cutter{gaps: r.Checkpoint.Gaps(g.Name, w.Time), target: w.Target}
	if cut.target == 0 {
		cut.target = 20_000
	}
	searches := w.Searches
	if searches == 0 {
		searches = 4
	}
	// About as many windows as searches to begin with, and none too wide to start.
	cut.width = min(max((w.Time.To-w.Time.From)/int64(4*searches), minWindow), 10*60*1000)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for range searches {
		wg.Go(func() {
			for {
				span, ok := cut.next()
				if !ok || ctx.Err() != nil {
					return
				}
				n, err := w.window(ctx, r, g, span, 2*cut.target)
				switch {
				case errors.Is(err, errDense):
					cut.back(span)
				case err != nil:
					stop(err)
					return
				}
				cut.saw(span, n)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// errDense says that a window has too many log events, and that none of them went on.
var errDense = errors.New("too many log events for a window")

// window reads a window of a log group. n is how many log events it has. If its first
// pages show that they are more than most, it is errDense, and n what to expect.
func (w *Windows) window(ctx context.Context, r *Run, g Group, span Span, most int) (n int, err error) {
	u := &Unit{complete: func(n Counts) error { return r.Checkpoint.EndSpan(g.Name, span, n) }}
	where := &moment{group: g.Name}
	out := batcher{buffers: r.Buffers, emit: func(b Batch) error { return r.Yield(ctx, u, b, nil) }}
	err = func() error {
		var stamp []byte
		last := span.From + 1
		for token := ""; ; {
			page, next, err := w.search(ctx, g.Name, span, token)
			if err != nil {
				return err
			}
			for _, e := range page {
				n++
				where.at = e.Timestamp
				stamp = strconv.AppendInt(stamp[:0], e.Timestamp, 10)
				i := item{timestamp: stamp, message: appendString(nil, []byte(e.Message)), at: e.Timestamp}
				if e.ID != "" {
					i.id = appendString(nil, []byte(e.ID))
				}
				last = max(last, e.Timestamp)
				if err := out.add(name{g.Owner, g.Name, e.Stream}, i, where, 0); err != nil {
					return err
				}
			}
			if token = next; token == "" {
				return out.end(0)
			}
			// While nothing has gone on, the window can still be cut.
			expected := int(int64(n) * (span.To - span.From) / (last - span.From))
			if expected > most && out.seq == 0 && span.To-span.From > minWindow {
				n = expected
				return errDense
			}
		}
	}()
	return n, errors.Join(err, r.End(u, err))
}

// moment is a place in a log group.
type moment struct {
	group string
	at    int64
}

func (m *moment) String() string {
	return m.group + " at " + time.UnixMilli(m.at).UTC().Format("2006-01-02T15:04:05.000Z")
}

// search finds a page, as fast as CloudWatch Logs lets it.
func (w *Windows) search(ctx context.Context, group string, span Span, token string) (page []LogEvent, next string, err error) {
	waits := backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond), backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(0)), ctx)
	err = backoff.Retry(func() error {
		if err := w.pace.wait(ctx); err != nil {
			return backoff.Permanent(err)
		}
		page, next, err = w.Search.Search(ctx, group, span, token)
		w.pace.saw(errors.Is(err, ErrThrottled))
		if err != nil && !errors.Is(err, ErrThrottled) {
			return backoff.Permanent(err)
		}
		return err
	}, waits)
	return page, next, err
}

// cutter cuts a time into windows.
type cutter struct {
	target int

	mu    sync.Mutex
	gaps  []Span
	width int64 // of the next window, ms
	seen  int64 // where the last window began that had a say
}

func (c *cutter) next() (Span, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.gaps) == 0 {
		return Span{}, false
	}
	g := &c.gaps[0]
	s := Span{g.From, min(g.To, g.From+c.width)}
	if g.From = s.To; g.From >= g.To {
		c.gaps = c.gaps[1:]
	}
	return s, true
}

// back takes a window back, to be cut again.
func (c *cutter) back(s Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps = append([]Span{s}, c.gaps...)
}

// saw adapts the width to the density of a window.
func (c *cutter) saw(s Span, events int) {
	width := s.To - s.From
	want := 4 * width
	if events > 0 {
		want = min(want, max(width/1000, width*int64(c.target)/int64(events)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// What comes next is like the latest window, not like those that took longer.
	if s.From < c.seen && want > c.width {
		return
	}
	c.seen = max(c.seen, s.From)
	c.width = min(max(want, minWindow), maxWindow)
}

// pacer spaces calls out while they are throttled.
type pacer struct {
	mu    sync.Mutex
	pause time.Duration // between calls
	next  time.Time
}

const (
	firstSpace = 50 * time.Millisecond
	maxSpace   = 5 * time.Second
)

func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	at := p.next
	if now := time.Now(); at.Before(now) {
		at = now
	}
	p.next = at.Add(p.pause)
	p.mu.Unlock()
	select {
	case <-time.After(time.Until(at)):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pacer) saw(throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if throttled {
		p.pause = min(maxSpace, max(firstSpace, 2*p.pause))
	} else if p.pause = p.pause * 19 / 20; p.pause < firstSpace/10 {
		p.pause = 0
	}
}
