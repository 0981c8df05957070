package ship

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/sumo"
)

// Inbox is the dead-letter queue, from where a Replayer receives messages.
type Inbox interface {
	// Receive receives up to n messages for a visibility timeout. It waits up to
	// wait for the first.
	Receive(ctx context.Context, n int, wait, visibility time.Duration) ([]dlq.Message, error)
	Delete(ctx context.Context, m dlq.Message) error
	// ChangeVisibility makes a message visible again after timeout.
	ChangeVisibility(ctx context.Context, m dlq.Message, timeout time.Duration) error
}

// Replayer is the function that replays the dead-letter queue.
type Replayer struct {
	*shipper
	inbox           Inbox
	quarantineQueue Queue               // nil if there is none
	room            *semaphore.Weighted // inflated bytes of the messages that are decoded and sent at this moment
	received        *semaphore.Weighted // bytes of the messages that a drain has received and not handled

	keepRules bool // of ReplayOptions
	pace      pace
	journal   *journal // nil if there is none
	archive   Archive  // nil if there is none
	runs      atomic.Int64

	// Progress, if not nil, is called after each message, by several goroutines
	// at once.
	Progress func(Report)
}

// ReplayOptions are what a Replayer is made of.
type ReplayOptions struct {
	Options
	Inbox      Inbox // nil means that of TASK_QUEUE_URL
	Quarantine Queue // nil means that of QUARANTINE_QUEUE_URL, if any

	Archive Archive // nil means the bucket of OVERFLOW_BUCKET, if any

	// KeepRules leaves in the queue what a function with rules has dead-lettered, if
	// this environment has none: a person who replays by hand may not know of them.
	KeepRules bool

	// Temporary is a directory that outlives the process, so that the next one learns
	// which messages it died with; "" means none.
	Temporary string
}

// ErrRulesMissing says that rules decided what of a message may leave, and that there
// are none here.
var ErrRulesMissing = errors.New("a function with rules has dead-lettered this, and RULES is not set")

// NewReplayer returns a replayer for its environment. The error names every
// variable that is wrong.
func NewReplayer(o ReplayOptions) (*Replayer, error) {
	s, err := newShipper(o.Options, "", patient)
	if err != nil {
		return nil, err
	}
	s.client.Name = "dlq-aws-lambda" // whatever SUMO_CLIENT_HEADER says, as with Sumo's function
	s.client.MaxRequests = max(s.inFlight, s.workers)
	// A longer Retry-After is for the breaker: to wait for it would hold messages
	// beyond their visibility timeout.
	s.client.Budget = 4 * time.Minute
	// When the source throttles, live traffic goes first.
	s.client.Yield = true
	s.client.Breaker = &sumo.Breaker{Pause: s.breakerPause, Throttled: 2 * s.breakerPause, Rand: o.Rand}
	r := &Replayer{shipper: s, keepRules: o.KeepRules, inbox: o.Inbox, quarantineQueue: o.Quarantine, room: semaphore.NewWeighted(maxInWork), received: semaphore.NewWeighted(maxReceived)}
	if r.inbox == nil {
		if s.queueURL == "" {
			return nil, errors.New("TASK_QUEUE_URL: is not set; want the URL of the dead-letter queue")
		}
		r.inbox = dlq.New(s.queueURL, s.delay, openSQS(s.load, s.queueURL))
	}
	if r.archive = o.Archive; r.archive == nil && s.overflowBucket != "" {
		r.archive = newBucket(s.overflowBucket, s.load)
	}
	if o.Temporary != "" {
		r.journal = openJournal(o.Temporary, s.out.Log)
	}
	if r.quarantineQueue == nil && s.quarantineURL != "" {
		r.quarantineQueue = dlq.New(s.quarantineURL, 0, openSQS(s.load, s.quarantineURL))
	}
	return r, nil
}

// Invoke takes an event of an SQS event source mapping with
// ReportBatchItemFailures, or of a pipe of EventBridge, and returns the messages
// that must stay in the queue: {"batchItemFailures":[{"itemIdentifier":"…"}]}. On {}
// or a scheduled event it drains the queue itself and returns a Report. Any other
// event is an error: its sender must not take it for done.
//
// Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and
// "Handling errors for an SQS event source"; Amazon EventBridge User Guide, "Amazon
// EventBridge Pipes batching and concurrency".
func (r *Replayer) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	messages, err := readTrigger(event)
	if err != nil {
		return nil, err
	}
	run, end := r.begin(ctx)
	if len(messages) == 0 {
		err := run.drain()
		report := end()
		run.mustGoOn()
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	}
	type failure struct {
		ID string `json:"itemIdentifier"`
	}
	failures := []failure{}
	dispositions := run.batch(messages)
	for i, d := range dispositions {
		if !d.done() {
			failures = append(failures, failure{messages[i].ID})
		}
	}
	if run.overran.Load() {
		run.giveBack(messages, dispositions)
	}
	end()
	run.mustGoOn()
	return json.Marshal(map[string]any{"batchItemFailures": failures})
}

// mustGoOn panics if a message is still in work that was given up: it would go on in
// the next invocations. All messages are dealt with. Lambda reports the panic, and
// starts a new process.
func (r *run) mustGoOn() {
	if r.overran.Load() {
		panic(errOverrun)
	}
}

// run is one invocation of a replayer.
type run struct {
	*Replayer
	start   time.Time
	sending context.Context // sending must end with it
	saving  context.Context // for the queues
	overdue time.Time       // when a message that is still in work is given up; zero means never
	deletes bool            // if not, Lambda deletes the messages that are done

	fresh   bool                // it is the first of the process
	alone   *semaphore.Weighted // a share for each message in work, all for one that is isolated
	overran atomic.Bool         // a message was given up

	mu      sync.Mutex
	report  Report
	stopErr error // why no more messages are tried
	aged    int   // the age in seconds that was reported before the work
}

func (r *Replayer) begin(ctx context.Context) (_ *run, end func() Report) {
	start := time.Now()
	sending, saving, release := function.SplitDeadline(ctx, r.reserve)
	run := &run{Replayer: r, start: start, sending: sending, saving: saving, alone: semaphore.NewWeighted(everyone), report: Report{Messages: new(Messages)}}
	if late, ok := saving.Deadline(); ok {
		early, _ := sending.Deadline()               // there too
		run.overdue = early.Add(late.Sub(early) / 4) // the rest is for putting it anew
	}
	run.fresh = r.runs.Add(1) == 1
	run.mourn()
	return run, func() Report {
		release()
		run.report.Breaker = r.breaker()
		run.report.Millis, run.report.Left = function.Elapsed(ctx, start)
		writeReport(ctx, r.out, &run.report)
		return run.report
	}
}

func (r *run) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopErr != nil || r.sending.Err() != nil
}

func (r *run) stop(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopErr = cmp.Or(r.stopErr, err)
}

// disposition is what becomes of a message.
type disposition int

const (
	delivered   disposition = iota // every log event was confirmed or filtered
	putBack                        // the unconfirmed log events are in the queue as new messages
	quarantined                    // unreadable, or it killed replay too often; in the quarantine queue
	isolated                       // in the queue as a new message, to be replayed alone
	overflowed                     // in the archive, since it nears its expiry
	kept                           // stays in the queue, for later or for its redrive policy
	untried                        // stays in the queue: the run has stopped
)

// done reports whether the message can be deleted.
func (d disposition) done() bool { return d <= overflowed }

// handle replays a message, and deletes it or makes it visible again after its
// backoff.
func (r *run) handle(m dlq.Message) disposition {
	o := outcome{untried, Report{Left: -1}, nil}
	if f, found := r.journal.find(m.ID); found {
		// The death counts for the message as it was then.
		if o = r.bereaved(f.message); o.disposition == isolated {
			f.remove()
		} else {
			r.journal.keep(f)
		}
	} else if release := r.enter(m); release != nil {
		if m.Entry.Cause.Deaths >= maxDeaths {
			o = r.bury(m)
		} else {
			o = r.watched(m)
		}
		r.stop(o.stop)
		release()
	}
	o = r.overflow(m, o)
	d, report := o.disposition, o.report
	switch {
	case !d.done():
		if err := r.inbox.ChangeVisibility(r.saving, m, m.Backoff()); err != nil {
			r.out.Log.Warn("a message becomes visible again only after its visibility timeout", "error", err)
		}
	case r.deletes:
		if err := r.inbox.Delete(r.saving, m); err != nil {
			// It becomes visible and is sent again: a duplicate, not a loss.
			r.out.Log.Error("a message was handled but could not be deleted", "error", err)
		}
	}
	count := countOf(m, d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Add(report)
	r.report.Messages.add(count)
	if r.report.Error == "" {
		r.report.Class, r.report.Error = report.Class, report.Error
	}
	if r.Progress != nil {
		report.Messages = &count
		r.Progress(report)
	}
	return d
}

// attempt sends the event of a message. mine reports whether the message was not given up
// meanwhile, and is not any more.
func (r *run) attempt(m dlq.Message, mine func() bool) (o outcome) {
	var withheld error
	if r.keepRules && m.Entry.Cause.Rules && r.rulebook.place == (rulesPlace{}) {
		withheld = ErrRulesMissing
	}
	err := r.inWork(m, func(limit int64) (more bool) {
		decoder := r.takeDecoder()
		left, sent := r.send(r.sending, decoder, m.Entry.Event, limit, withheld)
		if left.tooLarge && limit < r.limit {
			return true
		}
		if !mine() {
			return false
		}
		if o = r.settle(m, left, sent); withheld != nil {
			o.stop = nil // others may go
		}
		if o.report.PayloadBytes <= keepDecoded {
			r.keepDecoder(decoder)
		}
		return false
	})
	if err != nil {
		return outcome{untried, Report{Left: -1}, err}
	}
	return o
}

// settle does with the remainder of a message what becomes it.
func (r *run) settle(m dlq.Message, left remainder, report Report) outcome {
	if left.events == 0 {
		return outcome{delivered, report, nil}
	}
	// The cause is that of the event's whole history, not of this attempt alone.
	left.cause.FirstFailure, left.cause.Attempts = m.Entry.Cause.FirstFailure, m.Entry.Cause.Attempts+1
	if left.batch == nil {
		if r.quarantine(m, left.cause) {
			report.Quarantined = left.events
			return outcome{quarantined, report, nil}
		}
		report.DeadLettered = left.events
		return outcome{kept, report, nil}
	}
	report.DeadLettered = left.events
	var stop error
	if sumo.Class(left.cause.Class) != sumo.Rejected {
		stop = errors.New(left.cause.Message)
	}
	if !left.partial {
		return outcome{kept, report, stop}
	}
	left.inQueue = true
	if _, err := r.deadLetter(r.saving, left); err != nil {
		if lost, ok := errors.AsType[*LostError](err); ok { // which it is not: the queue has it
			err = lost.Err
		}
		r.out.Log.Error("a message stays whole, and some of it will be sent twice: the rest could not be put back", "message", m.ID, "error", err)
		return outcome{kept, report, stop}
	}
	return outcome{putBack, report, stop}
}

// quarantine puts a message into the quarantine queue, as it is, and reports whether it is there. Without such a queue the message stays
// until its redrive policy moves it.
func (r *run) quarantine(m dlq.Message, cause dlq.Cause) bool {
	if r.quarantineQueue == nil {
		return false
	}
	if _, err := r.quarantineQueue.Put(r.saving, []dlq.Entry{{Event: []byte(m.Body), Cause: cause}}); err != nil {
		r.out.Log.Error("a message stays: it could not be put into the quarantine queue", "error", err)
		return false
	}
	return true
}
