package deploy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/subscription"
	"sumoship/deploy/tree"
)

// LogGroup is a log group that a definition sends logs to by awslogs.
type LogGroup struct {
	Name       string
	Region     string   // "" is that of the task
	Containers []string // by name
}

// LogGroups returns the log groups of a Fargate definition, in its order. region
// and account are those in which it runs, as far as they are known.
//
// Errors: *InputError of each name that only a deployment knows, joined.
func LogGroups(d *Document, region, account string) ([]LogGroup, error) {
	r := &roleBuilder{reading: reading{reader{name: d.name}, d.Shape() == Template}, resources: d.root.Key("Resources")}
	known := map[string]string{"AWS::Region": region, "AWS::AccountId": account}
	var groups []LogGroup
	for _, container := range r.each(field(d.Definition(), "containerDefinitions")) {
		name := identity(field(container, "name"))
		for _, configuration := range r.logConfigurations(container) {
			if textOf(field(configuration, "logDriver")) != "awslogs" {
				continue
			}
			for _, options := range r.each(field(configuration, "options")) {
				groups = r.groups(groups, name, options, known)
			}
		}
	}
	return groups, errors.Join(r.errs...)
}

// groups adds the log groups of one configuration.
func (r *roleBuilder) groups(groups []LogGroup, container string, options *tree.Node, known map[string]string) []LogGroup {
	in := ""
	for _, e := range r.read(options.Key("awslogs-region")) {
		if e = e.fill(known); len(e.opaque()) == 0 {
			in = e.text
		}
	}
	for _, e := range r.read(options.Key("awslogs-group")) {
		e = e.fill(known)
		if p := e.only(); p != nil { // a log group of the template
			name := r.resources.Key(refName(p.node)).Key("Properties").Key("LogGroupName")
			if s, ok := name.Text(); ok && groupName.MatchString(s) {
				e = literal(s)
			}
		}
		n := options.Key("awslogs-group")
		switch {
		case len(e.opaque()) > 0:
			r.wrong(r.fail(n, "deploy it, and subscribe the log group then", "the log group at %s is known only when it is deployed", n.Pointer()))
			continue
		case !groupName.MatchString(e.text):
			r.wrong(r.fail(n, "use letters, digits and _ - / . #", "%q is not the name of a log group", e.text))
			continue
		}
		i := slices.IndexFunc(groups, func(g LogGroup) bool { return g.Name == e.text && g.Region == in })
		if i < 0 {
			i = len(groups)
			groups = append(groups, LogGroup{Name: e.text, Region: in})
		}
		if !slices.Contains(groups[i].Containers, container) {
			groups[i].Containers = append(groups[i].Containers, container)
		}
	}
	return groups
}

// FilterName is the name of our filters. A filter is ours if it has this name
// and our destination; no other is ever changed or removed.
const FilterName = subscription.DefaultName

// CheckRetention reports a retention that CloudWatch Logs does not have.
//
// Errors: *OptionError.
func CheckRetention(days int) error {
	if days != 0 && !slices.Contains(retentionDays, days) {
		var all []string
		for _, n := range retentionDays {
			all = append(all, fmt.Sprint(n))
		}
		return &OptionError{"Retention", fmt.Sprint(days), "a number of days that CloudWatch Logs has: " + strings.Join(all, ", ")}
	}
	return nil
}
