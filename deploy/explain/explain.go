// Package explain tells in words what a network mode of Amazon ECS means, and what
// moving a task definition to Fargate changes in its network.
package explain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// NetworkMode explains a network mode.
type NetworkMode struct {
	Name    string   `json:"mode"`
	Summary string   `json:"summary"`
	Topics  []Aspect `json:"topics"`
}

// Aspect is what a network mode means for one topic.
type Aspect struct {
	Name string `json:"topic"`
	Text string `json:"text"`
}

// NetworkModes returns the modes that a task definition can name, from none to that
// of Fargate. Each has the same topics in the same order.
//
// Source: Amazon ECS Developer Guide, "Amazon ECS task networking options for
// EC2" and "for Fargate"; Amazon ECS Best Practices Guide, "Choosing a network
// mode"; Docker documentation, "Networking overview".
func NetworkModes() []NetworkMode { return slices.Clone(networkModes) }

var networkModes = []NetworkMode{
	{"none", "The containers have no network but their own loopback.", []Aspect{
		{"ports", "None: portMappings are not allowed, and nothing outside can connect."},
		{"addresses", "None but 127.0.0.1, which is different in each container."},
		{"isolation", "Complete. Containers can share only volumes. Logs still leave, because the log driver runs outside the containers."},
		{"performance", "Not affected: there is no network."},
		{"security groups", "None for the task; those of the instance apply only to the instance."},
		{"Fargate", "Not available. With awsvpc the containers get a network with access to the outside, which changes what the task can do; so convert refuses it unless network-mode-none is allowed. A security group without rules closes that network again, but also to images, secrets and logs unless it allows VPC endpoints."},
	}},
	{"bridge", "Docker's own network on the instance, and the default on Linux: containers are behind a bridge and reach the outside through the instance's address.", []Aspect{
		{"ports", "A port of the container is mapped to a port of the instance: a fixed one (hostPort 80), which an instance has only once, or one that Docker chooses (hostPort 0), mostly from 32768 to 60999. Two tasks with the same fixed port need two instances."},
		{"addresses", "Containers have addresses on the bridge, such as 172.17.0.2, which cannot be reached from outside the instance. Clients and target groups (of type instance) use the instance's address and the host port; outgoing connections come from the instance's address."},
		{"isolation", "Each container has its own network; localhost is the container. Containers of a task find each other through links or host ports. All can reach the instance at 172.17.0.1, with whatever listens there, and the instance metadata with the instance's role."},
		{"performance", "Each packet passes the bridge and address translation, and without iptables Docker's proxy: a little latency and CPU. Tasks start fast and use no network interface."},
		{"security groups", "Those of the instance, for all of its tasks. With dynamic ports they must admit the load balancer on the whole ephemeral range."},
		{"Fargate", "Becomes awsvpc: host ports are dropped and the container port is the task's port; links are dropped and linked containers are at 127.0.0.1; two containers that listen on the same port collide; what was at 172.17.0.1 (statsd, an X-Ray daemon) is gone and must become a container of the task. Target groups must be of type ip."},
	}},
	{"host", "The containers use the instance's network directly, with nothing in between.", []Aspect{
		{"ports", "A container listens on the instance's ports directly, hostPort equals containerPort, and portMappings only inform load balancers. Each port can be used once on an instance, so only one task of a kind fits on it."},
		{"addresses", "Those of all the instance's interfaces."},
		{"isolation", "None in the network: containers see the instance's interfaces, reach whatever listens on its localhost and the instance metadata with the instance's role, and can take any free port. AWS advises against running such containers as root."},
		{"performance", "That of the instance: no bridge, no translation. All tasks share the network card."},
		{"security groups", "Those of the instance, for all of its tasks."},
		{"Fargate", "Becomes awsvpc: localhost is the task, no longer the instance, so agents that were reached there must become containers of the task; load balancers and service discovery need all ports in portMappings; interface names differ (eth0, or eth1 with platform version 1.4.0). Host networking that reads other traffic (NET_ADMIN, sniffing, DHCP) cannot move."},
	}},
	{"awsvpc", "Each task has an elastic network interface in your VPC with its own address. The only mode of Fargate.", []Aspect{
		{"ports", "The container port is the task's port; there are no host ports, and any number of tasks can use the same port. The containers of a task share its ports, so two of them cannot listen on the same one."},
		{"addresses", "Each task has a private address from a subnet that you choose; clients, DNS and target groups (of type ip) use it. Public addresses exist only on Fargate (assignPublicIp); otherwise traffic leaves through a NAT gateway or VPC endpoints. The next limit is the number of free addresses in the subnets."},
		{"isolation", "The task has its own network, which its containers share: each reaches the others at 127.0.0.1. Links, hostname, extraHosts and dnsServers are not accepted. Fargate has no instance, so neither instance metadata nor an instance role: containers have only the task role."},
		{"performance", "Close to that of the interface: no bridge, no translation. A start takes some seconds longer, until the interface is attached. On EC2 the number of interfaces limits the tasks on an instance; sumoship fargate eni shows how many fit, with and without trunking. Fargate has no such limit."},
		{"security groups", "Up to five for the task itself, so that each service admits only what it needs: the load balancer on the container port; databases and EFS admit the task with rules that name its group. Flow logs show tasks separately."},
		{"Fargate", "The network mode stays. A host port may only repeat the container port. Tasks on EC2 had no public address; on Fargate the service decides. Subnets need a route to ECR, CloudWatch Logs and the secrets: NAT or VPC endpoints."},
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
	Mode     string            `json:"mode"`    // before the move
	Default  bool              `json:"default"` // the definition does not give Mode
	Ports    []PortMove        `json:"ports"`
	Findings []finding.Finding `json:"findings"` // about the network
	Others   int               `json:"otherFindings"`
}

// PortMove is a port of a container, before and after.
type PortMove struct {
	Container string `json:"container"`
	Before    string `json:"before"` // where clients reach it now
	After     string `json:"after"`  // on Fargate
}

// NewMove returns what the move to Fargate changes in the network of d, which it does
// not edit.
//
// Errors: *[finding.OptionError].
func NewMove(d *taskdef.Document, o fargate.Options) (*Move, error) {
	findings, err := fargate.Preview(d, o)
	if err != nil {
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
	for _, f := range findings {
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
