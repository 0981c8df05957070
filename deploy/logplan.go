package deploy

import (
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/subscription"
)

// LogFilter is a subscription filter.
type LogFilter struct {
	Name        string
	Destination string // ARN
	Pattern     string
}

// LogState is what there is of a log group.
type LogState struct {
	Exists    bool
	Class     string // "" is STANDARD
	Retention int    // days; 0 is for ever
	Filters   []LogFilter

	// Policy is the name of the subscription policy of the account that delivers
	// this group to the function already, "" if none does.
	Policy string
}

// LogRule says how log groups are to be.
type LogRule struct {
	Retention int                       // days; 0 leaves it as it is
	Function  *subscription.Destination // a function that gets their log events; nil leaves subscriptions as they are
	Pattern   string                    // of the log events that it gets; "" is all
	Own       []string                  // log groups on the way of the function's own logs
}

// LogAction is what to do.
type LogAction string

// The actions.
const (
	CreateGroup    LogAction = "create"    // the log group
	SetRetention   LogAction = "retain"    // for as long as the rule says
	SubscribeGroup LogAction = "subscribe" // by our filter
	KeepGroup      LogAction = "keep"      // nothing
	RefuseGroup    LogAction = "refuse"    // what cannot be done before somebody does something
)

// LogStep is one thing to do for a log group.
type LogStep struct {
	Action LogAction
	Why    string
}

// FilterName is the name of our filters. A filter is ours if it has this name
// and our destination; no other is ever changed or removed.
const FilterName = subscription.DefaultName

// ownLogGroups begins the names of the log groups of sumoship's own functions.
const ownLogGroups = "/sumoship/"

// Plan returns what to do for a log group, in this order, given what there is.
// Where all is as it should be, or nobody may change it, there is one step that
// says so.
func (r LogRule) Plan(g cfn.LogGroup, have LogState) []LogStep {
	var steps []LogStep
	step := func(action LogAction, why string, args ...any) {
		steps = append(steps, LogStep{action, fmt.Sprintf(why, args...)})
	}
	if !have.Exists {
		step(CreateGroup, "for %s", strings.Join(g.Containers, ", "))
	}
	if r.Retention > 0 && have.Retention != r.Retention {
		switch {
		case have.Retention > r.Retention || have.Exists && have.Retention == 0:
			step(SetRetention, "%d days, not %s: what is older is deleted", r.Retention, forDays(have.Retention))
		default:
			step(SetRetention, "%d days, not %s", r.Retention, forDays(have.Retention))
		}
	}
	kept := "as it is to be"
	if r.Function != nil {
		action, why := r.subscribe(g, have)
		if action == KeepGroup {
			kept = why
		} else {
			step(action, "%s", why)
		}
	}
	if len(steps) == 0 {
		step(KeepGroup, "%s", kept)
	}
	return steps
}

func forDays(n int) string {
	if n == 0 {
		return "for ever"
	}
	return fmt.Sprint(n)
}

// subscribe is what to do for the subscription.
func (r LogRule) subscribe(g cfn.LogGroup, have LogState) (LogAction, string) {
	f := r.Function
	ours := slices.IndexFunc(have.Filters, func(x LogFilter) bool { return x.Name == FilterName && f.Is(x.Destination) })
	switch {
	case g.Region != "" && g.Region != f.Region:
		return RefuseGroup, fmt.Sprintf("it is in %s, and log groups deliver within their Region: deploy a forwarder there", g.Region)
	case have.Class != "" && have.Class != "STANDARD":
		return RefuseGroup, fmt.Sprintf("log groups of class %s have no subscriptions: use one of class STANDARD", have.Class)
	case slices.Contains(r.Own, g.Name) || g.Name == "/aws/lambda/"+f.Name || strings.HasPrefix(g.Name, ownLogGroups):
		return RefuseGroup, "the forwarder writes to it itself, so subscribing it would make a loop"
	case ours >= 0 && have.Filters[ours] == (LogFilter{FilterName, f.ARN, r.Pattern}):
		return KeepGroup, "subscribed already"
	case ours >= 0:
		return SubscribeGroup, fmt.Sprintf("by filter %s, which delivers %s to %s now", FilterName, matching(have.Filters[ours].Pattern), have.Filters[ours].Destination)
	case have.Policy != "":
		return KeepGroup, fmt.Sprintf("the policy %s of the account delivers it there", have.Policy)
	}
	var names []string
	for _, x := range have.Filters {
		switch {
		case f.Is(x.Destination):
			return KeepGroup, fmt.Sprintf("filter %s delivers it there", x.Name)
		case x.Name == FilterName:
			return RefuseGroup, fmt.Sprintf("its filter %s delivers to %s, and is not ours: rename or delete it", x.Name, x.Destination)
		}
		names = append(names, x.Name)
	}
	if len(have.Filters) >= subscription.MaxFilters {
		return RefuseGroup, fmt.Sprintf("it has the filters %s already, and a log group can have %d: delete one", strings.Join(names, " and "), subscription.MaxFilters)
	}
	return SubscribeGroup, fmt.Sprintf("by filter %s, %s to %s", FilterName, matching(r.Pattern), f.ARN)
}

func matching(pattern string) string {
	if pattern == "" {
		return "all"
	}
	return fmt.Sprintf("%q", pattern)
}
