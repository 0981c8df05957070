package fargatecmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"golang.org/x/sync/errgroup"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/estate"
	"sumoship/deploy/taskdef"
)

// inventory reads what runs in a Region.
type inventory struct {
	cfg        aws.Config
	s          cli.Streams
	ecs        *ecs.Client
	elb        *elb.Client
	ec2        *ec2.Client
	cloudwatch *cloudwatch.Client
	events     *eventbridge.Client

	mu          sync.Mutex
	definitions map[string]*knownDefinition
	targets     map[string][]string // ARNs of the target groups of a workload, by cluster/name
	registries  map[string][]string // ARNs of its registries
}

// knownDefinition is a task definition, read once.
type knownDefinition struct {
	once     sync.Once
	document *taskdef.Document
	err      error
}

// inFlight bounds the calls at one time: ECS allows 20 a second and a burst.
const inFlight = 8

func newInventory(cfg aws.Config, s cli.Streams) *inventory {
	return &inventory{
		cfg: cfg, s: s, ecs: ecs.NewFromConfig(cfg), elb: elb.NewFromConfig(cfg), ec2: ec2.NewFromConfig(cfg),
		cloudwatch: cloudwatch.NewFromConfig(cfg), events: eventbridge.NewFromConfig(cfg),
		definitions: map[string]*knownDefinition{}, targets: map[string][]string{}, registries: map[string][]string{},
	}
}

// read reads the inventory of clusters, all if there are none. What it may not read
// besides services and their definitions is left out, with a message.
func (r *inventory) read(ctx context.Context, clusters []string, usage bool) (in estate.Inventory, err error) {
	in.Region, in.Taken = r.cfg.Region, time.Now().UTC()
	if len(clusters) == 0 {
		pages := ecs.NewListClustersPaginator(r.ecs, &ecs.ListClustersInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return in, err
			}
			clusters = append(clusters, page.ClusterArns...)
		}
	}
	bar := cli.NewBar(-1, "looking at services", r.s.Err)
	for _, c := range clusters {
		if err = r.cluster(ctx, c, &in, bar.Add); err != nil {
			err = fmt.Errorf("cluster %s: %w", cli.NameOf(c), err)
			break
		}
	}
	bar.Finish()
	if err != nil {
		return in, err
	}
	if len(in.Workloads) > 0 {
		if parts := strings.Split(clusters[0], ":"); len(parts) > 4 {
			in.Account = parts[4]
		}
	}
	optional := []struct {
		what string
		do   func(context.Context, *estate.Inventory) error
	}{
		{"scheduled tasks", r.schedules}, {"names of load balancers", r.balancers}, {"names in AWS Cloud Map", r.discovery}, {"security groups", r.groups},
	}
	if usage {
		optional = append(optional, struct {
			what string
			do   func(context.Context, *estate.Inventory) error
		}{"usage", r.usage})
	}
	for _, o := range optional {
		if err := o.do(ctx, &in); err != nil {
			if ctx.Err() != nil {
				return in, ctx.Err()
			}
			fmt.Fprintf(r.s.Err, "sumoship: the plan does without %s: %v\n", o.what, cli.Plain(err))
		}
	}
	return in, nil
}

// cluster reads the services and instances of a cluster. seen is told how many services
// were looked at.
func (r *inventory) cluster(ctx context.Context, cluster string, in *estate.Inventory, seen func(n int)) error {
	var names []string
	pages := ecs.NewListServicesPaginator(r.ecs, &ecs.ListServicesInput{Cluster: &cluster, MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		names = append(names, page.ServiceArns...)
	}
	const most = 10 // of DescribeServices
	batches := slices.Collect(slices.Chunk(names, most))
	found := make([][]estate.Workload, len(batches))
	var workers errgroup.Group
	workers.SetLimit(inFlight)
	for i, batch := range batches {
		workers.Go(func() error {
			out, err := r.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: batch})
			if err != nil {
				return err
			}
			seen(len(out.Services))
			for _, s := range out.Services {
				if aws.ToString(s.Status) == "ACTIVE" {
					found[i] = append(found[i], r.workload(ctx, cli.NameOf(cluster), s))
				}
			}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	for _, all := range found {
		in.Workloads = append(in.Workloads, all...)
	}
	instances, err := r.instances(ctx, cluster)
	in.Clusters = append(in.Clusters, estate.Cluster{Name: cli.NameOf(cluster), Instances: instances})
	return err
}

// workload reads a service.
func (r *inventory) workload(ctx context.Context, cluster string, s types.Service) estate.Workload {
	w := estate.Workload{Kind: estate.Service, Cluster: cluster, Name: aws.ToString(s.ServiceName), Launch: string(s.LaunchType), Tasks: int(s.DesiredCount)}
	if s.SchedulingStrategy == types.SchedulingStrategyDaemon {
		w.Kind, w.Tasks = estate.Daemon, int(s.RunningCount)
	}
	for _, p := range s.CapacityProviderStrategy {
		if strings.HasPrefix(aws.ToString(p.CapacityProvider), "FARGATE") {
			w.Launch = "FARGATE"
		}
	}
	if w.Launch == "" {
		w.Launch = "EC2"
	}
	if s.DeploymentController != nil {
		w.Controller = string(s.DeploymentController.Type)
	}
	var targets []string
	for _, lb := range s.LoadBalancers {
		if lb.TargetGroupArn != nil {
			targets = append(targets, *lb.TargetGroupArn)
		}
		w.Balanced, w.Classic = w.Balanced || lb.TargetGroupArn != nil, w.Classic || lb.LoadBalancerName != nil
	}
	var registries []string
	for _, registry := range s.ServiceRegistries {
		registries = append(registries, aws.ToString(registry.RegistryArn))
	}
	r.mu.Lock()
	r.targets[cluster+"/"+w.Name], r.registries[cluster+"/"+w.Name] = targets, registries
	r.mu.Unlock()
	if n := s.NetworkConfiguration; n != nil && n.AwsvpcConfiguration != nil {
		w.Groups = n.AwsvpcConfiguration.SecurityGroups
	}
	for _, d := range s.Deployments {
		if c := d.ServiceConnectConfiguration; c != nil && aws.ToString(d.Status) == "PRIMARY" {
			for _, offered := range c.Services {
				for _, alias := range offered.ClientAliases {
					w.Names = append(w.Names, aws.ToString(alias.DnsName))
				}
				if name := aws.ToString(offered.DiscoveryName); name != "" && c.Namespace != nil {
					w.Names = append(w.Names, name+"."+cli.NameOf(*c.Namespace))
				}
			}
		}
	}
	w.Definition, w.DefinitionErr = r.definition(ctx, aws.ToString(s.TaskDefinition))
	return w
}

// definition reads a task definition, once.
func (r *inventory) definition(ctx context.Context, arn string) (*taskdef.Document, string) {
	r.mu.Lock()
	d := r.definitions[arn]
	if d == nil {
		d = &knownDefinition{}
		r.definitions[arn] = d
	}
	r.mu.Unlock()
	d.once.Do(func() {
		var doc []byte
		if doc, _, d.err = describe(ctx, r.ecs, arn); d.err == nil {
			d.document, d.err = taskdef.Read(cli.NameOf(arn), doc, taskdef.ReadOptions{})
		}
	})
	if d.err != nil {
		return nil, cli.Plain(d.err).Error()
	}
	return d.document, ""
}

// instances reads the instances of a cluster: their types, and what they offer.
func (r *inventory) instances(ctx context.Context, cluster string) (all []estate.Instance, err error) {
	pages := ecs.NewListContainerInstancesPaginator(r.ecs, &ecs.ListContainerInstancesInput{Cluster: &cluster})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if len(page.ContainerInstanceArns) == 0 {
			continue
		}
		out, err := r.ecs.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: &cluster,
			ContainerInstances: page.ContainerInstanceArns})
		if err != nil {
			return nil, err
		}
		for _, i := range out.ContainerInstances {
			instance := estate.Instance{Type: "an unknown type"}
			for _, a := range i.Attributes {
				if aws.ToString(a.Name) == "ecs.instance-type" {
					instance.Type = aws.ToString(a.Value)
				}
			}
			for _, resource := range i.RegisteredResources {
				switch aws.ToString(resource.Name) {
				case "CPU":
					instance.CPU = int64(resource.IntegerValue)
				case "MEMORY":
					instance.Memory = int64(resource.IntegerValue)
				}
			}
			all = append(all, instance)
		}
	}
	return all, nil
}

// schedules adds the targets of EventBridge rules that start tasks in the clusters.
func (r *inventory) schedules(ctx context.Context, in *estate.Inventory) error {
	rules := &eventbridge.ListRulesInput{}
	for {
		page, err := r.events.ListRules(ctx, rules)
		if err != nil {
			return err
		}
		for _, rule := range page.Rules {
			targets, err := r.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: rule.Name})
			if err != nil {
				return err
			}
			for _, t := range targets.Targets {
				cluster := cli.NameOf(aws.ToString(t.Arn))
				if t.EcsParameters == nil || !slices.ContainsFunc(in.Clusters, func(c estate.Cluster) bool { return c.Name == cluster }) {
					continue
				}
				w := estate.Workload{Kind: estate.Schedule, Cluster: cluster,
					Name: aws.ToString(rule.Name) + "/" + aws.ToString(t.Id), Launch: string(t.EcsParameters.LaunchType),
					Tasks: 1, Hours: scheduleHours}
				if w.Launch == "" {
					w.Launch = "EC2"
				}
				if n := t.EcsParameters.TaskCount; n != nil {
					w.Tasks = int(*n)
				}
				w.Definition, w.DefinitionErr = r.definition(ctx, aws.ToString(t.EcsParameters.TaskDefinitionArn))
				in.Workloads = append(in.Workloads, w)
			}
		}
		if page.NextToken == nil {
			return nil
		}
		rules.NextToken = page.NextToken
	}
}

// scheduleHours is how many hours of a month a scheduled task is taken to run: one a
// day. ECS does not tell.
const scheduleHours = 30

// balancers adds the DNS names of load balancers to the workloads behind them.
func (r *inventory) balancers(ctx context.Context, in *estate.Inventory) error {
	behind := map[string][]string{} // ARNs of load balancers, by target group
	groups := elb.NewDescribeTargetGroupsPaginator(r.elb, &elb.DescribeTargetGroupsInput{})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, g := range page.TargetGroups {
			behind[aws.ToString(g.TargetGroupArn)] = g.LoadBalancerArns
		}
	}
	names := map[string]string{}
	users := map[string]int{} // workloads behind a load balancer
	balancers := elb.NewDescribeLoadBalancersPaginator(r.elb, &elb.DescribeLoadBalancersInput{})
	for balancers.HasMorePages() {
		page, err := balancers.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, b := range page.LoadBalancers {
			names[aws.ToString(b.LoadBalancerArn)] = aws.ToString(b.DNSName)
		}
	}
	each := func(do func(w *estate.Workload, balancer string)) {
		for i := range in.Workloads {
			w := &in.Workloads[i]
			for _, g := range r.targets[w.Cluster+"/"+w.Name] {
				for _, b := range behind[g] {
					do(w, b)
				}
			}
		}
	}
	each(func(_ *estate.Workload, b string) { users[b]++ })
	each(func(w *estate.Workload, b string) {
		if users[b] == 1 { // a balancer that several share does not say which is meant
			w.Names = append(w.Names, names[b])
		}
	})
	return nil
}

// discovery adds the names that workloads have in AWS Cloud Map: NAME.NAMESPACE.
func (r *inventory) discovery(ctx context.Context, in *estate.Inventory) error {
	client := servicediscovery.NewFromConfig(r.cfg)
	namespaces := map[string]string{} // names, by ID
	for i := range in.Workloads {
		w := &in.Workloads[i]
		for _, registry := range r.registries[w.Cluster+"/"+w.Name] {
			service, err := client.GetService(ctx, &servicediscovery.GetServiceInput{Id: aws.String(cli.NameOf(registry))})
			if err != nil {
				return err
			}
			id := aws.ToString(service.Service.NamespaceId)
			if namespaces[id] == "" {
				namespace, err := client.GetNamespace(ctx, &servicediscovery.GetNamespaceInput{Id: &id})
				if err != nil {
					return err
				}
				namespaces[id] = aws.ToString(namespace.Namespace.Name)
			}
			w.Names = append(w.Names, aws.ToString(service.Service.Name)+"."+namespaces[id])
		}
	}
	return nil
}

// groups adds which security groups the workloads let in.
func (r *inventory) groups(ctx context.Context, in *estate.Inventory) error {
	var ids []string
	for _, w := range in.Workloads {
		for _, g := range w.Groups {
			if !slices.Contains(ids, g) {
				ids = append(ids, g)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	lets := map[string][]string{}
	pages := ec2.NewDescribeSecurityGroupsPaginator(r.ec2, &ec2.DescribeSecurityGroupsInput{GroupIds: ids})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, g := range page.SecurityGroups {
			for _, p := range g.IpPermissions {
				for _, pair := range p.UserIdGroupPairs {
					lets[aws.ToString(g.GroupId)] = append(lets[aws.ToString(g.GroupId)], aws.ToString(pair.GroupId))
				}
			}
		}
	}
	for i := range in.Workloads {
		for _, g := range in.Workloads[i].Groups {
			in.Workloads[i].AdmittedBy = append(in.Workloads[i].AdmittedBy, lets[g]...)
		}
	}
	return nil
}

// What is read of the metrics: the maximum of each five minutes, of the busiest task.
const (
	usageDays   = 14
	usagePeriod = 5 * time.Minute
)

// usage adds what the tasks of services used.
//
// Source: Amazon ECS Developer Guide, "Amazon ECS CloudWatch metrics".
func (r *inventory) usage(ctx context.Context, in *estate.Inventory) error {
	var queries []cw.MetricDataQuery
	for i, w := range in.Workloads {
		if w.Kind == estate.Schedule {
			continue
		}
		for _, m := range []string{"CPUUtilization", "MemoryUtilization"} {
			queries = append(queries, cw.MetricDataQuery{Id: aws.String(strings.ToLower(m[:3]) + fmt.Sprint(i)), MetricStat: &cw.MetricStat{
				Metric: &cw.Metric{Namespace: aws.String("AWS/ECS"), MetricName: aws.String(m), Dimensions: []cw.Dimension{
					{Name: aws.String("ClusterName"), Value: &w.Cluster}, {Name: aws.String("ServiceName"), Value: &w.Name},
				}},
				Period: aws.Int32(int32(usagePeriod.Seconds())), Stat: aws.String("Maximum"),
			}})
		}
	}
	const most = 24 // series of 4,032 points each, of the 100,800 that a call may return
	end := time.Now().Truncate(usagePeriod)
	for batch := range slices.Chunk(queries, most) {
		pages := cloudwatch.NewGetMetricDataPaginator(r.cloudwatch, &cloudwatch.GetMetricDataInput{MetricDataQueries: batch,
			StartTime: aws.Time(end.AddDate(0, 0, -usageDays)), EndTime: &end})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, result := range page.MetricDataResults {
				id, i := aws.ToString(result.Id), 0
				if _, err := fmt.Sscanf(id[3:], "%d", &i); err != nil || i >= len(in.Workloads) {
					continue
				}
				w := &in.Workloads[i]
				if w.Usage == nil {
					w.Usage = &estate.Usage{}
				}
				if strings.HasPrefix(id, "cpu") {
					w.Usage.CPU = append(w.Usage.CPU, result.Values...)
				} else {
					w.Usage.Memory = append(w.Usage.Memory, result.Values...)
				}
			}
		}
	}
	return nil
}
