// Subscriber is the Lambda function that subscribes log groups to the
// forwarder, and keeps them subscribed.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	lambdaapi "github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/function"
	"sumoship/function/lambdas"
	"sumoship/function/loggroups"
)

func main() {
	function.FitMemory(os.Getenv)
	cfg, err := function.LambdaAWS(os.Getenv)(context.Background(), "")
	if err != nil {
		log.Fatalf("subscriber: %v", err)
	}
	s, err := function.NewSubscriber(function.Env{
		Getenv: os.Getenv, Out: os.Stdout,
		LogGroups: loggroups.New(cloudwatchlogs.NewFromConfig(cfg)),
		Functions: lambdas.New(lambdaapi.NewFromConfig(cfg)),
	})
	if err != nil {
		log.Fatalf("subscriber: the configuration is wrong:\n%v", err)
	}
	lambda.Start(s)
}
