// Subscriber is the Lambda function that subscribes log groups to the forwarder,
// and keeps them subscribed.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	lambdaapi "github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/function"
	"sumoship/function/subscribe"
	"sumoship/function/subscribe/awsapi"
)

func main() {
	function.FitMemory(os.Getenv)
	cfg, err := function.LambdaConfig(os.Getenv)(context.Background(), "")
	if err != nil {
		log.Fatalf("subscriber: %v", err)
	}
	s, err := subscribe.NewSubscriber(subscribe.Options{
		Env:       function.Env{Getenv: os.Getenv, Out: os.Stdout},
		LogGroups: awsapi.NewLogGroups(cloudwatchlogs.NewFromConfig(cfg)),
		Functions: awsapi.NewFunctions(lambdaapi.NewFromConfig(cfg)),
	})
	if err != nil {
		log.Fatalf("subscriber: invalid configuration:\n%v", err)
	}
	lambda.Start(s)
}
