package fargate

import (
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// granted are the capabilities that a container has by default.
// Source: Docker Engine reference, "Runtime privilege and Linux capabilities".
var granted = map[string]bool{
	"AUDIT_WRITE": true, "CHOWN": true, "DAC_OVERRIDE": true, "FOWNER": true, "FSETID": true,
	"KILL": true, "MKNOD": true, "NET_BIND_SERVICE": true, "NET_RAW": true, "SETFCAP": true,
	"SETGID": true, "SETPCAP": true, "SETUID": true, "SYS_CHROOT": true,
}

var devices = finding.Rule{
	ID: "devices", Severity: finding.Error, Action: finding.Refuse, Source: apiLinux,
	Summary: "Fargate has no instance whose devices a container could use.",
	Help:    finding.Advice{"Stay on EC2."},
	Allow:   allowDropped,
	Refusal: "Fargate compatible task definitions do not support devices",
}

// linux handles what a container requires of the kernel.
func (c *converter) linux(container *tree.Node) {
	if c.windows {
		return // dropped
	}
	parameters := container.Get("linuxParameters")
	if parameters != nil && !c.unknown(parameters) {
		c.capabilities(parameters.Get("capabilities").Get("add"))
		if n := parameters.Get("devices"); !c.empty(n) && n.Len() > 0 && !c.unknown(n) {
			c.refuseOrDrop(devices, n, "")
		}
		c.sharedMemory(parameters)
		c.swap(parameters)
	}
	c.ulimits(container)
}

var capabilityGranted = finding.Rule{
	ID: "capability-granted", Severity: finding.Info, Action: finding.Drop, Source: apiLinux,
	Summary: "A container on Fargate has this capability by default, and must not add it.",
	Refusal: "only SYS_PTRACE may be added on Fargate",
}

var capability = finding.Rule{
	ID: "capability", Severity: finding.Error, Action: finding.Refuse, Source: apiLinux,
	Summary: "Fargate adds no capability except SYS_PTRACE.",
	Help:    finding.Advice{"Check whether the container works without it, or stay on EC2."},
	Allow:   allowDropped,
	Refusal: "only SYS_PTRACE may be added on Fargate",
}

func (c *converter) capabilities(add *tree.Node) {
	for _, n := range c.items(add) {
		switch name := strings.TrimPrefix(strings.ToUpper(c.text(n)), "CAP_"); {
		case name == "SYS_PTRACE":
		case granted[name]:
			c.drop(capabilityGranted, n, "a container on Fargate has %s by default, and must not add it", name)
		default:
			c.refuseOrDrop(capability, n, "Fargate does not let a container add %s", name)
		}
	}
}

var sharedMemoryTmpfs = finding.Rule{
	ID: "shared-memory-tmpfs", Severity: finding.Warning, Action: finding.Rewrite, Source: apiLinux,
	Summary: "A tmpfs at /dev/shm replaces sharedMemorySize, as requested; its content counts towards the container's memory.",
	Help:    finding.Advice{"Test it: AWS does not document this."},
	Refusal: "Fargate compatible task definitions do not support sharedMemorySize",
}

var sharedMemory = finding.Rule{
	ID: "shared-memory", Severity: finding.Error, Action: finding.Refuse, Source: apiLinux,
	Summary: "On Fargate the size of /dev/shm cannot be set; Docker's default is 64 MiB.",
	Help:    finding.Advice{"--shm tmpfs mounts a tmpfs of that size there instead; test whether that works for you."},
	Allow:   allowDropped,
	Refusal: "Fargate compatible task definitions do not support sharedMemorySize",
}

func (c *converter) sharedMemory(parameters *tree.Node) {
	n := parameters.Get("sharedMemorySize")
	if n == nil {
		return
	}
	size := c.number(n)
	switch {
	case !n.Opaque() && size == 0:
		c.dropEmpty(n, "a sharedMemorySize of 0 asks for nothing")
	case !n.Opaque() && c.Shm == "tmpfs":
		mount := tree.NewObject(
			tree.Member{Name: "containerPath", Value: tree.NewString("/dev/shm")},
			tree.Member{Name: "size", Value: tree.NewInt(size)})
		if tmpfs := parameters.Get("tmpfs"); tmpfs.Kind() == tree.Array {
			c.drop(sharedMemoryTmpfs, n, "")
			c.put(sharedMemoryTmpfs, tmpfs, mount, "")
		} else {
			c.swapFor(sharedMemoryTmpfs, n, "tmpfs", tree.NewArray(mount), "")
		}
	default:
		c.refuseOrDrop(sharedMemory, n, "")
	}
}

var swapDropped = finding.Rule{
	ID: "swap-dropped", Severity: finding.Warning, Action: finding.Drop, Source: apiLinux,
	Summary: "Fargate has no swap: a container that exceeds its memory is killed.",
	Help:    finding.Advice{"Give the container more memory."},
	Refusal: "Fargate compatible task definitions do not support maxSwap",
}

func (c *converter) swap(parameters *tree.Node) {
	most, swappiness := parameters.Get("maxSwap"), parameters.Get("swappiness")
	off := most == nil || !most.Opaque() && c.number(most) == 0
	for _, n := range []*tree.Node{most, swappiness} {
		switch {
		case n == nil:
		case off:
			c.drop(sameMeaningDropped, n, "%s asks for no swap, which Fargate does not have", n.Name())
		default:
			c.drop(swapDropped, n, "")
		}
	}
}

var ulimitOrder = finding.Rule{
	ID: "ulimit-order", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, Ulimit",
	Summary: "A soft limit is above the hard limit.",
	Help:    finding.Advice{"Lower it."},
}

func (c *converter) ulimits(container *tree.Node) {
	for _, n := range c.items(container.Get("ulimits")) {
		soft, hard := n.Get("softLimit"), n.Get("hardLimit")
		if soft == nil || hard == nil || soft.Opaque() || hard.Opaque() {
			continue
		}
		// -1 means unlimited.
		if s, h := c.number(soft), c.number(hard); h >= 0 && (s > h || s < 0) {
			c.Fail(ulimitOrder, n, "the soft limit %d is above the hard limit %d", s, h)
		}
	}
}

var openFilesDefault = finding.Rule{
	ID: "open-files-default", Usual: true, Severity: finding.Info, Action: finding.Keep, Source: "Amazon ECS API Reference, ContainerDefinition (ulimits)",
	Summary: "No container sets the limit of open files (nofile). On Fargate it is 65535; on EC2 it was that of Docker on the instance.",
	Help:    finding.Advice{"Set ulimits if it matters."},
}

// openFiles notes that the default limit of open files differs, unless a container
// sets it.
func (c *converter) openFiles() {
	if c.fargate || c.windows || c.containersUnknown {
		return
	}
	for _, container := range c.containers {
		for _, n := range container.Get("ulimits").Elements() {
			if n.Get("name").Identity() == "nofile" {
				return
			}
		}
	}
	c.Note(openFilesDefault, c.def, "")
}

var systemControlShared = finding.Rule{
	ID: "system-control-shared", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: "Amazon ECS API Reference, SystemControl",
	Summary: "Two containers set the same network kernel parameter, and the task has one network.",
	Help:    finding.Advice{"Set it in one."},
}

// sharedControls warns of network kernel parameters that two containers set, because
// the task has one network.
func (c *converter) sharedControls() {
	if c.windows {
		return
	}
	by := map[string]*tree.Node{}
	for _, container := range c.containers {
		for _, n := range c.items(container.Get("systemControls")) {
			name := c.text(n.Get("namespace"))
			if !strings.HasPrefix(name, "net.") {
				continue
			}
			if first := by[name]; first != nil && first != container {
				c.Note(systemControlShared, n, "%s is also set by %q; the task has one network, so the container that starts last wins", name, c.names[first])
			} else {
				by[name] = container
			}
		}
	}
}
