package rules

import (
	"fmt"
	"strings"

	"sumoship/rules/mask"
	"sumoship/rules/pattern"
)

// Version is the version of documents that this package reads.
const Version = 1

// shape is what a value of the document must be. The check of documents and their
// JSON Schema are both made of shapes.
type shape struct {
	kind    kind
	about   string
	example string

	members []member // of an object
	others  *shape   // of the members of an object that may have any name
	names   names    // of those
	each    *shape   // of the elements of a list
	filled  bool     // a list or an object must have something in it

	oneOf []string                             // values of a text
	check func(c *checker, value string) error // of a text
	above float64                              // of a number: greater than this
	upTo  float64                              // and at most this
	below bool                                 // or less than it
	whole bool                                 // a whole number
}

type member struct {
	name     string
	shape    *shape
	required bool
}

// names is which names a rule, a mask, a field or a tag may have.
type names struct {
	first, rest string // characters
	most        int
	pattern     string // the same as a regular expression
}

const (
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits   = "0123456789"
)

func ruleNames() names {
	return names{lowers + capitals + digits, lowers + capitals + digits + "_.-", 64, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}
}

func maskNames() names {
	return names{lowers, lowers + digits + "-", 32, "^[a-z][a-z0-9-]{0,31}$"}
}

func fieldNames() names {
	return names{lowers + capitals + "_", lowers + capitals + digits + "_.-", 64, "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"}
}

func tagNames() names { return names{"", "", 128, "^.{1,128}$"} }

func (n names) fit(s string) bool {
	return s != "" && len(s) <= n.most && (n.rest == "" || strings.Contains(n.first, s[:1]) && strings.Trim(s, n.rest) == "")
}

func textOf(about, example string, check func(*checker, string) error) *shape {
	return &shape{kind: text, about: about, example: example, check: check}
}

func listOf(about string, each *shape) *shape {
	return &shape{kind: list, about: about, each: each, filled: true}
}

func patternShape(about, example string) *shape {
	return textOf(about+", a regular expression (RE2) that need not match all of it", example, func(_ *checker, value string) error {
		_, err := pattern.Compile(value)
		return err
	})
}

// maxText bounds a text with placeholders. Sumo Logic takes 1,024 characters of a
// category, name or host.
const maxText = 1024

func templateShape(about, example string) *shape {
	return textOf(about, example, func(c *checker, value string) error {
		switch {
		case value == "":
			return fmt.Errorf("is empty; want text, none for no header, or no such member")
		case len(value) > maxText:
			return fmt.Errorf("has %d bytes; want at most %d", len(value), maxText)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return fmt.Errorf("holds a control character; want a line of text")
		case c.Template != nil:
			return c.Template(value)
		}
		return nil
	})
}

func fieldShape() *shape {
	s := templateShape("value of the field, with placeholders", "{tag:team}")
	template := s.check
	s.check = func(c *checker, value string) error {
		if strings.ContainsAny(value, ",=") {
			return fmt.Errorf("holds a comma or an equals sign, which part fields; want text without")
		}
		return template(c, value)
	}
	return s
}

func pathShape() *shape {
	return textOf("path in a JSON message: names or positions with dots between them, * for any", "user.cards.*.number", func(_ *checker, value string) error {
		parts := strings.Split(value, ".")
		for _, part := range parts {
			if part == "" {
				return fmt.Errorf("%q is not a path; want names with dots between them, such as user.cards.*.number", value)
			}
		}
		if len(value) > 500 || len(parts) > 20 {
			return fmt.Errorf("the path has %d names and %d bytes; want at most 20 and 500", len(parts), len(value))
		}
		return nil
	})
}

func documentShape() *shape {
	return &shape{kind: object, about: "Rules of sumoship: what is shipped, under which name and without what.", members: []member{
		{"version", &shape{kind: number, about: "version of the document's form", above: 0, upTo: Version, whole: true}, true},
		{"masks", &shape{kind: object, about: "masks by name: patterns of your own, or other replacements for built-in masks", names: maskNames(), others: maskShape()}, false},
		{"rules", &shape{kind: list, about: "rules; the first whose match fits an event's origin is the one that counts", each: ruleShape()}, false},
		{"default", &shape{kind: object, about: "what is done where no rule fits", members: actionMembers()}, false},
	}}
}

func maskShape() *shape {
	return &shape{kind: object, about: "a mask", members: []member{
		{"pattern", patternShape("what to mask; if it has groups, what they match", `order-(\d+)`), false},
		{"replace", textOf("text to put in its place; without it, the name of the mask in brackets", "[order]", func(_ *checker, value string) error {
			if value == "" {
				return fmt.Errorf("is empty, which could join what was apart; want text")
			}
			return mask.Replacement{Text: value}.Check()
		}), false},
		{"keepLast", &shape{kind: number, about: "put **** and the last characters in its place, as many as this, at most half", above: 0, upTo: mask.MaxKeep, whole: true}, false},
		{"hmac", &shape{kind: boolean, about: "put a code in its place that is the same for the same value"}, false},
	}}
}

func ruleShape() *shape {
	return &shape{kind: object, about: "a rule", members: append([]member{
		{"rule", textOf("name of the rule, in reports and metrics", "payments", func(_ *checker, value string) error {
			if n := ruleNames(); !n.fit(value) || value == DefaultName {
				return fmt.Errorf("%q is not the name of a rule; want 1 to %d letters, digits, _, . and -, and not %s", value, n.most, DefaultName)
			}
			return nil
		}), true},
		{"match", &shape{kind: object, about: "the origins that the rule is for; all that is given must fit", members: []member{
			{"logGroup", patternShape("log group, of the source account where the event says it", "^/ecs/payments"), false},
			{"logStream", patternShape("log stream", "^web/"), false},
			{"account", patternShape("number of the account", "^1234"), false},
			{"region", patternShape("Region", "^eu-"), false},
			{"tags", &shape{kind: object, about: "tags of the log group by key", names: tagNames(), others: patternShape("value of the tag", "^payments$"), filled: true}, false},
		}}, false},
	}, actionMembers()...)}
}

func actionMembers() []member {
	anyPattern := func() *shape { return patternShape("part of a message", "ERROR|FATAL") }
	return []member{
		{"category", templateShape("_sourceCategory, with placeholders; none sends no header", "aws/{logGroup}"), false},
		{"name", templateShape("_sourceName, with placeholders; none sends no header", "{container}"), false},
		{"host", templateShape("_sourceHost, with placeholders; none sends no header", "{taskID}"), false},
		{"fields", &shape{kind: object, about: "fields by name; one whose value is empty is left out", names: fieldNames(), others: fieldShape(), filled: true}, false},
		{"format", &shape{kind: text, about: "form of a record, as LOG_FORMAT has it", oneOf: []string{"Others", "VPC-JSON", "VPC-RAW", "RAW"}}, false},
		{"metadataFromMessages", &shape{kind: text, about: "what _sumo_metadata in a message may choose", oneOf: []string{"none", "fields", "all"}}, false},
		{"drop", &shape{kind: boolean, about: "ship nothing of it"}, false},
		{"include", listOf("ship only messages that match one of these", anyPattern()), false},
		{"exclude", listOf("do not ship messages that match one of these, even if include has them", anyPattern()), false},
		{"sample", &shape{kind: object, about: "ship a share of the messages, chosen by the ids of their events; the field " + RateField + " says which", members: []member{
			{"rate", &shape{kind: number, about: "the share: 0.1 is one in ten", above: 0, upTo: 1, below: true}, true},
			{"keep", listOf("messages that match one of these are all shipped", anyPattern()), false},
		}}, false},
		{"mask", listOf("masks by name, built in or of the document", textOf("a mask", "email", func(c *checker, value string) error {
			return c.knowsMask(value)
		})), false},
		{"redact", listOf("values to replace in JSON messages, whatever they are", pathShape()), false},
		{"flowLogs", &shape{kind: object, about: "drop records of VPC flow logs whose traffic stays inside", members: []member{
			{"format", textOf("format of the flow log, if it is not the default", "${version} ${srcaddr} ${dstaddr}", func(_ *checker, value string) error {
				_, _, err := FlowColumns(value)
				return err
			}), false},
			{"internal", listOf("networks; a record is dropped if both of its addresses are in one of them", textOf("a CIDR block", "10.0.0.0/8", func(c *checker, value string) error {
				if c.Network == nil {
					return nil
				}
				return c.Network(value)
			})), true},
		}}, false},
	}
}

// FlowColumns returns the positions of the source and the destination address in
// the records of a flow log, counted from 0. The default format is "".
//
// Source: Amazon VPC User Guide, "Flow log records".
func FlowColumns(format string) (source, destination int, err error) {
	if strings.TrimSpace(format) == "" {
		return 3, 4, nil
	}
	source, destination = -1, -1
	for i, field := range strings.Fields(format) {
		name, opened := strings.CutPrefix(field, "${")
		name, closed := strings.CutSuffix(name, "}")
		if !opened || !closed {
			return 0, 0, fmt.Errorf("%q is not a field of a flow log; want fields such as ${srcaddr} with a space between them", field)
		}
		// pkt-srcaddr is where the packet came from before NAT: the address itself
		// counts where the format has both.
		switch {
		case name == "srcaddr", name == "pkt-srcaddr" && source < 0:
			source = i
		case name == "dstaddr", name == "pkt-dstaddr" && destination < 0:
			destination = i
		}
	}
	if source < 0 || destination < 0 {
		return 0, 0, fmt.Errorf("the format lacks ${srcaddr} or ${dstaddr}; want both, or pkt-srcaddr and pkt-dstaddr")
	}
	return source, destination, nil
}
