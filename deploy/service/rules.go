package service

import "sumoship/deploy/finding"

// Where services are documented.
const (
	guideFargate    = `Amazon ECS Developer Guide, "Task definition differences for Fargate"`
	guideAwslogs    = `Amazon ECS Developer Guide, "Using the awslogs log driver"`
	guideRole       = `Amazon ECS Developer Guide, "Task execution IAM role"`
	guideEBS        = `Amazon ECS Developer Guide, "Amazon EBS volumes"`
	apiService      = "Amazon ECS API Reference, CreateService"
	guideLB         = `Amazon ECS Developer Guide, "Use load balancing to distribute Amazon ECS service traffic"`
	guideDiscovery  = `Amazon ECS Developer Guide, "Use service discovery to connect Amazon ECS services with DNS names"`
	guideSpot       = `Amazon ECS Developer Guide, "Amazon ECS clusters for Fargate"`
	guideIntrinsics = `AWS CloudFormation User Guide, "Intrinsic function reference"`
)

// serviceRules stand behind the findings about what stands around a task.
var rules = []finding.Rule{
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
func Rules() []finding.Rule { return append([]finding.Rule(nil), rules...) }
