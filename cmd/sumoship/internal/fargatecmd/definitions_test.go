package fargatecmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// file writes a file into a directory of the test.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A definition for EC2 as describe-task-definition gives it: a bridge network,
// ports of the instance, a link, no log driver.
const ec2Shop = `{
    "taskDefinition": {
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7",
        "family": "shop",
        "revision": 7,
        "status": "ACTIVE",
        "networkMode": "bridge",
        "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
        "containerDefinitions": [
            {
                "name": "web",
                "image": "example.com/web:1",
                "cpu": 128,
                "memory": 256,
                "essential": true,
                "links": ["redis:cache"],
                "environment": [{"name": "CACHE_URL", "value": "redis://cache:6379"}],
                "portMappings": [{"containerPort": 8080, "hostPort": 80, "protocol": "tcp"}]
            },
            {
                "name": "redis",
                "image": "redis:7",
                "cpu": 128,
                "memory": 128,
                "essential": true
            }
        ],
        "placementConstraints": [],
        "compatibilities": ["EXTERNAL", "EC2"]
    },
    "tags": [{"key": "team", "value": "shop"}]
}
`

// A template in YAML, as people write them: comments, short tags, parameters.
const ec2Template = `# The shop.
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Image:
    Type: String
  ExecutionRole:
    Type: String
Resources:
  Web: # in front
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Sub "${AWS::StackName}-web"
      NetworkMode: bridge
      ExecutionRoleArn: !Ref ExecutionRole
      ContainerDefinitions:
        - Name: web
          Image: !Ref Image
          Cpu: 256
          Memory: 512
          Essential: true
          PortMappings:
            - ContainerPort: 8080
              HostPort: 0
          LogConfiguration:
            LogDriver: json-file
            Options:
              max-size: 10m
        - Name: metrics
          Image: example.com/metrics:1
          Memory: 128
          Essential: false
          DockerLabels:
            com.example.Team: shop
          MountPoints:
            - SourceVolume: scratch
              ContainerPath: /scratch
      Volumes:
        - Name: scratch
`

const ec2TemplateJSON = `{
  "Parameters": {"Role": {"Type": "String"}},
  "Resources": {
    "Worker": {
      "Type": "AWS::ECS::TaskDefinition",
      "Properties": {
        "Family": "worker",
        "NetworkMode": "host",
        "Cpu": "1024",
        "Memory": "3000",
        "ExecutionRoleArn": {"Ref": "Role"},
        "ContainerDefinitions": [
          {"Name": "worker", "Image": "example.com/worker:1", "Essential": true,
           "Secrets": [{"Name": "TOKEN", "ValueFrom": {"Fn::Sub": "arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:parameter/token"}}],
           "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "/ecs/worker", "awslogs-region": {"Ref": "AWS::Region"}}}}
        ]
      }
    }
  }
}
`

const samTemplate = `Transform: AWS::Serverless-2016-10-31
Resources:
  Job:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: job
      ExecutionRoleArn: arn:aws:iam::123456789012:role/exec
      TaskRoleArn: arn:aws:iam::123456789012:role/task
      ContainerDefinitions:
        - Name: job
          Image: example.com/job:1
          Memory: 512
  Nightly:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {StartAt: Done, States: {Done: {Type: Succeed}}}
`

const containerList = `[{"name": "web", "image": "example.com/web:1", "cpu": 256, "memory": 512, "essential": true, ` +
	`"portMappings": [{"containerPort": 80, "hostPort": 8080}]}]
`

const bareYAML = `family: web
executionRoleArn: arn:aws:iam::123456789012:role/exec
containerDefinitions:
  - name: web # the only one
    image: example.com/web:1
    memory: 512
    essential: true
    portMappings:
      - containerPort: 80
        hostPort: 0
`

const volumes = `{
  "family": "db",
  "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
  "containerDefinitions": [{
    "name": "db", "image": "example.com/db:1", "cpu": 512, "memory": 3000, "essential": true, "stopTimeout": 600,
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/var/lib/db"}, {"sourceVolume": "scratch", "containerPath": "/scratch"}]
  }],
  "volumes": [{"name": "data", "host": {"sourcePath": "/srv/data"}}, {"name": "scratch", "host": {"sourcePath": "/srv/scratch"}}]
}
`

const fluentd = `{
  "family": "web",
  "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
  "containerDefinitions": [{
    "name": "web", "image": "example.com/web:1", "memory": 512, "essential": true,
    "logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "logs.example.com:24224", "tag": "web"}}
  }]
}
`

// A Fargate definition with a member that the SDK in use does not know, in the
// definition, in a container, and in a map of the user's own.
const tomorrow = `{
  "family": "shop",
  "requiresCompatibilities": ["FARGATE"],
  "networkMode": "awsvpc",
  "cpu": "256",
  "memory": "512",
  "executionRoleArn": "arn:aws:iam::123456789012:role/exec",
  "taskRoleArn": "arn:aws:iam::123456789012:role/task",
  "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
  "quantumEntanglement": {"partner": 9007199254740993},
  "containerDefinitions": [{
    "name": "web",
    "image": "example.com/web:1",
    "essential": true,
    "portMappings": [{"containerPort": 8080, "hoverMode": "low"}],
    "environment": [{"name": "GREETING", "value": "<&>\u2028 ${USER} {{ name }}"}],
    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "web"}}
  }]
}
`

// tomorrowless is the definition of tomorrow less what CloudFormation does not
// know today.
func tomorrowless(t *testing.T) string {
	t.Helper()
	s := regexp.MustCompile(`(?m)^.*quantumEntanglement.*\n|, "hoverMode": "low"`).ReplaceAllString(tomorrow, "")
	if strings.Contains(s, "hoverMode") || strings.Contains(s, "quantum") {
		t.Fatal(s)
	}
	return s
}

// manyDefinitions writes n different definitions, in every shape, and one file
// that is not one, into a directory.
func manyDefinitions(t testing.TB, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, doc string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	docs := []struct{ ext, doc string }{
		{"json", ec2Shop}, {"yaml", ec2Template}, {"json", volumes}, {"template", ec2TemplateJSON}, {"json", tomorrow}, {"yml", bareYAML},
	}
	for i := range n {
		d := docs[i%len(docs)]
		name := filepath.Join(dir, fmt.Sprintf("team%02d", i%17), fmt.Sprintf("def%04d.%s", i, d.ext))
		write(name, strings.ReplaceAll(d.doc, "example.com/", fmt.Sprintf("%d.example.com/", i)))
	}
	write(filepath.Join(dir, "package.json"), `{"name": "shop"}`)
	return dir
}
