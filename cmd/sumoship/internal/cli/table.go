package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Row is one of a table. A column that holds only numbers is aligned to the
// right.
type Row = table.Row

const (
	gap       = 2  // columns of the terminal between those of a table
	leastText = 20 // a text is not wrapped into a narrower column
)

// WriteTable writes rows in columns, two spaces apart, below a head if there is
// one. Where w is narrower than the rows, texts are wrapped between words. If that
// would leave too little for them, each row becomes a block of lines, one a column.
// Words stay whole: names of log groups and ARNs are there to be copied.
func WriteTable(w io.Writer, head Row, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	columns := measure(head, rows)
	var configs []table.ColumnConfig
	if room := styleOf(w).Width; room > 0 {
		limits, ok := fit(columns, room)
		if !ok {
			_, err := io.WriteString(Raw(w), blocks(w, head, rows, room))
			return err
		}
		for i, limit := range limits {
			if limit < columns[i].whole {
				configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: limit, WidthMaxEnforcer: wrap})
			}
		}
	}
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", gap)
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.SetColumnConfigs(configs)
	if head != nil {
		t.AppendHeader(painted(w, head))
	}
	t.AppendRows(rows)
	_, err := fmt.Fprintln(Raw(w), t.Render())
	return err
}

// painted is a head as it is shown.
func painted(w io.Writer, head Row) Row {
	head = slices.Clone(head)
	for i, cell := range head {
		head[i] = Paint(w, Head, fmt.Sprint(cell))
	}
	return head
}

// width is what a column needs: for its longest line, and for its longest word.
type width struct{ whole, word int }

// measure returns the widths of the columns.
func measure(head Row, rows []Row) (columns []width) {
	for _, row := range append([]Row{head}, rows...) {
		for i, cell := range row {
			if i == len(columns) {
				columns = append(columns, width{})
			}
			c := &columns[i]
			for line := range strings.Lines(fmt.Sprint(cell)) {
				c.whole = max(c.whole, text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n")))
				for _, word := range strings.Fields(line) {
					c.word = max(c.word, text.StringWidthWithoutEscSequences(word))
				}
			}
		}
	}
	return columns
}

// fit returns how wide each column may be in a room. The widest are narrowed first, to
// one width. It reports false if they do not fit with their words whole and some room
// for a text.
func fit(columns []width, room int) (limits []int, ok bool) {
	room -= gap * (len(columns) - 1)
	widest := 0
	for _, c := range columns {
		widest = max(widest, c.whole)
	}
	for most := max(widest, leastText); most >= leastText; most-- {
		limits = limits[:0]
		left := room
		for _, c := range columns {
			limit := min(c.whole, max(most, c.word))
			limits = append(limits, limit)
			left -= limit
		}
		if left >= 0 {
			return limits, true
		}
	}
	return nil, false
}

// whole wraps a text between words, and leaves a longer word whole.
func whole(cell string, room int) (lines []string) {
	for _, line := range strings.Split(cell, "\n") {
		at := ""
		for _, word := range strings.Fields(line) {
			switch {
			case at == "":
				at = word
			case text.StringWidthWithoutEscSequences(at+" "+word) <= room:
				at += " " + word
			default:
				lines, at = append(lines, at), word
			}
		}
		lines = append(lines, at)
	}
	return lines
}

// wrap wraps each line of a text, whose words fit, between them.
func wrap(cell string, room int) string {
	lines := strings.Split(cell, "\n")
	for i, line := range lines {
		lines[i] = text.WrapSoft(line, room)
	}
	return strings.Join(lines, "\n")
}

// blocks returns rows as blocks of lines: the name of each column and its text. Rows of
// a table without a head begin with a name of their own.
func blocks(w io.Writer, head Row, rows []Row, room int) string {
	var b strings.Builder
	names := 0
	named := func(cell any) { names = max(names, text.StringWidthWithoutEscSequences(fmt.Sprint(cell))) }
	headed := len(head) > 0 && !slices.Contains(head[1:], any(""))
	if headed {
		for _, name := range head {
			named(name)
		}
	} else {
		for _, row := range rows {
			named(row[0])
		}
		if head != nil {
			fmt.Fprintln(&b, Paint(w, Head, fmt.Sprint(head[0])))
		}
	}
	line := func(name, cell string) {
		for _, words := range whole(cell, max(room-names-gap, leastText)) {
			fmt.Fprintln(&b, strings.TrimRight(text.Pad(name, names+gap, ' ')+words, " "))
			name = ""
		}
	}
	for i, row := range rows {
		if headed && i > 0 {
			b.WriteByte('\n')
		}
		for j, cell := range row {
			switch shown := fmt.Sprint(cell); {
			case headed && j < len(head):
				line(Paint(w, Head, fmt.Sprint(head[j])), shown)
			case !headed && j == 0 && len(row) > 1:
				name := shown
				line(name, fmt.Sprint(row[1]))
			case !headed && j == 1: // it stands beside the name
			case shown != "":
				line("", shown)
			}
		}
	}
	return b.String()
}
