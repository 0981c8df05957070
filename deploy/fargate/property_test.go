package fargate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// generator makes definitions as people write them, and worse.
type generator struct{ *rand.Rand }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func one[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

type jsonObject map[string]any

func (g generator) maybe(o jsonObject, percent int, name string, value func() any) {
	if g.chance(percent) {
		o[name] = value()
	}
}

func (g generator) definition() jsonObject {
	d := jsonObject{"family": one(g, "app", "web-1", "{{ env `APP` }}")}
	names := []string{"web", "db", "agent", "cache", "log_router"}[:1+g.IntN(5)]
	var containers []any
	for i, name := range names {
		after := names[i+1:] // no cycles, as a rule
		if len(after) == 0 || g.chance(2) {
			after = names
		}
		containers = append(containers, g.container(name, after, i+1 < len(names)))
	}
	d["containerDefinitions"] = containers
	g.maybe(d, 60, "networkMode", func() any { return one[any](g, "bridge", "host", "awsvpc", "none", "default", "${mode}", nil) })
	g.maybe(d, 50, "requiresCompatibilities", func() any {
		return one[any](g, []string{"EC2"}, []string{"FARGATE"}, []string{"EC2", "FARGATE"}, []string{"EXTERNAL"}, []string{}, []string{"FARGATE", "EXTERNAL"})
	})
	g.maybe(d, 40, "cpu", func() any {
		return one[any](g, "256", "300", ".5 vCPU", 1024, "32 vCPU", "2048", "4096", "99999", "${cpu}")
	})
	g.maybe(d, 40, "memory", func() any { return one[any](g, "256", "0.5GB", "5000", 2048, "1 GB", "4096", "2048", "x", "${memory}") })
	g.maybe(d, 30, "executionRoleArn", func() any { return one[any](g, "arn:aws:iam::123456789012:role/x", "", nil) })
	g.maybe(d, 30, "taskRoleArn", func() any { return "role" })
	g.maybe(d, 15, "pidMode", func() any { return one(g, "host", "task") })
	g.maybe(d, 15, "ipcMode", func() any { return one(g, "host", "task", "none") })
	g.maybe(d, 20, "placementConstraints", func() any {
		return one[any](g, []any{}, []any{jsonObject{"type": "memberOf", "expression": "attribute:ecs.cpu-architecture == arm64"}},
			[]any{jsonObject{"type": "memberOf", "expression": "attribute:ecs.os-type == windows"}, jsonObject{"type": "memberOf", "expression": "attribute:ecs.instance-type =~ m6g.*"}})
	})
	g.maybe(d, 20, "runtimePlatform", func() any {
		return one[any](g, jsonObject{}, jsonObject{"cpuArchitecture": "ARM64"}, jsonObject{"operatingSystemFamily": "LINUX"},
			jsonObject{"operatingSystemFamily": "WINDOWS_SERVER_2019_FULL"}, jsonObject{"operatingSystemFamily": "WINDOWS_SERVER_2016_FULL"})
	})
	g.maybe(d, 95, "volumes", func() any {
		kinds := []jsonObject{{}, {"host": jsonObject{}}, {"host": jsonObject{"sourcePath": "/data"}}, {"host": jsonObject{"sourcePath": nil}}, {"dockerVolumeConfiguration": jsonObject{"scope": "task"}},
			{"dockerVolumeConfiguration": jsonObject{"scope": "shared", "driver": "rexray", "driverOpts": jsonObject{"password": secretText}}}, {"efsVolumeConfiguration": jsonObject{"fileSystemId": "fs-1"}}, {"configuredAtLaunch": true}}
		var all []any
		for _, name := range []string{"v", "w"} {
			kind := jsonObject{"name": name}
			for k, v := range one(g, kinds...) {
				kind[k] = v
			}
			all = append(all, kind)
		}
		return all
	})
	g.maybe(d, 5, "inferenceAccelerators", func() any { return []any{jsonObject{"deviceName": "d", "deviceType": "t"}} })
	g.maybe(d, 10, "futureMember", func() any { return jsonObject{"a": 1} })
	g.maybe(d, 10, "compatibilities", func() any { return []string{"EXTERNAL", "EC2"} })
	return d
}

// secretText is never to be seen in a finding.
const secretText = "hunter2-swordfish"

func (g generator) container(name string, names []string, linked bool) jsonObject {
	c := jsonObject{"name": name, "image": one(g, "nginx:1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:b", "x:{{ tag }}", "app:1", "app:2", "app:3", "app:4", one(g, "app:5", "app:6", "mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022"), "app:arm64")}
	other := one(g, names...)
	g.maybe(c, 70, "cpu", func() any { return one[any](g, 0, 10, 256, "512", "${c}") })
	g.maybe(c, 80, "memory", func() any { return one[any](g, 64, 512, "1024", 9000) })
	g.maybe(c, 30, "memoryReservation", func() any { return 32 })
	g.maybe(c, 30, "essential", func() any { return one[any](g, true, true, false, "true") })
	links := 40
	if !linked {
		links = 2
	}
	g.maybe(c, links, "links", func() any { return one[any](g, []string{other}, []string{other + ":peer"}, []string{}, nil) })
	g.maybe(c, 50, "portMappings", func() any {
		port := one(g, 80, 8080, 3306)
		return one[any](g, []any{}, []any{jsonObject{"containerPort": port}}, []any{jsonObject{"containerPort": port, "hostPort": port}},
			[]any{jsonObject{"containerPort": port, "hostPort": 0}, jsonObject{"containerPort": port, "hostPort": 9999, "protocol": "tcp"}}, []any{jsonObject{"containerPort": "${p}", "hostPort": 1}})
	})
	g.maybe(c, 60, "environment", func() any {
		return []any{jsonObject{"name": "DB_HOST", "value": one(g, other, "peer", "peer:3306", secretText, "http://169.254.169.254/x")},
			jsonObject{"name": "URL", "value": one[any](g, "mysql://u:"+secretText+"@peer:3306/db", "x-"+other, 80, jsonObject{"Fn::Sub": "http://peer:${Port}"}, "${URL}")},
			jsonObject{"name": "PASSWORD", "value": secretText + " 172.17.0.1 " + secretText}}
	})
	g.maybe(c, 40, "command", func() any { return []any{"sh", "-c", "wait peer:3306 && " + one(g, "true", "ls /var/run/docker.sock")} })
	g.maybe(c, 70, "logConfiguration", func() any {
		return one[any](g, nil, jsonObject{"logDriver": "json-file", "options": jsonObject{"max-size": "1m"}},
			jsonObject{"logDriver": "awslogs", "options": jsonObject{"awslogs-group": "g", "awslogs-region": "us-west-2", "tag": "x"}},
			jsonObject{"logDriver": "awslogs"}, one(g, jsonObject{"logDriver": "awsfirelens"}, jsonObject{"logDriver": "journald"}, jsonObject{"logDriver": "awslogs"}), jsonObject{"logDriver": "{{ driver }}"},
			jsonObject{"logDriver": "fluentd", "options": jsonObject{"fluentd-address": "logs.example.org:24224", "labels": secretText}, "secretOptions": []any{jsonObject{"name": "a", "valueFrom": "b"}}},
			jsonObject{"logDriver": "gelf", "options": jsonObject{"gelf-address": "udp://" + secretText}}, jsonObject{"logDriver": "splunk", "options": jsonObject{"splunk-token": secretText}})
	})
	g.maybe(c, 10, "firelensConfiguration", func() any {
		return one[any](g, jsonObject{"type": "fluentbit"}, jsonObject{"type": "fluentbit", "options": jsonObject{"config-file-type": "s3", "config-file-value": "arn"}})
	})
	g.maybe(c, links/2, "dependsOn", func() any {
		return []any{jsonObject{"containerName": other, "condition": one(g, "START", "START", "START", "START", "START", "HEALTHY", "SUCCESS")}}
	})
	g.maybe(c, 30, "mountPoints", func() any {
		return []any{jsonObject{"sourceVolume": one(g, "v", "w", "v", "w", "v", "w", "x"), "containerPath": "/m"}, jsonObject{"sourceVolume": "v", "containerPath": "/n", "readOnly": true}}
	})
	g.maybe(c, 30, "linuxParameters", func() any {
		return one[any](g, jsonObject{"maxSwap": 0}, jsonObject{"maxSwap": 9, "swappiness": 1}, jsonObject{"sharedMemorySize": 64}, jsonObject{"devices": []any{jsonObject{"hostPath": "/dev/x"}}},
			jsonObject{"capabilities": jsonObject{"add": []string{"CHOWN", "SYS_PTRACE", "NET_ADMIN"}}}, jsonObject{"initProcessEnabled": true, "sharedMemorySize": 0})
	})
	for name, jsonObject := range map[string][]any{
		"privileged": {true, false}, "hostname": {"h", ""}, "disableNetworking": {true, false}, "dnsServers": {[]string{"10.0.0.2"}, []string{}},
		"dnsSearchDomains": {[]string{"x"}}, "extraHosts": {[]any{jsonObject{"hostname": "peer", "ipAddress": "127.0.0.1"}}, []any{jsonObject{"hostname": "x", "ipAddress": "10.0.0.1"}}},
		"dockerSecurityOptions": {[]string{"no-new-privileges", "credentialspec:x"}}, "credentialSpecs": {[]string{"credentialspecdomainless:x"}, []string{"credentialspec:x"}},
		"resourceRequirements": {[]any{jsonObject{"type": "GPU", "value": "1"}}}, "stopTimeout": {1, 30, 300, "400"}, "startTimeout": {600}, "user": {"1"}, "readonlyRootFilesystem": {true},
		"ulimits": {[]any{jsonObject{"name": "nofile", "softLimit": 1, "hardLimit": 2}}}, "restartPolicy": {jsonObject{"enabled": true}}, "interactive": {true},
		"healthCheck": {jsonObject{"command": []string{"CMD", "curl", "peer:80"}}}, "secrets": {[]any{jsonObject{"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}}},
		"systemControls": {[]any{jsonObject{"namespace": "net.core.somaxconn", "value": "1"}}}, "gadget": {nil, 1, []any{1}}, "dockerLabels": {jsonObject{"a": secretText}},
	} {
		g.maybe(c, 8, name, func() any { return one(g, jsonObject...) })
	}
	return c
}

// source writes a definition in one of the layouts that occur.
func (g generator) source(d jsonObject) []byte {
	var src []byte
	if g.chance(50) {
		src, _ = json.MarshalIndent(d, "", one(g, "  ", "    ", "\t"))
	} else {
		src, _ = json.Marshal(d)
	}
	return src
}

func allowable() (all []string) {
	for _, r := range Rules() {
		if r.Allow != "" {
			all = append(all, r.ID)
		}
	}
	return all
}

func hasError(found []finding.Finding) bool {
	return slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Severity == finding.Error })
}

func TestConvertGenerated(t *testing.T) {
	allow := allowable()
	var converted, refused int
	for seed := range uint64(2000) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		src := g.source(g.definition())
		o := Options{Region: "us-east-1", ExecutionRole: "exec"}
		if g.chance(70) {
			o.Allow = allow
		}
		o.KeepEC2, o.Fluentd, o.RewriteLinks = g.chance(20), one(g, "", "firelens"), one(g, "", "all", "none")
		o.Arch, o.MemoryBasis = one(g, "", "arm64", "x86_64"), one(g, "", "reservation")
		if g.chance(20) {
			o.Volumes, o.Shm = map[string]string{"v": "ephemeral", "w": "efs:fs-0123456789abcdef0:/x"}, "tmpfs"
		}
		d := read(t, "td.json", string(src))
		checked, err := Check(d, o)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.Bytes(), read(t, "td.json", string(src)).Bytes()) {
			t.Fatalf("seed %d: Check edited:\n%s\n%s", seed, src, d.Bytes())
		}
		found, err := Convert(d, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(slices.Clone(found), checked...) {
			if s := fmt.Sprint(f); strings.Contains(s, secretText) {
				t.Fatalf("seed %d: a secret in %s", seed, s)
			}
		}
		before := read(t, "td.json", string(src)).Definition()
		for place, id := range unexplained(before, d.Definition(), found) {
			t.Fatalf("seed %d: %s was edited without a finding (%s)\n%s\n%s", seed, place, id, src, d.Bytes())
		}
		if hasError(found) {
			refused++
			continue
		}
		converted++
		out := d.Bytes()
		for _, again := range []*taskdef.Document{d, read(t, "td.json", string(out))} {
			second, err := Convert(again, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range second {
				if f.Action != finding.Keep || f.Severity == finding.Error {
					t.Fatalf("seed %d: not idempotent: %+v\n%s\n%s", seed, f, src, out)
				}
			}
			if diff := cmp.Diff(string(out), string(again.Bytes())); diff != "" {
				t.Fatalf("seed %d: the second conversion edited:\n%s", seed, diff)
			}
		}
		rechecked, err := Check(read(t, "td.json", string(out)), o)
		if err != nil {
			t.Fatal(err)
		}
		if hasError(rechecked) {
			t.Fatalf("seed %d: the output does not pass: %+v\n%s", seed, rechecked, out)
		}
		loggedSomewhere(t, d.Definition())
	}
	if converted < 300 || refused < 300 {
		t.Errorf("%d converted, %d refused: the generator is lopsided", converted, refused)
	}
	t.Logf("%d converted, %d refused", converted, refused)
}

// TestConvertGeneratedTemplates converts generated definitions in CloudFormation
// templates.
func TestConvertGeneratedTemplates(t *testing.T) {
	allow := allowable()
	var converted int
	for seed := range uint64(400) {
		g := generator{rand.New(rand.NewPCG(seed, 2))}
		d := g.definition()
		delete(d, "compatibilities")
		template := read(t, "td.json", string(g.source(d))).CloudFormation()
		o := Options{ExecutionRole: "exec", Fluentd: one(g, "", "firelens"), Allow: allow}
		doc := read(t, "template.json", string(template))
		found, err := Convert(doc, o)
		if err != nil {
			t.Fatal(err)
		}
		if hasError(found) {
			continue
		}
		converted++
		out := doc.Bytes()
		again := read(t, "template.json", string(out))
		second, err := Convert(again, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range second {
			if f.Action != finding.Keep || f.Severity == finding.Error {
				t.Fatalf("seed %d: not idempotent: %+v\n%s\n%s", seed, f, template, out)
			}
		}
		for name := range again.Definition().Members() {
			if name[0] >= 'a' && name != "gadget" && name != "futureMember" {
				t.Fatalf("seed %d: %s is not in the case of the template:\n%s", seed, name, out)
			}
		}
	}
	if converted < 100 {
		t.Errorf("only %d converted", converted)
	}
}

// TestAnyValueAnywhere puts jsonObject of each type, and jsonObject that are known only
// when they are deployed, in the place of each value of whole definitions.
func TestAnyValueAnywhere(t *testing.T) {
	o := Options{Region: "us-east-1", ExecutionRole: "exec", Fluentd: "firelens", RewriteLinks: "all", Shm: "tmpfs", Allow: allowable()}
	jsonObject := []*tree.Node{
		tree.NewNull(), tree.NewInt(-3), tree.NewInt(1 << 60), tree.NewString("abc"), tree.NewString(""), tree.NewString("{{ x }}"), tree.NewBool(true),
		tree.NewArray(), tree.NewArray(tree.NewNull(), tree.NewInt(1), tree.NewString("${x}")), tree.NewObject(),
		tree.NewObject(tree.Member{Name: "Ref", Value: tree.NewString("X")}),
	}
	inputs, err := filepath.Glob("testdata/convert/*/in.json")
	if err != nil || len(inputs) == 0 {
		t.Fatal(err)
	}
	var conversions int
	for _, in := range inputs {
		src, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		var places int
		walk(read(t, in, string(src)).Definition(), func(*tree.Node) { places++ })
		for place := 1; place < places; place++ {
			for _, v := range jsonObject {
				d := read(t, in, string(src))
				i := 0
				var at string
				walk(d.Definition(), func(n *tree.Node) {
					if i++; i == place+1 {
						at = n.Pointer()
						n.Replace(v)
					}
				})
				d, err := taskdef.Read(in, d.Bytes(), taskdef.ReadOptions{})
				if err != nil {
					continue // it says why
				}
				conversions++
				found, err := Convert(d, o)
				if err != nil {
					t.Fatal(err)
				}
				if hasError(found) {
					continue
				}
				again, err := Convert(read(t, in, string(d.Bytes())), o)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range again {
					if (f.Action != finding.Keep || f.Severity == finding.Error) && d.Shape() != taskdef.List {
						t.Errorf("%s with %s at %s: not idempotent: %+v", in, v.Source(), at, f)
					}
				}
			}
		}
	}
	if conversions < 1000 {
		t.Errorf("only %d conversions", conversions)
	}
}

func walk(n *tree.Node, f func(*tree.Node)) {
	f(n)
	for _, v := range n.Members() {
		walk(v, f)
	}
	for _, v := range n.Elements() {
		walk(v, f)
	}
}

// unexplained returns the places of before that after lacks or has otherwise,
// and those that after has and before lacks, without a finding that edited them.
func unexplained(before, after *tree.Node, found []finding.Finding) map[string]string {
	edited := map[string]bool{}
	for _, f := range found {
		if f.Action != finding.Keep && f.Action != finding.Refuse {
			edited[f.Pointer] = true
		}
	}
	explained := func(p string) bool {
		for ; ; p = p[:strings.LastIndexByte(p, '/')] {
			if edited[p] {
				return true
			}
			if !strings.Contains(p, "/") {
				return false
			}
		}
	}
	jsonObject := func(n *tree.Node) map[string]string {
		all := map[string]string{}
		var walk func(n *tree.Node)
		walk = func(n *tree.Node) {
			v := n.Kind().String()
			if n.Len() == 0 {
				v = n.Source()
			}
			switch n.Kind() {
			case tree.Array, tree.Object:
				v = n.Kind().String() // its length is told by what is in it
			}
			all[n.Pointer()] = v
			for _, m := range n.Members() {
				walk(m)
			}
			for _, e := range n.Elements() {
				walk(e)
			}
		}
		walk(n)
		return all
	}
	was, is := jsonObject(before), jsonObject(after)
	wrong := map[string]string{}
	for p, v := range was {
		if w, ok := is[p]; (!ok || w != v) && !explained(p) {
			// A swap is told at the member that it takes away.
			wrong[p] = "gone or other"
		}
	}
	for p := range is {
		if _, ok := was[p]; !ok && !explained(p) && !swapped(p, edited) {
			wrong[p] = "new"
		}
	}
	return wrong
}

// swapped reports whether a new member stands where a finding took another away.
func swapped(p string, edited map[string]bool) bool {
	for _, swap := range [][2]string{
		{"host", "dockerVolumeConfiguration"}, {"efsVolumeConfiguration", "host"}, {"efsVolumeConfiguration", "dockerVolumeConfiguration"}, {"tmpfs", "sharedMemorySize"},
	} {
		if owner, _, ok := strings.Cut(p, "/"+swap[0]); ok && edited[owner+"/"+swap[1]] {
			return true
		}
	}
	return false
}

// loggedSomewhere fails unless each container has a log driver of Fargate, and
// with awslogs what makes the stream prefix/container/task-id.
func loggedSomewhere(t *testing.T, def *tree.Node) {
	t.Helper()
	for _, c := range def.Field("containerDefinitions").Elements() {
		logs := c.Field("logConfiguration")
		driver, _ := logs.Field("logDriver").Text()
		switch {
		case driver == "awslogs":
			for _, key := range []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} {
				if s, ok := logs.Field("options").Key(key).Text(); !ok || s == "" {
					t.Fatalf("no %s in %s", key, logs.Source())
				}
			}
		case driver == "splunk", driver == "awsfirelens", logs.Field("logDriver").Opaque():
		default:
			t.Fatalf("no log destination: %s", c.Source())
		}
	}
}
