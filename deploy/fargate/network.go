package fargate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

var networkModeHost = finding.Rule{
	ID: "network-mode-host", Topic: finding.Network, Severity: finding.Warning, Action: finding.Set, Source: guideFargate,
	Summary: "Fargate has one network mode, awsvpc: the instance's network is gone, and with it whatever else listened there on localhost.",
	Help:    finding.Advice{"Add portMappings for what load balancers and service discovery need, and open the ports in the service's security group."},
	Refusal: "Fargate only supports network mode 'awsvpc'.",
}

var networkModeNone = finding.Rule{
	ID: "network-mode-none", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "The containers have no network; on Fargate they would have one, with access to the outside.",
	Help:    finding.Advice{"Close it with a security group without rules."},
	Allow:   "the network mode becomes awsvpc.",
	Refusal: "Fargate only supports network mode 'awsvpc'.",
}

var networkMode = finding.Rule{
	ID: "network-mode", Usual: true, Topic: finding.Network, Severity: finding.Info, Action: finding.Set, Source: guideFargate,
	Summary: "Fargate has one network mode, awsvpc: the task has its own network interface and address.",
	Help:    finding.Advice{"Give the service subnets and security groups."},
	Refusal: "Fargate only supports network mode 'awsvpc'.",
}

var networkModeUnknown = finding.Rule{
	ID: "network-mode-unknown", Topic: finding.Network, Severity: finding.Warning, Action: finding.Set, Source: guideFargate,
	Summary: "The network mode is known only at deployment, and Fargate has only awsvpc.",
	Help:    finding.Advice{"Remove the parameter or condition if nothing else uses it, and give the service subnets and security groups."},
	Refusal: "Fargate only supports network mode 'awsvpc'.",
}

// network sets the only network mode of Fargate.
func (c *converter) network() {
	n := c.def.Get("networkMode")
	if c.fargate && c.unknown(n) || n.Str() == "awsvpc" {
		return
	}
	awsvpc := tree.NewString("awsvpc")
	if n.Opaque() {
		why := "the network mode is known only at deployment, and Fargate has only awsvpc"
		if slices.ContainsFunc(choices(n), func(v *tree.Node) bool { return v.Str() == "host" }) {
			c.mode = "host"
			why += "; it could be host: the instance's network is gone, and with it whatever else listened there on localhost"
		}
		c.set(networkModeUnknown, c.def, "networkMode", awsvpc, "%s", why)
		return
	}
	switch c.mode {
	case "host":
		if !c.supported(networkModeHost, n) {
			c.set(networkModeHost, c.def, "networkMode", awsvpc, "")
		}
	case "none":
		if c.Refuse(networkModeNone, n, "") {
			c.set(networkModeNone, c.def, "networkMode", awsvpc, "")
		}
	case "", "bridge", "default", "<default>":
		c.set(networkMode, c.def, "networkMode", awsvpc, "")
	default: // a placeholder of some other tool
		if n.Kind() == tree.String {
			c.set(networkModeUnknown, c.def, "networkMode", awsvpc, "%q is not a network mode of ECS, and Fargate has only awsvpc", c.mode)
		}
	}
}

// portRange is a range of ports that a container listens on, by protocol.
type portRange struct {
	first, last int64
	protocol    string
	container   *tree.Node
}

func (p portRange) String() string {
	if p.first == p.last {
		return fmt.Sprintf("%d/%s", p.first, p.protocol)
	}
	return fmt.Sprintf("%d-%d/%s", p.first, p.last, p.protocol)
}

func (p portRange) overlaps(o portRange) bool {
	return p.protocol == o.protocol && p.first <= o.last && o.first <= p.last
}

var portNameDuplicate = finding.Rule{
	ID: "port-name-duplicate", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: apiPort,
	Summary: "Two port mappings have the same name.",
	Help:    finding.Advice{"Rename one."},
}

// ports drops host ports, because a task has its own address, and finds containers
// that would listen on the same port of it.
func (c *converter) ports() {
	var taken []portRange
	names := map[string]bool{}
	c.collisions = nil
	for _, container := range c.containers {
		for _, mapping := range c.items(container.Get("portMappings")) {
			if mapping.Kind() != tree.Object {
				continue
			}
			p, ok := c.port(mapping)
			p.container = container
			if ok && !c.free(mapping, p, taken) {
				continue // dropped
			}
			if ok {
				taken = append(taken, p)
			}
			if name := mapping.Get("name"); name != nil {
				if id := name.Identity(); names[id] {
					c.Fail(portNameDuplicate, name, "another port mapping of this task is already named %q", id)
				} else {
					names[id] = true
				}
			}
		}
	}
	for _, collision := range c.collisions {
		c.refuseOrKeep(portCollision, collision.at, "containers %s have the same port %s; they share the task's network, so only the first can listen",
			quotedList(collision.names), collision.port)
	}
}

// collision is a port that several containers have.
type collision struct {
	port  string
	at    *tree.Node // the second mapping
	names []string   // of the containers
}

// collide adds a container to those that have a port.
func (c *converter) collide(mapping *tree.Node, p, first portRange) {
	port := first.String()
	i := slices.IndexFunc(c.collisions, func(k collision) bool { return k.port == port })
	if i < 0 {
		i = len(c.collisions)
		c.collisions = append(c.collisions, collision{port, mapping, []string{c.names[first.container]}})
	}
	c.collisions[i].names = append(c.collisions[i].names, c.names[p.container])
}

var portRangeConflict = finding.Rule{
	ID: "port-range-conflict", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: apiPort,
	Summary: "A port mapping has one port or a range, not both.",
	Help:    finding.Advice{"Remove containerPort and hostPort, or containerPortRange."},
}

var memberMissing = finding.Rule{
	ID: "member-missing", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "A parameter that ECS requires is missing.",
	Help:    finding.Advice{"Add it."},
}

var hostPortDynamic = finding.Rule{
	ID: "host-port-dynamic", Usual: true, Topic: finding.Network, Severity: finding.Info, Action: finding.Keep, Source: apiPort,
	Summary: "The instance chose a host port; on Fargate the container port is the task's port.",
	Help:    finding.Advice{"Use a target group of type ip on the container port."},
}

var protocolMended = finding.Rule{
	ID: "protocol-mended", Topic: finding.Network, Severity: finding.Warning, Action: finding.Rewrite, Source: apiPort,
	Summary: "The protocol of a port is tcp or udp; ECS makes tcp of others, and so is it written now.",
	Help:    finding.Advice{"Use appProtocol for the protocol above it, which is http, http2 or grpc."},
}

// protocol reads the protocol of a mapping, and mends one of an application.
func (c *converter) protocol(n *tree.Node) string {
	switch text := strings.ToLower(n.Identity()); {
	case n == nil || text == "":
		return "tcp"
	case n.Opaque() || n.Str() == "tcp" || n.Str() == "udp":
		return n.Identity()
	case text == "tcp" || text == "udp":
		c.rewrite(protocolMended, n, tree.NewString(text), "the protocol is written %s", text)
		return text
	case slices.Contains([]string{"http", "https", "http2", "grpc", "ws", "wss", "tls", "ssl"}, text):
		c.rewrite(protocolMended, n, tree.NewString("tcp"), "%s runs over tcp, which is the protocol of the port", n.Str())
		return "tcp"
	}
	c.Fail(valueInvalid, n, "invalid value %q: want one of tcp, udp", n.Str())
	return n.Identity()
}

// port reads a mapping and drops its host port.
func (c *converter) port(mapping *tree.Node) (p portRange, ok bool) {
	p.protocol = c.protocol(mapping.Get("protocol"))
	container, host, span := mapping.Get("containerPort"), mapping.Get("hostPort"), mapping.Get("containerPortRange")
	if span != nil && (container != nil || host != nil) {
		c.Fail(portRangeConflict, mapping, "")
		return p, false
	}
	if span != nil {
		return c.portSpan(p, span)
	}
	if container == nil {
		c.Fail(memberMissing, mapping, "containerPort is missing")
		return p, false
	}
	if host != nil {
		c.hostPort(container, host)
	} else if c.mode != "awsvpc" && c.mode != "host" && !c.fargate {
		c.Note(hostPortDynamic, mapping, "")
	}
	p.first = c.number(container)
	p.last = p.first
	return p, p.first > 0
}

// portSpan reads containerPortRange.
func (c *converter) portSpan(p portRange, span *tree.Node) (portRange, bool) {
	text := c.text(span)
	if text == "" {
		return p, false
	}
	first, last, _ := strings.Cut(text, "-")
	var err1, err2 error
	p.first, err1 = strconv.ParseInt(first, 10, 64)
	p.last, err2 = strconv.ParseInt(last, 10, 64)
	if err1 != nil || err2 != nil || p.first < 1 || p.last > 65535 || p.first >= p.last {
		c.Fail(valueInvalid, span, "invalid port range %q: want one such as 8000-8010", text)
		return p, false
	}
	return p, true
}

var hostPortRemoved = finding.Rule{
	ID: "host-port-removed", Usual: true, Topic: finding.Network, Severity: finding.Info, Action: finding.Drop, Source: apiPort,
	Summary: "Fargate has no host ports; the container port, with the same number, is the task's port.",
}

var hostPortChanged = finding.Rule{
	ID: "host-port-changed", Topic: finding.Network, Severity: finding.Warning, Action: finding.Drop, Source: apiPort,
	Summary: "The host port is dropped: load balancers, clients and security groups use the container port.",
	Help:    finding.Advice{"Use a target group of type ip on the container port."},
	Refusal: "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
}

func (c *converter) hostPort(container, host *tree.Node) {
	if container.Opaque() || host.Opaque() {
		if container.Identity() == host.Identity() {
			if !c.fargate {
				c.drop(hostPortRemoved, host, "")
			}
			return
		}
		c.drop(hostPortChanged, host, "Fargate has no host ports; this one, %s, is known only at deployment, and the container port is %s", host.Source(), container.Source())
		return
	}
	from, ok := host.Int()
	to, ok2 := container.Int()
	switch {
	case !ok || !ok2: // reported as of the wrong type
	case from == to && c.fargate: // ECS accepts it
	case from == to:
		c.drop(hostPortRemoved, host, "")
	case from == 0:
		c.drop(hostPortChanged, host, "the dynamic host port is dropped: load balancers, clients and security groups use container port %d", to)
	default:
		c.drop(hostPortChanged, host, "host port %d is dropped: load balancers, clients and security groups use container port %d", from, to)
	}
}

var portCollision = finding.Rule{
	ID: "port-collision", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: apiPort,
	Summary: "Two containers have the same port; they share the task's network, so only one can listen.",
	Help:    finding.Advice{"Make one listen on another port."},
	Allow:   allowKept,
}

var portMappingDuplicate = finding.Rule{
	ID: "port-mapping-duplicate", Topic: finding.Network, Severity: finding.Info, Action: finding.Drop, Source: apiPort,
	Summary: "Without its host port this mapping repeats another.",
}

var portOverlap = finding.Rule{
	ID: "port-overlap", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: apiPort,
	Summary: "Two port mappings of a container overlap.",
	Help:    finding.Advice{"Remove one."},
}

// free reports whether no other mapping has the port, and refuses one that overlaps
// another. It drops a mapping that repeats a port of its container, as two host
// ports for it did, and returns false.
func (c *converter) free(mapping *tree.Node, p portRange, taken []portRange) bool {
	collides := false
	for _, t := range taken {
		switch {
		case !p.overlaps(t):
		case t.container != p.container:
			if !collides {
				c.collide(mapping, p, t)
			}
			collides = true
		case t.first == p.first && t.last == p.last && mapping.Get("name") == nil && mapping.Get("containerPort") != nil:
			c.drop(portMappingDuplicate, mapping, "port %s of this container is already mapped", p)
			return false
		default:
			c.Fail(portOverlap, mapping, "port %s of this container is already mapped", p)
		}
	}
	return true
}
