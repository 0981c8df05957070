package dlqcmd

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
	"sumoship/transform"
)

type peekCmd struct {
	queueFlags
	N int `short:"n" help:"Number of messages to show." default:"10"`
}

func (c *peekCmd) Help() string {
	return `Each message is received and made visible again at once. SQS counts that as a
receive.`
}

// peeked is a message, and its form in JSON.
type peeked struct {
	ID           string    `json:"id"`
	LogGroup     string    `json:"logGroup,omitempty"`
	Events       *int      `json:"events,omitempty"` // nil if the message cannot be read
	FirstFailure time.Time `json:"firstFailure"`
	Class        string    `json:"class,omitempty"`
	Why          string    `json:"why,omitempty"`
	Attempts     int       `json:"attempts"`
	Receives     int       `json:"receives"`
	Bytes        int       `json:"bytes"`
}

func (c *peekCmd) Run(ctx context.Context, s cli.Streams) error {
	if c.N < 1 {
		return cli.Usagef("-n: invalid number %d: want 1 or more", c.N)
	}
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	messages, err := q.Peek(ctx, c.N)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	list := []peeked{}
	for _, m := range messages {
		cause := m.Entry.Cause
		r := peeked{m.ID, cause.LogGroup, nil, cause.FirstFailure, cause.Class, cause.Message, cause.Attempts, m.Receives, len(m.Body)}
		if b, err := transform.Decode(m.Entry.Event, transform.DefaultLimit); err != nil {
			r.Class, r.Why = ship.Undecodable, err.Error()
		} else {
			n := b.Len()
			r.LogGroup, r.Events = b.LogGroup, &n
		}
		list = append(list, r)
	}
	if c.JSON {
		return cli.WriteJSON(s.Out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(s.Out, "No message is visible.")
		return err
	}
	var rows []cli.Row
	for _, r := range list {
		var events any = "?"
		if r.Events != nil {
			events = *r.Events
		}
		why := cmp.Or(strings.TrimSpace(r.Class+" "+strings.TrimPrefix(r.Why, r.Class+": ")), "unknown")
		rows = append(rows, cli.Row{cmp.Or(r.LogGroup, "?"), events, age(r.FirstFailure) + " ago", r.Bytes, r.Receives, why})
	}
	return cli.WriteTable(s.Out, cli.Row{"LOG GROUP", "EVENTS", "FIRST FAILURE", "BYTES", "RECEIVES", "WHY"}, rows)
}
