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

// mayImport names every package of the module with the siblings that it may
// import, and says whether it may know AWS's SDK. A name that ends in /… stands
// for all below it. What is not named is denied.
var mayImport = map[string]struct {
	siblings []string
	sdk      bool
}{
	"transform":     {},
	"history":       {},
	"sumo":          {},
	"sumo/sumotest": {},
	"sumo/leaktest": {},
	"dlq":           {sdk: true},
	"rules":         {siblings: []string{"rules/mask", "rules/pattern"}},
	"rules/mask":    {siblings: []string{"rules/pattern"}},
	"rules/pattern": {},
	"dlq/dlqtest":   {siblings: []string{"dlq"}},
	"dlq/sqstest":   {siblings: []string{"function/awstest"}, sdk: true},

	"version":                     {},
	"function":                    {siblings: []string{"version"}, sdk: true},
	"function/ship":               {siblings: []string{"function", "function/trigger", "transform", "rules", "rules/mask", "sumo", "dlq", "version"}, sdk: true},
	"function/subscribe":          {siblings: []string{"function", "function/trigger", "deploy/subscription"}, sdk: true},
	"function/subscribe/awsapi":   {siblings: []string{"deploy/subscription"}, sdk: true},
	"function/forwarder":          {siblings: []string{"function", "function/ship"}, sdk: true},
	"function/replay":             {siblings: []string{"function", "function/ship"}, sdk: true},
	"function/subscriber":         {siblings: []string{"function", "function/subscribe", "function/subscribe/awsapi"}, sdk: true},
	"function/stream":             {siblings: []string{"function", "function/ship"}, sdk: true},
	"function/trigger":            {},
	"function/heartbeat":          {siblings: []string{"function/trigger", "version"}, sdk: true},
	"function/awstest":            {},
	"function/awstest/lambdatest": {},
	"function/prove/mutate":       {},
	"function/awstest/logstest":   {siblings: []string{"function/awstest"}, sdk: true},
	"function/awstest/moto":       {},
	"function/timeline":           {},
	"function/sim":                {siblings: []string{"dlq", "dlq/sqstest", "function", "function/ship", "function/timeline", "sumo/sumotest"}, sdk: true},

	"deploy/tree":         {},
	"deploy/taskdef":      {siblings: []string{"deploy/tree"}},
	"deploy/finding":      {siblings: []string{"deploy/tree", "deploy/taskdef"}},
	"deploy/cfn":          {siblings: []string{"deploy/tree", "deploy/taskdef"}},
	"deploy/placement":    {},
	"deploy/fargate":      {siblings: []string{"deploy/tree", "deploy/taskdef", "deploy/finding", "deploy/placement"}},
	"deploy/iam":          {siblings: []string{"deploy/tree", "deploy/taskdef", "deploy/finding", "deploy/cfn"}},
	"deploy/service":      {siblings: []string{"deploy/tree", "deploy/taskdef", "deploy/finding", "deploy/cfn", "deploy/fargate", "deploy/iam", "deploy/subscription"}},
	"deploy/surroundings": {siblings: []string{"deploy/tree", "deploy/taskdef", "deploy/finding", "deploy/cfn"}},
	"deploy/cutover":      {},
	"deploy/estate":       {siblings: []string{"deploy/tree", "deploy/taskdef", "deploy/finding", "deploy/fargate"}},
	"deploy/subscription": {},
	"deploy/explain":      {siblings: []string{"deploy/tree", "deploy/taskdef", "deploy/finding", "deploy/fargate"}},
	"deploy/eni":          {},

	"release": {},

	"cmd/sumoship":                       {siblings: []string{"cmd/sumoship/internal/…"}},
	"cmd/sumoship/internal/backfillcmd":  {siblings: []string{"cmd/sumoship/internal/cli", "cmd/sumoship/internal/objects", "history", "sumo", "function", "function/ship", "function/subscribe/awsapi", "deploy/subscription"}, sdk: true},
	"cmd/sumoship/internal/cli":          {siblings: []string{"deploy/finding", "function", "version"}, sdk: true},
	"cmd/sumoship/internal/clitest":      {siblings: []string{"cmd/sumoship/internal/cli", "transform", "dlq/sqstest", "function/awstest/…", "sumo/leaktest"}, sdk: true},
	"cmd/sumoship/internal/delivery":     {siblings: []string{"cmd/sumoship/internal/cli", "deploy/subscription", "function/subscribe/awsapi"}, sdk: true},
	"cmd/sumoship/internal/deploycmd":    {siblings: []string{"cmd/sumoship/internal/cli", "cmd/sumoship/internal/doctor", "sumo"}, sdk: true},
	"cmd/sumoship/internal/dlqcmd":       {siblings: []string{"cmd/sumoship/internal/cli", "cmd/sumoship/internal/objects", "transform", "sumo", "dlq", "function", "function/ship"}, sdk: true},
	"cmd/sumoship/internal/objects":      {siblings: []string{"cmd/sumoship/internal/cli", "dlq"}, sdk: true},
	"cmd/sumoship/internal/objects/…":    {},
	"cmd/sumoship/internal/cutovercmd":   {siblings: []string{"cmd/sumoship/internal/cli", "deploy/cutover", "deploy/service", "deploy/tree"}, sdk: true},
	"cmd/sumoship/internal/fargatecmd":   {siblings: []string{"cmd/sumoship/internal/cli", "cmd/sumoship/internal/cutovercmd", "cmd/sumoship/internal/delivery", "function/subscribe", "function/subscribe/awsapi", "deploy/…", "version"}, sdk: true},
	"cmd/sumoship/internal/localcmd":     {siblings: []string{"cmd/sumoship/internal/cli", "history", "transform", "sumo", "sumo/sumotest", "dlq", "dlq/dlqtest", "function", "function/ship"}},
	"cmd/sumoship/internal/rulescmd":     {siblings: []string{"cmd/sumoship/internal/cli", "history", "transform", "rules", "function/ship"}, sdk: true},
	"cmd/sumoship/internal/doctor":       {siblings: []string{"sumo", "dlq", "deploy/subscription", "function", "function/ship", "function/subscribe/awsapi", "version"}, sdk: true},
	"cmd/sumoship/internal/stackcmd":     {siblings: []string{"cmd/sumoship/internal/cli", "cmd/sumoship/internal/doctor", "version"}, sdk: true},
	"cmd/sumoship/internal/simcmd":       {siblings: []string{"cmd/sumoship/internal/cli", "function/sim", "function/timeline", "sumo/sumotest"}},
	"cmd/sumoship/internal/schemacmd":    {siblings: []string{"cmd/sumoship/internal/cli"}},
	"cmd/sumoship/internal/shellcmd":     {siblings: []string{"cmd/sumoship/internal/cli"}},
	"cmd/sumoship/internal/versioncmd":   {siblings: []string{"cmd/sumoship/internal/cli", "version"}},
	"cmd/sumoship/internal/subscribecmd": {siblings: []string{"cmd/sumoship/internal/cli", "cmd/sumoship/internal/delivery", "function/subscribe", "deploy/subscription"}},
}

// stands reports whether a name of the table stands for a package.
func stands(name, pkg string) bool {
	parent, all := strings.CutSuffix(name, "…")
	return name == pkg || all && strings.HasPrefix(pkg, parent)
}

func TestImportsKeepTheArrows(t *testing.T) {
	root := os.DirFS("..")
	seen := map[string]bool{}
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && (path == "dist" || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		name := pkg
		if _, ok := mayImport[name]; !ok {
			for n := range mayImport {
				if stands(n, pkg) {
					name = n
				}
			}
		}
		seen[name] = true
		rule, ok := mayImport[name]
		if !ok {
			t.Errorf("%s: the table does not name this package", pkg)
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
			if ours && !slices.ContainsFunc(rule.siblings, func(name string) bool { return stands(name, sibling) }) {
				t.Errorf("%s imports %s", path, name)
			}
			if (strings.HasPrefix(name, "github.com/aws/aws-sdk-go-v2") || strings.HasPrefix(name, "github.com/aws/aws-lambda-go")) && !rule.sdk {
				t.Errorf("%s imports %s: this package must not know AWS's SDK", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("the table names %s, which does not exist", name)
		}
	}
}
