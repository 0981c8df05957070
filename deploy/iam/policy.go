package iam

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sumoship/deploy/cfn"
	"sumoship/deploy/tree"
)

// policy is a policy of IAM: what is allowed, and nothing else.
type policy []*statement

// statement allows actions on resources under conditions.
type statement struct {
	sid        string
	principal  string // service, of a trust policy
	actions    []string
	resources  []cfn.Expression
	conditions []condition
}

// condition is one of those that all have to hold; of its values one.
type condition struct {
	operator, key string
	values        []cfn.Expression
}

// allow adds a resource to the statement of this sid, which has the same actions
// and conditions each time.
func (p *policy) allow(sid string, actions []string, resource cfn.Expression, conditions ...condition) {
	for _, s := range *p {
		if s.sid == sid {
			s.resources = add(s.resources, resource)
			return
		}
	}
	*p = append(*p, &statement{sid: sid, actions: actions, resources: []cfn.Expression{resource}, conditions: conditions})
}

// alone adds a statement that shares nothing with others, under a sid made of
// this one.
func (p *policy) alone(sid string, actions []string, resources []cfn.Expression, conditions ...condition) {
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
func add(all []cfn.Expression, e cfn.Expression) []cfn.Expression {
	source := e.Node().Source()
	if slices.ContainsFunc(all, func(other cfn.Expression) bool { return other.Node().Source() == source }) {
		return all
	}
	return append(all, e)
}

// fill puts values in place of the pseudo parameters that are known.
func (p policy) fill(known map[string]string) {
	fill := func(all []cfn.Expression) {
		for i := range all {
			all[i] = all[i].Fill(known)
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
func (p policy) opaque() (all []cfn.Part) {
	for _, s := range p {
		for _, e := range s.resources {
			all = append(all, e.Parts()...)
		}
		for _, c := range s.conditions {
			for _, e := range c.values {
				all = append(all, e.Parts()...)
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
	return cfn.Object(
		cfn.Prop("Version", tree.NewString("2012-10-17")),
		cfn.Prop("Statement", tree.NewArray(statements...)))
}

func (s *statement) node(sid string) *tree.Node {
	members := []tree.Member{cfn.Prop("Sid", tree.NewString(sid)), cfn.Prop("Effect", tree.NewString("Allow"))}
	if s.principal != "" {
		members = append(members, cfn.Prop("Principal", cfn.Object(cfn.Prop("Service", tree.NewString(s.principal)))))
	}
	var actions []cfn.Expression
	for _, a := range s.actions {
		actions = append(actions, cfn.Literal(a))
	}
	members = append(members, cfn.Prop("Action", oneOrMore(actions)))
	if len(s.resources) > 0 {
		members = append(members, cfn.Prop("Resource", oneOrMore(s.resources)))
	}
	if len(s.conditions) > 0 {
		var operators []tree.Member
		for _, c := range s.conditions {
			key := cfn.Prop(c.key, oneOrMore(c.values))
			operators = append(operators, cfn.Prop(c.operator, cfn.Object(key)))
		}
		members = append(members, cfn.Prop("Condition", cfn.Object(operators...)))
	}
	return cfn.Object(members...)
}

func oneOrMore(all []cfn.Expression) *tree.Node {
	if len(all) == 1 {
		return all[0].Node()
	}
	var nodes []*tree.Node
	for _, e := range all {
		nodes = append(nodes, e.Node())
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
