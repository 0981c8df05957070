package stack_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/configuration.md gives the template's defaults, and names only variables that
// the template sets.
func TestDefaultsAreThoseOfTheTemplate(t *testing.T) {
	tmpl := readTemplate(t)
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	parameters := parametersOf(t, tmpl)
	s := tmpl.create(t, with(made, "Subscription=pattern"))
	set := map[string]bool{}
	for name := range s.of("AWS::Serverless::Function") {
		for v := range s.variables(name) {
			set[v] = true
		}
	}
	// Variables that the template does not need, with the reason.
	needless := map[string]string{
		"ENCODING": "ignored", "ROLE_ARN": "the destination is a function",
		"SUMO_TOKEN": notSet["Forwarder"]["SUMO_TOKEN"],
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| ([^|]*) \\|")
	literals := regexp.MustCompile("`([^`]*)`")
	rows := row.FindAllStringSubmatch(string(b), -1)
	if len(rows) < 20 {
		t.Fatalf("the page has %d variables", len(rows))
	}
	for _, m := range rows {
		variable, want := m[1], strings.TrimSpace(m[2])
		parameters, ok := parameters[variable]
		if !ok {
			if _, exempt := needless[variable]; !set[variable] && !exempt {
				t.Errorf("%s is in the page, but not in the template", variable)
			}
			continue
		}
		if !strings.HasPrefix(want, "`") {
			continue // described in words
		}
		defaults := literals.FindAllStringSubmatch(want, -1)
		if len(defaults) != len(parameters) {
			t.Errorf("%s: %d defaults in the page, parameters %q", variable, len(defaults), parameters)
			continue
		}
		for i, p := range parameters {
			if got := s.parameters[p]; got != defaults[i][1] {
				t.Errorf("%s: default %q, in the page %q", p, got, want)
			}
		}
	}
}

var update = flag.Bool("update", false, "write the generated part of docs/configuration.md")

// docs/configuration.md lists every parameter, with what template.yaml says about it.
func TestConfigurationIsTheTemplate(t *testing.T) {
	tmpl := readTemplate(t)
	variables := map[string][]string{} // by parameter
	for v, parameters := range parametersOf(t, tmpl) {
		for _, p := range parameters {
			variables[p] = append(variables[p], v)
		}
	}
	var want strings.Builder
	for _, g := range get(tmpl.section("Metadata"), "AWS::CloudFormation::Interface", "ParameterGroups").([]any) {
		fmt.Fprintf(&want, "\n### %s\n\n| Parameter | Default | Allowed | Variable | Meaning |\n|---|---|---|---|---|\n", get(g, "Label", "default"))
		for _, name := range get(g, "Parameters").([]any) {
			p := tmpl.section("Parameters")[name.(string)].(map[string]any)
			slices.Sort(variables[name.(string)])
			fmt.Fprintf(&want, "| `%s` | %s | %s | %s | %s |\n", name, code(p["Default"]), allowed(p), code(strings.Join(variables[name.(string)], " ")), cell(p["Description"]))
		}
	}
	want.WriteString("\n")
	const path = "../../docs/configuration.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const end = "<!-- end of parameters -->"
	before, rest, ok := strings.Cut(string(b), " writes this -->\n")
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the parameters", path)
	}
	if got == want.String() {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+" writes this -->\n"+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not of template.yaml; -update writes it (-want +got):\n%s", path, cmp.Diff(want.String(), got))
}

// cell is a text in a cell of a table, code one in a cell that shows it as it is.
func cell(v any) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(fmt.Sprint(v)) }

func code(v any) string {
	if v == nil || v == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(fmt.Sprint(v), "|", `\|`) + "`"
}

// allowed is what a parameter accepts, in words.
func allowed(p map[string]any) string {
	if values, ok := p["AllowedValues"].([]any); ok {
		var words []string
		for _, v := range values {
			words = append(words, fmt.Sprint(v))
		}
		return cell(strings.Join(words, ", "))
	}
	least, bounded := p["MinValue"]
	most, closed := p["MaxValue"]
	switch {
	case bounded && closed:
		return fmt.Sprintf("%v to %v", least, most)
	case bounded:
		return fmt.Sprintf("from %v", least)
	}
	return ""
}
