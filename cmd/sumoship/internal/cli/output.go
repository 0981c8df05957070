package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2/maybe"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"sumoship/deploy/finding"
)

// output keeps the first error of a writer, and writes nothing after it. So verbs
// can print line by line without checking each error: run reports it.
type output struct {
	io.Writer
	err error
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

// Style is how text is set on w: as wide as the terminal, and in colour
// unless NO_COLOR says otherwise. Anything but a terminal gets no colour, and is
// as wide as COLUMNS says.
func Style(w io.Writer, getenv func(string) string) finding.Style {
	f := terminal(w)
	if f == nil {
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

// NewBar shows progress on a terminal, and nothing elsewhere.
func NewBar(total int, what string, w io.Writer) *progressbar.ProgressBar {
	if total == 0 || terminal(w) == nil {
		return progressbar.NewOptions(total, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetVisibility(false), unspun)
	}
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), unspun)
}

// unspun leaves out the goroutine that turns a bar without an end: it reads the bar's
// state without its lock, and stays when the bar is dropped.
var unspun = progressbar.OptionSetSpinnerChangeInterval(0)

// Row is one of a table. A column that holds only numbers is aligned to the
// right.
type Row = table.Row

// WriteTable writes rows in columns, two spaces apart, below a head if there is
// one.
func WriteTable(w io.Writer, head Row, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	if head != nil {
		t.AppendHeader(head)
	}
	t.AppendRows(rows)
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

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
func Size(n int) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}
