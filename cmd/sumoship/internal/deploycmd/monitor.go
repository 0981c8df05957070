package deploycmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"sumoship/cmd/sumoship/internal/cli"
)

// watched are the alarms that take an update back: on log events that are lost or not
// shipped because of what was deployed. An outage of Sumo Logic is none of its faults,
// and what waits in a queue was there before.
var watched = []string{"LostAlarm", "ForwarderDeadLetterErrorsAlarm", "MisconfiguredAlarm", "HeartbeatAlarm", "ForwarderErrorsAlarm"}

// Limits of what CloudFormation watches.
//
// Source: AWS CloudFormation API Reference, RollbackConfiguration.
const (
	maxTriggers   = 5
	maxMonitoring = 180 * time.Minute
)

// alarms is what is asked of Amazon CloudWatch.
type alarms interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

// validMonitoring refuses a time that CloudFormation does not take.
func validMonitoring(d time.Duration) error {
	if d < 0 || d > maxMonitoring || d%time.Minute != 0 {
		return cli.Usagef("--monitor: %v; want whole minutes, 180m at most", d)
	}
	return nil
}

// alarmName is that of a watched alarm of a stack.
func alarmName(stack, alarm string) string { return stack + "-critical-" + alarm }

// monitored returns what makes CloudFormation watch the alarms of a stack during an
// update and for a time after it. An alarm that is on already would take any update
// back, so it is refused.
func monitored(ctx context.Context, api alarms, stack *types.Stack, d time.Duration) (*types.RollbackConfiguration, error) {
	name := aws.ToString(stack.StackName)
	in := &cloudwatch.DescribeAlarmsInput{AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm}}
	for _, alarm := range watched {
		in.AlarmNames = append(in.AlarmNames, alarmName(name, alarm))
	}
	out, err := api.DescribeAlarms(ctx, in)
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("--monitor: describe the alarms: %w", cli.Plain(err)))
	}
	triggers, _ := others(stack)
	var on []string
	for _, a := range out.MetricAlarms {
		if a.StateValue == cwtypes.StateValueAlarm {
			on = append(on, aws.ToString(a.AlarmName))
		}
		triggers = append(triggers, types.RollbackTrigger{Arn: a.AlarmArn, Type: aws.String("AWS::CloudWatch::Alarm")})
	}
	switch {
	case len(out.MetricAlarms) == 0:
		return nil, cli.Fail(cli.ExitUsage, fmt.Errorf("--monitor: stack %s has no alarms to watch; its parameter Alarms makes them", name))
	case len(on) > 0:
		return nil, cli.Fail(cli.ExitFound, fmt.Errorf("--monitor: %s is on, and would take any update back; mend it (docs/operations.md, Alarms), or deploy without --monitor", strings.Join(on, ", ")))
	case len(triggers) > maxTriggers:
		return nil, cli.Fail(cli.ExitUsage, fmt.Errorf("--monitor: with the rollback triggers that the stack has there would be %d, and CloudFormation takes %d", len(triggers), maxTriggers))
	}
	return &types.RollbackConfiguration{MonitoringTimeInMinutes: aws.Int32(int32(d / time.Minute)), RollbackTriggers: triggers}, nil
}

// unmonitored returns what makes CloudFormation watch the alarms of a stack no longer: it
// keeps triggers for later updates, in which an alarm may go, or is on because of what
// the update mends. nil leaves what there is.
func unmonitored(stack *types.Stack) *types.RollbackConfiguration {
	kept, had := others(stack)
	if !had {
		return nil
	}
	c := &types.RollbackConfiguration{MonitoringTimeInMinutes: aws.Int32(0), RollbackTriggers: kept}
	if len(kept) > 0 {
		c.MonitoringTimeInMinutes = stack.RollbackConfiguration.MonitoringTimeInMinutes
	}
	return c
}

// others returns the rollback triggers of a stack that are not watched alarms, never nil,
// and reports whether there are some that are.
func others(stack *types.Stack) (kept []types.RollbackTrigger, had bool) {
	kept = []types.RollbackTrigger{}
	if stack == nil || stack.RollbackConfiguration == nil {
		return kept, false
	}
	for _, t := range stack.RollbackConfiguration.RollbackTriggers {
		_, name, _ := strings.Cut(aws.ToString(t.Arn), ":alarm:")
		if slices.ContainsFunc(watched, func(alarm string) bool { return name == alarmName(aws.ToString(stack.StackName), alarm) }) {
			had = true
		} else {
			kept = append(kept, t)
		}
	}
	return kept, had
}

// keepsWatched returns an error if a change takes away an alarm that is watched.
func (x change) keepsWatched(changes []types.ResourceChange) error {
	for _, r := range changes {
		if name := aws.ToString(r.LogicalResourceId); r.Action == types.ChangeActionRemove && slices.Contains(x.alarms(), alarmName(x.name, name)) {
			return cli.Fail(cli.ExitUsage, fmt.Errorf("--monitor: %s goes with this update, and cannot be watched; deploy it without --monitor", name))
		}
	}
	return nil
}

// minutes is how long CloudFormation watches alarms after the change.
func (x change) minutes() int {
	if x.watch == nil {
		return 0
	}
	return int(aws.ToInt32(x.watch.MonitoringTimeInMinutes))
}

// alarms are the names of the alarms that CloudFormation watches.
func (x change) alarms() (names []string) {
	for _, t := range x.watch.RollbackTriggers {
		_, name, _ := strings.Cut(aws.ToString(t.Arn), ":alarm:")
		names = append(names, name)
	}
	return names
}
