// Package rulescmd is sumoship rules: one file a verb. It tries rules on log events as
// the functions would apply them; the work is done by packages rules, transform and
// function/ship.
package rulescmd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
	"sumoship/rules"
	"sumoship/transform"
)

// Cmd works on a document of rules.
type Cmd struct {
	Validate validateCmd `cmd:"" help:"Report every mistake of a document of rules."`
	Test     testCmd     `cmd:"" help:"Show what rules do with log events, one by one."`
	Try      tryCmd      `cmd:"" help:"Show what rules would do with the log events of a log group, and what that saves."`
	Schema   schemaCmd   `cmd:"" help:"Write the JSON Schema of documents."`
}

// document is the argument of verbs that apply rules.
type document struct {
	Rules string `arg:"" help:"File with the rules, JSON or YAML; - means standard input."`
}

// read reads and compiles the rules. Without the key in RULES_KEY, masks that replace
// by HMAC have one of this run.
func (d *document) read(ctx context.Context, s cli.Streams) (*rules.Set, error) {
	b, err := cli.ReadFile(ctx, s, d.Rules, rules.MaxSize+1)
	if err != nil {
		return nil, err
	}
	key := []byte(s.Getenv("RULES_KEY"))
	if len(key) == 0 {
		key = []byte(rand.Text())
	}
	return ship.ReadRules(b, key)
}

// open is read for verbs for which wrong rules are the end.
func (d *document) open(ctx context.Context, s cli.Streams) (*rules.Set, error) {
	set, err := d.read(ctx, s)
	if len(rules.AsMistakes(err)) > 0 {
		return nil, cli.Fail(cli.ExitFound, fmt.Errorf("%s:\n%w", d.Rules, err))
	}
	return set, err
}

type schemaCmd struct{}

func (c *schemaCmd) Help() string {
	return `  sumoship rules schema > rules.schema.json

An editor completes and checks a document of rules by it. Exit status: 0.`
}

func (schemaCmd) Run(s cli.Streams) error {
	_, err := cli.Raw(s.Out).Write(rules.Schema())
	return err
}

type validateCmd struct {
	document
	JSON bool `name:"json" help:"Write the result as JSON."`
}

func (validateCmd) Help() string {
	return `  sumoship rules validate rules.yaml

Exit status: 0 if the rules are right, 1 if they have mistakes, 2 if the file cannot
be read.`
}

// validated is the result in JSON.
type validated struct {
	File     string         `json:"file"`
	Rules    []string       `json:"rules"` // their names
	Mistakes rules.Mistakes `json:"mistakes"`
	Slow     []string       `json:"withoutLiteral"` // patterns that are tried on every message
}

// Outputs is what it writes as JSON.
func (c *validateCmd) Outputs() []any { return []any{validated{}} }

func (c *validateCmd) Run(ctx context.Context, s cli.Streams) error {
	set, err := c.read(ctx, s)
	mistakes := rules.AsMistakes(err)
	if err != nil && len(mistakes) == 0 {
		return err
	}
	names, slow := []string{}, []string{}
	if err == nil {
		for _, r := range set.Rules() {
			names = append(names, r.Name)
			for _, p := range r.Slow() {
				slow = append(slow, r.Name+": "+p)
			}
		}
	}
	if c.JSON {
		if mistakes == nil {
			mistakes = rules.Mistakes{}
		}
		if err := cli.WriteJSON(s.Out, validated{c.Rules, names, mistakes, slow}); err != nil {
			return err
		}
	} else {
		for _, m := range mistakes {
			fmt.Fprintf(s.Out, "%s: %s\n", cli.Paint(s.Out, cli.Bad, c.Rules), m)
		}
		for _, p := range slow {
			fmt.Fprintf(s.Out, "%s: rule %s requires no text literally: it is tried on every message\n", cli.Paint(s.Out, cli.Doubt, c.Rules), p)
		}
		if err == nil {
			fmt.Fprintf(s.Out, "%s: %s, %s\n", c.Rules, cli.Count(len(names), "rule"), cli.Paint(s.Out, cli.Good, "no mistakes"))
		}
	}
	if err != nil {
		return cli.Exit{Status: cli.ExitFound}
	}
	return nil
}

// judged is what rules do with one log event, and its form in JSON.
type judged struct {
	LogGroup string         `json:"logGroup"`
	Event    string         `json:"event"` // its message, at most shownBytes of it
	Rule     string         `json:"rule"`  // "" if none fits
	Shipped  bool           `json:"shipped"`
	Why      string         `json:"why,omitempty"` // it is not shipped: RULE:MEMBER, or blank and others
	Masked   map[string]int `json:"masked,omitempty"`
	Name     string         `json:"name,omitempty"`
	Category string         `json:"category,omitempty"`
	Host     string         `json:"host,omitempty"`
	Fields   string         `json:"fields,omitempty"`
	Record   string         `json:"record,omitempty"`

	before, after int // bytes of its record without rules and with them, with the newline
}

// judge tells what rules do with the log events of a Lambda event.
func judge(set *rules.Set, base transform.Options, tags map[string]string, event []byte, see func(judged)) error {
	batch, err := transform.Decode(event, transform.DefaultLimit)
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	plain, messages := []int{}, []string{}
	for r := range base.Records(batch) {
		size := 0
		if r.Dropped == transform.Kept {
			size = len(r.Line) + 1
		}
		plain = append(plain, size)
	}
	whole := transform.Options{Format: transform.Raw}
	for r := range whole.Records(batch) {
		messages = append(messages, shown(r.Line))
	}
	by := &ship.Treatment{Set: set, Tags: func(_, _, _ string) (map[string]string, error) { return tags, nil }}
	for r := range by.Apply(base).Records(batch) {
		by.Count()
		j := judged{LogGroup: batch.LogGroup, Event: messages[r.Event], Rule: by.Name(r), Masked: by.Masked, before: plain[r.Event]}
		by.Masked = nil
		if r.Dropped != transform.Kept {
			j.Why, j.Masked = r.Reason(), nil
		} else {
			j.Shipped, j.after = true, len(r.Line)+1
			j.Name, j.Category, j.Host, j.Fields, j.Record = r.Source.Name, r.Source.Category, r.Source.Host, r.Source.Fields, string(r.Line)
		}
		see(j)
	}
	return nil
}

const shownBytes = 200

// shown is the beginning of a message, on one line.
func shown(line []byte) string {
	text := []rune(string(line))
	if len(text) > shownBytes {
		text = append(text[:shownBytes], '…')
	}
	return string(text)
}

var errNoEvents = errors.New("no log events")
