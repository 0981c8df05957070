package subscription

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Options are what a filter says beside its pattern and destination.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
type Options struct {
	SystemFields []string // emitSystemFields, sorted: where a log event came from, in its extractedFields
	Selection    string   // fieldSelectionCriteria: which accounts and Regions of centralised logs; "" is all
	Transformed  bool     // applyOnTransformedLogs: deliver what a transformer of the group made
	Distribution string   // Random among the shards of a Kinesis stream; "" is ByLogStream
}

// OptionRule says which options filters should have. What is nil stays as a filter
// has it, for CloudWatch Logs forgets every option that a change of a filter does
// not repeat; in a new filter it is the default.
type OptionRule struct {
	SystemFields []string // empty, but not nil, is none
	Selection    *string
	Transformed  *bool
}

// isZero reports whether the rule sets no option.
func (r OptionRule) isZero() bool {
	return r.SystemFields == nil && r.Selection == nil && r.Transformed == nil
}

// on returns the options of a filter under the rule.
func (r OptionRule) on(have Options) Options {
	if r.SystemFields != nil {
		have.SystemFields = nil
		if len(r.SystemFields) > 0 {
			have.SystemFields = r.SystemFields
		}
	}
	if r.Selection != nil {
		have.Selection = *r.Selection
	}
	if r.Transformed != nil {
		have.Transformed = *r.Transformed
	}
	return have
}

func (o Options) equal(other Options) bool {
	return slices.Equal(o.SystemFields, other.SystemFields) && o.Selection == other.Selection &&
		o.Transformed == other.Transformed && o.Distribution == other.Distribution
}

// at returns the options that a filter can have with a destination.
func (o Options) at(d Destination) Options {
	if d.Service != "kinesis" && d.Service != "logs" {
		o.Distribution = ""
	}
	return o
}

// systemFields are the fields that a filter can emit.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
var systemFields = []string{"@aws.account", "@aws.region", "@source.log"}

// ParseSystemFields reads names of system fields, or none alone.
func ParseSystemFields(names []string) ([]string, error) {
	if len(names) == 1 && names[0] == none {
		return []string{}, nil
	}
	fields := slices.Sorted(slices.Values(names))
	for _, name := range fields {
		if !slices.Contains(systemFields, name) {
			return nil, fmt.Errorf("%q is not a system field; want some of %s, or %s alone", name, strings.Join(systemFields, ", "), none)
		}
	}
	return slices.Compact(fields), nil
}

// none takes an option away.
const none = "none"

// maxSelection is the limit of fieldSelectionCriteria, in characters.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
const maxSelection = 2000

// ParseSelection checks the length of field selection criteria; none is "".
// CloudWatch Logs checks the rest.
func ParseSelection(criteria string) (*string, error) {
	if criteria == none {
		criteria = ""
	}
	if n := utf8.RuneCountInString(criteria); n > maxSelection {
		return nil, fmt.Errorf("the field selection criteria have %d characters; CloudWatch Logs takes at most %d", n, maxSelection)
	}
	return &criteria, nil
}

// fields returns the system fields for people.
func (o Options) fields() string { return cmp.Or(strings.Join(o.SystemFields, ","), none) }
