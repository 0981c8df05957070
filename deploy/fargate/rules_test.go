package fargate

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// task returns a definition for EC2 that has nothing to remark on but what every
// one has, with more members of the task.
func task(members string) string { return of(members, "") }

// container returns such a definition with more members of its container.
func container(members string) string { return of("", members) }

func of(task, container string) string {
	for _, s := range []*string{&task, &container} {
		if *s != "" {
			*s = ", " + *s
		}
	}
	// A later member of the same name would be a duplicate key.
	head := `"family": "app"`
	if strings.Contains(task, `"family"`) {
		head = `"x": null`
	}
	return fmt.Sprintf(`{%s, "containerDefinitions": [{"name": "web", "image": "nginx:1", "cpu": 100, "memory": 256%s}]%s}`, head, container, task)
}

// two returns a definition with two containers.
func two(a, b string) string {
	for _, s := range []*string{&a, &b} {
		if *s != "" {
			*s = ", " + *s
		}
	}
	return fmt.Sprintf(`{"family": "app", "containerDefinitions": [{"name": "web", "image": "nginx:1", "cpu": 100, "memory": 256%s}, {"name": "db", "image": "mysql:8", "cpu": 100, "memory": 256%s}]}`, a, b)
}

const windows = `"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "X86_64"}`

// ruleCases has a definition with the finding, and one like it without, for each rule.
var ruleCases = []struct {
	id, bad, good string
	o             Options
	why           string // in Why of the finding, if it matters
}{
	{id: "wrong-type", bad: container(`"portMappings": {"containerPort": 80}`), good: container(`"portMappings": [{"containerPort": 80}]`), why: "an object, where a list belongs"},
	{id: "wrong-type", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": "abc"}]`), good: container(`"portMappings": [{"containerPort": 80, "hostPort": "80"}]`)},
	{id: "wrong-type", bad: container(`"links": "db"`), good: two(`"links": ["db"]`, "")},
	{id: "wrong-type", bad: container(`"environment": [null]`), good: container(`"environment": null`), why: "null"},
	{id: "wrong-type", bad: container(`"essential": 1`), good: container(`"essential": true`)},
	{id: "wrong-type", bad: task(`"volumes": [3]`), good: task(`"volumes": []`)},
	{id: "wrong-type", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"mode": []}}`), good: container(`"logConfiguration": null`)},
	{id: "member-missing", bad: `{"family": "a", "containerDefinitions": [{"image": "b", "memory": 9}]}`, good: task("")},
	{id: "member-missing", bad: container(`"secrets": [{"name": "A"}]`), good: container(`"secrets": [{"name": "A", "valueFrom": "b"}]`)},
	{id: "member-missing", bad: container(`"portMappings": [{}]`), good: container(`"portMappings": [{"containerPort": 1}]`)},
	{id: "value-invalid", bad: task(`"networkMode": "overlay"`), good: task(`"networkMode": "bridge"`)},
	{id: "value-invalid", bad: container(`"portMappings": [{"containerPortRange": "9-1"}]`), good: container(`"portMappings": [{"containerPortRange": "1-9"}]`)},
	{id: "value-invalid", bad: container(`"environmentFiles": [{"type": "http", "value": "arn:aws:s3:::b/a.env"}]`), good: container(`"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/a.env"}]`)},
	{id: "value-invalid", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"mode": "fast"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"mode": "non-blocking"}}`)},
	{id: "value-invalid", bad: container(`"links": ["db:"]`), good: two(`"links": ["db:d"]`, "")},
	{id: "value-out-of-range", bad: container(`"healthCheck": {"command": ["CMD", "true"], "interval": 4}`), good: container(`"healthCheck": {"command": ["CMD", "true"], "interval": 5, "timeout": 60, "retries": 10, "startPeriod": 300}`)},
	{id: "value-out-of-range", bad: container(`"healthCheck": {"command": ["CMD", "true"], "startPeriod": 301}`), good: container(`"healthCheck": {"command": ["CMD", "true"], "startPeriod": 0}`)},
	{id: "value-out-of-range", bad: task(`"ephemeralStorage": {"sizeInGiB": 20}`), good: task(`"ephemeralStorage": {"sizeInGiB": 21}`)},
	{id: "value-out-of-range", bad: task(`"ephemeralStorage": {"sizeInGiB": 201}`), good: task(`"ephemeralStorage": {"sizeInGiB": 200}`)},
	{id: "value-out-of-range", bad: container(`"restartPolicy": {"enabled": true, "restartAttemptPeriod": 59}`), good: container(`"restartPolicy": {"enabled": true, "restartAttemptPeriod": 1800}`)},
	{id: "value-out-of-range", bad: container(`"restartPolicy": {"enabled": true, "ignoredExitCodes": [0` + strings.Repeat(",1", 50) + `]}`), good: container(`"restartPolicy": {"enabled": true, "ignoredExitCodes": [0` + strings.Repeat(",1", 49) + `]}`)},
	{id: "value-out-of-range", bad: container(`"portMappings": [{"containerPort": 65536}]`), good: container(`"portMappings": [{"containerPort": 65535}]`)},
	{id: "value-out-of-range", bad: container(`"environmentFiles": [` + strings.TrimSuffix(strings.Repeat(`{"type": "s3", "value": "arn:aws:s3:::b/a.env"},`, 11), ",") + `]`), good: container(`"environmentFiles": [` + strings.TrimSuffix(strings.Repeat(`{"type": "s3", "value": "arn:aws:s3:::b/a.env"},`, 10), ",") + `]`)},
	{id: "value-out-of-range", bad: container(`"credentialSpecs": ["credentialspecdomainless:a", "credentialspecdomainless:b"]`), good: container(`"credentialSpecs": ["credentialspecdomainless:a"]`)},
	{id: "unknown-member", bad: container(`"gadget": 1`), good: container(`"user": "1"`)},
	{id: "unknown-member", bad: container(`"portMappings": [{"containerPort": 80, "hostport2": 1}]`), good: container(`"portMappings": [{"containerPort": 80}]`)},
	{id: "value-unknown", bad: task(`"networkMode": "${mode}"`), good: task(`"networkMode": "bridge"`)},
	{id: "value-unknown", bad: container(`"portMappings": [{"containerPort": {"Ref": "Port"}}]`), good: container(`"portMappings": [{"containerPort": 80}]`)},
	{id: "type-mended", bad: container(`"startTimeout": "30"`), good: container(`"startTimeout": 30`)},
	{id: "type-mended", bad: container(`"environment": [{"name": "PORT", "value": 80}]`), good: container(`"environment": [{"name": "PORT", "value": "80"}]`)},
	{id: "type-mended", bad: container(`"essential": "true"`), good: container(`"essential": true`)},

	{id: "family-missing", bad: `{"containerDefinitions": [{"name": "a", "image": "b", "memory": 9}]}`, good: task("")},
	{id: "family-invalid", bad: task(`"family": "my app"`), good: task(`"family": "my_app-1"`)},
	{id: "family-suffix", bad: task(""), good: task(`"family": "app-fargate"`), o: Options{FamilySuffix: "-fargate"}},
	{id: "ecs-verdict", bad: task(`"compatibilities": ["EXTERNAL", "EC2"]`), good: task("")},
	{id: "compatibilities", bad: task(`"requiresCompatibilities": ["EC2"]`), good: task(`"requiresCompatibilities": ["FARGATE"]`)},
	{id: "compatibilities", bad: task(`"requiresCompatibilities": ["FARGATE", "EXTERNAL"]`), good: task(`"requiresCompatibilities": ["EC2", "FARGATE", "MANAGED_INSTANCES"]`)},
	{id: "placement-constraint", bad: task(`"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.availability-zone == us-east-1a"}]`), good: task(`"placementConstraints": []`), why: "subnets"},
	{id: "runtime-platform", bad: task(""), good: task(`"runtimePlatform": {"operatingSystemFamily": "LINUX", "cpuArchitecture": "ARM64"}`)},
	{id: "runtime-platform", bad: task(`"runtimePlatform": {"operatingSystemFamily": "LINUX"}`), good: task(`"requiresCompatibilities": ["FARGATE"]`)},
	{id: "runtime-platform-windows", bad: container(`"image2": 1, "workingDirectory": "C:\\app", "command": ["x"], "environment": []`), good: task(windows), o: Options{Allow: []string{"windows-version-unknown"}}},
	{id: "runtime-platform-windows", bad: strings.Replace(task(`"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.os-type == windows"}]`), "nginx:1", "example.org/app:1-ltsc2019", 1), good: strings.Replace(task(windows), "nginx:1", "example.org/app:1-ltsc2019", 1)},
	{id: "architecture-arm64", bad: strings.Replace(task(""), "nginx:1", "example.org/app:1-arm64", 1), good: strings.Replace(task(`"runtimePlatform": {"cpuArchitecture": "ARM64"}`), "nginx:1", "example.org/app:1-arm64", 1)},
	{id: "architecture-arm64", bad: task(`"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.instance-type =~ c7g.*"}]`), good: task(`"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.instance-type =~ c7i.*"}]`)},
	{id: "windows-version-unknown", bad: strings.Replace(task(""), "nginx:1", "mcr.microsoft.com/windows/servercore/iis", 1), good: strings.Replace(task(""), "nginx:1", "mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022", 1)},
	{id: "windows-version-unknown", bad: container(`"entryPoint": ["powershell", "-Command"]`), good: container(`"entryPoint": ["pwsh", "-Command"]`)},
	{id: "windows-version", bad: task(`"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2025_CORE"}`), good: task(windows)},
	{id: "windows-arm64", bad: task(`"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "ARM64"}`), good: task(windows)},
	{id: "network-mode", bad: task(""), good: task(`"networkMode": "awsvpc"`)},
	{id: "network-mode", bad: task(`"networkMode": "default"`), good: task(`"networkMode": "host"`)},
	{id: "network-mode-host", bad: task(`"networkMode": "host"`), good: task(`"networkMode": "awsvpc"`)},
	{id: "network-mode-none", bad: task(`"networkMode": "none"`), good: task(`"networkMode": "awsvpc"`)},
	{id: "pid-mode-host", bad: task(`"pidMode": "host"`), good: task(`"pidMode": "task"`)},
	{id: "ipc-mode", bad: task(`"ipcMode": "task"`), good: task(`"ipcMode": "none"`)},
	{id: "same-meaning-dropped", bad: task(`"ipcMode": "none"`), good: task("")},
	{id: "same-meaning-dropped", bad: task(`"placementConstraints": []`), good: task(`"placementConstraints": [], "requiresCompatibilities": ["FARGATE"]`)},
	{id: "same-meaning-dropped", bad: container(`"disableNetworking": false`), good: container(`"privileged": false`)},
	{id: "same-meaning-dropped", bad: container(`"linuxParameters": {"maxSwap": 0, "swappiness": 60}`), good: container(`"linuxParameters": {"initProcessEnabled": true}`)},
	{id: "same-meaning-dropped", bad: container(`"linuxParameters": {"sharedMemorySize": 0}`), good: container(`"linuxParameters": {}`)},
	{id: "same-meaning-dropped", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": ""}}]`), good: task(`"volumes": [{"name": "v", "host": {}}]`)},
	{id: "proxy-configuration", bad: task(`"proxyConfiguration": {"type": "APPMESH", "containerName": "web"}`), good: task("")},
	{id: "inference-accelerators", bad: task(`"inferenceAccelerators": [{"deviceName": "d", "deviceType": "eia1.medium"}]`), good: task(`"inferenceAccelerators": []`)},
	{id: "execution-role-set", bad: task(""), good: task(`"executionRoleArn": "other"`)},
	{id: "execution-role-missing", bad: task(""), good: task(`"executionRoleArn": "other"`), o: Options{ExecutionRole: "none"}, why: "the log driver awslogs"},
	{id: "execution-role-missing", bad: container(`"secrets": [{"name": "A", "valueFrom": "b"}], "logConfiguration": {"logDriver": "splunk"}`), good: container(`"logConfiguration": {"logDriver": "splunk"}`), o: Options{ExecutionRole: "none"}, why: "secrets"},
	{id: "execution-role-rights", bad: container(`"secrets": [{"name": "A", "valueFrom": "b"}]`), good: container(`"secrets": []`), why: "secretsmanager:GetSecretValue"},
	{id: "execution-role-rights", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-create-group": "True"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-create-group": "false"}}`), why: "logs:CreateLogGroup"},
	{id: "task-role-set", bad: task(""), good: task(`"taskRoleArn": "other"`), o: Options{TaskRole: "mine"}},
	{id: "task-role-missing", bad: task(""), good: task(`"taskRoleArn": "mine"`)},
	{id: "task-role-missing", bad: task(""), good: task(`"requiresCompatibilities": ["FARGATE"]`)},

	{id: "task-cpu", bad: task(""), good: task(`"cpu": ".25 vCPU"`)},
	{id: "task-memory", bad: task(`"cpu": "256", "memory": "600"`), good: task(`"cpu": "256", "memory": "1 GB"`)},
	{id: "task-size-none", bad: task(`"cpu": "40000"`), good: task(`"cpu": "16384"`)},
	{id: "task-size-none", bad: task(`"cpu": "8192", ` + windows), good: task(`"cpu": "4096", ` + windows), why: "for Windows"},
	{id: "task-size-invalid", bad: task(`"memory": "lots"`), good: task(`"memory": "0.5GB"`)},
	{id: "task-size-invalid", bad: task(`"cpu": "-1"`), good: task(`"cpu": "1vcpu"`)},
	{id: "task-size-unknown", bad: task(`"cpu": "${cpu}"`), good: task(`"cpu": "${cpu}", "memory": "${memory}"`)},
	{id: "task-size-32vcpu", bad: task(`"cpu": "32 vCPU"`), good: task(`"cpu": "16 vCPU"`)},
	{id: "memory-unknown", bad: `{"family": "a", "containerDefinitions": [{"name": "a", "image": "b"}]}`, good: task("")},
	{id: "cpu-unreserved", bad: `{"family": "a", "containerDefinitions": [{"name": "a", "image": "b", "memory": 9, "cpu": 0}]}`, good: task("")},
	{id: "container-cpu-unreserved", bad: `{"family": "a", "containerDefinitions": [{"name": "a", "image": "b", "memory": 9, "cpu": 1}, {"name": "b", "image": "b", "memory": 9}]}`, good: two("", "")},

	{id: "containers-too-many", bad: ten(`"logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "logs.example.org:24224"}}`), good: ten(""), o: Options{Fluentd: "firelens"}},
	{id: "no-essential-container", bad: container(`"essential": false`), good: two(`"essential": false`, "")},
	{id: "container-name-invalid", bad: strings.Replace(task(""), `"web"`, `"my web"`, 1), good: task("")},
	{id: "container-name-duplicate", bad: strings.Replace(two("", ""), `"db"`, `"web"`, 1), good: two("", "")},
	{id: "container-unknown", bad: container(`"volumesFrom": [{"sourceContainer": "data"}]`), good: two(`"volumesFrom": [{"sourceContainer": "db"}]`, "")},
	{id: "container-unknown", bad: container(`"dependsOn": [{"containerName": "data", "condition": "START"}]`), good: two(`"dependsOn": [{"containerName": "db", "condition": "START"}]`, "")},
	{id: "interactive-console", bad: container(`"pseudoTerminal": true`), good: container(`"pseudoTerminal": false`)},
	{id: "timeout-clamped", bad: container(`"stopTimeout": 121`), good: container(`"stopTimeout": 120`), why: "cut short"},
	{id: "timeout-clamped", bad: container(`"startTimeout": 1`), good: container(`"startTimeout": 2`)},
	{id: "timeout-clamped", bad: container(`"startTimeout": 300`), good: container(`"startTimeout": 120`)},
	{id: "health-check-command", bad: container(`"healthCheck": {"command": ["curl", "localhost"]}`), good: container(`"healthCheck": {"command": ["CMD-SHELL", "curl localhost"]}`)},
	{id: "depends-on-essential", bad: two(`"dependsOn": [{"containerName": "db", "condition": "SUCCESS"}]`, ""), good: two(`"dependsOn": [{"containerName": "db", "condition": "SUCCESS"}]`, `"essential": false`)},
	{id: "depends-on-health", bad: two(`"dependsOn": [{"containerName": "db", "condition": "HEALTHY"}]`, ""), good: two(`"dependsOn": [{"containerName": "db", "condition": "HEALTHY"}]`, `"healthCheck": {"command": ["CMD", "true"]}`)},
	{id: "depends-on-cycle", bad: two(`"dependsOn": [{"containerName": "db", "condition": "START"}]`, `"links": ["web"]`), good: two(`"dependsOn": [{"containerName": "db", "condition": "START"}]`, ""), why: "web → db → web"},
	{id: "environment-file-invalid", bad: container(`"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/a.txt"}]`), good: container(`"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/a.env"}]`)},
	{id: "privileged", bad: container(`"privileged": true`), good: container(`"privileged": false`)},
	{id: "hostname-dropped", bad: container(`"hostname": "h"`), good: container(`"hostname": null`)},
	{id: "networking-disabled", bad: container(`"disableNetworking": true`), good: container(`"disableNetworking": false`)},
	{id: "dns-settings", bad: container(`"dnsServers": ["10.0.0.2"]`), good: container(`"dnsServers": []`)},
	{id: "dns-settings", bad: container(`"dnsSearchDomains": ["example.org"]`), good: container(`"dnsSearchDomains": []`)},
	{id: "extra-host-linked", bad: two(`"links": ["db"], "extraHosts": [{"hostname": "db", "ipAddress": "127.0.0.1"}]`, ""), good: two(`"links": ["db"], "extraHosts": [{"hostname": "db2", "ipAddress": "127.0.0.1"}]`, "")},
	{id: "extra-hosts", bad: container(`"extraHosts": [{"hostname": "db", "ipAddress": "10.1.2.3"}]`), good: container(`"extraHosts": []`)},
	{id: "docker-security-options", bad: container(`"dockerSecurityOptions": ["no-new-privileges"]`), good: container(`"dockerSecurityOptions": []`)},
	{id: "credential-spec-joined", bad: container(`"credentialSpecs": ["credentialspec:arn:aws:s3:::b/spec"]`), good: container(`"credentialSpecs": ["credentialspecdomainless:arn:aws:s3:::b/spec"]`)},
	{id: "credential-spec-joined", bad: container(`"dockerSecurityOptions": ["credentialspec:file://spec.json"]`), good: container(`"dockerSecurityOptions": ["no-new-privileges"]`)},
	{id: "credential-spec-windows", bad: of(windows, `"credentialSpecs": ["credentialspecdomainless:arn:aws:s3:::b/spec"]`), good: container(`"credentialSpecs": ["credentialspecdomainless:arn:aws:s3:::b/spec"]`)},
	{id: "resource-requirements", bad: container(`"resourceRequirements": [{"type": "GPU", "value": "1"}]`), good: container(`"resourceRequirements": []`), why: "GPU"},
	{id: "windows-member-dropped", bad: of(windows, `"user": "ContainerUser"`), good: container(`"user": "nobody"`)},
	{id: "windows-member-dropped", bad: of(windows, `"restartPolicy": {"enabled": true}`), good: container(`"restartPolicy": {"enabled": true}`)},
	{id: "windows-member-dropped", bad: of(windows+`, "pidMode": "task"`, ""), good: task(windows)},

	{id: "capability-granted", bad: container(`"linuxParameters": {"capabilities": {"add": ["CHOWN"]}}`), good: container(`"linuxParameters": {"capabilities": {"drop": ["CHOWN"]}}`)},
	{id: "capability", bad: container(`"linuxParameters": {"capabilities": {"add": ["NET_ADMIN"]}}`), good: container(`"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}}`)},
	{id: "devices", bad: container(`"linuxParameters": {"devices": [{"hostPath": "/dev/fuse"}]}`), good: container(`"linuxParameters": {"devices": []}`)},
	{id: "shared-memory", bad: container(`"linuxParameters": {"sharedMemorySize": 256}`), good: container(`"linuxParameters": {"tmpfs": [{"containerPath": "/dev/shm", "size": 256}]}`)},
	{id: "shared-memory-tmpfs", bad: container(`"linuxParameters": {"sharedMemorySize": 256}`), good: container(`"linuxParameters": {"sharedMemorySize": 0}`), o: Options{Shm: "tmpfs"}},
	{id: "shared-memory-tmpfs", bad: container(`"linuxParameters": {"tmpfs": [], "sharedMemorySize": 256}`), good: container(`"linuxParameters": {"tmpfs": []}`), o: Options{Shm: "tmpfs"}},
	{id: "swap-dropped", bad: container(`"linuxParameters": {"maxSwap": 512}`), good: container(`"linuxParameters": {"maxSwap": 0}`)},
	{id: "ulimit-order", bad: container(`"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": 1}]`), good: container(`"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 1}, {"name": "memlock", "softLimit": -1, "hardLimit": -1}]`)},
	{id: "open-files-default", bad: task(""), good: container(`"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 1}]`)},
	{id: "system-control-shared", bad: two(`"systemControls": [{"namespace": "net.core.somaxconn", "value": "1"}]`, `"systemControls": [{"namespace": "net.core.somaxconn", "value": "2"}]`), good: two(`"systemControls": [{"namespace": "net.core.somaxconn", "value": "1"}]`, `"systemControls": [{"namespace": "kernel.sem", "value": "2"}]`)},

	{id: "host-port-removed", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": 80}]`), good: container(`"portMappings": [{"containerPort": 80}]`)},
	{id: "host-port-removed", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": 80}]`), good: of(`"requiresCompatibilities": ["FARGATE"]`, `"portMappings": [{"containerPort": 80, "hostPort": 80}]`)},
	{id: "host-port-changed", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": 8080}]`), good: container(`"portMappings": [{"containerPort": 80, "hostPort": 80}]`), why: "host port 8080 goes: load balancers, clients and security groups use container port 80"},
	{id: "host-port-changed", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": 0}]`), good: container(`"portMappings": [{"containerPort": 80}]`), why: "dynamic"},
	{id: "host-port-changed", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": "${port}"}]`), good: of(`"requiresCompatibilities": ["FARGATE"]`, `"portMappings": [{"containerPort": "${port}", "hostPort": "${port}"}]`)},
	{id: "host-port-dynamic", bad: container(`"portMappings": [{"containerPort": 80}]`), good: of(`"networkMode": "awsvpc"`, `"portMappings": [{"containerPort": 80}]`)},
	{id: "port-collision", bad: two(`"portMappings": [{"containerPort": 80, "hostPort": 1}]`, `"portMappings": [{"containerPort": 80, "hostPort": 2}]`), good: two(`"portMappings": [{"containerPort": 80}]`, `"portMappings": [{"containerPort": 80, "protocol": "udp"}]`)},
	{id: "port-collision", bad: two(`"portMappings": [{"containerPortRange": "80-90"}]`, `"portMappings": [{"containerPort": 90}]`), good: two(`"portMappings": [{"containerPortRange": "80-90"}]`, `"portMappings": [{"containerPort": 91}]`)},
	{id: "port-mapping-duplicate", bad: container(`"portMappings": [{"containerPort": 80, "hostPort": 1}, {"containerPort": 80, "hostPort": 2}]`), good: container(`"portMappings": [{"containerPort": 80, "hostPort": 1}, {"containerPort": 81, "hostPort": 2}]`)},
	{id: "port-overlap", bad: container(`"portMappings": [{"containerPortRange": "80-90"}, {"containerPort": 90}]`), good: container(`"portMappings": [{"containerPortRange": "80-90"}, {"containerPort": 91}]`)},
	{id: "port-range-conflict", bad: container(`"portMappings": [{"containerPortRange": "80-90", "containerPort": 90}]`), good: container(`"portMappings": [{"containerPortRange": "80-90"}]`)},
	{id: "port-name-duplicate", bad: container(`"portMappings": [{"name": "a", "containerPort": 80}, {"name": "a", "containerPort": 81}]`), good: container(`"portMappings": [{"name": "a", "containerPort": 80}, {"name": "b", "containerPort": 81}]`)},
	{id: "link-dropped", bad: two(`"links": ["db"]`, ""), good: two(`"links": []`, "")},
	{id: "link-unknown", bad: container(`"links": ["db"]`), good: two(`"links": ["db"]`, "")},
	{id: "link-depends-on", bad: two(`"links": ["db"]`, ""), good: two(`"links": ["db"], "dependsOn": [{"containerName": "db", "condition": "START"}]`, "")},
	{id: "link-alias-rewritten", bad: two(`"links": ["db"], "environment": [{"name": "URL", "value": "mysql://u:p@db:3306/x"}]`, ""), good: two(`"links": ["db"], "environment": [{"name": "URL", "value": "mysql://u:p@db2:3306/x"}]`, "")},
	{id: "link-alias-kept", bad: two(`"links": ["db"], "command": ["wait", "db:3306"]`, ""), good: two(`"links": ["db"], "command": ["wait", "10.0.0.1:3306"]`, "")},
	{id: "link-alias-kept", bad: two(`"links": ["db:mysql"], "environment": [{"name": "DB_CONNECTION", "value": "mysql"}]`, ""), good: two(`"links": ["db:mysql"], "environment": [{"name": "DB_HOST", "value": "mysql"}]`, "")},
	{id: "link-alias-unused", bad: two(`"links": ["db"]`, ""), good: two(`"links": ["db"], "environment": [{"name": "DB_HOST", "value": "db"}]`, "")},

	{id: "volume-name-duplicate", bad: task(`"volumes": [{"name": "v"}, {"name": "v"}]`), good: task(`"volumes": [{"name": "v"}, {"name": "w"}]`)},
	{id: "volume-kinds", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/a"}, "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]`), good: task(`"volumes": [{"name": "v", "host": {}, "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]`)},
	{id: "volume-unknown", bad: container(`"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`), good: of(`"volumes": [{"name": "v"}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`)},
	{id: "volume-host-path", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/var/run/docker.sock"}}]`), good: task(`"volumes": [{"name": "v", "host": {}}]`), why: "no Docker to talk to"},
	{id: "volume-host-path", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/proc/"}}]`), good: task(`"volumes": [{"name": "v"}]`), why: "agent of the instances"},
	{id: "volume-host-path", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/etc/localtime"}}]`), good: task(`"volumes": [{"name": "v"}]`), why: "into the image"},
	{id: "volume-host-path", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/data"}}]`), good: task(`"volumes": [{"name": "v"}]`), why: "EFS"},
	{id: "volume-docker-task", bad: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {"scope": "task", "driver": "local"}}]`), good: task(`"volumes": [{"name": "v"}]`)},
	{id: "volume-docker", bad: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {"scope": "shared", "driver": "local"}}]`), good: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {}}]`), why: "shared"},
	{id: "volume-docker", bad: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {"driver": "rexray/ebs"}}]`), good: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {"driver": "local"}}]`), why: "rexray/ebs"},
	{id: "volume-fsx", bad: task(`"volumes": [{"name": "v", "fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "share", "authorizationConfig": {"credentialsParameter": "p", "domain": "d"}}}]`), good: task(`"volumes": [{"name": "v"}]`)},
	{id: "volume-ephemeral", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/data"}}]`), good: task(`"volumes": [{"name": "v", "host": {}}]`), o: Options{Volumes: map[string]string{"v": "ephemeral"}}},
	{id: "volume-ephemeral", bad: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {"scope": "shared"}}]`), good: task(`"volumes": [{"name": "v", "dockerVolumeConfiguration": {}}]`), o: Options{Volumes: map[string]string{"v": "ephemeral"}}},
	{id: "volume-efs", bad: task(`"volumes": [{"name": "v", "host": {"sourcePath": "/data"}}]`), good: task(`"volumes": [{"name": "v", "host": {}}]`), o: Options{Volumes: map[string]string{"v": "efs:fs-0123456789abcdef0:fsap-0123456789abcdef0"}}},
	{id: "mount-dropped", bad: of(`"volumes": [{"name": "v", "host": {"sourcePath": "/data"}}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`), good: of(`"volumes": [{"name": "v"}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`), o: Options{Allow: []string{"volume-host-path"}}},
	{id: "efs-invalid", bad: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "authorizationConfig": {"accessPointId": "fsap-1"}}}]`), good: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "transitEncryption": "ENABLED", "rootDirectory": "/", "authorizationConfig": {"accessPointId": "fsap-1"}}}]`)},
	{id: "efs-invalid", bad: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "authorizationConfig": {"iam": "ENABLED"}}}]`), good: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "authorizationConfig": {"iam": "DISABLED"}}}]`)},
	{id: "efs-invalid", bad: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "transitEncryption": "ENABLED", "rootDirectory": "/a", "authorizationConfig": {"accessPointId": "fsap-1"}}}]`), good: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/a"}}]`)},
	{id: "efs-security-group", bad: task(`"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]`), good: task(`"volumes": [{"name": "v"}]`)},
	{id: "ebs-several", bad: of(`"volumes": [{"name": "v", "configuredAtLaunch": true}, {"name": "w", "configuredAtLaunch": true}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}, {"sourceVolume": "w", "containerPath": "/w"}]`), good: of(`"volumes": [{"name": "v", "configuredAtLaunch": true}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`)},
	{id: "ebs-unmounted", bad: task(`"volumes": [{"name": "v", "configuredAtLaunch": true}]`), good: of(`"volumes": [{"name": "v", "configuredAtLaunch": true}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`)},
	{id: "ebs-service", bad: of(`"volumes": [{"name": "v", "configuredAtLaunch": true}]`, `"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]`), good: task(`"volumes": [{"name": "v", "configuredAtLaunch": false}]`)},
	{id: "s3files-task-role", bad: task(`"volumes": [{"name": "v", "s3filesVolumeConfiguration": {"fileSystemArn": "arn"}}]`), good: task(`"taskRoleArn": "r", "volumes": [{"name": "v", "s3filesVolumeConfiguration": {"fileSystemArn": "arn"}}]`)},
	{id: "windows-volume", bad: task(windows + `, "volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]`), good: task(windows + `, "volumes": [{"name": "v", "host": {}}]`)},
	{id: "windows-volume", bad: task(windows + `, "volumes": [{"name": "v", "configuredAtLaunch": true}]`), good: task(windows + `, "volumes": [{"name": "v"}]`)},
	{id: "windows-volume", bad: task(windows + `, "volumes": [{"name": "v", "s3filesVolumeConfiguration": {"fileSystemArn": "arn"}}]`), good: task(windows + `, "volumes": []`)},

	{id: "log-destination-added", bad: task(""), good: container(`"logConfiguration": {"logDriver": "splunk"}`)},
	{id: "log-driver-replaced", bad: container(`"logConfiguration": {"logDriver": "json-file", "options": {"max-size": "10m"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs"}`), why: "max-size"},
	{id: "log-driver-replaced", bad: container(`"logConfiguration": {"logDriver": "journald"}`), good: container(`"logConfiguration": {"logDriver": "splunk"}`)},
	{id: "log-destination-lost", bad: container(`"logConfiguration": {"logDriver": "gelf", "options": {"gelf-address": "udp://x:1"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs"}`), why: "gelf-address"},
	{id: "log-destination-lost", bad: container(`"logConfiguration": {"logDriver": "fluentd"}`), good: container(`"logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "logs.example.org:24224"}}`), o: Options{Fluentd: "firelens"}},
	{id: "log-fluentd-firelens", bad: container(`"logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "tls://logs.example.org", "tag": "app", "fluentd-async": "true"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs"}`), o: Options{Fluentd: "firelens"}, why: "these options go: fluentd-async"},
	{id: "log-router-added", bad: container(`"logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "tcp://logs.example.org:24225"}}`), good: two(`"logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "tcp://logs.example.org:24225"}}`, `"firelensConfiguration": {"type": "fluentbit"}`), o: Options{Fluentd: "firelens"}},
	{id: "log-router-missing", bad: container(`"logConfiguration": {"logDriver": "awsfirelens"}`), good: two(`"logConfiguration": {"logDriver": "awsfirelens"}`, `"firelensConfiguration": {"type": "fluentbit"}`)},
	{id: "log-router-own-logs", bad: container(`"firelensConfiguration": {"type": "fluentbit"}, "logConfiguration": {"logDriver": "awsfirelens"}`), good: container(`"firelensConfiguration": {"type": "fluentbit"}, "logConfiguration": {"logDriver": "awslogs"}`)},
	{id: "firelens-config-s3", bad: container(`"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "s3", "config-file-value": "arn"}}`), good: container(`"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/x"}}`)},
	{id: "windows-firelens", bad: of(windows, `"logConfiguration": {"logDriver": "awsfirelens"}`), good: of(windows, `"logConfiguration": {"logDriver": "awslogs"}`)},
	{id: "windows-firelens", bad: of(windows, `"firelensConfiguration": {"type": "fluentbit"}`), good: task(windows)},
	{id: "log-secrets-dropped", bad: container(`"logConfiguration": {"logDriver": "gelf", "secretOptions": [{"name": "a", "valueFrom": "b"}]}`), good: container(`"logConfiguration": {"logDriver": "splunk", "secretOptions": [{"name": "a", "valueFrom": "b"}]}`)},
	{id: "log-secrets-dropped", bad: container(`"logConfiguration": {"logDriver": "fluentd", "options": {"fluentd-address": "logs.example.org:1"}, "secretOptions": [{"name": "a", "valueFrom": "b"}]}`), good: container(`"logConfiguration": {"logDriver": "fluentd"}`), o: Options{Fluentd: "firelens"}},
	{id: "log-options-set", bad: container(`"logConfiguration": {"logDriver": "awslogs"}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {}}`)},
	{id: "log-option-dropped", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"tag": "x"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"max-buffer-size": "25m"}}`), why: "tag"},
	{id: "log-group-set", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}}`)},
	{id: "log-group-unknown", bad: `[{"name": "a", "image": "b", "memory": 9}]`, good: `[{"name": "a", "image": "b", "memory": 9, "logConfiguration": {"logDriver": "splunk"}}]`},
	{id: "log-region-set", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-region": "eu-west-1"}}`)},
	{id: "log-region-unknown", bad: task(""), good: strings.Replace(task(""), "nginx:1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1", 1), o: Options{Region: "none"}},
	{id: "log-region-unknown", bad: task(""), good: container(`"secrets": [{"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}]`), o: Options{Region: "none"}},
	{id: "log-region-unknown", bad: task(""), good: task(`"taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/app:1"`), o: Options{Region: "none"}},
	{id: "log-stream-prefix-set", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-stream-prefix": "p"}}`)},
	{id: "log-mode-set", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"mode": "non-blocking"}}`)},
	{id: "log-mode-set", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {}}`), good: of(`"requiresCompatibilities": ["FARGATE"]`, `"logConfiguration": {"logDriver": "awslogs", "options": {}}`)},
	{id: "log-multiline-conflict", bad: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-datetime-format": "%Y", "awslogs-multiline-pattern": "^x"}}`), good: container(`"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-multiline-pattern": "^x"}}`)},

	{id: "instance-metadata", bad: container(`"command": ["curl http://169.254.169.254/latest"]`), good: container(`"command": ["curl http://169.254.170.2/v4"]`)},
	{id: "docker-bridge-address", bad: container(`"environment": [{"name": "STATSD", "value": "172.17.0.1:8125"}]`), good: container(`"environment": [{"name": "STATSD", "value": "172.17.0.12:8125"}]`)},
	{id: "docker-bridge-address", bad: container(`"environment": [{"name": "STATSD", "value": {"Fn::Sub": "host.docker.internal:${Port}"}}]`), good: container(`"environment": [{"name": "STATSD", "value": {"Fn::Sub": "127.0.0.1:${Port}"}}]`)},
	{id: "docker-socket", bad: container(`"entryPoint": ["app", "unix:///var/run/docker.sock"]`), good: container(`"entryPoint": ["app", "unix:///tmp/app.sock"]`)},
	{id: "container-metadata-file", bad: container(`"command": ["cat $ECS_CONTAINER_METADATA_FILE"]`), good: container(`"command": ["curl $ECS_CONTAINER_METADATA_URI_V4"]`)},
	{id: "link-variables", bad: container(`"command": ["connect $DB_PORT_3306_TCP_ADDR"]`), good: container(`"command": ["connect $DB_PORT"]`)},
	{id: "localhost-in-host-mode", bad: of(`"networkMode": "host"`, `"environment": [{"name": "A", "value": "http://localhost:1"}]`), good: container(`"environment": [{"name": "A", "value": "http://localhost:1"}]`)},
	{id: "network-interface", bad: of(`"networkMode": "host"`, `"command": ["-i", "ens5"]`), good: of(`"networkMode": "host"`, `"command": ["-i", "eth0"]`)},
}

func ten(more string) string {
	var b strings.Builder
	if more != "" {
		more = ", " + more
	}
	for i := range 10 {
		fmt.Fprintf(&b, `, {"name": "c%d", "image": "i", "memory": 9%s}`, i, more)
	}
	return `{"family": "a", "containerDefinitions": [` + b.String()[2:] + `]}`
}

// usual completes options as most cases want them; "none" means none.
func usual(o Options) Options {
	none := func(s, otherwise string) string {
		if s == "none" {
			return ""
		}
		return cmp.Or(s, otherwise)
	}
	o.Region, o.ExecutionRole = none(o.Region, "us-east-1"), none(o.ExecutionRole, "exec")
	return o
}

func read(t testing.TB, name, src string) *taskdef.Document {
	t.Helper()
	d, err := taskdef.Read(name, []byte(src), taskdef.ReadOptions{})
	if err != nil {
		t.Fatalf("Read: %v\n%s", err, src)
	}
	return d
}

func findings(t testing.TB, src string, o Options) []finding.Finding {
	t.Helper()
	found, err := Convert(read(t, "td.json", src), o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func withID(found []finding.Finding, id string) (all []finding.Finding) {
	for _, f := range found {
		if f.ID == id {
			all = append(all, f)
		}
	}
	return all
}

func TestRules(t *testing.T) {
	for i, c := range ruleCases {
		t.Run(fmt.Sprintf("%s/%d", c.id, i), func(t *testing.T) {
			rule, ok := lookup(c.id)
			if !ok {
				t.Fatal("no such rule")
			}
			o := usual(c.o)
			got := withID(findings(t, c.bad, o), c.id)
			if len(got) == 0 {
				t.Fatalf("no finding in %s", c.bad)
			}
			f := got[0]
			if f.Severity != rule.Severity || len(f.Help) == 0 && len(rule.Help) > 0 || f.Why == "" || f.Source != rule.Source {
				t.Errorf("finding %+v, rule %+v", f, rule)
			}
			edits := func(a finding.Action) bool { return a != finding.Keep && a != finding.Refuse }
			if f.Action != rule.Action && !(edits(f.Action) && edits(rule.Action)) {
				t.Errorf("action %s, rule says %s", f.Action, rule.Action)
			}
			if f.Line != 1 && !strings.HasPrefix(c.bad, "[") {
				t.Errorf("no place: %+v", f)
			}
			if !strings.Contains(strings.ToLower(f.Why), strings.ToLower(c.why)) {
				t.Errorf("why is %q, want %q in it", f.Why, c.why)
			}
			if good := withID(findings(t, c.good, o), c.id); len(good) > 0 {
				t.Errorf("finding %+v in %s", good[0], c.good)
			}
			if rule.Allow == "" {
				return
			}
			o.Allow = append(slices.Clone(o.Allow), c.id)
			for _, f := range withID(findings(t, c.bad, o), c.id) {
				if f.Severity != finding.Warning || f.Action == finding.Refuse {
					t.Errorf("allowed: %+v", f)
				}
			}
		})
	}
}

func TestEachRuleHasCases(t *testing.T) {
	have := map[string]bool{}
	for _, c := range ruleCases {
		have[c.id] = true
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		if !have[r.ID] {
			t.Errorf("%s has no case", r.ID)
		}
		if r.Summary == "" || r.Severity == "" || r.Action == "" || r.Source == "" && !slices.Contains([]string{"value-unknown", "family-suffix"}, r.ID) {
			t.Errorf("%s is not complete", r.ID)
		}
		if (r.Action == finding.Refuse) != (r.Severity == finding.Error) || r.Allow != "" && r.Action != finding.Refuse {
			t.Errorf("%s: action %s, severity %s, allow %q", r.ID, r.Action, r.Severity, r.Allow)
		}
		if r.Severity == finding.Error && len(r.Help) == 0 {
			t.Errorf("%s does not say what to do", r.ID)
		}
	}
}

// TestOnlyEditsWithFindings reads the source: the methods that edit a tree are
// called in edit.go alone, where each reports what it does.
func TestOnlyEditsWithFindings(t *testing.T) {
	edits := []string{"SetField", "SetKey", "DeleteField", "DeleteKey", "Append", "Remove", "Replace"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "document") || strings.HasPrefix(name, "service") {
			continue // what reads and writes documents, and what makes a service of a copy, is not the converter
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if receiver, ok := method.X.(*ast.CallExpr); ok && isNewReplacer(receiver) {
				return true
			}
			if slices.Contains(edits, method.Sel.Name) {
				calls++
				if name != "edit.go" {
					t.Errorf("%s calls %s", name, method.Sel.Name)
				}
			}
			return true
		})
	}
	if calls < 6 {
		t.Errorf("found %d edits: the test does not see the code", calls)
	}
}

func isNewReplacer(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && f.Sel.Name == "NewReplacer"
}
