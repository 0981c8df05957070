package service

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

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

// balance is a target group of the new service, and the one whose requests it gets.
type balance struct {
	target
	old    string     // ARN of the group that has the requests today, "" for none
	group  *tree.Node // the old group, as it is described; nil if it was not read
	node   *tree.Node // the old group in the existing service, nil for none
	routes []*route
}

// ordinal tells the parameters and resources of several from each other: "" for the
// first, 2 for the second.
func ordinal(i int) string {
	if i == 0 {
		return ""
	}
	return strconv.Itoa(i + 1)
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

// choosePorts chooses the target groups of the service, and the container port of
// each: those of the existing service whose requests can be found, and the one that
// the options ask for.
func (s *Service) choosePorts() error {
	want := target{container: s.o.Container, port: int64(s.o.Port)}
	var asked *balance
	if s.o.balanced() {
		asked = s.askedFor(want)
	}
	for _, b := range s.taken.balances {
		switch {
		case b == asked:
		case len(b.routes) > 0 && (!s.o.balanced() || b.group != nil):
			s.choosePort(b, b.target)
		case asked == nil && !s.o.balanced():
			continue // New asks for a path
		case s.serviceFindings.Refuse(targetGroupMany, b.node, ""):
			s.serviceFindings.Dropped(targetGroupMany, b.node, "")
		}
	}
	if asked == nil {
		return nil
	}
	asked.routes = []*route{s.flagRoute(asked)}
	if want == (target{}) {
		want = cmp.Or(target{container: asked.container, port: asked.port}, s.taken.classic)
	}
	s.choosePort(asked, want)
	return nil
}

// askedFor returns the target group that the options put behind a listener: that of
// the existing service which they choose, or its first, or a new one.
func (s *Service) askedFor(want target) *balance {
	for _, b := range s.taken.balances {
		if want != (target{}) && (want.container == "" || want.container == b.container) && (want.port == 0 || want.port == b.port) {
			return b
		}
	}
	if len(s.taken.balances) > 0 {
		return s.taken.balances[0]
	}
	return &balance{}
}

// choosePort chooses the container port of a target group, and adds it to the service.
func (s *Service) choosePort(b *balance, want target) {
	candidates := s.candidates(want, b.network())
	switch {
	case len(candidates) == 0 && want == target{}:
		s.taskFindings.Fail(portUnknown, s.definition, "no essential container of the task definition has a TCP port for the load balancer to send requests to")
		return
	case len(candidates) == 0:
		s.taskFindings.Fail(portUnknown, s.definition,
			"the load balancer would send requests to %s, which is not in the portMappings of the task definition", want)
		return
	}
	chosen := candidates[0].node
	b.target = target{candidates[0].container.Get("name").Str(), candidates[0].port, chosen.Get("appProtocol").Str()}
	s.balances = append(s.balances, b)
	if checked := b.group.Field("healthCheckPort"); !s.answers(checked) {
		s.serviceFindings.Rewritten(healthCheckPort, checked, tree.NewString("traffic-port"), "")
	}
	if chosen.Get("protocol").Str() == "udp" && !b.network() {
		s.taskFindings.Fail(portProtocol, chosen, "")
	} else if len(candidates) > 1 {
		f := s.taskFindings.Report(portChosen, finding.Set, chosen, "several container ports could be behind the load balancer; the service uses %s", b.target)
		f.After = finding.Quoted(fmt.Sprint(b.container, ":", b.port))
	}
	if s.o.HealthCheckPath == "" && b.group.Field("healthCheckPath") == nil && !b.network() {
		path := s.healthCheckPath(b)
		s.taskFindings.Report(healthCheckPath, finding.Set, chosen, "the target group checks %s, because no path was given", path).After = finding.Quoted(path)
	}
}

// candidates returns the ports that a wanted target can mean. Without a container
// it means the essential ones, and without a port the TCP ones; a Network Load
// Balancer takes UDP too.
func (s *Service) candidates(want target, network bool) (all []portMapping) {
	for _, m := range s.portMappings() {
		essential, set := m.container.Get("essential").Bool()
		switch {
		case want.container != "" && want.container != m.container.Get("name").Str():
		case want.port != 0 && want.port != m.port:
		case want.container == "" && set && !essential:
		case want.port == 0 && m.node.Get("protocol").Str() == "udp" && !network:
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
				s.taskFindings.Note(hostPort, mapping,
					"on EC2 container %s was reached at host port %d; on Fargate nothing listens there", c.Get("name").Str(),
					port)
			}
		}
	}
}

var classicLoadBalancer = finding.Rule{ID: "service-classic-load-balancer", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "Fargate tasks cannot be behind a Classic Load Balancer.",
	Help:    finding.Advice{"Put the service behind an Application Load Balancer: give --path or --host, and --listener."},
	Allow:   "the service has no load balancer."}

var targetGroupReplaced = finding.Rule{ID: "service-target-group", Severity: finding.Warning, Action: finding.Rewrite, Source: guideLB,
	Summary: "A target group of type instance cannot hold Fargate tasks; the template creates one of type ip on the container port. The old one keeps all requests until the weights are changed.",
	Help:    finding.Advice{"Move the traffic with sumoship fargate cutover, then delete the old group."}}

var targetGroupMany = finding.Rule{ID: "service-target-groups", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "The service is behind more than one target group, and what sends requests to this one is not known.",
	Help:    finding.Advice{"Give the ARN of the service with --from-service, so that its listeners are read; or choose one group with --container and --port."},
	Allow:   "the new service has no group for it."}

func (s *Service) takeLoadBalancers(list *tree.Node) {
	for _, lb := range list.Elements() {
		arn := lb.Get("targetGroupArn")
		if arn == nil {
			s.takeClassic(lb)
			continue
		}
		b := &balance{target: targetOf(lb), old: arn.Str(), node: lb, group: s.existing.targetGroup(arn.Str())}
		s.taken.balances = append(s.taken.balances, b)
		f := s.serviceFindings.Rewritten(targetGroupReplaced, lb, nil, "")
		if b.group.Field("targetType").Str() == "ip" || s.existing.node.Get("networkConfiguration") != nil {
			f.Severity, f.Why = finding.Info,
				"The tasks already had their own addresses; the template creates a target group beside the old one, which keeps all requests until the weights are changed."
		}
		s.takeAlternate(lb)
	}
	s.findRoutes()
}

var blueGreen = finding.Rule{ID: "service-blue-green", Severity: finding.Warning, Action: finding.Drop, Source: guideLB,
	Summary: "ECS deploys this service blue/green with a second target group. The new service uses rolling updates.",
	Help: finding.Advice{"Set the strategy again once the service runs on Fargate, with two groups of type ip.",
		"Finish a deployment that is under way before the cut-over: it changes the same rule."}}

// takeAlternate reports the second target group of a blue/green deployment.
func (s *Service) takeAlternate(lb *tree.Node) {
	if advanced := lb.Get("advancedConfiguration"); advanced != nil {
		s.serviceFindings.Dropped(blueGreen, advanced, "")
	}
}

// takeClassic takes over the port behind a Classic Load Balancer.
func (s *Service) takeClassic(lb *tree.Node) {
	name := lb.Field("loadBalancerName").Str()
	if s.o.balanced() {
		f := s.serviceFindings.Rewritten(classicLoadBalancer, lb, nil,
			"Fargate tasks cannot be behind a Classic Load Balancer: a listener rule and a target group replace %s", name)
		f.Severity, f.Help = finding.Warning, finding.Advice{"Point the DNS name to the other load balancer."}
	} else if s.serviceFindings.Refuse(classicLoadBalancer, lb, "Fargate tasks cannot be behind a Classic Load Balancer, such as %s", name) {
		s.serviceFindings.Dropped(classicLoadBalancer, lb, "Fargate tasks cannot be behind a Classic Load Balancer: %s gets none of this service", name)
		return
	}
	s.taken.classic = targetOf(lb)
}

// targetOf returns the container and port in a load balancer of a service.
func targetOf(lb *tree.Node) target {
	return target{container: lb.Field("containerName").Str(), port: intOr0(lb.Field("containerPort"))}
}

// grace is the time, in seconds, in which failed health checks do not count.
func (s *Service) grace() int {
	const seconds = 60
	return *cmp.Or(s.o.HealthCheckGrace, s.taken.grace, new(seconds))
}

func (s *Service) healthCheckPath(b *balance) string {
	if s.o.HealthCheckPath == "" && b.protocol == "grpc" {
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

// targetGroup returns the properties of the target group of the tasks: as the old one
// has them, if it was read.
func (s *Service) targetGroup(b *balance, vpc *tree.Node) []tree.Member {
	properties := []tree.Member{
		cfn.Prop("TargetType", tree.NewString("ip")),
		cfn.Prop("VpcId", vpc),
	}
	if b.group != nil {
		properties = append(properties, s.groupAsBefore(b)...)
	} else {
		properties = append(properties, s.newGroup(b)...)
	}
	if b.old != "" {
		properties = append(properties, cfn.Prop("Tags", cfn.Array(cfn.Object(
			cfn.Prop("Key", tree.NewString(ReplacesTag)), cfn.Prop("Value", tree.NewString(b.old))))))
	}
	return properties
}

// ReplacesTag is the tag of a target group that names the ARN of the one whose
// requests it gets.
const ReplacesTag = "sumoship:replaces"

func (s *Service) newGroup(b *balance) []tree.Member {
	version, matcher := (*tree.Node)(nil), cfn.Prop("HttpCode", tree.NewString("200-399"))
	switch b.protocol {
	case "http2":
		version = tree.NewString("HTTP2")
	case "grpc":
		version, matcher = tree.NewString("GRPC"), cfn.Prop("GrpcCode", tree.NewString(s.grpcCodes()))
	}
	return []tree.Member{
		cfn.Prop("Protocol", tree.NewString("HTTP")),
		cfn.Prop("ProtocolVersion", version),
		cfn.Prop("Port", tree.NewInt(b.port)),
		cfn.Prop("HealthCheckPath", tree.NewString(s.healthCheckPath(b))),
		cfn.Prop("HealthCheckPort", tree.NewString("traffic-port")),
		cfn.Prop("Matcher", cfn.Object(matcher)),
	}
}

var healthCheckPort = finding.Rule{ID: "service-health-check-port", Severity: finding.Warning, Action: finding.Rewrite, Source: guideLB,
	Summary: "The health check asked a fixed port of the instance; on Fargate only the ports of the containers answer, so the new group checks the port of the requests.",
	Help:    finding.Advice{"If another port of a container should answer, set HealthCheckPort in the template."}}

// groupAsBefore returns the properties of a target group with the settings of the
// old one.
func (s *Service) groupAsBefore(b *balance) []tree.Member {
	g := b.group
	text := func(member string) *tree.Node { return optional(g.Field(member).Str()) }
	number := func(member string) *tree.Node {
		if i, ok := g.Field(member).Int(); ok {
			return tree.NewInt(i)
		}
		return nil
	}
	path := text("healthCheckPath")
	if s.o.HealthCheckPath != "" && !b.network() {
		path = tree.NewString(s.o.HealthCheckPath)
	}
	port := g.Field("healthCheckPort").Identity()
	if !s.answers(g.Field("healthCheckPort")) {
		port = ""
	}
	matcher := cfn.Object(cfn.Prop("HttpCode", optional(g.Field("matcher").Field("httpCode").Str())), cfn.Prop("GrpcCode",
		optional(g.Field("matcher").Field("grpcCode").Str())))
	if matcher.Len() == 0 || strings.HasPrefix(g.Field("healthCheckProtocol").Str(), "TCP") {
		matcher = nil
	}
	return []tree.Member{
		cfn.Prop("Protocol", tree.NewString(cmp.Or(g.Field("protocol").Str(), "HTTP"))),
		cfn.Prop("ProtocolVersion", text("protocolVersion")),
		cfn.Prop("Port", tree.NewInt(b.port)),
		cfn.Prop("HealthCheckProtocol", text("healthCheckProtocol")),
		cfn.Prop("HealthCheckPath", path),
		cfn.Prop("HealthCheckPort", tree.NewString(cmp.Or(port, "traffic-port"))),
		cfn.Prop("HealthCheckIntervalSeconds", number("healthCheckIntervalSeconds")),
		cfn.Prop("HealthCheckTimeoutSeconds", number("healthCheckTimeoutSeconds")),
		cfn.Prop("HealthyThresholdCount", number("healthyThresholdCount")),
		cfn.Prop("UnhealthyThresholdCount", number("unhealthyThresholdCount")),
		cfn.Prop("Matcher", matcher),
		cfn.Prop("TargetGroupAttributes", b.attributes()),
	}
}

// attributes are those of the old group: deregistration delay, stickiness, slow start
// and so on.
func (b *balance) attributes() *tree.Node {
	var kept []*tree.Node
	for _, a := range b.group.Field("attributes").Elements() {
		key, value := a.Field("key").Str(), a.Field("value").Identity()
		if key == "" || value == "" || strings.HasPrefix(key, "lambda.") || b.unset(key) {
			continue
		}
		kept = append(kept, cfn.Object(cfn.Prop("Key", tree.NewString(key)), cfn.Prop("Value", tree.NewString(value))))
	}
	return cfn.Array(kept...)
}

// unset reports whether an attribute has its default, and a group of another kind or
// Region may refuse it. A Network Load Balancer keeps the address of a client for
// instances but not for addresses unless told so.
func (b *balance) unset(key string) bool {
	defaults := map[string]string{
		"slow_start.duration_seconds": "0", "stickiness.app_cookie.cookie_name": "", "load_balancing.algorithm.anomaly_mitigation": "off",
	}
	value, ok := defaults[key]
	if !ok {
		return false
	}
	for _, a := range b.group.Field("attributes").Elements() {
		if a.Field("key").Str() == key {
			return a.Field("value").Identity() == value
		}
	}
	return true
}

// answers reports whether a container of the definition has the port of a health
// check, which may also be that of the requests.
func (s *Service) answers(checked *tree.Node) bool {
	port, fixed := checked.Int()
	return !fixed || slices.ContainsFunc(s.portMappings(), func(m portMapping) bool { return m.port == port })
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
