package fargatecmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/moto"
)

// secretShop needs something of each kind.
const secretShop = `{
  "family": "shop",
  "requiresCompatibilities": ["FARGATE"],
  "networkMode": "awsvpc",
  "cpu": "512",
  "memory": "1024",
  "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
  "volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-0123456789abcdef0", "transitEncryption": "ENABLED",
    "authorizationConfig": {"accessPointId": "fsap-0123456789abcdef0", "iam": "ENABLED"}}}],
  "containerDefinitions": [
    {
      "name": "web",
      "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:1.2",
      "essential": true,
      "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
      "secrets": [
        {"name": "PASSWORD", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbC123:password::"},
        {"name": "COLOR", "valueFrom": "/shop/color"}
      ],
      "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::shop-config/web.env"}],
      "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1",
        "awslogs-stream-prefix": "ecs", "awslogs-create-group": "true"}}
    },
    {
      "name": "proxy",
      "image": "registry.example.com/proxy:2",
      "repositoryCredentials": {"credentialsParameter": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-Qq11Ww"},
      "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/proxy", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}}
    }
  ]
}
`

// secretTemplate names what it needs by functions of CloudFormation. The
// fragment with its roles goes in place of the last line.
const secretTemplate = `Parameters:
  Tag: {Type: String}
  Token: {Type: String}
Resources:
  Repository: {Type: AWS::ECR::Repository, Properties: {RepositoryName: shop}}
  Logs: {Type: AWS::Logs::LogGroup, UpdateReplacePolicy: Retain, DeletionPolicy: Retain}
  Password: {Type: AWS::SecretsManager::Secret}
  Color: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: red, Name: /shop/color}}
  Files: {Type: AWS::EFS::FileSystem, UpdateReplacePolicy: Retain, DeletionPolicy: Retain}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: shop
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      RuntimePlatform: {CpuArchitecture: X86_64, OperatingSystemFamily: LINUX}
      ExecutionRoleArn: !GetAtt ExecutionRole.Arn
      TaskRoleArn: !GetAtt TaskRole.Arn
      Volumes:
        - Name: files
          EFSVolumeConfiguration: {FilesystemId: !Ref Files, TransitEncryption: ENABLED, AuthorizationConfig: {IAM: ENABLED}}
      ContainerDefinitions:
        - Name: web
          Essential: true
          Image: !Sub "${Repository.RepositoryUri}:${Tag}"
          Secrets:
            - {Name: PASSWORD, ValueFrom: !Sub "${Password}:password::"}
            - {Name: COLOR, ValueFrom: !Ref Color}
            - {Name: TOKEN, ValueFrom: !Ref Token}
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: !Ref Logs, awslogs-region: !Ref AWS::Region, awslogs-stream-prefix: web}
`

// The roles of every shape of input are templates that cfn-lint accepts; of a
// template they are once they are put into it.
func TestRolesPassCfnLint(t *testing.T) {
	bin := moto.Tool(t, "cfn-lint", "pip install cfn-lint==1.51.0")
	dir := t.TempDir()
	var templates []string
	write := func(name, doc string, args ...string) string {
		t.Helper()
		out := filepath.Join(dir, strings.ReplaceAll(name, ".json", ".template"))
		args = append([]string{"fargate", "iam", file(t, name, doc), "-o", out, "--region", "eu-west-1"}, args...)
		if status, _, errs := command(t, nil, args...); status != cli.ExitOK {
			t.Fatalf("%s: status %d\n%s", name, status, errs)
		}
		templates = append(templates, out)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write("ec2.json", ec2Shop)
	write("plain.json", tomorrowless(t), "--task-allow", "exec")
	write("list.json", containerList, "--family", "web", "--task-allow", "s3-read:pictures/small")
	args := []string{"--kms-key", "alias/shop", "--kms-key", "01234567-89ab-cdef-0123-456789abcdef"}
	for _, grant := range []string{
		"sqs-send:orders", "sqs-consume:orders", "dynamodb:carts", "s3-read:pictures", "s3-write:pictures/new/", "kms:alias/shop", "secret:late",
		"parameter:/live/*", "sns:news", "exec", "xray", "metrics:Shop", "kinesis:s", "firehose:s", "events:default", "lambda:f", "states:m",
		"rds-connect:db-ABC/shop", "assume:arn:aws:iam::210987654321:role/other",
	} {
		args = append(args, "--task-allow", grant)
	}
	write("secrets.json", secretShop, args...)
	fragment := write("template.yaml", secretTemplate)
	_, resources, ok := strings.Cut(fragment, "Resources:\n")
	if !ok {
		t.Fatal(fragment)
	}
	if err := os.WriteFile(filepath.Join(dir, "template.yaml"), []byte(secretTemplate+resources), 0o600); err != nil {
		t.Fatal(err)
	}
	lint := exec.Command(bin, append([]string{"-r", "eu-west-1", "--"}, templates...)...)
	if report, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, report)
	}
}

// A definition that ECS describes names its account and Region.
func TestIAMOfWhatECSDescribes(t *testing.T) {
	clitest.StartMoto(t)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ecs.NewFromConfig(cfg).RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("shop"),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{
			Name: aws.String("web"), Image: aws.String("nginx"), Memory: aws.Int32(128),
			Secrets: []ecstypes.Secret{{Name: aws.String("S"), ValueFrom: aws.String("color")}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	status, out, errs := command(t, nil, "fargate", "iam", "--from-ecs", "shop", "--format", "json")
	var doc struct {
		ExecutionRole struct {
			Policy struct {
				Statement []struct{ Sid, Resource string }
			}
		}
		Notes []string
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || status != cli.ExitOK {
		t.Fatalf("status %d: %v\n%s%s", status, err, out, errs)
	}
	resources := map[string]string{}
	for _, s := range doc.ExecutionRole.Policy.Statement {
		resources[s.Sid] = s.Resource
	}
	want := map[string]string{
		"ReadParameters": "arn:aws:ssm:eu-west-1:123456789012:parameter/color",
		"WriteLogs":      "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/shop:log-stream:*",
	}
	if diff := cmp.Diff(want, resources); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	for _, n := range doc.Notes {
		if !strings.Contains(errs, n) {
			t.Errorf("not on standard error: %s", n)
		}
	}
}
