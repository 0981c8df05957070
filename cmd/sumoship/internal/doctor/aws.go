package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/function/subscribe/awsapi"
	"sumoship/sumo"
	"sumoship/version"
)

// The types below hold the configuration and no clients: the linker keeps all methods
// of a client that a value behind an interface holds, 11 MB of them.

// FromAWS returns the clients of an account. load is for endpoints, which may be
// stored in another Region.
func FromAWS(cfg aws.Config, load function.ConfigLoader) Clients {
	return Clients{
		Stacks:    stacks{cfg},
		Functions: functions{awsapi.NewFunctions(lambda.NewFromConfig(cfg)), cfg},
		Groups:    awsapi.NewLogGroups(cloudwatchlogs.NewFromConfig(cfg)),
		Queues:    queues{cfg},
		Reports:   LogsFromAWS(cfg),
		Watch:     watch{cfg},
		Source:    source{load},
	}
}

// code is that of an error of AWS.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// notFound is an error of AWS that does not have what was asked for.
type notFound struct{ error }

func (e notFound) Unwrap() error        { return e.error }
func (e notFound) Is(target error) bool { return target == ErrNotFound }

// failed says what a call was for, "" if the error says it, and whether AWS has what
// it asked for.
func failed(what string, err error) error {
	c := code(err)
	missing := strings.Contains(c, "NotFound") || strings.Contains(c, "NonExistent") || strings.Contains(c, "DoesNotExist") ||
		c == "ValidationError" && strings.Contains(err.Error(), "does not exist")
	if what != "" {
		err = fmt.Errorf("%s: %w", what, err)
	}
	if missing {
		return notFound{err}
	}
	return err
}

type stacks struct{ cfg aws.Config }

func (s stacks) Account(ctx context.Context) (string, error) {
	out, err := sts.NewFromConfig(s.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", failed("who calls", err)
	}
	return aws.ToString(out.Account), nil
}

func (s stacks) Stack(ctx context.Context, name string) (Stack, error) {
	api := cloudformation.NewFromConfig(s.cfg)
	out, err := api.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return Stack{}, failed("stack "+name, err)
	}
	if len(out.Stacks) == 0 {
		return Stack{}, fmt.Errorf("stack %s: %w", name, ErrNotFound)
	}
	d := out.Stacks[0]
	stack := Stack{Status: string(d.StackStatus), Reason: aws.ToString(d.StackStatusReason), Outputs: map[string]string{}}
	for _, o := range d.Outputs {
		stack.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for in := (&cloudformation.ListStackResourcesInput{StackName: &name}); ; {
		page, err := api.ListStackResources(ctx, in)
		if err != nil {
			return Stack{}, failed("stack "+name, err)
		}
		for _, r := range page.StackResourceSummaries {
			stack.Resources = append(stack.Resources, Resource{aws.ToString(r.LogicalResourceId), aws.ToString(r.PhysicalResourceId), aws.ToString(r.ResourceType)})
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return stack, nil
		}
	}
}

type functions struct {
	*awsapi.Functions
	cfg aws.Config
}

func (f functions) Function(ctx context.Context, arn string) (Function, error) {
	api := lambda.NewFromConfig(f.cfg)
	c, err := api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &arn})
	if err != nil {
		return Function{}, failed("function "+arn, err)
	}
	out := Function{State: string(c.State), Reason: aws.ToString(c.StateReason), Update: string(c.LastUpdateStatus), Why: aws.ToString(c.LastUpdateStatusReason),
		Timeout: time.Duration(aws.ToInt32(c.Timeout)) * time.Second, Concurrency: -1, LogGroup: "/aws/lambda/" + aws.ToString(c.FunctionName), Variables: map[string]string{}}
	if c.LoggingConfig != nil && c.LoggingConfig.LogGroup != nil {
		out.LogGroup = *c.LoggingConfig.LogGroup
	}
	if c.Environment != nil {
		out.Variables = c.Environment.Variables
	}
	if c.DeadLetterConfig != nil {
		out.DeadLetters = aws.ToString(c.DeadLetterConfig.TargetArn)
	}
	reserved, err := api.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &arn})
	if err != nil {
		return Function{}, failed("concurrency of function "+arn, err)
	}
	if n := reserved.ReservedConcurrentExecutions; n != nil {
		out.Concurrency = int(*n)
	}
	return out, nil
}

func (f functions) Mappings(ctx context.Context, name string) (all []Mapping, err error) {
	api := lambda.NewFromConfig(f.cfg)
	for in := (&lambda.ListEventSourceMappingsInput{FunctionName: &name}); ; {
		page, err := api.ListEventSourceMappings(ctx, in)
		if err != nil {
			return nil, failed("event source mappings of "+name, err)
		}
		for _, m := range page.EventSourceMappings {
			all = append(all, Mapping{Source: aws.ToString(m.EventSourceArn), State: aws.ToString(m.State), Result: aws.ToString(m.LastProcessingResult),
				Partial: slices.Contains(m.FunctionResponseTypes, lambdatypes.FunctionResponseTypeReportBatchItemFailures)})
		}
		if in.Marker = page.NextMarker; aws.ToString(in.Marker) == "" {
			return all, nil
		}
	}
}

type queues struct{ cfg aws.Config }

func (q queues) Queue(ctx context.Context, url string) (dlq.Status, error) {
	queue := dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return sqs.NewFromConfig(q.cfg), nil })
	s, err := queue.Status(ctx)
	if err != nil {
		return s, failed("", err)
	}
	return s, nil
}

type watch struct{ cfg aws.Config }

func (w watch) Alarms(ctx context.Context, names []string) (all []Alarm, err error) {
	api := cloudwatch.NewFromConfig(w.cfg)
	for part := range slices.Chunk(names, 100) { // as many as one call takes
		out, err := api.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: part, MaxRecords: aws.Int32(100),
			AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm}})
		if err != nil {
			return nil, failed("alarms", err)
		}
		for _, a := range out.MetricAlarms {
			all = append(all, Alarm{aws.ToString(a.AlarmName), string(a.StateValue), aws.ToString(a.StateReason), a.AlarmActions, aws.ToBool(a.ActionsEnabled), false})
		}
		for _, a := range out.CompositeAlarms {
			all = append(all, Alarm{aws.ToString(a.AlarmName), string(a.StateValue), aws.ToString(a.StateReason), a.AlarmActions, aws.ToBool(a.ActionsEnabled), true})
		}
	}
	return all, nil
}

func (w watch) Topic(ctx context.Context, arn string) (SNSTopic, error) {
	out, err := sns.NewFromConfig(w.cfg).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		return SNSTopic{}, failed("topic "+arn, err)
	}
	confirmed, _ := strconv.Atoi(out.Attributes["SubscriptionsConfirmed"])
	pending, _ := strconv.Atoi(out.Attributes["SubscriptionsPending"])
	return SNSTopic{confirmed, pending}, nil
}

func (w watch) Values(ctx context.Context, metrics []Metric, since time.Time) ([]float64, error) {
	var queries []cwtypes.MetricDataQuery
	for i, m := range metrics {
		stat := "Sum"
		if m.Max {
			stat = "Maximum"
		}
		queries = append(queries, cwtypes.MetricDataQuery{Id: aws.String(fmt.Sprintf("m%d", i)), MetricStat: &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{Namespace: aws.String(m.Namespace), MetricName: aws.String(m.Name), Dimensions: []cwtypes.Dimension{{Name: aws.String(m.Dimension), Value: aws.String(m.Value)}}},
			Period: aws.Int32(300), Stat: aws.String(stat)}})
	}
	api := cloudwatch.NewFromConfig(w.cfg)
	values := make([]float64, len(metrics))
	for in := (&cloudwatch.GetMetricDataInput{MetricDataQueries: queries, StartTime: aws.Time(since.Truncate(5 * time.Minute)), EndTime: aws.Time(time.Now())}); ; {
		page, err := api.GetMetricData(ctx, in)
		if err != nil {
			return nil, failed("metrics", err)
		}
		for _, r := range page.MetricDataResults {
			i, err := strconv.Atoi(strings.TrimPrefix(aws.ToString(r.Id), "m"))
			if err != nil || i >= len(values) {
				continue
			}
			for _, v := range r.Values {
				if metrics[i].Max {
					values[i] = max(values[i], v)
				} else {
					values[i] += v
				}
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return values, nil
		}
	}
}

type source struct{ load function.ConfigLoader }

func (s source) Endpoint(ctx context.Context, variables map[string]string) (sumo.Endpoint, error) {
	return ship.ReadEndpoint(ctx, func(name string) string { return variables[name] }, s.load)
}

func (s source) Probe(ctx context.Context, e sumo.Endpoint) error {
	client := &sumo.Client{Timeout: 10 * time.Second, UserAgent: version.Agent()}
	return client.Probe(ctx, e)
}

// Logs are the log events of an account.
type Logs struct{ cfg aws.Config }

// LogsFromAWS returns the log events of an account.
func LogsFromAWS(cfg aws.Config) *Logs { return &Logs{cfg} }

// Line is a log event.
type Line struct {
	ID      string
	At      time.Time
	Message string
}

// Put writes a log event into a log group.
func (l *Logs) Put(ctx context.Context, group, stream, message string, at time.Time) error {
	api := cloudwatchlogs.NewFromConfig(l.cfg)
	_, err := api.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	if err != nil && code(err) != "ResourceAlreadyExistsException" {
		return failed("log group "+group, err)
	}
	_, err = api.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream,
		LogEvents: []logstypes.InputLogEvent{{Message: &message, Timestamp: aws.Int64(at.UnixMilli())}}})
	if err != nil {
		return failed("log group "+group, err)
	}
	return nil
}

// Since returns the log events of a log group since a time, in order.
func (l *Logs) Since(ctx context.Context, group string, since time.Time) (lines []Line, err error) {
	api := cloudwatchlogs.NewFromConfig(l.cfg)
	for in := (&cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(since.UnixMilli())}); ; {
		page, err := api.FilterLogEvents(ctx, in)
		if err != nil {
			return nil, failed("log group "+group, err)
		}
		for _, e := range page.Events {
			lines = append(lines, Line{aws.ToString(e.EventId), time.UnixMilli(aws.ToInt64(e.Timestamp)), aws.ToString(e.Message)})
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return lines, nil
		}
	}
}

// Lines returns the messages of Since.
func (l *Logs) Lines(ctx context.Context, group string, since time.Time) (messages []string, err error) {
	lines, err := l.Since(ctx, group, since)
	for _, line := range lines {
		messages = append(messages, line.Message)
	}
	return messages, err
}

// Version returns the version that the first lines of a log group since a time name,
// "" if none does. It reads a few pages of them: a busy function writes a great many.
func (l *Logs) Version(ctx context.Context, group string, since time.Time) (version string, err error) {
	api := cloudwatchlogs.NewFromConfig(l.cfg)
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(since.UnixMilli()), FilterPattern: aws.String(`{ $.version = "*" }`), Limit: aws.Int32(100)}
	for range 5 { // a page may be empty, and not the last
		page, err := api.FilterLogEvents(ctx, in)
		if err != nil {
			return "", failed("log group "+group, err)
		}
		for _, e := range page.Events {
			var line struct{ Version string }
			if json.Unmarshal([]byte(aws.ToString(e.Message)), &line) == nil && line.Version != "" {
				version = line.Version
			}
		}
		if in.NextToken = page.NextToken; version != "" || aws.ToString(in.NextToken) == "" {
			break
		}
	}
	return version, nil
}
