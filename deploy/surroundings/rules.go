package surroundings

import (
	"slices"

	"sumoship/deploy/finding"
)

// Sources of the rules.
const (
	guideFargate = `Amazon ECS Developer Guide, "Task definition differences for Fargate"`
	guideLB      = `Amazon ECS Developer Guide, "Use load balancing to distribute Amazon ECS service traffic"`
	guideRoles   = `Amazon ECS Developer Guide, "Task IAM role"`
	apiService   = "Amazon ECS API Reference, CreateService"
	cfnService   = "AWS CloudFormation Template Reference, AWS::ECS::Service"
	cfnTaskSet   = "AWS CloudFormation Template Reference, AWS::ECS::TaskSet"
	cfnTarget    = "AWS CloudFormation Template Reference, AWS::ElasticLoadBalancingV2::TargetGroup"
	cfnScaling   = "AWS CloudFormation Template Reference, AWS::ApplicationAutoScaling::ScalableTarget"
	cfnEvents    = "AWS CloudFormation Template Reference, AWS::Events::Rule EcsParameters"
)

var launchType = finding.Rule{ID: "template-launch-type", Severity: finding.Warning, Action: finding.Set, Source: cfnService,
	Summary: "This starts the task definition on EC2. With the launch type FARGATE, CloudFormation replaces the service.",
	Help:    finding.Advice{"Set LaunchType to FARGATE, or give a capacity provider strategy of FARGATE and FARGATE_SPOT."}}

var network = finding.Rule{ID: "template-network", Severity: finding.Warning, Action: finding.Set, Source: apiService,
	Summary: "Fargate tasks have an address of their own, and this says neither in which subnets nor with which security groups.",
	Help:    finding.Advice{"Add NetworkConfiguration with AwsvpcConfiguration: Subnets, SecurityGroups, and AssignPublicIp: ENABLED in public subnets without a NAT gateway."}}

var role = finding.Rule{ID: "template-role", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "With network mode awsvpc, ECS registers targets with its service-linked role, and refuses a service that names another.",
	Help:    finding.Advice{"Remove Role."}}

var placement = finding.Rule{ID: "template-placement", Severity: finding.Warning, Action: finding.Drop, Source: guideFargate,
	Summary: "Fargate has no instances to choose from, and ECS refuses placement on it; tasks are spread over the availability zones of the subnets.",
	Help:    finding.Advice{"Remove it, and choose the zones by choosing the subnets."}}

var daemon = finding.Rule{ID: "template-daemon", Severity: finding.Warning, Action: finding.Keep, Source: cfnService,
	Summary: "A daemon service runs one task on each instance, and Fargate has no instances.",
	Help:    finding.Advice{"Run it as a container of each task that needs it, as a daemon of ECS Managed Instances, or leave it on EC2: --with-services cannot edit it."}}

var name = finding.Rule{ID: "template-name", Severity: finding.Warning, Action: finding.Rewrite, Source: cfnService,
	Summary: "CloudFormation replaces this resource, and cannot create the new one while the old one has the same name.",
	Help:    finding.Advice{"Give it another name, and tell pipelines, alarms and dashboards that use the old one."}}

var targetGroup = finding.Rule{ID: "template-target-group", Severity: finding.Warning, Action: finding.Set, Source: cfnTarget,
	Summary: "A target group of type instance cannot hold Fargate tasks. With type ip CloudFormation replaces the group, and points the listener to the new one before a task is in it.",
	Help:    finding.Advice{"Set TargetType to ip.", "Expect failed requests during the update; sumoship fargate service and fargate cutover move the traffic without them."}}

var healthCheckPort = finding.Rule{ID: "template-health-check-port", Severity: finding.Warning, Action: finding.Set, Source: cfnTarget,
	Summary: "The health check asks a fixed port, which on EC2 was one of the instance; on Fargate only the ports of the containers answer.",
	Help:    finding.Advice{"Set HealthCheckPort to traffic-port, or to a port that a container listens on."}}

var classicLoadBalancer = finding.Rule{ID: "template-classic-load-balancer", Severity: finding.Warning, Action: finding.Keep, Source: guideLB,
	Summary: "Fargate tasks cannot be behind a Classic Load Balancer.",
	Help:    finding.Advice{"Replace it by an Application or Network Load Balancer with a target group of type ip: --with-services cannot edit it."}}

var scaling = finding.Rule{ID: "template-scaling", Severity: finding.Warning, Action: finding.Keep, Source: cfnScaling,
	Summary: "This scales the service. It is bound to the service's name, so it is replaced with the service.",
	Help:    finding.Advice{"Check the bounds: each Fargate task has CPU and memory of its own, so targets on utilisation mean something else than on shared instances.", "Leave DesiredCount out of the service, so that an update does not undo what was scaled."}}

var scalingName = finding.Rule{ID: "template-scaling-name", Severity: finding.Warning, Action: finding.Rewrite, Source: cfnScaling,
	Summary: "This scales the service by a name that it no longer has.",
	Help:    finding.Advice{"Write the name as GetAtt Name of the service."}}

var schedule = finding.Rule{ID: "template-schedule", Severity: finding.Warning, Action: finding.Set, Source: cfnEvents,
	Summary: "This schedule starts the task definition on EC2, and ECS refuses that for one that is for Fargate alone.",
	Help:    finding.Advice{"Set LaunchType to FARGATE, give a NetworkConfiguration, and remove placement."}}

var taskSet = finding.Rule{ID: "template-task-set", Severity: finding.Warning, Action: finding.Keep, Source: cfnTaskSet,
	Summary: "A task set belongs to a service that something other than ECS deploys.",
	Help:    finding.Advice{"Check that what deploys it creates task sets on Fargate, with a network."}}

var instances = finding.Rule{ID: "template-instances", Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "These are instances of the cluster; Fargate tasks do not run on them.",
	Help:    finding.Advice{"Remove them once no other service or daemon runs there: sumoship fargate plan lists what does."}}

var instanceRole = finding.Rule{ID: "template-instance-role", Severity: finding.Warning, Action: finding.Keep, Source: guideRoles,
	Summary: "On EC2 the containers could use this role of the instances; on Fargate they have the task role alone.",
	Help:    finding.Advice{"Give the task role what the containers use of it."}}

var roleUnused = finding.Rule{ID: "template-role-unused", Severity: finding.Warning, Action: finding.Keep, Source: apiService,
	Summary: "This role let ECS register targets for the service, which its service-linked role does for Fargate.",
	Help:    finding.Advice{"Remove it when no other service uses it."}}

var rules = []finding.Rule{
	launchType, network, role, placement, daemon, name, targetGroup, healthCheckPort, classicLoadBalancer, scaling, scalingName,
	schedule, taskSet, instances, instanceRole, roleUnused,
}

// Rules returns the rules behind the findings of [Adapt], in the order of the
// documentation.
func Rules() []finding.Rule { return slices.Clone(rules) }
