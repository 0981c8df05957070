package service

import (
	"slices"

	"sumoship/deploy/finding"
)

// Sources of the rules.
const (
	guideFargate    = `Amazon ECS Developer Guide, "Task definition differences for Fargate"`
	guideAwslogs    = `Amazon ECS Developer Guide, "Using the awslogs log driver"`
	guideRole       = `Amazon ECS Developer Guide, "Task execution IAM role"`
	guideEBS        = `Amazon ECS Developer Guide, "Amazon EBS volumes"`
	guideLB         = `Amazon ECS Developer Guide, "Use load balancing to distribute Amazon ECS service traffic"`
	guideDiscovery  = `Amazon ECS Developer Guide, "Use service discovery to connect Amazon ECS services with DNS names"`
	guideSpot       = `Amazon ECS Developer Guide, "Amazon ECS clusters for Fargate"`
	guideIntrinsics = `AWS CloudFormation User Guide, "Intrinsic function reference"`
	apiService      = "Amazon ECS API Reference, CreateService"
)

var rules = []finding.Rule{
	// About the existing service.
	launchType, capacityProvider, spotUsed, spotWindows, daemon, placement, roleDropped, platformVersion,
	classicLoadBalancer, targetGroupReplaced, targetGroupMany, ruleShared, ruleAction, rulePriority, testRule, blueGreen, portUnknown, portProtocol, portChosen, hostPort,
	healthCheckPath, healthCheckPort, healthCheckGrace, scalingTaken, scalingAlarms, registrySRV, registryAddress, registryMany, connectKept,
	deploymentController, deploymentPercent, deploymentStrategy, circuitBreaker,
	referenceUnknown, volumeMissing, nameTaken, familyShared, tagReserved, unknownMember, execEnabled,

	// About the task definition.
	roleKept, roleNew, logGroupExists, logGroupCreate, logRegion, logRegionOther, logNone,
	placeholder, placeholderMade, parameterMade, referenceUnsupported,
}

// Rules returns the rules behind the findings of [New], in the order of the
// documentation.
func Rules() []finding.Rule { return slices.Clone(rules) }
