package cutovercmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/cutover"
)

// period is that of the metrics, which load balancers write each minute.
const period = time.Minute

// Sample reads what the target groups of a version did. The metrics of a load balancer
// are a minute or two late, so the last one counts with the next look.
//
// Source: Elastic Load Balancing User Guide, "CloudWatch metrics for your Application
// Load Balancer".
func (v *versions) Sample(ctx context.Context, side cutover.Side, from, to time.Time) (s cutover.Sample, err error) {
	var queries []types.MetricDataQuery
	seen := map[string]bool{}
	for _, r := range v.routes {
		group := r.old
		if side == cutover.New {
			group = r.fresh
		}
		if seen[group] || !strings.Contains(r.balancer, ":loadbalancer/app/") {
			continue
		}
		seen[group] = true
		n := len(queries)
		for i, m := range []struct{ name, statistic string }{
			{"RequestCount", "Sum"}, {"HTTPCode_Target_5XX_Count", "Sum"}, {"TargetConnectionErrorCount", "Sum"}, {"TargetResponseTime", "p99"},
		} {
			queries = append(queries, types.MetricDataQuery{
				Id: aws.String(fmt.Sprintf("%s%d", []string{"requests", "errors", "refused", "latency"}[i], n)),
				MetricStat: &types.MetricStat{
					Metric: &types.Metric{Namespace: aws.String("AWS/ApplicationELB"), MetricName: &m.name, Dimensions: []types.Dimension{
						{Name: aws.String("TargetGroup"), Value: aws.String(resourceOf(group))},
						{Name: aws.String("LoadBalancer"), Value: aws.String(resourceOf(r.balancer))},
					}},
					Period: aws.Int32(int32(period.Seconds())), Stat: &m.statistic,
				},
			})
		}
	}
	if len(queries) == 0 {
		return s, nil
	}
	in := &cloudwatch.GetMetricDataInput{MetricDataQueries: queries, StartTime: aws.Time(from.Truncate(period)),
		EndTime: aws.Time(to.Add(period).Truncate(period))}
	pages := cloudwatch.NewGetMetricDataPaginator(v.cloudwatch, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s, fmt.Errorf("read the metrics of the %s version: %w", side, err)
		}
		for _, r := range page.MetricDataResults {
			for _, value := range r.Values {
				switch id := aws.ToString(r.Id); {
				case strings.HasPrefix(id, "requests"):
					s.Requests += value
				case strings.HasPrefix(id, "latency"):
					s.Latency = max(s.Latency, time.Duration(value*float64(time.Second)))
				default:
					s.Errors += value
				}
			}
		}
	}
	return s, nil
}

// logged is where a version logs: a log group of a container, and the prefix of the
// stream of its tasks.
type logged struct {
	streams []struct{ group, prefix string }
}

// where reads where a version logs.
func (v *versions) where(ctx context.Context, side cutover.Side) (*logged, error) {
	if v.logged[side] != nil {
		return v.logged[side], nil
	}
	out, err := v.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &v.fleets[side].definition})
	if err != nil {
		return nil, fmt.Errorf("describe task definition %s: %w", v.fleets[side].definition, err)
	}
	l := &logged{}
	for _, c := range out.TaskDefinition.ContainerDefinitions {
		if c.LogConfiguration == nil || c.LogConfiguration.LogDriver != "awslogs" {
			continue
		}
		o := c.LogConfiguration.Options
		prefix := ""
		if p := o["awslogs-stream-prefix"]; p != "" {
			prefix = p + "/" + aws.ToString(c.Name) + "/"
		}
		l.streams = append(l.streams, struct{ group, prefix string }{o["awslogs-group"], prefix})
	}
	v.logged[side] = l
	return l, nil
}

// Logs reports whether a version's tasks wrote log events since a time, and CloudWatch
// Logs forwarded events of that log group. A version that does not log to CloudWatch
// Logs is not judged.
func (v *versions) Logs(ctx context.Context, side cutover.Side, since time.Time) (bool, error) {
	l, err := v.where(ctx, side)
	if err != nil || len(l.streams) == 0 {
		return true, err
	}
	tasks, err := v.tasks(ctx, side)
	if err != nil {
		return false, err
	}
	for _, s := range l.streams {
		wrote, err := v.wrote(ctx, s.group, s.prefix, tasks, since)
		if err != nil {
			return false, err
		}
		forwarded, err := v.forwarded(ctx, s.group, since)
		if err != nil {
			return false, err
		}
		if wrote && forwarded {
			return true, nil // one container that logs is enough: others may have nothing to say
		}
	}
	return false, nil
}

// tasks returns the IDs of some running tasks.
func (v *versions) tasks(ctx context.Context, side cutover.Side) (ids []string, err error) {
	f := v.fleets[side]
	out, err := v.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &f.cluster, ServiceName: &f.name, MaxResults: aws.Int32(5)})
	if err != nil {
		return nil, fmt.Errorf("list the tasks of %s: %w", f.name, err)
	}
	for _, arn := range out.TaskArns {
		ids = append(ids, cli.NameOf(arn))
	}
	return ids, nil
}

// wrote reports whether a stream of the tasks has events since a time. Streams that do
// not name their task cannot be told apart, and count.
func (v *versions) wrote(ctx context.Context, group, prefix string, tasks []string, since time.Time) (bool, error) {
	if prefix == "" {
		return true, nil
	}
	for _, id := range tasks {
		out, err := v.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group, LogStreamNamePrefix: aws.String(prefix + id)})
		if err != nil {
			return false, fmt.Errorf("streams of log group %s: %w", group, err)
		}
		for _, s := range out.LogStreams {
			if max(aws.ToInt64(s.LastEventTimestamp), aws.ToInt64(s.LastIngestionTime)) >= since.UnixMilli() {
				return true, nil
			}
		}
	}
	return false, nil
}

// forwarded reports whether CloudWatch Logs forwarded events of a log group since a
// time.
//
// Source: Amazon CloudWatch Logs User Guide, "Monitoring usage with CloudWatch
// metrics".
func (v *versions) forwarded(ctx context.Context, group string, since time.Time) (bool, error) {
	filters, err := v.logs.DescribeSubscriptionFilters(ctx, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: &group})
	if err != nil {
		return false, fmt.Errorf("subscription filters of log group %s: %w", group, err)
	}
	if len(filters.SubscriptionFilters) == 0 {
		return false, nil
	}
	var queries []types.MetricDataQuery
	for i, f := range filters.SubscriptionFilters {
		if !strings.Contains(aws.ToString(f.DestinationArn), ":lambda:") {
			continue
		}
		queries = append(queries, types.MetricDataQuery{Id: aws.String(fmt.Sprintf("events%d", i)), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String("AWS/Logs"), MetricName: aws.String("ForwardedLogEvents"), Dimensions: []types.Dimension{
				{Name: aws.String("LogGroupName"), Value: &group}, {Name: aws.String("DestinationType"),
					Value: aws.String("Lambda")}, {Name: aws.String("FilterName"), Value: f.FilterName},
			}},
			Period: aws.Int32(int32(period.Seconds())), Stat: aws.String("Sum"),
		}})
	}
	if len(queries) == 0 {
		return true, nil // to another destination: nothing of ours to judge
	}
	out, err := v.cloudwatch.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{MetricDataQueries: queries,
		StartTime: aws.Time(since.Truncate(period)), EndTime: aws.Time(time.Now().Add(period))})
	if err != nil {
		return false, fmt.Errorf("what log group %s forwarded: %w", group, err)
	}
	return slices.ContainsFunc(out.MetricDataResults, func(r types.MetricDataResult) bool {
		return slices.ContainsFunc(r.Values, func(n float64) bool { return n > 0 })
	}), nil
}

// withoutLogs is a Monitor that does not judge logs.
type withoutLogs struct{ *versions }

func (withoutLogs) Logs(context.Context, cutover.Side, time.Time) (bool, error) { return true, nil }
