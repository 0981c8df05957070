package clitest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"sumoship/cmd/sumoship/internal/cli"
)

// Look is how a verb appears: coloured by meaning where colours are wanted, and on
// terminals of any width with whole words on lines that fit.
type Look struct {
	Args    string
	Colour  string // a text in the colour of its meaning, as it is written
	Plain   string // or why nothing has a meaning
	Data    bool   // standard output is for programs, or to be copied: no line is wrapped
	Before  func() // each run; nil if a run changes nothing
	Process bool   // the built command is run, for a verb that cannot run within a test

	Everything bool // try every way to choose colours, and not only those that differ most
}

// choices are ways to choose colours, those that differ most first.
var choices = []struct {
	columns   uint16 // of a terminal, 0 without one
	variables string
	flag      string
	coloured  bool
}{
	{0, "FORCE_COLOR=1", "", true},
	{0, "FORCE_COLOR=1 NO_COLOR=1", "", false},
	{60, "NO_COLOR=1", "", false},
	{200, "", "", true},

	{0, "", "", false},
	{0, "CLICOLOR=1", "", false},
	{0, "CLICOLOR_FORCE=1", "", true},
	{0, "FORCE_COLOR=0", "", false},
	{0, "", "--color=auto", false},
	{0, "", "--color=always", true},
	{0, "NO_COLOR=1", "--color=always", true},
	{0, "FORCE_COLOR=1", "--color=never", false},
	{60, "", "", true},
	{200, "CLICOLOR=0", "", false},
	{200, "CLICOLOR=0 CLICOLOR_FORCE=1", "", true},
	{200, "NO_COLOR=1", "--color=always", true},
	{200, "", "--color=never", false},
	{200, "TERM=dumb", "", false},
	{200, "NO_COLOR=1", "--color=auto", false},
	{200, "", "--color=auto", true},
}

const differing = 4

var (
	escape  = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]")
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
	letters = regexp.MustCompile(`^\pL{2,}$`)
)

// Check runs the verb on terminals of 60 and 200 columns and without one.
func (l Look) Check(t *testing.T, tree any, variables map[string]string) {
	t.Helper()
	if (l.Colour == "") == (l.Plain == "") {
		t.Fatalf("%s: want a text with a colour, or why there is none", l.Args)
	}
	args := strings.Fields(l.Args)
	tried := choices
	if !l.Everything {
		tried = choices[:differing]
	}
	var data, narrow, wide string
	for _, c := range tried {
		out, errs := l.run(t, tree, c.columns, variables, c.variables, append(slices.Clone(args), strings.Fields(c.flag)...))
		how := fmt.Sprintf("%s %s %s on a terminal of %d columns", c.variables, l.Args, c.flag, c.columns)
		switch all := out + errs; {
		case all == "":
			t.Fatalf("%s: nothing is written", how)
		case !c.coloured && colours.MatchString(all):
			t.Errorf("%s: colours in\n%q", how, all)
		case c.coloured && !strings.Contains(all, l.Colour):
			t.Errorf("%s: no %q in\n%q", how, l.Colour, all)
		case c.coloured && l.Plain != "" && meant(all):
			t.Errorf("%s: colours, although it is %s:\n%q", how, l.Plain, all)
		}
		switch {
		case c.columns == 60:
			narrow = shown(out)
		case c.columns == 200:
			wide = shown(out)
		case !c.coloured && l.Data:
			data = out
		}
	}
	if verb := VerbOf(tree, args); verb != nil && !slices.ContainsFunc(args, AsksJSON) {
		for _, f := range verb.Flags {
			if AsksJSON("--" + f.Name) {
				if out, _ := l.run(t, tree, 0, variables, "FORCE_COLOR=1", append(slices.Clone(args), "--"+f.Name)); escape.MatchString(out) {
					t.Errorf("%s --%s: colours in\n%q", l.Args, f.Name, out)
				}
			}
		}
	}
	words := map[string]bool{}
	for _, word := range strings.Fields(narrow) {
		words[word] = true
	}
	for _, word := range strings.Fields(wide) {
		if letters.MatchString(word) && !words[word] {
			t.Errorf("%s: no %q on a terminal of 60 columns:\n%s", l.Args, word, narrow)
		}
	}
	Fits(t, l.Args, narrow, data, 60)
	Fits(t, l.Args, wide, data, 200)
}

// run runs the verb with variables, and with those of set too. All that a terminal shows
// is in out.
func (l Look) run(t *testing.T, tree any, columns uint16, variables map[string]string, set string, args []string) (out, errs string) {
	t.Helper()
	if l.Before != nil {
		l.Before()
	}
	all := maps.Clone(variables)
	if all == nil {
		all = map[string]string{}
	}
	for _, v := range strings.Fields(set) {
		name, value, _ := strings.Cut(v, "=")
		all[name] = value
	}
	var o, e bytes.Buffer
	run := func(out, errs io.Writer) {
		if l.Process {
			cmd := exec.Command("sumoship", args...)
			cmd.Env, cmd.Stdout, cmd.Stderr = cmd.Environ(), out, errs
			for name, value := range all {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			_ = cmd.Run() // what it finds is not the question
			return
		}
		fresh := reflect.New(reflect.TypeOf(tree).Elem()).Interface()
		cli.Run(t.Context(), fresh, args, cli.Streams{In: strings.NewReader(""), Out: out, Err: errs, Getenv: func(name string) string { return all[name] }})
	}
	if columns > 0 {
		return onTerminal(t, columns, func(terminal *os.File) { run(terminal, terminal) }), ""
	}
	run(&o, &e)
	return o.String(), e.String()
}

// meant reports whether a text has colours but for those of heads, and of the name before
// an error.
func meant(text string) bool {
	text = strings.ReplaceAll(text, string(cli.Bad)+"sumoship:", "")
	return slices.ContainsFunc(colours.FindAllString(text, -1), func(c string) bool { return c != string(cli.Head) && c != "\x1b[0m" })
}

// shown is what a terminal shows, without the bars that were removed again.
func shown(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		b.WriteString(line[strings.LastIndexByte(line, '\r')+1:])
	}
	return escape.ReplaceAllString(b.String(), "")
}

// whole is what stays whole, to be copied: commands, what they are given, log events.
var whole = regexp.MustCompile(`^ *(sumoship|aws|[A-Z_]+=\S+ sumoship) |^    (\{|X-Sumo-)|^   (message|record)|^  \S+ = `)

// Fits fails the test for each line of a text that is longer than the terminal, but for
// data, what else stays whole, and words that are longer themselves, in their column.
func Fits(t *testing.T, what, shown, data string, columns int) {
	t.Helper()
	verbatim := map[string]bool{}
	for line := range strings.Lines(data) {
		verbatim[line] = true
		if !strings.Contains(shown, line) {
			t.Errorf("%s: a terminal of %d columns does not show as it is\n%s", what, columns, line)
		}
	}
	for line := range strings.Lines(shown) {
		width := text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n"))
		if width <= columns || verbatim[line] || whole.MatchString(line) {
			continue
		}
		// The last word may begin within the line, and not fit on another.
		last := text.StringWidthWithoutEscSequences(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:])
		if fields := strings.Fields(line); len(fields) == 1 || last > columns-leastBeside {
			continue
		}
		t.Errorf("%s: a line of %d on a terminal of %d columns:\n%s", what, width, columns, line)
	}
}

// leastBeside is the room for the names of columns beside a word.
const leastBeside = 20
