package cfn

import (
	"strings"

	"sumoship/deploy/tree"
)

// SubArgs returns the text and the variables in the argument of a Fn::Sub, which is
// a text or a list of both. What is absent is nil.
//
// Source: AWS CloudFormation User Guide, "Fn::Sub".
func SubArgs(arg *tree.Node) (text, variables *tree.Node) {
	if items := arg.Items(); len(items) == 2 {
		return items[0], items[1]
	}
	if arg.Kind() != tree.String {
		return nil, nil
	}
	return arg, nil
}

// MapSub returns the text of a Fn::Sub with each name in it, such as AWS::Region
// or Bucket.Arn, replaced by what rename returns.
func MapSub(text string, rename func(name string) string) string {
	var b strings.Builder
	for _, t := range splitSub(text) {
		source := t.source
		if t.name != "" {
			if to := rename(t.name); to != t.name {
				source = "${" + to + "}"
			}
		}
		b.WriteString(source)
	}
	return b.String()
}

// subToken is a piece of the text of a Fn::Sub: a name, or text.
type subToken struct {
	source string // as written
	name   string // "" for text
	text   string // as deployed
}

// splitSub splits the text of a Fn::Sub. White space around a name does not count,
// ${!X} is the text ${X}, and a brace that nothing closes is text.
func splitSub(s string) (tokens []subToken) {
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		inside, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return append(tokens, subToken{source: s, text: s})
		}
		if before != "" {
			tokens = append(tokens, subToken{source: before, text: before})
		}
		t := subToken{source: "${" + inside + "}"}
		if name := strings.TrimSpace(inside); strings.HasPrefix(name, "!") {
			t.text = "${" + name[1:] + "}"
		} else if t.name = name; name == "" {
			t.text = t.source
		}
		tokens = append(tokens, t)
		s = after
	}
	return tokens
}

// escapeSub returns the text of a Fn::Sub that is deployed as s: ${X} becomes
// ${!X}, where X is all up to the next brace, and so is not escaped itself.
func escapeSub(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("${!")
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString(inside)
			return b.String()
		}
		b.WriteString(inside + "}")
		s = after
	}
}
