package dlqcmd

import (
	"context"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
)

type purgeCmd struct {
	queueFlags
	Undecodable bool   `help:"Delete the messages of the quarantine queue that are not events of CloudWatch Logs." required:""`
	Save        string `help:"First save them in this directory or s3://BUCKET/PREFIX, as export does." placeholder:"DIR" required:""`
}

func (c *purgeCmd) Help() string {
	return `  sumoship dlq purge --queue dead-letters --undecodable --save purged

--queue is the dead-letter queue; its redrive policy names the quarantine queue. What
can be read stays there: sumoship dlq redrive moves it back. sumoship dlq import DIR
undoes a purge.`
}

// Outputs is what it writes as JSON.
func (c *purgeCmd) Outputs() []any { return []any{exported{}} }

func (c *purgeCmd) Run(ctx context.Context, s cli.Streams) error {
	_, quarantine, there, err := c.openQuarantine(ctx, s)
	if err != nil {
		return err
	}
	result, err := c.exportTo(ctx, s, quarantine, there, c.Save, 4, true, func(m message) bool { return m.class == ship.Undecodable })
	return result.write(s, c.JSON, c.Save, err)
}
