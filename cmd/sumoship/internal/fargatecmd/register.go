package fargatecmd

import (
	"context"
	"fmt"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
)

type registerCmd struct {
	fileArg
	inputFlags `group:"Input"`
	Region     string   `option:"Region" help:"AWS Region to register in. Default: that of the AWS configuration." placeholder:"REGION"`
	Allow      []string `option:"Allow" help:"Register despite this finding, by its ID. Repeatable." placeholder:"ID" sep:","`
	DryRun     bool     `help:"Write the request to standard output and register nothing."`
	JSON       bool     `name:"json" help:"Write the result as JSON."`
}

func (c *registerCmd) Help() string {
	return `Registers the definition unchanged, as a new revision of its family, and writes
FAMILY:REVISION. Members that ECS adds to a registered definition are left out; all
others are sent, even if this version of sumoship does not know them. A definition
with findings of severity error is not sent.

  sumoship fargate convert shop.json | sumoship fargate register -

Exit status: 0 registered, 1 there are errors or it is not for Fargate, 2 the
command or its input is wrong, 3 AWS refused.`
}

// Outputs is what it writes as JSON.
func (c *registerCmd) Outputs() []any { return []any{registered{}} }

func (c *registerCmd) Run(ctx context.Context, s cli.Streams) error {
	d, in, err := c.one(ctx, s, c.File, c.Region)
	if err != nil {
		return err
	}
	if err := d.Unresolved(); err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	if !d.Claims("FARGATE") {
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s is not registered: its requiresCompatibilities does not name FARGATE\n"+
			"sumoship: convert it first: sumoship fargate convert", in.name))
	}
	var o fargate.Options
	cli.SetOptions(&o, c)
	findings, err := fargate.Check(d, o)
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	n, err := writeErrors(s, finding.Input{Name: in.name, Findings: findings})
	switch {
	case err != nil:
		return err
	case malformed(findings):
		return cli.Usagef("%s is not registered: %s", in.name, cli.Count(n, "error"))
	case n > 0:
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s is not registered: %s", in.name, cli.Count(n, "error")))
	}
	request := d.ECS()
	if c.DryRun {
		if _, err := cli.Raw(s.Out).Write(request); err != nil {
			return err
		}
		fmt.Fprintln(s.Err, "sumoship: dry run: nothing was registered")
		return nil
	}
	client, _, err := openECS(ctx, &c.ProfileFlag, c.Region)
	if err != nil {
		return err
	}
	r, err := register(ctx, client, request)
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "Amazon ECS may have registered it: see the revisions of the family first")
	}
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if c.JSON {
		return cli.WriteJSON(s.Out, r)
	}
	_, err = fmt.Fprintf(s.Out, "%s:%d\n", r.Family, r.Revision)
	return err
}
