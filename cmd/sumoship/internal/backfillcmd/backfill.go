// Package backfillcmd is sumoship backfill: it ships log events of the past. They are
// read by package history and shipped as the forwarder ships them, by function/ship.
package backfillcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/history"
	"sumoship/sumo"
)

// Cmd ships history.
type Cmd struct {
	cli.AWSFlags
	From []string `arg:"" optional:"" help:"Files, directories or s3://BUCKET/PREFIX; - means standard input. Default: CloudWatch Logs itself, the log groups of --log-group."`

	LogGroup        []string `sep:"none" group:"What to read" help:"Log group to read from CloudWatch Logs, repeatable; or that of the files, which many formats do not name." placeholder:"NAME"`
	LogGroupPattern string   `group:"What to read" help:"Also read the log groups whose name this regular expression (RE2) matches." placeholder:"PATTERN"`
	LogStream       string   `group:"What to read" help:"Log stream of files that do not name it." placeholder:"NAME"`
	Since           string   `group:"What to read" help:"Read CloudWatch Logs from here: 2026-01-02, 2026-01-02T15:04:05Z, or 36h or 7d ago." placeholder:"TIME"`
	Until           string   `group:"What to read" help:"Read CloudWatch Logs to before here. Default: now." placeholder:"TIME"`
	FilterPattern   string   `group:"What to read" help:"Read only log events that match this filter pattern of CloudWatch Logs." placeholder:"PATTERN"`

	Endpoint string `sets:"SUMO_ENDPOINT" help:"Send to this HTTP Source, a URL or the ARN of an SSM parameter or secret. Default: the variable SUMO_ENDPOINT." placeholder:"URL|ARN"`
	Like     string `help:"Ship as this deployed forwarder does: its variables count, and not those of the shell." placeholder:"FUNCTION"`
	EventID  bool   `negatable:"" default:"true" help:"Records have the id of their log event, so that a search can tell what arrived twice."`

	Resume  string `group:"How to ship" help:"Remember in this file what is confirmed. A later run with it sends only the rest." placeholder:"FILE"`
	Workers int    `sets:"MAX_IN_FLIGHT" group:"How to ship" help:"Bodies in flight, at most 16. Default: the variable MAX_IN_FLIGHT, or 4." placeholder:"N"`
	Rate    string `group:"How to ship" help:"At most so much in a second, such as 5MB or 500kB of log." placeholder:"SIZE"`
	DryRun  bool   `help:"Show the plan, and send nothing."`
	Yes     bool   `short:"y" help:"Do not ask."`
	Logs    bool   `help:"Write the log lines of shipping to standard error."`
	JSON    bool   `name:"json" help:"Write the result as JSON."`
}

func (c *Cmd) Help() string {
	return `  sumoship backfill export/ --log-group /ecs/shop --resume shop.done
  sumoship backfill --log-group /ecs/shop --since 7d --like sumoship-Forwarder
  sumoship backfill s3://exports/shop --log-group /ecs/shop --dry-run

Reads gzip, zstd or plain text of: exports of CloudWatch Logs to S3; output of aws
logs filter-log-events, get-log-events and get-query-results as JSON, with --query
'events[]' or without; output of aws logs tail; payloads or Lambda events of a
subscription, one after the other; and what Firehose keeps in its bucket, delivered
or not. What is none of these is refused with its place.

It shows a plan, asks, and ships. It needs little memory for any size. Timestamps are
those of the log events. The variables of the forwarder work here too; with --like
those of a deployed one do.

While Sumo Logic does not take them, it waits and sends the same log events again.
Ctrl-C stops after what is in flight. With --resume the next run goes on there, also
after a crash; only what was in flight may arrive twice.

Exit status: 0 if all was confirmed or dropped by a rule, 1 if something is left, 2
if the command or its input is wrong, 3 if AWS refused, 130 after Ctrl-C.`
}

// input is what is read.
type input struct {
	feed  history.Feed
	files *history.Files // nil for CloudWatch Logs
	what  history.Input
	plan  []cli.Row
	told  planned // the same in JSON
	text  int64   // bytes of log, about; -1 if it is not known
	warn  []string
}

func (c *Cmd) Run(ctx context.Context, s cli.Streams) error {
	rate, err := parseSize(c.Rate)
	if err != nil {
		return cli.Usagef("--rate: %w", err)
	}
	if c.Workers < 0 || c.Workers > maxWorkers {
		return cli.Usagef("--workers: %d: want 1 to %d", c.Workers, maxWorkers)
	}
	backfiller, as, err := c.backfiller(ctx, s)
	if err != nil {
		return err
	}
	workers := min(cmp.Or(c.Workers, backfiller.InFlight()), maxWorkers)
	backfiller.SetWorkers(workers)
	to, err := backfiller.Endpoint(ctx)
	if err != nil {
		return cli.Usagef("%w\nsumoship: give --endpoint or --like, or set SUMO_ENDPOINT", err)
	}
	in, err := c.input(ctx, s)
	if err != nil {
		return err
	}
	checkpoint, err := c.checkpoint(in)
	if err != nil {
		return err
	}
	defer func() { _ = checkpoint.Close() }() // each change is in the file already
	p := in.planned(to, as, workers, rate, checkpoint.Done())
	if c.JSON && c.DryRun {
		return cli.WriteJSON(s.Out, p)
	}
	if !c.JSON {
		if err := p.show(s, in.plan); err != nil {
			return err
		}
	}
	for _, w := range in.warn {
		fmt.Fprintln(s.Err, "sumoship: "+w)
	}
	if c.DryRun {
		_, err := io.WriteString(s.Out, "Nothing was sent.\n")
		return err
	}
	if err := cli.Consent(ctx, s, c.Yes, "Ship it?"); err != nil {
		return err
	}
	return c.ship(ctx, s, backfiller, in, checkpoint, workers, rate)
}

// backfiller returns what ships, and as what it does.
func (c *Cmd) backfiller(ctx context.Context, s cli.Streams) (*ship.Backfiller, string, error) {
	getenv, as := s.Getenv, "the variables of this shell"
	if c.Like != "" {
		variables, err := c.variablesOf(ctx, c.Like)
		if err != nil {
			return nil, "", err
		}
		as = "the variables of " + c.Like
		getenv = func(name string) string {
			if v, ok := variables[name]; ok || !strings.HasPrefix(name, "AWS_") && !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
				return v
			}
			return s.Getenv(name)
		}
	}
	// What is not confirmed is left where it is, so no queue takes it.
	own := map[string]string{"TASK_QUEUE_URL": "", "QUARANTINE_QUEUE_URL": "", "HEARTBEAT_LOG_GROUP": "", "INCLUDE_EVENT_ID": strconv.FormatBool(c.EventID)}
	if c.Endpoint != "" {
		own["SUMO_ENDPOINT"] = c.Endpoint
	}
	env := function.Env{Out: io.Discard, Getenv: cli.Streams{Getenv: getenv}.With(own)}
	if c.Logs {
		env.Out = s.Err
	}
	load := func(ctx context.Context, region string) (aws.Config, error) {
		return c.ProfileFlag.Load(ctx, cmp.Or(region, c.Region))
	}
	// MAX_IN_FLIGHT is not known yet; the workers bound the connections.
	b, err := ship.NewBackfiller(ship.Options{Env: env, AWS: load, HTTP: sumo.NewHTTP(maxWorkers)})
	if err != nil {
		return nil, "", cli.Usagef("invalid configuration (%s):\n%w", as, err)
	}
	b.Stop = ctx.Done()
	return b, as, nil
}

// variablesOf returns the environment variables of a deployed function.
func (c *Cmd) variablesOf(ctx context.Context, name string) (map[string]string, error) {
	if err := c.Named("--like", &name); err != nil {
		return nil, err
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	out, err := lambda.NewFromConfig(cfg).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if cli.Code(err) == "ResourceNotFoundException" {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("--like: %w", &cli.Missing{Kind: "function", Name: name}))
	}
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("--like %s: %w", name, err))
	}
	if out.Environment == nil || out.Environment.Variables["SUMO_ENDPOINT"] == "" {
		return nil, cli.Usagef("--like: %s has no variable SUMO_ENDPOINT: it is not a forwarder", name)
	}
	return out.Environment.Variables, nil
}

// checkpoint opens that of --resume.
func (c *Cmd) checkpoint(in *input) (*history.Checkpoint, error) {
	if c.Resume == "" {
		return nil, nil
	}
	checkpoint, err := history.OpenCheckpoint(c.Resume, in.what)
	if err != nil {
		return nil, cli.Usagef("--resume: %w", err)
	}
	return checkpoint, nil
}

// maxWorkers bounds the memory: 16 hold 160 MB with what they send.
const maxWorkers = 16

// grace is how long what is in flight may take after an interruption: a verb has to
// end within a second.
const grace = 500 * time.Millisecond

// ship ships the input, and writes what became of it.
func (c *Cmd) ship(ctx context.Context, s cli.Streams, b *ship.Backfiller, in *input, checkpoint *history.Checkpoint, workers int, rate int64) error {
	shipping, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, end) })()
	before := checkpoint.Done()
	p := newProgress(s.Err, in.text, before)
	r := &history.Run{Workers: workers, Rate: rate, Checkpoint: checkpoint, Buffers: make(chan []byte, workers+2),
		Progress: p.saw, Failed: p.failed, Unread: p.unreadable,
		Ship: func(ctx context.Context, batch history.Batch, only []int) history.Result {
			report, left := b.Ship(ctx, batch.Doc, only, p.waits)
			return resultOf(report, left)
		}}
	totals, err := r.Do(ctx, shipping, in.feed)
	p.end()
	if in.files != nil {
		for _, note := range in.files.Notes {
			fmt.Fprintln(s.Err, "sumoship: "+note)
		}
	}
	interrupted := ctx.Err() != nil
	if failed := c.write(s, totals, before, p, interrupted); failed != nil {
		return failed
	}
	again := "run the command again with --resume to send the rest"
	if c.Resume == "" {
		again = "without --resume a second run begins anew, and what is confirmed arrives twice"
	}
	switch {
	case interrupted && c.Resume != "":
		return cli.Interrupted(ctx, "run the command again to go on: %s knows what is confirmed", c.Resume)
	case interrupted:
		return cli.Interrupted(ctx, "without --resume a second run begins anew, and what is confirmed arrives twice")
	case err != nil:
		return cli.Fail(cli.ExitFound, err)
	case p.unread > 0:
		return cli.Fail(cli.ExitUsage, fmt.Errorf("%s could not be read whole, see above", cli.Count(p.unread, "input")))
	case totals.Rejected+totals.Unsent > 0:
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s not confirmed, see above; %s", cli.Count(totals.Rejected+totals.Unsent, "log event"), again))
	}
	return nil
}

// resultOf returns what a report says of a batch.
func resultOf(r ship.Report, left []int) history.Result {
	out := history.Result{Events: r.Events, Confirmed: r.Confirmed, Filtered: r.FilteredTotal(), Left: left, Sent: r.SentBytes}
	if r.Lost == 0 {
		return out
	}
	out.Err = errors.New(r.Error)
	switch sumo.Class(r.Class) {
	case sumo.Rejected, ship.Undecodable:
		out.Rejected = r.Lost
	default:
		out.Unsent, out.Stop = r.Lost, true
	}
	return out
}

// parseSize reads a number of bytes, such as 5MB.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	upper := strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(text)), "/S")
	unit := int64(1)
	for suffix, n := range map[string]int64{"KB": 1e3, "MB": 1e6, "GB": 1e9} {
		if number, ok := strings.CutSuffix(upper, suffix); ok {
			upper, unit = strings.TrimSpace(number), n
		}
	}
	n, err := strconv.ParseFloat(upper, 64)
	if err != nil || n <= 0 || n*float64(unit) < 1 || n*float64(unit) > 1e12 {
		return 0, fmt.Errorf("%q: want a size such as 5MB or 500kB", text)
	}
	return int64(n * float64(unit)), nil
}
