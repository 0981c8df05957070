package fargatecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/delivery"
	"sumoship/deploy/cfn"
	"sumoship/deploy/subscription"
	"sumoship/function/subscribe"
	"sumoship/function/subscribe/awsapi"
)

// logsCloud is the log groups of a definition and their destination, as AWS has
// them.
type logsCloud struct {
	profile cli.ProfileFlag
	home    string // Region of groups that name none, "" for that of the AWS configuration
	rule    *subscription.Rule

	regions  map[string]*awsapi.LogGroups
	delivery *delivery.Delivery // nil if the rule has no destination
	subs     subscribe.Subscriptions
}

// logs returns the log groups of a Region, home if region is "", and the name of
// the Region.
func (c *logsCloud) logs(ctx context.Context, region string) (*awsapi.LogGroups, string, error) {
	region = cmp.Or(region, c.home)
	if groups := c.regions[region]; groups != nil {
		return groups, region, nil
	}
	cfg, err := c.profile.LoadRegion(ctx, region)
	if err != nil {
		return nil, "", err
	}
	if c.regions == nil {
		c.regions = map[string]*awsapi.LogGroups{}
	}
	c.regions[cfg.Region], c.home = awsapi.NewLogGroups(cloudwatchlogs.NewFromConfig(cfg)), cmp.Or(c.home, cfg.Region)
	return c.regions[cfg.Region], cfg.Region, nil
}

// plan looks at what there is, and returns what to do. It changes nothing.
func (c *logsCloud) plan(ctx context.Context, s cli.Streams, groups []cfn.LogGroup) ([]*logsStep, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	policies, err := c.open(ctx, s)
	if err != nil {
		return nil, err
	}
	var before, after []*logsStep
	delivers := false
	for _, g := range groups {
		have, err := c.look(ctx, g)
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			if p.Covers(c.rule.Destination, g.Name) {
				have.Policy = p.Name
			}
		}
		steps := c.rule.Steps(have)
		for _, step := range steps {
			delivers = delivers || step.Delivers()
			s := newLogsStep(c.rule, g.Containers, have, step)
			switch {
			case step.Reason.Refusal() || step.Action == subscription.Put:
				after = append(after, s)
			case step.Action != subscription.Skip || len(steps) == 1:
				before = append(before, s)
			}
		}
	}
	// CloudWatch Logs checks whether it may call the function before it takes a
	// filter.
	if delivers {
		state, err := c.delivery.LookUpPermission(ctx)
		if err != nil {
			return nil, err
		}
		if state == delivery.Missing {
			to := c.rule.Destination
			before = append(before, &logsStep{Function: to.ARN, Region: to.Region, Action: "permit",
				Why: "CloudWatch Logs calls it, for the log groups of account " + to.Account})
		}
		if state != delivery.Unknown {
			c.subs.PermissionDelay = subscribe.PermissionDelay
		}
	}
	return append(before, after...), nil
}

// open completes the rule with the log group of the destination, and returns the
// policies of the account that deliver to it.
func (c *logsCloud) open(ctx context.Context, s cli.Streams) ([]subscription.AccountPolicy, error) {
	to := c.rule.Destination
	if to.ARN == "" {
		return nil, nil
	}
	cfg, err := c.profile.Load(ctx, to.Region)
	if err != nil {
		return nil, err
	}
	c.delivery = delivery.New(cfg, to, s)
	c.regions = map[string]*awsapi.LogGroups{to.Region: c.delivery.Groups}
	if c.rule.Own, err = c.delivery.OwnLogGroup(ctx); err != nil {
		return nil, err
	}
	return c.delivery.Policies(ctx)
}

// look finds a log group, with its filters if they matter.
func (c *logsCloud) look(ctx context.Context, g cfn.LogGroup) (have subscription.Group, err error) {
	logs, region, err := c.logs(ctx, g.Region)
	if err != nil {
		return have, err
	}
	failed := func(err error) error { return cli.Fail(cli.ExitAWS, fmt.Errorf("log group %s: %w", g.Name, err)) }
	if have, err = logs.Find(ctx, g.Name); err != nil {
		return have, failed(err)
	}
	have.Region = region
	if c.rule.NeedsFilters(have) {
		if have.Filters, err = logs.Filters(ctx, g.Name); err != nil {
			return have, failed(err)
		}
	}
	return have, nil
}

var errInterrupted = errors.New("interrupted before this step; the next run continues there")

// apply carries the steps out, one after the other. One that fails does not keep
// those of other groups from being tried.
func (c *logsCloud) apply(ctx context.Context, steps []*logsStep) {
	broken := map[string]bool{} // by log group
	permitted := true
	for _, s := range steps {
		if !s.changes() {
			continue
		}
		group := s.Region + s.LogGroup
		switch {
		case broken[group], s.step.Action == subscription.Put && !permitted:
			s.err = errors.New("not tried: an earlier step failed")
		case ctx.Err() != nil:
			s.err = errInterrupted
		case s.permits():
			s.err = c.delivery.Functions.Permit(ctx, c.rule.Destination)
			permitted = s.err == nil
		default:
			s.err = c.change(ctx, s)
		}
		broken[group] = broken[group] || s.err != nil && !s.permits()
		s.Done = s.err == nil
	}
}

// change carries out the step of a log group.
func (c *logsCloud) change(ctx context.Context, s *logsStep) error {
	logs, _, err := c.logs(ctx, s.Region)
	if err != nil {
		return err
	}
	return c.subs.Do(ctx, func() error { return logs.Prepare(ctx, s.step) })
}
