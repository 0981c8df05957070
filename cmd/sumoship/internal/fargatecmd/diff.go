package fargatecmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
)

type diffCmd struct {
	fileArg
	conversionFlags
}

func (c *diffCmd) Help() string {
	return `  sumoship fargate diff shop.json

Writes a unified diff from the task definition to what convert would write, in
colour on a terminal. A definition on one line is indented first. Changes that
convert would refuse are in the diff too, and named on standard error.

Exit status: 0, whether or not there is a difference, 2 if the command or its
input is wrong, 3 if AWS refused.`
}

func (c *diffCmd) Run(ctx context.Context, s cli.Streams) error {
	if isDirectory(c.File) {
		return cli.Usagef("%s is a directory; see its changes with sumoship fargate convert %s --diff", c.File, c.File)
	}
	conversion, err := c.convert(ctx, s, c.File)
	if err != nil {
		return err
	}
	if err := writeDiff(s.Out, s, conversion.diff()); err != nil {
		return err
	}
	if err := conversion.refused(); err != nil {
		if conversion.malformed() {
			return cli.Fail(cli.ExitUsage, err)
		}
		fmt.Fprintf(s.Err, "sumoship: %v\n", err)
	}
	return nil
}

// writeDiff writes a unified diff, in colour if w is a terminal that has it.
func writeDiff(w io.Writer, s cli.Streams, diff string) error {
	if !cli.Style(w, s.Getenv).Colour {
		_, err := io.WriteString(cli.Raw(w), diff)
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(diff) {
		text := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			text = "\x1b[1m" + text + "\x1b[0m"
		case strings.HasPrefix(line, "@@"):
			text = "\x1b[36m" + text + "\x1b[0m"
		case strings.HasPrefix(line, "-"):
			text = "\x1b[31m" + text + "\x1b[0m"
		case strings.HasPrefix(line, "+"):
			text = "\x1b[32m" + text + "\x1b[0m"
		}
		b.WriteString(text)
		b.WriteString(line[len(strings.TrimSuffix(line, "\n")):])
	}
	_, err := io.WriteString(cli.Raw(w), b.String())
	return err
}
