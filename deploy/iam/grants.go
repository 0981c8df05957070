package iam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
)

// Grant is something that the containers of a task may do.
type Grant struct {
	text   string
	what   string // such as "sqs-send"
	object string // ARN, name, or BUCKET/PREFIX; "" of some
}

// String returns the grant as [ParseGrant] reads it.
func (g Grant) String() string { return g.text }

// kind is a kind of grant: what it allows, and on what.
type kind struct {
	name    string
	service string   // of its ARN, "" for all resources or as the name says
	prefix  string   // of the resource in the ARN, before its name
	want    string   // what must be named, "" for nothing
	about   string   // for people
	below   []string // suffixes of more resources, such as "/index/*"
	actions []string
}

// kinds are the kinds of grants. Where a name is enough, the resource is one of
// the account and Region of the roles.
//
// Source: Service Authorization Reference.
var kinds = []kind{
	{"kms", "kms", "key/", "ID|alias/NAME|ARN", "decrypt with a key", nil, []string{"kms:Decrypt"}},
	{"kms-encrypt", "kms", "key/", "ID|alias/NAME|ARN", "encrypt with a key", nil, []string{"kms:Encrypt", "kms:GenerateDataKey"}},
	{"s3-read", "s3", "", "BUCKET[/PREFIX]", "read and list objects", nil, []string{"s3:GetObject"}},
	{"s3-write", "s3", "", "BUCKET[/PREFIX]", "write objects", nil, []string{"s3:AbortMultipartUpload", "s3:PutObject"}},
	{"s3-delete", "s3", "", "BUCKET[/PREFIX]", "delete objects", nil, []string{"s3:DeleteObject"}},
	{"sqs-send", "sqs", "", "NAME|ARN", "send messages to a queue", nil, []string{"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"}},
	{"sqs-consume", "sqs", "", "NAME|ARN", "receive and delete messages of a queue", nil, []string{
		"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
		"sqs:ReceiveMessage",
	}},
	{"sns", "sns", "", "NAME|ARN", "publish to a topic", nil, []string{"sns:Publish"}},
	{"dynamodb", "dynamodb", "table/", "NAME|ARN", "read and write items of a table", []string{"/index/*"}, []string{
		"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
		"dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan",
		"dynamodb:UpdateItem",
	}},
	{"dynamodb-read", "dynamodb", "table/", "NAME|ARN", "read items of a table", []string{"/index/*"}, []string{
		"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:DescribeTable", "dynamodb:GetItem",
		"dynamodb:Query", "dynamodb:Scan",
	}},
	{"secret", "secretsmanager", "secret:", "NAME|ARN", "read a secret at run time", nil, []string{
		"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
	}},
	{"parameter", "ssm", "parameter/", "NAME|PATH/*|ARN", "read parameters at run time", nil, []string{
		"ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath",
	}},
	{"kinesis", "kinesis", "stream/", "NAME|ARN", "put records into a data stream", nil, []string{
		"kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords",
	}},
	{"firehose", "firehose", "deliverystream/", "NAME|ARN", "put records into a Firehose stream", nil, []string{
		"firehose:PutRecord", "firehose:PutRecordBatch",
	}},
	{"events", "events", "event-bus/", "NAME|ARN", "put events on an event bus", nil, []string{"events:PutEvents"}},
	{"lambda", "lambda", "function:", "NAME|ARN", "invoke a function", nil, []string{"lambda:InvokeFunction"}},
	{"states", "states", "stateMachine:", "NAME|ARN", "start a state machine", nil, []string{"states:StartExecution"}},
	{"rds-connect", "rds-db", "dbuser:", "RESOURCE-ID/USER|ARN", "log in to a database as a user", nil, []string{"rds-db:connect"}},
	{"assume", "iam", "", "ARN", "assume a role", nil, []string{"sts:AssumeRole"}},
	{"metrics", "", "", "NAMESPACE", "put metrics of a namespace", nil, []string{"cloudwatch:PutMetricData"}},
	{"xray", "", "", "", "write traces", nil, []string{
		"xray:GetSamplingRules", "xray:GetSamplingStatisticSummaries", "xray:GetSamplingTargets", "xray:PutTelemetryRecords",
		"xray:PutTraceSegments",
	}},
	{"exec", "", "", "", "use ECS Exec", nil, []string{
		"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
		"ssmmessages:OpenDataChannel",
	}},
}

// GrantKind describes a kind of grant.
type GrantKind struct {
	Usage string // as [ParseGrant] reads it, such as "sqs-send:NAME|ARN"
	About string // what it allows, such as "send messages to a queue"
}

// GrantKinds returns the kinds of grants.
func GrantKinds() (all []GrantKind) {
	for _, k := range kinds {
		all = append(all, GrantKind{k.usage(), k.about})
	}
	return all
}

func (k kind) usage() string {
	if k.want == "" {
		return k.name
	}
	return k.name + ":" + k.want
}

// find returns the kind of a name.
func find(name string) (k kind, ok bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// GrantError is an invalid grant.
type GrantError struct{ Grant, Want string }

func (e *GrantError) Error() string { return fmt.Sprintf("%q: want %s", e.Grant, e.Want) }

// Option is what flags call the texts of grants, as an [finding.OptionError] names
// its option.
func (e *GrantError) Option() string { return "TaskAllow" }

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	aName      = regexp.MustCompile(`^[\w.:/+=@*-]+$`)
	aNamespace = regexp.MustCompile(`^[\w.:/ #-]{1,255}$`)
	roleName   = regexp.MustCompile(`^role/[\w+=,.@/-]+$`)
)

// ParseGrant reads a grant, such as "exec", "sqs-send:orders",
// "kms:arn:aws:kms:…" or "s3-read:bucket/prefix". A name means a resource in the
// account and Region of the roles. [GrantKinds] lists them.
//
// Errors: *[GrantError].
func ParseGrant(s string) (Grant, error) {
	what, object, _ := strings.Cut(s, ":")
	k, ok := find(what)
	if !ok {
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return Grant{}, &GrantError{s, "one of " + strings.Join(names, ", ")}
	}
	if !k.accepts(object) {
		return Grant{}, &GrantError{s, k.usage()}
	}
	return Grant{s, what, object}, nil
}

// accepts reports whether a grant of this kind can be for an object. It cannot be
// for all resources at once.
func (k kind) accepts(object string) bool {
	a, isARN := parseARN(object)
	switch {
	case k.want == "":
		return object == ""
	case strings.Trim(object, "*/:") == "":
		return false
	case k.service == "s3":
		bucket, prefix, _ := strings.Cut(object, "/")
		return bucketName.MatchString(bucket) && !strings.HasPrefix(prefix, "/")
	case k.name == "metrics":
		return aNamespace.MatchString(object)
	case k.name == "assume":
		return a.service == "iam" && roleName.MatchString(a.resource)
	case k.service == "kms":
		_, _, ok := parseKeyARN(object)
		return ok || keyID.MatchString(object) || keyAlias.MatchString(object)
	case isARN:
		name, ok := strings.CutPrefix(a.resource, k.prefix)
		return a.service == k.service && ok && strings.Trim(name, "*/:") != ""
	}
	return !strings.HasPrefix(object, "arn:") && aName.MatchString(object)
}

// sid returns the Sid of the statement of a kind: sqs-send becomes SqsSend.
func (k kind) sid() (sid string) {
	for word := range strings.SplitSeq(k.name, "-") {
		sid += strings.ToUpper(word[:1]) + word[1:]
	}
	return sid
}

// grant lets the task role do what a grant says.
func (b *builder) grant(g Grant) {
	k, _ := find(g.what) // as ParseGrant did
	switch {
	case k.service == "s3":
		b.grantObjects(k, g.object)
	case k.service == "kms":
		key, ok := b.key(g.object)
		if !ok {
			b.AddError(&GrantError{g.text, wantKey})
			return
		}
		b.task.addStatement(k.sid(), k.actions, []cfn.Expression{key.arn}, key.conditions()...)
	case k.name == "metrics":
		namespace := condition{"StringEquals", "cloudwatch:namespace", []cfn.Expression{cfn.Literal(g.object)}}
		b.task.addStatement(k.sid(), k.actions, []cfn.Expression{cfn.Literal("*")}, namespace)
		b.note("cloudwatch:PutMetricData does not support resources; it is allowed on *, in the namespace %s only", g.object)
	case k.want == "":
		b.task.allow(k.sid(), k.actions, cfn.Literal("*"))
		b.note("the actions of --task-allow %s do not support resources, so they are allowed on *", k.name)
	default:
		for _, arn := range b.grantARNs(k, g.object) {
			b.task.allow(k.sid(), k.actions, arn)
		}
	}
}

// grantARNs returns the resources of a grant for a name or an ARN.
func (b *builder) grantARNs(k kind, object string) []cfn.Expression {
	arn := cfn.Literal(object)
	if !strings.HasPrefix(object, "arn:") {
		arn = b.arn(k.service, k.prefix, strings.TrimPrefix(object, "/"))
	}
	if k.name == "secret" && !strings.HasSuffix(object, "*") {
		return secretARNs(arn)
	}
	arns := []cfn.Expression{arn}
	for _, below := range k.below {
		arns = append(arns, cfn.Concat(arn, below))
	}
	return arns
}

// grantObjects allows actions on the objects of a bucket: BUCKET for all,
// BUCKET/PREFIX for the object of this key and those below it as in a directory,
// BUCKET/PREFIX* for those whose keys begin with PREFIX.
func (b *builder) grantObjects(k kind, object string) {
	bucket, prefix, _ := strings.Cut(object, "/")
	arn := cfn.Concat("arn:", b.partition, ":s3:::", bucket)
	keys := []string{prefix}
	switch {
	case prefix == "":
		keys = []string{"*"}
	case strings.HasSuffix(prefix, "/"):
		keys = []string{prefix + "*"}
	case !strings.HasSuffix(prefix, "*"):
		keys = append(keys, prefix+"/*")
	}
	var prefixes []cfn.Expression
	for _, key := range keys {
		b.task.allow(k.sid(), k.actions, cfn.Concat(arn, "/", key))
		prefixes = append(prefixes, cfn.Literal(key))
	}
	if k.name != "s3-read" {
		return
	}
	// Without the right to list, a missing object reads as a forbidden one.
	var conditions []condition
	if prefix != "" {
		conditions = append(conditions, condition{"StringLike", "s3:prefix", prefixes})
	}
	b.task.addStatement("S3List", []string{"s3:ListBucket"}, []cfn.Expression{arn}, conditions...)
}
