package subscribecmd

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

// tree is the part of the command that this package is.
type tree struct {
	Subscribe   Subscribe   `cmd:""`
	Unsubscribe Unsubscribe `cmd:""`
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
