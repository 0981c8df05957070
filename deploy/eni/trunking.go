package eni

// Step is part of what enabling trunking takes.
type Step struct {
	Why     string `json:"why"`
	Command string `json:"command"`
}

// trunkingSteps returns what enabling trunking takes, in order.
//
// Source: Amazon ECS Developer Guide, "Elastic network interface trunking".
func trunkingSteps(cluster string) []Step {
	return []Step{
		{"the service-linked role of ECS, if the account has none yet",
			"aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"},
		{"the setting, for all users and roles of the account in the Region",
			"aws ecs put-account-setting-default --name awsvpcTrunking --value enabled"},
		{"or, as the account's root user, for the role of the instances alone",
			"aws ecs put-account-setting --name awsvpcTrunking --value enabled --principal-arn arn:aws:iam::ACCOUNT:role/INSTANCE-ROLE"},
		{"new instances: those launched before never get a trunk, whatever is set",
			"aws autoscaling start-instance-refresh --auto-scaling-group-name GROUP"},
		{"to see which instances have a trunk",
			"aws ecs list-attributes --target-type container-instance --attribute-name ecs.awsvpc-trunk-id --cluster " + cluster},
	}
}

// trunkingLimits returns what trunking does not work with.
//
// Source: the same page; that the types are Nitro's is the table's.
func trunkingLimits() []string {
	return []string{
		"Linux only, on Nitro instances, with container agent 1.28.1 and ecs-init 1.28.1-2 or later; Windows has no trunk.",
		"Resource-name DNS A records of the instance have to be off" +
			" (aws ec2 modify-private-dns-name-options --instance-id ID --no-enable-resource-name-dns-a-record).",
		"Instances in shared subnets do not register; tasks run in the VPC of their instance.",
		"Fargate needs none of this.",
	}
}
