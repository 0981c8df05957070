package sumo

import (
	"errors"
	"testing"
	"time"
)

// The pause of a breaker is over when either clock says so.
func TestBreakerOnStrangeClocks(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		monotonic, wall time.Duration // since it opened
		want            BreakerState
	}{
		"both stand still": {0, 0, Open},
		"both go on":       {hour, hour, Probing},
		"frozen, the monotonic clock stood still": {0, hour, Probing},
		"the wall clock was set back":             {hour, -hour, Probing},
		"set back a moment ago":                   {time.Second, -hour, Open},
		"set back and frozen":                     {0, -hour, Open},
	} {
		b := &Breaker{failures: 1, pause: DefaultPause, why: &SendError{Class: Unavailable, Err: errors.New("503")},
			opened: time.Now().Add(-c.monotonic), openedAt: time.Now().Round(0).Add(-c.wall)}
		state, left := b.State()
		if state != c.want || left > DefaultPause {
			t.Errorf("%s: %s for %s, want %s", name, state, left, c.want)
		}
	}
}
