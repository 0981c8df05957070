package main

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"sumoship/deploy"
)

// terminalStyle is how text is set on w: as wide as the terminal, and in colour
// unless NO_COLOR says otherwise. What is no terminal gets no colour, and is as
// wide as COLUMNS says.
func terminalStyle(w io.Writer, getenv func(string) string) deploy.Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		width, err := strconv.Atoi(getenv("COLUMNS"))
		if err != nil || width < 0 {
			width = 0
		}
		return deploy.Style{Width: width}
	}
	style := deploy.Style{Colour: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		style.Width = width
	}
	return style
}
