package finding

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
)

// SARIF writes the report as a SARIF 2.1.0 log for code scanning, with a result
// for each finding. rules are all that a finding can have. URIs are relative to
// the working directory, with slashes, as the report names the inputs. A finding
// without a place points at the first line, because code scanning shows no
// other. Inputs that cannot be read are notifications of the invocation. version is
// that of sumoship.
//
// Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version
// 2.1.0"; GitHub Docs, "SARIF support for code scanning".
func (r Report) SARIF(w io.Writer, rules []Rule, version string) error {
	driver := sarif.NewToolComponent().WithName("sumoship").WithVersion(version).WithInformationURI(fargateGuide)
	index := map[string]int{}
	for i, rule := range rules {
		index[rule.ID] = i
		driver.AddRule(sarifRule(rule))
	}
	invocation := sarif.NewInvocation().WithExecutionSuccessful(true)
	run := sarif.NewRun().WithTool(sarif.NewTool().WithDriver(driver)).WithColumnKind("unicodeCodePoints").AddInvocation(invocation)
	for _, input := range r.Inputs {
		if input.Err != nil {
			line, column := input.place()
			invocation.WithExecutionSuccessful(false).AddToolExecutionNotification(sarif.NewNotification().
				WithLevel("error").
				WithMessage(sarif.NewTextMessage(input.Err.Error())).
				AddLocation(sarifLocation(input.Name, line, column)))
			continue
		}
		for _, f := range r.shown(input) {
			run.AddResult(sarifResult(input.Name, f).WithRuleIndex(index[f.ID]))
		}
	}
	log := sarif.NewReport().AddRun(run)
	log.Schema = "https://json.schemastore.org/sarif-2.1.0.json"
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(log)
}

func sarifRule(r Rule) *sarif.ReportingDescriptor {
	rule := sarif.NewRule(r.ID).
		WithHelpURI(r.URL()).
		WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Summary)).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(sarifLevel(r.Severity)))
	if help := strings.TrimSpace(r.Help.String() + "\n\n" + r.Source); help != "" {
		rule.WithHelp(sarif.NewMultiformatMessageString().WithText(help))
	}
	return rule
}

func sarifResult(name string, f Finding) *sarif.Result {
	message := f.Why
	if len(f.Help) > 0 {
		message += "\n\n" + f.Help.String()
	}
	member := sarif.NewLogicalLocation().WithFullyQualifiedName(cmp.Or(f.Pointer, "/")).WithKind("member")
	properties := sarif.NewPropertyBag().Add("action", f.Action)
	for name, value := range map[string]string{"container": f.Container, "before": f.Before, "after": f.After} {
		if value != "" {
			properties.Add(name, value)
		}
	}
	return sarif.NewRuleResult(f.ID).
		WithLevel(sarifLevel(f.Severity)).
		WithMessage(sarif.NewTextMessage(message)).
		AddLocation(sarifLocation(name, f.Line, f.Column).AddLogicalLocation(member)).
		WithProperties(properties)
}

// sarifLocation is a place in a file; line 0 is the first, column 0 the whole
// line.
func sarifLocation(name string, line, column int) *sarif.Location {
	region := sarif.NewRegion().WithStartLine(max(line, 1))
	if column > 0 {
		region.WithStartColumn(column)
	}
	return sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
		WithArtifactLocation(sarif.NewSimpleArtifactLocation(sarifURI(name))).
		WithRegion(region))
}

func sarifLevel(s Severity) string {
	if s == Info {
		return "note"
	}
	return string(s)
}

// sarifURI returns the percent-encoded URI of a file, relative if name is.
func sarifURI(name string) string {
	u := url.URL{Path: filepath.ToSlash(name)}
	if filepath.IsAbs(name) {
		u.Scheme = "file"
	}
	return strings.TrimPrefix(u.String(), "./")
}
