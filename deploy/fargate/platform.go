package fargate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/placement"
	"sumoship/deploy/tree"
)

// What of images, paths and commands shows the platform.
var (
	// windowsImage matches images that exist for Windows only; a name with windows in
	// it, windowsName, is not enough.
	windowsImage = regexp.MustCompile(`(?i)(^|[/:_.-])(windowsservercore|servercore|nanoserver|iis)([/:_.-]|$)|^mcr\.microsoft\.com/windows|` +
		`(^|[/:_.-])windows[/:_.-]?(server|amd64|ltsc|1809|20\d\d)|(ltsc20(19|22|25)|:windows$)`)
	windowsName  = regexp.MustCompile(`(?i)(^|[/:_.-])windows([/:_.-]|$)`)
	windowsPath  = regexp.MustCompile(`^[A-Za-z]:[\\/]`)
	windowsShell = regexp.MustCompile(`(?i)^([a-z]:\\.*\\)?(powershell|cmd)(\.exe)?$`)
	windows2019  = regexp.MustCompile(`(?i)(ltsc2019|1809|17763)`)
	windows2022  = regexp.MustCompile(`(?i)(ltsc2022|20348)`)
)

// onFargate are the operatingSystemFamily values that Fargate has.
// Source: Amazon ECS API Reference, RuntimePlatform; Amazon ECS Developer Guide,
// "Windows containers on Fargate considerations".
var onFargate = map[string]bool{
	"LINUX":                    true,
	"WINDOWS_SERVER_2019_FULL": true, "WINDOWS_SERVER_2019_CORE": true,
	"WINDOWS_SERVER_2022_FULL": true, "WINDOWS_SERVER_2022_CORE": true,
}

var windowsVersion = finding.Rule{
	ID: "windows-version", Severity: finding.Error, Action: finding.Refuse, Source: apiPlatform,
	Summary: "Fargate does not have this version of Windows.",
	Help:    finding.Advice{"Build the images for Windows Server 2019 or 2022."},
}

var windowsArm64 = finding.Rule{
	ID: "windows-arm64", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "Fargate runs Windows on X86_64 only.",
	Help:    finding.Advice{"Use X86_64."},
	Refusal: "Windows tasks do not support ARM64",
}

var runtimePlatform = finding.Rule{
	ID: "runtime-platform", Usual: true, Severity: finding.Info, Action: finding.Set, Source: apiPlatform,
	Summary: "The instances determined the operating system and CPU; on Fargate the definition does.",
	Help:    finding.Advice{"If the images are for Graviton (arm64), give --arch arm64."},
}

var runtimePlatformWindows = finding.Rule{
	ID: "runtime-platform-windows", Severity: finding.Warning, Action: finding.Set, Source: apiPlatform,
	Summary: "The instances ran Windows; on Fargate the definition gives the version, which must match the images.",
	Help:    finding.Advice{"Check that it does, and choose between Core and Full."},
}

// platform sets the operating system and CPU of the task. On EC2 the instance
// determined them; placement constraints may show what they are.
func (c *converter) platform() {
	where := c.constraints()
	runtime := c.def.Get("runtimePlatform")
	if c.unknown(runtime) || runtime != nil && runtime.Kind() != tree.Object {
		return // of a wrong type: validate reports it
	}
	osNode, archNode := runtime.Get("operatingSystemFamily"), runtime.Get("cpuArchitecture")
	os := c.operatingSystem(osNode, where)
	arch := c.architecture(archNode, where)
	if c.windows && arch == "ARM64" {
		n := archNode
		if n == nil {
			n = c.def
		}
		c.Fail(windowsArm64, n, "")
		return
	}
	if os == "" || c.fargate && !(archNode == nil && arch == "ARM64") {
		return // unknown, or Fargate's default
	}
	rule := runtimePlatform
	if c.windows {
		rule = runtimePlatformWindows
	}
	osValue, archValue := tree.NewString(os), tree.NewString(cmp.Or(arch, "X86_64"))
	if runtime == nil {
		c.set(rule, c.def, "runtimePlatform", tree.NewObject(
			tree.Member{Name: "cpuArchitecture", Value: archValue},
			tree.Member{Name: "operatingSystemFamily", Value: osValue}), "")
		return
	}
	if archNode == nil {
		c.set(rule, runtime, "cpuArchitecture", archValue, "")
	}
	if osNode == nil {
		c.set(rule, runtime, "operatingSystemFamily", osValue, "")
	}
}

// operatingSystem returns the operatingSystemFamily that n gives, or that the rest of
// the definition implies; "" if it is unknown. It sets c.windows.
func (c *converter) operatingSystem(n *tree.Node, where instances) (os string) {
	if n == nil {
		os, c.windows = c.impliedOS(where)
		return os
	}
	os = c.text(n)
	c.windows = strings.HasPrefix(os, "WINDOWS")
	switch {
	case os == "" || onFargate[os]:
	case strings.HasPrefix(os, "WINDOWS_"):
		c.Fail(windowsVersion, n, "%s is not an operating system of Fargate", os)
	default:
		c.Fail(valueInvalid, n, "%q is not an operating system of Fargate", os)
	}
	return os
}

// architecture returns the cpuArchitecture that n, the options or the placement
// constraints give; "" if none does.
func (c *converter) architecture(n *tree.Node, where instances) (arch string) {
	if n != nil {
		return c.text(n)
	}
	if choice := map[string]string{"arm64": "ARM64", "x86_64": "X86_64"}[c.Arch]; choice != "" && !c.fargate {
		return choice
	}
	if c.fargate || c.windows {
		return where.arch
	}
	var arm, x86 *tree.Node
	for _, container := range c.containers {
		image := container.Get("image")
		switch name := strings.ToLower(image.Str()); {
		case strings.Contains(name, "arm64") || strings.Contains(name, "aarch64"):
			arm = image
		case strings.Contains(name, "amd64") || strings.Contains(name, "x86_64") || strings.Contains(name, "x86-64"):
			x86 = image
		}
	}
	switch {
	case where.unclear != nil && where.arch == "":
		c.refuseOrKeep(architectureUnknown, where.unclear, "%s", where.unclearWhy)
	case where.arch == "" && arm != nil && x86 == nil:
		where.arch, where.guess = "ARM64", "an image says arm64"
		where.guessAt = arm
	case where.arch == "" && arm != nil,
		where.arch == "ARM64" && x86 != nil && arm == nil, where.arch == "X86_64" && arm != nil && x86 == nil:
		at := arm
		if at == nil {
			at = x86
		}
		c.refuseOrKeep(architectureUnknown, at, "the image and what else is known contradict each other about the CPU")
	}
	if where.arch == "ARM64" && where.guessAt != nil {
		c.Note(architectureArm64, where.guessAt, "%s, so the task gets ARM64", where.guess)
	}
	return where.arch
}

// instances is what placement constraints show about the instances.
type instances struct {
	arch    string
	guess   string     // what shows arch, if that is not an architecture
	guessAt *tree.Node // where

	systems    []string   // operating systems that they allow, nil for any
	unclear    *tree.Node // a constraint that decides, and cannot be read
	unclearWhy string
	kept       map[*tree.Node]bool // constraints that are refused
}

// windows reports whether they allow Windows only; linux, whether not at all.
func (p instances) windows() bool { return p.systems != nil && !slices.Contains(p.systems, "LINUX") }
func (p instances) linux() bool   { return len(p.systems) == 1 && p.systems[0] == "LINUX" }

var placementConstraint = finding.Rule{
	ID: "placement-constraint", Severity: finding.Warning, Action: finding.Drop, Source: guideFargate,
	Summary: "Fargate has no instances to choose from.",
	Help:    finding.Advice{"Make sure that the service does not rely on it."},
	Refusal: "Fargate compatible task definitions do not support constraints.",
}

var accelerators = finding.Rule{
	ID: "accelerator", Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "This asks for instances with GPUs or other accelerators, and Fargate has none.",
	Help:    finding.Advice{"Use ECS Managed Instances, or stay on EC2."},
	Allow:   "a constraint is dropped, and a variable stays as it is.",
}

// decisive matches what in a constraint that cannot be read may decide whether, and
// how, the task can run on Fargate.
var decisive = regexp.MustCompile(`(?i)ecs\.(cpu-architecture|os-type|os-family|instance-type)|gpu|nvidia|inferentia|neuron`)

// constraints reads the placement constraints before it drops them.
func (c *converter) constraints() (where instances) {
	all := c.def.Get("placementConstraints")
	if all.Kind() == tree.Array && all.Len() == 0 && !all.Chosen() && (c.template || !c.fargate) {
		c.drop(emptyDropped, all, "an empty list means no placement constraints, as on Fargate; ECS accepts it, but CloudFormation's validation does not")
	}
	nodes := c.items(all)
	var chosen placement.Choice
	for _, n := range nodes {
		expression := n.Get("expression")
		text := strings.Join(slices.Collect(literals(expression)), " ")
		q, err := placement.Parse(text)
		switch {
		case text == "":
		case expression.Opaque() || err != nil:
			if decisive.MatchString(text) && where.unclear == nil {
				where.unclear = expression
				where.unclearWhy = "this constraint may decide on which CPU and operating system the containers run"
				if expression.Opaque() {
					where.unclearWhy += ", and is known only at deployment"
				} else {
					where.unclearWhy += fmt.Sprintf(", and is not an expression of the cluster query language: %v", err)
				}
			}
		default:
			chosen.Add(q)
		}
	}
	c.chosen(&chosen, nodes, &where)
	for _, n := range nodes {
		if !where.kept[n] {
			c.drop(placementConstraint, n, "%s", c.lost(n, where))
		}
	}
	return where
}

// chosen sets what the constraints show all together, and refuses accelerators.
func (c *converter) chosen(chosen *placement.Choice, nodes []*tree.Node, where *instances) {
	if chosen.Mentions("ecs.os-type", "ecs.os-family") {
		if systems := chosen.Systems(); len(systems) > 0 {
			where.systems = systems
		}
	}
	kinds, excludes := chosen.Instances()
	if len(kinds) == 0 || !excludes {
		return
	}
	arm := slices.ContainsFunc(kinds, func(i placement.Instance) bool { return i.ARM })
	x86 := slices.ContainsFunc(kinds, func(i placement.Instance) bool { return !i.ARM })
	switch {
	case arm && !x86:
		where.arch = "ARM64"
	case x86 && !arm:
		where.arch = "X86_64"
	}
	if arm && !x86 && !chosen.Mentions("ecs.cpu-architecture") {
		where.guess, where.guessAt = "the placement constraints choose Graviton instances", nodes[0]
	}
	if c.fargate || slices.ContainsFunc(kinds, func(i placement.Instance) bool { return !i.Accelerated }) {
		return
	}
	for _, n := range nodes {
		if decisive.MatchString(n.Get("expression").Str()) && !c.Refuse(accelerators, n, "the constraint chooses instances with accelerators, and Fargate has none") {
			if where.kept == nil {
				where.kept = map[*tree.Node]bool{}
			}
			where.kept[n] = true
		}
	}
}

// lost says what becomes of a constraint.
func (c *converter) lost(n *tree.Node, where instances) string {
	text := n.Get("expression").Str()
	why := "Fargate has no instances to choose from"
	if strings.Contains(text, "ecs.cpu-architecture") && where.arch != "" {
		why += "; the constraint becomes runtimePlatform " + where.arch
	}
	if (strings.Contains(text, "ecs.os-type") || strings.Contains(text, "ecs.os-family")) && where.windows() {
		why += "; the constraint to Windows becomes runtimePlatform"
	}
	if strings.Contains(text, "ecs.availability-zone") {
		why += "; choose the Availability Zones with the service's subnets"
	}
	if strings.Contains(text, "ecs.instance-type") {
		why += "; only the task's CPU and memory matter, not an instance type"
	}
	return why
}

var windowsVersionUnknown = finding.Rule{
	ID: "windows-version-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "The containers are for Windows, but nothing shows which version.",
	Help:    finding.Advice{"Add runtimePlatform with the operatingSystemFamily of the images, such as WINDOWS_SERVER_2022_CORE."},
	Allow:   "it becomes WINDOWS_SERVER_2022_CORE.",
}

var windowsPossible = finding.Rule{
	ID: "windows-possible", Severity: finding.Warning, Action: finding.Keep, Source: apiPlatform,
	Summary: "The name of the image has windows in it, and nothing else shows that it runs Windows: the task gets Linux.",
	Help:    finding.Advice{"If it runs Windows, add runtimePlatform with its operatingSystemFamily."},
}

// impliedOS returns the operating system of a definition that names none, "" if a
// person has to decide.
func (c *converter) impliedOS(where instances) (os string, windows bool) {
	evidence, what := c.windowsEvidence()
	if where.windows() {
		evidence, what = c.def, "a placement constraint"
	}
	if evidence == nil || where.linux() || c.fargate { // Fargate defaults to Linux
		for _, container := range c.containers {
			if image := container.Get("image"); mentionsWindows(image) && matches(windowsName, image) && !where.linux() && !c.fargate {
				c.Note(windowsPossible, image, "")
			}
		}
		return "LINUX", false
	}
	if where.windows() && len(where.systems) == 1 {
		if os = where.systems[0]; !onFargate[os] {
			c.Fail(windowsVersion, c.def, "the placement constraints choose %s, which is not an operating system of Fargate", os)
			return "", true
		}
		return os, true
	}
	var v2019, v2022 bool
	for _, container := range c.containers {
		image, _ := container.Get("image").Text()
		v2019 = v2019 || windows2019.MatchString(image)
		v2022 = v2022 || windows2022.MatchString(image)
	}
	switch {
	case v2019 && !v2022:
		return "WINDOWS_SERVER_2019_CORE", true
	case v2022 && !v2019:
		return "WINDOWS_SERVER_2022_CORE", true
	}
	if c.Refuse(windowsVersionUnknown, evidence, "%s shows that this is Windows, but no image shows which version; on Fargate it must match the images", what) {
		return "WINDOWS_SERVER_2022_CORE", true
	}
	return "", true
}

// windowsEvidence returns what in the containers shows that they run Windows.
func (c *converter) windowsEvidence() (n *tree.Node, what string) {
	for _, container := range c.containers {
		if image := container.Get("image"); mentionsWindows(image) && matches(windowsImage, image) {
			return image, "the image"
		}
		if dir := container.Get("workingDirectory"); matches(windowsPath, dir) {
			return dir, "the working directory"
		}
		for _, mount := range container.Get("mountPoints").Elements() {
			if path := mount.Get("containerPath"); matches(windowsPath, path) {
				return path, "the path of a mount"
			}
		}
		for _, member := range []string{"entryPoint", "command"} {
			for i, word := range container.Get(member).Elements() {
				if i == 0 && matches(windowsShell, word) {
					return word, "the " + member
				}
			}
		}
	}
	return nil, ""
}

// mentionsWindows reports whether an image is worth a closer look.
func mentionsWindows(image *tree.Node) bool {
	name := strings.ToLower(image.Str())
	return strings.Contains(name, "windows") || strings.Contains(name, "server") || strings.Contains(name, "iis") || strings.Contains(name, "ltsc")
}

func matches(pattern *regexp.Regexp, n *tree.Node) bool {
	s, ok := n.Text()
	return ok && pattern.MatchString(s)
}

var architectureArm64 = finding.Rule{
	ID: "architecture-arm64", Severity: finding.Warning, Action: finding.Keep, Source: apiPlatform,
	Summary: "The instances or images are for Graviton (arm64), so the task gets ARM64.",
	Help:    finding.Advice{"If the images are for x86_64, give --arch x86_64."},
}

var architectureUnknown = finding.Rule{
	ID: "architecture-unknown", Severity: finding.Error, Action: finding.Refuse, Source: apiPlatform,
	Summary: "Nothing shows clearly on which CPU the containers run; on the wrong one they do not start.",
	Help:    finding.Advice{"Give --arch arm64 or --arch x86_64."},
	Allow:   "it becomes X86_64.",
}

// acceleratorVariables ask the runtime of a GPU instance for devices.
var acceleratorVariables = set("NVIDIA_VISIBLE_DEVICES", "HABANA_VISIBLE_DEVICES", "NEURON_RT_VISIBLE_CORES")

// accelerated refuses variables that ask for devices.
func (c *converter) accelerated(container *tree.Node) {
	for _, e := range container.Get("environment").Elements() {
		name := e.Get("name").Str()
		if value := e.Get("value").Identity(); acceleratorVariables[name] && !slices.Contains([]string{"", "none", "void", "None"}, value) && !c.fargate {
			c.refuseOrKeep(accelerators, e.Get("name"), "%s asks for accelerators, and Fargate has none", name)
		}
	}
}
