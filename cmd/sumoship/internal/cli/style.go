package cli

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"sumoship/deploy/finding"
)

// colourVariable is that of --color.
const colourVariable = envPrefix + "_COLOR"

// terminal returns w as a terminal, nil if it is not one.
func terminal(w io.Writer) *os.File {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// OnTerminal reports whether what is written to w appears on a terminal.
func OnTerminal(w io.Writer) bool { return terminal(w) != nil }

// Style is how text is set on w: as wide as the terminal or, if it is not one, as
// COLUMNS says; 0 is as wide as the text.
func Style(w io.Writer, getenv func(string) string) finding.Style {
	f := terminal(w)
	style := finding.Style{Colour: coloured(f != nil, getenv)}
	if f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			style.Width = width
		}
	} else if width, err := strconv.Atoi(getenv("COLUMNS")); err == nil {
		style.Width = max(width, 0)
	}
	return style
}

// coloured decides, in the order that docs/output.md states: --color, NO_COLOR,
// FORCE_COLOR and CLICOLOR_FORCE, CLICOLOR, and then whether it is a terminal.
//
// Sources: https://no-color.org, https://force-color.org, https://bixense.com/clicolors.
func coloured(terminal bool, getenv func(string) string) bool {
	set := func(name string) bool { v := getenv(name); return v != "" && v != "0" }
	switch {
	case getenv(colourVariable) == "always":
		return true
	case getenv(colourVariable) == "never" || getenv("NO_COLOR") != "":
		return false
	case set("FORCE_COLOR") || set("CLICOLOR_FORCE"):
		return true
	}
	return terminal && getenv("CLICOLOR") != "0" && getenv("TERM") != "dumb"
}

// Meaning is why a text has a colour.
type Meaning string

// Meanings, as the colours of terminals.
const (
	Good  Meaning = "\x1b[32m"
	Doubt Meaning = "\x1b[33m"
	Bad   Meaning = "\x1b[31m"
	Aside Meaning = "\x1b[2m" // of little interest
	Head  Meaning = "\x1b[1m"
)

// Paint gives a text that a verb writes to one of its streams the colour of its
// meaning, where colours are shown.
func Paint(w io.Writer, m Meaning, text string) string {
	if !styleOf(w).Colour || text == "" || m == "" {
		return text
	}
	return string(m) + text + "\x1b[0m"
}

// styleOf is that of a stream of a verb. Anything else is neither wrapped nor coloured.
func styleOf(w io.Writer) finding.Style {
	if o, ok := w.(*output); ok {
		return Style(w, o.getenv)
	}
	return finding.Style{}
}
