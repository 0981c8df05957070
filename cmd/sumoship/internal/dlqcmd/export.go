package dlqcmd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/objects"
	"sumoship/dlq"
)

type exportCmd struct {
	Dir string `arg:"" help:"A directory, which is created, or s3://BUCKET/PREFIX." placeholder:"DIR|s3://BUCKET/PREFIX"`
	queueFlags
	selectFlags `group:"Which messages"`
	Delete      bool `help:"Delete the messages that are on the disk, or in the bucket, from the queue."`
	Workers     int  `help:"Number of batches in flight." default:"16"`
}

func (c *exportCmd) Help() string {
	return `  sumoship dlq export saved --queue dead-letters
  sumoship dlq export saved --queue dead-letters --delete

One file for each log group and hour of the first failure, GROUP/HOUR.ndjson: a
message a line, with its checksum. SHA256SUMS has those of the files. Import puts
them back, with 14 more days.

A message is deleted only with --delete, and only after the disk has stored it, or S3
has confirmed its object with its SHA-256. The same command goes on after an
interruption; nothing is written twice. What goes to S3 waits in temporary files, up
to 1 GB; an object that has 64 MB already is followed by HOUR.2.ndjson.

Exit status: 0 if all were seen, 1 if some are in flight or delayed and stay, 2 if the
command is wrong or a file cannot be written, 3 if AWS refused.`
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

// archive is where an export goes: a directory, or a bucket.
type archive interface {
	Write(context.Context, []dlq.Message) (stored []dlq.Message, err error)
	Flush(context.Context) (stored []dlq.Message, err error)
	Close(context.Context) (files int, bytes int64, err error)
	Written() int
}

// archive opens the place of an export.
func (f *queueFlags) archive(ctx context.Context, s cli.Streams, to string, name func(dlq.Message) string) (archive, error) {
	if !objects.Meant(to) {
		e, err := dlq.OpenExport(ctx, to, name)
		if err != nil {
			return nil, cli.Fail(cli.ExitUsage, fmt.Errorf("export to %s: %w", to, err))
		}
		return e, nil
	}
	store, err := f.bucket(ctx, s, to)
	if err != nil {
		return nil, err
	}
	u, err := dlq.OpenUpload(ctx, store, name)
	if err != nil {
		return nil, cli.Fail(exitOf(err), fmt.Errorf("export to %s: %w", to, err))
	}
	return u, nil
}

// bucket is s3://BUCKET/PREFIX as a store.
func (f *queueFlags) bucket(ctx context.Context, s cli.Streams, url string) (dlq.Store, error) {
	cfg, err := f.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	place, err := objects.New(cfg, s.Getenv, url)
	if err != nil {
		return nil, err
	}
	return place.Folder(), nil
}

// exitOf is the exit status of what a store refuses.
func exitOf(err error) int {
	if _, aws := errors.AsType[*objects.Error](err); aws {
		return cli.ExitAWS
	}
	return cli.ExitUsage
}

// exported is the result of an export.
type exported struct {
	Queue    string `json:"queue"`
	Messages int    `json:"messages"` // that are meant
	Written  int    `json:"written"`
	Before   int    `json:"before"` // of these, written by an earlier export
	Deleted  int    `json:"deleted"`
	Others   int    `json:"others"` // given back
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	All      bool   `json:"all"`
	Left     int    `json:"left"` // messages that were in flight or delayed, and not seen, about
}

// Outputs is what it writes as JSON.
func (c *exportCmd) Outputs() []any { return []any{exported{}} }

// exportTo saves the messages of a queue that are meant.
func (f *queueFlags) exportTo(ctx context.Context, s cli.Streams, q *dlq.Queue, status dlq.Status, to string, workers int, remove bool, match func(message) bool) (exported, error) {
	result := exported{Queue: status.Name}
	var names sync.Map // by ID
	a, err := f.archive(ctx, s, to, func(m dlq.Message) string {
		name, _ := names.Load(m.ID)
		return name.(string)
	})
	if err != nil {
		return result, err
	}
	bar := cli.NewBar(status.Visible, "exporting", s.Err)
	var mu sync.Mutex
	var storing error
	// What is stored is deleted only if it was asked for.
	stored := func(messages []dlq.Message, err error) ([]dlq.Message, error) {
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			storing = err
		}
		if !remove {
			messages = nil
		}
		return messages, err
	}
	scan := dlq.Scan{Workers: workers, MaxReceives: status.MaxReceives, Last: func() ([]dlq.Message, error) { return stored(a.Flush(ctx)) }}
	found, scanErr := q.Scan(ctx, scan, func(messages []dlq.Message) ([]dlq.Message, error) {
		var meant []dlq.Message
		for _, m := range messages {
			if looked := look(m); match(looked) {
				names.Store(m.ID, exportName(looked))
				meant = append(meant, m)
			}
		}
		done, err := stored(a.Write(ctx, meant))
		for _, m := range meant {
			names.Delete(m.ID)
		}
		mu.Lock()
		defer mu.Unlock()
		bar.Add(len(messages))
		if err == nil {
			result.Messages += len(meant)
			result.Others += len(messages) - len(meant)
		}
		return done, err
	})
	bar.Finish()
	result.Deleted, result.All, result.Written = found.Deleted, found.All, a.Written()
	result.Before = max(0, result.Messages-result.Written)
	result.Left = unseen(status, result.Messages+result.Others)
	var closing error
	result.Files, result.Bytes, closing = a.Close(ctx)
	if storing == nil {
		storing = closing
	}
	if storing != nil && ctx.Err() == nil {
		return result, cli.Fail(exitOf(storing), fmt.Errorf("export to %s: %w; %s deleted from the queue, all of them stored before. Run the command again", to, storing, cli.Count(found.Deleted, "message")))
	}
	if scanErr == nil {
		scanErr = ctx.Err()
	}
	return result, scanError(ctx, scanErr, fmt.Sprintf("%s written, %d deleted; run the command again to go on", cli.Count(result.Written, "message"), found.Deleted))
}

// write writes the result of an export that ended with err, and returns the error of the
// verb.
func (r exported) write(s cli.Streams, asJSON bool, to string, err error) error {
	if e := r.text(s, asJSON, to); err == nil {
		err = e
	}
	if err == nil && r.Left > 0 {
		return cli.Fail(cli.ExitFound, fmt.Errorf("about %s of %s in flight or delayed, which SQS does not show; run the command again when they are visible", cli.Count(r.Left, "message"), r.Queue))
	}
	return err
}

func (r exported) text(s cli.Streams, asJSON bool, to string) error {
	if asJSON {
		return cli.WriteJSON(s.Out, r)
	}
	text := fmt.Sprintf("%s of %s in %s and %d bytes under %s: %d written", cli.Count(r.Before+r.Written, "message"), r.Queue, cli.Count(r.Files, "file"), r.Bytes, to, r.Written)
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
	_, q, err := c.open(ctx, s, 0)
	if err != nil {
		return err
	}
	status, err := q.Status(ctx)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	result, err := c.exportTo(ctx, s, q, status, c.Dir, c.Workers, c.Delete, match)
	return result.write(s, c.JSON, c.Dir, err)
}
