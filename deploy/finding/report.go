package finding

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"sumoship/deploy/taskdef"
)

// Report holds the findings of one run, input by input.
type Report struct {
	Inputs  []Input
	Skipped int      // files without a task definition
	Known   int      // findings of a baseline, left out
	Show    Severity // findings below it are counted but not written; "" writes all
	Fold    bool     // text names usual infos in one line for each input
}

// Input holds the findings of one input, or why it could not be read.
type Input struct {
	Name     string
	Resource string // logical ID in a template
	Findings []Finding
	Err      error
}

// place returns where in the input Err is, 0, 0 if it has no place.
func (i Input) place() (line, column int) {
	if e, ok := errors.AsType[*taskdef.InputError](i.Err); ok {
		return e.Line, e.Column
	}
	return 0, 0
}

// Summary counts the findings of a report.
type Summary struct {
	Definitions int `json:"definitions"` // inputs that were read
	Unreadable  int `json:"unreadable"`
	Skipped     int `json:"skipped"`
	Errors      int `json:"errors"`
	Warnings    int `json:"warnings"`
	Infos       int `json:"infos"`
	Known       int `json:"known,omitempty"` // in the baseline
}

// Summary counts all findings, including those that are not written.
func (r Report) Summary() Summary {
	s := Summary{Skipped: r.Skipped, Known: r.Known}
	for _, input := range r.Inputs {
		if input.Err != nil {
			s.Unreadable++
			continue
		}
		s.Definitions++
		for _, f := range input.Findings {
			switch f.Severity {
			case Error:
				s.Errors++
			case Warning:
				s.Warnings++
			default:
				s.Infos++
			}
		}
	}
	return s
}

// String returns one line, such as "2 definitions: 1 error, 0 warnings, 3 infos".
func (s Summary) String() string {
	line := fmt.Sprintf("%s: %s, %s, %s", count(s.Definitions, "definition"), count(s.Errors, "error"), count(s.Warnings, "warning"), count(s.Infos, "info"))
	if s.Known > 0 {
		line += fmt.Sprintf("; %s in the baseline", count(s.Known, "finding"))
	}
	if s.Unreadable > 0 {
		line += fmt.Sprintf("; %s could not be read", count(s.Unreadable, "file"))
	}
	if s.Skipped > 0 {
		line += fmt.Sprintf("; skipped %s without a task definition", count(s.Skipped, "file"))
	}
	return line
}

// shown returns the findings of an input that Show lets through, never nil.
func (r Report) shown(i Input) []Finding {
	shown := []Finding{}
	for _, f := range i.Findings {
		if r.Show == "" || f.Severity.AtLeast(r.Show) {
			shown = append(shown, f)
		}
	}
	return shown
}

// Style is how text is laid out.
type Style struct {
	Width  int // columns to wrap at; 0 means 100
	Colour bool
}

// Widths of the table, in columns.
const (
	defaultWidth = 100
	leastText    = 36 // with less room than this, the text goes below the other columns
	mostText     = 96 // longer lines are hard to read
)

func (s Style) width() int { return cmp.Or(s.Width, defaultWidth) }

// Heading returns a heading.
func (s Style) Heading(text string) string { return s.paint(bold, text) }

// Paragraph wraps a text into lines that begin with indent.
func (s Style) Paragraph(text, indent string) string {
	return indent + hang(wrap(text, s.width()-len(indent)), indent)
}

// Text writes the findings as a table for people, input by input. It writes
// neither inputs without a finding nor the summary.
func (r Report) Text(w io.Writer, style Style) error {
	for _, input := range r.Inputs {
		findings, usual := r.fold(r.shown(input))
		if len(findings) == 0 && usual == "" {
			continue
		}
		name := input.Name
		if input.Resource != "" {
			name += " " + input.Resource
		}
		body := ""
		if len(findings) > 0 {
			body = rows(findings, style)
		}
		if usual != "" {
			body += style.Paragraph(printable(usual), "  ") + "\n"
		}
		if _, err := fmt.Fprintf(w, "%s\n%s\n", style.Heading(printable(name)), body); err != nil {
			return err
		}
	}
	return nil
}

// Table writes a line for each input, with its counts and the rules that it has the
// worst and most findings of.
func (r Report) Table(w io.Writer, style Style) error {
	all := r.overviews()
	if len(all) == 0 {
		return nil
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "  "
	t.Style().Format.Header = text.FormatDefault
	t.SuppressTrailingSpaces()
	t.AppendHeader(table.Row{"file", "errors", "warnings", "rules"})
	widest := len("file")
	for _, o := range all {
		widest = max(widest, text.StringWidthWithoutEscSequences(printable(o.name)))
	}
	room := max(style.width()-widest-len("  errors  warnings  "), leastText)
	for _, o := range all {
		t.AppendRow(table.Row{printable(o.name), o.errors, o.warnings, wrap(o.top, room)})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// fold takes the usual infos out of the findings, and returns a line that names
// them with what they set.
func (r Report) fold(findings []Finding) (rest []Finding, usual string) {
	if !r.Fold {
		return findings, ""
	}
	var names []string
	times := map[string]int{}
	for _, f := range findings {
		if !f.Usual || f.Severity != Info {
			rest = append(rest, f)
			continue
		}
		if times[f.ID]++; times[f.ID] > 1 {
			continue
		}
		name := f.ID
		if f.After != "" && len(f.After) < 24 {
			name += " " + f.After
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return rest, ""
	}
	for i, name := range names {
		id, _, _ := strings.Cut(name, " ")
		if n := times[id]; n > 1 {
			names[i] = fmt.Sprintf("%s (%d times)", name, n)
		}
	}
	return rest, "And as usual: " + strings.Join(names, ", ") + "."
}

// rows returns the findings of one input, one row or paragraph each.
func rows(findings []Finding, style Style) string {
	width := style.width()
	type head struct{ place, severity, id, container string }
	heads := make([]head, len(findings))
	var widest head
	for i, f := range findings {
		h := head{"-", string(f.Severity), f.ID, ""}
		if f.Line > 0 {
			h.place = fmt.Sprintf("%d:%d", f.Line, f.Column)
		}
		if f.Container != "" {
			h.container = "container " + printable(f.Container)
		}
		widest.place, widest.severity, widest.id = longer(widest.place, h.place), longer(widest.severity, h.severity), longer(widest.id, h.id, h.container)
		heads[i] = h
	}
	room := width - text.StringWidthWithoutEscSequences(fmt.Sprintf("  %s  %s  %s  ", widest.place, widest.severity, widest.id))
	if room < leastText {
		var b strings.Builder
		for i, f := range findings {
			h := heads[i]
			line := strings.TrimSpace(strings.Join([]string{h.place, style.paint(colours[f.Severity], h.severity), h.id, h.container}, " "))
			fmt.Fprintf(&b, "  %s\n", hang(wrap(line, width-len("  ")), "  "))
			for _, p := range paragraphs(f, width-len("    ")) {
				fmt.Fprintf(&b, "    %s\n", hang(p, "    "))
			}
		}
		return b.String()
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "  "
	t.SuppressTrailingSpaces()
	for i, f := range findings {
		h := heads[i]
		lines := paragraphs(f, min(room, mostText))
		t.AppendRow(table.Row{"  " + h.place, style.paint(colours[f.Severity], h.severity), strings.TrimSpace(h.id + "\n" + h.container), strings.Join(lines, "\n")})
	}
	return t.Render() + "\n"
}

// longer returns the widest text.
func longer(texts ...string) string {
	return slices.MaxFunc(texts, func(a, b string) int {
		return text.StringWidthWithoutEscSequences(a) - text.StringWidthWithoutEscSequences(b)
	})
}

// paragraphs returns the change, the reason and the advice of a finding, in lines
// of at most room columns.
func paragraphs(f Finding, room int) []string {
	p := []string{wrap(printable(f.Why), room)}
	if change := change(f, room); change != "" {
		p = append([]string{change}, p...)
	}
	if len(f.Help) > 0 {
		p = append(p, wrap("→ "+printable(f.Help.String()), room))
	}
	return p
}

// change returns one line on what is done to a value, such as: rewrite "bridge" →
// "awsvpc". Values are cut to fit; a diff shows them whole.
func change(f Finding, room int) string {
	action, before, after := string(f.Action), printable(f.Before), printable(f.After)
	room -= len(action) + len(" ")
	switch {
	case before != "" && after != "":
		room -= text.StringWidthWithoutEscSequences(" → ")
		before = cut(before, max(room/2, room-text.StringWidthWithoutEscSequences(after)))
		after = cut(after, room-text.StringWidthWithoutEscSequences(before))
		return action + " " + before + " → " + after
	case before != "" || after != "":
		return action + " " + cut(before+after, room)
	case f.Action == Keep:
		return ""
	}
	return strings.TrimSpace(action + " " + cut(printable(f.Pointer), room))
}

// cut shortens a text to width columns.
func cut(s string, width int) string {
	if text.StringWidthWithoutEscSequences(s) <= width {
		return s
	}
	return text.Trim(s, max(width-1, 0)) + "…"
}

// wrap breaks lines at spaces, and inside words that are longer than a line.
func wrap(s string, width int) string {
	lines := strings.Split(text.WrapSoft(s, max(width, 10)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// hang indents all lines but the first.
func hang(s, indent string) string { return strings.ReplaceAll(s, "\n", "\n"+indent) }

// printable replaces control characters, so that a definition cannot control the
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Terminal escape sequences. Source: ECMA-48, "Select Graphic Rendition".
const (
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

var colours = map[Severity]string{Error: "\x1b[31m", Warning: "\x1b[33m", Info: "\x1b[36m"}

func (s Style) paint(with, what string) string {
	if !s.Colour || what == "" {
		return what
	}
	return with + what + reset
}

// Document is the JSON of a report. docs/fargate.md documents its shape, which only
// grows.
type Document struct {
	Version int         `json:"version"`
	Inputs  []jsonInput `json:"inputs"`
	Summary Summary     `json:"summary"`
}

type (
	jsonInput struct {
		Name     string     `json:"name"`
		Resource string     `json:"resource,omitempty"` // logical ID in a template
		Findings []Finding  `json:"findings"`
		Error    *jsonError `json:"error,omitempty"` // why it could not be read
	}
	jsonError struct {
		Message string `json:"message"`
		Line    int    `json:"line,omitempty"`
		Column  int    `json:"column,omitempty"`
	}
)

// JSON writes the report as one JSON document.
func (r Report) JSON(w io.Writer) error {
	doc := Document{Version: 1, Inputs: []jsonInput{}, Summary: r.Summary()}
	for _, input := range r.Inputs {
		i := jsonInput{input.Name, input.Resource, r.shown(input), nil}
		if input.Err != nil {
			line, column := input.place()
			i.Error = &jsonError{input.Err.Error(), line, column}
		}
		doc.Inputs = append(doc.Inputs, i)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
