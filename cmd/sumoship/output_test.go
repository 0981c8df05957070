package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// full is a disk with room for some bytes.
type full struct{ room int }

var errFull = errors.New("no space left on device")

func (f *full) Write(b []byte) (int, error) {
	n := min(f.room, len(b))
	f.room -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

// No verb ends well when its output is not written whole.
func TestOutputThatCannotBeWritten(t *testing.T) {
	server := clitest.Queues(t)
	clitest.Send(t, server, "dead", clitest.Message("/ecs/shop", "a"), nil)
	shop := "../../testdata/taskdefs/shop.json"
	for _, args := range [][]string{
		{"--help"},
		{"local"},
		{"local", "--json"},
		{"dlq", "status", "--queue", "dead"},
		{"dlq", "peek", "--queue", "dead"},
		{"dlq", "peek", "--queue", "quarantine"},
		{"dlq", "redrive", "--queue", "dead"},
		{"fargate", "eni", "--instance-type", "c5.large", "--tasks", "3", "--trunking"},
		{"fargate", "explain"},
		{"fargate", "explain", shop},
		{"fargate", "check", shop, "--fail-on", "error"},
		{"fargate", "convert", shop},
		{"fargate", "diff", shop},
		{"fargate", "iam", shop},
		{"fargate", "service", shop, "--service", "shop"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			getenv := func(string) string { return "" }
			var whole bytes.Buffer
			status := run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &whole, Err: new(bytes.Buffer), Getenv: getenv})
			if whole.Len() == 0 {
				t.Fatalf("status %d, no output", status)
			}
			for _, room := range []int{0, whole.Len() / 2, whole.Len() * 9 / 10} {
				var errs bytes.Buffer
				status := run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &full{room}, Err: &errs, Getenv: getenv})
				if status == cli.ExitOK || strings.Count(errs.String(), errFull.Error()) != 1 {
					t.Errorf("room for %d bytes: status %d\n%s", room, status, errs.String())
				}
			}
		})
	}
}
