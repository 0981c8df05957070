package deploy

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// Source: Amazon ECS API Reference, RegisterTaskDefinition (family).
var familyName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func (c *converter) family() {
	n := c.def.Get("family")
	if n == nil {
		if !c.template && !c.list { // CloudFormation makes a name
			c.fail("family-missing", c.def, "")
		}
		return
	}
	name, ok := n.Text()
	if !ok || c.list {
		return
	}
	if !n.Opaque() && !familyName.MatchString(name) {
		c.fail("family-invalid", n, "%q is no name of a family: 1 to 255 letters, digits, _ and -", name)
		return
	}
	if s := c.FamilySuffix; s != "" && !strings.HasSuffix(name, s) {
		if !n.Opaque() && len(name)+len(s) > 255 {
			c.fail("family-invalid", n, "with %q the name of the family is longer than 255", s)
			return
		}
		c.set("family-suffix", c.def, "family", tree.NewString(name+s), "")
	}
}

// compatibilities makes the definition claim Fargate.
func (c *converter) compatibilities() {
	if verdict := c.def.Get("compatibilities"); verdict.Len() > 0 && !c.fargate {
		c.note("ecs-verdict", verdict, "ECS has found this definition compatible with %s", strings.Join(texts(verdict), ", "))
	}
	n := c.def.Get("requiresCompatibilities")
	if c.unknown(n) {
		return
	}
	have := texts(n)
	if c.fargate && !slices.Contains(have, "EXTERNAL") {
		return
	}
	want := []*tree.Node{tree.NewString("FARGATE")}
	if c.KeepEC2 || c.fargate && slices.Contains(have, "EC2") {
		want = slices.Insert(want, 0, tree.NewString("EC2"))
	}
	why := "the definition has to claim FARGATE, so that ECS checks it for that"
	if slices.Contains(have, "EXTERNAL") {
		why += "; EXTERNAL goes, for external instances have no network mode awsvpc"
	}
	c.set("compatibilities", c.def, "requiresCompatibilities", tree.NewArray(want...), "%s", why)
}

func texts(array *tree.Node) (all []string) {
	for _, n := range array.Elements() {
		if s, ok := n.Text(); ok {
			all = append(all, s)
		}
	}
	return all
}

// namespaces looks after what the task shares with the instance, and after the
// rest of the task level.
func (c *converter) namespaces() {
	if n := c.def.Get("pidMode"); n != nil {
		switch mode := c.text(n); {
		case mode == "host":
			c.refuseOrDrop("pid-mode-host", n, "")
		case mode == "task" && c.windows:
			c.drop("windows-member-dropped", n, "Windows containers have no pidMode")
		}
	}
	if n := c.def.Get("ipcMode"); n != nil {
		switch mode := c.text(n); mode {
		case "host", "task":
			c.refuseOrDrop("ipc-mode", n, "ipcMode %q shares memory segments and semaphores; on Fargate each container has its own", mode)
		case "none", "private":
			c.drop("same-meaning-dropped", n, "ipcMode %q is what Fargate does, and the member is not taken", mode)
		}
	}
	if n := c.def.Get("proxyConfiguration"); n != nil {
		c.note("proxy-configuration", n, "")
	}
	if n := c.def.Get("inferenceAccelerators"); n.Len() > 0 && !c.unknown(n) {
		c.refuseOrDrop("inference-accelerators", n, "")
	}
}
