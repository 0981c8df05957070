package fargatecmd

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

var escapes = regexp.MustCompile("\x1b\\[[0-9]*m")

func TestFargateOnATerminal(t *testing.T) {
	shop := file(t, "shop.json", ec2Shop)
	check := []string{"fargate", "check", shop, "--region", "eu-west-1"}
	_, plain, _ := command(t, nil, check...)
	if escapes.MatchString(plain) {
		t.Errorf("colour in a file:\n%q", plain)
	}
	for _, columns := range []uint16{40, 80, 160} {
		shown := clitest.OnTerminal(t, new(tree), columns, map[string]string{"TERM": "xterm"}, check...)
		if !escapes.MatchString(shown) {
			t.Errorf("no colour on a terminal of %d columns:\n%q", columns, shown)
		}
		longest := 0
		for line := range strings.Lines(escapes.ReplaceAllString(shown, "")) {
			if !strings.HasPrefix(line, shop) && !strings.HasPrefix(line, "1 definition") {
				longest = max(longest, len([]rune(strings.TrimSuffix(line, "\n"))))
			}
		}
		if longest > int(columns) || longest < int(columns)/2 {
			t.Errorf("%d columns of %d are used\n%s", longest, columns, shown)
		}
		for name, variables := range map[string]map[string]string{"NO_COLOR": {"NO_COLOR": "1"}, "TERM": {"TERM": "dumb"}} {
			if got := clitest.OnTerminal(t, new(tree), columns, variables, check...); got != escapes.ReplaceAllString(shown, "") {
				t.Errorf("%s: want the same without colour:\n%q", name, got)
			}
		}
	}
	diff := clitest.OnTerminal(t, new(tree), 80, map[string]string{"TERM": "xterm"}, "fargate", "diff", shop, "--region", "eu-west-1")
	if !strings.Contains(diff, "\x1b[31m-        \"networkMode\": \"bridge\",\x1b[0m\n") && !strings.Contains(diff, "\x1b[31m-") {
		t.Errorf("%q", diff)
	}
}

// What is written is written whole: a file keeps its mode, a link stays a link,
// a pipe is not replaced, and a failure leaves what was there.
func TestConvertWritesFilesWhole(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	convert := func(out string, args ...string) (status int, errs string) {
		status, stdout, errs := command(t, nil, append([]string{"fargate", "convert", path("in.json"), "-o", out, "--region", "eu-west-1"}, args...)...)
		if stdout != "" {
			t.Errorf("written to standard output:\n%s", stdout)
		}
		return status, errs
	}
	for name, mode := range map[string]os.FileMode{"in.json": 0o640, "target.json": 0o600} {
		if err := os.WriteFile(path(name), []byte(ec2Shop), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("target.json", path("link.json")); err != nil {
		t.Fatal(err)
	}
	if status, errs := convert(path("link.json")); status != cli.ExitOK {
		t.Fatal(errs)
	}
	converted, err := os.ReadFile(path("target.json"))
	if err != nil || !json.Valid(converted) || !bytes.Contains(converted, []byte("awsvpc")) {
		t.Errorf("%v: %s", err, converted)
	}
	if info, err := os.Lstat(path("link.json")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if status, errs := convert(path("in.json")); status != cli.ExitOK { // in place
		t.Fatal(errs)
	}
	if info, err := os.Stat(path("in.json")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info, err)
	}
	if again, err := os.ReadFile(path("in.json")); err != nil || !bytes.Equal(again, converted) {
		t.Errorf("%v: %s", err, again)
	}
	// A pipe of our own: never a device of the machine, which a broken program
	// would replace.
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path("pipe"), os.O_RDWR, 0) // opening does not block until the other end is open
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if status, errs := convert(path("pipe")); status != cli.ExitOK {
		t.Error(errs)
	}
	if info, err := os.Lstat(path("pipe")); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v %v", info, err)
	} else if b := make([]byte, len(converted)); true {
		if _, err := io.ReadFull(pipe, b); err != nil || !bytes.Equal(b, converted) {
			t.Errorf("%v: %s", err, b)
		}
	}
	if status, errs := convert(path("no/out.json")); status != cli.ExitUsage || !strings.Contains(errs, "no such file or directory") {
		t.Errorf("status %d: %s", status, errs)
	}
	if left, err := filepath.Glob(path("*")); err != nil || len(left) != 4 {
		t.Errorf("left behind: %v", left)
	}
}
