package subscribecmd

import (
	"context"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/subscription"
)

type Unsubscribe struct{ flags }

func (c *Unsubscribe) Help() string {
	return `  sumoship unsubscribe --destination $FORWARDER --include ^/ecs/shop

The reverse of subscribe: shows which log groups would lose our filter, asks,
and removes it. When no filter delivers to the function any more, the permission
that subscribe gave it goes too.
` + patternHelp + `

Exit status: 0 if no chosen log group has our filter any more, 1 if you said no,
2 if the command is wrong, 3 if AWS refused.`
}

func (c *Unsubscribe) Run(ctx context.Context, s cli.Streams) error {
	x, err := c.open(ctx, s, func(r *subscription.Rule) []error {
		r.Unsubscribe = true
		return nil
	})
	if err != nil {
		return err
	}
	if c.Account {
		return x.account(ctx, s)
	}
	return x.run(ctx, s)
}
