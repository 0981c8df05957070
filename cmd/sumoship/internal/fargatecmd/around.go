package fargatecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"sumoship/cmd/sumoship/internal/cli"
)

// around is what AWS has around a service: the lists of [service.Around], by name.
type around map[string][]any

// readAround adds what sends requests to a service and what scales it to the response
// of DescribeServices. What AWS does not let it read is left out, with a message.
func readAround(ctx context.Context, s cli.Streams, cfg aws.Config, doc []byte) ([]byte, error) {
	var described struct {
		Services []struct {
			ServiceName, ClusterArn string
			LoadBalancers           []struct{ TargetGroupArn string }
		}
	}
	if err := json.Unmarshal(doc, &described); err != nil || len(described.Services) != 1 {
		return doc, nil // ReadExisting says why
	}
	of := described.Services[0]
	var groups []string
	for _, lb := range of.LoadBalancers {
		if lb.TargetGroupArn != "" {
			groups = append(groups, lb.TargetGroupArn)
		}
	}
	a := around{}
	if len(groups) > 0 {
		if err := a.traffic(ctx, elb.NewFromConfig(cfg), groups); err != nil {
			fmt.Fprintf(s.Err,
				"sumoship: the listeners of service %s are not read: %v; give --path or --host, and --listener\n",
				of.ServiceName, cli.Plain(err))
		}
	}
	id := "service/" + cli.NameOf(of.ClusterArn) + "/" + of.ServiceName
	if err := a.scaling(ctx, applicationautoscaling.NewFromConfig(cfg), id); err != nil {
		fmt.Fprintf(s.Err, "sumoship: the scaling of service %s is not read, so the template has none: %v\n", of.ServiceName, cli.Plain(err))
	}
	return a.beside(doc)
}

// add adds items to a list, as JSON without the members that they do not have. extra
// are members of each.
func (a around) add(list string, item any, extra map[string]any) error {
	b, err := json.Marshal(item)
	if err != nil {
		return err
	}
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	for name, value := range extra {
		v[name] = value
	}
	a[list] = append(a[list], withoutNulls(v))
	return nil
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = withoutNulls(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return v
}

// beside returns a JSON object with the lists as further members.
func (a around) beside(doc []byte) ([]byte, error) {
	if len(a) == 0 {
		return doc, nil
	}
	lists, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(doc, '}')
	return slices.Concat(doc[:end], []byte(","), lists[1:]), nil
}

// traffic reads the target groups, their load balancers, and all listeners and rules
// of these: priorities are unique among them.
func (a around) traffic(ctx context.Context, client *elb.Client, groups []string) error {
	described, err := client.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: groups})
	if err != nil {
		return err
	}
	var balancers []string
	for _, g := range described.TargetGroups {
		attributes, err := client.DescribeTargetGroupAttributes(ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: g.TargetGroupArn})
		if err != nil {
			return err
		}
		if err := a.add("targetGroups", g, map[string]any{"Attributes": attributes.Attributes}); err != nil {
			return err
		}
		for _, arn := range g.LoadBalancerArns {
			if !slices.Contains(balancers, arn) {
				balancers = append(balancers, arn)
			}
		}
	}
	if len(balancers) == 0 {
		return nil
	}
	lbs, err := client.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: balancers})
	if err != nil {
		return err
	}
	for _, lb := range lbs.LoadBalancers {
		if err := a.add("loadBalancers", lb, nil); err != nil {
			return err
		}
		if err := a.listeners(ctx, client, lb); err != nil {
			return err
		}
	}
	return nil
}

func (a around) listeners(ctx context.Context, client *elb.Client, lb types.LoadBalancer) error {
	pages := elb.NewDescribeListenersPaginator(client, &elb.DescribeListenersInput{LoadBalancerArn: lb.LoadBalancerArn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, l := range page.Listeners {
			if err := a.add("listeners", l, nil); err != nil {
				return err
			}
			if lb.Type != types.LoadBalancerTypeEnumApplication {
				continue
			}
			rules := elb.NewDescribeRulesPaginator(client, &elb.DescribeRulesInput{ListenerArn: l.ListenerArn})
			for rules.HasMorePages() {
				page, err := rules.NextPage(ctx)
				if err != nil {
					return err
				}
				for _, r := range page.Rules {
					if err := a.add("rules", r, map[string]any{"ListenerArn": *l.ListenerArn}); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// scaling reads what scales the service with a resource ID.
func (a around) scaling(ctx context.Context, client *applicationautoscaling.Client, id string) error {
	targets, err := client.DescribeScalableTargets(ctx,
		&applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scaling.ServiceNamespaceEcs,
			ResourceIds: []string{id}})
	if err != nil || len(targets.ScalableTargets) == 0 {
		return err
	}
	for _, t := range targets.ScalableTargets {
		if err := a.add("scalableTargets", t, nil); err != nil {
			return err
		}
	}
	policies, err := client.DescribeScalingPolicies(ctx,
		&applicationautoscaling.DescribeScalingPoliciesInput{ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceId: &id})
	if err != nil {
		return err
	}
	for _, p := range policies.ScalingPolicies {
		if err := a.add("scalingPolicies", p, nil); err != nil {
			return err
		}
	}
	actions, err := client.DescribeScheduledActions(ctx,
		&applicationautoscaling.DescribeScheduledActionsInput{ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceId: &id})
	if err != nil {
		return err
	}
	for _, action := range actions.ScheduledActions {
		if err := a.add("scheduledActions", action, nil); err != nil {
			return err
		}
	}
	return nil
}
