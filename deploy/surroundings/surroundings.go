// Package surroundings judges the resources around a task definition in a template:
// the services, task sets, schedules, target groups, scaling and roles that were
// written for EC2. It reports what Fargate needs of each, and on request edits them.
package surroundings

import (
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Options say what to do with the resources.
type Options struct {
	Edit  bool     // edit them in the document; otherwise they are only reported
	Allow []string // IDs of refusals to lift; see [finding.Rule]
}

// Adapt reports what Fargate needs of the resources around the definition of d, in
// the order of the document, and edits them if the options say so. Call it before
// the definition is converted: what a definition for Fargate has around it is only
// held against what ECS requires. It returns nothing for a document that is not a
// template.
//
// Source: [Rules] names the source of each finding.
func Adapt(d *taskdef.Document, o Options) []finding.Finding {
	if d.Shape() != taskdef.Template {
		return nil
	}
	a := &adapter{Options: o, Recorder: finding.NewRecorder(o.Allow), root: d.Root(), definition: d.Definition(),
		id: d.Resource(), resources: map[string]*tree.Node{}}
	a.collect(d.Root().Key("Resources"))
	a.moving = !slices.Contains(d.Definition().Get("requiresCompatibilities").Strs(), "FARGATE")
	a.adapt()
	return a.Findings()
}

// adapter adapts the resources of one template.
type adapter struct {
	Options
	*finding.Recorder
	root, definition *tree.Node
	id               string // of the task definition
	moving           bool   // the definition was written for EC2

	resources map[string]*tree.Node
	order     []string

	services []string // logical IDs of those that run the definition
	roles    []string // of services
	renamed  map[string]string
	seen     map[string]bool
}

func (a *adapter) collect(resources *tree.Node) {
	for id, n := range resources.Members() {
		if strings.HasPrefix(id, "Fn::ForEach::") {
			for _, part := range n.Elements() {
				a.collect(part)
			}
			continue
		}
		a.resources[id] = n
		a.order = append(a.order, id)
	}
}

// adapt goes over the resources twice: what services name is known only after all
// services were seen.
func (a *adapter) adapt() {
	a.seen, a.renamed = map[string]bool{}, map[string]string{}
	for _, id := range a.order {
		n := a.resources[id]
		p := n.Key("Properties")
		switch n.Key("Type").Str() {
		case "AWS::ECS::Service":
			if a.runs(p.Key("TaskDefinition")) {
				a.services = append(a.services, id)
				a.service(n, p)
			}
		case "AWS::ECS::TaskSet":
			if a.runs(p.Key("TaskDefinition")) {
				a.taskSet(n, p)
			}
		case "AWS::Events::Rule":
			for _, target := range p.Key("Targets").Elements() {
				if ecs := target.Key("EcsParameters"); a.runs(ecs.Key("TaskDefinitionArn")) {
					a.schedule(ecs, "AwsVpcConfiguration")
				}
			}
		case "AWS::Scheduler::Schedule":
			if ecs := p.Key("Target").Key("EcsParameters"); a.runs(ecs.Key("TaskDefinitionArn")) {
				a.schedule(ecs, "AwsvpcConfiguration")
			}
		}
	}
	for _, id := range a.order {
		n := a.resources[id]
		p := n.Key("Properties")
		switch n.Key("Type").Str() {
		case "AWS::ApplicationAutoScaling::ScalableTarget":
			if a.moving {
				a.scaling(n, p)
			}
		case "AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate", "AWS::AutoScaling::LaunchConfiguration":
			if a.moving && len(a.services) > 0 && joinsCluster(n) {
				a.Note(instances, n, "")
			}
		case "AWS::IAM::Role":
			if a.moving {
				a.role(id, n, p)
			}
		}
	}
}

// runs reports whether a value names the task definition.
func (a *adapter) runs(n *tree.Node) bool {
	if a.names(n, []string{a.id}) {
		return true
	}
	family, ok := a.definition.Get("family").Text()
	name, literal := n.Text()
	name, _, _ = strings.Cut(name, ":")
	return ok && literal && family != "" && name == family
}

// names reports whether a value refers to one of the resources ids.
func (a *adapter) names(n *tree.Node, ids []string) bool {
	if slices.Contains(ids, cfn.RefName(n)) {
		return true
	}
	if resource, _ := cfn.GetAttName(n); resource != "" && slices.Contains(ids, resource) {
		return true
	}
	if sub := n.Key("Fn::Sub"); sub != nil {
		found := false
		text, _ := cfn.SubArgs(sub)
		cfn.MapSub(text.Str(), func(name string) string {
			resource, _, _ := strings.Cut(name, ".")
			found = found || slices.Contains(ids, resource)
			return name
		})
		if found {
			return true
		}
	}
	for _, v := range n.Members() {
		if a.names(v, ids) {
			return true
		}
	}
	for _, v := range n.Elements() {
		if a.names(v, ids) {
			return true
		}
	}
	return false
}

// joinsCluster reports whether a text in a resource makes instances join a cluster.
func joinsCluster(n *tree.Node) bool {
	if s, ok := n.Text(); ok {
		return strings.Contains(s, "ECS_CLUSTER")
	}
	for _, v := range n.Members() {
		if joinsCluster(v) {
			return true
		}
	}
	for _, v := range n.Elements() {
		if joinsCluster(v) {
			return true
		}
	}
	return false
}

// once reports whether a resource is met for the first time.
func (a *adapter) once(id string) bool {
	first := !a.seen[id]
	a.seen[id] = true
	return first
}

// byEdit tells how to have the edits made, where they are only reported.
const byEdit = "Or have convert edit it with --with-services."

// note reports what stays, with the advice how to have it edited.
func (a *adapter) note(rule finding.Rule, n *tree.Node, why string, args ...any) {
	f := a.Note(rule, n, why, args...)
	f.Help = append(f.Help, byEdit)
}

// drop removes a property.
func (a *adapter) drop(rule finding.Rule, n *tree.Node, why string, args ...any) {
	if !a.Edit {
		a.note(rule, n, why, args...)
		return
	}
	a.Dropped(rule, n, why, args...)
	n.Parent().DeleteKey(n.Name())
}

// set gives a property of owner a value.
func (a *adapter) set(rule finding.Rule, owner *tree.Node, name string, v *tree.Node, why string, args ...any) {
	old := owner.Key(name)
	if !a.Edit {
		place := owner
		if old != nil {
			place = old
		}
		a.note(rule, place, why, args...)
		return
	}
	before := finding.Shown(old)
	n := owner.SetKey(name, v)
	f := a.Report(rule, finding.Set, n, why, args...)
	f.Before, f.After = before, n.Source()
}

// parameter adds a parameter that lists IDs to the template, unless it has it, and
// returns a reference to it.
func (a *adapter) parameter(name, kind, description string) *tree.Node {
	parameters := a.root.Key("Parameters")
	if parameters == nil {
		parameters = a.root.SetKey("Parameters", tree.NewObject())
	}
	if parameters.Key(name) == nil {
		parameters.SetKey(name, cfn.Object(cfn.Prop("Type", tree.NewString(kind)), cfn.Prop("Description", tree.NewString(description))))
	}
	return cfn.Ref(name)
}

// network returns the network of the tasks, from parameters.
func (a *adapter) network(member string) *tree.Node {
	return cfn.Object(cfn.Prop(member, cfn.Object(
		cfn.Prop("AssignPublicIp", tree.NewString("DISABLED")),
		cfn.Prop("SecurityGroups", a.parameter("FargateSecurityGroups", "List<AWS::EC2::SecurityGroup::Id>",
			"Security groups of the tasks on Fargate. They admit the load balancer and the clients on the container ports.")),
		cfn.Prop("Subnets", a.parameter("FargateSubnets", "List<AWS::EC2::Subnet::Id>",
			"Subnets of the tasks on Fargate, in at least two availability zones. They must reach ECR, CloudWatch Logs and the like, through a NAT gateway or VPC endpoints.")),
	)))
}
