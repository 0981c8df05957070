package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Stdin is the standard input as an argument.
const Stdin = "-"

// ReadFile reads at most limit bytes of a file or standard input.
func ReadFile(s Streams, name string, limit int64) ([]byte, error) {
	r := s.In
	if name != Stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, Fail(ExitUsage, err)
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, Fail(ExitUsage, err)
	}
	return b, nil
}

// Consent asks on a terminal, unless it was given.
func Consent(s Streams, given bool, question string) error {
	if given {
		return nil
	}
	if f, ok := s.In.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return Usagef("no terminal to ask on: give --yes to go ahead, or --dry-run to only see the plan")
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(s.Err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return Fail(ExitFound, errors.New("nothing was changed"))
	}
	return nil
}
