package deploycmd

import (
	"cmp"
	"context"
	"fmt"

	"sumoship/cmd/sumoship/internal/cli"
)

type Rollback struct {
	target
	DryRun bool `help:"Show the plan, and change nothing."`
	Diff   bool `help:"Also show how the template differs from that of the stack."`
	Yes    bool `short:"y" help:"Do not ask."`
}

func (c *Rollback) Help() string {
	return `  sumoship rollback --dry-run

Deploys the release that the stack had before the one it has, from its bucket.
Parameters keep their values. Run twice, it is back at the newer one. A deployment
that fails needs none: CloudFormation has rolled it back itself.

The format of the queues has never changed, so whatever is in them is replayed by
either release.`
}

func (c *Rollback) Run(ctx context.Context, s cli.Streams) error {
	return c.report(s, func(s cli.Streams, r *result) error { return c.rollback(ctx, s, r) })
}

func (c *Rollback) rollback(ctx context.Context, s cli.Streams, r *result) error {
	c.Stack = cmp.Or(c.Stack, "sumoship")
	at, err := c.open(ctx)
	if err != nil {
		return err
	}
	stack, err := find(ctx, at, c.Stack)
	if err != nil {
		return err
	}
	create, err := ready(stack)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if create {
		return cli.Fail(cli.ExitFound, &cli.Missing{Kind: "stack", Name: c.Stack})
	}
	if err := ours(stack); err != nil {
		return err
	}
	bucket, now, before := parameter(stack, codeBucket), parameter(stack, codePrefix), parameter(stack, previousCode)
	if before == "" {
		return cli.Fail(cli.ExitFound, fmt.Errorf("stack %s has had no other release that sumoship deploy knows of", c.Stack))
	}
	body, err := at.bucket.read(ctx, bucket, before+templateName)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	t, err := readTemplate(body)
	if err != nil {
		return fmt.Errorf("s3://%s/%s%s: %w", bucket, before, templateName, err)
	}
	_, err = at.apply(ctx, s, r, change{
		stack: stack, name: c.Stack, action: rolledBack, template: t, body: body, url: at.bucket.templateURL(bucket, before+templateName),
		parameters: map[string]string{codeBucket: bucket, codePrefix: before, previousCode: now}, watch: unmonitored(stack), diff: c.Diff, dryRun: c.DryRun, yes: c.Yes,
	})
	return err
}
