package taskdef_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

func TestShapes(t *testing.T) {
	const bare = "\ufeff{ \"family\": \"app\",\r\n  \"containerDefinitions\": [ {\"name\": \"web\", \"image\":\"nginx\"} ] }\r\n"
	const list = "[\n  {\"name\": \"web\", \"image\": \"nginx\"}\n]\n"
	for name, c := range map[string]struct {
		file, src string
		options   taskdef.ReadOptions
		shape     taskdef.Shape
		resource  string
		same      bool   // Bytes is the source
		bytes     string // what it is else
		ecs       string // "" is what Bytes is
	}{
		"bare": {src: bare, shape: taskdef.Bare, same: true},
		"bare with a read-only member": {
			src: `{"family":"a","status":"ACTIVE","containerDefinitions":[{"name":"web","image":"i"}]}`, shape: taskdef.Bare, same: true,
			ecs: `{"family":"a","containerDefinitions":[{"name":"web","image":"i"}]}`,
		},
		"bare, types mended and nulls dropped for ECS": {
			src: `{"cpu":256,"family":null,"containerDefinitions":[{"name":"web","cpu":"10","essential":"true","image":"i","environment":[{"name":"A","value":5}],"dockerLabels":{"Null":null,"N":1},"links":null}]}`, shape: taskdef.Bare, same: true,
			ecs: `{"cpu":"256","containerDefinitions":[{"name":"web","cpu":10,"essential":true,"image":"i","environment":[{"name":"A","value":"5"}],"dockerLabels":{"N":"1"}}]}`,
		},
		"bare in YAML": {
			file: "td.yaml", src: "family: app # mine\ncpu: 256\ncontainerDefinitions:\n- {name: web, image: nginx}\n", shape: taskdef.Bare, same: true,
			ecs: "{\n  \"family\": \"app\",\n  \"cpu\": \"256\",\n  \"containerDefinitions\": [\n    {\n      \"name\": \"web\",\n      \"image\": \"nginx\"\n    }\n  ]\n}\n",
		},
		"described": {
			src: described, shape: taskdef.Described,
			bytes: `{
    "containerDefinitions": [
        {
            "name": "web", "image": "nginx",
            "cpu": 10.0
        }
    ],
"family": "app",
"volumes": [],
"somethingNew": {"Kept": true},
"tags": [
    {"key": "team", "value": "a"}
]
}
`,
		},
		"described, the definition alone": {
			src: `{"taskDefinitionArn":"arn","revision":1,"containerDefinitions":[{"name":"web","image":"i"}],"tags":[]}`, shape: taskdef.Described,
			bytes: `{"containerDefinitions":[{"name":"web","image":"i"}],"tags":[]}`,
		},
		"described in YAML": {
			file: "td.yml", shape: taskdef.Described,
			src:   "taskDefinition:\n  family: app\n  revision: 3\n  containerDefinitions:\n  # one\n  - name: web\n    image: nginx\n    command:\n    - |\n      a\n\n        b\n  status: ACTIVE\ntags:\n- key: team\n  value: a\n",
			bytes: "family: app\ncontainerDefinitions:\n# one\n- name: web\n  image: nginx\n  command:\n  - |\n    a\n\n      b\ntags:\n- key: team\n  value: a\n",
			ecs:   "{\n  \"family\": \"app\",\n  \"containerDefinitions\": [\n    {\n      \"name\": \"web\",\n      \"image\": \"nginx\",\n      \"command\": [\n        \"a\\n\\n  b\\n\"\n      ]\n    }\n  ],\n  \"tags\": [\n    {\n      \"key\": \"team\",\n      \"value\": \"a\"\n    }\n  ]\n}\n",
		},
		"tags in both places": {
			src: `{"taskDefinition":{"containerDefinitions":[{"name":"web","image":"i"}],"tags":[{"key":"a","value":"1"}]},"tags":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}`, shape: taskdef.Described,
			bytes: `{"containerDefinitions":[{"name":"web","image":"i"}],"tags":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}` + "\n",
		},
		"list": {
			src: list, options: taskdef.ReadOptions{Family: "app"}, shape: taskdef.List, same: true,
			ecs: "{\n  \"family\": \"app\",\n  \"containerDefinitions\": [\n    {\"name\": \"web\", \"image\": \"nginx\"}\n  ]\n}\n",
		},
		"PascalCase": {
			src: `{"Family": "app", "ContainerDefinitions": [{"Name": "web", "Image": "i", "LogConfiguration": {"LogDriver": "awslogs", "Options": {"Mode": "x"}}}]}`, shape: taskdef.Bare, same: true,
			ecs: "{\n  \"family\": \"app\",\n  \"containerDefinitions\": [\n    {\n      \"name\": \"web\",\n      \"image\": \"i\",\n      \"logConfiguration\": {\n        \"logDriver\": \"awslogs\",\n        \"options\": {\n          \"Mode\": \"x\"\n        }\n      }\n    }\n  ]\n}\n",
		},
		"placeholders for values": {src: `{"cpu": ${cpu}, "memory": {{ must_env "MEM" }}, "containerDefinitions": [{"name": "web", "image": "${image}"}]}`, shape: taskdef.Bare, same: true},
		"template": {
			file: "template.yaml", src: cloudFormation, shape: taskdef.Template, resource: "Web", same: true,
			ecs: `{
  "family": "web",
  "cpu": "256",
  "containerDefinitions": [
    {
      "name": "web",
      "image": "nginx",
      "memory": 512,
      "environment": [
        {
          "name": "PORT",
          "value": "80"
        }
      ],
      "logConfiguration": {
        "logDriver": "awslogs",
        "options": {
          "awslogs-group": "g",
          "Mode": "blocking"
        }
      },
      "dockerLabels": {
        "Owner": "me"
      }
    }
  ],
  "volumes": [
    {
      "name": "data",
      "efsVolumeConfiguration": {
        "fileSystemId": "fs-1",
        "authorizationConfig": {
          "iam": "ENABLED"
        }
      }
    },
    {
      "name": "win",
      "fsxWindowsFileServerVolumeConfiguration": {
        "fileSystemId": "fs-2"
      }
    },
    {
      "name": "docker",
      "dockerVolumeConfiguration": {
        "driverOpts": {
          "Type": "nfs"
        },
        "labels": {
          "A": "b"
        }
      }
    }
  ],
  "proxyConfiguration": {
    "containerName": "web",
    "properties": [
      {
        "name": "AppPorts",
        "value": "80"
      }
    ]
  }
}
`,
		},
		"template in JSON": {
			src: `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Name":"web","Image":"i"}]}},"B":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Name":"web","Image":"j"}]}}}}`, shape: taskdef.Template,
			options: taskdef.ReadOptions{Resource: "B"}, resource: "B", same: true,
			ecs: "{\n  \"containerDefinitions\": [\n    {\n      \"name\": \"web\",\n      \"image\": \"j\"\n    }\n  ]\n}\n",
		},
		"template with a loop": {
			file: "t.yaml", src: "Resources:\n  Fn::ForEach::Each:\n    - N\n    - [a, b]\n    - Task${N}:\n        Type: AWS::ECS::TaskDefinition\n        Properties: {ContainerDefinitions: [{Name: web, Image: i}]}\n", shape: taskdef.Template,
			resource: "Task${N}", same: true, ecs: "{\n  \"containerDefinitions\": [\n    {\n      \"name\": \"web\",\n      \"image\": \"i\"\n    }\n  ]\n}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := read(t, c.file, c.src, c.options)
			if d.Shape() != c.shape || d.Resource() != c.resource {
				t.Errorf("shape %d of %q, want %d of %q", d.Shape(), d.Resource(), c.shape, c.resource)
			}
			if kind := d.Definition().Field("containerDefinitions").Kind(); kind != tree.Array {
				t.Errorf("the containers are %s", kind)
			}
			if c.same {
				c.bytes = c.src
			}
			if diff := cmp.Diff(c.bytes, string(d.Bytes())); diff != "" {
				t.Errorf("Bytes (-want +got):\n%s", diff)
			}
			if c.ecs == "" {
				c.ecs = c.bytes
			}
			if diff := cmp.Diff(c.ecs, string(d.ECS())); diff != "" {
				t.Errorf("ECS (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.bytes, string(d.Bytes())); diff != "" {
				t.Errorf("Bytes after ECS (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	containers := func(n int) string {
		return "[" + strings.Repeat(`{"name":"a"},`, n-1) + `{"name":"a"}]`
	}
	for name, c := range map[string]struct{ file, src, resource, want string }{
		"empty":                  {src: " \n", want: "f:1:1: the input is empty"},
		"text":                   {src: "hello", want: "f:1:1: the document is a string; give a task definition, the output of"},
		"not JSON":               {src: `{"family": x}`, want: "f:1:12: 'x' where a value should begin"},
		"truncated":              {src: "{\n \"family\": \"a\",\n \"containerDefinitions\": [\n", want: "f:4:1: the document ends inside the list that begins in line 3: it is truncated"},
		"endless string":         {src: "{\n \"family\": \"a,\n}", want: "f:2:12: a string that does not end in its line"},
		"truncated string":       {src: "{\n \"family\": \"a", want: "f:2:14: the document ends inside a string: it is truncated"},
		"column in characters":   {src: "\ufeff{\"é\": x}", want: "f:1:7: 'x' where a value should begin"},
		"twice":                  {src: "{\"family\": 1,\n  \"family\": 2}", want: `f:2:3: the member "family" is there twice, first in line 1`},
		"trailing":               {src: "{}\n{}", want: "f:2:1: '{' after the end of the document"},
		"comma":                  {src: `{"a": 1,}`, want: "f:1:8: a comma after the last member"},
		"comment":                {src: "{\n  // mine\n}", want: "f:2:3: '/' where the name of a member should begin; JSON has no comments: take it out"},
		"quotes":                 {src: `{'a': 1}`, want: `f:1:2: '\'' where the name of a member should begin; JSON quotes with "`},
		"template language":      {src: `{"a": {% if x %}}`, want: "f:1:8: '%' where the name of a member should begin"},
		"control":                {src: "{\"a\": \"\x01\"}", want: `f:1:8: a control character in a string: write it as \u0001`},
		"UTF-8":                  {src: "{\"a\": \"\xff\"}", want: "f:1:8: a byte that is not UTF-8"},
		"deep":                   {src: strings.Repeat("[", 1001), want: "f:1:1001: more than 1000 levels of nesting"},
		"nothing in it":          {src: "{\n}", want: "f:1:1: there is no task definition in this document; give a task definition, the"},
		"no containers":          {src: `{"family":"a","containerDefinitions":[]}`, want: "f:1:38: there are no containers; a task definition has 1 to 10 of them"},
		"an empty list":          {src: `[]`, want: "f:1:1: there are no containers"},
		"described without":      {src: "{\"taskDefinition\":\n {\"family\":\"a\"}}", want: "f:2:2: there are no containerDefinitions"},
		"containers a string":    {src: `{"containerDefinitions":"web"}`, want: "f:1:25: containerDefinitions is a string and not a list"},
		"containers in a string": {src: `{"containerDefinitions":"[{}]"}`, want: "f:1:25: containerDefinitions is a list inside a string; take it out of the string"},
		"containers an object":   {src: `{"containerDefinitions":{"name":"a"}}`, want: "f:1:25: containerDefinitions is an object and not a list"},
		"a container a string":   {src: `{"containerDefinitions":["web"]}`, want: "f:1:26: this container is a string and not an object"},
		"eleven":                 {src: containers(11), want: "f:1:1: there are 11 containers; ECS takes at most 10 in a task definition: split it"},
		"huge":                   {src: `[{"name":"a","cpu":1e99}]`, want: "f:1:20: the number 1e99 is larger than ECS can hold"},
		"huge whole":             {src: `[{"name":"a","cpu":` + strings.Repeat("9", 99) + `}]`, want: "f:1:20: the number 9999999999999999999999999999999999999999… is larger than ECS can hold"},
		"one container":          {src: `{"name":"a","image":"b"}`, want: "f:1:1: this is one container definition; put it in a list"},
		"a service":              {src: `{"taskDefinition": "arn:x"}`, want: "f:1:20: taskDefinition is a string and not an object"},
		"a resource":             {src: `{"Type":"AWS::ECS::TaskDefinition","Properties":{}}`, want: "f:1:1: this is a resource without a template around it"},
		"no task definition":     {file: "f.yaml", src: "Resources:\n  B: {Type: AWS::S3::Bucket}\n", want: "f.yaml:2:3: no resource of the template is an AWS::ECS::TaskDefinition"},
		"several":                {src: `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"},"B":{"Type":"AWS::ECS::TaskDefinition"}}}`, want: "f:1:14: the template has 2 task definitions: A, B; choose one with --resource"},
		"no such":                {src: `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"},"B":{"Type":"AWS::ECS::TaskDefinition"}}}`, resource: "C", want: "f:1:14: no task definition of the template is called C; they are A, B"},
		"no properties":          {src: `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition"}}}`, want: "f:1:19: the task definition A has no Properties"},
		"YAML":                   {file: "f.yml", src: "a:\n  - b\n c: d\n", want: "f.yml:2:3: did not find expected key"},
		"YAML twice":             {file: "f.yml", src: "a: 1\nb: 1\na: 2\n", want: `f.yml:3:1: the member "a" is there twice, first in line 1`},
		"YAML documents":         {file: "f.yml", src: "a: 1\n---\nb: 1\n", want: "f.yml:2:1: a second document begins here"},
		"YAML merge":             {file: "f.yml", src: "containerDefinitions:\n- &a {name: a}\n- {<<: *a, name: b}\n", want: "f.yml:3:8: members are merged into this object with <<"},
		"Terraform":              {file: "main.tf", src: "resource \"aws_ecs_task_definition\" \"a\" {\n  family = \"x\"\n}\n", want: "main.tf:1:1: the document is a string; give the list of containers alone, as JSON"},
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
		t.Error(diff)
	}
}

func first(definition *tree.Node) *tree.Node {
	for _, c := range definition.Field("containerDefinitions").Elements() {
		return c
	}
	return nil
}

// TestCloudFormation holds the templates to cfn-lint and to the way back.
func TestCloudFormation(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	fargate := `{"family":"app","requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc","cpu":"256","memory":512,"executionRoleArn":"arn:aws:iam::012345678910:role/x",
"containerDefinitions":[{"name":"web","image":"nginx","memory":"512","essential":true,"links":null,"dockerLabels":{"owner":"me"},"mountPoints":[{"sourceVolume":"data","containerPath":"/d","readOnly":false}],
"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g","awslogs-region":"eu-west-1","awslogs-stream-prefix":"p"}}}],
"proxyConfiguration":{"type":"APPMESH","containerName":"web","properties":[{"name":"AppPorts","value":"80"}]},
"volumes":[{"name":"data","efsVolumeConfiguration":{"fileSystemId":"fs-12345678","transitEncryption":"ENABLED","authorizationConfig":{"iam":"ENABLED"}}}],"tags":[{"key":"a","value":"b"}]}`
	asYAML := string(read(t, "", fargate, taskdef.ReadOptions{}).Definition().BytesLike(read(t, "t.yaml", cloudFormation, taskdef.ReadOptions{}).Definition()))
	for name, src := range map[string]string{"td.json": fargate, "td.yaml": asYAML} {
		d := read(t, name, src, taskdef.ReadOptions{})
		out := d.CloudFormation()
		back := read(t, name, string(out), taskdef.ReadOptions{})
		if back.Shape() != taskdef.Template || back.Resource() != "TaskDefinition" {
			t.Errorf("%s: not a template:\n%s", name, out)
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(d.ECS(), &want), json.Unmarshal(back.ECS(), &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s there and back (-want +got):\n%s", name, diff)
		}
		if !bytes.Equal(back.CloudFormation(), out) {
			t.Errorf("%s: a template is another as a template", name)
		}
		for _, word := range []string{"EFSVolumeConfiguration", "FilesystemId", "IAM", "ProxyConfigurationProperties", "owner", "awslogs-group"} {
			if !strings.Contains(string(out), word) {
				t.Errorf("%s: no %s in\n%s", name, word, out)
			}
		}
		if lint == "" {
			continue
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		if report, err := exec.Command(lint, "--regions", "us-east-1", "--", path).CombinedOutput(); err != nil {
			t.Errorf("cfn-lint: %v\n%s\n%s", err, report, out)
		}
	}
	if lint == "" {
		t.Skip("cfn-lint is not here")
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{described, cloudFormation, `[{"name":"a","image":"b"}]`, `{"containerDefinitions":[{"name":"a","dockerLabels":{"A":null}}],"cpu":1}`, `{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Name":"a"}]}}}}`} {
		f.Add("f", []byte(s))
		f.Add("f.yaml", []byte(s))
	}
	f.Fuzz(func(t *testing.T, name string, src []byte) {
		d, err := taskdef.Read(name, src, taskdef.ReadOptions{})
		if err != nil {
			if e, ok := errors.AsType[*taskdef.InputError](err); !ok || e.Line < 1 || e.Column < 1 || e.What == "" || d != nil {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if d.Shape() != taskdef.Described && !bytes.Equal(d.Bytes(), src) {
			t.Fatalf("Bytes is not the source:\n%s", d.Bytes())
		}
		ecs := d.ECS()
		if strings.Contains(string(src), "{") && strings.Contains(string(src), "$") || strings.Contains(string(src), "{{") {
			return // placeholders, which are no JSON
		}
		again, err := taskdef.Read("ecs.json", ecs, taskdef.ReadOptions{})
		if err != nil {
			t.Fatalf("ECS does not read: %v\n%s", err, ecs)
		}
		if diff := cmp.Diff(string(ecs), string(again.ECS())); diff != "" {
			t.Fatalf("ECS again (-want +got):\n%s", diff)
		}
	})
}

// BenchmarkRead reads a definition of two containers, as many as most have.
func BenchmarkRead(b *testing.B) {
	for name, src := range map[string]string{"json": described, "yaml": cloudFormation} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := taskdef.Read("td."+name, []byte(src), taskdef.ReadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
