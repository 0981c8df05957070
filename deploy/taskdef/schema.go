package taskdef

import (
	"math"
	"strings"
)

// Schema says what a value of a task definition must be.
type Schema struct {
	Kind     Kind
	Required []string // members of a record, in camelCase
	Element  *Schema  // of a list or map
	Values   []string // of a text, none for any
	Min, Max int64    // of a whole number

	members map[string]*Schema // of a record, by each spelling of their names
}

// Member returns the schema of a member of a record, nil if ECS has none of this
// name in any case.
func (s *Schema) Member(name string) *Schema {
	if m := s.members[name]; m != nil {
		return m
	}
	return s.members[strings.ToLower(name)]
}

// Kind is the type of a value in the ECS API.
type Kind uint8

// The kinds.
const (
	KindText Kind = iota
	KindWhole
	KindFlag
	KindList
	KindRecord // with members that ECS names
	KindMap    // with keys that the author chooses
	kindAny    // read by no caller
)

func (k Kind) String() string {
	return [...]string{"a string", "a whole number", "true or false", "a list", "an object", "an object of strings", "anything"}[k]
}

type member struct {
	name string // with a ! if it is required
	*Schema
}

func record(members ...member) *Schema {
	s := &Schema{Kind: KindRecord, members: map[string]*Schema{}}
	for _, m := range members {
		name, required := strings.CutSuffix(m.name, "!")
		if required {
			s.Required = append(s.Required, name)
		}
		s.members[strings.ToLower(name)] = m.Schema
		s.members[name] = m.Schema
		s.members[names.Pascal(name, "")] = m.Schema
	}
	return s
}

func list(element *Schema) *Schema      { return &Schema{Kind: KindList, Element: element} }
func texts() *Schema                    { return &Schema{Kind: KindMap, Element: plain(KindText)} }
func oneOf(values ...string) *Schema    { return &Schema{Kind: KindText, Values: values} }
func between(min, max int64) *Schema    { return &Schema{Kind: KindWhole, Min: min, Max: max} }
func pairs(names ...member) *Schema     { return list(record(names...)) }
func plain(kind Kind) *Schema           { return &Schema{Kind: kind} }
func atLeast(min int64) *Schema         { return between(min, math.MaxInt32) }
func (s *Schema) named(n string) member { return member{n, s} }

// Definition returns the schema of RegisterTaskDefinition, with the members that
// DescribeTaskDefinition adds. Do not edit it.
func Definition() *Schema { return definition }

// Source: Amazon ECS API Reference, RegisterTaskDefinition and TaskDefinition;
// for ranges, the data types HealthCheck, PortMapping, ContainerRestartPolicy,
// EphemeralStorage, LinuxParameters.
var definition = func() *Schema {
	text, flag, port := plain(KindText), plain(KindFlag), between(0, 65535)
	enabled := oneOf("ENABLED", "DISABLED")
	container := record(
		text.named("name!"), text.named("image!"),
		record(text.named("credentialsParameter!")).named("repositoryCredentials"),
		atLeast(0).named("cpu"), atLeast(0).named("memory"), atLeast(0).named("memoryReservation"),
		list(text).named("links"),
		pairs(port.named("containerPort"), port.named("hostPort"), text.named("protocol"),
			text.named("name"), oneOf("http", "http2", "grpc").named("appProtocol"), text.named("containerPortRange")).named("portMappings"),
		flag.named("essential"),
		record(flag.named("enabled!"), list(plain(KindWhole).any()).named("ignoredExitCodes"),
			between(60, 1800).named("restartAttemptPeriod")).named("restartPolicy"),
		list(text).named("entryPoint"), list(text).named("command"),
		pairs(text.named("name!"), text.named("value")).named("environment"),
		pairs(text.named("value!"), text.named("type!")).named("environmentFiles"),
		pairs(text.named("sourceVolume"), text.named("containerPath"), flag.named("readOnly")).named("mountPoints"),
		pairs(text.named("sourceContainer"), flag.named("readOnly")).named("volumesFrom"),
		record(
			record(list(text).named("add"), list(text).named("drop")).named("capabilities"),
			pairs(text.named("hostPath!"), text.named("containerPath"), list(oneOf("read", "write", "mknod")).named("permissions")).named("devices"),
			flag.named("initProcessEnabled"), atLeast(0).named("sharedMemorySize"),
			pairs(text.named("containerPath!"), atLeast(1).named("size!"), list(text).named("mountOptions")).named("tmpfs"),
			atLeast(0).named("maxSwap"), between(0, 100).named("swappiness"),
		).named("linuxParameters"),
		pairs(text.named("name!"), text.named("valueFrom!")).named("secrets"),
		pairs(text.named("containerName!"), oneOf("START", "COMPLETE", "SUCCESS", "HEALTHY").named("condition!")).named("dependsOn"),
		atLeast(0).named("startTimeout"), atLeast(0).named("stopTimeout"),
		oneOf("enabled", "disabled").named("versionConsistency"),
		text.named("hostname"), text.named("user"), text.named("workingDirectory"),
		flag.named("disableNetworking"), flag.named("privileged"), flag.named("readonlyRootFilesystem"),
		list(text).named("dnsServers"), list(text).named("dnsSearchDomains"),
		pairs(text.named("hostname!"), text.named("ipAddress!")).named("extraHosts"),
		list(text).named("dockerSecurityOptions"),
		flag.named("interactive"), flag.named("pseudoTerminal"),
		texts().named("dockerLabels"),
		pairs(text.named("name!"), plain(KindWhole).any().named("softLimit!"), plain(KindWhole).any().named("hardLimit!")).named("ulimits"),
		record(text.named("logDriver!"), texts().named("options"),
			pairs(text.named("name!"), text.named("valueFrom!")).named("secretOptions")).named("logConfiguration"),
		record(list(text).named("command!"), between(5, 300).named("interval"), between(2, 60).named("timeout"),
			between(1, 10).named("retries"), between(0, 300).named("startPeriod")).named("healthCheck"),
		pairs(text.named("namespace"), text.named("value")).named("systemControls"),
		pairs(text.named("value!"), text.named("type!"), text.named("sharingStrategy")).named("resourceRequirements"),
		record(oneOf("fluentd", "fluentbit").named("type!"), texts().named("options")).named("firelensConfiguration"),
		list(text).named("credentialSpecs"),
	)
	volume := record(
		text.named("name!"),
		record(text.named("sourcePath")).named("host"),
		record(oneOf("task", "shared").named("scope"), flag.named("autoprovision"), text.named("driver"),
			texts().named("driverOpts"), texts().named("labels")).named("dockerVolumeConfiguration"),
		record(text.named("fileSystemId!"), text.named("rootDirectory"), enabled.named("transitEncryption"), port.named("transitEncryptionPort"),
			record(text.named("accessPointId"), enabled.named("iam")).named("authorizationConfig")).named("efsVolumeConfiguration"),
		record(text.named("fileSystemArn!"), text.named("rootDirectory"), port.named("transitEncryptionPort"),
			text.named("accessPointArn")).named("s3filesVolumeConfiguration"),
		record(text.named("fileSystemId!"), text.named("rootDirectory!"),
			record(text.named("credentialsParameter!"), text.named("domain!")).named("authorizationConfig!")).named("fsxWindowsFileServerVolumeConfiguration"),
		flag.named("configuredAtLaunch"),
	)
	properties := pairs(text.named("name"), text.named("value"))
	return record(
		text.named("family"), text.named("taskRoleArn"), text.named("executionRoleArn"),
		text.named("networkMode"),
		list(container).named("containerDefinitions!"),
		list(volume).named("volumes"),
		pairs(text.named("type"), text.named("expression")).named("placementConstraints"),
		list(oneOf("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")).named("requiresCompatibilities"),
		text.named("cpu"), text.named("memory"),
		pairs(text.named("key"), text.named("value")).named("tags"),
		oneOf("", "host", "task").named("pidMode"), oneOf("", "host", "task", "none", "private").named("ipcMode"),
		record(text.named("type"), text.named("containerName!"), properties.named("properties"),
			properties.named("proxyConfigurationProperties")).named("proxyConfiguration"),
		pairs(text.named("deviceName!"), text.named("deviceType!")).named("inferenceAccelerators"),
		record(between(21, 200).named("sizeInGiB!")).named("ephemeralStorage"),
		record(oneOf("", "X86_64", "ARM64").named("cpuArchitecture"), text.named("operatingSystemFamily")).named("runtimePlatform"),
		flag.named("enableFaultInjection"),

		// Read-only.
		text.named("taskDefinitionArn"), plain(KindWhole).any().named("revision"), text.named("status"),
		pairs(text.named("name"), text.named("value"), text.named("targetType"), text.named("targetId")).named("requiresAttributes"),
		list(text).named("compatibilities"), plain(kindAny).named("registeredAt"), text.named("registeredBy"),
		plain(kindAny).named("deregisteredAt"), plain(kindAny).named("deleteRequestedAt"),
	)
}()

// any lifts the range of a whole number.
func (s *Schema) any() *Schema {
	s.Min, s.Max = math.MinInt64, math.MaxInt64
	return s
}
