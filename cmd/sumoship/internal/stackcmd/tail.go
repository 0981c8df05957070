package stackcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
)

// Tail is the verb.
type Tail struct {
	flags
	Function []string      `help:"Only of this function: forwarder, replay, subscriber. Repeatable." enum:"forwarder,replay,subscriber" placeholder:"NAME"`
	Since    time.Duration `help:"Begin with what was logged this long ago." default:"10m" placeholder:"TIME"`
	Follow   bool          `help:"Go on until Ctrl-C." default:"true" negatable:""`
	Problems bool          `help:"Only warnings and errors."`
	JSONL    bool          `name:"jsonl" help:"Write the lines as they were logged, one JSON document a line; text that is not JSON becomes the msg of one."`
}

// Help is shown by --help.
func (c *Tail) Help() string {
	return `Shows the lines of the functions' own logs as they come: what became of each
invocation, and every warning and error.

  sumoship tail --problems --since 24h --no-follow

Exit status: 0, 2 the command is wrong, 3 AWS refused, 130 after Ctrl-C.`
}

// tailPoll is how often CloudWatch Logs is asked, which allows five reads a second.
const tailPoll = 2 * time.Second

// late is how much later than others a log event may become visible.
const late = 30 * time.Second

// Outputs is what it writes as JSON: what the functions log, whose members
// docs/operations.md lists.
func (c *Tail) Outputs() []any { return []any{[]map[string]any{}} }

// Run shows the lines.
func (c *Tail) Run(ctx context.Context, s cli.Streams) error {
	cfg, clients, err := c.open(ctx)
	if err != nil {
		return err
	}
	stack, err := c.stack(ctx, clients)
	if err != nil {
		return err
	}
	groups := map[string]string{}
	for name, output := range map[string]string{"forwarder": "ForwarderLogGroup", "replay": "ReplayLogGroup", "subscriber": "SubscriberLogGroup"} {
		if group := stack.Outputs[output]; group != "" && (len(c.Function) == 0 || slices.Contains(c.Function, name)) {
			groups[name] = group
		}
	}
	if len(groups) == 0 {
		return cli.Usagef("stack %s has no such function", c.Stack)
	}
	logs := doctor.LogsFromAWS(cfg)
	out := s.Out
	if c.JSONL {
		out = cli.Raw(out)
	}
	since, seen := time.Now().Add(-c.Since), map[string]time.Time{}
	look := func() error {
		var lines []tailed
		for name, group := range groups {
			of, err := logs.Since(ctx, group, since)
			if err != nil && !errors.Is(err, doctor.ErrNotFound) { // a function that has not run yet
				return cli.Fail(cli.ExitAWS, err)
			}
			for _, l := range of {
				if _, shown := seen[l.ID]; !shown {
					seen[l.ID] = l.At
					lines = append(lines, tailed{l, name})
				}
			}
		}
		slices.SortStableFunc(lines, func(a, b tailed) int { return a.At.Compare(b.At) })
		for _, l := range lines {
			if text := c.text(s.Out, l); text != "" {
				if _, err := fmt.Fprintln(out, text); err != nil {
					return err
				}
			}
		}
		since = time.Now().Add(-late)
		for id, at := range seen {
			if at.Before(since.Add(-late)) {
				delete(seen, id)
			}
		}
		return nil
	}
	if !c.Follow {
		return look()
	}
	return again(ctx, s, tailPoll, look)
}

// tailed is a line of a function.
type tailed struct {
	doctor.Line
	function string
}

// logged is what the functions log.
type logged struct {
	Time     time.Time
	Level    string
	Msg      string
	LogGroup string
	Error    string
	Class    string

	Events, Confirmed, DeadLettered, Quarantined, Lost int
	MS                                                 *int64
	AWS                                                json.RawMessage `json:"_aws"`
	Type                                               string          // of the lines of Lambda itself
}

// document is a line as JSON, on one line. What is not an object, such as the trace of a
// panic, is in the msg of one.
func document(l tailed) string {
	message := strings.TrimSpace(l.Message)
	var one bytes.Buffer
	if strings.HasPrefix(message, "{") && json.Compact(&one, []byte(message)) == nil {
		return one.String()
	}
	b, err := json.Marshal(map[string]any{"time": l.At.UTC(), "function": l.function, "msg": message})
	if err != nil {
		return "" // a time of no calendar, which AWS does not send
	}
	return string(b)
}

// meanings are those of the levels of what the functions log.
var meanings = map[string]cli.Meaning{"WARN": cli.Doubt, "ERROR": cli.Bad}

// text is a line for people, in the colours of w, "" if it is not shown.
func (c *Tail) text(w io.Writer, l tailed) string {
	message := strings.TrimSpace(l.Message)
	var r logged
	if json.Unmarshal([]byte(message), &r) != nil || !strings.HasPrefix(message, "{") {
		if c.JSONL {
			return document(l)
		}
		return fmt.Sprintf("%s  %-10s  %s", l.At.UTC().Format(time.TimeOnly), l.function, message)
	}
	bad := r.Level == "WARN" || r.Level == "ERROR"
	switch {
	case r.AWS != nil, strings.HasPrefix(r.Type, "platform.") && !bad: // metrics; starts and ends
		return ""
	case c.Problems && !bad:
		return ""
	case c.JSONL:
		return document(l)
	}
	parts := []string{l.At.UTC().Format(time.TimeOnly), fmt.Sprintf("%-10s", l.function), cli.Paint(w, meanings[r.Level], r.Msg)}
	if r.LogGroup != "" {
		parts = append(parts, r.LogGroup)
	}
	if r.MS != nil && l.function != "subscriber" {
		figures := fmt.Sprintf("%d of %s confirmed", r.Confirmed, cli.Count(r.Events, "log event"))
		for _, f := range []struct {
			n    int
			what string
		}{{r.DeadLettered, "dead-lettered"}, {r.Quarantined, "quarantined"}, {r.Lost, "lost"}} {
			if f.n > 0 {
				figures += fmt.Sprintf(", %d %s", f.n, f.what)
			}
		}
		parts = append(parts, figures, fmt.Sprintf("%d ms", *r.MS))
	}
	if r.Error != "" {
		parts = append(parts, strings.TrimSpace(r.Class+" "+r.Error))
	}
	return strings.Join(parts, "  ")
}
