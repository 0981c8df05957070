// Stream is the Lambda function that ships the log events of CloudWatch Logs
// subscriptions from a Kinesis stream to Sumo Logic.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"sumoship/function"
	"sumoship/function/ship"
)

func main() {
	function.FitMemory(os.Getenv)
	function.RedactLog(os.Stderr)
	f, err := ship.NewStreamForwarder(ship.Options{Env: function.Env{Getenv: os.Getenv, Out: os.Stdout}})
	if err != nil {
		log.Fatalf("stream: invalid configuration:\n%v", err)
	}
	lambda.Start(f)
}
