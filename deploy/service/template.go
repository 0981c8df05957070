package service

import (
	"slices"

	"sumoship/deploy/cfn"
	"sumoship/deploy/iam"
	"sumoship/deploy/subscription"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Logical IDs.
const (
	idTask            = "TaskDefinition"
	idService         = "Service"
	idGroup           = "TaskSecurityGroup"
	idTarget          = "TargetGroup"
	idRule            = "ListenerRule"
	idTaskIngress     = "TaskIngressFromLoadBalancer"
	idBalancerEgress  = "LoadBalancerEgressToTasks"
	idDatabaseIngress = "DatabaseIngressFromTasks"
	idRecord          = "Record"
	idPermission      = "LogsMayInvokeForwarder"
)

// CloudFormation returns the service as a template that stands by itself, in JSON
// or YAML. It is the same for the same input, and for every partition of AWS.
//
// Source: AWS CloudFormation Template Reference.
func (s *Service) CloudFormation(json bool) []byte {
	t := &template{service: s}
	t.logs()
	t.resources = append(t.resources, s.roles...)
	t.add(idTask, cfn.Resource(taskdef.ResourceType, members(s.taskDefinition)...))
	t.network()
	t.balance()
	t.serve()
	t.record()
	return cfn.Write(t.node(), json)
}

// members are those of an object.
func members(n *tree.Node) (all []tree.Member) {
	for name, v := range n.Members() {
		all = append(all, cfn.Prop(name, v))
	}
	return all
}

// template is a template in the making.
type template struct {
	service   *Service
	used      []string // names of settings
	resources []tree.Member
	outputs   []tree.Member
	first     []string // resources that have to be there before tasks start
}

// value makes a setting a parameter.
func (t *template) value(v setting) *tree.Node {
	if !slices.Contains(t.used, v.name) {
		t.used = append(t.used, v.name)
	}
	return cfn.Ref(v.name)
}

func (t *template) setting(name string) *tree.Node { return t.value(t.service.setting(name)) }

func (t *template) add(id string, resource *tree.Node) {
	t.resources = append(t.resources, cfn.Prop(id, resource))
}

func (t *template) output(name, description string, v *tree.Node) {
	t.outputs = append(t.outputs, cfn.Prop(name, cfn.Object(cfn.Prop("Description", tree.NewString(description)), cfn.Prop("Value", v))))
}

// logs makes the log groups, and subscribes them to the forwarder. Tasks start
// when that is done, so that no line is missed. A group outlives the stack, for
// its logs are wanted most when something went wrong; but a stack that fails when
// it is made leaves none in the way of the next try.
func (t *template) logs() {
	s := t.service
	var first *tree.Node // CloudWatch Logs calls the function before it takes a filter
	if len(s.groups) > 0 && s.o.PermitForwarder && !s.o.NoSubscription {
		t.permission()
		first = tree.NewString(idPermission)
	}
	for _, g := range s.groups {
		name := g.name
		if !s.o.ExistingLogGroups {
			id := "LogGroup" + g.id
			t.add(id, cfn.Object(
				cfn.Prop("Type", tree.NewString("AWS::Logs::LogGroup")),
				cfn.Prop("DeletionPolicy", tree.NewString("RetainExceptOnCreate")),
				cfn.Prop("UpdateReplacePolicy", tree.NewString("Retain")),
				cfn.Prop("Properties", cfn.Object(
					cfn.Prop("LogGroupName", name),
					cfn.Prop("RetentionInDays", t.setting("LogRetentionDays")),
				)),
			))
			t.output(id+"Name", "Log group.", cfn.Ref(id))
			name = cfn.Ref(id)
		}
		if s.o.NoSubscription {
			continue
		}
		filter := "Subscription" + g.id
		t.add(filter, cfn.Object(
			cfn.Prop("Type", tree.NewString("AWS::Logs::SubscriptionFilter")),
			cfn.Prop("DependsOn", first),
			cfn.Prop("Properties", cfn.Object(
				cfn.Prop("LogGroupName", name),
				cfn.Prop("FilterName", tree.NewString(subscription.DefaultName)),
				cfn.Prop("FilterPattern", tree.NewString("")),
				cfn.Prop("DestinationArn", t.setting("ForwarderArn")),
			)),
		))
		t.first = append(t.first, filter)
	}
}

// permission makes the statement of [subscription.Destination.Permission]: one for
// all log groups of the account, and only on request, for the stack of the
// forwarder has it. One for each log group, or for each service, would fill the
// policy of the function.
func (t *template) permission() {
	t.add(idPermission, cfn.Resource("AWS::Lambda::Permission",
		cfn.Prop("Action", tree.NewString("lambda:InvokeFunction")),
		cfn.Prop("FunctionName", t.setting("ForwarderArn")),
		cfn.Prop("Principal", cfn.Sub("logs.${AWS::URLSuffix}")),
		cfn.Prop("SourceAccount", cfn.Ref("AWS::AccountId")),
		cfn.Prop("SourceArn", cfn.Sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*")),
	))
}

// network makes the security group of the tasks. Its way out is that of every
// new group, open.
func (t *template) network() {
	s := t.service
	t.add(idGroup, cfn.Resource("AWS::EC2::SecurityGroup",
		cfn.Prop("GroupDescription", tree.NewString(s.tasks())),
		cfn.Prop("VpcId", t.setting("Vpc")),
	))
	if s.o.DatabaseSG != "" {
		t.rule(idDatabaseIngress, "Ingress", s.tasks(), t.setting("DatabaseSecurityGroup"), cfn.GetAtt(idGroup, "GroupId"), int64(s.o.DatabasePort))
	}
	t.output("TaskSecurityGroupId", "Security group of the tasks.", cfn.GetAtt(idGroup, "GroupId"))
}

// tasks describes the tasks, in the 255 characters that a security group has for
// it.
func (s *Service) tasks() string {
	const room = 200
	return "Tasks of service " + s.o.Name[:min(len(s.o.Name), room)]
}

// rule is a rule of a security group, for one TCP port, from or to another. It is
// a resource of its own, so that groups of others stay whole, and two can name
// each other.
func (t *template) rule(id, direction, description string, group, other *tree.Node, port int64) {
	peer := map[string]string{"Ingress": "SourceSecurityGroupId", "Egress": "DestinationSecurityGroupId"}[direction]
	t.add(id, cfn.Resource("AWS::EC2::SecurityGroup"+direction,
		cfn.Prop("GroupId", group),
		cfn.Prop("Description", tree.NewString(description)),
		cfn.Prop("IpProtocol", tree.NewString("tcp")),
		cfn.Prop("FromPort", tree.NewInt(port)),
		cfn.Prop("ToPort", tree.NewInt(port)),
		cfn.Prop(peer, other),
	))
	t.first = append(t.first, id)
}

// balance makes the way from the load balancer to the tasks.
func (t *template) balance() {
	s := t.service
	if !s.o.balanced() {
		return
	}
	balancer, own := t.setting("LoadBalancerSecurityGroup"), cfn.GetAtt(idGroup, "GroupId")
	t.rule(idBalancerEgress, "Egress", s.tasks(), balancer, own, s.target.port)
	t.rule(idTaskIngress, "Ingress", "Load balancer", own, balancer, s.target.port)

	version, matcher := (*tree.Node)(nil), cfn.Object(cfn.Prop("HttpCode", tree.NewString("200-399")))
	switch s.target.protocol {
	case "http2":
		version = tree.NewString("HTTP2")
	case "grpc":
		version, matcher = tree.NewString("GRPC"), cfn.Object(cfn.Prop("GrpcCode", tree.NewString(s.grpcCodes())))
	}
	t.add(idTarget, cfn.Resource("AWS::ElasticLoadBalancingV2::TargetGroup",
		cfn.Prop("TargetType", tree.NewString("ip")),
		cfn.Prop("VpcId", t.setting("Vpc")),
		cfn.Prop("Protocol", tree.NewString("HTTP")),
		cfn.Prop("ProtocolVersion", version),
		cfn.Prop("Port", tree.NewInt(s.target.port)),
		cfn.Prop("HealthCheckPath", tree.NewString(s.healthCheckPath())),
		cfn.Prop("HealthCheckPort", tree.NewString("traffic-port")),
		cfn.Prop("Matcher", matcher),
	))
	var conditions []*tree.Node
	for _, c := range []struct {
		field, config string
		values        []string
	}{{"path-pattern", "PathPatternConfig", s.o.Paths}, {"host-header", "HostHeaderConfig", s.o.Hosts}} {
		if len(c.values) > 0 {
			conditions = append(conditions, cfn.Object(cfn.Prop("Field", tree.NewString(c.field)), cfn.Prop(c.config, cfn.Object(cfn.Prop("Values", cfn.Strings(c.values...))))))
		}
	}
	t.add(idRule, cfn.Resource("AWS::ElasticLoadBalancingV2::ListenerRule",
		cfn.Prop("ListenerArn", t.setting("ListenerArn")),
		cfn.Prop("Priority", t.setting("ListenerRulePriority")),
		cfn.Prop("Conditions", cfn.Array(conditions...)),
		cfn.Prop("Actions", cfn.Array(cfn.Object(cfn.Prop("Type", tree.NewString("forward")), cfn.Prop("TargetGroupArn", cfn.Ref(idTarget))))),
	))
	t.first = append(t.first, idRule) // ECS takes no target group that no load balancer has
	t.output("TargetGroupArn", "Target group of the tasks.", cfn.Ref(idTarget))
}

// serve makes the service.
func (t *template) serve() {
	s := t.service
	var target *tree.Node
	if s.o.balanced() {
		target = cfn.Ref(idTarget)
	}
	if slices.ContainsFunc(t.resources, func(m tree.Member) bool { return m.Name == iam.TaskPolicyID }) {
		t.first = append(t.first, iam.TaskPolicyID)
	}
	properties := []tree.Member{
		cfn.Prop("serviceName", tree.NewString(s.o.Name)),
		cfn.Prop("cluster", t.setting("Cluster")),
		cfn.Prop("taskDefinition", cfn.Ref(idTask)),
	}
	properties = append(properties, s.api(t, cfn.GetAtt(idGroup, "GroupId"), target)...)
	t.add(idService, cfn.Object(
		cfn.Prop("Type", tree.NewString("AWS::ECS::Service")),
		cfn.Prop("DependsOn", cfn.Strings(t.first...)),
		cfn.Prop("Properties", taskdef.Recase(cfn.Object(properties...), tree.Pascal)),
	))
	t.output("ServiceName", "The service.", cfn.GetAtt(idService, "Name"))
	t.output("TaskDefinitionArn", "The task definition.", cfn.Ref(idTask))
}

// record makes the DNS record.
func (t *template) record() {
	if t.service.o.RecordName == "" {
		return
	}
	t.add(idRecord, cfn.Resource("AWS::Route53::RecordSet",
		cfn.Prop("HostedZoneId", t.setting("HostedZoneId")),
		cfn.Prop("Name", t.setting("RecordName")),
		cfn.Prop("Type", tree.NewString("A")),
		cfn.Prop("AliasTarget", cfn.Object(
			cfn.Prop("DNSName", t.setting("LoadBalancerDnsName")),
			cfn.Prop("HostedZoneId", t.setting("LoadBalancerHostedZoneId")),
			cfn.Prop("EvaluateTargetHealth", tree.NewBool(true)),
		)),
	))
	t.output("DnsName", "DNS name of the service.", cfn.Ref(idRecord))
}

// node puts the template together.
func (t *template) node() *tree.Node {
	var parameters []tree.Member
	groups := map[string][]*tree.Node{}
	for _, v := range t.service.settings() {
		if slices.Contains(t.used, v.name) {
			parameters = append(parameters, cfn.Prop(v.name, v.parameter()))
			groups[v.group] = append(groups[v.group], tree.NewString(v.name))
		}
	}
	refs := t.service.refs
	for _, p := range refs.section("Parameters") {
		parameters = append(parameters, p)
		groups[ofTask] = append(groups[ofTask], tree.NewString(p.Name))
	}
	var shown []*tree.Node
	for _, name := range []string{ofService, ofNetwork, ofBalance, ofDNS, ofData, ofLogs, ofTask} {
		if len(groups[name]) > 0 {
			shown = append(shown, cfn.Object(cfn.Prop("Label", cfn.Object(cfn.Prop("default", tree.NewString(name)))), cfn.Prop("Parameters", cfn.Array(groups[name]...))))
		}
	}
	section := func(name string) *tree.Node {
		if all := refs.section(name); len(all) > 0 {
			return cfn.Object(all...)
		}
		return nil
	}
	return cfn.Object(
		cfn.Prop("AWSTemplateFormatVersion", tree.NewString("2010-09-09")),
		cfn.Prop("Description", tree.NewString("Service "+t.service.o.Name+" on AWS Fargate, its logs shipped by sumoship.")),
		cfn.Prop("Metadata", cfn.Object(cfn.Prop("AWS::CloudFormation::Interface", cfn.Object(cfn.Prop("ParameterGroups", cfn.Array(shown...)))))),
		cfn.Prop("Parameters", cfn.Object(parameters...)),
		cfn.Prop("Mappings", section("Mappings")),
		cfn.Prop("Conditions", section("Conditions")),
		cfn.Prop("Resources", cfn.Object(t.resources...)),
		cfn.Prop("Outputs", cfn.Object(t.outputs...)),
	)
}
