package rulescmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
	"sumoship/history"
	"sumoship/transform"
)

type testCmd struct {
	document
	Events   []string          `arg:"" optional:"" help:"Files with Lambda events, decoded payloads or the output of aws logs filter-log-events; - means standard input, which is the default."`
	LogGroup string            `help:"Log group for filter-log-events output, which does not contain it." default:"local"`
	Tag      map[string]string `help:"Tags of the log groups, for rules that match on them." placeholder:"KEY=VALUE"`
	JSON     bool              `name:"json" help:"Write the result as JSON, a list." xor:"json"`
	JSONL    bool              `name:"jsonl" help:"Write a JSON object for each log event, one a line." xor:"json"`
}

func (testCmd) Help() string {
	return `  sumoship rules test rules.yaml events.json
  aws logs filter-log-events --log-group-name G | sumoship rules test rules.yaml - --log-group G

Without a key in RULES_KEY, masks that replace by HMAC have one of this run. The
variables of the function, such as LOG_FORMAT, work here too.

Exit status: 0 if the rules are right, 1 if they have mistakes, 2 if an input cannot be
read.`
}

// Outputs is what it writes as JSON.
func (c *testCmd) Outputs() []any { return []any{[]judged{}} }

// maxInput bounds an input file.
const maxInput = 256 << 20

func (c *testCmd) Run(ctx context.Context, s cli.Streams) error {
	set, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	base, err := ship.RecordOptions(s.Getenv)
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	files := c.Events
	if len(files) == 0 {
		files = []string{cli.Stdin}
	}
	n := 0
	var failed error
	var all []judged // for --json
	for _, file := range files {
		b, err := cli.ReadFile(ctx, s, file, maxInput)
		if err != nil {
			return err
		}
		in := &history.Reader{File: file, Hints: history.Hints{LogGroup: c.LogGroup}}
		err = in.Read(ctx, bytes.NewReader(b), func(b history.Batch) error {
			err := judge(set, base, c.Tag, transform.Event(b.Doc), func(j judged) {
				n++
				switch {
				case c.JSON:
					all = append(all, j)
				case c.JSONL:
					failed = cli.WriteJSON(s.Out, j)
				default:
					j.write(s.Out, n)
				}
			})
			return cmp.Or(err, failed)
		})
		if err == nil {
			continue
		}
		if failed != nil || ctx.Err() != nil {
			return err
		}
		if exit, ok := errors.AsType[cli.Exit](err); ok {
			return exit
		}
		return cli.Fail(cli.ExitUsage, err)
	}
	if n == 0 {
		return cli.Fail(cli.ExitUsage, errNoEvents)
	}
	if c.JSON {
		return cli.WriteJSON(s.Out, all)
	}
	return nil
}

// write writes what becomes of an event for people.
func (j judged) write(w io.Writer, n int) {
	rule := j.Rule
	if rule == "" {
		rule = cli.Paint(w, cli.Aside, "no rule")
	}
	fmt.Fprintf(w, "%d  %s  %s\n", n, j.LogGroup, rule)
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(w, "   %-9s %s\n", what, value)
		}
	}
	line("message", strings.ReplaceAll(j.Event, "\n", "\\n"))
	if !j.Shipped {
		line("dropped", cli.Paint(w, cli.Doubt, j.Why))
		return
	}
	var masked []string
	for _, mask := range slices.Sorted(maps.Keys(j.Masked)) {
		masked = append(masked, fmt.Sprintf("%s %d", mask, j.Masked[mask]))
	}
	line("masked", cli.Paint(w, cli.Good, strings.Join(masked, ", ")))
	line("category", j.Category)
	line("name", j.Name)
	line("host", j.Host)
	line("fields", j.Fields)
	line("record", strings.ReplaceAll(j.Record, "\n", "\\n"))
}
