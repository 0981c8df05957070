package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/moto"
)

// accountTemplate is what an account has before a service comes: a VPC, a load balancer
// with a listener, a hosted zone, a database's security group, a cluster, and the
// forwarder.
const accountTemplate = `
Resources:
  Vpc: {Type: "AWS::EC2::VPC", Properties: {CidrBlock: 10.0.0.0/16}}
  SubnetA: {Type: "AWS::EC2::Subnet", Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: eu-west-1a}}
  SubnetB: {Type: "AWS::EC2::Subnet", Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: eu-west-1b}}
  BalancerGroup: {Type: "AWS::EC2::SecurityGroup", Properties: {GroupDescription: balancer, VpcId: !Ref Vpc}}
  DatabaseGroup: {Type: "AWS::EC2::SecurityGroup", Properties: {GroupDescription: database, VpcId: !Ref Vpc}}
  Balancer: {Type: "AWS::ElasticLoadBalancingV2::LoadBalancer", Properties: {Name: main, Subnets: [!Ref SubnetA, !Ref SubnetB], SecurityGroups: [!Ref BalancerGroup]}}
  Other: {Type: "AWS::ElasticLoadBalancingV2::TargetGroup", Properties: {Port: 80, Protocol: HTTP, VpcId: !Ref Vpc}}
  Listener: {Type: "AWS::ElasticLoadBalancingV2::Listener", Properties: {LoadBalancerArn: !Ref Balancer, Port: 80, Protocol: HTTP, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Other}]}}
  Zone: {Type: "AWS::Route53::HostedZone", Properties: {Name: example.com}}
  Cluster: {Type: "AWS::ECS::Cluster", Properties: {ClusterName: prod}}
  Role: {Type: "AWS::IAM::Role", Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}}}
  Forwarder: {Type: "AWS::Lambda::Function", Properties: {FunctionName: sumoship-forwarder, Runtime: python3.12, Handler: index.handler, Role: !GetAtt Role.Arn, Code: {ZipFile: "def handler(event, context): pass"}}}
Outputs:
  Vpc: {Value: !Ref Vpc}
  Subnets: {Value: !Join [",", [!Ref SubnetA, !Ref SubnetB]]}
  LoadBalancerSecurityGroup: {Value: !Ref BalancerGroup}
  DatabaseSecurityGroup: {Value: !Ref DatabaseGroup}
  ListenerArn: {Value: !Ref Listener}
  LoadBalancerDnsName: {Value: !GetAtt Balancer.DNSName}
  HostedZoneId: {Value: !Ref Zone}
  ForwarderArn: {Value: !GetAtt Forwarder.Arn}
`

const shopDefinition = `{
  "family": "shop", "networkMode": "bridge", "requiresCompatibilities": ["EC2"],
  "containerDefinitions": [{
    "name": "web", "image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop:1.4", "cpu": 256, "memory": 512,
    "portMappings": [{"containerPort": 8080, "hostPort": 0}],
    "logConfiguration": {"logDriver": "json-file"}
  }]
}`

// The template makes what it says, in the account of moto. It drops subscription
// filters without a word; what those are is tested in package deploy.
func TestServiceOnMoto(t *testing.T) {
	aws := awsCLI(t)
	startMoto(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	aws(nil, "cloudformation", "create-stack", "--stack-name", "account", "--template-body", "file://"+write("account.yaml", accountTemplate), "--capabilities", "CAPABILITY_IAM")
	var stacks struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	aws(&stacks, "cloudformation", "describe-stacks", "--stack-name", "account")
	has := map[string]string{}
	for _, o := range stacks.Stacks[0].Outputs {
		has[o.OutputKey] = o.OutputValue
	}

	has["LoadBalancerHostedZoneId"] = "Z32O12XQLNTSW2" // moto does not tell it

	// By flags as much as can be, the rest as parameters.
	template := filepath.Join(dir, "shop.yaml")
	var out, errs bytes.Buffer
	status := run(context.Background(), []string{"fargate", "service", write("shop.json", shopDefinition), "--service", "shop", "--permit-forwarder", "-o", template, "--cluster", "prod",
		"--path", "/shop/*", "--priority", "7", "--health-check-path", "/health", "--dns-name", "shop.example.com", "--database-port", "3306", "--count", "2",
		"--database-sg", has["DatabaseSecurityGroup"], "--vpc", has["Vpc"], "--subnets", has["Subnets"], "--alb-sg", has["LoadBalancerSecurityGroup"], "--retention", "14"},
		streams{strings.NewReader(""), &out, &errs, func(string) string { return "" }})
	if status != exitOK {
		t.Fatalf("status %d\n%s", status, errs.String())
	}
	create := []string{"cloudformation", "create-stack", "--stack-name", "shop", "--template-body", "file://" + template, "--capabilities", "CAPABILITY_IAM", "--parameters"}
	for _, name := range []string{"ListenerArn", "LoadBalancerDnsName", "LoadBalancerHostedZoneId", "HostedZoneId", "ForwarderArn"} {
		create = append(create, "ParameterKey="+name+",ParameterValue="+has[name])
	}
	aws(nil, create...)

	var resources struct {
		StackResources []struct{ LogicalResourceId, PhysicalResourceId, ResourceStatus string }
	}
	aws(&resources, "cloudformation", "describe-stack-resources", "--stack-name", "shop")
	id := map[string]string{}
	for _, r := range resources.StackResources {
		id[r.LogicalResourceId] = r.PhysicalResourceId
		if r.ResourceStatus != "CREATE_COMPLETE" {
			t.Errorf("%s: %s", r.LogicalResourceId, r.ResourceStatus)
		}
	}

	var groups struct {
		TargetGroups []struct {
			TargetGroupArn, TargetType, HealthCheckPath, HealthCheckPort, VpcId string
			Port                                                                int
		}
	}
	aws(&groups, "elbv2", "describe-target-groups", "--target-group-arns", id["TargetGroup"])
	g := groups.TargetGroups[0]
	if g.TargetType != "ip" || g.Port != 8080 || g.HealthCheckPath != "/health" || g.HealthCheckPort != "traffic-port" || g.VpcId != has["Vpc"] {
		t.Errorf("target group %+v", g)
	}
	var rules struct {
		Rules []struct {
			Priority   string
			Conditions []struct {
				Field             string
				PathPatternConfig struct{ Values []string }
			}
			Actions []struct{ Type, TargetGroupArn string }
		}
	}
	aws(&rules, "elbv2", "describe-rules", "--rule-arns", id["ListenerRule"])
	if r := rules.Rules[0]; r.Priority != "7" || r.Actions[0].TargetGroupArn != g.TargetGroupArn || !slices.Equal(r.Conditions[0].PathPatternConfig.Values, []string{"/shop/*"}) {
		t.Errorf("rule %+v", r)
	}

	// Of services and task definitions, moto's CloudFormation takes a part; the
	// whole is below.
	var services struct {
		Services []struct {
			TaskDefinition string
			DesiredCount   int
		}
	}
	aws(&services, "ecs", "describe-services", "--cluster", "prod", "--services", "shop")
	if s := services.Services[0]; s.DesiredCount != 2 || s.TaskDefinition != id["TaskDefinition"] {
		t.Errorf("service %+v", s)
	}
	var definition struct {
		TaskDefinition struct {
			ContainerDefinitions []struct {
				LogConfiguration struct{ Options map[string]string }
			}
		}
	}
	aws(&definition, "ecs", "describe-task-definition", "--task-definition", id["TaskDefinition"])
	wantLogs := map[string]string{"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "web", "mode": "blocking"}
	if diff := cmp.Diff(wantLogs, definition.TaskDefinition.ContainerDefinitions[0].LogConfiguration.Options); diff != "" {
		t.Error(diff)
	}
	var role struct{ PolicyDocument any }
	aws(&role, "iam", "get-role-policy", "--role-name", id["ExecutionRole"], "--policy-name", "start-task")
	if policy := fmt.Sprint(role.PolicyDocument); !strings.Contains(policy, "arn:aws:ecr:eu-west-1:111122223333:repository/shop") || !strings.Contains(policy, ":log-group:/ecs/shop:") {
		t.Errorf("execution role: %s", policy)
	}
	aws(nil, "iam", "get-role", "--role-name", id["TaskRole"])

	var logs struct {
		LogGroups []struct {
			LogGroupName    string
			RetentionInDays int
		}
	}
	aws(&logs, "logs", "describe-log-groups", "--log-group-name-prefix", "/ecs/shop")
	if len(logs.LogGroups) != 1 || logs.LogGroups[0].RetentionInDays != 14 {
		t.Errorf("log groups %+v", logs)
	}
	var permission struct{ Policy string }
	aws(&permission, "lambda", "get-policy", "--function-name", "sumoship-forwarder")
	if !strings.Contains(permission.Policy, "logs.amazonaws.com") || !strings.Contains(permission.Policy, "arn:aws:logs:eu-west-1:123456789012:log-group:*") {
		t.Errorf("policy of the forwarder: %s", permission.Policy)
	}

	var records struct {
		ResourceRecordSets []struct {
			Name, Type  string
			AliasTarget struct{ DNSName, HostedZoneId string }
		}
	}
	aws(&records, "route53", "list-resource-record-sets", "--hosted-zone-id", has["HostedZoneId"])
	found := false
	for _, r := range records.ResourceRecordSets {
		found = found || strings.TrimSuffix(r.Name, ".") == "shop.example.com" && r.Type == "A" && strings.HasPrefix(r.AliasTarget.DNSName, has["LoadBalancerDnsName"])
	}
	if !found {
		t.Errorf("records %+v", records)
	}

	type permissions []struct {
		FromPort, ToPort int
		IpProtocol       string
		UserIdGroupPairs []struct{ GroupId string }
	}
	var sgs struct {
		SecurityGroups []struct {
			GroupId                            string
			IpPermissions, IpPermissionsEgress permissions
		}
	}
	aws(&sgs, "ec2", "describe-security-groups", "--group-ids", has["LoadBalancerSecurityGroup"], has["DatabaseSecurityGroup"], id["TaskSecurityGroup"])
	open := map[string]bool{}
	for _, g := range sgs.SecurityGroups {
		for direction, list := range map[string]permissions{"in": g.IpPermissions, "out": g.IpPermissionsEgress} {
			for _, p := range list {
				for _, pair := range p.UserIdGroupPairs {
					open[strings.Join([]string{direction, g.GroupId, pair.GroupId, p.IpProtocol}, " ")] = p.FromPort == p.ToPort && slices.Contains([]int{3306, 8080}, p.FromPort)
				}
			}
		}
	}
	task := id["TaskSecurityGroup"]
	want := map[string]bool{ // moto's CloudFormation has no rules for the way out
		"in " + task + " " + has["LoadBalancerSecurityGroup"] + " tcp": true,
		"in " + has["DatabaseSecurityGroup"] + " " + task + " tcp":     true,
	}
	if diff := cmp.Diff(want, open); diff != "" {
		t.Errorf("rules of security groups (-want +got):\n%s", diff)
	}

	// The same for ecspresso, whose part the AWS CLI plays: it refuses members that
	// ECS does not know.
	files := filepath.Join(dir, "ecspresso")
	sumoship := func(want int, args ...string) (stdout string) {
		t.Helper()
		var out, errs bytes.Buffer
		status := run(context.Background(), append([]string{"fargate", "service", filepath.Join(dir, "shop.json")}, args...), streams{strings.NewReader(""), &out, &errs, func(string) string { return "" }})
		if status != want {
			t.Fatalf("status %d, want %d\n%s", status, want, errs.String())
		}
		return out.String()
	}
	sumoship(exitOK, "--as", "ecspresso", "-o", files, "--service", "shop-2", "--path", "/2/*", "--subnets", has["Subnets"])
	filled := func(name string) string {
		b, err := os.ReadFile(filepath.Join(files, name))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/" + id["ExecutionRole"], "TASK_SECURITY_GROUP": task, "TARGET_GROUP_ARN": g.TargetGroupArn} {
			b = bytes.ReplaceAll(b, []byte("{{ must_env `"+name+"` }}"), []byte(value))
		}
		return "file://" + write("filled-"+name, string(b))
	}
	aws(nil, "ecs", "register-task-definition", "--cli-input-json", filled("ecs-task-def.json"))
	aws(nil, "ecs", "create-service", "--cluster", "prod", "--service-name", "shop-2", "--task-definition", "shop", "--cli-input-json", filled("ecs-service-def.json"))
	var made struct {
		Services []struct {
			ServiceArn, LaunchType string
			LoadBalancers          []struct {
				TargetGroupArn, ContainerName string
				ContainerPort                 int
			}
			NetworkConfiguration struct {
				AwsvpcConfiguration struct{ Subnets, SecurityGroups []string }
			}
		}
	}
	aws(&made, "ecs", "describe-services", "--cluster", "prod", "--services", "shop-2")
	s := made.Services[0]
	if s.LaunchType != "FARGATE" || s.LoadBalancers[0].TargetGroupArn != g.TargetGroupArn || s.LoadBalancers[0].ContainerName != "web" || s.LoadBalancers[0].ContainerPort != 8080 {
		t.Errorf("service %+v", s)
	}
	if n := s.NetworkConfiguration.AwsvpcConfiguration; strings.Join(n.Subnets, ",") != has["Subnets"] || !slices.Equal(n.SecurityGroups, []string{task}) {
		t.Errorf("network of the service: %+v", n)
	}

	// What was made is read back as an existing service.
	out3 := sumoship(exitOK, "--service", "shop-3", "--path", "/3/*", "--format", "json", "--from-service", s.ServiceArn)
	if !strings.Contains(out3, `"`+has["Subnets"]+`"`) || !strings.Contains(out3, task) {
		t.Error(out3)
	}
	sumoship(exitUsage, "--from-service", strings.Replace(s.ServiceArn, "shop-2", "nothing", 1))
	sumoship(exitAWS, "--from-service", "arn:aws:ecs:eu-west-1:123456789012:service/nowhere/shop")
}

// awsCLI returns a function that runs the AWS CLI and reads its answer into v.
func awsCLI(t *testing.T) func(v any, args ...string) {
	bin := moto.Tool(t, "aws", "pip install awscli")
	return func(v any, args ...string) {
		t.Helper()
		cmd := exec.Command(bin, append(args, "--output", "json")...)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "AWS_PROFILE=") })
		cmd.Env = append(cmd.Env, "AWS_DEFAULT_REGION="+os.Getenv("AWS_REGION"), "AWS_PAGER=")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args[:2], " "), err, stderr.String())
		}
		if v == nil {
			return
		}
		if err := json.Unmarshal(out, v); err != nil {
			t.Fatalf("aws %s: %v in %s", strings.Join(args[:2], " "), err, out)
		}
	}
}
