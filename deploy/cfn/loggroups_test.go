package cfn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/cfn"
	"sumoship/deploy/taskdef"
)

func TestLogGroups(t *testing.T) {
	const doc = `Resources:
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /ecs/known}}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - {Name: a, Image: a, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: /ecs/a, awslogs-region: eu-west-1}}}
        - {Name: b, Image: b, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: !Sub "/ecs/${AWS::Region}/b", awslogs-region: !Ref AWS::Region}}}
        - {Name: c, Image: c, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: /ecs/a, awslogs-region: us-east-1}}}
        - {Name: d, Image: d, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: /ecs/a, awslogs-region: !Ref AWS::Region}}}
        - {Name: e, Image: e, LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: !Ref Logs}}}
        - {Name: f, Image: f, LogConfiguration: {LogDriver: splunk}}
        - {Name: g, Image: g}
        - {Name: h, Image: h, LogConfiguration: !If [Debug, {LogDriver: awslogs, Options: {awslogs-group: /ecs/h, awslogs-region: eu-west-1}}, {LogDriver: splunk}]}
`
	read := func(doc string) *taskdef.Document {
		d, err := taskdef.Read("a.yaml", []byte(doc), taskdef.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	got, err := cfn.LogGroups(read(doc), "eu-west-1", "123456789012")
	want := []cfn.LogGroup{
		{Name: "/ecs/a", Region: "eu-west-1", Containers: []string{"a", "d"}},
		{Name: "/ecs/eu-west-1/b", Region: "eu-west-1", Containers: []string{"b"}},
		{Name: "/ecs/a", Region: "us-east-1", Containers: []string{"c"}},
		{Name: "/ecs/known", Containers: []string{"e"}},
		{Name: "/ecs/h", Region: "eu-west-1", Containers: []string{"h"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}

	// A name that only a deployment knows, or that is none, is told with its place.
	for from, want := range map[string]string{
		`/ecs/${AWS::Region}/b`:      "/ecs/${AWS::StackName}",
		`/ecs/a, awslogs-region: eu`: "'/ecs/a b*', awslogs-region: eu",
	} {
		_, err := cfn.LogGroups(read(strings.Replace(doc, from, want, 1)), "eu-west-1", "")
		if e, ok := errors.AsType[*taskdef.InputError](err); !ok || e.Line < 7 || e.Column < 70 {
			t.Errorf("%s: %v", want, err)
		}
	}
}
