package doctor

import (
	"context"
	"strings"

	"sumoship/deploy/subscription"
)

var groupFaults = []Fault{permissionMissing, groupMissing, groupClass, groupUnsubscribed, groupFull, groupFiltered, groupTwice, streamsFiltered, logLoop}

var permissionMissing = Fault{"permission-missing", Broken,
	"Subscribing a log group fails, or a subscribed one delivers nothing.",
	"CloudWatch Logs may not call the forwarder: its statement is gone from the policy of the function.",
	"`sumoship subscribe --destination {forwarder-arn}` adds it, or deploy the stack again: `sumoship deploy --stack {stack}{region}`."}

var groupMissing = Fault{"group-missing", Broken,
	"The log group has no logs in Sumo Logic.",
	"It does not exist in this Region and account.",
	"See its name and Region: `aws logs describe-log-groups --log-group-name-pattern PART-OF-ITS-NAME{region}`."}

var groupClass = Fault{"group-class", Broken,
	"The log group cannot be subscribed.",
	"Only log groups of class STANDARD have subscriptions, and the class of a log group cannot be changed.",
	"Log to a new log group of class STANDARD."}

var groupUnsubscribed = Fault{"group-unsubscribed", Broken,
	"The log group has no logs in Sumo Logic.",
	"No filter of the log group and no policy of the account delivers it to the forwarder.",
	"`sumoship subscribe --destination {forwarder-arn} --include '^{group}$'`"}

var groupFull = Fault{"group-full", Broken,
	"The log group has no logs in Sumo Logic, and cannot be subscribed.",
	"It has as many subscription filters as CloudWatch Logs allows, all with other destinations.",
	"Delete one of them, or subscribe all log groups by a policy of the account: `sumoship subscribe --account --destination {forwarder-arn}`."}

var groupFiltered = Fault{"group-filtered", Doubt,
	"Some log events of the log group are not in Sumo Logic.",
	"Its filter delivers only what matches the pattern.",
	"If that is not what is wanted: `sumoship subscribe --destination {forwarder-arn} --include '^{group}$'`, which puts a filter without a pattern."}

var groupTwice = Fault{"group-twice", Doubt,
	"Each log event is in Sumo Logic twice.",
	"Several filters, or a filter and a policy of the account, deliver the log group to the forwarder.",
	"Remove a filter: `aws logs delete-subscription-filter --log-group-name {group} --filter-name {filter}{region}`"}

var streamsFiltered = Fault{"streams-filtered", Doubt,
	"Some log streams are not in Sumo Logic.",
	"The forwarder ships only log streams with these prefixes.",
	"If that is not what is wanted: `sumoship deploy --stack {stack}{region} --set LogStreamPrefix=`"}

var logLoop = Fault{"log-loop", Broken,
	"The forwarder runs all the time, and the bill grows.",
	"A log group that the forwarder writes to is delivered to the forwarder: each line makes another.",
	"Remove its filter: `aws logs delete-subscription-filter --log-group-name {looping} --filter-name {filter}{region}`. The policy of an account: `sumoship subscribe --account --destination {forwarder-arn}` excludes it."}

func (x *exam) permission(ctx context.Context) error {
	permitted, err := x.Permitted(ctx, x.to)
	if err != nil {
		return err
	}
	if !permitted {
		x.finds(permissionMissing, "no statement lets CloudWatch Logs call it for all log groups")
	}
	x.sound("CloudWatch Logs may call the forwarder for all log groups")
	return nil
}

// ways returns how a log group is delivered to the forwarder, and its filters: all,
// and those to the forwarder.
func (x *exam) ways(ctx context.Context, name string) (ways []string, all, ours []subscription.Filter, err error) {
	all, err = x.Filters(ctx, name)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, f := range all {
		if d, err := subscription.ParseDestination(f.Destination); err == nil && d.Unqualified() == x.to.Unqualified() {
			ways, ours = append(ways, "filter "+f.Name), append(ours, f)
		}
	}
	policies, err := x.Policies(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, p := range policies {
		if p.Covers(x.to, name) {
			ways = append(ways, "policy "+p.Name)
		}
	}
	return ways, all, ours, nil
}

// nameOfLast is the name of the last of filters, or a word for it.
func nameOfLast(filters []subscription.Filter) string {
	if len(filters) == 0 {
		return "FILTER"
	}
	return filters[len(filters)-1].Name
}

func (x *exam) logGroup(ctx context.Context) error {
	if prefix := x.forwarder.Variables["LOG_STREAM_PREFIX"]; prefix != "" {
		x.finds(streamsFiltered, "LOG_STREAM_PREFIX is %s", prefix)
	}
	if x.LogGroup == "" {
		return nil
	}
	g, err := x.Find(ctx, x.LogGroup)
	switch {
	case err != nil:
		return err
	case g.Missing:
		x.finds(groupMissing, "no log group %s in %s%s", x.LogGroup, x.Region, x.Near("log group", x.LogGroup))
		return nil
	case g.Class != "" && g.Class != "STANDARD":
		x.finds(groupClass, "its class is %s", g.Class)
		return nil
	}
	ways, filters, ours, err := x.ways(ctx, x.LogGroup)
	switch {
	case err != nil:
		return err
	case len(ways) == 0 && len(filters) >= subscription.MaxFilters:
		x.finds(groupFull, "%s has %s, none to the forwarder", x.LogGroup, count(len(filters), "filter"))
		return nil
	case len(ways) == 0 && len(filters) > 0:
		x.finds(groupUnsubscribed, "%s delivers elsewhere: filter %s to %s", x.LogGroup, filters[0].Name, filters[0].Destination)
		return nil
	case len(ways) == 0:
		x.finds(groupUnsubscribed, "%s delivers nowhere", x.LogGroup)
		return nil
	case len(ways) > 1:
		x.finds(groupTwice.with("{filter}", nameOfLast(ours)), "%s is delivered by %s", x.LogGroup, strings.Join(ways, " and "))
	}
	for _, f := range ours {
		if f.Pattern != "" {
			x.finds(groupFiltered, "filter %s delivers %q", f.Name, f.Pattern)
		}
	}
	x.sound("%s is delivered by %s", x.LogGroup, ways[0])
	return nil
}

// loop looks at the log groups that an invocation writes to.
func (x *exam) loop(ctx context.Context) error {
	var seen []string
	for _, f := range []Function{x.forwarder, x.replay} {
		if f.LogGroup == "" {
			continue
		}
		g, err := x.Find(ctx, f.LogGroup)
		if err != nil {
			return err
		}
		if g.Missing {
			continue // nothing has been logged yet
		}
		ways, _, ours, err := x.ways(ctx, f.LogGroup)
		if err != nil {
			return err
		}
		if len(ways) > 0 {
			x.finds(logLoop.with("{looping}", f.LogGroup, "{filter}", nameOfLast(ours)), "%s is delivered to the forwarder by %s", f.LogGroup, strings.Join(ways, " and "))
		}
		seen = append(seen, f.LogGroup)
	}
	if len(seen) == 0 {
		x.sound("the functions have not logged yet")
	}
	x.sound("the functions write to log groups that are not delivered: %s", strings.Join(seen, ", "))
	return nil
}
