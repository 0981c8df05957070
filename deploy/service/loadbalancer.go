package service

import (
	"cmp"
	"fmt"
	"slices"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// target is where a load balancer sends requests.
type target struct {
	container string
	port      int64
	protocol  string // appProtocol: "", http, http2 or grpc
}

func (t target) String() string {
	switch {
	case t.port == 0:
		return "container " + t.container
	case t.container == "":
		return fmt.Sprintf("port %d", t.port)
	}
	return fmt.Sprintf("port %d of container %s", t.port, t.container)
}

// portMapping is a single port that a container listens on.
type portMapping struct {
	node, container *tree.Node
	port            int64
}

// portMappings returns those of the definition; ranges of ports are not in it.
func (s *Service) portMappings() (all []portMapping) {
	for _, c := range s.definition.Get("containerDefinitions").Elements() {
		for _, mapping := range c.Get("portMappings").Elements() {
			if port, ok := mapping.Get("containerPort").Int(); ok {
				all = append(all, portMapping{mapping, c, port})
			}
		}
	}
	return all
}

// listens reports whether a container of the definition has a port.
func (s *Service) listens(container string, port int64) bool {
	return slices.ContainsFunc(s.portMappings(), func(m portMapping) bool {
		return m.container.Get("name").Str() == container && m.port == port
	})
}

var portUnknown = finding.Rule{ID: "service-port-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "The container and port behind the load balancer are not in the task definition.",
	Help:    finding.Advice{"Add the port to portMappings, or choose another with --container and --port."}}

var portProtocol = finding.Rule{ID: "service-port-protocol", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "An Application Load Balancer speaks HTTP, and this port is UDP.",
	Help:    finding.Advice{"Choose another port, or use a Network Load Balancer."}}

var portChosen = finding.Rule{ID: "service-port-chosen", Severity: finding.Info, Action: finding.Set, Source: guideLB,
	Summary: "Several container ports could be behind the load balancer; the service uses the first of the first essential container.",
	Help:    finding.Advice{"Choose another with --container and --port."}}

var healthCheckPath = finding.Rule{ID: "service-health-check-path", Severity: finding.Info, Action: finding.Set, Source: guideLB,
	Summary: "The target group checks /, because no path was given.",
	Help:    finding.Advice{"Set it with --health-check-path."}}

// choosePort chooses the container port that the load balancer sends requests to.
func (s *Service) choosePort() {
	if !s.o.balanced() {
		return
	}
	want := target{container: s.o.Container, port: int64(s.o.Port)}
	if want == (target{}) {
		want = target{container: s.taken.container, port: s.taken.port}
	}
	candidates := s.candidates(want)
	switch {
	case len(candidates) == 0 && want == target{}:
		s.taskFindings.Fail(portUnknown, s.definition, "no essential container of the task definition has a TCP port for the load balancer to send requests to")
		return
	case len(candidates) == 0:
		s.taskFindings.Fail(portUnknown, s.definition, "the load balancer would send requests to %s, which is not in the portMappings of the task definition", want)
		return
	}
	chosen := candidates[0].node
	s.target = target{candidates[0].container.Get("name").Str(), candidates[0].port, chosen.Get("appProtocol").Str()}
	if chosen.Get("protocol").Str() == "udp" {
		s.taskFindings.Fail(portProtocol, chosen, "")
	} else if len(candidates) > 1 {
		f := s.taskFindings.Report(portChosen, finding.Set, chosen, "several container ports could be behind the load balancer; the service uses %s", s.target)
		f.After = finding.Quoted(fmt.Sprint(s.target.container, ":", s.target.port))
	}
	if s.o.HealthCheckPath == "" {
		path := s.healthCheckPath()
		s.taskFindings.Report(healthCheckPath, finding.Set, chosen, "the target group checks %s, because no path was given", path).After = finding.Quoted(path)
	}
}

// candidates returns the ports that a wanted target can mean. Without a container
// it means the essential ones, and without a port the TCP ones.
func (s *Service) candidates(want target) (all []portMapping) {
	for _, m := range s.portMappings() {
		essential, set := m.container.Get("essential").Bool()
		switch {
		case want.container != "" && want.container != m.container.Get("name").Str():
		case want.port != 0 && want.port != m.port:
		case want.container == "" && set && !essential:
		case want.port == 0 && m.node.Get("protocol").Str() == "udp":
		default:
			all = append(all, m)
		}
	}
	return all
}

var hostPort = finding.Rule{ID: "service-host-port", Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "On EC2 this container was reached at a host port; on Fargate nothing listens there.",
	Help:    finding.Advice{"Point its clients to the load balancer, or to service discovery."}}

// hostPorts reports the host ports that the definition had before its conversion.
func (s *Service) hostPorts(before *tree.Node) {
	mode := before.Get("networkMode").Str()
	if mode == "awsvpc" {
		return
	}
	for _, c := range before.Get("containerDefinitions").Elements() {
		for _, mapping := range c.Get("portMappings").Elements() {
			port, _ := mapping.Get("hostPort").Int()
			if mode == "host" {
				port, _ = mapping.Get("containerPort").Int()
			}
			if port != 0 {
				s.taskFindings.Note(hostPort, mapping, "on EC2 container %s was reached at host port %d; on Fargate nothing listens there", c.Get("name").Str(), port)
			}
		}
	}
}

var classicLoadBalancer = finding.Rule{ID: "service-classic-load-balancer", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "Fargate tasks cannot be behind a Classic Load Balancer.",
	Help:    finding.Advice{"Put the service behind an Application Load Balancer: give --path or --host, and --listener."},
	Allow:   "the service has no load balancer."}

var targetGroupReplaced = finding.Rule{ID: "service-target-group", Severity: finding.Warning, Action: finding.Rewrite, Source: guideLB,
	Summary: "A target group of type instance cannot hold Fargate tasks; the template creates one of type ip on the container port.",
	Help:    finding.Advice{"Move the traffic with the listener rule, then delete the old group."}}

var targetGroupMany = finding.Rule{ID: "service-target-groups", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "The service is behind more than one target group, and the template creates only one.",
	Help:    finding.Advice{"Choose one with --container and --port, and add the others by hand."},
	Allow:   "only that group is created."}

func (s *Service) takeLoadBalancers(list *tree.Node) {
	var groups []*tree.Node
	for _, lb := range list.Elements() {
		if lb.Get("targetGroupArn") != nil {
			groups = append(groups, lb)
		} else {
			s.takeClassic(lb)
		}
	}
	if len(groups) == 0 {
		return
	}
	s.taken.balanced = true
	chosen := groups[max(0, slices.IndexFunc(groups, s.chosen))]
	s.takeTarget(chosen)
	for _, lb := range groups {
		if lb == chosen && s.existing.node.Get("networkConfiguration") != nil {
			const why = "the tasks already had their own addresses; the template creates a target group beside the old one"
			s.serviceFindings.Rewritten(targetGroupReplaced, lb, nil, why).Severity = finding.Info
		} else if lb == chosen {
			s.serviceFindings.Rewritten(targetGroupReplaced, lb, nil, "")
		} else if s.serviceFindings.Refuse(targetGroupMany, lb, "") {
			s.serviceFindings.Dropped(targetGroupMany, lb, "")
		}
	}
}

// takeClassic takes over the port behind a Classic Load Balancer.
func (s *Service) takeClassic(lb *tree.Node) {
	name := lb.Field("loadBalancerName").Str()
	if s.o.balanced() {
		f := s.serviceFindings.Rewritten(classicLoadBalancer, lb, nil, "Fargate tasks cannot be behind a Classic Load Balancer: a listener rule and a target group replace %s", name)
		f.Severity, f.Help = finding.Warning, finding.Advice{"Point the DNS name to the other load balancer."}
	} else if s.serviceFindings.Refuse(classicLoadBalancer, lb, "Fargate tasks cannot be behind a Classic Load Balancer, such as %s", name) {
		s.serviceFindings.Dropped(classicLoadBalancer, lb, "Fargate tasks cannot be behind a Classic Load Balancer: %s gets none of this service", name)
		return
	}
	s.takeTarget(lb)
}

func (s *Service) takeTarget(lb *tree.Node) {
	s.taken.container, s.taken.port = lb.Field("containerName").Str(), intOr0(lb.Field("containerPort"))
}

// chosen reports whether the options choose the container and port behind a load
// balancer.
func (s *Service) chosen(lb *tree.Node) bool {
	o := s.o
	return (o.Container != "" || o.Port != 0) &&
		(o.Container == "" || o.Container == lb.Field("containerName").Str()) &&
		(o.Port == 0 || int64(o.Port) == intOr0(lb.Field("containerPort")))
}

// grace is the time, in seconds, in which failed health checks do not count.
func (s *Service) grace() int {
	const seconds = 60
	return *cmp.Or(s.o.HealthCheckGrace, s.taken.grace, new(seconds))
}

func (s *Service) healthCheckPath() string {
	if s.o.HealthCheckPath == "" && s.target.protocol == "grpc" {
		return "/AWS.ALB/healthcheck" // no service has it, so the answer is UNIMPLEMENTED
	}
	return cmp.Or(s.o.HealthCheckPath, "/")
}

// grpcCodes are the status codes of a healthy answer to a health check.
//
// Source: Elastic Load Balancing User Guide, "Health checks for Application Load
// Balancer target groups".
func (s *Service) grpcCodes() string {
	if s.o.HealthCheckPath == "" {
		return "12" // UNIMPLEMENTED
	}
	return "0"
}

// targetGroup returns the properties of the target group of the tasks.
func (s *Service) targetGroup(vpc *tree.Node) []tree.Member {
	version, matcher := (*tree.Node)(nil), cfn.Prop("HttpCode", tree.NewString("200-399"))
	switch s.target.protocol {
	case "http2":
		version = tree.NewString("HTTP2")
	case "grpc":
		version, matcher = tree.NewString("GRPC"), cfn.Prop("GrpcCode", tree.NewString(s.grpcCodes()))
	}
	return []tree.Member{
		cfn.Prop("TargetType", tree.NewString("ip")),
		cfn.Prop("VpcId", vpc),
		cfn.Prop("Protocol", tree.NewString("HTTP")),
		cfn.Prop("ProtocolVersion", version),
		cfn.Prop("Port", tree.NewInt(s.target.port)),
		cfn.Prop("HealthCheckPath", tree.NewString(s.healthCheckPath())),
		cfn.Prop("HealthCheckPort", tree.NewString("traffic-port")),
		cfn.Prop("Matcher", cfn.Object(matcher)),
	}
}

// listenerConditions returns the conditions of the listener rule.
func (o *Options) listenerConditions() *tree.Node {
	var conditions []*tree.Node
	add := func(field, config string, values []string) {
		if len(values) > 0 {
			conditions = append(conditions, cfn.Object(
				cfn.Prop("Field", tree.NewString(field)),
				cfn.Prop(config, cfn.Object(cfn.Prop("Values", cfn.Strings(values...)))),
			))
		}
	}
	add("path-pattern", "PathPatternConfig", o.Paths)
	add("host-header", "HostHeaderConfig", o.Hosts)
	return cfn.Array(conditions...)
}
