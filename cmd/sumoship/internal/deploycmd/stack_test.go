package deploycmd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/sumo/leaktest"
)

// fake is CloudFormation for what moto does not do: states that take time, events,
// failures, changes in pages. Its answers are of the SDK's types.
type fake struct {
	stacks                     // what a test does not expect panics
	states []types.StackStatus // of the stack, one after the other
	events [][]types.StackEvent
	sets   []cloudformation.DescribeChangeSetOutput
	calls  []string
	out    []types.Output
	others []types.ChangeSetSummary
	asked  *cloudformation.CreateChangeSetInput
	hangs  string // the call that never answers
}

func (f *fake) call(name string) { f.calls = append(f.calls, name) }

// wait is for the end of a call that never answers.
func (f *fake) wait(ctx context.Context, name string) error {
	if f.hangs != name {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func next[T any](list *[]T) (v T) {
	v = (*list)[0]
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	return v
}

func (f *fake) DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...options) (*cloudformation.DescribeStacksOutput, error) {
	status := next(&f.states)
	if status == "" {
		return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack with id logs does not exist"}
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{{StackName: aws.String("logs"), StackId: aws.String("arn"), StackStatus: status, Outputs: f.out}}}, nil
}

func (f *fake) DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...options) (*cloudformation.DescribeStackEventsOutput, error) {
	return &cloudformation.DescribeStackEventsOutput{StackEvents: next(&f.events)}, nil
}

func (f *fake) CreateChangeSet(_ context.Context, in *cloudformation.CreateChangeSetInput, _ ...options) (*cloudformation.CreateChangeSetOutput, error) {
	f.call("create")
	f.asked = in
	return &cloudformation.CreateChangeSetOutput{Id: aws.String("set"), StackId: aws.String("arn")}, nil
}

func (f *fake) DescribeChangeSet(context.Context, *cloudformation.DescribeChangeSetInput, ...options) (*cloudformation.DescribeChangeSetOutput, error) {
	out := next(&f.sets)
	return &out, nil
}

func (f *fake) DeleteChangeSet(context.Context, *cloudformation.DeleteChangeSetInput, ...options) (*cloudformation.DeleteChangeSetOutput, error) {
	f.call("delete change set")
	return nil, nil
}

func (f *fake) ListChangeSets(context.Context, *cloudformation.ListChangeSetsInput, ...options) (*cloudformation.ListChangeSetsOutput, error) {
	return &cloudformation.ListChangeSetsOutput{Summaries: f.others}, nil
}

func (f *fake) DeleteStack(ctx context.Context, _ *cloudformation.DeleteStackInput, _ ...options) (*cloudformation.DeleteStackOutput, error) {
	f.call("delete stack")
	return nil, f.wait(ctx, "delete stack")
}

func (f *fake) ExecuteChangeSet(ctx context.Context, _ *cloudformation.ExecuteChangeSetInput, _ ...options) (*cloudformation.ExecuteChangeSetOutput, error) {
	f.call("execute")
	return nil, f.wait(ctx, "execute")
}

func event(id, resource, status, reason string) types.StackEvent {
	return types.StackEvent{EventId: &id, LogicalResourceId: &resource, ResourceStatus: types.ResourceStatus(status), ResourceStatusReason: &reason,
		Timestamp: aws.Time(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
}

// apply runs a change of the fake's stack.
func apply(t *testing.T, f *fake, x change) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	x.name, x.template.Parameters = "logs", nil
	_, err = (&cloud{stacks: f, region: "eu-west-1", account: "123456789012"}).apply(t.Context(), cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(string) string { return "" }}, new(result), x)
	return o.String(), e.String(), err
}

var ready1 = cloudformation.DescribeChangeSetOutput{Status: types.ChangeSetStatusCreateComplete}

// What happens is shown once and in order; a failure is told with its cause, and not
// with what was cancelled because of it.
func TestFailureTellsItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{
			states: []types.StackStatus{types.StackStatusUpdateInProgress, types.StackStatusUpdateRollbackInProgress, types.StackStatusUpdateRollbackComplete},
			events: [][]types.StackEvent{
				{event("0", "logs", "CREATE_COMPLETE", "")},
				{event("1", "Forwarder", "UPDATE_IN_PROGRESS", ""), event("0", "logs", "CREATE_COMPLETE", "")},
				{event("3", "Replay", "UPDATE_FAILED", "Resource update cancelled"), event("2", "Forwarder", "UPDATE_FAILED", "no such key"), event("1", "Forwarder", "UPDATE_IN_PROGRESS", "")},
			},
			sets: []cloudformation.DescribeChangeSetOutput{{Status: types.ChangeSetStatusCreateInProgress}, ready1},
		}
		_, errs, err := apply(t, f, change{stack: &types.Stack{}, yes: true})
		if err == nil || !strings.Contains(err.Error(), "UPDATE_ROLLBACK_COMPLETE, since of Forwarder: no such key") || strings.Contains(err.Error(), "cancelled") {
			t.Errorf("error %v", err)
		}
		if e, ok := errors.AsType[cli.Exit](err); !ok || e.Status != cli.ExitAWS {
			t.Errorf("exit %+v", e)
		}
		want := "03:04:05  UPDATE_IN_PROGRESS           Forwarder\n03:04:05  UPDATE_FAILED                Forwarder: no such key\n" +
			"03:04:05  UPDATE_FAILED                Replay: Resource update cancelled\n"
		if diff := cmp.Diff(want, errs); diff != "" {
			t.Errorf("shown (-want +got):\n%s", diff)
		}
	})
}

// A change set that would change nothing is deleted; one that is refused says why.
func TestChangeSetsThatFail(t *testing.T) {
	failed := func(reason string) []cloudformation.DescribeChangeSetOutput {
		return []cloudformation.DescribeChangeSetOutput{{Status: types.ChangeSetStatusFailed, StatusReason: &reason}}
	}
	f := &fake{sets: failed("The submitted information didn't contain changes. Submit different information to create a change set.")}
	out, _, err := apply(t, f, change{stack: &types.Stack{}, yes: true})
	if err != nil || out != "stack logs is up to date\n" {
		t.Errorf("%q, %v", out, err)
	}
	f2 := &fake{sets: failed("Rule EndpointIsGivenOnce: set either")}
	if _, _, err := apply(t, f2, change{create: true, yes: true}); err == nil || !strings.Contains(err.Error(), "refuses the change: Rule EndpointIsGivenOnce") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"create", "delete change set", "delete stack"}, f2.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// An alarm that takes an update back is the cause, as CloudFormation says it.
func TestAlarmThatTakesAnUpdateBackIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := event("1", "logs", "UPDATE_ROLLBACK_IN_PROGRESS", "Alarm logs-critical-LostAlarm went to ALARM")
		back.PhysicalResourceId = aws.String("arn")
		f := &fake{
			states: []types.StackStatus{types.StackStatusUpdateInProgress, types.StackStatusUpdateRollbackComplete},
			events: [][]types.StackEvent{nil, {back}},
			sets:   []cloudformation.DescribeChangeSetOutput{ready1},
		}
		out, errs, err := apply(t, f, change{stack: &types.Stack{}, yes: true, watch: watching(20, "logs-critical-LostAlarm").RollbackConfiguration})
		if err == nil || !strings.Contains(err.Error(), "UPDATE_ROLLBACK_COMPLETE: Alarm logs-critical-LostAlarm went to ALARM") {
			t.Errorf("error %v", err)
		}
		clitest.Mentions(t, out, "watched for 20 minutes afterwards, and taken back if one goes off: logs-critical-LostAlarm\n")
		clitest.Mentions(t, errs, "Alarm logs-critical-LostAlarm went to ALARM")
		if got := f.asked.RollbackConfiguration; shown(got) != "20 minutes: logs-critical-LostAlarm" {
			t.Errorf("CloudFormation is asked for %s", shown(got))
		}
	})
}

// Whatever ends the command before the change is carried out, no change set is left, nor a
// stack that has nothing. A change set of somebody else keeps the stack.
func TestNothingIsLeftOfAnInterruptedRun(t *testing.T) {
	for name, c := range map[string]struct {
		others []types.ChangeSetSummary
		create bool
		want   []string
	}{
		"an update":                     {nil, false, []string{"create", "delete change set"}},
		"a new stack":                   {[]types.ChangeSetSummary{{ChangeSetId: aws.String("set")}}, true, []string{"create", "delete change set", "delete stack"}},
		"with another's change set too": {[]types.ChangeSetSummary{{ChangeSetId: aws.String("another")}}, true, []string{"create", "delete change set"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{sets: []cloudformation.DescribeChangeSetOutput{{Status: types.ChangeSetStatusCreateInProgress}}, others: c.others}
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			_, err := (&cloud{stacks: f}).apply(ctx, cli.Streams{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: new(bytes.Buffer)}, new(result), change{name: "logs", create: c.create, yes: true})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: error %v", name, err)
			}
			if diff := cmp.Diff(c.want, f.calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", name, diff)
			}
		})
	}
}

// The plan says what is new, changed, replaced and removed, over all pages, and what
// becomes of log events. Without consent nothing is done.
func TestPlan(t *testing.T) {
	resource := func(action types.ChangeAction, name, kind string, edit func(*types.ResourceChange)) types.Change {
		r := types.ResourceChange{Action: action, LogicalResourceId: &name, ResourceType: &kind}
		if edit != nil {
			edit(&r)
		}
		return types.Change{ResourceChange: &r}
	}
	property := func(names ...string) []types.ResourceChangeDetail {
		var d []types.ResourceChangeDetail
		for _, n := range names {
			d = append(d, types.ResourceChangeDetail{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeProperties, Name: &n}})
		}
		return d
	}
	f := &fake{sets: []cloudformation.DescribeChangeSetOutput{
		{Status: types.ChangeSetStatusCreateComplete, NextToken: aws.String("more"), Changes: []types.Change{
			resource(types.ChangeActionAdd, "Stream", "AWS::Lambda::Function", nil),
			resource(types.ChangeActionAdd, "StreamRole", "AWS::IAM::Role", nil),
			resource(types.ChangeActionModify, "Forwarder", "AWS::Lambda::Function", func(r *types.ResourceChange) { r.Details = property("Environment", "Code", "Code") }),
		}},
		{Status: types.ChangeSetStatusCreateComplete, Changes: []types.Change{
			resource(types.ChangeActionModify, "DeadLetterQueue", "AWS::SQS::Queue", func(r *types.ResourceChange) {
				r.Replacement, r.PolicyAction, r.Details = types.ReplacementTrue, types.PolicyActionReplaceAndRetain, property("QueueName")
			}),
			resource(types.ChangeActionRemove, "Other", "AWS::SQS::Queue", func(r *types.ResourceChange) { r.PolicyAction = types.PolicyActionDelete }),
			resource(types.ChangeActionRemove, "Dashboard", "AWS::CloudWatch::Dashboard", nil),
		}},
	}}
	var changes []types.ResourceChange
	for _, set := range f.sets {
		for _, c := range set.Changes {
			changes = append(changes, *c.ResourceChange)
		}
	}
	out, _, err := apply(t, f, change{stack: &types.Stack{}})
	if err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("error %v, want one that asks for --yes", err)
	}
	const want = `update stack logs in eu-west-1, account 123456789012, with the functions of 
new: 2 resources
  1 × AWS::IAM::Role
  1 × AWS::Lambda::Function
changed in place: 1 resource
  Forwarder (AWS::Lambda::Function): Code, Environment
replaced: 1 resource
  DeadLetterQueue (AWS::SQS::Queue): QueueName; the old one stays, with the log events in it: drain it
removed: 2 resources
  Dashboard (AWS::CloudWatch::Dashboard)
  Other (AWS::SQS::Queue); LOST with the log events in it
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]planned{
		{Kind: added, LogicalID: "Stream", Type: "AWS::Lambda::Function"},
		{Kind: added, LogicalID: "StreamRole", Type: "AWS::IAM::Role"},
		{Kind: changed, LogicalID: "Forwarder", Type: "AWS::Lambda::Function", Properties: []string{"Code", "Environment"}},
		{Kind: replaced, LogicalID: "DeadLetterQueue", Type: "AWS::SQS::Queue", Properties: []string{"QueueName"}, Effect: drains},
		{Kind: removed, LogicalID: "Other", Type: "AWS::SQS::Queue", Effect: loses},
		{Kind: removed, LogicalID: "Dashboard", Type: "AWS::CloudWatch::Dashboard"},
	}, plan(changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"create", "delete change set"}, f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// A stack that cannot be changed is refused, with what to do.
func TestStatesOfAStack(t *testing.T) {
	for status, want := range map[types.StackStatus]string{
		types.StackStatusCreateComplete: "", types.StackStatusUpdateRollbackComplete: "", types.StackStatusReviewInProgress: "create",
		types.StackStatusUpdateInProgress: "wait until", types.StackStatusRollbackComplete: "sumoship destroy --stack logs",
		types.StackStatusUpdateRollbackFailed: "continue-update-rollback",
	} {
		create, err := ready(&types.Stack{StackName: aws.String("logs"), StackStatus: status})
		switch {
		case want == "create" && (!create || err != nil), want == "" && (create || err != nil):
			t.Errorf("%s: create %t, %v", status, create, err)
		case want != "" && want != "create" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", status, err, want)
		}
	}
}

// Secrets are not shown, and the outputs say what is next.
func TestDeploymentShowsNoSecret(t *testing.T) {
	f := &fake{
		states: []types.StackStatus{types.StackStatusCreateComplete}, events: [][]types.StackEvent{nil}, sets: []cloudformation.DescribeChangeSetOutput{ready1},
		out: []types.Output{{OutputKey: aws.String("TestCommand"), OutputValue: aws.String("printf x | aws lambda invoke")}, {OutputKey: aws.String("EndpointArn"), OutputValue: aws.String(endpointURL)}},
	}
	var o, e bytes.Buffer
	tmpl, err := readTemplate([]byte(`{"Parameters":{"SumoEndpoint":{"NoEcho":true},"LogRetention":{}},"Outputs":{"Version":{"Value":"v1.2.3"}},"Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := new(result)
	_, err = (&cloud{stacks: f, region: "eu-west-1", account: "123456789012"}).apply(t.Context(), cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e}, r, change{
		name: "logs", create: true, action: created, yes: true, template: tmpl, parameters: map[string]string{"SumoEndpoint": endpointURL, "LogRetention": "7"},
	})
	if err != nil || leaktest.Find(o.String()+e.String()) != "" {
		t.Errorf("%v, shown:\n%s%s", err, o.String(), e.String())
	}
	clitest.Mentions(t, o.String(), "SumoEndpoint = (secret)", "LogRetention = 7", "aws lambda invoke")
	want := &result{Stack: "logs", Region: "eu-west-1", Account: "123456789012", Action: created, After: &deployment{Version: "v1.2.3"},
		Changes: []planned{}, Outputs: map[string]string{"TestCommand": "printf x | aws lambda invoke"}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

type depth map[string]string

func (d depth) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: d}, nil
}

// Before a stack goes, it is said what is in its queues, and how to drain them.
func TestQueuesAreShownBeforeDeletion(t *testing.T) {
	var o bytes.Buffer
	stack := &types.Stack{Outputs: []types.Output{{OutputKey: aws.String("DeadLetterQueueUrl"), OutputValue: aws.String("https://sqs/dead")}}}
	found, err := queues(t.Context(), cli.Streams{Out: &o}, depth{"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "0"}, stack)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]depthOf{{"https://sqs/dead", 3}}, found); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	clitest.Mentions(t, o.String(), "https://sqs/dead has 3 messages", "sumoship dlq replay --queue https://sqs/dead")
}

// A stack of something else is not changed; one that has no resources yet is anybody's.
func TestStacksOfSomethingElse(t *testing.T) {
	for name, c := range map[string]struct {
		stack types.Stack
		want  bool
	}{
		"another's":   {types.Stack{StackName: aws.String("shop"), StackStatus: types.StackStatusCreateComplete, Parameters: []types.Parameter{{ParameterKey: aws.String("VpcId")}}}, false},
		"ours":        {types.Stack{StackStatus: types.StackStatusRollbackComplete, Parameters: []types.Parameter{{ParameterKey: aws.String("SumoEndpointArn")}}}, true},
		"in review":   {types.Stack{StackStatus: types.StackStatusReviewInProgress}, true},
		"without any": {types.Stack{StackName: aws.String("shop"), StackStatus: types.StackStatusCreateComplete}, false},
	} {
		err := ours(&c.stack)
		if (err == nil) != c.want {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), "stack shop is not one of sumoship: it has no parameter SumoEndpointArn; --stack") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
