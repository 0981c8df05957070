package shellcmd

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"sumoship/cmd/sumoship/internal/cli"
)

// Man is the verb that writes the man page.
type Man struct{}

// Help is shown by --help.
func (c *Man) Help() string {
	return `  sumoship man > /usr/local/share/man/man1/sumoship.1
  sumoship man | man -l -`
}

// Run writes the man page.
func (c *Man) Run(s cli.Streams, k *kong.Context) error {
	_, err := fmt.Fprint(cli.Raw(s.Out), manPage(k.Model))
	return err
}

// manPage is the help of all verbs as a man page, in the macros of man(7).
func manPage(app *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\nVERB [FLAGS]\n.SH DESCRIPTION\n%s\n",
		strings.ToUpper(app.Name), app.Name, roff(firstSentence(app.Help)), app.Name, roff(app.Help))
	for _, leaf := range app.Leaves(true) {
		fmt.Fprintf(&b, ".SH %s\n.B %s\n.PP\n%s\n", strings.ToUpper(leaf.Path()), roff(leaf.FullPath()+strings.TrimPrefix(leaf.Summary(), leaf.Path())), roff(leaf.Help))
		for paragraph := range strings.SplitSeq(strings.Trim(leaf.Detail, "\n"), "\n\n") {
			if strings.HasPrefix(paragraph, "  ") { // commands, lists: as they are
				fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(paragraph))
			} else if paragraph != "" {
				fmt.Fprintf(&b, ".PP\n%s\n", roff(paragraph))
			}
		}
		for _, a := range leaf.Positional {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(a.Summary()), roff(a.Help))
		}
		for _, flag := range leaf.Flags {
			if flag.Hidden {
				continue
			}
			name := "--" + flag.Name
			if flag.Short != 0 {
				name = fmt.Sprintf("-%c, %s", flag.Short, name)
			}
			if !flag.IsBool() {
				name += "=" + flag.FormatPlaceHolder()
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(name), roff(flag.Help))
		}
	}
	return b.String()
}

func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(first, ".")
}

// roff escapes a text.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") { // would be a macro
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
