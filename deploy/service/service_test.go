package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/service"
	"sumoship/deploy/subscription"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// parseJSON reads what is JSON without placeholders.
func parseJSON(src []byte) (*tree.Node, error) {
	if !json.Valid(src) {
		return nil, fmt.Errorf("not JSON:\n%s", src)
	}
	return tree.ParseJSON(src, nil)
}

const (
	shopForEC2 = `{
  "family": "shop",
  "networkMode": "bridge",
  "requiresCompatibilities": ["EC2"],
  "containerDefinitions": [
    {
      "name": "web",
      "image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop:1.4",
      "cpu": 256,
      "memory": 512,
      "portMappings": [{"containerPort": 8080, "hostPort": 0}],
      "secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf"}],
      "logConfiguration": {"logDriver": "json-file"}
    }
  ]
}`
	// A service of EC2 with all that Fargate changes and nothing that it refuses.
	shopService = `{"failures": [], "services": [{
  "serviceArn": "arn:aws:ecs:eu-west-1:111122223333:service/prod/shop",
  "serviceName": "shop",
  "clusterArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/prod",
  "loadBalancers": [{"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/shop/0123456789abcdef", "containerName": "web", "containerPort": 8080}],
  "serviceRegistries": [{"registryArn": "arn:aws:servicediscovery:eu-west-1:111122223333:service/srv-a1b2c3d4e5f60718", "containerName": "web", "containerPort": 8080}],
  "status": "ACTIVE", "desiredCount": 3, "runningCount": 3, "pendingCount": 0, "launchType": "EC2",
  "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7",
  "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": false, "rollback": false}, "maximumPercent": 100, "minimumHealthyPercent": 0},
  "roleArn": "arn:aws:iam::111122223333:role/ecsServiceRole",
  "placementConstraints": [{"type": "distinctInstance"}], "placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}],
  "healthCheckGracePeriodSeconds": 90, "schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"},
  "enableECSManagedTags": true, "propagateTags": "SERVICE", "enableExecuteCommand": true,
  "tags": [{"key": "team", "value": "shop"}, {"key": "aws:cloudformation:stack-name", "value": "old"}]
}]}`
	templateForEC2 = `Parameters:
  Tag: {Type: String, Default: "1.4", Description: Tag of the image.}
  Stage: {Type: String, AllowedValues: [test, prod], Default: test}
  Cluster: {Type: String, Default: old}
Mappings:
  Sizes:
    test: {Memory: 512}
    prod: {Memory: 1024}
Conditions:
  Production: !Equals [!Ref Stage, prod]
Resources:
  Password: {Type: "AWS::SecretsManager::Secret", Properties: {Name: shop/db}}
  Repository: {Type: "AWS::ECR::Repository"}
  Logs: {Type: "AWS::Logs::LogGroup"}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: shop
      NetworkMode: bridge
      ContainerDefinitions:
        - Name: web
          Image: !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/${Repository}:${Tag}"
          Memory: 512
          MemoryReservation: !FindInMap [Sizes, !Ref Stage, Memory]
          PortMappings: [{ContainerPort: 8080}]
          Environment:
            - {Name: STAGE, Value: !Ref Stage}
            - {Name: OLD_CLUSTER, Value: !Ref Cluster}
            - {Name: DEBUG, Value: !If [Production, "0", "1"]}
          Secrets: [{Name: DB_PASSWORD, ValueFrom: !Ref Password}]
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: !Ref Logs, awslogs-region: !Ref "AWS::Region", awslogs-stream-prefix: web, mode: blocking}
`
)

// fargate is a definition for Fargate with more members.
func onFargate(more string) string {
	return `{"family": "api", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "512", "memory": "1024", ` + more + `}`
}

const apiContainer = `"containerDefinitions": [{"name": "api", "image": "public.ecr.aws/x/api:2", "portMappings": [{"containerPort": 9000, "name": "grpc", "appProtocol": "grpc"}],
	"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/api", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "api", "mode": "blocking"}}}]`

func number(i int) *int { return &i }

func grant(s string) iam.Grant {
	g, err := iam.ParseGrant(s)
	if err != nil {
		panic(err)
	}
	return g
}

// serviceShapes are inputs of many shapes whose templates are good.
var serviceShapes = []struct {
	name, file, src, existing string
	o                         service.Options
	golden                    bool
}{
	{name: "web", src: shopForEC2, golden: true, o: service.Options{Name: "shop", Paths: []string{"/shop/*", "/cart"}, Hosts: []string{"*.example.com"}, HealthCheckPath: "/health",
		RecordName: "shop.example.com", DatabaseSG: "sg-0a1b2c3d4e5f60718", DatabasePort: 3306}},
	{name: "existing", src: shopForEC2, existing: shopService, golden: true, o: service.Options{Name: "shop-fargate", Paths: []string{"/*"}, Spot: true, OnDemand: 2}},
	{name: "template", file: "shop.yaml", src: templateForEC2, golden: true, o: service.Options{Name: "shop", Roles: iam.Options{Allow: []iam.Grant{grant("sqs-send:orders")}}}},
	{name: "worker", src: `{"family":"worker","containerDefinitions":[{"name":"worker","image":"worker","memory":300}]}`, o: service.Options{Name: "worker"}},
	{name: "host", src: `{"family":"edge","networkMode":"host","containerDefinitions":[{"name":"edge","image":"nginx","memory":300,"portMappings":[{"containerPort":80},{"containerPort":443}]}]}`,
		o: service.Options{Name: "edge", Paths: []string{"*"}, Port: 80}},
	{name: "roles-kept", src: onFargate(apiContainer + `, "executionRoleArn": "arn:aws:iam::111122223333:role/exec", "taskRoleArn": "arn:aws:iam::111122223333:role/task"`), o: service.Options{Name: "api"}},
	{name: "roles-new", src: onFargate(apiContainer + `, "executionRoleArn": "arn:aws:iam::111122223333:role/exec", "taskRoleArn": "arn:aws:iam::111122223333:role/task"`),
		o: service.Options{Name: "api", NewRoles: true, Roles: iam.Options{Allow: []iam.Grant{grant("s3-read:bucket/prefix"), grant("kms:alias/shop")}}}},
	{name: "grpc-arm-spot", src: onFargate(apiContainer + `, "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}`), o: service.Options{Name: "api", Hosts: []string{"api.example.com"}, Spot: true}},
	{name: "list", src: `[{"name":"a","image":"a","memory":300,"essential":true,"links":["b"]},{"name":"b","image":"b","memory":200,"essential":false,"portMappings":[{"containerPort":6379}],"dockerLabels":{"a.b":"c"}}]`, o: service.Options{Name: "list"}},
	{name: "described", src: `{"taskDefinition": {"taskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7", "revision": 7, "status": "ACTIVE", "family": "shop", "volumes": [], "placementConstraints": [],
		"containerDefinitions": [{"name": "web", "image": "web", "cpu": 0, "memory": 300, "links": [], "mountPoints": [], "environment": []}]}, "tags": [{"key": "team", "value": "shop"}]}`, o: service.Options{Name: "shop"}},
	{name: "windows", src: `{"family":"iis","cpu":"1024","memory":"2048","runtimePlatform":{"operatingSystemFamily":"WINDOWS_SERVER_2022_CORE"},"containerDefinitions":[{"name":"iis","image":"iis","portMappings":[{"containerPort":80}]}]}`,
		o: service.Options{Name: "iis", Paths: []string{"/*"}}},
	{name: "volumes", src: `{"family":"cms","containerDefinitions":[{"name":"cms","image":"cms","memory":900,"mountPoints":[{"sourceVolume":"files","containerPath":"/files"},{"sourceVolume":"data","containerPath":"/data"}]}],
		"volumes":[{"name":"files","efsVolumeConfiguration":{"fileSystemId":"fs-0a1b2c3d4e5f60718","transitEncryption":"ENABLED"}},{"name":"data","configuredAtLaunch":true}]}`,
		existing: `{"serviceName":"cms","desiredCount":1,"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-0a1b2c3d4e5f60718","subnet-0a1b2c3d4e5f60719"],"securityGroups":["sg-0a1b2c3d4e5f60718"],"assignPublicIp":"DISABLED"}},
			"volumeConfigurations":[{"name":"data","managedEBSVolume":{"roleArn":"arn:aws:iam::111122223333:role/ecsInfrastructureRole","sizeInGiB":20,"volumeType":"gp3","encrypted":true}}]}`, o: service.Options{}},
	{name: "service-connect", src: onFargate(apiContainer), existing: `{"service": {"serviceName": "api", "desiredCount": 2, "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
		"deployments": [{"status": "PRIMARY", "serviceConnectConfiguration": {"enabled": true, "namespace": "internal", "services": [{"portName": "grpc", "clientAliases": [{"port": 9000, "dnsName": "api"}]}]}}]}}`},
	{name: "groups-exist", src: onFargate(apiContainer), o: service.Options{Name: "api", ExistingLogGroups: true, PermitForwarder: true}},
	{name: "not-subscribed", src: onFargate(apiContainer), o: service.Options{Name: "api", NoSubscription: true, PublicIP: true}},
	{name: "splunk", src: onFargate(`"containerDefinitions": [{"name": "api", "image": "api", "logConfiguration": {"logDriver": "splunk", "options": {"splunk-url": "https://example.com"}, "secretOptions": [{"name": "splunk-token", "valueFrom": "splunk-token"}]}}]`), o: service.Options{Name: "api"}},
	{name: "two-groups", src: onFargate(`"containerDefinitions": [
		{"name": "a", "image": "a", "command": ["sh", "-c", "echo ${HOME:-/} # ': {{ x }}"], "environment": [{"name": "yes", "value": "no"}, {"name": "N", "value": "012"}, {"name": "TEXT", "value": "two\nlines"}],
		 "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/api/a-b", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "a", "awslogs-create-group": "true", "mode": "non-blocking"}}},
		{"name": "b", "image": "b", "essential": false, "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/api/a_b", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "b", "mode": "blocking"}}},
		{"name": "c", "image": "c", "essential": false, "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/central", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "c", "mode": "blocking"}}}]`), o: service.Options{Name: "api", PermitForwarder: true}},
	{name: "all-said", src: shopForEC2, o: service.Options{Name: "shop", Cluster: "arn:aws:ecs:eu-west-1:111122223333:cluster/prod", DesiredCount: number(0), VPC: "vpc-0a1b2c3d", Subnets: []string{"subnet-0a1b2c3d", "subnet-0a1b2c3e"}, SecurityGroups: []string{"sg-0a1b2c3d"},
		Container: "web", Port: 8080, Paths: []string{"/*"}, Listener: "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/main/0123456789abcdef/0123456789abcdef", Priority: 50000, LoadBalancerSG: "sg-0a1b2c3e",
		LoadBalancerDNS: "main-1234567890.eu-west-1.elb.amazonaws.com", LoadBalancerZone: "Z32O12XQLNTSW2", HealthCheckPath: "/", HealthCheckGrace: number(0), RecordName: "shop.example.com.", HostedZone: "Z0123456789ABCDEFGHIJ",
		DatabaseSG: "sg-0a1b2c3f", DatabasePort: 5432, Forwarder: "arn:aws:lambda:eu-west-1:111122223333:function:sumoship-forwarder:live", PermitForwarder: true, Retention: 3653}},
}

// makeService makes a service; existing may be "".
func makeService(t testing.TB, file, src, existing string, o service.Options) (*service.Service, error) {
	t.Helper()
	if file == "" {
		file = "task.json"
	}
	d, err := taskdef.Read(file, []byte(src), taskdef.ReadOptions{Family: "family"})
	if err != nil {
		t.Fatal(err)
	}
	var e *service.Existing
	if existing != "" {
		if e, err = service.ReadExisting("service.json", []byte(existing), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	return service.New(d, e, o)
}

// goodTemplates writes the templates of all shapes, by name, to a directory.
func goodTemplates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, c := range serviceShapes {
		s, err := makeService(t, c.file, c.src, c.existing, c.o)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if s.Refused() {
			t.Fatalf("%s: %+v", c.name, s)
		}
		for ext, json := range map[string]bool{".yaml": false, ".json": true} {
			if err := os.WriteFile(filepath.Join(dir, c.name+ext), s.CloudFormation(json), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// checkPermission holds the statement of a template to the one that the other
// ways to subscribe write, in each partition.
func checkPermission(t *testing.T, properties *tree.Node) {
	t.Helper()
	for partition, suffix := range map[string]string{"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"} {
		d, err := subscription.ParseDestination("arn:" + partition + ":lambda:xx-west-1:111122223333:function:f")
		if err != nil {
			t.Fatal(err)
		}
		value := func(name string) string {
			v := properties.Key(name)
			text, _ := v.Key("Fn::Sub").Text()
			if ref, ok := v.Key("Ref").Text(); ok {
				text = "${" + ref + "}"
			}
			if literal, ok := v.Text(); ok {
				text = literal
			}
			return strings.NewReplacer("${AWS::Partition}", partition, "${AWS::URLSuffix}", suffix, "${AWS::Region}", d.Region, "${AWS::AccountId}", d.Account).Replace(text)
		}
		got := subscription.Permission{ID: subscription.PermissionID, Action: value("Action"), Principal: value("Principal"), SourceARN: value("SourceArn"), SourceAccount: value("SourceAccount")}
		if diff := cmp.Diff(d.Permission(), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", partition, diff)
		}
		if forwarder := value("FunctionName"); forwarder != "${ForwarderArn}" {
			t.Errorf("the permission is of %s", forwarder)
		}
	}
}

// maxPolicy is the size of a function's policy, in bytes.
//
// Source: AWS Lambda Developer Guide, "Lambda quotas": function resource-based
// policy.
const maxPolicy = 20 << 10

// Services share the policy of their forwarder, whose own stack puts one statement
// there. However many there are, it must not fill.
func TestServicesDoNotFillThePolicyOfTheForwarder(t *testing.T) {
	const forwarder = "arn:aws:lambda:eu-west-1:111122223333:function:sumoship-forwarder"
	statement := func(sid, source string) string {
		return `{"Sid":"` + sid + `","Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + forwarder +
			`","Condition":{"StringEquals":{"AWS:SourceAccount":"111122223333"},"ArnLike":{"AWS:SourceArn":"` + source + `"}}}`
	}
	const all = "arn:aws:logs:eu-west-1:111122223333:log-group:*"
	policy := []string{statement("sumoship-LogsMayInvokeForwarder-0A1B2C3D4E5F", all)}
	groups := 0
	for i := range 100 {
		name := fmt.Sprintf("service-%d", i)
		s, err := makeService(t, "", strings.ReplaceAll(shopForEC2, `"shop"`, `"`+name+`"`), "", service.Options{Name: name, Forwarder: forwarder})
		if err != nil {
			t.Fatal(err)
		}
		root, err := tree.ParseJSON(s.CloudFormation(true), nil)
		if err != nil {
			t.Fatal(err)
		}
		for id, r := range root.Key("Resources").Members() {
			switch kind, _ := r.Key("Type").Text(); kind {
			case "AWS::Logs::LogGroup":
				groups++
			case "AWS::Lambda::Permission":
				policy = append(policy, statement(name+"-"+id+"-0A1B2C3D4E5F", all))
			}
		}
	}
	size := len(`{"Version":"2012-10-17","Id":"default","Statement":[` + strings.Join(policy, ",") + `]}`)
	if groups != 100 || size > maxPolicy {
		t.Errorf("%d log groups of 100 services take %d bytes of the policy, of %d", groups, size, maxPolicy)
	}
}

// cfn-lint has nothing to say against the templates. It knows the schemas of
// CloudFormation, and many rules of ECS besides.
func TestServiceTemplatesPassCFNLint(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs cfn-lint (pip install cfn-lint==1.51.0): %v", err)
		}
		t.Skip("no cfn-lint on PATH")
	}
	dir := goodTemplates(t)
	// In YAML, and some in JSON: what is in them is the same (see below).
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, c := range serviceShapes {
		if c.golden {
			files = append(files, filepath.Join(dir, c.name+".json"))
		}
	}
	out, err := exec.Command(lint, append([]string{"-r", "us-east-1", "cn-north-1", "--"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

var update = flag.Bool("update", false, "write golden files")

func TestServiceTemplates(t *testing.T) {
	dir := goodTemplates(t)
	for _, c := range serviceShapes {
		t.Run(c.name, func(t *testing.T) {
			yaml, err := os.ReadFile(filepath.Join(dir, c.name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			json, err := os.ReadFile(filepath.Join(dir, c.name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if again, err := makeService(t, c.file, c.src, c.existing, c.o); err != nil || !bytes.Equal(again.CloudFormation(false), yaml) {
				t.Errorf("another run writes another template (%v)", err)
			}
			a, err := tree.ParseYAML(yaml, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := parseJSON(json)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.ReplaceAll(b.Source(), ",", ",\n"), strings.ReplaceAll(a.Source(), ",", ",\n")); diff != "" {
				t.Errorf("JSON and YAML differ (-json +yaml):\n%s", diff)
			}
			checkTemplate(t, b)
			if got := strings.Contains(string(yaml), "AWS::Lambda::Permission"); got != c.o.PermitForwarder {
				t.Errorf("permits the forwarder: %t", got)
			}
			if !c.golden {
				return
			}
			golden := filepath.Join("testdata", "service", c.name+".yaml")
			if *update {
				if err := os.WriteFile(golden, yaml, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(yaml)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

var ownARN = regexp.MustCompile(`arn:aws[a-z-]*:`)

// checkTemplate holds a template to what each promises: it stands by itself, is
// for each partition, every log group that it makes has a retention and is
// subscribed after its permission, and tasks have neither host ports nor roles
// of others.
func checkTemplate(t *testing.T, root *tree.Node) {
	t.Helper()
	named := map[string]bool{}
	for _, section := range []string{"Parameters", "Resources"} {
		for name := range root.Key(section).Members() {
			named[name] = true
		}
	}
	used := map[string]bool{}
	see := func(name, place string) {
		used[name] = true
		if !named[name] && !strings.HasPrefix(name, "AWS::") {
			t.Errorf("%s refers to %s, which is not there", place, name)
		}
	}
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		for name, v := range n.Members() {
			text, _ := v.Text()
			switch {
			case name == "Ref" && n.Opaque():
				see(text, v.Pointer())
			case name == "Fn::GetAtt":
				for _, first := range v.Elements() {
					resource, _ := first.Text()
					see(resource, v.Pointer())
					break
				}
			case name == "Fn::Sub" && text != "":
				for _, m := range regexp.MustCompile(`\$\{([A-Za-z0-9:]+)`).FindAllStringSubmatch(text, -1) {
					see(m[1], v.Pointer())
				}
				if ownARN.MatchString(text) {
					t.Errorf("%s names a partition: %s", v.Pointer(), text)
				}
			}
			walk(v)
		}
		for _, v := range n.Elements() {
			walk(v)
		}
	}
	for _, section := range []string{"Conditions", "Resources", "Outputs"} {
		walk(root.Key(section))
	}
	for name, p := range root.Key("Parameters").Members() {
		if !used[name] {
			t.Errorf("parameter %s is not used", name)
		}
		kind, _ := p.Key("Type").Text()
		if kind == "" || p.Key("Description") == nil && !strings.HasPrefix(name, "Definition") && name != "Stage" {
			t.Errorf("parameter %s has no type or description", name)
		}
	}
	permissions := 0
	for name, r := range root.Key("Resources").Members() {
		properties := r.Key("Properties")
		switch kind, _ := r.Key("Type").Text(); kind {
		case "AWS::Logs::LogGroup":
			if properties.Key("RetentionInDays") == nil || r.Key("DeletionPolicy") == nil {
				t.Errorf("%s has no retention, or goes with the stack", name)
			}
		case "AWS::Logs::SubscriptionFilter":
			permission, _ := r.Key("DependsOn").Text()
			for other, r := range root.Key("Resources").Members() {
				if kind, _ := r.Key("Type").Text(); kind == "AWS::Lambda::Permission" && other != permission {
					t.Errorf("%s does not wait for its permission", name)
				}
			}
		case "AWS::Lambda::Permission":
			checkPermission(t, properties)
			if permissions++; permissions > 1 {
				t.Errorf("%s is one permission too many", name)
			}
		case "AWS::ECS::TaskDefinition":
			for _, c := range properties.Key("ContainerDefinitions").Elements() {
				for _, p := range c.Key("PortMappings").Elements() {
					if p.Key("HostPort") != nil {
						t.Errorf("%s has a host port", name)
					}
				}
			}
			for _, role := range []string{"ExecutionRoleArn", "TaskRoleArn"} {
				if properties.Key(role) == nil {
					t.Errorf("%s has no %s", name, role)
				}
			}
		case "AWS::ElasticLoadBalancingV2::TargetGroup":
			if kind, _ := properties.Key("TargetType").Text(); kind != "ip" {
				t.Errorf("%s is of type %s", name, kind)
			}
		case "AWS::ECS::Service":
			waits := r.Key("DependsOn").Source()
			for other, r := range root.Key("Resources").Members() {
				switch kind, _ := r.Key("Type").Text(); kind {
				case "AWS::Logs::SubscriptionFilter", "AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress", "AWS::IAM::ManagedPolicy":
					if !strings.Contains(waits, `"`+other+`"`) {
						t.Errorf("the service does not wait for %s", other)
					}
				}
			}
			if rollback, _ := properties.Key("DeploymentConfiguration").Key("DeploymentCircuitBreaker").Key("Rollback").Bool(); !rollback {
				t.Errorf("%s does not roll back", name)
			}
			if (properties.Key("LaunchType") == nil) == (properties.Key("CapacityProviderStrategy") == nil) {
				t.Errorf("%s needs one of a launch type and a strategy", name)
			}
		}
	}
}

// serviceFinding is what a test wants to know of a finding.
type serviceFinding struct {
	id       string
	severity finding.Severity
	action   finding.Action
	pointer  string
}

// Each rule has a case that it is found in, with its severity, and where.
func TestServiceRules(t *testing.T) {
	in := func(member string) string {
		return `{"serviceName": "old", "desiredCount": 2, ` + member + `}`
	}
	balanced := service.Options{Name: "shop", Paths: []string{"/*"}}
	plain := service.Options{Name: "shop"}
	allowing := func(o service.Options, id string) service.Options {
		o.Conversion.Allow = []string{id}
		return o
	}
	cases := []struct {
		src, existing string
		o             service.Options
		want          serviceFinding
	}{
		{shopForEC2, in(`"launchType": "EC2"`), plain, serviceFinding{"service-launch-type", finding.Info, finding.Rewrite, "/launchType"}},
		{shopForEC2, in(`"capacityProviderStrategy": [{"capacityProvider": "asg", "weight": 1}]`), plain, serviceFinding{"service-capacity-provider", finding.Warning, finding.Drop, "/capacityProviderStrategy/0"}},
		{shopForEC2, "", service.Options{Name: "shop", Spot: true}, serviceFinding{"service-spot", finding.Info, finding.Keep, ""}},
		{shopForEC2, in(`"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]`), plain, serviceFinding{"service-spot", finding.Info, finding.Keep, ""}},
		{serviceShapes[10].src, "", service.Options{Name: "iis", Spot: true}, serviceFinding{"service-spot-windows", finding.Error, finding.Refuse, ""}},
		{shopForEC2, in(`"schedulingStrategy": "DAEMON"`), plain, serviceFinding{"service-daemon", finding.Error, finding.Refuse, "/schedulingStrategy"}},
		{shopForEC2, in(`"placementStrategy": [{"type": "random"}]`), plain, serviceFinding{"service-placement", finding.Warning, finding.Drop, "/placementStrategy"}},
		{shopForEC2, in(`"placementConstraints": [{"type": "distinctInstance"}]`), plain, serviceFinding{"service-placement", finding.Warning, finding.Drop, "/placementConstraints"}},
		{shopForEC2, in(`"role": "ecsServiceRole"`), plain, serviceFinding{"service-role", finding.Info, finding.Drop, "/role"}},
		{shopForEC2, in(`"platformVersion": "1.3.0"`), plain, serviceFinding{"service-platform-version", finding.Info, finding.Drop, "/platformVersion"}},
		{shopForEC2, in(`"loadBalancers": [{"loadBalancerName": "old", "containerName": "web", "containerPort": 8080}]`), plain, serviceFinding{"service-classic-load-balancer", finding.Error, finding.Refuse, "/loadBalancers/0"}},
		{shopForEC2, in(`"loadBalancers": [{"loadBalancerName": "old", "containerName": "web", "containerPort": 8080}]`), allowing(plain, "service-classic-load-balancer"), serviceFinding{"service-classic-load-balancer", finding.Warning, finding.Drop, "/loadBalancers/0"}},
		{shopForEC2, in(`"loadBalancers": [{"loadBalancerName": "old", "containerName": "web", "containerPort": 8080}]`), balanced, serviceFinding{"service-classic-load-balancer", finding.Warning, finding.Rewrite, "/loadBalancers/0"}},
		{shopForEC2, in(`"loadBalancers": [{"targetGroupArn": "arn", "containerName": "web", "containerPort": 8080}]`), balanced, serviceFinding{"service-target-group", finding.Warning, finding.Rewrite, "/loadBalancers/0"}},
		{shopForEC2, in(`"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d"]}}, "loadBalancers": [{"targetGroupArn": "arn", "containerName": "web", "containerPort": 8080}]`), balanced, serviceFinding{"service-target-group", finding.Info, finding.Rewrite, "/loadBalancers/0"}},
		{shopForEC2, in(`"loadBalancers": [{"targetGroupArn": "a", "containerName": "web", "containerPort": 8080}, {"targetGroupArn": "b", "containerName": "web", "containerPort": 8080}]`), balanced, serviceFinding{"service-target-groups", finding.Error, finding.Refuse, "/loadBalancers/1"}},
		{shopForEC2, in(`"loadBalancers": [{"targetGroupArn": "a", "containerName": "web", "containerPort": 8080}, {"targetGroupArn": "b", "containerName": "web", "containerPort": 8080}]`), allowing(balanced, "service-target-groups"), serviceFinding{"service-target-groups", finding.Warning, finding.Drop, "/loadBalancers/1"}},
		{shopForEC2, in(`"loadBalancers": [{"targetGroupArn": "a", "containerName": "web", "containerPort": 80}]`), balanced, serviceFinding{"service-port-unknown", finding.Error, finding.Refuse, ""}},
		{serviceShapes[3].src, "", balanced, serviceFinding{"service-port-unknown", finding.Error, finding.Refuse, ""}},
		{shopForEC2, "", service.Options{Name: "shop", Paths: []string{"/*"}, Container: "other"}, serviceFinding{"service-port-unknown", finding.Error, finding.Refuse, ""}},
		{`{"family":"dns","containerDefinitions":[{"name":"dns","image":"dns","memory":100,"portMappings":[{"containerPort":53,"protocol":"udp"}]}]}`, "", service.Options{Name: "dns", Paths: []string{"/*"}, Port: 53},
			serviceFinding{"service-port-protocol", finding.Error, finding.Refuse, "/containerDefinitions/0/portMappings/0"}},
		{serviceShapes[4].src, "", service.Options{Name: "edge", Paths: []string{"/*"}}, serviceFinding{"service-port-chosen", finding.Info, finding.Set, "/containerDefinitions/0/portMappings/0"}},
		{serviceShapes[4].src, "", plain, serviceFinding{"service-host-port", finding.Warning, finding.Keep, "/containerDefinitions/0/portMappings/1"}},
		{strings.Replace(shopForEC2, `"hostPort": 0`, `"hostPort": 80`, 1), "", plain, serviceFinding{"service-host-port", finding.Warning, finding.Keep, "/containerDefinitions/0/portMappings/0"}},
		{shopForEC2, "", balanced, serviceFinding{"service-health-check-path", finding.Info, finding.Set, "/containerDefinitions/0/portMappings/0"}},
		{shopForEC2, in(`"healthCheckGracePeriodSeconds": 5`), plain, serviceFinding{"service-health-check-grace", finding.Info, finding.Drop, "/healthCheckGracePeriodSeconds"}},
		{shopForEC2, in(`"serviceRegistries": [{"registryArn": "a", "containerName": "web", "containerPort": 8080}]`), plain, serviceFinding{"service-registry", finding.Warning, finding.Keep, "/serviceRegistries/0"}},
		{shopForEC2, in(`"serviceRegistries": [{"registryArn": "a"}]`), plain, serviceFinding{"service-registry-address", finding.Info, finding.Keep, "/serviceRegistries/0"}},
		{shopForEC2, in(`"serviceRegistries": [{"registryArn": "a"}, {"registryArn": "b"}]`), plain, serviceFinding{"service-registries", finding.Error, finding.Refuse, "/serviceRegistries/1"}},
		{shopForEC2, in(`"serviceRegistries": [{"registryArn": "a"}, {"registryArn": "b"}]`), allowing(plain, "service-registries"), serviceFinding{"service-registries", finding.Warning, finding.Drop, "/serviceRegistries/1"}},
		{shopForEC2, in(`"serviceRegistries": [{"registryArn": "a", "containerName": "web", "containerPort": 1}]`), plain, serviceFinding{"service-reference-unknown", finding.Error, finding.Refuse, "/serviceRegistries/0"}},
		{shopForEC2, in(`"serviceConnectConfiguration": {"enabled": true, "services": [{"portName": "x"}]}`), plain, serviceFinding{"service-reference-unknown", finding.Error, finding.Refuse, "/serviceConnectConfiguration/services/0/portName"}},
		{shopForEC2, in(`"volumeConfigurations": [{"name": "x"}]`), plain, serviceFinding{"service-reference-unknown", finding.Error, finding.Refuse, "/volumeConfigurations/0"}},
		{shopForEC2, in(`"vpcLatticeConfigurations": [{"portName": "x"}]`), plain, serviceFinding{"service-reference-unknown", finding.Error, finding.Refuse, "/vpcLatticeConfigurations/0/portName"}},
		{serviceShapes[11].src, "", plain, serviceFinding{"service-volume-missing", finding.Error, finding.Refuse, ""}},
		{shopForEC2, in(`"deploymentController": {"type": "CODE_DEPLOY"}`), plain, serviceFinding{"service-deployment-controller", finding.Warning, finding.Drop, "/deploymentController"}},
		{shopForEC2, in(`"deploymentConfiguration": {"minimumHealthyPercent": 0}`), plain, serviceFinding{"service-deployment-percent", finding.Info, finding.Keep, "/deploymentConfiguration/minimumHealthyPercent"}},
		{shopForEC2, in(`"deploymentConfiguration": {"strategy": "BLUE_GREEN"}`), plain, serviceFinding{"service-deployment-strategy", finding.Warning, finding.Drop, "/deploymentConfiguration/strategy"}},
		{shopForEC2, in(`"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": false}}`), plain, serviceFinding{"service-circuit-breaker", finding.Info, finding.Set, "/deploymentConfiguration"}},
		{shopForEC2, shopService, balanced, serviceFinding{"service-name-taken", finding.Warning, finding.Keep, "/services/0/serviceName"}},
		{shopForEC2, in(`"tags": [{"key": "aws:x", "value": "y"}]`), plain, serviceFinding{"service-tag-reserved", finding.Info, finding.Drop, "/tags/0"}},
		{shopForEC2, in(`"new": 1`), plain, serviceFinding{"service-unknown-member", finding.Warning, finding.Drop, "/new"}},
		{shopForEC2, in(`"deploymentConfiguration": {"new": 1}`), plain, serviceFinding{"service-unknown-member", finding.Warning, finding.Drop, "/deploymentConfiguration/new"}},
		{shopForEC2, in(`"enableExecuteCommand": true`), plain, serviceFinding{"service-exec", finding.Info, finding.Keep, "/enableExecuteCommand"}},
		{serviceShapes[5].src, "", plain, serviceFinding{"service-role-kept", finding.Info, finding.Keep, "/taskRoleArn"}},
		{serviceShapes[5].src, "", service.Options{Name: "api", NewRoles: true}, serviceFinding{"service-role-new", finding.Info, finding.Set, "/taskRoleArn"}},
		{onFargate(apiContainer), "", plain, serviceFinding{"service-log-group-exists", finding.Warning, finding.Keep, "/containerDefinitions/0/logConfiguration/options/awslogs-group"}},
		{serviceShapes[16].src, "", plain, serviceFinding{"service-log-group-create", finding.Info, finding.Drop, "/containerDefinitions/0/logConfiguration/options/awslogs-create-group"}},
		{serviceShapes[16].src, "", plain, serviceFinding{"service-log-region", finding.Info, finding.Rewrite, "/containerDefinitions/0/logConfiguration/options/awslogs-region"}},
		{serviceShapes[16].src, "", plain, serviceFinding{"service-log-region-other", finding.Warning, finding.Keep, "/containerDefinitions/2/logConfiguration/options/awslogs-region"}},
		{serviceShapes[15].src, "", plain, serviceFinding{"service-log-none", finding.Info, finding.Keep, ""}},
		{strings.Replace(shopForEC2, "shop:1.4", "shop:{{ tag }}", 1), "", plain, serviceFinding{"service-placeholder", finding.Error, finding.Refuse, "/containerDefinitions/0/image"}},
		{templateForEC2, "", plain, serviceFinding{"service-parameter", finding.Info, finding.Rewrite, "/Resources/Task/Properties/ContainerDefinitions/0/Environment/1/Value"}},
		{strings.Replace(templateForEC2, "Value: !Ref Stage", `Value: {"Fn::ToJsonString": [1]}`, 1), "", plain, serviceFinding{"service-reference-unsupported", finding.Error, finding.Refuse, "/Resources/Task/Properties/ContainerDefinitions/0/Environment/0/Value"}},
	}
	seen := map[string]bool{}
	for _, c := range cases {
		t.Run(c.want.id, func(t *testing.T) {
			file := "task.json"
			if !strings.HasPrefix(c.src, "{") {
				file = "task.yaml"
			}
			s, err := makeService(t, file, c.src, c.existing, c.o)
			if err != nil {
				t.Fatal(err)
			}
			var got []serviceFinding
			for _, f := range slices.Concat(s.Findings, s.ServiceFindings) {
				if f.ID == c.want.id {
					got = append(got, serviceFinding{f.ID, f.Severity, f.Action, f.Pointer})
				}
				if f.Pointer != "" && f.Line == 0 || f.Why == "" {
					t.Errorf("%+v has no place or reason", f)
				}
			}
			if !slices.Contains(got, c.want) {
				t.Errorf("want %v, got %v", c.want, got)
			}
			if s.Refused() != (c.want.severity == finding.Error) {
				t.Errorf("refused: %t\n%+v", s.Refused(), s.Findings)
			}
		})
		seen[c.want.id] = true
	}
	for _, r := range service.Rules() {
		if !seen[r.ID] {
			t.Errorf("rule %s has no case", r.ID)
		}
	}
}

// What the template does, nobody is told to do.
func TestServiceSettlesFindings(t *testing.T) {
	told := func(o service.Options) (ids []string) {
		s, err := makeService(t, "", shopForEC2, "", o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Findings {
			if strings.HasPrefix(f.ID, "execution-role-") || strings.Contains(f.Help.String(), "Create the log group") || strings.Contains(f.Help.String(), "--task-role") {
				ids = append(ids, f.ID)
			}
		}
		return ids
	}
	if got := told(service.Options{Name: "shop"}); got != nil {
		t.Errorf("told of %v", got)
	}
	got := told(service.Options{Name: "shop", ExistingLogGroups: true, Conversion: fargate.Options{ExecutionRole: "exec", TaskRole: "task"}})
	if diff := cmp.Diff([]string{"execution-role-set", "execution-role-rights", "log-driver-replaced"}, got); diff != "" {
		t.Error(diff)
	}
}

// A definition with errors is refused, and nothing more is made of it.
func TestServiceRefusesWhatCheckRefuses(t *testing.T) {
	for name, src := range map[string]string{
		"for EC2":     `{"family":"a","containerDefinitions":[{"name":"a","image":"a","memory":100,"privileged":true}]}`,
		"for Fargate": `{"family":"a","requiresCompatibilities":["FARGATE"],"networkMode":"bridge","containerDefinitions":[{"name":"a","image":"a","memory":100}]}`,
	} {
		s, err := makeService(t, "", src, "", service.Options{Name: "a"})
		if err != nil || !s.Refused() {
			t.Errorf("%s: %v %+v", name, err, s)
		}
	}
}

func TestServiceOptions(t *testing.T) {
	const listener = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/main/0123456789abcdef/0123456789abcdef"
	for name, c := range map[string]struct {
		option   string
		o        service.Options
		existing string
	}{
		"no name":                {"Name", service.Options{}, ""},
		"name":                   {"Name", service.Options{Name: "a b"}, ""},
		"cluster":                {"Cluster", service.Options{Name: "a", Cluster: "arn:aws:ecs:x"}, ""},
		"vpc":                    {"VPC", service.Options{Name: "a", VPC: "vpc-1"}, ""},
		"subnet":                 {"Subnets", service.Options{Name: "a", Subnets: []string{"subnet-0a1b2c3d", "subnet-0A1B2C3D"}}, ""},
		"subnet twice":           {"Subnets", service.Options{Name: "a", Subnets: []string{"subnet-0a1b2c3d", "subnet-0a1b2c3d"}}, ""},
		"group":                  {"SecurityGroups", service.Options{Name: "a", SecurityGroups: []string{"default"}}, ""},
		"listener of an NLB":     {"Listener", service.Options{Name: "a", Paths: []string{"/"}, Listener: strings.Replace(listener, "/app/", "/net/", 1)}, ""},
		"listener without path":  {"Paths", service.Options{Name: "a", Listener: listener}, ""},
		"path":                   {"Paths", service.Options{Name: "a", Paths: []string{"shop"}}, ""},
		"six paths":              {"Paths", service.Options{Name: "a", Paths: []string{"/1", "/2", "/3", "/4", "/5", "/6"}}, ""},
		"host":                   {"Hosts", service.Options{Name: "a", Hosts: []string{"https://x"}}, ""},
		"priority":               {"Priority", service.Options{Name: "a", Paths: []string{"/"}, Priority: 50001}, ""},
		"priority without path":  {"Priority", service.Options{Name: "a", Priority: 1}, ""},
		"port":                   {"Port", service.Options{Name: "a", Port: 65536}, ""},
		"load balancer group":    {"LoadBalancerSG", service.Options{Name: "a", LoadBalancerSG: "x"}, ""},
		"load balancer name":     {"LoadBalancerDNS", service.Options{Name: "a", LoadBalancerDNS: "x"}, ""},
		"load balancer zone":     {"LoadBalancerZone", service.Options{Name: "a", LoadBalancerZone: "x"}, ""},
		"health check":           {"HealthCheckPath", service.Options{Name: "a", HealthCheckPath: "health"}, ""},
		"record":                 {"RecordName", service.Options{Name: "a", RecordName: "a b", Paths: []string{"/"}}, ""},
		"record without path":    {"RecordName", service.Options{Name: "a", RecordName: "a.example.com"}, ""},
		"zone":                   {"HostedZone", service.Options{Name: "a", HostedZone: "/hostedzone/Z1", Paths: []string{"/"}, RecordName: "a.example.com"}, ""},
		"zone without record":    {"RecordName", service.Options{Name: "a", HostedZone: "Z1", Paths: []string{"/"}}, ""},
		"database":               {"DatabaseSG", service.Options{Name: "a", DatabaseSG: "db", DatabasePort: 1}, ""},
		"database without port":  {"DatabasePort", service.Options{Name: "a", DatabaseSG: "sg-0a1b2c3d"}, ""},
		"database without group": {"DatabaseSG", service.Options{Name: "a", DatabasePort: 3306}, ""},
		"forwarder":              {"Forwarder", service.Options{Name: "a", Forwarder: "sumoship-forwarder"}, ""},
		"retention":              {"Retention", service.Options{Name: "a", Retention: 31}, ""},
		"count":                  {"DesiredCount", service.Options{Name: "a", DesiredCount: number(-1)}, ""},
		"on demand":              {"OnDemand", service.Options{Name: "a", OnDemand: 1}, ""},
		"of the conversion":      {"Arch", service.Options{Name: "a", Conversion: fargate.Options{Arch: "mips"}}, ""},
		"target group, no path":  {"Paths", service.Options{Name: "a"}, shopService},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := makeService(t, "", shopForEC2, c.existing, c.o)
			o, ok := errors.AsType[*finding.OptionError](err)
			if !ok || o.Option != c.option || o.Want == "" {
				t.Errorf("got %v, want an error of %s", err, c.option)
			}
		})
	}
	// The role that a definition names is its own: nothing is added to it.
	_, err := makeService(t, "", serviceShapes[5].src, "", service.Options{Name: "a", Roles: iam.Options{Allow: []iam.Grant{grant("exec")}}})
	if o, ok := errors.AsType[*finding.OptionError](err); !ok || o.Option != "TaskAllow" {
		t.Errorf("got %v", err)
	}
}

func TestReadService(t *testing.T) {
	two := `{"services": [{"serviceName": "a", "desiredCount": 1}, {"serviceName": "b", "desiredCount": 2}]}`
	for name, c := range map[string]struct{ src, choose, want string }{
		"described":     {shopService, "", "shop"},
		"one of two":    {two, "b", "b"},
		"created":       {`{"service": {"serviceName": "a"}}`, "x", "a"},
		"input":         {"serviceName: a\nlaunchType: EC2\n", "", "a"},
		"without name":  {`{"desiredCount": 1}`, "", ""},
		"two":           {two, "c", "!service.json:1:14: there are 2 services: a, b; choose one with --service"},
		"missing":       {`{"services": [], "failures": [{"arn": "x", "reason": "MISSING"}]}`, "", "!service.json:1:14: there is no service in it (MISSING); see that the name and the cluster are right"},
		"a definition":  {shopForEC2, "", "!service.json:1:1: there is no service in this document; give the output of aws ecs describe-services, or the input of create-service"},
		"a list":        {`[]`, "", "!service.json:1:1: the document is a list; give the output of aws ecs describe-services, or the input of create-service"},
		"no object":     {`{"services": ["x"]}`, "", "!service.json:1:15: the service is a string and not an object; give the output of aws ecs describe-services, or the input of create-service"},
		"a huge number": {`{"desiredCount": 1e999}`, "", "!service.json:1:18: the number 1e999 is larger than ECS can hold"},
		"broken":        {`{"services": [`, "", "!service.json:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			file := "service.json"
			if strings.HasPrefix(c.src, "s") {
				file = "service.yaml"
			}
			e, err := service.ReadExisting(file, []byte(c.src), c.choose)
			if want, fails := strings.CutPrefix(c.want, "!"); fails {
				if _, ok := errors.AsType[*taskdef.InputError](err); !ok || !strings.HasPrefix(fmt.Sprint(err), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || e.Name() != c.want {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
}

// What ecspresso gets is JSON with what nobody named as its variables, and names
// nothing of CloudFormation.
func TestEcspresso(t *testing.T) {
	s, err := makeService(t, "", shopForEC2, shopService, service.Options{Name: "shop", Paths: []string{"/*"}, Ecspresso: true, Subnets: []string{"subnet-0a1b2c3d"}})
	if err != nil || s.Refused() {
		t.Fatal(err, s)
	}
	task, service := s.Ecspresso()
	for name, doc := range map[string][]byte{"task": task, "service": service} {
		if _, err := parseJSON(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Contains(doc, []byte("AWS::")) || bytes.Contains(doc, []byte("${")) {
			t.Errorf("%s names what CloudFormation has:\n%s", name, doc)
		}
	}
	got := regexp.MustCompile("must_env `([A-Z0-9_]+)`").FindAllStringSubmatch(string(task)+string(service), -1)
	var names []string
	for _, m := range got {
		names = append(names, m[1])
	}
	if diff := cmp.Diff([]string{"AWS_REGION", "EXECUTION_ROLE_ARN", "TASK_SECURITY_GROUP", "TARGET_GROUP_ARN"}, names); diff != "" {
		t.Error(diff)
	}
	n, err := parseJSON(service)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"desiredCount": "3", "launchType": `"FARGATE"`, "healthCheckGracePeriodSeconds": "90", "propagateTags": `"SERVICE"`, "tags": `[{"key":"team","value":"shop"}]`,
		"networkConfiguration": "{\"awsvpcConfiguration\":{\"subnets\":[\"subnet-0a1b2c3d\"],\"securityGroups\":[\"{{ must_env `TASK_SECURITY_GROUP` }}\"],\"assignPublicIp\":\"DISABLED\"}}",
	} {
		if got := n.Key(name).Source(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Whatever the inputs are, there is an error, a refusal, or a template that can
// be read and names nothing that is not in it.
func FuzzNewService(f *testing.F) {
	for _, c := range serviceShapes {
		f.Add(c.src, c.existing)
	}
	f.Add(shopForEC2, shopService)
	f.Fuzz(func(t *testing.T, src, existing string) {
		d, err := taskdef.Read("task", []byte(src), taskdef.ReadOptions{Family: "family"})
		if err != nil {
			return
		}
		e, err := service.ReadExisting("service", []byte(existing), "shop")
		if err != nil {
			e = nil
		}
		for _, o := range []service.Options{{Name: "a"}, {Name: "a", Paths: []string{"/*"}, Spot: true, NewRoles: true, ExistingLogGroups: true}} {
			s, err := service.New(d, e, o)
			if err != nil || s.Refused() {
				return
			}
			yaml, err := tree.ParseYAML(s.CloudFormation(false), nil)
			if err != nil {
				t.Fatalf("%v in\n%s", err, s.CloudFormation(false))
			}
			json, err := parseJSON(s.CloudFormation(true))
			if err != nil || !tree.Equal(json, yaml) {
				t.Fatalf("%v: JSON and YAML differ:\n%s\n%s", err, json.Source(), yaml.Source())
			}
		}
	})
}

func BenchmarkService(b *testing.B) {
	for b.Loop() {
		s, err := makeService(b, "", shopForEC2, shopService, service.Options{Name: "shop", Paths: []string{"/*"}})
		if err != nil {
			b.Fatal(err)
		}
		s.CloudFormation(false)
	}
}
