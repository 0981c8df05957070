package dlqcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/objects"
	"sumoship/dlq"
)

type importCmd struct {
	Dir string `arg:"" help:"A directory or s3://BUCKET/PREFIX of sumoship dlq export, or of events that replay has saved in a bucket (*.json)." placeholder:"DIR|s3://BUCKET/PREFIX"`
	queueFlags
	Workers int `help:"Number of batches in flight." default:"16"`
}

func (c *importCmd) Help() string {
	return `  sumoship dlq import saved --queue dead-letters

The messages are new ones for SQS, which keeps them for 14 more days; when and why
they failed first stays. All files are checked before anything is put. Files imported.log beside
them name what was put, so that the same command goes on after an interruption, and
puts nothing twice; after a kill only what was in flight.`
}

// imported is the result in JSON.
type imported struct {
	Queue    string `json:"queue"`
	Files    int    `json:"files"`
	Messages int    `json:"messages"` // put
	Before   int    `json:"before"`   // put by earlier runs
	Cut      int    `json:"cutOff"`   // lines that end too early
}

// Outputs is what it writes as JSON.
func (c *importCmd) Outputs() []any { return []any{imported{}} }

func (c *importCmd) Run(ctx context.Context, s cli.Streams) error {
	if c.Workers < 1 {
		return cli.Usagef("--workers: want 1 or more")
	}
	_, q, err := c.open(ctx, s, 0)
	if err != nil {
		return err
	}
	var from dlq.Store = dlq.Dir(c.Dir)
	if objects.Meant(c.Dir) {
		if from, err = c.bucket(ctx, s, c.Dir); err != nil {
			return err
		}
	} else if _, err := os.Stat(c.Dir); err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	bar := cli.NewBar(-1, "importing", s.Err)
	var mu sync.Mutex
	done, err := q.Import(ctx, from, dlq.Import{Workers: c.Workers, Progress: func(n int) {
		mu.Lock()
		defer mu.Unlock()
		bar.Add(n)
	}})
	bar.Finish()
	if c.JSON {
		if e := cli.WriteJSON(s.Out, imported{q.Name(), done.Files, done.Messages, done.Before, done.Cut}); e != nil {
			return e
		}
	} else if err == nil || done.Messages > 0 {
		text := fmt.Sprintf("%s of %s put into %s", cli.Count(done.Messages, "message"), cli.Count(done.Files, "file"), q.Name())
		if done.Before > 0 {
			text += fmt.Sprintf("; %d were put before, as imported.log says", done.Before)
		}
		if done.Cut > 0 {
			text += fmt.Sprintf("; %s cut off, whose message is still in the queue that it was exported from", cli.Count(done.Cut, "line"))
		}
		if _, e := fmt.Fprintln(s.Out, text+"."); e != nil {
			return e
		}
	}
	switch queue, aws := errors.AsType[*dlq.Error](err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return cli.Interrupted(ctx, "%s put; run the command again to go on", cli.Count(done.Messages, "message"))
	case aws:
		return cli.Fail(cli.ExitAWS, fmt.Errorf("%w; %s put. Run the command again to go on", queue, cli.Count(done.Messages, "message")))
	}
	return cli.Fail(exitOf(err), err)
}
