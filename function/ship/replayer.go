package ship

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/sumo"
	"sumoship/transform"
)

// Inbox is the dead-letter queue, as far as taking messages out of it goes.
type Inbox interface {
	// Receive takes up to n messages for the time of hidden. It waits up to wait
	// for the first.
	Receive(ctx context.Context, n int, wait, hidden time.Duration) ([]dlq.Message, error)
	Delete(ctx context.Context, m dlq.Message) error
	// Release gives a message back, to be seen again after that time.
	Release(ctx context.Context, m dlq.Message, after time.Duration) error
}

// Replayer is the function that sends again what lies in the dead-letter queue.
type Replayer struct {
	*shipper
	inbox   Inbox
	parking Queue

	// Seen, if not nil, is told of every message that was dealt with. It may be
	// called by several goroutines at once.
	Seen func(Report)
}

// ReplayOptions are what a Replayer is made of.
type ReplayOptions struct {
	Options
	Inbox   Inbox // nil means that of TASK_QUEUE_URL
	Parking Queue // nil means that of PARKING_QUEUE_URL, if any
}

// NewReplayer makes a replayer from its environment. The error names every
// variable that is wrong.
func NewReplayer(o ReplayOptions) (*Replayer, error) {
	s, err := newShipper(o.Options, "")
	if err != nil {
		return nil, err
	}
	s.client.Name = "dlq-aws-lambda" // whatever SUMO_CLIENT_HEADER says, as with Sumo's function
	s.client.Together = max(s.inFlight, s.workers)
	r := &Replayer{shipper: s, inbox: o.Inbox, parking: o.Parking}
	if r.inbox == nil {
		if s.queueURL == "" {
			return nil, errors.New("TASK_QUEUE_URL: is not set; it is to be the URL of the dead-letter queue")
		}
		r.inbox = dlq.New(s.queueURL, s.delay, openSQS(s.load, s.queueURL))
	}
	if r.parking == nil && s.parkingURL != "" {
		r.parking = dlq.New(s.parkingURL, 0, openSQS(s.load, s.parkingURL))
	}
	return r, nil
}

// Invoke takes an event of an SQS event source mapping, and then answers with
// the messages that are to stay ({"batchItemFailures":[…]}; the mapping has to
// have ReportBatchItemFailures). Any other event, {} for one, makes it drain the
// queue by itself, and then it answers with a Report.
//
// Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and
// "Handling errors for an SQS event source".
func (r *Replayer) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var in struct {
		Records []struct {
			MessageID         string            `json:"messageId"`
			ReceiptHandle     string            `json:"receiptHandle"`
			Body              string            `json:"body"`
			Attributes        map[string]string `json:"attributes"`
			MessageAttributes map[string]struct {
				StringValue string `json:"stringValue"`
			} `json:"messageAttributes"`
			EventSource string `json:"eventSource"`
		}
	}
	if json.Unmarshal(event, &in) != nil || len(in.Records) == 0 || in.Records[0].EventSource != "aws:sqs" {
		report, err := r.Drain(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	}
	type failure struct {
		ID string `json:"itemIdentifier"`
	}
	failures := []failure{}
	run, end := r.begin(ctx)
	for _, record := range in.Records {
		attributes := map[string]string{}
		for name, v := range record.MessageAttributes {
			attributes[name] = v.StringValue
		}
		m := dlq.NewMessage(record.MessageID, record.Body, record.Attributes, attributes).WithHandle(record.ReceiptHandle)
		if !run.handle(m) {
			failures = append(failures, failure{m.ID})
		}
	}
	end()
	return json.Marshal(map[string]any{"batchItemFailures": failures})
}

const (
	// receiveWait is how long an empty queue is waited for before it counts as
	// empty. Long polling asks all of SQS's servers.
	receiveWait = time.Second
	// worthwhile is how much time has to be left for another message.
	worthwhile = 2 * time.Second
	// hiddenFor is for how long a message is ours where there is no deadline.
	hiddenFor = 15 * time.Minute
	// share is how many bytes of messages a worker takes at a time, as far as it
	// can tell beforehand.
	share = 512 << 10
)

// Drain sends what is in the queue until there is nothing left to be seen, time
// is short, or Sumo Logic does not take it. The error is of the queue: the first
// of those that its workers got.
func (r *Replayer) Drain(ctx context.Context) (Report, error) {
	run, end := r.begin(ctx)
	var wg sync.WaitGroup
	// So many requests are under way at once as there are workers. Some more
	// workers get the next messages ready meanwhile.
	workers := r.workers
	if workers >= r.inFlight {
		workers += workers / 2
	}
	errs := make([]error, workers)
	for i := range workers {
		wg.Go(func() { errs[i] = run.work() })
	}
	wg.Wait()
	return end(), cmp.Or(errs...)
}

// Preview tells what a replay of an event would send, and sends nothing:
// records are what there is to confirm.
func (r *Replayer) Preview(event []byte) Report {
	report := Report{Left: -1}
	batch, err := transform.Decode(event, r.limit)
	if err != nil {
		report.Events = 1
		report.failed(Undecodable, err)
		return report
	}
	report.LogGroup, report.LogStream, report.Events, report.PayloadBytes = batch.LogGroup, batch.LogStream, batch.Len(), batch.Size()
	for rec := range r.records.Records(batch) {
		if rec.Dropped != transform.Kept {
			report.filter(rec.Dropped.String(), 1)
		} else {
			report.Records++
		}
	}
	return report
}

// run is one invocation of a replayer.
type run struct {
	r       *Replayer
	ctx     context.Context // for the queues
	sending context.Context // the part of it in which sending is allowed

	mu     sync.Mutex
	report Report
	halted error // why no more messages are tried
}

func (r *Replayer) begin(ctx context.Context) (x *run, end func() Report) {
	start := time.Now()
	sending, parking, release := function.SplitDeadline(ctx, r.reserve)
	x = &run{r: r, ctx: parking, sending: sending}
	x.report.Messages = new(Messages)
	return x, func() Report {
		release()
		x.report.took(ctx, start)
		writeReport(ctx, r.report, &x.report)
		return x.report
	}
}

// work takes messages until there are none.
func (x *run) work() error {
	n := 1
	for x.goOn() {
		hidden := hiddenFor
		if deadline, ok := x.ctx.Deadline(); ok {
			hidden = time.Until(deadline) + time.Minute
		}
		messages, err := x.r.inbox.Receive(x.sending, n, receiveWait, hidden)
		if err != nil && x.sending.Err() == nil {
			return err
		}
		if len(messages) == 0 {
			return nil
		}
		bytes := 0
		for _, m := range messages {
			bytes += len(m.Body)
			if !x.handle(m) {
				continue
			}
			if err := x.r.inbox.Delete(x.ctx, m); err != nil {
				// It comes back and is sent again: a duplicate, not a loss.
				x.r.report.Log.Error("a message that was dealt with could not be deleted", "error", err)
			}
		}
		n = max(1, min(10, share*len(messages)/max(bytes, 1)))
	}
	return nil
}

func (x *run) goOn() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if deadline, ok := x.sending.Deadline(); ok && time.Until(deadline) < worthwhile {
		return false
	}
	return x.halted == nil && x.sending.Err() == nil
}

// handle deals with one message. done says that the message is to be deleted:
// all of it was confirmed or filtered, or is in a queue anew. Otherwise it was
// given back, to come again later.
func (x *run) handle(m dlq.Message) (done bool) {
	var report Report
	var count Messages
	count.Received = 1
	if !m.Sent.IsZero() {
		count.Age = max(0, int(time.Since(m.Sent).Seconds()))
	}
	switch {
	case x.stopped():
		x.release(m)
		count.Untried = 1
	default:
		done = x.try(m, &report, &count)
		if done {
			count.Done = 1
		} else {
			x.release(m)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.report.Add(report)
	x.report.Messages.add(count)
	if report.Error != "" {
		x.report.failed(report.Class, errors.New(report.Error))
	}
	if x.r.Seen != nil {
		report.Messages = &count
		x.r.Seen(report)
	}
	return done
}

func (m *Messages) add(o Messages) {
	m.Received += o.Received
	m.Done += o.Done
	m.PutBack += o.PutBack
	m.Poison += o.Poison
	m.Kept += o.Kept
	m.Untried += o.Untried
	m.Age = max(m.Age, o.Age)
}

func (x *run) stopped() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.halted != nil || x.sending.Err() != nil
}

// release gives a message back. If that fails, it comes back by itself when its
// time is up.
func (x *run) release(m dlq.Message) {
	if err := x.r.inbox.Release(x.ctx, m, m.RetryAfter()); err != nil {
		x.r.report.Log.Warn("a message could not be given back before its time", "error", err)
	}
}

// try sends the event of a message.
func (x *run) try(m dlq.Message, report *Report, count *Messages) (done bool) {
	decoder := x.r.decoder()
	defer x.r.keep(decoder)
	rest := x.r.send(x.sending, decoder, m.Letter.Event, report)
	if rest.events == 0 {
		return true
	}
	// The cause tells of the whole way of the event, not of this try alone.
	rest.cause.FirstFailure, rest.cause.Attempts = m.Letter.Cause.FirstFailure, m.Letter.Cause.Attempts+1
	switch {
	case rest.batch == nil:
		count.Poison = 1
		report.Parked = rest.events
		return x.park(m, rest.cause)
	case rest.part:
		if err := x.r.park(x.ctx, rest, report); err != nil {
			// The message stays, whole. Parts of it may come twice.
			report.Parked, report.Lost = report.Parked+report.Lost, 0
			report.failed(rest.cause.Class, err)
			count.Kept = 1
		} else {
			count.PutBack, done = 1, true
		}
	default:
		report.Parked = rest.events
		count.Kept = 1
	}
	if sumo.Class(rest.cause.Class) != sumo.Rejected {
		x.mu.Lock()
		x.halted = errors.New(rest.cause.Message)
		x.mu.Unlock()
	}
	return done
}

// park puts a message that cannot be read into the parking queue, as it is.
// Without such a queue it stays for the redrive policy of its own.
func (x *run) park(m dlq.Message, cause dlq.Cause) bool {
	if x.r.parking == nil {
		return false
	}
	if _, err := x.r.parking.Put(x.ctx, []dlq.Letter{{Event: []byte(m.Body), Cause: cause}}); err != nil {
		x.r.report.Log.Error("a message could not be put into the parking queue and stays", "error", err)
		return false
	}
	return true
}
