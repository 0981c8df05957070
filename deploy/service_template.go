package deploy

import (
	"slices"

	"sumoship/deploy/subscription"
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
)

// CloudFormation returns the service as a template that stands by itself, in JSON
// or YAML. It is the same for the same input, and for every partition of AWS.
//
// Source: AWS CloudFormation Template Reference.
func (s *Service) CloudFormation(json bool) []byte {
	t := &template{service: s}
	t.logs()
	t.resources = append(t.resources, s.roles...)
	t.add(idTask, resource(taskDefinition, members(s.taskDefinition)...))
	t.network()
	t.balance()
	t.serve()
	t.record()
	return writeTemplate(t.node(), json)
}

// members are those of an object.
func members(n *tree.Node) (all []tree.Member) {
	for name, v := range n.Members() {
		all = append(all, prop(name, v))
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
	return ref(v.name)
}

func (t *template) setting(name string) *tree.Node { return t.value(t.service.setting(name)) }

func (t *template) add(id string, resource *tree.Node) {
	t.resources = append(t.resources, prop(id, resource))
}

func (t *template) output(name, description string, v *tree.Node) {
	t.outputs = append(t.outputs, prop(name, object(prop("Description", tree.NewString(description)), prop("Value", v))))
}

// logs makes the log groups, and subscribes them to the forwarder. Tasks start
// when that is done, so that no line is missed. A group outlives the stack, for
// its logs are wanted most when something went wrong; but a stack that fails when
// it is made leaves none in the way of the next try.
func (t *template) logs() {
	s := t.service
	for _, g := range s.groups {
		name, arn := g.name, (*tree.Node)(nil)
		if s.o.ExistingLogGroups {
			arn = object(prop("Fn::Sub", tree.NewArray(tree.NewString("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Group}:*"), object(prop("Group", name)))))
			if literal, ok := name.Text(); ok {
				arn = sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:" + literal + ":*")
			}
		} else {
			id := "LogGroup" + g.id
			t.add(id, object(
				prop("Type", tree.NewString("AWS::Logs::LogGroup")),
				prop("DeletionPolicy", tree.NewString("RetainExceptOnCreate")),
				prop("UpdateReplacePolicy", tree.NewString("Retain")),
				prop("Properties", object(
					prop("LogGroupName", name),
					prop("RetentionInDays", t.setting("LogRetentionDays")),
				)),
			))
			t.output(id+"Name", "Log group.", ref(id))
			name, arn = ref(id), getAtt(id, "Arn") // which ends in :*
		}
		if s.o.NoSubscription {
			continue
		}
		permission, filter := "SubscriptionPermission"+g.id, "Subscription"+g.id
		t.add(permission, resource("AWS::Lambda::Permission",
			prop("Action", tree.NewString("lambda:InvokeFunction")),
			prop("FunctionName", t.setting("ForwarderArn")),
			prop("Principal", tree.NewString("logs.amazonaws.com")),
			prop("SourceAccount", ref("AWS::AccountId")),
			prop("SourceArn", arn),
		))
		t.add(filter, object(
			prop("Type", tree.NewString("AWS::Logs::SubscriptionFilter")),
			prop("DependsOn", tree.NewString(permission)),
			prop("Properties", object(
				prop("LogGroupName", name),
				prop("FilterName", tree.NewString(subscription.DefaultName)),
				prop("FilterPattern", tree.NewString("")),
				prop("DestinationArn", t.setting("ForwarderArn")),
			)),
		))
		t.first = append(t.first, filter)
	}
}

// network makes the security group of the tasks. Its way out is that of every
// new group, open.
func (t *template) network() {
	s := t.service
	t.add(idGroup, resource("AWS::EC2::SecurityGroup",
		prop("GroupDescription", tree.NewString(s.tasks())),
		prop("VpcId", t.setting("Vpc")),
	))
	if s.o.DatabaseSG != "" {
		t.rule(idDatabaseIngress, "Ingress", s.tasks(), t.setting("DatabaseSecurityGroup"), getAtt(idGroup, "GroupId"), int64(s.o.DatabasePort))
	}
	t.output("TaskSecurityGroupId", "Security group of the tasks.", getAtt(idGroup, "GroupId"))
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
	t.add(id, resource("AWS::EC2::SecurityGroup"+direction,
		prop("GroupId", group),
		prop("Description", tree.NewString(description)),
		prop("IpProtocol", tree.NewString("tcp")),
		prop("FromPort", tree.NewInt(port)),
		prop("ToPort", tree.NewInt(port)),
		prop(peer, other),
	))
	t.first = append(t.first, id)
}

// balance makes the way from the load balancer to the tasks.
func (t *template) balance() {
	s := t.service
	if !s.o.balanced() {
		return
	}
	balancer, own := t.setting("LoadBalancerSecurityGroup"), getAtt(idGroup, "GroupId")
	t.rule(idBalancerEgress, "Egress", s.tasks(), balancer, own, s.target.port)
	t.rule(idTaskIngress, "Ingress", "Load balancer", own, balancer, s.target.port)

	version, matcher := (*tree.Node)(nil), object(prop("HttpCode", tree.NewString("200-399")))
	switch s.target.protocol {
	case "http2":
		version = tree.NewString("HTTP2")
	case "grpc":
		version, matcher = tree.NewString("GRPC"), object(prop("GrpcCode", tree.NewString(s.grpcCodes())))
	}
	t.add(idTarget, resource("AWS::ElasticLoadBalancingV2::TargetGroup",
		prop("TargetType", tree.NewString("ip")),
		prop("VpcId", t.setting("Vpc")),
		prop("Protocol", tree.NewString("HTTP")),
		prop("ProtocolVersion", version),
		prop("Port", tree.NewInt(s.target.port)),
		prop("HealthCheckPath", tree.NewString(s.healthCheckPath())),
		prop("HealthCheckPort", tree.NewString("traffic-port")),
		prop("Matcher", matcher),
	))
	var conditions []*tree.Node
	for _, c := range []struct {
		field, config string
		values        []string
	}{{"path-pattern", "PathPatternConfig", s.o.Paths}, {"host-header", "HostHeaderConfig", s.o.Hosts}} {
		if len(c.values) > 0 {
			conditions = append(conditions, object(prop("Field", tree.NewString(c.field)), prop(c.config, object(prop("Values", textArray(c.values...))))))
		}
	}
	t.add(idRule, resource("AWS::ElasticLoadBalancingV2::ListenerRule",
		prop("ListenerArn", t.setting("ListenerArn")),
		prop("Priority", t.setting("ListenerRulePriority")),
		prop("Conditions", array(conditions...)),
		prop("Actions", array(object(prop("Type", tree.NewString("forward")), prop("TargetGroupArn", ref(idTarget))))),
	))
	t.first = append(t.first, idRule) // ECS takes no target group that no load balancer has
	t.output("TargetGroupArn", "Target group of the tasks.", ref(idTarget))
}

// serve makes the service.
func (t *template) serve() {
	s := t.service
	var target *tree.Node
	if s.o.balanced() {
		target = ref(idTarget)
	}
	if slices.ContainsFunc(t.resources, func(m tree.Member) bool { return m.Name == TaskPolicyID }) {
		t.first = append(t.first, TaskPolicyID)
	}
	properties := []tree.Member{
		prop("serviceName", tree.NewString(s.o.Name)),
		prop("cluster", t.setting("Cluster")),
		prop("taskDefinition", ref(idTask)),
	}
	properties = append(properties, s.api(t, getAtt(idGroup, "GroupId"), target)...)
	t.add(idService, object(
		prop("Type", tree.NewString("AWS::ECS::Service")),
		prop("DependsOn", textArray(t.first...)),
		prop("Properties", object(properties...).Recase(true)),
	))
	t.output("ServiceName", "The service.", getAtt(idService, "Name"))
	t.output("TaskDefinitionArn", "The task definition.", ref(idTask))
}

// record makes the DNS record.
func (t *template) record() {
	if t.service.o.RecordName == "" {
		return
	}
	t.add(idRecord, resource("AWS::Route53::RecordSet",
		prop("HostedZoneId", t.setting("HostedZoneId")),
		prop("Name", t.setting("RecordName")),
		prop("Type", tree.NewString("A")),
		prop("AliasTarget", object(
			prop("DNSName", t.setting("LoadBalancerDnsName")),
			prop("HostedZoneId", t.setting("LoadBalancerHostedZoneId")),
			prop("EvaluateTargetHealth", tree.NewBool(true)),
		)),
	))
	t.output("DnsName", "DNS name of the service.", ref(idRecord))
}

// node puts the template together.
func (t *template) node() *tree.Node {
	var parameters []tree.Member
	groups := map[string][]*tree.Node{}
	for _, v := range t.service.settings() {
		if slices.Contains(t.used, v.name) {
			parameters = append(parameters, prop(v.name, v.parameter()))
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
			shown = append(shown, object(prop("Label", object(prop("default", tree.NewString(name)))), prop("Parameters", array(groups[name]...))))
		}
	}
	section := func(name string) *tree.Node {
		if all := refs.section(name); len(all) > 0 {
			return object(all...)
		}
		return nil
	}
	return object(
		prop("AWSTemplateFormatVersion", tree.NewString("2010-09-09")),
		prop("Description", tree.NewString("Service "+t.service.o.Name+" on AWS Fargate, its logs shipped by sumoship.")),
		prop("Metadata", object(prop("AWS::CloudFormation::Interface", object(prop("ParameterGroups", array(shown...)))))),
		prop("Parameters", object(parameters...)),
		prop("Mappings", section("Mappings")),
		prop("Conditions", section("Conditions")),
		prop("Resources", object(t.resources...)),
		prop("Outputs", object(t.outputs...)),
	)
}
