package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"
)

// wide is a stream as wide as columns says.
func wide(b *bytes.Buffer, columns string, variables ...string) *output {
	return &output{Writer: b, getenv: func(name string) string {
		for _, v := range variables {
			if key, value, _ := strings.Cut(v, "="); key == name {
				return value
			}
		}
		return map[string]string{"COLUMNS": columns}[name]
	}}
}

func TestWriteTable(t *testing.T) {
	groups := []Row{
		{"subscribe", "/ecs/a", 1, "it delivers nowhere yet, and the rule chooses it by its name"},
		{"failed", "/aws/lambda/größer-than-others", 200, ""},
	}
	head := Row{"ACTION", "LOG GROUP", "EVENTS", "WHY"}
	figures := []Row{{"depth", "12", "3 visible, 4 in flight or in backoff after a failure, 5 delayed"}, {"queue", "dead"}}
	for name, c := range map[string]struct {
		columns string
		head    Row
		rows    []Row
		want    string
	}{
		"as wide as it is": {"", head, groups, `
ACTION     LOG GROUP                       EVENTS  WHY
subscribe  /ecs/a                               1  it delivers nowhere yet, and the rule chooses it by its name
failed     /aws/lambda/größer-than-others     200
`},
		"200": {"200", head, groups, `
ACTION     LOG GROUP                       EVENTS  WHY
subscribe  /ecs/a                               1  it delivers nowhere yet, and the rule chooses it by its name
failed     /aws/lambda/größer-than-others     200
`},
		"texts are wrapped": {"90", head, groups, `
ACTION     LOG GROUP                       EVENTS  WHY
subscribe  /ecs/a                               1  it delivers nowhere yet, and the rule
                                                   chooses it by its name
failed     /aws/lambda/größer-than-others     200
`},
		"60": {"60", head, groups, `
ACTION     subscribe
LOG GROUP  /ecs/a
EVENTS     1
WHY        it delivers nowhere yet, and the rule chooses it
           by its name

ACTION     failed
LOG GROUP  /aws/lambda/größer-than-others
EVENTS     200
WHY
`},
		"figures":             {"60", nil, figures, "\ndepth  12    3 visible, 4 in flight or in backoff after a\n             failure, 5 delayed\nqueue  dead\n"},
		"figures, very small": {"30", nil, figures, "\ndepth  12\n       3 visible, 4 in flight\n       or in backoff after a\n       failure, 5 delayed\nqueue  dead\n"},
		"a head with gaps": {"30", Row{"/ecs/shop", "", ""}, []Row{{"dropped, debug:exclude", 5, "50.0 %"}}, `
/ecs/shop
dropped, debug:exclude  5
                        50.0 %
`},
		"a word is not broken": {"30", Row{"ARN", "WHY"}, []Row{{"arn:aws:lambda:eu-west-1:123456789012:function:f", "x"}},
			"\nARN  arn:aws:lambda:eu-west-1:123456789012:function:f\nWHY  x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			err := WriteTable(wide(&b, c.columns), c.head, c.rows)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), b.String()); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// At any width every word is there, whole, and no line is longer than the width but for
// a word that is.
func TestTablesKeepTheirWords(t *testing.T) {
	head := Row{"LOG GROUP", "CLASS", "EVENTS", "WHY"}
	rows := []Row{{"/ecs/shop", "unavailable", 12, "503 Service Unavailable after 5 attempts"}, {"/aws/lambda/a-function-with-a-long-name", "x", 3456789, "it could not be sent"}}
	for _, colour := range []string{"never", "always"} {
		for columns := 20; columns <= 200; columns++ {
			var b bytes.Buffer
			w := wide(&b, fmt.Sprint(columns), "COLUMNS="+fmt.Sprint(columns), colourVariable+"="+colour)
			coloured := rows
			if colour == "always" {
				coloured = append([]Row{{Paint(w, Bad, "/ecs/red"), Paint(w, Good, "two words"), 1, Paint(w, Doubt, "a text that is yellow from its begin to its end")}}, rows...)
			}
			if err := WriteTable(w, head, coloured); err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, row := range coloured {
				for _, cell := range row {
					words = append(words, strings.Fields(text.StripEscape(fmt.Sprint(cell)))...)
				}
			}
			shown := " " + strings.Join(strings.Fields(text.StripEscape(b.String())), " ") + " "
			for _, word := range words {
				if !strings.Contains(shown, " "+word+" ") {
					t.Fatalf("%d columns: no %q in\n%s", columns, word, b.String())
				}
			}
			for line := range strings.Lines(text.StripEscape(b.String())) {
				words := strings.Fields(strings.TrimLeft(line, " "))
				if n := text.StringWidth(strings.TrimSuffix(line, "\n")); n > max(columns, 11+leastText) && len(words) > 3 {
					t.Fatalf("%d columns: a line of %d\n%s", columns, n, b.String())
				}
			}
		}
	}
}

// What is written line by line fits a terminal too, but for what is there to be copied.
func TestLinesFitTheTerminal(t *testing.T) {
	const column = "a text that is longer than twenty columns"
	for name, c := range map[string]struct{ text, want string }{
		"a sentence":        {column + "\n", "a text that is\nlonger than twenty\ncolumns\n"},
		"columns":           {"a  text that is longer than twenty\n", "a  text that is\n    longer than\n    twenty\n"},
		"a command":         {"  " + column + "\n", "  " + column + "\n"},
		"a word":            {"see arn:aws:logs:eu-west-1:123456789012:log-group:x now\n", "see\narn:aws:logs:eu-west-1:123456789012:log-group:x\nnow\n"},
		"colours":           {"\x1b[31ma text that is\x1b[0m long enough\n", "\x1b[31ma text that is\x1b[0m long\nenough\n"},
		"a question":        {"is this text too long? [y/N] ", "is this text too\nlong? [y/N] "},
		"a moving cursor":   {"\r\x1b[K" + column, "\r\x1b[K" + column},
		"letters, no bytes": {"äöü äöü äöü äöü äöü\n", "äöü äöü äöü äöü äöü\n"},
	} {
		var b bytes.Buffer
		w := wide(&b, "20")
		if n, err := fmt.Fprint(w, c.text); err != nil || n != len(c.text) {
			t.Errorf("%s: %d bytes of %d written, %v", name, n, len(c.text), err)
		}
		if d := cmp.Diff(c.want, b.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		b.Reset()
		if fmt.Fprint(Raw(w), c.text); b.String() != c.text {
			t.Errorf("%s: raw %q", name, &b)
		}
	}
	var b bytes.Buffer
	if err := WriteIndented(wide(&b, "20"), "  ", column); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff("  a text that is\n  longer than twenty\n  columns\n", b.String()); d != "" {
		t.Errorf("indented (-want +got):\n%s", d)
	}
}
