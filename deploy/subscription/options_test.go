package subscription_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/subscription"
)

type (
	Options    = subscription.Options
	OptionRule = subscription.OptionRule
)

// A put replaces the whole filter, so whatever it does not set itself it repeats.
func TestOptions(t *testing.T) {
	theirs := Options{SystemFields: []string{"@aws.account", "@aws.region"}, Selection: `@aws.region = "eu-west-1"`, Transformed: true}
	for name, c := range map[string]struct {
		rule   Rule
		have   Options
		want   string // as told
		filter Options
	}{
		"a pattern changes":       {Rule{Pattern: "ERROR"}, theirs, `put, changed: pattern "", not "ERROR"`, theirs},
		"nothing changes":         {Rule{}, theirs, "skip, already subscribed", Options{}},
		"fields are asked for":    {Rule{Options: OptionRule{SystemFields: []string{"@source.log"}}}, Options{}, `put, changed: system fields "none", not "@source.log"`, Options{SystemFields: []string{"@source.log"}}},
		"fields are there":        {Rule{Options: OptionRule{SystemFields: []string{"@aws.account", "@aws.region"}}}, theirs, "skip, already subscribed", Options{}},
		"fields are taken away":   {Rule{Options: OptionRule{SystemFields: []string{}}}, Options{SystemFields: []string{"@aws.account"}}, `put, changed: system fields "@aws.account", not "none"`, Options{}},
		"a selection":             {Rule{Options: OptionRule{Selection: new("x")}}, Options{Transformed: true}, `put, changed: field selection "", not "x"`, Options{Selection: "x", Transformed: true}},
		"transformed no more":     {Rule{Options: OptionRule{Transformed: new(false)}}, Options{Transformed: true}, `put, changed: transformed logs "true", not "false"`, Options{}},
		"a function has no shard": {Rule{Pattern: "x"}, Options{Distribution: "Random"}, `put, changed: pattern "", not "x"`, Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Destination = destination(t, forwarder)
			got := c.rule.Step(Group{Name: "a", Filters: []Filter{{Name: "sumoship", Destination: forwarder, Options: c.have}}})
			if told(got) != c.want {
				t.Errorf("%s, want %s", told(got), c.want)
			}
			if d := cmp.Diff(c.filter, got.Filter.Options); d != "" {
				t.Errorf("options differ (-want +got):\n%s", d)
			}
		})
	}
	rule := Rule{Destination: destination(t, stream), Role: "arn:aws:iam::123456789012:role/r", Pattern: "x"}
	kept := rule.Step(Group{Name: "a", Filters: []Filter{{Name: "sumoship", Destination: stream, Options: Options{Distribution: "Random"}}}})
	if kept.Filter.Distribution != "Random" {
		t.Errorf("%+v", kept)
	}
	created := (&Rule{Destination: destination(t, forwarder), Options: OptionRule{SystemFields: []string{"@aws.account"}, Selection: new("x"), Transformed: new(true)}}).Step(Group{Name: "a"})
	if d := cmp.Diff(Options{SystemFields: []string{"@aws.account"}, Selection: "x", Transformed: true}, created.Filter.Options); d != "" {
		t.Errorf("of a new filter (-want +got):\n%s", d)
	}
}

func TestAccountPolicyHasNoOptions(t *testing.T) {
	for _, o := range []OptionRule{{SystemFields: []string{}}, {Selection: new("")}, {Transformed: new(false)}} {
		_, err := (&Rule{Destination: destination(t, forwarder), Options: o}).PlanAccount(nil)
		if err == nil || !strings.Contains(err.Error(), "has no member for") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for in, want := range map[string][]string{
		"@source.log,@aws.account,@source.log": {"@aws.account", "@source.log"},
		"none":                                 {},
	} {
		got, err := subscription.ParseSystemFields(strings.Split(in, ","))
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", in, err, d)
		}
	}
	for _, in := range []string{"account", "@aws.acount", "none,@aws.account", ""} {
		if got, err := subscription.ParseSystemFields(strings.Split(in, ",")); err == nil || !strings.Contains(err.Error(), "@aws.account, @aws.region, @source.log") {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	if _, err := subscription.ParseSelection(strings.Repeat("é", 2001)); err == nil {
		t.Error("criteria of 2,001 characters are taken")
	}
	if got, err := subscription.ParseSelection("none"); err != nil || *got != "" {
		t.Errorf("%v, %v", got, err)
	}
}

// A take-over changes the destination and nothing else.
func TestTakeOver(t *testing.T) {
	options := Options{SystemFields: []string{"@aws.account"}, Selection: "x", Transformed: true}
	errors := Filter{Name: "SumoLGLBDFilter", Destination: other, Pattern: "?ERROR ?WARN", Options: options}
	qualified := filter("b>" + other + ":live")
	moved := func(f Filter) Filter { f.Destination = forwarder; return f }
	for name, c := range map[string]struct {
		rule  Rule
		group Group
		want  []string // as told
		puts  []Filter
	}{
		"keeps all": {Rule{}, Group{Filters: []Filter{errors}},
			[]string{`put, taken over: SumoLGLBDFilter, pattern "?ERROR ?WARN", system fields @aws.account, field selection "x", transformed logs`}, []Filter{moved(errors)}},
		"two of them": {Rule{}, Group{Filters: []Filter{errors, qualified}},
			[]string{`put, taken over: SumoLGLBDFilter, pattern "?ERROR ?WARN", system fields @aws.account, field selection "x", transformed logs`, `put, taken over: b, pattern ""`}, []Filter{moved(errors), moved(qualified)}},
		"beside a foreign one": {Rule{}, Group{Filters: []Filter{filter("x>" + stream), qualified}}, []string{`put, taken over: b, pattern ""`}, []Filter{moved(qualified)}},
		"no such filter":       {Rule{}, Group{Filters: []Filter{filter("x>" + stream)}}, []string{"skip, not subscribed"}, nil},
		"a second time":        {Rule{}, Group{Filters: []Filter{moved(errors)}}, []string{"skip, not subscribed"}, nil},
		"both already": {Rule{}, Group{Filters: []Filter{qualified, filter("sumoship>" + forwarder)}},
			[]string{"skip, delivered to both: b delivers to " + other + ":live, sumoship to the new destination: delete one"}, nil},
		"not chosen":      {Rule{Include: patterns(t, "x"), Prune: true}, Group{Filters: []Filter{errors}}, []string{"skip, not chosen"}, nil},
		"excluded":        {Rule{Exclude: patterns(t, "a")}, Group{Filters: []Filter{errors, filter("sumoship>" + forwarder)}}, []string{"skip, excluded"}, nil},
		"would be a loop": {Rule{Own: []string{"a"}}, Group{Filters: []Filter{errors}}, []string{"skip, our own"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Destination, c.rule.Replaces = destination(t, forwarder), destination(t, other)
			c.group.Name = "a"
			var got []string
			var puts []Filter
			known := c.group
			if known.Filters = nil; c.rule.NeedsFilters(known) {
				known = c.group
			}
			for _, s := range c.rule.TakeOver(known) {
				got = append(got, told(s))
				if s.Action == subscription.Put {
					puts = append(puts, s.Filter)
					if s.Before.Name != s.Filter.Name || s.Before.Destination == forwarder || !s.Delivers() {
						t.Errorf("the way back of %+v", s)
					}
				} else if s.Action != subscription.Skip {
					t.Errorf("%s", told(s))
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("differs (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.puts, puts); d != "" {
				t.Errorf("filters differ (-want +got):\n%s", d)
			}
		})
	}
	toStream := Rule{Destination: destination(t, stream), Replaces: destination(t, other), Role: "arn:aws:iam::123456789012:role/r"}
	if s := toStream.TakeOver(Group{Name: "a", Filters: []Filter{errors}})[0]; s.Filter.Role != toStream.Role || s.Filter.Destination != stream || s.Filter.Pattern != errors.Pattern {
		t.Errorf("%+v", s)
	}
}
