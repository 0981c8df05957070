package localcmd

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq/dlqtest"
	"sumoship/function/ship"
	"sumoship/sumo"
)

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
		p.Error = sumo.Reason(err)
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

// letter is a message of the dead-letter queue at the end.
type letter struct {
	LogGroup string `json:"logGroup,omitempty"`
	Class    string `json:"class"` // why it is there
	Message  string `json:"message"`
	Bytes    int    `json:"bytes"`
}

// document is the result in JSON. It is written member by member, as they come.
type document struct {
	Posts       []post      `json:"posts"` // requests to the source
	DeadLetters []letter    `json:"deadLetters"`
	Heartbeats  int         `json:"heartbeats,omitempty"` // sent until the source was back
	Total       ship.Report `json:"total"`
}

// Outputs is what it writes as JSON.
func (c *Cmd) Outputs() []any { return []any{document{}} }

// view writes the progress as text, or as one JSON document.
type view struct {
	*Cmd
	out io.Writer
	bar *cli.Bar

	mu       sync.Mutex
	posts    int
	json     *json.Encoder
	breakers map[string]string // state by function
	idle     bool              // the last round of replay did nothing
	quiet    bool              // requests are not shown
	probes   int               // heartbeats sent while the breaker was open
}

func (v *view) begin() {
	if v.JSON {
		v.out = cli.Raw(v.out)
		v.json = json.NewEncoder(v.out)
		v.json.SetEscapeHTML(false)
		fmt.Fprint(v.out, `{"posts":[`)
	}
}

func (v *view) post(p post) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.quiet {
		return
	}
	v.bar.Clear()
	v.posts++
	if v.json != nil {
		if v.posts > 1 {
			fmt.Fprint(v.out, ",")
		}
		_ = v.json.Encode(p) // the output keeps the error
		return
	}
	meaning := cli.Bad
	if p.Status/100 == 2 {
		meaning = cli.Good
	}
	answer := cli.Paint(v.out, meaning, cmp.Or(p.Error, fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status))))
	packed := ""
	if p.Headers["Content-Encoding"] != "" {
		packed = fmt.Sprintf(", %s %s", cli.Size(p.SentBytes), p.Headers["Content-Encoding"])
	}
	fmt.Fprintf(v.out, "POST %d  %s, %s%s  → %s\n", v.posts, cli.Count(len(p.Records), "record"), cli.Size(p.RawBytes), packed, answer)
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
			fmt.Fprintf(v.out, "    … and %d more (--records=-1 shows all)\n", len(p.Records)-i)
			break
		}
		fmt.Fprintf(v.out, "    %s\n", r)
	}
}

// breaker shows that the breaker of a function has opened or closed.
func (v *view) breaker(function, state string) {
	was := v.breakers[function]
	v.breakers[function] = state
	if v.json != nil || (was == "") == (state == "") {
		return
	}
	if state == "" {
		fmt.Fprintf(v.out, "%s  %s: closed, the source answers again\n", cli.Paint(v.out, cli.Good, "BREAKER"), function)
	} else {
		fmt.Fprintf(v.out, "%s  %s: open, what follows is not tried until a probe is answered\n", cli.Paint(v.out, cli.Doubt, "BREAKER"), function)
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
		what := "DEAD-LETTERED"
		if v.Endpoint != "" {
			what = "UNDELIVERED" // the queue is gone when this ends
		}
		fmt.Fprintf(v.out, "%s  %s of %s: %s\n", cli.Paint(v.out, cli.Doubt, what), cli.Count(r.DeadLettered, "log event"), group, r.Error)
	}
	if err != nil {
		fmt.Fprintf(v.out, "%s  %s: %v\n", cli.Paint(v.out, cli.Bad, "LOST"), group, err)
	}
}

// heartbeats shows how the outage of the built-in source went on after the last
// event.
func (v *view) heartbeats(sent int, back bool) {
	v.quiet, v.probes = false, sent
	if v.json == nil && sent > 0 {
		end := "and the source does not answer yet"
		if back {
			end = "then the source answered"
		}
		fmt.Fprintf(v.out, "HEARTBEAT  no events are left: %s sent, %s\n", cli.Count(sent, "heartbeat"), end)
	}
	if back {
		v.breaker("forwarder", "")
	}
}

// drained shows what a round of replay did.
func (v *view) drained(r ship.Report) {
	idle := r.Messages.Done+r.Messages.Quarantined == 0
	again := v.idle && idle
	if v.idle = idle; again || v.json != nil || r.Messages.Received == 0 {
		return // like the round before
	}
	fmt.Fprintf(v.out, "REPLAY  %s: %d done, %d put back in part, %d quarantined, %d kept, %d untried; %s confirmed\n",
		cli.Count(r.Messages.Received, "message"), r.Messages.Done, r.Messages.PutBack, r.Messages.Quarantined, r.Messages.Kept, r.Messages.Untried,
		cli.Count(r.Confirmed, "log event"))
}

// end shows what became of all events.
func (v *view) end(total ship.Report, queue *dlqtest.Queue) error {
	v.bar.Finish()
	entries := queue.Entries()
	if v.json != nil {
		left := []letter{}
		for _, e := range entries {
			left = append(left, letter{e.Cause.LogGroup, e.Cause.Class, e.Cause.Message, len(e.Event)})
		}
		fmt.Fprint(v.out, `],"deadLetters":`)
		if err := v.json.Encode(left); err != nil {
			return err
		}
		if v.probes > 0 {
			fmt.Fprintf(v.out, `,"heartbeats":%d`, v.probes)
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
	bodies := "1 body"
	if total.Bodies != 1 {
		bodies = fmt.Sprintf("%d bodies", total.Bodies)
	}
	note := ""
	if len(entries) > 0 {
		note = fmt.Sprintf("in %s of the dead-letter queue", cli.Count(len(entries), "message"))
	}
	undelivered := "dead-lettered"
	if v.Endpoint != "" {
		undelivered, note = "undelivered", ""
	}
	rows := []cli.Row{
		{"log events in", total.Events},
		{"confirmed", total.Confirmed, fmt.Sprintf("in %s; requests: %s", bodies, cmp.Or(strings.Join(requests, ", "), "none"))},
		{"filtered", total.FilteredTotal(), strings.Join(reasons, ", ")},
		{undelivered, total.DeadLettered, note},
	}
	if total.Quarantined > 0 {
		rows = append(rows, cli.Row{"quarantined", total.Quarantined})
	}
	rows = append(rows, cli.Row{"lost", total.Lost})
	fmt.Fprintln(v.out)
	if err := cli.WriteTable(v.out, nil, rows); err != nil {
		return err
	}
	sum := fmt.Sprintf("%d = %d + %d + %d", total.Events, total.Confirmed, total.FilteredTotal(), total.DeadLettered)
	if total.Quarantined > 0 {
		sum += fmt.Sprintf(" + %d", total.Quarantined)
	}
	_, err := fmt.Fprintf(v.out, "%s + %d\n", sum, total.Lost)
	return err
}
