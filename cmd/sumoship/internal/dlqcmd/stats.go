package dlqcmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
	"sumoship/function/ship"
)

type statsCmd struct {
	queueFlags
	All     bool `help:"Count all messages, not a sample."`
	Sample  int  `help:"Number of messages of a sample." default:"200"`
	Workers int  `help:"Number of receives in flight." default:"16"`
}

func (c *statsCmd) Help() string {
	return `  sumoship dlq stats --queue dead-letters
  sumoship dlq stats --queue dead-letters --all

SQS shows a message only to whoever receives it, and each receive counts toward
the maxReceiveCount of the queue's redrive policy. So this looks at a sample, until
you ask for all; what it has received is visible again at once. It stops before
messages come near maxReceiveCount.`
}

// tally counts the messages of a log group and a class.
type tally struct {
	LogGroup string    `json:"logGroup,omitempty"`
	Class    string    `json:"class"`
	Messages int       `json:"messages"`
	Events   int       `json:"events"`
	Bytes    int       `json:"bytes"`
	First    time.Time `json:"firstFailure"`     // of the oldest
	Last     time.Time `json:"lastFirstFailure"` // of the newest
}

// tallies are the messages of a queue in JSON.
type tallies struct {
	Queue    string   `json:"queue"`
	Depth    int      `json:"depth"`    // messages in it, about
	Messages int      `json:"messages"` // counted
	All      bool     `json:"all"`      // false if it has more
	Receives int      `json:"receives"` // that the count took
	Groups   []*tally `json:"groups"`   // by log group and class
}

// Outputs is what it writes as JSON.
func (c *statsCmd) Outputs() []any { return []any{tallies{}} }

// add counts a message.
func (t *tally) add(m message) {
	first := m.Entry.Cause.FirstFailure
	if t.Messages == 0 || first.Before(t.First) {
		t.First = first
	}
	if first.After(t.Last) {
		t.Last = first
	}
	t.Messages++
	t.Events += max(m.events, 0)
	t.Bytes += len(m.Body)
}

func (c *statsCmd) Run(ctx context.Context, s cli.Streams) error {
	if c.Sample < 1 || c.Workers < 1 {
		return cli.Usagef("--sample and --workers: want 1 or more")
	}
	_, q, err := c.open(ctx, s, 0)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	scan := dlq.Scan{Workers: c.Workers, MaxReceives: status.MaxReceives}
	total := status.Visible
	if !c.All {
		scan.Most, scan.Workers = c.Sample, min(c.Workers, 1+c.Sample/10)
		total = min(total, c.Sample)
	}
	bar := cli.NewBar(total, "counting", s.Err)
	var mu sync.Mutex
	counts := map[[2]string]*tally{}
	found, scanErr := q.Scan(ctx, scan, func(messages []dlq.Message) ([]dlq.Message, error) {
		looked := make([]message, len(messages))
		for i, m := range messages {
			looked[i] = look(m)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, m := range looked {
			key := [2]string{m.group, m.class}
			if counts[key] == nil {
				counts[key] = &tally{LogGroup: m.group, Class: m.class}
			}
			counts[key].add(m)
		}
		bar.Add(len(messages))
		return nil, nil
	})
	bar.Finish()
	list := slices.SortedFunc(maps.Values(counts), func(a, b *tally) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.LogGroup, b.LogGroup), cmp.Compare(a.Class, b.Class))
	})
	if err := c.write(s, status, found, list); err != nil {
		return err
	}
	return scanError(ctx, scanErr, cli.Count(found.Messages, "message")+" counted")
}

func (c *statsCmd) write(s cli.Streams, status dlq.Status, found dlq.Scanned, list []*tally) error {
	if c.JSON {
		return cli.WriteJSON(s.Out, tallies{status.Name, status.Depth(), found.Messages, found.All, found.Receives, append([]*tally{}, list...)})
	}
	var rows []cli.Row
	for _, t := range list {
		class := cli.Paint(s.Out, cli.Doubt, t.Class)
		if t.Class == ship.Undecodable {
			class = cli.Paint(s.Out, cli.Bad, t.Class)
		}
		rows = append(rows, cli.Row{cmp.Or(t.LogGroup, "?"), class, t.Messages, t.Events, t.Bytes, stamp(t.First), stamp(t.Last)})
	}
	if err := cli.WriteTable(s.Out, cli.Row{"LOG GROUP", "CLASS", "MESSAGES", "EVENTS", "BYTES", "FIRST FAILURE", "LAST"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.Out, coverage(found, status))
	return err
}

// stamp is a time as the flags take it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// coverage says how much of the queue was looked at.
func coverage(found dlq.Scanned, status dlq.Status) string {
	text := fmt.Sprintf("A sample: %d of about %s.", found.Messages, cli.Count(max(status.Depth(), found.Messages), "message"))
	if found.All {
		text = fmt.Sprintf("All: %s visible.", cli.Count(found.Messages, "message"))
		if rest := status.InFlight + status.Delayed; rest > 0 {
			text = fmt.Sprintf("All that are visible: %s; about %d more are in flight, in backoff or delayed.", cli.Count(found.Messages, "message"), rest)
		}
	}
	if dlq.NearLimit(found.NearMost, status.MaxReceives) {
		text += fmt.Sprintf(" One was received %d times of %d, after which it goes to the quarantine queue.", found.NearMost, status.MaxReceives)
	}
	return text
}
