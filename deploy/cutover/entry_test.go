package cutover_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/cutover"
)

var tagValue = regexp.MustCompile(`^[\pL\pZ\pN_.:/=+\-@]{0,256}$`)

func TestEntryIsATag(t *testing.T) {
	for _, e := range []cutover.Entry{
		{},
		{Phase: cutover.Forward, Step: 5, Tasks: 3, Since: time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC),
			Before: cutover.Sample{Requests: 1e12, Errors: 3, Latency: 120 * time.Millisecond}},
		{Phase: cutover.Done, Step: 100, Since: time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)},
	} {
		if !tagValue.MatchString(e.String()) {
			t.Errorf("%q is not the value of a tag", e)
		}
		if got, err := cutover.ParseEntry(e.String()); err != nil || !cmp.Equal(got, e) {
			t.Errorf("%v, %s", err, cmp.Diff(e, got))
		}
	}
	for _, bad := range []string{" ", "sideways", "forward step=101", "forward step=x", "back since=yesterday", "done tasks=-1", "done latency=1"} {
		if e, err := cutover.ParseEntry(bad); err == nil {
			t.Errorf("%q is %+v", bad, e)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add("forward step=5 since=2026-11-27T18:00:00Z tasks=3 requests=10 errors=1 latency=12ms")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := cutover.ParseEntry(s)
		if err != nil || e.Since.Year() > 9999 {
			return
		}
		again, err := cutover.ParseEntry(e.String())
		if err != nil || again.Phase != e.Phase || again.Step != e.Step || again.Tasks != e.Tasks {
			t.Errorf("%q: %+v, %+v, %v", s, e, again, err)
		}
	})
}
