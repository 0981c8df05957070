package fargate

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// TestConvert compares conversions of whole definitions with testdata/convert: from
// in.json or in.yaml, with options.json, to out (absent if refused) and findings.txt.
func TestConvert(t *testing.T) {
	inputs, err := filepath.Glob("testdata/convert/*/in.*")
	if err != nil || len(inputs) < 10 {
		t.Fatal(inputs, err)
	}
	for _, in := range inputs {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			src, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			var o Options
			if text, err := os.ReadFile(filepath.Join(dir, "options.json")); err == nil {
				if err := json.Unmarshal(text, &o); err != nil {
					t.Fatal(err)
				}
			}
			d := read(t, filepath.Base(in), string(src))
			found, err := Convert(d, o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "findings.txt"), describe(found))
			out := filepath.Join(dir, "out"+filepath.Ext(in))
			if hasError(found) {
				if _, err := os.Stat(out); err == nil {
					t.Errorf("the conversion is refused, want no %s", out)
				}
				return
			}
			golden(t, out, d.Bytes())
			checked, err := Check(read(t, filepath.Base(in), string(d.Bytes())), o)
			if err != nil {
				t.Fatal(err)
			}
			if hasError(checked) {
				t.Errorf("the output does not pass: %s", describe(checked))
			}
		})
	}
}

// TestPublishedPairs converts definitions that AWS has published for EC2 and, made
// by hand, for Fargate; sizes, ports, prefixes and aliases are theirs.
//
// Source: github.com/aws-samples/aws-containers-task-definitions at 75aee9ed
// (nginx, kibana, jetty; Apache-2.0), aws-microservices-deploy-options at
// 9706b74c (greeting; MIT-0), amazon-cloudwatch-container-insights at dfd96117
// (cwagent-statsd; MIT-0). The last has 512 and 1024 there; 256 and 512 suffice.
func TestPublishedPairs(t *testing.T) {
	for _, c := range []struct {
		name, src   string
		cpu, memory string
		port        int64
		prefix      string
	}{
		{"nginx", container(`"portMappings": [{"containerPort": 80, "protocol": "tcp"}], "logConfiguration": {"logDriver": "awslogs",
			"options": {"awslogs-group": "g", "awslogs-region": "us-east-2", "awslogs-stream-prefix": "nginx"}}`),
			"256", "512", 80, "nginx"},
		{"kibana", of(`"memory": "2048", "networkMode": "awsvpc", "cpu": "1024"`, `"portMappings": [{"hostPort": 80, "containerPort": 5601}],
			"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "us-east-1"}}`),
			"1024", "2048", 5601, "ecs"},
		{"jetty", of(`"memory": "1024", "networkMode": "awsvpc", "cpu": "512"`, `"portMappings": [{"hostPort": 8443, "containerPort": 8443}],
			"logConfiguration": {"logDriver": "awslogs",
				"options": {"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}}`),
			"512", "1024", 8443, "ecs"},
		{"greeting", `{"family": "greeting", "containerDefinitions": [{"name": "web", "image": "i", "cpu": "256", "memory": "1024",
			"portMappings": [{"hostPort": "8081", "containerPort": "8081"}]}]}`,
			"256", "1024", 8081, "web"},
		{"statsd", `{"family": "statsd", "networkMode": "bridge", "cpu": "256", "memory": "256", "containerDefinitions": [
			{"name": "web", "image": "i", "portMappings": [{"containerPort": 1}], "links": ["cwagent"], "entryPoint": ["sh", "-c", "socat - UDP:cwagent:8125"]},
			{"name": "cwagent", "image": "i"}]}`,
			"256", "512", 1, "web"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := read(t, "td.json", c.src)
			o := usual(Options{RewriteLinks: "all"})
			found, err := Convert(d, o)
			if err != nil || hasError(found) {
				t.Fatal(err, string(describe(found)))
			}
			def := d.Definition()
			web := first(def.Field("containerDefinitions"))
			cpu, _ := def.Field("cpu").Text()
			memory, _ := def.Field("memory").Text()
			port, _ := first(web.Field("portMappings")).Field("containerPort").Int()
			prefix, _ := web.Field("logConfiguration").Field("options").Key("awslogs-stream-prefix").Text()
			if cpu != c.cpu || memory != c.memory || port != c.port || prefix != c.prefix {
				t.Errorf("size %s/%s, port %d, prefix %s, want %s/%s, %d, %s", cpu, memory, port, prefix, c.cpu, c.memory, c.port, c.prefix)
			}
			if host := first(web.Field("portMappings")).Field("hostPort"); host != nil {
				t.Errorf("host port %s is still there", host.Source())
			}
			if strings.Contains(string(d.Bytes()), "UDP:") && !strings.Contains(string(d.Bytes()), "UDP:127.0.0.1:8125") {
				t.Errorf("the alias is still there: %s", d.Bytes())
			}
		})
	}
}

// TestUntouched compares the bytes that no finding names.
func TestUntouched(t *testing.T) {
	const odd = `"environment" :[ {"name":"A" ,"value":"\u0041\/"},{ "value": "1e3",   "name":"B"}],
	  "x-own" : [1.0, 1e2 ,-0]`
	src := `{ "networkMode" : "bridge",
	"containerDefinitions":[{"name":"a","image" :"b",` + odd + `,"memory":9, "hostname":"h"}],"family":"f"  }
`
	d := read(t, "td.json", src)
	if found, err := Convert(d, usual(Options{})); err != nil || hasError(found) {
		t.Fatal(err, found)
	}
	if !strings.Contains(string(d.Bytes()), odd) || strings.Contains(string(d.Bytes()), "hostname") {
		t.Errorf("%s", d.Bytes())
	}
}

// TestOpaqueNames has names that are known only when the template is deployed: they
// are compared and copied as they are.
func TestOpaqueNames(t *testing.T) {
	d := read(t, "td.json", `{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ExecutionRoleArn": "r", "ContainerDefinitions": [
		{"Name": {"Ref": "A"}, "Image": "i", "Memory": 9, "DependsOn": [{"ContainerName": {"Ref": "B"}, "Condition": "START"}]},
		{"Name": {"Ref": "B"}, "Image": "i", "Memory": 9}]}}}}`)
	found, err := Convert(d, Options{})
	if err != nil || hasError(found) {
		t.Fatal(err, string(describe(found)))
	}
	for _, prefix := range []string{`"awslogs-stream-prefix": {"Ref": "A"}`, `"awslogs-stream-prefix": {"Ref": "B"}`} {
		if n := strings.Count(string(d.Bytes()), prefix); n != 1 {
			t.Errorf("%s occurs %d times, want once, in\n%s", prefix, n, d.Bytes())
		}
	}
}

// TestFargateStays converts a definition that was made for Fargate.
func TestFargateStays(t *testing.T) {
	const src = `{"family": "ids", "networkMode": "awsvpc", "placementConstraints": [], "requiresCompatibilities": ["FARGATE"], "volumes": [],
 "taskRoleArn": "arn:aws:iam::111122223333:role/ids", "executionRoleArn": "arn:aws:iam::111122223333:role/exec", "ephemeralStorage": {"sizeInGiB": 25},
 "containerDefinitions": [{"name": "ids", "image": "ids:{{ env ` + "`TAG`" + ` }}", "cpu": 256, "memory": 16, "essential": true,
  "mountPoints": [], "volumesFrom": [],
  "portMappings": [{"protocol": "tcp", "containerPort": 11212, "hostPort": 11212}], "ulimits": [{"name": "nofile", "softLimit": 100000, "hardLimit": 100000}],
  "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "ids", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ids"}}}],
 "cpu": "1024", "memory": "2048"}`
	d := read(t, "td.json", src)
	found, err := Convert(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Action != finding.Keep || f.Severity == finding.Error {
			t.Errorf("%+v", f)
		}
	}
	if d := cmp.Diff(src, string(d.Bytes())); d != "" {
		t.Errorf("bytes (-want +got):\n%s", d)
	}
}

// TestCheckFargate has definitions that claim Fargate: what ECS refuses is an
// error, although Convert fixes it.
func TestCheckFargate(t *testing.T) {
	claim := func(task, container string) string {
		if task != "" {
			task = ", " + task
		}
		return of(`"requiresCompatibilities": ["FARGATE"]`+task, container)
	}
	for _, c := range []struct{ id, src string }{
		{"network-mode", claim("", "")},
		{"network-mode-host", claim(`"networkMode": "host"`, "")},
		{"task-cpu", claim(`"memory": "512"`, "")},
		{"task-memory", claim(`"cpu": "256", "memory": "600"`, "")},
		{"task-memory", claim(`"cpu": "1024", "memory": "512"`, "")},
		{"task-cpu", strings.Replace(claim(`"cpu": "256", "memory": "512"`, ""), `"cpu": 100`, `"cpu": 300`, 1)},
		{"placement-constraint", claim(`"placementConstraints": [{"type": "memberOf", "expression": "x"}]`, "")},
		{"host-port-changed", claim("", `"portMappings": [{"containerPort": 80, "hostPort": 8080}]`)},
		{"link-dropped", claim("", `"links": ["web"]`)},
		{"hostname-dropped", claim("", `"hostname": "h"`)},
		{"log-driver-replaced", claim("", `"logConfiguration": {"logDriver": "json-file"}`)},
		{"log-stream-prefix-set", claim("", `"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}`)},
		{"log-option-dropped", claim("", `"logConfiguration": {"logDriver": "awslogs", "options": {"tag": "r"}}`)},
		{"execution-role-missing", claim("", `"secrets": [{"name": "A", "valueFrom": "a"}]`)},
		{"swap-dropped", claim("", `"linuxParameters": {"maxSwap": 100}`)},
		{"timeout-clamped", claim("", `"stopTimeout": 121`)},
	} {
		t.Run(c.id, func(t *testing.T) {
			found, err := Check(read(t, "td.json", c.src), Options{Region: "us-east-1"})
			if err != nil {
				t.Fatal(err)
			}
			got := withID(found, c.id)
			if len(got) == 0 || got[0].Severity != finding.Error {
				t.Fatalf("got %s", describe(found))
			}
			if rule, _ := lookup(c.id); rule.Action != finding.Refuse && !strings.Contains(got[0].Why, "ECS refuses it: "+rule.Refusal) {
				t.Errorf("why: %s", got[0].Why)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		option string
		o      Options
	}{
		{"Region", Options{Region: "Frankfurt"}},
		{"ExecutionRole", Options{ExecutionRole: "arn:aws:s3:::x"}},
		{"TaskRole", Options{TaskRole: "a role"}},
		{"LogGroup", Options{LogGroup: "a group"}},
		{"LogMode", Options{LogMode: "blocking:1m"}},
		{"LogMode", Options{LogMode: "non-blocking:"}},
		{"AccountLogMode", Options{AccountLogMode: "keep"}},
		{"FamilySuffix", Options{FamilySuffix: "/x"}},
		{"Arch", Options{Arch: "ppc"}},
		{"MemoryBasis", Options{MemoryBasis: "hope"}},
		{"RewriteLinks", Options{RewriteLinks: "some"}},
		{"Fluentd", Options{Fluentd: "x"}},
		{"Shm", Options{Shm: "big"}},
		{"Volumes", Options{Volumes: map[string]string{"v": "nfs:x"}}},
		{"Allow", Options{Allow: []string{"no-such"}}},
		{"Allow", Options{Allow: []string{"wrong-type"}}},
	} {
		for name, f := range map[string]func(*taskdef.Document, Options) ([]finding.Finding, error){"Convert": Convert, "Check": Check} {
			found, err := f(read(t, "td.json", task("")), c.o)
			e, ok := errors.AsType[*finding.OptionError](err)
			if !ok || e.Option != c.option || found != nil || !strings.Contains(e.Error(), e.Want) {
				t.Errorf("%s %s: %v", name, c.option, err)
			}
		}
	}
	good := Options{
		Region:        "us-gov-west-1",
		ExecutionRole: "arn:aws-cn:iam::111122223333:role/a/b",
		LogGroup:      "/a/${env}",
		Arch:          "arm64",
		Volumes:       map[string]string{"v": "efs:fs-0123456789abcdef0:/a b"},
		Allow:         allowable(),
	}
	if _, err := Convert(read(t, "td.json", task("")), good); err != nil {
		t.Error(err)
	}
}

// TestCheckIsQuiet checks definitions that Fargate accepts: no finding is an error.
// Those of ADOT and of containers without a log driver used to have some.
func TestCheckIsQuiet(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/fargate/valid.txtar")
	if err != nil || len(archive.Files) < 10 {
		t.Fatal(archive, err)
	}
	for _, f := range archive.Files {
		found, err := Check(read(t, f.Name, string(f.Data)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f2 := range found {
			if f2.Severity == finding.Error {
				t.Errorf("%s: %+v", f.Name, f2)
			}
		}
	}
}
