package cutover

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Phase is how far a cut-over is.
type Phase string

// The phases.
const (
	Idle    Phase = ""        // it has not begun
	Forward Phase = "forward" // the share of the new version rises
	Back    Phase = "back"    // it goes back
	Stopped Phase = "stopped" // it went back: the old version has all requests
	Done    Phase = "done"    // the new version has all requests, and the old one does not run
)

// Entry is what a run leaves for the next one.
type Entry struct {
	Phase  Phase
	Step   int       // share of the new version that was asked for, in percent
	Since  time.Time // of the step, to the second
	Tasks  int       // of the old version, before the first step
	Before Sample    // of the old version, before the first step
}

// TagKey is the key of the tag that keeps an Entry.
const TagKey = "sumoship:cutover"

// String returns the entry as the value of a tag, which has at most 256 letters,
// digits, spaces and _ . : / = + - @.
//
// Source: Elastic Load Balancing API Reference, Tag.
func (e Entry) String() string {
	if e.Phase == Idle {
		return ""
	}
	return fmt.Sprintf("%s step=%d since=%s tasks=%d requests=%s errors=%s latency=%s",
		e.Phase, e.Step, e.Since.UTC().Format(time.RFC3339), e.Tasks, number(e.Before.Requests), number(e.Before.Errors), e.Before.Latency.Round(time.Millisecond))
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }

// ParseEntry reads the value of a tag; "" is the zero Entry.
func ParseEntry(s string) (e Entry, err error) {
	if s == "" {
		return e, nil
	}
	words := strings.Fields(s)
	if len(words) == 0 {
		return e, fmt.Errorf("tag %s: %q: want a phase", TagKey, s)
	}
	switch e.Phase = Phase(words[0]); e.Phase {
	case Forward, Back, Stopped, Done:
	default:
		return Entry{}, fmt.Errorf("tag %s: unknown phase %q: want forward, back, stopped or done", TagKey, words[0])
	}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		var err error
		switch name {
		case "step":
			e.Step, err = strconv.Atoi(value)
			if err == nil && (e.Step < 0 || e.Step > 100) {
				err = strconv.ErrRange
			}
		case "since":
			e.Since, err = time.Parse(time.RFC3339, value)
		case "tasks":
			e.Tasks, err = strconv.Atoi(value)
			if err == nil && e.Tasks < 0 {
				err = strconv.ErrRange
			}
		case "requests":
			e.Before.Requests, err = strconv.ParseFloat(value, 64)
		case "errors":
			e.Before.Errors, err = strconv.ParseFloat(value, 64)
		case "latency":
			e.Before.Latency, err = time.ParseDuration(value)
		}
		if err != nil {
			return Entry{}, fmt.Errorf("tag %s: %q: %w", TagKey, w, err)
		}
	}
	return e, nil
}
