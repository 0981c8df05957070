// Forwarder is the Lambda function that takes the events of CloudWatch Logs
// subscriptions to Sumo Logic.
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
	f, err := ship.NewForwarder(ship.Options{Env: function.Env{Getenv: os.Getenv, Out: os.Stdout}})
	if err != nil {
		log.Fatalf("forwarder: the configuration is wrong:\n%v", err)
	}
	lambda.Start(f)
}
