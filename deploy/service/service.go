// Package service writes the ECS service around a Fargate task definition: its
// roles, log groups, subscriptions, network, load balancer and DNS record, as a
// CloudFormation template or for ecspresso.
package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Service is an ECS service on Fargate: its task definition and what stands
// around it, to be written as a template or for ecspresso.
type Service struct {
	// Findings are about the task definition, ServiceFindings about the existing
	// service. While one of them is of severity error, the service is not to be
	// used.
	Findings, ServiceFindings []finding.Finding

	// Notes are what to know about the roles and the output, a sentence or two
	// each.
	Notes []string

	o          Options
	d          *taskdef.Document
	definition *tree.Node // converted
	existing   *Existing
	taken      taken
	on, about  *finding.Recorder // findings about the definition, and about the existing service
	target     target
	groups     []logGroup
	logs       []containerLogs // of the containers, in their order

	// Of the template.
	taskDefinition *tree.Node // properties of the resource
	roles          []tree.Member
	newRole        map[string]bool // by logical ID
	refs           *references
}

// target is where a load balancer sends requests.
type target struct {
	container string
	port      int64
	protocol  string // appProtocol: "", http, http2 or grpc
}

// NewService makes the service that runs a task definition on Fargate. A
// definition that was made for EC2 is converted, in d. existing is the service
// that runs it now, nil if there is none; what of it is valid on Fargate is taken
// over. All findings come at once.
//
// Errors: *OptionError.
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate";
// Amazon ECS API Reference, CreateService; ServiceRules names the source of each
// finding.
func New(d *taskdef.Document, existing *Existing, o Options) (*Service, error) {
	allow := o.Conversion.Allow
	o.Conversion.Allow = slices.DeleteFunc(slices.Clone(allow), func(id string) bool {
		return slices.ContainsFunc(rules, func(r finding.Rule) bool { return r.ID == id })
	})
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Service{o: o, d: d, on: finding.NewRecorder(allow), about: finding.NewRecorder(allow)}
	conversion := s.conversion()
	before := d.Definition().Clone()
	conversion.Strict = true
	var err error
	if s.Findings, err = fargate.Convert(d, conversion); err != nil {
		return nil, err
	}
	if s.Refused() {
		return s, nil
	}
	s.definition = d.Definition()
	if existing != nil {
		s.take(existing)
	}
	if s.o.Name = cmp.Or(s.o.Name, s.taken.serviceName); s.o.Name == "" {
		return nil, &finding.OptionError{Option: "Name", Value: "", Want: "the name of the service"}
	}
	if s.taken.balanced && !o.balanced() {
		return nil, &finding.OptionError{Option: "Paths", Value: "", Want: wantPath + ", or a host, for the service is behind a load balancer"}
	}
	s.placeholders()
	s.capacity()
	s.choosePort()
	s.hostPorts(before)
	s.volumes()
	s.logGroups(before)
	if !s.on.Refused() && !s.about.Refused() {
		if err := s.task(); err != nil {
			return nil, err
		}
	}
	s.Findings = append(s.settled(s.Findings), s.on.Findings()...)
	s.ServiceFindings = s.about.Findings()
	return s, nil
}

// conversion is what the output fills in where the definition names nothing.
func (s *Service) conversion() fargate.Options {
	o := s.o.Conversion
	role, region := executionRoleHere, regionHere
	if s.o.Ecspresso {
		role, region = mustEnv("EXECUTION_ROLE_ARN"), mustEnv("AWS_REGION")
	}
	o.ExecutionRole, o.Region = cmp.Or(o.ExecutionRole, role), cmp.Or(o.Region, region)
	if len(s.o.Roles.Allow) > 0 && !s.o.Ecspresso {
		o.TaskRole = cmp.Or(o.TaskRole, taskRoleHere)
	}
	return o
}

// settled leaves out the findings that the template settles, and advice that it
// takes.
func (s *Service) settled(findings []finding.Finding) (rest []finding.Finding) {
	for _, f := range findings {
		switch f.ID {
		case fargate.ExecutionRoleSet.ID, fargate.ExecutionRoleRights.ID:
			if s.newRole[iam.ExecutionRoleID] {
				continue
			}
		case fargate.TaskRoleSet.ID:
			if s.newRole[iam.TaskRoleID] {
				continue
			}
		case fargate.TaskRoleMissing.ID:
			if s.newRole[iam.TaskRoleID] {
				f.Help = finding.Advice{"If they call AWS, say what with --task-allow."}
			}
		}
		if len(s.groups) > 0 && !s.o.ExistingLogGroups {
			f.Help = f.Help.Without(finding.CreateLogGroup)
		}
		rest = append(rest, f)
	}
	return rest
}

// Name returns the name of the service.
func (s *Service) Name() string { return s.o.Name }

// Refused reports whether a finding is of severity error.
func (s *Service) Refused() bool {
	return slices.ContainsFunc(slices.Concat(s.Findings, s.ServiceFindings), func(f finding.Finding) bool { return f.Severity == finding.Error })
}

// cluster is the name or ARN of the cluster.
func (s *Service) cluster() string { return cmp.Or(s.o.Cluster, s.taken.cluster, "default") }

// launch says on what the service runs.
func (s *Service) launch() *tree.Node {
	if s.o.Spot {
		return tree.NewString("FARGATE_SPOT")
	}
	return tree.NewString("FARGATE")
}

var serviceSpotWindows = finding.Rule{ID: "service-spot-windows", Severity: finding.Error, Action: finding.Refuse, Source: guideSpot,
	Summary: "Fargate Spot has no Windows.", Help: finding.Advice{"Leave out --spot."}}

var serviceSpot = finding.Rule{ID: "service-spot", Severity: finding.Info, Action: finding.Keep, Source: guideSpot,
	Summary: "The cluster has to have the capacity providers FARGATE and FARGATE_SPOT, and tasks of Fargate Spot end two minutes after AWS says so.",
	Help:    finding.Advice{"Give the cluster both with aws ecs put-cluster-capacity-providers, and see that the containers end on SIGTERM."}}

// capacity looks at Fargate Spot.
func (s *Service) capacity() {
	spot := s.o.Spot
	for _, item := range s.taken.strategy.Elements() {
		spot = spot || item.Field("capacityProvider").Str() == "FARGATE_SPOT"
	}
	if !spot {
		return
	}
	family := s.definition.Get("runtimePlatform").Get("operatingSystemFamily").Str()
	if strings.HasPrefix(family, "WINDOWS") {
		s.on.Fail(serviceSpotWindows, s.definition, "")
		return
	}
	s.on.Note(serviceSpot, s.definition, "")
}

// strategy is the capacity provider strategy, nil for the launch type FARGATE.
func (s *Service) strategy() *tree.Node {
	if !s.o.Spot {
		return s.taken.strategy
	}
	strategy := []*tree.Node{cfn.Object(cfn.Prop("capacityProvider", tree.NewString("FARGATE_SPOT")), cfn.Prop("weight", tree.NewInt(1)))}
	if n := s.o.OnDemand; n > 0 {
		base := cfn.Object(cfn.Prop("capacityProvider", tree.NewString("FARGATE")), cfn.Prop("base", tree.NewInt(int64(n))), cfn.Prop("weight", tree.NewInt(0)))
		strategy = slices.Insert(strategy, 0, base)
	}
	return cfn.Array(strategy...)
}

// ports calls f for each single port that a container listens on.
func (s *Service) ports(f func(container, mapping *tree.Node, port int64) (more bool)) {
	for _, container := range s.definition.Get("containerDefinitions").Elements() {
		for _, mapping := range container.Get("portMappings").Elements() {
			if port, ok := mapping.Get("containerPort").Int(); ok && !f(container, mapping, port) {
				return
			}
		}
	}
}

// listens reports whether a container of the definition has a port.
func (s *Service) listens(container string, port int64) (found bool) {
	s.ports(func(c, _ *tree.Node, p int64) bool {
		found = c.Get("name").Str() == container && p == port
		return !found
	})
	return found
}

var servicePortUnknown = finding.Rule{ID: "service-port-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "The container and port behind the load balancer are not in the task definition.", Help: finding.Advice{"Add the port to portMappings, or choose by --container and --port."}}

var servicePortProtocol = finding.Rule{ID: "service-port-protocol", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "An Application Load Balancer speaks HTTP, and this port is of UDP.", Help: finding.Advice{"Choose another port, or use a Network Load Balancer."}}

var servicePortChosen = finding.Rule{ID: "service-port-chosen", Severity: finding.Info, Action: finding.Set, Source: guideLB,
	Summary: "Several container ports could stand behind the load balancer; it is the first of the first essential container.", Help: finding.Advice{"Choose by --container and --port."}}

var serviceHealthCheckPath = finding.Rule{ID: "service-health-check-path", Severity: finding.Info, Action: finding.Set, Source: guideLB,
	Summary: "The target group checks /, for nothing says another path.", Help: finding.Advice{"Name it with --health-check-path."}}

// choosePort finds the container and port for the load balancer.
func (s *Service) choosePort() {
	if !s.o.balanced() {
		return
	}
	wantContainer, wantPort := s.o.Container, int64(s.o.Port)
	if wantContainer == "" && wantPort == 0 {
		wantContainer, wantPort = s.taken.container, s.taken.port
	}
	var chosen *tree.Node
	candidates := 0
	s.ports(func(c, mapping *tree.Node, port int64) bool {
		name := c.Get("name").Str()
		if wantContainer != "" && wantContainer != name || wantPort != 0 && wantPort != port {
			return true
		}
		essential, set := c.Get("essential").Bool()
		if wantContainer == "" && set && !essential {
			return true
		}
		if mapping.Get("protocol").Str() == "udp" && wantPort == 0 {
			return true
		}
		candidates++
		if chosen == nil {
			chosen = mapping
			s.target = target{name, port, mapping.Get("appProtocol").Str()}
		}
		return true
	})
	switch {
	case chosen == nil && wantContainer == "" && wantPort == 0:
		s.on.Fail(servicePortUnknown, s.definition, "no essential container of the task definition has a TCP port for the load balancer to send requests to")
	case chosen == nil:
		s.on.Fail(servicePortUnknown, s.definition, "the load balancer is to send requests to %s, which is not in the portMappings of the task definition", describePort(wantContainer, wantPort))
	case chosen.Get("protocol").Str() == "udp":
		s.on.Fail(servicePortProtocol, chosen, "")
	case candidates > 1:
		s.on.Report(servicePortChosen, finding.Set, chosen, "several container ports could stand behind the load balancer; it is %s", describePort(s.target.container, s.target.port)).After = finding.Quoted(fmt.Sprint(s.target.container, ":", s.target.port))
	}
	if s.o.HealthCheckPath == "" && chosen != nil {
		s.on.Report(serviceHealthCheckPath, finding.Set, chosen, "the target group checks %s, for nothing says another path", s.healthCheckPath()).After = finding.Quoted(s.healthCheckPath())
	}
}

func describePort(container string, port int64) string {
	switch {
	case port == 0:
		return "container " + container
	case container == "":
		return fmt.Sprintf("port %d", port)
	}
	return fmt.Sprintf("port %d of container %s", port, container)
}

var serviceHostPort = finding.Rule{ID: "service-host-port", Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "On EC2 this was reached at a port of the instances; on Fargate nothing listens there.", Help: finding.Advice{"Point its clients to the load balancer, or to service discovery."}}

// hostPorts tells at which ports of instances the service will not be found.
func (s *Service) hostPorts(before *tree.Node) {
	host := before.Get("networkMode").Str() == "host"
	for _, c := range before.Get("containerDefinitions").Elements() {
		for _, mapping := range c.Get("portMappings").Elements() {
			port, _ := mapping.Get("hostPort").Int()
			if host {
				port, _ = mapping.Get("containerPort").Int()
			}
			if port != 0 && before.Get("networkMode").Str() != "awsvpc" {
				s.on.Note(serviceHostPort, mapping, "on EC2 container %s was reached at port %d of the instances; on Fargate nothing listens there", c.Get("name").Str(), port)
			}
		}
	}
}

var serviceVolumeMissing = finding.Rule{ID: "service-volume-missing", Severity: finding.Error, Action: finding.Refuse, Source: guideEBS,
	Summary: "The task definition has a volume that is configured at launch, and no service that says how.", Help: finding.Advice{"Give a service with volumeConfigurations by --from-service."}}

// volumes looks for volumes that nothing configures.
func (s *Service) volumes() {
	for _, name := range s.launchVolumes() {
		if !slices.ContainsFunc(s.taken.volumes.Items(), func(v *tree.Node) bool { return v.Field("name").Str() == name }) {
			s.on.Fail(serviceVolumeMissing, s.definition, "volume %s is configured at launch, and no service says how", name)
		}
	}
}

// grace is the time, in seconds, in which failed health checks do not count.
func (s *Service) grace() int {
	const seconds = 60
	switch {
	case s.o.HealthCheckGrace != nil:
		return *s.o.HealthCheckGrace
	case s.taken.grace != nil:
		return *s.taken.grace
	}
	return seconds
}

func (s *Service) count() int {
	switch {
	case s.o.DesiredCount != nil:
		return *s.o.DesiredCount
	case s.taken.count != nil:
		return *s.taken.count
	}
	return 1
}

func (s *Service) healthCheckPath() string {
	switch {
	case s.o.HealthCheckPath != "":
		return s.o.HealthCheckPath
	case s.target.protocol == "grpc":
		return "/AWS.ALB/healthcheck" // of no service, so that it is answered by UNIMPLEMENTED
	}
	return "/"
}

// grpcCodes are the answers to a health check that are healthy.
// Source: Elastic Load Balancing User Guide, "Health checks for Application Load
// Balancer target groups".
func (s *Service) grpcCodes() string {
	if s.o.HealthCheckPath == "" {
		return "12" // UNIMPLEMENTED
	}
	return "0"
}

func (s *Service) retention() int { return cmp.Or(s.o.Retention, defaultRetention) }

// values gives what differs by account, in the way of the output. It returns nil
// for what nothing names and nothing needs.
type values interface {
	value(setting) *tree.Node
}

// api returns the service as CreateService takes it, but for its name, cluster
// and task definition.
func (s *Service) api(v values, ownGroup, targetGroup *tree.Node) []tree.Member {
	deployment := append(slices.Clone(s.taken.deployment), cfn.Prop("deploymentCircuitBreaker", cfn.Object(cfn.Prop("enable", tree.NewBool(true)), cfn.Prop("rollback", tree.NewBool(true)))))
	groups := []*tree.Node{ownGroup}
	for i := range s.securityGroups() {
		groups = append(groups, v.value(s.extraGroup(i)))
	}
	public := "DISABLED"
	if s.o.PublicIP || s.taken.publicIP {
		public = "ENABLED"
	}
	launch := tree.NewString("FARGATE")
	if s.strategy() != nil {
		launch = nil
	}
	members := []tree.Member{
		cfn.Prop("desiredCount", v.value(s.setting("DesiredCount"))),
		cfn.Prop("launchType", launch),
		cfn.Prop("capacityProviderStrategy", s.strategy()),
		cfn.Prop("platformVersion", optional(s.taken.platform)),
		cfn.Prop("schedulingStrategy", tree.NewString("REPLICA")),
		cfn.Prop("deploymentConfiguration", cfn.Object(deployment...)),
		cfn.Prop("availabilityZoneRebalancing", optional(s.taken.rebalancing)),
		cfn.Prop("networkConfiguration", cfn.Object(cfn.Prop("awsvpcConfiguration", cfn.Object(
			cfn.Prop("subnets", v.value(s.setting("Subnets"))),
			cfn.Prop("securityGroups", cfn.Array(groups...)),
			cfn.Prop("assignPublicIp", tree.NewString(public)),
		)))),
	}
	if targetGroup != nil {
		members = append(members,
			cfn.Prop("healthCheckGracePeriodSeconds", tree.NewInt(int64(s.grace()))),
			cfn.Prop("loadBalancers", cfn.Array(cfn.Object(
				cfn.Prop("containerName", tree.NewString(s.target.container)),
				cfn.Prop("containerPort", tree.NewInt(s.target.port)),
				cfn.Prop("targetGroupArn", targetGroup),
			))))
	}
	if s.taken.exec {
		members = append(members, cfn.Prop("enableExecuteCommand", tree.NewBool(true)))
	}
	if s.taken.connect != nil {
		members = append(members, cfn.Prop("serviceConnectConfiguration", taskdef.Recase(s.taken.connect, tree.Camel)))
	}
	if s.taken.volumes != nil {
		members = append(members, cfn.Prop("volumeConfigurations", taskdef.Recase(s.taken.volumes, tree.Camel)))
	}
	return append(members, s.taken.members...)
}

func optional(s string) *tree.Node {
	if s == "" {
		return nil
	}
	return tree.NewString(s)
}

// securityGroups are those that tasks have beside their own.
func (s *Service) securityGroups() []string {
	if len(s.o.SecurityGroups) > 0 {
		return s.o.SecurityGroups
	}
	return s.taken.groups
}

func (s *Service) subnets() []string {
	if len(s.o.Subnets) > 0 {
		return s.o.Subnets
	}
	return s.taken.subnets
}
