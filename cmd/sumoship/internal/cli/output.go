package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"
)

// output is a stream of a verb. It keeps the first error, and writes nothing after
// it. So verbs can print line by line without checking each error: Run reports it. It
// also knows the variables, which say how text is set.
type output struct {
	io.Writer
	getenv func(string) string
	err    error
}

func (o *output) Write(b []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	n, o.err = o.Writer.Write(b)
	return n, o.err
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
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// WriteResult writes to a file, or to standard output if its name is "".
func WriteResult(s Streams, file string, b []byte) error {
	if file != "" {
		return WriteFile(file, b)
	}
	_, err := s.Out.Write(b)
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
