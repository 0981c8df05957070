// Package ship carries log events to Sumo Logic. Forwarder takes them from
// CloudWatch Logs, StreamForwarder from a Kinesis stream and Replayer from the
// dead-letter queue; all share one way: decode, send, dead-letter what Sumo Logic did not confirm, report.
package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/function/trigger"
	"sumoship/sumo"
	"sumoship/transform"
	"sumoship/version"
)

// Options are what a Forwarder is made of.
type Options struct {
	function.Env
	HTTP    *http.Client          // nil means a client of its own
	AWS     function.ConfigLoader // nil means Lambda's environment
	Secrets Secrets               // nil means SSM and Secrets Manager
	Objects Objects               // nil means S3
	Tags    Tags                  // nil means CloudWatch Logs

	Interfaces Describer // nil means Amazon EC2
	Queue      Queue     // nil means that of TASK_QUEUE_URL; without either, Lambda retries what is not confirmed
}

// Queue is a queue that takes entries: the dead-letter queue, or the quarantine
// queue.
type Queue interface {
	// Limit returns the size of the largest event that the queue accepts, in
	// bytes.
	Limit(ctx context.Context) (int, error)
	// Put adds entries. It returns the indexes of those that the queue did not
	// accept.
	Put(ctx context.Context, entries []dlq.Entry) (failed []int, err error)
}

// Undecodable is the class of what is not an event of CloudWatch Logs, beside
// the classes of package sumo.
const Undecodable = "undecodable"

// Killed is the class of a message that killed replay, or would have.
const Killed = "killed"

// shipper is the way of an event that Forwarder and Replayer share.
type shipper struct {
	config
	load      function.ConfigLoader
	out       *function.Reporter
	endpoints *endpoints
	rulebook  *rulebook
	tags      *tagCache

	interfaces *interfaceCache // nil if flow records do not tell of them
	client     *sumo.Client
	queue      Queue
	decoders   chan *transform.Decoder // kept for their buffers

	tellSources sync.Once // that an event has too many
}

func newShipper(o Options, clientName string, p patience) (*shipper, error) {
	c, err := readConfig(o.Getenv, p)
	if err != nil {
		return nil, err
	}
	s := &shipper{config: c, load: o.AWS, out: function.NewReporter(o.Out, c.functionName), queue: o.Queue}
	if s.load == nil {
		s.load = function.LambdaConfig(o.Getenv)
	}
	secrets := o.Secrets
	if secrets == nil {
		secrets = stores{s.load}
	}
	if s.queue == nil && c.queueURL != "" {
		s.queue = dlq.New(c.queueURL, c.delay, openSQS(s.load, c.queueURL))
	}
	s.endpoints = &endpoints{endpoint: c.endpoint, token: c.token, secrets: discreet{secrets}, log: s.out.Log}
	calls := newSigned(s.load, readLimit)
	s.rulebook = &rulebook{place: c.rules, key: c.rulesKey, secrets: discreet{secrets}, objects: o.Objects, log: s.out.Log}
	if s.rulebook.objects == nil {
		s.rulebook.objects = calls
	}
	if s.tags = (&tagCache{tags: o.Tags, log: s.out.Log}); s.tags.tags == nil {
		s.tags.tags = calls
	}
	s.client = &sumo.Client{
		HTTP: o.HTTP, Log: s.out.Log, Name: cmp.Or(c.clientName, clientName), UserAgent: version.Agent(), NoCompression: c.plain, Level: c.level,
		MaxBody: c.maxBody, InFlight: c.inFlight, Attempts: c.attempts, InitialBackoff: c.pause, Timeout: c.timeout,
	}
	s.decoders = make(chan *transform.Decoder, 2*c.workers)
	if c.describe {
		s.interfaces = newInterfaceCache(s.load, o.Interfaces, func(err error) {
			s.out.Log.Warn("network interfaces are not known: flow records go without them", "error", err)
		})
	}
	return s, nil
}

// ship ships one event. If Report.Lost is not 0, some log events are
// neither confirmed nor dead-lettered, and the error says why.
func (s *shipper) ship(ctx context.Context, event []byte) (Report, error) {
	start := time.Now()
	decoder := s.takeDecoder()
	defer s.keepDecoder(decoder)
	sending, saving, end := function.SplitDeadline(ctx, s.reserve)
	defer end()
	left, r := s.send(sending, decoder, event, s.limit, nil)
	r.Breaker = s.breaker()
	var err error
	if left.foreign == nil {
		r.DeadLettered, err = s.deadLetter(saving, left)
	} else {
		// Who reads a stream or a queue for it keeps the event, and Lambda dead-letters
		// what was sent asynchronously. To do so here would look like success, or for a
		// stream add a message with each try.
		err = &LostError{left.events, left.foreign}
	}
	r.Lost = left.events - r.DeadLettered
	r.Millis, r.Left = function.Elapsed(ctx, start)
	return r, err
}

// breaker returns the state of the breaker, "" if it is closed.
func (s *shipper) breaker() string {
	state, _ := s.client.Breaker.State()
	if state == sumo.Closed {
		return ""
	}
	return string(state)
}

func (s *shipper) takeDecoder() *transform.Decoder {
	select {
	case d := <-s.decoders:
		return d
	default:
		return new(transform.Decoder)
	}
}

// keepDecoder keeps a decoder for its buffers. A sync.Pool would give them up at
// every other garbage collection.
func (s *shipper) keepDecoder(d *transform.Decoder) {
	select {
	case s.decoders <- d:
	default:
	}
}

// remainder is what of an event Sumo Logic did not confirm.
type remainder struct {
	event       []byte           // the whole event, as it came
	events      int              // unconfirmed log events; 1 if the event could not be decoded
	batch       *transform.Batch // nil if the event could not be decoded
	unconfirmed []int            // their indexes in batch
	partial     bool             // other log events were confirmed
	tooLarge    bool             // it inflates to more than the limit
	inQueue     bool             // the whole event is in the queue until this is in it
	foreign     error            // the event is known to be of another service
	cause       dlq.Cause
}

// send decodes an event, which may inflate to limit bytes, and delivers its records,
// until ctx is done. No record leaves if withheld says why.
func (s *shipper) send(ctx context.Context, decoder *transform.Decoder, event []byte, limit int64, withheld error) (remainder, Report) {
	start := time.Now()
	batch, err := decoder.Decode(event, limit)
	return s.sendBatch(ctx, event, batch, err, withheld, time.Since(start))
}

// sendBatch delivers the records of a batch, or accounts for the event that could not
// be decoded into one.
func (s *shipper) sendBatch(ctx context.Context, event []byte, batch *transform.Batch, err, withheld error, decoding time.Duration) (remainder, Report) {
	left, r := remainder{event: event}, Report{Left: -1}
	fail := func(class string, err error) {
		r.failed(class, err, left.events)
		left.cause = dlq.Cause{Class: class, Message: err.Error(), FirstFailure: time.Now().UTC(), LogGroup: r.LogGroup, Attempts: 1, Rules: s.rulebook.place != rulesPlace{}}
	}
	if err != nil {
		left.tooLarge = errors.Is(err, transform.ErrTooLarge)
		if left.foreign = foreign(event, err); left.foreign != nil {
			err = left.foreign
		}
		r.Events, left.events = 1, 1
		fail(Undecodable, err)
		return left, r
	}
	ctx, end := spare(ctx, batch, decoding)
	defer end()
	left.batch = batch
	r.read(batch)
	if batch.Len() == 0 {
		return left, r
	}
	set, stale, err := s.rulebook.get(ctx)
	if err = cmp.Or(withheld, err); err != nil {
		// Without the rules nobody knows what to mask: nothing leaves.
		for i := range batch.Len() {
			left.unconfirmed = append(left.unconfirmed, i)
		}
		left.events, r.Records = batch.Len(), batch.Len()
		fail(string(sumo.Misconfigured), err)
		return left, r
	}
	r.StaleRules = stale
	by := &Treatment{Set: set, Tags: s.tagsFor(ctx)}
	var delivery *sumo.Delivery
	endpoint, err := s.endpoints.get(ctx)
	if err == nil {
		delivery, err = s.client.Begin(ctx, endpoint)
	}
	if err != nil {
		unread := 0
		by.FilterOnly = true
		for rec := range s.options(batch, by).Records(batch) {
			if ctx.Err() != nil {
				break
			}
			unread = rec.Event + 1
			if rec.Dropped != transform.Kept && rec.Why != unknownTags {
				r.filter(rec.Reason(), 1)
			} else {
				left.unconfirmed = append(left.unconfirmed, rec.Event)
			}
		}
		for ; unread < batch.Len(); unread++ {
			left.unconfirmed = append(left.unconfirmed, unread)
		}
		left.events = len(left.unconfirmed)
		r.Records, r.UnknownTags = left.events, by.NoTags
		if errors.Is(err, sumo.ErrOpen) {
			r.Untried = left.events
		}
		if left.events > 0 {
			fail(string(cmp.Or(sumo.ClassOf(err), sumo.Misconfigured)), err)
		}
		return left, r
	}
	ended := false
	defer func() {
		if !ended {
			delivery.Abandon()
		}
	}()
	options := s.withInterfaces(ctx, batch, s.options(batch, by))
	sources := sources{limit: s.maxSources, records: options, batch: batch}
	unread := 0
	for rec := range options.Records(batch) {
		// Without time, to write the other records would take what is left for
		// dead-lettering them.
		if ctx.Err() != nil {
			break
		}
		unread = rec.Event + 1
		switch {
		case rec.Why == unknownTags:
			delivery.Skip(rec.Event)
			continue
		case rec.Dropped != transform.Kept:
			r.filter(rec.Reason(), 1)
			continue
		}
		delivery.Add(sources.admit(rec), rec.Event, rec.Line)
	}
	for ; unread < batch.Len(); unread++ {
		delivery.Skip(unread)
	}
	outcome := delivery.Wait()
	ended = true
	r.delivered(outcome)
	by.Count()
	r.Masked, r.UnknownTags = by.Masked, by.NoTags
	if r.OverMaxSources = sources.refused; r.OverMaxSources > 0 {
		s.tellSources.Do(func() {
			s.out.Log.Warn("an event has more sources than MAX_SOURCES; records of the others go with the source of their payload", "logGroup", r.LogGroup, "maxSources", s.maxSources)
		})
	}
	if len(outcome.Unconfirmed) == 0 {
		return left, r
	}
	class, err := sumo.ClassOf(outcome.Err), outcome.Err
	if class == sumo.Misconfigured {
		s.endpoints.suspect()
	}
	if by.unknown != nil {
		class, err = sumo.Misconfigured, fmt.Errorf("rules that match on tags: %w", by.unknown)
	}
	left.events, left.unconfirmed, left.partial = len(outcome.Unconfirmed), outcome.Unconfirmed, outcome.Confirmed > 0
	fail(string(class), err)
	return left, r
}

// foreign returns an error that names the service of an event that is not one of
// CloudWatch Logs, nil if it is not known.
func foreign(event []byte, err error) error {
	if e, ok := errors.AsType[*transform.DecodeError](err); !ok || e.Stage != transform.StageEvent {
		return nil
	}
	of := trigger.Of(event)
	if of.Function == trigger.Forwarder {
		return nil
	}
	return of.Error("want one of Amazon CloudWatch Logs")
}

// heartbeats reports whether a log group is that of the heartbeat.
func (s *shipper) heartbeats(group string) bool { return s.heartbeat != "" && group == s.heartbeat }

// countHeartbeat counts the heartbeats of a report.
func (s *shipper) countHeartbeat(r *Report) {
	if s.heartbeats(r.LogGroup) {
		r.Heartbeat = r.Confirmed
	}
}

// writeReport writes the report of a function that may have heartbeats.
func (s *shipper) writeReport(ctx context.Context, r *Report) {
	var more []function.Metric
	if s.heartbeat != "" {
		more = append(more, function.Count("Heartbeat", r.Heartbeat)) // 0 too, to be subtracted from Events
	}
	writeReport(ctx, s.out, r, more...)
}

// options returns the options for the records of a batch, by its rules. No rule drops
// a heartbeat, which is to prove the whole way.
func (s *shipper) options(b *transform.Batch, by *Treatment) transform.Options {
	o := s.records
	switch {
	case s.heartbeats(b.LogGroup):
		o.StreamPrefixes, o.Internal = nil, nil
	case by.Set != nil:
		return by.Apply(o)
	}
	return o
}

// LostError says that log events reached neither Sumo Logic nor the dead-letter
// queue. Lambda then retries the event and, after its attempts, sends it to the
// function's own dead-letter queue. Lambda reports an error by the name of its
// type, so that an alarm can watch for this one.
type LostError struct {
	Events int
	Err    error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%d log events reached neither Sumo Logic nor the dead-letter queue: %v", e.Events, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

var errNoQueue = errors.New("there is no dead-letter queue")

// deadLetter puts the remainder of an event into the dead-letter queue: the event
// as it came if none of it was confirmed and it fits, otherwise events rebuilt
// from the unconfirmed log events. If that does not succeed in time, the event goes
// as it came if it fits, for what is confirmed arrives twice rather than the rest
// never. It returns how many log events the queue accepted, and a *LostError if
// that is not all of them.
func (s *shipper) deadLetter(ctx context.Context, left remainder) (accepted int, err error) {
	if left.events == 0 {
		return 0, nil
	}
	lost := func(err error) error {
		return &LostError{left.events - accepted, fmt.Errorf("%s; %w", left.cause.Message, err)}
	}
	if s.queue == nil {
		return 0, lost(errNoQueue)
	}
	limit, err := s.queue.Limit(ctx)
	if err != nil {
		return 0, lost(err)
	}
	put := func(parts ...transform.Part) error {
		if len(parts) == 0 {
			return nil
		}
		entries := make([]dlq.Entry, len(parts))
		for i, p := range parts {
			entries[i] = dlq.Entry{Event: p.Event, Cause: left.cause}
			accepted += p.Events
		}
		failed, err := s.queue.Put(ctx, entries)
		for _, i := range failed {
			accepted -= parts[i].Events
		}
		return err
	}
	whole := transform.Part{Event: left.event, Events: left.events}
	fits := len(left.event) <= limit
	switch {
	case fits && (left.batch == nil || !left.partial):
		err = put(whole)
	case left.batch != nil:
		rest, complete, failed := s.rebuild(ctx, left, limit-left.cause.Size(), put)
		if !complete && failed == nil && accepted == 0 {
			// A log event that does not fit beside its cause goes without it.
			rest, complete, failed = s.rebuild(ctx, left, limit, put)
		}
		switch before := accepted; {
		case complete:
		case left.inQueue:
			rest = nil // or they would be there twice, and twice as often after each replay
		case fits:
			accepted = 0
			if err = put(whole); accepted == left.events {
				return accepted, nil
			}
			accepted = before
		}
		err = errors.Join(failed, err, put(rest...))
	}
	if accepted == left.events {
		return accepted, nil
	}
	if err == nil {
		err = sizeError(limit)
	}
	return accepted, lost(err)
}

// sizeError is the limit, in bytes, of a queue that an event does not fit.
type sizeError int

func (e sizeError) Error() string { return fmt.Sprintf("the queue accepts at most %d bytes", int(e)) }

// rebuild rebuilds events from the unconfirmed log events and puts them while it
// goes on, so that at most twice limit bytes of them are in memory; rest is not put
// yet. It leaves half of the time for putting the whole event, if that fits.
// complete is false if some log events are in none.
func (s *shipper) rebuild(ctx context.Context, left remainder, limit int, put func(...transform.Part) error) (rest []transform.Part, complete bool, err error) {
	if deadline, ok := ctx.Deadline(); ok && len(left.event) <= limit {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer end()
	}
	size, events := 0, 0
	for p := range left.batch.Rebuild(ctx, func(event int) bool {
		_, found := slices.BinarySearch(left.unconfirmed, event)
		return found
	}, limit) {
		if p.Event == nil {
			continue
		}
		if size += len(p.Event); size > limit && !left.inQueue {
			err = errors.Join(err, put(rest...))
			rest, size = nil, len(p.Event)
		}
		rest = append(rest, p)
		events += p.Events
	}
	if ctx.Err() != nil {
		err = errors.Join(err, fmt.Errorf("rebuilding the event: %w", ctx.Err()))
	}
	return rest, events == left.events, err
}

// spare ends work early where an event is large: rebuilding it takes about as long
// as it took to decode it, more than the usual reserve where the processor is slow.
// At least half of the time is left to work.
func spare(ctx context.Context, batch *transform.Batch, decoding time.Duration) (context.Context, context.CancelFunc) {
	const large = 4 << 20
	deadline, ok := ctx.Deadline()
	if !ok || batch.Size() < large {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(2*decoding, time.Until(deadline)/2)))
}
