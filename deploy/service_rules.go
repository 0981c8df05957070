package deploy

// Where services are documented.
const (
	svcguideFargate = `Amazon ECS Developer Guide, "Task definition differences for Fargate"`
	svcguideAwslogs = `Amazon ECS Developer Guide, "Using the awslogs log driver"`
	svcguideRole    = `Amazon ECS Developer Guide, "Task execution IAM role"`
	svcguideEBS     = `Amazon ECS Developer Guide, "Amazon EBS volumes"`
	apiService      = "Amazon ECS API Reference, CreateService"
	guideLB         = `Amazon ECS Developer Guide, "Use load balancing to distribute Amazon ECS service traffic"`
	guideDiscovery  = `Amazon ECS Developer Guide, "Use service discovery to connect Amazon ECS services with DNS names"`
	guideSpot       = `Amazon ECS Developer Guide, "Amazon ECS clusters for Fargate"`
	guideIntrinsics = `AWS CloudFormation User Guide, "Intrinsic function reference"`
)

// serviceRules stand behind the findings about what stands around a task.
var serviceRules = []Rule{
	// What an existing service asks for.
	serviceLaunchType, serviceCapacityProvider, serviceSpot, serviceSpotWindows, serviceDaemon, servicePlacement,
	serviceRole, servicePlatformVersion, serviceClassicLoadBalancer, serviceTargetGroup, serviceTargetGroups,
	servicePortUnknown, servicePortProtocol, servicePortChosen, serviceHostPort, serviceHealthCheckPath,
	serviceHealthCheckGrace, serviceRegistry, serviceRegistryAddress, serviceRegistries,
	serviceDeploymentController, serviceDeploymentPercent, serviceDeploymentStrategy, serviceCircuitBreaker,
	serviceReferenceUnknown, serviceVolumeMissing, serviceNameTaken, serviceTagReserved, serviceUnknownMember,
	serviceExec,

	// What a definition asks for.
	serviceRoleKept, serviceRoleNew, serviceLogGroupExists, serviceLogGroupCreate, serviceLogRegion,
	serviceLogRegionOther, serviceLogNone, servicePlaceholder, serviceParameter, serviceReferenceUnsupported,
}

// ServiceRules returns the rules behind the findings of [NewService].
func ServiceRules() []Rule { return append([]Rule(nil), serviceRules...) }
