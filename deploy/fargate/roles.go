package fargate

import (
	"regexp"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// ExecutionRoleSet reports that Options.ExecutionRole was used.
var ExecutionRoleSet = finding.Rule{
	ID: "execution-role-set", Usual: true, Severity: finding.Info, Action: finding.Set, Source: guideRole,
	Summary: "The definition had no execution role and gets the given one.",
}

var executionRoleMissing = finding.Rule{
	ID: "execution-role-missing", Severity: finding.Error, Action: finding.Refuse, Source: guideRole,
	Summary: "Fargate needs an execution role to pull images, read secrets and write logs.",
	Help:    finding.Advice{"Give one with --execution-role."},
	Allow:   "it stays absent, and ECS does not register the definition until it is added.",
}

// ExecutionRoleRights reports what the execution role must be allowed.
var ExecutionRoleRights = finding.Rule{
	ID: "execution-role-rights", Severity: finding.Info, Action: finding.Keep, Source: guideRole,
	Summary: "The execution role needs permissions beyond AmazonECSTaskExecutionRolePolicy.",
	Help:    finding.Advice{"Add a policy that grants them."},
}

// TaskRoleSet reports that Options.TaskRole was used.
var TaskRoleSet = finding.Rule{
	ID: "task-role-set", Usual: true, Severity: finding.Info, Action: finding.Set, Source: apiTask,
	Summary: "The definition had no task role and gets the given one.",
}

// TaskRoleMissing reports that neither the definition nor the options have a task
// role.
var TaskRoleMissing = finding.Rule{
	ID: "task-role-missing", Severity: finding.Warning, Action: finding.Keep, Source: apiTask,
	Summary: "The definition has no task role. On EC2 the containers could use the instance's role; on Fargate they have none.",
	Help:    finding.Advice{"If they call AWS, give a role with --task-role."},
}

// roles gives the task the roles of the options, and reports the permissions that
// the execution role needs.
func (c *converter) roles() {
	if c.list {
		return // the resource around the list has them
	}
	needs, rights := c.needsOfRole()
	role := c.def.Get("executionRoleArn")
	switch {
	case role != nil && role.Identity() != "":
	case c.ExecutionRole != "":
		c.set(ExecutionRoleSet, c.def, "executionRoleArn", c.role(c.ExecutionRole), "")
	case len(needs) > 0:
		c.refuseOrKeep(executionRoleMissing, c.def, "Fargate needs an execution role for %s", strings.Join(needs, ", "))
	}
	if len(rights) > 0 {
		c.Note(ExecutionRoleRights, c.def, "the execution role needs permissions beyond AmazonECSTaskExecutionRolePolicy: %s", strings.Join(rights, "; "))
	}
	role = c.def.Get("taskRoleArn")
	switch {
	case role != nil && role.Identity() != "":
	case c.TaskRole != "":
		c.set(TaskRoleSet, c.def, "taskRoleArn", c.role(c.TaskRole), "")
	case !c.fargate:
		c.Note(TaskRoleMissing, c.def, "")
	}
}

// role returns the value that names a role. CloudFormation wants an ARN.
func (c *converter) role(name string) *tree.Node {
	if !c.template || strings.HasPrefix(name, "arn:") || placeholder(name) {
		return tree.NewString(name)
	}
	return tree.NewObject(tree.Member{Name: "Fn::Sub", Value: tree.NewString("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + name)})
}

var privateImage = regexp.MustCompile(`^\d{12}\.dkr\.ecr[.-]`)

// needsOfRole returns why the task needs an execution role, and which permissions
// beyond the managed policy that role needs.
func (c *converter) needsOfRole() (needs, rights []string) {
	var awslogs, createGroup, ecr, secrets, files, registry bool
	for _, container := range c.containers {
		logs := container.Get("logConfiguration")
		if driver, _ := logs.Get("logDriver").Text(); driver == "awslogs" {
			awslogs = true
		}
		create, _ := logs.Get("options").Key("awslogs-create-group").Bool()
		createGroup = createGroup || create
		image, _ := container.Get("image").Text()
		ecr = ecr || privateImage.MatchString(image)
		secrets = secrets || container.Get("secrets").Len() > 0 || logs.Get("secretOptions").Len() > 0
		files = files || container.Get("environmentFiles").Len() > 0
		registry = registry || container.Get("repositoryCredentials") != nil
	}
	for _, v := range []struct {
		needed      bool
		what, right string
	}{
		{awslogs, "the log driver awslogs", ""},
		{createGroup, "", "logs:CreateLogGroup for awslogs-create-group"},
		{ecr, "Amazon ECR images", ""},
		{secrets, "secrets", "ssm:GetParameters, secretsmanager:GetSecretValue and kms:Decrypt for the secrets"},
		{files, "environmentFiles", "s3:GetObject and s3:GetBucketLocation for the environment files"},
		{registry, "repositoryCredentials", "secretsmanager:GetSecretValue for the registry credentials"},
	} {
		if v.needed && v.what != "" {
			needs = append(needs, v.what)
		}
		if v.needed && v.right != "" {
			rights = append(rights, v.right)
		}
	}
	return needs, rights
}
