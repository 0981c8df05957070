// Package schemacmd is sumoship schema: the JSON Schemas of what verbs write with --json.
// They are made from the Go types by a test of the command, which writes them here.
package schemacmd

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
)

//go:embed schemas/*.json
var schemas embed.FS

// Cmd is the verb.
type Cmd struct {
	Verb []string `arg:"" optional:"" help:"The verb, such as dlq status. Default: a list of the verbs."`
}

// Help is shown by --help.
func (c *Cmd) Help() string {
	return `  sumoship schema
  sumoship schema dlq status
  sumoship dlq status --queue dead-letters --json | check-jsonschema --schemafile <(sumoship schema dlq status) -

A schema is of the whole output of --json. With --jsonl each line is an element of it.
What verbs write may get more members, and none goes or changes its type.

Exit status: 0, 2 there is no such verb, or it writes no JSON.`
}

// File is the name of the file of a verb.
func File(verb string) string { return strings.ReplaceAll(verb, " ", "-") + ".json" }

// Run writes the schema.
func (c *Cmd) Run(s cli.Streams) error {
	files, err := fs.Glob(schemas, "schemas/*.json")
	if err != nil {
		return err
	}
	if len(c.Verb) == 0 {
		for _, name := range files {
			fmt.Fprintln(s.Out, strings.ReplaceAll(nameOf(name), "-", " "))
		}
		return nil
	}
	verb := strings.Join(c.Verb, " ")
	i := slices.IndexFunc(files, func(name string) bool { return nameOf(name)+".json" == File(verb) })
	if i < 0 {
		var names []string
		for _, name := range files {
			names = append(names, strings.ReplaceAll(nameOf(name), "-", " "))
		}
		hint := "; sumoship schema lists those that do"
		if near := cli.Nearest(verb, names); len(near) > 0 {
			hint = "; did you mean " + near[0] + "?"
		}
		return cli.Usagef("no verb %q writes JSON%s", verb, hint)
	}
	b, err := schemas.ReadFile(files[i])
	if err != nil {
		return err
	}
	_, err = cli.Raw(s.Out).Write(b)
	return err
}

// nameOf is the verb of a file, with hyphens for its spaces.
func nameOf(file string) string {
	return strings.TrimSuffix(strings.TrimPrefix(file, "schemas/"), ".json")
}
