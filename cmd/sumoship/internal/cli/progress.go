package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is how often a verb says how far it is where there is no terminal.
const progressEvery = 10 * time.Second

// Bar shows progress: as a bar on a terminal, and elsewhere as a line now and then, so
// that the log of a job shows that it goes on. Several goroutines may use it.
type Bar struct {
	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil without a terminal
	w     io.Writer
	what  string
	total int // -1 if it is not known
	done  int
	told  time.Time
}

// NewBar returns progress toward a total, -1 if that is not known. w is standard error.
func NewBar(total int, what string, w io.Writer) *Bar {
	b := &Bar{w: w, what: what, total: total, told: time.Now()}
	// A bar without an end would be turned by a goroutine that reads the state without
	// the lock, and stays when the bar is dropped.
	if f := terminal(w); f != nil && total != 0 {
		b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetSpinnerChangeInterval(0))
	}
	return b
}

// Add says that n more are done.
func (b *Bar) Add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(b.done + n)
}

// Set says that n are done.
func (b *Bar) Set(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(n)
}

// Describe says what is under way.
func (b *Bar) Describe(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.what = what
	if b.bar != nil {
		b.bar.Describe(what)
	}
	b.set(b.done)
}

// set shows the state. The lock is held.
func (b *Bar) set(n int) {
	b.done = n
	if b.bar != nil {
		_ = b.bar.Set(n)
		return
	}
	if time.Since(b.told) < progressEvery {
		return
	}
	b.told = time.Now()
	of := ""
	if b.total > 0 {
		of = fmt.Sprintf(" of %d", b.total)
	}
	if n > 0 {
		of = fmt.Sprintf(": %d%s", n, of)
	}
	fmt.Fprintf(b.w, "sumoship: %s%s\n", b.what, of)
}

// Clear makes room for other text. The bar comes back when it goes on.
func (b *Bar) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// Finish removes the bar.
func (b *Bar) Finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
