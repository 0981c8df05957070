package dlqcmd

import (
	"context"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// tree is the part of the command that this package is.
type tree struct {
	DLQ Cmd `cmd:"" name:"dlq"`
}

// command runs a verb and returns what it wrote.
func command(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	return clitest.Run(t, new(tree), variables, args...)
}

func run(ctx context.Context, args []string, s cli.Streams) int {
	return cli.Run(ctx, new(tree), args, s)
}
