package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Events are log events, as a canary writes and reads them.
type Events interface {
	// Put writes a log event into a log group.
	Put(ctx context.Context, group, stream, message string, at time.Time) error
	// Lines returns the messages of a log group since a time.
	Lines(ctx context.Context, group string, since time.Time) ([]string, error)
}

// Search is a search of Sumo Logic.
type Search interface {
	// Count returns how many messages hold a word since a time.
	Count(ctx context.Context, word string, since time.Time) (int, error)
}

// Hop is a part of the way of a canary.
type Hop struct {
	Name   string `json:"hop"`
	Status Status `json:"status"`
	Millis int64  `json:"ms"` // since the canary was written
	Seen   string `json:"seen,omitempty"`
}

// Canary is the way of one log event through the stack.
type Canary struct {
	ID   string `json:"id"` // a word of the log event
	Hops []Hop  `json:"hops"`
}

// Arrived reports whether the log event came to the end of the way that was followed.
func (c *Canary) Arrived() bool {
	for _, h := range c.Hops {
		if h.Status == Broken {
			return false
		}
	}
	return len(c.Hops) > 0
}

// CanaryOptions say what way to follow.
type CanaryOptions struct {
	Group     string // the log event is written into it
	Forwarder string // log group of the forwarder
	Patience  time.Duration
	Search    Search           // nil ends the way at the 200 of Sumo Logic
	Progress  func(hop string) // is told at each look what is waited for; may be nil
}

// How often a canary looks where it is. Each search is a job of Sumo Logic, which
// allows four calls a second.
const (
	poll       = time.Second
	searchPoll = 5 * time.Second
)

// canaryReport is what a canary reads in the log of the forwarder.
type canaryReport struct {
	Time         time.Time
	LogGroup     string
	Events       int
	Confirmed    int
	DeadLettered int
	Lost         int
	Filtered     map[string]int
	MS           int64
	Error        string
}

// Follow writes a marked log event and follows it: into the log group, by the
// subscription to an invocation of the forwarder, to its confirmation by Sumo Logic
// and, with a search, to where it is found. The error is that of a context that has
// ended, or of a log group that cannot be written to.
func Follow(ctx context.Context, events Events, o CanaryOptions) (*Canary, error) {
	c := &Canary{ID: "canary" + rand.Text()}
	start := time.Now()
	add := func(name string, status Status, at time.Time, seen string, args ...any) {
		c.Hops = append(c.Hops, Hop{name, status, max(0, at.Sub(start).Milliseconds()), fmt.Sprintf(seen, args...)})
	}
	// The word sumoship is that of the heartbeat, so that the filter of its log group
	// delivers it.
	message, err := json.Marshal(map[string]string{"sumoship": "heartbeat", "canary": c.ID, "msg": "sumoship doctor --canary"})
	if err != nil {
		return c, err
	}
	if err := events.Put(ctx, o.Group, "sumoship-canary", string(message), start); err != nil {
		return c, err
	}
	add("log group", Sound, time.Now(), "%s", o.Group)
	waits := func(hop string) {
		if o.Progress != nil {
			o.Progress(hop)
		}
	}
	report, err := await(ctx, o.Patience, poll, func() (*canaryReport, error) {
		waits("the forwarder's report")
		lines, err := events.Lines(ctx, o.Forwarder, start)
		for _, line := range lines {
			var r canaryReport
			if json.Unmarshal([]byte(line), &r) == nil && r.LogGroup == o.Group && r.Events > 0 && !r.Time.Before(start) {
				return &r, nil
			}
		}
		return nil, err
	})
	switch {
	case ctx.Err() != nil:
		return c, ctx.Err()
	case report == nil:
		why := "no invocation for this log group in the log of the forwarder"
		if err != nil {
			why = err.Error()
		}
		add("forwarder", Broken, time.Now(), "%s", why)
		return c, nil
	}
	add("forwarder", Sound, report.Time.Add(-time.Duration(report.MS)*time.Millisecond), "invoked with %s", count(report.Events, "log event"))
	switch {
	case report.Confirmed >= report.Events:
		add("Sumo Logic", Sound, report.Time, "confirmed")
	case report.Lost > 0:
		add("Sumo Logic", Broken, report.Time, "lost: %s", report.Error)
	case report.DeadLettered > 0:
		add("Sumo Logic", Broken, report.Time, "dead-lettered: %s", report.Error)
	default:
		add("Sumo Logic", Broken, report.Time, "not sent: a rule drops it (%v)", report.Filtered)
	}
	if o.Search == nil || !c.Arrived() {
		return c, nil
	}
	found, err := await(ctx, o.Patience, searchPoll, func() (*int, error) {
		waits("the search of Sumo Logic")
		n, err := o.Search.Count(ctx, c.ID, start.Add(-time.Minute))
		if err != nil || n == 0 {
			return nil, err
		}
		return &n, nil
	})
	switch {
	case ctx.Err() != nil:
		return c, ctx.Err()
	case found != nil:
		add("search", Sound, time.Now(), "found %s", count(*found, "time"))
	case err != nil:
		add("search", Broken, time.Now(), "%v", err)
	default:
		add("search", Broken, time.Now(), "not found, though Sumo Logic answered 200: see the processing rules of the source, its partition, and the daily limit")
	}
	return c, nil
}

// await asks until there is an answer, or patience ends; then it returns the last
// error.
func await[T any](ctx context.Context, patience, every time.Duration, ask func() (*T, error)) (*T, error) {
	end := time.Now().Add(patience)
	for {
		v, err := ask()
		if v != nil || !time.Now().Before(end) {
			return v, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(min(every, time.Until(end))):
		}
	}
}
