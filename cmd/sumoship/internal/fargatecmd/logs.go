package fargatecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/cfn"
	"sumoship/deploy/subscription"
)

type logsCmd struct {
	fileArg
	inputFlags    `group:"Input"`
	ruleFlags     `group:"Conversion"`
	Subscribe     string `help:"Subscribe the log groups to this function, the forwarder." placeholder:"FUNCTION-ARN"`
	FilterPattern string `help:"Deliver only log events that match this filter pattern of CloudWatch Logs." placeholder:"PATTERN"`
	Retention     int    `help:"Keep log events for this many days. Default: no change; new log groups keep them for ever." placeholder:"DAYS"`
	DryRun        bool   `help:"Show the plan, and change nothing."`
	Yes           bool   `short:"y" help:"Do not ask."`
	JSON          bool   `name:"json" help:"Write the result as JSON."`
}

func (c *logsCmd) Help() string {
	return `Creates the log groups that the containers of a task definition log to by awslogs,
sets their retention, lets CloudWatch Logs call the function, and subscribes them
to it. A definition for EC2 is converted first, as convert does with the same
flags: its log groups are those of the Fargate version.

Shows a plan, asks, and carries it out. It changes only what is missing, so you
can run it again at any time. Only the filter ` + subscription.DefaultName + ` that delivers to this
function is ever changed; a log group has room for two filters, and one that is
full is an error, after the others are done.

  sumoship fargate logs shop.json --subscribe $FORWARDER --retention 30 --dry-run

Exit status: 0 the log groups are as they should be, 1 some cannot be subscribed
or you said no, 2 the command or its input is wrong, 3 AWS refused.`
}

// logsStep is a step of the plan, and what came of it.
type logsStep struct {
	LogGroup string `json:"logGroup,omitempty"`
	Region   string `json:"region,omitempty"`
	Function string `json:"function,omitempty"` // to permit
	Action   string `json:"action"`             // as people read it
	Why      string `json:"why"`
	Done     bool   `json:"done"`
	Error    string `json:"error,omitempty"`

	step subscription.Step // of the log group
	err  error
}

// logsResult is the result in JSON.
type logsResult struct {
	DryRun bool        `json:"dryRun"`
	Steps  []*logsStep `json:"steps"`
}

// Outputs is what it writes as JSON.
func (c *logsCmd) Outputs() []any { return []any{logsResult{}} }

// permits reports whether the step is the one that is not about a log group.
func (s *logsStep) permits() bool { return s.Function != "" }

func (s *logsStep) changes() bool { return s.permits() || s.step.Action != subscription.Skip }

// of returns what the step is about.
func (s *logsStep) of() string { return cmp.Or(s.LogGroup, s.Function) }

func newLogsStep(rule *subscription.Rule, containers []string, g subscription.Group, step subscription.Step) *logsStep {
	s := &logsStep{LogGroup: g.Name, Region: g.Region, Action: string(step.Action), Why: whyLogs(rule, containers, g, step), step: step}
	switch {
	case step.Action == subscription.Put:
		s.Action = "subscribe"
	case step.Action == subscription.Delete:
		s.Action = "unsubscribe"
	case step.Action == subscription.Skip && step.Reason.Refusal():
		s.Action = "refuse"
	case step.Action == subscription.Skip:
		s.Action = "keep"
	}
	return s
}

// whyLogs says why a step is or is not taken, and what would help.
func whyLogs(rule *subscription.Rule, containers []string, g subscription.Group, step subscription.Step) string {
	filters := map[string]subscription.Filter{}
	for _, f := range g.Filters {
		filters[f.Name] = f
	}
	switch step.Reason {
	case subscription.Missing:
		if step.Action == subscription.Create {
			return "for " + strings.Join(containers, ", ")
		}
		return step.Detail
	case subscription.Longer:
		return step.Detail
	case subscription.Shorter:
		return step.Detail + ": what is older is deleted"
	case subscription.New:
		return fmt.Sprintf("by filter %s, %s to %s", step.Filter.Name, matching(step.Filter.Pattern), step.Filter.Destination)
	case subscription.Changed:
		now := filters[step.Filter.Name]
		return fmt.Sprintf("by filter %s, which delivers %s to %s now", now.Name, matching(now.Pattern), now.Destination)
	case subscription.Already:
		return "subscribed already"
	case subscription.Unasked:
		return "as it should be"
	case subscription.Delivered:
		return fmt.Sprintf("filter %s delivers it there", step.Detail)
	case subscription.ByPolicy:
		return fmt.Sprintf("the policy %s of the account delivers it there", step.Detail)
	case subscription.OtherRegion:
		return fmt.Sprintf("it is in %s, and log groups deliver within their Region: deploy a forwarder there", step.Detail)
	case subscription.Class:
		return fmt.Sprintf("log groups of class %s have no subscriptions: use one of class STANDARD", step.Detail)
	case subscription.Own:
		return "the forwarder writes to it itself, so subscribing it would make a loop"
	case subscription.Full:
		names := strings.Join(slices.Sorted(maps.Keys(filters)), " and ")
		return fmt.Sprintf("it has the filters %s already, and a log group can have %d: delete one", names, subscription.MaxFilters)
	case subscription.NameTaken:
		return fmt.Sprintf("its filter %s, and is not ours: rename or delete it", step.Detail)
	}
	return strings.TrimSuffix(string(step.Reason)+": "+step.Detail, ": ")
}

func matching(pattern string) string {
	if pattern == "" {
		return "all"
	}
	return fmt.Sprintf("%q", pattern)
}

func (c *logsCmd) Run(ctx context.Context, s cli.Streams) error {
	rule, err := c.rule()
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	d, in, err := c.readForFargate(ctx, s, c.fileArg, c.ruleFlags)
	if err != nil {
		return err
	}
	home := cmp.Or(c.Region, in.region, d.Region())
	groups, err := cfn.LogGroups(d, home, cmp.Or(rule.Destination.Account, d.Account()))
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	for _, g := range groups {
		rule.Names = append(rule.Names, g.Name)
	}
	cloud := &logsCloud{profile: c.ProfileFlag, home: home, rule: rule}
	steps, err := cloud.plan(ctx, s, groups)
	if err != nil {
		return err
	}
	if !c.JSON {
		if err := writeLogsPlan(s.Out, steps); err != nil {
			return err
		}
	}
	todo := 0
	for _, step := range steps {
		if step.changes() {
			todo++
		}
	}
	if todo > 0 && !c.DryRun {
		if err := cli.Consent(ctx, s, c.Yes, fmt.Sprintf("Do this (%s)?", cli.Count(todo, "change"))); err != nil {
			return err
		}
		cloud.apply(ctx, steps)
	}
	return c.finish(ctx, s, steps, todo, len(groups))
}

// rule reads the flags, and reports every mistake at once. What the rule names
// comes from the task definition.
func (c *logsCmd) rule() (*subscription.Rule, error) {
	rule := &subscription.Rule{Retention: c.Retention}
	var errs []error
	if err := subscription.CheckRetention(c.Retention); err != nil {
		errs = append(errs, fmt.Errorf("--retention: %w", err))
	}
	switch {
	case c.Subscribe != "":
		d, err := subscription.ParseDestination(c.Subscribe)
		if err != nil || d.Service != "lambda" {
			errs = append(errs, fmt.Errorf("--subscribe: %q is not the ARN of a function (arn:aws:lambda:REGION:ACCOUNT:function:NAME)", c.Subscribe))
		}
		rule.Destination = d
	case c.FilterPattern != "":
		errs = append(errs, errors.New("--filter-pattern: needs --subscribe"))
	}
	var err error
	if rule.Pattern, err = subscription.ParseFilterPattern(c.FilterPattern); err != nil {
		errs = append(errs, fmt.Errorf("--filter-pattern: %w", err))
	}
	return rule, errors.Join(errs...)
}

func writeLogsPlan(out io.Writer, steps []*logsStep) error {
	var rows []cli.Row
	for _, s := range steps {
		rows = append(rows, cli.Row{s.Action, s.of(), s.Why})
	}
	return cli.WriteTable(out, cli.Row{"ACTION", "OF", "WHAT"}, rows)
}

// finish writes the outcome of the steps.
func (c *logsCmd) finish(ctx context.Context, s cli.Streams, steps []*logsStep, todo, groups int) error {
	done, refused := 0, 0
	var failed []error
	var open []string
	for _, step := range steps {
		switch {
		case step.err != nil:
			step.Error = cli.Plain(step.err).Error()
			open = append(open, step.Action+" "+step.of())
			failed = append(failed, fmt.Errorf("%s %s: %w", step.Action, step.of(), step.err))
		case step.step.Reason.Refusal():
			refused++
		case step.Done:
			done++
		}
	}
	var err error
	switch {
	case c.JSON:
		if steps == nil {
			steps = []*logsStep{}
		}
		err = cli.WriteJSON(s.Out, logsResult{c.DryRun, steps})
	case groups == 0:
		_, err = fmt.Fprintln(s.Out, "No container logs to awslogs.")
	case c.DryRun && todo > 0:
		_, err = fmt.Fprintln(s.Out, "Nothing was changed.")
	case todo > 0 && ctx.Err() == nil:
		_, err = fmt.Fprintf(s.Out, "%s: %s done, %d failed.\n", cli.Count(groups, "log group"), cli.Count(done, "change"), len(failed))
	}
	switch {
	case err != nil:
		return err
	case len(failed) > 0:
		if ctx.Err() != nil {
			return cli.Interrupted(ctx, "%s done, not confirmed: %s; the next run continues there", cli.Count(done, "change"), strings.Join(open, ", "))
		}
		return cli.Fail(cli.ExitAWS, errors.Join(failed...))
	case refused > 0:
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s cannot be subscribed, as the plan says", cli.Count(refused, "log group")))
	}
	return nil
}
