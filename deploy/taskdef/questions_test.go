package taskdef_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

func TestRegionAndAccount(t *testing.T) {
	logsTo := func(regions ...string) string {
		var all []string
		for _, r := range regions {
			all = append(all, `{"logConfiguration":{"options":{"awslogs-region":`+r+`}}}`)
		}
		return `"containerDefinitions":[{},` + strings.Join(all, ",") + `]`
	}
	const here = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7"
	for name, c := range map[string]struct{ src, region, account string }{
		"an ARN":                  {`"taskDefinitionArn":"` + here + `",` + logsTo(`"us-east-1"`), "eu-west-1", "123456789012"},
		"an ARN in PascalCase":    {`"TaskDefinitionArn":"` + here + `",` + logsTo(`"us-east-1"`), "eu-west-1", "123456789012"},
		"an ARN that is not one":  {`"taskDefinitionArn":"shop:7",` + logsTo(`"us-east-1"`), "", ""},
		"not an ARN, with colons": {`"taskDefinitionArn":"a:b:c:d:e:f",` + logsTo(`"us-east-1"`), "", ""},
		"an ARN cut short":        {`"taskDefinitionArn":"arn:aws:ecs:eu-west-1:123456789012",` + logsTo(`"us-east-1"`), "", ""},
		"an empty ARN":            {`"taskDefinitionArn":"",` + logsTo(`"us-east-1"`), "us-east-1", ""},
		"logs in one Region":      {logsTo(`"us-east-1"`, `"us-east-1"`), "us-east-1", ""},
		"logs in two Regions":     {logsTo(`"us-east-1"`, `"us-west-2"`), "", ""},
		"logs in an unknown one":  {logsTo(`{"Ref":"AWS::Region"}`), "", ""},
		"no logs":                 {`"containerDefinitions":[{}]`, "", ""},
	} {
		d := read(t, "in.json", "{"+c.src+"}", taskdef.ReadOptions{})
		if d.Region() != c.region || d.Account() != c.account {
			t.Errorf("%s: got %q and %q, want %q and %q", name, d.Region(), d.Account(), c.region, c.account)
		}
	}
}

func TestClaims(t *testing.T) {
	for src, want := range map[string]bool{
		`"requiresCompatibilities":["EC2","FARGATE"],`:   true,
		`"RequiresCompatibilities":["FARGATE"],`:         true,
		`"requiresCompatibilities":["EC2"],`:             false,
		`"requiresCompatibilities":[{"Ref":"FARGATE"}],`: false,
		`"requiresCompatibilities":"FARGATE",`:           false,
		`"requiresCompatibilities":[],"cpu":"FARGATE",`:  false,
		``: false,
	} {
		if got := read(t, "in.json", `{`+src+`"containerDefinitions":[{}]}`, taskdef.ReadOptions{}).Claims("FARGATE"); got != want {
			t.Errorf("%s: got %v, want %v", src, got, want)
		}
	}
}

func TestUnresolved(t *testing.T) {
	const src = `Resources:
  Web:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Ref Name
      Cpu: "{{resolve:ssm:cpu}}"
      ContainerDefinitions:
        - Name: web
          Image: "${Repository}:1"
          Command: [sh, -c, "echo ${HOME}", "{{resolve:ssm:secret}}", !Ref Word]
          Environment: [{Name: TEMPLATE, Value: "{{ .name }}"}]
          LogConfiguration: {LogDriver: awslogs, Options: {awslogs-datetime-format: "${time}"}}
`
	const (
		function  = ` is an intrinsic function of CloudFormation, which ECS does not know; deploy the template, or write the value there`
		reference = ` is a dynamic reference of CloudFormation, which ECS does not know; deploy the template, or write the value there`
	)
	want := []string{
		`web.yaml:5:15: the value of /Resources/Web/Properties/Family` + function,
		`web.yaml:6:12: the value of /Resources/Web/Properties/Cpu` + reference,
		`web.yaml:9:18: the value of /Resources/Web/Properties/ContainerDefinitions/0/Image holds a placeholder, which ECS does not fill in; write the value there`,
		`web.yaml:10:45: the value of /Resources/Web/Properties/ContainerDefinitions/0/Command/3` + reference,
		`web.yaml:10:71: the value of /Resources/Web/Properties/ContainerDefinitions/0/Command/4` + function,
	}
	err := read(t, "web.yaml", src, taskdef.ReadOptions{}).Unresolved()
	if err == nil {
		t.Fatal("nothing is unresolved")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("unresolved (-want +got):\n%s", diff)
	}
	if err := read(t, "in.json", `{"containerDefinitions":[{"command":["echo ${HOME}"]}]}`, taskdef.ReadOptions{}).Unresolved(); err != nil {
		t.Error(err)
	}
	// Terraform fills in every placeholder of a list.
	list := read(t, "in.json", `[{"name":"a","image":"i","command":["echo ${HOME}"],"cpu":${cpu}}]`, taskdef.ReadOptions{Family: "f"})
	for _, d := range []*taskdef.Document{list, list.Whole()} {
		if err := d.Unresolved(); err == nil || strings.Count(err.Error(), "placeholder") != 2 {
			t.Errorf("%v", err)
		}
	}
}

// A list as a whole definition is written with what edits set around it.
func TestWhole(t *testing.T) {
	d := read(t, "in.json", `[{"name":"a","image":"i"}]`, taskdef.ReadOptions{Family: "f"}).Whole()
	d.Definition().SetField("executionRoleArn", tree.NewString("role"))
	want := `{"family":"f","containerDefinitions":[{"name":"a","image":"i"}],"executionRoleArn":"role"}`
	var compact bytes.Buffer
	if err := json.Compact(&compact, d.ECS()); err != nil || compact.String() != want {
		t.Errorf("%v %s", err, compact.String())
	}
	if d.Shape() != taskdef.Bare || !strings.Contains(string(d.CloudFormation()), `"ExecutionRoleArn"`) {
		t.Errorf("shape %d, %s", d.Shape(), d.CloudFormation())
	}
	bare := read(t, "in.json", `{"containerDefinitions":[{"name":"a","image":"i"}]}`, taskdef.ReadOptions{})
	if bare.Whole() != bare {
		t.Error("a definition is whole already")
	}
}
