package fargate

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// NetworkMode tells what a network mode means.
type NetworkMode struct {
	Name    string   `json:"mode"`
	Summary string   `json:"summary"`
	Topics  []Aspect `json:"topics"`
}

// Aspect is one side of a network mode.
type Aspect struct {
	Name string `json:"topic"`
	Text string `json:"text"`
}

// NetworkModes returns the modes that a task definition can name, from the least
// network to the one of Fargate. Each has the same topics in the same order.
//
// Source: Amazon ECS Developer Guide, "Amazon ECS task networking options for
// EC2" and "for Fargate"; Amazon ECS Best Practices Guide, "Choosing a network
// mode"; Docker documentation, "Networking overview".
func NetworkModes() []NetworkMode { return slices.Clone(networkModes) }

var networkModes = []NetworkMode{
	{"none", "The containers have no network but their own loopback.", []Aspect{
		{"ports", "None: portMappings are not allowed, and nothing outside can connect."},
		{"addresses", "None but 127.0.0.1, and that is another one in each container."},
		{"isolation", "Complete. Containers can share volumes only. Logs still leave, for the log driver runs outside of them."},
		{"performance", "There is no network to be slow."},
		{"security groups", "They do not matter to the task; those of the instance are about the instance."},
		{"Fargate", "Does not have it. In awsvpc the containers get a network with a way out, which changes what the task can do; so convert refuses it unless network-mode-none is allowed. A security group without rules closes it again, but closes it to images, secrets and logs too unless VPC endpoints are open."},
	}},
	{"bridge", "Docker's own network on the instance, and the default on Linux: containers stand behind a bridge and reach the world by the instance's address.", []Aspect{
		{"ports", "A port of the container is mapped to a port of the instance: a fixed one (hostPort 80), of which an instance has only one, or one that Docker chooses (hostPort 0), mostly 32768 to 60999. Two tasks with the same fixed port need two instances."},
		{"addresses", "Containers have addresses of the bridge, such as 172.17.0.2, which nobody outside of the instance can reach. Clients and target groups (of type instance) use the instance's address and the host port; outgoing connections come from the instance's address."},
		{"isolation", "Each container has a network of its own; localhost is the container. Containers of a task find each other by links or by host ports. All can reach the instance at 172.17.0.1, with whatever listens there, and its metadata with its role."},
		{"performance", "Each packet passes the bridge and address translation, and without iptables a proxy of Docker's: a little latency and CPU. Starts are fast and no network interface is used up."},
		{"security groups", "Those of the instance, for all of its tasks. With dynamic ports they have to let the load balancer in on the whole ephemeral range."},
		{"Fargate", "Becomes awsvpc: host ports go and the container port is the port of the task; links go and linked containers are at 127.0.0.1; two containers that listen on the same port collide; what was at 172.17.0.1 (a statsd, an X-Ray daemon) is gone and becomes a container of the task. Target groups have to be of type ip."},
	}},
	{"host", "The containers use the network of the instance as it is, without anything between.", []Aspect{
		{"ports", "A container listens on the instance's ports directly, hostPort equals containerPort, and portMappings are no more than a remark for load balancers. A port can be taken once on an instance, so one task of a kind fits on it."},
		{"addresses", "Those of the instance, all of its interfaces."},
		{"isolation", "None in the network: containers see the instance's interfaces, reach all that listens on its localhost and its metadata with its role, and can take any free port. AWS advises against root in such containers."},
		{"performance", "That of the instance: no bridge, no translation. The network card is shared by all of its tasks."},
		{"security groups", "Those of the instance, for all of its tasks."},
		{"Fargate", "Becomes awsvpc: localhost is the task and no more the instance, so agents that were reached there become containers of the task; ports that were not in portMappings have to be, for load balancers and service discovery; names of interfaces differ (eth0, or eth1 with platform version 1.4.0). Host networking that reads other traffic (NET_ADMIN, sniffing, DHCP) cannot move."},
	}},
	{"awsvpc", "Each task has an elastic network interface in your VPC with an address of its own. The only mode of Fargate.", []Aspect{
		{"ports", "The container port is the port of the task; there are no host ports, and any number of tasks can use the same one. All containers of a task share its ports, so two of them cannot listen on the same."},
		{"addresses", "A private address from a subnet that you choose, for each task; clients, DNS and target groups (of type ip) use it. A public address only on Fargate (assignPublicIp), otherwise a NAT gateway or VPC endpoints lead out. The next limit is the free addresses of the subnets."},
		{"isolation", "The task is alone in its network, its containers share it: each finds the others at 127.0.0.1. Links, hostname, extraHosts and dnsServers are not taken. On Fargate there is no instance, so no metadata of one and no role of it: the task role is all that containers have."},
		{"performance", "Close to that of the interface: no bridge, no translation. A start takes some seconds longer, for the interface to be attached. On EC2 the number of interfaces limits the tasks on an instance; sumoship fargate eni tells how many, without and with trunking. On Fargate no instance does."},
		{"security groups", "Up to five of the task's own, so that each service lets in whom it needs: the load balancer on the container port, and out to databases and EFS by rules that name the group. Flow logs tell tasks apart."},
		{"Fargate", "Nothing changes in the network mode. A host port may only repeat the container port. Tasks on EC2 had no public address; on Fargate the service says so. Subnets need a way to ECR, CloudWatch Logs, and where secrets are: NAT or VPC endpoints."},
	}},
}

// Text writes the mode for people.
func (m NetworkMode) Text(w io.Writer, style finding.Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", style.Heading(m.Name), style.Paragraph(m.Summary, ""))
	for _, t := range m.Topics {
		fmt.Fprintf(&b, "\n%s\n%s\n", style.Heading(t.Name), style.Paragraph(t.Text, "  "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Move is what the move to Fargate changes in the network of a definition.
type Move struct {
	Mode     string            `json:"mode"`    // as the definition runs today
	Default  bool              `json:"default"` // nothing in the definition says so
	Ports    []PortMove        `json:"ports"`
	Findings []finding.Finding `json:"findings"` // about the network
	Others   int               `json:"otherFindings"`
}

// PortMove is a port of a container, before and after.
type PortMove struct {
	Container string `json:"container"`
	Before    string `json:"before"` // where clients reach it today
	After     string `json:"after"`  // on Fargate
}

// NewMove tells what the move changes. It edits nothing.
//
// Errors: *finding.OptionError.
func NewMove(d *taskdef.Document, o Options) (*Move, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	def := d.Definition()
	m := &Move{Mode: def.Get("networkMode").Identity(), Ports: []PortMove{}, Findings: []finding.Finding{}}
	switch m.Mode {
	case "", "default", "<default>":
		m.Mode, m.Default = "bridge", true
	}
	for _, container := range def.Get("containerDefinitions").Elements() {
		for _, mapping := range container.Get("portMappings").Elements() {
			if p, ok := m.port(container, mapping); ok {
				m.Ports = append(m.Ports, p)
			}
		}
	}
	for _, f := range convert(def.Clone(), d.Shape(), o) {
		if f.Topic == finding.Network {
			m.Findings = append(m.Findings, f)
		} else {
			m.Others++
		}
	}
	return m, nil
}

func (m *Move) port(container, mapping *tree.Node) (p PortMove, ok bool) {
	port, host := mapping.Get("containerPort"), mapping.Get("hostPort")
	if span := mapping.Get("containerPortRange"); span != nil {
		port, host = span, nil
	}
	if port == nil {
		return p, false
	}
	protocol := cmp.Or(mapping.Get("protocol").Identity(), "tcp")
	show := func(n *tree.Node) string { return cmp.Or(n.Identity(), n.Source()) + "/" + protocol }
	p = PortMove{Container: container.Get("name").Identity(), After: "task address, port " + show(port)}
	switch i, known := host.Int(); {
	case m.Mode == "awsvpc":
		p.Before = p.After
	case m.Mode == "host":
		p.Before = "instance address, port " + show(port)
	case host == nil || known && i == 0:
		p.Before = "instance address, a port that Docker chooses for " + show(port)
	default:
		p.Before = "instance address, port " + show(host)
	}
	return p, true
}
