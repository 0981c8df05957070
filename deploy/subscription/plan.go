package subscription

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Group is a log group.
type Group struct {
	Name      string
	ARN       string            // without the :* at its end
	Region    string            // "" is that of the destination
	Missing   bool              // it is still to be created
	Class     string            // STANDARD or "", INFREQUENT_ACCESS, DELIVERY, or one that is newer than this
	Retention int               // days; 0 is for ever
	Tags      map[string]string // nil if not known
	Filters   []Filter          // its subscription filters
	Policy    string            // of the account, by name, that delivers it to the destination; "" if none does
}

// subscribable reports whether the class of the group may have subscriptions. Of a
// class that is not known here CloudWatch Logs decides.
//
// Source: Amazon CloudWatch Logs User Guide, "Log classes".
func (g Group) subscribable() bool { return g.Class != "INFREQUENT_ACCESS" && g.Class != "DELIVERY" }

// Filter is a subscription filter of a log group.
type Filter struct {
	Name        string
	Destination string // ARN
	Pattern     string // "" lets all log events through
	Role        string // ARN, of a stream
	Options
}

func (f Filter) equal(o Filter) bool {
	return f.Name == o.Name && f.Destination == o.Destination && f.Pattern == o.Pattern && f.Role == o.Role && f.Options.equal(o.Options)
}

// MaxFilters is how many subscription filters a log group can have.
//
// Source: Amazon CloudWatch Logs User Guide, "Subscriptions".
const MaxFilters = 2

// Action is what to do with a log group.
type Action string

const (
	Create Action = "create" // the log group
	Retain Action = "retain" // its log events, for Step.Retention days
	Put    Action = "put"    // make or change our filter
	Delete Action = "delete" // remove our filter
	Skip   Action = "skip"
)

// Reason says why. It is short and does not change, so that reports can count
// by it and programs can act on it.
type Reason string

const (
	Missing      Reason = "missing"                       // create, retain, or skip if the rule does not name it: the group does not exist yet
	Longer       Reason = "kept longer"                   // retain: than now
	Shorter      Reason = "kept shorter"                  // retain: than now, so older log events are deleted
	New          Reason = "new"                           // put: the group has no filter of ours
	Changed      Reason = "changed"                       // put: pattern, options, role or qualifier of ours differ
	TakenOver    Reason = "taken over"                    // put: it delivered to the destination that ours replaces
	Unsubscribed Reason = "unsubscribed"                  // delete: as the rule asks
	Already      Reason = "already subscribed"            // skip: ours is as it should be
	Unasked      Reason = "no subscription asked for"     // skip: the rule has no destination
	NotChosen    Reason = "not chosen"                    // skip, or delete with Prune: neither name nor tags
	Excluded     Reason = "excluded"                      // skip, or delete: an exclude pattern matches
	Own          Reason = "our own"                       // skip, or delete: our delivery writes to it
	OtherRegion  Reason = "in another Region"             // skip: log groups deliver within their Region
	Class        Reason = "not of the Standard class"     // skip: groups of this class have no subscriptions
	Delivered    Reason = "delivered by another filter"   // skip: each log event would arrive twice
	ByPolicy     Reason = "delivered by a policy"         // skip: of the account; each log event would arrive twice
	Full         Reason = "two other filters"             // skip, a warning: there is no room
	NameTaken    Reason = "our name, another destination" // skip, a warning: putting ours would overwrite it
	Both         Reason = "delivered to both"             // skip, a warning: to take over a filter would deliver each log event twice
	Refused      Reason = "refused"                       // skip, a warning: by CloudWatch Logs, for a class that is not known here
	AccountTaken Reason = "another policy"                // skip, a warning: the account has its one policy already
	NotThere     Reason = "not subscribed"                // skip: there is nothing to remove
	Gone         Reason = "gone"                          // skip: the group was deleted meanwhile
)

// Warning reports whether a person has to act before the group can be subscribed.
func (r Reason) Warning() bool {
	return r == Full || r == NameTaken || r == Both || r == Refused || r == AccountTaken
}

// Refusal reports whether a group that was asked for by its name cannot be
// subscribed. Where a pattern chose the group, that is not an error.
func (r Reason) Refusal() bool { return r.Warning() || r == Own || r == Class || r == OtherRegion }

// Step is one thing to do for a log group.
type Step struct {
	Group     string
	Chosen    bool // by the rule
	Action    Action
	Reason    Reason
	Detail    string // more on the reason, for people; often empty
	Filter    Filter // to put; to delete only its name counts
	Before    Filter // what a put replaces, if anything
	Class     string // of a group to put a filter in, if it is not known whether its class has any
	Retention int    // to retain, days
}

// Delivers reports whether our filter delivers the group after the step, so that
// its destination has to permit that.
func (s Step) Delivers() bool { return s.Action == Put || s.Reason == Already }

// Steps returns everything to do for a group, in order: to create it and to set
// its retention, if it is one of Names, and last the [Rule.Step] of its filter.
func (r *Rule) Steps(g Group) []Step {
	var steps []Step
	if r.manages(g.Name) {
		if g.Missing {
			steps = append(steps, Step{Group: g.Name, Chosen: r.Chooses(g), Action: Create, Reason: Missing})
		}
		if s, needed := r.retain(g); needed {
			steps = append(steps, s)
		}
	}
	return append(steps, r.Step(g))
}

// Step returns what to do for the filter of a group. Its tags and filters are
// known as far as NeedsTags and NeedsFilters ask for them.
func (r *Rule) Step(g Group) Step {
	v := r.verdict(g)
	s := Step{Group: g.Name, Chosen: v == chosen, Action: Skip}
	ours := slices.IndexFunc(g.Filters, r.ours)
	switch v {
	case unasked:
		s.Reason = Unasked
	case elsewhere:
		s.Reason, s.Detail = OtherRegion, g.Region
	case otherClass:
		s.Reason, s.Detail = Class, g.Class
	case own:
		s.Reason = Own
		s.remove(g.Filters, ours)
	case excluded:
		s.Reason = Excluded
		if !r.Unsubscribe {
			s.remove(g.Filters, ours)
		}
	case unchosen:
		s.Reason = NotChosen
		if r.Prune && !r.Unsubscribe {
			s.remove(g.Filters, ours)
		}
	case chosen:
		if r.Unsubscribe {
			r.unsubscribe(&s, g.Filters, ours)
		} else {
			r.subscribe(&s, g, ours)
		}
	}
	return s
}

// remove turns the step into one that removes our filter, if there is one.
func (s *Step) remove(filters []Filter, ours int) {
	if ours >= 0 {
		s.Action, s.Filter = Delete, filters[ours]
	}
}

// subscribe finds what a chosen group lacks.
func (r *Rule) subscribe(s *Step, g Group, ours int) {
	filters := g.Filters
	if ours >= 0 {
		have := filters[ours]
		want := r.filter(have.Options)
		if have.equal(want) {
			s.Reason = Already
		} else {
			s.put(g, Changed, difference(have, want), want)
			s.Before = have
		}
		return
	}
	want := r.filter(Options{})
	if g.Missing && !r.manages(g.Name) {
		s.Reason = Missing
		return
	}
	if g.Policy != "" {
		s.Reason, s.Detail = ByPolicy, g.Policy
		return
	}
	if other := r.other(filters); other != "" {
		s.Reason, s.Detail = Delivered, other
		return
	}
	for _, f := range filters {
		if f.Name == want.Name {
			s.Reason, s.Detail = NameTaken, fmt.Sprintf("%s delivers to %s", f.Name, f.Destination)
			return
		}
	}
	if len(filters) >= MaxFilters {
		s.Reason, s.Detail = Full, names(filters)
		return
	}
	s.put(g, New, "", want)
}

// put turns the step into one that puts a filter.
func (s *Step) put(g Group, why Reason, detail string, f Filter) {
	s.Action, s.Reason, s.Detail, s.Filter = Put, why, detail, f
	if g.Class != "STANDARD" {
		s.Class = g.Class
	}
}

// unsubscribe finds what a chosen group has too much. A step with the reason
// Delivered, or with a detail, names a filter that still needs the destination.
func (r *Rule) unsubscribe(s *Step, filters []Filter, ours int) {
	other := r.other(filters)
	switch {
	case ours >= 0:
		s.Reason = Unsubscribed
		s.remove(filters, ours)
		if other != "" {
			s.Detail = other + " still delivers there"
		}
	case other != "":
		s.Reason, s.Detail = Delivered, other
	default:
		s.Reason = NotThere
	}
}

// other returns the name of a filter that is not ours and delivers where ours
// does, or "".
func (r *Rule) other(filters []Filter) string {
	for _, f := range filters {
		if r.Destination.is(f.Destination) && !r.ours(f) {
			return f.Name
		}
	}
	return ""
}

// ours reports whether a filter has our name and our destination.
func (r *Rule) ours(f Filter) bool {
	return f.Name == r.name() && r.Destination.is(f.Destination)
}

func (r *Rule) name() string { return cmp.Or(r.Name, DefaultName) }

// filter returns the filter that chosen groups should have, where it has the
// options have now.
func (r *Rule) filter(have Options) Filter {
	f := Filter{Name: r.name(), Destination: r.Destination.ARN, Pattern: r.Pattern, Options: r.Options.on(have).at(r.Destination)}
	if r.Destination.NeedsRole() {
		f.Role = r.Role
	}
	return f
}

func difference(have, want Filter) string {
	var all []string
	for _, d := range []struct{ what, have, want string }{
		{"pattern", have.Pattern, want.Pattern}, {"role", have.Role, want.Role}, {"destination", have.Destination, want.Destination},
		{"system fields", have.fields(), want.fields()}, {"field selection", have.Selection, want.Selection},
		{"transformed logs", strconv.FormatBool(have.Transformed), strconv.FormatBool(want.Transformed)},
	} {
		if d.have != d.want {
			all = append(all, fmt.Sprintf("%s %q, not %q", d.what, d.have, d.want))
		}
	}
	return strings.Join(all, "; ")
}

func names(filters []Filter) string {
	var all []string
	for _, f := range filters {
		all = append(all, f.Name)
	}
	return strings.Join(all, ", ")
}
