package service

import (
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// What the conversion is given for roles and the region that the template has;
// they never reach the output.
const (
	executionRoleHere = "${ExecutionRole.Arn}"
	taskRoleHere      = "${TaskRole.Arn}"
	regionHere        = "${AWS::Region}"
)

// ecspressoAlone says what the files of ecspresso leave out.
const ecspressoAlone = "ecspresso deploys a task definition and a service, and nothing around them: write the roles with sumoship fargate iam, " +
	"make and subscribe the log groups with sumoship fargate logs, and make the security groups, the target group and its rule, and the DNS record " +
	"by the template of sumoship fargate service or in your own."

// taskRoles are the roles of a definition, by member, logical ID and what the
// conversion is given for them.
var taskRoles = []struct{ member, id, here string }{
	{"executionRoleArn", iam.ExecutionRoleID, executionRoleHere},
	{"taskRoleArn", iam.TaskRoleID, taskRoleHere},
}

// task makes the task definition of the template, the roles, and what both refer
// to.
func (s *Service) task() error {
	if s.o.Ecspresso {
		s.Notes = []string{ecspressoAlone}
		return nil
	}
	n := taskdef.ForTemplate(s.definition)
	s.refs = newReferences(s.d, s.on)
	if err := s.makeRoles(n); err != nil {
		return err
	}
	s.own(n, func(options *tree.Node) { options.SetKey("awslogs-region", cfn.Ref("AWS::Region")) })
	s.refs.resolve(n)
	for _, r := range s.roles {
		for name, v := range r.Value.Key("Properties").Members() {
			if name != "Roles" { // of the template's own
				s.refs.resolve(v)
			}
		}
	}
	for i := range s.groups {
		name := tree.NewArray(s.groups[i].name)
		s.refs.resolve(name)
		s.groups[i].name = name.First()
	}
	// What follows refers to resources of this template.
	for i, c := range n.Get("containerDefinitions").Items() {
		options := c.Get("logConfiguration").Get("options")
		if group := s.logs[i].group; group != nil && !s.o.ExistingLogGroups {
			options.SetKey("awslogs-group", cfn.Ref("LogGroup"+group.id))
		}
	}
	for _, r := range taskRoles {
		if s.newRole[r.id] {
			n.SetField(r.member, cfn.GetAtt(r.id, "Arn"))
		}
	}
	s.taskDefinition = taskdef.Recase(n, tree.Pascal)
	return nil
}

// own makes a definition that of the stack: its logs go to the log groups of the
// stack, in its region.
func (s *Service) own(n *tree.Node, edit func(options *tree.Node)) {
	for i, c := range n.Get("containerDefinitions").Items() {
		if s.logs[i].group == nil {
			continue
		}
		options := c.Get("logConfiguration").Get("options")
		if !s.o.ExistingLogGroups {
			options.DeleteKey("awslogs-create-group")
		}
		edit(options)
	}
}

var serviceRoleNew = finding.Rule{ID: "service-role-new", Severity: finding.Info, Action: finding.Set, Source: guideRole,
	Summary: "The template makes this role, with the rights that the definition needs."}

var serviceRoleKept = finding.Rule{ID: "service-role-kept", Severity: finding.Info, Action: finding.Keep, Source: guideRole,
	Summary: "The definition names this role, and the template keeps it.", Help: finding.Advice{"Let the template make one with --new-roles."}}

// makeRoles makes the roles that the definition does not name.
func (s *Service) makeRoles(n *tree.Node) error {
	s.newRole = map[string]bool{}
	for _, r := range taskRoles {
		role := s.definition.Get(r.member)
		name := role.Identity()
		switch {
		case name == "" || name == r.here:
			s.newRole[r.id] = true
		case s.o.NewRoles:
			s.newRole[r.id] = true
			s.on.Report(serviceRoleNew, finding.Set, role, "")
		default:
			s.on.Note(serviceRoleKept, role, "")
			if r.id == iam.TaskRoleID && len(s.o.Roles.Allow) > 0 {
				return &finding.OptionError{Option: "TaskAllow", Value: s.o.Roles.Allow[0].String(), Want: "a task role of the template, and the definition names one: NewRoles makes it"}
			}
		}
		if s.newRole[r.id] {
			n.DeleteField(r.member)
		}
	}
	o := s.o.Roles
	if s.taken.exec && s.newRole[iam.TaskRoleID] {
		exec, err := iam.ParseGrant("exec")
		if err != nil {
			return err
		}
		o.Allow = append(o.Allow[:len(o.Allow):len(o.Allow)], exec)
	}
	here := n.Clone()
	s.own(here, func(options *tree.Node) { options.DeleteKey("awslogs-region") }) // that of the stack is taken
	roles, err := iam.New(s.d.With(here), o)
	if err != nil {
		return err
	}
	for _, r := range roles.Resources() {
		if s.newRole[r.Name] || r.Name == iam.TaskPolicyID && s.newRole[iam.TaskRoleID] {
			s.roles = append(s.roles, r)
		}
	}
	if s.newRole[iam.ExecutionRoleID] || s.newRole[iam.TaskRoleID] {
		s.Notes = roles.Notes
	}
	return nil
}

// placeholders reports those that something else than CloudFormation fills in.
func (s *Service) placeholders() {
	if s.o.Ecspresso || s.d.Shape() == taskdef.Template {
		return
	}
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		value, ok := n.Text()
		switch {
		case !ok && n.Opaque():
			return // an intrinsic function: it is refused elsewhere, or was meant
		case ok && n.Opaque() && value != executionRoleHere && value != taskRoleHere && value != regionHere && !strings.Contains(value, "{{resolve:"):
			s.on.Fail(servicePlaceholder, n, "")
		}
		for name, v := range n.Members() {
			if !taskdef.FreeText(name) {
				walk(v)
			}
		}
		for _, v := range n.Elements() {
			walk(v)
		}
	}
	walk(s.definition)
}
