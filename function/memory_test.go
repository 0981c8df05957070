package function_test

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"sumoship/function"
)

// FitMemory changes the whole process, so each case has its own.
func TestFitMemory(t *testing.T) {
	const memory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	cases := map[string]struct {
		env   []string
		check func(t *testing.T)
	}{
		"of 128 MB": {[]string{memory + "=128"}, func(t *testing.T) {
			if got := debug.SetMemoryLimit(-1); got != 128<<20*2/3 {
				t.Errorf("memory limit is %d", got)
			}
			held := make([]byte, 40<<20) // the room is less than a tenth of it
			defer runtime.KeepAlive(held)
			for range 200 {
				runtime.GC()
				percent := debug.SetGCPercent(100)
				debug.SetGCPercent(percent)
				if percent == 10 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("the heap may still grow by more than its room")
		}},
		"what is set stays": {[]string{memory + "=128", "GOGC=77", "GOMEMLIMIT=100MiB"}, func(t *testing.T) {
			if limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100); limit != 100<<20 || percent != 77 {
				t.Errorf("limit %d, percent %d", limit, percent)
			}
		}},
		"not in Lambda": {[]string{memory + "="}, func(t *testing.T) {
			if percent := debug.SetGCPercent(100); percent != 100 {
				t.Errorf("percent %d", percent)
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("FIT_MEMORY_CASE") == name {
				function.FitMemory(os.Getenv)
				c.check(t)
				return
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestFitMemory$/^"+strings.ReplaceAll(name, " ", "_")+"$")
			cmd.Env = append(append(os.Environ(), "FIT_MEMORY_CASE="+name, "GOGC=", "GOMEMLIMIT="), c.env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
