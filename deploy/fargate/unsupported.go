package fargate

import (
	"cmp"
	"strings"
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

var interactiveConsole = finding.Rule{
	ID: "interactive-console", Severity: finding.Info, Action: finding.Keep, Source: guideFargate,
	Summary: "Fargate has no equivalent of docker attach.",
	Help:    finding.Advice{"Use ECS Exec."},
}

func (c *converter) console(container *tree.Node) {
	for _, member := range []string{"interactive", "pseudoTerminal"} {
		if n := container.Get(member); n != nil && c.flag(n) {
			c.Note(interactiveConsole, n, "")
		}
	}
}

var windowsMemberDropped = finding.Rule{
	ID: "windows-member-dropped", Severity: finding.Warning, Action: finding.Drop, Source: guideWindows,
	Summary: "Windows containers on Fargate do not support this parameter.",
	Refusal: "Windows containers on Fargate do not support this parameter",
}

var privileged = finding.Rule{
	ID: "privileged", Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "Fargate has no privileged containers.",
	Help:    finding.Advice{"Find out what needs it: most containers no longer do."},
	Allow:   allowDropped,
	Refusal: "Fargate requires that the 'privileged' setting be 'false'.",
}

var hostnameDropped = finding.Rule{
	ID: "hostname-dropped", Topic: finding.Network, Severity: finding.Warning, Action: finding.Drop, Source: apiContainer,
	Summary: "With awsvpc a container's hostname comes from its address in the VPC and cannot be set.",
	Help:    finding.Advice{"Check that nothing depends on the name."},
	Refusal: "hostname is not supported on container when networkMode=awsvpc.",
}

var networkingDisabled = finding.Rule{
	ID: "networking-disabled", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "The container has no network; on Fargate it would have the task's.",
	Help:    finding.Advice{"Move it to its own task, with a security group without rules."},
	Allow:   allowDropped,
	Refusal: "Disable Networking is not supported on container when networkMode=awsvpc",
}

var sameMeaningDropped = finding.Rule{
	ID: "same-meaning-dropped", Usual: true, Severity: finding.Info, Action: finding.Drop, Source: guideFargate,
	Summary: "A parameter that Fargate does not accept asks for what Fargate does anyway.",
	Refusal: "Fargate compatible task definitions do not have this parameter",
}

var emptyDropped = finding.Rule{
	ID: "empty-dropped", Usual: true, Severity: finding.Info, Action: finding.Drop, Source: guideFargate,
	Summary: "An empty list or a default asks for nothing, and Fargate does not have the parameter.",
}

// dropEmpty drops what asks for nothing. A definition that claims FARGATE keeps it,
// because ECS accepts it there.
func (c *converter) dropEmpty(n *tree.Node, why string, args ...any) {
	if !c.fargate {
		c.drop(emptyDropped, n, why, args...)
	}
}

// empty reports whether n is a list or an object without elements, and drops it.
func (c *converter) empty(n *tree.Node) bool {
	if n == nil || n.Len() > 0 || n.Kind() < tree.Array || n.Chosen() {
		return n == nil
	}
	c.dropEmpty(n, "an empty %s asks for nothing, and Fargate does not have the parameter", n.Name())
	return true
}

var dnsSettings = finding.Rule{
	ID: "dns-settings", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "Fargate does not accept DNS settings: the task resolves names as its VPC does.",
	Help:    finding.Advice{"Use the VPC's DHCP options, or Route 53 Resolver rules."},
	Allow:   allowDropped,
	Refusal: "DNS servers are not supported on container when networkMode=awsvpc",
}

var credentialSpecJoined = finding.Rule{
	ID: "credential-spec-joined", Severity: finding.Error, Action: finding.Refuse, Source: guideGMSA,
	Summary: "This credential spec needs an instance that has joined the domain.",
	Help:    finding.Advice{"Use credentialSpecs with credentialspecdomainless: and a secret."},
	Allow:   allowDropped,
	Refusal: "Fargate tasks take domainless credential specs only",
}

var dockerSecurityOptions = finding.Rule{
	ID: "docker-security-options", Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "Fargate does not accept dockerSecurityOptions; without them the container is less isolated from the others of its task, or may gain privileges.",
	Help:    finding.Advice{"Each task has its own virtual machine; drop privileges in the image."},
	Allow:   allowDropped,
	Refusal: "Fargate compatible task definitions do not support dockerSecurityOptions",
}

var credentialSpecWindows = finding.Rule{
	ID: "credential-spec-windows", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "Windows containers on Fargate cannot use gMSA.",
	Help:    finding.Advice{"Stay on EC2, or authenticate in another way."},
	Allow:   allowDropped,
	Refusal: "Windows containers on Fargate do not support gMSA",
}

var resourceRequirements = finding.Rule{
	ID: "resource-requirements", Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "Fargate has no GPUs or other accelerators.",
	Help:    finding.Advice{"Use ECS Managed Instances, or stay on EC2."},
	Allow:   allowDropped,
	Refusal: "Tasks using the Fargate launch type do not support GPU resource requirements",
}

// refused refuses or drops the parameters that Fargate does not have.
func (c *converter) refused(container *tree.Node) {
	if n := container.Get("privileged"); n != nil && c.flag(n) {
		c.refuseOrDrop(privileged, n, "")
	}
	if n := container.Get("hostname"); n != nil && n.Identity() != "" {
		c.drop(hostnameDropped, n, "")
	}
	if n := container.Get("disableNetworking"); n != nil && !c.unknown(n) {
		if c.flag(n) {
			c.refuseOrDrop(networkingDisabled, n, "")
		} else {
			c.dropEmpty(n, "disableNetworking false is what Fargate does anyway")
		}
	}
	for _, member := range []string{"dnsServers", "dnsSearchDomains"} {
		if n := container.Get(member); !c.empty(n) && n.Len() > 0 {
			c.refuseOrDrop(dnsSettings, n, "Fargate does not accept %s: the task resolves names as its VPC does", member)
		}
	}
	c.empty(container.Get("dockerSecurityOptions"))
	for _, n := range c.items(container.Get("dockerSecurityOptions")) {
		if strings.HasPrefix(c.text(n), "credentialspec:") {
			c.refuseOrDrop(credentialSpecJoined, n, "")
		} else {
			c.refuseOrDrop(dockerSecurityOptions, n, "")
		}
	}
	c.credentialSpecs(container.Get("credentialSpecs"))
	for _, n := range c.items(container.Get("resourceRequirements")) {
		c.refuseOrDrop(resourceRequirements, n, "Fargate has no %s", cmp.Or(c.text(n.Get("type")), "such device"))
	}
	if c.windows {
		c.notOnWindows(container)
	}
}

// credentialSpecs refuses those that need a domain member, and more than one.
func (c *converter) credentialSpecs(specs *tree.Node) {
	var domainless int
	for _, n := range c.items(specs) {
		switch {
		case c.windows:
			c.refuseOrDrop(credentialSpecWindows, n, "")
		case strings.HasPrefix(c.text(n), "credentialspecdomainless:"):
			domainless++
		default:
			c.refuseOrDrop(credentialSpecJoined, n, "")
		}
	}
	if domainless > 1 {
		c.Fail(valueOutOfRange, specs, "%d credential specs are out of range: want at most 1", domainless)
	}
}

// notOnWindows drops what Windows containers on Fargate do not support.
func (c *converter) notOnWindows(container *tree.Node) {
	for _, member := range []string{"user", "readonlyRootFilesystem", "linuxParameters", "ulimits", "systemControls"} {
		if n := container.Get(member); n != nil && (n.Len() > 0 || n.Kind() < tree.Array) {
			c.drop(windowsMemberDropped, n, "Windows containers on Fargate do not support %s", member)
		}
	}
}
