package dlqcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
	"sumoship/function/ship"
	"sumoship/transform"
)

// message is what is in a message of the queue.
type message struct {
	dlq.Message
	group  string
	class  string
	why    string
	events int // -1 if the message cannot be read
}

// look reads a message.
func look(m dlq.Message) message {
	cause := m.Entry.Cause
	b, err := transform.Decode(m.Entry.Event, transform.DefaultLimit)
	if err != nil {
		return message{m, cause.LogGroup, ship.Undecodable, err.Error(), -1}
	}
	return message{m, b.LogGroup, cmp.Or(cause.Class, "unknown"), cause.Message, b.Len()}
}

// selectFlags choose messages. SQS cannot: all are received, and those that are not
// meant are given back.
type selectFlags struct {
	LogGroup []string `help:"Only messages of this log group; * stands for any characters. Can be given several times." placeholder:"NAME" sep:"none"`
	Class    []string `help:"Only messages of this class: unavailable, throttled, misconfigured, rejected, out_of_time, undecodable, unknown." placeholder:"CLASS"`
	Since    string   `help:"Only messages that failed first at or after a time: 2026-01-02, 2026-01-02T15:04:05Z, or 36h or 7d ago." placeholder:"TIME"`
	Until    string   `help:"Only messages that failed first before a time." placeholder:"TIME"`
	ID       []string `name:"id" help:"Only the message with this ID." placeholder:"ID"`
}

// any reports whether the flags choose at all.
func (f selectFlags) any() bool {
	return len(f.LogGroup)+len(f.Class)+len(f.ID) > 0 || f.Since+f.Until != ""
}

// matcher returns what reports whether a message is meant.
func (f selectFlags) matcher(now time.Time) (func(message) bool, error) {
	var since, until time.Time
	for _, f := range []struct {
		flag, text string
		t          *time.Time
	}{{"--since", f.Since, &since}, {"--until", f.Until, &until}} {
		if f.text == "" {
			continue
		}
		var err error
		if *f.t, _, err = cli.Moment(f.flag, f.text, now); err != nil {
			return nil, err
		}
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return nil, cli.Usagef("--since is not before --until, so no message is meant")
	}
	return func(m message) bool {
		first := m.Entry.Cause.FirstFailure
		return (len(f.LogGroup) == 0 || slices.ContainsFunc(f.LogGroup, func(pattern string) bool { return matches(pattern, m.group) })) &&
			(len(f.Class) == 0 || slices.Contains(f.Class, m.class)) &&
			(len(f.ID) == 0 || slices.Contains(f.ID, m.ID)) &&
			(since.IsZero() || !first.Before(since)) && (until.IsZero() || first.Before(until))
	}, nil
}

// matches reports whether a name has the form of a pattern, in which * stands for any
// characters.
func matches(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	for i := len(first); i <= len(name); i++ {
		if matches(rest, name[i:]) {
			return true
		}
	}
	return false
}

// chosen is an inbox of the messages that are meant. It holds the others, so that they
// are not received again, until they are given back in the end.
type chosen struct {
	*dlq.Queue
	match       func(message) bool
	most        int // messages; 0 means all
	maxReceives int
	held        *dlq.Held

	mu     sync.Mutex
	taken  int // or claimed
	others int
}

// Receive receives messages that are meant, none if there are no more.
func (c *chosen) Receive(ctx context.Context, n int, wait, visibility time.Duration) ([]dlq.Message, error) {
	for {
		c.mu.Lock()
		if c.most > 0 {
			n = min(n, c.most-c.taken)
		}
		c.taken += max(n, 0)
		c.mu.Unlock()
		if n <= 0 {
			return nil, nil
		}
		got, err := c.Queue.Receive(ctx, n, wait, visibility)
		var meant, others []dlq.Message
		var near error
		for _, m := range got {
			if dlq.NearLimit(m.Receives, c.maxReceives) {
				near = fmt.Errorf("%w: one was received %d times of %d", dlq.ErrNearLimit, m.Receives, c.maxReceives)
			}
			if c.match(look(m)) {
				meant = append(meant, m)
			} else {
				others = append(others, m)
			}
		}
		c.mu.Lock()
		c.taken -= n - len(meant)
		c.others = c.held.Add(others...)
		c.mu.Unlock()
		if near != nil && len(others) > 0 { // those that are meant leave the queue
			c.held.Add(meant...)
			return nil, near
		}
		if err != nil || len(got) == 0 || len(meant) > 0 {
			return meant, err
		}
	}
}

// scanError words the end of a scan.
func scanError(ctx context.Context, err error, done string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return cli.Interrupted(ctx, "%s", done)
	case errors.Is(err, dlq.ErrNearLimit):
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s; stopped: %w. Each look is one more receive: replay the queue, or raise maxReceiveCount", done, err))
	}
	return cli.Fail(cli.ExitAWS, err)
}
