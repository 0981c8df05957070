package docs_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
)

// docs/architecture.md names every package and every file of it, and no other.
func TestArchitectureNamesWhatExists(t *testing.T) {
	page, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	root := os.DirFS("..")
	named := map[string][]string{} // the files by package
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		var files []string
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if strings.HasSuffix(m[1], ".go") {
				files = append(files, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			if _, twice := named[m[1]]; twice {
				t.Errorf("%s has two rows", m[1])
			}
			named[m[1]] = files
		}
	}

	there := map[string][]string{}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (name == "dist" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go"):
			pkg := path.Dir(name)
			there[pkg] = append(there[pkg], d.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, files := range there {
		if _, ok := named[pkg]; !ok {
			t.Errorf("%s has no row", pkg)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") && !slices.Contains(named[pkg], f) {
				t.Errorf("the row of %s lacks %s", pkg, f)
			}
		}
	}
	for pkg, files := range named {
		for _, f := range files {
			if !slices.Contains(there[pkg], f) {
				t.Errorf("the row of %s names %s, which does not exist", pkg, f)
			}
		}
	}
}

// docs/reliability.md names for each promise tests and a command that are there.
func TestPromisesNameTheirTests(t *testing.T) {
	page, err := os.ReadFile("reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	root := os.DirFS("..")
	promises := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || strings.TrimSpace(cells[0]) != strconv.Itoa(promises+1) {
			continue
		}
		promises++
		// Packages in backquotes, each before its tests.
		pkg, tests := "", 0
		for _, word := range regexp.MustCompile("`[^`]+`|"+testName.String()).FindAllString(cells[2], -1) {
			if strings.HasPrefix(word, "`") {
				pkg = strings.Trim(word, "`")
			} else if tests++; !declares(t, root, pkg, word) {
				t.Errorf("promise %d: %q has no %s", promises, pkg, word)
			}
		}
		if tests == 0 || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("promise %d has no test, or no figure and does not say so", promises)
		}
		command := regexp.MustCompile("`go test \\./(\\S+) -run (\\w+)").FindStringSubmatch(cells[4])
		if command == nil || !declares(t, root, command[1], command[2]) {
			t.Errorf("promise %d: the command %s runs no test", promises, cells[4])
		}
	}
	if promises != 13 {
		t.Errorf("%d promises in order, want 13", promises)
	}
}

// declares reports whether a test file of the package declares the function.
func declares(t *testing.T, root fs.FS, pkg, function string) bool {
	files, err := fs.Glob(root, pkg+"/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := fs.ReadFile(root, f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+function+"(") {
			return true
		}
	}
	return false
}
