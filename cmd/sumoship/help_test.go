package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// The help of every verb begins with examples, each of which is a call of the verb
// whose flags exist; it names every flag, and many flags are in groups. It fits a narrow
// terminal, and errors of usage point to it.
func TestHelpOfEveryVerb(t *testing.T) {
	var (
		example = regexp.MustCompile(`\bsumoship ([^|<>#]*)`)
		spaces  = regexp.MustCompile(`\s+`)
	)
	for _, verb := range cli.Verbs(new(verbs)) {
		path := strings.Fields(verb.Path())
		status, help, errs := command(t, map[string]string{"COLUMNS": "60"}, append(slices.Clone(path), "--help")...)
		clitest.Fits(t, verb.Path()+" --help", help, "", 60)
		if status != cli.ExitOK || errs != "" {
			t.Errorf("%s: status %d %s", verb.Path(), status, errs)
		}
		_, examples, ok := strings.Cut(help, "\nExamples:\n\n")
		if !ok || strings.Index(help, "Examples:") > strings.Index(help, "Flags:") {
			t.Errorf("%s has no examples", verb.Path())
		}
		examples, _, _ = strings.Cut(examples, "\nFlags:")
		own := false
		for line := range strings.Lines(examples) {
			if !strings.HasPrefix(line, "    ") {
				continue
			}
			for _, m := range example.FindAllStringSubmatch(strings.ReplaceAll(line, ")", ""), -1) {
				args := strings.Fields(strings.TrimSuffix(strings.TrimSpace(m[1]), `\`))
				own = own || verb.Path() == "help" || len(args) >= len(path) && slices.Equal(args[:len(path)], path)
				status, _, errs := command(t, nil, append(args, "--help")...)
				if status != cli.ExitOK && !strings.Contains(errs, "no such file") {
					t.Errorf("%s: sumoship %s: %s", verb.Path(), m[1], errs)
				}
			}
		}
		if !own && verb.Path() != "completion" {
			t.Errorf("%s has no example of its own", verb.Path())
		}
		groups, flags := map[string]bool{}, 0
		for _, f := range verb.Flags {
			if !strings.Contains(spaces.ReplaceAllString(help, " "), "--"+f.Name) && !strings.Contains(help, "--[no-]"+f.Name) {
				t.Errorf("%s --help does not name --%s", verb.Path(), f.Name)
			}
			if flags++; f.Group != nil {
				groups[f.Group.Title] = true
			}
		}
		if delete(groups, "AWS"); flags > 12 && len(groups) == 0 {
			t.Errorf("%s has %d flags in no groups", verb.Path(), flags)
		}
		if status, out, errs := command(t, nil, append(slices.Clone(path), "--no-such-flag")...); status != cli.ExitUsage || out != "" || verb.Path() != "help" && !strings.HasSuffix(errs, "sumoship: see sumoship "+verb.Path()+" --help\n") {
			t.Errorf("%s with a flag that it does not have: status %d\n%s%s", verb.Path(), status, out, errs)
		}
		if verb.Help == "" {
			t.Errorf("%s says nothing of itself", verb.Path())
		}
	}
}

// The verbs are in groups, the man page has each with its flags, and a shell completes
// them at every step.
func TestEveryVerbIsShown(t *testing.T) {
	_, man, _ := command(t, nil, "man")
	steps := map[string][]string{}
	for _, verb := range cli.Verbs(new(verbs)) {
		if !strings.Contains(man, "\n.SH "+strings.ToUpper(verb.Path())+"\n") {
			t.Errorf("the man page lacks %s", verb.Path())
		}
		for _, f := range verb.Flags {
			if !strings.Contains(man, strings.ReplaceAll("--"+f.Name, "-", `\-`)) {
				t.Errorf("the man page lacks --%s of %s", f.Name, verb.Path())
			}
		}
		grouped := false
		for node := verb; node.Type == kong.CommandNode; node = node.Parent {
			grouped = grouped || node.Group != nil
			parent := strings.TrimSpace(node.Parent.Path())
			if !slices.Contains(steps[parent], node.Name) {
				steps[parent] = append(steps[parent], node.Name)
			}
		}
		if !grouped {
			t.Errorf("%s is in no group", verb.Path())
		}
	}
	for parent, names := range steps {
		line := strings.TrimSpace("sumoship "+parent) + " "
		cmd := exec.Command("sumoship")
		cmd.Env = append(cmd.Environ(), "COMP_LINE="+line)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		shown := strings.Fields(string(out))
		for _, name := range names {
			if !slices.Contains(shown, name) {
				t.Errorf("%q completes to %q, without %s", line, shown, name)
			}
		}
	}
}
