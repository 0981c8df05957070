package subscription

import "fmt"

func (r *Rule) takesOver() bool { return r.Replaces.ARN != "" }

// TakeOver returns what to do for the filters of a group that deliver to Replaces:
// a step for each, or one that says why there is nothing to do. Its tags and filters
// are known as far as NeedsTags and NeedsFilters ask for them.
//
// The put of a filter keeps name, pattern and options, so CloudWatch Logs changes
// the destination in one step: each log event goes to one of the two.
func (r *Rule) TakeOver(g Group) []Step {
	v := r.verdict(g)
	if v != chosen {
		plain := *r
		plain.Replaces, plain.Prune = Destination{}, false
		g.Filters = nil
		return []Step{plain.Step(g)}
	}
	there := ""
	for _, f := range g.Filters {
		if r.Destination.is(f.Destination) {
			there = f.Name
		}
	}
	var steps []Step
	for _, f := range g.Filters {
		if !r.Replaces.is(f.Destination) {
			continue
		}
		s := Step{Group: g.Name, Chosen: true, Action: Skip}
		if there != "" {
			s.Reason, s.Detail = Both, fmt.Sprintf("%s delivers to %s, %s to the new destination: delete one", f.Name, f.Destination, there)
		} else {
			to := f
			to.Destination, to.Role, to.Options = r.Destination.ARN, "", f.Options.at(r.Destination)
			if r.Destination.NeedsRole() {
				to.Role = r.Role
			}
			s.put(g, TakenOver, kept(f), to)
			s.Before = f
		}
		steps = append(steps, s)
	}
	if steps == nil {
		return []Step{{Group: g.Name, Chosen: true, Action: Skip, Reason: NotThere}}
	}
	return steps
}

// kept names a filter, and what it keeps of its own.
func kept(f Filter) string {
	text := fmt.Sprintf("%s, pattern %q", f.Name, f.Pattern)
	if f.SystemFields != nil {
		text += ", system fields " + f.fields()
	}
	if f.Selection != "" {
		text += fmt.Sprintf(", field selection %q", f.Selection)
	}
	if f.Transformed {
		text += ", transformed logs"
	}
	return text
}
