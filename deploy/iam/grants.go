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

func (g Grant) String() string { return g.text }

// grantKind is a kind of grant: what it allows, and on what.
type grantKind struct {
	name    string
	service string // of its ARN, "" for all resources or as the name says
	prefix  string // of the resource in the ARN, before its name
	want    string // what has to be named, "" for nothing
	about   string // for people
	actions []string
	below   []string // suffixes of more resources, such as "/index/*"
}

// grantKinds are those that there are. Where a name is enough, the resource is
// one of this account and Region.
//
// Source: Service Authorization Reference.
var grantKinds = []grantKind{
	{"kms", "kms", "key/", "ID|alias/NAME|ARN", "decrypt with a key", []string{"kms:Decrypt"}, nil},
	{"kms-encrypt", "kms", "key/", "ID|alias/NAME|ARN", "encrypt with a key", []string{"kms:Encrypt", "kms:GenerateDataKey"}, nil},
	{"s3-read", "s3", "", "BUCKET[/PREFIX]", "read and list objects", []string{"s3:GetObject"}, nil},
	{"s3-write", "s3", "", "BUCKET[/PREFIX]", "write objects", []string{"s3:AbortMultipartUpload", "s3:PutObject"}, nil},
	{"s3-delete", "s3", "", "BUCKET[/PREFIX]", "delete objects", []string{"s3:DeleteObject"}, nil},
	{"sqs-send", "sqs", "", "NAME|ARN", "send to a queue", []string{"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"}, nil},
	{"sqs-consume", "sqs", "", "NAME|ARN", "receive from a queue and delete", []string{"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"}, nil},
	{"sns", "sns", "", "NAME|ARN", "publish to a topic", []string{"sns:Publish"}, nil},
	{"dynamodb", "dynamodb", "table/", "NAME|ARN", "read and write items of a table", []string{"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
		"dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"}, []string{"/index/*"}},
	{"dynamodb-read", "dynamodb", "table/", "NAME|ARN", "read items of a table", []string{"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"}, []string{"/index/*"}},
	{"secret", "secretsmanager", "secret:", "NAME|ARN", "read a secret at run time", []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, nil},
	{"parameter", "ssm", "parameter/", "NAME|PATH/*|ARN", "read parameters at run time", []string{"ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"}, nil},
	{"kinesis", "kinesis", "stream/", "NAME|ARN", "put records into a data stream", []string{"kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords"}, nil},
	{"firehose", "firehose", "deliverystream/", "NAME|ARN", "put records into a Firehose stream", []string{"firehose:PutRecord", "firehose:PutRecordBatch"}, nil},
	{"events", "events", "event-bus/", "NAME|ARN", "put events on an event bus", []string{"events:PutEvents"}, nil},
	{"lambda", "lambda", "function:", "NAME|ARN", "invoke a function", []string{"lambda:InvokeFunction"}, nil},
	{"states", "states", "stateMachine:", "NAME|ARN", "start a state machine", []string{"states:StartExecution"}, nil},
	{"rds-connect", "rds-db", "dbuser:", "RESOURCE-ID/USER|ARN", "log in to a database as a user", []string{"rds-db:connect"}, nil},
	{"assume", "iam", "", "ARN", "take on a role", []string{"sts:AssumeRole"}, nil},
	{"metrics", "", "", "NAMESPACE", "put metrics of a namespace", []string{"cloudwatch:PutMetricData"}, nil},
	{"xray", "", "", "", "write traces", []string{"xray:GetSamplingRules", "xray:GetSamplingStatisticSummaries", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}, nil},
	{"exec", "", "", "", "let ECS Exec in", []string{"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"}, nil},
}

// GrantKinds tells each kind of grant as it is written, and what it is for.
func GrantKinds() (all [][2]string) {
	for _, k := range grantKinds {
		all = append(all, [2]string{k.usage(), k.about})
	}
	return all
}

func (k grantKind) usage() string {
	if k.want == "" {
		return k.name
	}
	return k.name + ":" + k.want
}

// GrantError is a grant that cannot be meant.
type GrantError struct{ Grant, Want string }

func (e *GrantError) Error() string { return fmt.Sprintf("%q: want %s", e.Grant, e.Want) }

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	anARN      = regexp.MustCompile(`^arn:aws[a-z-]*:([a-z0-9-]+):([a-z0-9-]*):(\d{12}|):(.+)$`)
	aName      = regexp.MustCompile(`^[\w.:/+=@*-]+$`)
	aNamespace = regexp.MustCompile(`^[\w.:/ #-]{1,255}$`)
	roleARN    = regexp.MustCompile(`^role/[\w+=,.@/-]+$`)
)

// ParseGrant reads a grant, such as "exec", "sqs-send:orders",
// "kms:arn:aws:kms:…" or "s3-read:bucket/prefix". A name stands for a resource of
// this account and Region.
//
// Errors: *GrantError.
func ParseGrant(s string) (Grant, error) {
	what, object, _ := strings.Cut(s, ":")
	i := slices.IndexFunc(grantKinds, func(k grantKind) bool { return k.name == what })
	if i < 0 {
		var names []string
		for _, k := range grantKinds {
			names = append(names, k.name)
		}
		return Grant{}, &GrantError{s, "one of " + strings.Join(names, ", ")}
	}
	k := grantKinds[i]
	if !k.takes(object) {
		return Grant{}, &GrantError{s, k.usage()}
	}
	return Grant{s, what, object}, nil
}

// takes reports whether an object is what a grant of this kind names. All
// resources at once it does not take: that is not what a grant is for.
func (k grantKind) takes(object string) bool {
	arn := anARN.FindStringSubmatch(object)
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
		return arn != nil && arn[1] == "iam" && roleARN.MatchString(arn[4])
	case k.service == "kms" && arn == nil:
		return keyID.MatchString(object) || keyAlias.MatchString(object)
	case k.service == "kms":
		return keyARN.MatchString(object)
	case arn != nil:
		name, ok := strings.CutPrefix(arn[4], k.prefix)
		return arn[1] == k.service && ok && strings.Trim(name, "*/:") != ""
	}
	return !strings.HasPrefix(object, "arn:") && aName.MatchString(object)
}

// grant lets the task role do what a grant says.
func (b *roleBuilder) grant(g Grant) {
	k := grantKinds[slices.IndexFunc(grantKinds, func(k grantKind) bool { return k.name == g.what })]
	sid := ""
	for word := range strings.SplitSeq(k.name, "-") {
		sid += strings.ToUpper(word[:1]) + word[1:]
	}
	switch {
	case k.service == "s3":
		b.objects(sid, k, g.object)
	case k.service == "kms":
		arn, _, alias, err := b.key(g.object)
		if err != nil {
			b.AddError(&GrantError{g.text, err.Error()})
			return
		}
		var conditions []condition
		if alias != "" {
			conditions = append(conditions, condition{"ForAnyValue:StringEquals", "kms:ResourceAliases", []cfn.Expression{cfn.Literal(alias)}})
		}
		b.task.alone(sid, k.actions, []cfn.Expression{arn}, conditions...)
	case k.name == "metrics":
		b.task.alone(sid, k.actions, []cfn.Expression{cfn.Literal("*")}, condition{"StringEquals", "cloudwatch:namespace", []cfn.Expression{cfn.Literal(g.object)}})
		b.remark("cloudwatch:PutMetricData knows no resources; it is allowed on * for the namespace %s alone", g.object)
	case k.want == "":
		b.task.allow(sid, k.actions, cfn.Literal("*"))
		b.remark("the actions of --task-allow %s know no resources, so they are allowed on *", k.name)
	default:
		arn := cfn.Literal(g.object)
		if !strings.HasPrefix(g.object, "arn:") {
			arn = b.arn(k.service, k.prefix, strings.TrimPrefix(g.object, "/"))
		}
		arns := []cfn.Expression{arn}
		if k.name == "secret" && !strings.HasSuffix(g.object, "*") {
			arns = secretARNs(arn)
		}
		for _, below := range k.below {
			arns = append(arns, cfn.Concat(arn, below))
		}
		for _, arn := range arns {
			b.task.allow(sid, k.actions, arn)
		}
	}
}

// objects allows actions on the objects of a bucket: all, those at a prefix and
// below it as in a directory, or those whose keys begin with what stands before a
// star.
func (b *roleBuilder) objects(sid string, k grantKind, object string) {
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
		b.task.allow(sid, k.actions, cfn.Concat(arn, "/", key))
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
	b.task.alone("S3List", []string{"s3:ListBucket"}, []cfn.Expression{arn}, conditions...)
}
