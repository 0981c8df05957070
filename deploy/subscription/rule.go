// Package subscription plans which log groups of CloudWatch Logs are to be
// subscribed to a destination, and what has to be done for that. It does
// nothing itself and knows no SDK: groups with their filters go in, steps with
// reasons come out.
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

// Rule says which log groups are to be subscribed, and how.
//
// A group is chosen if one of Include matches its name or it has one of Tags;
// without any of these all groups are. Of the chosen, those that one of Exclude
// matches, those that are not of the class Standard, and Own are not.
type Rule struct {
	Include []*regexp.Regexp
	Exclude []*regexp.Regexp
	Tags    []Tag

	// Own are log groups that our delivery writes to, besides those that begin
	// with OwnPrefix and those that its Destination says. They are never
	// subscribed, for that would make a loop.
	Own []string

	Destination Destination
	Name        string // of the filter; empty means DefaultName
	Pattern     string // of the log events to deliver; empty means all
	Role        string // that delivers to a stream; empty for a function

	// Prune removes our filters also from groups that are just not chosen. They
	// stay otherwise: somebody else may have chosen these groups.
	Prune bool

	// Unsubscribe turns the rule round: chosen groups lose our filter, and
	// nothing else happens. Own groups can be chosen too.
	Unsubscribe bool
}

// Tag is one that a log group may have.
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

const groupName pattern = `^[.\-_/#A-Za-z0-9]{1,512}$`

// ParseGroup checks the name of a log group.
//
// Source: Amazon CloudWatch Logs API Reference, CreateLogGroup.
func ParseGroup(name string) (string, error) {
	if !groupName.MatchString(name) {
		return "", fmt.Errorf("%q is not the name of a log group (letters, digits and . - _ / #, at most 512)", name)
	}
	return name, nil
}

// ParseName checks the name of a filter.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
func ParseName(name string) (string, error) {
	if name == "" || utf8.RuneCountInString(name) > 512 || strings.ContainsAny(name, ":*") {
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

// Owns tells whether a log group is one that our delivery writes to.
func (r *Rule) Owns(group string) bool {
	return strings.HasPrefix(group, OwnPrefix) || slices.Contains(r.Own, group) || slices.Contains(r.Destination.LogGroups(), group)
}

// verdict is what a rule says of a group, before its filters are looked at.
type verdict int

const (
	chosen verdict = iota
	unchosen
	excluded
	own
	otherClass
)

func (r *Rule) verdict(g Group) verdict {
	match := func(p *regexp.Regexp) bool { return p.MatchString(g.Name) }
	switch {
	case r.Owns(g.Name) && !r.Unsubscribe:
		return own
	case !g.standard():
		return otherClass
	case slices.ContainsFunc(r.Exclude, match):
		return excluded
	case len(r.Include) == 0 && len(r.Tags) == 0,
		slices.ContainsFunc(r.Include, match),
		slices.ContainsFunc(r.Tags, func(t Tag) bool { v, ok := g.Tags[t.Key]; return ok && v == t.Value }):
		return chosen
	}
	return unchosen
}

// Chooses tells whether a group is to be subscribed, as far as its name, class
// and tags say.
func (r *Rule) Chooses(g Group) bool { return r.verdict(g) == chosen }

// NeedsTags tells whether the tags of a group, which are not known, matter for
// its step.
func (r *Rule) NeedsTags(g Group) bool {
	return len(r.Tags) > 0 && g.Tags == nil && r.verdict(g) == unchosen
}

// NeedsFilters tells whether the filters of a group matter for its step. Its
// tags are known, or do not matter.
func (r *Rule) NeedsFilters(g Group) bool {
	switch r.verdict(g) {
	case chosen:
		return true
	case own, excluded:
		return !r.Unsubscribe
	case unchosen:
		return r.Prune && !r.Unsubscribe
	}
	return false
}
