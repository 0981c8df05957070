package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"
)

func TestColourOrder(t *testing.T) {
	for _, c := range []struct {
		terminal  bool
		variables string
		want      bool
	}{
		{true, "", true},
		{false, "", false},
		{true, "TERM=dumb", false},
		{true, "TERM=xterm-256color", true},
		{true, "CLICOLOR=0", false},
		{true, "CLICOLOR=1", true},
		{false, "CLICOLOR=1", false},
		{false, "CLICOLOR_FORCE=1", true},
		{false, "CLICOLOR_FORCE=0", false},
		{false, "FORCE_COLOR=1", true},
		{false, "FORCE_COLOR=3", true},
		{false, "FORCE_COLOR=0", false},
		{true, "FORCE_COLOR=0", true},
		{true, "CLICOLOR=0 FORCE_COLOR=1", true},
		{false, "TERM=dumb FORCE_COLOR=1", true},
		{true, "NO_COLOR=1", false},
		{true, "NO_COLOR=0", false},
		{true, "NO_COLOR=1 FORCE_COLOR=1 CLICOLOR_FORCE=1", false},
		{false, "SUMOSHIP_COLOR=always NO_COLOR=1", true},
		{true, "SUMOSHIP_COLOR=never FORCE_COLOR=1", false},
		{true, "SUMOSHIP_COLOR=auto NO_COLOR=1", false},
		{false, "SUMOSHIP_COLOR=auto", false},
	} {
		getenv := func(name string) string {
			for _, v := range strings.Fields(c.variables) {
				if key, value, _ := strings.Cut(v, "="); key == name {
					return value
				}
			}
			return ""
		}
		if got := coloured(c.terminal, getenv); got != c.want {
			t.Errorf("terminal %v, %s: %v", c.terminal, c.variables, got)
		}
	}
}

// painting is a tree with a verb that paints.
type painting struct {
	Paint paintVerb `cmd:""`
}

type paintVerb struct{}

func (paintVerb) Run(s Streams, _ *kong.Context) error {
	_, err := s.Out.Write([]byte(Paint(s.Out, Good, "green")))
	return err
}

// The flag stands before the variables, wherever it is in the command.
func TestColourFlag(t *testing.T) {
	for args, want := range map[string]string{
		"paint": "\x1b[32mgreen\x1b[0m", "paint --color=never": "green", "--color never paint": "green", "paint --color always": "\x1b[32mgreen\x1b[0m",
	} {
		var out, errs bytes.Buffer
		status := Run(t.Context(), new(painting), strings.Fields(args), Streams{Out: &out, Err: &errs, Getenv: func(name string) string { return map[string]string{"FORCE_COLOR": "1"}[name] }})
		if status != 0 || out.String() != want {
			t.Errorf("%s: status %d %q %s", args, status, out.String(), errs.String())
		}
	}
}

// Without a terminal progress is a line now and then.
func TestProgressWithoutATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		bar := NewBar(100, "counting", &b)
		for range 50 {
			time.Sleep(500 * time.Millisecond)
			bar.Add(1)
		}
		bar.Describe("waiting")
		time.Sleep(progressEvery)
		bar.Set(60)
		bar.Finish()
		if want := "sumoship: counting: 20 of 100\nsumoship: counting: 40 of 100\nsumoship: waiting: 60 of 100\n"; b.String() != want {
			t.Errorf("%q", b.String())
		}
	})
}
