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

// redriven is the result in JSON.
type redriven struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Moved int    `json:"moved"` // messages
	State string `json:"state"` // of the move, as SQS has it
}

// Outputs is what it writes as JSON.
func (c *redriveCmd) Outputs() []any { return []any{redriven{}} }

// redrivePoll is how often SQS is asked for its progress.
const redrivePoll = 2 * time.Second

func (c *redriveCmd) Run(ctx context.Context, s cli.Streams) error {
	status, quarantine, before, err := c.openQuarantine(ctx, s)
	if err != nil {
		return err
	}
	move := dlq.Move{State: "COMPLETED"}
	if before.Depth() > 0 {
		if err := quarantine.Redrive(ctx, status.ARN); ctx.Err() != nil {
			return cli.Interrupted(ctx, "the move may have begun; sumoship dlq status shows how many messages are left")
		} else if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		bar, moved := cli.NewBar(before.Depth(), "moving", s.Err), 0
		for {
			if move, err = quarantine.LastMove(ctx); err != nil && ctx.Err() == nil {
				return cli.Fail(cli.ExitAWS, err)
			}
			moved = max(moved, move.Moved)
			bar.Set(moved)
			if move.State != "RUNNING" && ctx.Err() == nil {
				break
			}
			select {
			case <-ctx.Done():
				return cli.Interrupted(ctx, "%s moved; SQS continues the move", cli.Count(moved, "message"))
			case <-time.After(redrivePoll):
			}
		}
		bar.Finish()
	}
	if c.JSON {
		err = cli.WriteJSON(s.Out, redriven{before.Name, status.Name, move.Moved, move.State})
	} else {
		_, err = fmt.Fprintf(s.Out, "%s from %s to %s.\n", cli.Count(move.Moved, "message"), before.Name, status.Name)
	}
	if err == nil && move.State != "COMPLETED" {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("SQS stopped the move (%s): %s", move.State, cmp.Or(move.Why, "no reason given")))
	}
	return err
}
