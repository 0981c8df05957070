package iam_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/iam"
	"sumoship/deploy/taskdef"
)

// allKinds is a definition with every kind of thing that a role is needed for.
const allKinds = `{
  "family": "shop",
  "requiresCompatibilities": ["FARGATE"],
  "networkMode": "awsvpc",
  "cpu": "512",
  "memory": "1024",
  "volumes": [
    {"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-0123456789abcdef0", "transitEncryption": "ENABLED",
      "authorizationConfig": {"accessPointId": "fsap-0123456789abcdef0", "iam": "ENABLED"}}},
    {"name": "assets", "efsVolumeConfiguration": {"fileSystemId": "fs-0fedcba9876543210", "transitEncryption": "ENABLED", "authorizationConfig": {"iam": "ENABLED"}}},
    {"name": "open", "efsVolumeConfiguration": {"fileSystemId": "fs-00000000000000000"}},
    {"name": "files", "s3filesVolumeConfiguration": {"fileSystemArn": "arn:aws:s3files:eu-west-1:123456789012:file-system/fs-1"}}
  ],
  "containerDefinitions": [
    {
      "name": "web",
      "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:1.2@sha256:0123",
      "essential": true,
      "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}, {"sourceVolume": "assets", "containerPath": "/assets", "readOnly": true}, {"sourceVolume": "files", "containerPath": "/files"}],
      "secrets": [
        {"name": "COMPLETE", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbC123"},
        {"name": "KEY", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbC123:password::"},
        {"name": "VERSION", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/api-Xy12Zz::AWSPREVIOUS:"},
        {"name": "PARTIAL", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/mail"},
        {"name": "WORD", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-master"},
        {"name": "PARAMETER_ARN", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/shop/mode"},
        {"name": "PARAMETER", "valueFrom": "shop-color"},
        {"name": "PATH", "valueFrom": "/shop/size:3"},
        {"name": "PUBLIC", "valueFrom": "/aws/service/region"},
        {"name": "REFERRED", "valueFrom": "/aws/reference/secretsmanager/shop/key"}
      ],
      "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::shop-config/web/app.env"}],
      "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs", "awslogs-create-group": "true"}}
    },
    {
      "name": "proxy",
      "image": "registry.example.com/proxy:2",
      "repositoryCredentials": {"credentialsParameter": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-Qq11Ww"},
      "logConfiguration": {"logDriver": "splunk", "options": {"splunk-url": "https://splunk.example.com"}, "secretOptions": [{"name": "splunk-token", "valueFrom": "splunk-token"}]}
    },
    {
      "name": "worker",
      "image": "210987654321.dkr-ecr.eu-west-1.on.aws/worker",
      "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "cloudwatch_logs", "region": "eu-central-1", "log_group_name": "/shop/worker", "auto_create_group": "true", "log_stream_prefix": "x"}}
    },
    {
      "name": "log_router",
      "image": "public.ecr.aws/aws-observability/aws-for-fluent-bit:init-latest",
      "environment": [{"name": "aws_fluent_bit_init_s3_1", "value": "arn:aws:s3:::shop-config/router.conf"}],
      "firelensConfiguration": {"type": "fluentbit"},
      "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/router", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}}
    },
    {
      "name": "hub",
      "image": "nginx:1",
      "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "kinesis_firehose", "delivery_stream": "shop"}}
    }
  ]
}`

func roles(t *testing.T, name, doc string, o iam.Options) *iam.Roles {
	t.Helper()
	d, err := taskdef.Read(name, []byte(doc), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := iam.New(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func grants(t *testing.T, all ...string) (gs []iam.Grant) {
	t.Helper()
	for _, s := range all {
		g, err := iam.ParseGrant(s)
		if err != nil {
			t.Fatal(err)
		}
		gs = append(gs, g)
	}
	return gs
}

// words is a string or a list of them.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

type policyDocument struct {
	Version   string
	Statement []struct {
		Sid, Effect      string
		Principal        map[string]string
		Action, Resource words
		Condition        map[string]map[string]words
	}
}

// may reports whether a policy allows an action on a resource, by the matching of
// IAM; conditions it leaves to the caller.
func (p *policyDocument) may(action, resource string) bool {
	if p == nil {
		return false
	}
	for _, s := range p.Statement {
		if s.Effect == "Allow" && slices.Contains(s.Action, action) && slices.ContainsFunc(s.Resource, func(pattern string) bool { return like(pattern, resource) }) {
			return true
		}
	}
	return false
}

func like(pattern, s string) bool {
	return regexp.MustCompile("^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + "$").MatchString(s)
}

type rolesDocument struct {
	ExecutionRole, TaskRole struct {
		Trust  policyDocument
		Policy *policyDocument
	}
	Notes []string
}

func decoded(t *testing.T, r *iam.Roles) (doc rolesDocument) {
	t.Helper()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return doc
}

// access is an action on a resource.
type access struct{ action, resource string }

// Each action that ECS and the containers do for a definition is allowed to the
// role that does it, and next to it nothing is.
func TestRolesAllowWhatADefinitionNeeds(t *testing.T) {
	const at = "arn:aws:%s:eu-west-1:123456789012:%s"
	secret := func(name string) string { return fmt.Sprintf(at, "secretsmanager", "secret:"+name) }
	r := roles(t, "all.json", allKinds, iam.Options{Account: "123456789012", Region: "eu-west-1",
		Keys:  []string{"arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef", "alias/shop"},
		Allow: grants(t, "sqs-send:orders", "s3-read:pictures/small", "s3-write:uploads", "exec", "kms:alias/shop", "dynamodb:carts", "secret:late", "parameter:/shop/live/*", "metrics:Shop")})
	doc := decoded(t, r)
	tables := []struct {
		role        string
		policy      *policyDocument
		yes, no     []access
		wantActions []string
	}{
		{role: "execution", policy: doc.ExecutionRole.Policy, yes: []access{
			{"ecr:GetAuthorizationToken", "*"},
			{"ecr:BatchCheckLayerAvailability", fmt.Sprintf(at, "ecr", "repository/shop/web")},
			{"ecr:GetDownloadUrlForLayer", fmt.Sprintf(at, "ecr", "repository/shop/web")},
			{"ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:210987654321:repository/worker"},
			{"logs:CreateLogStream", fmt.Sprintf(at, "logs", "log-group:/ecs/shop:log-stream:ecs/web/0123")},
			{"logs:PutLogEvents", fmt.Sprintf(at, "logs", "log-group:/ecs/shop:log-stream:ecs/web/0123")},
			{"logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/router:log-stream:ecs/log_router/0123"},
			{"logs:CreateLogGroup", fmt.Sprintf(at, "logs", "log-group:/ecs/shop")},
			{"logs:CreateLogGroup", fmt.Sprintf(at, "logs", "log-group:/ecs/shop:log-stream:")},
			{"secretsmanager:GetSecretValue", secret("shop/db-AbC123")},
			{"secretsmanager:GetSecretValue", secret("shop/api-Xy12Zz")},
			{"secretsmanager:GetSecretValue", secret("shop/mail-aB1cD2")},
			{"secretsmanager:GetSecretValue", secret("db-master")},
			{"secretsmanager:GetSecretValue", secret("db-master-aB1cD2")},
			{"secretsmanager:GetSecretValue", secret("registry-Qq11Ww")},
			{"secretsmanager:GetSecretValue", secret("shop/key-aB1cD2")},
			{"ssm:GetParameters", "arn:aws:ssm:us-east-1:123456789012:parameter/shop/mode"},
			{"ssm:GetParameters", fmt.Sprintf(at, "ssm", "parameter/shop-color")},
			{"ssm:GetParameters", fmt.Sprintf(at, "ssm", "parameter/shop/size")},
			{"ssm:GetParameters", fmt.Sprintf(at, "ssm", "parameter/splunk-token")},
			{"ssm:GetParameters", "arn:aws:ssm:eu-west-1::parameter/aws/service/region"},
			{"ssm:GetParameters", fmt.Sprintf(at, "ssm", "parameter/aws/reference/secretsmanager/shop/key")},
			{"s3:GetObject", "arn:aws:s3:::shop-config/web/app.env"},
			{"s3:GetBucketLocation", "arn:aws:s3:::shop-config"},
			{"kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"},
		}, no: []access{
			{"ecr:BatchGetImage", fmt.Sprintf(at, "ecr", "repository/shop/web2")},
			{"ecr:BatchGetImage", fmt.Sprintf(at, "ecr", "repository/worker")},
			{"ecr:PutImage", fmt.Sprintf(at, "ecr", "repository/shop/web")},
			{"logs:CreateLogGroup", "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/router"},
			{"logs:PutLogEvents", fmt.Sprintf(at, "logs", "log-group:/ecs/shopping:log-stream:x")},
			{"logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/worker:log-stream:x"}, // that is the router's
			{"secretsmanager:GetSecretValue", secret("shop/db-AbC123-aB1cD2")},
			{"secretsmanager:GetSecretValue", secret("shop/mail2-aB1cD2")},
			{"ssm:GetParameters", fmt.Sprintf(at, "ssm", "parameter/shop/mode")},
			{"s3:GetObject", "arn:aws:s3:::shop-config/web/other.env"},
			{"s3:GetObject", "arn:aws:s3:::shop-config/router.conf"},
			{"sqs:SendMessage", fmt.Sprintf(at, "sqs", "orders")},
			{"elasticfilesystem:ClientMount", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-0123456789abcdef0")},
		}, wantActions: []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer", "kms:Decrypt",
			"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetBucketLocation", "s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameters"}},
		{role: "task", policy: doc.TaskRole.Policy, yes: []access{
			{"elasticfilesystem:ClientMount", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-0123456789abcdef0")},
			{"elasticfilesystem:ClientWrite", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-0123456789abcdef0")},
			{"elasticfilesystem:ClientMount", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-0fedcba9876543210")},
			{"s3files:ClientMount", "arn:aws:s3files:eu-west-1:123456789012:file-system/fs-1"},
			{"s3files:ClientWrite", "arn:aws:s3files:eu-west-1:123456789012:file-system/fs-1"},
			{"s3:GetObject", "arn:aws:s3:::shop-config/router.conf"},
			{"s3:GetBucketLocation", "arn:aws:s3:::shop-config"},
			{"logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/worker:log-stream:x"},
			{"logs:DescribeLogStreams", "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/worker"},
			{"logs:CreateLogGroup", "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/worker"},
			{"firehose:PutRecordBatch", fmt.Sprintf(at, "firehose", "deliverystream/shop")},
			{"sqs:SendMessage", fmt.Sprintf(at, "sqs", "orders")},
			{"s3:GetObject", "arn:aws:s3:::pictures/small/a.jpg"},
			{"s3:ListBucket", "arn:aws:s3:::pictures"},
			{"s3:PutObject", "arn:aws:s3:::uploads/x/y"},
			{"ssmmessages:OpenDataChannel", "*"},
			{"kms:Decrypt", fmt.Sprintf(at, "kms", "key/any")},
			{"dynamodb:Query", fmt.Sprintf(at, "dynamodb", "table/carts/index/by-user")},
			{"dynamodb:PutItem", fmt.Sprintf(at, "dynamodb", "table/carts")},
			{"secretsmanager:GetSecretValue", secret("late-aB1cD2")},
			{"ssm:GetParametersByPath", fmt.Sprintf(at, "ssm", "parameter/shop/live/x")},
			{"cloudwatch:PutMetricData", "*"},
		}, no: []access{
			{"elasticfilesystem:ClientWrite", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-0fedcba9876543210")}, // mounted to read
			{"elasticfilesystem:ClientRootAccess", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-0123456789abcdef0")},
			{"elasticfilesystem:ClientMount", fmt.Sprintf(at, "elasticfilesystem", "file-system/fs-00000000000000000")},
			{"s3:GetObject", "arn:aws:s3:::pictures/smallest/a.jpg"},
			{"s3:GetObject", "arn:aws:s3:::uploads/x"},
			{"s3:DeleteObject", "arn:aws:s3:::uploads/x"},
			{"sqs:ReceiveMessage", fmt.Sprintf(at, "sqs", "orders")},
			{"ecr:BatchGetImage", fmt.Sprintf(at, "ecr", "repository/shop/web")},
			{"secretsmanager:GetSecretValue", secret("shop/db-AbC123")},
		}},
	}
	for _, c := range tables {
		for _, a := range c.yes {
			if !c.policy.may(a.action, a.resource) {
				t.Errorf("the %s role must be allowed %s on %s", c.role, a.action, a.resource)
			}
		}
		for _, a := range c.no {
			if c.policy.may(a.action, a.resource) {
				t.Errorf("the %s role must not be allowed %s on %s", c.role, a.action, a.resource)
			}
		}
		var actions []string
		for _, s := range c.policy.Statement {
			actions = append(actions, s.Action...)
			for _, action := range s.Action {
				if slices.Contains(s.Resource, "*") && !slices.Contains([]string{"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}, action) && !strings.HasPrefix(action, "ssmmessages:") {
					t.Errorf("the %s role is allowed %s on *", c.role, action)
				}
			}
		}
		slices.Sort(actions)
		if actions = slices.Compact(actions); c.wantActions != nil {
			if diff := cmp.Diff(c.wantActions, actions); diff != "" {
				t.Errorf("%s role (-want +got):\n%s", c.role, diff)
			}
		}
	}

	// Whom the roles trust, and under which conditions keys and mounts are.
	want := map[string]map[string]words{
		"ArnLike":      {"aws:SourceArn": {"arn:aws:ecs:eu-west-1:123456789012:*"}},
		"StringEquals": {"aws:SourceAccount": {"123456789012"}},
	}
	for _, trust := range []policyDocument{doc.ExecutionRole.Trust, doc.TaskRole.Trust} {
		s := trust.Statement[0]
		if s.Principal["Service"] != "ecs-tasks.amazonaws.com" || !cmp.Equal(s.Action, words{"sts:AssumeRole"}) || !cmp.Equal(s.Condition, want) {
			t.Errorf("%+v", trust)
		}
	}
	conditions := map[string]map[string]map[string]words{}
	for _, s := range append(doc.ExecutionRole.Policy.Statement, doc.TaskRole.Policy.Statement...) {
		if s.Condition != nil {
			conditions[s.Sid] = s.Condition
		}
	}
	via := func(region string) map[string]words {
		return map[string]words{"kms:ViaService": {"s3." + region + ".*", "secretsmanager." + region + ".*", "ssm." + region + ".*"}}
	}
	if diff := cmp.Diff(map[string]map[string]map[string]words{
		"Decrypt":  {"StringLike": via("us-east-1")},
		"Decrypt2": {"StringLike": via("eu-west-1"), "ForAnyValue:StringEquals": {"kms:ResourceAliases": {"alias/shop"}}},
		"MountEFS": {"StringEquals": {"elasticfilesystem:AccessPointArn": {"arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/fsap-0123456789abcdef0"}}},
		"S3List":   {"StringLike": {"s3:prefix": {"small", "small/*"}}},
		"Kms":      {"ForAnyValue:StringEquals": {"kms:ResourceAliases": {"alias/shop"}}},
		"Metrics":  {"StringEquals": {"cloudwatch:namespace": {"Shop"}}},
	}, conditions); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	for _, want := range []string{"GetAuthorizationToken is allowed on *", "create-service-linked-role --aws-service-name ecs.amazonaws.com", "Volume open: EFS does not check the task role"} {
		if !slices.ContainsFunc(doc.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note says %q: %q", want, doc.Notes)
		}
	}
}

// The partition is that of the Region.
func TestRolesInOtherPartitions(t *testing.T) {
	for region, partition := range map[string]string{"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eusc-de-east-1": "aws-eusc", "eu-west-1": "aws"} {
		doc := `{"family": "a", "containerDefinitions": [{"name": "a", "image": "123456789012.dkr.ecr.` + region + `.amazonaws.com.cn/a", "secrets": [{"name": "S", "valueFrom": "s"}]}]}`
		got := decoded(t, roles(t, "a.json", doc, iam.Options{Account: "123456789012", Region: region}))
		if !got.ExecutionRole.Policy.may("ecr:BatchGetImage", "arn:"+partition+":ecr:"+region+":123456789012:repository/a") ||
			!got.ExecutionRole.Policy.may("ssm:GetParameters", "arn:"+partition+":ssm:"+region+":123456789012:parameter/s") {
			t.Errorf("%s: %+v", region, got.ExecutionRole.Policy)
		}
	}
}

// A task that needs nothing gets nothing, and not a policy without statements,
// which IAM refuses.
func TestRolesWithoutRights(t *testing.T) {
	doc := `{"family": "a", "containerDefinitions": [{"name": "a", "image": "public.ecr.aws/nginx/nginx:1", "logConfiguration": {"logDriver": "splunk"}}]}`
	got := decoded(t, roles(t, "a.json", doc, iam.Options{Account: "123456789012", Region: "eu-west-1"}))
	if got.ExecutionRole.Policy != nil || got.TaskRole.Policy != nil || len(got.TaskRole.Trust.Statement) != 1 {
		t.Errorf("%+v", got)
	}
	template := string(roles(t, "a.json", doc, iam.Options{}).CloudFormation())
	if strings.Contains(template, "Policies") || strings.Contains(template, "TaskPolicy") {
		t.Error(template)
	}
}

// opaqueKinds is a template in which nearly all is known only when it is deployed.
const opaqueKinds = `Parameters:
  Image: {Type: String}
  Token: {Type: String}
Conditions:
  Debug: !Equals [!Ref AWS::Region, eu-west-1]
Resources:
  Repository: {Type: AWS::ECR::Repository}
  Logs: {Type: AWS::Logs::LogGroup}
  Password: {Type: AWS::SecretsManager::Secret}
  Color: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: red, Name: /shop/color}}
  Size: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: small}}
  Bucket: {Type: AWS::S3::Bucket}
  Files: {Type: AWS::EFS::FileSystem}
  TaskRole: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: sts:AssumeRole}]}}}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: shop
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ExecutionRoleArn: !GetAtt TaskRole.Arn
      TaskRoleArn: !GetAtt TaskRole.Arn
      Volumes:
        - Name: files
          EFSVolumeConfiguration: {FilesystemId: !Ref Files, TransitEncryption: ENABLED, AuthorizationConfig: {IAM: ENABLED}}
      ContainerDefinitions:
        - Name: web
          Essential: true
          Image: !Sub ${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/shop/${Image}:latest
          EnvironmentFiles:
            - {Type: s3, Value: !Sub "${Bucket.Arn}/app.env"}
          Secrets:
            - {Name: PASSWORD, ValueFrom: !Ref Password}
            - {Name: USER, ValueFrom: !Sub "${Password}:user::"}
            - {Name: COLOR, ValueFrom: !Ref Color}
            - {Name: SIZE, ValueFrom: !Ref Size}
            - {Name: TOKEN, ValueFrom: !Ref Token}
            - {Name: STAGE, ValueFrom: !Sub "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:shop/${AWS::StackName}"}
            - {Name: MODE, ValueFrom: !Sub "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/shop/mode"}
            - !If [Debug, {Name: DEBUG, ValueFrom: shop-debug}, !Ref AWS::NoValue]
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: !Ref Logs, awslogs-region: !Ref AWS::Region, awslogs-stream-prefix: web}
        - Name: side
          Image: !Sub "${Repository.RepositoryUri}:1"
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: !Join [/, [/ecs, !Ref AWS::StackName]], awslogs-region: !Ref AWS::Region, awslogs-stream-prefix: web}
        - Name: either
          Image: !If [Debug, debugger, !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/either:1"]
          Secrets: !If [Debug, [{Name: X, ValueFrom: either-x}], !Ref AWS::NoValue]
          LogConfiguration: !If [Debug, {LogDriver: awslogs, Options: {awslogs-group: /ecs/debug, awslogs-region: !Ref AWS::Region, awslogs-stream-prefix: web}}, {LogDriver: splunk, SecretOptions: [{Name: splunk-token, ValueFrom: either-token}]}]
`

// What a template names by functions the roles name by the same.
func TestRolesOfATemplate(t *testing.T) {
	r := roles(t, "shop.yaml", opaqueKinds, iam.Options{})
	got := string(r.CloudFormation())
	for _, want := range []string{
		"arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/shop/${Image}",
		"!GetAtt Repository.Arn",
		"!Ref Password",
		"arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${Color}",
		"arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${Size}",
		"!Ref Token",
		"arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/shop/mode",
		"arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/shop-debug",
		"${Bucket.Arn}/app.env", "!GetAtt Bucket.Arn",
		":log-group:${Logs}:log-stream:*", ":log-group:/ecs/${AWS::StackName}:log-stream:*",
		":file-system/${Files}",
		"FargateTaskRole:", "FargateExecutionRole:",
		":secret:shop/${AWS::StackName}\n", ":secret:shop/${AWS::StackName}-??????\n",
		":repository/either", ":parameter/either-x", ":parameter/either-token", ":log-group:/ecs/debug:log-stream:*",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "user::") || strings.Contains(got, "Outputs") {
		t.Error(got)
	}

	// In JSON each of them is an error that names its place.
	r = roles(t, "shop.yaml", opaqueKinds, iam.Options{Account: "123456789012", Region: "eu-west-1"})
	_, err := r.JSON()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatal(err)
	}
	var places []string
	for _, err := range joined.Unwrap() {
		e, ok := errors.AsType[*taskdef.InputError](err)
		if !ok || !strings.Contains(e.Error(), "known only when it is deployed") {
			t.Errorf("%v", err)
			continue
		}
		line := strings.Split(opaqueKinds, "\n")[e.Line-1]
		places = append(places, strings.TrimSpace(line[e.Column-1:]))
	}
	if len(places) < 8 {
		t.Errorf("%d places: %q", len(places), places)
	}
	for _, p := range places {
		if !strings.HasPrefix(p, "!") {
			t.Errorf("the place is %q", p)
		}
	}
}

// What cannot be read is told with its place.
func TestRolesRefuse(t *testing.T) {
	def := func(container string) string {
		return `{"family": "a", "containerDefinitions": [{"name": "a", ` + container + `}]}`
	}
	for name, c := range map[string]struct {
		doc  string
		o    iam.Options
		want string
	}{
		"placeholder in a secret":  {def(`"image": "a", "secrets": [{"name": "S", "valueFrom": "${SECRET}"}]`), iam.Options{}, `a.json:1:109: the value of /containerDefinitions/0/secrets/0/valueFrom holds a placeholder that nothing fills in; write the value instead`},
		"placeholder of ecspresso": {def(`"image": "{{ must_env ` + "`IMAGE`" + ` }}"`), iam.Options{}, `/containerDefinitions/0/image holds a placeholder`},
		"image of a parameter": {`{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": {"Ref": "Image"}}]}}}}`, iam.Options{},
			`the registry of the image at /Resources/T/Properties/ContainerDefinitions/0/Image is known only when it is deployed; name its Amazon ECR repository with --repository, or use --repository none`},
		"account":         {def(`"image": "a"`), iam.Options{Account: "12345"}, `option Account: "12345"`},
		"key":             {def(`"image": "a", "secrets": [{"name": "S", "valueFrom": "s"}]`), iam.Options{Keys: []string{"*"}}, `option Keys: "*"`},
		"key for nothing": {def(`"image": "a"`), iam.Options{Keys: []string{"alias/x"}}, `nothing in the definition is a secret`},
		"log driver of a parameter": {`{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": "a", "LogConfiguration": {"LogDriver": {"Ref": "Driver"}}}]}}}}`, iam.Options{},
			`/LogConfiguration/LogDriver is known only when it is deployed, and so is where the logs go`},
		"secrets of a parameter": {`{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": "a", "Secrets": {"Ref": "Secrets"}}]}}}}`, iam.Options{},
			`/Secrets is known only when it is deployed, and so is what it needs`},
		"repository": {def(`"image": "a"`), iam.Options{Repositories: []string{"A B"}}, `option Repositories: "A B"`},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := taskdef.Read("a.json", []byte(c.doc), taskdef.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = iam.New(d, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	// The repository of a parameter can be named, or said not to be one.
	const doc = `{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": {"Ref": "Image"}}]}}}}`
	for repository, want := range map[string]bool{"none": false, "shop": true, "arn:aws:ecr:eu-west-1:123456789012:repository/shop": true} {
		doc := decoded(t, roles(t, "a.json", doc, iam.Options{Account: "123456789012", Region: "eu-west-1", Repositories: []string{repository}}))
		if got := doc.ExecutionRole.Policy.may("ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:123456789012:repository/shop"); got != want {
			t.Errorf("%s: %v", repository, got)
		}
	}
}

func TestParseGrant(t *testing.T) {
	for _, good := range []string{"exec", "xray", "kms:arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef", "kms:alias/shop", "kms:mrk-0123456789abcdef0123456789abcdef",
		"s3-read:bucket", "s3-read:bucket/a/b*", "sqs-send:orders.fifo", "sqs-consume:arn:aws-cn:sqs:cn-north-1:123456789012:orders", "dynamodb:arn:aws:dynamodb:eu-west-1:123456789012:table/carts",
		"secret:shop/db", "parameter:/shop/*", "sns:news", "rds-connect:db-ABC/user", "assume:arn:aws:iam::123456789012:role/other", "metrics:Shop/Web", "lambda:resize", "events:default"} {
		if _, err := iam.ParseGrant(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "sqs", "sqs-send", "sqs-send:", "sqs-send:*", "exec:yes", "s3-read:*", "s3-read:Bucket", "s3-read:arn:aws:s3:::bucket", "kms:*", "kms:shop", "kms:arn:aws:kms:eu-west-1:123456789012:key/*",
		"dynamodb:arn:aws:dynamodb:eu-west-1:123456789012:table/*", "dynamodb:arn:aws:sqs:eu-west-1:123456789012:orders", "dynamodb:arn:aws:dynamodb:eu-west-1:123456789012:global/x", "assume:role", "assume:arn:aws:iam::123456789012:role/*",
		"assume:arn:aws:iam::123456789012:user/x", "sns:a b", "secret:arn:nonsense", "metrics:*", "everything:*"} {
		if _, err := iam.ParseGrant(bad); err == nil {
			t.Errorf("%q is taken", bad)
		} else if _, ok := errors.AsType[*iam.GrantError](err); !ok {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
