package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"sumoship/deploy/subscription"
	"sumoship/function/subscribe"
)

// subscriptionFlags say which log groups, and where they deliver to.
type subscriptionFlags struct {
	awsFlags
	Destination string   `required:"" help:"Where the log groups deliver to: ARN of a function, of a Kinesis or Firehose stream, or of a logical destination." placeholder:"ARN"`
	Include     []string `sep:"none" help:"Choose log groups whose name this matches; can be given again. Without --include and --tag: all." placeholder:"PATTERN"`
	Exclude     []string `sep:"none" help:"Leave out log groups whose name this matches; can be given again." placeholder:"PATTERN"`
	Tag         []string `sep:"none" help:"Also choose log groups with this tag; can be given again." placeholder:"KEY=VALUE"`
	FilterName  string   `help:"Name of our filters. Filters of other names, or with other destinations, are never touched." default:"sumoship" placeholder:"NAME"`
	Account     bool     `help:"Use one policy for all log groups of the account, present and future, instead of a filter for each."`
	DryRun      bool     `help:"Show the plan, and change nothing."`
	Yes         bool     `short:"y" help:"Do not ask."`
	All         bool     `help:"Also show the log groups that need no change."`
	JSON        bool     `name:"json" help:"Write the result as JSON."`
}

const patternHelp = `
Patterns are regular expressions in RE2 syntax, looked for anywhere in the name;
letters match in either case; (?-i) makes their case count.`

type subscribeCmd struct {
	subscriptionFlags
	Own           []string `sep:"none" help:"Log group that is never subscribed, such as that of another function on the way of its events; can be given again." placeholder:"NAME"`
	FilterPattern string   `help:"Deliver only log events that match this filter pattern of CloudWatch Logs." placeholder:"PATTERN"`
	Role          string   `help:"Role by which CloudWatch Logs delivers to a stream." placeholder:"ARN"`
	Prune         bool     `help:"Also remove our filters from log groups that are not chosen."`
}

func (c *subscribeCmd) Help() string {
	return `Shows a plan, asks, and carries it out. It changes only what is missing, so you
can run it again at any time, for example after a failure.

Log groups that an exclude pattern matches lose our filter. The log group that
the destination function writes to, those that begin with ` + subscription.OwnPrefix + `, and
those of --own are never subscribed, which would make a loop. A function gets
one permission for all log groups, if it has none.
` + patternHelp + `

Exit status: 0 if the log groups are as they should be, 1 if some cannot be
subscribed or you said no, 2 if the command is wrong, 3 if AWS refused.`
}

func (c *subscribeCmd) Run(ctx context.Context, s streams) error {
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
	own, err := x.ownLogGroup(ctx)
	if err != nil {
		return err
	}
	x.rule.Own = append(x.rule.Own, own...)
	if c.Account {
		return x.account(ctx, s)
	}
	policies, err := x.policies(ctx)
	if err != nil {
		return err
	}
	if len(policies) > 0 {
		return exit{exitFound, fmt.Errorf("the policy %q of the account delivers all log groups there already; each log event would come twice", policies[0].Name)}
	}
	return x.run(ctx, s)
}

type unsubscribeCmd struct{ subscriptionFlags }

func (c *unsubscribeCmd) Help() string {
	return `The reverse of subscribe: shows which log groups would lose our filter, asks,
and removes it. When no filter delivers to the function any more, the permission
that subscribe gave it goes too.
` + patternHelp + `

Exit status: 0 if no chosen log group has our filter any more, 1 if you said no,
2 if the command is wrong, 3 if AWS refused.`
}

func (c *unsubscribeCmd) Run(ctx context.Context, s streams) error {
	x, err := c.open(ctx, s, func(r *subscription.Rule) []error {
		r.Unsubscribe = true
		return nil
	})
	if err != nil {
		return err
	}
	if c.Account {
		return x.account(ctx, s)
	}
	return x.run(ctx, s)
}

// subscribing is a call of one of the two verbs.
type subscribing struct {
	*subscriptionFlags
	*delivery
	rule    *subscription.Rule
	subs    *subscribe.Subscriptions
	consent bool // to change something
	result  subscriptionResult
}

// subscriptionResult is what a call answers with.
type subscriptionResult struct {
	Destination string             `json:"destination"`
	DryRun      bool               `json:"dryRun,omitempty"`
	Steps       []subscriptionStep `json:"steps"`
	Permission  permission         `json:"permission,omitempty"`
	Report      *subscribe.Report  `json:"report,omitempty"` // not of the policy of an account
}

type subscriptionStep struct {
	LogGroup string              `json:"logGroup,omitempty"`
	Policy   string              `json:"policy,omitempty"`
	Action   subscription.Action `json:"action"`
	Reason   subscription.Reason `json:"reason,omitempty"`
	Detail   string              `json:"detail,omitempty"`
	Criteria string              `json:"selectionCriteria,omitempty"`
	Error    string              `json:"error,omitempty"`
}

// open reads the flags, which more may add to, and connects to AWS. It reports
// every mistake at once.
func (f *subscriptionFlags) open(ctx context.Context, s streams, more func(*subscription.Rule) []error) (*subscribing, error) {
	var errs []error
	rule := &subscription.Rule{}
	var err error
	if rule.Destination, err = subscription.ParseDestination(f.Destination); err != nil {
		errs = append(errs, fmt.Errorf("--destination: %w", err))
	}
	if rule.Name, err = subscription.ParseName(f.FilterName); err != nil {
		errs = append(errs, fmt.Errorf("--filter-name: %w", err))
	}
	for _, p := range []struct {
		flag string
		from []string
		to   *[]*regexp.Regexp
	}{{"--include", f.Include, &rule.Include}, {"--exclude", f.Exclude, &rule.Exclude}} {
		for _, text := range p.from {
			re, err := subscription.ParsePattern(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.flag, err))
			}
			*p.to = append(*p.to, re)
		}
	}
	for _, text := range f.Tag {
		tag, err := subscription.ParseTag(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--tag: %w", err))
		}
		rule.Tags = append(rule.Tags, tag)
	}
	if f.Account && len(f.Include)+len(f.Exclude)+len(f.Tag) > 0 {
		errs = append(errs, errors.New("--account: the policy of an account cannot choose by patterns or tags; leave groups out by their names with --own"))
	}
	errs = append(errs, more(rule)...)
	if f.Region != "" && rule.Destination.Region != "" && f.Region != rule.Destination.Region {
		errs = append(errs, fmt.Errorf("--region: log groups in %s cannot deliver to a destination in %s", f.Region, rule.Destination.Region))
	}
	if len(errs) > 0 {
		return nil, usage("%w", errors.Join(errs...))
	}
	flags := f.awsFlags
	flags.Region = rule.Destination.Region
	cfg, err := flags.load(ctx)
	if err != nil {
		return nil, err
	}
	x := &subscribing{subscriptionFlags: f, delivery: newDelivery(cfg, rule.Destination, s), rule: rule, consent: f.Yes,
		result: subscriptionResult{Destination: f.Destination, DryRun: f.DryRun, Steps: []subscriptionStep{}}}
	x.subs = &subscribe.Subscriptions{Rule: rule, Groups: x.groups}
	return x, nil
}

// run subscribes or unsubscribes log groups, one by one.
func (x *subscribing) run(ctx context.Context, s streams) error {
	var mu sync.Mutex
	bar := newBar(-1, "looking at log groups", s.err)
	x.subs.Progress = func(subscribe.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		bar.Add(1)
	}
	plan, err := x.subs.Plan(ctx)
	bar.Finish()
	if ctx.Err() != nil {
		return exit{exitFound, errors.New("interrupted; nothing was changed")}
	}
	if err != nil {
		return exit{exitAWS, err}
	}
	todo := slices.DeleteFunc(slices.Clone(plan), func(o subscribe.Outcome) bool { return o.Err != nil || o.Action == subscription.Skip })
	if !x.JSON {
		if err := x.table(s.out, plan); err != nil {
			return err
		}
	}
	if x.DryRun || len(todo) == 0 {
		if err := x.permission(ctx, s, plan); err != nil {
			return err
		}
		return x.finish(s, plan, len(todo))
	}
	if err := x.ask(s, questionOf(todo)); err != nil {
		return err
	}
	// CloudWatch Logs checks whether it may call the function before it takes a
	// filter.
	if !x.rule.Unsubscribe {
		if err := x.permission(ctx, s, plan); err != nil {
			return err
		}
	}
	bar = newBar(len(todo), "changing subscriptions", s.err)
	done := map[string]subscribe.Outcome{}
	for _, o := range x.subs.Apply(ctx, todo) {
		done[o.Group] = o
	}
	bar.Finish()
	untried := 0
	var outcomes []subscribe.Outcome
	for _, o := range plan {
		if d, ok := done[o.Group]; ok {
			o = d
		}
		if errors.Is(o.Err, context.Canceled) {
			untried++
		}
		outcomes = append(outcomes, o)
	}
	if untried > 0 {
		x.finish(s, outcomes, 0)
		return exit{exitFound, fmt.Errorf("interrupted; %s left as before, and the next run goes on with them", count(untried, "log group"))}
	}
	if x.rule.Unsubscribe {
		if err := x.permission(ctx, s, outcomes); err != nil {
			return err
		}
	}
	return x.finish(s, outcomes, 0)
}

// table shows a plan: the steps, and what somebody should know of.
func (x *subscribing) table(out io.Writer, plan []subscribe.Outcome) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	shown := false
	for _, o := range plan {
		if !x.shows(o) {
			continue
		}
		if !shown {
			fmt.Fprintln(w, "ACTION\tLOG GROUP\tWHY")
			shown = true
		}
		action := string(o.Action)
		why := string(o.Reason)
		if o.Detail != "" {
			why += ": " + o.Detail
		}
		if o.Err != nil {
			action, why = "failed", o.Err.Error()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", action, o.Group, why)
	}
	return w.Flush()
}

// shows reports whether a log group is named, and not just counted.
func (x *subscribing) shows(o subscribe.Outcome) bool {
	return x.All || o.Err != nil || o.Action != subscription.Skip || o.Reason.Warning() || o.Reason == subscription.Delivered
}

// questionOf asks for consent to steps.
func questionOf(todo []subscribe.Outcome) string {
	puts, deletes := 0, 0
	for _, o := range todo {
		if o.Action == subscription.Put {
			puts++
		} else {
			deletes++
		}
	}
	switch {
	case deletes == 0:
		return fmt.Sprintf("Subscribe %s?", count(puts, "log group"))
	case puts == 0:
		return fmt.Sprintf("Remove the subscription of %s?", count(deletes, "log group"))
	}
	return fmt.Sprintf("Subscribe %s, and remove the subscription of %d?", count(puts, "log group"), deletes)
}

// ask asks for consent, once.
func (x *subscribing) ask(s streams, question string) error {
	if err := consent(s, x.consent, question); err != nil {
		return err
	}
	x.consent = true
	return nil
}

// permission lets CloudWatch Logs call the destination, once for all log groups,
// or takes that back when nothing needs it any more.
func (x *subscribing) permission(ctx context.Context, s streams, outcomes []subscribe.Outcome) error {
	switch {
	case !x.to.NeedsPermission():
		return nil
	case x.rule.Unsubscribe:
		return x.forbid(ctx, outcomes)
	case slices.ContainsFunc(outcomes, func(o subscribe.Outcome) bool { return o.Delivers() }):
		return x.permit(ctx, s)
	}
	return nil
}

func (x *subscribing) permit(ctx context.Context, s streams) (err error) {
	if x.result.Permission, err = x.lookUpPermission(ctx); err != nil {
		return err
	}
	if x.result.Permission == permissionMissing && !x.DryRun {
		if err := x.ask(s, "Let CloudWatch Logs call the function for all log groups?"); err != nil {
			return err
		}
		if err := x.functions.Permit(ctx, x.to); err != nil {
			return exit{exitAWS, err}
		}
		x.result.Permission = permissionAdded
	}
	if x.result.Permission != permissionUnknown {
		x.subs.PermissionDelay = subscribe.PermissionDelay
	}
	return nil
}

// forbid removes our permission, but not while a filter or policy may need it.
func (x *subscribing) forbid(ctx context.Context, outcomes []subscribe.Outcome) error {
	needed := len(x.Include)+len(x.Exclude)+len(x.Tag) > 0 || // there may be others
		slices.ContainsFunc(outcomes, func(o subscribe.Outcome) bool {
			return o.Err != nil || o.Reason == subscription.Delivered || o.Reason == subscription.Unsubscribed && o.Detail != ""
		})
	if !needed {
		policies, err := x.policies(ctx)
		if err != nil {
			return err
		}
		needed = len(policies) > 0
	}
	if needed || x.DryRun || !x.consent {
		return nil
	}
	removed, err := x.functions.Forbid(ctx, x.to)
	if err != nil {
		return exit{exitAWS, err}
	}
	if removed {
		x.result.Permission = permissionRemoved
	}
	return nil
}

// finish writes the result. todo is how many steps a dry run has left undone.
func (x *subscribing) finish(s streams, outcomes []subscribe.Outcome, todo int) error {
	report := subscribe.Report{Left: -1}
	failed, warned := 0, 0
	var first error
	for _, o := range outcomes {
		report.Add(o)
		step := subscriptionStep{LogGroup: o.Group, Action: o.Action, Reason: o.Reason, Detail: o.Detail}
		if o.Err != nil {
			step.Error = o.Err.Error()
			if failed++; first == nil {
				first = fmt.Errorf("%s: %w", o.Group, o.Err)
			}
		}
		if o.Reason.Warning() {
			warned++
		}
		if x.shows(o) {
			x.result.Steps = append(x.result.Steps, step)
		}
	}
	x.result.Report = &report
	var err error
	if x.JSON {
		err = writeJSON(s.out, x.result)
	} else {
		err = x.summary(s.out, &report, todo)
	}
	switch {
	case err != nil:
		return err
	case failed > 0:
		return exit{exitAWS, fmt.Errorf("%s failed, the first: %w\nsumoship: what was done stays done; run it again to do the rest", count(failed, "log group"), first)}
	case warned > 0:
		return exit{exitFound, fmt.Errorf("%s cannot be subscribed", count(warned, "log group"))}
	}
	return nil
}

func (x *subscribing) summary(out io.Writer, r *subscribe.Report, todo int) error {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	would := ""
	if todo > 0 {
		would = "to be "
	}
	add(r.Subscribed, would+"subscribed")
	add(r.Removed, would+"unsubscribed")
	add(r.Failed, "failed")
	add(r.Already, "already subscribed")
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		add(r.Skipped[reason], reason)
	}
	if len(parts) == 0 {
		parts = []string{"there is nothing to do"}
	}
	fmt.Fprintf(out, "%s: %s.\n", count(r.Seen, "log group"), strings.Join(parts, ", "))
	if x.result.Permission != "" {
		fmt.Fprintf(out, "Permission of CloudWatch Logs to call the function: %s.\n", x.result.Permission)
	}
	if x.DryRun {
		fmt.Fprintln(out, "Nothing was changed.")
	}
	return nil
}

// account puts or removes the policy of the account.
func (x *subscribing) account(ctx context.Context, s streams) error {
	if !x.rule.Unsubscribe {
		// A policy names what it leaves out; other stacks of sumoship are known by
		// the names of their groups.
		own, err := x.groups.Named(ctx, subscription.OwnPrefix)
		if err != nil {
			return exit{exitAWS, err}
		}
		x.rule.Own = append(x.rule.Own, own...)
	}
	have, err := x.groups.Policies(ctx)
	if err != nil {
		return exit{exitAWS, err}
	}
	step, err := x.rule.PlanAccount(have)
	if err != nil {
		return usage("--account: %w", err)
	}
	p := step.Policy
	x.result.Steps = append(x.result.Steps, subscriptionStep{Policy: p.Name, Action: step.Action, Reason: step.Reason, Detail: step.Detail, Criteria: p.Criteria})
	if !x.JSON {
		fmt.Fprintf(s.out, "%s  the policy of the account: %s\n", step.Action, strings.TrimSuffix(string(step.Reason)+": "+step.Detail, ": "))
		if step.Action == subscription.Put {
			fmt.Fprintf(s.out, "     %s\n     %s\n", p.Document, p.Criteria)
		}
	}
	if step.Action != subscription.Skip && !x.DryRun {
		question := "Subscribe all log groups of the account but these?"
		if step.Action == subscription.Delete {
			question = "Remove the policy of the account?"
		}
		if err := x.ask(s, question); err != nil {
			return err
		}
	}
	if x.to.NeedsPermission() && !x.rule.Unsubscribe && !step.Reason.Warning() {
		if err := x.permit(ctx, s); err != nil {
			return err
		}
	}
	if !x.DryRun {
		if err := x.subs.Do(ctx, func() error { return x.groups.ApplyAccount(ctx, step) }); err != nil {
			return exit{exitAWS, err}
		}
	}
	if x.JSON {
		err = writeJSON(s.out, x.result)
	} else {
		if x.result.Permission != "" {
			fmt.Fprintf(s.out, "Permission of CloudWatch Logs to call the function: %s.\n", x.result.Permission)
		}
		switch {
		case x.DryRun, step.Action == subscription.Skip:
			fmt.Fprintln(s.out, "Nothing was changed.")
		default:
			fmt.Fprintln(s.out, "Done. CloudWatch Logs takes some minutes to follow.")
		}
	}
	if err == nil && step.Reason.Warning() {
		return exit{exitFound, fmt.Errorf("the account has one policy already, which is not ours: %s", step.Detail)}
	}
	return err
}
