package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/deploy/subscription"
	"sumoship/function/subscribe/awsapi"
)

// delivery is what subscribe and fargate logs ask AWS about a destination, in
// its Region.
type delivery struct {
	to        subscription.Destination
	groups    *awsapi.LogGroups
	functions *awsapi.Functions
	warn      func(format string, args ...any)
}

func newDelivery(cfg aws.Config, to subscription.Destination, s streams) *delivery {
	return &delivery{
		to:        to,
		groups:    awsapi.NewLogGroups(cloudwatchlogs.NewFromConfig(cfg)),
		functions: awsapi.NewFunctions(lambda.NewFromConfig(cfg)),
		warn:      func(format string, args ...any) { fmt.Fprintf(s.err, "sumoship: "+format+"\n", args...) },
	}
}

// ownLogGroup returns the log group that the destination really writes to, as the
// groups that must not be subscribed. That shows too whether it exists. Of a
// stream, CloudWatch Logs finds out with the first subscription.
func (d *delivery) ownLogGroup(ctx context.Context) ([]string, error) {
	if d.to.Service != "lambda" {
		return nil, nil
	}
	group, err := d.functions.LogGroup(ctx, d.to.ARN)
	if code(err) == "ResourceNotFoundException" {
		return nil, exit{exitAWS, fmt.Errorf("function %s does not exist, or you may not see it", d.to.ARN)}
	}
	if err != nil {
		return nil, exit{exitAWS, fmt.Errorf("the log group of the destination, which must not be subscribed, cannot be looked up: %w", err)}
	}
	return []string{group}, nil
}

// policies returns the subscription policies of the account that deliver to the
// destination. A caller that may not list policies skips this check.
func (d *delivery) policies(ctx context.Context) ([]subscription.AccountPolicy, error) {
	all, err := d.groups.Policies(ctx)
	if code(err) == "AccessDeniedException" {
		d.warn("whether a policy of the account delivers there too cannot be looked up: %v", err)
		return nil, nil
	}
	if err != nil {
		return nil, exit{exitAWS, err}
	}
	var there []subscription.AccountPolicy
	for _, p := range all {
		if p.DeliversTo(d.to) {
			there = append(there, p)
		}
	}
	return there, nil
}

// permission is whether CloudWatch Logs may call a function, and what was done
// about it.
type permission string

const (
	permissionUnknown permission = "not known"
	permissionThere   permission = "there already"
	permissionMissing permission = "to be added"
	permissionAdded   permission = "added"
	permissionRemoved permission = "removed"
)

// lookUpPermission returns whether CloudWatch Logs may call the function. A caller
// that may not read its policy goes on: if the permission is missing, CloudWatch
// Logs refuses the filters.
func (d *delivery) lookUpPermission(ctx context.Context) (permission, error) {
	permitted, err := d.functions.Permitted(ctx, d.to)
	switch {
	case code(err) == "AccessDeniedException":
		d.warn("whether CloudWatch Logs may call the function cannot be looked up: %v", err)
		return permissionUnknown, nil
	case err != nil:
		return "", exit{exitAWS, err}
	case permitted:
		return permissionThere, nil
	}
	return permissionMissing, nil
}
