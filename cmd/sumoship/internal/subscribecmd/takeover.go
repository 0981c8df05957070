package subscribecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/subscription"
	"sumoship/function/subscribe"
)

// takeOver lets the rule replace a destination. It returns every flag that asks for
// more than another destination.
func (c *Subscribe) takeOver(r *subscription.Rule) (errs []error) {
	old, err := subscription.ParseDestination(c.TakeOver)
	if err != nil {
		return []error{fmt.Errorf("--take-over: %w", err)}
	}
	r.Replaces = old
	if new := r.Destination; new.ARN != "" {
		switch {
		case old.Unqualified() == new.Unqualified():
			errs = append(errs, errors.New("--take-over: this is the --destination; want the ARN of what delivers now"))
		case old.Region != new.Region:
			errs = append(errs, fmt.Errorf("--take-over: log groups that deliver to a destination in %s cannot deliver to one in %s", old.Region, new.Region))
		}
	}
	for _, f := range []struct {
		flag  string
		given bool
		why   string
	}{
		{"--account", c.Account, "takes over the filters of log groups, not the policy of the account"},
		{"--filter-pattern", c.FilterPattern != "", "keeps the pattern of each filter"},
		{"--emit-system-fields", c.EmitSystemFields != nil, "keeps the options of each filter"},
		{"--field-selection-criteria", c.FieldSelectionCriteria != nil, "keeps the options of each filter"},
		{"--apply-on-transformed-logs", c.ApplyOnTransformedLogs != nil, "keeps the options of each filter"},
		{"--prune", c.Prune, "removes no filter"},
	} {
		if f.given {
			errs = append(errs, fmt.Errorf("--take-over %s: leave out %s", f.why, f.flag))
		}
	}
	return errs
}

// policiesOfBoth looks at the account's policy before filters change their
// destination: one that delivers to the new destination already would make each log
// event arrive twice, and one that delivers to the old one is not a filter. A look
// that fails does not stop the take-over, for such a policy is rare.
func (x *subscribing) policiesOfBoth(ctx context.Context, s cli.Streams) error {
	all, err := x.Groups.Policies(ctx)
	if err != nil {
		fmt.Fprintf(s.Err, "sumoship: cannot look up the policies of the account, which may deliver there too: %v\n", err)
		return nil
	}
	for _, p := range all {
		if p.DeliversTo(x.To) {
			return twice(p)
		}
		if p.DeliversTo(x.rule.Replaces) {
			fmt.Fprintf(s.Err, "sumoship: the policy %q of the account delivers to %s too, and stays as it is: change its destination with aws logs put-account-policy\n",
				p.Name, x.rule.Replaces.ARN)
		}
	}
	return nil
}

// twice reports that a policy of the account delivers to the destination.
func twice(p subscription.AccountPolicy) error {
	return cli.Fail(cli.ExitFound, fmt.Errorf("the policy %q of the account already delivers all log groups there; each log event would arrive twice", p.Name))
}

// wayBack returns the commands that give each filter of a plan back as it was.
func (x *subscribing) wayBack(plan []subscribe.Outcome) (commands []string) {
	for _, o := range plan {
		if o.Err != nil || o.Reason != subscription.TakenOver {
			continue
		}
		f := o.Before
		var c strings.Builder
		c.WriteString("aws logs put-subscription-filter")
		// With = an argument may begin with a hyphen.
		for _, a := range [][2]string{{"region", x.To.Region}, {"log-group-name", o.Group}, {"filter-name", f.Name}, {"filter-pattern", f.Pattern}, {"destination-arn", f.Destination}} {
			fmt.Fprintf(&c, " --%s=%s", a[0], quote(a[1]))
		}
		for _, a := range [][2]string{{"role-arn", f.Role}, {"distribution", f.Distribution}, {"field-selection-criteria", f.Selection}} {
			if a[1] != "" {
				fmt.Fprintf(&c, " --%s=%s", a[0], quote(a[1]))
			}
		}
		if len(f.SystemFields) > 0 {
			c.WriteString(" --emit-system-fields")
			for _, name := range f.SystemFields {
				c.WriteString(" " + quote(name))
			}
		}
		if f.Transformed {
			c.WriteString(" --apply-on-transformed-logs")
		}
		commands = append(commands, c.String())
	}
	return commands
}

// quote makes text one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// showWayBack writes the commands before anything changes, so that an interruption
// leaves them on the screen.
func (x *subscribing) showWayBack(out io.Writer, plan []subscribe.Outcome) error {
	commands := x.wayBack(plan)
	if len(commands) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "Way back:\n  %s\n", strings.Join(commands, "\n  "))
	return err
}
