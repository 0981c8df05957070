package subscribe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v4"

	"sumoship/deploy/subscription"
)

// LogGroups are the log groups of an account in a Region.
type LogGroups interface {
	// List returns the groups of a page, without tags and filters, and the token
	// of the next page, which is "" after the last.
	List(ctx context.Context, token string) (page []subscription.Group, next string, err error)
	// Tagged returns the names of the groups that have a tag. It may fail where
	// Tags does not.
	Tagged(ctx context.Context, t subscription.Tag) ([]string, error)
	// Tags returns the tags of a group. The map is not nil.
	Tags(ctx context.Context, g subscription.Group) (map[string]string, error)
	// Filters returns the subscription filters of a group.
	Filters(ctx context.Context, group string) ([]subscription.Filter, error)
	// Apply carries out a step.
	Apply(ctx context.Context, s subscription.Step) error
}

// Subscriptions brings log groups in line with a rule. While CloudWatch Logs
// throttles it waits and tries again until its context ends, so that a group is
// given up only for a reason of its own. Use a new one for each run.
type Subscriptions struct {
	Rule   *subscription.Rule
	Groups LogGroups

	// Workers is how many groups are processed at once; 0 means 4.
	Workers int

	// Progress, if not nil, is called after each group, by several goroutines at
	// once.
	Progress func(Outcome)

	// PermissionDelay is how long a run retries while CloudWatch Logs may not call
	// the destination; 0 means not at all. The constant of this name suits a
	// permission that may be new.
	PermissionDelay time.Duration

	tags      map[string]map[string]string // those of the rule, by group; nil if each group is asked
	tagsAsked bool
	throttled atomic.Int64 // calls
	first     sync.Once    // refusal for lack of permission
	refused   time.Time    // when that was
}

// PermissionDelay covers the seconds until CloudWatch Logs knows of a permission. A
// run waits that long once, and not for each log group, so that a missing
// permission costs no more.
const PermissionDelay = 10 * time.Second

// defaultWorkers is as many as get what CloudWatch Logs grants, about 5 to 10
// calls of a kind in a second.
//
// Source: Amazon CloudWatch Logs User Guide, "CloudWatch Logs quotas".
const defaultWorkers = 4

// Outcome is what became of a log group: a step, and why it failed if it did.
// One that failed before its filters were known has no reason.
type Outcome struct {
	subscription.Step
	Err error
}

// Plan returns what to do for each log group, and changes nothing. Its error is
// that of listing the groups.
func (s *Subscriptions) Plan(ctx context.Context) ([]Outcome, error) {
	var all []Outcome
	for token := ""; ; {
		page, next, err := s.list(ctx, token)
		if err != nil {
			return all, err
		}
		for _, steps := range inOrder(s.Workers, page, func(g subscription.Group) []Outcome { return s.observe(s.plan(ctx, g)...) }) {
			all = append(all, steps...)
		}
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if token = next; token == "" {
			return all, nil
		}
	}
}

// Apply carries out the steps of a plan. Those that are not tried, because the
// context has ended, have its error.
func (s *Subscriptions) Apply(ctx context.Context, plan []Outcome) []Outcome {
	return inOrder(s.Workers, plan, func(o Outcome) Outcome { return s.observe(s.apply(ctx, o))[0] })
}

// observe reports a group's outcomes, once.
func (s *Subscriptions) observe(all ...Outcome) []Outcome {
	if s.Progress != nil {
		s.Progress(all[0])
	}
	return all
}

type listed struct {
	page []subscription.Group
	next string
}

func (s *Subscriptions) list(ctx context.Context, token string) ([]subscription.Group, string, error) {
	l, err := retryTransient(ctx, s, func() (l listed, err error) {
		l.page, l.next, err = s.Groups.List(ctx, token)
		return l, err
	})
	if err == nil {
		err = s.tag(ctx, l.page)
	}
	return l.page, l.next, err
}

// tag adds to groups which tags of the rule they have. CloudWatch Logs is asked once
// for each tag, and not for each group. Where it does not answer that, because it
// does not know how or the caller may not ask it, each group is asked as before.
func (s *Subscriptions) tag(ctx context.Context, page []subscription.Group) error {
	if !s.tagsAsked {
		tags := map[string]map[string]string{}
		for _, t := range s.Rule.Tags {
			names, err := retryTransient(ctx, s, func() ([]string, error) { return s.Groups.Tagged(ctx, t) })
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				tags = nil
				break
			}
			for _, name := range names {
				if tags[name] == nil {
					tags[name] = map[string]string{}
				}
				tags[name][t.Key] = t.Value
			}
		}
		s.tags, s.tagsAsked = tags, true
	}
	if s.tags == nil {
		return nil
	}
	for i := range page {
		if page[i].Tags = s.tags[page[i].Name]; page[i].Tags == nil {
			page[i].Tags = map[string]string{}
		}
	}
	return nil
}

// plan reads what the rule needs to know of a group. There is one outcome, or one
// for each filter that is taken over.
func (s *Subscriptions) plan(ctx context.Context, g subscription.Group) []Outcome {
	var err error
	if s.Rule.NeedsTags(g) {
		g.Tags, err = retryTransient(ctx, s, func() (map[string]string, error) { return s.Groups.Tags(ctx, g) })
	}
	if err == nil && s.Rule.NeedsFilters(g) {
		g.Filters, err = retryTransient(ctx, s, func() ([]subscription.Filter, error) { return s.Groups.Filters(ctx, g.Name) })
	}
	if err != nil {
		return []Outcome{outcome(subscription.Step{Group: g.Name, Chosen: s.Rule.Chooses(g), Action: subscription.Skip}, err)}
	}
	if s.Rule.Replaces.ARN == "" {
		return []Outcome{{Step: s.Rule.Step(g)}}
	}
	var all []Outcome
	for _, step := range s.Rule.TakeOver(g) {
		all = append(all, Outcome{Step: step})
	}
	return all
}

// apply carries out a step, if there is something to do.
func (s *Subscriptions) apply(ctx context.Context, o Outcome) Outcome {
	if o.Err != nil || o.Action == subscription.Skip {
		return o
	}
	return outcome(o.Step, s.Do(ctx, func() error { return s.Groups.Apply(ctx, o.Step) }))
}

// Do makes a call, and retries it as the run does: while it is throttled, and while
// a permission may not be known yet.
func (s *Subscriptions) Do(ctx context.Context, call func() error) error {
	_, err := retryTransient(ctx, s, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// outcome returns what an error says of a log group that has changed since it was
// listed.
func outcome(s subscription.Step, err error) Outcome {
	changed := subscription.Step{Group: s.Group, Chosen: s.Chosen, Action: subscription.Skip}
	switch code(err) {
	case "ResourceNotFoundException":
		changed.Reason = subscription.Gone
	case limitExceeded:
		changed.Reason, changed.Detail = subscription.Full, "they were put a moment ago"
	case "InvalidParameterException":
		// That the class may be the reason is said by AWS, not assumed here.
		if s.Class == "" || notPermitted(err) {
			return Outcome{s, err}
		}
		changed.Reason, changed.Detail = subscription.Refused, fmt.Sprintf("class %s: %v", s.Class, err)
	default:
		return Outcome{s, err}
	}
	return Outcome{Step: changed}
}

// limitExceeded is of a log group that has two filters. The SDK takes it for
// throttling, for that is what it means elsewhere.
const limitExceeded = "LimitExceededException"

// Pauses between the tries of a call, beyond those of the SDK.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

// retryTransient makes a call until it succeeds, or fails for a reason that a retry
// does not mend.
func retryTransient[T any](ctx context.Context, s *Subscriptions, call func() (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(maxPause), backoff.WithMaxElapsedTime(0))
	return backoff.RetryWithData(func() (T, error) {
		v, err := call()
		switch {
		case err == nil:
		case throttles(err):
			s.throttled.Add(1)
		case notPermitted(err) && s.expectsPermission():
		default:
			err = backoff.Permanent(err)
		}
		return v, err
	}, backoff.WithContext(pause, ctx))
}

// throttles reports whether an error asks for a retry. An aborted operation met
// another one on the same group.
func throttles(err error) bool {
	c := code(err)
	return c == "OperationAbortedException" || c != limitExceeded && retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// notPermitted reports whether CloudWatch Logs could not call the destination, as
// it tries to before it takes a filter. The error has no code of its own.
func notPermitted(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "InvalidParameterException" && strings.HasPrefix(api.ErrorMessage(), "Could not execute the lambda function")
}

// expectsPermission reports whether the permission may still come to be known.
func (s *Subscriptions) expectsPermission() bool {
	s.first.Do(func() { s.refused = time.Now() })
	return time.Since(s.refused) < s.PermissionDelay
}

// code is that of an error of AWS.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// inOrder does something with each of in, several at once, and returns the results
// in the order of in.
func inOrder[T, R any](workers int, in []T, do func(T) R) []R {
	if workers == 0 {
		workers = defaultWorkers
	}
	out := make([]R, len(in))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, len(in)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(in); i = int(next.Add(1)) - 1 {
				out[i] = do(in[i])
			}
		})
	}
	wg.Wait()
	return out
}
