package estate

import (
	"slices"
	"strings"
)

// order finds who calls whom, and the waves in which to move: a workload moves after
// those that call it. Those that call each other move together.
func order(p *Plan, workloads []Workload) {
	calls := make([][]int, len(workloads)) // by caller
	for i := range workloads {
		calls[i] = callees(i, workloads)
		for _, j := range calls[i] {
			p.Rows[i].Needs = append(p.Rows[i].Needs, workloads[j].Name)
		}
	}
	group := components(calls)
	callers := map[int]map[int]bool{} // groups that call a group
	for i, all := range calls {
		for _, j := range all {
			if group[i] != group[j] && moves(p.Rows[i].Verdict) {
				if callers[group[j]] == nil {
					callers[group[j]] = map[int]bool{}
				}
				callers[group[j]][group[i]] = true
			}
		}
	}
	done := map[int]bool{}
	for {
		var wave []int
		for i := range workloads {
			ready := moves(p.Rows[i].Verdict) && !done[group[i]]
			for caller := range callers[group[i]] {
				ready = ready && done[caller]
			}
			if ready {
				wave = append(wave, i)
			}
		}
		if len(wave) == 0 {
			return
		}
		for _, i := range wave {
			done[group[i]] = true
			p.Rows[i].Wave = len(p.Waves) + 1
		}
		p.Waves = append(p.Waves, wave)
	}
}

func moves(v Verdict) bool { return v == CanMove || v == NeedsChoice }

// callees are the workloads that one calls: whose name is in its environment, or whose
// security group lets its own in.
func callees(i int, workloads []Workload) (all []int) {
	w := &workloads[i]
	var said []string
	if w.Definition != nil {
		said = texts(w.Definition)
	}
	for j := range workloads {
		if i == j {
			continue
		}
		other := &workloads[j]
		named := slices.ContainsFunc(other.Names, func(name string) bool {
			return slices.ContainsFunc(said, func(text string) bool { return mentions(text, name) })
		})
		admitted := slices.ContainsFunc(other.AdmittedBy, func(group string) bool { return slices.Contains(w.Groups, group) }) &&
			!slices.ContainsFunc(other.Groups, func(group string) bool { return slices.Contains(w.Groups, group) }) // a group that all share says nothing
		if named || admitted {
			all = append(all, j)
		}
	}
	return all
}

// mentions reports whether a text has a host name, not as a part of another.
func mentions(text, name string) bool {
	if name == "" {
		return false
	}
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(name)
		bounded := (begin == 0 || !inName(text[begin-1])) && (end == len(text) || !inName(text[end]))
		if bounded && (strings.Contains(name, ".") || asHost(text, begin)) {
			return true
		}
		at = end
	}
}

// asHost reports whether a name without a dot stands where a host does: at the
// beginning, or behind a scheme, a user or a comma. A path has the same words.
func asHost(text string, begin int) bool {
	before := text[:begin]
	return before == "" || strings.HasSuffix(before, "://") || strings.HasSuffix(before, "@") || strings.HasSuffix(before, ",")
}

func inName(c byte) bool {
	return c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// components numbers the strongly connected components of a graph, by Tarjan's
// algorithm.
func components(next [][]int) (of []int) {
	of = make([]int, len(next))
	index, low := make([]int, len(next)), make([]int, len(next))
	var stack []int
	on := make([]bool, len(next))
	count, found := 0, 0
	var visit func(v int)
	visit = func(v int) {
		count++
		index[v], low[v] = count, count
		stack, on[v] = append(stack, v), true
		for _, u := range next[v] {
			if index[u] == 0 {
				visit(u)
				low[v] = min(low[v], low[u])
			} else if on[u] {
				low[v] = min(low[v], index[u])
			}
		}
		if low[v] != index[v] {
			return
		}
		for {
			u := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			on[u], of[u] = false, found
			if u == v {
				break
			}
		}
		found++
	}
	for v := range next {
		if index[v] == 0 {
			visit(v)
		}
	}
	return of
}
