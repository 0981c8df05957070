package fargatecmd

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/iam"
)

type iamCmd struct {
	fileArg
	inputFlags `group:"Input"`
	ruleFlags  `group:"Conversion"`
	roleFlags
	Account string `option:"Account" help:"Account of the roles. Default: for a template the account it is deployed in, for JSON the one in the ARN of the definition." placeholder:"ID"`
	Format  string `help:"Write a CloudFormation template (cfn), or the policies as IAM takes them (json)." enum:"cfn,json" default:"cfn"`
	Out     string `short:"o" help:"Write to this file instead of standard output." placeholder:"FILE"`
}

func (c *iamCmd) Help() string {
	var kinds strings.Builder
	for _, k := range iam.GrantKinds() {
		fmt.Fprintf(&kinds, "  %s\n    %s\n", k.Usage, k.About)
	}
	return `Writes two least-privilege roles. With the task execution role, ECS pulls the
images from their ECR repositories, writes to the log groups, and reads the
secrets, parameters and environment files that the definition names. With the task
role, the containers mount EFS, send logs by FireLens, and do what --task-allow
says. Only ECS tasks in this account can assume them.

A definition for EC2 is converted first, as convert does with the same flags; one
with errors is refused, with its findings. If the input is a template, the output
is a fragment of resources for it.

--task-allow accepts the following, with the name of a resource in this account and
Region, or with any ARN:

` + kinds.String() + `
  sumoship fargate iam shop.json --task-allow sqs-send:orders -o roles.yaml
  sumoship fargate iam shop.json --format json --account 123456789012 |
    jq .executionRole.policy

Notes go to standard error: what is allowed on * and why, and when the
service-linked role of ECS must be created by hand.

Exit status: 0 written, 1 the definition has errors, 2 the command or its input
is wrong, 3 AWS refused.`
}

func (c *iamCmd) Run(ctx context.Context, s cli.Streams) error {
	o, err := c.roleFlags.options()
	if err != nil {
		return err
	}
	o.Account = c.Account
	d, in, err := c.readForFargate(ctx, s, c.fileArg, c.ruleFlags)
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
	o.RoleGiven = !strings.Contains(d.Definition().Get("executionRoleArn").Source(), newRole)
	roles, err := iam.New(d, o)
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	out := roles.CloudFormation()
	if c.Format == "json" {
		if out, err = roles.JSON(); err != nil {
			return cli.Fail(cli.ExitUsage, err)
		}
	}
	if err := cli.WriteResult(s, c.Out, out); err != nil {
		return err
	}
	for _, note := range roles.Notes {
		fmt.Fprintf(s.Err, "sumoship: %s\n", note)
	}
	return nil
}
