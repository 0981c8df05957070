package main

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sumoship/sumo/leaktest"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sumoship": checksOutput})
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
			given, err := filesOf(e.WorkDir)
			if err != nil {
				return err
			}
			e.Defer(func() {
				found, err := filesOf(e.WorkDir)
				if err != nil {
					t.Error(err)
				}
				for name, text := range found {
					if text != given[name] {
						leaktest.Check(t, name, text)
					}
				}
			})
			return newAccount(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "dead": dead, "holds": holds, "show": show, "taken": taken, "arrived": arrived, "stored": stored, "metrics": metrics},
	})
}

// filesOf returns the texts of the files in a directory.
func filesOf(dir string) (map[string]string, error) {
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		texts[path] = string(b)
		return err
	})
	return texts, err
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
