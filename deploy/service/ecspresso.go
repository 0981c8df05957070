package service

import (
	"strconv"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/tree"
)

// Ecspresso returns the service as ecspresso takes it: ecs-task-def.json and
// ecs-service-def.json. Each setting without a value is a must_env of ecspresso,
// which reads it from the environment and stops where it is not set. Do not call
// it on a service that is refused.
//
// Source: ecspresso, "Template syntax".
func (s *Service) Ecspresso() (taskDefinition, service []byte) {
	var targets []*tree.Node
	for i := range s.balances {
		name := "TARGET_GROUP_ARN"
		if i > 0 {
			name += "_" + ordinal(i)
		}
		targets = append(targets, tree.NewString(mustEnv(name)))
	}
	n := cfn.Object(s.api(environment{}, tree.NewString(mustEnv("TASK_SECURITY_GROUP")), targets)...) // name and cluster are in ecspresso.yml
	return s.d.ECS(), n.Bytes()
}

func mustEnv(name string) string { return "{{ must_env `" + name + "` }}" }

// environment writes settings as values, and as variables of the environment
// where they have none.
type environment struct{}

func (environment) value(v setting) *tree.Node {
	switch {
	case v.value == "" && v.kind == typeNets:
		return cfn.Array(tree.NewString(mustEnv("SUBNET_1")), tree.NewString(mustEnv("SUBNET_2")))
	case v.value == "":
		return tree.NewString(mustEnv(envName(v.name)))
	case v.kind == typeNets:
		return cfn.Strings(strings.Split(v.value, ",")...)
	case v.kind == "Number":
		i, _ := strconv.ParseInt(v.value, 10, 64)
		return tree.NewInt(i)
	}
	return tree.NewString(v.value)
}

// envName returns the name of a variable: ListenerArn becomes LISTENER_ARN.
func envName(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
