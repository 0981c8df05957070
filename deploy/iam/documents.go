package iam

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// JSON returns the policies as IAM takes them, in one document: for executionRole
// and taskRole each trust and policy, null for a role without permissions.
//
// Errors: *[taskdef.InputError] of each value that is known only after deployment,
// joined; *[finding.OptionError] if the account or the Region is missing.
func (r *Roles) JSON() ([]byte, error) {
	var errs []error
	seen := map[*tree.Node]bool{}
	for _, p := range []policy{r.trust, r.execution, r.task} {
		for _, part := range p.parts() {
			if seen[part.From] {
				continue
			}
			seen[part.From] = true
			if part.From == nil {
				return nil, &finding.OptionError{Option: cmp.Or(pseudoOptions[cfn.RefName(part.Node)], "Account"), Value: "", Want: "the account and the Region, because policies in JSON name them"}
			}
			errs = append(errs, r.document.Errorf(part.From, "write the roles for CloudFormation, or write the value instead", "the value of %s is known only when it is deployed", part.From.Pointer()))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	role := func(p policy) *tree.Node {
		permissions := tree.NewNull()
		if len(p) > 0 {
			permissions = p.node()
		}
		return cfn.Object(cfn.Prop("trust", r.trust.node()), cfn.Prop("policy", permissions))
	}
	var notes []*tree.Node
	for _, n := range r.Notes {
		notes = append(notes, tree.NewString(n))
	}
	doc := cfn.Object(
		cfn.Prop("executionRole", role(r.execution)),
		cfn.Prop("taskRole", role(r.task)),
		cfn.Prop("notes", tree.NewArray(notes...)))
	return doc.JSON(), nil
}

// pseudoOptions are the options that give pseudo parameters; any other is Account.
var pseudoOptions = map[string]string{"AWS::Region": "Region", "AWS::Partition": "Region", "AWS::URLSuffix": "Region"}

// Logical IDs of the roles, and of the policy of the task role.
const (
	ExecutionRoleID = "ExecutionRole"
	TaskRoleID      = "TaskRole"
	TaskPolicyID    = "TaskPolicy"
)

// Resources returns the roles as CloudFormation resources: ExecutionRole, TaskRole,
// and TaskPolicy if the task role has permissions.
func (r *Roles) Resources() []tree.Member { return r.resources("") }

func (r *Roles) resources(prefix string) []tree.Member {
	family := r.document.Definition().Get("family").Identity()
	role := func(what string, inline policy) *tree.Node {
		description := what
		if family != "" && taskdef.GroupName.MatchString(family) {
			description += " of " + family
		}
		properties := []tree.Member{
			cfn.Prop("Description", tree.NewString(description)),
			cfn.Prop("AssumeRolePolicyDocument", r.trust.node()),
		}
		if len(inline) > 0 {
			properties = append(properties, cfn.Prop("Policies", tree.NewArray(cfn.Object(
				cfn.Prop("PolicyName", tree.NewString("start-task")),
				cfn.Prop("PolicyDocument", inline.node())))))
		}
		return cfn.Resource("AWS::IAM::Role", properties...)
	}
	all := []tree.Member{
		{Name: prefix + ExecutionRoleID, Value: role("Task execution role", r.execution)},
		{Name: prefix + TaskRoleID, Value: role("Task role", nil)},
	}
	if len(r.task) > 0 {
		all = append(all, cfn.Prop(prefix+TaskPolicyID, cfn.Resource("AWS::IAM::ManagedPolicy",
			cfn.Prop("Description", tree.NewString("What the containers may do")),
			cfn.Prop("PolicyDocument", r.task.node()),
			cfn.Prop("Roles", tree.NewArray(cfn.Ref(prefix+TaskRoleID))))))
	}
	return all
}

// CloudFormation returns the roles as a template in YAML whose outputs are their
// ARNs. For an input that is a template itself it returns resources to add to it,
// in JSON or YAML like it, under logical IDs that it does not have.
func (r *Roles) CloudFormation() []byte {
	if d := r.document; d.Shape() == taskdef.Template {
		json := bytes.HasPrefix(bytes.TrimSpace(d.Root().Bytes()), []byte("{"))
		resources := r.resources(r.freePrefix(d.Root().Key("Resources")))
		return cfn.Marshal(cfn.Object(cfn.Prop("Resources", cfn.Object(resources...))), json)
	}
	output := func(id string) tree.Member {
		return cfn.Prop(id+"Arn", cfn.Object(cfn.Prop("Value", cfn.GetAtt(id, "Arn"))))
	}
	return cfn.Marshal(cfn.Object(
		cfn.Prop("AWSTemplateFormatVersion", tree.NewString("2010-09-09")),
		cfn.Prop("Description", tree.NewString("Roles of a task on Fargate")),
		cfn.Prop("Resources", cfn.Object(r.Resources()...)),
		cfn.Prop("Outputs", cfn.Object(output(ExecutionRoleID), output(TaskRoleID))),
	), false)
}

// freePrefix returns a prefix for logical IDs, so that none of the roles is among
// the resources of a template.
func (r *Roles) freePrefix(taken *tree.Node) (prefix string) {
	for slices.ContainsFunc(r.resources(prefix), func(m tree.Member) bool { return taken.Key(m.Name) != nil }) {
		prefix += "Fargate"
	}
	return prefix
}
