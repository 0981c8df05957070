package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"sumoship/deploy"
	"sumoship/deploy/cfn"
	"sumoship/deploy/subscription"
)

// logsCloud are the log groups and the function as AWS has them.
type logsCloud struct {
	flags awsFlags
	home  string // Region of groups that name none, "" for that of the AWS configuration
	rule  deploy.LogRule
	warn  func(format string, args ...any)

	clients   map[string]*cloudwatchlogs.Client // by Region
	functions *lambda.Client
}

// logs is the client for a Region.
func (c *logsCloud) logs(ctx context.Context, region string) (client *cloudwatchlogs.Client, asks string, err error) {
	flags := c.flags
	flags.Region = cmp.Or(region, c.home)
	if client = c.clients[flags.Region]; client != nil {
		return client, flags.Region, nil
	}
	cfg, err := flags.load(ctx)
	if err != nil {
		return nil, "", err
	}
	if cfg.Region == "" {
		return nil, "", usage("which Region? Give --region or set AWS_REGION")
	}
	if c.clients == nil {
		c.clients = map[string]*cloudwatchlogs.Client{}
	}
	client = cloudwatchlogs.NewFromConfig(cfg)
	c.clients[flags.Region], c.clients[cfg.Region], c.home = client, client, cmp.Or(c.home, cfg.Region)
	return client, cfg.Region, nil
}

// plan looks at what there is, and tells what to do. It changes nothing.
func (c *logsCloud) plan(ctx context.Context, groups []cfn.LogGroup) ([]*logsStep, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	var policies []subscription.AccountPolicy
	if c.rule.Function != nil {
		if err := c.function(ctx); err != nil {
			return nil, err
		}
		policies = c.policies(ctx)
	}
	var before, after []*logsStep
	subscribes := false
	for _, g := range groups {
		client, region, err := c.logs(ctx, g.Region)
		if err != nil {
			return nil, err
		}
		g.Region = region
		have, err := look(ctx, client, g.Name, c.rule.Function != nil)
		if err != nil {
			return nil, exit{exitAWS, fmt.Errorf("log group %s: %w", g.Name, err)}
		}
		for _, p := range policies {
			if p.Covers(*c.rule.Function, g.Name) {
				have.Policy = p.Name
			}
		}
		for _, step := range c.rule.Plan(g, have) {
			s := &logsStep{LogGroup: g.Name, Region: region, Action: step.Action, Why: step.Why}
			switch step.Action {
			case deploy.SubscribeGroup:
				subscribes = true
				after = append(after, s)
			case deploy.RefuseGroup:
				after = append(after, s)
			default:
				before = append(before, s)
			}
			subscribes = subscribes || step.Why == "subscribed already"
		}
	}
	// CloudWatch Logs looks whether it may call the function before it takes a
	// filter.
	if subscribes {
		step, err := c.permission(ctx)
		if err != nil {
			return nil, err
		}
		if step != nil {
			before = append(before, step)
		}
	}
	return append(before, after...), nil
}

// look finds a log group.
func look(ctx context.Context, client *cloudwatchlogs.Client, name string, filters bool) (have deploy.LogState, err error) {
	for in := (&cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name}); !have.Exists; {
		page, err := client.DescribeLogGroups(ctx, in)
		if err != nil {
			return have, plain(err)
		}
		for _, g := range page.LogGroups {
			if aws.ToString(g.LogGroupName) == name {
				have.Exists, have.Class, have.Retention = true, string(g.LogGroupClass), int(aws.ToInt32(g.RetentionInDays))
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if !have.Exists || !filters {
		return have, nil
	}
	for in := (&cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &name}); ; {
		page, err := client.DescribeSubscriptionFilters(ctx, in)
		if err != nil {
			return have, plain(err)
		}
		for _, f := range page.SubscriptionFilters {
			have.Filters = append(have.Filters, deploy.LogFilter{Name: aws.ToString(f.FilterName), Destination: aws.ToString(f.DestinationArn), Pattern: aws.ToString(f.FilterPattern)})
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return have, nil
		}
	}
}

// function finds the function, and the log group that it writes to itself.
func (c *logsCloud) function(ctx context.Context) error {
	f := c.rule.Function
	flags := c.flags
	flags.Region = f.Region
	cfg, err := flags.load(ctx)
	if err != nil {
		return err
	}
	c.functions = lambda.NewFromConfig(cfg)
	out, err := c.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &f.ARN})
	switch {
	case isA[*lambdatypes.ResourceNotFoundException](err):
		return exit{exitAWS, fmt.Errorf("there is no function %s, or not for you", f.ARN)}
	case err != nil:
		return exit{exitAWS, fmt.Errorf("function %s: %w", f.ARN, plain(err))}
	case out.LoggingConfig != nil && aws.ToString(out.LoggingConfig.LogGroup) != "":
		c.rule.Own = append(c.rule.Own, *out.LoggingConfig.LogGroup)
	}
	return nil
}

// policies are the subscription policies of the account. Who may not look goes on.
func (c *logsCloud) policies(ctx context.Context) (all []subscription.AccountPolicy) {
	client, _, err := c.logs(ctx, c.rule.Function.Region)
	for in := (&cloudwatchlogs.DescribeAccountPoliciesInput{PolicyType: logstypes.PolicyTypeSubscriptionFilterPolicy}); err == nil; {
		var page *cloudwatchlogs.DescribeAccountPoliciesOutput
		if page, err = client.DescribeAccountPolicies(ctx, in); err != nil {
			break
		}
		for _, p := range page.AccountPolicies {
			all = append(all, subscription.AccountPolicy{Name: aws.ToString(p.PolicyName), Document: aws.ToString(p.PolicyDocument), Criteria: aws.ToString(p.SelectionCriteria)})
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all
		}
	}
	c.warn("whether a policy of the account delivers there too cannot be looked up: %v", plain(err))
	return all
}

// permission is the step that lets CloudWatch Logs call the function, nil if it
// may, or if nobody can say.
func (c *logsCloud) permission(ctx context.Context) (*logsStep, error) {
	f := c.rule.Function
	out, err := c.functions.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: aws.String(f.Unqualified()), Qualifier: qualifierOf(f)})
	policy := ""
	switch {
	case isA[*lambdatypes.ResourceNotFoundException](err): // there is no policy
	case err != nil:
		c.warn("whether CloudWatch Logs may call the function cannot be looked up: %v", plain(err))
		return nil, nil
	default:
		policy = aws.ToString(out.Policy)
	}
	permitted, err := f.Permitted(policy)
	if err != nil {
		return nil, exit{exitAWS, err}
	}
	if permitted {
		return nil, nil
	}
	return &logsStep{Function: f.ARN, Region: f.Region, Action: permitLogs, Why: "CloudWatch Logs calls it, for the log groups of account " + f.Account}, nil
}

func qualifierOf(f *subscription.Destination) *string {
	if f.Qualifier == "" {
		return nil
	}
	return &f.Qualifier
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

var errInterrupted = errors.New("interrupted before it; the next run goes on with it")

// apply carries the steps out, one after the other. One that fails does not keep
// those of other groups from being tried.
func (c *logsCloud) apply(ctx context.Context, steps []*logsStep) {
	broken := map[string]error{} // by log group, "" is the permission
	permitted := false
	for _, s := range steps {
		if !s.changes() {
			continue
		}
		needs := broken[s.LogGroup]
		if s.Action == deploy.SubscribeGroup && needs == nil {
			needs = broken[""]
		}
		switch {
		case needs != nil:
			s.err = errors.New("not tried, for an earlier step failed")
		case ctx.Err() != nil:
			s.err = errInterrupted
		default:
			s.err = c.step(ctx, s, permitted)
		}
		if s.err != nil && broken[s.LogGroup] == nil {
			broken[s.LogGroup] = s.err
		}
		s.Done = s.err == nil
		permitted = permitted || s.Done && s.Action == permitLogs
	}
}

// step does one thing. justNow says that the permission was given a moment ago.
func (c *logsCloud) step(ctx context.Context, s *logsStep, justNow bool) error {
	if s.Action == permitLogs {
		p := c.rule.Function.Permission()
		_, err := c.functions.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String(c.rule.Function.Unqualified()), Qualifier: qualifierOf(c.rule.Function),
			Action: aws.String("lambda:InvokeFunction"), StatementId: &p.ID, Principal: &p.Principal, SourceArn: &p.SourceARN, SourceAccount: &p.SourceAccount})
		if isA[*lambdatypes.ResourceConflictException](err) {
			return fmt.Errorf("its policy has a statement %s that permits something else: remove that with aws lambda remove-permission", p.ID)
		}
		return plain(err)
	}
	client, _, err := c.logs(ctx, s.Region)
	if err != nil {
		return err
	}
	switch s.Action {
	case deploy.CreateGroup:
		_, err = client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &s.LogGroup})
		if isA[*logstypes.ResourceAlreadyExistsException](err) { // somebody made it meanwhile
			err = nil
		}
	case deploy.SetRetention:
		_, err = client.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &s.LogGroup, RetentionInDays: aws.Int32(int32(c.rule.Retention))})
	case deploy.SubscribeGroup:
		err = c.subscribe(ctx, client, s.LogGroup, justNow)
	}
	return plain(err)
}

// A permission takes a moment until CloudWatch Logs knows of it.
const (
	permissionTries = 5
	permissionWait  = 500 * time.Millisecond // doubles each time
)

func (c *logsCloud) subscribe(ctx context.Context, client *cloudwatchlogs.Client, group string, justNow bool) error {
	in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: &group, FilterName: aws.String(deploy.FilterName), FilterPattern: &c.rule.Pattern, DestinationArn: &c.rule.Function.ARN}
	wait := permissionWait
	for try := 1; ; try++ {
		_, err := client.PutSubscriptionFilter(ctx, in)
		if !justNow || try == permissionTries || !isA[*logstypes.InvalidParameterException](err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
			wait *= 2
		}
	}
}
