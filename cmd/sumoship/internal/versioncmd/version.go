// Package versioncmd is sumoship version. What it says comes from package version.
package versioncmd

import (
	"fmt"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/version"
)

// Cmd is the verb.
type Cmd struct {
	JSON bool `name:"json" help:"Write the result as JSON."`
}

// Help is shown by --help.
func (c *Cmd) Help() string {
	return `The functions of a stack write their version into each line of their log, and
name it to Sumo Logic as User-Agent.

Exit status: 0.`
}

// Outputs is what it writes as JSON.
func (c *Cmd) Outputs() []any { return []any{version.Read()} }

// Run writes the version.
func (c *Cmd) Run(s cli.Streams) error {
	i := version.Read()
	if c.JSON {
		return cli.WriteJSON(s.Out, i)
	}
	text := "sumoship " + i.Version + "\n"
	if i.Commit != "" {
		text += "commit " + strings.TrimSpace(i.Commit+" "+i.Date)
		if i.Modified {
			text += ", with changes that are not committed"
		}
		text += "\n"
	}
	_, err := fmt.Fprintf(s.Out, "%s%s %s\n", text, i.Go, i.Platform)
	return err
}
