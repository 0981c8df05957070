package deploycmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
)

// states are alarms by name, with their states.
type states map[string]cwtypes.StateValue

const alarmARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:"

func (s states) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out := new(cloudwatch.DescribeAlarmsOutput)
	for _, name := range in.AlarmNames {
		if state, ok := s[name]; ok {
			out.MetricAlarms = append(out.MetricAlarms, cwtypes.MetricAlarm{AlarmName: aws.String(name), AlarmArn: aws.String(alarmARN + name), StateValue: state})
		}
	}
	return out, nil
}

// watching is a stack that CloudFormation watches by these alarms.
func watching(minutes int32, names ...string) *types.Stack {
	c := &types.RollbackConfiguration{MonitoringTimeInMinutes: &minutes}
	for _, name := range names {
		c.RollbackTriggers = append(c.RollbackTriggers, types.RollbackTrigger{Arn: aws.String(alarmARN + name), Type: aws.String("AWS::CloudWatch::Alarm")})
	}
	return &types.Stack{StackName: aws.String("logs"), RollbackConfiguration: c}
}

// shown is what is watched, in words.
func shown(c *types.RollbackConfiguration) string {
	if c == nil {
		return "as before"
	}
	x := change{watch: c}
	return cli.Count(x.minutes(), "minute") + ": " + strings.Join(x.alarms(), " ")
}

// An update is watched by the alarms that the stack has, beside those that somebody else
// has set. It is refused if one would take it back at once.
func TestMonitored(t *testing.T) {
	all := states{}
	for _, name := range watched {
		all[alarmName("logs", name)] = cwtypes.StateValueOk
	}
	five := make([]string, maxTriggers)
	for i := range five {
		five[i] = "mine"
	}
	for name, c := range map[string]struct {
		stack  *types.Stack
		alarms states
		want   string
		status int
	}{
		"all of them":        {watching(0), all, "20 minutes: logs-critical-LostAlarm logs-critical-ForwarderDeadLetterErrorsAlarm logs-critical-MisconfiguredAlarm logs-critical-HeartbeatAlarm logs-critical-ForwarderErrorsAlarm", 0},
		"one without data":   {watching(5, "logs-critical-LostAlarm"), states{"logs-critical-LostAlarm": cwtypes.StateValueInsufficientData}, "20 minutes: logs-critical-LostAlarm", 0},
		"one of the user":    {watching(5, "mine"), states{"logs-critical-LostAlarm": cwtypes.StateValueOk}, "20 minutes: mine logs-critical-LostAlarm", 0},
		"one that is on":     {watching(0), states{"logs-critical-LostAlarm": cwtypes.StateValueAlarm}, "logs-critical-LostAlarm is on", cli.ExitFound},
		"none":               {watching(0), states{"other-critical-LostAlarm": cwtypes.StateValueOk}, "its parameter Alarms", cli.ExitUsage},
		"more than it takes": {watching(0, five...), states{"logs-critical-LostAlarm": cwtypes.StateValueOk}, "there would be 6", cli.ExitUsage},
	} {
		got, err := monitored(t.Context(), c.alarms, c.stack, 20*time.Minute)
		if c.status == 0 {
			if err != nil || shown(got) != c.want {
				t.Errorf("%s: %s, %v, want %s", name, shown(got), err, c.want)
			}
			continue
		}
		if e, ok := errors.AsType[cli.Exit](err); !ok || e.Status != c.status || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want status %d and %q", name, err, c.status, c.want)
		}
	}
}

// CloudFormation keeps the alarms of an update for those after it, and fails if one is
// gone, or takes back what mends the reason why one is on. So nothing is left watched, but
// for what somebody else has set.
func TestUnmonitored(t *testing.T) {
	for name, c := range map[string]struct {
		stack *types.Stack
		want  string
	}{
		"no stack":             {nil, "as before"},
		"never watched":        {&types.Stack{}, "as before"},
		"by the user":          {watching(5, "mine", "logs-critical-OtherAlarm", "other-critical-LostAlarm"), "as before"},
		"before":               {watching(20, "logs-critical-LostAlarm", "logs-critical-HeartbeatAlarm"), "0 minutes: "},
		"before, and the user": {watching(20, "mine", "logs-critical-LostAlarm"), "20 minutes: mine"},
	} {
		got := unmonitored(c.stack)
		if shown(got) != c.want {
			t.Errorf("%s: %s, want %s", name, shown(got), c.want)
		}
		if got != nil && got.RollbackTriggers == nil {
			t.Errorf("%s: no list leaves the triggers; an empty one takes them away", name)
		}
	}
}

// The alarms that are watched are those of the template, under the names that it gives.
func TestWatchedAlarmsAreOfTheTemplate(t *testing.T) {
	template, err := os.ReadFile("../../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(watched) > maxTriggers {
		t.Errorf("%d alarms, CloudFormation takes %d", len(watched), maxTriggers)
	}
	for _, name := range watched {
		if !strings.Contains(string(template), "\n      AlarmName: !Sub "+alarmName("${AWS::StackName}", name)+"\n") {
			t.Errorf("template.yaml has no alarm of the name %s", alarmName("STACK", name))
		}
	}
}

// The time is checked before AWS is asked, and an alarm that goes cannot be watched.
func TestMonitoringThatCannotBe(t *testing.T) {
	for _, d := range []string{"90s", "181m", "-1m"} {
		status, _, errs := run(t, nil, "deploy", "--monitor="+d)
		if status != cli.ExitUsage || !strings.Contains(errs, "whole minutes") {
			t.Errorf("%s: status %d, %s", d, status, errs)
		}
	}
	// As docs/operations.md makes it the default.
	dir := t.TempDir()
	put(t, filepath.Join(dir, "sumoship.yaml"), []byte("deploy:\n  monitor: 200m\n"))
	t.Chdir(dir)
	if status, _, errs := run(t, nil, "deploy"); status != cli.ExitUsage || !strings.Contains(errs, "--monitor: 3h20m0s") {
		t.Errorf("from sumoship.yaml: status %d, %s", status, errs)
	}
	gone := ready1
	gone.Changes = []types.Change{{ResourceChange: &types.ResourceChange{Action: types.ChangeActionRemove, LogicalResourceId: aws.String("LostAlarm"), ResourceType: aws.String("AWS::CloudWatch::Alarm")}}}
	f := &fake{}
	f.sets = append(f.sets, gone)
	_, _, err := apply(t, f, change{stack: &types.Stack{}, yes: true, watch: watching(20, "logs-critical-LostAlarm").RollbackConfiguration})
	if err == nil || !strings.Contains(err.Error(), "LostAlarm goes with this update") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"create", "delete change set"}, f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
