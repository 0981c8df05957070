package taskdef_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/taskdef"
)

func TestReadAll(t *testing.T) {
	const two = `Resources:
  Web: {Type: "AWS::ECS::TaskDefinition", Properties: {ContainerDefinitions: [{Name: web, Image: web}]}}
  Logs: {Type: "AWS::S3::Bucket"}
  Worker: {Type: "AWS::ECS::TaskDefinition", Properties: {ContainerDefinitions: [{Name: worker, Image: worker}]}}
`
	for name, c := range map[string]struct {
		src, resource string
		want          []string // of each definition: its resource and its first container
	}{
		"all of a template":    {two, "", []string{"Web web", "Worker worker"}},
		"one of a template":    {two, "Worker", []string{"Worker worker"}},
		"a bare definition":    {`{"containerDefinitions":[{"name":"a","image":"b"}]}`, "", []string{" a"}},
		"a described one":      {`{"taskDefinition":{"containerDefinitions":[{"name":"a","image":"b"}]}}`, "", []string{" a"}},
		"a list":               {`[{"name":"a","image":"b"}]`, "", []string{" a"}},
		"a list in PascalCase": {`[{"Name":"a","Image":"b"}]`, "", []string{" a"}},
		"a list of others":     {`[{"name":"a","image":"b"},{"name":"c"}]`, "", nil},
		"an empty list":        {`[]`, "", nil},
		"a template of others": {"Resources: {Logs: {Type: \"AWS::S3::Bucket\"}}", "", nil},
		"a package":            {`{"name":"shop","dependencies":{}}`, "", nil},
		"a service":            {`{"taskDefinition":"shop:7","desiredCount":2}`, "", nil},
		"a scalar":             {`just text`, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := taskdef.ReadAll("input", []byte(c.src), taskdef.ReadOptions{Resource: c.resource, Family: "f"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range all {
				for _, container := range d.Definition().Field("containerDefinitions").Elements() {
					n, _ := container.Field("name").Text()
					got = append(got, d.Resource()+" "+n)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, src := range map[string]string{
		"broken":        `{"containerDefinitions":`,
		"no containers": `{"containerDefinitions":[]}`,
		"one is empty":  strings.Replace(two, "[{Name: worker, Image: worker}]", "[]", 1),
		"no properties": `{"Resources":{"Web":{"Type":"AWS::ECS::TaskDefinition"}}}`,
	} {
		if all, err := taskdef.ReadAll("input", []byte(src), taskdef.ReadOptions{}); err == nil || all != nil {
			t.Errorf("%s: %d read", name, len(all))
		}
	}
}
