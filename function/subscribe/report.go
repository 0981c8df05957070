package subscribe

import (
	"context"
	"fmt"
	"log/slog"

	"sumoship/deploy/subscription"
	"sumoship/function"
)

// Report is what became of the log groups of one run: Seen =
// Subscribed + Already + Removed + all of Skipped + Failed.
type Report struct {
	Trigger  string `json:"trigger,omitempty"`  // group, schedule, hand, or rest: of an earlier run
	LogGroup string `json:"logGroup,omitempty"` // of the trigger group

	Seen       int            `json:"seen"`
	Matched    int            `json:"matched"` // chosen by the rule
	Subscribed int            `json:"subscribed"`
	Already    int            `json:"already"`
	Removed    int            `json:"removed"`
	Skipped    map[string]int `json:"skipped,omitempty"` // by reason
	Failed     int            `json:"failed"`

	Pages      int  `json:"pages,omitempty"` // of log groups that were finished
	HandedOver bool `json:"handedOver,omitempty"`
	Throttled  int  `json:"throttled,omitempty"`

	// Problems are failures and warnings, the first of them.
	Problems []string `json:"problems,omitempty"`

	Millis int64  `json:"ms"`
	Left   int64  `json:"msLeft"`          // until the function's deadline; -1 if it has none
	Error  string `json:"error,omitempty"` // why the run failed
}

// maxProblems bounds one line of a log.
const maxProblems = 20

// Add counts an outcome.
func (r *Report) Add(o Outcome) {
	r.Seen++
	if o.Chosen {
		r.Matched++
	}
	switch {
	case o.Err != nil:
		r.Failed++
		r.problem(fmt.Sprintf("%s: %v", o.Group, o.Err))
	case o.Action == subscription.Put:
		r.Subscribed++
	case o.Action == subscription.Delete:
		r.Removed++
	case o.Reason == subscription.Already:
		r.Already++
	default:
		if r.Skipped == nil {
			r.Skipped = map[string]int{}
		}
		r.Skipped[string(o.Reason)]++
		if o.Reason.Warning() {
			r.problem(fmt.Sprintf("%s: %s: %s", o.Group, o.Reason, o.Detail))
		}
	}
}

func (r *Report) problem(text string) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, text)
	}
}

// SkippedTotal returns the number of log groups that there was nothing to do for,
// besides those that were subscribed already.
func (r *Report) SkippedTotal() int {
	n := 0
	for _, c := range r.Skipped {
		n += c
	}
	return n
}

// writeReport writes a line for people and one that CloudWatch turns into
// metrics.
func writeReport(ctx context.Context, out *function.Reporter, r *Report) {
	level := slog.LevelInfo
	switch {
	case r.Failed > 0 || r.Error != "":
		level = slog.LevelError
	case len(r.Problems) > 0:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("requestId", function.RequestID(ctx)), slog.String("trigger", r.Trigger)}
	if r.LogGroup != "" {
		attrs = append(attrs, slog.String("logGroup", r.LogGroup))
	}
	attrs = append(attrs, slog.Int("seen", r.Seen), slog.Int("matched", r.Matched), slog.Int("subscribed", r.Subscribed), slog.Int("already", r.Already),
		slog.Int("removed", r.Removed), slog.Any("skipped", r.Skipped), slog.Int("failed", r.Failed), slog.Int("pages", r.Pages),
		slog.Bool("handedOver", r.HandedOver), slog.Int("throttled", r.Throttled), slog.Int64("ms", r.Millis), slog.Int64("msLeft", r.Left))
	if len(r.Problems) > 0 {
		attrs = append(attrs, slog.Any("problems", r.Problems))
	}
	if r.Error != "" {
		attrs = append(attrs, slog.String("error", r.Error))
	}
	out.Log.LogAttrs(ctx, level, "subscriptions", attrs...)
	metrics := []function.Metric{
		function.Count("GroupsSeen", r.Seen), function.Count("GroupsMatched", r.Matched), function.Count("GroupsSubscribed", r.Subscribed),
		function.Count("GroupsAlready", r.Already), function.Count("GroupsRemoved", r.Removed), function.Count("GroupsSkipped", r.SkippedTotal()),
		function.Count("GroupsFailed", r.Failed), function.Count("GroupsThrottled", r.Throttled), function.Milliseconds("Duration", r.Millis),
	}
	if r.Left >= 0 {
		metrics = append(metrics, function.Milliseconds("TimeLeft", r.Left))
	}
	out.Metrics(metrics)
}
