// Mutate changes one thing at a time in the code of packages, runs their tests, and
// lists the changes that no test noticed. It leaves the files alone: the go command
// reads each change from an overlay.
//
//	go run ./function/prove/mutate [-n 100] [-seed 1] [-with ./function/ship] ./dlq ./sumo
//
// A change that does not compile does not count. -with names packages whose tests
// run too when those of the package pass.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	n := flag.Int("n", 0, "how many changes of each package to try, at random; 0 means all")
	seed := flag.Uint64("seed", 1, "of the random choice")
	with := flag.String("with", "", "packages, separated by commas, whose tests run too")
	limit := flag.Duration("timeout", 2*time.Minute, "of a test run, which then counts as failed")
	list := flag.Bool("list", false, "list the changes and run nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, pkg := range flag.Args() {
		mutants, err := find(pkg)
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutate:", err)
			os.Exit(1)
		}
		rng := rand.New(rand.NewPCG(*seed, 0))
		rng.Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
		if *list {
			for _, m := range mutants {
				fmt.Println(m)
			}
			continue
		}
		r := runner{tests: []string{pkg}, limit: *limit}
		if *with != "" {
			r.tests = append(r.tests, strings.Split(*with, ",")...)
		}
		counts := map[outcome]int{}
		for _, m := range mutants {
			if *n > 0 && counts[killed]+counts[survived] == *n {
				break
			}
			o, err := r.run(ctx, m)
			if err != nil {
				fmt.Fprintln(os.Stderr, "mutate:", err)
				os.Exit(1)
			}
			if counts[o]++; o == survived {
				fmt.Println("survived:", m)
			}
		}
		ran := counts[killed] + counts[survived]
		fmt.Printf("%s: %d of %d changes were noticed (%.1f %%); %d more do not compile; %d in all\n",
			pkg, counts[killed], ran, 100*float64(counts[killed])/float64(max(1, ran)), counts[invalid], len(mutants))
	}
}

// mutant is a file with one change.
type mutant struct {
	file string // path, absolute
	pos  token.Position
	what string
	text []byte // of the whole file
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d %s", filepath.Base(m.file), m.pos.Line, m.pos.Column, m.what)
}

// find returns all mutants of a package's files.
func find(pkg string) ([]mutant, error) {
	out, err := exec.Command("go", "list", "-f", `{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}`, pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pkg, err)
	}
	var mutants []mutant
	for _, file := range strings.Fields(string(out)) {
		// Each change is printed from a tree that is as it was parsed but for
		// the change, which is undone afterwards.
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		changes(f, func(at token.Pos, what string) {
			var text bytes.Buffer
			if err = printer.Fprint(&text, fset, f); err == nil {
				mutants = append(mutants, mutant{file, fset.Position(at), what, text.Bytes()})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return mutants, nil
}

// others are the operators that take an operator's place.
var others = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
}

// changes makes each change of a file in turn, and calls made while it holds.
func changes(f *ast.File, made func(at token.Pos, what string)) {
	ast.Inspect(f, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.GenDecl:
			return n.Tok != token.IMPORT && n.Tok != token.TYPE
		case *ast.BinaryExpr:
			if was := n.Op; others[was] != token.ILLEGAL {
				n.Op = others[was]
				made(n.OpPos, fmt.Sprintf("%s becomes %s", was, n.Op))
				n.Op = was
			}
		case *ast.IncDecStmt:
			was := n.Tok
			n.Tok = map[token.Token]token.Token{token.INC: token.DEC, token.DEC: token.INC}[was]
			made(n.TokPos, fmt.Sprintf("%s becomes %s", was, n.Tok))
			n.Tok = was
		case *ast.BasicLit:
			if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil && n.Kind == token.INT {
				was := n.Value
				n.Value = strconv.FormatInt(i+1, 10)
				made(n.Pos(), fmt.Sprintf("%s becomes %s", was, n.Value))
				n.Value = was
			}
		case *ast.Ident:
			if was := n.Name; was == "true" || was == "false" {
				n.Name = map[string]string{"true": "false", "false": "true"}[was]
				made(n.Pos(), fmt.Sprintf("%s becomes %s", was, n.Name))
				n.Name = was
			}
		case *ast.IfStmt:
			was := n.Cond
			n.Cond = &ast.UnaryExpr{Op: token.NOT, X: &ast.ParenExpr{X: was}}
			made(n.If, "the condition is negated")
			n.Cond = was
		case *ast.BranchStmt:
			if was := n.Tok; n.Label == nil && (was == token.BREAK || was == token.CONTINUE) {
				n.Tok = map[token.Token]token.Token{token.BREAK: token.CONTINUE, token.CONTINUE: token.BREAK}[was]
				made(n.TokPos, fmt.Sprintf("%s becomes %s", was, n.Tok))
				n.Tok = was
			}
		case *ast.BlockStmt:
			without(n.List, made)
		case *ast.CaseClause:
			without(n.Body, made)
		case *ast.CommClause:
			without(n.Body, made)
		}
		return true
	})
}

// without takes out each call and assignment of a list of statements in turn.
func without(list []ast.Stmt, made func(at token.Pos, what string)) {
	for i, was := range list {
		switch s := was.(type) {
		case *ast.ExprStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		default:
			continue
		}
		list[i] = &ast.EmptyStmt{Semicolon: was.Pos()}
		made(was.Pos(), "the statement is gone")
		list[i] = was
	}
}

// outcome is what the tests said of a change.
type outcome int

const (
	killed outcome = iota
	survived
	invalid // does not compile
)

// runner runs tests on mutants.
type runner struct {
	tests []string // packages, in the order in which they are run
	limit time.Duration
}

func (r runner) run(ctx context.Context, m mutant) (outcome, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	changed, overlay := filepath.Join(dir, filepath.Base(m.file)), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, m.text, 0o600); err != nil {
		return 0, err
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{m.file: changed}})
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		return 0, err
	}
	if err := command(ctx, "build", "-overlay", overlay, r.tests[0]).Run(); err != nil {
		return invalid, ctx.Err()
	}
	for _, pkg := range r.tests {
		test := command(ctx, "test", "-overlay", overlay, "-failfast", "-vet=off", "-timeout", r.limit.String(), pkg)
		if err := test.Run(); err != nil {
			return killed, ctx.Err()
		}
	}
	return survived, nil
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "go", args...)
	c.Stdout, c.Stderr = io.Discard, io.Discard
	return c
}
