package fargatecmd

import (
	"cmp"
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/surroundings"
)

type checkCmd struct {
	Paths         []string `arg:"" optional:"" predictor:"file" help:"Task definitions and templates, and directories of them; - is standard input."`
	inputFlags    `group:"Input"`
	ruleFlags     `group:"Conversion"`
	reportFlags   `group:"Findings"`
	SkipOthers    bool   `help:"Skip files without a task definition, also those that the command names, as a pre-commit hook does."`
	Require       bool   `help:"Exit with status 1 if a directory holds no task definition."`
	Baseline      string `help:"Leave out the findings of this file, which --write-baseline wrote." placeholder:"FILE"`
	WriteBaseline string `help:"Write the findings to this file as known, and exit with status 0." placeholder:"FILE"`
}

func (c *checkCmd) Help() string {
	return `In a definition that names FARGATE, errors are what Amazon ECS would refuse; in
any other, what convert would refuse. Warnings and infos are what convert would
change, and what works differently on Fargate.

A directory is searched for *.json, *.yaml, *.yml and *.template, except in
node_modules and in directories whose names begin with a dot. Files without a task
definition are skipped and counted. All task definitions of a template are
checked, unless --resource names one. A directory without a task definition is a
warning, with --require an error.

  sumoship fargate check shop.json
  sumoship fargate check deploy/ --summary
  sumoship fargate check deploy/ --findings sarif --report findings.sarif
  sumoship fargate check deploy/ --findings github

Findings that a repository lives with go into a baseline; then only new ones count:

  sumoship fargate check deploy/ --write-baseline .sumoship-baseline.json
  sumoship fargate check deploy/ --baseline .sumoship-baseline.json

Exit status: 0 no findings that count, 1 findings at or above --fail-on, 2 the command is wrong or
an input cannot be read, 3 AWS refused.`
}

func (c *checkCmd) Run(ctx context.Context, s cli.Streams) error {
	baseline, err := c.readBaseline(ctx, s)
	if err != nil {
		return err
	}
	inputs, err := c.candidates(ctx, s, c.Paths, c.Region, c.SkipOthers)
	if err != nil {
		return err
	}
	around := c.around(ctx, input{}, &c.ProfileFlag)
	options := func(in input) fargate.Options {
		o := around
		o.Region, o.AccountLogMode = cmp.Or(o.Region, in.region), in.logMode
		return o
	}
	// One worker reads, checks and forgets each input: memory holds only the
	// findings.
	found := make([]outcome, len(inputs))
	bar := cli.NewBar(len(inputs), "checking", s.Err)
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range inputs {
		workers.Go(func() error {
			if ctx.Err() == nil {
				found[i] = c.check(ctx, s, inputs[i], options)
			}
			bar.Add(1)
			return nil
		})
	}
	_ = workers.Wait() // they return no error
	bar.Finish()
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "")
	}
	var report finding.Report
	for _, o := range found {
		if o.usage != nil {
			return o.usage
		}
		if o.skipped {
			report.Skipped++
		}
		report.Inputs = append(report.Inputs, o.inputs...)
	}
	if c.WriteBaseline != "" {
		b, err := report.WriteBaseline()
		if err != nil {
			return err
		}
		if err := cli.WriteFile(c.WriteBaseline, b); err != nil {
			return err
		}
	}
	if baseline != nil {
		report = report.Without(baseline)
	}
	if err := c.write(s, report, s.Out); err != nil {
		return err
	}
	unreadable := 0
	for _, i := range report.Inputs {
		if i.Err != nil {
			unreadable++
			fmt.Fprintf(s.Err, "sumoship: %v\n", i.Err)
		}
	}
	if unreadable > 0 {
		return cli.Exit{Status: cli.ExitUsage}
	}
	empty := nothingIn(inputs, func(i int) bool { return len(found[i].inputs) > 0 }, c.Paths)
	if err := warnEmpty(s, empty, c.Require); err != nil {
		return err
	}
	if c.WriteBaseline != "" {
		return nil
	}
	return c.status(report)
}

// readBaseline reads the file of --baseline, if it is given.
func (c *checkCmd) readBaseline(ctx context.Context, s cli.Streams) (*finding.Baseline, error) {
	if c.Baseline == "" {
		return nil, nil
	}
	src, err := cli.ReadFile(ctx, s, c.Baseline, maxInput)
	if err != nil {
		return nil, err
	}
	b, err := finding.ReadBaseline(src)
	if err != nil {
		err = cli.Fail(cli.ExitUsage, fmt.Errorf("%s: %w", c.Baseline, err))
	}
	return b, err
}

// outcome is the result for an input.
type outcome struct {
	inputs  []finding.Input
	skipped bool  // a file of a directory, without a task definition
	usage   error // the flags are wrong
}

// check reads an input and checks what is in it.
func (c *checkCmd) check(ctx context.Context, s cli.Streams, in candidate, options func(input) fargate.Options) outcome {
	worth, err := c.load(ctx, s, &in)
	if err != nil {
		return unreadable(in.name, err)
	}
	if !worth {
		return outcome{skipped: true}
	}
	documents, err := c.documents(in)
	if err != nil {
		return unreadable(in.name, err)
	}
	if len(documents) == 0 {
		return outcome{skipped: true}
	}
	var o outcome
	for _, d := range documents {
		findings, err := fargate.Check(d, options(in.input))
		if err != nil {
			return outcome{usage: cli.Fail(cli.ExitUsage, err)}
		}
		findings = append(findings, surroundings.Adapt(d, surroundings.Options{})...)
		o.inputs = append(o.inputs, finding.Input{Name: in.name, Resource: d.Resource(), Findings: findings})
	}
	return o
}

func unreadable(name string, err error) outcome {
	return outcome{inputs: []finding.Input{{Name: name, Err: err}}}
}
