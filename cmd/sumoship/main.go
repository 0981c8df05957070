// Sumoship is the command beside sumoship's Lambda functions.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses of all verbs.
const (
	exitOK    = 0
	exitFound = 1 // it ran, and what it found is not good
	exitUsage = 2 // it was called wrongly, or its input cannot be read
	exitAWS   = 3 // AWS refused, or was not to be reached
)

// exit ends a verb with a status. Its error, if any, has not been printed yet.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func usage(format string, args ...any) error { return exit{exitUsage, fmt.Errorf(format, args...)} }

// streams are what a verb reads and writes: results on out, progress and
// errors on err.
type streams struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

type cli struct {
	Local       localCmd       `cmd:"" help:"Run the forwarder here, on sample events or your own, and show what Sumo Logic would receive."`
	DLQ         dlqCmd         `cmd:"" name:"dlq" help:"Look after the dead-letter queue."`
	Subscribe   subscribeCmd   `cmd:"" help:"Subscribe log groups to the forwarder, by name and tags."`
	Unsubscribe unsubscribeCmd `cmd:"" help:"Remove the subscriptions of log groups."`
	Fargate     fargateCmd     `cmd:"" help:"Move task definitions from EC2 to Fargate, with logs that arrive."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr, os.Getenv})
	stop()
	os.Exit(status)
}

// run is the command: it returns its exit status.
func run(ctx context.Context, args []string, s streams) (status int) {
	var c cli
	type done struct{ status int }
	defer func() { // --help ends in kong.Exit
		if r := recover(); r != nil {
			d, ok := r.(done)
			if !ok {
				panic(r)
			}
			status = d.status
		}
	}()
	parser, err := kong.New(&c,
		kong.Name("sumoship"),
		kong.Description("Ships CloudWatch Logs to Sumo Logic and loses none. Moves task definitions of Amazon ECS to Fargate."),
		kong.UsageOnError(),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(done{code}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		panic(err) // the tags of cli are wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.err, "sumoship: %v\nsumoship: see sumoship --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		e, ok := errors.AsType[exit](err)
		if !ok {
			e = exit{exitFound, err}
		}
		if e.err != nil {
			fmt.Fprintf(s.err, "sumoship: %v\n", e.err)
		}
		return e.status
	}
	return exitOK
}
