package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Recorder collects the findings about one document.
type Recorder struct {
	// Strict makes a finding an error where its rule says that ECS refuses it,
	// even if a conversion fixes it.
	Strict bool

	allowed  map[string]bool
	findings []located
}

// located is a finding and the offset of its place in the input.
type located struct {
	Finding
	offset int
}

// NewRecorder returns a Recorder. allow holds the IDs of the refusals that the
// user lifts; see [Rule.Allow].
func NewRecorder(allow []string) *Recorder {
	r := &Recorder{allowed: map[string]bool{}, findings: make([]located, 0, 16)}
	for _, id := range allow {
		r.allowed[id] = true
	}
	return r
}

// Report adds a finding at a node. why is formatted with args; here and below,
// an empty why stands for the rule's summary. The result is valid until the next
// finding.
func (r *Recorder) Report(rule Rule, action Action, n *tree.Node, why string, args ...any) *Finding {
	f := Finding{
		ID:       rule.ID,
		Topic:    rule.Topic,
		Usual:    rule.Usual,
		Severity: rule.Severity,
		Pointer:  n.Pointer(),
		Action:   action,
		Why:      rule.Summary,
		Help:     slices.Clip(rule.Help),
		Source:   rule.Source,
	}
	if c := taskdef.ContainerOf(n); c.Pos().Line > 0 { // one of the input
		f.Container = c.Get("name").Identity()
	}
	if why != "" {
		f.Why = Sentence(fmt.Sprintf(why, args...))
	}
	var offset int
	if place := nearestInInput(n); place != nil {
		pos := place.Pos()
		f.Line, f.Column, offset = pos.Line, pos.Column, pos.Offset
	}
	switch {
	case action == Refuse:
		f.Severity = Error
		if rule.Allow != "" {
			f.Help = append(f.Help, "Or allow "+rule.ID+": "+rule.Allow)
		}
	case r.allowed[rule.ID]:
		if f.Severity == Error {
			f.Severity = Warning
		}
	case r.Strict && rule.Refusal != "":
		f.Severity = Error
		f.Why += " ECS refuses it: " + rule.Refusal
		if fix := fixes[action]; fix != "" {
			f.Help = append(f.Help, fix)
		}
	}
	r.findings = append(r.findings, located{f, offset})
	return &r.findings[len(r.findings)-1].Finding
}

// fixes is what a conversion does about what ECS refuses.
var fixes = map[Action]string{
	Set:     "Convert sets it.",
	Rewrite: "Convert rewrites it.",
	Drop:    "Convert drops it.",
}

// Note reports a node that stays as it is.
func (r *Recorder) Note(rule Rule, n *tree.Node, why string, args ...any) *Finding {
	return r.Report(rule, Keep, n, why, args...)
}

// Fail reports what no conversion can fix and no option can allow.
func (r *Recorder) Fail(rule Rule, n *tree.Node, why string, args ...any) *Finding {
	return r.Report(rule, Refuse, n, why, args...)
}

// Refuse reports what cannot stay, unless the user allows it. If allowed, the
// caller does what [Rule.Allow] says and reports that.
func (r *Recorder) Refuse(rule Rule, n *tree.Node, why string, args ...any) (allowed bool) {
	if r.allowed[rule.ID] && rule.Allow != "" {
		return true
	}
	f := r.Report(rule, Refuse, n, why, args...)
	if n.Parent() != nil && taskdef.ContainerOf(n) != n {
		f.Before = Shown(n)
	}
	return false
}

// Dropped reports what the output leaves out.
func (r *Recorder) Dropped(rule Rule, n *tree.Node, why string, args ...any) *Finding {
	f := r.Report(rule, Drop, n, why, args...)
	f.Before = Shown(n)
	return f
}

// Rewritten reports that the output expresses the same in another way. after is
// nil where another finding shows it.
func (r *Recorder) Rewritten(rule Rule, n, after *tree.Node, why string, args ...any) *Finding {
	f := r.Report(rule, Rewrite, n, why, args...)
	f.Before, f.After = Shown(n), after.Source()
	return f
}

// Has reports whether there is a finding of the rule.
func (r *Recorder) Has(rule Rule) bool {
	return slices.ContainsFunc(r.findings, func(f located) bool { return f.ID == rule.ID })
}

// Refused reports whether a finding is of severity error.
func (r *Recorder) Refused() bool {
	return slices.ContainsFunc(r.findings, func(f located) bool { return f.Severity == Error })
}

// Findings returns the findings ordered by place in the input; those of one
// place keep the order in which they were reported.
func (r *Recorder) Findings() []Finding {
	order := make([]int, len(r.findings))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.findings[a].offset, r.findings[b].offset), a-b)
	})
	all := make([]Finding, 0, len(order))
	for _, at := range order {
		if !r.repeats(all, at) {
			all = append(all, r.findings[at].Finding)
		}
	}
	return all
}

// repeats reports whether all has a finding already, as it may for the branches of a
// condition. Of values that were set one after the other it keeps the last.
func (r *Recorder) repeats(all []Finding, at int) bool {
	f := r.findings[at]
	for i := len(all) - 1; i >= 0 && all[i].Line == f.Line && all[i].Column == f.Column; i-- {
		old := &all[i]
		if old.ID != f.ID || old.Pointer != f.Pointer || old.Action != f.Action {
			continue
		}
		if f.Action == Set && f.Before != "" && old.After == f.Before {
			old.After, old.Why = f.After, f.Why
			return true
		}
		if old.Why == f.Why && old.Before == f.Before && old.After == f.After {
			return true
		}
	}
	return false
}

// nearestInInput returns n, or its nearest ancestor, that has a place in the
// input.
func nearestInInput(n *tree.Node) *tree.Node {
	for ; n != nil; n = n.Parent() {
		if n.Pos().Line > 0 {
			return n
		}
	}
	return nil
}

// Sentence returns s with a capital at the beginning, unless it begins with a
// name, and a full stop at the end.
func Sentence(s string) string {
	if word, _, _ := strings.Cut(s, " "); word != "" && word == strings.ToLower(word) && !strings.ContainsAny(word, `"'._/:-0123456789`) {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}
