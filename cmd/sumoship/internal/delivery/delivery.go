// Package delivery asks AWS what a verb must know of a destination before log groups
// deliver to it. It changes nothing.
package delivery

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/subscription"
	"sumoship/function/subscribe/awsapi"
)

// Delivery is what subscribe and fargate logs ask AWS about a destination, in
// its Region.
type Delivery struct {
	To        subscription.Destination
	Groups    *awsapi.LogGroups
	Functions *awsapi.Functions
	warn      func(format string, args ...any)
}

func New(cfg aws.Config, to subscription.Destination, s cli.Streams) *Delivery {
	return &Delivery{
		To:        to,
		Groups:    awsapi.NewLogGroups(cloudwatchlogs.NewFromConfig(cfg)),
		Functions: awsapi.NewFunctions(lambda.NewFromConfig(cfg)),
		warn:      func(format string, args ...any) { fmt.Fprintf(s.Err, "sumoship: "+format+"\n", args...) },
	}
}

// OwnLogGroup returns the log group that the destination really writes to, as the
// groups that must not be subscribed. That shows too whether it exists. Of a
// stream, CloudWatch Logs finds out with the first subscription.
func (d *Delivery) OwnLogGroup(ctx context.Context) ([]string, error) {
	if d.To.Service != "lambda" {
		return nil, nil
	}
	group, err := d.Functions.LogGroup(ctx, d.To.ARN)
	if cli.Code(err) == "ResourceNotFoundException" {
		return nil, cli.Fail(cli.ExitAWS, &cli.Missing{Kind: "function", Name: d.To.ARN})
	}
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("cannot look up the log group of the destination, which must not be subscribed: %w", err))
	}
	return []string{group}, nil
}

// Policies returns the subscription policies of the account that deliver to the
// destination. A caller that may not list policies skips this check.
func (d *Delivery) Policies(ctx context.Context) ([]subscription.AccountPolicy, error) {
	all, err := d.Groups.Policies(ctx)
	if cli.Code(err) == "AccessDeniedException" {
		d.warn("cannot look up whether a policy of the account also delivers there: %v", cli.Plain(err))
		return nil, nil
	}
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, err)
	}
	var there []subscription.AccountPolicy
	for _, p := range all {
		if p.DeliversTo(d.To) {
			there = append(there, p)
		}
	}
	return there, nil
}

// Permission is whether CloudWatch Logs may call a function, and what was done
// about it.
type Permission string

const (
	Unknown Permission = "not known"
	There   Permission = "there already"
	Missing Permission = "to be added"
	Added   Permission = "added"
	Removed Permission = "removed"
)

// LookUpPermission returns whether CloudWatch Logs may call the function. A caller
// that may not read its policy continues: if the permission is missing, CloudWatch
// Logs refuses the filters.
func (d *Delivery) LookUpPermission(ctx context.Context) (Permission, error) {
	permitted, err := d.Functions.Permitted(ctx, d.To)
	switch {
	case cli.Code(err) == "AccessDeniedException":
		d.warn("cannot look up whether CloudWatch Logs may call the function: %v", cli.Plain(err))
		return Unknown, nil
	case err != nil:
		return "", cli.Fail(cli.ExitAWS, err)
	case permitted:
		return There, nil
	}
	return Missing, nil
}
