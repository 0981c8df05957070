package service

import (
	"slices"
	"strings"
	"sync"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// references moves a definition out of the template that it came in: what it
// refers to there becomes a parameter of the new template, or, as a mapping or a
// condition, moves with it.
type references struct {
	template string     // name of the input
	from     *tree.Node // the original template, nil for other inputs
	findings *finding.Recorder
	sections map[string][]tree.Member // of the new template
	reported map[string]bool
}

func newReferences(d *taskdef.Document, findings *finding.Recorder) *references {
	r := &references{template: d.Name(), findings: findings, sections: map[string][]tree.Member{}, reported: map[string]bool{}}
	if d.Shape() == taskdef.Template {
		r.from = d.Root()
	}
	return r
}

// resolve edits a value so that it refers only to what the new template has.
func (r *references) resolve(n *tree.Node) {
	if r.from == nil {
		return
	}
	name, arg, ok := cfn.Intrinsic(n)
	if !ok {
		for _, v := range n.Members() {
			r.resolve(v)
		}
		for _, v := range n.Elements() {
			r.resolve(v)
		}
		return
	}
	switch name {
	case "Ref":
		if to := r.ref(n, arg.Str()); to != arg.Str() {
			n.Replace(cfn.Ref(to))
		}
	case "Fn::GetAtt":
		resource, attribute := cfn.GetAttName(n)
		if resource == "" {
			r.unsupported(n, name)
			return
		}
		n.Replace(cfn.Ref(r.attribute(n, resource, attribute)))
	case "Fn::Sub":
		r.sub(n, arg)
	case "Fn::FindInMap":
		parts := arg.Items()
		if len(parts) == 0 || parts[0].Kind() != tree.String {
			r.unsupported(n, name)
			return
		}
		r.move(n, "Mappings", parts[0].Str())
		for _, v := range parts[1:] {
			r.resolve(v)
		}
	case "Fn::If":
		parts := arg.Items()
		if len(parts) != 3 {
			r.unsupported(n, name)
			return
		}
		r.move(n, "Conditions", parts[0].Str())
		r.resolve(parts[1])
		r.resolve(parts[2])
	case "Condition":
		r.move(n, "Conditions", arg.Str())
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::Join", "Fn::Split", "Fn::Select", "Fn::Base64", "Fn::ImportValue", "Fn::GetAZs", "Fn::Cidr":
		r.resolve(arg)
	default:
		r.unsupported(n, name)
	}
}

var referenceUnsupported = finding.Rule{ID: "service-reference-unsupported", Severity: finding.Error, Action: finding.Refuse, Source: guideIntrinsics,
	Summary: "This cannot be moved out of the original template.", Help: finding.Advice{"Write the value instead."}}

func (r *references) unsupported(n *tree.Node, name string) {
	r.findings.Fail(referenceUnsupported, n, "%s cannot be moved out of the original template", name)
}

// ref returns the name in the new template of what is called name in the
// original one.
func (r *references) ref(n *tree.Node, name string) string {
	if strings.HasPrefix(name, "AWS::") {
		return name
	}
	if parameter := r.from.Key("Parameters").Key(name); parameter != nil {
		return r.parameter(n, name, taskdef.Recase(parameter, tree.Pascal), "parameter "+name)
	}
	return r.parameter(n, name, nil, "Ref of "+name)
}

// attribute returns the parameter for an attribute of a resource.
func (r *references) attribute(n *tree.Node, resource, name string) string {
	return r.parameter(n, pascalCase(resource+"."+name), nil, name+" of "+resource)
}

var parameterMade = finding.Rule{ID: "service-parameter", Severity: finding.Info, Action: finding.Rewrite, Source: guideIntrinsics,
	Summary: "This refers to another part of the original template; here it is a parameter."}

// parameter adds a parameter, once, and returns its name. v is nil for what the
// original template created.
func (r *references) parameter(n *tree.Node, name string, v *tree.Node, what string) string {
	for reserved(name) {
		name = "Definition" + name
	}
	if v == nil {
		v = cfn.Object(cfn.Prop("Type", tree.NewString("String")), cfn.Prop("Description", tree.NewString(what+" in the template "+r.template+".")))
	}
	r.add("Parameters", name, v)
	if !r.reported[what] {
		r.reported[what] = true
		r.findings.Report(parameterMade, finding.Rewrite, n, "%s of the original template is parameter %s here", what, name)
	}
	return name
}

// add adds a member to a section of the new template, unless it has it.
func (r *references) add(section, name string, v *tree.Node) (added bool) {
	if slices.ContainsFunc(r.sections[section], func(m tree.Member) bool { return m.Name == name }) {
		return false
	}
	r.sections[section] = append(r.sections[section], cfn.Prop(name, v))
	return true
}

// move moves a mapping or a condition, with what it refers to.
func (r *references) move(n *tree.Node, section, name string) {
	v := r.from.Key(section).Key(name)
	if v == nil {
		r.findings.Fail(referenceUnsupported, n, "the original template has no %q in its %s", name, section)
		return
	}
	v = tree.NewArray(v.Clone()).First() // a document of its own, to be edited
	if r.add(section, name, v) && section == "Conditions" {
		r.resolve(v)
	}
}

// sub edits the names in a Fn::Sub.
func (r *references) sub(n, arg *tree.Node) {
	format, local := cfn.SubArgs(arg)
	for _, v := range local.Members() {
		r.resolve(v)
	}
	text, ok := format.Text()
	if !ok {
		r.unsupported(n, "Fn::Sub")
		return
	}
	format.Replace(tree.NewString(cfn.MapSub(text, func(name string) string {
		resource, attribute, dotted := strings.Cut(name, ".")
		switch {
		case local.Key(name) != nil:
			return name
		case dotted:
			return r.attribute(n, resource, attribute)
		}
		return r.ref(n, name)
	})))
}

// reserved reports whether the new template itself can have a name.
func reserved(name string) bool {
	for _, prefix := range []string{"LogGroup", "Subscription", "SecurityGroup", idScalable, idScalingPolicy} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return isBalancer(name) || slices.Contains(ownNames(), name)
}

// ownNames are the parameters and resources that the new template itself can have.
var ownNames = sync.OnceValue(func() []string {
	names := []string{
		iam.ExecutionRoleID, iam.TaskRoleID, iam.TaskPolicyID, idTask, idService, idGroup, idTarget, idRule, idTaskIngress, idBalancerEgress, idDatabaseIngress, idRecord, idPermission,
	}
	for _, v := range (&Service{}).settings() {
		names = append(names, v.name)
	}
	return names
})
