package subscribecmd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/delivery"
	"sumoship/deploy/subscription"
	"sumoship/function/subscribe"
)

// flags say which log groups, and where they deliver to.
type flags struct {
	cli.AWSFlags
	Destination string   `required:"" help:"Where the log groups deliver to: ARN of a function, of a Kinesis or Firehose stream, or of a logical destination." placeholder:"ARN"`
	Include     []string `sep:"none" group:"Which log groups" help:"Choose log groups whose name this matches. Repeatable. Default: all, unless there is a --tag." placeholder:"PATTERN"`
	Exclude     []string `sep:"none" group:"Which log groups" help:"Leave out log groups whose name this matches. Repeatable." placeholder:"PATTERN"`
	Tag         []string `sep:"none" group:"Which log groups" help:"Also choose log groups with this tag. Repeatable." placeholder:"KEY=VALUE"`
	FilterName  string   `help:"Name of our filters. Filters of other names, or with other destinations, are never touched." default:"sumoship" placeholder:"NAME"`
	Account     bool     `help:"Use one policy for all log groups of the account, present and future, instead of a filter for each."`
	Require     bool     `group:"Which log groups" help:"Change nothing, and exit with status 1, if a pattern or the tags match no log group."`
	DryRun      bool     `help:"Show the plan, and change nothing."`
	Yes         bool     `short:"y" help:"Do not ask."`
	All         bool     `help:"Also show the log groups that need no change."`
	JSON        bool     `name:"json" help:"Write the result as JSON."`
}

const patternHelp = `
Patterns are regular expressions in RE2 syntax, searched for anywhere in the name,
in upper or lower case; (?-i) makes case count.`

// subscribing is a call of one of the two verbs.
type subscribing struct {
	*flags
	*delivery.Delivery
	rule    *subscription.Rule
	subs    *subscribe.Subscriptions
	consent bool // to change something
	result  result
}

// open reads the flags, which more may add to, and connects to AWS. It reports
// every mistake at once.
func (f *flags) open(ctx context.Context, s cli.Streams, more func(*subscription.Rule) []error) (*subscribing, error) {
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
		return nil, cli.Usagef("%w", errors.Join(errs...))
	}
	flags := f.AWSFlags
	flags.Region = rule.Destination.Region
	cfg, err := flags.Load(ctx)
	if err != nil {
		return nil, err
	}
	x := &subscribing{flags: f, Delivery: delivery.New(cfg, rule.Destination, s), rule: rule, consent: f.Yes,
		result: result{Destination: f.Destination, DryRun: f.DryRun, Steps: []change{}}}
	x.subs = &subscribe.Subscriptions{Rule: rule, Groups: x.Groups}
	return x, nil
}

// run subscribes or unsubscribes log groups, one by one.
func (x *subscribing) run(ctx context.Context, s cli.Streams) error {
	var mu sync.Mutex
	bar := cli.NewBar(-1, "looking at log groups", s.Err)
	x.subs.Progress = func(subscribe.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		bar.Add(1)
	}
	plan, err := x.subs.Plan(ctx)
	bar.Finish()
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "nothing was changed")
	}
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if idle := x.idle(plan); len(idle) > 0 && x.Require {
		return cli.Fail(cli.ExitFound, fmt.Errorf("%s: no log group matches; nothing was changed", strings.Join(idle, ", ")))
	} else if len(idle) > 0 {
		fmt.Fprintf(s.Err, "%s %s: no log group matches\n", cli.Paint(s.Err, cli.Doubt, "sumoship:"), strings.Join(idle, ", "))
	}
	todo := slices.DeleteFunc(slices.Clone(plan), done)
	x.result.WayBack = x.wayBack(plan)
	if !x.JSON {
		if err := errors.Join(x.table(s.Out, plan), x.showWayBack(s.Out, plan)); err != nil {
			return err
		}
	}
	if x.DryRun || len(todo) == 0 {
		if err := x.permission(ctx, s, plan); err != nil {
			return err
		}
		return x.finish(s, plan, len(todo))
	}
	if err := x.ask(ctx, s, questionOf(todo)); err != nil {
		return err
	}
	// CloudWatch Logs checks whether it may call the function before it takes a
	// filter.
	if !x.rule.Unsubscribe {
		if err := x.permission(ctx, s, plan); err != nil {
			return err
		}
	}
	bar = cli.NewBar(len(todo), "changing subscriptions", s.Err)
	outcomes, untried := merge(plan, x.subs.Apply(ctx, todo))
	bar.Finish()
	if untried > 0 {
		_ = x.finish(s, outcomes, 0) // what failed is the interruption
		return cli.Interrupted(ctx, "%s done, %d not confirmed; the next run continues with them", cli.Count(len(todo)-untried, "log group"), untried)
	}
	if x.rule.Unsubscribe {
		if err := x.permission(ctx, s, outcomes); err != nil {
			return err
		}
	}
	return x.finish(s, outcomes, 0)
}

// idle are the flags that match no log group.
func (x *subscribing) idle(plan []subscribe.Outcome) (flags []string) {
	for _, of := range []struct {
		flag     string
		texts    []string
		patterns []*regexp.Regexp
	}{{"--include", x.Include, x.rule.Include}, {"--exclude", x.Exclude, x.rule.Exclude}} {
		for i, p := range of.patterns {
			if !slices.ContainsFunc(plan, func(o subscribe.Outcome) bool { return p.MatchString(o.Group) }) {
				flags = append(flags, of.flag+" "+of.texts[i])
			}
		}
	}
	unchosen := []subscription.Reason{subscription.NotChosen, subscription.Excluded, subscription.Own, subscription.OtherRegion, subscription.Class, subscription.Gone}
	chosen := slices.ContainsFunc(plan, func(o subscribe.Outcome) bool { return !slices.Contains(unchosen, o.Reason) })
	if len(x.Tag) > 0 && len(x.Include) == 0 && !chosen {
		flags = append(flags, "--tag "+strings.Join(x.Tag, ", "))
	}
	return flags
}

// done reports whether a plan leaves nothing to do for an outcome.
func done(o subscribe.Outcome) bool { return o.Err != nil || o.Action == subscription.Skip }

// merge returns the plan with the outcomes of the steps that were applied, which are
// in its order, and how many of them were not tried.
func merge(plan, applied []subscribe.Outcome) (outcomes []subscribe.Outcome, untried int) {
	for _, o := range plan {
		if !done(o) {
			o, applied = applied[0], applied[1:]
		}
		if errors.Is(o.Err, context.Canceled) {
			untried++
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, untried
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
	case todo[0].Reason == subscription.TakenOver: // then all are
		return fmt.Sprintf("Take over %s?", cli.Count(puts, "filter"))
	case deletes == 0:
		return fmt.Sprintf("Subscribe %s?", cli.Count(puts, "log group"))
	case puts == 0:
		return fmt.Sprintf("Remove the subscription of %s?", cli.Count(deletes, "log group"))
	}
	return fmt.Sprintf("Subscribe %s, and remove the subscription of %d?", cli.Count(puts, "log group"), deletes)
}

// ask asks for consent, once.
func (x *subscribing) ask(ctx context.Context, s cli.Streams, question string) error {
	if err := cli.Consent(ctx, s, x.consent, question); err != nil {
		return err
	}
	x.consent = true
	return nil
}

// permission lets CloudWatch Logs call the destination, once for all log groups,
// or takes that back when nothing needs it any more.
func (x *subscribing) permission(ctx context.Context, s cli.Streams, outcomes []subscribe.Outcome) error {
	switch {
	case !x.To.NeedsPermission():
		return nil
	case x.rule.Unsubscribe:
		return x.forbid(ctx, outcomes)
	case slices.ContainsFunc(outcomes, func(o subscribe.Outcome) bool { return o.Delivers() }):
		return x.permit(ctx, s)
	}
	return nil
}

func (x *subscribing) permit(ctx context.Context, s cli.Streams) (err error) {
	if x.result.Permission, err = x.LookUpPermission(ctx); err != nil {
		return err
	}
	if x.result.Permission == delivery.Missing && !x.DryRun {
		if err := x.ask(ctx, s, "Let CloudWatch Logs call the function for all log groups?"); err != nil {
			return err
		}
		if err := x.Functions.Permit(ctx, x.To); ctx.Err() != nil {
			return cli.Interrupted(ctx, "the function may have the permission, no log group was changed")
		} else if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		x.result.Permission = delivery.Added
	}
	if x.result.Permission != delivery.Unknown {
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
		policies, err := x.Policies(ctx)
		if err != nil {
			return err
		}
		needed = len(policies) > 0
	}
	if needed || x.DryRun || !x.consent {
		return nil
	}
	removed, err := x.Functions.Forbid(ctx, x.To)
	if ctx.Err() != nil {
		return cli.Interrupted(ctx, "the log groups are done, the function may have the permission still")
	}
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if removed {
		x.result.Permission = delivery.Removed
	}
	return nil
}
