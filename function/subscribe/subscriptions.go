package subscribe

import (
	"context"
	"errors"
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
	// List gives the groups of a page, without tags and filters, and the token
	// of the next page, which is "" after the last.
	List(ctx context.Context, token string) (page []subscription.Group, next string, err error)
	// Tags are those of a group. The map is not nil.
	Tags(ctx context.Context, g subscription.Group) (map[string]string, error)
	// Filters are the subscription filters of a group.
	Filters(ctx context.Context, group string) ([]subscription.Filter, error)
	// Apply carries out a step.
	Apply(ctx context.Context, s subscription.Step) error
}

// Subscriptions brings log groups in line with a rule. While CloudWatch Logs
// throttles it waits and tries again until its context ends; so a group is
// given up only for a reason of its own.
type Subscriptions struct {
	Rule   *subscription.Rule
	Groups LogGroups

	// Workers is how many groups are dealt with at once; 0 means
	// DefaultWorkers.
	Workers int

	// Seen, if not nil, is told of every group that was dealt with. It may be
	// called by several goroutines at once.
	Seen func(Outcome)

	throttled atomic.Int64
}

// DefaultWorkers is as many as get what CloudWatch Logs grants, about 5 to 10
// calls of a kind in a second.
//
// Source: Amazon CloudWatch Logs User Guide, "CloudWatch Logs quotas".
const DefaultWorkers = 4

// Outcome is what became of a log group: a step, and why it failed if it did.
// One that failed before its filters were known has no reason.
type Outcome struct {
	subscription.Step
	Err error
}

// Throttled is how often CloudWatch Logs asked for patience.
func (s *Subscriptions) Throttled() int { return int(s.throttled.Load()) }

// Plan finds what is to be done for each log group, and does nothing. The error
// is of the listing.
func (s *Subscriptions) Plan(ctx context.Context) ([]Outcome, error) {
	var all []Outcome
	for token := ""; ; {
		page, next, err := s.list(ctx, token)
		if err != nil {
			return all, err
		}
		all = append(all, inOrder(s.Workers, page, func(g subscription.Group) Outcome { return s.see(s.plan(ctx, g)) })...)
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
	return inOrder(s.Workers, plan, func(o Outcome) Outcome { return s.see(s.apply(ctx, o)) })
}

func (s *Subscriptions) see(o Outcome) Outcome {
	if s.Seen != nil {
		s.Seen(o)
	}
	return o
}

type listed struct {
	page []subscription.Group
	next string
}

func (s *Subscriptions) list(ctx context.Context, token string) ([]subscription.Group, string, error) {
	l, err := patiently(ctx, s, func() (l listed, err error) {
		l.page, l.next, err = s.Groups.List(ctx, token)
		return l, err
	})
	return l.page, l.next, err
}

// plan reads what the rule needs to know of a group.
func (s *Subscriptions) plan(ctx context.Context, g subscription.Group) Outcome {
	var err error
	if s.Rule.NeedsTags(g) {
		g.Tags, err = patiently(ctx, s, func() (map[string]string, error) { return s.Groups.Tags(ctx, g) })
	}
	if err == nil && s.Rule.NeedsFilters(g) {
		g.Filters, err = patiently(ctx, s, func() ([]subscription.Filter, error) { return s.Groups.Filters(ctx, g.Name) })
	}
	if err != nil {
		return outcome(subscription.Step{Group: g.Name, Chosen: s.Rule.Chooses(g), Action: subscription.Skip}, err)
	}
	return Outcome{Step: s.Rule.Step(g)}
}

// apply carries out a step, if there is something to do.
func (s *Subscriptions) apply(ctx context.Context, o Outcome) Outcome {
	if o.Err != nil || o.Action == subscription.Skip {
		return o
	}
	_, err := patiently(ctx, s, func() (struct{}, error) { return struct{}{}, s.Groups.Apply(ctx, o.Step) })
	return outcome(o.Step, err)
}

// outcome tells what an error says of a log group that has changed since it was
// listed.
func outcome(s subscription.Step, err error) Outcome {
	changed := subscription.Step{Group: s.Group, Chosen: s.Chosen, Action: subscription.Skip}
	switch code(err) {
	case "ResourceNotFoundException":
		changed.Reason = subscription.Gone
	case limitExceeded:
		changed.Reason, changed.Detail = subscription.Full, "they were put a moment ago"
	default:
		return Outcome{s, err}
	}
	return Outcome{Step: changed}
}

// limitExceeded is of a log group that has two filters. The SDK takes it for
// throttling, for that is what it means elsewhere.
const limitExceeded = "LimitExceededException"

// Pauses while CloudWatch Logs throttles, beyond those of the SDK.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

// patiently makes a call until it is not throttled.
func patiently[T any](ctx context.Context, s *Subscriptions, call func() (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(maxPause), backoff.WithMaxElapsedTime(0))
	return backoff.RetryWithData(func() (T, error) {
		v, err := call()
		if err != nil && !throttles(err) {
			return v, backoff.Permanent(err)
		}
		if err != nil {
			s.throttled.Add(1)
		}
		return v, err
	}, backoff.WithContext(pause, ctx))
}

// throttles tells whether an error only asks for patience. An aborted operation
// met another one on the same group.
func throttles(err error) bool {
	c := code(err)
	return c == "OperationAbortedException" || c != limitExceeded && retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// code is that of an error of AWS.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// inOrder does something with each of in, several at once, and gives the results
// in the order of in.
func inOrder[T, R any](workers int, in []T, do func(T) R) []R {
	if workers == 0 {
		workers = DefaultWorkers
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
