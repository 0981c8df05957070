package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/schollz/progressbar/v3"

	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

//go:embed samples/*.json
var samples embed.FS

// localCmd runs the forwarder that Lambda runs.
type localCmd struct {
	Events   []string `arg:"" optional:"" help:"Files with Lambda events, decoded payloads or the output of aws logs filter-log-events; - means standard input. Default: sample events."`
	Endpoint string   `help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret, instead of the built-in source." placeholder:"URL|ARN"`
	Fail     string   `help:"Script of the built-in source: a status, reset (before the body is stored), lost (after), hang; xN repeats it N times, as in 503x3,429,reset. Then it answers 200." placeholder:"SCRIPT"`
	Replay   bool     `help:"Then drain the dead-letter queue with the replay function, as long as it makes progress."`
	LogGroup string   `help:"Log group for filter-log-events output, which does not contain it." default:"local"`
	Records  int      `help:"Number of records to show of each request; -1 shows all." default:"10"`
	Logs     bool     `help:"Write the forwarder's own log lines and metrics to standard error."`
	JSON     bool     `name:"json" help:"Write the result as JSON."`
}

func (c *localCmd) Help() string {
	return `The variables of the Lambda function work here too, for example
  LOG_FORMAT=RAW sumoship local
  aws logs filter-log-events --log-group-name G | sumoship local - --log-group G

With the built-in source, RETRY_INTERVAL is 20 ms and REQUEST_TIMEOUT 2 s unless
these variables are set. What it does not accept goes to a dead-letter queue in
memory.

Exit status: 0 if nothing was lost, 1 if something was lost or a real endpoint
did not accept it, 2 if the command or its input is wrong.`
}

func (c *localCmd) Run(ctx context.Context, s streams) error {
	events, err := c.read(s.in)
	if err != nil {
		return err
	}
	script, err := sumotest.ParseScript(c.Fail)
	if err != nil {
		return usage("--fail: %w", err)
	}
	if c.Endpoint != "" && c.Fail != "" {
		return usage("--fail scripts the built-in source and --endpoint replaces it: give one of them")
	}
	variables := map[string]string{"SUMO_ENDPOINT": c.Endpoint}
	if c.Endpoint == "" {
		source := sumotest.New(script...)
		address, stop, err := source.Serve()
		if err != nil {
			return fmt.Errorf("cannot listen on the loopback interface: %w", err)
		}
		defer stop()
		variables = map[string]string{
			"SUMO_ENDPOINT":   address,
			"SUMO_TOKEN":      "", // of a real source
			"RETRY_INTERVAL":  cmp.Or(s.getenv("RETRY_INTERVAL"), "20"),
			"REQUEST_TIMEOUT": cmp.Or(s.getenv("REQUEST_TIMEOUT"), "2000"),
		}
	}
	getenv := func(name string) string {
		if v, ok := variables[name]; ok {
			return v
		}
		return s.getenv(name)
	}
	view := &view{localCmd: c, out: s.out}
	view.bar = progressbar.DefaultSilent(int64(len(events)))
	if len(events) >= manyEvents {
		view.bar = newBar(len(events), "shipping", s.err)
	}
	logs := io.Discard
	if c.Logs {
		logs = s.err
	}
	client := sumo.NewHTTP(sumo.DefaultInFlight)
	client.Transport = &observer{next: client.Transport, see: view.post}
	queue := new(dlqtest.Queue)
	options := ship.Options{Env: function.Env{Getenv: getenv, Out: logs}, HTTP: client, Queue: queue}
	forwarder, err := ship.NewForwarder(options)
	if err != nil {
		return usage("invalid configuration:\n%w", err)
	}
	replayer, err := ship.NewReplayer(ship.ReplayOptions{Options: options, Inbox: queue, Quarantine: new(dlqtest.Queue)})
	if err != nil {
		return err
	}
	view.begin()
	total := ship.Report{Left: -1}
	broken := false
	for _, event := range events {
		r, err := forwarder.Ship(ctx, event)
		total.Add(r)
		broken = broken || r.Class == ship.Undecodable
		view.event(r, err)
	}
	if c.Replay {
		if err := replay(ctx, replayer, queue, view, &total); err != nil {
			return err
		}
	}
	if err := view.end(total, queue); err != nil {
		return err
	}
	switch {
	case total.Lost > 0:
		return exit{status: exitFound}
	case broken:
		return exit{status: exitUsage}
	case c.Endpoint != "" && total.DeadLettered > 0:
		return exit{exitFound, fmt.Errorf("%s not delivered, and the dead-letter queue was in memory: run the command again", count(total.DeadLettered, "log event"))}
	}
	return nil
}

// maxRounds bounds how often the dead-letter queue is drained, whatever the
// script of the source.
const maxRounds = 100

// replay drains the queue until it is empty or a round makes no progress.
func replay(ctx context.Context, r *ship.Replayer, queue *dlqtest.Queue, view *view, total *ship.Report) error {
	for round := 0; round < maxRounds && len(queue.Entries()) > 0 && ctx.Err() == nil; round++ {
		queue.Wake() // as if their visibility timeouts had passed
		report, err := r.Drain(ctx)
		if err != nil {
			return err
		}
		view.drained(report)
		total.DeadLettered -= report.Confirmed + report.Quarantined
		report.Events, report.Filtered, report.DeadLettered = 0, nil, 0 // they have been counted
		total.Add(report)
		if report.Confirmed == 0 && sumo.Class(report.Class) != sumo.Unavailable {
			break // Sumo Logic would refuse it again
		}
	}
	return nil
}

// read reads the events.
func (c *localCmd) read(stdin io.Reader) ([][]byte, error) {
	var events [][]byte
	if len(c.Events) == 0 {
		files, err := samples.ReadDir("samples")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			b, err := samples.ReadFile("samples/" + f.Name())
			if err != nil {
				return nil, err
			}
			events = append(events, transform.ReadInput(b, c.LogGroup)...)
		}
		return events, nil
	}
	for _, name := range c.Events {
		var b []byte
		var err error
		if name == "-" {
			b, err = io.ReadAll(stdin)
		} else {
			b, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, exit{exitUsage, err}
		}
		events = append(events, transform.ReadInput(b, c.LogGroup)...)
	}
	return events, nil
}

// manyEvents is the number of events from which a progress bar is shown.
const manyEvents = 20

// post is a request to the source and its response.
type post struct {
	Status    int               `json:"status"` // 0: no response
	Error     string            `json:"error,omitempty"`
	Headers   map[string]string `json:"headers"`
	RawBytes  int               `json:"rawBytes"`
	SentBytes int               `json:"sentBytes"`
	Records   []string          `json:"records"`
}

// observer reports each request that goes through it, without its address.
type observer struct {
	next http.RoundTripper
	see  func(post)
}

func (o *observer) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(sent))
	p := post{Headers: map[string]string{}, SentBytes: len(sent)}
	for name := range r.Header {
		if name != "X-Sumo-Token" {
			p.Headers[name] = r.Header.Get(name)
		}
	}
	resp, err := o.next.RoundTrip(r)
	if err != nil {
		p.Error = reason(err)
	} else {
		p.Status = resp.StatusCode
	}
	raw := sent
	if r.Header.Get("Content-Encoding") == "gzip" {
		if zr, zerr := gzip.NewReader(bytes.NewReader(sent)); zerr == nil {
			raw, _ = io.ReadAll(zr) // our own gzip
		}
	}
	p.RawBytes, p.Records = len(raw), strings.Split(string(raw), "\n")
	o.see(p)
	return resp, err
}

func reason(err error) string {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "no answer in time"
	}
	return err.Error()
}

// view writes the progress as text, or as one JSON document.
type view struct {
	*localCmd
	out io.Writer
	bar *progressbar.ProgressBar

	mu    sync.Mutex
	posts int
	json  *json.Encoder
}

func (v *view) begin() {
	if v.JSON {
		v.json = json.NewEncoder(v.out)
		v.json.SetEscapeHTML(false)
		fmt.Fprint(v.out, `{"posts":[`)
	}
}

func (v *view) post(p post) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bar.Clear()
	v.posts++
	if v.json != nil {
		if v.posts > 1 {
			fmt.Fprint(v.out, ",")
		}
		_ = v.json.Encode(p) // the output keeps the error
		return
	}
	answer := cmp.Or(p.Error, fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status)))
	packed := ""
	if p.Headers["Content-Encoding"] != "" {
		packed = fmt.Sprintf(", %s %s", size(p.SentBytes), p.Headers["Content-Encoding"])
	}
	fmt.Fprintf(v.out, "POST %d  %s, %s%s  → %s\n", v.posts, count(len(p.Records), "record"), size(p.RawBytes), packed, answer)
	if p.Status/100 != 2 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		if strings.HasPrefix(name, "X-Sumo-") {
			fmt.Fprintf(v.out, "    %s: %s\n", name, p.Headers[name])
		}
	}
	for i, r := range p.Records {
		if v.Records >= 0 && i == v.Records {
			fmt.Fprintf(v.out, "    … and %d more (--records -1 shows all)\n", len(p.Records)-i)
			break
		}
		fmt.Fprintf(v.out, "    %s\n", r)
	}
}

// event shows what became of an event that was not delivered.
func (v *view) event(r ship.Report, err error) {
	v.bar.Add(1)
	if v.json != nil {
		return
	}
	group := cmp.Or(r.LogGroup, "an unknown log group")
	if r.DeadLettered > 0 {
		fmt.Fprintf(v.out, "DEAD-LETTERED  %s of %s: %s\n", count(r.DeadLettered, "log event"), group, r.Error)
	}
	if err != nil {
		fmt.Fprintf(v.out, "LOST  %s: %v\n", group, err)
	}
}

// drained shows what a round of replay did.
func (v *view) drained(r ship.Report) {
	if v.json != nil || r.Messages.Received == 0 {
		return
	}
	fmt.Fprintf(v.out, "REPLAY  %s: %d done, %d put back in part, %d quarantined, %d kept, %d untried; %s confirmed\n",
		count(r.Messages.Received, "message"), r.Messages.Done, r.Messages.PutBack, r.Messages.Quarantined, r.Messages.Kept, r.Messages.Untried,
		count(r.Confirmed, "log event"))
}

// end shows what became of all events.
func (v *view) end(total ship.Report, queue *dlqtest.Queue) error {
	v.bar.Finish()
	entries := queue.Entries()
	if v.json != nil {
		type entry struct {
			LogGroup string `json:"logGroup,omitempty"`
			Class    string `json:"class"`
			Message  string `json:"message"`
			Bytes    int    `json:"bytes"`
		}
		left := []entry{}
		for _, e := range entries {
			left = append(left, entry{e.Cause.LogGroup, e.Cause.Class, e.Cause.Message, len(e.Event)})
		}
		fmt.Fprint(v.out, `],"deadLetters":`)
		if err := v.json.Encode(left); err != nil {
			return err
		}
		fmt.Fprint(v.out, `,"total":`)
		if err := v.json.Encode(total); err != nil {
			return err
		}
		_, err := fmt.Fprint(v.out, "}\n")
		return err
	}
	var reasons []string
	for _, r := range slices.Sorted(maps.Keys(total.Filtered)) {
		reasons = append(reasons, fmt.Sprintf("%s %d", r, total.Filtered[r]))
	}
	requests := []string{}
	for _, class := range slices.Sorted(maps.Keys(total.Attempts)) {
		requests = append(requests, fmt.Sprintf("%s %d", class, total.Attempts[class]))
	}
	note := ""
	if len(entries) > 0 {
		note = fmt.Sprintf("in %s of the dead-letter queue", count(len(entries), "message"))
	}
	rows := []row{
		{"log events in", total.Events},
		{"confirmed", total.Confirmed, fmt.Sprintf("in %d bodies; requests: %s", total.Bodies, cmp.Or(strings.Join(requests, ", "), "none"))},
		{"filtered", total.FilteredTotal(), strings.Join(reasons, ", ")},
		{"dead-lettered", total.DeadLettered, note},
	}
	if total.Quarantined > 0 {
		rows = append(rows, row{"quarantined", total.Quarantined})
	}
	rows = append(rows, row{"lost", total.Lost})
	fmt.Fprintln(v.out)
	if err := writeTable(v.out, nil, rows); err != nil {
		return err
	}
	sum := fmt.Sprintf("%d = %d + %d + %d", total.Events, total.Confirmed, total.FilteredTotal(), total.DeadLettered)
	if total.Quarantined > 0 {
		sum += fmt.Sprintf(" + %d", total.Quarantined)
	}
	_, err := fmt.Fprintf(v.out, "%s + %d\n", sum, total.Lost)
	return err
}
