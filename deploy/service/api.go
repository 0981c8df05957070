package service

import (
	"cmp"
	"slices"

	"sumoship/deploy/cfn"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// values writes settings in the way of an output: as a parameter of a template,
// or as a value or a variable of ecspresso.
type values interface {
	value(setting) *tree.Node
}

// api returns the service as CreateService takes it, without its name, cluster
// and task definition. targetGroups are those of s.balances.
func (s *Service) api(v values, taskGroup *tree.Node, targetGroups []*tree.Node) []tree.Member {
	breaker := cfn.Object(cfn.Prop("enable", tree.NewBool(true)), cfn.Prop("rollback", tree.NewBool(true)))
	deployment := append(slices.Clone(s.taken.deployment), cfn.Prop("deploymentCircuitBreaker", breaker))
	launch := tree.NewString(onDemand)
	if s.strategy() != nil {
		launch = nil
	}
	var count *tree.Node
	if len(s.scaled()) == 0 { // otherwise each deployment would undo what was scaled
		count = v.value(s.setting("DesiredCount"))
	}
	members := []tree.Member{
		cfn.Prop("desiredCount", count),
		cfn.Prop("launchType", launch),
		cfn.Prop("capacityProviderStrategy", s.strategy()),
		cfn.Prop("platformVersion", optional(s.taken.platform)),
		cfn.Prop("schedulingStrategy", tree.NewString("REPLICA")),
		cfn.Prop("deploymentConfiguration", cfn.Object(deployment...)),
		cfn.Prop("availabilityZoneRebalancing", optional(s.taken.rebalancing)),
		cfn.Prop("networkConfiguration", cfn.Object(cfn.Prop("awsvpcConfiguration", s.network(v, taskGroup)))),
	}
	var balancers []*tree.Node
	for i, b := range s.balances {
		balancers = append(balancers, cfn.Object(
			cfn.Prop("containerName", tree.NewString(b.container)),
			cfn.Prop("containerPort", tree.NewInt(b.port)),
			cfn.Prop("targetGroupArn", targetGroups[i]),
		))
	}
	if balancers != nil {
		members = append(members,
			cfn.Prop("healthCheckGracePeriodSeconds", tree.NewInt(int64(s.grace()))),
			cfn.Prop("loadBalancers", cfn.Array(balancers...)))
	}
	if s.taken.exec {
		members = append(members, cfn.Prop("enableExecuteCommand", tree.NewBool(true)))
	}
	if s.taken.connect != nil {
		members = append(members, cfn.Prop("serviceConnectConfiguration", taskdef.Recase(s.taken.connect, tree.Camel)))
	}
	if s.taken.volumes != nil {
		members = append(members, cfn.Prop("volumeConfigurations", taskdef.Recase(s.taken.volumes, tree.Camel)))
	}
	return append(members, s.taken.members...)
}

// network returns where the tasks run, with taskGroup and the other security
// groups.
func (s *Service) network(v values, taskGroup *tree.Node) *tree.Node {
	groups := []*tree.Node{taskGroup}
	for i := range s.securityGroups() {
		groups = append(groups, v.value(s.extraGroup(i)))
	}
	public := "DISABLED"
	if s.o.PublicIP || s.taken.publicIP {
		public = "ENABLED"
	}
	return cfn.Object(
		cfn.Prop("subnets", v.value(s.setting("Subnets"))),
		cfn.Prop("securityGroups", cfn.Array(groups...)),
		cfn.Prop("assignPublicIp", tree.NewString(public)),
	)
}

// optional returns a string, nil for "".
func optional(s string) *tree.Node {
	if s == "" {
		return nil
	}
	return tree.NewString(s)
}

// cluster returns the name or ARN of the cluster.
func (s *Service) cluster() string { return cmp.Or(s.o.Cluster, s.taken.cluster, "default") }

// count returns how many tasks run.
func (s *Service) count() int { return *cmp.Or(s.o.DesiredCount, s.taken.count, new(1)) }

// securityGroups are those that the tasks have besides their own.
func (s *Service) securityGroups() []string {
	if len(s.o.SecurityGroups) > 0 {
		return s.o.SecurityGroups
	}
	return s.taken.groups
}

func (s *Service) subnets() []string {
	if len(s.o.Subnets) > 0 {
		return s.o.Subnets
	}
	return s.taken.subnets
}
