// Sumoship is the command beside sumoship's Lambda functions. This package only
// wires the tree of verbs: each family of them is a package of internal, and what
// they share is internal/cli.
package main

import (
	"context"
	"io"
	"log"

	"sumoship/cmd/sumoship/internal/backfillcmd"
	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/deploycmd"
	"sumoship/cmd/sumoship/internal/dlqcmd"
	"sumoship/cmd/sumoship/internal/fargatecmd"
	"sumoship/cmd/sumoship/internal/localcmd"
	"sumoship/cmd/sumoship/internal/rulescmd"
	"sumoship/cmd/sumoship/internal/schemacmd"
	"sumoship/cmd/sumoship/internal/shellcmd"
	"sumoship/cmd/sumoship/internal/stackcmd"
	"sumoship/cmd/sumoship/internal/subscribecmd"
	"sumoship/cmd/sumoship/internal/versioncmd"

	"github.com/alecthomas/kong"
)

// verbs is the tree of verbs.
type verbs struct {
	Local       localcmd.Cmd             `cmd:"" group:"Ship logs" help:"Run the forwarder here, on sample events or your own, and show what Sumo Logic would receive."`
	DLQ         dlqcmd.Cmd               `cmd:"" group:"Ship logs" name:"dlq" help:"Inspect, replay and redrive the dead-letter queue."`
	Backfill    backfillcmd.Cmd          `cmd:"" group:"Ship logs" help:"Ship history: exports, output of the AWS CLI, backups of Firehose, or CloudWatch Logs itself."`
	Rules       rulescmd.Cmd             `cmd:"" group:"Ship logs" help:"Check rules, and try them on log events before they are turned on."`
	Subscribe   subscribecmd.Subscribe   `cmd:"" group:"Subscribe log groups" help:"Subscribe log groups to the forwarder, by name and tags."`
	Unsubscribe subscribecmd.Unsubscribe `cmd:"" group:"Subscribe log groups" help:"Remove the subscriptions of log groups."`
	Deploy      deploycmd.Deploy         `cmd:"" group:"Run the stack" help:"Deploy or update the stack: the functions, their queues, alarms and dashboard."`
	Rollback    deploycmd.Rollback       `cmd:"" group:"Run the stack" help:"Go back to the release that the stack had before."`
	Destroy     deploycmd.Destroy        `cmd:"" group:"Run the stack" help:"Delete the stack, but not what holds log events."`
	Fargate     fargatecmd.Cmd           `cmd:"" group:"Move to Fargate" help:"Move task definitions from EC2 to Fargate, with logs that arrive."`
	Doctor      stackcmd.Doctor          `cmd:"" group:"Run the stack" help:"Look at a deployed stack, and say what is wrong and what to do."`
	Status      stackcmd.Status          `cmd:"" group:"Run the stack" help:"Show what a deployed stack does now."`
	Tail        stackcmd.Tail            `cmd:"" group:"Run the stack" help:"Show the reports of a stack's functions as they come."`
	Version     versioncmd.Cmd           `cmd:"" group:"This command" help:"Show which build this is."`

	Schema     schemacmd.Cmd       `cmd:"" group:"This command" help:"Write the JSON Schema of what a verb writes with --json."`
	Completion shellcmd.Completion `cmd:"" group:"This command" help:"Write what bash, zsh or fish needs to complete verbs and flags."`
	Man        shellcmd.Man        `cmd:"" group:"This command" help:"Write the man page."`
	Help       helpCmd             `cmd:"" group:"This command" help:"Show the help of a verb."`

	ShowVersion kong.VersionFlag `name:"version" help:"Show the version."`
}

// helpCmd stands in the help; cli.Run turns it into the --help of the verb.
type helpCmd struct {
	Verb []string `arg:"" optional:"" help:"The verb, such as dlq replay."`
}

// Run is not called.
func (helpCmd) Run() error { return nil }

func main() {
	log.SetOutput(io.Discard) // nothing of ours; net/http would quote there what a server sends unasked
	cli.Main(run)
}

// run runs the verb that args name, and returns the exit status.
func run(ctx context.Context, args []string, s cli.Streams) int {
	return cli.Run(ctx, newVerbs(), args, s)
}

func newVerbs() *verbs {
	tree := new(verbs)
	tree.Deploy.Canary = stackcmd.SendCanary
	return tree
}
