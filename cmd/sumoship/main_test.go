package main

import (
	"errors"
	"flag"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sumoship": checksJSON})
}

func TestScripts(t *testing.T) {
	checked := t.TempDir()
	if flag.Lookup("test.run").Value.String() == "" || flag.Lookup("test.run").Value.String() == "TestScripts" { // all of them
		t.Cleanup(func() { everyVerbWasChecked(t, checked) })
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// The variables of whoever runs the tests are not ours.
			e.Setenv("LOG_FORMAT", "")
			e.Setenv("COLUMNS", "")
			e.Setenv(checkedDir, checked)
			return newAccount(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "dead": dead, "holds": holds, "show": show, "taken": taken, "stored": stored},
	})
}

// exits runs a program in a script and holds it to its exit status: exits 2
// sumoship …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status program [args...]")
	}
	status := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		status = e.ExitCode()
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}
