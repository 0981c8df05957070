package clitest

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"sumoship/cmd/sumoship/internal/cli"
)

// OnTerminal is [Run] on a terminal, and returns what that showed.
func OnTerminal(t *testing.T, tree any, columns uint16, variables map[string]string, args ...string) string {
	t.Helper()
	return onTerminal(t, columns, func(terminal *os.File) {
		cli.Run(t.Context(), tree, args, cli.Streams{In: strings.NewReader(""), Out: terminal, Err: terminal, Getenv: func(name string) string { return variables[name] }})
	})
}

// onTerminal returns what a terminal shows of a run.
func onTerminal(t *testing.T, columns uint16, run func(terminal *os.File)) string {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // ends with an error when the other end is closed
		shown <- string(b)
	}()
	run(terminal)
	terminal.Close()
	return strings.ReplaceAll(<-shown, "\r\n", "\n")
}
