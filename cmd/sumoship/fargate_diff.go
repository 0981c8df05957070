package main

import (
	"context"
	"fmt"
)

type fargateDiffCmd struct{ conversionFlags }

func (c *fargateDiffCmd) Help() string {
	return `A unified diff from the task definition to what convert would write, with
colours on a terminal. A definition that stands on one line is indented for it.
What convert would refuse is in the diff too, and is told on standard error.

Exit status: 0, whether or not there is a difference, 2 if the command or its
input is wrong, 3 if AWS refused.`
}

func (c *fargateDiffCmd) Run(ctx context.Context, s streams) error {
	conversion, err := c.convert(ctx, s)
	if err != nil {
		return err
	}
	if err := writeDiff(s.out, s, conversion.diff()); err != nil {
		return err
	}
	if err := conversion.refused(); err != nil {
		if malformed(conversion.findings) {
			return exit{exitUsage, err}
		}
		fmt.Fprintf(s.err, "sumoship: %v\n", err)
	}
	return nil
}
