package function_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/function"
)

// Promise 4: after the work there is time to save what is left, and then to
// report, whatever the timeout.
func TestSplitDeadline(t *testing.T) {
	for _, c := range []struct{ timeout, reserve, work, saving time.Duration }{
		{timeout: time.Minute, work: 55 * time.Second, saving: 59 * time.Second},
		{timeout: 4 * time.Second, work: 3 * time.Second, saving: 3800 * time.Millisecond},
		{timeout: time.Minute, reserve: 10 * time.Second, work: 50 * time.Second, saving: 58 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
			defer cancel()
			work, saving, end := function.SplitDeadline(ctx, c.reserve)
			defer end()
			for name, part := range map[string]struct {
				ctx  context.Context
				want time.Duration
			}{"work": {work, c.work}, "saving": {saving, c.saving}} {
				if deadline, ok := part.ctx.Deadline(); !ok || deadline.Sub(start) != part.want {
					t.Errorf("timeout %v, reserve %v: %s ends after %v, want %v", c.timeout, c.reserve, name, deadline.Sub(start), part.want)
				}
			}
			cancel()
			if !errors.Is(work.Err(), context.Canceled) || saving.Err() != nil {
				t.Errorf("after cancellation: work %v, saving %v", work.Err(), saving.Err())
			}
		})
	}
}

func TestVarsReportEveryMistake(t *testing.T) {
	values := map[string]string{"B": "yes", "I": "11", "M": "1s", "L": " , ", "GOOD": " TRUE ", "LIST": "a, ,b"}
	vars := function.NewVars(func(name string) string { return values[name] })
	if !vars.Bool("GOOD", false) || !vars.Bool("NONE", true) || len(vars.List("LIST")) != 2 || vars.Err() != nil {
		t.Errorf("good values: %v", vars.Err())
	}
	vars.Bool("B", false)
	vars.Int("I", 1, 1, 10)
	vars.Millis("M", 0, 0, time.Second)
	vars.List("L")
	want := `B: "yes" is neither true nor false
I: "11" is not a whole number from 1 to 10
M: "1s" is not a whole number from 0 to 1000
L: "," is a list without an entry; want one, or an empty value`
	if err := vars.Err(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
