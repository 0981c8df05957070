package deploy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sumoship/deploy/tree"
)

// policy is a policy of IAM: what is allowed, and nothing else.
type policy []*statement

// statement allows actions on resources under conditions.
type statement struct {
	sid        string
	principal  string // service, of a trust policy
	actions    []string
	resources  []expression
	conditions []condition
}

// condition is one of those that all have to hold; of its values one.
type condition struct {
	operator, key string
	values        []expression
}

// allow adds a resource to the statement of this sid, which has the same actions
// and conditions each time.
func (p *policy) allow(sid string, actions []string, resource expression, conditions ...condition) {
	for _, s := range *p {
		if s.sid == sid {
			s.resources = add(s.resources, resource)
			return
		}
	}
	*p = append(*p, &statement{sid: sid, actions: actions, resources: []expression{resource}, conditions: conditions})
}

// alone adds a statement that shares nothing with others, under a sid made of
// this one.
func (p *policy) alone(sid string, actions []string, resources []expression, conditions ...condition) {
	s := &statement{sid: sid, actions: actions, resources: resources, conditions: conditions}
	for _, other := range *p {
		if tree.Equal(other.node("-"), s.node("-")) {
			return
		}
	}
	for n := 2; slices.ContainsFunc(*p, func(other *statement) bool { return other.sid == s.sid }); n++ {
		s.sid = fmt.Sprint(sid, n)
	}
	*p = append(*p, s)
}

// add adds an expression to a set.
func add(all []expression, e expression) []expression {
	source := e.node().Source()
	if slices.ContainsFunc(all, func(other expression) bool { return other.node().Source() == source }) {
		return all
	}
	return append(all, e)
}

// fill puts values in place of the pseudo parameters that are known.
func (p policy) fill(known map[string]string) {
	fill := func(all []expression) {
		for i := range all {
			all[i] = all[i].fill(known)
		}
	}
	for _, s := range p {
		fill(s.resources)
		for _, c := range s.conditions {
			fill(c.values)
		}
	}
}

// opaque returns the parts of a policy that only a deployment knows.
func (p policy) opaque() (all []part) {
	for _, s := range p {
		for _, e := range s.resources {
			all = append(all, e.opaque()...)
		}
		for _, c := range s.conditions {
			for _, e := range c.values {
				all = append(all, e.opaque()...)
			}
		}
	}
	return all
}

// node is the policy document.
func (p policy) node() *tree.Node {
	var statements []*tree.Node
	for _, s := range p {
		statements = append(statements, s.node(s.sid))
	}
	return object(
		prop("Version", tree.NewString("2012-10-17")),
		prop("Statement", tree.NewArray(statements...)))
}

func (s *statement) node(sid string) *tree.Node {
	members := []tree.Member{prop("Sid", tree.NewString(sid)), prop("Effect", tree.NewString("Allow"))}
	if s.principal != "" {
		members = append(members, prop("Principal", object(prop("Service", tree.NewString(s.principal)))))
	}
	var actions []expression
	for _, a := range s.actions {
		actions = append(actions, literal(a))
	}
	members = append(members, prop("Action", oneOrMore(actions)))
	if len(s.resources) > 0 {
		members = append(members, prop("Resource", oneOrMore(s.resources)))
	}
	if len(s.conditions) > 0 {
		var operators []tree.Member
		for _, c := range s.conditions {
			key := prop(c.key, oneOrMore(c.values))
			operators = append(operators, prop(c.operator, object(key)))
		}
		members = append(members, prop("Condition", object(operators...)))
	}
	return object(members...)
}

func oneOrMore(all []expression) *tree.Node {
	if len(all) == 1 {
		return all[0].node()
	}
	var nodes []*tree.Node
	for _, e := range all {
		nodes = append(nodes, e.node())
	}
	return tree.NewArray(nodes...)
}

// size is what IAM counts of a policy: its characters without white space. Of a
// policy with parts that only a deployment knows it is an estimate.
func (p policy) size() int {
	return len(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, p.node().Source()))
}
