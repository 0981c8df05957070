package doctor

import (
	"context"
	"errors"
	"strings"
	"time"

	"sumoship/dlq"
)

var replayFaults = []Fault{mappingMissing, mappingOff, mappingFails, mappingWhole, queueMissing, queueExpires, queueWaits,
	queueVisible, queueKeeps, queueForgets, quarantineHolds}

var mappingMissing = Fault{"replay-unconnected", Broken,
	"The dead-letter queue does not drain.",
	"No event source mapping gives the messages of the queue to replay.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`. Meanwhile: `sumoship dlq replay --queue {queue}{region}`."}

var mappingOff = Fault{"replay-off", Broken,
	"The dead-letter queue does not drain.",
	"The event source mapping of replay is not enabled: messages wait, until they expire.",
	"`sumoship deploy --stack {stack}{region} --set ReplayEnabled=true`. Meanwhile: `sumoship dlq replay --queue {queue}{region}`."}

var mappingFails = Fault{"replay-fails", Broken,
	"The dead-letter queue does not drain.",
	"Lambda cannot read the queue, or replay fails with whole batches.",
	"Read what Lambda says; the role of replay needs the queue and its key. The log of replay: `sumoship tail --stack {stack}{region}`."}

var mappingWhole = Fault{"replay-whole-batches", Doubt,
	"Messages that were replayed are replayed again.",
	"Without ReportBatchItemFailures one failed message returns its whole batch to the queue.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; the template sets it."}

var queueMissing = Fault{"queue-missing", Broken,
	"Events are lost in an outage of Sumo Logic.",
	"The dead-letter queue was deleted: there is nowhere to put what was not confirmed.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`."}

var queueExpires = Fault{"queue-expires", Broken,
	"The alarm ExpiryAlarm is on.",
	"SQS deletes messages at the end of their retention, and the oldest is near it.",
	"`sumoship dlq peek --queue {queue}{region}` says why they failed; `sumoship dlq replay --queue {queue}{region}` replays them from here."}

var queueWaits = Fault{"queue-waits", Doubt,
	"Logs arrive late.",
	"Messages have waited in the dead-letter queue for over an hour: replay does not get them through.",
	"`sumoship dlq peek --queue {queue}{region}` says why they failed."}

var queueVisible = Fault{"queue-visibility", Broken,
	"Messages are replayed twice, and quarantined too early.",
	"The visibility timeout is shorter than an invocation of replay may take.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; the template sets both together."}

var queueKeeps = Fault{"queue-without-quarantine", Doubt,
	"Messages that cannot be replayed are tried for ever.",
	"The queue has no redrive policy, so nothing puts them aside.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; the template sets it."}

var queueForgets = Fault{"queue-retention", Broken,
	"Log events of a long outage are gone.",
	"SQS deletes messages at the end of their retention, which counts from when they were dead-lettered, in the quarantine queue too.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; the template sets 14 days, the most there is."}

var quarantineHolds = Fault{"quarantined", Broken,
	"The alarm QuarantineAlarm is on.",
	"Messages that cannot be read, or failed too often, are put aside and will expire.",
	"`sumoship dlq peek --queue {quarantine}{region}` says why; mend that, then `sumoship dlq redrive --queue {queue}{region}`."}

func (x *exam) mapping(ctx context.Context) error {
	all, err := x.Mappings(ctx, x.stack.Outputs["ReplayName"])
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Source != x.stack.Outputs["DeadLetterQueueArn"] {
			continue
		}
		switch m.State {
		case "Enabled", "Enabling", "Updating", "Creating":
		default:
			x.finds(mappingOff, "its state is %s", m.State)
		}
		if strings.HasPrefix(m.Result, "PROBLEM") {
			x.finds(mappingFails, "%s", m.Result)
		}
		if !m.Partial {
			x.finds(mappingWhole, "it has no ReportBatchItemFailures")
		}
		x.sound("replay gets the messages of the dead-letter queue")
		return nil
	}
	x.finds(mappingMissing, "no event source mapping from the dead-letter queue to replay")
	return nil
}

// Limits of the age of the oldest message, and of the retention that the template sets.
const (
	waits     = time.Hour
	expires   = 0.75 // of the retention
	retention = 14 * 24 * time.Hour
)

// keeps looks at the retention of a queue.
func (x *exam) keeps(q dlq.Status) {
	if q.Retention < retention {
		x.finds(queueForgets, "%s keeps messages for %s", q.Name, days(q.Retention))
	}
}

func (x *exam) queue(ctx context.Context) error {
	q, err := x.Queue(ctx, x.stack.Outputs["DeadLetterQueueUrl"])
	if errors.Is(err, ErrNotFound) {
		x.finds(queueMissing, "no queue %s", x.stack.Outputs["DeadLetterQueueUrl"])
		return nil
	}
	if err != nil {
		return err
	}
	if x.replay.Timeout > 0 && q.Timeout < x.replay.Timeout {
		x.finds(queueVisible, "visibility timeout %s, timeout of replay %s", q.Timeout, x.replay.Timeout)
	}
	if q.MaxReceives == 0 {
		x.finds(queueKeeps, "it has no redrive policy")
	}
	x.keeps(q)
	oldest := time.Duration(0)
	if q.Depth() > 0 {
		seconds, err := x.Values(ctx, []Metric{{"AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", q.Name, true}}, time.Now().Add(-15*time.Minute))
		if err != nil {
			return err
		}
		oldest = time.Duration(seconds[0]) * time.Second
	}
	switch {
	case oldest > time.Duration(expires*float64(q.Retention)):
		x.finds(queueExpires, "%s, the oldest waits for %s of %s", count(q.Depth(), "message"), days(oldest), days(q.Retention))
	case oldest > waits:
		x.finds(queueWaits, "%s, the oldest waits for %s", count(q.Depth(), "message"), days(oldest))
	}
	x.sound("%s", count(q.Depth(), "message"))
	return nil
}

func (x *exam) quarantine(ctx context.Context) error {
	q, err := x.Queue(ctx, x.stack.Outputs["QuarantineQueueUrl"])
	if errors.Is(err, ErrNotFound) {
		x.finds(queueMissing, "no queue %s", x.stack.Outputs["QuarantineQueueUrl"])
		return nil
	}
	if err != nil {
		return err
	}
	x.keeps(q)
	if q.Depth() > 0 {
		x.finds(quarantineHolds, "%s in %s", count(q.Depth(), "message"), q.Name)
	}
	x.sound("0 messages")
	return nil
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Second).String()
	}
	return count(int(d.Hours()/24), "day")
}
