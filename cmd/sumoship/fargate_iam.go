package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
)

type fargateIAMCmd struct {
	fileArg
	inputFlags
	ruleFlags
	Account    string   `help:"Account of the roles. Default: of a template that in which it is deployed, in JSON that of a definition that ECS gave." placeholder:"ID"`
	TaskAllow  []string `help:"Allow the containers this. Can be given again." placeholder:"WHAT[:RESOURCE]" sep:"none"`
	KMSKey     []string `name:"kms-key" help:"Customer-managed key that secrets, parameters or environment files are encrypted with. Can be given again." placeholder:"ARN|ID|alias/NAME"`
	Repository []string `help:"ECR repository of an image whose name is known only when it is deployed, or none if it is in none. Can be given again." placeholder:"NAME|ARN|none"`
	Format     string   `help:"Write a CloudFormation template (cfn), or the policies as IAM takes them (json)." enum:"cfn,json" default:"cfn"`
	Out        string   `short:"o" help:"Write to this file instead of standard output." placeholder:"FILE"`
}

func (c *fargateIAMCmd) Help() string {
	var kinds strings.Builder
	for _, k := range iam.GrantKinds() {
		fmt.Fprintf(&kinds, "  %-33s %s\n", k[0], k[1])
	}
	return `Writes two roles that may do what the task definition needs and no more. As the
task execution role ECS pulls the images from their ECR repositories, writes to
the log groups, and reads the secrets, parameters and environment files that the
definition names. As the task role the containers mount EFS, send logs by
FireLens, and do what --task-allow says. Only tasks of the account can take them
on.

A definition for EC2 is converted first, as convert would with the same flags;
one with errors is refused, with its findings. Of an input that is a template,
the output is a fragment of resources to put into it.

--task-allow takes, for resources of this account and Region by name or for any
by ARN:

` + kinds.String() + `
  sumoship fargate iam shop.json --task-allow sqs-send:orders -o roles.yaml
  sumoship fargate iam shop.json --format json --account 123456789012 |
    jq .executionRole.policy

What to know besides is told on standard error: what is allowed on * and why, and
when the service-linked role of ECS has to be made by hand.

Exit status: 0 written, 1 the definition has errors, 2 the command or its input
is wrong, 3 AWS refused.`
}

func (c *fargateIAMCmd) Run(ctx context.Context, s streams) error {
	o := iam.Options{Account: c.Account, Keys: c.KMSKey, Repositories: c.Repository}
	var errs []error
	for _, text := range c.TaskAllow {
		g, err := iam.ParseGrant(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--task-allow: %w", err))
		}
		o.Allow = append(o.Allow, g)
	}
	if len(errs) > 0 {
		return exit{exitUsage, errors.Join(errs...)}
	}
	d, in, err := c.moved(ctx, s, c.fileArg, c.ruleFlags)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		if o.Region = cmp.Or(c.Region, in.region); o.Region == "" {
			o.Region = d.Region()
		}
		if c.Account == "" {
			o.Account = d.Account()
		}
	}
	roles, err := iam.New(d, o)
	if err != nil {
		return wrongRoles(err)
	}
	out := roles.CloudFormation()
	if c.Format == "json" {
		if out, err = roles.JSON(); err != nil {
			return wrongRoles(err)
		}
	}
	if c.Out != "" {
		err = writeFile(c.Out, out)
	} else {
		_, err = s.out.Write(out)
	}
	if err != nil {
		return err
	}
	for _, note := range roles.Notes {
		fmt.Fprintf(s.err, "sumoship: %s\n", note)
	}
	return nil
}

// wrongRoles names the flags of options that are wrong.
func wrongRoles(err error) error {
	flags := map[string]string{"Account": "--account", "Region": "--region", "Keys": "--kms-key", "Repositories": "--repository"}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, err := range list.Unwrap() {
			errs = append(errs, wrongRoles(err).(exit).err)
		}
		return exit{exitUsage, errors.Join(errs...)}
	}
	if o, ok := errors.AsType[*finding.OptionError](err); ok {
		if o.Value == "" {
			return usage("%s: want %s", flags[o.Option], o.Want)
		}
		return usage("%s: %q: want %s", flags[o.Option], o.Value, o.Want)
	}
	if g, ok := errors.AsType[*iam.GrantError](err); ok {
		return usage("--task-allow: %w", g)
	}
	return exit{exitUsage, err}
}

// newRole stands for a role that is yet to be made: what asks for roles is not to
// ask for what it is about to make.
const newRole = "new-role"

// moved reads a task definition and makes it one for Fargate. One that check
// finds errors in is refused with them.
func (f *inputFlags) moved(ctx context.Context, s streams, file fileArg, rules ruleFlags) (*taskdef.Document, input, error) {
	in, err := f.one(ctx, s, file.File, rules.Region)
	if err != nil {
		return nil, in, err
	}
	d, err := f.document(in)
	if err != nil {
		return nil, in, err
	}
	o := rules.options(in.region)
	o.ExecutionRole, o.TaskRole = cmp.Or(o.ExecutionRole, newRole), cmp.Or(o.TaskRole, newRole)
	o.Strict = true
	findings, err := fargate.Convert(d, o)
	if err != nil {
		return nil, in, wrongOption(err)
	}
	findings = slices.DeleteFunc(findings, func(f finding.Finding) bool { return f.Severity != finding.Error })
	if len(findings) > 0 {
		report := finding.Report{Inputs: []finding.Input{{Name: in.name, Resource: d.Resource(), Findings: findings}}}
		if err := report.Text(s.err, terminalStyle(s.err, s.getenv)); err != nil {
			return nil, in, err
		}
		return nil, in, exit{exitFound, fmt.Errorf("%s is refused: %s", in.name, count(len(findings), "error"))}
	}
	return d, in, nil
}
