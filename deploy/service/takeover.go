package service

import (
	"cmp"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// taken is what a new service takes over from an existing one. Nodes are as the
// ECS API has them.
type taken struct {
	serviceName, cluster string
	count, grace         *int
	deployment           []tree.Member // of deploymentConfiguration
	members              []tree.Member // of the service, as they are
	rebalancing          string        // availabilityZoneRebalancing
	subnets, groups      []string
	publicIP             bool
	classic              target // behind a Classic Load Balancer
	balances             []*balance
	connect, volumes     *tree.Node
	platform             string
	strategy             *tree.Node // of Fargate capacity providers
	exec                 bool
}

// stateMembers are members of a described service that give its state and not
// its configuration, and members of the input that are about the call or have an
// option of their own.
//
// Source: Amazon ECS API Reference, Service and CreateService.
var stateMembers = []string{
	"serviceArn", "clusterArn", "status", "runningCount", "pendingCount", "taskSets", "deployments", "events", "createdAt", "createdBy",
	"platformFamily", "currentServiceDeployment", "currentServiceRevisions", "resourceManagementType",
	"cluster", "clientToken", "forceNewDeployment", "serviceName", "taskDefinition", "service",
}

// takers take over a member of an existing service each, by its name in the ECS
// API, and report what Fargate changes.
var takers = map[string]func(*Service, *tree.Node){
	"launchType":                    (*Service).takeLaunchType,
	"capacityProviderStrategy":      (*Service).takeCapacity,
	"platformVersion":               (*Service).takePlatformVersion,
	"schedulingStrategy":            (*Service).takeScheduling,
	"placementConstraints":          (*Service).takePlacement,
	"placementStrategy":             (*Service).takePlacement, // as described
	"placementStrategies":           (*Service).takePlacement, // in CloudFormation
	"role":                          (*Service).takeRole,
	"roleArn":                       (*Service).takeRole,
	"desiredCount":                  func(s *Service, n *tree.Node) { s.taken.count = intOf(n) },
	"healthCheckGracePeriodSeconds": (*Service).takeGrace,
	"loadBalancers":                 (*Service).takeLoadBalancers,
	"serviceRegistries":             (*Service).takeRegistries,
	"deploymentConfiguration":       (*Service).takeDeployment,
	"deploymentController":          (*Service).takeController,
	"networkConfiguration":          (*Service).takeNetwork,
	"serviceConnectConfiguration":   func(s *Service, n *tree.Node) { s.taken.connect = n },
	"volumeConfigurations":          func(s *Service, n *tree.Node) { s.taken.volumes = n },
	"vpcLatticeConfigurations":      (*Service).takeLattice,
	"enableExecuteCommand":          (*Service).takeExec,
	"enableECSManagedTags":          (*Service).takeManagedTags,
	"propagateTags":                 (*Service).takePropagateTags,
	"availabilityZoneRebalancing":   func(s *Service, n *tree.Node) { s.taken.rebalancing = n.Str() },
	"tags":                          (*Service).takeTags,
}

var unknownMember = finding.Rule{ID: "service-unknown-member", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "sumoship does not know this member of a service and leaves it out.", Help: finding.Advice{"Check whether the new service needs it."}}

// takeOver takes over what Fargate allows of an existing service, and reports
// what it changes.
func (s *Service) takeOver(e *Existing) {
	s.existing = e
	s.taken.serviceName = e.Name()
	cluster := cmp.Or(e.node.Get("clusterArn").Str(), e.node.Get("cluster").Str())
	s.taken.cluster = nameOf(cluster)
	for name, v := range e.node.Members() {
		empty := v.Kind() == tree.Null || v.Kind() >= tree.Array && v.Len() == 0
		if empty || slices.ContainsFunc(stateMembers, func(state string) bool { return strings.EqualFold(state, name) }) {
			continue
		}
		if take := takers[taskdef.CamelName(name)]; take != nil {
			take(s, v)
		} else {
			s.serviceFindings.Dropped(unknownMember, v, "sumoship does not know the member %q of a service and leaves it out", name)
		}
	}
	s.takeDeployed()
	s.takeScaling()
	s.noteConnect()
	s.checkReferences()
	s.checkName()
}

var launchType = finding.Rule{ID: "service-launch-type", Severity: finding.Info, Action: finding.Rewrite, Source: apiService,
	Summary: "The service runs on Fargate now."}

func (s *Service) takeLaunchType(n *tree.Node) {
	if v := n.Str(); v != "FARGATE" && v != "" {
		s.serviceFindings.Rewritten(launchType, n, s.launch(), "the service ran on %s", v)
	}
}

var platformVersion = finding.Rule{ID: "service-platform-version", Severity: finding.Info, Action: finding.Drop, Source: apiService,
	Summary: "The service names a retired platform version; the new service uses the latest."}

func (s *Service) takePlatformVersion(n *tree.Node) {
	switch v := n.Str(); v {
	case "", "LATEST":
	case "1.0.0", "1.1.0", "1.2.0", "1.3.0":
		s.serviceFindings.Dropped(platformVersion, n, "platform version %s is retired; the new service uses the latest", v)
	default:
		s.taken.platform = v
	}
}

var daemon = finding.Rule{ID: "service-daemon", Severity: finding.Error, Action: finding.Refuse, Source: apiService,
	Summary: "A daemon service runs one task on each instance, and Fargate has no instances.",
	Help:    finding.Advice{"Run it as a container of each task that needs it, as a daemon of ECS Managed Instances, or leave it on EC2."}}

func (s *Service) takeScheduling(n *tree.Node) {
	if n.Str() == "DAEMON" {
		s.serviceFindings.Refuse(daemon, n, "")
	}
}

var placement = finding.Rule{ID: "service-placement", Severity: finding.Warning, Action: finding.Drop, Source: guideFargate,
	Summary: "Fargate has no instances to choose from; it spreads tasks over the availability zones of the subnets.",
	Help:    finding.Advice{"Choose the zones by choosing the subnets."}}

func (s *Service) takePlacement(n *tree.Node) { s.serviceFindings.Dropped(placement, n, "") }

var roleDropped = finding.Rule{ID: "service-role", Severity: finding.Info, Action: finding.Drop, Source: apiService,
	Summary: "With network mode awsvpc, ECS registers targets with its service-linked role and accepts no other.",
	Help:    finding.Advice{"Delete the role when nothing else uses it."}}

func (s *Service) takeRole(n *tree.Node) {
	if !strings.Contains(n.Str(), "/AWSServiceRoleForECS") {
		s.serviceFindings.Dropped(roleDropped, n, "")
	}
}

var healthCheckGrace = finding.Rule{ID: "service-health-check-grace", Severity: finding.Info, Action: finding.Drop, Source: apiService,
	Summary: "A grace period for health checks needs a load balancer, and the service has none."}

func (s *Service) takeGrace(n *tree.Node) {
	s.taken.grace = intOf(n)
	if !s.o.balanced() && !s.existing.inTargetGroup() {
		s.serviceFindings.Dropped(healthCheckGrace, n, "")
	}
}

var deploymentController = finding.Rule{ID: "service-deployment-controller", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "Something other than ECS deploys this service; the new service uses ECS rolling updates with the circuit breaker.",
	Help:    finding.Advice{"Point the deployment pipeline at the new service."}}

func (s *Service) takeController(n *tree.Node) {
	const rolls = "; the new service uses ECS rolling updates with the circuit breaker"
	switch kind := n.Field("type").Str(); kind {
	case "ECS", "":
	case "CODE_DEPLOY":
		f := s.serviceFindings.Dropped(deploymentController, n, "CodeDeploy deploys this service, and moves its requests between two target groups itself"+rolls)
		f.Help = finding.Advice{"Start no deployment of it during the cut-over: it changes the same listener.", "Delete its deployment group with the old service, or give the new one its own."}
	case "EXTERNAL":
		f := s.serviceFindings.Dropped(deploymentController, n, "Something of your own deploys this service as task sets"+rolls)
		f.Help = finding.Advice{"Point it at the new service, which has no task sets: UpdateService with a new task definition deploys it."}
	default:
		s.serviceFindings.Dropped(deploymentController, n, "%s deploys this service"+rolls, kind)
	}
}

func (s *Service) takeNetwork(n *tree.Node) {
	vpc := n.Field("awsvpcConfiguration")
	s.taken.subnets, s.taken.groups = vpc.Field("subnets").Strs(), vpc.Field("securityGroups").Strs()
	s.taken.publicIP = vpc.Field("assignPublicIp").Str() == "ENABLED"
}

func (s *Service) takeLattice(n *tree.Node) {
	for _, item := range n.Elements() {
		s.checkPortName(item.Field("portName"))
	}
	s.keep("vpcLatticeConfigurations", taskdef.Recase(n, tree.Camel))
}

var execEnabled = finding.Rule{ID: "service-exec", Severity: finding.Info, Action: finding.Keep, Source: `Amazon ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec"`,
	Summary: "ECS Exec is on; the task role must allow the ssmmessages actions.", Help: finding.Advice{"Check that it does."}}

func (s *Service) takeExec(n *tree.Node) {
	if s.taken.exec, _ = n.Bool(); s.taken.exec {
		s.serviceFindings.Note(execEnabled, n, "")
	}
}

func (s *Service) takeManagedTags(n *tree.Node) {
	if on, ok := n.Bool(); ok {
		s.keep("enableECSManagedTags", tree.NewBool(on))
	}
}

func (s *Service) takePropagateTags(n *tree.Node) {
	if from := n.Str(); from != "NONE" && from != "" {
		s.keep("propagateTags", tree.NewString(from))
	}
}

var tagReserved = finding.Rule{ID: "service-tag-reserved", Severity: finding.Info, Action: finding.Drop, Source: "Amazon ECS API Reference, Tag",
	Summary: "Tag keys that begin with aws: are reserved for AWS."}

func (s *Service) takeTags(list *tree.Node) {
	var kept []*tree.Node
	for _, tag := range list.Elements() {
		if strings.HasPrefix(tag.Field("key").Str(), "aws:") {
			s.serviceFindings.Dropped(tagReserved, tag, "")
			continue
		}
		kept = append(kept, taskdef.Recase(tag, tree.Camel))
	}
	if tags := cfn.Array(kept...); tags != nil {
		s.keep("tags", tags)
	}
}

// keep takes a member over as it is.
func (s *Service) keep(name string, v *tree.Node) {
	s.taken.members = append(s.taken.members, cfn.Prop(name, v))
}

var deploymentPercent = finding.Rule{ID: "service-deployment-percent", Severity: finding.Info, Action: finding.Keep, Source: apiService,
	Summary: "The service stops tasks before it starts new ones, which EC2 needs where both use the same host port. Fargate does not need it.",
	Help:    finding.Advice{"A minimum of 100 and a maximum of 200 percent deploy without a gap."}}

var deploymentStrategy = finding.Rule{ID: "service-deployment-strategy", Severity: finding.Warning, Action: finding.Drop, Source: apiService,
	Summary: "The new service uses rolling updates: other strategies need a second target group and rules of their own.",
	Help:    finding.Advice{"Set the strategy once the service runs on Fargate."}}

var circuitBreaker = finding.Rule{ID: "service-circuit-breaker", Severity: finding.Info, Action: finding.Set, Source: apiService,
	Summary: "The circuit breaker is on, with rollback: a deployment whose tasks fail to start is stopped and rolled back to the last one that worked."}

func (s *Service) takeDeployment(configuration *tree.Node) {
	breaks := false
	keep := func(name string, v *tree.Node) {
		s.taken.deployment = append(s.taken.deployment, cfn.Prop(name, taskdef.Recase(v, tree.Camel)))
	}
	for name, v := range configuration.Members() {
		if v.Kind() == tree.Null {
			continue
		}
		switch name = taskdef.CamelName(name); name {
		case "minimumHealthyPercent":
			if intOr0(v) < 50 {
				s.serviceFindings.Note(deploymentPercent, v, "")
			}
			keep(name, v)
		case "maximumPercent":
			if intOr0(v) <= 100 {
				s.taken.rebalancing = "DISABLED" // to rebalance, ECS starts the new task before it stops the old one
			}
			keep(name, v)
		case "alarms":
			if v.Field("alarmNames").Len() > 0 {
				keep(name, v)
			}
		case "deploymentCircuitBreaker":
			enable, _ := v.Field("enable").Bool()
			rollback, _ := v.Field("rollback").Bool()
			breaks = enable && rollback
		case "strategy", "bakeTimeInMinutes", "lifecycleHooks", "linearConfiguration", "canaryConfiguration":
			// Rolling updates have neither bake time nor hooks.
			if strategy := configuration.Get("strategy").Str(); strategy != "ROLLING" && strategy != "" {
				s.serviceFindings.Dropped(deploymentStrategy, v, "")
			}
		default:
			s.serviceFindings.Dropped(unknownMember, v, "sumoship does not know the member %q of deploymentConfiguration and leaves it out", v.Name())
		}
	}
	if !breaks {
		s.serviceFindings.Report(circuitBreaker, finding.Set, configuration, "")
	}
}

// takeDeployed takes over what describe-services has in the deployments alone.
func (s *Service) takeDeployed() {
	for _, d := range s.existing.node.Field("deployments").Elements() {
		if d.Field("status").Str() != "PRIMARY" {
			continue
		}
		if c := d.Get("serviceConnectConfiguration"); s.taken.connect == nil {
			s.taken.connect = c
		}
		if v := d.Get("volumeConfigurations"); s.taken.volumes == nil && v.Len() > 0 {
			s.taken.volumes = v
		}
	}
}

var referenceUnknown = finding.Rule{ID: "service-reference-unknown", Severity: finding.Error, Action: finding.Refuse, Source: apiService,
	Summary: "The service refers to something that the task definition does not have.",
	Help:    finding.Advice{"Add it to the task definition, or remove it from the service."}}

// checkReferences refuses Service Connect ports and launch volumes that the
// definition does not have.
func (s *Service) checkReferences() {
	for _, service := range s.taken.connect.Field("services").Elements() {
		s.checkPortName(service.Field("portName"))
	}
	for _, v := range s.taken.volumes.Elements() {
		if name := v.Field("name").Str(); !slices.Contains(s.launchVolumes(), name) {
			s.serviceFindings.Refuse(referenceUnknown, v, "the task definition has no volume %s that is configured at launch", name)
		}
	}
}

// checkPortName refuses the name of a port that the definition does not have. n
// may be nil.
func (s *Service) checkPortName(n *tree.Node) {
	if n == nil {
		return
	}
	for _, c := range s.definition.Get("containerDefinitions").Elements() {
		for _, p := range c.Get("portMappings").Elements() {
			if p.Field("name").Str() == n.Str() {
				return
			}
		}
	}
	s.serviceFindings.Refuse(referenceUnknown, n, "no port mapping of the task definition has the name %s", n.Str())
}

var nameTaken = finding.Rule{ID: "service-name-taken", Severity: finding.Warning, Action: finding.Keep, Source: apiService,
	Summary: "A cluster cannot have two active services of the same name.",
	Help:    finding.Advice{"Give the new one another name with --service, another cluster, or delete the old one first."}}

var familyShared = finding.Rule{ID: "service-family-shared", Severity: finding.Warning, Action: finding.Keep, Source: "Amazon ECS API Reference, UpdateService",
	Summary: "The running service is of the same family: an update of it that names the family without a revision takes the newest, which is for Fargate, and ECS refuses it or starts nothing.",
	Help:    finding.Advice{"Give the new version a family of its own with --family-suffix -fargate, or name the revision in each update of the old service."}}

// nameSuffix makes the default name of a service that runs beside the old one.
const nameSuffix = "-fargate"

// checkName gives the new service the name of the existing one, or another where
// that runs in the same cluster. It reports what both share while both run.
func (s *Service) checkName() {
	name, cluster := s.taken.serviceName, s.taken.cluster
	status := s.existing.node.Get("status").Str()
	running := s.existing.node.Get("serviceArn") != nil && status != "INACTIVE"
	ours := nameOf(s.o.Cluster)
	same := running && name != "" && (cluster == "" || ours == "" || cluster == ours)
	node := s.existing.node.Field("serviceName")
	switch {
	case same && s.o.Name == "":
		const longest = 255
		s.o.Name = name[:min(len(name), longest-len(nameSuffix))] + nameSuffix
		s.serviceFindings.Report(nameTaken, finding.Set, node, "cluster %s already has an active service %s, so the new one is called %s", cmp.Or(cluster, "default"), name, s.o.Name).After = finding.Quoted(s.o.Name)
	case same && s.o.Name == name:
		s.serviceFindings.Note(nameTaken, node, "cluster %s already has an active service %s, and cannot have two", cmp.Or(cluster, "default"), name)
	}
	s.o.Name = cmp.Or(s.o.Name, name)
	if old := s.existing.node.Get("taskDefinition"); running && familyOf(old.Str()) != "" && familyOf(old.Str()) == s.definition.Get("family").Str() {
		s.serviceFindings.Note(familyShared, old, "service %s runs family %s too: an update of it that names the family without a revision takes the newest, which is for Fargate", name, familyOf(old.Str()))
	}
}

// nameOf returns the last part of an ARN, or the name that stands in its place.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// familyOf returns the family in FAMILY, FAMILY:REVISION or an ARN.
func familyOf(definition string) string {
	family, _, _ := strings.Cut(nameOf(definition), ":")
	return family
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
