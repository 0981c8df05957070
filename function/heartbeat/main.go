// Heartbeat is the Lambda function that writes one log event per invocation, for
// the forwarder to ship: an alarm goes off when none arrives.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"sumoship/function/trigger"
	"sumoship/version"
)

func main() {
	lambda.Start(heartbeat{slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("version", version.Read().String())})
}

type heartbeat struct{ out *slog.Logger }

// Invoke takes the event of a schedule, or of whoever invokes it by hand. To one of
// another service, whose data it would pass over, it does not answer success.
func (h heartbeat) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	if of := trigger.Of(event); of.Service != trigger.Schedule {
		if err := of.Error("the heartbeat takes those of a schedule"); err != nil {
			return nil, err
		}
	}
	// The filter pattern of the log group matches sumoship, and no line of Lambda's.
	h.out.InfoContext(ctx, "heartbeat", "sumoship", "heartbeat")
	return []byte("null"), nil
}
