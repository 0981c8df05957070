package service

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// route is what sends requests to a target group: a rule of an Application Load
// Balancer, or a listener of a Network Load Balancer. The new rule has the conditions
// of the old one, comes right before it, and forwards by weights.
type route struct {
	listener   string     // ARN, "" if it was not read
	conditions *tree.Node // of the rule, as CloudFormation takes them
	before     []*tree.Node
	stick      *tree.Node // TargetGroupStickinessConfig
	balancer   *tree.Node // that the listener is of, as it is described

	priority, testPriority int64 // 0 where none is known

	network          bool // a listener of a Network Load Balancer
	protocol         string
	port, testPort   int64 // of the listener
	certificates     *tree.Node
	policy, alpn     *tree.Node
	withoutTest      bool // the conditions leave no room for that of the test
	any              bool // the rule has no condition of its own
	networkAddresses bool // the balancer has no security group
}

// network reports whether the group is one of a Network Load Balancer.
func (b *balance) network() bool {
	switch b.group.Field("protocol").Str() {
	case "TCP", "TLS", "UDP", "TCP_UDP":
		return true
	}
	return false
}

// targetGroup returns the target group with an ARN, nil if it was not read.
func (e *Existing) targetGroup(arn string) *tree.Node {
	return e.find("targetGroups", "targetGroupArn", arn)
}

// find returns the item of a list around the service with a value.
func (e *Existing) find(list, member, value string) *tree.Node {
	for _, item := range e.around.Field(list).Elements() {
		if item.Field(member).Str() == value && value != "" {
			return item
		}
	}
	return nil
}

// forwards returns the action that forwards to a target group, and the actions before
// it.
func forwards(actions *tree.Node, group string) (before []*tree.Node, forward *tree.Node) {
	for _, a := range actions.Elements() {
		if a.Field("targetGroupArn").Str() == group {
			return before, a
		}
		for _, g := range a.Field("forwardConfig").Field("targetGroups").Elements() {
			if g.Field("targetGroupArn").Str() == group {
				return before, a
			}
		}
		before = append(before, a)
	}
	return nil, nil
}

var ruleShared = finding.Rule{ID: "service-rule-shared", Severity: finding.Warning, Action: finding.Keep, Source: guideLB,
	Summary: "This rule forwards to several target groups by weight. The new rule forwards only to the group of this service and the new one.",
	Help:    finding.Advice{"Finish the deployment that uses the weights first."}}

var ruleAction = finding.Rule{ID: "service-rule-action", Severity: finding.Error, Action: finding.Refuse, Source: guideLB,
	Summary: "The rule authenticates with a secret, which AWS does not tell, so the template cannot repeat it.",
	Help:    finding.Advice{"Give --path or --host for a rule without it, and add the action to the template by hand."}}

var rulePriority = finding.Rule{ID: "service-rule-priority", Severity: finding.Warning, Action: finding.Keep, Source: guideLB,
	Summary: "There is no free priority right before this rule, where the new one must be.",
	Help:    finding.Advice{"Make room with aws elbv2 set-rule-priorities, and give the parameter ListenerRulePriority."}}

var testRule = finding.Rule{ID: "service-test-rule", Severity: finding.Info, Action: finding.Keep, Source: guideLB,
	Summary: "The rule has as many values in its conditions as a rule can have, so no rule by header reaches the new service first.",
	Help:    finding.Advice{"Reach its tasks by their addresses, or add a listener for tests."}}

// findRoutes finds what sends requests to the target groups of the existing service.
func (s *Service) findRoutes() {
	taken := map[string][]int64{} // priorities, by listener
	for _, r := range s.existing.around.Field("rules").Elements() {
		if p, ok := r.Field("priority").Int(); ok {
			l := r.Field("listenerArn").Str()
			taken[l] = append(taken[l], p)
		}
	}
	for _, b := range s.taken.balances {
		for _, r := range s.existing.around.Field("rules").Elements() {
			if isDefault, _ := r.Field("isDefault").Bool(); isDefault {
				continue // as the listener has it
			}
			if before, forward := forwards(r.Field("actions"), b.old); forward != nil {
				s.ruleRoute(b, r, before, forward, taken)
			}
		}
		for _, l := range s.existing.around.Field("listeners").Elements() {
			before, forward := forwards(l.Field("defaultActions"), b.old)
			switch {
			case forward == nil:
			case b.network():
				s.listenerRoute(b, l)
			default:
				s.defaultRoute(b, l, before, forward, taken)
			}
		}
	}
}

// ruleRoute adds the route of a rule.
func (s *Service) ruleRoute(b *balance, r *tree.Node, before []*tree.Node, forward *tree.Node, taken map[string][]int64) {
	listener := r.Field("listenerArn").Str()
	var conditions []*tree.Node
	values := 0
	for _, c := range r.Field("conditions").Elements() {
		c = taskdef.Recase(c, tree.Pascal)
		if c.Len() > 2 {
			c.DeleteKey("Values") // describe-rules repeats those of the configuration
		}
		for _, v := range c.Members() {
			values += v.Key("Values").Len() + v.Key("RegexValues").Len()
		}
		conditions = append(conditions, c)
	}
	v := s.route(b, listener, before, forward)
	v.conditions, v.withoutTest = cfn.Array(conditions...), values >= ruleValues
	if v.withoutTest {
		s.serviceFindings.Note(testRule, r, "")
	}
	p, _ := r.Field("priority").Int()
	at := p - 1
	if at < 1 || slices.Contains(taken[listener], at) {
		s.serviceFindings.Note(rulePriority, r, "there is no free priority right before %d, where the new rule must be", p)
		return
	}
	v.priority = at
	taken[listener] = append(taken[listener], at)
	v.testPriority = freeBefore(taken[listener], at)
	taken[listener] = append(taken[listener], v.testPriority)
}

// freeBefore returns the largest free priority below one, 0 if there is none.
func freeBefore(taken []int64, below int64) int64 {
	for p := below - 1; p > 0; p-- {
		if !slices.Contains(taken, p) {
			return p
		}
	}
	return 0
}

// defaultRoute adds the route of the default action of a listener: the last rule.
func (s *Service) defaultRoute(b *balance, l *tree.Node, before []*tree.Node, forward *tree.Node, taken map[string][]int64) {
	listener := l.Field("listenerArn").Str()
	v := s.route(b, listener, before, forward)
	v.any = true
	v.conditions = cfn.Array(condition("path-pattern", "PathPatternConfig", "/*"))
	last := slices.Max(append(slices.Clone(taken[listener]), 0))
	v.testPriority, v.priority = last+1, last+2
	taken[listener] = append(taken[listener], last+1, last+2)
}

// route adds a route of an Application Load Balancer.
func (s *Service) route(b *balance, listener string, before []*tree.Node, forward *tree.Node) *route {
	v := &route{listener: listener, balancer: s.balancerOf(listener)}
	for i, a := range before {
		if a.Field("authenticateOidcConfig") != nil {
			s.serviceFindings.Refuse(ruleAction, a, "")
			continue
		}
		a = taskdef.Recase(a, tree.Pascal)
		a.SetKey("Order", tree.NewInt(int64(i+1)))
		v.before = append(v.before, a)
	}
	config := forward.Field("forwardConfig")
	others := 0
	for _, g := range config.Field("targetGroups").Elements() {
		if weight, ok := g.Field("weight").Int(); g.Field("targetGroupArn").Str() != b.old && (!ok || weight > 0) {
			others++
		}
	}
	if others > 0 {
		s.serviceFindings.Note(ruleShared, forward, "")
	}
	if stick := config.Field("targetGroupStickinessConfig"); stick != nil {
		if on, _ := stick.Field("enabled").Bool(); on {
			v.stick = taskdef.Recase(stick, tree.Pascal)
		}
	}
	b.routes = append(b.routes, v)
	return v
}

// listenerRoute adds the route of a listener of a Network Load Balancer. The template
// cannot change a listener that it did not create: it adds one for tests, which ties
// the new group to the balancer, and cutover changes the weights of the old one.
func (s *Service) listenerRoute(b *balance, l *tree.Node) {
	arn := l.Field("listenerArn").Str()
	v := &route{listener: arn, balancer: s.balancerOf(arn), network: true, protocol: l.Field("protocol").Str(), port: intOr0(l.Field("port"))}
	var certificates []*tree.Node
	for _, c := range l.Field("certificates").Elements() {
		if a := c.Field("certificateArn").Str(); a != "" {
			certificates = append(certificates, cfn.Object(cfn.Prop("CertificateArn", tree.NewString(a))))
		}
	}
	v.certificates, v.policy = cfn.Array(certificates...), optional(l.Field("sslPolicy").Str())
	if len(l.Field("alpnPolicy").Strs()) > 0 {
		v.alpn = cfn.Strings(l.Field("alpnPolicy").Strs()...)
	}
	v.networkAddresses = v.balancer.Field("securityGroups").Len() == 0
	const above = 8000 // 443 becomes 8443
	for v.testPort = v.port%57000 + above; s.listening(l.Field("loadBalancerArn").Str(), v.testPort); {
		v.testPort++
	}
	b.routes = append(b.routes, v)
}

// listening reports whether a load balancer has a listener on a port.
func (s *Service) listening(balancer string, port int64) bool {
	for _, l := range s.existing.around.Field("listeners").Elements() {
		if l.Field("loadBalancerArn").Str() == balancer && intOr0(l.Field("port")) == port {
			return true
		}
	}
	return false
}

// balancerOf returns the load balancer of a listener, nil if it was not read.
func (s *Service) balancerOf(listener string) *tree.Node {
	l := s.existing.find("listeners", "listenerArn", listener)
	return s.existing.find("loadBalancers", "loadBalancerArn", l.Field("loadBalancerArn").Str())
}

// flagRoute is the route that the options ask for.
func (s *Service) flagRoute(b *balance) *route {
	v := &route{listener: s.o.Listener, conditions: s.o.listenerConditions(), priority: int64(s.o.Priority),
		withoutTest: len(s.o.Paths)+len(s.o.Hosts) >= ruleValues}
	if b.old != "" && v.priority > 1 {
		v.testPriority = v.priority - 1
	}
	return v
}

// TestHeader is the header of requests that reach the new service before its weight
// is more than 0.
const TestHeader = "X-Sumoship-Target"

// testConditions are those of the rule that reaches the new service first.
func (v *route) testConditions(value *tree.Node) *tree.Node {
	header := cfn.Object(
		cfn.Prop("Field", tree.NewString("http-header")),
		cfn.Prop("HttpHeaderConfig", cfn.Object(cfn.Prop("HttpHeaderName", tree.NewString(TestHeader)), cfn.Prop("Values", tree.NewArray(value)))),
	)
	if v.any {
		return tree.NewArray(header)
	}
	return tree.NewArray(append(v.conditions.Items(), header)...)
}

// condition returns a condition of a listener rule.
func condition(field, config string, values ...string) *tree.Node {
	return cfn.Object(cfn.Prop("Field", tree.NewString(field)), cfn.Prop(config, cfn.Object(cfn.Prop("Values", cfn.Strings(values...)))))
}

// trafficSettings are the parameters of the target groups and their routes.
func (s *Service) trafficSettings() (all []setting) {
	weights := false
	n := 0
	add := func(v setting) { all = append(all, v) }
	for i, b := range s.balances {
		if b.old != "" && slices.ContainsFunc(b.routes, func(r *route) bool { return !r.network }) {
			weights = true
			add(setting{name: "OldTargetGroupArn" + ordinal(i), group: ofBalance, kind: "String", value: b.old, pattern: groupARN.String(),
				description: "ARN of the target group that had the requests before. Empty, once its service is gone."})
		}
		for _, r := range b.routes {
			at := ordinal(n)
			n++
			if r.network {
				add(setting{name: "LoadBalancerArn" + at, group: ofBalance, kind: "String",
					value: r.balancer.Field("loadBalancerArn").Str(), pattern: balancerARN.String(),
					description: "ARN of the Network Load Balancer."})
				add(setting{name: "TestListenerPort" + at, group: ofBalance, kind: "Number",
					value: strconv.FormatInt(r.testPort, 10), min: 1, max: 65535,
					description: "Port of a listener that reaches the new service before the requests do."})
			} else {
				add(setting{name: "ListenerArn" + at, group: ofBalance, kind: "String", value: r.listener,
					pattern:     listenerARN.String(),
					description: "ARN of the listener of the Application Load Balancer that gets the rule."})
				add(setting{name: "ListenerRulePriority" + at, group: ofBalance, kind: "Number", value: whole(r.priority),
					min: 1, max: 50000, description: "Priority of the rule, unique on the listener. Lower numbers come first."})
				add(setting{name: "TestRulePriority" + at, group: ofBalance, kind: "Number", value: whole(r.testPriority),
					min: 1, max: 50000,
					description: "Priority of the rule for requests with the header " + TestHeader + ", which must come before the other."})
			}
			group := ""
			if groups := r.balancer.Field("securityGroups").Strs(); len(groups) > 0 {
				group = groups[0]
			}
			if s.o.LoadBalancerSG != "" {
				group = s.o.LoadBalancerSG
			}
			add(setting{name: "LoadBalancerSecurityGroup" + at, group: ofBalance, kind: typeGroup, value: group,
				description: "Security group of the load balancer."})
			add(setting{name: "ClientCidr" + at, group: ofBalance, kind: "String", pattern: `^[0-9.]{7,15}/[0-9]{1,2}$`, description: "Addresses that may reach the tasks, such as 10.0.0.0/8: the load balancer has no security group, so those of its subnets, or of the clients where it keeps their addresses."})
		}
	}
	if weights {
		add(setting{name: "OldServiceWeight", group: ofBalance, kind: "Number", value: "100", max: 999,
			description: "Weight of the old service in the rule. sumoship fargate cutover changes it there; set the same here before the next update of the stack."})
		add(setting{name: "NewServiceWeight", group: ofBalance, kind: "Number", value: "0", max: 999, description: "Weight of the new service in the rule."})
		add(setting{name: "TestHeaderValue", group: ofBalance, kind: "String", value: "fargate",
			pattern:     "^[A-Za-z0-9_-]{1,64}$",
			description: "Value of the header " + TestHeader + " that reaches the new service before its weight is more than 0."})
	}
	return all
}

func whole(i int64) string {
	if i == 0 {
		return ""
	}
	return strconv.FormatInt(i, 10)
}

// loadBalancer adds what sends requests from the load balancers to the tasks: rules
// of the security groups, target groups, listener rules.
func (t *template) loadBalancer() {
	s, n := t.service, 0
	for i, b := range s.balances {
		group := idTarget + ordinal(i)
		t.add(group, cfn.Resource("AWS::ElasticLoadBalancingV2::TargetGroup", s.targetGroup(b, t.setting("Vpc"))...))
		for _, r := range b.routes {
			at := ordinal(n)
			n++
			t.admit(b, r, at)
			if r.network {
				t.testListener(r, group, at)
				continue
			}
			t.rules(b, r, group, ordinal(i), at)
		}
		t.output("TargetGroupArn"+ordinal(i), "Target group of the tasks.", cfn.Ref(group))
	}
}

// opening is a port of the tasks that a load balancer reaches.
type opening struct {
	protocol string
	port     int64
	suffix   string // of the logical IDs
}

// openings are the ports of a target group: for requests, and for its health check,
// which is over TCP.
func (s *Service) openings(b *balance) (all []opening) {
	protocol := b.group.Field("protocol").Str()
	if protocol != "UDP" {
		all = append(all, opening{"tcp", b.port, ""})
	}
	if strings.HasSuffix(protocol, "UDP") {
		all = append(all, opening{"udp", b.port, "Udp"})
	}
	check := b.port
	if port, fixed := b.group.Field("healthCheckPort").Int(); fixed && s.answers(b.group.Field("healthCheckPort")) {
		check = port
	}
	if protocol == "UDP" || check != b.port {
		all = append(all, opening{"tcp", check, "HealthCheck"})
	}
	return all
}

// admit lets the load balancer reach the tasks, once for each port.
func (t *template) admit(b *balance, r *route, at string) {
	own := cfn.GetAtt(idGroup, "GroupId")
	for _, o := range t.service.openings(b) {
		peer := t.service.setting("LoadBalancerSecurityGroup" + at)
		if key := fmt.Sprint(o.protocol, o.port, peer.value); peer.value != "" || r.networkAddresses {
			if slices.Contains(t.admitted, key) {
				continue
			}
			t.admitted = append(t.admitted, key)
		}
		id := at + o.suffix
		if r.networkAddresses {
			t.securityGroupRule(idTaskIngress+id, "AWS::EC2::SecurityGroupIngress", "Clients of the load balancer", own,
				o.protocol, o.port, cfn.Prop("CidrIp", t.setting("ClientCidr"+at)))
			continue
		}
		t.securityGroupRule(idBalancerEgress+id, "AWS::EC2::SecurityGroupEgress", t.service.tasks(), t.value(peer), o.protocol,
			o.port, cfn.Prop("DestinationSecurityGroupId", own))
		t.securityGroupRule(idTaskIngress+id, "AWS::EC2::SecurityGroupIngress", "Load balancer", own, o.protocol, o.port,
			cfn.Prop("SourceSecurityGroupId", t.value(peer)))
	}
}

// rules adds the rule that forwards by weights, and the one for tests.
func (t *template) rules(b *balance, r *route, group, groupAt, at string) {
	forward := []tree.Member{cfn.Prop("Type", tree.NewString("forward"))}
	if len(r.before) > 0 {
		forward = append(forward, cfn.Prop("Order", tree.NewInt(int64(len(r.before)+1))))
	}
	actions := func(to ...tree.Member) *tree.Node {
		return tree.NewArray(append(slices.Clone(r.before), cfn.Object(append(slices.Clone(forward), to...)...))...)
	}
	direct := actions(cfn.Prop("TargetGroupArn", cfn.Ref(group)))
	if b.old == "" {
		t.rule(idRule+at, r, at, r.conditions, direct)
		return
	}
	old := "HasOld" + groupAt
	t.condition(old, cfn.Object(cfn.Prop("Fn::Not", tree.NewArray(cfn.Object(cfn.Prop("Fn::Equals",
		tree.NewArray(t.setting("OldTargetGroupArn"+groupAt), tree.NewString(""))))))))
	weighted := cfn.Object(
		cfn.Prop("TargetGroups", cfn.Array(
			cfn.If(old, cfn.Object(cfn.Prop("TargetGroupArn", t.setting("OldTargetGroupArn"+groupAt)), cfn.Prop("Weight",
				t.setting("OldServiceWeight"))), cfn.Ref("AWS::NoValue")),
			cfn.Object(cfn.Prop("TargetGroupArn", cfn.Ref(group)), cfn.Prop("Weight", cfn.If(old, t.setting("NewServiceWeight"), tree.NewInt(1)))),
		)),
		cfn.Prop("TargetGroupStickinessConfig", r.stick),
	)
	t.rule(idRule+at, r, at, r.conditions, actions(cfn.Prop("ForwardConfig", weighted)))
	if r.withoutTest {
		return
	}
	t.add(idTestRule+at, cfn.Resource("AWS::ElasticLoadBalancingV2::ListenerRule",
		cfn.Prop("ListenerArn", t.setting("ListenerArn"+at)),
		cfn.Prop("Priority", t.setting("TestRulePriority"+at)),
		cfn.Prop("Conditions", r.testConditions(t.setting("TestHeaderValue"))),
		cfn.Prop("Actions", direct),
	))
	t.first = append(t.first, idTestRule+at)
}

func (t *template) rule(id string, r *route, at string, conditions, actions *tree.Node) {
	t.add(id, cfn.Resource("AWS::ElasticLoadBalancingV2::ListenerRule",
		cfn.Prop("ListenerArn", t.setting("ListenerArn"+at)),
		cfn.Prop("Priority", t.setting("ListenerRulePriority"+at)),
		cfn.Prop("Conditions", conditions),
		cfn.Prop("Actions", actions),
	))
	t.first = append(t.first, id) // ECS refuses a target group that no load balancer uses
	t.output(id+"Arn", "Rule that sends requests to the service.", cfn.Ref(id))
}

// testListener adds a listener of a Network Load Balancer that reaches the new
// service alone.
func (t *template) testListener(r *route, group, at string) {
	id := idTestListener + at
	t.add(id, cfn.Resource("AWS::ElasticLoadBalancingV2::Listener",
		cfn.Prop("LoadBalancerArn", t.setting("LoadBalancerArn"+at)),
		cfn.Prop("Port", t.setting("TestListenerPort"+at)),
		cfn.Prop("Protocol", tree.NewString(r.protocol)),
		cfn.Prop("Certificates", r.certificates),
		cfn.Prop("SslPolicy", r.policy),
		cfn.Prop("AlpnPolicy", r.alpn),
		cfn.Prop("DefaultActions", tree.NewArray(cfn.Object(cfn.Prop("Type", tree.NewString("forward")), cfn.Prop("TargetGroupArn", cfn.Ref(group))))),
	))
	t.first = append(t.first, id)
}

// isBalancer reports whether the name of a setting, parameter or resource is one of
// those of a route, whose number follows.
func isBalancer(name string) bool {
	return slices.ContainsFunc([]string{"TargetGroup", "OldTargetGroup", "ListenerArn", "ListenerRule", "TestRule",
		"TestListener", "LoadBalancer", "ClientCidr", "ClientSecurityGroup", "ClientIngress", "TaskIngress", "OldServiceWeight",
		"NewServiceWeight", "TestHeader", "HasOld"},
		func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
