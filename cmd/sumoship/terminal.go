package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"sumoship/deploy/finding"
)

// terminalStyle is how text is set on w: as wide as the terminal, and in colour
// unless NO_COLOR says otherwise. What is no terminal gets no colour, and is as
// wide as COLUMNS says.
func terminalStyle(w io.Writer, getenv func(string) string) finding.Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		width, err := strconv.Atoi(getenv("COLUMNS"))
		if err != nil || width < 0 {
			width = 0
		}
		return finding.Style{Width: width}
	}
	style := finding.Style{Colour: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		style.Width = width
	}
	return style
}

// consent asks on a terminal, unless it was given.
func consent(s streams, given bool, question string) error {
	if given {
		return nil
	}
	if f, ok := s.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usage("there is no terminal to ask on: give --yes to go ahead, or --dry-run to see the plan only")
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(s.err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return exit{exitFound, errors.New("nothing was changed")}
	}
	return nil
}
