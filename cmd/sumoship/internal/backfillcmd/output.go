package backfillcmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
	"sumoship/history"
)

// Assumptions of a plan.
const (
	speed  = 10e6 // bytes of log in a second, of one body in flight
	ratio  = 4.15 // of gzip: docs/operations.md, "Cost"
	outGB  = 0.09 // dollars for a GB to the internet
	billed = 1e9
)

// planned is a plan in JSON. What is not known is left out.
type planned struct {
	Files     int      `json:"files,omitempty"`
	Size      int64    `json:"size,omitempty"` // of the files as they are stored; -1 if it is not known
	Formats   []string `json:"formats,omitempty"`
	LogGroups []string `json:"logGroups,omitempty"`
	Region    string   `json:"region,omitempty"`
	Since     string   `json:"since,omitempty"`
	Until     string   `json:"until,omitempty"`
	Events    int64    `json:"events,omitempty"` // about

	To      string         `json:"to"`
	By      string         `json:"by"`
	Workers int            `json:"workers"`
	Rate    int64          `json:"bytesPerSecond,omitempty"`
	Earlier history.Counts `json:"earlier"` // of the checkpoint

	Bytes    *int64   `json:"bytes,omitempty"` // of log, about
	Seconds  *float64 `json:"seconds,omitempty"`
	Dollars  *float64 `json:"dollars,omitempty"` // for data out of AWS
	Warnings []string `json:"warnings,omitempty"`
}

// planned is the plan of an input.
func (in *input) planned(to, by string, workers int, rate int64, earlier history.Counts) planned {
	p := in.told
	p.To, p.By, p.Workers, p.Rate, p.Earlier, p.Warnings = to, by, workers, rate, earlier, in.warn
	if in.text >= 0 {
		per := float64(workers) * speed
		if rate > 0 {
			per = min(per, float64(rate))
		}
		seconds, dollars := float64(in.text)/per, float64(in.text)/ratio/billed*outGB
		p.Bytes, p.Seconds, p.Dollars = &in.text, &seconds, &dollars
	}
	return p
}

// show writes the plan, after rows that say what is read.
func (p planned) show(s cli.Streams, rows []cli.Row) error {
	rows = append(slices.Clone(rows), cli.Row{"to", p.To + ", by " + p.By})
	flight := cli.Count(p.Workers, "body")
	if p.Workers != 1 {
		flight = fmt.Sprintf("%d bodies", p.Workers)
	}
	if flight += " in flight"; p.Rate > 0 {
		flight += fmt.Sprintf(", at most %s/s", cli.Size(p.Rate))
	}
	rows = append(rows, cli.Row{"at once", flight})
	if p.Earlier.Confirmed > 0 {
		rows = append(rows, cli.Row{"done", fmt.Sprintf("%s confirmed by earlier runs", cli.Count(p.Earlier.Confirmed, "log event"))})
	}
	if p.Bytes != nil {
		took := time.Duration(*p.Seconds * float64(time.Second)).Round(time.Second)
		rows = append(rows,
			cli.Row{"volume", fmt.Sprintf("about %s of log, which Sumo Logic bills as ingested", cli.Size(*p.Bytes))},
			cli.Row{"takes", fmt.Sprintf("about %s, if Sumo Logic keeps up", max(took, time.Second))},
			cli.Row{"costs", fmt.Sprintf("about $%.2f for data out of AWS (gzip, $%.2f for a GB)", *p.Dollars, outGB)})
	} else {
		rows = append(rows, cli.Row{"volume", "not known before it is read"},
			cli.Row{"costs", fmt.Sprintf("$%.3f for data out of AWS, for each GB of log", outGB/ratio)})
	}
	return cli.WriteTable(s.Out, nil, rows)
}

// result is what became of an input.
type result struct {
	Confirmed   int            `json:"confirmed"`
	Filtered    int            `json:"filtered"`
	Rejected    int            `json:"rejected"`
	Unsent      int            `json:"unsent"`
	Events      int            `json:"events"`
	Earlier     history.Counts `json:"earlier"` // of the checkpoint
	Batches     int            `json:"batches"`
	Bytes       int64          `json:"bytes"`
	SentBytes   int64          `json:"sentBytes"`
	Millis      int64          `json:"ms"`
	Interrupted bool           `json:"interrupted,omitempty"`
	Failures    []string       `json:"failures,omitempty"`
}

// Outputs is what it writes as JSON: what became of the input, or with --dry-run the plan.
func (c *Cmd) Outputs() []any { return []any{result{}, planned{}} }

// write writes what became of the log events.
func (c *Cmd) write(s cli.Streams, t history.Totals, before history.Counts, p *progress, interrupted bool) error {
	took := time.Since(p.start)
	if c.JSON {
		return cli.WriteJSON(s.Out, result{t.Confirmed, t.Filtered, t.Rejected, t.Unsent, t.Events, before, t.Batches, t.Bytes, t.Sent, took.Milliseconds(), interrupted, p.failures})
	}
	named := func(n int, m cli.Meaning, name string) string {
		if n == 0 {
			return name
		}
		return cli.Paint(s.Out, m, name)
	}
	rows := []cli.Row{
		{named(t.Confirmed, cli.Good, "confirmed"), t.Confirmed}, {"dropped by rules", t.Filtered},
		{named(t.Rejected, cli.Bad, "rejected"), t.Rejected}, {named(t.Unsent, cli.Bad, "not sent"), t.Unsent}, {"log events read", t.Events},
	}
	if before.Confirmed+before.Filtered > 0 {
		rows = append(rows, cli.Row{"of earlier runs", before.Confirmed + before.Filtered})
	}
	if err := cli.WriteTable(s.Out, nil, rows); err != nil {
		return err
	}
	seconds := max(took.Seconds(), 0.001)
	_, err := fmt.Fprintf(s.Out, "%s of log in %s (%s/s), %s sent.\n", cli.Size(t.Bytes), took.Round(100*time.Millisecond), cli.Size(int64(float64(t.Bytes)/seconds)), cli.Size(t.Sent))
	return err
}

// maxFailures is how many failures are told; more are counted.
const maxFailures = 20

// progress tells on standard error how far it is.
type progress struct {
	out    io.Writer
	screen bool // a line that is written over
	text   int64
	done   int64 // bytes of earlier runs
	start  time.Time

	mu       sync.Mutex
	told     time.Time
	waiting  time.Time // when a wait was told last
	drawn    bool
	unread   int
	more     int
	failures []string
}

func newProgress(out io.Writer, text int64, before history.Counts) *progress {
	return &progress{out: out, screen: cli.OnTerminal(out), text: text, done: before.Bytes, start: time.Now(), told: time.Now()}
}

// saw shows the totals, a few times in a second on a terminal and every 10 seconds
// elsewhere.
func (p *progress) saw(t history.Totals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := 10 * time.Second
	if p.screen {
		every = 200 * time.Millisecond
	}
	if time.Since(p.told) < every {
		return
	}
	p.told = time.Now()
	seconds := time.Since(p.start).Seconds()
	rate := float64(t.Bytes) / seconds
	line := cli.Size(t.Bytes + p.done)
	if p.text > 0 {
		line += " of about " + cli.Size(max(p.text, t.Bytes+p.done))
	}
	line += fmt.Sprintf(", %d log events, %s/s", t.Events, cli.Size(int64(rate)))
	if left := p.text - t.Bytes - p.done; p.text > 0 && left > 0 && rate > 0 {
		line += fmt.Sprintf(", about %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	p.say(line)
}

// say writes a line, over the one before on a terminal. The lock is held.
func (p *progress) say(line string) {
	if p.screen {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.out, "sumoship: "+line)
}

// over begins a new line after one that would be written over. The lock is held.
func (p *progress) over() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// waits tells of a wait, at most once in 10 seconds.
func (p *progress) waits(r ship.Retrying) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.waiting) < 10*time.Second {
		return
	}
	p.waiting = time.Now()
	p.over()
	fmt.Fprintf(p.out, "sumoship: Sumo Logic does not take %s (%v); trying again in %s\n", cli.Count(r.Events, "log event"), r.Err, r.Wait.Round(time.Second))
}

// failed tells what is left of a batch.
func (p *progress) failed(where string, err error) { p.tell(where, err) }

// unreadable tells of an input that cannot be read whole.
func (p *progress) unreadable(where string, err error) {
	p.tell(where, err)
	p.unread++
}

// tell tells of a failure, once for many of them.
func (p *progress) tell(where string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := err.Error()
	if !strings.Contains(text, where) {
		text = where + ": " + text
	}
	if len(p.failures) == maxFailures {
		p.more++
		return
	}
	p.failures = append(p.failures, text)
	p.over()
	fmt.Fprintln(p.out, "sumoship: "+text)
}

// end leaves the line of the progress.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over()
	if p.more > 0 {
		fmt.Fprintf(p.out, "sumoship: and %s\n", cli.Count(p.more, "more failure"))
	}
}
