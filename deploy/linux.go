package deploy

import (
	"strings"

	"sumoship/deploy/tree"
)

// granted are the capabilities that a container has without asking.
// Source: Docker Engine reference, "Runtime privilege and Linux capabilities".
var granted = map[string]bool{
	"AUDIT_WRITE": true, "CHOWN": true, "DAC_OVERRIDE": true, "FOWNER": true, "FSETID": true,
	"KILL": true, "MKNOD": true, "NET_BIND_SERVICE": true, "NET_RAW": true, "SETFCAP": true,
	"SETGID": true, "SETPCAP": true, "SETUID": true, "SYS_CHROOT": true,
}

// linux looks after what a container wants of the kernel.
func (c *converter) linux(container *tree.Node) {
	if c.windows {
		return // dropped
	}
	parameters := container.Get("linuxParameters")
	if parameters != nil && !c.unknown(parameters) {
		c.capabilities(parameters.Get("capabilities").Get("add"))
		if n := parameters.Get("devices"); n.Len() > 0 && !c.unknown(n) {
			c.refuseOrDrop("devices", n, "")
		}
		c.sharedMemory(parameters)
		c.swap(parameters)
	}
	c.ulimits(container)
}

func (c *converter) capabilities(add *tree.Node) {
	for _, n := range c.items(add) {
		switch name := strings.TrimPrefix(strings.ToUpper(c.text(n)), "CAP_"); {
		case name == "SYS_PTRACE":
		case granted[name]:
			c.drop("capability-granted", n, "a container on Fargate has %s without asking, and must not ask", name)
		default:
			c.refuseOrDrop("capability", n, "Fargate gives no container %s", name)
		}
	}
}

func (c *converter) sharedMemory(parameters *tree.Node) {
	n := parameters.Get("sharedMemorySize")
	if n == nil {
		return
	}
	size := c.number(n)
	switch {
	case !n.Opaque() && size == 0:
		c.drop("same-meaning-dropped", n, "a sharedMemorySize of 0 asks for nothing")
	case !n.Opaque() && c.Shm == "tmpfs":
		mount := tree.NewObject(
			tree.Member{Name: "containerPath", Value: tree.NewString("/dev/shm")},
			tree.Member{Name: "size", Value: tree.NewInt(size)})
		if tmpfs := parameters.Get("tmpfs"); tmpfs.Kind() == tree.Array {
			c.drop("shared-memory-tmpfs", n, "")
			c.put("shared-memory-tmpfs", tmpfs, mount, "")
		} else {
			c.swapFor("shared-memory-tmpfs", n, "tmpfs", tree.NewArray(mount), "")
		}
	default:
		c.refuseOrDrop("shared-memory", n, "")
	}
}

func (c *converter) swap(parameters *tree.Node) {
	most, swappiness := parameters.Get("maxSwap"), parameters.Get("swappiness")
	off := most == nil || !most.Opaque() && c.number(most) == 0
	for _, n := range []*tree.Node{most, swappiness} {
		switch {
		case n == nil:
		case off:
			c.drop("same-meaning-dropped", n, "%s asks for no swap, and Fargate has none", n.Name())
		default:
			c.drop("swap-dropped", n, "")
		}
	}
}

func (c *converter) ulimits(container *tree.Node) {
	for _, n := range c.items(container.Get("ulimits")) {
		soft, hard := n.Get("softLimit"), n.Get("hardLimit")
		if soft == nil || hard == nil || soft.Opaque() || hard.Opaque() {
			continue
		}
		// -1 is no limit.
		if s, h := c.number(soft), c.number(hard); h >= 0 && (s > h || s < 0) {
			c.fail("ulimit-order", n, "the soft limit %d is over the hard limit %d", s, h)
		}
	}
}

// openFiles remarks that the limit of open files is another one, where nobody
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
	c.note("open-files-default", c.def, "")
}

// sharedControls warns of kernel parameters of the network, which is one for the
// task, that two containers set.
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
				c.note("system-control-shared", n, "%s is set by %q too; the network is one for the task, so the container that starts last wins", name, c.names[first])
			} else {
				by[name] = container
			}
		}
	}
}
