package fargate

import (
	"regexp"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var noEssentialContainer = finding.Rule{
	ID: "no-essential-container", Severity: finding.Error, Action: finding.Refuse, Source: apiContainer,
	Summary: "No container is essential; a task needs at least one.",
	Help:    finding.Advice{"Set essential to true on the main container."},
}

// eachContainer checks the containers one by one, then what concerns them together.
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
		c.reservation(container)
		c.secretNames(container)
		c.firelens(container)
		c.refused(container)
		c.accelerated(container)
		c.linux(container)
	}
	if !essential && len(c.containers) > 0 {
		c.Fail(noEssentialContainer, c.def.Get("containerDefinitions"), "")
	}
	c.cycles()
	c.sharedControls()
	c.openFiles()
}

// Source: Amazon ECS API Reference, ContainerDefinition (name).
var containerNameInvalid = finding.Rule{
	ID: "container-name-invalid", Severity: finding.Error, Action: finding.Refuse, Source: apiContainer,
	Summary: "A container name is invalid; want 1 to 255 letters, digits, _ and -.",
	Help:    finding.Advice{"Rename it."},
}

var containerNameDuplicate = finding.Rule{
	ID: "container-name-duplicate", Severity: finding.Error, Action: finding.Refuse, Source: apiContainer,
	Summary: "Two containers have the same name.",
	Help:    finding.Advice{"Rename one."},
}

func (c *converter) name(container *tree.Node, seen map[string]bool) {
	n := container.Get("name")
	name := n.Identity()
	if n == nil || name == "" && n.Kind() != tree.String {
		return // missing or of the wrong type, and reported
	}
	if !n.Opaque() && !taskdef.ECSName.MatchString(name) {
		c.Fail(containerNameInvalid, n, "invalid container name %q: want 1 to 255 letters, digits, _ and -", name)
	}
	if seen[name] {
		c.Fail(containerNameDuplicate, n, "another container of this task is already named %q", name)
	}
	seen[name] = true
}

// essential reports whether a container is essential, as it is by default.
func (c *converter) essential(container *tree.Node) bool {
	n := container.Get("essential")
	return n == nil || n.Opaque() || c.flag(n)
}

// Source: Amazon ECS API Reference, ContainerDefinition (startTimeout,
// stopTimeout): "The valid values for Fargate are 2-120 seconds."
const leastTimeout, mostTimeout = 2, 120

var timeoutClamped = finding.Rule{
	ID: "timeout-clamped", Severity: finding.Warning, Action: finding.Set, Source: apiContainer,
	Summary: "Fargate waits 2 to 120 seconds.",
	Help:    finding.Advice{"Make sure that the container starts or stops in that time."},
	Refusal: "the valid values for Fargate are 2-120 seconds",
}

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
			c.set(timeoutClamped, container, member, tree.NewInt(mostTimeout), "Fargate waits %d s at most, not %d s: a shutdown may be cut short", mostTimeout, v)
		case v > mostTimeout:
			c.set(timeoutClamped, container, member, tree.NewInt(mostTimeout), "Fargate waits %d s at most, not %d s, for what the container depends on", mostTimeout, v)
		case v < leastTimeout:
			c.set(timeoutClamped, container, member, tree.NewInt(leastTimeout), "Fargate waits %d s at least, not %d s", leastTimeout, v)
		}
	}
}

var valueOutOfRange = finding.Rule{
	ID: "value-out-of-range", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "A number or a count is out of range.",
	Help:    finding.Advice{"Change it to a value in the range."},
}

func (c *converter) restart(container *tree.Node) {
	n := container.Get("restartPolicy")
	if n == nil || c.unknown(n) {
		return
	}
	if c.windows {
		c.drop(windowsMemberDropped, n, "Windows containers on Fargate do not support restartPolicy: a container that exits is not restarted")
		return
	}
	if codes := n.Get("ignoredExitCodes"); codes.Len() > 50 {
		c.Fail(valueOutOfRange, codes, "%d exit codes are out of range: want at most 50", codes.Len())
	}
}

var healthCheckCommand = finding.Rule{
	ID: "health-check-command", Severity: finding.Warning, Action: finding.Keep, Source: "Amazon ECS API Reference, HealthCheck",
	Summary: "The command of a health check does not begin with CMD or CMD-SHELL, as the API documents it; ECS accepts it.",
	Help:    finding.Advice{"Check that the container becomes healthy, or put CMD in front."},
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
	c.Note(healthCheckCommand, n, "")
}

var memoryReservation = finding.Rule{
	ID: "memory-reservation", Severity: finding.Error, Action: finding.Refuse, Source: apiContainer,
	Summary: "A container reserves more memory than its limit.",
	Help:    finding.Advice{"Lower memoryReservation, or raise memory."},
	Refusal: "You must specify a memory value that is greater than or equal to the memoryReservation value",
}

func (c *converter) reservation(container *tree.Node) {
	n := container.Get("memoryReservation")
	limit, ok := container.Get("memory").Int()
	if reserved, _ := n.Int(); ok && limit > 0 && reserved > limit {
		c.Fail(memoryReservation, n, "memoryReservation %d is above memory %d", reserved, limit)
	}
}

var secretNameTaken = finding.Rule{
	ID: "secret-name-taken", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, Secret",
	Summary: "A secret has the name of a variable or of another secret.",
	Help:    finding.Advice{"Remove one of them, or rename it."},
	Refusal: "The secret name must be unique and not shared with any new or existing environment variables set on the container",
}

func (c *converter) secretNames(container *tree.Node) {
	taken := map[string]string{}
	for _, e := range container.Get("environment").Elements() {
		if id := e.Get("name").Identity(); id != "" {
			taken[id] = "a variable"
		}
	}
	for _, s := range c.items(container.Get("secrets")) {
		name := s.Get("name")
		switch id := name.Identity(); {
		case id == "":
		case taken[id] != "":
			c.Fail(secretNameTaken, name, "%s of this container is already named %q", taken[id], id)
		default:
			taken[id] = "another secret"
		}
	}
}

var volumeUnknown = finding.Rule{
	ID: "volume-unknown", Severity: finding.Error, Action: finding.Refuse, Source: apiVolume,
	Summary: "A container mounts a volume that the definition does not have.",
	Help:    finding.Advice{"Correct the name, or give the volume with --volume NAME=ephemeral or NAME=efs:fs-ID."},
	Refusal: "Unknown volume.",
}

// mounts checks that the volumes and containers that a container mounts exist.
func (c *converter) mounts(container *tree.Node) {
	for _, mount := range c.items(container.Get("mountPoints")) {
		name := mount.Get("sourceVolume")
		if id := name.Identity(); id != "" && !c.hasVolume(id) {
			c.Fail(volumeUnknown, name, "there is no volume %q", id)
		}
	}
	for _, from := range c.items(container.Get("volumesFrom")) {
		if name := from.Get("sourceContainer"); name != nil {
			c.known(name)
		}
	}
}

// Source: Amazon ECS API Reference, EnvironmentFile; Amazon ECS Developer Guide,
// "Pass environment variables to a container": at most 10, file extension .env.
var environmentFile = regexp.MustCompile(`^arn:[a-z-]+:s3:::[^/]+/.+\.env$`)

var environmentFileInvalid = finding.Rule{
	ID: "environment-file-invalid", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, EnvironmentFile",
	Summary: "An environment file must be an S3 object whose name ends in .env.",
	Help:    finding.Advice{"Give its ARN, such as arn:aws:s3:::bucket/app.env."},
}

var valueInvalid = finding.Rule{
	ID: "value-invalid", Severity: finding.Error, Action: finding.Refuse, Source: apiTask,
	Summary: "ECS does not know this value.",
	Help:    finding.Advice{"Use a value that it knows."},
}

func (c *converter) environmentFiles(container *tree.Node) {
	files := container.Get("environmentFiles")
	for i, f := range c.items(files) {
		if i == 10 {
			c.Fail(valueOutOfRange, files, "%d environment files are out of range: want at most 10", files.Len())
		}
		if n := f.Get("value"); n != nil && !c.unknown(n) && !environmentFile.MatchString(n.Identity()) {
			c.Fail(environmentFileInvalid, n, "%s is not the ARN of an S3 object whose name ends in .env", n.Source())
		}
		if n := f.Get("type"); n != nil && !c.unknown(n) && n.Identity() != "s3" {
			c.Fail(valueInvalid, n, "invalid type %s: want s3", n.Source())
		}
	}
}
