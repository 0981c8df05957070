// Package loggroups reads log groups and sets their subscription filters
// through the API of CloudWatch Logs.
package loggroups

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"sumoship/deploy/subscription"
)

// Client are the log groups of an account in a Region. Its errors say what was
// tried, and wrap those of the SDK.
type Client struct{ api *cloudwatchlogs.Client }

// New makes a client on that of the SDK.
func New(api *cloudwatchlogs.Client) *Client { return &Client{api} }

func failed(what string, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("%s: %w", what, &apiError{api})
	}
	return fmt.Errorf("%s: %w", what, err)
}

// apiError leaves out of the SDK's text what nobody reads.
type apiError struct{ smithy.APIError }

func (e *apiError) Error() string { return e.ErrorCode() + ": " + e.ErrorMessage() }
func (e *apiError) Unwrap() error { return e.APIError }

// List gives the log groups of a page, without tags and filters, and the token
// of the next page, which is "" after the last. A token holds for 24 hours.
func (c *Client) List(ctx context.Context, token string) (page []subscription.Group, next string, err error) {
	in := &cloudwatchlogs.DescribeLogGroupsInput{}
	if token != "" {
		in.NextToken = &token
	}
	out, err := c.api.DescribeLogGroups(ctx, in)
	if err != nil {
		return nil, "", failed("list log groups", err)
	}
	page = make([]subscription.Group, len(out.LogGroups))
	for i, g := range out.LogGroups {
		arn := aws.ToString(g.LogGroupArn)
		if arn == "" {
			arn = strings.TrimSuffix(aws.ToString(g.Arn), ":*")
		}
		page[i] = subscription.Group{Name: aws.ToString(g.LogGroupName), ARN: arn, Class: string(g.LogGroupClass)}
	}
	return page, aws.ToString(out.NextToken), nil
}

// Named gives the names of the log groups that begin with a prefix.
func (c *Client) Named(ctx context.Context, prefix string) (names []string, err error) {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(c.api, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("list log groups", err)
		}
		for _, g := range out.LogGroups {
			names = append(names, aws.ToString(g.LogGroupName))
		}
	}
	return names, nil
}

// Tags are those of a log group, which has its ARN. The map is not nil.
func (c *Client) Tags(ctx context.Context, g subscription.Group) (map[string]string, error) {
	out, err := c.api.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &g.ARN})
	if err != nil {
		return nil, failed("list tags", err)
	}
	if out.Tags == nil {
		return map[string]string{}, nil
	}
	return out.Tags, nil
}

// Filters are the subscription filters of a log group.
func (c *Client) Filters(ctx context.Context, group string) ([]subscription.Filter, error) {
	var all []subscription.Filter
	pages := cloudwatchlogs.NewDescribeSubscriptionFiltersPaginator(c.api, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &group})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("describe subscription filters", err)
		}
		for _, f := range out.SubscriptionFilters {
			all = append(all, subscription.Filter{Name: aws.ToString(f.FilterName), Destination: aws.ToString(f.DestinationArn),
				Pattern: aws.ToString(f.FilterPattern), Role: aws.ToString(f.RoleArn)})
		}
	}
	return all, nil
}

// Apply carries out a step. What is to be removed and is not there is removed.
func (c *Client) Apply(ctx context.Context, s subscription.Step) error {
	f := s.Filter
	switch s.Action {
	case subscription.Put:
		in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: &s.Group, FilterName: &f.Name, FilterPattern: &f.Pattern, DestinationArn: &f.Destination}
		if f.Role != "" {
			in.RoleArn = &f.Role
		}
		if _, err := c.api.PutSubscriptionFilter(ctx, in); err != nil {
			return failed("put subscription filter", err)
		}
	case subscription.Delete:
		_, err := c.api.DeleteSubscriptionFilter(ctx, &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: &s.Group, FilterName: &f.Name})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			return failed("delete subscription filter", err)
		}
	}
	return nil
}

// Policies are the subscription filter policies of the account.
func (c *Client) Policies(ctx context.Context) ([]subscription.AccountPolicy, error) {
	var all []subscription.AccountPolicy
	in := &cloudwatchlogs.DescribeAccountPoliciesInput{PolicyType: types.PolicyTypeSubscriptionFilterPolicy}
	for {
		out, err := c.api.DescribeAccountPolicies(ctx, in)
		if err != nil {
			return nil, failed("describe account policies", err)
		}
		for _, p := range out.AccountPolicies {
			all = append(all, subscription.AccountPolicy{Name: aws.ToString(p.PolicyName), Document: aws.ToString(p.PolicyDocument), Criteria: aws.ToString(p.SelectionCriteria)})
		}
		if aws.ToString(out.NextToken) == "" {
			return all, nil
		}
		in.NextToken = out.NextToken
	}
}

// ApplyAccount carries out a step on the policy of the account.
func (c *Client) ApplyAccount(ctx context.Context, s subscription.AccountStep) error {
	p := s.Policy
	switch s.Action {
	case subscription.Put:
		in := &cloudwatchlogs.PutAccountPolicyInput{PolicyName: &p.Name, PolicyDocument: &p.Document, PolicyType: types.PolicyTypeSubscriptionFilterPolicy, Scope: types.ScopeAll}
		if p.Criteria != "" {
			in.SelectionCriteria = &p.Criteria
		}
		if _, err := c.api.PutAccountPolicy(ctx, in); err != nil {
			return failed("put account policy", err)
		}
	case subscription.Delete:
		_, err := c.api.DeleteAccountPolicy(ctx, &cloudwatchlogs.DeleteAccountPolicyInput{PolicyName: &p.Name, PolicyType: types.PolicyTypeSubscriptionFilterPolicy})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			return failed("delete account policy", err)
		}
	}
	return nil
}
