package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"sumoship/deploy"
	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/service"
	"sumoship/deploy/subscription"
)

type fargateLogsCmd struct {
	fileArg
	inputFlags
	ruleFlags
	Subscribe     string `help:"Subscribe the log groups to this function, the forwarder." placeholder:"FUNCTION-ARN"`
	FilterPattern string `help:"Deliver only log events that match this filter pattern of CloudWatch Logs." placeholder:"PATTERN"`
	Retention     int    `help:"Keep log events for this many days. Default: as it is; new log groups keep them for ever." placeholder:"DAYS"`
	DryRun        bool   `help:"Show the plan, and change nothing."`
	Yes           bool   `short:"y" help:"Do not ask."`
	JSON          bool   `name:"json" help:"Write the result as JSON."`
}

func (c *fargateLogsCmd) Help() string {
	return `Makes the log groups that the containers of a task definition log to by awslogs,
sets their retention, lets CloudWatch Logs call the function, and subscribes them
to it. A definition for EC2 is converted first, as convert would with the same
flags: its groups are those of the Fargate version.

Shows a plan, asks, and carries it out. What is there already is left as it is,
so it can be run again at any time. Only the filter ` + deploy.FilterName + ` that delivers to this
function is ever changed; a log group has room for two filters, and one that is
full is an error, after the others are done.

  sumoship fargate logs shop.json --subscribe $FORWARDER --retention 30 --dry-run

Exit status: 0 all is as it should be, 1 something cannot be or you said no, 2
the command or its input is wrong, 3 AWS refused.`
}

// logsStep is a step of the plan, and what came of it.
type logsStep struct {
	LogGroup string           `json:"logGroup,omitempty"`
	Region   string           `json:"region,omitempty"`
	Function string           `json:"function,omitempty"` // of the permission
	Action   deploy.LogAction `json:"action"`
	Why      string           `json:"why"`
	Done     bool             `json:"done"`
	Error    string           `json:"error,omitempty"`

	err error
}

// permitLogs is the one step that is not about a log group.
const permitLogs deploy.LogAction = "permit"

func (s *logsStep) changes() bool {
	return s.Action != deploy.KeepGroup && s.Action != deploy.RefuseGroup
}

func (c *fargateLogsCmd) Run(ctx context.Context, s streams) error {
	rule := deploy.LogRule{Retention: c.Retention, Pattern: c.FilterPattern}
	var errs []error
	if err := service.CheckRetention(c.Retention); err != nil {
		errs = append(errs, fmt.Errorf("--retention: %d: want %s", c.Retention, wanted(err)))
	}
	if c.Subscribe != "" {
		function, err := subscription.ParseDestination(c.Subscribe)
		if err != nil || function.Service != "lambda" {
			errs = append(errs, fmt.Errorf("--subscribe: %q is not the ARN of a function (arn:aws:lambda:REGION:ACCOUNT:function:NAME)", c.Subscribe))
		}
		rule.Function = &function
	} else if c.FilterPattern != "" {
		errs = append(errs, errors.New("--filter-pattern: there is no subscription without --subscribe"))
	}
	if len(errs) > 0 {
		return exit{exitUsage, errors.Join(errs...)}
	}
	d, in, err := c.moved(ctx, s, c.fileArg, c.ruleFlags)
	if err != nil {
		return err
	}
	account := d.Account()
	if rule.Function != nil {
		account = rule.Function.Account
	}
	home := cmp.Or(c.Region, in.region, d.Region())
	groups, err := cfn.LogGroups(d, home, account)
	if err != nil {
		return exit{exitUsage, err}
	}
	cloud := &logsCloud{flags: awsFlags{profileFlag: profileFlag{c.Profile}}, home: home, rule: rule, warn: func(format string, args ...any) {
		fmt.Fprintf(s.err, "sumoship: "+format+"\n", args...)
	}}
	steps, err := cloud.plan(ctx, groups)
	if err != nil {
		return err
	}
	if !c.JSON {
		if err := writeLogsPlan(s.out, steps); err != nil {
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
		if err := consent(s, c.Yes, fmt.Sprintf("Do this (%s)?", count(todo, "change"))); err != nil {
			return err
		}
		cloud.apply(ctx, steps)
	}
	return c.finish(s, steps, todo, len(groups))
}

// wanted is what an option asks for.
func wanted(err error) string {
	if o, ok := errors.AsType[*finding.OptionError](err); ok {
		return o.Want
	}
	return err.Error()
}

func writeLogsPlan(out io.Writer, steps []*logsStep) error {
	if len(steps) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACTION\tOF\tWHAT")
	for _, s := range steps {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Action, cmp.Or(s.LogGroup, s.Function), s.Why)
	}
	return w.Flush()
}

// finish tells what came of the steps.
func (c *fargateLogsCmd) finish(s streams, steps []*logsStep, todo, groups int) error {
	done, refused := 0, 0
	var failed []error
	for _, step := range steps {
		switch {
		case step.err != nil:
			step.Error = step.err.Error()
			failed = append(failed, fmt.Errorf("%s %s: %w", step.Action, cmp.Or(step.LogGroup, step.Function), step.err))
		case step.Action == deploy.RefuseGroup:
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
		err = writeJSON(s.out, map[string]any{"dryRun": c.DryRun, "steps": steps})
	case groups == 0:
		_, err = fmt.Fprintln(s.out, "No container logs to awslogs.")
	case c.DryRun && todo > 0:
		_, err = fmt.Fprintln(s.out, "Nothing was changed.")
	case todo > 0:
		_, err = fmt.Fprintf(s.out, "%s: %s done, %d failed.\n", count(groups, "log group"), count(done, "change"), len(failed))
	}
	switch {
	case err != nil:
		return err
	case len(failed) > 0:
		err := errors.Join(failed...)
		if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
			return exit{exitFound, err}
		}
		return exit{exitAWS, err}
	case refused > 0:
		return exit{exitFound, fmt.Errorf("%s cannot be subscribed, as the plan tells", count(refused, "log group"))}
	}
	return nil
}
