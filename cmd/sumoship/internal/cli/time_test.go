package cli

import (
	"testing"
	"time"
)

// All flags of a time read the same forms.
func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)
	for text, c := range map[string]struct {
		want  string // "" if it is refused
		fixed bool
	}{
		"2026-01-02T15:04:05Z":      {"2026-01-02T15:04:05Z", true},
		"2026-01-02T15:04:05+01:00": {"2026-01-02T14:04:05Z", true},
		"2026-01-02T15:04:05":       {"2026-01-02T15:04:05Z", true},
		"2026-01-02T15:04":          {"2026-01-02T15:04:00Z", true},
		"2026-01-02":                {"2026-01-02T00:00:00Z", true},
		"36h":                       {"2026-11-26T06:00:00Z", false},
		"1h30m":                     {"2026-11-27T16:30:00Z", false},
		"1.5d":                      {"2026-11-26T06:00:00Z", false},
		"yesterday":                 {"", false}, "": {"", false}, "0h": {"", false}, "-1h": {"", false}, "-1d": {"", false}, "NaNd": {"", false}, "1e9d": {"", false},
	} {
		got, fixed, err := Moment("--since", text, now)
		switch {
		case c.want == "":
			if want := `--since: "` + text + `": want a time such as 2026-01-02 or 2026-01-02T15:04:05Z, or 36h or 7d ago`; err == nil || err.Error() != want {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		case err != nil || fixed != c.fixed || got.UTC().Format(time.RFC3339) != c.want:
			t.Errorf("%q: %v, fixed %v, %v", text, got, fixed, err)
		}
	}
}
