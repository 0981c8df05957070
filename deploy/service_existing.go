package deploy

import (
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// ExistingService is an ECS service that is to run on Fargate.
type ExistingService struct{ node *tree.Node }

// ReadService reads a service in the shapes that AWS's tools give or take: the
// output of describe-services or create-service, or their input; in JSON or
// YAML. Of several, it is the one called service. The name is for messages.
//
// The error is an *[InputError].
func ReadService(name string, src []byte, service string) (*ExistingService, error) {
	r := reader{name: name}
	root, err := r.parse(src)
	if err != nil {
		return nil, err
	}
	n, err := r.service(root, service)
	if err != nil {
		return nil, err
	}
	if err := r.values(n); err != nil {
		return nil, err
	}
	return &ExistingService{n}, nil
}

const serviceShapes = "give the output of aws ecs describe-services, or the input of create-service"

func (r *reader) service(root *tree.Node, name string) (*tree.Node, error) {
	if root.Kind() != tree.Object {
		return nil, r.fail(root, serviceShapes, "the document is %s", root.Kind())
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
			return nil, r.fail(list, "see that the name and the cluster are right", "there is no service in it%s", map[bool]string{true: " (" + reason + ")"}[reason != ""])
		case len(names) == 1:
			i = 0
		case i < 0:
			return nil, r.fail(list, "choose one with --service", "there are %d services: %s", len(names), strings.Join(names, ", "))
		}
		root = list.Items()[i]
	} else if n := root.Field("service"); n.Kind() == tree.Object {
		root = n
	}
	if root.Kind() != tree.Object {
		return nil, r.fail(root, serviceShapes, "the service is %s and not an object", root.Kind())
	}
	for _, member := range []string{"serviceName", "desiredCount", "launchType", "loadBalancers", "schedulingStrategy", "deploymentConfiguration"} {
		if root.Field(member) != nil {
			return root, nil
		}
	}
	return nil, r.fail(root, serviceShapes, "there is no service in this document")
}

// Name returns the name of the service, "" if it has none.
func (e *ExistingService) Name() string { return e.node.Field("serviceName").Str() }

// TaskDefinition returns the family, revision or ARN that the service runs, "" if
// it names none.
func (e *ExistingService) TaskDefinition() string { return e.node.Field("taskDefinition").Str() }

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

// take goes through an existing service and reports what Fargate changes.
func (s *Service) take(e *ExistingService) {
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
		switch tree.Camel(name, "") {
		case "launchType":
			t.fargate = v.Str() == "FARGATE"
			if !t.fargate && v.Str() != "" {
				about.rewrite("service-launch-type", v, s.launch(), "the service ran on %s", v.Str())
			}
		case "capacityProviderStrategy":
			s.takeCapacity(v)
		case "platformVersion":
			switch version := v.Str(); version {
			case "", "LATEST":
			case "1.0.0", "1.1.0", "1.2.0", "1.3.0":
				about.drop("service-platform-version", v, "platform version %s is retired; the new service takes the latest", version)
			default:
				t.platform = version
			}
		case "schedulingStrategy":
			if v.Str() == "DAEMON" {
				about.refuse("service-daemon", v, "")
			}
		case "placementConstraints", "placementStrategy", "placementStrategies":
			about.drop("service-placement", v, "")
		case "role", "roleArn":
			if !strings.Contains(v.Str(), "/AWSServiceRoleForECS") {
				about.drop("service-role", v, "")
			}
		case "desiredCount":
			t.count = intOf(v)
		case "healthCheckGracePeriodSeconds":
			t.grace = intOf(v)
			if !s.o.balanced() && !s.behindTargetGroup() {
				about.drop("service-health-check-grace", v, "")
			}
		case "loadBalancers":
			s.takeLoadBalancers(v)
		case "serviceRegistries":
			s.takeRegistries(v)
		case "deploymentConfiguration":
			s.takeDeployment(v)
		case "deploymentController":
			if kind := v.Field("type").Str(); kind != "ECS" && kind != "" {
				about.drop("service-deployment-controller", v, "%s rolls this service out; the template does it by rolling updates of ECS, with the circuit breaker", kind)
			}
		case "networkConfiguration":
			vpc := v.Field("awsvpcConfiguration")
			t.subnets, t.groups = texts(vpc.Field("subnets")), texts(vpc.Field("securityGroups"))
			t.publicIP = vpc.Field("assignPublicIp").Str() == "ENABLED"
		case "serviceConnectConfiguration":
			t.connect = v
		case "volumeConfigurations":
			t.volumes = v
		case "vpcLatticeConfigurations":
			for _, item := range v.Elements() {
				s.knownPort(item.Field("portName"))
			}
			t.members = append(t.members, prop("vpcLatticeConfigurations", v.Recase(false)))
		case "enableExecuteCommand":
			t.exec, _ = v.Bool()
			if t.exec {
				about.note("service-exec", v, "")
			}
		case "enableECSManagedTags":
			if on, ok := v.Bool(); ok {
				t.members = append(t.members, prop("enableECSManagedTags", tree.NewBool(on)))
			}
		case "propagateTags":
			if from := v.Str(); from != "NONE" && from != "" {
				t.members = append(t.members, prop("propagateTags", tree.NewString(from)))
			}
		case "availabilityZoneRebalancing":
			t.rebalancing = v.Str()
		case "tags":
			s.takeTags(v)
		default:
			about.drop("service-unknown-member", v, "%q is no member of a service that sumoship knows", name)
		}
	}
	s.takeDeployed(n)
	if c := t.cluster; t.serviceName != "" && s.o.Name == t.serviceName && (c == "" || s.o.Cluster == "" || c == s.cluster()) && n.Get("serviceArn") != nil {
		about.note("service-name-taken", n.Field("serviceName"), "cluster %s has an active service %s already, and can have one", orThe(c), t.serviceName)
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
			s.about.refuse("service-reference-unknown", v, "the task definition has no volume %s that is configured at launch", name)
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
		s.about.refuse("service-reference-unknown", n, "no port mapping of the task definition has the name %s", n.Str())
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

func (s *Service) takeCapacity(strategy *tree.Node) {
	var kept []*tree.Node
	for _, item := range strategy.Elements() {
		switch provider := item.Field("capacityProvider").Str(); {
		case provider == "FARGATE" || provider == "FARGATE_SPOT":
			kept = append(kept, item.Recase(false))
		default:
			s.about.drop("service-capacity-provider", item, "capacity provider %s runs EC2 instances, or ones that Fargate does not have", provider)
		}
	}
	s.taken.strategy = array(kept...)
	s.taken.fargate = s.taken.fargate || len(kept) > 0
}

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
			f := s.about.rewrite("service-classic-load-balancer", lb, nil, "Fargate has no Classic Load Balancers: %s is replaced by a rule of the listener and a target group", name)
			f.Severity, f.Help = Warning, "Point the DNS name to the other load balancer."
		} else if s.about.refuse("service-classic-load-balancer", lb, "Fargate has no Classic Load Balancers, such as %s", name) {
			s.about.drop("service-classic-load-balancer", lb, "Fargate has no Classic Load Balancers: %s gets no tasks of this service", name)
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
			s.about.rewrite("service-target-group", lb, nil, "the tasks had addresses of their own already; the template makes a target group beside the old one").Severity = Info
		} else if lb == chosen {
			s.about.rewrite("service-target-group", lb, nil, "")
		} else if s.about.refuse("service-target-groups", lb, "") {
			s.about.drop("service-target-groups", lb, "")
		}
	}
}

// chosen reports whether the options choose a container and port.
func (s *Service) chosen(container string, port int64) bool {
	return (s.o.Container != "" || s.o.Port != 0) && (s.o.Container == "" || s.o.Container == container) && (s.o.Port == 0 || int64(s.o.Port) == port)
}

func (s *Service) takeRegistries(list *tree.Node) {
	for i, r := range list.Elements() {
		if i > 0 {
			if s.about.refuse("service-registries", r, "") {
				s.about.drop("service-registries", r, "")
			}
			continue
		}
		if name := r.Get("containerName"); name != nil {
			port := r.Field("containerPort")
			if !s.listens(name.Str(), intOr0(port)) {
				s.about.refuse("service-reference-unknown", r, "container %s of the task definition has no port %s", name.Str(), port.Source())
				continue
			}
			s.about.note("service-registry", r, "")
		} else {
			s.about.note("service-registry-address", r, "")
		}
		s.taken.members = append(s.taken.members, prop("serviceRegistries", tree.NewArray(r.Recase(false))))
	}
}

func (s *Service) takeDeployment(configuration *tree.Node) {
	t := &s.taken
	for name, v := range configuration.Members() {
		if v.Kind() == tree.Null {
			continue
		}
		switch tree.Camel(name, "") {
		case "minimumHealthyPercent":
			if intOr0(v) < 50 {
				s.about.note("service-deployment-percent", v, "")
			}
			t.deployment = append(t.deployment, prop("minimumHealthyPercent", v.Recase(false)))
		case "maximumPercent":
			t.deployment = append(t.deployment, prop("maximumPercent", v.Recase(false)))
			if intOr0(v) <= 100 {
				t.rebalancing = "DISABLED" // ECS starts the new task before it stops the old one for it
			}
		case "alarms":
			if v.Field("alarmNames").Len() > 0 {
				t.deployment = append(t.deployment, prop("alarms", v.Recase(false)))
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
			s.about.drop("service-deployment-strategy", v, "")
		default:
			s.about.drop("service-unknown-member", v, "%q is no member of deploymentConfiguration that sumoship knows", name)
		}
	}
	if !t.breaker {
		s.about.note("service-circuit-breaker", configuration, "")
	}
}

func (s *Service) takeTags(list *tree.Node) {
	var kept []*tree.Node
	for _, tag := range list.Elements() {
		if strings.HasPrefix(tag.Field("key").Str(), "aws:") {
			s.about.drop("service-tag-reserved", tag, "")
			continue
		}
		kept = append(kept, tag.Recase(false))
	}
	if tags := array(kept...); tags != nil {
		s.taken.members = append(s.taken.members, prop("tags", tags))
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
