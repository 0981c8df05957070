package iam

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sumoship/deploy/cfn"
	"sumoship/deploy/tree"
)

// policy is an IAM policy that only allows.
type policy []*statement

// statement allows actions on resources under conditions.
type statement struct {
	sid        string
	principal  string // service, of a trust policy
	actions    []string
	resources  []cfn.Expression
	conditions []condition
}

// condition holds if one of its values matches. All conditions of a statement must
// hold.
type condition struct {
	operator, key string
	values        []cfn.Expression
}

// allow adds a resource to the statement with this sid, which must have the same
// actions and conditions each time.
func (p *policy) allow(sid string, actions []string, resource cfn.Expression, conditions ...condition) {
	for _, s := range *p {
		if s.sid == sid {
			s.resources = add(s.resources, resource)
			return
		}
	}
	*p = append(*p, &statement{sid: sid, actions: actions, resources: []cfn.Expression{resource}, conditions: conditions})
}

// addStatement adds a statement of its own, unless the policy has it, under this
// sid or one with a number after it.
func (p *policy) addStatement(sid string, actions []string, resources []cfn.Expression, conditions ...condition) {
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

// fill replaces the pseudo parameters in known by their values.
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

// parts returns the parts of a policy that are known only after deployment.
func (p policy) parts() (all []cfn.Part) {
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

// node returns the policy document.
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

// size returns the size of a policy as IAM counts it, in characters without white
// space. It is an estimate if parts are known only after deployment.
func (p policy) size() int {
	return len(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, p.node().Source()))
}
