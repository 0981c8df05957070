package service

import (
	"cmp"
	"fmt"
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
	idTestRule        = "TestRule"
	idTestListener    = "TestListener"
	idTaskIngress     = "TaskIngressFromLoadBalancer"
	idBalancerEgress  = "LoadBalancerEgressToTasks"
	idDatabaseIngress = "DatabaseIngressFromTasks"
	idRecord          = "Record"
	idPermission      = "LogsMayInvokeForwarder"
)

// CloudFormation returns the service as a self-contained template, in JSON or
// YAML. The same input gives the same template, which works in every partition of
// AWS. Do not call it on a service that is refused.
//
// Source: AWS CloudFormation Template Reference.
func (s *Service) CloudFormation(json bool) []byte {
	t := &template{service: s}
	t.logs()
	t.resources = append(t.resources, s.roles...)
	t.add(idTask, cfn.Resource(taskdef.ResourceType, members(s.taskDefinition)...))
	t.network()
	t.loadBalancer()
	t.ecsService()
	t.scaling()
	t.record()
	return cfn.Marshal(t.node(), json)
}

// members returns the members of an object.
func members(n *tree.Node) (all []tree.Member) {
	for name, v := range n.Members() {
		all = append(all, cfn.Prop(name, v))
	}
	return all
}

// template collects the parts of a template.
type template struct {
	service    *Service
	used       []string // names of settings
	resources  []tree.Member
	outputs    []tree.Member
	first      []string // logical IDs of resources that tasks must wait for
	conditions []tree.Member
	admitted   []string // ports that a load balancer reaches already
}

// value returns a reference to the parameter of a setting.
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

// condition adds a condition, once.
func (t *template) condition(name string, v *tree.Node) {
	if !slices.ContainsFunc(t.conditions, func(m tree.Member) bool { return m.Name == name }) {
		t.conditions = append(t.conditions, cfn.Prop(name, v))
	}
}

func (t *template) output(name, description string, v *tree.Node) {
	t.outputs = append(t.outputs, cfn.Prop(name, cfn.Object(cfn.Prop("Description", tree.NewString(description)), cfn.Prop("Value", v))))
}

// logs adds the log groups and subscribes them to the forwarder. Tasks wait for
// that, so that no line is missed. A group outlives the stack, because its logs
// matter most after a failure; but a stack that cannot be created leaves none
// behind to block the next try.
func (t *template) logs() {
	s := t.service
	var first *tree.Node // CloudWatch Logs calls the function before it accepts a filter
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

// permission adds the statement of [subscription.Destination.Permission], for all
// log groups of the account. It is added on request only, because the stack of the
// forwarder has it: one for each service would fill the policy of the function.
func (t *template) permission() {
	t.add(idPermission, cfn.Resource("AWS::Lambda::Permission",
		cfn.Prop("Action", tree.NewString("lambda:InvokeFunction")),
		cfn.Prop("FunctionName", t.setting("ForwarderArn")),
		cfn.Prop("Principal", cfn.Sub("logs.${AWS::URLSuffix}")),
		cfn.Prop("SourceAccount", cfn.Ref("AWS::AccountId")),
		cfn.Prop("SourceArn", cfn.Sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*")),
	))
}

// network adds the security group of the tasks. As in every new group, all egress
// is allowed.
func (t *template) network() {
	s := t.service
	t.add(idGroup, cfn.Resource("AWS::EC2::SecurityGroup",
		cfn.Prop("GroupDescription", tree.NewString(s.tasks())),
		cfn.Prop("VpcId", t.setting("Vpc")),
	))
	if s.o.DatabaseSG != "" {
		t.ingress(idDatabaseIngress, s.tasks(), t.setting("DatabaseSecurityGroup"), cfn.GetAtt(idGroup, "GroupId"), int64(s.o.DatabasePort))
	}
	t.clients()
	t.output("TaskSecurityGroupId", "Security group of the tasks.", cfn.GetAtt(idGroup, "GroupId"))
}

// clients lets security groups reach each port of the tasks, as those do that find them
// by service discovery or Service Connect.
func (t *template) clients() {
	for i := range t.service.o.Clients {
		var opened []string
		for _, m := range t.service.portMappings() {
			protocol := cmp.Or(m.node.Get("protocol").Str(), "tcp")
			id := fmt.Sprintf("ClientIngress%s%s%d", ordinal(i), pascalCase(protocol), m.port)
			if slices.Contains(opened, id) {
				continue
			}
			opened = append(opened, id)
			t.securityGroupRule(id, "AWS::EC2::SecurityGroupIngress", "Clients", cfn.GetAtt(idGroup, "GroupId"), protocol, m.port,
				cfn.Prop("SourceSecurityGroupId", t.setting("ClientSecurityGroup"+ordinal(i))))
		}
	}
}

// tasks describes the tasks, within the 255 characters of a description in a
// security group.
func (s *Service) tasks() string {
	const room = 200
	return "Tasks of service " + s.o.Name[:min(len(s.o.Name), room)]
}

// ingress lets another security group reach one TCP port of a group. A rule is a
// resource of its own, so that two groups can refer to each other, and groups of
// other stacks stay as they are.
func (t *template) ingress(id, description string, group, from *tree.Node, port int64) {
	t.securityGroupRule(id, "AWS::EC2::SecurityGroupIngress", description, group, "tcp", port, cfn.Prop("SourceSecurityGroupId", from))
}

func (t *template) securityGroupRule(id, kind, description string, group *tree.Node, protocol string, port int64, peer tree.Member) {
	t.add(id, cfn.Resource(kind,
		cfn.Prop("GroupId", group),
		cfn.Prop("Description", tree.NewString(description)),
		cfn.Prop("IpProtocol", tree.NewString(protocol)),
		cfn.Prop("FromPort", tree.NewInt(port)),
		cfn.Prop("ToPort", tree.NewInt(port)),
		peer,
	))
	t.first = append(t.first, id)
}

// ecsService adds the ECS service.
func (t *template) ecsService() {
	s := t.service
	var targets []*tree.Node
	for i := range s.balances {
		targets = append(targets, cfn.Ref(idTarget+ordinal(i)))
	}
	if slices.ContainsFunc(t.resources, func(m tree.Member) bool { return m.Name == iam.TaskPolicyID }) {
		t.first = append(t.first, iam.TaskPolicyID)
	}
	properties := []tree.Member{
		cfn.Prop("serviceName", tree.NewString(s.o.Name)),
		cfn.Prop("cluster", t.setting("Cluster")),
		cfn.Prop("taskDefinition", cfn.Ref(idTask)),
	}
	properties = append(properties, s.api(t, cfn.GetAtt(idGroup, "GroupId"), targets)...)
	t.add(idService, cfn.Object(
		cfn.Prop("Type", tree.NewString("AWS::ECS::Service")),
		cfn.Prop("DependsOn", cfn.Strings(t.first...)),
		cfn.Prop("Properties", taskdef.Recase(cfn.Object(properties...), tree.Pascal)),
	))
	t.output("ServiceName", "The service.", cfn.GetAtt(idService, "Name"))
	t.output("TaskDefinitionArn", "The task definition.", cfn.Ref(idTask))
}

// record adds the DNS record.
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

// node assembles the template.
func (t *template) node() *tree.Node {
	var parameters []tree.Member
	groups := map[string][]*tree.Node{}
	for _, v := range t.service.settings() {
		if slices.Contains(t.used, v.name) {
			parameters = append(parameters, cfn.Prop(v.name, v.parameter()))
			groups[v.group] = append(groups[v.group], tree.NewString(v.name))
		}
	}
	moved := t.service.refs.sections
	conditions := append(slices.Clone(moved["Conditions"]), t.conditions...)
	for _, p := range moved["Parameters"] {
		parameters = append(parameters, p)
		groups[ofTask] = append(groups[ofTask], tree.NewString(p.Name))
	}
	var labelled []*tree.Node
	for _, name := range parameterGroups {
		if len(groups[name]) > 0 {
			label := cfn.Object(cfn.Prop("default", tree.NewString(name)))
			labelled = append(labelled, cfn.Object(cfn.Prop("Label", label), cfn.Prop("Parameters", cfn.Array(groups[name]...))))
		}
	}
	section := func(members []tree.Member) *tree.Node {
		if len(members) == 0 {
			return nil
		}
		return cfn.Object(members...)
	}
	return cfn.Object(
		cfn.Prop("AWSTemplateFormatVersion", tree.NewString("2010-09-09")),
		cfn.Prop("Description", tree.NewString("Service "+t.service.o.Name+" on AWS Fargate, its logs shipped by sumoship.")),
		cfn.Prop("Metadata", cfn.Object(cfn.Prop("AWS::CloudFormation::Interface", cfn.Object(cfn.Prop("ParameterGroups", cfn.Array(labelled...)))))),
		cfn.Prop("Parameters", cfn.Object(parameters...)),
		cfn.Prop("Mappings", section(moved["Mappings"])),
		cfn.Prop("Conditions", section(conditions)),
		cfn.Prop("Resources", cfn.Object(t.resources...)),
		cfn.Prop("Outputs", cfn.Object(t.outputs...)),
	)
}
