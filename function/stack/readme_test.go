package stack_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README gives the template's defaults, and names only variables that the
// template sets.
func TestDefaultsAreThoseOfTheReadme(t *testing.T) {
	tmpl := readTemplate(t)
	b, err := os.ReadFile("../../README.md")
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
	rows := row.FindAllStringSubmatch(string(b), -1)
	if len(rows) < 20 {
		t.Fatalf("the README has %d variables", len(rows))
	}
	for _, m := range rows {
		variable, want := m[1], strings.TrimSpace(m[2])
		parameter, ok := parameters[variable]
		if !ok {
			if _, exempt := needless[variable]; !set[variable] && !exempt {
				t.Errorf("%s is in the README, but not in the template", variable)
			}
			continue
		}
		value, literal := strings.CutPrefix(want, "`")
		if !literal {
			continue // described in words
		}
		if got := s.parameters[parameter]; got != strings.TrimSuffix(value, "`") {
			t.Errorf("%s: default %q, in the README %q", parameter, got, want)
		}
	}
}

// The README lists the parameters that do not set a variable, with their defaults.
func TestParametersAreThoseOfTheReadme(t *testing.T) {
	tmpl := readTemplate(t)
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	variables := slices.Collect(maps.Values(parametersOf(t, tmpl)))
	listed := map[string]bool{}
	word := regexp.MustCompile("`([^`]+)`")
	for _, m := range regexp.MustCompile("(?m)^\\| (`[A-Z][a-z][^|]*)\\|([^|]*)\\|").FindAllStringSubmatch(string(b), -1) {
		names, defaults := word.FindAllStringSubmatch(m[1], -1), word.FindAllStringSubmatch(m[2], -1)
		for i, n := range names {
			p := tmpl.section("Parameters")[n[1]]
			if p == nil {
				t.Errorf("the README has an unknown parameter %s", n[1])
				continue
			}
			listed[n[1]] = true
			got, want := fmt.Sprint(get(p, "Default")), ""
			if len(defaults) == len(names) {
				want = defaults[i][1]
			} else if len(defaults) > 0 {
				t.Errorf("%s has %d defaults", m[1], len(defaults))
			}
			if got != want {
				t.Errorf("%s: default %q, in the README %q", n[1], got, want)
			}
		}
	}
	for name := range tmpl.section("Parameters") {
		if !listed[name] && !slices.Contains(variables, name) {
			t.Errorf("%s is not in the README", name)
		}
	}
}
