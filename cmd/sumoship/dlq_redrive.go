package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"sumoship/dlq"
)

type dlqRedriveCmd struct{ queueFlags }

// redrivePoll is how often SQS is asked for its progress.
const redrivePoll = 2 * time.Second

func (c *dlqRedriveCmd) Run(ctx context.Context, s streams) error {
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	if status.Quarantine == "" {
		return usage("queue %s has no redrive policy, so it has no quarantine queue", status.Name)
	}
	quarantine, err := q.Other(ctx, status.Quarantine, 0)
	if err != nil {
		return exit{exitAWS, err}
	}
	before, err := quarantine.Status(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	move := dlq.Move{State: "COMPLETED"}
	if before.Depth() > 0 {
		if err := quarantine.Redrive(ctx, status.ARN); err != nil {
			return exit{exitAWS, err}
		}
		bar := newBar(before.Depth(), "moving", s.err)
		for {
			if move, err = quarantine.LastMove(ctx); err != nil {
				return exit{exitAWS, err}
			}
			bar.Set(move.Moved)
			if move.State != "RUNNING" {
				break
			}
			select {
			case <-ctx.Done():
				return exit{exitFound, fmt.Errorf("interrupted; SQS continues the move")}
			case <-time.After(redrivePoll):
			}
		}
		bar.Finish()
	}
	if c.JSON {
		err = writeJSON(s.out, map[string]any{"from": before.Name, "to": status.Name, "moved": move.Moved, "state": move.State})
	} else {
		_, err = fmt.Fprintf(s.out, "%s from %s to %s.\n", count(move.Moved, "message"), before.Name, status.Name)
	}
	if err == nil && move.State != "COMPLETED" {
		return exit{exitAWS, fmt.Errorf("SQS stopped the move (%s): %s", move.State, cmp.Or(move.Why, "no reason given"))}
	}
	return err
}
