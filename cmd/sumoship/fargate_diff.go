package main

import (
	"context"
	"fmt"
)

type fargateDiffCmd struct{ conversionFlags }

func (c *fargateDiffCmd) Help() string {
	return `Writes a unified diff from the task definition to what convert would write, in
colour on a terminal. A definition on one line is indented first. Changes that
convert would refuse are in the diff too, and named on standard error.

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
