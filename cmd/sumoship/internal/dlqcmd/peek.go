package dlqcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
	"sumoship/function/ship"
)

type peekCmd struct {
	queueFlags
	selectFlags `group:"Which messages"`
	N           int  `short:"n" help:"Number of messages to show." default:"10"`
	JSONL       bool `name:"jsonl" help:"Write a JSON object for each message, one a line."`
}

func (c *peekCmd) Help() string {
	return `  sumoship dlq peek --queue dead-letters -n 3
  sumoship dlq peek --queue dead-letters --log-group /ecs/shop --jsonl

Each message is shown once, as it comes, and visible again in the end. SQS counts
that as a receive.`
}

// peeked is a message in JSON.
type peeked struct {
	ID           string    `json:"id"`
	LogGroup     string    `json:"logGroup,omitempty"`
	Events       *int      `json:"events,omitempty"` // null if the message cannot be read
	FirstFailure time.Time `json:"firstFailure"`
	Class        string    `json:"class,omitempty"`
	Why          string    `json:"why,omitempty"`
	Attempts     int       `json:"attempts"`
	Receives     int       `json:"receives"`
	Bytes        int       `json:"bytes"`
}

// Outputs is what it writes as JSON.
func (c *peekCmd) Outputs() []any { return []any{[]peeked{}} }

// peekRow is the form of a line: what comes next is not known, so that the columns
// have a width of their own. A terminal narrower than peekWidth has a block for each
// message.
const (
	peekRow   = "%-28s  %6s  %-16s  %9s  %8s  %s\n"
	peekWidth = 97
)

var peekHead = []any{"LOG GROUP", "EVENTS", "FIRST FAILURE", "BYTES", "RECEIVES", "WHY"}

func (c *peekCmd) Run(ctx context.Context, s cli.Streams) error {
	if c.N < 1 {
		return cli.Usagef("-n: invalid number %d: want 1 or more", c.N)
	}
	match, err := c.matcher(time.Now())
	if err != nil {
		return err
	}
	_, q, err := c.open(ctx, s, 0)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	scan := dlq.Scan{Workers: 1, MaxReceives: status.MaxReceives}
	if !c.any() {
		scan.Most = c.N
	}
	bar := cli.NewBar(-1, "looking at messages", s.Err)
	shown := 0
	looking, enough := context.WithCancel(ctx)
	defer enough()
	found, scanErr := q.Scan(looking, scan, func(messages []dlq.Message) ([]dlq.Message, error) {
		for _, m := range messages {
			looked := look(m)
			if shown == c.N || !match(looked) {
				continue
			}
			bar.Clear()
			if err := c.show(s, looked, shown == 0); err != nil {
				return nil, err
			}
			if shown++; shown == c.N {
				enough()
			}
		}
		bar.Add(len(messages))
		return nil, nil
	})
	bar.Finish()
	if shown == c.N && ctx.Err() == nil {
		scanErr = nil
	}
	switch {
	case c.JSONL:
	case c.JSON && shown == 0:
		_, err = fmt.Fprintln(s.Out, "[]")
	case c.JSON:
		_, err = fmt.Fprintln(s.Out, "]")
	case shown == 0 && scanErr == nil && found.Messages == 0:
		_, err = fmt.Fprintln(s.Out, "No message is visible.")
	case shown == 0 && scanErr == nil:
		_, err = fmt.Fprintf(s.Out, "None of %s that are visible is meant.\n", cli.Count(found.Messages, "message"))
	}
	if err != nil {
		return err
	}
	return scanError(ctx, scanErr, cli.Count(shown, "message")+" shown")
}

// show writes a message.
func (c *peekCmd) show(s cli.Streams, m message, first bool) error {
	cause := m.Entry.Cause
	if c.JSON || c.JSONL {
		p := peeked{m.ID, m.group, nil, cause.FirstFailure, m.class, m.why, cause.Attempts, m.Receives, len(m.Body)}
		if m.events >= 0 {
			p.Events = &m.events
		}
		b, err := json.Marshal(p)
		if err == nil && c.JSONL {
			_, err = fmt.Fprintf(cli.Raw(s.Out), "%s\n", b)
		} else if err == nil {
			_, err = fmt.Fprintf(cli.Raw(s.Out), "%s%s", map[bool]string{true: "[", false: ",\n"}[first], b)
		}
		return err
	}
	events := "?"
	if m.events >= 0 {
		events = fmt.Sprint(m.events)
	}
	meaning, why := cli.Doubt, m.class
	if m.class == ship.Undecodable {
		meaning = cli.Bad
	}
	if text := strings.TrimPrefix(m.why, m.class+": "); text != "" {
		why = strings.TrimPrefix(m.class, "unknown") + " " + text
	}
	why = cli.Paint(s.Out, meaning, strings.TrimSpace(why))
	row := []any{cmp.Or(m.group, "?"), events, age(cause.FirstFailure) + " ago", fmt.Sprint(len(m.Body)), fmt.Sprint(m.Receives), why}
	if width := cli.Style(s.Out, s.Getenv).Width; 0 < width && width < peekWidth {
		var rows []cli.Row
		for i, name := range peekHead {
			rows = append(rows, cli.Row{cli.Paint(s.Out, cli.Head, name.(string)), row[i]})
		}
		if !first {
			fmt.Fprintln(s.Out)
		}
		return cli.WriteTable(s.Out, nil, rows)
	}
	if first {
		if _, err := fmt.Fprint(s.Out, cli.Paint(s.Out, cli.Head, strings.TrimSuffix(fmt.Sprintf(peekRow, peekHead...), "\n"))+"\n"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.Out, peekRow, row...)
	return err
}
