package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
	"sumoship/deploy/surroundings"
)

// documented holds the text between two marks of a page to what the program
// says. -update writes it.
func documented(t *testing.T, page, mark, want string) {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- %s: go test ./cmd/sumoship -run Documented -update writes this -->\n", mark), fmt.Sprintf("<!-- end of %s -->\n", mark)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has nothing between %s and %s", page, begin, end)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not up to date (-want +got):\n%s", page, diff)
	}
}

func TestDocumentedRulesAreTheRules(t *testing.T) {
	documented(t, "../../docs/fargate.md", "rules", ruleTable(fargate.Rules()))
	documented(t, "../../docs/fargate.md", "template rules", ruleTable(surroundings.Rules()))
	documented(t, "../../docs/fargate.md", "service rules", ruleTable(service.Rules()))
}

func ruleTable(rules []finding.Rule) string {
	var b strings.Builder
	b.WriteString("| Id | Severity | What it says | What to do | With `--allow` | On ECS Managed Instances | Source |\n|---|---|---|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	for _, r := range rules {
		says := r.Summary
		if r.Refusal != "" {
			says += " ECS: " + r.Refusal
		}
		managed, _ := fargate.OnManagedInstances(r.ID)
		fmt.Fprintf(&b, "| <a id=\"%s\"></a>`%s` | %s | %s | %s | %s | %s | %s |\n", r.ID, r.ID, r.Severity,
			cell.Replace(says), cell.Replace(r.Help.String()), cell.Replace(r.Allow), managed, cell.Replace(r.Source))
	}
	return b.String()
}

// The README shows the request with metadata, and the totals. Bodies in flight
// together arrive in any order, so the number of the request is fixed here.
func TestDocumentedLocalIsLocal(t *testing.T) {
	status, out, errs := command(t, nil, "local")
	requests, totals, _ := strings.Cut(out, "\n\n")
	for request := range strings.SplitSeq(requests+"\n", "POST ") {
		if strings.Contains(request, "X-Sumo-Category") {
			_, request, _ = strings.Cut(request, " ")
			documented(t, "../../README.md", "local", "\n"+block("POST 2 "+request+"…\n"+totals)+"\n")
			return
		}
	}
	t.Errorf("status %d, no request with metadata:\n%s%s", status, out, errs)
}

// block indents a text, as Markdown has code.
func block(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line != "\n" {
			line = "    " + line
		}
		b.WriteString(line)
	}
	return b.String()
}

// docs/fargate.md shows what the program writes.
func TestDocumentedConversionIsTheConversion(t *testing.T) {
	args := []string{"fargate", "convert", "testdata/taskdefs/shop.json", "--diff", "--show", "warning"}
	t.Chdir("../..")
	status, out, errs := command(t, map[string]string{"COLUMNS": "80"}, args...)
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s", status, errs)
	}
	input, err := os.ReadFile("testdata/taskdefs/shop.json")
	if err != nil {
		t.Fatal(err)
	}
	documented(t, "docs/fargate.md", "input", "\n"+block(string(input))+"\n")
	documented(t, "docs/fargate.md", "conversion", "\n"+block("$ sumoship "+strings.Join(args, " ")+"\n"+out+errs)+"\n")
}

// Every command in a block of the README and the pages is one: its verbs and flags
// exist. docs/operations.md's are run as well, but for those that say why not.
func TestDocumentedCommandsAreCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var (
		blocks = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$|((?:^    [^\n]*\n)+)")
		call   = regexp.MustCompile(`(?m)(?:^|[|;(]|then|do) *(?:\$ )?(?:\./)?sumoship ((?:'[^']*'|"[^"]*"|[^'"|;)#>\n])*)`)
		word   = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
		n      = 0
	)
	for _, page := range append(pages, "../../README.md") {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks.FindAllString(string(b), -1) {
			text := strings.ReplaceAll(block, "\\\n", " ")
			for _, m := range call.FindAllStringSubmatch(text, -1) {
				var args []string
				for _, w := range word.FindAllString(m[1], -1) {
					args = append(args, strings.NewReplacer("'", "", `"`, "").Replace(w))
				}
				n++
				// kong checks verbs and flags before it shows the help.
				if status, _, errs := command(t, nil, append(args, "--help")...); status != cli.ExitOK {
					t.Errorf("%s: sumoship %s: %s", page, m[1], errs)
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d commands", n)
	}
}
