// Package function has what every Lambda function of sumoship needs: it reads
// environment variables, splits the deadline, writes reports as log lines and
// metrics, fits the heap to the memory, and loads the configuration of AWS
// clients.
package function

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Env is the environment of a function.
type Env struct {
	Getenv func(string) string
	Out    io.Writer // log lines and metrics
}

// maxReserve bounds the time that is reserved at the end of an invocation. Of a
// short one it is a quarter.
const maxReserve = 5 * time.Second

// SplitDeadline divides the time of an invocation: work ends at reserve before
// the deadline of ctx, saving ends when a fifth of the reserve is left, and that
// fifth is for the report. A reserve of 0 means a quarter of the time left, at
// most 5 s. Cancellation of ctx ends work only; saving keeps its own deadline.
func SplitDeadline(ctx context.Context, reserve time.Duration) (work, saving context.Context, end context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		work, end = context.WithCancel(ctx)
		return work, context.WithoutCancel(ctx), end
	}
	if reserve == 0 {
		reserve = min(maxReserve, time.Until(deadline)/4)
	}
	work, endWork := context.WithDeadline(ctx, deadline.Add(-reserve))
	saving, endSaving := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(-reserve/5))
	return work, saving, func() { endWork(); endSaving() }
}

// Elapsed returns the milliseconds since start, and those left until the
// deadline of ctx, or -1 if it has none.
func Elapsed(ctx context.Context, start time.Time) (millis, left int64) {
	left = -1
	if deadline, ok := ctx.Deadline(); ok {
		left = max(0, time.Until(deadline).Milliseconds())
	}
	return time.Since(start).Milliseconds(), left
}

// RequestID returns the ID that Lambda gave the invocation, or "".
func RequestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
