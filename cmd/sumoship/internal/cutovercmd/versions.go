package cutovercmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/cutover"
)

// versions are both versions of a service in AWS. They are the Router, the Monitor and
// the Store of a cut-over.
type versions struct {
	ecs        *ecs.Client
	elb        *elb.Client
	cloudwatch *cloudwatch.Client
	logs       *cloudwatchlogs.Client

	fleets  [2]*fleet // by side
	routes  []*route
	missing []error // why it cannot begin
	logged  [2]*logged
}

// fleet is one version.
type fleet struct {
	v             *versions
	client        *ecs.Client
	scaler        *applicationautoscaling.Client
	cluster, name string
	arn           string
	groups        []string // ARNs of its target groups
	definition    string
}

// open looks up both versions.
func (f *serviceFlags) open(ctx context.Context) (*versions, error) {
	for _, arg := range []struct {
		flag string
		name *string
	}{{"the old service", &f.Old}, {"the new service", &f.New}, {"--cluster", &f.Cluster}} {
		if err := f.Named(arg.flag, arg.name); err != nil {
			return nil, err
		}
	}
	if f.Old == f.New {
		return nil, cli.Usagef("both services are %s: want the name of the running one and that of its Fargate version", f.Old)
	}
	cfg, err := f.AWSFlags.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	v := &versions{ecs: ecs.NewFromConfig(cfg), elb: elb.NewFromConfig(cfg), cloudwatch: cloudwatch.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg)}
	scaler := applicationautoscaling.NewFromConfig(cfg)
	for side, name := range []string{f.Old, f.New} {
		service, err := describe(ctx, v.ecs, f.Cluster, name)
		if err != nil {
			return nil, cli.Fail(cli.ExitAWS, err)
		}
		fl := &fleet{v: v, client: v.ecs, scaler: scaler, cluster: f.Cluster, name: name, arn: aws.ToString(service.ServiceArn),
			definition: aws.ToString(service.TaskDefinition)}
		for _, lb := range service.LoadBalancers {
			if lb.TargetGroupArn != nil {
				fl.groups = append(fl.groups, *lb.TargetGroupArn)
			}
		}
		v.fleets[side] = fl
		if service.SchedulingStrategy == types.SchedulingStrategyDaemon {
			v.missing = append(v.missing, fmt.Errorf("%s is a daemon: it has no number of tasks to move", name))
		}
		if c := service.DeploymentController; c != nil && c.Type != types.DeploymentControllerTypeEcs && side == int(cutover.New) {
			v.missing = append(v.missing, fmt.Errorf("%s deploys %s, and it changes the same rules: use its own traffic shifting", c.Type, name))
		}
	}
	if len(v.fleets[cutover.Old].groups) > 0 {
		if err := v.findRoutes(ctx); err != nil {
			return nil, v.fail(ctx, err)
		}
	}
	return v, nil
}

func describe(ctx context.Context, client *ecs.Client, cluster, name string) (s types.Service, err error) {
	out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}})
	if err != nil {
		return s, fmt.Errorf("describe service %s: %w", name, cli.Plain(err))
	}
	for _, s := range out.Services {
		if aws.ToString(s.Status) == "ACTIVE" {
			return s, nil
		}
	}
	return s, &cli.Missing{Kind: "service", Name: name, In: cluster}
}

// fail is how a verb ends with an error of a cut-over or of AWS.
func (v *versions) fail(ctx context.Context, err error) error {
	if back, ok := errors.AsType[*cutover.WentBackError](err); ok {
		return cli.Fail(cli.ExitFound, back)
	}
	if errors.Is(err, context.Canceled) {
		return cli.Interrupted(ctx, "the shares are as they are: run it again to go on, or cutover back")
	}
	if _, ok := errors.AsType[smithy.APIError](err); ok {
		return cli.Fail(cli.ExitAWS, cli.Plain(err))
	}
	return cli.Fail(cli.ExitAWS, err)
}

// cutover returns the move of both versions.
func (v *versions) cutover(logs bool) *cutover.Cutover {
	c := &cutover.Cutover{Fleets: [2]cutover.Fleet{v.fleets[0], v.fleets[1]}, Monitor: v, Store: v, Router: v}
	if len(v.routes) == 0 {
		c.Router = &counted{v}
	}
	if !logs {
		c.Monitor = withoutLogs{v}
	}
	return c
}

// counted is the Router of versions without a load balancer: the entry says how many
// tasks there are in all.
type counted struct{ v *versions }

func (c *counted) counts(ctx context.Context) (*cutover.Counts, error) {
	e, err := c.v.Load(ctx)
	if err != nil {
		return nil, err
	}
	n := &cutover.Counts{Fleets: [2]cutover.Fleet{c.v.fleets[0], c.v.fleets[1]}, Tasks: e.Tasks}
	if n.Tasks == 0 {
		n.Tasks, err = c.v.fleets[cutover.Old].Desired(ctx)
	}
	return n, err
}

func (c *counted) Shares(ctx context.Context) ([]int, error) {
	n, err := c.counts(ctx)
	if err != nil {
		return nil, err
	}
	return n.Shares(ctx)
}

func (c *counted) SetShare(ctx context.Context, route, percent int) error {
	n, err := c.counts(ctx)
	if err != nil {
		return err
	}
	return n.SetShare(ctx, route, percent)
}

// Desired returns how many tasks the service should run.
func (f *fleet) Desired(ctx context.Context) (int, error) {
	s, err := describe(ctx, f.client, f.cluster, f.name)
	return int(s.DesiredCount), err
}

// Scale sets how many tasks the service should run. At 0, Application Auto Scaling is
// suspended, which would raise them to its minimum again; above, it goes on.
func (f *fleet) Scale(ctx context.Context, tasks int) error {
	if err := f.suspend(ctx, tasks == 0); err != nil {
		return err
	}
	_, err := f.client.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &f.cluster, Service: &f.name, DesiredCount: aws.Int32(int32(tasks))})
	if err != nil {
		return fmt.Errorf("set the number of tasks of %s: %w", f.name, err)
	}
	return nil
}

// suspend suspends what scales the service, if anything does, or lets it go on.
func (f *fleet) suspend(ctx context.Context, on bool) error {
	_, resource, ok := strings.Cut(f.arn, ":service/")
	if !ok || strings.Count(resource, "/") != 1 {
		resource = cli.NameOf(f.cluster) + "/" + f.name
	}
	resource = "service/" + resource
	out, err := f.scaler.DescribeScalableTargets(ctx,
		&applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scaling.ServiceNamespaceEcs,
			ResourceIds: []string{resource}})
	if err != nil {
		return fmt.Errorf("look up the scaling of %s: %w", f.name, err)
	}
	for _, t := range out.ScalableTargets {
		is := t.SuspendedState != nil && aws.ToBool(t.SuspendedState.DynamicScalingInSuspended)
		if is == on {
			continue
		}
		_, err := f.scaler.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
			ServiceNamespace: t.ServiceNamespace, ResourceId: t.ResourceId, ScalableDimension: t.ScalableDimension,
			SuspendedState: &scaling.SuspendedState{DynamicScalingInSuspended: &on, DynamicScalingOutSuspended: &on, ScheduledScalingSuspended: &on},
		})
		if err != nil {
			return fmt.Errorf("suspend the scaling of %s: %w", f.name, err)
		}
	}
	return nil
}

// Health counts the healthy targets of the group that has the fewest, or without
// groups the running tasks.
func (f *fleet) Health(ctx context.Context) (h cutover.Health, err error) {
	if len(f.groups) == 0 {
		return f.running(ctx)
	}
	for i, group := range f.groups {
		out, err := f.v.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group})
		if err != nil {
			return h, fmt.Errorf("health of target group %s: %w", shortGroup(group), err)
		}
		var of cutover.Health
		for _, d := range out.TargetHealthDescriptions {
			switch d.TargetHealth.State {
			case elbtypes.TargetHealthStateEnumHealthy:
				of.Healthy++
			case elbtypes.TargetHealthStateEnumUnhealthy, elbtypes.TargetHealthStateEnumUnhealthyDraining:
				of.Unhealthy++
			}
		}
		if i == 0 || of.Healthy < h.Healthy {
			h.Healthy = of.Healthy
		}
		h.Unhealthy = max(h.Unhealthy, of.Unhealthy)
	}
	return h, nil
}

// running counts the running tasks, and those that failed to start in the current
// deployment.
func (f *fleet) running(ctx context.Context) (h cutover.Health, err error) {
	s, err := describe(ctx, f.client, f.cluster, f.name)
	if err != nil {
		return h, err
	}
	h.Healthy = int(s.RunningCount)
	for _, d := range s.Deployments {
		if aws.ToString(d.Status) == "PRIMARY" {
			h.Unhealthy = int(d.FailedTasks)
		}
	}
	return h, nil
}

// Load reads the entry from the tag of the new service.
func (v *versions) Load(ctx context.Context) (cutover.Entry, error) {
	out, err := v.ecs.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: &v.fleets[cutover.New].arn})
	if err != nil {
		return cutover.Entry{}, fmt.Errorf("read the tags of %s: %w", v.fleets[cutover.New].name, err)
	}
	for _, t := range out.Tags {
		if aws.ToString(t.Key) == cutover.TagKey {
			return cutover.ParseEntry(aws.ToString(t.Value))
		}
	}
	return cutover.Entry{}, nil
}

// Save writes the entry into the tag of the new service.
func (v *versions) Save(ctx context.Context, e cutover.Entry) error {
	_, err := v.ecs.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &v.fleets[cutover.New].arn,
		Tags: []types.Tag{{Key: aws.String(cutover.TagKey), Value: aws.String(e.String())}}})
	if err != nil {
		return fmt.Errorf("tag %s: %w", v.fleets[cutover.New].name, err)
	}
	return nil
}

// removal says how to remove the old version.
func (v *versions) removal() string {
	old := v.fleets[cutover.Old]
	text := fmt.Sprintf("When you are sure, remove it: aws ecs delete-service --cluster %s --service %s", old.cluster, old.name)
	if len(v.routes) == 0 {
		return text
	}
	text += ". In the stack of the new service set the parameters OldServiceWeight to 0 and NewServiceWeight to 100 now, so that an update does not change the rules back; and OldTargetGroupArn to nothing before you delete the old target groups"
	var names []string
	for _, g := range old.groups {
		names = append(names, shortGroup(g))
	}
	slices.Sort(names)
	return text + ": " + strings.Join(names, ", ")
}

// resourceOf returns the resource of an ARN as Elastic Load Balancing's metrics and
// labels name it: app/NAME/ID of a load balancer.
func resourceOf(arn string) string {
	return strings.TrimPrefix(arn[strings.LastIndexByte(arn, ':')+1:], "loadbalancer/")
}

func shortGroup(arn string) string {
	parts := strings.Split(arn, "/")
	return cmp.Or(parts[min(1, len(parts)-1)], arn)
}
