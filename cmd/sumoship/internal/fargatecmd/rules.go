package fargatecmd

import (
	"fmt"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
)

type rulesCmd struct {
	JSON bool `name:"json" help:"Write the result as JSON."`
}

func (c *rulesCmd) Help() string {
	return `  sumoship fargate rules
  sumoship fargate explain network-mode-host

Lists the IDs of findings with their severity and what they say. explain shows one with
its help, its source, and what --allow does.

Exit status: 0.`
}

// rules are those of all findings.
func rules() []finding.Rule { return slices.Concat(fargate.Rules(), service.Rules()) }

// shownRule is a rule in JSON.
type shownRule struct {
	ID       string           `json:"id"`
	Severity finding.Severity `json:"severity"`
	Action   finding.Action   `json:"action"`
	Summary  string           `json:"summary"`
	Help     string           `json:"help,omitempty"`
	Allow    string           `json:"allow,omitempty"`
	Refusal  string           `json:"refusal,omitempty"`
	Source   string           `json:"source,omitempty"`
}

func show(r finding.Rule) shownRule {
	return shownRule{r.ID, r.Severity, r.Action, r.Summary, r.Help.String(), r.Allow, r.Refusal, r.Source}
}

// Outputs is what it writes as JSON.
func (c *rulesCmd) Outputs() []any { return []any{[]shownRule{}} }

func (c *rulesCmd) Run(s cli.Streams) error {
	if c.JSON {
		list := []shownRule{}
		for _, r := range rules() {
			list = append(list, show(r))
		}
		return cli.WriteJSON(s.Out, list)
	}
	var rows []cli.Row
	for _, r := range rules() {
		rows = append(rows, cli.Row{r.ID, cli.Paint(s.Out, meanings[r.Severity], string(r.Severity)), r.Summary})
	}
	return cli.WriteTable(s.Out, cli.Row{"ID", "SEVERITY", "WHAT IT SAYS"}, rows)
}

// meanings are those of severities.
var meanings = map[finding.Severity]cli.Meaning{finding.Error: cli.Bad, finding.Warning: cli.Doubt}

// explainRule shows a rule.
func explainRule(s cli.Streams, r finding.Rule, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(s.Out, show(r))
	}
	fmt.Fprintf(s.Out, "%s  %s, %s\n\n%s\n", cli.Paint(s.Out, cli.Head, r.ID), cli.Paint(s.Out, meanings[r.Severity], string(r.Severity)), r.Action, r.Summary)
	for _, part := range []struct{ head, text string }{
		{"What to do", r.Help.String()}, {"With --allow " + r.ID, r.Allow}, {"What ECS says", r.Refusal}, {"Source", r.Source},
	} {
		if part.text != "" {
			fmt.Fprintf(s.Out, "\n%s\n", cli.Paint(s.Out, cli.Head, part.head))
			if err := cli.WriteIndented(s.Out, "  ", part.text); err != nil {
				return err
			}
		}
	}
	return nil
}

// ruleNamed finds a rule by its ID.
func ruleNamed(id string) (finding.Rule, bool) {
	all := rules()
	i := slices.IndexFunc(all, func(r finding.Rule) bool { return r.ID == strings.ToLower(id) })
	if i < 0 {
		return finding.Rule{}, false
	}
	return all[i], true
}

// nearRules says which rules may be meant.
func nearRules(id string) string {
	var ids []string
	for _, r := range rules() {
		ids = append(ids, r.ID)
	}
	if near := cli.Nearest(id, ids); len(near) > 0 {
		return "; did you mean " + strings.Join(near, ", ") + "?"
	}
	return "; sumoship fargate rules lists the IDs of findings"
}
