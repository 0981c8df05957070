package fargate

import (
	"regexp"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// Source: Amazon ECS Query Language, "Cluster query language"; the attributes of
// container instances.
var (
	armConstraint      = regexp.MustCompile(`(?i)ecs\.cpu-architecture\s*(==|=~)\s*"?(arm64|aarch64)`)
	x86Constraint      = regexp.MustCompile(`(?i)ecs\.cpu-architecture\s*(==|=~)\s*"?(x86_64|amd64)`)
	windowsConstraint  = regexp.MustCompile(`(?i)ecs\.os-type\s*(==|=~)\s*"?windows|ecs\.os-family\s*(==|=~)\s*"?windows`)
	linuxConstraint    = regexp.MustCompile(`(?i)ecs\.os-type\s*(==|=~)\s*"?linux`)
	zoneConstraint     = regexp.MustCompile(`(?i)ecs\.availability-zone`)
	instanceConstraint = regexp.MustCompile(`(?i)ecs\.instance-type`)

	// Graviton families end in g, or in g and what they have besides: t4g, c7gn, m6gd.
	graviton = regexp.MustCompile(`\b([a-z]+\d+g[a-z]*|a1)\b(\.|\*|-)`)
	armImage = regexp.MustCompile(`(?i)(arm64|aarch64)`)

	windowsImage = regexp.MustCompile(`(?i)(^|[/:_.-])(windows|windowsservercore|servercore|nanoserver|iis)([/:_.-]|$)`)
	windowsPath  = regexp.MustCompile(`^[A-Za-z]:[\\/]`)
	windowsShell = regexp.MustCompile(`(?i)^([a-z]:\\.*\\)?(powershell|cmd)(\.exe)?$`)
	windows2019  = regexp.MustCompile(`(?i)(ltsc2019|1809|17763)`)
	windows2022  = regexp.MustCompile(`(?i)(ltsc2022|20348)`)
)

// onFargate are the values of operatingSystemFamily that Fargate has.
// Source: Amazon ECS API Reference, RuntimePlatform; Amazon ECS Developer Guide,
// "Windows containers on Fargate considerations".
var onFargate = map[string]bool{
	"LINUX":                    true,
	"WINDOWS_SERVER_2019_FULL": true, "WINDOWS_SERVER_2019_CORE": true,
	"WINDOWS_SERVER_2022_FULL": true, "WINDOWS_SERVER_2022_CORE": true,
}

var windowsVersion = finding.Rule{ID: "windows-version", Severity: finding.Error, Action: finding.Refuse, Source: apiPlatform,
	Summary: "Fargate does not have this version of Windows.", Help: finding.Advice{"Build the images for Windows Server 2019 or 2022."}}

var windowsArm64 = finding.Rule{ID: "windows-arm64", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "Windows runs on X86_64 only.", Help: finding.Advice{"Say X86_64."}, Refusal: "Windows tasks do not support ARM64"}

var runtimePlatform = finding.Rule{ID: "runtime-platform", Severity: finding.Info, Action: finding.Set, Source: apiPlatform,
	Summary: "The instances had an operating system and a CPU; Fargate has to be told.", Help: finding.Advice{"If the images are for Graviton (arm64), say so with --arch arm64."}}

var runtimePlatformWindows = finding.Rule{ID: "runtime-platform-windows", Severity: finding.Warning, Action: finding.Set, Source: apiPlatform,
	Summary: "The instances ran Windows; Fargate has to be told which, and it has to be the version of the images.", Help: finding.Advice{"See that it is, and choose between Core and Full."}}

// platform names the operating system and CPU of the task. On EC2 those of the
// instance counted; placement constraints may tell what they are.
func (c *converter) platform() {
	says := c.constraints()
	runtime := c.def.Get("runtimePlatform")
	if c.unknown(runtime) {
		return
	}
	osNode, archNode := runtime.Get("operatingSystemFamily"), runtime.Get("cpuArchitecture")
	os, arch := c.text(osNode), c.text(archNode)
	given := os // by the definition
	c.windows = strings.HasPrefix(os, "WINDOWS")
	if osNode == nil {
		os, c.windows = c.impliedOS(says)
	}
	if given != "" && !onFargate[given] {
		if strings.HasPrefix(given, "WINDOWS_") {
			c.Fail(windowsVersion, osNode, "%s is no operating system of Fargate", given)
		} else {
			c.Fail(valueInvalid, osNode, "%q is no operating system of Fargate", given)
		}
	}
	if archNode == nil {
		arch = says.arch
		if choice := map[string]string{"arm64": "ARM64", "x86_64": "X86_64"}[c.Arch]; choice != "" && !c.fargate {
			arch = choice
		}
		if arch == "" && !c.windows {
			c.maybeGraviton(says)
		}
	}
	if c.windows && arch == "ARM64" {
		n := archNode
		if n == nil {
			n = c.def
		}
		c.Fail(windowsArm64, n, "")
		return
	}
	if os == "" || c.fargate && !(archNode == nil && arch == "ARM64") {
		return // it stays as Fargate has it by default, or is not known
	}
	if arch == "" {
		arch = "X86_64"
	}
	id := runtimePlatform
	if c.windows {
		id = runtimePlatformWindows
	}
	switch {
	case runtime == nil:
		c.set(id, c.def, "runtimePlatform", tree.NewObject(
			tree.Member{Name: "cpuArchitecture", Value: tree.NewString(arch)},
			tree.Member{Name: "operatingSystemFamily", Value: tree.NewString(os)}), "")
	default:
		if archNode == nil {
			c.set(id, runtime, "cpuArchitecture", tree.NewString(arch), "")
		}
		if osNode == nil {
			c.set(id, runtime, "operatingSystemFamily", tree.NewString(os), "")
		}
	}
}

// placement is what placement constraints tell of the instances.
type placement struct {
	arch     string
	windows  bool
	linux    bool
	graviton bool
}

var placementConstraint = finding.Rule{ID: "placement-constraint", Severity: finding.Warning, Action: finding.Drop, Source: guideFargate,
	Summary: "Fargate has no instances to choose from.", Help: finding.Advice{"See that the service does not rely on it."},
	Refusal: "Fargate compatible task definitions do not support constraints."}

// constraints reads the placement constraints before it drops them.
func (c *converter) constraints() (says placement) {
	all := c.def.Get("placementConstraints")
	if all.Kind() == tree.Array && all.Len() == 0 && (c.template || !c.fargate) {
		c.drop(sameMeaningDropped, all, "no placement constraints are what Fargate has; ECS takes an empty list, CloudFormation's checks do not")
	}
	for _, n := range c.items(all) {
		expression := c.text(n.Get("expression"))
		why := "Fargate has no instances to choose from"
		switch {
		case armConstraint.MatchString(expression):
			says.arch = "ARM64"
			why += "; that they are arm64 becomes runtimePlatform ARM64"
		case x86Constraint.MatchString(expression):
			says.arch = "X86_64"
			why += "; that they are x86_64 becomes runtimePlatform X86_64"
		}
		if windowsConstraint.MatchString(expression) {
			says.windows = true
			why += "; that they run Windows becomes runtimePlatform"
		}
		if linuxConstraint.MatchString(expression) {
			says.linux = true
		}
		if zoneConstraint.MatchString(expression) {
			why += "; choose the Availability Zones by the subnets of the service"
		}
		if instanceConstraint.MatchString(expression) {
			says.graviton = says.graviton || graviton.MatchString(expression)
			why += "; an instance type says nothing to Fargate, only CPU and memory of the task do"
		}
		c.drop(placementConstraint, n, "%s", why)
	}
	return says
}

var windowsVersionUnknown = finding.Rule{ID: "windows-version-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "The containers are for Windows, and nothing tells for which version.",
	Help:    finding.Advice{"Add runtimePlatform with the operatingSystemFamily of the images, such as WINDOWS_SERVER_2022_CORE."}, Allow: "it is WINDOWS_SERVER_2022_CORE."}

// impliedOS returns the operating system of a definition that names none, "" if
// that is for a person to say.
func (c *converter) impliedOS(says placement) (os string, windows bool) {
	evidence, what := c.windowsEvidence()
	if says.windows {
		evidence, what = c.def, "a placement constraint"
	}
	if evidence == nil || says.linux || c.fargate { // Fargate takes none as Linux
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
	if c.Refuse(windowsVersionUnknown, evidence, "%s says that this is Windows, and no image tells which version; on Fargate it has to be that of the images", what) {
		return "WINDOWS_SERVER_2022_CORE", true
	}
	return "", true
}

// windowsEvidence returns what in the containers tells that they are Windows.
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

var architectureArm64 = finding.Rule{ID: "architecture-arm64", Severity: finding.Warning, Action: finding.Keep, Source: apiPlatform,
	Summary: "This looks as if the instances were Graviton (arm64); without a word Fargate runs X86_64, and an arm64 image fails there.", Help: finding.Advice{"Say --arch arm64 or --arch x86_64."}}

// maybeGraviton warns where an image or a constraint tells of arm64.
func (c *converter) maybeGraviton(says placement) {
	if c.fargate {
		return
	}
	if says.graviton {
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
