package fargate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOnlyEditsWithFindings reads the source: only edit.go calls the methods that
// edit a tree, and reports each edit.
func TestOnlyEditsWithFindings(t *testing.T) {
	edits := []string{"SetField", "SetKey", "DeleteField", "DeleteKey", "Append", "Remove", "Replace"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if receiver, ok := method.X.(*ast.CallExpr); ok && isNewReplacer(receiver) {
				return true
			}
			if slices.Contains(edits, method.Sel.Name) {
				calls++
				if name != "edit.go" {
					t.Errorf("%s calls %s", name, method.Sel.Name)
				}
			}
			return true
		})
	}
	if calls < 6 {
		t.Errorf("found %d edits: the test does not see the code", calls)
	}
}

func isNewReplacer(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && f.Sel.Name == "NewReplacer"
}
