package deploy

import (
	"fmt"
	"strconv"
	"strings"

	"sumoship/deploy/tree"
)

// network gives the task the only network mode of Fargate.
func (c *converter) network() {
	n := c.def.Get("networkMode")
	if c.unknown(n) || c.mode == "awsvpc" {
		return
	}
	switch c.mode {
	case "host":
		c.set("network-mode-host", c.def, "networkMode", tree.NewString("awsvpc"), "")
	case "none":
		if c.refuse("network-mode-none", n, "") {
			c.set("network-mode-none", c.def, "networkMode", tree.NewString("awsvpc"), "")
		}
	case "", "bridge", "default", "<default>":
		c.set("network-mode", c.def, "networkMode", tree.NewString("awsvpc"), "")
	} // what else it may be is an invalid value
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

// ports takes host ports away, for a task has an address of its own, and looks
// for containers that would listen on the same port of it.
func (c *converter) ports() {
	var taken []portRange
	names := map[string]bool{}
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
					c.fail("port-name-duplicate", name, "%q names another port mapping of this task already", id)
				} else {
					names[id] = true
				}
			}
		}
	}
}

// port reads a mapping, and takes its host port away.
func (c *converter) port(mapping *tree.Node) (p portRange, ok bool) {
	p.protocol = "tcp"
	if n := mapping.Get("protocol"); n != nil {
		p.protocol = n.Identity()
	}
	container, host, span := mapping.Get("containerPort"), mapping.Get("hostPort"), mapping.Get("containerPortRange")
	if span != nil && (container != nil || host != nil) {
		c.fail("port-range-conflict", mapping, "")
		return p, false
	}
	if span != nil {
		text := c.text(span)
		if text == "" {
			return p, false
		}
		first, last, _ := strings.Cut(text, "-")
		var err1, err2 error
		p.first, err1 = strconv.ParseInt(first, 10, 64)
		p.last, err2 = strconv.ParseInt(last, 10, 64)
		if err1 != nil || err2 != nil || p.first < 1 || p.last > 65535 || p.first >= p.last {
			c.fail("value-invalid", span, "%q is no range of ports, such as 8000-8010", text)
			return p, false
		}
		return p, true
	}
	if container == nil {
		c.fail("member-missing", mapping, "containerPort is missing here")
		return p, false
	}
	if host != nil {
		c.hostPort(container, host)
	} else if c.mode != "awsvpc" && c.mode != "host" && !c.fargate {
		c.note("host-port-dynamic", mapping, "")
	}
	p.first = c.number(container)
	p.last = p.first
	return p, p.first > 0
}

func (c *converter) hostPort(container, host *tree.Node) {
	if container.Opaque() || host.Opaque() {
		if container.Identity() == host.Identity() {
			if !c.fargate {
				c.drop("host-port-removed", host, "")
			}
			return
		}
		c.drop("host-port-changed", host, "Fargate has no host ports; this one, %s, is known only when it is deployed, and the container port is %s", host.Source(), container.Source())
		return
	}
	from, ok := host.Int()
	to, ok2 := container.Int()
	switch {
	case !ok || !ok2: // reported as of a wrong type
	case from == to && c.fargate: // ECS takes it
	case from == to:
		c.drop("host-port-removed", host, "")
	case from == 0:
		c.drop("host-port-changed", host, "the dynamic host port goes: load balancers, clients and security groups use container port %d", to)
	default:
		c.drop("host-port-changed", host, "host port %d goes: load balancers, clients and security groups use container port %d", from, to)
	}
}

// free looks whether a port of the task is free still. It drops what maps the
// port of one container again, as two host ports for it did.
func (c *converter) free(mapping *tree.Node, p portRange, taken []portRange) bool {
	for _, t := range taken {
		switch {
		case !p.overlaps(t):
		case t.container != p.container:
			c.refuseOrKeep("port-collision", mapping, "containers %q and %q both have port %s; in one task they share the network, so the second cannot listen", c.names[t.container], c.names[p.container], p)
		case t.first == p.first && t.last == p.last && mapping.Get("name") == nil && mapping.Get("containerPort") != nil:
			c.drop("port-mapping-duplicate", mapping, "port %s of this container is mapped already", p)
			return false
		default:
			c.fail("port-overlap", mapping, "port %s of this container is mapped already", p)
		}
	}
	return true
}
