package cfn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/cfn"
	"sumoship/deploy/taskdef"
)

const logging = `Resources:
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /ecs/known}}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - {Name: a, Image: a, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: /ecs/a, awslogs-region: eu-west-1}}}
        - Name: b
          LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: !Sub "/ecs/${AWS::Region}/b", awslogs-region: !Ref AWS::Region}}
        - {Name: c, Image: c, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: /ecs/a, awslogs-region: us-east-1}}}
        - {Name: d, Image: d, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: /ecs/a, awslogs-region: !Ref AWS::Region}}}
        - {Name: e, Image: e, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: !Ref Logs}}}
        - {Name: f, Image: f, LogConfiguration: {LogDriver: splunk}}
        - {Name: g, Image: g}
        - Name: h
          LogConfiguration: !If
            - Debug
            - {LogDriver: awslogs, Options: {awslogs-group: /ecs/h, awslogs-region: eu-west-1}}
            - {LogDriver: splunk}
`

func document(t *testing.T, src string) *taskdef.Document {
	t.Helper()
	d, err := taskdef.Read("a.yaml", []byte(src), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLogGroups(t *testing.T) {
	got, err := cfn.LogGroups(document(t, logging), "eu-west-1", "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	want := []cfn.LogGroup{
		{Name: "/ecs/a", Region: "eu-west-1", Containers: []string{"a", "d"}},
		{Name: "/ecs/eu-west-1/b", Region: "eu-west-1", Containers: []string{"b"}},
		{Name: "/ecs/a", Region: "us-east-1", Containers: []string{"c"}},
		{Name: "/ecs/known", Containers: []string{"e"}},
		{Name: "/ecs/h", Region: "eu-west-1", Containers: []string{"h"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("log groups (-want +got):\n%s", d)
	}
}

// A name that is invalid or known only after deployment is an error with its place.
func TestLogGroupErrors(t *testing.T) {
	for name, c := range map[string]struct{ old, new string }{
		"known after deployment": {`/ecs/${AWS::Region}/b`, "/ecs/${AWS::StackName}"},
		"invalid":                {`/ecs/a, awslogs-region: eu`, "'/ecs/a b*', awslogs-region: eu"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cfn.LogGroups(document(t, strings.Replace(logging, c.old, c.new, 1)), "eu-west-1", "")
			if e, ok := errors.AsType[*taskdef.InputError](err); !ok || e.Line < 7 || e.Column < 65 {
				t.Errorf("got %v", err)
			}
		})
	}
}
