// Package fleet simulates the stack of template.yaml in virtual time: the real
// Forwarder and Replayer, Lambda's asynchronous invocations and event source
// mapping around them, SQS, and an HTTP Source with an outage. It measures what an
// outage costs and how soon it is over.
package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function"
	"sumoship/function/ship"
)

// Times of what is not simulated. Source: docs/performance.md, and measurements of
// the built functions with a source that answers in 100 ms.
const (
	overhead   = 50 * time.Millisecond // of an invocation, beside its calls
	sqsLatency = 15 * time.Millisecond
	idleLife   = 6 * time.Minute // of an environment that is not used
)

// condition is how the source is.
type condition string

const (
	up       condition = "up"
	status   condition = "503"
	throttle condition = "429"
	hang     condition = "hang"
	slow     condition = "slow"      // answers after 20 s
	halfDead condition = "half dead" // every other request gets 503
)

// scenario is one run.
type scenario struct {
	condition condition
	outage    time.Duration
	rate      float64 // events a second, of one log event each
	limit     float64 // requests a second that the source takes; 0 means any number
	account   int     // concurrent executions that the account allows
	scale     float64 // share of the template's replay, for a rate that is a share of 50 a second; 0 means 1
	seed      uint64
}

// fleet is one account in a run.
type fleet struct {
	t  *testing.T
	sc scenario
	d  defaults

	start time.Time
	down  [2]time.Time // the outage

	mu       sync.Mutex
	rng      *rand.Rand
	got      []uint8 // how often the source has stored the event of that number
	sent     int     // events
	requests int     // of this phase
	tokens   float64
	filled   time.Time
	calls    int // at the source, for every other one
	free     []*environment
	running  int
	waiting  []chan struct{} // for a free execution
	latency  time.Duration   // of the first invocation of events, summed
	served   int
	untaken  int           // events whose first invocation dead-lettered them
	busy     time.Duration // of forwarders, in this phase
	most     int           // forwarders at once
	replays  time.Duration // busy
	billed   time.Duration // forwarder and replay weighted by memory, in GB·s × time
	oldest   time.Duration
	lost     int // handed to Lambda's own dead-letter setting

	sqs    *sqstest.Server
	client *sqs.Client
	dead   string // URL of the dead-letter queue
}

// environment is an execution environment of the forwarder.
type environment struct {
	f    *ship.Forwarder
	used time.Time
}

func newFleet(t *testing.T, sc scenario, d defaults) *fleet {
	f := &fleet{t: t, sc: sc, d: d, rng: rand.New(rand.NewPCG(sc.seed, 13)), start: time.Now(), sqs: sqstest.New()}
	f.sqs.Add(sqstest.Config{Name: "quarantine", Retention: 14 * 24 * time.Hour})
	f.dead = f.sqs.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: d.maxReceives, Visibility: d.visibility, Retention: d.retention})
	f.client = f.sqs.Client(func(o *sqs.Options) { o.HTTPClient = delayed{f.sqs} })
	return f
}

// delayed is SQS with its latency.
type delayed struct{ s *sqstest.Server }

func (d delayed) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(sqsLatency)
	return d.s.Do(r)
}

// RoundTrip is the source.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	f.mu.Lock()
	f.requests++
	f.calls++
	c := up
	if now := time.Now(); !now.Before(f.down[0]) && now.Before(f.down[1]) {
		c = f.sc.condition
	}
	if c == halfDead && f.calls%2 == 0 {
		c = up
	}
	if c == up && !f.admit() {
		c = throttle
	}
	f.mu.Unlock()
	code, latency := http.StatusOK, 100*time.Millisecond
	switch c {
	case status, halfDead:
		code = http.StatusServiceUnavailable
	case throttle:
		code = http.StatusTooManyRequests
	case slow:
		latency = 20 * time.Second
	case hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if err := wait(latency); err != nil {
		return nil, err // it had not stored the data yet
	}
	if code == http.StatusOK {
		f.store(body)
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// admit takes a token of the source's rate limit.
func (f *fleet) admit() bool {
	if f.sc.limit == 0 {
		return true
	}
	now := time.Now()
	f.tokens = min(f.sc.limit, f.tokens+now.Sub(f.filled).Seconds()*f.sc.limit)
	f.filled = now
	if f.tokens < 1 {
		return false
	}
	f.tokens--
	return true
}

// store notes the events of a body.
func (f *fleet) store(body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		_, rest, ok := bytes.Cut(line, []byte(`"message":"event `))
		number, _, closed := bytes.Cut(rest, []byte(`"`))
		n, err := strconv.Atoi(string(number))
		if !ok || !closed || err != nil || n >= len(f.got) {
			f.t.Errorf("a record that is not an event: %s", line)
			return
		}
		f.got[n]++
	}
}

// arrive is CloudWatch Logs, until the context ends.
func (f *fleet) arrive(ctx context.Context, wg *sync.WaitGroup) {
	for {
		f.mu.Lock()
		gap := time.Duration(f.rng.ExpFloat64() / f.sc.rate * float64(time.Second))
		f.mu.Unlock()
		select {
		case <-time.After(gap):
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		n := f.sent
		f.sent++
		f.got = append(f.got, 0)
		f.mu.Unlock()
		wg.Go(func() { f.invoke(n) })
	}
}

// invoke is Lambda's asynchronous invocation of the forwarder with an event: it
// waits for a free execution, and retries.
func (f *fleet) invoke(n int) {
	event := payload(n)
	arrived := time.Now()
	for attempt := 0; ; attempt++ {
		f.acquire()
		r, err := f.execute(event)
		if attempt == 0 {
			f.mu.Lock()
			f.latency += time.Since(arrived)
			f.served++
			f.untaken += r.DeadLettered
			f.mu.Unlock()
		}
		if err == nil {
			return
		}
		if attempt == f.d.invokeRetries || time.Since(arrived) > f.d.invokeAge {
			break
		}
		time.Sleep(time.Minute << attempt)
	}
	// Lambda writes what its retries did not get through to the same queue.
	f.mu.Lock()
	f.lost++
	f.mu.Unlock()
	if _, err := f.client.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &f.dead, MessageBody: aws.String(string(event))}); err != nil {
		f.t.Error(err)
	}
}

// acquire waits until the account allows another execution.
func (f *fleet) acquire() {
	f.mu.Lock()
	if f.running < f.sc.account {
		f.running++
		f.most = max(f.most, f.running)
		f.mu.Unlock()
		return
	}
	ready := make(chan struct{})
	f.waiting = append(f.waiting, ready)
	f.mu.Unlock()
	<-ready
}

// execute runs one invocation, in the environment that was used last.
func (f *fleet) execute(event []byte) (ship.Report, error) {
	f.mu.Lock()
	var e *environment
	if n := len(f.free); n > 0 && time.Since(f.free[n-1].used) < idleLife {
		e, f.free = f.free[n-1], f.free[:n-1]
	} else {
		f.free = nil
		e = &environment{f: f.forwarder()}
	}
	f.mu.Unlock()
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), f.d.forwarderTimeout)
	time.Sleep(overhead)
	r, err := e.f.Ship(ctx, event)
	if ctx.Err() != nil {
		f.t.Error("a forwarder ran into its timeout")
	}
	cancel()
	took := time.Since(start)
	f.mu.Lock()
	defer f.mu.Unlock()
	e.used = time.Now()
	f.free = append(f.free, e)
	f.busy += took
	f.billed += took * time.Duration(f.d.forwarderMemory) / 1024
	if len(f.waiting) > 0 {
		close(f.waiting[0])
		f.waiting = f.waiting[1:]
	} else {
		f.running--
	}
	return r, err
}

// options are those of a function with the template's environment.
func (f *fleet) options(variables map[string]string) ship.Options {
	variables["SUMO_ENDPOINT"], variables["COMPRESS_DATA"] = "https://collectors.example.com/receiver/v1/http/X", "false"
	queue := dlq.New(f.dead, f.d.deadLetterDelay, func(context.Context) (*sqs.Client, error) { return f.client, nil })
	return ship.Options{
		Env:   function.Env{Getenv: func(name string) string { return variables[name] }, Out: io.Discard},
		HTTP:  &http.Client{Transport: f},
		Queue: queue,
	}
}

func (f *fleet) forwarder() *ship.Forwarder {
	fw, err := ship.NewForwarder(f.options(f.d.forwarder()))
	if err != nil {
		f.t.Fatal(err)
	}
	return fw
}

// poll is one concurrent poller of the event source mapping, with an environment
// of replay.
func (f *fleet) poll(ctx context.Context, workers int) {
	variables := f.d.replay()
	variables["NUM_OF_WORKERS"] = strconv.Itoa(workers)
	o := f.options(variables)
	inbox, _ := o.Queue.(ship.Inbox)
	quarantine := dlq.New(f.dead[:len(f.dead)-len("dead")]+"quarantine", 0, func(context.Context) (*sqs.Client, error) { return f.client, nil })
	r, err := ship.NewReplayer(ship.ReplayOptions{Options: o, Inbox: inbox, Quarantine: quarantine})
	if err != nil {
		f.t.Error(err)
		return
	}
	for ctx.Err() == nil {
		out, err := f.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &f.dead, MaxNumberOfMessages: int32(f.d.batchSize), WaitTimeSeconds: 20,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			if ctx.Err() == nil {
				f.t.Error(err)
			}
			return
		}
		if len(out.Messages) > 0 {
			f.replay(r, out.Messages)
			continue
		}
		select { // Lambda goes on polling; that would only make this test slow
		case <-time.After(2 * time.Minute):
		case <-ctx.Done():
		}
	}
}

// replay invokes replay with a batch, and deletes what it has done.
func (f *fleet) replay(r *ship.Replayer, messages []types.Message) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), f.d.replayTimeout)
	time.Sleep(overhead)
	answer, err := r.Invoke(ctx, batch(messages))
	if ctx.Err() != nil {
		f.t.Error("replay ran into its timeout")
	}
	cancel()
	took := time.Since(start)
	f.mu.Lock()
	f.replays += took
	f.billed += took * time.Duration(f.d.replayMemory) / 1024
	f.mu.Unlock()
	if err != nil {
		return
	}
	var failed struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(answer, &failed); err != nil {
		f.t.Error(err)
	}
	stays := map[string]bool{}
	for _, i := range failed.BatchItemFailures {
		stays[i.ItemIdentifier] = true
	}
	var done []types.DeleteMessageBatchRequestEntry
	for i, m := range messages {
		if !stays[*m.MessageId] {
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
			f.mu.Lock()
			f.oldest = max(f.oldest, time.Since(time.UnixMilli(ms)))
			f.mu.Unlock()
		}
	}
	if len(done) > 0 {
		if _, err := f.client.DeleteMessageBatch(context.Background(), &sqs.DeleteMessageBatchInput{QueueUrl: &f.dead, Entries: done}); err != nil {
			f.t.Error(err)
		}
	}
}

// batch is the event of a mapping.
func batch(messages []types.Message) []byte {
	type value struct {
		StringValue string `json:"stringValue"`
	}
	type record struct {
		MessageID         string            `json:"messageId"`
		ReceiptHandle     string            `json:"receiptHandle"`
		Body              string            `json:"body"`
		Attributes        map[string]string `json:"attributes"`
		MessageAttributes map[string]value  `json:"messageAttributes"`
		EventSource       string            `json:"eventSource"`
	}
	var in struct{ Records []record }
	for _, m := range messages {
		r := record{*m.MessageId, *m.ReceiptHandle, *m.Body, m.Attributes, map[string]value{}, "aws:sqs"}
		for name, v := range m.MessageAttributes {
			r.MessageAttributes[name] = value{aws.ToString(v.StringValue)}
		}
		in.Records = append(in.Records, r)
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // strings only
	}
	return b
}

// depth is the number of messages in the dead-letter queue, in every state.
func (f *fleet) depth() int {
	out, err := f.client.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{QueueUrl: &f.dead, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		f.t.Error(err)
		return 0
	}
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		i, _ := strconv.Atoi(out.Attributes[name])
		n += i
	}
	return n
}

// phase is what was measured in a part of a run.
type phase struct {
	took       time.Duration
	events     int
	requests   int
	concurrent float64 // forwarders, on average
	most       int
	replays    float64       // replay, on average
	latency    time.Duration // of the first invocation, on average
	untaken    float64       // share of events that it dead-lettered
	billed     time.Duration // GB·s
}

// arrived returns the number of events so far.
func (f *fleet) arrived() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// measure ends a phase and begins the next.
func (f *fleet) measure(since time.Time, events int) phase {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := time.Since(since)
	p := phase{took: took, events: f.sent - events, requests: f.requests, concurrent: f.busy.Seconds() / took.Seconds(), most: f.most,
		replays: f.replays.Seconds() / took.Seconds(), billed: f.billed}
	if f.served > 0 {
		p.latency, p.untaken = f.latency/time.Duration(f.served), float64(f.untaken)/float64(f.served)
	}
	f.requests, f.busy, f.most, f.replays, f.latency, f.served, f.untaken, f.billed = 0, 0, f.running, 0, 0, 0, 0, 0
	return p
}

// result is what a run found.
type result struct {
	scenario
	health, outage, drain phase
	oldest                time.Duration
	quarantined, lost     int
	twice                 int
	events                int
}

// run goes through health, outage and drain.
func (f *fleet) run() result {
	ctx, stop := context.WithCancel(context.Background())
	arrivals, end := context.WithCancel(context.Background())
	var pollers, invocations, source sync.WaitGroup
	scale := f.sc.scale
	if scale == 0 {
		scale = 1
	}
	concurrency, workers := f.d.concurrency, f.d.workers
	// A share of the replay that the template deploys: first fewer at once in an
	// environment, then fewer environments, of which Lambda has 2 at least.
	requests := max(2, int(scale*float64(concurrency*workers)+0.5))
	concurrency = max(2, min(concurrency, requests/2))
	workers = max(1, requests/concurrency)
	for range concurrency {
		pollers.Go(func() { f.poll(ctx, workers) })
	}
	source.Go(func() { f.arrive(arrivals, &invocations) })
	const health = 10 * time.Minute
	f.mu.Lock()
	f.filled, f.tokens = time.Now(), f.sc.limit
	f.down = [2]time.Time{f.start.Add(2 * health), f.start.Add(2*health + f.sc.outage)}
	f.mu.Unlock()
	time.Sleep(health) // environments and connections
	f.measure(f.start, 0)
	var r result
	begun, events := time.Now(), f.arrived()
	mark := func() phase {
		p := f.measure(begun, events)
		begun, events = time.Now(), f.arrived()
		return p
	}
	time.Sleep(health)
	r.health = mark()
	time.Sleep(f.sc.outage)
	r.outage = mark()
	for f.depth() > int(2*f.sc.rate) && time.Since(begun) < 4*f.sc.outage+time.Hour {
		time.Sleep(15 * time.Second)
	}
	r.drain = mark()
	end()
	source.Wait()
	invocations.Wait()
	for f.depth() > 0 && time.Since(begun) < f.sc.outage+24*time.Hour {
		time.Sleep(time.Minute)
	}
	stop()
	pollers.Wait()
	r.scenario, r.oldest, r.events = f.sc, f.oldest, f.sent
	r.quarantined = len(f.sqs.Messages("quarantine"))
	waiting := len(f.sqs.Messages("dead"))
	for _, times := range f.got {
		switch {
		case times == 0:
			r.lost++
		case times > 1:
			r.twice++
		}
	}
	if waiting > 0 {
		f.t.Errorf("%d messages are left in the queue", waiting)
	}
	return r
}

// check compares a result with the goals.
func (r result) check(t *testing.T) {
	t.Helper()
	atMost := func(what string, got, want float64) {
		t.Helper()
		if got > want {
			t.Errorf("%s %s: %s is %.2f, want at most %.2f", r.condition, r.scenario.outage, what, got, want)
		}
	}
	factor := 1.5
	if r.condition == hang || r.condition == slow {
		factor = 3
	}
	atMost("executions in the outage over those in health", r.outage.concurrent/r.health.concurrent, factor)
	if r.condition != halfDead { // half of its requests work, so that events are sent
		atMost("requests per event in the outage", float64(r.outage.requests)/float64(r.outage.events), 0.5)
	}
	atMost("drain over outage", r.drain.took.Seconds()/r.scenario.outage.Seconds(), 1)
	atMost("latency while it drains over that in health", r.drain.latency.Seconds()/r.health.latency.Seconds(), 1.1)
	if r.lost > 0 || r.quarantined > 0 {
		t.Errorf("%d lost, %d quarantined", r.lost, r.quarantined)
	}
}

func (r result) String() string {
	limit := "none"
	if r.scenario.limit > 0 {
		limit = fmt.Sprintf("%.0f a second", r.scenario.limit)
	}
	return fmt.Sprintf("| %s | %s | %.1f | %s | %d | %.2f | %.0f | %.1f | %.2f | %.2f | %.2f | %.1f %% | %s | %d | %d | %d | %.2f |",
		r.condition, strings.TrimSuffix(strings.TrimSuffix(r.scenario.outage.String(), "0s"), "0m"), r.rate, limit, r.events, r.outage.concurrent/r.health.concurrent, float64(r.outage.most)/r.health.concurrent,
		r.outage.replays, float64(r.outage.requests)/float64(r.outage.events), r.drain.took.Seconds()/r.scenario.outage.Seconds(), r.drain.latency.Seconds()/r.health.latency.Seconds(), 100*r.drain.untaken,
		r.oldest.Round(time.Minute), r.quarantined, r.lost, r.twice,
		(r.outage.billed.Seconds()/float64(r.outage.events))/(r.health.billed.Seconds()/float64(r.health.events)))
}
