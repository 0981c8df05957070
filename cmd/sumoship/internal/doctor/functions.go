package doctor

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

var functionFaults = []Fault{functionMissing, functionFailed, forwarderPaused, replayPaused, forwarderWithoutQueue, queueUnset}

var functionMissing = Fault{"function-missing", Broken,
	"Log events do not arrive; the subscription filters have errors.",
	"Somebody has deleted a function of the stack.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`."}

var functionFailed = Fault{"function-failed", Broken,
	"The function does not start, or runs its old code.",
	"Lambda could not bring it into a state to run.",
	"Read the reason; then deploy the stack again: `sumoship deploy --stack {stack}{region}`."}

var forwarderPaused = Fault{"forwarder-paused", Broken,
	"No log event arrives in Sumo Logic; the dead-letter queue fills.",
	"With a reserved concurrency of 0 Lambda never runs it: each event goes to the dead-letter queue after its tries.",
	"`aws lambda delete-function-concurrency --function-name {forwarder}{region}`; if the stack says so, `sumoship deploy --stack {stack}{region} --set ForwarderConcurrency=-1`."}

var replayPaused = Fault{"replay-paused", Broken,
	"The dead-letter queue does not drain.",
	"With a reserved concurrency of 0 Lambda never runs replay; each try counts as a receive, until messages are quarantined.",
	"`aws lambda delete-function-concurrency --function-name {replay}{region}`; to pause replay, set ReplayEnabled of the stack to false instead."}

var forwarderWithoutQueue = Fault{"forwarder-without-queue", Broken,
	"Events that Lambda gave up are gone.",
	"Lambda drops an event whose tries have failed if the function has no dead-letter queue.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; the template sets it."}

var queueUnset = Fault{"queue-unset", Broken,
	"In an outage of Sumo Logic events are retried by Lambda alone, and lost after that.",
	"Without TASK_QUEUE_URL the function has nowhere to put what Sumo Logic did not confirm.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; the template sets it."}

func (x *exam) forwarderRuns(ctx context.Context) error {
	there, err := x.function(ctx, "ForwarderArn", &x.forwarder, forwarderPaused)
	if err != nil || !there {
		return err
	}
	if x.forwarder.DeadLetters == "" {
		x.finds(forwarderWithoutQueue, "it has no DeadLetterConfig")
	}
	x.sound("it is active; reserved concurrency: %s", concurrency(x.forwarder))
	return nil
}

func (x *exam) replayRuns(ctx context.Context) error {
	there, err := x.function(ctx, "ReplayArn", &x.replay, replayPaused)
	if err != nil || !there {
		return err
	}
	x.sound("it is active; reserved concurrency: %s", concurrency(x.replay))
	return nil
}

// function looks at what the functions have in common.
func (x *exam) function(ctx context.Context, output string, f *Function, paused Fault) (there bool, err error) {
	*f, err = x.Functions.Function(ctx, x.stack.Outputs[output])
	switch {
	case errors.Is(err, ErrNotFound):
		x.finds(functionMissing, "%s does not exist", x.stack.Outputs[output])
		return false, nil
	case err != nil:
		return false, err
	}
	if f.State != "" && f.State != "Active" && f.State != "Inactive" { // an idle one is inactive, and starts
		x.finds(functionFailed, "%s", strings.TrimSuffix(f.State+": "+f.Reason, ": "))
	}
	if f.Update == "Failed" {
		x.finds(functionFailed, "the last update failed: %s", f.Why)
	}
	if f.Concurrency == 0 {
		x.finds(paused, "its reserved concurrency is 0")
	}
	if f.Variables["TASK_QUEUE_URL"] == "" {
		x.finds(queueUnset, "TASK_QUEUE_URL is not set")
	}
	return true, nil
}

// concurrency is that of a function in words.
func concurrency(f Function) string {
	if f.Concurrency < 0 {
		return "none"
	}
	return strconv.Itoa(f.Concurrency)
}
