package awsapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"sumoship/deploy/subscription"
)

// LogGroups are the log groups of an account in a Region.
type LogGroups struct {
	api       *cloudwatchlogs.Client
	tagsKnown atomic.Bool // by ListLogGroups
}

// NewLogGroups returns the log groups that a client of the SDK reaches.
func NewLogGroups(api *cloudwatchlogs.Client) *LogGroups { return &LogGroups{api: api} }

// List returns the log groups of a page, without tags and filters, and the token
// of the next page, which is "" after the last. A token holds for 24 hours.
func (l *LogGroups) List(ctx context.Context, token string) (page []subscription.Group, next string, err error) {
	in := &cloudwatchlogs.DescribeLogGroupsInput{}
	if token != "" {
		in.NextToken = &token
	}
	out, err := l.api.DescribeLogGroups(ctx, in)
	if err != nil {
		return nil, "", failed("list log groups", err)
	}
	page = make([]subscription.Group, len(out.LogGroups))
	for i, g := range out.LogGroups {
		page[i] = group(g)
	}
	return page, aws.ToString(out.NextToken), nil
}

func group(g types.LogGroup) subscription.Group {
	arn := aws.ToString(g.LogGroupArn)
	if arn == "" {
		arn = strings.TrimSuffix(aws.ToString(g.Arn), ":*")
	}
	return subscription.Group{Name: aws.ToString(g.LogGroupName), ARN: arn, Class: string(g.LogGroupClass), Retention: int(aws.ToInt32(g.RetentionInDays))}
}

// Named returns the names of the log groups that begin with a prefix.
func (l *LogGroups) Named(ctx context.Context, prefix string) (names []string, err error) {
	err = l.each(ctx, prefix, func(g types.LogGroup) (more bool) {
		names = append(names, aws.ToString(g.LogGroupName))
		return true
	})
	return names, err
}

// Find returns the log group of a name, without tags and filters, or one that is
// Missing.
func (l *LogGroups) Find(ctx context.Context, name string) (subscription.Group, error) {
	found := subscription.Group{Name: name, Missing: true}
	err := l.each(ctx, name, func(g types.LogGroup) (more bool) {
		if aws.ToString(g.LogGroupName) == name {
			found = group(g)
		}
		return found.Missing
	})
	return found, err
}

// each calls do with the log groups that begin with a prefix, while it wants more.
func (l *LogGroups) each(ctx context.Context, prefix string, do func(types.LogGroup) (more bool)) error {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(l.api, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return failed("list log groups", err)
		}
		for _, g := range out.LogGroups {
			if !do(g) {
				return nil
			}
		}
	}
	return nil
}

// Tags returns those of a log group, which has its ARN. The map is not nil.
func (l *LogGroups) Tags(ctx context.Context, g subscription.Group) (map[string]string, error) {
	out, err := l.api.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &g.ARN})
	if err != nil {
		return nil, failed("list tags", err)
	}
	if out.Tags == nil {
		return map[string]string{}, nil
	}
	return out.Tags, nil
}

// Tagged returns the names of the log groups that have a tag.
//
// CloudWatch Logs finds them itself, in the Regions where its ListLogGroups knows
// tags. Elsewhere AWS JSON lets it ignore them, and list all groups: so the first
// call asks for a value that no tag has.
//
// Errors: [ErrNoTagFilter], or those of the SDK.
func (l *LogGroups) Tagged(ctx context.Context, t subscription.Tag) (names []string, err error) {
	if t.Value == "" || strings.ContainsAny(t.Value, "*!") {
		return nil, fmt.Errorf("%w %s", ErrNoTagFilter, t) // as a filter it means other values
	}
	if !l.tagsKnown.Load() {
		all, err := l.tagged(ctx, subscription.Tag{Key: t.Key, Value: "sumoship asks whether tags are known"}, 1)
		if err != nil {
			return nil, err
		}
		if len(all) > 0 {
			return nil, fmt.Errorf("%w %s", ErrNoTagFilter, t)
		}
		l.tagsKnown.Store(true)
	}
	return l.tagged(ctx, t, math.MaxInt)
}

// tagged lists log groups with a tag until there are enough.
func (l *LogGroups) tagged(ctx context.Context, t subscription.Tag, enough int) (names []string, err error) {
	in := &cloudwatchlogs.ListLogGroupsInput{LogGroupTags: []types.TagFilter{{Key: &t.Key, Values: []string{t.Value}}}}
	for {
		out, err := l.api.ListLogGroups(ctx, in)
		if err != nil {
			return nil, failed("list log groups by tag", err)
		}
		for _, g := range out.LogGroups {
			names = append(names, aws.ToString(g.LogGroupName))
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" || len(names) >= enough {
			return names, nil
		}
	}
}

// ErrNoTagFilter reports that log groups cannot be listed by a tag.
var ErrNoTagFilter = errors.New("log groups cannot be listed by the tag")

// Filters returns the subscription filters of a log group.
func (l *LogGroups) Filters(ctx context.Context, group string) ([]subscription.Filter, error) {
	var all []subscription.Filter
	pages := cloudwatchlogs.NewDescribeSubscriptionFiltersPaginator(l.api, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &group})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("describe subscription filters", err)
		}
		for _, f := range out.SubscriptionFilters {
			all = append(all, subscription.Filter{Name: aws.ToString(f.FilterName), Destination: aws.ToString(f.DestinationArn),
				Pattern: aws.ToString(f.FilterPattern), Role: aws.ToString(f.RoleArn), Options: options(f)})
		}
	}
	return all, nil
}

// options returns those of a filter. By log stream is how a filter distributes that
// says nothing about it.
func options(f types.SubscriptionFilter) subscription.Options {
	o := subscription.Options{Selection: aws.ToString(f.FieldSelectionCriteria), Transformed: f.ApplyOnTransformedLogs}
	if len(f.EmitSystemFields) > 0 {
		o.SystemFields = slices.Sorted(slices.Values(f.EmitSystemFields))
	}
	if f.Distribution != types.DistributionByLogStream {
		o.Distribution = string(f.Distribution)
	}
	return o
}

// Apply puts or deletes the filter of a step. A filter that another caller removed meanwhile
// is as the step wants it.
func (l *LogGroups) Apply(ctx context.Context, s subscription.Step) error {
	f := s.Filter
	switch s.Action {
	case subscription.Put:
		in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: &s.Group, FilterName: &f.Name, FilterPattern: &f.Pattern, DestinationArn: &f.Destination,
			EmitSystemFields: f.SystemFields, ApplyOnTransformedLogs: f.Transformed, Distribution: types.Distribution(f.Distribution)}
		if f.Selection != "" {
			in.FieldSelectionCriteria = &f.Selection
		}
		if f.Role != "" {
			in.RoleArn = &f.Role
		}
		if _, err := l.api.PutSubscriptionFilter(ctx, in); err != nil {
			return failed("put subscription filter", err)
		}
	case subscription.Delete:
		_, err := l.api.DeleteSubscriptionFilter(ctx, &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: &s.Group, FilterName: &f.Name})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			return failed("delete subscription filter", err)
		}
	}
	return nil
}

// Prepare creates the log group of a step, or sets its retention; it applies any
// other step. It is apart from Apply so that the subscriber, whose role allows neither,
// does not link these calls. A group that another caller created meanwhile is as
// the step wants it.
func (l *LogGroups) Prepare(ctx context.Context, s subscription.Step) error {
	switch s.Action {
	case subscription.Create:
		_, err := l.api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &s.Group})
		if _, there := errors.AsType[*types.ResourceAlreadyExistsException](err); err != nil && !there {
			return failed("create log group", err)
		}
		return nil
	case subscription.Retain:
		in := &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &s.Group, RetentionInDays: aws.Int32(int32(s.Retention))}
		if _, err := l.api.PutRetentionPolicy(ctx, in); err != nil {
			return failed("put retention policy", err)
		}
		return nil
	}
	return l.Apply(ctx, s)
}

// Policies returns the subscription filter policies of the account.
func (l *LogGroups) Policies(ctx context.Context) ([]subscription.AccountPolicy, error) {
	var all []subscription.AccountPolicy
	in := &cloudwatchlogs.DescribeAccountPoliciesInput{PolicyType: types.PolicyTypeSubscriptionFilterPolicy}
	for {
		out, err := l.api.DescribeAccountPolicies(ctx, in)
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
func (l *LogGroups) ApplyAccount(ctx context.Context, s subscription.AccountStep) error {
	p := s.Policy
	switch s.Action {
	case subscription.Put:
		in := &cloudwatchlogs.PutAccountPolicyInput{PolicyName: &p.Name, PolicyDocument: &p.Document, PolicyType: types.PolicyTypeSubscriptionFilterPolicy, Scope: types.ScopeAll}
		if p.Criteria != "" {
			in.SelectionCriteria = &p.Criteria
		}
		if _, err := l.api.PutAccountPolicy(ctx, in); err != nil {
			return failed("put account policy", err)
		}
	case subscription.Delete:
		_, err := l.api.DeleteAccountPolicy(ctx, &cloudwatchlogs.DeleteAccountPolicyInput{PolicyName: &p.Name, PolicyType: types.PolicyTypeSubscriptionFilterPolicy})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			return failed("delete account policy", err)
		}
	}
	return nil
}
