package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// sample writes the files of a module and makes its directory the working directory.
func sample(t *testing.T, archive string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte("-- go.mod --\nmodule sample\n\ngo 1.26\n" + archive)).Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "") // the module has nothing beside itself
}

func mutate(t *testing.T, args ...string) (lines []string) {
	t.Helper()
	var out, log bytes.Buffer
	if err := run(t.Context(), args, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	dir, _ := os.Getwd()
	text := strings.ReplaceAll(out.String(), filepath.Base(dir)+"/", "")
	return strings.Split(strings.TrimSpace(text), "\n")
}

// Every operator, where it stands.
func TestChangesAreListed(t *testing.T) {
	sample(t, `-- a.go --
package sample

import "time"

const limit = 3

type kind uint8

const some kind = 1

var wait = 2 * time.Second

func f(a, b int, s string, k kind) (int, error) {
	if a < b && s != "" {
		a++
		defer done()
	}
	for i := range limit {
		if i == a {
			break
		}
	}
	switch k {
	case some:
		a = a*2 + b
		s += s + "x"
	}
	return a % 2, nil
}

func done() { panic("never"); recover() }

type pair struct{ a, b int }

func zero() (pair, [2]int, []int) { return pair{}, [2]int{}, nil }

func empty() ([]int, any) { return []int{}, pair{} }

func boxed() any { return pair{} }

func ends(k kind) bool {
	switch {
	case k == some:
		print(k)
		return true
	default:
		return false
	}
}
`)
	got := mutate(t, "-list", ".")
	want := []string{
		`a.go:11:12 package: 2 * time.Second becomes one more`,
		`a.go:14:5 f: the condition is always true`, `a.go:14:5 f: the condition is never true`,
		`a.go:14:7 f: < becomes <=`, `a.go:14:11 f: && becomes ||`, `a.go:14:16 f: != becomes the contrary`,
		`a.go:15:3 f: the statement is gone`, `a.go:16:3 f: the statement is gone`,
		`a.go:18:2 f: the loop does nothing`, `a.go:18:17 f: limit becomes one more`,
		`a.go:19:6 f: the condition is always true`, `a.go:19:6 f: the condition is never true`, `a.go:19:8 f: == becomes the contrary`,
		`a.go:20:4 f: the statement is gone`, `a.go:24:2 f: the case does nothing`,
		`a.go:25:3 f: the statement is gone`, `a.go:25:8 f: * becomes /`, `a.go:25:9 f: 2 becomes one more`, `a.go:25:11 f: + becomes -`,
		`a.go:26:3 f: the statement is gone`, `a.go:26:10 f: what is appended is missing`,
		`a.go:28:2 f: zero values are returned`, `a.go:28:11 f: % becomes *`, `a.go:28:13 f: 2 becomes one more`,
		`a.go:31:13 done: the function does nothing`, `a.go:31:31 done: the statement is gone`,
		`a.go:37:29 empty: zero values are returned`, `a.go:39:20 boxed: zero values are returned`,
		`a.go:43:9 ends: == becomes the contrary`, `a.go:43:12 ends: some becomes one more`, `a.go:44:3 ends: the statement is gone`,
		`a.go:45:3 ends: zero values are returned`, `a.go:45:10 ends: true becomes false`, `a.go:47:10 ends: false becomes true`,
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What the tests do not notice is told, and what those do not reach that pass without a
// change. A loop without an end is noticed.
func TestSurvivorsAreTold(t *testing.T) {
	sample(t, `-- a.go --
package sample

func Clamp(n, most int) int {
	if n > most {
		return most
	}
	return n
}

func Count(n int) (out int) {
	for n > 0 {
		n--
		out++
	}
	return out
}

func Other() bool { return true }
-- a_test.go --
package sample

import "testing"

func TestClamp(t *testing.T) {
	if Clamp(1, 2) != 1 || Clamp(3, 2) != 2 {
		t.Error("not clamped")
	}
}

func TestCount(t *testing.T) {
	if Count(2) != 2 {
		t.Error("not counted")
	}
}

func TestFails(t *testing.T) { Other(); t.Error("always") }
`)
	got := mutate(t, "-patience", "1s", ".")
	want := []string{
		"not reached: a.go:18:21 Other: zero values are returned",
		"not reached: a.go:18:28 Other: true becomes false",
		"survived: a.go:4:7 Clamp: > becomes >=",
	}
	slices.Sort(got[:len(got)-1])
	if d := cmp.Diff(want, got[:len(got)-1]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if last := got[len(got)-1]; !strings.Contains(last, "10 of 13 changes were noticed (76.9 %), 1 of them since tests did not end") || !strings.Contains(last, "1 survived, 2 are not reached") {
		t.Error(last)
	}
}

// A bound is reached by a test that never meets it: such a change has survived.
func TestABoundThatIsNeverMetIsReached(t *testing.T) {
	sample(t, `-- a.go --
package sample

func Less(a, b int) bool           { return a < b }
func LessOrEqual(a, b int) bool    { return a <= b }
func Greater(a, b int) bool        { return a > b }
func GreaterOrEqual(a, b int) bool { return a >= b }
-- a_test.go --
package sample

import "testing"

func Test(t *testing.T) {
	if !Less(1, 2) || !LessOrEqual(1, 2) || !Greater(2, 1) || !GreaterOrEqual(2, 1) {
		t.Error("not so")
	}
	if Less(2, 1) || LessOrEqual(2, 1) || Greater(1, 2) || GreaterOrEqual(1, 2) {
		t.Error("so")
	}
}
`)
	got := mutate(t, "-only", "becomes", ".")
	want := []string{
		"survived: a.go:3:47 Less: < becomes <=",
		"survived: a.go:4:47 LessOrEqual: <= becomes <",
		"survived: a.go:5:47 Greater: > becomes >=",
		"survived: a.go:6:47 GreaterOrEqual: >= becomes >",
	}
	slices.Sort(got[:len(got)-1])
	if d := cmp.Diff(want, got[:len(got)-1]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A score under the least is an error, of each package that has one.
func TestLeastScore(t *testing.T) {
	sample(t, `-- a.go --
package sample

func Yes() bool { return true }
func No() bool  { return true }
-- a_test.go --
package sample

import "testing"

func Test(t *testing.T) {
	No()
	if !Yes() {
		t.Error("no")
	}
}
`)
	for least, want := range map[string]string{"50": "", "50.5": "sample: 50.0 % were noticed, want 50.5 %"} {
		err := run(t.Context(), []string{"-least", least, "."}, io.Discard, io.Discard)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("least %s: %v, want %q", least, err, want)
		}
	}
}
