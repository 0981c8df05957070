package estate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
)

//go:embed page.html
var pageSource string

// tile is a figure at the head of the page.
type tile struct {
	Class, Label string
	Count        int
}

// choice is a reason, and how many workloads have it.
type choice struct {
	Why, Do string
	Count   int
}

var verdicts = []Verdict{CanMove, NeedsChoice, MustStay, Moved}

func class(v Verdict) string {
	return map[Verdict]string{CanMove: "can", NeedsChoice: "choice", MustStay: "stay", Moved: "moved"}[v]
}

// label is what several workloads do.
func label(v Verdict) string {
	return map[Verdict]string{CanMove: "can move", NeedsChoice: "need a choice", MustStay: "must stay", Moved: "on Fargate already"}[v]
}

// colours are those of the page's style.
var colours = map[Verdict]string{CanMove: "#2f855a", NeedsChoice: "#c77d0a", MustStay: "#b83232", Moved: "#3b6fb6"}

// HTML writes the plan as a page that needs nothing else: no script, no other file.
func (p *Plan) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"class": class, "money": Money, "inc": func(i int) int { return i + 1 },
	}).Parse(pageSource)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*Plan
		Tiles                []tile
		VerdictBar, CostBars template.HTML
		Steps                [][]string
		Choices              []choice
	}{p, p.tiles(), template.HTML(p.verdictBar()), template.HTML(p.costBars()), p.names(), p.choices()})
}

func (p *Plan) tiles() (all []tile) {
	for _, v := range verdicts {
		all = append(all, tile{class(v), label(v), p.Counts[v]})
	}
	return all
}

// names are those of the workloads in each wave.
func (p *Plan) names() (all [][]string) {
	for _, wave := range p.Waves {
		var names []string
		for _, i := range wave {
			names = append(names, p.Rows[i].Name)
		}
		all = append(all, names)
	}
	return all
}

// choices are the reasons, the most frequent first.
func (p *Plan) choices() (all []choice) {
	at := map[string]int{}
	for _, r := range p.Rows {
		for _, why := range r.Why {
			i, ok := at[why.ID]
			if !ok {
				i = len(all)
				at[why.ID] = i
				all = append(all, choice{Why: why.Why, Do: why.Do})
			}
			all[i].Count++
		}
	}
	slices.SortStableFunc(all, func(a, b choice) int { return b.Count - a.Count })
	return all
}

// verdictBar is one bar, split by verdict.
func (p *Plan) verdictBar() string {
	const width, height = 960.0, 46.0
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="Workloads by verdict" xmlns="http://www.w3.org/2000/svg">`, width, height+24)
	x := 0.0
	for _, v := range verdicts {
		n := p.Counts[v]
		if n == 0 || len(p.Rows) == 0 {
			continue
		}
		part := width * float64(n) / float64(len(p.Rows))
		fmt.Fprintf(&b, `<rect x="%.1f" y="0" width="%.1f" height="%g" fill="%s"/>`, x, max(1, part-2), height, colours[v])
		if part > 50 {
			fmt.Fprintf(&b, `<text x="%.1f" y="29" fill="#fff" font-family="sans-serif" font-size="17" text-anchor="middle">%d</text>`, x+part/2, n)
		}
		if part > 110 {
			fmt.Fprintf(&b, `<text x="%.1f" y="%g" fill="#5b6577" font-family="sans-serif" font-size="14" text-anchor="middle">%s</text>`, x+part/2, height+18, label(v))
		}
		x += part
	}
	return b.String() + "</svg>"
}

// costBars compare the costs of a month. To those of Fargate belongs what the workloads
// that must stay cost on their instances.
func (p *Plan) costBars() string {
	type bar struct {
		label   string
		v, more *float64
		colour  string
	}
	bars := []bar{
		{"Instances now", p.Total.Now, nil, grey}, {"Fargate x86", p.Total.X86, p.Staying, "#3b6fb6"}, {"Fargate ARM", p.Total.Arm, p.Staying, "#2f855a"},
		{"Fargate Spot", p.Total.Spot, p.Staying, "#7a5ca8"}, {"Managed Instances", p.Total.Managed, nil, "#c77d0a"},
	}
	amount := func(v *float64) float64 {
		if v == nil {
			return 0
		}
		return *v
	}
	most := 1.0
	for _, bar := range bars {
		most = max(most, amount(bar.v)+amount(bar.more))
	}
	const row, left, width = 38.0, 170.0, 960.0
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="Cost of a month" xmlns="http://www.w3.org/2000/svg">`, width, row*float64(len(bars)))
	for i, bar := range bars {
		y := row * float64(i)
		text := Money(bar.v)
		fmt.Fprintf(&b, `<text x="%g" y="%g" fill="#1c2330" font-family="sans-serif" font-size="15" text-anchor="end">%s</text>`, left-12, y+24, bar.label)
		length, more := (width-left-220)*amount(bar.v)/most, (width-left-220)*amount(bar.more)/most
		fmt.Fprintf(&b, `<rect x="%g" y="%g" width="%.1f" height="%g" fill="%s"/>`, left, y+6, max(2, length), row-12, bar.colour)
		if bar.more != nil {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%g" width="%.1f" height="%g" fill="%s" opacity="0.55"/>`, left+length, y+6, more, row-12, grey)
			text += " + " + Money(bar.more) + " that stays"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" fill="#1c2330" font-family="sans-serif" font-size="15">%s</text>`, left+length+more+10, y+24, text)
	}
	return b.String() + "</svg>"
}

const grey = "#5b6577"

// Money is an amount in whole units, with separators of thousands.
func Money(v *float64) string {
	if v == nil {
		return "–"
	}
	n := fmt.Sprint(int64(math.Round(*v)))
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}

// Markdown returns the plan for a wiki or a pull request.
func (p *Plan) Markdown() string {
	var b strings.Builder
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	fmt.Fprintf(&b, "# Moving to Fargate\n\n")
	for i, v := range verdicts {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %s", p.Counts[v], label(v))
	}
	fmt.Fprintf(&b, ". Prices: %s.\n\n", p.Prices)
	fmt.Fprintf(&b,
		"| A month | Instances now | Fargate x86 | ARM | Spot | Managed Instances |\n|---|--:|--:|--:|--:|--:|\n| all | %s | %s | %s | %s | %s |\n\n",
		Money(p.Total.Now), Money(p.Total.X86), Money(p.Total.Arm), Money(p.Total.Spot), Money(p.Total.Managed))
	b.WriteString("## Order\n\n")
	for i, names := range p.names() {
		fmt.Fprintf(&b, "%d. %s\n", i+1, cell.Replace(strings.Join(names, ", ")))
	}
	b.WriteString("\n## Workloads\n\n| Workload | Kind | Cluster | Verdict | Wave | Tasks | By limits | By usage | Now | Fargate | ARM | Spot | Managed | Why |\n|---|---|---|---|--:|--:|---|---|--:|--:|--:|--:|--:|---|\n")
	for _, r := range p.Rows {
		var why []string
		for _, reason := range r.Why {
			why = append(why, reason.Why)
		}
		if r.Managed != "" {
			why = append(why, r.Managed)
		}
		wave := ""
		if r.Wave > 0 {
			wave = fmt.Sprint(r.Wave)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %d | %s | %s | %s | %s | %s | %s | %s | %s |\n", cell.Replace(r.Name),
			r.Kind, cell.Replace(r.Cluster), r.Verdict, wave, r.Tasks, r.Limits, r.Usage,
			Money(r.Costs.Now), Money(r.Costs.X86), Money(r.Costs.Arm), Money(r.Costs.Spot), Money(r.Costs.Managed), cell.Replace(strings.Join(why, " ")))
	}
	b.WriteString("\n")
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	return b.String()
}
