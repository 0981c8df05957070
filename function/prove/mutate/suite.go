package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outcome is what the tests said of a change.
type outcome string

const (
	killed    outcome = "noticed"
	overtime  outcome = "out of time" // noticed, since the tests did not end
	survived  outcome = "survived"
	unreached outcome = "not reached" // by any test
)

// binary is the built tests of a package.
type binary struct {
	path, dir, program string
	tests              []test
}

// test is a test of a package.
type test struct {
	name    string
	cpu     time.Duration // what it took, without what others took meanwhile
	took    time.Duration
	reaches map[int]bool // changes, by number
}

// suite is the tests of all packages.
type suite struct {
	dir      string // for files of its own
	binaries []*binary
	skip     *regexp.Regexp // tests left out; nil means none
	slow     time.Duration
	patience time.Duration
}

// build builds the tests of packages with the changes in them.
func build(ctx context.Context, dir string, packages []mutated) (*suite, error) {
	s := &suite{dir: dir}
	for i, p := range packages {
		b := &binary{path: p.path, dir: p.dir, program: filepath.Join(dir, strconv.Itoa(i)+".test")}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-p", "1", "-overlay", filepath.Join(dir, "overlay.json"), "-o", b.program, p.path)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go test -c %s: %w\n%s", p.path, err, out)
		}
		s.binaries = append(s.binaries, b)
	}
	return s, nil
}

// run runs tests of a package with a change, 0 for none.
func (b *binary) run(ctx context.Context, names []string, change int, limit time.Duration, env ...string) (cpu time.Duration, err error) {
	// The tests' own limit would leave a process that does not get to it.
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.program, "-test.short", "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Dir, cmd.WaitDelay = b.dir, time.Second
	cmd.Env = append(append(os.Environ(), "MUTATE_CHANGE="+strconv.Itoa(change)), env...)
	if err = cmd.Run(); cmd.ProcessState != nil {
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return cpu, err
}

// trace finds out what each test reaches, and leaves out those that fail, and those
// that are slow.
func (s *suite) trace(ctx context.Context, workers int, log io.Writer) error {
	for n, b := range s.binaries {
		cmd := exec.CommandContext(ctx, b.program, "-test.list", ".")
		cmd.Dir = b.dir
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("the tests of %s: %w", b.path, err)
		}
		var names []string
		for name := range strings.FieldsSeq(string(out)) {
			if !strings.HasPrefix(name, "Benchmark") && (s.skip == nil || !s.skip.MatchString(name)) {
				names = append(names, name)
			}
		}
		tests := make([]test, len(names))
		errs := make([]error, len(names))
		each(ctx, workers, len(names), func(i int) {
			path := filepath.Join(s.dir, fmt.Sprintf("trace-%d-%d", n, i))
			start := time.Now()
			cpu, err := b.run(ctx, names[i:i+1], 0, 20*s.slow, "MUTATE_TRACE="+path)
			tests[i], errs[i] = test{names[i], cpu, time.Since(start), reached(path)}, err
		})
		for i, t := range tests {
			switch {
			case errs[i] != nil:
				fmt.Fprintf(log, "left out, since it fails: %s %s: %v\n", b.path, t.name, errs[i])
			case t.cpu > s.slow:
				fmt.Fprintf(log, "left out, since it takes %s: %s %s\n", t.cpu.Round(time.Millisecond), b.path, t.name)
			default:
				b.tests = append(b.tests, t)
			}
		}
		slices.SortFunc(b.tests, func(a, b test) int { return cmp.Compare(a.cpu, b.cpu) })
		fmt.Fprintf(log, "%s: %d tests\n", b.path, len(b.tests))
	}
	return ctx.Err()
}

// reached reads a trace.
func reached(path string) map[int]bool {
	out := map[int]bool{}
	b, err := os.ReadFile(path)
	if err != nil {
		return out // a test that reaches none
	}
	for line := range bytes.FieldsSeq(b) {
		if id, err := strconv.Atoi(string(line)); err == nil {
			out[id] = true
		}
	}
	return out
}

// try runs the tests that reach a change, with the change or, to see whether they are
// green, without it.
func (s *suite) try(ctx context.Context, own string, id int, with bool) outcome {
	binaries := slices.Clone(s.binaries)
	slices.SortStableFunc(binaries, func(a, b *binary) int {
		return cmp.Compare(strconv.FormatBool(a.path != own), strconv.FormatBool(b.path != own))
	})
	change := id
	if !with {
		change = 0
	}
	result := unreached
	for _, b := range binaries {
		var tests []test
		for _, t := range b.tests {
			if t.reaches[id] {
				tests = append(tests, t)
			}
		}
		// The quickest first: most changes are noticed by most tests.
		for n := 8; len(tests) > 0; n *= 2 {
			n = min(n, len(tests))
			some := tests[:n]
			tests = tests[n:]
			var names []string
			limit := s.patience
			for _, t := range some {
				names = append(names, t.name)
				limit += 5 * t.took
			}
			switch _, err := b.run(ctx, names, change, limit); {
			case errors.Is(err, context.DeadlineExceeded):
				return overtime
			case err != nil:
				return killed
			}
			result = survived
		}
	}
	return result
}
