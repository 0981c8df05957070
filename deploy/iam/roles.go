// Package iam writes the two IAM roles of a task, with no more permissions than
// its definition and the user ask for.
package iam

import (
	"fmt"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Options are what the roles of a task need besides its definition. The zero value
// gives roles for CloudFormation, which fills in account, Region and partition.
type Options struct {
	Account string // 12 digits; "" is the pseudo parameter of CloudFormation
	Region  string // "" is the pseudo parameter; otherwise the partition is that of the Region

	// Repositories are the Amazon ECR repositories, by name or ARN, of images whose
	// names are known only after deployment. "none" says that such an image is not
	// in a repository of ECR.
	Repositories []string

	// RoleGiven says that the definition names its own execution role: an image whose
	// registry is not known is then a note, because that role pulls it.
	RoleGiven bool

	// Keys are the customer-managed KMS keys, by ARN, ID or alias, that encrypt the
	// secrets, parameters and environment files of the definition.
	Keys []string

	// Allow is what the containers may do; see [ParseGrant].
	Allow []Grant
}

// Roles are the two roles of a task, each with no more permissions than the
// definition and the options ask for: the execution role, which ECS assumes to
// start the task, and the task role, with which the containers call AWS.
type Roles struct {
	document  *taskdef.Document
	trust     policy
	execution policy
	task      policy

	// Notes are what to know about the roles, a sentence or two each.
	Notes []string
}

// New returns the roles of a Fargate definition. What the definition names by an
// intrinsic function of CloudFormation, the roles name in the same way.
//
// Errors, joined: *[taskdef.InputError] of each value that cannot be read,
// *[finding.OptionError], *[GrantError].
//
// Source: Amazon ECS Developer Guide, "Task execution IAM role", "Task IAM
// role", "Passing sensitive data to a container"; Service Authorization
// Reference for the resources that each action supports.
func New(d *taskdef.Document, o Options) (*Roles, error) {
	b := &builder{
		Reader:    cfn.NewReader(d),
		Options:   o,
		def:       d.Definition(),
		partition: cfn.Pseudo("AWS::Partition"),
		region:    cfn.Pseudo("AWS::Region"),
		account:   cfn.Pseudo("AWS::AccountId"),
	}
	known, err := b.known()
	if err != nil {
		return nil, err
	}
	trust := policy{{
		sid: "TasksOfThisAccount", principal: "ecs-tasks.amazonaws.com", actions: []string{"sts:AssumeRole"},
		conditions: []condition{
			{"ArnLike", "aws:SourceArn", []cfn.Expression{b.arn("ecs", "*")}},
			{"StringEquals", "aws:SourceAccount", []cfn.Expression{b.account}},
		},
	}}
	for _, container := range b.Each(b.def.Get("containerDefinitions")) {
		b.image(container)
		b.secrets(container)
		b.environmentFiles(container)
		b.logs(container)
	}
	b.repositories()
	b.keys()
	b.volumes()
	for _, g := range o.Allow {
		b.grant(g)
	}
	if err := b.Err(); err != nil {
		return nil, err
	}
	for _, p := range []policy{trust, b.execution, b.task} {
		p.fill(known)
	}
	b.addNotes()
	return &Roles{document: d, trust: trust, execution: b.execution, task: b.task, Notes: b.notes}, nil
}

// builder reads a definition and collects what its roles must allow.
type builder struct {
	*cfn.Reader
	Options
	def *tree.Node

	partition, region, account cfn.Expression

	execution, task policy
	unknownImages   []*tree.Node // whose registry is known only after deployment
	decrypting      []string     // services that decrypt with the execution role
	notes           []string
}

// known returns the values of the pseudo parameters that the options give.
func (b *builder) known() (map[string]string, error) {
	known := map[string]string{}
	if b.Account != "" {
		if !taskdef.Account.MatchString(b.Account) {
			return nil, &finding.OptionError{Option: "Account", Value: b.Account, Want: "the 12 digits of an account"}
		}
		known["AWS::AccountId"] = b.Account
	}
	if b.Region != "" {
		if !taskdef.Region.MatchString(b.Region) {
			return nil, &finding.OptionError{Option: "Region", Value: b.Region, Want: "a region, such as us-east-1"}
		}
		known["AWS::Region"] = b.Region
		known["AWS::Partition"], known["AWS::URLSuffix"] = partitionOf(b.Region)
	}
	return known, nil
}

// note adds a note, as a sentence.
func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, finding.Sentence(fmt.Sprintf(format, args...)))
}

// logs lets the execution role write to the log group of a container, and the
// task role to the destination of its log router.
func (b *builder) logs(container *tree.Node) {
	for _, e := range container.Get("environment").Elements() {
		if name := e.Get("name").Str(); strings.HasPrefix(name, "aws_fluent_bit_init_s3_") {
			b.routerFile(e.Get("value"))
		}
	}
	for _, configuration := range b.LogConfigurations(container) {
		for _, options := range b.Each(configuration.Get("options")) {
			switch configuration.Get("logDriver").Str() {
			case "awslogs":
				b.awslogs(options)
			case "awsfirelens":
				b.firelens(options)
			}
		}
	}
}

// Limits of policies, in characters without white space.
//
// Source: IAM User Guide, "IAM and AWS STS quotas".
const (
	maxInline  = 10240
	maxManaged = 6144
)

// addNotes notes what the policies do not show.
func (b *builder) addNotes() {
	has := func(p policy, sid string) bool {
		return slices.ContainsFunc(p, func(s *statement) bool { return s.sid == sid })
	}
	if has(b.execution, "GetRegistryToken") {
		b.note("ecr:GetAuthorizationToken is allowed on *, because it does not support resources; with its token the role can pull from the named repositories only")
	}
	if len(b.decrypting) > 0 && len(b.Keys) == 0 {
		b.note("no key is given, so the role can read only what is encrypted with AWS's own keys (aws/ssm, aws/secretsmanager, SSE-S3); give each customer-managed key with --kms-key")
	}
	if has(b.execution, "ReadSecretsOrParameters") {
		b.note("a secret that is known only when it is deployed can be in Secrets Manager or in Parameter Store, so both actions are allowed on it; it must be an ARN, because the policy needs one")
	}
	if len(b.task) == 0 {
		b.note("nothing is allowed to the containers, so the task role has no policy; say what they call with --task-allow")
	}
	if n := b.execution.size(); n > maxInline {
		b.note("the policy of the execution role has %d characters, and IAM accepts %d in a role: split the task, or give its secrets a common path and write that by hand", n, maxInline)
	}
	if n := b.task.size(); n > maxManaged {
		b.note("the policy of the task role has %d characters, and IAM accepts %d in a managed policy: allow prefixes instead of single objects", n, maxManaged)
	}
	b.notes = append(b.notes, serviceLinkedRole)
}

// serviceLinkedRole is about the role that ECS itself uses.
//
// Source: Amazon ECS Developer Guide, "Using service-linked roles".
const serviceLinkedRole = "Tasks in network mode awsvpc, and so all tasks on Fargate, need the service-linked role of ECS, AWSServiceRoleForECS: " +
	"ECS uses it to attach network interfaces and register targets. ECS creates it with the first cluster or service of an account, " +
	"if the caller may iam:CreateServiceLinkedRole; otherwise, run once: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"
