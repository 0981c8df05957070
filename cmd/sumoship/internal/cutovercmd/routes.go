package cutovercmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"sumoship/deploy/cutover"
	"sumoship/deploy/service"
)

// route shares requests between two target groups by weight: a rule, or the default
// action of a listener.
type route struct {
	rule, listener string // ARN of one of them
	old, fresh     string // ARNs of the target groups
	balancer       string // ARN
	what           string
}

func (r *route) String() string { return r.what }

// pair is a target group of the old version and the one that gets its requests.
type pair struct{ old, fresh string }

// pairs finds which target group of the new version gets the requests of which old
// one: its tag says so, or there is one of each.
func (v *versions) pairs(ctx context.Context) (all []pair, err error) {
	old, fresh := v.fleets[cutover.Old].groups, v.fleets[cutover.New].groups
	if len(fresh) == 0 {
		return nil, nil
	}
	out, err := v.elb.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: fresh})
	if err != nil {
		return nil, fmt.Errorf("read the tags of the target groups: %w", err)
	}
	for _, d := range out.TagDescriptions {
		for _, t := range d.Tags {
			if aws.ToString(t.Key) == service.ReplacesTag && slices.Contains(old, aws.ToString(t.Value)) {
				all = append(all, pair{aws.ToString(t.Value), aws.ToString(d.ResourceArn)})
			}
		}
	}
	if len(all) == 0 && len(old) == 1 && len(fresh) == 1 {
		all = append(all, pair{old[0], fresh[0]})
	}
	return all, nil
}

// findRoutes finds what shares the requests of the target groups.
func (v *versions) findRoutes(ctx context.Context) error {
	pairs, err := v.pairs(ctx)
	if err != nil {
		return err
	}
	for _, g := range v.fleets[cutover.Old].groups {
		if !slices.ContainsFunc(pairs, func(p pair) bool { return p.old == g }) {
			v.missing = append(v.missing,
				fmt.Errorf("no target group of %s gets the requests of %s: create it with sumoship fargate service --from-service, or tag it %s",
					v.fleets[cutover.New].name, shortGroup(g), service.ReplacesTag))
		}
	}
	for _, p := range pairs {
		found, err := v.routesOf(ctx, p)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			v.missing = append(v.missing,
				fmt.Errorf("no rule forwards to both %s and %s: create it with sumoship fargate service --from-service",
					shortGroup(p.old), shortGroup(p.fresh)))
		}
		v.routes = append(v.routes, found...)
	}
	return nil
}

// routesOf finds the rules and listeners that forward to both groups of a pair. A
// listener of a Network Load Balancer may forward to the old group alone before.
func (v *versions) routesOf(ctx context.Context, p pair) (all []*route, err error) {
	groups, err := v.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: []string{p.old, p.fresh}})
	if err != nil {
		return nil, err
	}
	var balancers []string
	for _, g := range groups.TargetGroups {
		for _, arn := range g.LoadBalancerArns {
			if !slices.Contains(balancers, arn) {
				balancers = append(balancers, arn)
			}
		}
	}
	for _, balancer := range balancers {
		network := strings.Contains(balancer, ":loadbalancer/net/")
		listeners := elb.NewDescribeListenersPaginator(v.elb, &elb.DescribeListenersInput{LoadBalancerArn: &balancer})
		for listeners.HasMorePages() {
			page, err := listeners.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, l := range page.Listeners {
				where := fmt.Sprintf("listener %s:%d", shortGroup(resourceOf(balancer)), aws.ToInt32(l.Port))
				if old, fresh := weights(l.DefaultActions, p); old >= 0 && (fresh >= 0 || network) {
					all = append(all, &route{listener: aws.ToString(l.ListenerArn), old: p.old, fresh: p.fresh, balancer: balancer, what: where})
				}
				if network {
					continue
				}
				rules := elb.NewDescribeRulesPaginator(v.elb, &elb.DescribeRulesInput{ListenerArn: l.ListenerArn})
				for rules.HasMorePages() {
					page, err := rules.NextPage(ctx)
					if err != nil {
						return nil, err
					}
					for _, r := range page.Rules {
						if old, fresh := weights(r.Actions, p); !aws.ToBool(r.IsDefault) && old >= 0 && fresh >= 0 {
							all = append(all, &route{rule: aws.ToString(r.RuleArn), old: p.old, fresh: p.fresh,
								balancer: balancer, what: where + " rule " + aws.ToString(r.Priority)})
						}
					}
				}
			}
		}
	}
	return all, nil
}

// weights returns the weights of the groups of a pair in the action that forwards to
// them, -1 for one that is not in it.
func weights(actions []types.Action, p pair) (old, fresh int) {
	old, fresh = -1, -1
	for _, a := range actions {
		if a.ForwardConfig == nil {
			if aws.ToString(a.TargetGroupArn) == p.old {
				old = 1
			}
			continue
		}
		for _, g := range a.ForwardConfig.TargetGroups {
			weight := 1
			if g.Weight != nil {
				weight = int(*g.Weight)
			}
			switch aws.ToString(g.TargetGroupArn) {
			case p.old:
				old = weight
			case p.fresh:
				fresh = weight
			}
		}
	}
	return old, fresh
}

// shareOf is the share of the new group, in percent.
func shareOf(old, fresh int) int {
	switch {
	case fresh <= 0:
		return 0
	case old <= 0:
		return 100
	}
	return min(99, max(1, (100*fresh+(old+fresh)/2)/(old+fresh)))
}

// shift returns the actions of a rule or listener with the weights of a share. All
// else stays; the secret of an OIDC provider, which AWS does not tell, too.
func shift(actions []types.Action, p pair, percent int) []types.Action {
	shifted := slices.Clone(actions)
	for i, a := range shifted {
		if oidc := a.AuthenticateOidcConfig; oidc != nil {
			kept := *oidc
			kept.ClientSecret, kept.UseExistingClientSecret = nil, aws.Bool(true)
			shifted[i].AuthenticateOidcConfig = &kept
		}
		if old, _ := weights([]types.Action{a}, p); old < 0 {
			continue
		}
		config := types.ForwardActionConfig{}
		if a.ForwardConfig != nil {
			config.TargetGroupStickinessConfig = a.ForwardConfig.TargetGroupStickinessConfig
		}
		config.TargetGroups = []types.TargetGroupTuple{
			{TargetGroupArn: &p.old, Weight: aws.Int32(int32(100 - percent))},
			{TargetGroupArn: &p.fresh, Weight: aws.Int32(int32(percent))},
		}
		shifted[i].ForwardConfig, shifted[i].TargetGroupArn = &config, nil
	}
	return shifted
}

// actions reads the actions of a route.
func (v *versions) actions(ctx context.Context, r *route) ([]types.Action, error) {
	if r.rule != "" {
		out, err := v.elb.DescribeRules(ctx, &elb.DescribeRulesInput{RuleArns: []string{r.rule}})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r, err)
		}
		if len(out.Rules) != 1 {
			return nil, fmt.Errorf("%s: it is gone", r)
		}
		return out.Rules[0].Actions, nil
	}
	out, err := v.elb.DescribeListeners(ctx, &elb.DescribeListenersInput{ListenerArns: []string{r.listener}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r, err)
	}
	if len(out.Listeners) != 1 {
		return nil, fmt.Errorf("%s: it is gone", r)
	}
	return out.Listeners[0].DefaultActions, nil
}

// Shares returns the share of the new version in each route, in percent.
func (v *versions) Shares(ctx context.Context) (all []int, err error) {
	for _, r := range v.routes {
		actions, err := v.actions(ctx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, shareOf(weights(actions, pair{r.old, r.fresh})))
	}
	return all, nil
}

// SetShare sets the share of the new version in a route, in percent.
func (v *versions) SetShare(ctx context.Context, i, percent int) error {
	r := v.routes[i]
	actions, err := v.actions(ctx, r)
	if err != nil {
		return err
	}
	actions = shift(actions, pair{r.old, r.fresh}, percent)
	if r.rule != "" {
		_, err = v.elb.ModifyRule(ctx, &elb.ModifyRuleInput{RuleArn: &r.rule, Actions: actions})
	} else {
		_, err = v.elb.ModifyListener(ctx, &elb.ModifyListenerInput{ListenerArn: &r.listener, DefaultActions: actions})
	}
	if err != nil {
		return fmt.Errorf("set the weights of %s: %w", r, err)
	}
	return nil
}
