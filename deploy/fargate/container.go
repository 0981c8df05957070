package fargate

import (
	"cmp"
	"regexp"
	"strings"

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
		c.firelens(container)
		c.refused(container)
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

var windowsMemberDropped = finding.Rule{
	ID: "windows-member-dropped", Severity: finding.Warning, Action: finding.Drop, Source: guideWindows,
	Summary: "Windows containers on Fargate do not support this parameter.",
	Refusal: "Windows containers on Fargate do not support this parameter",
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
	ID: "health-check-command", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, HealthCheck",
	Summary: "The command of a health check must begin with CMD or CMD-SHELL.",
	Help:    finding.Advice{"Add it."},
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
	c.Fail(healthCheckCommand, n, "")
}

var volumeUnknown = finding.Rule{
	ID: "volume-unknown", Severity: finding.Error, Action: finding.Refuse, Source: apiVolume,
	Summary: "A container mounts a volume that the definition does not have.",
	Help:    finding.Advice{"Correct the name, or add the volume."},
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

var windowsFirelens = finding.Rule{
	ID: "windows-firelens", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "Windows containers on Fargate do not support awsfirelens.",
	Help:    finding.Advice{"Use awslogs."},
	Allow:   "the logs go to CloudWatch Logs, and the log router loses its configuration.",
	Refusal: "Windows tasks do not support awsfirelens",
}

var firelensConfigS3 = finding.Rule{
	ID: "firelens-config-s3", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, FirelensConfiguration",
	Summary: "On Fargate the log router cannot load its configuration from S3 with config-file-type.",
	Help:    finding.Advice{"Use the init image of aws-for-fluent-bit with the variable aws_fluent_bit_init_s3_1, or build the file into the image."},
	Allow:   "the options that name the file are dropped.",
	Refusal: "Fargate launch type does not support FirelensConfiguration config file from 's3'",
}

func (c *converter) firelens(container *tree.Node) {
	n := container.Get("firelensConfiguration")
	if n == nil || c.unknown(n) {
		return
	}
	if c.windows {
		c.refuseOrDrop(windowsFirelens, n, "")
		return
	}
	options := n.Get("options")
	if kind := options.Key("config-file-type"); kind != nil && !c.unknown(kind) && kind.Identity() == "s3" {
		if c.Refuse(firelensConfigS3, kind, "") {
			c.drop(firelensConfigS3, kind, "")
			if file := options.Key("config-file-value"); file != nil {
				c.drop(firelensConfigS3, file, "")
			}
		}
	}
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
	ID: "same-meaning-dropped", Severity: finding.Info, Action: finding.Drop, Source: guideFargate,
	Summary: "A parameter that Fargate does not accept asks for what Fargate does anyway.",
	Refusal: "Fargate compatible task definitions do not have this parameter",
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
			c.drop(sameMeaningDropped, n, "disableNetworking false is what Fargate does anyway")
		}
	}
	for _, member := range []string{"dnsServers", "dnsSearchDomains"} {
		if n := container.Get(member); n.Len() > 0 {
			c.refuseOrDrop(dnsSettings, n, "Fargate does not accept %s: the task resolves names as its VPC does", member)
		}
	}
	for _, n := range c.items(container.Get("dockerSecurityOptions")) {
		if strings.HasPrefix(c.text(n), "credentialspec:") {
			c.refuseOrDrop(credentialSpecJoined, n, "")
		} else {
			c.refuseOrDrop(dockerSecurityOptions, n, "")
		}
	}
	var domainless int
	for _, n := range c.items(container.Get("credentialSpecs")) {
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
		c.Fail(valueOutOfRange, container.Get("credentialSpecs"), "%d credential specs are out of range: want at most 1", domainless)
	}
	for _, n := range c.items(container.Get("resourceRequirements")) {
		c.refuseOrDrop(resourceRequirements, n, "Fargate has no %s", cmp.Or(c.text(n.Get("type")), "such device"))
	}
	if c.windows {
		c.notOnWindows(container)
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
