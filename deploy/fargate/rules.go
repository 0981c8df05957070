package fargate

import (
	"slices"

	"sumoship/deploy/finding"
)

// Rules returns all rules, ordered by subject.
func Rules() []finding.Rule { return slices.Clone(rules) }

func lookup(id string) (rule finding.Rule, ok bool) {
	i := slices.IndexFunc(rules, func(r finding.Rule) bool { return r.ID == id })
	if i < 0 {
		return rule, false
	}
	return rules[i], true
}

// Sources.
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

// What Convert does with what the user allows.
const (
	allowDropped = "it is dropped."
	allowVolume  = "the volume and its mounts are dropped."
	allowKept    = "it stays as it is."
)

var rules = []finding.Rule{
	// Values that cannot be read.
	WrongType, memberMissing, valueInvalid, valueOutOfRange, unknownMember, valueUnknown, typeMended,

	// The task.
	familyMissing, familyInvalid, familySuffix, listSettings, ecsVerdict, compatibilities, placementConstraint, runtimePlatform,
	runtimePlatformWindows, architectureArm64, architectureUnknown, windowsPossible, windowsVersionUnknown, windowsVersion, windowsArm64, networkMode,
	networkModeHost, networkModeNone, networkModeUnknown, pidModeHost, ipcMode, sameMeaningDropped, emptyDropped, proxyInvalid, proxyConfiguration,
	inferenceAccelerators, ExecutionRoleSet, executionRoleMissing, ExecutionRoleRights, TaskRoleSet,
	TaskRoleMissing,

	// Sizes.
	taskCPU, taskMemory, taskSizeNone, taskSizeInvalid, taskSizeUnknown, taskSizeParameter, taskSize32vcpu, memoryUnknown,
	cpuUnreserved, containerCPUUnreserved,

	// Containers.
	containersTooMany, memoryReservation, secretNameTaken, noEssentialContainer, containerNameInvalid, containerNameDuplicate, containerUnknown,
	interactiveConsole, timeoutClamped, healthCheckCommand, dependsOnEssential, dependsOnHealth, dependsOnCycle,
	environmentFileInvalid, privileged, hostnameDropped, networkingDisabled, dnsSettings, extraHostLinked,
	extraHosts, dockerSecurityOptions, credentialSpecJoined, credentialSpecWindows, resourceRequirements,
	accelerators, windowsMemberDropped,

	// Linux.
	capabilityGranted, capability, devices, sharedMemory, sharedMemoryTmpfs, swapDropped, ulimitOrder,
	openFilesDefault, systemControlShared,

	// Ports and links.
	hostPortRemoved, hostPortChanged, hostPortDynamic, portCollision, portMappingDuplicate, protocolMended, portOverlap,
	portRangeConflict, portNameDuplicate, linkDropped, linkUnknown, linkDependsOn, linkAliasRewritten,
	linkAliasAssumed, linkAliasKept, linkAliasUnused,

	// Volumes.
	volumeNameDuplicate, volumeKindsRule, volumeUnknown, volumeAdded, volumeHostPath, volumeDockerTask, volumeDocker, volumeFSX,
	volumeEphemeral, volumeEFS, mountDropped, efsInvalid, efsSecurityGroup, ebsSeveral, ebsUnmounted, ebsService,
	s3filesTaskRole, windowsVolume,

	// Logs.
	logDestinationAdded, logDriverReplaced, logDestinationLost, logFluentdFirelens, logRouterAdded,
	logRouterMissing, logRouterOwnLogs, firelensConfigS3, windowsFirelens, logSecretsDropped, logOptionsSet,
	logOptionDropped, logGroupSet, logGroupUnknown, logRegionSet, logRegionUnknown, logStreamPrefixSet, logModeSet, logMode,
	logMultilineConflict,

	// Texts that assume an instance.
	instanceMetadata, dockerBridgeAddress, dockerSocket, containerMetadataFile, linkVariables, localhostInHostMode,
	networkInterface,
}
