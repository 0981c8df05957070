package finding

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// overview is the line of an input in a table of all of them.
type overview struct {
	name             string
	errors, warnings int
	top              string // rules, those of the worst and most findings first
}

// overviews returns a line for each input that could be read.
func (r Report) overviews() (all []overview) {
	for _, input := range r.Inputs {
		if input.Err != nil {
			continue
		}
		o := overview{name: strings.TrimSpace(input.Name + " " + input.Resource)}
		count, worst := map[string]int{}, map[string]Severity{}
		var ids []string
		for _, f := range input.Findings {
			switch f.Severity {
			case Error:
				o.errors++
			case Warning:
				o.warnings++
			default:
				continue
			}
			if count[f.ID]++; count[f.ID] == 1 {
				ids = append(ids, f.ID)
			}
			if f.Severity.weight() > worst[f.ID].weight() {
				worst[f.ID] = f.Severity
			}
		}
		slices.SortStableFunc(ids, func(a, b string) int {
			return cmp.Or(worst[b].weight()-worst[a].weight(), count[b]-count[a])
		})
		for i, id := range ids {
			if i == 3 {
				o.top += fmt.Sprintf(" and %d more", len(ids)-i)
				break
			}
			if i > 0 {
				o.top += ", "
			}
			o.top += id
			if count[id] > 1 {
				o.top += fmt.Sprintf(" ×%d", count[id])
			}
		}
		all = append(all, o)
	}
	return all
}

// Markdown writes the findings for a comment on a pull request: the counts of each
// input first, then a list of its findings.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", r.Summary())
	if len(r.Inputs) > 0 {
		b.WriteString("\n| File | Errors | Warnings | Rules |\n|---|---:|---:|---|\n")
	}
	for _, o := range r.overviews() {
		fmt.Fprintf(&b, "| %s | %d | %d | %s |\n", markdown(o.name), o.errors, o.warnings, markdown(o.top))
	}
	for _, input := range r.Inputs {
		if input.Err != nil {
			fmt.Fprintf(&b, "\n%s could not be read: %s\n", markdown(input.Name), markdown(input.Err.Error()))
			continue
		}
		findings, usual := r.fold(r.shown(input))
		if len(findings) == 0 && usual == "" {
			continue
		}
		fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n", markdown(strings.TrimSpace(input.Name+" "+input.Resource)))
		for _, f := range findings {
			fmt.Fprintf(&b, "- **%s** `%s`", f.Severity, f.ID)
			if f.Line > 0 {
				fmt.Fprintf(&b, " in line %d", f.Line)
			}
			if f.Container != "" {
				fmt.Fprintf(&b, ", container %s", markdown(f.Container))
			}
			fmt.Fprintf(&b, ": %s", markdown(f.Why))
			if len(f.Help) > 0 {
				fmt.Fprintf(&b, " *%s*", markdown(f.Help.String()))
			}
			b.WriteByte('\n')
		}
		if usual != "" {
			fmt.Fprintf(&b, "- %s\n", markdown(usual))
		}
		b.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown writes a text so that nothing in it is markup.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range printable(s) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
			continue
		case r == '&':
			b.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\`*_[]|#~$@", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// GitHub writes the findings as workflow commands, which GitHub Actions shows beside
// the lines of a pull request. Infos that every definition has are left out, unless
// the report is to explain them.
//
// Source: GitHub Docs, "Workflow commands for GitHub Actions".
func (r Report) GitHub(w io.Writer) error {
	var b strings.Builder
	command := func(level, file string, line, column int, title, message string) {
		fmt.Fprintf(&b, "::%s file=%s,line=%d", level, property.Replace(filepath.ToSlash(file)), max(line, 1))
		if column > 0 {
			fmt.Fprintf(&b, ",col=%d", column)
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", property.Replace(title), data.Replace(message))
	}
	for _, input := range r.Inputs {
		if input.Err != nil {
			line, column := input.place()
			command("error", input.Name, line, column, "sumoship", input.Err.Error())
			continue
		}
		findings, _ := r.fold(r.shown(input))
		for _, f := range findings {
			level := string(f.Severity)
			if f.Severity == Info {
				level = "notice"
			}
			command(level, input.Name, f.Line, f.Column, f.ID, strings.TrimSpace(f.Why+" "+f.Help.String()))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
