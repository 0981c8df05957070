// Package ship carries log events to Sumo Logic. Forwarder takes them from
// CloudWatch Logs and Replayer from the dead-letter queue; both share one way:
// decode, send, dead-letter what was not confirmed, report.
package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/sumo"
	"sumoship/transform"
)

// Options are what a Forwarder is made of. Nil means what the environment
// variables name.
type Options struct {
	function.Env
	HTTP    *http.Client          // nil means the network
	AWS     function.ConfigLoader // nil means what Lambda puts into the environment
	Secrets Secrets               // nil means SSM and Secrets Manager
	Queue   Queue                 // nil means that of TASK_QUEUE_URL; without one, what is not confirmed goes back to Lambda
}

// Queue is the dead-letter queue, as far as the way of an event goes.
type Queue interface {
	// Limit is the size of the largest event that the queue takes, in bytes.
	Limit(ctx context.Context) (int, error)
	// Put adds letters. Those with the returned numbers did not get in.
	Put(ctx context.Context, letters []dlq.Letter) (failed []int, err error)
}

// Undecodable is the class of an event that is none of CloudWatch Logs, besides
// the classes of package sumo.
const Undecodable = "undecodable"

// shipper is the way of an event from CloudWatch Logs to Sumo Logic, which all
// functions that ship share.
type shipper struct {
	config
	load      function.ConfigLoader
	report    *function.Reporter
	endpoints *endpoints
	client    *sumo.Client
	queue     Queue
	decoders  chan *transform.Decoder // kept for their buffers
}

func newShipper(o Options, clientName string) (*shipper, error) {
	c, err := readConfig(o.Getenv)
	if err != nil {
		return nil, err
	}
	s := &shipper{config: c, load: o.AWS, report: function.NewReporter(o.Out, c.functionName), queue: o.Queue}
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
	s.endpoints = &endpoints{endpoint: c.endpoint, token: c.token, secrets: secrets}
	s.client = &sumo.Client{
		HTTP: o.HTTP, Log: s.report.Log, Name: cmp.Or(c.clientName, clientName), Plain: c.plain, Level: c.level,
		MaxBody: c.maxBody, InFlight: c.inFlight, Attempts: c.attempts, Pause: c.pause, Timeout: c.timeout,
	}
	s.decoders = make(chan *transform.Decoder, 2*c.workers)
	for _, name := range c.ignored {
		s.report.Log.Warn("this variable has no effect yet: records go without what it asks for", "variable", name)
	}
	return s, nil
}

// ship takes one event all the way: what Sumo Logic does not confirm is parked.
// The report says what became of it; Report.Lost is not 0 if something is
// neither confirmed nor parked, and then the error says why.
func (s *shipper) ship(ctx context.Context, event []byte) (Report, error) {
	start := time.Now()
	r := Report{Left: -1}
	decoder := s.decoder()
	defer s.keep(decoder)
	sending, parking, end := function.SplitDeadline(ctx, s.reserve)
	defer end()
	rest := s.send(sending, decoder, event, &r)
	err := s.park(parking, rest, &r)
	r.took(ctx, start)
	return r, err
}

// decoder is one that was kept, or a new one.
func (s *shipper) decoder() *transform.Decoder {
	select {
	case d := <-s.decoders:
		return d
	default:
		return new(transform.Decoder)
	}
}

// keep keeps a decoder for its buffers, for which a sync.Pool is no place: it
// gives them up at every other garbage collection.
func (s *shipper) keep(d *transform.Decoder) {
	select {
	case s.decoders <- d:
	default:
	}
}

// rest is what of an event is not confirmed.
type rest struct {
	event  []byte           // as it came
	events int              // log events that are left; 1 if it could not be decoded
	batch  *transform.Batch // nil if it could not be decoded
	left   []int            // which of the batch's they are
	part   bool             // others were confirmed
	cause  dlq.Cause
}

// send decodes an event and delivers its records, until ctx is done.
func (s *shipper) send(ctx context.Context, decoder *transform.Decoder, event []byte, r *Report) rest {
	rest := rest{event: event}
	fail := func(class string, err error) {
		r.failed(class, err)
		rest.cause = dlq.Cause{Class: class, Message: err.Error(), FirstFailure: time.Now().UTC(), LogGroup: r.LogGroup, Attempts: 1}
	}
	batch, err := decoder.Decode(event, s.limit)
	if err != nil {
		r.Events, rest.events = 1, 1
		fail(Undecodable, err)
		return rest
	}
	rest.batch = batch
	r.LogGroup, r.LogStream, r.Events, r.PayloadBytes = batch.LogGroup, batch.LogStream, batch.Len(), batch.Size()
	if batch.Len() == 0 {
		return rest
	}
	endpoint, err := s.endpoints.get(ctx)
	if err != nil {
		for rec := range s.records.Records(batch) {
			if rec.Dropped != transform.Kept {
				r.filter(rec.Dropped.String(), 1)
			} else {
				rest.left = append(rest.left, rec.Event)
			}
		}
		r.Records, rest.events = len(rest.left), len(rest.left)
		if rest.events > 0 {
			fail(string(sumo.Misconfigured), err)
		}
		return rest
	}
	delivery := s.client.Begin(ctx, endpoint)
	for rec := range s.records.Records(batch) {
		if rec.Dropped != transform.Kept {
			r.filter(rec.Dropped.String(), 1)
			continue
		}
		delivery.Add(sumo.Source(rec.Source), rec.Event, rec.Line)
	}
	outcome := delivery.Wait()
	r.delivered(outcome)
	if len(outcome.Unconfirmed) == 0 {
		return rest
	}
	class := sumo.ClassOf(outcome.Err)
	if class == sumo.Misconfigured {
		s.endpoints.forget()
	}
	rest.events, rest.left, rest.part = len(outcome.Unconfirmed), outcome.Unconfirmed, outcome.Confirmed > 0
	fail(string(class), outcome.Err)
	return rest
}

// LostError tells that log events reached neither Sumo Logic nor the
// dead-letter queue. Lambda then tries the event again and, after its tries,
// hands it to the function's own dead-letter setting. Lambda reports an error
// by the name of its type, so an alarm can watch for this one.
type LostError struct {
	Events int
	Err    error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%d log events reached neither Sumo Logic nor the dead-letter queue: %v", e.Events, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

var errNoQueue = errors.New("there is no dead-letter queue")

// park puts what is left of an event into the dead-letter queue: the event as
// it came if nothing of it was confirmed and it fits, else events of what is
// left.
func (s *shipper) park(ctx context.Context, rest rest, r *Report) error {
	if rest.events == 0 {
		return nil
	}
	why := errors.New(r.Error)
	lost := func(n int, err error) error {
		r.Lost += n
		return &LostError{n, fmt.Errorf("%w; %w", why, err)}
	}
	if s.queue == nil {
		return lost(rest.events, errNoQueue)
	}
	limit, err := s.queue.Limit(ctx)
	if err != nil {
		return lost(rest.events, err)
	}
	parts := []transform.Part{{Event: rest.event, Events: rest.events}}
	unfit := 0
	switch {
	case rest.batch != nil && (rest.part || len(rest.event) > limit):
		parts, unfit = rest.batch.Rebuild(func(event int) bool {
			_, found := slices.BinarySearch(rest.left, event)
			return found
		}, limit)
	case len(rest.event) > limit:
		parts, unfit = nil, rest.events
	}
	letters := make([]dlq.Letter, len(parts))
	for i, p := range parts {
		letters[i] = dlq.Letter{Event: p.Event, Cause: rest.cause}
		r.Parked += p.Events
	}
	failed, err := s.queue.Put(ctx, letters)
	for _, i := range failed {
		r.Parked -= parts[i].Events
		unfit += parts[i].Events
	}
	if unfit == 0 {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("the queue takes no more than %d bytes", limit)
	}
	return lost(unfit, err)
}
