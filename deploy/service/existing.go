package service

import (
	"slices"
	"strings"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Existing is the ECS service that runs the task definition today, and what sends it
// requests and scales it, as far as that was read.
type Existing struct {
	node   *tree.Node
	around *tree.Node // the document: lists beside the services, as [Around] names them
}

// Around names the lists that a document can have beside its services, in the shape
// that AWS's APIs describe their items: target groups, each with Attributes; the
// rules of listeners, each with ListenerArn; and so on.
//
// Source: Elastic Load Balancing API Reference version 2015-12-01; Application Auto
// Scaling API Reference.
var Around = []string{"targetGroups", "loadBalancers", "listeners", "rules", "scalableTargets", "scalingPolicies", "scheduledActions"}

// ReadExisting reads a service, in JSON or YAML, in each shape that AWS's tools
// print or take: the output of describe-services or create-service, or the input
// of create-service. Of several services it returns the one called service. Beside
// a list of services, the document can have those of [Around]. name is that of the
// input, for messages.
//
// Errors: *[taskdef.InputError].
func ReadExisting(name string, src []byte, service string) (*Existing, error) {
	root, err := taskdef.Parse(name, src)
	if err != nil {
		return nil, err
	}
	n, err := find(name, root, service)
	if err != nil {
		return nil, err
	}
	if err := taskdef.CheckValues(name, n); err != nil {
		return nil, err
	}
	for _, section := range Around {
		if list := root.Field(section); root != n && list != nil {
			if err := taskdef.CheckValues(name, list); err != nil {
				return nil, err
			}
		}
	}
	e := &Existing{node: n}
	if root != n {
		e.around = root
	}
	return e, nil
}

// Name returns the name of the service, "" if it has none.
func (e *Existing) Name() string { return e.node.Field("serviceName").Str() }

// inTargetGroup reports whether the tasks of the service are in a target group.
func (e *Existing) inTargetGroup() bool {
	return slices.ContainsFunc(e.node.Get("loadBalancers").Items(), func(lb *tree.Node) bool { return lb.Get("targetGroupArn") != nil })
}

const wantService = "give the output of aws ecs describe-services, or the input of create-service"

// find returns the service in a document: the one called name, or the only one.
func find(input string, root *tree.Node, name string) (*tree.Node, error) {
	if root.Kind() != tree.Object {
		return nil, taskdef.Errorf(input, root, wantService, "the document is %s", root.Kind())
	}
	n := root
	if list := root.Field("services"); list.Kind() == tree.Array {
		var err error
		if n, err = choose(input, list, name); err != nil {
			return nil, err
		}
	} else if created := root.Field("service"); created.Kind() == tree.Object {
		n = created
	}
	if n.Kind() != tree.Object {
		return nil, taskdef.Errorf(input, n, wantService, "the service is %s and not an object", n.Kind())
	}
	for _, member := range []string{"serviceName", "desiredCount", "launchType", "loadBalancers", "schedulingStrategy", "deploymentConfiguration"} {
		if n.Field(member) != nil {
			return n, nil
		}
	}
	return nil, taskdef.Errorf(input, n, wantService, "there is no service in this document")
}

// choose returns the only service of a list, or the one called name.
func choose(input string, list *tree.Node, name string) (*tree.Node, error) {
	services := list.Items()
	switch len(services) {
	case 0:
		reason := list.Parent().Field("failures").First().Field("reason").Str()
		if reason != "" {
			reason = " (" + reason + ")"
		}
		return nil, taskdef.Errorf(input, list, "check the name and the cluster", "there is no service in it%s", reason)
	case 1:
		return services[0], nil
	}
	var names []string
	for _, n := range services {
		if n.Field("serviceName").Str() == name {
			return n, nil
		}
		names = append(names, n.Field("serviceName").Str())
	}
	return nil, taskdef.Errorf(input, list, "choose one with --service", "there are %d services: %s", len(names), strings.Join(names, ", "))
}
