package fargate

import (
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Source: Amazon ECS API Reference, RegisterTaskDefinition (family).
var familyMissing = finding.Rule{
	ID: "family-missing", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "The definition has no family.",
	Help:    finding.Advice{"Give it one, for a list of containers with --family."},
}

var familyInvalid = finding.Rule{
	ID: "family-invalid", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "The family name is invalid; want 1 to 255 letters, digits, _ and -.",
	Help:    finding.Advice{"Rename it."},
}

var familySuffix = finding.Rule{
	ID: "family-suffix", Severity: finding.Info, Action: finding.Set,
	Summary: "The Fargate version gets its own family, as requested.",
}

func (c *converter) family() {
	n := c.def.Get("family")
	if n == nil {
		if !c.template && !c.list { // CloudFormation generates one
			c.Fail(familyMissing, c.def, "")
		}
		return
	}
	name, ok := n.Text()
	if !ok || c.list {
		return
	}
	if !n.Opaque() && !taskdef.ECSName.MatchString(name) {
		c.Fail(familyInvalid, n, "invalid family name %q: want 1 to 255 letters, digits, _ and -", name)
		return
	}
	if s := c.FamilySuffix; s != "" && !strings.HasSuffix(name, s) {
		if !n.Opaque() && len(name)+len(s) > 255 {
			c.Fail(familyInvalid, n, "with %q the family name is longer than 255 characters", s)
			return
		}
		c.set(familySuffix, c.def, "family", tree.NewString(name+s), "")
	}
}

var ecsVerdict = finding.Rule{
	ID: "ecs-verdict", Usual: true, Severity: finding.Info, Action: finding.Keep, Source: "Amazon ECS API Reference, TaskDefinition (compatibilities)",
	Summary: "This definition records what ECS found it compatible with; Fargate was not required at that time.",
}

var compatibilities = finding.Rule{
	ID: "compatibilities", Usual: true, Severity: finding.Info, Action: finding.Set, Source: apiTask,
	Summary: "The definition must claim FARGATE, so that ECS checks it for Fargate.",
}

// compatibilities makes the definition claim FARGATE.
func (c *converter) compatibilities() {
	if verdict := c.def.Get("compatibilities"); verdict.Len() > 0 && !c.fargate {
		c.Note(ecsVerdict, verdict, "ECS found this definition compatible with %s", strings.Join(verdict.Strs(), ", "))
	}
	n := c.def.Get("requiresCompatibilities")
	if n.Opaque() {
		if !c.fargate {
			c.set(compatibilities, c.def, "requiresCompatibilities", tree.NewArray(tree.NewString(c.compatibility())),
				"the definition must claim "+c.compatibility()+", and what it claimed was known only at deployment").Severity = finding.Warning
		} else {
			c.unknown(n)
		}
		return
	}
	have := n.Strs()
	if c.fargate && !slices.Contains(have, "EXTERNAL") {
		return
	}
	want := []*tree.Node{tree.NewString(c.compatibility())}
	if c.KeepEC2 || c.fargate && slices.Contains(have, "EC2") {
		want = slices.Insert(want, 0, tree.NewString("EC2"))
	}
	why := "the definition must claim FARGATE, so that ECS checks it for Fargate"
	if c.Target == onManaged {
		why = "the definition must claim MANAGED_INSTANCES, so that ECS checks it for them"
	}
	if slices.Contains(have, "EXTERNAL") {
		why += "; EXTERNAL is dropped, because external instances have no network mode awsvpc"
	}
	c.set(compatibilities, c.def, "requiresCompatibilities", tree.NewArray(want...), "%s", why)
}

var pidModeHost = finding.Rule{
	ID: "pid-mode-host", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "The containers see the instance's processes; Fargate has no instance.",
	Help:    finding.Advice{"pidMode task shares the processes of the task."},
	Allow:   "pidMode is dropped: each container sees its own processes.",
	Refusal: "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.",
}

var ipcMode = finding.Rule{
	ID: "ipc-mode", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "The containers share memory segments and semaphores; on Fargate each container has its own.",
	Help:    finding.Advice{"Use a file on a shared volume, or a socket, instead."},
	Allow:   allowDropped,
	Refusal: "Fargate compatible task definitions do not support ipcMode",
}

var proxyConfiguration = finding.Rule{
	ID: "proxy-configuration", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: apiTask,
	Summary: "AWS ended App Mesh on 30 September 2026: ECS still accepts the proxy, but nothing configures it.",
	Help:    finding.Advice{"Remove it and its Envoy container, and use ECS Service Connect."},
}

var proxyInvalid = finding.Rule{
	ID: "proxy-invalid", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, ProxyConfiguration",
	Summary: "An App Mesh proxy lacks properties that ECS requires.",
	Help:    finding.Advice{"Add them, or remove proxyConfiguration: AWS ended App Mesh."},
}

// proxy checks what ECS requires of an App Mesh proxy.
func (c *converter) proxy(n *tree.Node) {
	c.Note(proxyConfiguration, n, "")
	if name := n.Get("containerName"); name != nil {
		c.known(name)
	}
	properties := n.Get("properties")
	if properties == nil {
		properties = n.Get("proxyConfigurationProperties")
	}
	if kind := n.Get("type"); c.unknown(n) || c.unknown(properties) || kind != nil && kind.Identity() != "APPMESH" {
		return
	}
	have := map[string]bool{}
	for _, p := range properties.Elements() {
		if p.Opaque() {
			return
		}
		have[p.Get("name").Str()] = p.Get("value") != nil
	}
	var missing []string
	for _, name := range []string{"AppPorts", "ProxyIngressPort", "ProxyEgressPort"} {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	if !have["IgnoredUID"] && !have["IgnoredGID"] {
		missing = append(missing, "IgnoredUID or IgnoredGID")
	}
	if len(missing) > 0 {
		c.Fail(proxyInvalid, n, "the App Mesh proxy lacks the properties %s", strings.Join(missing, ", "))
	}
}

var inferenceAccelerators = finding.Rule{
	ID: "inference-accelerators", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "Elastic Inference is retired; nothing accepts inferenceAccelerators any more.",
	Help:    finding.Advice{"Run inference on the CPU, or on GPU instances."},
	Allow:   allowDropped,
	Refusal: "Unsupported field 'inferenceAccelerators'",
}

// namespaces handles what the task shares with the instance, and the rest of the
// task level.
func (c *converter) namespaces() {
	if n := c.def.Get("pidMode"); n != nil {
		switch mode := c.text(n); {
		case mode == "host":
			c.refuseOrDrop(pidModeHost, n, "")
		case mode == "task" && c.windows:
			c.drop(windowsMemberDropped, n, "Windows containers do not support pidMode")
		}
	}
	if n := c.def.Get("ipcMode"); n != nil {
		switch mode := c.text(n); mode {
		case "host", "task":
			c.refuseOrDrop(ipcMode, n, "ipcMode %q shares memory segments and semaphores; on Fargate each container has its own", mode)
		case "none", "private":
			c.drop(sameMeaningDropped, n, "ipcMode %q is what Fargate does, but it does not accept the parameter", mode)
		}
	}
	if n := c.def.Get("proxyConfiguration"); n != nil {
		c.proxy(n)
	}
	if n := c.def.Get("inferenceAccelerators"); n.Len() > 0 && !c.unknown(n) {
		c.refuseOrDrop(inferenceAccelerators, n, "")
	}
}
