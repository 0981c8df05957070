// Package subscribe brings the log groups of an account in line with a rule:
// each that the rule chooses gets one subscription filter. Subscriber is the
// Lambda function; Subscriptions is the work itself, which the command does too.
package subscribe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sumoship/deploy/subscription"
	"sumoship/function"
)

// Functions are the Lambda functions of an account in a Region.
type Functions interface {
	// LogGroup returns the log group that a function writes to.
	LogGroup(ctx context.Context, arn string) (string, error)
	// Invoke calls a function asynchronously.
	Invoke(ctx context.Context, arn string, event []byte) error
}

// Subscriber is the function that subscribes log groups, when they are created
// and on a schedule.
type Subscriber struct {
	config
	report    *function.Reporter
	groups    LogGroups
	functions Functions

	mu       sync.Mutex
	rule     subscription.Rule // of the configuration, and what was looked up since
	resolved bool              // the log group of the destination
}

// Options configure a Subscriber.
type Options struct {
	function.Env
	LogGroups LogGroups
	Functions Functions
}

// NewSubscriber returns a subscriber that is configured by its environment. The
// error names every variable that is wrong.
func NewSubscriber(o Options) (*Subscriber, error) {
	c, err := readConfig(o.Getenv)
	if err != nil {
		return nil, err
	}
	return &Subscriber{config: c, report: function.NewReporter(o.Out, c.functionName), groups: o.LogGroups, functions: o.Functions, rule: c.rule}, nil
}

// UnfinishedError reports that a run did not finish its log groups, and could not
// hand the rest over to another run. Lambda tries the event again; what
// was done stays done.
type UnfinishedError struct{ Err error }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("not all log groups are in line: %v", e.Err)
}
func (e *UnfinishedError) Unwrap() error { return e.Err }

// maxStalled is how many runs in a row may end without finishing a page of log
// groups. It bounds the chain of runs that call each other.
const maxStalled = 3

// Invoke takes a CreateLogGroup event of EventBridge, and brings that log group in
// line. On the event of a schedule, or {} by hand, it does so with all of them. It
// answers with a Report.
//
// A run that has no time for all calls this function with the token of the page
// that it got to. A log group that fails for a reason of its own does not stop the
// others; it is counted, and the next schedule tries it again.
//
// Sources: Amazon CloudWatch Logs User Guide, "CloudWatch Logs API and console
// operations in CloudTrail"; Amazon EventBridge User Guide, "AWS service events
// delivered via AWS CloudTrail".
func (s *Subscriber) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	start := time.Now()
	report := Report{Left: -1}
	err := s.run(ctx, event, &report)
	if err != nil {
		report.Error = err.Error()
	}
	report.Millis, report.Left = function.Elapsed(ctx, start)
	writeReport(ctx, s.report, &report)
	if err != nil {
		return nil, err
	}
	return json.Marshal(report)
}

func (s *Subscriber) run(ctx context.Context, event []byte, report *Report) error {
	t, err := readTrigger(event, s.self(ctx))
	if err != nil {
		return err
	}
	report.Trigger = t.kind
	if t.ignored != "" {
		report.Add(Outcome{Step: subscription.Step{Group: t.group.Name, Action: subscription.Skip, Reason: t.ignored}})
		return nil
	}
	working, handing, end := function.SplitDeadline(ctx, s.reserve)
	defer end()
	rule, err := s.resolveOwnLogGroup(working, report)
	if err != nil {
		return err
	}
	subs := &Subscriptions{Rule: rule, Groups: s.groups, Workers: s.workers, PermissionDelay: PermissionDelay}
	defer func() { report.Throttled = int(subs.throttled.Load()) }()
	if t.kind == triggerGroup {
		report.LogGroup = t.group.Name
		o := subs.bring(working, t.group)
		report.Add(o)
		if o.Err != nil {
			return &UnfinishedError{fmt.Errorf("log group %s: %w", o.Group, o.Err)}
		}
		return nil
	}
	token, stalled := t.Token, t.Stalled
	for {
		var next string
		if next, err = s.page(working, subs, token, report); err != nil {
			break
		}
		report.Pages++
		if token, stalled = next, 0; token == "" {
			return nil
		}
	}
	if working.Err() == nil {
		return &UnfinishedError{err} // the listing failed
	}
	if report.Pages == 0 {
		stalled++
	}
	if ctx.Err() == context.Canceled || stalled >= maxStalled || s.self(ctx) == "" {
		return &UnfinishedError{fmt.Errorf("the time is up: %w", err)}
	}
	rest, err := json.Marshal(continuation{ExistingLogs: "true", Token: token, Stalled: stalled})
	if err != nil {
		return err
	}
	if err := s.functions.Invoke(handing, s.self(ctx), rest); err != nil {
		return &UnfinishedError{fmt.Errorf("the rest could not be handed over: %w", err)}
	}
	report.HandedOver = true
	return nil
}

// bring brings a group in line. The subscriber takes over no filter, so there is one
// outcome.
func (s *Subscriptions) bring(ctx context.Context, g subscription.Group) Outcome {
	return s.apply(ctx, s.plan(ctx, g)[0])
}

// errTime reports that the time was up in the middle of a page.
var errTime = errors.New("a page of log groups is not finished")

// page brings a page of log groups in line.
func (s *Subscriber) page(ctx context.Context, subs *Subscriptions, token string, report *Report) (next string, err error) {
	page, next, err := subs.list(ctx, token)
	if err != nil {
		return "", err
	}
	unfinished := false
	for _, o := range inOrder(subs.Workers, page, func(g subscription.Group) Outcome { return subs.bring(ctx, g) }) {
		if o.Err != nil && ctx.Err() != nil {
			unfinished = true // and the next run comes to it again
			continue
		}
		report.Add(o)
	}
	if unfinished {
		return "", errTime
	}
	return next, nil
}

// self returns the ARN or name to call this function by.
func (s *Subscriber) self(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.InvokedFunctionArn != "" {
		return lc.InvokedFunctionArn
	}
	return s.functionName
}

// resolveOwnLogGroup completes the rule with the log group that the destination
// really writes to, once. That shows too whether the destination exists.
func (s *Subscriber) resolveOwnLogGroup(ctx context.Context, report *Report) (*subscription.Rule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.resolved && s.functions != nil && s.rule.Destination.Service == "lambda" {
		group, err := s.functions.LogGroup(ctx, s.rule.Destination.ARN)
		switch {
		case code(err) == "ResourceNotFoundException":
			return nil, fmt.Errorf("DESTINATION_ARN: there is no such function: %w", err)
		case err != nil:
			// Those of OWN_LOG_GROUPS and the default one are known.
			report.problem(fmt.Sprintf("cannot look up the log group of the destination: %v", err))
		default:
			s.rule.Own = append(s.rule.Own, group)
			s.resolved = true
		}
	}
	rule := s.rule
	return &rule, nil
}
