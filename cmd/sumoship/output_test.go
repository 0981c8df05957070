package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
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
	shop, dir := "../../testdata/taskdefs/shop.json", t.TempDir()
	rules := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(rules, []byte("version: 1\nrules:\n  - rule: a\n    category: b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	calls := [][]string{
		{"--help"},
		{"help"},
		{"version"},
		{"version", "--json"},
		{"schema"},
		{"schema", "dlq", "status"},
		{"man"},
		{"completion", "bash"},
		{"rules", "schema"},
		{"rules", "validate", rules},
		{"rules", "validate", rules, "--json"},
		{"rules", "test", rules, "internal/localcmd/samples/ecs-web.json"},
		{"rules", "test", rules, "internal/localcmd/samples/ecs-web.json", "--jsonl"},
		{"dlq", "stats", "--queue", "dead"},
		{"dlq", "stats", "--queue", "dead", "--json"},
		{"dlq", "peek", "--queue", "dead", "--jsonl"},
		{"dlq", "replay", "--queue", "dead", "--dry-run", "--endpoint", "https://example.com/x"},
		{"dlq", "export", filepath.Join(dir, "saved"), "--queue", "dead"},
		{"dlq", "import", filepath.Join(dir, "saved"), "--queue", "dead"},
		{"dlq", "purge", "--undecodable", "--save", filepath.Join(dir, "purged"), "--queue", "dead"},
		{"backfill", "internal/localcmd/samples/ecs-web.json", "--dry-run", "--endpoint", "https://example.com/x"},
		{"fargate", "rules"},
		{"fargate", "register", "--dry-run", "testdata/fargate.json"},
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
	}
	// These write to the same output, which keeps the error of each; an account of fakes
	// for them is in the tests of their packages.
	elsewhere := []string{"sim" /* which is a test itself, and so not within another: the script */, "subscribe", "unsubscribe", "deploy", "rollback", "destroy", "doctor", "status", "tail", "rules try",
		"fargate logs", "fargate plan", "fargate cutover plan", "fargate cutover run", "fargate cutover status", "fargate cutover back", "fargate cutover targets"}
	for _, verb := range cli.Verbs(new(verbs)) {
		path := strings.Fields(verb.Path())
		row := func(args []string) bool { return len(args) >= len(path) && slices.Equal(args[:len(path)], path) }
		if slices.ContainsFunc(calls, row) == slices.Contains(elsewhere, verb.Path()) {
			t.Errorf("%s: is in none of the two lists, or in both", verb.Path())
		}
	}
	for _, args := range calls {
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
