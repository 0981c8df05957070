// Package subscribecmd is sumoship subscribe and unsubscribe, which differ in their
// rule and share the rest. What to do is decided by deploy/subscription.
package subscribecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/subscription"
)

type Subscribe struct {
	flags
	Own           []string `sep:"none" group:"Which log groups" help:"Log group that is never subscribed, such as that of another function on the way of its events. Repeatable." placeholder:"NAME"`
	FilterPattern string   `group:"What is delivered" help:"Deliver only log events that match this filter pattern of CloudWatch Logs." placeholder:"PATTERN"`
	Role          string   `help:"Role by which CloudWatch Logs delivers to a stream." placeholder:"ARN"`
	Prune         bool     `group:"Which log groups" help:"Also remove our filters from log groups that are not chosen."`
	TakeOver      string   `help:"Take the place of this destination: filters of the chosen log groups that deliver there get --destination, and keep name, pattern and options." placeholder:"OLD-ARN"`

	EmitSystemFields       []string `group:"What is delivered" help:"System fields to deliver with events of centralised log groups, some of @aws.account,@aws.region,@source.log; none takes them away. Default: as a filter has them." placeholder:"FIELDS"`
	FieldSelectionCriteria *string  `group:"What is delivered" help:"Which accounts and Regions of centralised log groups to deliver; none delivers all. Default: as a filter has it." placeholder:"EXPRESSION"`
	ApplyOnTransformedLogs *bool    `group:"What is delivered" negatable:"" help:"Deliver what the transformer of a log group made of its events. Default: as a filter has it."`
}

func (c *Subscribe) Help() string {
	return `  sumoship subscribe --destination $FORWARDER --include ^/ecs/ --dry-run
  sumoship subscribe --destination $FORWARDER --tag team=shop
  sumoship subscribe --destination $FORWARDER --account

Shows a plan, asks, and carries it out. It changes only what is missing, so you
can run it again at any time, for example after a failure.

Log groups that an exclude pattern matches lose our filter. The log group that
the destination function writes to, those that begin with ` + subscription.OwnPrefix + `, and
those of --own are never subscribed, which would make a loop. A function gets
one permission for all log groups, if it has none.

A filter keeps the options that you do not ask for. The policy of an account
(--account) has no member for system fields, field selection or transformed logs.

With --take-over only destinations change, each in one step: no log event is lost
or arrives twice. The plan ends with the commands that lead back.
` + patternHelp + `

Exit status: 0 if the log groups are as they should be, 1 if some cannot be
subscribed or you said no, 2 if the command is wrong, 3 if AWS refused.`
}

func (c *Subscribe) Run(ctx context.Context, s cli.Streams) error {
	x, err := c.open(ctx, s, func(r *subscription.Rule) (errs []error) {
		r.Prune = c.Prune
		var err error
		if r.Pattern, err = subscription.ParseFilterPattern(c.FilterPattern); err != nil {
			errs = append(errs, fmt.Errorf("--filter-pattern: %w", err))
		}
		for _, name := range c.Own {
			if _, err := subscription.ParseGroup(name); err != nil {
				errs = append(errs, fmt.Errorf("--own: %w", err))
			}
		}
		r.Own = slices.Clone(c.Own)
		if c.EmitSystemFields != nil {
			if r.Options.SystemFields, err = subscription.ParseSystemFields(c.EmitSystemFields); err != nil {
				errs = append(errs, fmt.Errorf("--emit-system-fields: %w", err))
			}
		}
		if c.FieldSelectionCriteria != nil {
			if r.Options.Selection, err = subscription.ParseSelection(*c.FieldSelectionCriteria); err != nil {
				errs = append(errs, fmt.Errorf("--field-selection-criteria: %w", err))
			}
		}
		r.Options.Transformed = c.ApplyOnTransformedLogs
		if c.TakeOver != "" {
			errs = append(errs, c.takeOver(r)...)
		}
		switch {
		case r.Destination.NeedsRole() && c.Role == "":
			errs = append(errs, fmt.Errorf("--role: CloudWatch Logs needs one to deliver to %s", r.Destination.ARN))
		case c.Role != "":
			if r.Role, err = subscription.ParseRole(c.Role); err != nil {
				errs = append(errs, fmt.Errorf("--role: %w", err))
			}
		}
		if c.Account && c.Prune {
			errs = append(errs, errors.New("--prune: the policy of an account is not a filter of a log group"))
		}
		return errs
	})
	if err != nil {
		return err
	}
	own, err := x.OwnLogGroup(ctx)
	if err != nil {
		return err
	}
	x.rule.Own = append(x.rule.Own, own...)
	if c.Account {
		return x.account(ctx, s)
	}
	if c.TakeOver != "" {
		if err := x.policiesOfBoth(ctx, s); err != nil {
			return err
		}
		return x.run(ctx, s)
	}
	policies, err := x.Policies(ctx)
	if err != nil {
		return err
	}
	if len(policies) > 0 {
		return twice(policies[0])
	}
	return x.run(ctx, s)
}
