package deploy

import (
	"regexp"
	"strings"

	"sumoship/deploy/tree"
)

// eachContainer looks after the members of containers that need no look at the
// others, and at what the containers of a task must be together.
func (c *converter) eachContainer() {
	essential := c.containersUnknown
	seen := map[string]bool{}
	for _, container := range c.containers {
		c.name(container, seen)
		essential = essential || c.essential(container)
		c.console(container)
		c.timeouts(container)
		c.restart(container)
		c.health(container)
		c.mounts(container)
		c.dependencies(container)
		c.environmentFiles(container)
		c.firelens(container)
		c.refused(container)
		c.linux(container)
	}
	if !essential && len(c.containers) > 0 {
		c.fail("no-essential-container", c.def.Get("containerDefinitions"), "")
	}
	c.cycles()
	c.sharedControls()
	c.openFiles()
}

// Source: Amazon ECS API Reference, ContainerDefinition (name).
var containerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func (c *converter) name(container *tree.Node, seen map[string]bool) {
	n := container.Get("name")
	name := n.Identity()
	if n == nil || name == "" && n.Kind() != tree.String {
		return // missing or of a wrong type, and reported
	}
	if !n.Opaque() && !containerName.MatchString(name) {
		c.fail("container-name-invalid", n, "%q is no name of a container: 1 to 255 letters, digits, _ and -", name)
	}
	if seen[name] {
		c.fail("container-name-duplicate", n, "another container of this task is called %q already", name)
	}
	seen[name] = true
}

// essential reports whether a container is; one that does not say so is.
func (c *converter) essential(container *tree.Node) bool {
	n := container.Get("essential")
	return n == nil || n.Opaque() || c.flag(n)
}

func (c *converter) console(container *tree.Node) {
	for _, member := range []string{"interactive", "pseudoTerminal"} {
		if n := container.Get(member); n != nil && c.flag(n) {
			c.note("interactive-console", n, "")
		}
	}
}

// Source: Amazon ECS API Reference, ContainerDefinition (startTimeout,
// stopTimeout): "The valid values for Fargate are 2-120 seconds."
const leastTimeout, mostTimeout = 2, 120

func (c *converter) timeouts(container *tree.Node) {
	for _, member := range []string{"startTimeout", "stopTimeout"} {
		n := container.Get(member)
		if n == nil || c.unknown(n) {
			continue
		}
		v, ok := n.Int()
		switch {
		case !ok || v < 0: // reported
		case v > mostTimeout && member == "stopTimeout":
			c.set("timeout-clamped", container, member, tree.NewInt(mostTimeout), "Fargate waits %d s at most, and not %d s: a shutdown may be cut short", mostTimeout, v)
		case v > mostTimeout:
			c.set("timeout-clamped", container, member, tree.NewInt(mostTimeout), "Fargate waits %d s at most, and not %d s, for what the container depends on", mostTimeout, v)
		case v < leastTimeout:
			c.set("timeout-clamped", container, member, tree.NewInt(leastTimeout), "Fargate waits %d s at least, and not %d s", leastTimeout, v)
		}
	}
}

func (c *converter) restart(container *tree.Node) {
	n := container.Get("restartPolicy")
	if n == nil || c.unknown(n) {
		return
	}
	if c.windows {
		c.drop("windows-member-dropped", n, "Windows containers on Fargate have no restartPolicy: a container that ends stays ended")
		return
	}
	if codes := n.Get("ignoredExitCodes"); codes.Len() > 50 {
		c.fail("value-out-of-range", codes, "%d exit codes are out of range: at most 50", codes.Len())
	}
}

func (c *converter) health(container *tree.Node) {
	n := container.Get("healthCheck").Get("command")
	if n.Kind() != tree.Array || n.Opaque() {
		return
	}
	for _, word := range n.Elements() {
		s, ok := word.Text()
		if !ok || word.Opaque() || s == "CMD" || s == "CMD-SHELL" || s == "NONE" {
			return
		}
		break
	}
	c.fail("health-check-command", n, "")
}

// mounts looks whether the volumes and containers that a container mounts exist.
func (c *converter) mounts(container *tree.Node) {
	for _, mount := range c.items(container.Get("mountPoints")) {
		name := mount.Get("sourceVolume")
		if id := name.Identity(); id != "" && !c.hasVolume(id) {
			c.fail("volume-unknown", name, "there is no volume %q", id)
		}
	}
	for _, from := range c.items(container.Get("volumesFrom")) {
		if name := from.Get("sourceContainer"); name != nil {
			c.known(name)
		}
	}
}

// known reports whether the name of a container is that of one of this task, and
// a finding if not.
func (c *converter) known(name *tree.Node) bool {
	id := name.Identity()
	if id == "" || c.byName[id] != nil || c.containersUnknown || c.unknown(name) {
		return id != "" && c.byName[id] != nil
	}
	c.fail("container-unknown", name, "there is no container %q in this task", id)
	return false
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
				c.fail("depends-on-essential", d, "%q is essential, so the task ends when it does: nothing can wait for its %s", name.Identity(), condition)
			}
		case "HEALTHY":
			if on.Get("healthCheck") == nil {
				c.fail("depends-on-health", d, "%q has no healthCheck in this definition, so it is never HEALTHY", name.Identity())
			}
		}
	}
}

// cycles reports containers that wait for each other, by dependsOn and by links,
// which become that.
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
			c.fail("depends-on-cycle", container, "containers wait for each other: %s", strings.Join(append(path, name), " → "))
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

// Source: Amazon ECS API Reference, EnvironmentFile; Amazon ECS Developer Guide,
// "Pass environment variables to a container": at most 10, file extension .env.
var environmentFile = regexp.MustCompile(`^arn:[a-z-]+:s3:::[^/]+/.+\.env$`)

func (c *converter) environmentFiles(container *tree.Node) {
	files := container.Get("environmentFiles")
	for i, f := range c.items(files) {
		if i == 10 {
			c.fail("value-out-of-range", files, "%d environment files are out of range: at most 10", files.Len())
		}
		if n := f.Get("value"); n != nil && !c.unknown(n) && !environmentFile.MatchString(n.Identity()) {
			c.fail("environment-file-invalid", n, "%s is no ARN of an S3 object whose name ends in .env", n.Source())
		}
		if n := f.Get("type"); n != nil && !c.unknown(n) && n.Identity() != "s3" {
			c.fail("value-invalid", n, "%s is not s3", n.Source())
		}
	}
}

func (c *converter) firelens(container *tree.Node) {
	n := container.Get("firelensConfiguration")
	if n == nil || c.unknown(n) {
		return
	}
	if c.windows {
		c.refuseOrDrop("windows-firelens", n, "")
		return
	}
	options := n.Get("options")
	if kind := options.Key("config-file-type"); kind != nil && !c.unknown(kind) && kind.Identity() == "s3" {
		if c.refuse("firelens-config-s3", kind, "") {
			c.drop("firelens-config-s3", kind, "")
			if file := options.Key("config-file-value"); file != nil {
				c.drop("firelens-config-s3", file, "")
			}
		}
	}
}

// refused looks after the members that Fargate does not have.
func (c *converter) refused(container *tree.Node) {
	if n := container.Get("privileged"); n != nil && c.flag(n) {
		c.refuseOrDrop("privileged", n, "")
	}
	if n := container.Get("hostname"); n != nil && n.Identity() != "" {
		c.drop("hostname-dropped", n, "")
	}
	if n := container.Get("disableNetworking"); n != nil && !c.unknown(n) {
		if c.flag(n) {
			c.refuseOrDrop("networking-disabled", n, "")
		} else {
			c.drop("same-meaning-dropped", n, "disableNetworking false is what Fargate does")
		}
	}
	for _, member := range []string{"dnsServers", "dnsSearchDomains"} {
		if n := container.Get(member); n.Len() > 0 {
			c.refuseOrDrop("dns-settings", n, "Fargate takes no %s: the task resolves names as its VPC does", member)
		}
	}
	for _, n := range c.items(container.Get("dockerSecurityOptions")) {
		if strings.HasPrefix(c.text(n), "credentialspec:") {
			c.refuseOrDrop("credential-spec-joined", n, "")
		} else {
			c.refuseOrDrop("docker-security-options", n, "")
		}
	}
	var domainless int
	for _, n := range c.items(container.Get("credentialSpecs")) {
		switch {
		case c.windows:
			c.refuseOrDrop("credential-spec-windows", n, "")
		case strings.HasPrefix(c.text(n), "credentialspecdomainless:"):
			domainless++
		default:
			c.refuseOrDrop("credential-spec-joined", n, "")
		}
	}
	if domainless > 1 {
		c.fail("value-out-of-range", container.Get("credentialSpecs"), "%d credential specs are out of range: at most 1", domainless)
	}
	for _, n := range c.items(container.Get("resourceRequirements")) {
		c.refuseOrDrop("resource-requirements", n, "Fargate has no %s", orUnknown(c.text(n.Get("type")), "such device"))
	}
	if c.windows {
		c.notOnWindows(container)
	}
}

// notOnWindows drops what Windows containers do not have.
func (c *converter) notOnWindows(container *tree.Node) {
	for _, member := range []string{"user", "readonlyRootFilesystem", "linuxParameters", "ulimits", "systemControls"} {
		if n := container.Get(member); n != nil && (n.Len() > 0 || n.Kind() < tree.Array) {
			c.drop("windows-member-dropped", n, "Windows containers on Fargate have no %s", member)
		}
	}
}

func orUnknown(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
