package fargatecmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/moto"
)

// accountTemplate is what an account has before the service: a VPC, a load balancer
// with a listener, a hosted zone, a database's security group, a cluster, and the
// forwarder.
const accountTemplate = `
Resources:
  Vpc: {Type: "AWS::EC2::VPC", Properties: {CidrBlock: 10.0.0.0/16}}
  SubnetA: {Type: "AWS::EC2::Subnet", Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: eu-west-1a}}
  SubnetB: {Type: "AWS::EC2::Subnet", Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: eu-west-1b}}
  BalancerGroup: {Type: "AWS::EC2::SecurityGroup", Properties: {GroupDescription: balancer, VpcId: !Ref Vpc}}
  DatabaseGroup: {Type: "AWS::EC2::SecurityGroup", Properties: {GroupDescription: database, VpcId: !Ref Vpc}}
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties: {Name: main, Subnets: [!Ref SubnetA, !Ref SubnetB], SecurityGroups: [!Ref BalancerGroup]}
  Other: {Type: "AWS::ElasticLoadBalancingV2::TargetGroup", Properties: {Port: 80, Protocol: HTTP, VpcId: !Ref Vpc}}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties: {LoadBalancerArn: !Ref Balancer, Port: 80, Protocol: HTTP, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Other}]}
  Zone: {Type: "AWS::Route53::HostedZone", Properties: {Name: example.com}}
  Cluster: {Type: "AWS::ECS::Cluster", Properties: {ClusterName: prod}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Forwarder:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: sumoship-forwarder
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code: {ZipFile: "def handler(event, context): pass"}
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

// deployed is a service that the template made in an account of moto.
type deployed struct {
	aws func(v any, args ...string)
	dir string
	has map[string]string // outputs of accountTemplate
	id  map[string]string // physical IDs by logical ones
}

// The template makes what it says. Moto drops subscription filters in silence;
// the tests of deploy/service hold those.
func TestServiceOnMoto(t *testing.T) {
	cli := awsCLI(t)
	clitest.StartMoto(t)
	x := &deployed{aws: cli, dir: t.TempDir(), has: map[string]string{}, id: map[string]string{}}
	x.account(t)
	x.deploy(t)
	t.Run("load balancer", x.loadBalancer)
	t.Run("service", x.service)
	t.Run("roles", x.roles)
	t.Run("logs", x.logs)
	t.Run("record", x.record)
	t.Run("security groups", x.securityGroups)
	t.Run("ecspresso", x.ecspresso)
	t.Run("cutover", x.cutover)
	t.Run("targets", x.targets)
}

func (x *deployed) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(x.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (x *deployed) account(t *testing.T) {
	x.aws(nil, "cloudformation", "create-stack", "--stack-name", "account", "--capabilities", "CAPABILITY_IAM",
		"--template-body", "file://"+x.write(t, "account.yaml", accountTemplate))
	var stacks struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	x.aws(&stacks, "cloudformation", "describe-stacks", "--stack-name", "account")
	for _, o := range stacks.Stacks[0].Outputs {
		x.has[o.OutputKey] = o.OutputValue
	}
	x.has["LoadBalancerHostedZoneId"] = "Z32O12XQLNTSW2" // moto does not report it
}

// sumoship runs fargate service on shopDefinition.
func (x *deployed) sumoship(t *testing.T, want int, args ...string) (stdout string) {
	t.Helper()
	args = append([]string{"fargate", "service", x.write(t, "shop.json", shopDefinition)}, args...)
	status, out, errs := command(t, nil, args...)
	if status != want {
		t.Fatalf("status %d, want %d\n%s", status, want, errs)
	}
	return out
}

// deploy sets as much as it can by flags, the rest by parameters.
func (x *deployed) deploy(t *testing.T) {
	template := filepath.Join(x.dir, "shop.yaml")
	x.sumoship(t, cli.ExitOK, "--service", "shop", "-o", template, "--cluster", "prod", "--count", "2", "--retention", "14", "--permit-forwarder",
		"--path", "/shop/*", "--priority", "7", "--health-check-path", "/health", "--dns-name", "shop.example.com",
		"--database-port", "3306", "--database-sg", x.has["DatabaseSecurityGroup"],
		"--vpc", x.has["Vpc"], "--subnets", x.has["Subnets"], "--alb-sg", x.has["LoadBalancerSecurityGroup"])
	create := []string{"cloudformation", "create-stack", "--stack-name", "shop", "--template-body", "file://" + template,
		"--capabilities", "CAPABILITY_IAM", "--parameters"}
	for _, name := range []string{"ListenerArn", "LoadBalancerDnsName", "LoadBalancerHostedZoneId", "HostedZoneId", "ForwarderArn"} {
		create = append(create, "ParameterKey="+name+",ParameterValue="+x.has[name])
	}
	x.aws(nil, create...)
	var resources struct {
		StackResources []struct{ LogicalResourceId, PhysicalResourceId, ResourceStatus string }
	}
	x.aws(&resources, "cloudformation", "describe-stack-resources", "--stack-name", "shop")
	for _, r := range resources.StackResources {
		x.id[r.LogicalResourceId] = r.PhysicalResourceId
		if r.ResourceStatus != "CREATE_COMPLETE" {
			t.Errorf("%s: %s", r.LogicalResourceId, r.ResourceStatus)
		}
	}
}

func (x *deployed) loadBalancer(t *testing.T) {
	type targetGroup struct {
		TargetGroupArn, TargetType, HealthCheckPath, HealthCheckPort, VpcId string
		Port                                                                int
	}
	var groups struct{ TargetGroups []targetGroup }
	x.aws(&groups, "elbv2", "describe-target-groups", "--target-group-arns", x.id["TargetGroup"])
	want := []targetGroup{{x.id["TargetGroup"], "ip", "/health", "traffic-port", x.has["Vpc"], 8080}}
	if diff := cmp.Diff(want, groups.TargetGroups); diff != "" {
		t.Errorf("target groups (-want +got):\n%s", diff)
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
	x.aws(&rules, "elbv2", "describe-rules", "--rule-arns", x.id["ListenerRule"])
	if r := rules.Rules[0]; r.Priority != "7" || r.Actions[0].TargetGroupArn != x.id["TargetGroup"] ||
		!slices.Equal(r.Conditions[0].PathPatternConfig.Values, []string{"/shop/*"}) {
		t.Errorf("rule %+v", r)
	}
}

// Moto's CloudFormation keeps only a part of services and task definitions; x.ecspresso
// looks at the whole.
func (x *deployed) service(t *testing.T) {
	var services struct {
		Services []struct {
			TaskDefinition string
			DesiredCount   int
		}
	}
	x.aws(&services, "ecs", "describe-services", "--cluster", "prod", "--services", "shop")
	if s := services.Services[0]; s.DesiredCount != 2 || s.TaskDefinition != x.id["TaskDefinition"] {
		t.Errorf("service %+v", s)
	}
	var definition struct {
		TaskDefinition struct {
			ContainerDefinitions []struct {
				LogConfiguration struct{ Options map[string]string }
			}
		}
	}
	x.aws(&definition, "ecs", "describe-task-definition", "--task-definition", x.id["TaskDefinition"])
	want := map[string]string{"awslogs-group": "/ecs/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "web", "mode": "blocking"}
	if diff := cmp.Diff(want, definition.TaskDefinition.ContainerDefinitions[0].LogConfiguration.Options); diff != "" {
		t.Errorf("options of awslogs (-want +got):\n%s", diff)
	}
}

func (x *deployed) roles(t *testing.T) {
	var role struct{ PolicyDocument any }
	x.aws(&role, "iam", "get-role-policy", "--role-name", x.id["ExecutionRole"], "--policy-name", "start-task")
	clitest.Mentions(t, fmt.Sprint(role.PolicyDocument), "arn:aws:ecr:eu-west-1:111122223333:repository/shop", ":log-group:/ecs/shop:")
	x.aws(nil, "iam", "get-role", "--role-name", x.id["TaskRole"])
}

func (x *deployed) logs(t *testing.T) {
	type logGroup struct {
		LogGroupName    string
		RetentionInDays int
	}
	var logs struct{ LogGroups []logGroup }
	x.aws(&logs, "logs", "describe-log-groups", "--log-group-name-prefix", "/ecs/shop")
	if diff := cmp.Diff([]logGroup{{"/ecs/shop", 14}}, logs.LogGroups); diff != "" {
		t.Errorf("log groups (-want +got):\n%s", diff)
	}
	var permission struct{ Policy string }
	x.aws(&permission, "lambda", "get-policy", "--function-name", "sumoship-forwarder")
	clitest.Mentions(t, permission.Policy, "logs.amazonaws.com", "arn:aws:logs:eu-west-1:123456789012:log-group:*")
}

func (x *deployed) record(t *testing.T) {
	var records struct {
		ResourceRecordSets []struct {
			Name, Type  string
			AliasTarget struct{ DNSName, HostedZoneId string }
		}
	}
	x.aws(&records, "route53", "list-resource-record-sets", "--hosted-zone-id", x.has["HostedZoneId"])
	for _, r := range records.ResourceRecordSets {
		if strings.TrimSuffix(r.Name, ".") == "shop.example.com" && r.Type == "A" &&
			strings.HasPrefix(r.AliasTarget.DNSName, x.has["LoadBalancerDnsName"]) {
			return
		}
	}
	t.Errorf("records %+v", records)
}

func (x *deployed) securityGroups(t *testing.T) {
	type permissions []struct {
		FromPort, ToPort int
		IpProtocol       string
		UserIdGroupPairs []struct{ GroupId string }
	}
	var groups struct {
		SecurityGroups []struct {
			GroupId                            string
			IpPermissions, IpPermissionsEgress permissions
		}
	}
	task, balancer, database := x.id["TaskSecurityGroup"], x.has["LoadBalancerSecurityGroup"], x.has["DatabaseSecurityGroup"]
	x.aws(&groups, "ec2", "describe-security-groups", "--group-ids", balancer, database, task)
	got := map[string]int{}
	for _, g := range groups.SecurityGroups {
		for direction, list := range map[string]permissions{"in": g.IpPermissions, "out": g.IpPermissionsEgress} {
			for _, p := range list {
				for _, pair := range p.UserIdGroupPairs {
					if p.FromPort != p.ToPort {
						t.Errorf("%+v", p)
					}
					got[strings.Join([]string{direction, g.GroupId, pair.GroupId, p.IpProtocol}, " ")] = p.FromPort
				}
			}
		}
	}
	want := map[string]int{ // moto's CloudFormation has no rules for egress
		"in " + task + " " + balancer + " tcp": 8080,
		"in " + database + " " + task + " tcp": 3306,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ports by rule (-want +got):\n%s", diff)
	}
}

// ecspresso is played by the AWS CLI, which refuses members that ECS does not
// know.
func (x *deployed) ecspresso(t *testing.T) {
	files := filepath.Join(x.dir, "ecspresso")
	x.sumoship(t, cli.ExitOK, "--as", "ecspresso", "-o", files, "--service", "shop-2", "--path", "/2/*", "--subnets", x.has["Subnets"])
	task := x.id["TaskSecurityGroup"]
	filled := func(name string) string {
		b, err := os.ReadFile(filepath.Join(files, name))
		if err != nil {
			t.Fatal(err)
		}
		for variable, value := range map[string]string{
			"AWS_REGION":          "eu-west-1",
			"EXECUTION_ROLE_ARN":  "arn:aws:iam::123456789012:role/" + x.id["ExecutionRole"],
			"TASK_SECURITY_GROUP": task,
			"TARGET_GROUP_ARN":    x.id["TargetGroup"],
		} {
			b = bytes.ReplaceAll(b, []byte("{{ must_env `"+variable+"` }}"), []byte(value))
		}
		return "file://" + x.write(t, "filled-"+name, string(b))
	}
	x.aws(nil, "ecs", "register-task-definition", "--cli-input-json", filled("ecs-task-def.json"))
	x.aws(nil, "ecs", "create-service", "--cluster", "prod", "--service-name", "shop-2", "--task-definition", "shop",
		"--cli-input-json", filled("ecs-service-def.json"))
	type loadBalancer struct {
		TargetGroupArn, ContainerName string
		ContainerPort                 int
	}
	var made struct {
		Services []struct {
			ServiceArn, LaunchType string
			LoadBalancers          []loadBalancer
			NetworkConfiguration   struct {
				AwsvpcConfiguration struct{ Subnets, SecurityGroups []string }
			}
		}
	}
	x.aws(&made, "ecs", "describe-services", "--cluster", "prod", "--services", "shop-2")
	s := made.Services[0]
	if s.LaunchType != "FARGATE" {
		t.Errorf("launch type %s", s.LaunchType)
	}
	if diff := cmp.Diff([]loadBalancer{{x.id["TargetGroup"], "web", 8080}}, s.LoadBalancers); diff != "" {
		t.Errorf("load balancers (-want +got):\n%s", diff)
	}
	if n := s.NetworkConfiguration.AwsvpcConfiguration; strings.Join(n.Subnets, ",") != x.has["Subnets"] || !slices.Equal(n.SecurityGroups, []string{task}) {
		t.Errorf("network of the service: %+v", n)
	}

	// The same service is read back as an existing one.
	out := x.sumoship(t, cli.ExitOK, "--service", "shop-3", "--path", "/3/*", "--format", "json", "--from-service", s.ServiceArn)
	clitest.Mentions(t, out, `"`+x.has["Subnets"]+`"`, task)
	x.sumoship(t, cli.ExitAWS, "--from-service", strings.Replace(s.ServiceArn, "shop-2", "nothing", 1))
	x.sumoship(t, cli.ExitAWS, "--from-service", "arn:aws:ecs:eu-west-1:123456789012:service/nowhere/shop")
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
