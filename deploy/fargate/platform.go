package fargate

import (
	"cmp"
	"regexp"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// Expressions of placement constraints, and images, paths and commands that show the
// platform. Source: Amazon ECS Developer Guide, "Cluster query language".
var (
	armConstraint      = regexp.MustCompile(`(?i)ecs\.cpu-architecture\s*(==|=~)\s*"?(arm64|aarch64)`)
	x86Constraint      = regexp.MustCompile(`(?i)ecs\.cpu-architecture\s*(==|=~)\s*"?(x86_64|amd64)`)
	windowsConstraint  = regexp.MustCompile(`(?i)ecs\.os-type\s*(==|=~)\s*"?windows|ecs\.os-family\s*(==|=~)\s*"?windows`)
	linuxConstraint    = regexp.MustCompile(`(?i)ecs\.os-type\s*(==|=~)\s*"?linux`)
	zoneConstraint     = regexp.MustCompile(`(?i)ecs\.availability-zone`)
	instanceConstraint = regexp.MustCompile(`(?i)ecs\.instance-type`)

	// Graviton families have a g after the generation: t4g, c7gn, m6gd.
	graviton = regexp.MustCompile(`\b([a-z]+\d+g[a-z]*|a1)\b(\.|\*|-)`)
	armImage = regexp.MustCompile(`(?i)(arm64|aarch64)`)

	windowsImage = regexp.MustCompile(`(?i)(^|[/:_.-])(windows|windowsservercore|servercore|nanoserver|iis)([/:_.-]|$)`)
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
	ID: "runtime-platform", Severity: finding.Info, Action: finding.Set, Source: apiPlatform,
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
	if c.unknown(runtime) {
		return
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
func (c *converter) operatingSystem(n *tree.Node, where placement) (os string) {
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
func (c *converter) architecture(n *tree.Node, where placement) (arch string) {
	if n != nil {
		return c.text(n)
	}
	arch = where.arch
	if choice := map[string]string{"arm64": "ARM64", "x86_64": "X86_64"}[c.Arch]; choice != "" && !c.fargate {
		arch = choice
	}
	if arch == "" && !c.windows {
		c.maybeGraviton(where)
	}
	return arch
}

// placement is what placement constraints show about the instances.
type placement struct {
	arch     string
	windows  bool
	linux    bool
	graviton bool
}

var placementConstraint = finding.Rule{
	ID: "placement-constraint", Severity: finding.Warning, Action: finding.Drop, Source: guideFargate,
	Summary: "Fargate has no instances to choose from.",
	Help:    finding.Advice{"Make sure that the service does not rely on it."},
	Refusal: "Fargate compatible task definitions do not support constraints.",
}

// constraints reads the placement constraints before it drops them.
func (c *converter) constraints() (where placement) {
	all := c.def.Get("placementConstraints")
	if all.Kind() == tree.Array && all.Len() == 0 && (c.template || !c.fargate) {
		c.drop(sameMeaningDropped, all, "an empty list means no placement constraints, as on Fargate; ECS accepts it, but CloudFormation's validation does not")
	}
	for _, n := range c.items(all) {
		expression := c.text(n.Get("expression"))
		why := "Fargate has no instances to choose from"
		switch {
		case armConstraint.MatchString(expression):
			where.arch = "ARM64"
			why += "; the constraint to arm64 becomes runtimePlatform ARM64"
		case x86Constraint.MatchString(expression):
			where.arch = "X86_64"
			why += "; the constraint to x86_64 becomes runtimePlatform X86_64"
		}
		if windowsConstraint.MatchString(expression) {
			where.windows = true
			why += "; the constraint to Windows becomes runtimePlatform"
		}
		if linuxConstraint.MatchString(expression) {
			where.linux = true
		}
		if zoneConstraint.MatchString(expression) {
			why += "; choose the Availability Zones with the service's subnets"
		}
		if instanceConstraint.MatchString(expression) {
			where.graviton = where.graviton || graviton.MatchString(expression)
			why += "; only the task's CPU and memory matter, not an instance type"
		}
		c.drop(placementConstraint, n, "%s", why)
	}
	return where
}

var windowsVersionUnknown = finding.Rule{
	ID: "windows-version-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "The containers are for Windows, but nothing shows which version.",
	Help:    finding.Advice{"Add runtimePlatform with the operatingSystemFamily of the images, such as WINDOWS_SERVER_2022_CORE."},
	Allow:   "it becomes WINDOWS_SERVER_2022_CORE.",
}

// impliedOS returns the operating system of a definition that names none, "" if a
// person has to decide.
func (c *converter) impliedOS(where placement) (os string, windows bool) {
	evidence, what := c.windowsEvidence()
	if where.windows {
		evidence, what = c.def, "a placement constraint"
	}
	if evidence == nil || where.linux || c.fargate { // Fargate defaults to Linux
		return "LINUX", false
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
		if image := container.Get("image"); matches(windowsImage, image) {
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

func matches(pattern *regexp.Regexp, n *tree.Node) bool {
	s, ok := n.Text()
	return ok && pattern.MatchString(s)
}

var architectureArm64 = finding.Rule{
	ID: "architecture-arm64", Severity: finding.Warning, Action: finding.Keep, Source: apiPlatform,
	Summary: "The instances seem to be Graviton (arm64); by default Fargate runs X86_64, where an arm64 image fails.",
	Help:    finding.Advice{"Give --arch arm64 or --arch x86_64."},
}

// maybeGraviton warns if an image or a constraint hints at arm64.
func (c *converter) maybeGraviton(where placement) {
	if c.fargate {
		return
	}
	if where.graviton {
		c.Note(architectureArm64, c.def, "")
		return
	}
	for _, container := range c.containers {
		if image := container.Get("image"); matches(armImage, image) {
			c.Note(architectureArm64, image, "")
			return
		}
	}
}
