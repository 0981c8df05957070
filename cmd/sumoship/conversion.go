package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// conversionFlags are those of convert and diff.
type conversionFlags struct {
	fileArg
	inputFlags
	ruleFlags
	Format string `help:"Shape of the output: that of the input (same), JSON for Amazon ECS (ecs), or a CloudFormation template with only the task definition (cfn)." enum:"same,ecs,cfn" default:"same"`
}

// conversion is a definition before and after.
type conversion struct {
	name          string
	before, after []byte
	findings      []finding.Finding
}

func (f *conversionFlags) convert(ctx context.Context, s streams) (conversion, error) {
	in, err := f.one(ctx, s, f.File, f.Region)
	if err != nil {
		return conversion{}, err
	}
	d, err := f.document(in)
	if err != nil {
		return conversion{}, err
	}
	c := conversion{name: in.name, before: f.render(d)}
	if c.findings, err = fargate.Convert(d, f.options(in.region)); err != nil {
		return conversion{}, exit{exitUsage, err}
	}
	c.after = f.render(d)
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
	if n == 0 {
		return nil
	}
	help := "follow the help of each"
	if allow != "" {
		help += ", or accept the change with" + allow
	}
	return fmt.Errorf("%s is not converted: %s (%s)\nsumoship: %s", c.name, count(n, "error"), strings.Join(ids, ", "), help)
}

// diff is the conversion as a unified diff, as patch reads it.
func (c conversion) diff() string {
	before, after := c.before, c.after
	if line := bytes.IndexByte(before, '\n'); line < 0 || line == len(before)-1 {
		before, after = indent(before), indent(after) // one line would be one change
	}
	return udiff.Unified(c.name, c.name, string(before), string(after))
}
