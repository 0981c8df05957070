// Package subscription decides which log groups of CloudWatch Logs are subscribed
// to a destination, and what is left to do for that: create a group, set its
// retention, put or delete a filter, permit the delivery. It does nothing itself
// and knows no SDK: groups with their filters go in, steps with reasons come out.
//
// A filter is ours if it has our name and our destination. No other filter is
// ever changed or removed.
package subscription

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// DefaultName is the name of our filters.
const DefaultName = "sumoship"

// Rule says which log groups should be subscribed, and how.
//
// A group is chosen if it is one of Names, one of Include matches its name, or it
// has one of Tags; without any of these all groups are. Of the chosen, those that
// one of Exclude matches, those of a class that has no subscriptions, and Own are
// not.
type Rule struct {
	// Names are whole names of log groups. One that is missing is created, and
	// all of them get the Retention.
	Names []string

	Include []*regexp.Regexp
	Exclude []*regexp.Regexp
	Tags    []Tag

	// Own are log groups that our delivery writes to, besides those that begin
	// with OwnPrefix and those that its Destination says. They are never
	// subscribed, for that would make a loop.
	Own []string

	Retention int // of Names, in days; 0 leaves it as it is

	Destination Destination // the zero one asks for no subscription
	Name        string      // of the filter; empty means DefaultName
	Pattern     string      // of the log events to deliver; empty means all
	Role        string      // that delivers to a stream; empty for a function
	Options     OptionRule

	// Replaces is a destination that Destination takes the place of: filters of
	// chosen groups that deliver there, whatever their names, get the new
	// destination and change nothing else. The rule then asks for no other filter,
	// and removes none; [Rule.TakeOver] has its steps.
	Replaces Destination

	// Prune removes our filters also from groups that are just not chosen. They
	// stay otherwise: somebody else may have chosen these groups.
	Prune bool

	// Unsubscribe reverses the rule: chosen groups lose our filter, and
	// nothing else happens. Own groups can be chosen too.
	Unsubscribe bool
}

// Tag is a tag of a log group.
type Tag struct{ Key, Value string }

func (t Tag) String() string { return t.Key + "=" + t.Value }

// ParsePattern reads a regular expression in RE2 syntax that is looked for
// anywhere in the name of a log group. Letters match in either case; (?-i) in
// the expression makes their case count.
func ParsePattern(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		hint := ""
		if strings.Contains(pattern, "(?=") || strings.Contains(pattern, "(?!") || strings.Contains(pattern, "(?<") {
			hint = "; there is no look-around in RE2, so exclude groups by a pattern of their own"
		}
		return nil, fmt.Errorf("%q is not a regular expression in RE2 syntax: %w%s", pattern, err, hint)
	}
	return regexp.Compile("(?i)" + pattern)
}

// ParseTag reads key=value.
func ParseTag(tag string) (Tag, error) {
	key, value, ok := strings.Cut(tag, "=")
	t := Tag{strings.TrimSpace(key), strings.TrimSpace(value)}
	if !ok || t.Key == "" {
		return Tag{}, fmt.Errorf("%q is not of the form key=value", tag)
	}
	return t, nil
}

// ParseGroup checks the name of a log group.
//
// Source: Amazon CloudWatch Logs API Reference, CreateLogGroup.
func ParseGroup(name string) (string, error) {
	if !spelt(name, 512, ".-_/#") {
		return "", fmt.Errorf("%q is not the name of a log group (letters, digits and . - _ / #, at most 512)", name)
	}
	return name, nil
}

// ParseName checks the name of a filter.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
func ParseName(name string) (string, error) {
	if !isName(name) {
		return "", fmt.Errorf("%q is not the name of a subscription filter (1 to 512 characters, none of them : or *)", name)
	}
	return name, nil
}

// maxPattern is the limit of a filter pattern, in characters.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
const maxPattern = 1024

// ParseFilterPattern checks the length of a filter pattern. CloudWatch Logs
// checks the rest.
func ParseFilterPattern(pattern string) (string, error) {
	if n := utf8.RuneCountInString(pattern); n > maxPattern {
		return "", fmt.Errorf("the filter pattern has %d characters; CloudWatch Logs takes at most %d", n, maxPattern)
	}
	return pattern, nil
}

// OwnPrefix begins the names of the log groups of every deployed stack of
// sumoship. Two that shipped each other's would make a loop too.
const OwnPrefix = "/sumoship/"

// owns reports whether a log group is one that our delivery writes to.
func (r *Rule) owns(group string) bool {
	return strings.HasPrefix(group, OwnPrefix) || slices.Contains(r.Own, group) || slices.Contains(r.Destination.logGroups(), group)
}

// verdict is what a rule says of a group, before its filters are looked at.
type verdict int

const (
	chosen verdict = iota
	unasked
	unchosen
	excluded
	own
	otherClass
	elsewhere
)

func (r *Rule) verdict(g Group) verdict {
	switch {
	case r.Destination.ARN == "":
		return unasked
	case g.Region != "" && g.Region != r.Destination.Region:
		return elsewhere
	case r.owns(g.Name) && !r.Unsubscribe:
		return own
	case !g.subscribable():
		return otherClass
	case r.excludes(g.Name):
		return excluded
	case r.selects(g):
		return chosen
	}
	return unchosen
}

// manages reports whether a group itself, and not only its filter, is the rule's
// to create and to retain.
func (r *Rule) manages(group string) bool {
	return r.named(group) && !r.excludes(group) && !r.Unsubscribe
}

func (r *Rule) named(group string) bool { return slices.Contains(r.Names, group) }

func (r *Rule) excludes(group string) bool { return matches(r.Exclude, group) }

// selects reports whether a group is of those that the rule asks for, before any
// is left out.
func (r *Rule) selects(g Group) bool {
	return len(r.Names)+len(r.Include)+len(r.Tags) == 0 || r.named(g.Name) || matches(r.Include, g.Name) ||
		slices.ContainsFunc(r.Tags, func(t Tag) bool { v, ok := g.Tags[t.Key]; return ok && v == t.Value })
}

func matches(patterns []*regexp.Regexp, name string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(name) })
}

// Chooses reports whether a group should be subscribed, as far as its name, class
// and tags say.
func (r *Rule) Chooses(g Group) bool { return r.verdict(g) == chosen }

// NeedsTags reports whether the tags of a group, which are not known, matter for
// its step.
func (r *Rule) NeedsTags(g Group) bool {
	return len(r.Tags) > 0 && g.Tags == nil && r.verdict(g) == unchosen
}

// NeedsFilters reports whether the filters of a group matter for its step. Its
// tags are known, or do not matter.
func (r *Rule) NeedsFilters(g Group) bool {
	switch r.verdict(g) {
	case chosen:
		return !g.Missing
	case own, excluded:
		return !g.Missing && !r.Unsubscribe && !r.takesOver()
	case unchosen:
		return !g.Missing && r.Prune && !r.Unsubscribe && !r.takesOver()
	}
	return false
}
