package dlqcmd

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
)

type exportCmd struct {
	Dir string `arg:"" help:"A directory, which is created."`
	queueFlags
	selectFlags
	Delete  bool `help:"Delete the messages that are on the disk from the queue."`
	Workers int  `help:"Number of batches in flight." default:"16"`
}

func (c *exportCmd) Help() string {
	return `One file for each log group and hour of the first failure, GROUP/HOUR.ndjson: a
message a line, with its checksum. SHA256SUMS has those of the files. Import puts
them back, with 14 more days.

A message is deleted only with --delete, and only after the disk has stored it. The
same command goes on after an interruption; nothing is written twice. To keep an
export in S3: aws s3 sync DIR s3://BUCKET/PREFIX.`
}

// exportName is the path of the file of a message.
func exportName(m message) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_-.", r) {
			return r
		}
		return '_'
	}, m.group)
	// As if at a root, so that no name leaves the directory.
	plain = strings.TrimPrefix(path.Clean("/"+plain), "/")
	if plain == "" {
		plain = "unknown"
	}
	first := m.Entry.Cause.FirstFailure
	if first.IsZero() {
		first = m.Sent
	}
	return plain + "/" + first.UTC().Format("2006-01-02T15")
}

// exported is the result of an export.
type exported struct {
	Queue    string `json:"queue"`
	Messages int    `json:"messages"` // that are meant
	Written  int    `json:"written"`
	Before   int    `json:"before"` // in the directory already
	Deleted  int    `json:"deleted"`
	Others   int    `json:"others"` // given back
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	All      bool   `json:"all"`
}

// Outputs is what it writes as JSON.
func (c *exportCmd) Outputs() []any { return []any{exported{}} }

// exportTo saves the messages of a queue that are meant.
func exportTo(ctx context.Context, s cli.Streams, q *dlq.Queue, status dlq.Status, dir string, workers int, remove bool, match func(message) bool) (exported, error) {
	result := exported{Queue: status.Name}
	if strings.Contains(dir, "://") {
		return result, cli.Usagef("%s is not a directory; export to one, and then run aws s3 sync DIR %s", dir, dir)
	}
	var names sync.Map // by ID
	e, err := dlq.OpenExport(dir, func(m dlq.Message) string {
		name, _ := names.LoadAndDelete(m.ID)
		return name.(string)
	})
	if err != nil {
		return result, cli.Fail(cli.ExitUsage, fmt.Errorf("export to %s: %w", dir, err))
	}
	bar := cli.NewBar(status.Visible, "exporting", s.Err)
	var mu sync.Mutex
	var diskErr error
	found, scanErr := q.Scan(ctx, dlq.Scan{Workers: workers, MaxReceives: status.MaxReceives}, func(messages []dlq.Message) ([]dlq.Message, error) {
		var meant []dlq.Message
		for _, m := range messages {
			if looked := look(m); match(looked) {
				names.Store(m.ID, exportName(looked))
				meant = append(meant, m)
			}
		}
		err := e.Write(meant)
		mu.Lock()
		defer mu.Unlock()
		bar.Add(len(messages))
		if err != nil {
			diskErr = err
			return nil, err
		}
		result.Messages += len(meant)
		result.Others += len(messages) - len(meant)
		if !remove {
			meant = nil
		}
		return meant, nil
	})
	bar.Finish()
	result.Deleted, result.All = found.Deleted, found.All
	result.Before, result.Written = e.Known()
	var closeErr error
	result.Files, result.Bytes, closeErr = e.Close()
	if diskErr == nil {
		diskErr = closeErr
	}
	if diskErr != nil {
		return result, cli.Fail(cli.ExitUsage, fmt.Errorf("export to %s: %w; %s deleted from the queue, all of them stored before. Run the command again", dir, diskErr, cli.Count(found.Deleted, "message")))
	}
	return result, scanError(ctx, scanErr, fmt.Sprintf("%s written, %d deleted; run the command again to go on", cli.Count(result.Written, "message"), found.Deleted))
}

func (r exported) write(s cli.Streams, asJSON bool, dir string) error {
	if asJSON {
		return cli.WriteJSON(s.Out, r)
	}
	text := fmt.Sprintf("%s of %s in %s and %d bytes under %s: %d written", cli.Count(r.Before+r.Written, "message"), r.Queue, cli.Count(r.Files, "file"), r.Bytes, dir, r.Written)
	if r.Before > 0 {
		text += fmt.Sprintf(", %d there before", r.Before)
	}
	if r.Deleted > 0 {
		text += fmt.Sprintf("; %d deleted from the queue", r.Deleted)
	} else if r.Messages > 0 {
		text += "; none deleted from the queue"
	}
	if r.Others > 0 {
		text += fmt.Sprintf("; %s not meant, received once and given back", cli.Count(r.Others, "other"))
	}
	_, err := fmt.Fprintln(s.Out, text+".")
	return err
}

func (c *exportCmd) Run(ctx context.Context, s cli.Streams) error {
	match, err := c.matcher(time.Now())
	if err != nil {
		return err
	}
	if c.Workers < 1 {
		return cli.Usagef("--workers: want 1 or more")
	}
	_, q, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	result, err := exportTo(ctx, s, q, status, c.Dir, c.Workers, c.Delete, match)
	if e := result.write(s, c.JSON, c.Dir); err == nil {
		err = e
	}
	return err
}
