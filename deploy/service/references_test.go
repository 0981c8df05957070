package service_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/service"
	"sumoship/deploy/tree"
)

// referring returns a template whose container has an environment of these values.
func referring(values ...string) string {
	var b strings.Builder
	b.WriteString(`Parameters:
  Stage: {Type: String, Default: test}
  Subnets: {Type: String}
Mappings:
  Sizes: {test: {Heap: 100}}
Conditions:
  Small: !Equals [!Ref Stage, test]
  Cheap: !And [{Condition: Small}, !Equals [!Ref "AWS::Region", eu-west-1]]
Resources:
  Queue: {Type: "AWS::SQS::Queue"}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: shop
      ContainerDefinitions:
        - Name: web
          Image: web
          Memory: 512
          Environment:
`)
	for _, v := range values {
		b.WriteString("            - {Name: A, Value: " + v + "}\n")
	}
	return b.String()
}

// What a definition refers to in its template becomes a parameter, or moves along.
func TestReferences(t *testing.T) {
	for name, c := range map[string]struct {
		value, want string
		sections    []string // of the new template, such as Parameters/Stage
	}{
		"parameter":          {`!Ref Stage`, `{"Ref":"Stage"}`, []string{"Parameters/Stage"}},
		"pseudo parameter":   {`!Ref "AWS::Region"`, `{"Ref":"AWS::Region"}`, nil},
		"reserved name":      {`!Ref Subnets`, `{"Ref":"DefinitionSubnets"}`, []string{"Parameters/DefinitionSubnets"}},
		"resource":           {`!Ref Queue`, `{"Ref":"Queue"}`, []string{"Parameters/Queue"}},
		"attribute":          {`!GetAtt Queue.Arn`, `{"Ref":"QueueArn"}`, []string{"Parameters/QueueArn"}},
		"text":               {`!Sub "${Stage}-${Queue.Arn}-${!Stage}"`, `{"Fn::Sub":"${Stage}-${QueueArn}-${!Stage}"}`, []string{"Parameters/Stage", "Parameters/QueueArn"}},
		"text and variables": {`!Sub ["${Stage}-${Q}", {Q: !Ref Queue}]`, `{"Fn::Sub":["${Stage}-${Q}",{"Q":{"Ref":"Queue"}}]}`, []string{"Parameters/Queue", "Parameters/Stage"}},
		"mapping":            {`!FindInMap [Sizes, test, Heap]`, `{"Fn::FindInMap":["Sizes","test","Heap"]}`, []string{"Mappings/Sizes"}},
		"condition":          {`!If [Cheap, a, b]`, `{"Fn::If":["Cheap","a","b"]}`, []string{"Parameters/Stage", "Conditions/Cheap", "Conditions/Small"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := input{task: referring(c.value), options: service.Options{Name: "shop"}}.mustNew(t)
			if s.Refused() {
				t.Fatalf("refused: %+v", s.Findings)
			}
			template := parseBoth(t, s.CloudFormation(false), s.CloudFormation(true))
			checkTemplate(t, template)
			container := template.Key("Resources").Key("TaskDefinition").Key("Properties").Key("ContainerDefinitions").First()
			if got := container.Key("Environment").First().Key("Value").Source(); got != c.want {
				t.Errorf("value: %s, want %s", got, c.want)
			}
			if d := cmp.Diff(c.sections, moved(template)); d != "" {
				t.Errorf("sections (-want +got):\n%s", d)
			}
		})
	}
}

// moved returns what a template has besides what every template has.
func moved(template *tree.Node) (names []string) {
	own := []string{"Cluster", "DesiredCount", "Vpc", "Subnets", "ForwarderArn", "LogRetentionDays"}
	for _, section := range []string{"Parameters", "Mappings", "Conditions"} {
		for name := range template.Key(section).Members() {
			if !slices.Contains(own, name) {
				names = append(names, section+"/"+name)
			}
		}
	}
	return names
}

// What cannot be moved is refused.
func TestUnsupportedReferences(t *testing.T) {
	for name, value := range map[string]string{
		"function":        `{"Fn::ToJsonString": [1]}`,
		"computed map":    `!FindInMap [!Ref Stage, a, b]`,
		"missing map":     `!FindInMap [None, a, b]`,
		"incomplete if":   `!If [Cheap, a]`,
		"computed GetAtt": `!GetAtt [!Ref Stage, Arn]`,
		"computed text":   `{"Fn::Sub": [{"Ref": "Stage"}, {}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := input{task: referring(value), options: service.Options{Name: "shop"}}.mustNew(t)
			var ids []string
			for _, f := range s.Findings {
				if f.ID == "service-reference-unsupported" {
					ids = append(ids, f.ID)
				}
			}
			if !s.Refused() || len(ids) != 1 {
				t.Errorf("want one finding, got %+v", s.Findings)
			}
		})
	}
}
