package fargate

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
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
			[]any{
				jsonObject{"type": "memberOf", "expression": "attribute:ecs.os-type == windows"},
				jsonObject{"type": "memberOf", "expression": "attribute:ecs.instance-type =~ m6g.*"},
			})
	})
	g.maybe(d, 20, "runtimePlatform", func() any {
		return one[any](g, jsonObject{}, jsonObject{"cpuArchitecture": "ARM64"}, jsonObject{"operatingSystemFamily": "LINUX"},
			jsonObject{"operatingSystemFamily": "WINDOWS_SERVER_2019_FULL"}, jsonObject{"operatingSystemFamily": "WINDOWS_SERVER_2016_FULL"})
	})
	g.maybe(d, 95, "volumes", func() any {
		kinds := []jsonObject{
			{},
			{"host": jsonObject{}},
			{"host": jsonObject{"sourcePath": "/data"}},
			{"host": jsonObject{"sourcePath": nil}},
			{"dockerVolumeConfiguration": jsonObject{"scope": "task"}},
			{"dockerVolumeConfiguration": jsonObject{"scope": "shared", "driver": "rexray", "driverOpts": jsonObject{"password": secretText}}},
			{"efsVolumeConfiguration": jsonObject{"fileSystemId": "fs-1"}},
			{"configuredAtLaunch": true},
		}
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
	c := jsonObject{"name": name, "image": one(g,
		"nginx:1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:b", "x:{{ tag }}", "app:1", "app:2", "app:3", "app:4",
		one(g, "app:5", "app:6", "mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022"), "app:arm64")}
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
			[]any{jsonObject{"containerPort": port, "hostPort": 0}, jsonObject{"containerPort": port, "hostPort": 9999, "protocol": "tcp"}},
			[]any{jsonObject{"containerPort": "${p}", "hostPort": 1}})
	})
	g.maybe(c, 60, "environment", func() any {
		return []any{jsonObject{"name": "DB_HOST", "value": one(g, other, "peer", "peer:3306", secretText, "http://169.254.169.254/x")},
			jsonObject{"name": "URL", "value": one[any](g,
				"mysql://u:"+secretText+"@peer:3306/db", "x-"+other, 80, jsonObject{"Fn::Sub": "http://peer:${Port}"}, "${URL}")},
			jsonObject{"name": "PASSWORD", "value": secretText + " 172.17.0.1 " + secretText}}
	})
	g.maybe(c, 40, "command", func() any { return []any{"sh", "-c", "wait peer:3306 && " + one(g, "true", "ls /var/run/docker.sock")} })
	g.maybe(c, 70, "logConfiguration", func() any {
		return one[any](g, nil, jsonObject{"logDriver": "json-file", "options": jsonObject{"max-size": "1m"}},
			jsonObject{"logDriver": "awslogs", "options": jsonObject{"awslogs-group": "g", "awslogs-region": "us-west-2", "tag": "x"}},
			jsonObject{"logDriver": "awslogs"},
			one(g, jsonObject{"logDriver": "awsfirelens"}, jsonObject{"logDriver": "journald"}, jsonObject{"logDriver": "awslogs"}),
			jsonObject{"logDriver": "{{ driver }}"},
			jsonObject{"logDriver": "fluentd", "options": jsonObject{"fluentd-address": "logs.example.org:24224", "labels": secretText},
				"secretOptions": []any{jsonObject{"name": "a", "valueFrom": "b"}}},
			jsonObject{"logDriver": "gelf", "options": jsonObject{"gelf-address": "udp://" + secretText}},
			jsonObject{"logDriver": "splunk", "options": jsonObject{"splunk-token": secretText}})
	})
	g.maybe(c, 10, "firelensConfiguration", func() any {
		return one[any](g, jsonObject{"type": "fluentbit"},
			jsonObject{"type": "fluentbit", "options": jsonObject{"config-file-type": "s3", "config-file-value": "arn"}})
	})
	g.maybe(c, links/2, "dependsOn", func() any {
		return []any{jsonObject{"containerName": other, "condition": one(g, "START", "START", "START", "START", "START", "HEALTHY", "SUCCESS")}}
	})
	g.maybe(c, 30, "mountPoints", func() any {
		return []any{jsonObject{"sourceVolume": one(g, "v", "w", "v", "w", "v", "w", "x"), "containerPath": "/m"},
			jsonObject{"sourceVolume": "v", "containerPath": "/n", "readOnly": true}}
	})
	g.maybe(c, 30, "linuxParameters", func() any {
		return one[any](g, jsonObject{"maxSwap": 0}, jsonObject{"maxSwap": 9, "swappiness": 1}, jsonObject{"sharedMemorySize": 64},
			jsonObject{"devices": []any{jsonObject{"hostPath": "/dev/x"}}},
			jsonObject{"capabilities": jsonObject{"add": []string{"CHOWN", "SYS_PTRACE", "NET_ADMIN"}}}, jsonObject{"initProcessEnabled": true, "sharedMemorySize": 0})
	})
	rare := map[string][]any{
		"privileged":        {true, false},
		"hostname":          {"h", ""},
		"disableNetworking": {true, false},
		"dnsServers":        {[]string{"10.0.0.2"}, []string{}},
		"dnsSearchDomains":  {[]string{"x"}},
		"extraHosts": {[]any{jsonObject{"hostname": "peer", "ipAddress": "127.0.0.1"}},
			[]any{jsonObject{"hostname": "x", "ipAddress": "10.0.0.1"}}},
		"dockerSecurityOptions":  {[]string{"no-new-privileges", "credentialspec:x"}},
		"credentialSpecs":        {[]string{"credentialspecdomainless:x"}, []string{"credentialspec:x"}},
		"resourceRequirements":   {[]any{jsonObject{"type": "GPU", "value": "1"}}},
		"stopTimeout":            {1, 30, 300, "400"},
		"startTimeout":           {600},
		"user":                   {"1"},
		"readonlyRootFilesystem": {true},
		"ulimits":                {[]any{jsonObject{"name": "nofile", "softLimit": 1, "hardLimit": 2}}},
		"restartPolicy":          {jsonObject{"enabled": true}},
		"interactive":            {true},
		"healthCheck":            {jsonObject{"command": []string{"CMD", "curl", "peer:80"}}},
		"secrets":                {[]any{jsonObject{"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}}},
		"systemControls":         {[]any{jsonObject{"namespace": "net.core.somaxconn", "value": "1"}}},
		"gadget":                 {nil, 1, []any{1}},
		"dockerLabels":           {jsonObject{"a": secretText}},
	}
	for _, name := range slices.Sorted(maps.Keys(rare)) { // so that a seed always makes the same definition
		g.maybe(c, 8, name, func() any { return one(g, rare[name]...) })
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
