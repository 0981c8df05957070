package subscription

import (
	"fmt"
	"strings"
)

// Group is a log group.
type Group struct {
	Name    string
	ARN     string            // without the :* at its end
	Class   string            // STANDARD or "", INFREQUENT_ACCESS, DELIVERY, …
	Tags    map[string]string // nil if not known
	Filters []Filter          // its subscription filters
}

// standard tells whether the group is of the class Standard, the only one that
// can have subscriptions.
//
// Source: Amazon CloudWatch Logs User Guide, "Log classes".
func (g Group) standard() bool { return g.Class == "" || g.Class == "STANDARD" }

// Filter is a subscription filter of a log group.
type Filter struct {
	Name        string
	Destination string // ARN
	Pattern     string // "" lets all log events through
	Role        string // ARN, of a stream
}

// MaxFilters is how many subscription filters a log group can have.
//
// Source: Amazon CloudWatch Logs User Guide, "Subscriptions".
const MaxFilters = 2

// Action is what to do with the filter of a log group.
type Action string

const (
	Put    Action = "put"    // make or change our filter
	Delete Action = "delete" // remove our filter
	Skip   Action = "skip"
)

// Reason says why. It is short and does not change, so that reports can count
// by it.
type Reason string

const (
	New          Reason = "new"                           // put: the group has no filter of ours
	Changed      Reason = "changed"                       // put: pattern, role or qualifier of ours differ
	Unsubscribed Reason = "unsubscribed"                  // delete: as the rule asks
	Already      Reason = "already subscribed"            // skip: ours is as it is to be
	NotChosen    Reason = "not chosen"                    // skip, or delete with Prune: neither name nor tags
	Excluded     Reason = "excluded"                      // skip, or delete: an exclude pattern matches
	Own          Reason = "our own"                       // skip, or delete: our delivery writes to it
	Class        Reason = "class"                         // skip: groups of this class have no subscriptions
	Delivered    Reason = "delivered by another filter"   // skip: each log event would come twice
	Full         Reason = "two other filters"             // skip, a warning: there is no room
	NameTaken    Reason = "our name, another destination" // skip, a warning: putting ours would overwrite it
	AccountTaken Reason = "another policy"                // skip, a warning: the account has its one policy already
	NotThere     Reason = "not subscribed"                // skip: there is nothing to remove
	Gone         Reason = "gone"                          // skip: the group was deleted meanwhile
)

// Warning tells whether somebody has to do something before the group can be
// subscribed.
func (r Reason) Warning() bool { return r == Full || r == NameTaken || r == AccountTaken }

// Step is what to do for one log group.
type Step struct {
	Group  string
	Action Action
	Reason Reason
	Detail string // more on the reason, for people; often empty
	Filter Filter // to put; to delete only its name counts
}

// Plan gives one step for each group, in their order.
func (r *Rule) Plan(groups []Group) []Step {
	steps := make([]Step, len(groups))
	for i, g := range groups {
		steps[i] = r.Step(g)
	}
	return steps
}

// Step is what to do for a group. Its tags and filters are known as far as
// NeedsTags and NeedsFilters ask for them.
func (r *Rule) Step(g Group) Step {
	want := r.filter()
	skip := func(why Reason, format string, args ...any) Step {
		return Step{Group: g.Name, Action: Skip, Reason: why, Detail: fmt.Sprintf(format, args...)}
	}
	ours, foreign := -1, 0
	for i, f := range g.Filters {
		if f.Name == want.Name && same(f.Destination, want.Destination) {
			ours = i
		} else {
			foreign++
		}
	}
	// Our filter does not belong where it is.
	leave := func(why Reason, remove bool) Step {
		if remove && ours >= 0 {
			return Step{Group: g.Name, Action: Delete, Reason: why, Filter: g.Filters[ours]}
		}
		return Step{Group: g.Name, Action: Skip, Reason: why}
	}
	switch v := r.verdict(g); {
	case v == otherClass:
		return skip(Class, "%s", g.Class)
	case v == own:
		return leave(Own, true)
	case v == excluded:
		return leave(Excluded, !r.Unsubscribe)
	case v == unchosen:
		return leave(NotChosen, r.Prune && !r.Unsubscribe)
	case r.Unsubscribe && ours < 0:
		return Step{Group: g.Name, Action: Skip, Reason: NotThere}
	case r.Unsubscribe:
		return leave(Unsubscribed, true)
	case ours >= 0 && g.Filters[ours] == want:
		return Step{Group: g.Name, Action: Skip, Reason: Already}
	case ours >= 0:
		return Step{Group: g.Name, Action: Put, Reason: Changed, Detail: difference(g.Filters[ours], want), Filter: want}
	}
	for _, f := range g.Filters {
		if same(f.Destination, want.Destination) {
			return skip(Delivered, "%s", f.Name)
		}
	}
	for _, f := range g.Filters {
		if f.Name == want.Name {
			return skip(NameTaken, "%s delivers to %s", f.Name, f.Destination)
		}
	}
	if foreign >= MaxFilters {
		return skip(Full, "%s", strings.Join(names(g.Filters), ", "))
	}
	return Step{Group: g.Name, Action: Put, Reason: New, Filter: want}
}

// filter is what a chosen group is to have.
func (r *Rule) filter() Filter {
	f := Filter{Name: r.Name, Destination: r.Destination.ARN, Pattern: r.Pattern}
	if f.Name == "" {
		f.Name = DefaultName
	}
	if r.Destination.NeedsRole() {
		f.Role = r.Role
	}
	return f
}

func difference(have, want Filter) string {
	var all []string
	for _, d := range []struct{ what, have, want string }{
		{"pattern", have.Pattern, want.Pattern}, {"role", have.Role, want.Role}, {"destination", have.Destination, want.Destination},
	} {
		if d.have != d.want {
			all = append(all, fmt.Sprintf("%s %q, not %q", d.what, d.have, d.want))
		}
	}
	return strings.Join(all, "; ")
}

func names(filters []Filter) []string {
	var all []string
	for _, f := range filters {
		all = append(all, f.Name)
	}
	return all
}
