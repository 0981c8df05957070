package fargate

import (
	"strings"
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

var containerUnknown = finding.Rule{
	ID: "container-unknown", Severity: finding.Error, Action: finding.Refuse, Source: apiContainer,
	Summary: "A reference names a container that the definition does not have.",
	Help:    finding.Advice{"Correct the name, or remove the reference."},
}

// known reports whether a container of this task has the name. It adds a finding if
// none can have it.
func (c *converter) known(name *tree.Node) bool {
	id := name.Identity()
	if id == "" || c.byName[id] != nil || c.containersUnknown || c.unknown(name) {
		return id != "" && c.byName[id] != nil
	}
	c.Fail(containerUnknown, name, "there is no container %q in this task", id)
	return false
}

var dependsOnEssential = finding.Rule{
	ID: "depends-on-essential", Severity: finding.Error, Action: finding.Refuse, Source: apiDependency,
	Summary: "A container waits for an essential container to end, but the task ends with it.",
	Help:    finding.Advice{"Set essential to false on the container that ends."},
}

var dependsOnHealth = finding.Rule{
	ID: "depends-on-health", Severity: finding.Error, Action: finding.Refuse, Source: apiDependency,
	Summary: "A container waits for another to be healthy, which has no health check in the definition.",
	Help:    finding.Advice{"Add healthCheck; the one in the image does not count."},
}

func (c *converter) dependencies(container *tree.Node) {
	for _, d := range c.items(container.Get("dependsOn")) {
		name := d.Get("containerName")
		if name == nil || !c.known(name) {
			continue
		}
		on := c.byName[name.Identity()]
		switch condition := c.text(d.Get("condition")); condition {
		case "COMPLETE", "SUCCESS":
			if n := on.Get("essential"); !n.Opaque() && c.essential(on) {
				c.Fail(dependsOnEssential, d, "%q is essential, so the task ends with it: nothing can wait for its %s", name.Identity(), condition)
			}
		case "HEALTHY":
			if on.Get("healthCheck") == nil {
				c.Fail(dependsOnHealth, d, "%q has no healthCheck in this definition, so it is never HEALTHY", name.Identity())
			}
		}
	}
}

var dependsOnCycle = finding.Rule{
	ID: "depends-on-cycle", Severity: finding.Error, Action: finding.Refuse, Source: apiDependency,
	Summary: "Containers wait for each other.",
	Help:    finding.Advice{"Remove one dependency."},
}

// cycles reports containers that wait for each other, by dependsOn or by links, which
// become dependsOn.
func (c *converter) cycles() {
	const visiting, done = 1, 2
	state := map[*tree.Node]int{}
	var visit func(container *tree.Node, path []string)
	visit = func(container *tree.Node, path []string) {
		name := c.names[container]
		switch state[container] {
		case visiting:
			for i, p := range path {
				if p == name {
					path = path[i:]
					break
				}
			}
			c.Fail(dependsOnCycle, container, "containers wait for each other: %s", strings.Join(append(path, name), " → "))
			return
		case done:
			return
		}
		state[container] = visiting
		for _, on := range c.waitsFor(container) {
			visit(on, append(path[:len(path):len(path)], name))
		}
		state[container] = done
	}
	for _, container := range c.containers {
		visit(container, nil)
	}
}

func (c *converter) waitsFor(container *tree.Node) (on []*tree.Node) {
	for _, d := range container.Get("dependsOn").Elements() {
		if n := c.byName[d.Get("containerName").Identity()]; n != nil {
			on = append(on, n)
		}
	}
	for _, l := range container.Get("links").Elements() {
		name, _, _ := strings.Cut(l.Identity(), ":")
		if n := c.byName[name]; n != nil {
			on = append(on, n)
		}
	}
	return on
}
