package service

import (
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// ExistingService is an ECS service that is to run on Fargate.
type Existing struct{ node *tree.Node }

// ReadService reads a service in the shapes that AWS's tools give or take: the
// output of describe-services or create-service, or their input; in JSON or
// YAML. Of several, it is the one called service. The name is for messages.
//
// The error is an *[InputError].
func ReadExisting(name string, src []byte, service string) (*Existing, error) {
	root, err := taskdef.Parse(name, src)
	if err != nil {
		return nil, err
	}
	n, err := find(name, root, service)
	if err != nil {
		return nil, err
	}
	if err := taskdef.CheckValues(name, n); err != nil {
		return nil, err
	}
	return &Existing{n}, nil
}

const serviceShapes = "give the output of aws ecs describe-services, or the input of create-service"

func find(input string, root *tree.Node, name string) (*tree.Node, error) {
	if root.Kind() != tree.Object {
		return nil, taskdef.Errorf(input, root, serviceShapes, "the document is %s", root.Kind())
	}
	list := root.Field("services")
	if list.Kind() == tree.Array {
		var names []string
		for _, n := range list.Elements() {
			names = append(names, n.Field("serviceName").Str())
		}
		i := slices.Index(names, name)
		switch {
		case len(names) == 0:
			reason := root.Field("failures").First().Field("reason").Str()
			if reason != "" {
				reason = " (" + reason + ")"
			}
			return nil, taskdef.Errorf(input, list, "see that the name and the cluster are right", "there is no service in it%s", reason)
		case len(names) == 1:
			i = 0
		case i < 0:
			return nil, taskdef.Errorf(input, list, "choose one with --service", "there are %d services: %s", len(names), strings.Join(names, ", "))
		}
		root = list.Items()[i]
	} else if n := root.Field("service"); n.Kind() == tree.Object {
		root = n
	}
	if root.Kind() != tree.Object {
		return nil, taskdef.Errorf(input, root, serviceShapes, "the service is %s and not an object", root.Kind())
	}
	for _, member := range []string{"serviceName", "desiredCount", "launchType", "loadBalancers", "schedulingStrategy", "deploymentConfiguration"} {
		if root.Field(member) != nil {
			return root, nil
		}
	}
	return nil, taskdef.Errorf(input, root, serviceShapes, "there is no service in this document")
}

// Name returns the name of the service, "" if it has none.
func (e *Existing) Name() string { return e.node.Field("serviceName").Str() }

// TaskDefinition returns the family, revision or ARN that the service runs, "" if
// it names none.
func (e *Existing) TaskDefinition() string { return e.node.Field("taskDefinition").Str() }

// taken is what a new service takes over from an existing one. Nodes are as the
// ECS API has them.
type taken struct {
	deployment           []tree.Member // of deploymentConfiguration
	members              []tree.Member // of the service, that nothing else decides
	rebalancing          string        // availabilityZoneRebalancing
	subnets, groups      []string
	container            string
	port                 int64
	balanced             bool // a load balancer sends it requests
	connect, volumes     *tree.Node
	platform             string
	strategy             *tree.Node // of Fargate capacity providers
	fargate              bool
	exec, publicIP       bool
	breaker              bool // circuit breaker with rollback
	grace, count         *int
	cluster, serviceName string
}

// Members of a described service that say how it is, and not how it is to be.
// Source: Amazon ECS API Reference, Service.
var serviceState = []string{
	"serviceArn", "clusterArn", "status", "runningCount", "pendingCount", "taskSets", "deployments", "events", "createdAt", "createdBy",
	"platformFamily", "currentServiceDeployment", "currentServiceRevisions", "resourceManagementType",
	// Input that is about the call, or that another option says.
	"cluster", "clientToken", "forceNewDeployment", "serviceName", "taskDefinition", "service",
}

var serviceLaunchType = finding.Rule{ID: "service-launch-type", Severity: finding.Info, Action: finding.Rewrite, Source: apiService,
	Summary: "The service runs on Fargate now."}

var servicePlatformVersion = finding.Rule{ID: "service-platform-version", Severity: finding.Info, Action: finding.Drop, Source: apiService,
	Summary: "The service names an old platform version; the template leaves it to AWS, which takes the latest."}

var serviceDaemon = finding.Rule{ID: "service-daemon", Severity: finding.Error, Action: finding.Refuse, Source: apiService,
	Summary: "A daemon runs once on each instance, and Fargate has none.", Help: finding.Advice{"Run it as a container of each task that needs it, or leave it on EC2."}}

var servicePlacement = finding.Rule{ID: "service-placement", Severity: finding.Warning, Action: finding.Drop, Source: guideFargate,
	Summary: "Fargate has no instances to choose from; it spreads tasks over the availability zones of the subnets.", Help: finding.Advice{"Choose the zones by the subnets."}}

var serviceRole = finding.Rule{ID: "service-role", Severity: finding.Info, Action: finding.Drop, Source: apiService,
	Summary: "With network mode awsvpc, ECS registers targets by its service-linked role and takes no other.", Help: finding.Advice{"Delete the role when nothing else uses it."}}

var serviceHealthCheckGrace = finding.Rule{ID: "service-health-check-grace", Severity: finding.Info, Action: finding.Drop, Source: apiService,
	Summary: "Without a load balancer there is no grace period for its health checks."}

var serviceDeploymentController = finding.Rule{ID: "service-deployment-controller", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "Something else than ECS rolls this service out; the template does it by rolling updates of ECS, with the circuit breaker.", Help: finding.Advice{"Set the pipeline on the new service."}}

var serviceExec = finding.Rule{ID: "service-exec", Severity: finding.Info, Action: finding.Keep, Source: `Amazon ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec"`,
	Summary: "ECS Exec is on; the task role has to allow ssmmessages.", Help: finding.Advice{"See that it does."}}

var serviceUnknownMember = finding.Rule{ID: "service-unknown-member", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "sumoship does not know this member of a service, and does not take it over.", Help: finding.Advice{"See whether the new service needs it."}}

var serviceNameTaken = finding.Rule{ID: "service-name-taken", Severity: finding.Warning, Action: finding.Keep, Source: apiService,
	Summary: "A cluster has one active service of a name.", Help: finding.Advice{"Give the new one another name with --service, another cluster, or delete the old one first."}}

// take goes through an existing service and reports what Fargate changes.
func (s *Service) take(e *Existing) {
	s.existing = e
	n, t := e.node, &s.taken
	about := s.about
	t.serviceName = e.Name()
	t.cluster = n.Get("clusterArn").Str()
	if t.cluster == "" {
		t.cluster = n.Get("cluster").Str()
	}
	t.cluster = t.cluster[strings.LastIndex(t.cluster, "/")+1:]
	for name, v := range n.Members() {
		if v.Kind() == tree.Null || v.Kind() >= tree.Array && v.Len() == 0 {
			continue
		}
		if slices.ContainsFunc(serviceState, func(state string) bool { return strings.EqualFold(state, name) }) {
			continue
		}
		switch taskdef.CamelName(name) {
		case "launchType":
			t.fargate = v.Str() == "FARGATE"
			if !t.fargate && v.Str() != "" {
				about.Rewritten(serviceLaunchType, v, s.launch(), "the service ran on %s", v.Str())
			}
		case "capacityProviderStrategy":
			s.takeCapacity(v)
		case "platformVersion":
			switch version := v.Str(); version {
			case "", "LATEST":
			case "1.0.0", "1.1.0", "1.2.0", "1.3.0":
				about.Dropped(servicePlatformVersion, v, "platform version %s is retired; the new service takes the latest", version)
			default:
				t.platform = version
			}
		case "schedulingStrategy":
			if v.Str() == "DAEMON" {
				about.Refuse(serviceDaemon, v, "")
			}
		case "placementConstraints", "placementStrategy", "placementStrategies":
			about.Dropped(servicePlacement, v, "")
		case "role", "roleArn":
			if !strings.Contains(v.Str(), "/AWSServiceRoleForECS") {
				about.Dropped(serviceRole, v, "")
			}
		case "desiredCount":
			t.count = intOf(v)
		case "healthCheckGracePeriodSeconds":
			t.grace = intOf(v)
			if !s.o.balanced() && !s.behindTargetGroup() {
				about.Dropped(serviceHealthCheckGrace, v, "")
			}
		case "loadBalancers":
			s.takeLoadBalancers(v)
		case "serviceRegistries":
			s.takeRegistries(v)
		case "deploymentConfiguration":
			s.takeDeployment(v)
		case "deploymentController":
			if kind := v.Field("type").Str(); kind != "ECS" && kind != "" {
				about.Dropped(serviceDeploymentController, v, "%s rolls this service out; the template does it by rolling updates of ECS, with the circuit breaker", kind)
			}
		case "networkConfiguration":
			vpc := v.Field("awsvpcConfiguration")
			t.subnets, t.groups = vpc.Field("subnets").Strs(), vpc.Field("securityGroups").Strs()
			t.publicIP = vpc.Field("assignPublicIp").Str() == "ENABLED"
		case "serviceConnectConfiguration":
			t.connect = v
		case "volumeConfigurations":
			t.volumes = v
		case "vpcLatticeConfigurations":
			for _, item := range v.Elements() {
				s.knownPort(item.Field("portName"))
			}
			t.members = append(t.members, cfn.Prop("vpcLatticeConfigurations", taskdef.Recase(v, tree.Camel)))
		case "enableExecuteCommand":
			t.exec, _ = v.Bool()
			if t.exec {
				about.Note(serviceExec, v, "")
			}
		case "enableECSManagedTags":
			if on, ok := v.Bool(); ok {
				t.members = append(t.members, cfn.Prop("enableECSManagedTags", tree.NewBool(on)))
			}
		case "propagateTags":
			if from := v.Str(); from != "NONE" && from != "" {
				t.members = append(t.members, cfn.Prop("propagateTags", tree.NewString(from)))
			}
		case "availabilityZoneRebalancing":
			t.rebalancing = v.Str()
		case "tags":
			s.takeTags(v)
		default:
			about.Dropped(serviceUnknownMember, v, "%q is no member of a service that sumoship knows", name)
		}
	}
	s.takeDeployed(n)
	if c := t.cluster; t.serviceName != "" && s.o.Name == t.serviceName && (c == "" || s.o.Cluster == "" || c == s.cluster()) && n.Get("serviceArn") != nil {
		about.Note(serviceNameTaken, n.Field("serviceName"), "cluster %s has an active service %s already, and can have one", orThe(c), t.serviceName)
	}
}

// behindTargetGroup reports whether the existing service is in a target group.
func (s *Service) behindTargetGroup() bool {
	return slices.ContainsFunc(s.existing.node.Get("loadBalancers").Items(), func(lb *tree.Node) bool { return lb.Get("targetGroupArn") != nil })
}

func orThe(cluster string) string {
	if cluster == "" {
		return "default"
	}
	return cluster
}

var serviceReferenceUnknown = finding.Rule{ID: "service-reference-unknown", Severity: finding.Error, Action: finding.Refuse, Source: apiService,
	Summary: "The service names what the task definition does not have.", Help: finding.Advice{"Name it in the task definition, or take it out of the service."}}

// takeDeployed takes what a description has in the deployments alone.
func (s *Service) takeDeployed(n *tree.Node) {
	for _, d := range n.Field("deployments").Elements() {
		if d.Field("status").Str() != "PRIMARY" {
			continue
		}
		if c := d.Get("serviceConnectConfiguration"); s.taken.connect == nil && c != nil {
			s.taken.connect = c
		}
		if v := d.Get("volumeConfigurations"); s.taken.volumes == nil && v.Len() > 0 {
			s.taken.volumes = v
		}
	}
	if c := s.taken.connect; c != nil {
		for _, service := range c.Field("services").Elements() {
			s.knownPort(service.Field("portName"))
		}
	}
	for _, v := range s.taken.volumes.Elements() {
		if name := v.Field("name").Str(); !slices.Contains(s.launchVolumes(), name) {
			s.about.Refuse(serviceReferenceUnknown, v, "the task definition has no volume %s that is configured at launch", name)
		}
	}
}

// knownPort reports a name of a port that the definition does not have.
func (s *Service) knownPort(n *tree.Node) {
	for _, c := range s.definition.Get("containerDefinitions").Elements() {
		for _, p := range c.Get("portMappings").Elements() {
			if n != nil && p.Field("name").Str() == n.Str() {
				return
			}
		}
	}
	if n != nil {
		s.about.Refuse(serviceReferenceUnknown, n, "no port mapping of the task definition has the name %s", n.Str())
	}
}

// launchVolumes are the names of the volumes that a service configures.
func (s *Service) launchVolumes() (names []string) {
	for _, v := range s.definition.Get("volumes").Elements() {
		if at, _ := v.Get("configuredAtLaunch").Bool(); at {
			names = append(names, v.Field("name").Str())
		}
	}
	return names
}

var serviceCapacityProvider = finding.Rule{ID: "service-capacity-provider", Severity: finding.Warning, Action: finding.Drop, Source: guideSpot,
	Summary: "A capacity provider of EC2 instances runs no tasks of Fargate.", Help: finding.Advice{"Use --spot for spare capacity, with --on-demand for the tasks that must not be interrupted."}}

func (s *Service) takeCapacity(strategy *tree.Node) {
	var kept []*tree.Node
	for _, item := range strategy.Elements() {
		switch provider := item.Field("capacityProvider").Str(); {
		case provider == "FARGATE" || provider == "FARGATE_SPOT":
			kept = append(kept, taskdef.Recase(item, tree.Camel))
		default:
			s.about.Dropped(serviceCapacityProvider, item, "capacity provider %s runs EC2 instances, or ones that Fargate does not have", provider)
		}
	}
	s.taken.strategy = cfn.Array(kept...)
	s.taken.fargate = s.taken.fargate || len(kept) > 0
}

var serviceClassicLoadBalancer = finding.Rule{ID: "service-classic-load-balancer", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "Fargate has no Classic Load Balancers.", Help: finding.Advice{"Put the service behind an Application Load Balancer: give --path or --host, and --listener."},
	Allow: "the service has no load balancer."}

var serviceTargetGroup = finding.Rule{ID: "service-target-group", Severity: finding.Warning, Action: finding.Rewrite, Source: guideLB,
	Summary: "A target group of instances cannot hold tasks of Fargate; the template makes one of type ip on the container port.", Help: finding.Advice{"Move the requests by the listener rule, then delete the old group."}}

var serviceTargetGroups = finding.Rule{ID: "service-target-groups", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "The service is behind more than one target group, and the template makes one.", Help: finding.Advice{"Choose by --container and --port, and add the others by hand."},
	Allow: "only that group is made."}

func (s *Service) takeLoadBalancers(list *tree.Node) {
	t := &s.taken
	var groups []*tree.Node
	for _, lb := range list.Elements() {
		if lb.Get("targetGroupArn") != nil {
			groups = append(groups, lb)
			continue
		}
		name := lb.Field("loadBalancerName").Str()
		if s.o.balanced() {
			f := s.about.Rewritten(serviceClassicLoadBalancer, lb, nil, "Fargate has no Classic Load Balancers: %s is replaced by a rule of the listener and a target group", name)
			f.Severity, f.Help = finding.Warning, finding.Advice{"Point the DNS name to the other load balancer."}
		} else if s.about.Refuse(serviceClassicLoadBalancer, lb, "Fargate has no Classic Load Balancers, such as %s", name) {
			s.about.Dropped(serviceClassicLoadBalancer, lb, "Fargate has no Classic Load Balancers: %s gets no tasks of this service", name)
			continue
		}
		t.container, t.port = lb.Field("containerName").Str(), intOr0(lb.Field("containerPort"))
	}
	if len(groups) == 0 {
		return
	}
	t.balanced = true
	chosen := groups[0]
	for _, lb := range groups {
		if s.chosen(lb.Field("containerName").Str(), intOr0(lb.Field("containerPort"))) {
			chosen = lb
			break
		}
	}
	t.container, t.port = chosen.Field("containerName").Str(), intOr0(chosen.Field("containerPort"))
	for _, lb := range groups {
		if lb == chosen && s.existing.node.Get("networkConfiguration") != nil {
			s.about.Rewritten(serviceTargetGroup, lb, nil, "the tasks had addresses of their own already; the template makes a target group beside the old one").Severity = finding.Info
		} else if lb == chosen {
			s.about.Rewritten(serviceTargetGroup, lb, nil, "")
		} else if s.about.Refuse(serviceTargetGroups, lb, "") {
			s.about.Dropped(serviceTargetGroups, lb, "")
		}
	}
}

// chosen reports whether the options choose a container and port.
func (s *Service) chosen(container string, port int64) bool {
	return (s.o.Container != "" || s.o.Port != 0) && (s.o.Container == "" || s.o.Container == container) && (s.o.Port == 0 || int64(s.o.Port) == port)
}

var serviceRegistries = finding.Rule{ID: "service-registries", Severity: finding.Error, Action: finding.Refuse, Source: apiService,
	Summary: "ECS takes one service registry.", Help: finding.Advice{"Take the others out."}, Allow: "the first is kept."}

var serviceRegistry = finding.Rule{ID: "service-registry", Severity: finding.Warning, Action: finding.Keep, Source: guideDiscovery,
	Summary: "A registry with a container and port has records of type SRV. Tasks of Fargate have addresses of their own, so records of type A would do.",
	Help:    finding.Advice{"See that the clients read SRV records, or make a new registry with A records. Open the security group to them."}}

var serviceRegistryAddress = finding.Rule{ID: "service-registry-address", Severity: finding.Info, Action: finding.Keep, Source: guideDiscovery,
	Summary: "The records of this registry will name the addresses of tasks.", Help: finding.Advice{"Open the security group of the tasks to the clients."}}

func (s *Service) takeRegistries(list *tree.Node) {
	for i, r := range list.Elements() {
		if i > 0 {
			if s.about.Refuse(serviceRegistries, r, "") {
				s.about.Dropped(serviceRegistries, r, "")
			}
			continue
		}
		if name := r.Get("containerName"); name != nil {
			port := r.Field("containerPort")
			if !s.listens(name.Str(), intOr0(port)) {
				s.about.Refuse(serviceReferenceUnknown, r, "container %s of the task definition has no port %s", name.Str(), port.Source())
				continue
			}
			s.about.Note(serviceRegistry, r, "")
		} else {
			s.about.Note(serviceRegistryAddress, r, "")
		}
		s.taken.members = append(s.taken.members, cfn.Prop("serviceRegistries", tree.NewArray(taskdef.Recase(r, tree.Camel))))
	}
}

var serviceDeploymentPercent = finding.Rule{ID: "service-deployment-percent", Severity: finding.Info, Action: finding.Keep, Source: apiService,
	Summary: "The service stops tasks before it starts new ones, as it must where they want the same port of an instance. On Fargate they do not.", Help: finding.Advice{"100 and 200 percent deploy without a gap."}}

var serviceDeploymentStrategy = finding.Rule{ID: "service-deployment-strategy", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "The new service is rolled out task by task: other strategies need a second target group and rules of their own.", Help: finding.Advice{"Set the strategy when the service runs on Fargate."}}

var serviceCircuitBreaker = finding.Rule{ID: "service-circuit-breaker", Severity: finding.Info, Action: finding.Set, Source: apiService,
	Summary: "The circuit breaker is on, with rollback: a deployment whose tasks do not start ends, and the last good one comes back."}

func (s *Service) takeDeployment(configuration *tree.Node) {
	t := &s.taken
	for name, v := range configuration.Members() {
		if v.Kind() == tree.Null {
			continue
		}
		switch taskdef.CamelName(name) {
		case "minimumHealthyPercent":
			if intOr0(v) < 50 {
				s.about.Note(serviceDeploymentPercent, v, "")
			}
			t.deployment = append(t.deployment, cfn.Prop("minimumHealthyPercent", taskdef.Recase(v, tree.Camel)))
		case "maximumPercent":
			t.deployment = append(t.deployment, cfn.Prop("maximumPercent", taskdef.Recase(v, tree.Camel)))
			if intOr0(v) <= 100 {
				t.rebalancing = "DISABLED" // ECS starts the new task before it stops the old one for it
			}
		case "alarms":
			if v.Field("alarmNames").Len() > 0 {
				t.deployment = append(t.deployment, cfn.Prop("alarms", taskdef.Recase(v, tree.Camel)))
			}
		case "deploymentCircuitBreaker":
			enabled, _ := v.Field("enable").Bool()
			back, _ := v.Field("rollback").Bool()
			t.breaker = enabled && back
		case "strategy", "bakeTimeInMinutes", "lifecycleHooks", "linearConfiguration", "canaryConfiguration":
			strategy := configuration.Get("strategy").Str()
			if strategy == "ROLLING" || strategy == "" {
				continue // nothing is baked or hooked there
			}
			s.about.Dropped(serviceDeploymentStrategy, v, "")
		default:
			s.about.Dropped(serviceUnknownMember, v, "%q is no member of deploymentConfiguration that sumoship knows", name)
		}
	}
	if !t.breaker {
		s.about.Report(serviceCircuitBreaker, finding.Set, configuration, "")
	}
}

var serviceTagReserved = finding.Rule{ID: "service-tag-reserved", Severity: finding.Info, Action: finding.Drop, Source: "Amazon ECS API Reference, Tag",
	Summary: "Tags that begin with aws: are AWS's own."}

func (s *Service) takeTags(list *tree.Node) {
	var kept []*tree.Node
	for _, tag := range list.Elements() {
		if strings.HasPrefix(tag.Field("key").Str(), "aws:") {
			s.about.Dropped(serviceTagReserved, tag, "")
			continue
		}
		kept = append(kept, taskdef.Recase(tag, tree.Camel))
	}
	if tags := cfn.Array(kept...); tags != nil {
		s.taken.members = append(s.taken.members, cfn.Prop("tags", tags))
	}
}

func intOf(n *tree.Node) *int {
	i, ok := n.Int()
	if !ok {
		return nil
	}
	v := int(i)
	return &v
}

func intOr0(n *tree.Node) int64 {
	i, _ := n.Int()
	return i
}
