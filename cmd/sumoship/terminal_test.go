package main

import (
	"regexp"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/clitest"
)

var escape = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]")

// On a terminal of any width the tables of verbs have all their words, whole, on lines
// that fit; colour is there unless something that comes first says no.
func TestTablesOnTerminals(t *testing.T) {
	server := clitest.Queues(t)
	clitest.Send(t, server, "dead", clitest.Message("/ecs/a-log-group-with-a-name-of-some-length", "a"), nil)
	for _, args := range []string{"fargate rules", "dlq status --queue dead", "dlq stats --queue dead"} {
		_, plain, _ := command(t, nil, strings.Fields(args)...)
		for _, columns := range []uint16{60, 200} {
			shown := clitest.OnTerminal(t, new(verbs), columns, nil, strings.Fields(args)...)
			if i := strings.LastIndex(shown, "\r"); i >= 0 { // after the bar, which is removed
				shown = shown[i+1:]
			}
			text := escape.ReplaceAllString(shown, "")
			words := map[string]bool{}
			for _, word := range strings.Fields(text) {
				words[word] = true
			}
			for _, word := range strings.Fields(plain) {
				if !words[word] {
					t.Fatalf("%s at %d columns: no %q in\n%s", args, columns, word, text)
				}
			}
			for line := range strings.Lines(text) {
				if n := len([]rune(strings.TrimRight(line, "\n"))); n > int(columns) {
					t.Errorf("%s at %d columns: a line of %d\n%s", args, columns, n, line)
				}
			}
		}
	}
	for _, c := range []struct {
		args      string
		variables map[string]string
		coloured  bool
	}{
		{"fargate rules", nil, true},
		{"fargate rules", map[string]string{"NO_COLOR": "1"}, false},
		{"fargate rules --color=always", map[string]string{"NO_COLOR": "1"}, true},
		{"fargate rules --color=never", nil, false},
		{"fargate rules", map[string]string{"CLICOLOR": "0"}, false},
	} {
		if shown := clitest.OnTerminal(t, new(verbs), 200, c.variables, strings.Fields(c.args)...); strings.Contains(shown, "\x1b[33mwarning\x1b[0m") != c.coloured {
			t.Errorf("%s, %v: coloured %v\n%.300s", c.args, c.variables, !c.coloured, shown)
		}
	}
}
