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

// conversionFlags are what convert and diff have in common.
type conversionFlags struct {
	fileArg
	inputFlags
	ruleFlags
	Format string `help:"Shape of the output: that of the input (same), the JSON that Amazon ECS takes (ecs), or a CloudFormation template with the task definition alone (cfn)." enum:"same,ecs,cfn" default:"same"`
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

// refused tells why a conversion must not be written, nil if it may be.
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
	help := "Do what the help of each says"
	if allow != "" {
		help += ", or accept what it warns of with" + allow
	}
	return fmt.Errorf("%s is not converted: %s (%s)\nsumoship: %s", c.name, count(n, "error"), strings.Join(ids, ", "), help)
}

// diff is the conversion as a unified diff, which patch takes.
func (c conversion) diff() string {
	before, after := c.before, c.after
	if line := bytes.IndexByte(before, '\n'); line < 0 || line == len(before)-1 {
		before, after = indent(before), indent(after) // one line would be one change
	}
	return udiff.Unified(c.name, c.name, string(before), string(after))
}
