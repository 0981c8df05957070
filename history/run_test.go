package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// source is a shipper that keeps what it takes.
type source struct {
	mu       sync.Mutex
	messages []string
	inFlight int
	most     int

	refuse func(message string) bool // log events that are rejected
	took   func(n int)               // after each batch
}

func (s *source) ship(ctx context.Context, b Batch, only []int) Result {
	s.mu.Lock()
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.mu.Unlock()
	var p struct{ LogEvents []struct{ Message string } }
	if err := json.Unmarshal(b.Doc, &p); err != nil {
		return Result{Events: 1, Unsent: 1, Left: []int{0}, Err: err}
	}
	time.Sleep(time.Millisecond)
	var r Result
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	for i, e := range p.LogEvents {
		if only != nil && !slices.Contains(only, i) {
			continue
		}
		r.Events++
		if s.refuse != nil && s.refuse(e.Message) {
			r.Rejected++
			r.Left = append(r.Left, i)
			r.Err = errors.New("rejected")
			continue
		}
		r.Confirmed++
		s.messages = append(s.messages, e.Message)
	}
	if s.took != nil {
		s.took(len(s.messages))
	}
	return r
}

// exports writes files of log events, and returns their messages.
func exports(t testing.TB, files, events int) (dir string, want []string) {
	t.Helper()
	dir = t.TempDir()
	for i := range files {
		var b bytes.Buffer
		for j := range events {
			m := fmt.Sprintf("%d-%d", i, j)
			want = append(want, m)
			fmt.Fprintf(&b, "2026-01-02T03:04:05.678Z %s\n", m)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	return dir, want
}

func files(t testing.TB, paths ...string) *Files {
	t.Helper()
	items, err := FindFiles(paths)
	if err != nil {
		t.Fatal(err)
	}
	return &Files{Items: items, Hints: Hints{LogGroup: "g"}}
}

func open(t testing.TB, path string, in Input) *Checkpoint {
	t.Helper()
	c, err := OpenCheckpoint(path, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// However often it is interrupted, every log event arrives, and only what was in flight
// may arrive again. A run that is not interrupted leaves nothing to do.
func TestInterruptionsLoseNothing(t *testing.T) {
	dir, want := exports(t, 20, 50)
	path := filepath.Join(t.TempDir(), "checkpoint")
	s := &source{}
	w := rand.New(rand.NewPCG(1, 2))
	runs := 0
	for done := false; !done; runs++ {
		f := files(t, dir)
		c := open(t, path, f.Input())
		read, stop := context.WithCancel(t.Context())
		from := len(s.messages)
		until := from + w.IntN(200)
		s.took = func(n int) {
			if n > until {
				stop()
			}
		}
		r := &Run{Ship: s.ship, Workers: 3, Checkpoint: c}
		totals, err := r.Do(read, t.Context(), f)
		done = err == nil
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if totals.Confirmed != len(s.messages)-from || totals.Events != totals.Confirmed {
			t.Errorf("%+v for %d messages", totals, len(s.messages)-from)
		}
		if c.Done().Confirmed != len(s.messages) {
			t.Errorf("the checkpoint has %+v, confirmed are %d", c.Done(), len(s.messages))
		}
		c.Close()
		stop()
	}
	slices.Sort(s.messages)
	if d := cmp.Diff(want, s.messages); d != "" {
		t.Error(d)
	}
	if runs < 4 || s.most != 3 {
		t.Errorf("%d runs, %d in flight", runs, s.most)
	}
}

// What is rejected is tried again by the next run, and nothing beside it.
func TestOnlyWhatIsLeftIsSentAgain(t *testing.T) {
	dir, want := exports(t, 3, 10)
	path := filepath.Join(t.TempDir(), "checkpoint")
	s := &source{refuse: func(m string) bool { return m == "1-3" || m == "1-7" }}
	var failed []string
	var size int64
	for i, left := range []int{2, 2, 0} {
		f := files(t, dir)
		c := open(t, path, f.Input())
		totals, err := (&Run{Ship: s.ship, Checkpoint: c, Failed: func(where string, err error) { failed = append(failed, where) }}).Do(t.Context(), t.Context(), f)
		if err != nil || totals.Rejected != left {
			t.Errorf("%+v, %v", totals, err)
		}
		if c.Complete(1) != (left == 0) || !c.Complete(0) || !c.Complete(2) {
			t.Error("the wrong files are complete")
		}
		if i == 0 {
			size = totals.Bytes
		}
		if done := c.Done(); done.Bytes != size || done.Confirmed != 30-left || i > 0 && totals.Bytes != 0 {
			t.Errorf("run %d: %+v of %d bytes, %d of this run", i, done, size, totals.Bytes)
		}
		c.Close()
		if len(failed) == 2 {
			s.refuse = nil
		}
	}
	slices.Sort(s.messages)
	if d := cmp.Diff(want, s.messages); d != "" {
		t.Error(d)
	}
	if len(failed) != 2 || !strings.HasSuffix(failed[0], "000001:1:1") {
		t.Errorf("told %v", failed)
	}
}

func TestCheckpointIsBound(t *testing.T) {
	dir, _ := exports(t, 2, 1)
	path := filepath.Join(t.TempDir(), "checkpoint")
	f := files(t, dir)
	c := open(t, path, f.Input())
	if _, err := OpenCheckpoint(path, f.Input()); !errors.Is(err, ErrInUse) {
		t.Errorf("a second run: %v", err)
	}
	c.Close()
	other, _ := exports(t, 1, 1)
	_, err := OpenCheckpoint(path, files(t, other).Input())
	if !errors.Is(err, ErrOtherInput) || !strings.Contains(err.Error(), "2 files of ") || !strings.Contains(err.Error(), "give another --resume FILE") {
		t.Errorf("another input: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "000001"), []byte("2026-01-02T03:04:05.678Z other content\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(path, files(t, dir).Input()); !errors.Is(err, ErrOtherInput) {
		t.Errorf("changed content: %v", err)
	}
	for content, want := range map[string]string{"hello": "is not a checkpoint", `{"version":99}`: "of another version"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCheckpoint(path, f.Input()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", content, err)
		}
	}
	if _, err := OpenCheckpoint(filepath.Join(dir, "none", "x"), f.Input()); err == nil {
		t.Error("a checkpoint in a directory that does not exist")
	}
}

// A checkpoint that cannot be written stops the run: what it would confirm could not be
// remembered.
func TestCheckpointThatCannotBeWritten(t *testing.T) {
	dir, _ := exports(t, 5, 10)
	at := t.TempDir()
	f := files(t, dir)
	c := open(t, filepath.Join(at, "checkpoint"), f.Input())
	s := &source{}
	s.took = func(int) { os.RemoveAll(at) }
	_, err := (&Run{Ship: s.ship, Checkpoint: c}).Do(t.Context(), t.Context(), f)
	if err == nil || !strings.Contains(err.Error(), "cannot be written") || len(s.messages) > 20 {
		t.Errorf("%v after %d log events", err, len(s.messages))
	}
}

// A file that cannot be read whole does not stop the others, and is told.
func TestBrokenFileDoesNotStopTheOthers(t *testing.T) {
	dir, want := exports(t, 3, 2000)
	name := filepath.Join(dir, "000001")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	cut := zipped(string(whole))
	for what, content := range map[string]string{"truncated": cut[:len(cut)-100], "not a format": "hello\n", "vanished": ""} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f := files(t, dir)
		if what == "vanished" {
			os.Remove(name)
		}
		s := &source{}
		var failed []string
		_, err := (&Run{Ship: s.ship, Unread: func(where string, err error) { failed = append(failed, err.Error()) }}).Do(t.Context(), t.Context(), f)
		if err != nil || len(failed) != 1 || !strings.Contains(failed[0], name) || len(s.messages) < 4000 || len(s.messages) >= len(want) {
			t.Errorf("%s: %v, %v, %d log events", what, err, failed, len(s.messages))
		}
	}
}

// A file that grows while it is read is read up to the size that it had, and no half
// line is shipped.
func TestFileThatGrows(t *testing.T) {
	for end, c := range map[string]struct {
		left, said string
		events     int
	}{"\n": {"", "grew by 37 bytes while it was read", 3}, "": {"the file grew while it was read, and its last line was not complete; ship it again when it is complete", "", 2}} {
		name := filepath.Join(t.TempDir(), "log")
		line := "2026-01-02T03:04:05.678Z hello"
		if err := os.WriteFile(name, []byte(line+"\n"+line+"\n"+line+end), 0o600); err != nil {
			t.Fatal(err)
		}
		f := files(t, name)
		log, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(log, " world\n"+line)
		log.Close()
		s := &source{}
		var failed []string
		if _, err := (&Run{Ship: s.ship, Unread: func(_ string, err error) { failed = append(failed, err.Error()) }}).Do(t.Context(), t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(failed, ""); !strings.Contains(got, c.left) || (c.left == "") != (got == "") || !strings.Contains(strings.Join(f.Notes, ""), c.said) || len(s.messages) != c.events {
			t.Errorf("%q: %q, %q, %d log events", end, got, f.Notes, len(s.messages))
		}
	}
}

func TestRate(t *testing.T) {
	dir, _ := exports(t, 10, 100)
	f := files(t, dir)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &source{}
		totals, err := (&Run{Ship: s.ship, Workers: 4, Rate: 10_000}).Do(t.Context(), t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start).Seconds()
		if want := float64(totals.Bytes) * 0.9 / 10_000; took < want || took > want+1 {
			t.Errorf("%d bytes in %.1f s", totals.Bytes, took)
		}
	})
}

// What a plan says of the volume is near what is shipped.
func TestPlanOfTheVolume(t *testing.T) {
	var export, page strings.Builder
	page.WriteString(`{"events":[`)
	for i := range 20_000 {
		fmt.Fprintf(&export, "2026-10-02T03:04:05.678Z GET /orders/%d\n", i*i)
		fmt.Fprintf(&page, `{"logStreamName":"web/app/%d","timestamp":%d,"message":"GET /orders/%d","ingestionTime":1790910245999,"eventId":"%056d"},`, i%3, 1790910245000+i, i*i, i)
	}
	pages := strings.TrimSuffix(page.String(), ",") + "]}"
	for name, content := range map[string]string{"export": export.String(), "export, gzip": zipped(export.String()), "page": pages, "page, gzip": zipped(pages), "one": "2026-10-02T03:04:05.678Z one\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := files(t, dir).Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := new(source)
		totals, err := (&Run{Ship: s.ship}).Do(t.Context(), t.Context(), files(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(p.Text) / float64(totals.Bytes); ratio < 0.9 || ratio > 1.1 {
			t.Errorf("%s: a plan of %d bytes, and %d shipped", name, p.Text, totals.Bytes)
		}
	}
}

// A plan knows formats, sizes and what is old, and refuses before anything is sent.
func TestPlan(t *testing.T) {
	dir, _ := exports(t, 3, 1000)
	old := "2020-01-02T03:04:05.678Z old\n"
	for name, content := range map[string]string{"old": old, "zip.gz": zipped(strings.Repeat(old, 1000)), ".hidden": "x", "aws-logs-write-test": "Permission Check Successful"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := files(t, dir)
	p, err := f.Plan(t.Context())
	if err != nil || p.Items != 5 || p.Looked != 5 || p.Old != 2 || p.Formats[Export] != 5 || p.Oldest.Year() != 2020 || p.Text < 2*p.Size/2 || p.Text < 100_000 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := files(t, dir).Plan(t.Context()); err == nil || !strings.Contains(err.Error(), `x.csv:1:1: "a,b" is neither`) {
		t.Errorf("%v", err)
	}
	in := &Files{Items: []Item{Stream("-", strings.NewReader(old))}, Hints: Hints{LogGroup: "g"}}
	if p, err := in.Plan(t.Context()); err != nil || p.Size != -1 || p.Old != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if other := (&Files{Items: []Item{Stream("-", strings.NewReader("x"))}, Hints: in.Hints}); in.Input() == other.Input() {
		t.Error("two streams are taken for one")
	}
	s := &source{}
	if _, err := (&Run{Ship: s.ship}).Do(t.Context(), t.Context(), in); err != nil || len(s.messages) != 1 {
		t.Errorf("%v, %v after a look", err, s.messages)
	}
}

func TestExportNamesTheLogStream(t *testing.T) {
	for name, want := range map[string]string{
		"export/4df7e2b6-11aa-4f2b-9f5a-1f9a3a1b2c3d/web-app-1/000000.gz": "web-app-1", "a/b/000000.gz": "", "web.log": "",
	} {
		if got := (&Files{}).hints(Item{Name: name}).LogStream; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// archive is CloudWatch Logs with a log event in each millisecond of some minutes, at
// most 5 calls in a second.
type archive struct {
	mu        sync.Mutex
	calls     int
	throttled int
	recent    []time.Time
	density   func(ms int64) int
	spans     []Span
	fail      error
}

func (a *archive) Search(ctx context.Context, group string, in Span, token string) (page []LogEvent, next string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return nil, "", a.fail
	}
	now := time.Now()
	a.recent = slices.DeleteFunc(a.recent, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	if len(a.recent) >= 5 {
		a.throttled++
		return nil, "", fmt.Errorf("slow down: %w", ErrThrottled)
	}
	a.recent = append(a.recent, now)
	a.calls++
	if token == "" {
		a.spans = append(a.spans, in)
	}
	from := in.From
	if token != "" {
		fmt.Sscan(token, &from)
	}
	for ms := from; ms < in.To; ms++ {
		if a.density(ms) > 0 {
			if len(page) == 1000 {
				return page, fmt.Sprint(ms), nil
			}
			page = append(page, LogEvent{fmt.Sprint("id", ms), "s", fmt.Sprint(ms), ms})
		}
	}
	return page, "", nil
}

// All of a time is found once, in windows that follow the density, and a second run
// searches only what is left.
func TestWindows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	synctest.Test(t, func(t *testing.T) {
		const hour = 3600 * 1000
		a := &archive{density: func(ms int64) int {
			if ms > hour && ms < hour+60_000 { // a busy minute
				return 1
			}
			if ms%5000 == 0 {
				return 1
			}
			return 0
		}}
		want := 0
		for ms := int64(0); ms < 2*hour; ms++ {
			want += a.density(ms)
		}
		w := &Windows{Search: a, Groups: []Group{{"/g", "1"}}, Time: Span{0, 2 * hour}, Target: 2000}
		if n, bytes, err := w.Plan(t.Context()); err != nil || n < int64(want)/4 || n > 4*int64(want) || bytes < n {
			t.Errorf("a plan of %d log events of %d, %d bytes: %v", n, want, bytes, err)
		}
		a.calls, a.spans, a.throttled = 0, nil, 0
		s := &source{}
		run := func(stopAfter int) error {
			c, err := OpenCheckpoint(path, w.Input())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			read, stop := context.WithCancel(t.Context())
			defer stop()
			s.took = func(n int) {
				if n >= stopAfter {
					stop()
				}
			}
			_, err = (&Run{Ship: s.ship, Workers: 4, Checkpoint: c}).Do(read, t.Context(), w)
			return err
		}
		if err := run(want / 2); !errors.Is(err, context.Canceled) {
			t.Fatalf("not interrupted: %v", err)
		}
		first := len(s.messages)
		if err := run(1 << 30); err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, m := range s.messages {
			found[m]++
		}
		if len(found) != want || len(s.messages)-want > 4*2*2000 || first < want/2 {
			t.Errorf("%d of %d log events, %d times, %d in the first run", len(found), want, len(s.messages), first)
		}
		narrow, wide := int64(2*hour), int64(0)
		for _, s := range a.spans {
			narrow, wide = min(narrow, s.To-s.From), max(wide, s.To-s.From)
		}
		if narrow > 5000 || wide < 10*60_000 || a.throttled == 0 || a.throttled > a.calls {
			t.Errorf("windows of %d to %d ms, %d calls, %d throttled", narrow, wide, a.calls, a.throttled)
		}
		a.calls = 0
		if err := run(1 << 30); err != nil || a.calls != 0 {
			t.Errorf("a third run made %d calls: %v", a.calls, err)
		}
	})
}

func TestWindowsTellOfAGroupThatFails(t *testing.T) {
	w := &Windows{Search: &archive{fail: errors.New("AccessDenied")}, Groups: []Group{{Name: "/a"}, {Name: "/b"}}, Time: Span{0, 1000}}
	var failed []string
	_, err := (&Run{Ship: (&source{}).ship, Unread: func(where string, err error) { failed = append(failed, where+" "+err.Error()) }}).Do(t.Context(), t.Context(), w)
	if d := cmp.Diff([]string{"/a AccessDenied", "/b AccessDenied"}, failed); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}
