package cli

import (
	"strconv"
	"strings"
	"time"
)

// Moment reads the time that a flag is given: a time, or how long it is ago. fixed
// reports whether it means the same whenever it is read.
func Moment(flag, text string, now time.Time) (t time.Time, fixed bool, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n > 0 && n < 36500 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), false, nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), false, nil
	}
	return t, false, Usagef("%s: %q: want a time such as 2026-01-02 or 2026-01-02T15:04:05Z, or 36h or 7d ago", flag, text)
}
