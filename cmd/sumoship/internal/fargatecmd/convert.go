package fargatecmd

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/surroundings"
	"sumoship/deploy/taskdef"
)

type convertCmd struct {
	conversionFlags
	reportFlags `group:"Findings"`
	Out         string `short:"o" help:"Write to this file instead of standard output; it may be the input." placeholder:"FILE"`
	Diff        bool   `help:"Write a unified diff instead of the definition."`
}

func (c *convertCmd) Help() string {
	return `The output has the shape of the input, and every byte that no rule had to change;
only the members that ECS adds to a registered definition are removed. Each change
is a finding. Findings go to standard error, or to --report FILE; with -o FILE,
JSON and SARIF go to standard output.

A change to the meaning of the definition is refused: nothing is written, unless
--allow ID accepts the change. docs/fargate.md explains the IDs.

  sumoship fargate convert shop.json -o shop-fargate.json
  sumoship fargate convert --from-ecs shop:7 --diff
  sumoship fargate convert shop.json | sumoship fargate register -
  sumoship fargate convert template.yaml --with-services -o template.yaml

Exit status: 0 converted, 1 refused, or findings at or above --fail-on, 2 the
command or its input is wrong, 3 AWS refused.`
}

func (c *convertCmd) Run(ctx context.Context, s cli.Streams) error {
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
	if refused == nil && conversion.hcl != "" && c.Findings == "text" {
		fmt.Fprintf(s.Err, "\nIn the resource around the list:\n\n%s", conversion.hcl)
	}
	switch {
	case refused != nil && malformed(conversion.findings):
		return cli.Fail(cli.ExitUsage, refused)
	case refused != nil:
		return cli.Fail(cli.ExitFound, refused)
	}
	return c.status(report)
}

// write writes the definition or the diff.
func (c *convertCmd) write(s cli.Streams, done conversion) error {
	result := done.after
	if c.Diff {
		if c.Out == "" {
			return writeDiff(s.Out, s, done.diff())
		}
		result = []byte(done.diff())
	}
	return cli.WriteResult(s, c.Out, result)
}

// conversionFlags are those of convert and diff.
type conversionFlags struct {
	fileArg
	inputFlags   `group:"Input"`
	ruleFlags    `group:"Conversion"`
	Format       string `help:"Shape of the output: that of the input (same), JSON for Amazon ECS (ecs), or a CloudFormation template with only the task definition (cfn)." enum:"same,ecs,cfn" default:"same"`
	WithServices bool   `help:"In a template, also edit what is around the definition: services, task sets, target groups and schedules."`
}

// conversion is a definition before and after.
type conversion struct {
	name          string
	before, after []byte
	findings      []finding.Finding
	hcl           string // settings around a list of containers
	unfilled      error  // placeholders that a template would hold literally
}

func (f *conversionFlags) convert(ctx context.Context, s cli.Streams) (conversion, error) {
	d, in, err := f.one(ctx, s, f.File, f.Region)
	if err != nil {
		return conversion{}, err
	}
	if f.Format != "same" {
		d = d.Whole()
	}
	c := conversion{name: in.name, before: f.render(d)}
	if f.Format == "same" && f.FromECS == "" {
		c.before = in.doc // what patch finds
	}
	neighbours := surroundings.Adapt(d, surroundings.Options{Edit: f.WithServices})
	o := f.around(ctx, in, &f.ProfileFlag)
	if c.findings, err = fargate.Convert(d, o); err != nil {
		return conversion{}, cli.Fail(cli.ExitUsage, err)
	}
	c.findings = append(c.findings, neighbours...)
	if f.Format == "cfn" && d.Shape() != taskdef.Template {
		c.unfilled = d.Unresolved()
	}
	c.after, c.hcl = f.render(d), fargate.HCL(d, o)
	return c, nil
}

func (f *conversionFlags) render(d *taskdef.Document) []byte {
	switch f.Format {
	case "ecs":
		return d.ECS()
	case "cfn":
		return d.CloudFormation()
	}
	return d.Bytes()
}

// refused says why a conversion must not be written. It returns nil if it may be.
func (c conversion) refused() error {
	mayAllow := map[string]bool{}
	for _, rule := range fargate.Rules() {
		mayAllow[rule.ID] = rule.Allow != ""
	}
	var ids []string
	n, allow := 0, ""
	for _, f := range c.findings {
		if f.Severity != finding.Error {
			continue
		}
		n++
		if slices.Contains(ids, f.ID) {
			continue
		}
		ids = append(ids, f.ID)
		if mayAllow[f.ID] {
			allow += " --allow " + f.ID
		}
	}
	if n == 0 && c.unfilled != nil {
		return fmt.Errorf("%s is not converted: CloudFormation does not fill in its placeholders\n%w", c.name, c.unfilled)
	}
	if n == 0 {
		return nil
	}
	help := "follow the help of each"
	if allow != "" {
		help += ", or accept the change with" + allow
	}
	return fmt.Errorf("%s is not converted: %s (%s)\nsumoship: %s", c.name, cli.Count(n, "error"), strings.Join(ids, ", "), help)
}

// diff is the conversion as a unified diff, as patch reads it.
func (c conversion) diff() string {
	before, after := c.before, c.after
	if line := bytes.IndexByte(before, '\n'); line < 0 || line == len(before)-1 {
		before, after = indent(before), indent(after) // one line would be one change
	}
	return udiff.Unified(c.name, c.name, string(before), string(after))
}
