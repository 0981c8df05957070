package cli

import (
	"bufio"
	"context"
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
func ReadFile(ctx context.Context, s Streams, name string, limit int64) ([]byte, error) {
	return await(ctx, func() ([]byte, error) { // opening a named pipe waits for its other end
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
	})
}

// errNoTerminal is worded by the flags that the verb has.
var errNoTerminal = errors.New("no terminal to ask on: give --yes to go ahead")

// Consent asks on a terminal, unless it was given.
func Consent(ctx context.Context, s Streams, given bool, question string) error {
	if given {
		return nil
	}
	if f, ok := s.In.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return Fail(ExitUsage, errNoTerminal)
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, err := await(ctx, func() (string, error) {
		line, err := bufio.NewReader(s.In).ReadString('\n')
		if err != nil && line == "" {
			fmt.Fprintln(s.Err)
		}
		return line, nil // the end of the input is a no
	})
	if err != nil {
		fmt.Fprintln(s.Err)
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return Fail(ExitFound, errors.New("nothing was changed"))
	}
	return nil
}
