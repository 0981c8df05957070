// Heartbeat is the Lambda function that writes one log event per invocation, for
// the forwarder to ship: an alarm goes off when none arrives.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	out := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	lambda.Start(func(ctx context.Context) {
		// The filter pattern of the log group matches sumoship, and no line of Lambda's.
		out.InfoContext(ctx, "heartbeat", "sumoship", "heartbeat")
	})
}
