package function_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is who may import whom, and which packages may know AWS's SDK. A
// package that is not named here may import everything.
var mayImport = map[string]struct {
	siblings []string
	sdk      bool
}{
	"transform":     {},
	"sumo":          {},
	"sumo/sumotest": {},
	"dlq":           {sdk: true},
	"dlq/dlqtest":   {siblings: []string{"dlq"}},
	"dlq/sqstest":   {siblings: []string{"function/awstest"}, sdk: true},
	"function":      {siblings: []string{"transform", "sumo", "dlq", "deploy/subscription"}, sdk: true},
	"deploy":        {siblings: []string{"deploy/tree", "deploy/subscription"}},
	"deploy/tree":   {},
	"deploy/eni":    {},

	// Apart from function, so that no binary carries clients that it never calls.
	"function/loggroups":  {siblings: []string{"deploy/subscription"}, sdk: true},
	"function/lambdas":    {siblings: []string{"deploy/subscription"}, sdk: true},
	"function/logstest":   {siblings: []string{"function/awstest"}, sdk: true},
	"function/awstest":    {},
	"deploy/subscription": {},
}

func TestImportsKeepTheArrows(t *testing.T) {
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		rule, ok := mayImport[pkg]
		if !ok {
			return nil
		}
		b, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, b, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			sibling, ours := strings.CutPrefix(name, "sumoship/")
			if ours && !slices.Contains(rule.siblings, sibling) {
				t.Errorf("%s imports %s", path, name)
			}
			if (strings.HasPrefix(name, "github.com/aws/aws-sdk-go-v2") || strings.HasPrefix(name, "github.com/aws/aws-lambda-go")) && !rule.sdk {
				t.Errorf("%s imports %s: this package is not to know AWS's SDK", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
