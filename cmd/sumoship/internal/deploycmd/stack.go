package deploycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"sumoship/cmd/sumoship/internal/cli"
)

type options = func(*cloudformation.Options)

// stacks is what is asked of AWS CloudFormation.
type stacks interface {
	changeSets
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...options) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...options) (*cloudformation.DescribeStackEventsOutput, error)
	GetTemplate(context.Context, *cloudformation.GetTemplateInput, ...options) (*cloudformation.GetTemplateOutput, error)
}

type changeSets interface {
	CreateChangeSet(context.Context, *cloudformation.CreateChangeSetInput, ...options) (*cloudformation.CreateChangeSetOutput, error)
	DescribeChangeSet(context.Context, *cloudformation.DescribeChangeSetInput, ...options) (*cloudformation.DescribeChangeSetOutput, error)
	ExecuteChangeSet(context.Context, *cloudformation.ExecuteChangeSetInput, ...options) (*cloudformation.ExecuteChangeSetOutput, error)
	ListChangeSets(context.Context, *cloudformation.ListChangeSetsInput, ...options) (*cloudformation.ListChangeSetsOutput, error)
	DeleteChangeSet(context.Context, *cloudformation.DeleteChangeSetInput, ...options) (*cloudformation.DeleteChangeSetOutput, error)
	DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...options) (*cloudformation.DeleteStackOutput, error)
}

// every is how often a state is asked for.
const every = 2 * time.Second

// pause waits for a time, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// find returns a stack, nil if there is none.
func find(ctx context.Context, api stacks, name string) (*types.Stack, error) {
	out, err := api.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	switch {
	case err != nil && cli.Code(err) == "ValidationError" && strings.Contains(err.Error(), "does not exist"):
		return nil, nil
	case err != nil:
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("describe stack %s: %w", name, cli.Plain(err)))
	case len(out.Stacks) == 0:
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// ready returns an error unless a stack can be changed now. It reports whether the
// stack is yet to be created.
func ready(s *types.Stack) (create bool, err error) {
	if s == nil {
		return true, nil
	}
	name := aws.ToString(s.StackName)
	switch status := s.StackStatus; {
	case status == types.StackStatusReviewInProgress:
		return true, nil
	case strings.HasSuffix(string(status), "_IN_PROGRESS"):
		return false, fmt.Errorf("stack %s is %s: wait until that is over", name, status)
	case status == types.StackStatusRollbackComplete, status == types.StackStatusRollbackFailed, status == types.StackStatusCreateFailed,
		status == types.StackStatusDeleteFailed:
		return false, fmt.Errorf("stack %s is %s, and cannot be updated: sumoship destroy --stack %s deletes what is left of it", name, status, name)
	case status == types.StackStatusUpdateRollbackFailed:
		return false, fmt.Errorf("stack %s is %s: aws cloudformation continue-update-rollback --stack %s brings it back", name, status, name)
	}
	return false, nil
}

// ours returns an error if a stack is of something else: samconfig.toml of another
// project, or a wrong name, must not change it, or delete it.
func ours(s *types.Stack) error {
	if s.StackStatus == types.StackStatusReviewInProgress {
		return nil // it has no resources
	}
	for _, p := range s.Parameters {
		if aws.ToString(p.ParameterKey) == endpointARN {
			return nil
		}
	}
	return cli.Usagef("stack %s is not one of sumoship: it has no parameter %s; --stack names another", aws.ToString(s.StackName), endpointARN)
}

// parameter returns the value of a parameter of a stack, "" if it has none.
func parameter(s *types.Stack, name string) string {
	if s == nil {
		return ""
	}
	for _, p := range s.Parameters {
		if aws.ToString(p.ParameterKey) == name {
			return aws.ToString(p.ParameterValue)
		}
	}
	return ""
}

// output returns the value of an output of a stack, "" if it has none.
func output(s *types.Stack, name string) string {
	for _, o := range s.Outputs {
		if aws.ToString(o.OutputKey) == name {
			return aws.ToString(o.OutputValue)
		}
	}
	return ""
}

// errNoChanges is that of a change set that would change nothing.
var errNoChanges = errors.New("nothing to change")

// prepare creates a change set, and returns it when CloudFormation has worked it out; if
// it does not come to that, nothing is left. fresh says that the stack is yet to be
// created.
func prepare(ctx context.Context, api changeSets, in *cloudformation.CreateChangeSetInput, fresh bool) (*changeSet, error) {
	created, err := api.CreateChangeSet(ctx, in)
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("create a change set of stack %s: %w", *in.StackName, cli.Plain(err)))
	}
	set := &changeSet{api: api, id: created.Id, stack: aws.ToString(created.StackId), fresh: fresh}
	if err := set.await(ctx); err != nil {
		left := set.discard(ctx)
		if left != nil && errors.Is(err, errNoChanges) {
			return nil, left
		}
		return nil, errors.Join(err, left)
	}
	return set, nil
}

// await waits until CloudFormation has worked a change set out, and reads it. Errors:
// errNoChanges.
func (c *changeSet) await(ctx context.Context) error {
	for {
		out, err := c.api.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: c.id, StackName: &c.stack})
		if err != nil {
			return cli.Fail(cli.ExitAWS, fmt.Errorf("describe the change set: %w", cli.Plain(err)))
		}
		switch out.Status {
		case types.ChangeSetStatusCreateComplete:
			return c.read(ctx, out)
		case types.ChangeSetStatusFailed:
			reason := aws.ToString(out.StatusReason)
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
				return errNoChanges
			}
			return cli.Fail(cli.ExitAWS, fmt.Errorf("CloudFormation refuses the change: %s", reason))
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}

// changeSet is one that is worked out.
type changeSet struct {
	api     changeSets
	id      *string
	stack   string // ARN
	fresh   bool   // the stack is yet to be created
	changes []types.ResourceChange
}

// read reads all pages of the changes.
func (c *changeSet) read(ctx context.Context, out *cloudformation.DescribeChangeSetOutput) error {
	for {
		for _, change := range out.Changes {
			if change.ResourceChange != nil {
				c.changes = append(c.changes, *change.ResourceChange)
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return nil
		}
		var err error
		out, err = c.api.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: c.id, StackName: &c.stack, NextToken: out.NextToken})
		if err != nil {
			return cli.Fail(cli.ExitAWS, fmt.Errorf("describe the change set: %w", cli.Plain(err)))
		}
	}
}

// discard deletes the change set, and a stack that has nothing and no other change set:
// it would stay in review for ever.
func (c *changeSet) discard(ctx context.Context) error {
	// Also when the user has interrupted the command.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, err := c.api.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: c.id, StackName: &c.stack}); err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("delete the change set: %w", cli.Plain(err)))
	}
	if !c.fresh {
		return nil
	}
	out, err := c.api.ListChangeSets(ctx, &cloudformation.ListChangeSetsInput{StackName: &c.stack})
	if err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("list the change sets of the empty stack: %w", cli.Plain(err)))
	}
	for _, other := range out.Summaries {
		if aws.ToString(other.ChangeSetId) != aws.ToString(c.id) {
			return nil
		}
	}
	if _, err := c.api.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &c.stack}); err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("delete the empty stack: %w", cli.Plain(err)))
	}
	return nil
}

// work is what CloudFormation does with a stack, also when nobody follows it any more.
type work struct {
	arn   string // of the stack; a deleted one is found by it too
	what  string // "update of stack logs"
	next  string // which command shows it, for who has interrupted this one
	begin func() error
}

// carryOut has CloudFormation begin, and writes what happens until it is over. It returns
// the stack, nil if it is deleted.
func (c *cloud) carryOut(ctx context.Context, w io.Writer, x work) (*types.Stack, error) {
	seen := map[string]bool{}
	if _, err := news(ctx, c, x.arn, seen); err != nil {
		return nil, err
	}
	if err := x.begin(); err != nil {
		if ctx.Err() != nil {
			return nil, cli.Interrupted(ctx, "the %s may have begun, and goes on by itself then; %s", x.what, x.next)
		}
		return nil, err
	}
	stack, err := follow(ctx, c, w, x.arn, seen)
	if err != nil && ctx.Err() != nil {
		return nil, cli.Interrupted(ctx, "CloudFormation goes on with the %s by itself; %s", x.what, x.next)
	}
	return stack, err
}

// follow writes what happens to a stack until it is over, and returns the stack, nil
// if it is deleted. Events up to seen are not written.
func follow(ctx context.Context, api stacks, w io.Writer, arn string, seen map[string]bool) (*types.Stack, error) {
	var failures []string
	cause := "" // of the rollback, if no resource failed: an alarm
	for {
		stack, err := find(ctx, api, arn)
		if err != nil {
			return nil, err
		}
		events, err := news(ctx, api, arn, seen)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			status, reason := string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)
			line := fmt.Sprintf("%s  %-28s %s", aws.ToTime(e.Timestamp).Format(time.TimeOnly), status, aws.ToString(e.LogicalResourceId))
			switch {
			case strings.HasSuffix(status, "ROLLBACK_IN_PROGRESS") && reason != "" && aws.ToString(e.PhysicalResourceId) == arn:
				line += ": " + reason
				cause = reason
			case strings.HasSuffix(status, "_FAILED"):
				line += ": " + reason
				if !strings.Contains(reason, "cancelled") {
					failures = append(failures, aws.ToString(e.LogicalResourceId)+": "+reason)
				}
			}
			fmt.Fprintln(w, line)
		}
		if stack == nil || stack.StackStatus == types.StackStatusDeleteComplete {
			return nil, nil
		}
		switch status := string(stack.StackStatus); {
		case strings.HasSuffix(status, "_IN_PROGRESS"):
		case status == "CREATE_COMPLETE", status == "UPDATE_COMPLETE":
			return stack, nil
		default:
			err := fmt.Errorf("stack %s is %s", aws.ToString(stack.StackName), status)
			if len(failures) > 0 {
				err = fmt.Errorf("%w, since of %s", err, strings.Join(failures, "; "))
			} else if cause != "" {
				err = fmt.Errorf("%w: %s", err, cause)
			}
			return stack, cli.Fail(cli.ExitAWS, err)
		}
		if err := pause(ctx, every); err != nil {
			return nil, err
		}
	}
}

// news returns the events of a stack that are not seen yet, in order, and marks them.
func news(ctx context.Context, api stacks, arn string, seen map[string]bool) (events []types.StackEvent, err error) {
	in := &cloudformation.DescribeStackEventsInput{StackName: &arn}
	for {
		out, err := api.DescribeStackEvents(ctx, in)
		if err != nil {
			if cli.Code(err) == "ValidationError" { // there is none yet, or it is deleted
				return events, nil
			}
			return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("describe the events of the stack: %w", cli.Plain(err)))
		}
		known := false
		for _, e := range out.StackEvents { // the newest is first
			id := aws.ToString(e.EventId)
			if known = seen[id]; known {
				break
			}
			seen[id] = true
			events = append([]types.StackEvent{e}, events...)
		}
		if known || aws.ToString(out.NextToken) == "" {
			return events, nil
		}
		in.NextToken = out.NextToken
	}
}

// readAll reads at most what CloudFormation takes as a template.
func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 1<<20)) }
