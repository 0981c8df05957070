package taskdef_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

func read(t testing.TB, name, src string, o taskdef.ReadOptions) *taskdef.Document {
	t.Helper()
	d, err := taskdef.Read(name, []byte(src), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const described = `{
    "taskDefinition": {
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:012345678910:task-definition/app:8",
        "containerDefinitions": [
            {
                "name": "web", "image": "nginx",
                "cpu": 10.0
            }
        ],
    "family": "app",
    "revision": 8,
    "volumes": [],
    "status": "ACTIVE",
    "requiresAttributes": [{"name": "x"}],
    "compatibilities": ["EXTERNAL", "EC2"],
    "registeredAt": "2024-06-21T11:15:12.669000-05:00",
    "registeredBy": "arn:aws:sts::012345678910:assumed-role/demo/jane",
    "deregisteredAt": 1.5, "deleteRequestedAt": 2,
    "somethingNew": {"Kept": true}
    },
    "tags": [{"key": "team", "value": "a"}]
}
`

const cloudFormation = `Parameters:
  Cpu: {Type: String}
Resources:
  Web:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: web
      Cpu: 256
      ContainerDefinitions:
        - Name: web # the one
          Image: nginx
          Memory: '512'
          Environment:
            - {Name: PORT, Value: 80}
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: g, Mode: blocking}
          DockerLabels: {Owner: me}
      Volumes:
        - Name: data
          EFSVolumeConfiguration:
            FilesystemId: fs-1
            AuthorizationConfig: {IAM: ENABLED}
        - Name: win
          FSxWindowsFileServerVolumeConfiguration: {FileSystemId: fs-2}
        - Name: docker
          DockerVolumeConfiguration: {DriverOpts: {Type: nfs}, Labels: {A: b}}
      ProxyConfiguration:
        ContainerName: web
        ProxyConfigurationProperties: [{Name: AppPorts, Value: 80}]
  Bucket: {Type: AWS::S3::Bucket}
`

func TestReadErrors(t *testing.T) {
	containers := func(n int) string {
		return "[" + strings.Repeat(`{"name":"a"},`, n-1) + `{"name":"a"}]`
	}
	for name, c := range map[string]struct{ file, src, resource, want string }{
		"empty":    {src: " \n", want: "f:1:1: the input is empty"},
		"text":     {src: "hello", want: "f:1:1: the document is a string; give a task definition, the output of"},
		"not JSON": {src: `{"family": x}`, want: "f:1:12: 'x' where a value should begin"},
		"truncated": {
			src:  "{\n \"family\": \"a\",\n \"containerDefinitions\": [\n",
			want: "f:4:1: the document ends inside the list that begins in line 3: it is truncated",
		},
		"endless string":       {src: "{\n \"family\": \"a,\n}", want: "f:2:12: a string without a closing quote in its line"},
		"truncated string":     {src: "{\n \"family\": \"a", want: "f:2:14: the document ends inside a string: it is truncated"},
		"column in characters": {src: "\ufeff{\"é\": x}", want: "f:1:7: 'x' where a value should begin"},
		"twice":                {src: "{\"family\": 1,\n  \"family\": 2}", want: `f:2:3: duplicate member "family", first in line 1`},
		"trailing":             {src: "{}\n{}", want: "f:2:1: '{' after the end of the document"},
		"comma":                {src: `{"a": 1,}`, want: "f:1:8: a comma after the last member"},
		"comment":              {src: "{\n  // mine\n}", want: "f:2:3: '/' where the name of a member should begin; JSON has no comments: take it out"},
		"quotes":               {src: `{'a': 1}`, want: `f:1:2: '\'' where the name of a member should begin; JSON quotes with "`},
		"template language":    {src: `{"a": {% if x %}}`, want: "f:1:8: '%' where the name of a member should begin"},
		"control":              {src: "{\"a\": \"\x01\"}", want: `f:1:8: a control character in a string: write it as \u0001`},
		"UTF-8":                {src: "{\"a\": \"\xff\"}", want: "f:1:8: a byte that is not UTF-8"},
		"deep":                 {src: strings.Repeat("[", 1001), want: "f:1:1001: more than 1000 levels of nesting"},
		"nothing in it":        {src: "{\n}", want: "f:1:1: there is no task definition in this document; give a task definition, the"},
		"no containers": {
			src:  `{"family":"a","containerDefinitions":[]}`,
			want: "f:1:38: there are no containers; a task definition has 1 to 10 of them",
		},
		"an empty list":       {src: `[]`, want: "f:1:1: there are no containers"},
		"described without":   {src: "{\"taskDefinition\":\n {\"family\":\"a\"}}", want: "f:2:2: there are no containerDefinitions"},
		"containers a string": {src: `{"containerDefinitions":"web"}`, want: "f:1:25: containerDefinitions is a string and not a list"},
		"containers in a string": {
			src:  `{"containerDefinitions":"[{}]"}`,
			want: "f:1:25: containerDefinitions is a list inside a string; take it out of the string",
		},
		"containers an object": {src: `{"containerDefinitions":{"name":"a"}}`, want: "f:1:25: containerDefinitions is an object and not a list"},
		"a container a string": {src: `{"containerDefinitions":["web"]}`, want: "f:1:26: this container is a string and not an object"},
		"eleven":               {src: containers(11), want: "f:1:1: there are 11 containers; ECS takes at most 10 in a task definition: split it"},
		"huge":                 {src: `[{"name":"a","cpu":1e99}]`, want: "f:1:20: the number 1e99 is larger than ECS can hold"},
		"huge whole": {
			src:  `[{"name":"a","cpu":` + strings.Repeat("9", 99) + `}]`,
			want: "f:1:20: the number 9999999999999999999999999999999999999999… is larger than ECS can hold",
		},
		"one container": {src: `{"name":"a","image":"b"}`, want: "f:1:1: this is one container definition; put it in a list"},
		"a service":     {src: `{"taskDefinition": "arn:x"}`, want: "f:1:20: taskDefinition is a string and not an object"},
		"a resource": {
			src:  `{"Type":"AWS::ECS::TaskDefinition","Properties":{}}`,
			want: "f:1:1: this is a resource without a template around it",
		},
		"no task definition": {
			file: "f.yaml", src: "Resources:\n  B: {Type: AWS::S3::Bucket}\n",
			want: "f.yaml:2:3: no resource of the template is an AWS::ECS::TaskDefinition",
		},
		"several": {
			src:  `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"},"B":{"Type":"AWS::ECS::TaskDefinition"}}}`,
			want: "f:1:14: the template has 2 task definitions: A, B; choose one with --resource",
		},
		"no such": {
			src: `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"},"B":{"Type":"AWS::ECS::TaskDefinition"}}}`, resource: "C",
			want: "f:1:14: no task definition of the template is called C; they are A, B",
		},
		"no properties":  {src: `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"}}}`, want: "f:1:19: the task definition A has no Properties"},
		"YAML":           {file: "f.yml", src: "a:\n  - b\n c: d\n", want: "f.yml:2:3: did not find expected key"},
		"YAML twice":     {file: "f.yml", src: "a: 1\nb: 1\na: 2\n", want: `f.yml:3:1: duplicate member "a", first in line 1`},
		"YAML documents": {file: "f.yml", src: "a: 1\n---\nb: 1\n", want: "f.yml:2:1: a second document begins here"},
		"YAML tag":       {file: "f.yml", src: "!Foo\n- name: a\n", want: "f.yml:1:1: the whole document has the tag !Foo, which"},
		"YAML merge": {
			file: "f.yml", src: "containerDefinitions:\n- &a {name: a}\n- {<<: *a, name: b}\n",
			want: "f.yml:3:8: members are merged into this object with <<",
		},
		"Terraform": {
			file: "main.tf", src: "resource \"aws_ecs_task_definition\" \"a\" {\n  family = \"x\"\n}\n",
			want: "main.tf:1:1: the document is a string; give the list of containers alone, as JSON",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.file == "" {
				c.file = "f"
			}
			d, err := taskdef.Read(c.file, []byte(c.src), taskdef.ReadOptions{Resource: c.resource})
			input, ok := errors.AsType[*taskdef.InputError](err)
			if !ok || d != nil {
				t.Fatalf("no InputError: %v", err)
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error\n%s\nwant\n%s", err, c.want)
			}
			if input.Line < 1 || input.Column < 1 || input.Name != c.file {
				t.Errorf("no place: %+v", input)
			}
		})
	}
}

func TestPointersAndPlaces(t *testing.T) {
	list := read(t, "l", "[\n  {\"name\": \"a/b\", \"dockerLabels\": {\"x/y~z\": \"1\"}}\n]", taskdef.ReadOptions{Family: "f"})
	template := read(t, "t", cloudFormation, taskdef.ReadOptions{})
	container := list.Definition().Field("containerDefinitions").Parent()
	var got []string
	for _, n := range []*tree.Node{
		list.Definition(), list.Definition().Field("containerDefinitions"), first(container).Field("dockerLabels").Key("x/y~z"),
		list.Definition().SetField("cpu", tree.NewString("256")),
		template.Definition(), first(template.Definition()).Field("logConfiguration").Field("options"),
		first(template.Definition()).SetField("stopTimeout", tree.NewInt(30)),
	} {
		got = append(got, fmt.Sprintf("%s %d:%d", n.Pointer(), n.Pos().Line, n.Pos().Column))
	}
	want := []string{
		" 0:0", " 1:1", "/0/dockerLabels/x~1y~0z 2:45", "/cpu 0:0",
		"/Resources/Web/Properties 7:7", "/Resources/Web/Properties/ContainerDefinitions/0/LogConfiguration/Options 17:22",
		"/Resources/Web/Properties/ContainerDefinitions/0/StopTimeout 0:0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func first(definition *tree.Node) *tree.Node {
	for _, c := range definition.Field("containerDefinitions").Elements() {
		return c
	}
	return nil
}

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
				t.Errorf("(-want +got):\n%s", diff)
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
