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
	Left  int    `json:"left"`  // messages that SQS did not see, in flight or delayed, about
	State string `json:"state"` // of the move, as SQS has it
}

// Outputs is what it writes as JSON.
func (c *redriveCmd) Outputs() []any { return []any{redriven{}} }

// redrivePoll is how often SQS is asked for its progress.
const redrivePoll = 2 * time.Second

func (c *redriveCmd) Help() string {
	return `  sumoship dlq redrive --queue dead-letters

--queue is the dead-letter queue; its redrive policy names the quarantine queue. SQS
moves the messages that are visible. Mend first what kept them from being read or
replayed, or they come back.

Exit status: 0 if all were moved, 1 if some are in flight or delayed and stay, 2 if the
command is wrong, 3 if AWS refused.`
}

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
	left := unseen(before, move.Moved)
	if c.JSON {
		err = cli.WriteJSON(s.Out, redriven{before.Name, status.Name, move.Moved, left, move.State})
	} else {
		_, err = fmt.Fprintf(s.Out, "%s from %s to %s.\n", cli.Count(move.Moved, "message"), before.Name, status.Name)
	}
	if err == nil && move.State != "COMPLETED" {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("SQS stopped the move (%s): %s", move.State, cmp.Or(move.Why, "no reason given")))
	}
	if err == nil && left > 0 {
		return cli.Fail(cli.ExitFound, fmt.Errorf("about %s of %s in flight or delayed, which SQS does not move; run the command again when they are visible", cli.Count(left, "message"), before.Name))
	}
	return err
}
