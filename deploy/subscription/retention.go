package subscription

import (
	"fmt"
	"slices"
	"strings"
)

// retentionDays are the retentions that a log group can have.
//
// Source: Amazon CloudWatch Logs API Reference, PutRetentionPolicy.
var retentionDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// RetentionDays returns the retentions that a log group can have, in days, from
// the shortest.
func RetentionDays() []int { return slices.Clone(retentionDays) }

// RetentionError reports a retention that no log group can have.
type RetentionError struct {
	Days int
	Want string
}

func (e *RetentionError) Error() string { return fmt.Sprintf("%d: want %s", e.Days, e.Want) }

// CheckRetention checks a retention in days; 0 stands for none, which keeps log
// events for ever.
//
// Errors: *RetentionError.
func CheckRetention(days int) error {
	if days == 0 || slices.Contains(retentionDays, days) {
		return nil
	}
	return &RetentionError{days, "a number of days that CloudWatch Logs has: " + strings.Trim(strings.ReplaceAll(fmt.Sprint(retentionDays), " ", ", "), "[]")}
}

// retain finds what a group's retention lacks.
func (r *Rule) retain(g Group) (s Step, needed bool) {
	if r.Retention == 0 || g.Retention == r.Retention {
		return Step{}, false
	}
	s = Step{Group: g.Name, Chosen: r.Chooses(g), Action: Retain, Reason: Longer, Retention: r.Retention,
		Detail: fmt.Sprintf("%d days, not %s", r.Retention, forDays(g.Retention))}
	switch {
	case g.Missing:
		s.Reason = Missing
	case g.Retention == 0 || g.Retention > r.Retention:
		s.Reason = Shorter
	}
	return s, true
}

func forDays(days int) string {
	if days == 0 {
		return "for ever"
	}
	return fmt.Sprint(days)
}
