package deploy

import (
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// Source: Amazon ECS API Reference, RegisterTaskDefinition (family).
var familyMissing = Rule{ID: "family-missing", Severity: Error, Action: Refuse, Source: apiTask,
	Summary: "The definition has no family.", Help: Advice{"Give it one."}}

var familyInvalid = Rule{ID: "family-invalid", Severity: Error, Action: Refuse, Source: apiTask,
	Summary: "The name of the family is none: 1 to 255 letters, digits, _ and -.", Help: Advice{"Rename it."}}

var familySuffix = Rule{ID: "family-suffix", Severity: Info, Action: Set,
	Summary: "The Fargate version gets a family of its own, as asked for."}

func (c *converter) family() {
	n := c.def.Get("family")
	if n == nil {
		if !c.template && !c.list { // CloudFormation makes a name
			c.Fail(familyMissing, c.def, "")
		}
		return
	}
	name, ok := n.Text()
	if !ok || c.list {
		return
	}
	if !n.Opaque() && !ECSName.MatchString(name) {
		c.Fail(familyInvalid, n, "%q is no name of a family: 1 to 255 letters, digits, _ and -", name)
		return
	}
	if s := c.FamilySuffix; s != "" && !strings.HasSuffix(name, s) {
		if !n.Opaque() && len(name)+len(s) > 255 {
			c.Fail(familyInvalid, n, "with %q the name of the family is longer than 255", s)
			return
		}
		c.set(familySuffix, c.def, "family", tree.NewString(name+s), "")
	}
}

var ecsVerdict = Rule{ID: "ecs-verdict", Severity: Info, Action: Keep, Source: "Amazon ECS API Reference, TaskDefinition (compatibilities)",
	Summary: "ECS has said what this definition is compatible with, and Fargate is not among it or was not asked for."}

var compatibilities = Rule{ID: "compatibilities", Severity: Info, Action: Set, Source: apiTask,
	Summary: "The definition has to claim FARGATE, so that ECS checks it for that."}

// compatibilities makes the definition claim Fargate.
func (c *converter) compatibilities() {
	if verdict := c.def.Get("compatibilities"); verdict.Len() > 0 && !c.fargate {
		c.Note(ecsVerdict, verdict, "ECS has found this definition compatible with %s", strings.Join(verdict.Strs(), ", "))
	}
	n := c.def.Get("requiresCompatibilities")
	if c.unknown(n) {
		return
	}
	have := n.Strs()
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
	c.set(compatibilities, c.def, "requiresCompatibilities", tree.NewArray(want...), "%s", why)
}

var pidModeHost = Rule{ID: "pid-mode-host", Severity: Error, Action: Refuse, Source: apiTask,
	Summary: "The containers see the processes of the instance; on Fargate there is none.", Help: Advice{"pidMode task shares those of the task."},
	Allow: "pidMode is dropped: each container sees its own processes.", Refusal: "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."}

var ipcMode = Rule{ID: "ipc-mode", Severity: Error, Action: Refuse, Source: apiTask,
	Summary: "The containers share memory segments and semaphores; on Fargate each has its own.", Help: Advice{"Use a file on a shared volume, or a socket, between them."},
	Allow: allowDropped, Refusal: "Fargate compatible task definitions do not support ipcMode"}

var proxyConfiguration = Rule{ID: "proxy-configuration", Topic: Network, Severity: Warning, Action: Keep, Source: apiTask,
	Summary: "The proxy of App Mesh works on Fargate, but App Mesh was announced to end in September 2026.", Help: Advice{"Plan to move to ECS Service Connect."}}

var inferenceAccelerators = Rule{ID: "inference-accelerators", Severity: Error, Action: Refuse, Source: apiTask,
	Summary: "Elastic Inference is retired; nothing takes inferenceAccelerators any more.", Help: Advice{"Infer on the CPU, or on GPU instances."},
	Allow: allowDropped, Refusal: "Unsupported field 'inferenceAccelerators'"}

// namespaces looks after what the task shares with the instance, and after the
// rest of the task level.
func (c *converter) namespaces() {
	if n := c.def.Get("pidMode"); n != nil {
		switch mode := c.text(n); {
		case mode == "host":
			c.refuseOrDrop(pidModeHost, n, "")
		case mode == "task" && c.windows:
			c.drop(windowsMemberDropped, n, "Windows containers have no pidMode")
		}
	}
	if n := c.def.Get("ipcMode"); n != nil {
		switch mode := c.text(n); mode {
		case "host", "task":
			c.refuseOrDrop(ipcMode, n, "ipcMode %q shares memory segments and semaphores; on Fargate each container has its own", mode)
		case "none", "private":
			c.drop(sameMeaningDropped, n, "ipcMode %q is what Fargate does, and the member is not taken", mode)
		}
	}
	if n := c.def.Get("proxyConfiguration"); n != nil {
		c.Note(proxyConfiguration, n, "")
	}
	if n := c.def.Get("inferenceAccelerators"); n.Len() > 0 && !c.unknown(n) {
		c.refuseOrDrop(inferenceAccelerators, n, "")
	}
}
