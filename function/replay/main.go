// Replay is the Lambda function that replays the dead-letter queue to Sumo Logic.
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
	r, err := ship.NewReplayer(ship.ReplayOptions{
		Options:   ship.Options{Env: function.Env{Getenv: os.Getenv, Out: os.Stdout}},
		Temporary: os.TempDir(),
	})
	if err != nil {
		log.Fatalf("replay: invalid configuration:\n%v", err)
	}
	lambda.Start(r)
}
