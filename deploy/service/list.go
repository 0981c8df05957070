package service

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// A list of container definitions, as Terraform takes it, leaves the values of ${…} to
// Terraform. The rest of what it lacks, the conversion adds.

var placeholderMade = finding.Rule{ID: "service-placeholder-parameter", Severity: finding.Info, Action: finding.Rewrite, Source: guideIntrinsics,
	Summary: "Terraform fills in this placeholder; here it is a parameter.",
	Help:    finding.Advice{"Give the parameter the value that Terraform has."}}

var (
	interpolation = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)
	variable      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	ofShell       = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	ofSecret      = regexp.MustCompile(`(?i)pass|secret|token|credential|api_?key`)
)

// fillIn turns the placeholders ${…} in a list into parameters of the template.
// In commands, names in capitals are those of a shell.
func (s *Service) fillIn(definition *tree.Node, report bool) {
	if s.d.Shape() != taskdef.List || s.o.Ecspresso {
		return
	}
	var walk func(n *tree.Node, command bool)
	walk = func(n *tree.Node, command bool) {
		if text, ok := n.Text(); ok && strings.Contains(text, "${") && !cloudFormationFills(text) {
			s.fill(n, text, command, report)
			return
		}
		for name, v := range n.Members() {
			walk(v, command || slices.Contains([]string{"command", "entrypoint", "healthcheck"}, strings.ToLower(name)))
		}
		for _, v := range n.Elements() {
			walk(v, command)
		}
	}
	walk(definition, false)
}

// fill turns the placeholders of one text into a Fn::Sub.
func (s *Service) fill(n *tree.Node, text string, command, report bool) {
	var b strings.Builder
	filled, last := 0, 0
	for _, at := range interpolation.FindAllStringSubmatchIndex(text, -1) {
		whole, name := text[at[0]:at[1]], strings.TrimSpace(text[at[2]:at[3]])
		b.WriteString(text[last:at[0]])
		last = at[1]
		switch {
		case strings.HasPrefix(whole, "$$"): // as Terraform writes a literal ${
			b.WriteString("${!" + name + "}")
			filled++
		case strings.HasPrefix(name, "AWS::"):
			b.WriteString("${" + name + "}")
			filled++
		case command && ofShell.MatchString(name):
			b.WriteString("${!" + name + "}")
		case !variable.MatchString(name) || pascalCase(name) == "":
			if report {
				s.taskFindings.Fail(placeholder, n, "CloudFormation does not fill in %s", whole)
			}
			return
		default:
			b.WriteString("${" + s.listParameter(n, name, report) + "}")
			filled++
		}
	}
	b.WriteString(text[last:])
	if filled == 0 {
		return
	}
	v := cfn.Sub(b.String())
	if only := strings.TrimSuffix(strings.TrimPrefix(b.String(), "${"), "}"); "${"+only+"}" == b.String() && !strings.ContainsAny(only, "!${}") {
		v = cfn.Ref(only)
	}
	n.Replace(v)
}

// listParameter returns the parameter for a variable of Terraform.
func (s *Service) listParameter(n *tree.Node, name string, report bool) string {
	id := pascalCase(name)
	if id[0] <= '9' || reserved(id) {
		id = "Definition" + id
	}
	if !report {
		return id
	}
	hidden := (*tree.Node)(nil)
	if ofSecret.MatchString(name) {
		hidden = tree.NewBool(true)
	}
	v := cfn.Object(cfn.Prop("Type", tree.NewString("String")), cfn.Prop("NoEcho", hidden),
		cfn.Prop("Description", tree.NewString("Value of ${"+name+"} in "+s.d.Name()+".")))
	if added := !slices.ContainsFunc(s.listParameters, func(m tree.Member) bool { return m.Name == id }); added {
		s.listParameters = append(s.listParameters, cfn.Prop(id, v))
		s.taskFindings.Report(placeholderMade, finding.Rewrite, n, "Terraform fills in ${%s}; here it is parameter %s", name, id)
	}
	return id
}
