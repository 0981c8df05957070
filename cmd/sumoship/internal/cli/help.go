package cli

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// helpOf turns sumoship help VERB into sumoship VERB --help.
func helpOf(args []string) []string {
	if len(args) > 0 && args[0] == "help" && !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// printHelp is kong's help of a verb, with the examples first: they say more than
// flags do.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if room := styleOf(ctx.Stdout).Width; room > 0 {
		options.WrapUpperBound = room
	}
	if node := ctx.Selected(); node != nil {
		node.Detail = examplesFirst(node.Detail)
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// examplesFirst moves the paragraphs of commands to the beginning of a help text.
func examplesFirst(text string) string {
	var examples, rest []string
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if isExample(paragraph) {
			examples = append(examples, paragraph)
		} else {
			rest = append(rest, paragraph)
		}
	}
	if len(examples) == 0 {
		return text
	}
	return strings.Join(append(append([]string{"Examples:"}, examples...), rest...), "\n\n")
}

// isExample reports whether a paragraph is only indented lines, the name of the
// command among them.
func isExample(paragraph string) bool {
	for line := range strings.Lines(paragraph) {
		if !strings.HasPrefix(line, "  ") {
			return false
		}
	}
	return strings.Contains(paragraph, "sumoship ")
}
