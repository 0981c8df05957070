package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// notes gathers findings about one document.
type notes struct {
	allowed map[string]bool
	all     []placedFinding
}

func newNotes(allow []string) *notes {
	n := &notes{allowed: map[string]bool{}}
	for _, id := range allow {
		n.allowed[id] = true
	}
	return n
}

func isServiceRule(id string) bool {
	return slices.ContainsFunc(serviceRules, func(r Rule) bool { return r.ID == id })
}

func (n *notes) report(id string, action Action, at *tree.Node, why string, args []any) *Finding {
	rule := serviceRuleOf(id)
	f := Finding{ID: id, Severity: rule.Severity, Pointer: at.Pointer(), Action: action, Why: rule.Summary, Help: rule.Help, Source: rule.Source}
	if why != "" {
		f.Why = sentence(fmt.Sprintf(why, args...))
	}
	for up := at; up != nil; up = up.Parent() {
		if strings.EqualFold(up.Parent().Name(), "containerDefinitions") {
			f.Container = up.Get("name").Str()
		}
	}
	var offset int
	if place := placed(at); place != nil {
		pos := place.Pos()
		f.Line, f.Column, offset = pos.Line, pos.Column, pos.Offset
	}
	switch {
	case action == Refuse:
		f.Severity = Error
		if rule.Allow != "" {
			f.Help = strings.TrimSpace(f.Help + " Or allow " + id + ": " + rule.Allow)
		}
	case n.allowed[id] && f.Severity == Error:
		f.Severity = Warning
	}
	n.all = append(n.all, placedFinding{f, offset})
	return &n.all[len(n.all)-1].Finding
}

// note remarks on a node. An empty why is the summary of the rule, here and below.
func (n *notes) note(id string, at *tree.Node, why string, args ...any) *Finding {
	action := Keep
	if serviceRuleOf(id).Action == Set {
		action = Set
	}
	return n.report(id, action, at, why, args)
}

// refuse reports what cannot be, and tells whether the user allows what the rule
// says about it. If so the caller does it, and so reports it.
func (n *notes) refuse(id string, at *tree.Node, why string, args ...any) (allowed bool) {
	if n.allowed[id] && serviceRuleOf(id).Allow != "" {
		return true
	}
	n.report(id, Refuse, at, why, args).Before = shown(at)
	return false
}

// fail reports what nobody can allow, without showing it.
func (n *notes) fail(id string, at *tree.Node, why string, args ...any) {
	n.report(id, Refuse, at, why, args)
}

func (n *notes) drop(id string, at *tree.Node, why string, args ...any) {
	n.report(id, Drop, at, why, args).Before = shown(at)
}

// rewrite reports that something says the same in another way, after, which may
// be nil where that is told elsewhere.
func (n *notes) rewrite(id string, at, after *tree.Node, why string, args ...any) *Finding {
	f := n.report(id, Rewrite, at, why, args)
	f.Before, f.After = shown(at), after.Source()
	return f
}

// refused reports whether a finding is of severity error.
func (n *notes) refused() bool {
	return slices.ContainsFunc(n.all, func(f placedFinding) bool { return f.Severity == Error })
}

// sorted returns the findings by their place.
func (n *notes) sorted() []Finding {
	slices.SortStableFunc(n.all, func(a, b placedFinding) int { return cmp.Compare(a.offset, b.offset) })
	var all []Finding
	for _, f := range n.all {
		all = append(all, f.Finding)
	}
	return all
}
