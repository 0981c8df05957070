package deploy

import (
	"bytes"
	"cmp"
	"errors"

	"sumoship/deploy/tree"
)

// JSON writes the policies as IAM takes them, in one document: of executionRole
// and taskRole each trust and policy, null for a role without rights.
//
// Errors: *InputError of each value that only a deployment knows, joined.
func (r *TaskRoles) JSON() ([]byte, error) {
	var errs []error
	seen := map[*tree.Node]bool{}
	for _, p := range []policy{r.trust, r.execution, r.task} {
		for _, part := range p.opaque() {
			if seen[part.from] {
				continue
			}
			seen[part.from] = true
			if part.from == nil {
				return nil, &OptionError{cmp.Or(pseudoOptions[refName(part.node)], "Account"), "", "the account and the Region, for policies in JSON name them"}
			}
			errs = append(errs, r.document.Errorf(part.from, "write the roles for CloudFormation, or put the value there", "the value of %s is known only when it is deployed", part.from.Pointer()))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	role := func(p policy) *tree.Node {
		rights := tree.NewNull()
		if len(p) > 0 {
			rights = p.node()
		}
		return object(prop("trust", r.trust.node()), prop("policy", rights))
	}
	var notes []*tree.Node
	for _, n := range r.Notes {
		notes = append(notes, tree.NewString(n))
	}
	doc := object(
		prop("executionRole", role(r.execution)),
		prop("taskRole", role(r.task)),
		prop("notes", tree.NewArray(notes...)))
	return doc.JSON(), nil
}

var pseudoOptions = map[string]string{"AWS::Region": "Region", "AWS::Partition": "Region", "AWS::URLSuffix": "Region"}

// Logical IDs of the roles, and of the policy of the task role.
const (
	ExecutionRoleID = "ExecutionRole"
	TaskRoleID      = "TaskRole"
	TaskPolicyID    = "TaskPolicy"
)

// Resources returns the roles as resources of CloudFormation: ExecutionRole,
// TaskRole, and TaskPolicy if the task role has rights.
func (r *TaskRoles) Resources() []tree.Member { return r.resources("") }

func (r *TaskRoles) resources(prefix string) []tree.Member {
	family := r.document.Definition().Get("family").Identity()
	role := func(what string, inline policy) *tree.Node {
		description := what
		if family != "" && GroupName.MatchString(family) {
			description += " of " + family
		}
		properties := []tree.Member{
			prop("Description", tree.NewString(description)),
			prop("AssumeRolePolicyDocument", r.trust.node()),
		}
		if len(inline) > 0 {
			properties = append(properties, prop("Policies", tree.NewArray(object(
				prop("PolicyName", tree.NewString("start-task")),
				prop("PolicyDocument", inline.node())))))
		}
		return resource("AWS::IAM::Role", properties...)
	}
	all := []tree.Member{
		{Name: prefix + ExecutionRoleID, Value: role("Task execution role", r.execution)},
		{Name: prefix + TaskRoleID, Value: role("Task role", nil)},
	}
	if len(r.task) > 0 {
		all = append(all, prop(prefix+TaskPolicyID, resource("AWS::IAM::ManagedPolicy",
			prop("Description", tree.NewString("What the containers may do")),
			prop("PolicyDocument", r.task.node()),
			prop("Roles", tree.NewArray(ref(prefix+TaskRoleID))))))
	}
	return all
}

// CloudFormation writes the roles as a template in YAML that gives out their
// ARNs; for an input that is a template itself as resources to be put into it, in
// JSON or YAML like it, under logical IDs that it does not have.
func (r *TaskRoles) CloudFormation() []byte {
	d := r.document
	if d.Shape() == Template {
		taken, prefix := d.Root().Key("Resources"), ""
		for clash := true; clash; {
			clash = false
			for _, m := range r.resources(prefix) {
				clash = clash || taken.Key(m.Name) != nil
			}
			if clash {
				prefix += "Fargate"
			}
		}
		json := bytes.HasPrefix(bytes.TrimSpace(d.Root().Bytes()), []byte("{"))
		return writeTemplate(object(prop("Resources", object(r.resources(prefix)...))), json)
	}
	output := func(id string) tree.Member {
		return prop(id+"Arn", object(prop("Value", getAtt(id, "Arn"))))
	}
	return writeTemplate(object(
		prop("AWSTemplateFormatVersion", tree.NewString("2010-09-09")),
		prop("Description", tree.NewString("Roles of a task on Fargate")),
		prop("Resources", object(r.Resources()...)),
		prop("Outputs", object(output(ExecutionRoleID), output(TaskRoleID))),
	), false)
}
