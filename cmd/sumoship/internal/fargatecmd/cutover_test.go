package fargatecmd

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// moving is a service on EC2 with two target groups, scaling and a schedule, and its
// Fargate version.
type moving struct {
	*deployed
	elb      *elb.Client
	ecs      *ecs.Client
	scaling  *applicationautoscaling.Client
	old      map[string]string // ARN of a target group, by name
	fresh    map[string]string // of the new ones, by logical ID
	template map[string]any
}

// A service with two target groups, scaling policies and a schedule goes to Fargate
// and back, through a fault. CloudFormation of moto creates neither services behind
// load balancers nor scaling, so the test creates what the template says.
func (x *deployed) cutover(t *testing.T) {
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL_CLOUDWATCH", noMetrics(t))
	m := &moving{deployed: x, elb: elb.NewFromConfig(cfg), ecs: ecs.NewFromConfig(cfg),
		scaling: applicationautoscaling.NewFromConfig(cfg), old: map[string]string{}, fresh: map[string]string{}}
	m.onEC2(t)
	m.toFargate(t)

	pace := []string{"--cluster", "prod", "--bake", "100ms", "--log-wait", "100ms", "--poll", "50ms", "--drain", "50ms", "--health-wait", "1s"}
	status, out, errs := command(t, nil, append([]string{"fargate", "cutover", "plan", "moving", "moving-fargate"}, pace...)...)
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "not begun", "listener main:80 rule", "5 %", "100 %")
	clitest.Look{Args: "fargate cutover plan moving moving-fargate --cluster prod", Plain: "steps"}.Check(t, new(tree), nil)
	clitest.Look{Args: "fargate cutover status moving moving-fargate --cluster prod", Plain: "shares"}.Check(t, new(tree), nil)

	// No task of the new version is healthy: nothing moves.
	status, _, errs = command(t, nil, append([]string{"fargate", "cutover", "run", "moving", "moving-fargate", "--yes", "--json"}, pace...)...)
	if status != cli.ExitFound || !strings.Contains(errs, "went back") {
		t.Fatalf("status %d\n%s", status, errs)
	}
	clitest.Look{Args: "fargate cutover run moving moving-fargate --cluster prod --yes --poll 20ms --health-wait 100ms", Plain: "steps, and why it went back"}.Check(t, new(tree), nil)
	m.shares(t, 0)

	m.register(t, "10.0.1.10", "10.0.1.11")
	status, out, errs = command(t, nil, append([]string{"fargate", "cutover", "run", "moving", "moving-fargate", "--yes"}, pace...)...)
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	m.shares(t, 100)
	clitest.Look{Args: "fargate cutover run moving moving-fargate --cluster prod --yes", Plain: "how it stands"}.Check(t, new(tree), nil)
	clitest.Mentions(t, out, "OldServiceWeight", "delete-service --cluster prod --service moving")
	if n, suspended := m.desired(t, "moving"), m.suspended(t); n != 0 || !suspended {
		t.Errorf("the old service has %d tasks, its scaling is suspended: %t", n, suspended)
	}
	_, out, _ = command(t, nil, "fargate", "cutover", "status", "moving", "moving-fargate", "--cluster", "prod")
	clitest.Mentions(t, out, "to moving-fargate: done.")
	_, out, _ = command(t, nil, "fargate", "cutover", "status", "moving", "moving-fargate", "--cluster", "prod", "--json")
	clitest.Mentions(t, out, `"state":"done"`, `"measured":[`)

	if status, out, errs = command(t, nil, "fargate", "cutover", "back", "moving", "moving-fargate", "--cluster", "prod", "--yes", "--json"); status != cli.ExitOK {
		t.Fatalf("status %d\n%s", status, errs)
	}
	clitest.Mentions(t, out, `"new":0`)
	clitest.Look{Args: "fargate cutover back moving moving-fargate --cluster prod --yes", Plain: "how it stands"}.Check(t, new(tree), nil)
	_, out, _ = command(t, nil, append([]string{"fargate", "cutover", "plan", "moving", "moving-fargate", "--json"}, pace...)...)
	clitest.Mentions(t, out, `"steps":[{"new":5,`)
	m.shares(t, 0)
	if n, suspended := m.desired(t, "moving"), m.suspended(t); n != 2 || suspended {
		t.Errorf("the old service has %d tasks, its scaling is suspended: %t", n, suspended)
	}

	// The new tasks die while it moves.
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if slices.Max(m.current(t)) > 0 {
				m.deregister(t, "10.0.1.10", "10.0.1.11")
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	status, _, errs = command(t, nil, append([]string{"fargate", "cutover", "run", "moving", "moving-fargate", "--yes"},
		slices.Replace(slices.Clone(pace), 3, 4, "3s")...)...)
	<-done
	if status != cli.ExitFound || !strings.Contains(errs, "no task of the new version is healthy") {
		t.Errorf("status %d\n%s", status, errs)
	}
	m.shares(t, 0)
	for _, args := range [][]string{{"moving", "moving"}, {"moving", "nothing"}, {"moving", "moving-fargate", "--steps", "50,5"}} {
		if status, _, errs := command(t, nil, append([]string{"fargate", "cutover", "run", "--cluster", "prod", "--yes"},
			args...)...); status == cli.ExitOK || errs == "" {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
}

// The targets of schedules are listed and changed, and what else they have stays.
func (x *deployed) targets(t *testing.T) {
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := eventbridge.NewFromConfig(cfg)
	const old, fresh = "arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:3", "arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly-fargate:1"
	rule := func(name, definition string) {
		if _, err := client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &name, ScheduleExpression: aws.String("rate(1 day)")}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &name, Targets: []events.Target{{
			Id: aws.String("task"), Arn: aws.String("arn:aws:ecs:eu-west-1:123456789012:cluster/prod"), RoleArn: aws.String("arn:aws:iam::123456789012:role/events"), Input: aws.String(`{"a":1}`),
			EcsParameters: &events.EcsParameters{TaskDefinitionArn: &definition, TaskCount: aws.Int32(2), LaunchType: events.LaunchTypeEc2},
		}}}); err != nil {
			t.Fatal(err)
		}
	}
	rule("night", old)
	rule("other", "arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly-report:1")
	args := []string{"fargate", "cutover", "targets", "nightly", "--to", fresh, "--subnets", "subnet-1,subnet-2", "--security-group", "sg-1"}
	status, out, errs := command(t, nil, append(args, "--dry-run")...)
	if status != cli.ExitOK || strings.Contains(out, "other") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	clitest.Mentions(t, out, "default/night", "nightly:3", "nightly-fargate:1")
	_, out, _ = command(t, nil, append(args, "--dry-run", "--json")...)
	clitest.Mentions(t, out, `"starts":"arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:3","changed":false`)
	clitest.Look{Args: "fargate cutover targets nightly --dry-run --subnets subnet-1,subnet-2 --security-group sg-1 --to " + fresh, Plain: "a list"}.Check(t, new(tree), nil)
	target := func() events.Target {
		out, err := client.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("night")})
		if err != nil || len(out.Targets) != 1 {
			t.Fatalf("%v, %+v", err, out)
		}
		return out.Targets[0]
	}
	if got := *target().EcsParameters.TaskDefinitionArn; got != old {
		t.Errorf("a dry run changes the target to %s", got)
	}
	if status, out, errs = command(t, nil, append(args, "--yes")...); status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	got := target()
	if e := got.EcsParameters; *e.TaskDefinitionArn != fresh || e.LaunchType != events.LaunchTypeFargate || *e.TaskCount != 2 || *got.Input != `{"a":1}` ||
		len(e.NetworkConfiguration.AwsvpcConfiguration.Subnets) != 2 {
		t.Errorf("target %+v", e)
	}
	if status, out, _ = command(t, nil, append(args, "--yes")...); status != cli.ExitOK || !strings.Contains(out, "No target") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// noMetrics is a CloudWatch without metrics. Moto does not speak the protocol of the
// SDK.
func noMetrics(t *testing.T) (url string) {
	answer := cbor.Encode(cbor.Map{"MetricDataResults": cbor.List{}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// onEC2 creates the service as it is before.
func (m *moving) onEC2(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	for _, name := range []string{"moving-web", "moving-api"} {
		out, err := m.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
			Name: &name, Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, VpcId: aws.String(m.has["Vpc"]),
			TargetType: types.TargetTypeEnumInstance, HealthCheckPath: aws.String("/live"),
		})
		if err != nil {
			t.Fatal(err)
		}
		m.old[name] = *out.TargetGroups[0].TargetGroupArn
		if _, err := m.elb.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: out.TargetGroups[0].TargetGroupArn,
			Attributes: []types.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("17")}}}); err != nil {
			t.Fatal(err)
		}
		path, priority := map[string]string{"moving-web": "/moving/*", "moving-api": "/moving/api/*"}[name],
			map[string]int32{"moving-web": 50, "moving-api": 40}[name]
		if _, err := m.elb.CreateRule(ctx, &elb.CreateRuleInput{ListenerArn: aws.String(m.has["ListenerArn"]), Priority: &priority,
			Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{path}}},
			Actions:    []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: out.TargetGroups[0].TargetGroupArn}}}); err != nil {
			t.Fatal(err)
		}
	}
	// The health of instances needs instances; addresses stand for them.
	m.addresses(t, slices.Collect(maps.Values(m.old)), true, "10.0.1.5", "10.0.1.6")
	definition := strings.ReplaceAll(strings.ReplaceAll(shopDefinition, `"shop"`, `"moving"`), `{"containerPort": 8080, "hostPort": 0}`, `{"containerPort": 8080, "hostPort": 0}, {"containerPort": 9090, "hostPort": 0}`)
	m.write(t, "moving.json", definition)
	registered, err := m.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: aws.String("moving"),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("web"), Image: aws.String("shop"),
			Memory: aws.Int32(512)}}})
	if err != nil {
		t.Fatal(err)
	}
	m.create(t, "moving", *registered.TaskDefinition.TaskDefinitionArn, 2, m.old["moving-web"], m.old["moving-api"])
	id := aws.String("service/prod/moving")
	if _, err := m.scaling.RegisterScalableTarget(ctx,
		&applicationautoscaling.RegisterScalableTargetInput{ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceId: id,
			ScalableDimension: scaling.ScalableDimensionECSServiceDesiredCount, MinCapacity: aws.Int32(2),
			MaxCapacity: aws.Int32(9)}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.scaling.PutScalingPolicy(ctx, &applicationautoscaling.PutScalingPolicyInput{PolicyName: aws.String("cpu"),
		PolicyType: scaling.PolicyTypeTargetTrackingScaling, ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceId: id,
		ScalableDimension: scaling.ScalableDimensionECSServiceDesiredCount,
		TargetTrackingScalingPolicyConfiguration: &scaling.TargetTrackingScalingPolicyConfiguration{TargetValue: aws.Float64(60),
			PredefinedMetricSpecification: &scaling.PredefinedMetricSpecification{PredefinedMetricType: scaling.MetricTypeECSServiceAverageCPUUtilization}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.scaling.PutScheduledAction(ctx,
		&applicationautoscaling.PutScheduledActionInput{ScheduledActionName: aws.String("night"),
			Schedule: aws.String("cron(0 22 * * ? *)"), ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceId: id,
			ScalableDimension:    scaling.ScalableDimensionECSServiceDesiredCount,
			ScalableTargetAction: &scaling.ScalableTargetAction{MinCapacity: aws.Int32(1)}}); err != nil {
		t.Fatal(err)
	}
}

// create creates a service behind target groups on ports 8080 and 9090.
func (m *moving) create(t *testing.T, name, definition string, tasks int32, web, api string) (arn string) {
	t.Helper()
	out, err := m.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{Cluster: aws.String("prod"), ServiceName: &name,
		TaskDefinition: &definition, DesiredCount: &tasks,
		LoadBalancers: []ecstypes.LoadBalancer{
			{TargetGroupArn: &web, ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}, {TargetGroupArn: &api,
				ContainerName: aws.String("web"), ContainerPort: aws.Int32(9090)},
		}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Service.ServiceArn
}

// toFargate writes the template of the new version, and creates it.
func (m *moving) toFargate(t *testing.T) {
	t.Helper()
	path := filepath.Join(m.dir, "moving-fargate.json")
	arn := "arn:aws:ecs:eu-west-1:123456789012:service/prod/moving"
	status, out, errs := command(t, nil, "fargate", "service", filepath.Join(m.dir, "moving.json"), "--from-service", arn, "--format", "json", "-o", path,
		"--vpc", m.has["Vpc"], "--subnets", m.has["Subnets"], "--family-suffix=-fargate", "--log-group", "/ecs/moving-fargate",
		"--forwarder", m.has["ForwarderArn"])
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m.template); err != nil {
		t.Fatal(err)
	}
	resources := m.template["Resources"].(map[string]any)
	for _, id := range []string{"ScalableTarget", "ScalingPolicy", "ListenerRule", "ListenerRule2", "TestRule", "TestRule2"} {
		if resources[id] == nil {
			t.Errorf("the template has no %s", id)
		}
	}
	attributes, _ := json.Marshal(resources["TargetGroup"])
	clitest.Mentions(t, string(attributes), `"HealthCheckPath":"/live"`, `"Value":"17"`)
	// CloudFormation of moto does the rest.
	for id := range resources {
		if strings.HasPrefix(id, "Scal") || id == "Service" {
			delete(resources, id)
		}
	}
	delete(m.template["Outputs"].(map[string]any), "ServiceName")
	b, err = json.Marshal(m.template)
	if err != nil {
		t.Fatal(err)
	}
	m.aws(nil, "cloudformation", "create-stack", "--stack-name", "moving-fargate", "--capabilities", "CAPABILITY_IAM",
		"--template-body", "file://"+m.write(t, "moving-stack.json", string(b)))
	var made struct {
		StackResources []struct{ LogicalResourceId, PhysicalResourceId string }
	}
	m.aws(&made, "cloudformation", "describe-stack-resources", "--stack-name", "moving-fargate")
	id := map[string]string{}
	for _, r := range made.StackResources {
		id[r.LogicalResourceId] = r.PhysicalResourceId
	}
	m.fresh["web"], m.fresh["api"] = id["TargetGroup"], id["TargetGroup2"]
	for group, old := range map[string]string{id["TargetGroup"]: m.old["moving-web"], id["TargetGroup2"]: m.old["moving-api"]} { // moto forgets tags of a template
		if _, err := m.elb.AddTags(t.Context(), &elb.AddTagsInput{ResourceArns: []string{group},
			Tags: []types.Tag{{Key: aws.String("sumoship:replaces"), Value: &old}}}); err != nil {
			t.Fatal(err)
		}
	}
	m.create(t, "moving-fargate", id["TaskDefinition"], 1, m.fresh["web"], m.fresh["api"])
}

// current returns the share of the new version in each of its rules.
func (m *moving) current(t *testing.T) (all []int) {
	out, err := m.elb.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: aws.String(m.has["ListenerArn"])})
	if err != nil {
		t.Error(err)
		return []int{100}
	}
	for _, r := range out.Rules {
		for _, a := range r.Actions {
			if a.ForwardConfig == nil || len(a.ForwardConfig.TargetGroups) != 2 {
				continue
			}
			sum := 0
			for _, g := range a.ForwardConfig.TargetGroups {
				sum += int(*g.Weight)
				if fresh := slices.Contains(slices.Collect(maps.Values(m.fresh)), *g.TargetGroupArn); fresh {
					all = append(all, int(*g.Weight))
				}
			}
			if sum != 100 {
				t.Errorf("the weights of rule %s add up to %d", *r.Priority, sum)
			}
		}
	}
	return append(all, 0)[:max(1, len(all))]
}

func (m *moving) shares(t *testing.T, want int) {
	t.Helper()
	if diff := cmp.Diff([]int{want, want}, m.current(t)); diff != "" {
		t.Fatalf("shares (-want +got):\n%s", diff)
	}
}

func (m *moving) desired(t *testing.T, name string) int32 {
	t.Helper()
	out, err := m.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Services[0].DesiredCount
}

func (m *moving) suspended(t *testing.T) bool {
	t.Helper()
	out, err := m.scaling.DescribeScalableTargets(t.Context(),
		&applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scaling.ServiceNamespaceEcs,
			ResourceIds: []string{"service/prod/moving"}})
	if err != nil || len(out.ScalableTargets) != 1 {
		t.Fatalf("%v, %+v", err, out)
	}
	s := out.ScalableTargets[0].SuspendedState
	return s != nil && aws.ToBool(s.DynamicScalingInSuspended) && aws.ToBool(s.ScheduledScalingSuspended)
}

func (m *moving) register(t *testing.T, ips ...string) {
	m.addresses(t, slices.Collect(maps.Values(m.fresh)), true, ips...)
}

func (m *moving) deregister(t *testing.T, ips ...string) {
	m.addresses(t, slices.Collect(maps.Values(m.fresh)), false, ips...)
}

func (m *moving) addresses(t *testing.T, groups []string, in bool, ips ...string) {
	t.Helper()
	var targets []types.TargetDescription
	for _, ip := range ips {
		targets = append(targets, types.TargetDescription{Id: &ip, Port: aws.Int32(8080)})
	}
	for _, g := range groups {
		var err error
		if in {
			_, err = m.elb.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: &g, Targets: targets})
		} else {
			_, err = m.elb.DeregisterTargets(t.Context(), &elb.DeregisterTargetsInput{TargetGroupArn: &g, Targets: targets})
		}
		if err != nil {
			t.Error(err)
		}
	}
}
