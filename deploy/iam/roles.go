// Package iam writes the two roles of a task with no more rights than its
// definition and the user ask for.
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

// RoleOptions are what the roles of a task need to be told besides its
// definition. The zero value writes roles for CloudFormation, which fills in
// account, Region and partition.
type Options struct {
	Account string // 12 digits; "" is the pseudo parameter of CloudFormation
	Region  string // "" is the pseudo parameter; otherwise the partition is that of the Region

	// Repositories are those of Amazon ECR that hold images whose names are known
	// only when they are deployed: names or ARNs. One that is "none" says that
	// such images are in no repository of ECR.
	Repositories []string

	// Keys are the customer-managed keys of KMS that the secrets, parameters and
	// environment files of the definition are encrypted with: ARNs, IDs or
	// aliases.
	Keys []string

	// Allow is what the containers may do, as [ParseGrant] reads it.
	Allow []Grant
}

// TaskRoles are the two roles of a task, each with no more rights than the
// definition and the options ask for: the execution role, as which ECS starts
// the task, and the task role, as which the containers call AWS.
type Roles struct {
	document  *taskdef.Document
	trust     policy
	execution policy
	task      policy

	// Notes are what to know about them, a sentence or two each.
	Notes []string
}

// Roles returns the roles of a Fargate definition. What a definition names by a
// function of CloudFormation, the roles name in the same way.
//
// Errors: *InputError, of each value that cannot be read joined; *OptionError.
//
// Source: Amazon ECS Developer Guide, "Task execution IAM role", "Task IAM
// role", "Passing sensitive data to a container"; Service Authorization
// Reference for which actions know which resources.
func New(d *taskdef.Document, o Options) (*Roles, error) {
	b := &roleBuilder{
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
	b.remarks()
	return &Roles{document: d, trust: trust, execution: b.execution, task: b.task, Notes: b.notes}, nil
}

// roleBuilder reads a definition and collects what its roles must be allowed.
type roleBuilder struct {
	*cfn.Reader
	Options
	def *tree.Node

	partition, region, account cfn.Expression

	execution, task policy
	images          []*tree.Node // whose registry is known only when they are deployed
	services        []string     // that decrypt for the execution role
	notes           []string
}

// partitions are those of Regions, by the prefix of their names.
//
// Source: AWS SDKs, "partitions.json".
var partitions = []struct{ prefix, name, suffix string }{
	{"cn-", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov"},
	{"us-iso-", "aws-iso", "c2s.ic.gov"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
	{"eusc-", "aws-eusc", "amazonaws.eu"},
	{"", "aws", "amazonaws.com"},
}

var ()

// known are the pseudo parameters that the options give.
func (b *roleBuilder) known() (map[string]string, error) {
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
		for _, p := range partitions {
			if strings.HasPrefix(b.Region, p.prefix) {
				known["AWS::Partition"], known["AWS::URLSuffix"] = p.name, p.suffix
				break
			}
		}
	}
	return known, nil
}

// arn is one of this account and Region.
func (b *roleBuilder) arn(service string, resource ...any) cfn.Expression {
	return cfn.Concat(append([]any{"arn:", b.partition, ":" + service + ":", b.region, ":", b.account, ":"}, resource...)...)
}

func (b *roleBuilder) remark(format string, args ...any) {
	b.notes = append(b.notes, finding.Sentence(fmt.Sprintf(format, args...)))
}

// logs lets the execution role write to the log group of a container, and the
// task role to where its log router sends.
func (b *roleBuilder) logs(container *tree.Node) {
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

// remarks says what the policies do not show.
func (b *roleBuilder) remarks() {
	has := func(p policy, sid string) bool {
		return slices.ContainsFunc(p, func(s *statement) bool { return s.sid == sid })
	}
	if has(b.execution, "GetRegistryToken") {
		b.remark("ecr:GetAuthorizationToken is allowed on *, for it knows no resources: it gives a token of the registry, and what the token is good for is the repositories that are named")
	}
	if len(b.services) > 0 && len(b.Keys) == 0 {
		b.remark("no key is named, so what is encrypted with AWS's own keys (aws/ssm, aws/secretsmanager, SSE-S3) can be read; name each customer-managed key with --kms-key")
	}
	if has(b.execution, "ReadSecretsOrParameters") {
		b.remark("a secret that only a deployment knows may be one of Secrets Manager or a parameter, so both actions are allowed on it; it has to be an ARN, for the policy needs one")
	}
	if len(b.task) == 0 {
		b.remark("nothing was allowed to the containers, so the task role has no policy; say what they call with --task-allow")
	}
	if n := b.execution.size(); n > maxInline {
		b.remark("the policy of the execution role has %d characters, IAM takes %d in a role: split the task, or give its secrets a common path and write that by hand", n, maxInline)
	}
	if n := b.task.size(); n > maxManaged {
		b.remark("the policy of the task role has %d characters, IAM takes %d in a managed policy: allow prefixes and not each object", n, maxManaged)
	}
	b.notes = append(b.notes, serviceLinkedRole)
}

// serviceLinkedRole tells about the role that ECS itself works with.
//
// Source: Amazon ECS Developer Guide, "Using service-linked roles".
const serviceLinkedRole = "Tasks in network mode awsvpc, and so all on Fargate, need the service-linked role of ECS, AWSServiceRoleForECS: " +
	"ECS attaches network interfaces and registers targets with it. ECS makes it with the first cluster or service of an account, " +
	"if whoever asks may iam:CreateServiceLinkedRole; otherwise, once: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"
