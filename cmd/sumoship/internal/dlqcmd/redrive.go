package dlqcmd

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
)

type redriveCmd struct{ queueFlags }

// redrivePoll is how often SQS is asked for its progress.
const redrivePoll = 2 * time.Second

func (c *redriveCmd) Run(ctx context.Context, s cli.Streams) error {
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if status.Quarantine == "" {
		return cli.Usagef("queue %s has no redrive policy, so it has no quarantine queue", status.Name)
	}
	quarantine, err := q.Other(ctx, status.Quarantine, 0)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	before, err := quarantine.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	move := dlq.Move{State: "COMPLETED"}
	if before.Depth() > 0 {
		if err := quarantine.Redrive(ctx, status.ARN); err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		bar := cli.NewBar(before.Depth(), "moving", s.Err)
		for {
			if move, err = quarantine.LastMove(ctx); err != nil {
				return cli.Fail(cli.ExitAWS, err)
			}
			bar.Set(move.Moved)
			if move.State != "RUNNING" {
				break
			}
			select {
			case <-ctx.Done():
				return cli.Fail(cli.ExitFound, fmt.Errorf("interrupted; SQS continues the move"))
			case <-time.After(redrivePoll):
			}
		}
		bar.Finish()
	}
	if c.JSON {
		err = cli.WriteJSON(s.Out, map[string]any{"from": before.Name, "to": status.Name, "moved": move.Moved, "state": move.State})
	} else {
		_, err = fmt.Fprintf(s.Out, "%s from %s to %s.\n", cli.Count(move.Moved, "message"), before.Name, status.Name)
	}
	if err == nil && move.State != "COMPLETED" {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("SQS stopped the move (%s): %s", move.State, cmp.Or(move.Why, "no reason given")))
	}
	return err
}
