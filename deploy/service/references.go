package service

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// references takes a definition out of the template that it came in: what it
// refers to there is a parameter here, or comes along.
type references struct {
	template string     // name of the input
	from     *tree.Node // the template, nil for other inputs
	on       *finding.Recorder
	parts    map[string]map[string]*tree.Node // by section: what comes along
	order    map[string][]string
	said     map[string]bool
}

func newReferences(d *taskdef.Document, on *finding.Recorder) *references {
	r := &references{template: d.Name(), on: on, parts: map[string]map[string]*tree.Node{}, order: map[string][]string{}, said: map[string]bool{}}
	if d.Shape() == taskdef.Template {
		r.from = d.Root()
	}
	return r
}

// resolve edits a value, so that it refers to nothing that is not here.
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
		resource, attribute := cfn.Attribute(n)
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
		r.bring(n, "Mappings", parts[0].Str())
		for _, v := range parts[1:] {
			r.resolve(v)
		}
	case "Fn::If":
		parts := arg.Items()
		if len(parts) != 3 {
			r.unsupported(n, name)
			return
		}
		r.bring(n, "Conditions", parts[0].Str())
		r.resolve(parts[1])
		r.resolve(parts[2])
	case "Condition":
		r.bring(n, "Conditions", arg.Str())
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::Join", "Fn::Split", "Fn::Select", "Fn::Base64", "Fn::ImportValue", "Fn::GetAZs", "Fn::Cidr":
		r.resolve(arg)
	default:
		r.unsupported(n, name)
	}
}

var serviceReferenceUnsupported = finding.Rule{ID: "service-reference-unsupported", Severity: finding.Error, Action: finding.Refuse, Source: guideIntrinsics,
	Summary: "This cannot be taken out of the template that it came in.", Help: finding.Advice{"Put the value there."}}

func (r *references) unsupported(n *tree.Node, name string) {
	r.on.Fail(serviceReferenceUnsupported, n, "%s cannot be taken out of the template that it came in", name)
}

// ref returns what a name of the template is called here.
func (r *references) ref(n *tree.Node, name string) string {
	if strings.HasPrefix(name, "AWS::") {
		return name
	}
	if parameter := r.from.Key("Parameters").Key(name); parameter != nil {
		return r.parameter(n, name, taskdef.Recase(parameter, tree.Pascal), "parameter "+name)
	}
	return r.parameter(n, name, nil, "Ref of "+name)
}

func (r *references) attribute(n *tree.Node, resource, name string) string {
	return r.parameter(n, pascalCase(resource+"."+name), nil, name+" of "+resource)
}

var serviceParameter = finding.Rule{ID: "service-parameter", Severity: finding.Info, Action: finding.Rewrite, Source: guideIntrinsics,
	Summary: "This refers to another part of the template that the definition came in; here it is a parameter."}

// parameter makes a parameter, once. A value that is nil is that of a parameter
// for something that the template made.
func (r *references) parameter(n *tree.Node, name string, v *tree.Node, what string) string {
	for reserved(name) {
		name = "Definition" + name
	}
	if v == nil {
		v = cfn.Object(cfn.Prop("Type", tree.NewString("String")), cfn.Prop("Description", tree.NewString(what+" in the template "+r.template+".")))
	}
	r.add("Parameters", name, v)
	if !r.said[what] {
		r.said[what] = true
		r.on.Report(serviceParameter, finding.Rewrite, n, "%s of the template that the definition came in is parameter %s here", what, name)
	}
	return name
}

func (r *references) add(section, name string, v *tree.Node) (added bool) {
	if r.parts[section] == nil {
		r.parts[section] = map[string]*tree.Node{}
	}
	if r.parts[section][name] != nil {
		return false
	}
	r.parts[section][name] = v
	r.order[section] = append(r.order[section], name)
	return true
}

// bring takes a mapping or condition along, and what it refers to.
func (r *references) bring(n *tree.Node, section, name string) {
	v := r.from.Key(section).Key(name)
	if v == nil {
		r.on.Fail(serviceReferenceUnsupported, n, "the template has nothing called %q in its %s", name, section)
		return
	}
	v = v.Clone()
	holder := tree.NewArray(v) // a copy of its own
	if r.add(section, name, holder.First()) && section == "Conditions" {
		r.resolve(holder.First())
	}
}

// section returns what came along.
func (r *references) section(name string) (all []tree.Member) {
	for _, key := range r.order[name] {
		all = append(all, cfn.Prop(key, r.parts[name][key]))
	}
	return all
}

var variable = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// sub edits the names in a text for Fn::Sub.
func (r *references) sub(n, arg *tree.Node) {
	format, local := arg, (*tree.Node)(nil)
	if parts := arg.Items(); len(parts) == 2 {
		format, local = parts[0], parts[1]
		for _, v := range local.Members() {
			r.resolve(v)
		}
	}
	text, ok := format.Text()
	if !ok {
		r.unsupported(n, "Fn::Sub")
		return
	}
	out := variable.ReplaceAllStringFunc(text, func(s string) string {
		name := strings.TrimSpace(s[2 : len(s)-1])
		switch resource, attribute, dotted := strings.Cut(name, "."); {
		case local.Key(name) != nil:
			return s
		case dotted:
			return "${" + r.attribute(n, resource, attribute) + "}"
		}
		return "${" + r.ref(n, name) + "}"
	})
	if out != text {
		format.Replace(tree.NewString(out))
	}
}

// reserved reports whether a name is one of the template's own.
func reserved(name string) bool {
	for _, prefix := range []string{"LogGroup", "Subscription", "SecurityGroup"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(ownNames, name)
}

// ownNames are the parameters and resources of the template.
var ownNames = func() []string {
	names := []string{
		iam.ExecutionRoleID, iam.TaskRoleID, iam.TaskPolicyID, idTask, idService, idGroup, idTarget, idRule, idTaskIngress, idBalancerEgress, idDatabaseIngress, idRecord, idPermission,
	}
	for _, v := range (&Service{}).settings() {
		names = append(names, v.name)
	}
	return names
}()
