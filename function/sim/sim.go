// Package sim simulates the stack of template.yaml in virtual time: the real Forwarder
// and Replayer, Lambda's asynchronous invocations and event source mapping around them,
// SQS, and an HTTP Source that fails by a schedule. It measures what an outage costs, how
// soon it is over, and what becomes of each event.
package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
)

// Times of what is not simulated. Source: docs/performance.md, and measurements of
// the built functions with a source that answers in 100 ms.
const (
	overhead      = 50 * time.Millisecond // of an invocation, beside its calls
	sqsLatency    = 15 * time.Millisecond
	sourceLatency = 100 * time.Millisecond
	idleLife      = 6 * time.Minute // of an environment that is not used
	pollPause     = 2 * time.Minute // of a poller that found nothing; Lambda polls on, which would take long to simulate
)

// Config is what is simulated.
type Config struct {
	Stack    Stack
	Seed     uint64
	Rate     float64           // events a second, of one log event each
	Limit    float64           // requests a second that the source takes; 0 means any number
	Account  int               // concurrent executions that the account allows
	Schedule sumotest.Schedule // of the source
}

// Fleet is one account. It lives in a synctest bubble, and in only one goroutine.
type Fleet struct {
	c     Config
	start time.Time
	turns *turns

	arrivals, polls         context.CancelFunc
	arriving, invoked, poll sync.WaitGroup

	mu      sync.Mutex
	err     error
	rng     *rand.Rand
	events  []event
	totals  Totals
	steps   []sumotest.Step
	calls   []int // at the source, in each window
	tokens  float64
	filled  time.Time
	free    []*environment
	started int // environments
	running int
	waiting []chan struct{} // for a free execution
	sqs     *sqstest.Server
	client  *sqs.Client
	dead    string // URL of the dead-letter queue
	aside   string // of the quarantine queue
}

// event is what is known of a log event. Times are since the start.
type event struct {
	number          int
	arrived, stored time.Duration
	copies          int
	replayed        bool // replay has stored it first
}

// Totals are what a fleet did so far. Differences of two are what it did between.
type Totals struct {
	At            time.Duration
	Events        int
	Requests      int           // to the source
	Forwarding    time.Duration // executions of the forwarder, summed
	Replaying     time.Duration // those of replay
	Billed        time.Duration // both, for each GB
	Served        int           // events whose first invocation has ended
	Latency       time.Duration // of these, summed
	Untaken       int           // of these, dead-lettered
	DeadLettered  int           // events
	Delivered     int           // events that the forwarder delivered
	Replayed      int           // events that replay delivered
	Failed        int           // events that Lambda gave up
	Oldest        time.Duration // message that replay had
	MostExecuting int           // forwarders at once, since the totals before
}

// environment is an execution environment of the forwarder.
type environment struct {
	f    *ship.Forwarder
	name string
	used time.Time
}

// New returns a fleet in which nothing happens yet.
func New(c Config) *Fleet {
	f := &Fleet{
		c: c, start: time.Now(), turns: newTurns(), rng: rand.New(rand.NewPCG(c.Seed, 13)), sqs: sqstest.New(),
		steps: slices.Clone(c.Schedule.Steps), calls: make([]int, len(c.Schedule.Windows)),
	}
	f.aside = f.sqs.Add(sqstest.Config{Name: "quarantine", Retention: 14 * 24 * time.Hour})
	f.dead = f.sqs.Add(sqstest.Config{
		Name: "dead", DeadLetter: "quarantine", MaxReceives: c.Stack.MaxReceives, Visibility: c.Stack.Visibility, Retention: c.Stack.Retention,
	})
	f.client = f.sqs.Client()
	return f
}

// Start lets events arrive, and replay poll the queue.
func (f *Fleet) Start() {
	go f.turns.give()
	f.filled, f.tokens = time.Now(), f.c.Limit
	polls, stop := context.WithCancel(context.Background())
	f.polls = stop
	for i := range f.c.Stack.Concurrency {
		f.poll.Go(func() { f.poller(polls, i) })
	}
	arrivals, stop := context.WithCancel(context.Background())
	f.arrivals = stop
	f.arriving.Go(func() { f.arrive(arrivals) })
}

// EndArrivals waits until the last event has been invoked, as often as need be.
func (f *Fleet) EndArrivals() {
	f.arrivals()
	f.arriving.Wait()
	f.invoked.Wait()
}

// Stop ends the fleet. Its error says that the simulation itself went wrong.
func (f *Fleet) Stop() error {
	f.EndArrivals()
	f.polls()
	f.poll.Wait()
	f.turns.stop()
	return f.err
}

func (f *Fleet) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *Fleet) now() time.Duration { return time.Since(f.start) }

// jitter returns random numbers of an environment, by its name.
func (f *Fleet) jitter(name string) func() float64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	rng := rand.New(rand.NewPCG(f.c.Seed, h.Sum64()))
	var mu sync.Mutex
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return rng.Float64()
	}
}

// door is the way out of an environment: each call takes a turn before and after.
type door struct {
	f    *Fleet
	name string
	wait time.Duration
	do   func(*http.Request) (*http.Response, error)
}

func (d door) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(d.wait)
	d.f.turns.take(d.name)
	defer d.f.turns.take(d.name)
	return d.do(r)
}

// queues returns a client of SQS for an environment.
func (f *Fleet) queues(name string) *sqs.Client {
	return f.sqs.Client(func(o *sqs.Options) { o.HTTPClient = door{f, name, sqsLatency, f.sqs.Do} })
}

// options are those of a function with these variables, in an environment.
func (f *Fleet) options(variables map[string]string, name string, replay bool) ship.Options {
	getenv := func(variable string) string {
		switch variable {
		case "SUMO_ENDPOINT":
			return "https://collectors.example.com/receiver/v1/http/X"
		case "COMPRESS_DATA":
			return "false"
		}
		return variables[variable]
	}
	return ship.Options{
		Env:   function.Env{Getenv: getenv, Out: io.Discard},
		HTTP:  &http.Client{Transport: source{f, name, f.jitter("source " + name), replay}},
		Queue: f.queue(f.dead, f.c.Stack.DeadLetterDelay, name),
		Rand:  f.jitter(name),
	}
}

func (f *Fleet) queue(url string, delay time.Duration, name string) *dlq.Queue {
	client := f.queues(name)
	return dlq.New(url, delay, func(context.Context) (*sqs.Client, error) { return client, nil })
}

// Depth returns the number of messages in the dead-letter queue, in every state.
func (f *Fleet) Depth() int {
	f.turns.take("")
	out, err := f.client.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{QueueUrl: &f.dead, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		f.fail(err)
		return 0
	}
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		i, _ := strconv.Atoi(out.Attributes[name])
		n += i
	}
	return n
}

// Totals returns what happened so far.
func (f *Fleet) Totals() Totals {
	f.turns.take("")
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.totals
	t.At, t.Events = f.now(), len(f.events)
	f.totals.MostExecuting = f.running
	return t
}

// arrive is CloudWatch Logs, until the context ends.
func (f *Fleet) arrive(ctx context.Context) {
	zipper := newZipper()
	for {
		gap := time.Duration(f.rng.ExpFloat64() / f.c.Rate * float64(time.Second))
		select {
		case <-time.After(gap):
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		n := len(f.events)
		f.events = append(f.events, event{number: n, arrived: f.now()})
		f.mu.Unlock()
		payload := zipper.payload(n)
		f.invoked.Go(func() { f.invoke(n, payload) })
	}
}

// invoke is Lambda's asynchronous invocation of the forwarder with an event: it
// waits for a free execution, and retries.
func (f *Fleet) invoke(n int, event []byte) {
	name := fmt.Sprintf("event %09d", n)
	arrived := time.Now()
	for attempt := 0; ; attempt++ {
		f.acquire(name)
		r, err := f.execute(event)
		f.mu.Lock()
		if attempt == 0 {
			f.totals.Latency += time.Since(arrived)
			f.totals.Served++
			f.totals.Untaken += r.DeadLettered
		}
		f.totals.DeadLettered += r.DeadLettered
		f.mu.Unlock()
		if err == nil {
			return
		}
		if attempt == f.c.Stack.InvokeRetries || time.Since(arrived) > f.c.Stack.InvokeAge {
			break
		}
		time.Sleep(time.Minute << attempt)
	}
	// Lambda writes what its retries did not get through to the same queue.
	f.turns.take(name)
	f.mu.Lock()
	f.totals.Failed++
	f.totals.DeadLettered++
	f.mu.Unlock()
	if _, err := f.client.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &f.dead, MessageBody: aws.String(string(event))}); err != nil {
		f.fail(err)
	}
}

// acquire waits until the account allows another execution.
func (f *Fleet) acquire(name string) {
	f.turns.take(name)
	f.mu.Lock()
	if f.running < f.c.Account {
		f.running++
		f.totals.MostExecuting = max(f.totals.MostExecuting, f.running)
		f.mu.Unlock()
		return
	}
	ready := make(chan struct{})
	f.waiting = append(f.waiting, ready)
	f.mu.Unlock()
	<-ready
	f.turns.take(name)
}

// execute runs one invocation, in the environment that was used last.
func (f *Fleet) execute(event []byte) (ship.Report, error) {
	f.mu.Lock()
	var e *environment
	if n := len(f.free); n > 0 && time.Since(f.free[n-1].used) < idleLife {
		e, f.free = f.free[n-1], f.free[:n-1]
	} else {
		f.free = nil
		e = &environment{name: fmt.Sprintf("forwarder %07d", f.started)}
		f.started++
	}
	f.mu.Unlock()
	if e.f == nil {
		var err error
		if e.f, err = ship.NewForwarder(f.options(f.c.Stack.Forwarder, e.name, false)); err != nil {
			f.fail(err)
			return ship.Report{}, nil
		}
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), f.c.Stack.ForwarderTimeout)
	time.Sleep(overhead)
	f.turns.take(e.name)
	r, err := e.f.Ship(ctx, event)
	if ctx.Err() != nil {
		f.fail(errors.New("a forwarder ran into its timeout"))
	}
	cancel()
	took := time.Since(start)
	f.mu.Lock()
	defer f.mu.Unlock()
	e.used = time.Now()
	f.free = append(f.free, e)
	f.totals.Forwarding += took
	f.totals.Billed += took * time.Duration(f.c.Stack.ForwarderMemory) / 1024
	if len(f.waiting) > 0 {
		close(f.waiting[0])
		f.waiting = f.waiting[1:]
	} else {
		f.running--
	}
	return r, err
}
