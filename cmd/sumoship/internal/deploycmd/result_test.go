package deploycmd

import (
	"bytes"
	"errors"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
)

// What a verb says goes to standard error with --json, and the result alone to standard
// output: also when the stack is changed and what follows fails, and not when nothing was.
func TestReport(t *testing.T) {
	failure := errors.New("no canary")
	for _, c := range []struct {
		json      bool
		action    string
		err       error
		out, errs string
	}{
		{false, created, nil, "plan\n", ""},
		{true, created, nil, `{"stack":"logs","region":"","account":"","action":"created","changes":[]}` + "\n", "plan\n"},
		{true, created, failure, `{"stack":"logs","region":"","account":"","action":"created","changes":[]}` + "\n", "plan\n"},
		{true, "", failure, "", "plan\n"},
	} {
		var o, e bytes.Buffer
		err := (&target{JSON: c.json}).report(cli.Streams{Out: &o, Err: &e}, func(s cli.Streams, r *result) error {
			r.Stack, r.Action = "logs", c.action
			if _, err := s.Out.Write([]byte("plan\n")); err != nil {
				return err
			}
			return c.err
		})
		if !errors.Is(err, c.err) || o.String() != c.out || e.String() != c.errs {
			t.Errorf("%+v: %v\n%s%s", c, err, o.String(), e.String())
		}
	}
}
