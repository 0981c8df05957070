package deploy

import (
	"slices"
	"sync"
)

// Rule is what stands behind the findings of one ID.
type Rule struct {
	ID       string
	Severity Severity // of its findings; see Refusal and Allow for when it is another
	Action   Action   // what Convert does
	Summary  string   // what is found and why it matters, in a sentence or two
	Help     string   // what to do next, "" where nothing is
	Source   string   // where this is documented

	// Allow says what Convert does if the ID is in Options.Allow; the finding is
	// a warning then. "" where it cannot be allowed.
	Allow string
	// Refusal says why ECS refuses this in a definition that claims to be for
	// Fargate; Check makes the finding an error there. "" where ECS takes it.
	Refusal string
}

// Rules returns all rules, in the order in which a definition is gone through.
func Rules() []Rule { return slices.Clone(rules) }

var byID = sync.OnceValue(func() map[string]Rule {
	m := map[string]Rule{}
	for _, r := range rules {
		m[r.ID] = r
	}
	return m
})

func lookup(id string) (Rule, bool) {
	r, ok := byID()[id]
	return r, ok
}

// ruleOf returns a rule that the program names.
func ruleOf(id string) Rule {
	r, ok := lookup(id)
	if !ok {
		panic("deploy: no rule " + id)
	}
	return r
}

// Where things are documented.
const (
	guideFargate  = `Amazon ECS Developer Guide, "Task definition differences for Fargate"`
	guideAwslogs  = `Amazon ECS Developer Guide, "Using the awslogs log driver"`
	guideRole     = `Amazon ECS Developer Guide, "Task execution IAM role"`
	guideWindows  = `Amazon ECS Developer Guide, "Windows containers on Fargate considerations"`
	guideGMSA     = `Amazon ECS Developer Guide, "Using gMSA for Linux containers on Fargate"`
	guideEFS      = `Amazon ECS Developer Guide, "Amazon EFS volumes"`
	guideEBS      = `Amazon ECS Developer Guide, "Amazon EBS volumes"`
	guideS3Files  = `Amazon ECS Developer Guide, "S3 Files volumes"`
	guideStorage  = `Amazon ECS Developer Guide, "Storage options for Amazon ECS tasks"`
	guideFirelens = `Amazon ECS Developer Guide, "Using FireLens"`
	guideMetadata = `Amazon ECS Developer Guide, "Task metadata endpoint for Fargate"`
	apiTask       = "Amazon ECS API Reference, RegisterTaskDefinition"
	apiContainer  = "Amazon ECS API Reference, ContainerDefinition"
	apiPort       = "Amazon ECS API Reference, PortMapping"
	apiDependency = "Amazon ECS API Reference, ContainerDependency"
	apiLinux      = "Amazon ECS API Reference, LinuxParameters"
	apiVolume     = "Amazon ECS API Reference, Volume"
	apiLogs       = "Amazon ECS API Reference, LogConfiguration"
	apiPlatform   = "Amazon ECS API Reference, RuntimePlatform"
	dockerLinks   = `Docker documentation, "Legacy container links"`
)

const (
	allowDropped = "it is dropped."
	allowVolume  = "the volume and its mounts are dropped."
	allowKept    = "it stays as it is."
)

// WrongType is the ID of the finding that a part of the definition cannot be
// read: a list where a string belongs, or the like.
const WrongType = "wrong-type"

var rules = []Rule{
	// What no rule could read.
	{ID: WrongType, Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "A value is of another type than ECS takes there.", Help: "Write it as the API has it.", Refusal: "a parameter has an invalid type"},
	{ID: "member-missing", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "A member that ECS needs is missing.", Help: "Add it."},
	{ID: "value-invalid", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "A value is none of those that ECS knows.", Help: "Use one that it knows."},
	{ID: "value-out-of-range", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "A number, or how many there are of something, is out of range.", Help: "Bring it into the range."},
	{ID: "unknown-member", Severity: Warning, Action: Keep, Source: apiTask,
		Summary: "A member is unknown: it is misspelt, or newer than sumoship. It stays.", Help: "See whether ECS has it, and whether Fargate does."},
	{ID: "value-unknown", Severity: Info, Action: Keep,
		Summary: "This value is known only when it is deployed, so it stays and could not be checked.", Help: "See that what it will be suits Fargate."},
	{ID: "type-mended", Severity: Info, Action: Rewrite, Source: apiTask,
		Summary: "A number or a boolean is written as a string, or the other way round, which the AWS CLI does not take."},

	// The task.
	{ID: "family-missing", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "The definition has no family.", Help: "Give it one."},
	{ID: "family-invalid", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "The name of the family is none: 1 to 255 letters, digits, _ and -.", Help: "Rename it."},
	{ID: "family-suffix", Severity: Info, Action: Set,
		Summary: "The Fargate version gets a family of its own, as asked for."},
	{ID: "ecs-verdict", Severity: Info, Action: Keep, Source: "Amazon ECS API Reference, TaskDefinition (compatibilities)",
		Summary: "ECS has said what this definition is compatible with, and Fargate is not among it or was not asked for."},
	{ID: "compatibilities", Severity: Info, Action: Set, Source: apiTask,
		Summary: "The definition has to claim FARGATE, so that ECS checks it for that."},
	{ID: "placement-constraint", Severity: Warning, Action: Drop, Source: guideFargate,
		Summary: "Fargate has no instances to choose from.", Help: "See that the service does not rely on it.",
		Refusal: "Fargate compatible task definitions do not support constraints."},
	{ID: "runtime-platform", Severity: Info, Action: Set, Source: apiPlatform,
		Summary: "The instances had an operating system and a CPU; Fargate has to be told.", Help: "If the images are for Graviton (arm64), say so with --arch arm64."},
	{ID: "runtime-platform-windows", Severity: Warning, Action: Set, Source: apiPlatform,
		Summary: "The instances ran Windows; Fargate has to be told which, and it has to be the version of the images.", Help: "See that it is, and choose between Core and Full."},
	{ID: "architecture-arm64", Severity: Warning, Action: Keep, Source: apiPlatform,
		Summary: "This looks as if the instances were Graviton (arm64); without a word Fargate runs X86_64, and an arm64 image fails there.", Help: "Say --arch arm64 or --arch x86_64."},
	{ID: "windows-version-unknown", Severity: Error, Action: Refuse, Source: guideWindows,
		Summary: "The containers are for Windows, and nothing tells for which version.",
		Help:    "Add runtimePlatform with the operatingSystemFamily of the images, such as WINDOWS_SERVER_2022_CORE.", Allow: "it is WINDOWS_SERVER_2022_CORE."},
	{ID: "windows-version", Severity: Error, Action: Refuse, Source: apiPlatform,
		Summary: "Fargate does not have this version of Windows.", Help: "Build the images for Windows Server 2019 or 2022."},
	{ID: "windows-arm64", Severity: Error, Action: Refuse, Source: guideWindows,
		Summary: "Windows runs on X86_64 only.", Help: "Say X86_64.", Refusal: "Windows tasks do not support ARM64"},
	{ID: "network-mode", Severity: Info, Action: Set, Source: guideFargate,
		Summary: "Fargate has one network mode, awsvpc: the task has a network interface and an address of its own.", Help: "Give the service subnets and security groups.",
		Refusal: "Fargate only supports network mode 'awsvpc'."},
	{ID: "network-mode-host", Severity: Warning, Action: Set, Source: guideFargate,
		Summary: "Fargate has one network mode, awsvpc: the network of the instance is gone, and with it what else listened there on localhost.",
		Help:    "Add portMappings for what load balancers and service discovery need, and open the ports in the security group of the service.",
		Refusal: "Fargate only supports network mode 'awsvpc'."},
	{ID: "network-mode-none", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "The containers have no network; on Fargate they would have one, with a way out.", Help: "Close it by a security group without rules.",
		Allow: "the network mode becomes awsvpc.", Refusal: "Fargate only supports network mode 'awsvpc'."},
	{ID: "pid-mode-host", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "The containers see the processes of the instance; on Fargate there is none.", Help: "pidMode task shares those of the task.",
		Allow: "pidMode is dropped: each container sees its own processes.", Refusal: "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."},
	{ID: "ipc-mode", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "The containers share memory segments and semaphores; on Fargate each has its own.", Help: "Use a file on a shared volume, or a socket, between them.",
		Allow: allowDropped, Refusal: "Fargate compatible task definitions do not support ipcMode"},
	{ID: "same-meaning-dropped", Severity: Info, Action: Drop, Source: guideFargate,
		Summary: "A member that Fargate does not take asks for what it does anyway.", Refusal: "Fargate compatible task definitions do not have this parameter"},
	{ID: "proxy-configuration", Severity: Warning, Action: Keep, Source: apiTask,
		Summary: "The proxy of App Mesh works on Fargate, but App Mesh was announced to end in September 2026.", Help: "Plan to move to ECS Service Connect."},
	{ID: "inference-accelerators", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "Elastic Inference is retired; nothing takes inferenceAccelerators any more.", Help: "Infer on the CPU, or on GPU instances.",
		Allow: allowDropped, Refusal: "Unsupported field 'inferenceAccelerators'"},
	{ID: "execution-role-set", Severity: Info, Action: Set, Source: guideRole,
		Summary: "The definition had no execution role, and gets the one of the options."},
	{ID: "execution-role-missing", Severity: Error, Action: Refuse, Source: guideRole,
		Summary: "Fargate needs an execution role, as which it pulls images, reads secrets and writes logs.", Help: "Name one with --execution-role.",
		Allow: "it stays absent, and ECS will not register the definition before it is there."},
	{ID: "execution-role-rights", Severity: Info, Action: Keep, Source: guideRole,
		Summary: "The execution role needs more than AmazonECSTaskExecutionRolePolicy.", Help: "Add a policy that grants it."},
	{ID: "task-role-set", Severity: Info, Action: Set, Source: apiTask,
		Summary: "The definition had no task role, and gets the one of the options."},
	{ID: "task-role-missing", Severity: Warning, Action: Keep, Source: apiTask,
		Summary: "There is no task role. On EC2 the containers could use the role of the instance; on Fargate they have none.", Help: "If they call AWS, name a role with --task-role."},

	// Sizes.
	{ID: "task-cpu", Severity: Info, Action: Set, Source: guideFargate,
		Summary: "Fargate runs a task in one of its sizes only.", Refusal: "No Fargate configuration exists for given values, or the containers ask for more than the task has."},
	{ID: "task-memory", Severity: Info, Action: Set, Source: guideFargate,
		Summary: "Fargate runs a task in one of its sizes only.", Refusal: "No Fargate configuration exists for given values, or the containers ask for more than the task has."},
	{ID: "task-size-none", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "No size of Fargate is large enough.", Help: "Ask for less, or split the task; --memory-basis reservation adds up reservations and not limits."},
	{ID: "task-size-invalid", Severity: Error, Action: Refuse, Source: apiTask,
		Summary: "The cpu or memory of the task is no amount.", Help: `Write CPU units and MiB, such as "256" and "512", or ".25 vCPU" and "0.5 GB".`},
	{ID: "task-size-unknown", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "One of cpu and memory of the task is known only when it is deployed, and the other is missing.", Help: "Give both."},
	{ID: "task-size-32vcpu", Severity: Info, Action: Keep, Source: guideFargate,
		Summary: "32 vCPU are new on Fargate, and may not be there in each region.", Help: "Register it in your region to see."},
	{ID: "memory-unknown", Severity: Warning, Action: Keep, Source: apiContainer,
		Summary: "Nothing in the definition says how much memory it needs, so the size is the smallest for its CPU.", Help: "Measure it, and set memory."},
	{ID: "cpu-unreserved", Severity: Info, Action: Keep, Source: apiContainer,
		Summary: "No container reserves CPU. On EC2 they could use all that the instance had to spare; on Fargate the CPU of the task is the limit.", Help: "Measure what they use, and set cpu of the task."},
	{ID: "container-cpu-unreserved", Severity: Info, Action: Keep, Source: apiContainer,
		Summary: "This container reserves no CPU, so it gets what the others of the task leave it.", Help: "Set its cpu if it needs a share."},

	// Containers.
	{ID: "containers-too-many", Severity: Error, Action: Refuse, Source: "Amazon ECS service quotas",
		Summary: "A task has at most 10 containers.", Help: "Take one out, or split the task."},
	{ID: "no-essential-container", Severity: Error, Action: Refuse, Source: apiContainer,
		Summary: "No container is essential; a task needs one that is.", Help: "Say essential true for the one that the task is for."},
	{ID: "container-name-invalid", Severity: Error, Action: Refuse, Source: apiContainer,
		Summary: "The name of a container is none: 1 to 255 letters, digits, _ and -.", Help: "Rename it."},
	{ID: "container-name-duplicate", Severity: Error, Action: Refuse, Source: apiContainer,
		Summary: "Two containers have the same name.", Help: "Rename one."},
	{ID: "container-unknown", Severity: Error, Action: Refuse, Source: apiContainer,
		Summary: "A container that is referred to does not exist.", Help: "Correct the name, or take the reference out."},
	{ID: "interactive-console", Severity: Info, Action: Keep, Source: guideFargate,
		Summary: "Nobody can attach to a container on Fargate as with docker attach.", Help: "Use ECS Exec."},
	{ID: "timeout-clamped", Severity: Warning, Action: Set, Source: apiContainer,
		Summary: "Fargate waits between 2 and 120 seconds.", Help: "See that the container ends in that time.", Refusal: "the valid values for Fargate are 2-120 seconds"},
	{ID: "health-check-command", Severity: Error, Action: Refuse, Source: "Amazon ECS API Reference, HealthCheck",
		Summary: "The command of a health check begins with CMD or CMD-SHELL.", Help: "Add it."},
	{ID: "depends-on-essential", Severity: Error, Action: Refuse, Source: apiDependency,
		Summary: "A container waits for the end of an essential one, with which the task ends.", Help: "Say essential false for the one that ends."},
	{ID: "depends-on-health", Severity: Error, Action: Refuse, Source: apiDependency,
		Summary: "A container waits for the health of one that has no health check in the definition.", Help: "Add healthCheck; that of the image does not count."},
	{ID: "depends-on-cycle", Severity: Error, Action: Refuse, Source: apiDependency,
		Summary: "Containers wait for each other.", Help: "Take one dependency out."},
	{ID: "environment-file-invalid", Severity: Error, Action: Refuse, Source: "Amazon ECS API Reference, EnvironmentFile",
		Summary: "An environment file is an object in S3 whose name ends in .env.", Help: "Give its ARN, such as arn:aws:s3:::bucket/app.env."},
	{ID: "privileged", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "Fargate has no privileged containers.", Help: "Find out what it is for: most containers need it no more.",
		Allow: allowDropped, Refusal: "Fargate requires that the 'privileged' setting be 'false'."},
	{ID: "hostname-dropped", Severity: Warning, Action: Drop, Source: apiContainer,
		Summary: "With awsvpc a container has the name that its address has in the VPC, and no other.", Help: "See that nothing needs the name.",
		Refusal: "hostname is not supported on container when networkMode=awsvpc."},
	{ID: "networking-disabled", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "The container has no network; on Fargate it would have that of the task.", Help: "Move it to a task of its own, with a security group without rules.",
		Allow: allowDropped, Refusal: "Disable Networking is not supported on container when networkMode=awsvpc"},
	{ID: "dns-settings", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "The task resolves names as its VPC does.", Help: "Use the DHCP options of the VPC, or rules of Route 53 Resolver.",
		Allow: allowDropped, Refusal: "DNS servers are not supported on container when networkMode=awsvpc"},
	{ID: "extra-host-linked", Severity: Info, Action: Drop, Source: guideFargate,
		Summary: "The entry gives a linked container the address 127.0.0.1, which the rewriting of the link does.", Refusal: "Extra hosts are not supported on container when networkMode=awsvpc"},
	{ID: "extra-hosts", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "Fargate takes no extraHosts, so the name would not resolve.", Help: "Put it into a private hosted zone of Route 53, or write /etc/hosts in the entry point.",
		Allow: allowDropped, Refusal: "Extra hosts are not supported on container when networkMode=awsvpc"},
	{ID: "docker-security-options", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "Fargate takes no dockerSecurityOptions; without them the container is less isolated from its neighbours in the task, or may gain privileges.", Help: "Each task has a virtual machine of its own; drop privileges in the image.",
		Allow: allowDropped, Refusal: "Fargate compatible task definitions do not support dockerSecurityOptions"},
	{ID: "credential-spec-joined", Severity: Error, Action: Refuse, Source: guideGMSA,
		Summary: "The credential spec needs an instance that has joined the domain.", Help: "Use credentialSpecs with credentialspecdomainless: and a secret.",
		Allow: allowDropped, Refusal: "Fargate tasks take domainless credential specs only"},
	{ID: "credential-spec-windows", Severity: Error, Action: Refuse, Source: guideWindows,
		Summary: "Windows containers on Fargate cannot use gMSA.", Help: "Stay on EC2, or sign in by other means.",
		Allow: allowDropped, Refusal: "Windows containers on Fargate do not support gMSA"},
	{ID: "resource-requirements", Severity: Error, Action: Refuse, Source: guideFargate,
		Summary: "Fargate has no GPU or other accelerator.", Help: "Use ECS Managed Instances, or stay on EC2.",
		Allow: allowDropped, Refusal: "Tasks using the Fargate launch type do not support GPU resource requirements"},
	{ID: "windows-member-dropped", Severity: Warning, Action: Drop, Source: guideWindows,
		Summary: "Windows containers on Fargate do not have this.", Refusal: "Windows containers on Fargate do not support this parameter"},

	// Linux.
	{ID: "capability-granted", Severity: Info, Action: Drop, Source: apiLinux,
		Summary: "A container on Fargate has this capability without asking, and must not ask.", Refusal: "only SYS_PTRACE may be added on Fargate"},
	{ID: "capability", Severity: Error, Action: Refuse, Source: apiLinux,
		Summary: "Fargate gives no capability but SYS_PTRACE.", Help: "See whether the container works without it, or stay on EC2.",
		Allow: allowDropped, Refusal: "only SYS_PTRACE may be added on Fargate"},
	{ID: "devices", Severity: Error, Action: Refuse, Source: apiLinux,
		Summary: "There is no instance whose devices a container could have.", Help: "Stay on EC2.",
		Allow: allowDropped, Refusal: "Fargate compatible task definitions do not support devices"},
	{ID: "shared-memory", Severity: Error, Action: Refuse, Source: apiLinux,
		Summary: "On Fargate /dev/shm has the size that it has, 64 MiB by Docker's default.", Help: "--shm tmpfs mounts a tmpfs of that size there instead; try whether that works for you.",
		Allow: allowDropped, Refusal: "Fargate compatible task definitions do not support sharedMemorySize"},
	{ID: "shared-memory-tmpfs", Severity: Warning, Action: Rewrite, Source: apiLinux,
		Summary: "A tmpfs at /dev/shm stands in for sharedMemorySize, as asked for; its content counts as memory of the container.", Help: "Try it: this is not documented by AWS.",
		Refusal: "Fargate compatible task definitions do not support sharedMemorySize"},
	{ID: "swap-dropped", Severity: Warning, Action: Drop, Source: apiLinux,
		Summary: "Fargate has no swap: what does not fit into memory is killed.", Help: "Give the container more memory.", Refusal: "Fargate compatible task definitions do not support maxSwap"},
	{ID: "ulimit-order", Severity: Error, Action: Refuse, Source: "Amazon ECS API Reference, Ulimit",
		Summary: "A soft limit is over the hard limit.", Help: "Lower it."},
	{ID: "open-files-default", Severity: Info, Action: Keep, Source: "Amazon ECS API Reference, ContainerDefinition (ulimits)",
		Summary: "No container sets how many files it may open (nofile). On Fargate that is 65535; on EC2 it was what Docker on the instance said.", Help: "Set ulimits if it matters."},
	{ID: "system-control-shared", Severity: Warning, Action: Keep, Source: "Amazon ECS API Reference, SystemControl",
		Summary: "Two containers set a kernel parameter of the network, which is one for the task.", Help: "Set it in one."},

	// Ports and links.
	{ID: "host-port-removed", Severity: Info, Action: Drop, Source: apiPort,
		Summary: "Fargate has no host ports; the container port, the same number, is that of the task."},
	{ID: "host-port-changed", Severity: Warning, Action: Drop, Source: apiPort,
		Summary: "The host port goes: load balancers, clients and security groups use the container port.", Help: "Use a target group of type ip on the container port.",
		Refusal: "When networkMode=awsvpc, the host ports and container ports in port mappings must match."},
	{ID: "host-port-dynamic", Severity: Info, Action: Keep, Source: apiPort,
		Summary: "The instance chose a host port; on Fargate the container port is that of the task.", Help: "Use a target group of type ip on the container port."},
	{ID: "port-collision", Severity: Error, Action: Refuse, Source: apiPort,
		Summary: "Two containers have the same port; in one task they share the network, so only one can listen.", Help: "Make one listen on another port.",
		Allow: allowKept},
	{ID: "port-mapping-duplicate", Severity: Info, Action: Drop, Source: apiPort,
		Summary: "Without its host port a mapping says what another says already."},
	{ID: "port-overlap", Severity: Error, Action: Refuse, Source: apiPort,
		Summary: "Two port mappings of a container overlap.", Help: "Take one out."},
	{ID: "port-range-conflict", Severity: Error, Action: Refuse, Source: apiPort,
		Summary: "A mapping is of one port or of a range, not of both.", Help: "Take containerPort and hostPort out, or containerPortRange."},
	{ID: "port-name-duplicate", Severity: Error, Action: Refuse, Source: apiPort,
		Summary: "Two port mappings have the same name.", Help: "Rename one."},
	{ID: "link-dropped", Severity: Info, Action: Drop, Source: apiContainer,
		Summary: "Fargate has no links; the containers of a task share its network, at 127.0.0.1.", Refusal: "Links are not supported when networkMode=awsvpc."},
	{ID: "link-unknown", Severity: Error, Action: Refuse, Source: apiContainer,
		Summary: "A link names a container that does not exist.", Help: "Correct the name, or take the link out."},
	{ID: "link-depends-on", Severity: Info, Action: Set, Source: apiDependency,
		Summary: "A link also made the container wait for the start of the other; dependsOn START does that."},
	{ID: "link-alias-rewritten", Severity: Info, Action: Rewrite, Source: guideFargate,
		Summary: "The alias of a link stood as a host; the linked container is at 127.0.0.1 now."},
	{ID: "link-alias-kept", Severity: Warning, Action: Keep, Source: dockerLinks,
		Summary: "The alias of a link stands here, which does not resolve on Fargate.", Help: "Make it 127.0.0.1; --rewrite-links all does so in commands as well."},
	{ID: "link-alias-unused", Severity: Warning, Action: Keep, Source: dockerLinks,
		Summary: "Nothing in the definition says the alias of a link: it is probably built into the image, and does not resolve on Fargate.", Help: "Configure the address, such as by a variable of the image: WORDPRESS_DB_HOST=127.0.0.1."},

	// Volumes.
	{ID: "volume-name-duplicate", Severity: Error, Action: Refuse, Source: apiVolume,
		Summary: "Two volumes have the same name.", Help: "Rename one."},
	{ID: "volume-kinds", Severity: Error, Action: Refuse, Source: apiVolume,
		Summary: "A volume is of one kind only.", Help: "Take the others out."},
	{ID: "volume-unknown", Severity: Error, Action: Refuse, Source: apiVolume,
		Summary: "A container mounts a volume that does not exist.", Help: "Correct the name, or add the volume.", Refusal: "Unknown volume."},
	{ID: "volume-host-path", Severity: Error, Action: Refuse, Source: guideStorage,
		Summary: "A volume is a path of the instance, and Fargate has no instance.", Help: "Say what becomes of it with --volume NAME=ephemeral or NAME=efs:fs-ID.",
		Allow: allowVolume, Refusal: "Fargate compatible task definitions do not support sourcePath"},
	{ID: "volume-docker-task", Severity: Info, Action: Rewrite, Source: apiVolume,
		Summary: "A Docker volume that lives as long as the task is empty storage of the task on Fargate; its labels go.", Refusal: "Fargate compatible task definitions do not support dockerVolumeConfiguration"},
	{ID: "volume-docker", Severity: Error, Action: Refuse, Source: guideStorage,
		Summary: "Fargate has no Docker volumes that are shared between tasks, and no volume drivers.", Help: "Say what becomes of it with --volume NAME=ephemeral or NAME=efs:fs-ID.",
		Allow: allowVolume, Refusal: "Fargate compatible task definitions do not support dockerVolumeConfiguration"},
	{ID: "volume-fsx", Severity: Error, Action: Refuse, Source: guideStorage,
		Summary: "FSx for Windows File Server can be mounted on EC2 only.", Help: "Stay on EC2, or mount the share from inside the container.",
		Allow: allowVolume, Refusal: "Fargate tasks do not support FSx for Windows File Server"},
	{ID: "volume-ephemeral", Severity: Warning, Action: Rewrite, Source: guideStorage,
		Summary: "A volume becomes empty storage of the task, as asked for: what is written there goes with it.", Refusal: "Fargate compatible task definitions do not support sourcePath"},
	{ID: "volume-efs", Severity: Warning, Action: Rewrite, Source: guideEFS,
		Summary: "A volume becomes a file system of EFS, as asked for.", Help: "Copy the data there, and see to owners and rights.", Refusal: "Fargate compatible task definitions do not support sourcePath"},
	{ID: "mount-dropped", Severity: Warning, Action: Drop, Source: apiVolume,
		Summary: "A mount goes with its volume.", Help: "See that the container does without."},
	{ID: "efs-invalid", Severity: Error, Action: Refuse, Source: guideEFS,
		Summary: "EFS with an access point or with IAM needs transitEncryption, and with an access point no rootDirectory.", Help: "Set transitEncryption ENABLED and rootDirectory /."},
	{ID: "efs-security-group", Severity: Info, Action: Keep, Source: guideEFS,
		Summary: "The mount targets of EFS have to let the task in.", Help: "Allow TCP 2049 from the security group of the service."},
	{ID: "ebs-several", Severity: Error, Action: Refuse, Source: guideEBS,
		Summary: "A task has at most one volume that is configured at launch.", Help: "Use EFS for the other."},
	{ID: "ebs-unmounted", Severity: Error, Action: Refuse, Source: guideEBS,
		Summary: "A volume that is configured at launch has to be mounted.", Help: "Mount it, or take it out."},
	{ID: "ebs-service", Severity: Info, Action: Keep, Source: guideEBS,
		Summary: "What this volume is, the service or the run of the task says.", Help: "Give volumeConfigurations there."},
	{ID: "s3files-task-role", Severity: Error, Action: Refuse, Source: guideS3Files,
		Summary: "S3 Files are mounted as the task role, and there is none.", Help: "Name one with --task-role."},
	{ID: "windows-volume", Severity: Error, Action: Refuse, Source: guideWindows,
		Summary: "Windows containers on Fargate can mount storage of the task only.", Help: "Read and write S3 by its API, or stay on EC2.",
		Allow: allowVolume, Refusal: "Windows containers on Fargate do not support this volume"},

	// Logs.
	{ID: "log-destination-added", Severity: Warning, Action: Set, Source: guideAwslogs,
		Summary: "The container has no log driver. On EC2 its logs were on the instance; on Fargate they would be nowhere. They go to CloudWatch Logs now.", Help: "Create the log group before the first task."},
	{ID: "log-driver-replaced", Severity: Warning, Action: Rewrite, Source: apiLogs,
		Summary: "Fargate has the log drivers awslogs, splunk and awsfirelens; the logs go to CloudWatch Logs now.", Help: "Create the log group before the first task.",
		Refusal: "it is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]"},
	{ID: "log-destination-lost", Severity: Warning, Action: Rewrite, Source: apiLogs,
		Summary: "The logs went to a server of yours, and go to CloudWatch Logs now: the server receives them no more.",
		Help:    "To go on sending them there, use awsfirelens, which means the same; --fluentd firelens does that for fluentd servers outside of the instance. Create the log group before the first task.",
		Refusal: "it is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]"},
	{ID: "log-fluentd-firelens", Severity: Warning, Action: Rewrite, Source: guideFirelens,
		Summary: "The logs go to the same fluentd server through a log router, as asked for.", Help: "See that the server takes forward from the subnets of the service.",
		Refusal: "fluentd is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]"},
	{ID: "log-router-added", Severity: Info, Action: Set, Source: guideFirelens,
		Summary: "awsfirelens hands the logs to a container, Fluent Bit as AWS builds it, which logs to CloudWatch Logs itself."},
	{ID: "log-router-missing", Severity: Error, Action: Refuse, Source: guideFirelens,
		Summary: "A container uses awsfirelens, and none has firelensConfiguration.", Help: "Add a log router."},
	{ID: "log-router-own-logs", Severity: Warning, Action: Rewrite, Source: guideFirelens,
		Summary: "The log router would send its own logs to itself; they go to CloudWatch Logs now."},
	{ID: "firelens-config-s3", Severity: Error, Action: Refuse, Source: "Amazon ECS API Reference, FirelensConfiguration",
		Summary: "On Fargate the log router cannot read its configuration from S3 by config-file-type.", Help: "Use the init image of aws-for-fluent-bit and the variable aws_fluent_bit_init_s3_1, or build the file into the image.",
		Allow: "the options of the file are dropped.", Refusal: "Fargate launch type does not support FirelensConfiguration config file from 's3'"},
	{ID: "windows-firelens", Severity: Error, Action: Refuse, Source: guideWindows,
		Summary: "Windows containers on Fargate have no awsfirelens.", Help: "Use awslogs.", Allow: "the logs go to CloudWatch Logs, and the log router loses its configuration.",
		Refusal: "Windows tasks do not support awsfirelens"},
	{ID: "log-secrets-dropped", Severity: Warning, Action: Drop, Source: apiLogs,
		Summary: "The secretOptions of a log driver go with it."},
	{ID: "log-options-set", Severity: Warning, Action: Rewrite, Source: guideAwslogs,
		Summary: "awslogs has no options here, and needs a group, a region and a prefix.", Help: "Create the log group before the first task.",
		Refusal: "Log driver awslogs requires options: awslogs-region, awslogs-group"},
	{ID: "log-option-dropped", Severity: Warning, Action: Drop, Source: guideAwslogs,
		Summary: "Docker has this option of awslogs; ECS does not take it.", Refusal: "Log driver awslogs disallows options"},
	{ID: "log-group-set", Severity: Info, Action: Set, Source: guideAwslogs,
		Summary: "awslogs needs a log group.", Help: "Create it before the first task.", Refusal: "Log driver awslogs requires options: awslogs-group"},
	{ID: "log-group-unknown", Severity: Error, Action: Refuse, Source: guideAwslogs,
		Summary: "awslogs needs a log group, and there is no family to name it after.", Help: "Name it with --log-group, or the family with --family."},
	{ID: "log-region-set", Severity: Info, Action: Set, Source: guideAwslogs,
		Summary: "awslogs needs the region of the log group.", Refusal: "Log driver awslogs requires options: awslogs-region"},
	{ID: "log-region-unknown", Severity: Error, Action: Refuse, Source: guideAwslogs,
		Summary: "awslogs needs the region of the log group, and nothing in the definition names one.", Help: "Name it with --region."},
	{ID: "log-stream-prefix-set", Severity: Info, Action: Set, Source: guideAwslogs,
		Summary: "On Fargate awslogs needs a prefix of its streams, which are called prefix/container/task-id then.", Help: "Searches for the old names of streams, which were container IDs, find nothing new.",
		Refusal: "Fargate requires log configuration options to include awslogs-stream-prefix"},
	{ID: "log-mode-set", Severity: Warning, Action: Set, Source: guideAwslogs,
		Summary: "awslogs without mode waited for CloudWatch Logs until June 2025; now it drops lines that do not fit into its buffer. mode blocking loses none.", Help: "Say mode non-blocking where the application must never wait for its logs."},
	{ID: "log-multiline-conflict", Severity: Error, Action: Refuse, Source: guideAwslogs,
		Summary: "awslogs takes awslogs-datetime-format or awslogs-multiline-pattern, not both.", Help: "Take one out."},

	// What texts tell of the instance.
	{ID: "instance-metadata", Severity: Warning, Action: Keep, Source: guideMetadata,
		Summary: "This is the address of the metadata of the instance; on Fargate there is none.", Help: "Use the task metadata endpoint at ECS_CONTAINER_METADATA_URI_V4, and a task role for credentials."},
	{ID: "docker-bridge-address", Severity: Warning, Action: Keep, Source: guideFargate,
		Summary: "This is the instance as a container sees it, where an agent listened; on Fargate there is none.", Help: "Run the agent as a container of the task, at 127.0.0.1."},
	{ID: "docker-socket", Severity: Warning, Action: Keep, Source: guideFargate,
		Summary: "This is a socket of the instance, such as that of Docker; on Fargate there is none.", Help: "Use the task metadata endpoint, or run this on EC2."},
	{ID: "container-metadata-file", Severity: Warning, Action: Keep, Source: guideMetadata,
		Summary: "The container metadata file is written on instances only.", Help: "Use the task metadata endpoint at ECS_CONTAINER_METADATA_URI_V4."},
	{ID: "link-variables", Severity: Warning, Action: Keep, Source: dockerLinks,
		Summary: "Docker set this variable for a link; on Fargate nobody does.", Help: "Set it in environment, or say 127.0.0.1 and the port."},
	{ID: "localhost-in-host-mode", Severity: Warning, Action: Keep, Source: guideFargate,
		Summary: "With network mode host this was the instance; on Fargate it is the task.", Help: "See that what it reaches runs in the task."},
	{ID: "network-interface", Severity: Warning, Action: Keep, Source: guideFargate,
		Summary: "This is a network interface of the instance; a task on Fargate has eth0, and with platform version 1.4.0 eth1.", Help: "Use the interface of the task, or none."},
}
