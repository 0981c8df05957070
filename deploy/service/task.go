package service

import (
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Placeholders that the conversion gets for what the template itself provides.
// They never reach the output.
const (
	templateExecutionRole = "${ExecutionRole.Arn}"
	templateTaskRole      = "${TaskRole.Arn}"
	templateRegion        = "${AWS::Region}"
)

// ecspressoNote says what the files of ecspresso leave out.
const ecspressoNote = "ecspresso deploys a task definition and a service, and nothing around them: write the roles with sumoship fargate iam, " +
	"create and subscribe the log groups with sumoship fargate logs, and create the security groups, the target group, its listener rule and the DNS record " +
	"with the template of sumoship fargate service or your own."

// taskRoles are the roles of a definition: the member that names them, the
// logical ID in the template, and the placeholder for it.
var taskRoles = []struct{ member, id, placeholder string }{
	{"executionRoleArn", iam.ExecutionRoleID, templateExecutionRole},
	{"taskRoleArn", iam.TaskRoleID, templateTaskRole},
}

// task builds the task definition of the template, the roles, and what both
// refer to.
func (s *Service) task() error {
	if s.o.Ecspresso {
		s.Notes = []string{ecspressoNote}
		return nil
	}
	n := taskdef.ForTemplate(s.definition)
	s.refs = newReferences(s.d, s.taskFindings)
	for _, p := range s.listParameters {
		s.refs.add("Parameters", p.Name, p.Value)
	}
	s.chooseRoles(n)
	if err := s.buildRoles(n); err != nil {
		return err
	}
	s.editLogOptions(n, func(options *tree.Node) { options.SetKey("awslogs-region", cfn.Ref("AWS::Region")) })
	s.refs.resolve(n)
	for _, r := range s.roles {
		for name, v := range r.Value.Key("Properties").Members() {
			if name != "Roles" { // the roles of this template
				s.refs.resolve(v)
			}
		}
	}
	for _, g := range s.groups {
		name := tree.NewArray(g.name)
		s.refs.resolve(name)
		g.name = name.First()
	}
	// What follows refers to resources of this template.
	for i, c := range n.Get("containerDefinitions").Items() {
		options := c.Get("logConfiguration").Get("options")
		if group := s.logs[i]; group != nil && !s.o.ExistingLogGroups {
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

// editLogOptions edits the log options of each container whose log group belongs
// to the template, which creates the group in place of the container.
func (s *Service) editLogOptions(n *tree.Node, edit func(options *tree.Node)) {
	for i, c := range n.Get("containerDefinitions").Items() {
		if s.logs[i] == nil {
			continue
		}
		options := c.Get("logConfiguration").Get("options")
		if !s.o.ExistingLogGroups {
			options.DeleteKey("awslogs-create-group")
		}
		edit(options)
	}
}

var roleNew = finding.Rule{ID: "service-role-new", Severity: finding.Info, Action: finding.Set, Source: guideRole,
	Summary: "The template creates this role with the permissions that the definition needs."}

var roleKept = finding.Rule{ID: "service-role-kept", Severity: finding.Info, Action: finding.Keep, Source: guideRole,
	Summary: "The definition names this role, and the template keeps it.", Help: finding.Advice{"Let the template create one with --new-roles."}}

// chooseRoles chooses the roles that the template creates: those that the
// definition does not name, or that the options replace. It removes them from n.
func (s *Service) chooseRoles(n *tree.Node) {
	s.newRole = map[string]bool{}
	for _, r := range taskRoles {
		role := s.definition.Get(r.member)
		named := role.Identity() != "" && role.Identity() != r.placeholder
		if named && !s.o.NewRoles {
			s.taskFindings.Note(roleKept, role, "")
			continue
		}
		if named {
			s.taskFindings.Report(roleNew, finding.Set, role, "")
		}
		s.newRole[r.id] = true
		n.DeleteField(r.member)
	}
}

// buildRoles builds the roles that the template creates for the definition n.
func (s *Service) buildRoles(n *tree.Node) error {
	if allow := s.o.Roles.Allow; len(allow) > 0 && !s.newRole[iam.TaskRoleID] {
		return &finding.OptionError{Option: "TaskAllow", Value: allow[0].String(), Want: "NewRoles with it, because the definition names a task role"}
	}
	o := s.o.Roles
	if s.taken.exec && s.newRole[iam.TaskRoleID] {
		exec, err := iam.ParseGrant("exec")
		if err != nil {
			return err
		}
		o.Allow = append(slices.Clip(o.Allow), exec)
	}
	if len(s.newRole) == 0 {
		return nil
	}
	definition := n.Clone()
	s.editLogOptions(definition, func(options *tree.Node) { options.DeleteKey("awslogs-region") }) // the Region of the stack
	if !s.newRole[iam.ExecutionRoleID] {
		withoutPulls(definition)
	}
	roles, err := iam.New(s.d.With(definition).InTemplate(), o)
	if err != nil {
		return err
	}
	for _, r := range roles.Resources() {
		if s.newRole[r.Name] || r.Name == iam.TaskPolicyID && s.newRole[iam.TaskRoleID] {
			s.roles = append(s.roles, r)
		}
	}
	if len(s.newRole) > 0 {
		s.Notes = roles.Notes
	}
	return nil
}

// withoutPulls removes what only the execution role needs, so that nothing is asked
// about it.
func withoutPulls(definition *tree.Node) {
	for _, c := range definition.Get("containerDefinitions").Elements() {
		for _, member := range []string{"image", "repositoryCredentials", "secrets", "environmentFiles"} {
			c.DeleteField(member)
		}
		c.Get("logConfiguration").DeleteField("secretOptions")
	}
}

var placeholder = finding.Rule{ID: "service-placeholder", Severity: finding.Error, Action: finding.Refuse, Source: guideIntrinsics,
	Summary: "CloudFormation does not fill in this placeholder.", Help: finding.Advice{"Write the value instead, or use --as ecspresso."}}

// checkPlaceholders refuses placeholders that something other than CloudFormation
// fills in.
func (s *Service) checkPlaceholders() {
	if s.o.Ecspresso || s.d.Shape() == taskdef.Template {
		return
	}
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		value, ok := n.Text()
		switch {
		case !ok && n.Opaque():
			return // an intrinsic function: reported elsewhere, or intended
		case ok && n.Opaque() && !cloudFormationFills(value):
			s.taskFindings.Fail(placeholder, n, "")
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

// cloudFormationFills reports whether CloudFormation, or the template, replaces
// what is in a string.
func cloudFormationFills(value string) bool {
	return slices.Contains([]string{templateExecutionRole, templateTaskRole, templateRegion}, value) || strings.Contains(value, "{{resolve:")
}
