package fargatecmd

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/cmd/sumoship/internal/subscribecmd"
)

// tree is the part of the command that this package is.
type tree struct {
	Fargate   Cmd                    `cmd:""`
	Subscribe subscribecmd.Subscribe `cmd:""` // meets fargate logs
}

// command runs a verb and returns what it wrote.
func command(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	return clitest.Run(t, new(tree), variables, args...)
}

func run(ctx context.Context, args []string, s cli.Streams) int {
	return cli.Run(ctx, new(tree), args, s)
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sumoship": func() {
		os.Exit(run(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
	}})
}
