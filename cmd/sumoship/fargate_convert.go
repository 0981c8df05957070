package main

import (
	"context"

	"sumoship/deploy/finding"
)

type fargateConvertCmd struct {
	conversionFlags
	reportFlags
	Out  string `short:"o" help:"Write to this file instead of standard output; it may be the input." placeholder:"FILE"`
	Diff bool   `help:"Write a unified diff instead of the definition."`
}

func (c *fargateConvertCmd) Help() string {
	return `The output has the shape of the input, and every byte that no rule had to change;
only the members that ECS adds to a registered definition are removed. Each change
is a finding. Findings go to standard error, or to --report FILE; with -o FILE,
JSON and SARIF go to standard output.

A change to the meaning of the definition is refused: nothing is written, unless
--allow ID accepts the change. docs/fargate.md explains the IDs.

  sumoship fargate convert shop.json -o shop-fargate.json
  sumoship fargate convert --from-ecs shop:7 --diff
  sumoship fargate convert shop.json | sumoship fargate register -

Exit status: 0 converted, 1 refused, or findings at or above --fail-on, 2 the
command or its input is wrong, 3 AWS refused.`
}

func (c *fargateConvertCmd) Run(ctx context.Context, s streams) error {
	findings, err := c.place(s, "definition", c.Out)
	if err != nil {
		return err
	}
	conversion, err := c.convert(ctx, s)
	if err != nil {
		return err
	}
	refused := conversion.refused()
	if refused == nil {
		if err := c.write(s, conversion); err != nil {
			return err
		}
	}
	report := finding.Report{Inputs: []finding.Input{{Name: conversion.name, Findings: conversion.findings}}}
	if err := c.reportFlags.write(s, report, findings); err != nil {
		return err
	}
	switch {
	case refused != nil && malformed(conversion.findings):
		return exit{exitUsage, refused}
	case refused != nil:
		return exit{exitFound, refused}
	}
	return c.status(report)
}

// write writes the definition or the diff.
func (c *fargateConvertCmd) write(s streams, done conversion) error {
	result := done.after
	if c.Diff {
		if c.Out == "" {
			return writeDiff(s.out, s, done.diff())
		}
		result = []byte(done.diff())
	}
	return writeResult(s, c.Out, result)
}
