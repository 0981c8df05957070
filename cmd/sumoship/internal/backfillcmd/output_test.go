package backfillcmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/function/ship"
	"sumoship/history"
)

// Progress is a line every 10 seconds where nobody watches, with a rate and the time
// that is left; waits and failures are told once.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, 1000e6, history.Counts{Bytes: 100e6})
		for i := range 21 {
			time.Sleep(time.Second)
			p.saw(history.Totals{Bytes: int64(i+1) * 20e6, Events: i * 1000})
			p.waits(ship.Retrying{Events: 7, Wait: 3 * time.Second, Err: errors.New("unavailable: 503")})
		}
		for range maxFailures + 3 {
			p.failed("a:1:1", errors.New("rejected"))
		}
		p.end()
		want := []string{
			"sumoship: Sumo Logic does not take 7 log events (unavailable: 503); trying again in 3s",
			"sumoship: 300 MB of about 1000 MB, 9000 log events, 20 MB/s, about 35s left",
			"sumoship: Sumo Logic does not take 7 log events (unavailable: 503); trying again in 3s",
			"sumoship: 500 MB of about 1000 MB, 19000 log events, 20 MB/s, about 25s left",
			"sumoship: Sumo Logic does not take 7 log events (unavailable: 503); trying again in 3s",
		}
		got := strings.Split(out.String(), "\n")
		if len(got) != len(want)+maxFailures+2 || got[len(got)-2] != "sumoship: and 3 more failures" {
			t.Errorf("%d lines:\n%s", len(got), out.String())
		}
		for i, w := range want {
			if got[i] != w {
				t.Errorf("%s\nwant %s", got[i], w)
			}
		}
	})
}
