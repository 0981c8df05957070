package fargate

import (
	"cmp"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// volumeKinds are the members that define a volume. A volume has one of them; without
// any it is empty task storage.
var volumeKinds = []string{
	"host", "dockerVolumeConfiguration", "efsVolumeConfiguration", "s3filesVolumeConfiguration",
	"fsxWindowsFileServerVolumeConfiguration", "configuredAtLaunch",
}

var volumeNameDuplicate = finding.Rule{
	ID: "volume-name-duplicate", Severity: finding.Error, Action: finding.Refuse, Source: apiVolume,
	Summary: "Two volumes have the same name.",
	Help:    finding.Advice{"Rename one."},
}

var volumeKindsRule = finding.Rule{
	ID: "volume-kinds", Severity: finding.Error, Action: finding.Refuse, Source: apiVolume,
	Summary: "A volume must be of one kind.",
	Help:    finding.Advice{"Remove the others."},
}

var volumeFSX = finding.Rule{
	ID: "volume-fsx", Severity: finding.Error, Action: finding.Refuse, Source: guideStorage,
	Summary: "FSx for Windows File Server can be mounted only on EC2.",
	Help:    finding.Advice{"Stay on EC2, or mount the share from inside the container."},
	Allow:   allowVolume,
	Refusal: "Fargate tasks do not support FSx for Windows File Server",
}

var windowsVolume = finding.Rule{
	ID: "windows-volume", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "Windows containers on Fargate can mount only the task's own storage.",
	Help:    finding.Advice{"Use S3 through its API, or stay on EC2."},
	Allow:   allowVolume,
	Refusal: "Windows containers on Fargate do not support this volume",
}

var s3filesTaskRole = finding.Rule{
	ID: "s3files-task-role", Severity: finding.Error, Action: finding.Refuse, Source: guideS3Files,
	Summary: "S3 Files are mounted with the task role, and the definition has none.",
	Help:    finding.Advice{"Give one with --task-role."},
}

var volumeAdded = finding.Rule{
	ID: "volume-added", Severity: finding.Warning, Action: finding.Set, Source: apiVolume,
	Summary: "A container mounts a volume that the definition does not have; it is added, as requested.",
	Help:    finding.Advice{"If it held data, copy them there."},
}

// addVolumes adds volumes that containers mount, that the definition does not have,
// and that the options give. The volumes of a list of containers are around it.
func (c *converter) addVolumes() {
	for _, container := range c.containers {
		for _, mount := range c.items(container.Get("mountPoints")) {
			name := mount.Get("sourceVolume").Str()
			to := c.Volumes[name]
			if name == "" || to == "" || c.list || c.hasVolume(name) {
				continue
			}
			kind := tree.Member{Name: "host", Value: tree.NewObject()}
			if to != "ephemeral" {
				kind = tree.Member{Name: "efsVolumeConfiguration", Value: efsConfiguration(to)}
			}
			v := tree.NewObject(tree.Member{Name: "name", Value: tree.NewString(name)}, kind)
			if all := c.def.Get("volumes"); all.Kind() == tree.Array {
				c.put(volumeAdded, all, v, "volume %q is %s, as requested", name, to)
			} else {
				c.set(volumeAdded, c.def, "volumes", tree.NewArray(v), "volume %q is %s, as requested", name, to)
			}
		}
	}
}

// efsConfiguration returns the configuration of a file system that an option names.
func efsConfiguration(option string) *tree.Node {
	efs := efsVolume.FindStringSubmatch(option)
	members := []tree.Member{
		{Name: "fileSystemId", Value: tree.NewString(efs[1])},
		{Name: "transitEncryption", Value: tree.NewString("ENABLED")},
	}
	switch rest := efs[2]; {
	case strings.HasPrefix(rest, "/"):
		members = append(members, tree.Member{Name: "rootDirectory", Value: tree.NewString(rest)})
	case rest != "":
		members = append(members, tree.Member{Name: "authorizationConfig", Value: tree.NewObject(tree.Member{Name: "accessPointId", Value: tree.NewString(rest)})})
	}
	return tree.NewObject(members...)
}

// volumes refuses or replaces volumes that need an instance, and checks the others.
func (c *converter) volumes() {
	c.addVolumes()
	seen := map[string]bool{}
	launched := false
	for _, v := range c.items(c.def.Get("volumes")) {
		if v.Kind() != tree.Object {
			continue
		}
		name := v.Get("name").Identity()
		if seen[name] && name != "" {
			c.Fail(volumeNameDuplicate, v, "another volume of this task is already named %q", name)
		}
		seen[name] = true
		if kinds := c.kinds(v); len(kinds) > 1 {
			c.Fail(volumeKindsRule, v, "a volume must be of one kind, but this has %s", strings.Join(kinds, " and "))
			continue
		}
		c.volume(v, name)
		if n := v.Get("configuredAtLaunch"); n != nil && c.flag(n) {
			c.ebs(v, n, name, launched)
			launched = true
		}
	}
}

// kinds returns which members define a volume.
func (c *converter) kinds(v *tree.Node) (kinds []string) {
	for _, kind := range volumeKinds {
		if n := v.Get(kind); n != nil && (n.Len() > 0 || kind == "configuredAtLaunch" && c.flag(n)) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// volume handles a volume by its kind.
func (c *converter) volume(v *tree.Node, name string) {
	c.hostVolume(v, name)
	c.dockerVolume(v, name)
	if n := v.Get("fsxWindowsFileServerVolumeConfiguration"); n != nil && !c.unknown(n) {
		c.refuseOrMove(volumeFSX, v, n, name, "")
	}
	if n := v.Get("efsVolumeConfiguration"); n != nil && !c.unknown(n) {
		c.efs(v, n, name)
	}
	if n := v.Get("s3filesVolumeConfiguration"); n != nil && !c.unknown(n) {
		c.s3files(v, n, name)
	}
}

func (c *converter) s3files(v, n *tree.Node, name string) {
	if c.windows {
		c.refuseOrDropVolume(windowsVolume, v, n, name, "Windows containers on Fargate cannot mount S3 Files")
		return
	}
	if c.def.Get("taskRoleArn").Identity() == "" && c.TaskRole == "" && !c.list {
		c.Fail(s3filesTaskRole, n, "")
	}
}

var volumeHostPath = finding.Rule{
	ID: "volume-host-path", Severity: finding.Error, Action: finding.Refuse, Source: guideStorage,
	Summary: "A volume is a path on the instance, and Fargate has no instance.",
	Help:    finding.Advice{"Replace it with --volume NAME=ephemeral or NAME=efs:fs-ID."},
	Allow:   allowVolume,
	Refusal: "Fargate compatible task definitions do not support sourcePath",
}

func (c *converter) hostVolume(v *tree.Node, name string) {
	host := v.Get("host")
	path := host.Get("sourcePath")
	switch {
	case host == nil || c.unknown(host) || path == nil:
	case path.Kind() == tree.String && path.Identity() == "":
		c.dropEmpty(path, "an empty sourcePath means empty storage, as does an absent one")
	default:
		p, _ := path.Text()
		c.refuseOrMove(volumeHostPath, v, host, name, "volume %q is %s on the instance, and Fargate has no instance: %s", name, path.Source(), advice(p))
	}
}

// advice returns what can replace a path on an instance.
func advice(path string) string {
	p := strings.TrimRight(path, "/")
	switch {
	case strings.HasSuffix(p, "docker.sock"):
		return "there is no Docker to talk to; what needs Docker stays on EC2 as an agent of the instances"
	case p == "" || under(p, "/proc", "/sys", "/cgroup", "/dev", "/var/lib/docker", "/var/run", "/run", "/var/lib/ecs", "/boot", "/lib/modules"):
		return "this seems to be an agent of the instances, which has nothing to observe on Fargate; use a sidecar or CloudWatch Container Insights"
	case under(p, "/etc/localtime", "/etc/timezone", "/etc/ssl", "/etc/pki", "/etc/hosts", "/etc/passwd", "/etc/group", "/usr/share/zoneinfo", "/usr/share/ca-certificates"):
		return "build its content into the image, or set TZ for the time zone"
	}
	return "put the data on EFS, EBS or S3 Files, or make it ephemeral if it may be lost with the task"
}

func under(path string, roots ...string) bool {
	for _, root := range roots {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

var volumeDockerTask = finding.Rule{
	ID: "volume-docker-task", Severity: finding.Info, Action: finding.Rewrite, Source: apiVolume,
	Summary: "A Docker volume that lives as long as the task becomes empty task storage on Fargate; its labels are dropped.",
	Refusal: "Fargate compatible task definitions do not support dockerVolumeConfiguration",
}

var volumeDocker = finding.Rule{
	ID: "volume-docker", Severity: finding.Error, Action: finding.Refuse, Source: guideStorage,
	Summary: "Fargate has neither Docker volumes shared between tasks nor volume drivers.",
	Help:    finding.Advice{"Replace it with --volume NAME=ephemeral or NAME=efs:fs-ID."},
	Allow:   allowVolume,
	Refusal: "Fargate compatible task definitions do not support dockerVolumeConfiguration",
}

func (c *converter) dockerVolume(v *tree.Node, name string) {
	n := v.Get("dockerVolumeConfiguration")
	if n == nil || c.unknown(n) {
		return
	}
	scope, driver := n.Get("scope"), n.Get("driver")
	d := c.text(driver)
	ofTask := scope == nil || c.text(scope) == "task"
	if ofTask && !driver.Opaque() && (d == "" || d == "local" || d == "none") && n.Get("driverOpts").Len() == 0 {
		c.swapFor(volumeDockerTask, n, "host", tree.NewObject(), "")
		return
	}
	why := "Fargate has no Docker volumes"
	if !ofTask {
		why += "; a shared one outlives its task on the instance"
	} else {
		why += ", and no driver " + cmp.Or(d, "with options")
	}
	c.refuseOrMove(volumeDocker, v, n, name, "%s", why)
}

var volumeEphemeral = finding.Rule{
	ID: "volume-ephemeral", Severity: finding.Warning, Action: finding.Rewrite, Source: guideStorage,
	Summary: "A volume becomes empty task storage, as requested: its content is lost when the task ends.",
	Refusal: "Fargate compatible task definitions do not support sourcePath",
}

var volumeEFS = finding.Rule{
	ID: "volume-efs", Severity: finding.Warning, Action: finding.Rewrite, Source: guideEFS,
	Summary: "A volume becomes an EFS file system, as requested.",
	Help:    finding.Advice{"Copy the data there, and check owners and permissions."},
	Refusal: "Fargate compatible task definitions do not support sourcePath",
}

// refuseOrMove refuses a volume that Fargate does not have, unless an option replaces
// it. If allowed, the volume and its mounts are dropped.
func (c *converter) refuseOrMove(rule finding.Rule, v, kind *tree.Node, name, why string, args ...any) {
	to := c.Volumes[name]
	if to == "" {
		c.refuseOrDropVolume(rule, v, kind, name, why, args...)
		return
	}
	if to == "ephemeral" {
		if kind.Name() == v.Field("host").Name() && kind == v.Field("host") {
			n := kind.Get("sourcePath")
			c.drop(volumeEphemeral, n, "volume %q becomes empty task storage: its content is lost when the task ends", name)
			return
		}
		c.swapFor(volumeEphemeral, kind, "host", tree.NewObject(), "volume %q becomes empty task storage: its content is lost when the task ends", name)
		return
	}
	c.swapFor(volumeEFS, kind, "efsVolumeConfiguration", efsConfiguration(to), "volume %q becomes EFS file system %s", name, efsVolume.FindStringSubmatch(to)[1])
}

var mountDropped = finding.Rule{
	ID: "mount-dropped", Severity: finding.Warning, Action: finding.Drop, Source: apiVolume,
	Summary: "A mount is dropped with its volume.",
	Help:    finding.Advice{"Make sure that the container works without it."},
}

// refuseOrDropVolume refuses a volume, or drops it and its mounts if allowed.
func (c *converter) refuseOrDropVolume(rule finding.Rule, v, kind *tree.Node, name, why string, args ...any) {
	if !c.Refuse(rule, kind, why, args...) {
		return
	}
	c.drop(rule, v, why, args...)
	for _, container := range c.containers {
		for _, mount := range container.Get("mountPoints").Elements() {
			if mount.Get("sourceVolume").Identity() == name {
				c.drop(mountDropped, mount, "it mounts volume %q, which is dropped", name)
			}
		}
	}
}

var efsInvalid = finding.Rule{
	ID: "efs-invalid", Severity: finding.Error, Action: finding.Refuse, Source: guideEFS,
	Summary: "EFS with an access point, IAM or a transitEncryptionPort needs transitEncryption, and with an access point no rootDirectory.",
	Help:    finding.Advice{"Set transitEncryption ENABLED and rootDirectory /."},
}

var efsSecurityGroup = finding.Rule{
	ID: "efs-security-group", Usual: true, Topic: finding.Network, Severity: finding.Info, Action: finding.Keep, Source: guideEFS,
	Summary: "The EFS mount targets must admit the task.",
	Help:    finding.Advice{"Allow TCP 2049 from the service's security group."},
}

func (c *converter) efs(v, n *tree.Node, name string) {
	if c.windows {
		c.refuseOrDropVolume(windowsVolume, v, n, name, "Windows containers on Fargate cannot mount EFS")
		return
	}
	auth := n.Get("authorizationConfig")
	encryption, root := n.Get("transitEncryption"), n.Get("rootDirectory")
	point, iam := auth.Get("accessPointId"), c.text(auth.Get("iam"))
	encrypted := encryption.Opaque() || c.text(encryption) == "ENABLED"
	switch {
	case point.Identity() != "" && !encrypted:
		c.Fail(efsInvalid, n, "an access point needs transitEncryption ENABLED")
	case iam == "ENABLED" && !encrypted:
		c.Fail(efsInvalid, n, "iam ENABLED needs transitEncryption ENABLED")
	case n.Get("transitEncryptionPort") != nil && !encrypted:
		c.Fail(efsInvalid, n.Get("transitEncryptionPort"), "transitEncryptionPort needs transitEncryption ENABLED")
	}
	if dir := c.text(root); point.Identity() != "" && dir != "" && dir != "/" {
		c.Fail(efsInvalid, root, "with an access point rootDirectory must be / or absent")
	}
	c.Note(efsSecurityGroup, n, "")
}

var ebsSeveral = finding.Rule{
	ID: "ebs-several", Severity: finding.Error, Action: finding.Refuse, Source: guideEBS,
	Summary: "A task has at most one volume that is configured at launch.",
	Help:    finding.Advice{"Use EFS for the other."},
}

var ebsUnmounted = finding.Rule{
	ID: "ebs-unmounted", Severity: finding.Error, Action: finding.Refuse, Source: guideEBS,
	Summary: "A volume that is configured at launch must be mounted.",
	Help:    finding.Advice{"Mount it, or remove it."},
}

var ebsService = finding.Rule{
	ID: "ebs-service", Severity: finding.Info, Action: finding.Keep, Source: guideEBS,
	Summary: "The service or the run-task call defines this volume.",
	Help:    finding.Advice{"Set volumeConfigurations there."},
}

func (c *converter) ebs(v, n *tree.Node, name string, several bool) {
	if c.windows {
		c.refuseOrDropVolume(windowsVolume, v, n, name, "Windows containers on Fargate cannot mount EBS")
		return
	}
	if several {
		c.Fail(ebsSeveral, n, "")
	}
	mounted := c.containersUnknown
	for _, container := range c.containers {
		for _, mount := range container.Get("mountPoints").Elements() {
			mounted = mounted || mount.Get("sourceVolume").Identity() == name || mount.Opaque()
		}
	}
	if !mounted {
		c.Fail(ebsUnmounted, v, "volume %q is configured at launch, but no container mounts it", name)
	}
	c.Note(ebsService, n, "")
}

// hasVolume reports whether a volume has, or may have, the name.
func (c *converter) hasVolume(name string) bool {
	volumes := c.def.Get("volumes")
	if volumes.Opaque() || c.list {
		return true
	}
	for _, v := range volumes.Elements() {
		if v.Opaque() || v.Get("name").Identity() == name {
			return true
		}
	}
	return false
}
