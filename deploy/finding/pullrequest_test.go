package finding_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/finding"
)

func severalInputs() finding.Report {
	loud := finding.Finding{ID: "network-mode-host", Severity: finding.Warning, Line: 3, Column: 2, Why: "It *was* host: 100 % | <b>.", Help: finding.Advice{"Look, twice."}}
	usual := finding.Finding{ID: "task-cpu", Severity: finding.Info, Usual: true, Why: "Sizes.", After: `"256"`}
	return finding.Report{Skipped: 1, Fold: true, Inputs: []finding.Input{
		{Name: "a/shop.json", Findings: append(someFindings(), loud, loud, usual)},
		{Name: "b.yaml", Resource: "Web", Findings: []finding.Finding{loud}},
		{Name: "c.json"},
		{Name: "d.json", Err: errors.New("d.json:1:1: it is empty")},
	}}
}

func TestTableComesFirst(t *testing.T) {
	var b bytes.Buffer
	if err := severalInputs().Table(&b, finding.Style{}); err != nil {
		t.Fatal(err)
	}
	want := `file         errors  warnings  rules
a/shop.json       1         3  linked ×2, network-mode-host ×2
b.yaml Web        0         1  network-mode-host
c.json            0         0
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := severalInputs().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"**3 definitions: 1 error, 4 warnings, 2 infos; 1 file could not be read; skipped 1 file without a task definition**\n",
		"| a/shop.json | 1 | 3 | linked ×2, network-mode-host ×2 |\n",
		"- **warning** `network-mode-host` in line 3: It \\*was\\* host: 100 % \\| &lt;b>. *Look, twice.*\n",
		"\nd.json could not be read: d.json:1:1: it is empty\n",
		"- And as usual: task-cpu \"256\".\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.ContainsAny(b.String(), "\x1b\x07") || strings.Contains(b.String(), "<b>") {
		t.Errorf("markup or control characters:\n%q", b.String())
	}
}

func TestGitHub(t *testing.T) {
	var b bytes.Buffer
	if err := severalInputs().GitHub(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"::warning file=a/shop.json,line=3,col=2,title=network-mode-host::It *was* host: 100 %25 | <b>. Look, twice.\n",
		"::notice file=a/shop.json,line=1,title=mode::It has to be.\n",
		"::error file=d.json,line=1,title=sumoship::d.json:1:1: it is empty\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "::") {
			t.Errorf("not a command: %q", line)
		}
	}
	if strings.Contains(b.String(), "task-cpu") {
		t.Error("a usual info is written")
	}
}

// A baseline holds each finding once for each time that it occurs: one more is new.
func TestBaseline(t *testing.T) {
	r := severalInputs()
	src, err := r.WriteBaseline()
	if err != nil {
		t.Fatal(err)
	}
	b, err := finding.ReadBaseline(src)
	if err != nil {
		t.Fatal(err)
	}
	left := r.Without(b)
	if s := left.Summary(); s.Errors+s.Warnings+s.Infos != 0 || s.Known != 7 || !strings.Contains(s.String(), "; 7 findings in the baseline") {
		t.Errorf("%+v %s", s, s)
	}
	r.Inputs[1].Findings = append(r.Inputs[1].Findings, r.Inputs[1].Findings[0])
	r.Inputs[1].Findings[0].Line = 99 // lines move
	if s := r.Without(b).Summary(); s.Warnings != 1 || s.Errors != 0 || s.Known != 7 {
		t.Errorf("%+v", s)
	}
	if len(r.Inputs[1].Findings) != 2 {
		t.Error("the report was edited")
	}
	for _, bad := range []string{"", "[]", `{"version": 2}`} {
		if _, err := finding.ReadBaseline([]byte(bad)); err == nil || !strings.Contains(err.Error(), "--write-baseline") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Each rule leads to a page of its documentation.
func TestURLs(t *testing.T) {
	for source, want := range map[string]string{
		"Amazon ECS API Reference, ContainerDefinition (ulimits)":    "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html",
		`Amazon ECS Developer Guide, "Using the awslogs log driver"`: "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html",
		"Amazon ECS service quotas":                                  "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html",
		`Docker documentation, "Legacy container links"`:             "https://docs.docker.com/engine/network/links/",
		"": "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html",
	} {
		if got := (finding.Rule{Source: source}).URL(); got != want {
			t.Errorf("%s: %s", source, got)
		}
	}
}
