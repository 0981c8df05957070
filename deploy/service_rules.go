package deploy

// Where services are documented.
const (
	apiService      = "Amazon ECS API Reference, CreateService"
	guideLB         = `Amazon ECS Developer Guide, "Use load balancing to distribute Amazon ECS service traffic"`
	guideDiscovery  = `Amazon ECS Developer Guide, "Use service discovery to connect Amazon ECS services with DNS names"`
	guideSpot       = `Amazon ECS Developer Guide, "Amazon ECS clusters for Fargate"`
	guideIntrinsics = `AWS CloudFormation User Guide, "Intrinsic function reference"`
)

// serviceRules stand behind the findings about what stands around a task.
var serviceRules = []Rule{
	// What an existing service asks for.
	{ID: "service-launch-type", Severity: Info, Action: Rewrite, Source: apiService,
		Summary: "The service runs on Fargate now."},
	{ID: "service-capacity-provider", Severity: Warning, Action: Drop, Source: guideSpot,
		Summary: "A capacity provider of EC2 instances runs no tasks of Fargate.", Help: "Use --spot for spare capacity, with --on-demand for the tasks that must not be interrupted."},
	{ID: "service-spot", Severity: Info, Action: Keep, Source: guideSpot,
		Summary: "The cluster has to have the capacity providers FARGATE and FARGATE_SPOT, and tasks of Fargate Spot end two minutes after AWS says so.",
		Help:    "Give the cluster both with aws ecs put-cluster-capacity-providers, and see that the containers end on SIGTERM."},
	{ID: "service-spot-windows", Severity: Error, Action: Refuse, Source: guideSpot,
		Summary: "Fargate Spot has no Windows.", Help: "Leave out --spot."},
	{ID: "service-daemon", Severity: Error, Action: Refuse, Source: apiService,
		Summary: "A daemon runs once on each instance, and Fargate has none.", Help: "Run it as a container of each task that needs it, or leave it on EC2."},
	{ID: "service-placement", Severity: Warning, Action: Drop, Source: guideFargate,
		Summary: "Fargate has no instances to choose from; it spreads tasks over the availability zones of the subnets.", Help: "Choose the zones by the subnets."},
	{ID: "service-role", Severity: Info, Action: Drop, Source: apiService,
		Summary: "With network mode awsvpc, ECS registers targets by its service-linked role and takes no other.", Help: "Delete the role when nothing else uses it."},
	{ID: "service-platform-version", Severity: Info, Action: Drop, Source: apiService,
		Summary: "The service names an old platform version; the template leaves it to AWS, which takes the latest."},
	{ID: "service-classic-load-balancer", Severity: Error, Action: Refuse, Source: guideLB,
		Summary: "Fargate has no Classic Load Balancers.", Help: "Put the service behind an Application Load Balancer: give --path or --host, and --listener.",
		Allow: "the service has no load balancer."},
	{ID: "service-target-group", Severity: Warning, Action: Rewrite, Source: guideLB,
		Summary: "A target group of instances cannot hold tasks of Fargate; the template makes one of type ip on the container port.", Help: "Move the requests by the listener rule, then delete the old group."},
	{ID: "service-target-groups", Severity: Error, Action: Refuse, Source: guideLB,
		Summary: "The service is behind more than one target group, and the template makes one.", Help: "Choose by --container and --port, and add the others by hand.",
		Allow: "only that group is made."},
	{ID: "service-port-unknown", Severity: Error, Action: Refuse, Source: guideLB,
		Summary: "The container and port behind the load balancer are not in the task definition.", Help: "Add the port to portMappings, or choose by --container and --port."},
	{ID: "service-port-protocol", Severity: Error, Action: Refuse, Source: guideLB,
		Summary: "An Application Load Balancer speaks HTTP, and this port is of UDP.", Help: "Choose another port, or use a Network Load Balancer."},
	{ID: "service-port-chosen", Severity: Info, Action: Set, Source: guideLB,
		Summary: "Several container ports could stand behind the load balancer; it is the first of the first essential container.", Help: "Choose by --container and --port."},
	{ID: "service-host-port", Severity: Warning, Action: Keep, Source: guideFargate,
		Summary: "On EC2 this was reached at a port of the instances; on Fargate nothing listens there.", Help: "Point its clients to the load balancer, or to service discovery."},
	{ID: "service-health-check-path", Severity: Info, Action: Set, Source: guideLB,
		Summary: "The target group checks /, for nothing says another path.", Help: "Name it with --health-check-path."},
	{ID: "service-health-check-grace", Severity: Info, Action: Drop, Source: apiService,
		Summary: "Without a load balancer there is no grace period for its health checks."},
	{ID: "service-registry", Severity: Warning, Action: Keep, Source: guideDiscovery,
		Summary: "A registry with a container and port has records of type SRV. Tasks of Fargate have addresses of their own, so records of type A would do.",
		Help:    "See that the clients read SRV records, or make a new registry with A records. Open the security group to them."},
	{ID: "service-registry-address", Severity: Info, Action: Keep, Source: guideDiscovery,
		Summary: "The records of this registry will name the addresses of tasks.", Help: "Open the security group of the tasks to the clients."},
	{ID: "service-registries", Severity: Error, Action: Refuse, Source: apiService,
		Summary: "ECS takes one service registry.", Help: "Take the others out.", Allow: "the first is kept."},
	{ID: "service-deployment-controller", Severity: Warning, Action: Drop, Source: apiService,
		Summary: "Something else than ECS rolls this service out; the template does it by rolling updates of ECS, with the circuit breaker.", Help: "Set the pipeline on the new service."},
	{ID: "service-deployment-percent", Severity: Info, Action: Keep, Source: apiService,
		Summary: "The service stops tasks before it starts new ones, as it must where they want the same port of an instance. On Fargate they do not.", Help: "100 and 200 percent deploy without a gap."},
	{ID: "service-deployment-strategy", Severity: Warning, Action: Drop, Source: apiService,
		Summary: "The new service is rolled out task by task: other strategies need a second target group and rules of their own.", Help: "Set the strategy when the service runs on Fargate."},
	{ID: "service-circuit-breaker", Severity: Info, Action: Set, Source: apiService,
		Summary: "The circuit breaker is on, with rollback: a deployment whose tasks do not start ends, and the last good one comes back."},
	{ID: "service-reference-unknown", Severity: Error, Action: Refuse, Source: apiService,
		Summary: "The service names what the task definition does not have.", Help: "Name it in the task definition, or take it out of the service."},
	{ID: "service-volume-missing", Severity: Error, Action: Refuse, Source: guideEBS,
		Summary: "The task definition has a volume that is configured at launch, and no service that says how.", Help: "Give a service with volumeConfigurations by --from-service."},
	{ID: "service-name-taken", Severity: Warning, Action: Keep, Source: apiService,
		Summary: "A cluster has one active service of a name.", Help: "Give the new one another name with --service, another cluster, or delete the old one first."},
	{ID: "service-tag-reserved", Severity: Info, Action: Drop, Source: "Amazon ECS API Reference, Tag",
		Summary: "Tags that begin with aws: are AWS's own."},
	{ID: "service-unknown-member", Severity: Warning, Action: Drop, Source: apiService,
		Summary: "sumoship does not know this member of a service, and does not take it over.", Help: "See whether the new service needs it."},
	{ID: "service-exec", Severity: Info, Action: Keep, Source: `Amazon ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec"`,
		Summary: "ECS Exec is on; the task role has to allow ssmmessages.", Help: "See that it does."},

	// What a definition asks for.
	{ID: "service-role-kept", Severity: Info, Action: Keep, Source: guideRole,
		Summary: "The definition names this role, and the template keeps it.", Help: "Let the template make one with --new-roles."},
	{ID: "service-role-new", Severity: Info, Action: Set, Source: guideRole,
		Summary: "The template makes this role, with the rights that the definition needs."},
	{ID: "service-log-group-exists", Severity: Warning, Action: Keep, Source: guideAwslogs,
		Summary: "The definition logged to this group already, so it may exist; CloudFormation makes no group that exists.", Help: "If it does, give --existing-log-groups."},
	{ID: "service-log-group-create", Severity: Info, Action: Drop, Source: guideAwslogs,
		Summary: "The template makes the log group, with its retention and subscription, so the tasks need not."},
	{ID: "service-log-region", Severity: Info, Action: Rewrite, Source: guideAwslogs,
		Summary: "The log group is in the region of the stack."},
	{ID: "service-log-region-other", Severity: Warning, Action: Keep, Source: guideAwslogs,
		Summary: "These logs go to another region than those of the first container, so the template makes neither their group nor its subscription.", Help: "Make them there: sumoship fargate logs."},
	{ID: "service-log-none", Severity: Info, Action: Keep, Source: guideAwslogs,
		Summary: "No container logs to CloudWatch Logs by awslogs, so there is no log group to subscribe."},
	{ID: "service-placeholder", Severity: Error, Action: Refuse, Source: guideIntrinsics,
		Summary: "CloudFormation does not fill in this placeholder.", Help: "Put the value there, or use --as ecspresso."},
	{ID: "service-parameter", Severity: Info, Action: Rewrite, Source: guideIntrinsics,
		Summary: "This refers to another part of the template that the definition came in; here it is a parameter."},
	{ID: "service-reference-unsupported", Severity: Error, Action: Refuse, Source: guideIntrinsics,
		Summary: "This cannot be taken out of the template that it came in.", Help: "Put the value there."},
}

// ServiceRules returns the rules behind the findings of [NewService].
func ServiceRules() []Rule { return append([]Rule(nil), serviceRules...) }

func serviceRuleOf(id string) Rule {
	for _, r := range serviceRules {
		if r.ID == id {
			return r
		}
	}
	panic("deploy: no rule " + id)
}
