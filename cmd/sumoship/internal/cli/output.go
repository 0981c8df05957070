package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"github.com/jedib0t/go-pretty/v6/text"
)

// output is a stream of a verb. It keeps the first error, and writes nothing after
// it. So verbs can print line by line without checking each error: Run reports it. It
// also knows the variables, which say how text is set, and wraps lines that are too long
// for a terminal, which would break them within words.
type output struct {
	io.Writer
	getenv func(string) string
	err    error
}

func (o *output) Write(b []byte) (n int, err error) {
	set := b
	if room := Style(o, o.getenv).Width; room > 0 {
		set = fold(b, room)
	}
	if n, err = o.raw(set); err == nil {
		return len(b), nil
	}
	return min(n, len(b)), err
}

func (o *output) raw(b []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	n, o.err = o.Writer.Write(b)
	return n, o.err
}

// Raw returns a stream of a verb as one for programs, whose lines are not wrapped.
func Raw(w io.Writer) io.Writer {
	if o, ok := w.(*output); ok {
		return rawOutput{o}
	}
	return w
}

type rawOutput struct{ o *output }

func (r rawOutput) Write(b []byte) (n int, err error) { return r.o.raw(b) }

// fold wraps the lines of a text between words. Those that begin with a space are
// commands and data, which stay whole to be copied, or have been wrapped.
func fold(b []byte, room int) []byte {
	if bytes.ContainsRune(b, '\r') { // it moves the cursor
		return b
	}
	var folded []byte
	for line := range bytes.Lines(b) {
		if len(line) <= room || line[0] == ' ' || text.StringWidthWithoutEscSequences(strings.TrimRight(string(line), "\n")) <= room {
			folded = append(folded, line...)
			continue
		}
		indent := ""
		if bytes.Contains(line, []byte("  ")) { // it has columns
			indent = "    "
		}
		folded = append(folded, foldLine(string(line), indent, room)...)
	}
	return folded
}

// WriteIndented writes a text behind an indent, its lines wrapped as the others are.
func WriteIndented(w io.Writer, indent, text string) error {
	for line := range strings.Lines(text) {
		line = indent + strings.TrimRight(line, "\n")
		if room := styleOf(w).Width; room > 0 {
			line = foldLine(line, indent, room)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// foldLine wraps a line, and keeps the spaces within it.
func foldLine(line, indent string, room int) string {
	var b strings.Builder
	at := 0
	for rest := line; rest != ""; {
		start := len(rest) - len(strings.TrimLeft(rest, " "))
		end := len(rest)
		if i := strings.IndexByte(rest[start:], ' '); i >= 0 {
			end = start + i
		}
		space, word := rest[:start], rest[start:end]
		rest = rest[end:]
		n := text.StringWidthWithoutEscSequences(strings.TrimRight(word, "\n"))
		if at > 0 && at+len(space)+n > room {
			b.WriteString("\n" + indent)
			space, at = "", len(indent)
		}
		b.WriteString(space + word)
		at += len(space) + n
	}
	return b.String()
}

// missing is the error of an output that was not written whole. It is nil if
// reported is that error.
func (o *output) missing(reported error) error {
	if o.err == nil || errors.Is(reported, o.err) {
		return nil
	}
	return fmt.Errorf("the output is not complete: %w", o.err)
}

// Documented is a verb that writes JSON. Outputs returns a value of each type that it
// writes, the elements of a stream as a slice: docs/output.md and the files of sumoship
// schema are made from the types and their comments, and tests hold what verbs write
// to them.
type Documented interface{ Outputs() []any }

// WriteJSON writes a value as JSON, on one line.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(Raw(w))
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// WriteResult writes to a file, or to standard output if its name is "".
func WriteResult(s Streams, file string, b []byte) error {
	if file != "" {
		return WriteFile(file, b)
	}
	_, err := Raw(s.Out).Write(b)
	return err
}

// WriteFile writes a file whole or not at all. It follows a link, and writes
// directly to what is not a regular file, such as a pipe.
func WriteFile(name string, b []byte) error {
	err := func() error {
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			return os.WriteFile(name, b, 0)
		}
		target := name
		if linked, err := filepath.EvalSymlinks(name); err == nil {
			target = linked
		}
		return maybe.WriteFile(target, b, 0o644)
	}()
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err // the path is that of a temporary file
	}
	if err != nil {
		return Fail(ExitUsage, fmt.Errorf("write %s: %w", name, err))
	}
	return nil
}

// Count is a number of things: "1 error", "2 errors".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Size is a number of bytes.
func Size[N int | int64](n N) string {
	switch n := int64(n); {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1e3)
	case n < 10_000_000_000:
		return fmt.Sprintf("%d MB", n/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// NameOf returns what follows the last slash of an ARN or a URL: the name or the id of
// a resource.
func NameOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
