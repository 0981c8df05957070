package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// support is the code that the changed code calls, without its package clause.
//
//go:embed support.go.txt
var support string

const supportFile = "mutants_support.go"

// mutated is a package with its changes.
type mutated struct {
	path, dir string
	changes   []change
	all       int
}

// listed is a package as go list tells of it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly, Standard       bool
}

// instrument writes the instrumented files of packages into a directory, with
// overlay.json, which puts them in the place of the packages' own.
func instrument(ctx context.Context, dir string, patterns []string) ([]mutated, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly,Standard", "--", "cmp", "os", "strconv", "sync/atomic", "time"}
	cmd := exec.CommandContext(ctx, "go", append(args, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	var wanted []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && !p.Standard {
			wanted = append(wanted, p)
		}
	}
	fset := token.NewFileSet()
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	replace := map[string]string{}
	var packages []mutated
	last := 0
	for i, p := range wanted {
		m, files, err := instrumentPackage(fset, config, p, last)
		if err != nil {
			return nil, err
		}
		last += len(m.changes)
		packages = append(packages, m)
		for name, text := range files {
			path := filepath.Join(dir, fmt.Sprintf("%d-%s", i, name))
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return nil, err
			}
			replace[filepath.Join(p.Dir, name)] = path
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	return packages, os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600)
}

// instrumentPackage returns the files of a package with all changes that compile. It
// leaves out those of a line that does not.
func instrumentPackage(fset *token.FileSet, config types.Config, p listed, before int) (mutated, map[string][]byte, error) {
	var files []*ast.File
	sources := map[string][]byte{}
	for _, name := range p.GoFiles {
		src, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return mutated{}, nil, err
		}
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), src, parser.SkipObjectResolution)
		if err != nil {
			return mutated{}, nil, err
		}
		files, sources[name] = append(files, f), src
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	pkg, err := config.Check(p.ImportPath, fset, files, info)
	if err != nil {
		return mutated{}, nil, err
	}
	skipped := map[string]bool{}
	where := func(at token.Position) string { return fmt.Sprintf("%s:%d", base(at.Filename), at.Line) }
	for {
		m := mutated{path: p.ImportPath, dir: p.Dir}
		out := map[string][]byte{}
		id := before
		for _, f := range files {
			name := base(fset.Position(f.Pos()).Filename)
			x := &instrumenter{
				dir: base(p.Dir), fset: fset, file: f, src: sources[name], info: info, pkg: pkg, same: map[ast.Expr]bool{},
				next:    func() int { id++; return id },
				skipped: func(at token.Position) bool { return skipped[where(at)] },
			}
			x.walk()
			out[name] = x.text()
			m.changes = append(m.changes, x.changes...)
		}
		out[supportFile] = fmt.Appendf(nil, "package %s\n\n%s\nconst mutantFirst, mutantLast = %d, %d\n", pkg.Name(), strings.TrimSpace(support), before+1, id)
		wrong := check(config, p, out)
		if len(wrong) == 0 {
			return m, out, nil
		}
		more := false
		for _, e := range wrong {
			if at := where(e.Fset.Position(e.Pos)); !skipped[at] {
				skipped[at], more = true, true
			}
		}
		if !more {
			return mutated{}, nil, fmt.Errorf("%s cannot be changed: %w", p.ImportPath, wrong[0])
		}
	}
}

// check returns what does not compile of a package's files.
func check(config types.Config, p listed, texts map[string][]byte) (wrong []types.Error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for name, text := range texts {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), text, parser.SkipObjectResolution)
		if err != nil {
			return []types.Error{{Fset: fset, Pos: f.Pos(), Msg: err.Error()}}
		}
		files = append(files, f)
	}
	config.Error = func(err error) {
		if e, ok := errors.AsType[types.Error](err); ok {
			wrong = append(wrong, e)
		}
	}
	_, _ = config.Check(p.ImportPath, fset, files, nil) // its errors are in wrong
	return wrong
}
