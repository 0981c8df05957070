package fargatecmd

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
	"sumoship/deploy/surroundings"
	"sumoship/version"
)

// reportFlags say how findings are written.
type reportFlags struct {
	Findings string `help:"Write the findings as text, json or sarif, or for a pull request as markdown (a comment) or github (annotations by workflow commands)." enum:"text,json,sarif,markdown,github" default:"text"`
	JSON     bool   `name:"json" help:"The same as --findings json."`
	Report   string `help:"Write the findings to this file." placeholder:"FILE"`
	Summary  bool   `help:"Of text, write only the table of inputs and the totals."`
	FailOn   string `help:"Exit with status 1 on findings of this severity or above: error, warning or info." enum:"error,warning,info" default:"error"`
	Show     string `help:"Write findings of this severity or above, and only count the others: error, warning, info, or all, which also explains the infos that every definition has." enum:"error,warning,info,all" default:"info"`
}

// format is that of the findings.
func (f *reportFlags) format() string {
	if f.JSON {
		return "json"
	}
	return f.Findings
}

// Outputs is what it writes as JSON.
func (f *reportFlags) Outputs() []any { return []any{finding.Document{}} }

// write writes the findings to w, or to --report and their summary to standard
// error.
func (f *reportFlags) write(s cli.Streams, r finding.Report, w io.Writer) error {
	if r.Fold = f.Show != "all"; r.Fold {
		r.Show = finding.Severity(f.Show)
	}
	var file bytes.Buffer
	style := cli.Style(w, s.Getenv)
	if f.Report != "" {
		w, style = &file, finding.Style{}
	}
	var err error
	raw := cli.Raw(w)
	switch f.format() {
	case "json":
		err = r.JSON(raw)
	case "sarif":
		err = r.SARIF(raw, slices.Concat(fargate.Rules(), service.Rules(), surroundings.Rules()), version.Read().Version)
	case "markdown":
		err = r.Markdown(raw)
	case "github":
		err = r.GitHub(raw)
	default:
		err = f.text(w, r, style)
	}
	if err != nil || f.Report == "" {
		return err
	}
	if err := cli.WriteFile(f.Report, file.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Err, "%s; see %s\n", r.Summary(), f.Report)
	return err
}

// text writes the table of several inputs, the findings and the totals.
func (f *reportFlags) text(w io.Writer, r finding.Report, style finding.Style) error {
	if len(r.Inputs) > 1 || f.Summary {
		if err := r.Table(w, style); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if !f.Summary {
		if err := r.Text(w, style); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.Summary())
	return err
}

// place is where the findings of a verb go whose result, what, goes to the file
// out or, if that is "", to standard output.
func (f *reportFlags) place(s cli.Streams, what, out string) (io.Writer, error) {
	switch {
	case f.format() == "text" || f.Report != "":
		return s.Err, nil
	case out == "":
		return nil, cli.Usagef("--findings %s: standard output is for the %s; give --report FILE too, or -o FILE for the %s", f.format(), what, what)
	}
	return s.Out, nil
}

// status is the exit status that findings ask for.
func (f *reportFlags) status(r finding.Report) error {
	for _, input := range r.Inputs {
		if malformed(input.Findings) {
			return cli.Exit{Status: cli.ExitUsage}
		}
	}
	for _, input := range r.Inputs {
		for _, found := range input.Findings {
			if found.Severity.AtLeast(finding.Severity(f.FailOn)) {
				return cli.Exit{Status: cli.ExitFound}
			}
		}
	}
	return nil
}

// malformed reports whether a part of a definition cannot be read.
func malformed(findings []finding.Finding) bool {
	return slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.ID == fargate.WrongType.ID && f.Severity == finding.Error })
}

// writeErrors writes the findings of severity error, without which a verb would
// go on, to standard error. It returns how many there are.
func writeErrors(s cli.Streams, input finding.Input) (int, error) {
	input.Findings = slices.DeleteFunc(slices.Clone(input.Findings), func(f finding.Finding) bool { return f.Severity != finding.Error })
	report := finding.Report{Inputs: []finding.Input{input}}
	return len(input.Findings), report.Text(s.Err, cli.Style(s.Err, s.Getenv))
}
