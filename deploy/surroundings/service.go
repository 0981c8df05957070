package surroundings

import (
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/tree"
)

// suffix makes a name that CloudFormation can create beside the old one.
const suffix = "-fargate"

// service adapts a service that runs the definition.
func (a *adapter) service(n, p *tree.Node) {
	if p.Key("SchedulingStrategy").Str() == "DAEMON" {
		a.Note(daemon, p.Key("SchedulingStrategy"), "")
		return
	}
	for _, lb := range p.Key("LoadBalancers").Elements() {
		if lb.Key("LoadBalancerName") != nil && lb.Key("TargetGroupArn") == nil {
			a.Note(classicLoadBalancer, lb, "")
		}
	}
	replaced := a.launch(p)
	if r := p.Key("Role"); r != nil {
		replaced = true
		a.roles = append(a.roles, a.named(r)...)
		a.drop(role, r, "")
	}
	if replaced {
		a.rename(p)
	}
	a.place(p)
	a.awsvpc(p, "AwsvpcConfiguration")
	for _, lb := range p.Key("LoadBalancers").Elements() {
		for _, id := range a.named(lb.Key("TargetGroupArn")) {
			if a.once(id) {
				a.target(a.resources[id].Key("Properties"))
			}
		}
	}
}

// named returns the resources of the template that a value names.
func (a *adapter) named(n *tree.Node) (ids []string) {
	for _, id := range a.order {
		if a.names(n, []string{id}) {
			ids = append(ids, id)
		}
	}
	return ids
}

// launch sets the launch type where tasks would start on EC2. It reports whether
// it is another than before.
func (a *adapter) launch(p *tree.Node) (changed bool) {
	kind, strategy := p.Key("LaunchType"), p.Key("CapacityProviderStrategy")
	fargate := tree.NewString("FARGATE")
	switch {
	case kind.Str() == "FARGATE" || strategy != nil && onFargate(strategy):
		return false
	case strategy != nil:
		a.drop(launchType, strategy, "this starts the tasks on capacity providers of EC2 instances; with the launch type FARGATE, CloudFormation replaces the service")
		if a.Edit {
			p.SetKey("LaunchType", fargate)
		}
	case kind == nil && !a.moving:
		return false // the default strategy of the cluster decides
	default:
		a.set(launchType, p, "LaunchType", fargate, "")
	}
	return true
}

// onFargate reports whether all providers of a strategy can be of Fargate.
func onFargate(strategy *tree.Node) bool {
	if strategy.Opaque() {
		return false
	}
	for _, item := range strategy.Elements() {
		provider := item.Key("CapacityProvider")
		if s := provider.Str(); s != "FARGATE" && s != "FARGATE_SPOT" {
			return false
		}
	}
	return true
}

// place drops what chooses among instances. Schedules call a member as no service does.
func (a *adapter) place(p *tree.Node) {
	for _, member := range []string{"PlacementConstraints", "PlacementStrategies", "PlacementStrategy"} {
		if n := p.Key(member); n != nil && (n.Opaque() || n.Len() > 0) {
			a.drop(placement, n, "")
		}
	}
}

// awsvpc gives tasks a network if they have none.
func (a *adapter) awsvpc(p *tree.Node, member string) {
	n := p.Key("NetworkConfiguration")
	if n.Opaque() || n.Field(member) != nil {
		return
	}
	if !a.Edit {
		a.set(network, p, "NetworkConfiguration", nil, "")
		return
	}
	a.set(network, p, "NetworkConfiguration", a.network(member), "")
}

// rename gives a service that is replaced another name, so that the old one can
// run until the new one does.
func (a *adapter) rename(p *tree.Node) {
	n := p.Key("ServiceName")
	if n == nil {
		return
	}
	var v *tree.Node
	if s, ok := n.Text(); ok && !n.Opaque() {
		v = tree.NewString(s + suffix)
		a.renamed[s] = s + suffix
	} else if text, variables := cfn.SubArgs(n.Key("Fn::Sub")); text != nil && variables == nil {
		v = cfn.Sub(text.Str() + suffix)
	} else {
		v = cfn.Object(cfn.Prop("Fn::Join", tree.NewArray(tree.NewString(""), tree.NewArray(n, tree.NewString(suffix)))))
	}
	a.set(name, p, "ServiceName", v, "CloudFormation replaces the service, and a cluster cannot have two of the same name")
}

// target adapts a target group that the definition's tasks are in.
func (a *adapter) target(p *tree.Node) {
	if kind := p.Key("TargetType"); kind.Str() == "ip" || kind.Opaque() {
		return
	}
	a.set(targetGroup, p, "TargetType", tree.NewString("ip"), "")
	if n := p.Key("Name"); n != nil {
		a.drop(name, n, "CloudFormation replaces the target group, and cannot create the new one while the old one has the same name; without a name it chooses one")
	}
	if port := p.Key("HealthCheckPort"); port != nil && port.Str() != "traffic-port" && !a.listens(port) {
		a.set(healthCheckPort, p, "HealthCheckPort", tree.NewString("traffic-port"), "")
	}
}

// listens reports whether a container of the definition has a port, or may have it.
func (a *adapter) listens(port *tree.Node) bool {
	want, ok := port.Int()
	if !ok {
		return true // known at deployment
	}
	for _, c := range a.definition.Get("containerDefinitions").Elements() {
		for _, m := range c.Get("portMappings").Elements() {
			if got, ok := m.Get("containerPort").Int(); ok && got == want {
				return true
			}
		}
	}
	return false
}

// taskSet adapts a task set.
func (a *adapter) taskSet(n, p *tree.Node) {
	if a.launch(p) {
		a.Note(taskSet, n, "")
	}
	a.awsvpc(p, "AwsVpcConfiguration")
}

// schedule adapts the parameters of a scheduled task.
func (a *adapter) schedule(ecs *tree.Node, network string) {
	kind := ecs.Key("LaunchType")
	if strategy := ecs.Key("CapacityProviderStrategy"); strategy != nil && !onFargate(strategy) {
		a.drop(schedule, strategy, "")
		kind = nil
	} else if strategy != nil {
		a.awsvpc(ecs, network)
		return
	}
	if kind.Str() != "FARGATE" {
		a.set(schedule, ecs, "LaunchType", tree.NewString("FARGATE"), "")
	}
	a.place(ecs)
	a.awsvpc(ecs, network)
}

// scaling reports the scaling of a service, and binds it to the new name of one that
// is called by a literal name.
func (a *adapter) scaling(n, p *tree.Node) {
	id := p.Key("ResourceId")
	if a.names(id, a.services) {
		a.Note(scaling, n, "")
		return
	}
	for old, replacement := range a.renamed {
		if s, ok := id.Text(); ok && strings.HasSuffix(s, "/"+old) {
			a.Note(scaling, n, "")
			a.set(scalingName, p, "ResourceId", tree.NewString(strings.TrimSuffix(s, old)+replacement), "")
		}
	}
}

// role reports the roles that Fargate tasks do not use.
func (a *adapter) role(id string, n, p *tree.Node) {
	used := false
	for _, r := range a.roles {
		used = used || r == id
	}
	trust := p.Key("AssumeRolePolicyDocument").Source()
	switch {
	case used:
		a.Note(roleUnused, n, "")
	case len(a.services) > 0 && strings.Contains(trust, "ec2.amazonaws.com") && a.definition.Get("taskRoleArn") == nil:
		a.Note(instanceRole, n, "")
	}
}
