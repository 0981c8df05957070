package fargate

import (
	"maps"
	"slices"
	"strings"

	"sumoship/deploy/tree"
)

// Each branch of an Fn::If is judged and converted as it would be deployed: the
// rules run once for each outcome of the conditions, over the definition with the
// chosen branches in their places.

// mostOutcomes bounds the outcomes of conditions that are tried.
const mostOutcomes = 64

// outcome is what each condition is, by name.
type outcome map[string]bool

// outcomes returns the outcomes that the conditions used in def can have together,
// those of the parameters' defaults first; nil if it uses none.
func outcomes(def *tree.Node) (all []outcome) {
	used := def.Conditions(nil)
	slices.Sort(used)
	used = slices.Compact(used)
	if len(used) == 0 {
		return nil
	}
	e := conditionReader{root: def.Root(), domains: map[string][]string{}, known: map[string]bool{}}
	for _, name := range used {
		e.survey(name, 0)
	}
	variables := slices.Sorted(maps.Keys(e.domains))
	seen := map[string]bool{}
	try := func(choice []int) {
		e.values, e.known = map[string]string{}, map[string]bool{}
		for i, v := range variables {
			e.values[v] = e.domains[v][choice[i]]
		}
		o := outcome{}
		key := ""
		for _, name := range used {
			o[name] = e.condition(name, 0)
			key += map[bool]string{true: "1", false: "0"}[o[name]]
		}
		if !seen[key] && len(all) < mostOutcomes {
			seen[key] = true
			all = append(all, o)
		}
	}
	product := 1
	for _, v := range variables {
		product = min(product*len(e.domains[v]), mostOutcomes*mostOutcomes)
	}
	choice := make([]int, len(variables))
	try(choice)
	if product < mostOutcomes*mostOutcomes {
		for next(choice, variables, e.domains) {
			try(choice)
		}
		return all
	}
	for i, v := range variables { // too many: one variable at a time, and all at once
		for value := range e.domains[v] {
			clear(choice)
			choice[i] = value
			try(choice)
		}
	}
	for i, v := range variables {
		choice[i] = len(e.domains[v]) - 1
	}
	try(choice)
	return all
}

// next counts choice up, as an odometer does, and reports whether it has not been
// through yet.
func next(choice []int, variables []string, domains map[string][]string) bool {
	for i, v := range variables {
		if choice[i]++; choice[i] < len(domains[v]) {
			return true
		}
		choice[i] = 0
	}
	return false
}

// conditionReader evaluates the conditions of a template. Its variables are the
// parameters that conditions compare with literals, and what else it cannot evaluate.
type conditionReader struct {
	root    *tree.Node
	domains map[string][]string // values of each variable, its default first
	values  map[string]string   // now
	known   map[string]bool     // conditions that were surveyed, or evaluated for values: each once
}

const (
	deepestCondition = 1000
	other            = "\x00" // any value that no condition names
	free             = "\x00true"
)

// survey collects the variables that a condition depends on.
func (e *conditionReader) survey(name string, depth int) {
	if e.known[name] {
		return
	}
	e.known[name] = true
	n := e.root.Key("Conditions").Key(name)
	if n == nil || depth > deepestCondition {
		e.domains[free+name] = []string{"true", "false"}
		return
	}
	e.surveyNode(n, depth)
}

func (e *conditionReader) surveyNode(n *tree.Node, depth int) {
	if depth > deepestCondition {
		return
	}
	if name := n.Key("Condition").Str(); name != "" {
		e.survey(name, depth+1)
		return
	}
	for _, key := range []string{"Fn::And", "Fn::Or", "Fn::Not"} {
		if parts := n.Key(key); parts != nil {
			for _, part := range parts.Elements() {
				e.surveyNode(part, depth+1)
			}
			return
		}
	}
	parameter, literal, ok := e.comparison(n)
	if !ok {
		e.domains[free+n.Source()] = []string{"true", "false"}
		return
	}
	declared := e.root.Key("Parameters").Key(parameter)
	allowed := declared.Key("AllowedValues")
	if e.domains[parameter] == nil {
		e.domains[parameter] = []string{declared.Key("Default").Identity()}
		for _, v := range allowed.Elements() {
			e.extend(parameter, v.Identity())
		}
		if allowed.Len() == 0 {
			e.extend(parameter, other)
		}
	}
	if allowed.Len() == 0 {
		e.extend(parameter, literal)
	}
}

func (e *conditionReader) extend(variable, value string) {
	if !slices.Contains(e.domains[variable], value) {
		e.domains[variable] = append(e.domains[variable], value)
	}
}

// comparison returns the parameter and the literal that an Fn::Equals compares.
func (e *conditionReader) comparison(n *tree.Node) (parameter, literal string, ok bool) {
	sides := n.Key("Fn::Equals").Items()
	if len(sides) != 2 {
		return "", "", false
	}
	for i, side := range sides {
		name, value := side.Key("Ref").Str(), sides[1-i]
		if e.root.Key("Parameters").Key(name) != nil && !value.Opaque() && value.Kind() != tree.Object && value.Kind() != tree.Array {
			return name, value.Identity(), true
		}
	}
	return "", "", false
}

func (e *conditionReader) condition(name string, depth int) bool {
	if is, ok := e.known[name]; ok {
		return is
	}
	n := e.root.Key("Conditions").Key(name)
	if n == nil || depth > deepestCondition {
		return e.values[free+name] == "true"
	}
	e.known[name] = false // should it depend on itself
	e.known[name] = e.eval(n, depth)
	return e.known[name]
}

func (e *conditionReader) eval(n *tree.Node, depth int) bool {
	if depth > deepestCondition {
		return false
	}
	is := func(part *tree.Node) bool { return e.eval(part, depth+1) }
	switch {
	case n.Key("Condition").Str() != "":
		return e.condition(n.Key("Condition").Str(), depth+1)
	case n.Key("Fn::And") != nil:
		return !slices.ContainsFunc(n.Key("Fn::And").Items(), func(part *tree.Node) bool { return !is(part) })
	case n.Key("Fn::Or") != nil:
		return slices.ContainsFunc(n.Key("Fn::Or").Items(), is)
	case n.Key("Fn::Not") != nil:
		return !is(n.Key("Fn::Not").First())
	}
	if parameter, literal, ok := e.comparison(n); ok {
		return e.values[parameter] == literal
	}
	return e.values[free+n.Source()] == "true"
}

// literal returns the value that a parameter has by default, or that a mapping gives
// for it; n itself if it is another value, nil if nothing shows it.
func literal(n *tree.Node) *tree.Node { return literalWithin(n, 0) }

func literalWithin(n *tree.Node, depth int) *tree.Node {
	if !n.Opaque() {
		return n
	}
	if depth > deepestCondition {
		return nil
	}
	root := n.Root()
	if name := n.Key("Ref").Str(); name != "" {
		if v := root.Key("Parameters").Key(name).Key("Default"); v != nil && !v.Opaque() {
			return v
		}
		return nil
	}
	if path := n.Key("Fn::FindInMap").Items(); len(path) >= 3 {
		at := root.Key("Mappings")
		for _, step := range path[:3] {
			at = at.Key(literalWithin(step, depth+1).Identity())
		}
		if at != nil && !at.Opaque() {
			return at
		}
	}
	return nil
}

// choices returns the literals that a value can have: of both branches of an Fn::If, and of a parameter
// its default and what it allows.
func choices(n *tree.Node) (all []*tree.Node) {
	if list := n.Key("Fn::If"); n.Opaque() && list.Len() == 3 {
		for _, branch := range list.Items()[1:] {
			all = append(all, choices(branch)...)
		}
		return all
	}
	if !n.Opaque() {
		return []*tree.Node{n}
	}
	declared := n.Root().Key("Parameters").Key(n.Key("Ref").Str())
	if v := literal(n); v != nil {
		all = append(all, v)
	}
	return append(all, declared.Key("AllowedValues").Items()...)
}

// references lists the parameters and mappings that values refer to, for a finding.
func references(nodes ...*tree.Node) string {
	var all []string
	for _, n := range nodes {
		name := n.Key("Ref").Str()
		if path := n.Key("Fn::FindInMap"); path != nil {
			name = path.First().Str()
		}
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return strings.Join(all, " and ")
}
