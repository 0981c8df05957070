// Package dlq keeps what Sumo Logic did not confirm: in a dead-letter queue,
// as native events of CloudWatch Logs, from where it can be sent again.
package dlq

import "time"

// Letter is one message of the dead-letter queue.
type Letter struct {
	Event []byte // {"awslogs":{"data":"…"}}, just as a Lambda function gets it
	Cause Cause
}

// Cause is why a letter is in the queue. It travels beside the event, so that
// the event stays one that anything can replay.
type Cause struct {
	Class        string    // unavailable, misconfigured, rejected, out_of_time, undecodable
	Message      string    // without secrets
	FirstFailure time.Time // kept over replays
	LogGroup     string
	Attempts     int // how often the event went through a function in vain
}
