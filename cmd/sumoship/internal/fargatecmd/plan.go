package fargatecmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/estate"
)

// planCmd plans the move of an account.
type planCmd struct {
	Cluster  []string `help:"Cluster to look at. Repeatable." placeholder:"NAME|ARN"`
	All      bool     `help:"Look at all clusters of the Region."`
	Prices   string   `help:"Price file. Default: the one of this command, whose date the plan shows." placeholder:"FILE" type:"existingfile"`
	Usage    bool     `help:"Read what the tasks used in the last 14 days from CloudWatch." default:"true" negatable:""`
	Headroom float64  `help:"Factor on what was used: on the p99 of CPU and on the maximum of memory." default:"1.3"`
	Size     string   `help:"Size tasks by what their definitions say (limits) or by what was used (usage), where it was measured." enum:"limits,usage" default:"limits"`
	Arm      bool     `help:"The images run on ARM too."`
	As       string   `help:"Write a table, json, markdown, or a page (html)." enum:"table,json,markdown,html" default:"table"`
	JSON     bool     `name:"json" help:"The same as --as json."`
	Out      string   `short:"o" help:"Write to this file instead of standard output." placeholder:"FILE"`
	cli.AWSFlags
}

func (c *planCmd) Help() string {
	return `Every service, daemon and scheduled task: whether it can move, what it needs a
choice for, or why it must stay; the order, by who calls whom; sizes; and the cost of
a month now, on Fargate with x86, ARM and Spot, and on ECS Managed Instances. Reads
only.

  sumoship fargate plan --cluster prod
  sumoship fargate plan --all --as html -o plan.html
  sumoship fargate plan --all --size usage --headroom 1.5 --prices prices.json

A price file is JSON, like the one that the command has:
deploy/estate/prices.json. Figures are of its Region and date.

Exit status: 0 planned, 2 the command is wrong, 3 AWS refused.`
}

// Outputs is what it writes as JSON.
func (c *planCmd) Outputs() []any { return []any{estate.Plan{}} }

func (c *planCmd) Run(ctx context.Context, s cli.Streams) error {
	switch {
	case len(c.Cluster) == 0 && !c.All:
		return cli.Usagef("which clusters? Give --cluster NAME, or --all")
	case len(c.Cluster) > 0 && c.All:
		return cli.Usagef("--cluster and --all: give one of them")
	case c.Headroom < 1:
		return cli.Usagef("--headroom %g: want at least 1, such as 1.3", c.Headroom)
	}
	prices := estate.DefaultPrices()
	if c.Prices != "" {
		b, err := os.ReadFile(c.Prices)
		if err != nil {
			return cli.Fail(cli.ExitUsage, err)
		}
		if prices, err = estate.ReadPrices(b); err != nil {
			return cli.Fail(cli.ExitUsage, fmt.Errorf("%s: %w", c.Prices, err))
		}
	}
	for _, cluster := range c.Cluster { // the plan wants the ARN as it is
		if err := c.Named("--cluster", &cluster); err != nil {
			return err
		}
	}
	cfg, err := c.AWSFlags.LoadRegion(ctx)
	if err != nil {
		return err
	}
	r := newInventory(cfg, s)
	inventory, err := r.read(ctx, c.Cluster, c.Usage)
	if err != nil {
		return cli.Fail(cli.ExitAWS, cli.Plain(err))
	}
	plan := estate.New(inventory, estate.Options{Prices: prices, Headroom: c.Headroom, ByUsage: c.Size == "usage", Arm: c.Arm})
	if c.Out == "" {
		return c.write(s.Out, plan)
	}
	var b bytes.Buffer
	if err := c.write(&b, plan); err != nil {
		return err
	}
	return cli.WriteFile(c.Out, b.Bytes())
}

var verdicts = map[estate.Verdict]cli.Meaning{estate.CanMove: cli.Good, estate.NeedsChoice: cli.Doubt, estate.MustStay: cli.Bad, estate.Moved: cli.Aside}

func (c *planCmd) write(w io.Writer, p *estate.Plan) error {
	as := c.As
	if c.JSON {
		as = "json"
	}
	switch as {
	case "json":
		return cli.WriteJSON(w, p)
	case "markdown":
		_, err := io.WriteString(cli.Raw(w), p.Markdown())
		return err
	case "html":
		return p.HTML(cli.Raw(w))
	}
	var rows []cli.Row
	for _, r := range p.Rows {
		wave, why := "", ""
		if r.Wave > 0 {
			wave = fmt.Sprint(r.Wave)
		}
		if len(r.Why) > 0 {
			why = r.Why[0].ID
		}
		if len(r.Why) > 1 {
			why += fmt.Sprintf(" and %d more", len(r.Why)-1)
		}
		rows = append(rows, cli.Row{r.Cluster, r.Kind, r.Name, r.Tasks, cli.Paint(w, verdicts[r.Verdict], string(r.Verdict)), wave, r.Limits.String(), r.Usage.String(),
			estate.Money(r.Costs.Now), estate.Money(r.Costs.X86), estate.Money(r.Costs.Arm), estate.Money(r.Costs.Spot),
			estate.Money(r.Costs.Managed), why})
	}
	t := p.Total
	rows = append(rows, cli.Row{"all", "", "", "", "", "", "", "", estate.Money(t.Now), estate.Money(t.X86),
		estate.Money(t.Arm), estate.Money(t.Spot), estate.Money(t.Managed), ""})
	head := cli.Row{"cluster", "kind", "name", "tasks", "verdict", "wave", "by limits", "by usage", "now", "x86", "arm", "spot", "managed", "why"}
	if err := cli.WriteTable(w, head, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nA month, in %s.\n%s\n", p.Prices, strings.Join(p.Notes, "\n"))
	return err
}
