package fargatecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/explain"
	"sumoship/deploy/finding"
)

type explainCmd struct {
	What       string `arg:"" optional:"" placeholder:"MODE|ID|FILE" help:"A network mode (none, bridge, host or awsvpc), the ID of a finding, or a task definition in any shape that convert reads; - is standard input. Default: all modes."`
	inputFlags `group:"Input"`
	ruleFlags  `group:"Conversion"`
	JSON       bool `name:"json" help:"Write the result as JSON."`
}

func (c *explainCmd) Help() string {
	return `Explains what a network mode means for ports, addresses, isolation, performance
and security groups, and what replaces it on Fargate. For a task definition it
explains the mode, and shows where each port is reached before and after, and what
else changes in its network; check reports the rest. For the ID of a finding it shows
the rule: what it says, what to do, and what --allow does.

  sumoship fargate explain bridge
  sumoship fargate explain shop.json
  sumoship fargate explain network-mode-host

Exit status: 0, 2 if the command or its input is wrong, 3 if AWS refused.`
}

func (c *explainCmd) Run(ctx context.Context, s cli.Streams) error {
	modes := explain.NetworkModes()
	mode := slices.IndexFunc(modes, func(m explain.NetworkMode) bool { return m.Name == strings.ToLower(c.What) })
	switch {
	case c.What == "" && c.FromECS == "":
		return c.modes(s, modes)
	case mode >= 0 && c.FromECS == "":
		return c.modes(s, modes[mode:mode+1])
	}
	if rule, ok := ruleNamed(c.What); ok && c.FromECS == "" {
		return explainRule(s, rule, c.JSON)
	}
	d, in, err := c.one(ctx, s, c.What, c.Region)
	if err != nil {
		if e, ok := errors.AsType[cli.Exit](err); ok && errors.Is(e.Err, fs.ErrNotExist) {
			return cli.Usagef("%q is not a network mode (none, bridge, host, awsvpc) or the ID of a finding, and no file has this name%s", c.What, nearRules(c.What))
		}
		return err
	}
	move, err := explain.NewMove(d, c.options(in.region))
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	mode = slices.IndexFunc(modes, func(m explain.NetworkMode) bool { return m.Name == move.Mode })
	if c.JSON {
		var explained *explain.NetworkMode
		if mode >= 0 {
			explained = &modes[mode]
		}
		return cli.WriteJSON(s.Out, explainedMove{move, explained})
	}
	style := cli.Style(s.Out, s.Getenv)
	if mode >= 0 {
		if err := modes[mode].Text(s.Out, style); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(s.Out, "The network mode, %s, is known only at deployment.\n", move.Mode)
	}
	return writeMove(s, in.name, move, style)
}

func (c *explainCmd) modes(s cli.Streams, modes []explain.NetworkMode) error {
	if c.JSON {
		return cli.WriteJSON(s.Out, explainedModes{modes})
	}
	for i, m := range modes {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		if err := m.Text(s.Out, cli.Style(s.Out, s.Getenv)); err != nil {
			return err
		}
	}
	return nil
}

// explainedMove is what the move of a definition changes, in JSON.
type explainedMove struct {
	*explain.Move
	Explained *explain.NetworkMode `json:"explained"` // null if it is known only at deployment
}

// explainedModes are network modes in JSON.
type explainedModes struct {
	Modes []explain.NetworkMode `json:"modes"`
}

// Outputs is what it writes as JSON: of a definition, of modes, of the ID of a finding.
func (c *explainCmd) Outputs() []any { return []any{explainedMove{}, explainedModes{}, shownRule{}} }

// writeMove shows what changes in the network of a definition.
func writeMove(s cli.Streams, name string, move *explain.Move, style finding.Style) error {
	how := ""
	if move.Default {
		how = ", the default"
	}
	fmt.Fprintf(s.Out, "\n%s has network mode %s%s.\n", name, move.Mode, how)
	if len(move.Ports) > 0 {
		var rows []cli.Row
		for _, p := range move.Ports {
			rows = append(rows, cli.Row{p.Container, p.Before, p.After})
		}
		fmt.Fprintln(s.Out)
		if err := cli.WriteTable(s.Out, cli.Row{"CONTAINER", "REACHED TODAY AT", "ON FARGATE AT"}, rows); err != nil {
			return err
		}
	}
	if len(move.Findings) == 0 {
		fmt.Fprintln(s.Out, "\nNothing else changes in its network on Fargate.")
	} else {
		fmt.Fprint(s.Out, "\nWhat changes in its network on Fargate:\n\n")
		report := finding.Report{Inputs: []finding.Input{{Name: name, Findings: move.Findings}}}
		if err := report.Text(s.Out, style); err != nil {
			return err
		}
	}
	if move.Others > 0 {
		fmt.Fprintf(s.Out, "There are %s that are not about the network: sumoship fargate check %s\n", cli.Count(move.Others, "finding"), name)
	}
	return nil
}
