package service

import (
	"fmt"
	"strconv"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/subscription"
	"sumoship/deploy/tree"
)

// setting is a value that differs by account: a parameter of the template, whose
// default the options give, or a variable of ecspresso.
type setting struct {
	name, group string
	kind        string // type of the parameter
	description string
	pattern     string // a regular expression, of a String
	min, max    int
	allowed     []int
	value       string // "" for none; of a list, with commas
}

// Groups of parameters, by label.
const (
	ofService = "Service"
	ofNetwork = "Network"
	ofBalance = "Load balancer"
	ofDNS     = "DNS"
	ofData    = "Database"
	ofLogs    = "Logs"
	ofTask    = "Task definition"
)

var parameterGroups = []string{ofService, ofNetwork, ofBalance, ofDNS, ofData, ofLogs, ofTask}

const (
	typeVPC   = "AWS::EC2::VPC::Id"
	typeNets  = "List<AWS::EC2::Subnet::Id>"
	typeGroup = "AWS::EC2::SecurityGroup::Id"
	typeZone  = "AWS::Route53::HostedZone::Id"
)

// settings returns all settings of a service, in the order of the template.
func (s *Service) settings() []setting {
	all := []setting{
		{name: "Cluster", group: ofService, kind: "String", value: s.cluster(), pattern: clusterName.String(), description: "Name or ARN of the ECS cluster."},
		{name: "DesiredCount", group: ofService, kind: "Number", value: strconv.Itoa(s.count()), max: 10000, description: "Number of tasks."},
		{name: "Vpc", group: ofNetwork, kind: typeVPC, value: s.o.VPC, description: "VPC of the tasks."},
		{name: "Subnets", group: ofNetwork, kind: typeNets, value: strings.Join(s.subnets(), ","), description: "Subnets of the tasks, in at least two availability zones. They must reach ECR, CloudWatch Logs and the like: through a NAT gateway, VPC endpoints, or with public addresses."},
	}
	for i := range s.securityGroups() {
		all = append(all, s.extraGroup(i))
	}
	for i, id := range s.o.Clients {
		all = append(all, setting{name: "ClientSecurityGroup" + ordinal(i), group: ofNetwork, kind: typeGroup, value: id, description: "Security group whose members reach the ports of the tasks."})
	}
	all = append(all, s.trafficSettings()...)
	return append(all,
		setting{name: "LoadBalancerDnsName", group: ofDNS, kind: "String", value: s.o.LoadBalancerDNS, pattern: dnsName.String(), description: "DNS name of the load balancer."},
		setting{name: "LoadBalancerHostedZoneId", group: ofDNS, kind: "String", value: s.o.LoadBalancerZone, pattern: zoneID.String(), description: "Canonical hosted zone ID of the load balancer (CanonicalHostedZoneId of describe-load-balancers)."},
		setting{name: "HostedZoneId", group: ofDNS, kind: typeZone, value: s.o.HostedZone, description: "Hosted zone of the record."},
		setting{name: "RecordName", group: ofDNS, kind: "String", value: s.o.RecordName, pattern: dnsName.String(), description: "DNS name of the service."},
		setting{name: "DatabaseSecurityGroup", group: ofData, kind: typeGroup, value: s.o.DatabaseSG, description: "Security group of the database, which lets the tasks in."},
		setting{name: "ForwarderArn", group: ofLogs, kind: "String", value: s.o.Forwarder, pattern: subscription.FunctionPattern, description: "ARN of the sumoship forwarder, which ships the logs to Sumo Logic."},
		setting{name: "LogRetentionDays", group: ofLogs, kind: "Number", value: strconv.Itoa(s.retention()), allowed: subscription.RetentionDays(), description: "How long CloudWatch Logs keeps the logs."},
	)
}

// setting returns the setting called name.
func (s *Service) setting(name string) setting {
	for _, v := range s.settings() {
		if v.name == name {
			return v
		}
	}
	panic("service: no setting " + name)
}

// extraGroup returns the setting of a security group besides that of the template.
func (s *Service) extraGroup(i int) setting {
	return setting{name: fmt.Sprintf("SecurityGroup%d", i+1), group: ofNetwork, kind: typeGroup, value: s.securityGroups()[i], description: "Security group that the tasks have besides their own."}
}

// parameter returns the setting as a parameter of a template.
func (v setting) parameter() *tree.Node {
	var value, least, most *tree.Node
	if i, err := strconv.ParseInt(v.value, 10, 64); err == nil && v.kind == "Number" {
		value = tree.NewInt(i)
	} else if v.value != "" {
		value = tree.NewString(v.value)
	}
	if v.max > 0 {
		least, most = tree.NewInt(int64(v.min)), tree.NewInt(int64(v.max))
	}
	var allowed []*tree.Node
	for _, i := range v.allowed {
		allowed = append(allowed, tree.NewInt(int64(i)))
	}
	return cfn.Object(
		cfn.Prop("Type", tree.NewString(v.kind)),
		cfn.Prop("Description", tree.NewString(v.description)),
		cfn.Prop("Default", value),
		cfn.Prop("AllowedPattern", optional(v.pattern)),
		cfn.Prop("MinValue", least),
		cfn.Prop("MaxValue", most),
		cfn.Prop("AllowedValues", cfn.Array(allowed...)),
	)
}
