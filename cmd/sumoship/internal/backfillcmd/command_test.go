package backfillcmd

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/klauspost/compress/gzip"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/sumo/sumotest"
)

// tree is the part of the command that this package is.
type tree struct {
	Backfill Cmd `cmd:""`
}

// asCommand makes the test's binary the command, as a process that can be killed.
const asCommand = "BACKFILL_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		cli.Main(func(ctx context.Context, args []string, s cli.Streams) int { return cli.Run(ctx, new(tree), args, s) })
	}
	os.Exit(m.Run())
}

// command runs the verb and returns what it wrote.
func command(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	return clitest.Run(t, new(tree), variables, append([]string{"backfill"}, args...)...)
}

// source runs an HTTP Source, and returns the variables that name it.
func source(t *testing.T, steps ...sumotest.Step) (*sumotest.Source, map[string]string) {
	t.Helper()
	s := sumotest.New(steps...)
	address, stop, err := s.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, map[string]string{"SUMO_ENDPOINT": address, "NUMBER_OF_RETRIES": "1", "RETRY_INTERVAL": "1"}
}

// lines returns the records that a source has stored.
func lines(s *sumotest.Source) (all []string) {
	for _, r := range s.Requests() {
		if r.Taken {
			all = append(all, r.Lines()...)
		}
	}
	return all
}

func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
