// Sumoship is the command beside sumoship's Lambda functions. It only reads
// flags and inputs, calls the packages that do the work, and writes their
// results: one file a verb, and what verbs share in exit.go, input.go, output.go,
// aws.go, options.go and findings.go.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// streams are what a verb reads and writes: results on out, progress and
// errors on err.
type streams struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

type cli struct {
	Local       localCmd       `cmd:"" help:"Run the forwarder here, on sample events or your own, and show what Sumo Logic would receive."`
	DLQ         dlqCmd         `cmd:"" name:"dlq" help:"Inspect, replay and redrive the dead-letter queue."`
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
func run(ctx context.Context, args []string, s streams) int {
	out := &output{Writer: s.out}
	s.out = out
	e := dispatch(ctx, args, s)
	if e.err != nil {
		fmt.Fprintf(s.err, "sumoship: %v\n", e.err)
	}
	if err := out.missing(e.err); err != nil {
		fmt.Fprintf(s.err, "sumoship: %v\n", err)
		e.status = max(e.status, exitFound)
	}
	return e.status
}

// dispatch runs the verb that args name.
func dispatch(ctx context.Context, args []string, s streams) (e exit) {
	var c cli
	type done struct{ status int }
	defer func() { // --help ends in kong.Exit
		if r := recover(); r != nil {
			d, ok := r.(done)
			if !ok {
				panic(r)
			}
			e = exit{status: d.status}
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
		return exit{exitUsage, fmt.Errorf("%w\nsumoship: see sumoship --help", err)}
	}
	if err := command.Run(); err != nil {
		return asExit(err, command.Flags())
	}
	return exit{status: exitOK}
}
