package localcmd

import (
	"context"

	"sumoship/cmd/sumoship/internal/cli"
)

// tree is the part of the command that this package is.
type tree struct {
	Local Cmd `cmd:""`
}

// run runs a verb and returns its exit status.
func run(ctx context.Context, args []string, s cli.Streams) int {
	return cli.Run(ctx, new(tree), args, s)
}
