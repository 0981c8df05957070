package ship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/transform"
)

var (
	seeds = flag.Uint64("seeds", 200, "how many schedules TestModel goes through")
	first = flag.Uint64("seed", 0, "the first of them")
)

// TestModel drives forwarder and replayer through seeded schedules: faults of Sumo
// Logic and SQS, crashes between any two calls, short deadlines. After each step
// every log event is confirmed, in a queue, filtered, or still with Lambda. At the
// end, when the faults are over, all are delivered or quarantined, and every
// duplicate has an allowed cause.
//
// go test ./function/ship -race -run TestModel -seeds 10000
func TestModel(t *testing.T) {
	const groups = 4
	for g := range uint64(groups) {
		t.Run(fmt.Sprint(g), func(t *testing.T) {
			t.Parallel()
			for seed := *first + g; seed < *first+*seeds; seed += groups {
				synctest.Test(t, func(t *testing.T) { newModel(t, seed).run() })
				if t.Failed() {
					t.Fatalf("seed %d failed: go test ./function/ship -run TestModel -seed %d -seeds 1", seed, seed)
				}
			}
		})
	}
}

// model is an account with Sumo Logic, SQS and Lambda, and the state of each log
// event.
type model struct {
	t    *testing.T
	seed uint64

	mu         sync.Mutex
	rng        *rand.Rand
	healthy    bool            // no more faults
	crashed    bool            // the process is gone: its calls have no effect
	fuse       int             // calls until the process crashes; negative: it does not
	down       string          // the operation of SQS that fails during this step
	excused    bool            // something in this step may duplicate log events
	taken      map[string]int  // how often Sumo Logic has stored the log event with that ID
	mayTwice   map[string]bool // IDs with an allowed cause for duplicates
	lambda     [][]byte        // events that Lambda still retries
	blanks     map[string]bool // IDs that a rule filters
	poison     int             // unreadable messages
	sqs        *sqstest.Server
	url        string
	dead       *dlq.Queue // as the functions see it
	quarantine *dlq.Queue
	ids        []string
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), fuse: -1, taken: map[string]int{}, mayTwice: map[string]bool{},
		blanks: map[string]bool{}, sqs: sqstest.New()}
	m.sqs.Add(sqstest.Config{Name: "quarantine", Retention: 14 * 24 * time.Hour})
	m.url = m.sqs.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 1000, Visibility: 6 * time.Minute,
		MaxSize: []int{0, 4096, 256 << 10}[m.rng.IntN(3)], Retention: 14 * 24 * time.Hour})
	open := func(url string, delay time.Duration) *dlq.Queue {
		client := m.sqs.Client(func(o *sqs.Options) { o.HTTPClient = doer(m.callSQS) })
		return dlq.New(url, delay, func(context.Context) (*sqs.Client, error) { return client, nil })
	}
	m.dead = open(m.url, dlq.DefaultDelay)
	m.quarantine = open(strings.TrimSuffix(m.url, "dead")+"quarantine", 0)
	return m
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error)        { return d(r) }
func (d doer) RoundTrip(r *http.Request) (*http.Response, error) { return d(r) }

var errBroken = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// alive counts a call of the process, and reports whether it has not crashed.
func (m *model) alive() bool {
	if m.crashed {
		return false
	}
	if m.fuse == 0 {
		m.crashed, m.excused = true, true
		return false
	}
	if m.fuse > 0 {
		m.fuse--
	}
	return true
}

// chance reports true in p of 100 cases while there are faults.
func (m *model) chance(p int) bool { return !m.healthy && m.rng.IntN(100) < p }

// callSQS is the network between a function and SQS.
func (m *model) callSQS(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	alive, before, after, throttled := m.alive(), m.chance(4), m.chance(4), m.chance(4)
	throttled = throttled || m.down != "" && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+m.down)
	m.excused = m.excused || before || after || throttled
	m.mu.Unlock() // a bubble's time stands still while a goroutine waits for a mutex
	switch {
	case !alive, before:
		return nil, errBroken
	case after: // it happens, and the response is lost
		m.sqs.Do(r)
		return nil, errBroken
	case throttled:
		body := `{"__type":"com.amazon.coral.service#ThrottlingException","message":"Rate exceeded"}`
		return &http.Response{StatusCode: 400, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	return m.sqs.Do(r)
}

// callSumo is the network and Sumo Logic.
func (m *model) callSumo(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.alive() {
		return nil, errBroken
	}
	store := func(known bool) {
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			var rec struct{ ID string }
			if json.Unmarshal(line, &rec) != nil || rec.ID == "" {
				m.t.Errorf("a record without its id: %s", line)
			}
			m.taken[rec.ID]++
			if !known { // the response is lost, so it is sent again
				m.mayTwice[rec.ID] = true
			}
		}
	}
	answer := func(status int) (*http.Response, error) {
		h := http.Header{}
		if status == 429 && m.rng.IntN(2) == 0 {
			h.Set("Retry-After", "3")
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("")), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
	}
	switch {
	case m.chance(3):
		return nil, errBroken
	case m.chance(3):
		store(false)
		return nil, errBroken
	case m.chance(3):
		store(false)
		return answer(408)
	case m.chance(2): // it hangs
		m.mu.Unlock()
		<-r.Context().Done()
		m.mu.Lock()
		return nil, r.Context().Err()
	case m.chance(2):
		store(false)
		m.mu.Unlock()
		<-r.Context().Done()
		m.mu.Lock()
		return nil, r.Context().Err()
	case m.chance(15):
		return answer([]int{500, 502, 503, 504, 429}[m.rng.IntN(5)])
	case m.chance(3):
		return answer([]int{400, 401, 403, 404}[m.rng.IntN(4)])
	case m.chance(10) && bytes.IndexByte(body, '\n') >= 0:
		return answer(413)
	}
	store(true)
	return answer(200)
}

func (m *model) options() ship.ReplayOptions {
	vars := map[string]string{
		"SUMO_ENDPOINT": endpoint, "INCLUDE_EVENT_ID": "true", "COMPRESS_DATA": "false", "MAX_BODY_BYTES": fmt.Sprint(50 + m.rng.IntN(1000)),
		"MAX_IN_FLIGHT": fmt.Sprint(1 + m.rng.IntN(4)), "NUMBER_OF_RETRIES": fmt.Sprint(m.rng.IntN(4)), "NUM_OF_WORKERS": fmt.Sprint(1 + m.rng.IntN(3)),
	}
	o := ship.ReplayOptions{Inbox: m.dead, Options: ship.Options{
		Env:  function.Env{Getenv: func(name string) string { return vars[name] }, Out: io.Discard},
		HTTP: &http.Client{Transport: doer(m.callSumo)}, Queue: m.dead,
	}}
	if m.rng.IntN(2) == 0 {
		o.Quarantine = m.quarantine
	}
	return o
}

// event returns an event of CloudWatch Logs.
func (m *model) event(n int) []byte {
	var events []map[string]any
	for i := range 1 + m.rng.IntN(12) {
		id := fmt.Sprintf("e%d-%d", n, i)
		message := fmt.Sprintf("line %d %x", i, m.rng.Uint64())
		switch m.rng.IntN(8) {
		case 0:
			message = " \n"
			m.blanks[id] = true
		case 1:
			message = `{"a":1,"_sumo_metadata":{"category":"c` + fmt.Sprint(m.rng.IntN(3)) + `"}}`
		case 2:
			message = "START RequestId: 108af3bb-a79b-11e6-8bd7-91c363cc05d9 Version: 1\n"
		}
		m.ids = append(m.ids, id)
		events = append(events, map[string]any{"id": id, "timestamp": i, "message": message})
	}
	doc, _ := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events})
	return transform.Pack(doc)
}

// idsOf returns the IDs of the log events in an event.
func idsOf(event []byte) []string {
	b, err := transform.Decode(event, transform.DefaultLimit)
	if err != nil {
		return nil
	}
	var out []string
	for r := range (transform.Options{Format: transform.Others, EventID: true}).Records(b) {
		var rec struct{ ID string }
		json.Unmarshal(r.Line, &rec)
		out = append(out, rec.ID)
	}
	return out
}

// step runs one invocation with faults of its own.
func (m *model) step(invoke func(ctx context.Context)) {
	m.mu.Lock()
	m.crashed, m.excused, m.fuse = false, false, -1
	if m.chance(15) {
		m.fuse = m.rng.IntN(12)
	}
	m.down = ""
	if m.chance(25) {
		m.down = []string{"SendMessageBatch", "SendMessageBatch", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "ReceiveMessage"}[m.rng.IntN(6)]
	}
	timeout := 5 * time.Minute
	if m.chance(20) {
		timeout = time.Duration(200+m.rng.IntN(20_000)) * time.Millisecond
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(m.t.Context(), timeout)
	defer cancel()
	invoke(ctx)
	if ctx.Err() != nil && !m.crashed {
		m.t.Errorf("seed %d: the function ran into its deadline", m.seed)
	}
}

func (m *model) run() {
	forwarder, err := ship.NewForwarder(m.options().Options)
	if err != nil {
		m.t.Fatal(err)
	}
	for n := range 1 + m.rng.IntN(4) {
		m.deliver(forwarder, m.event(n))
		m.check()
		if m.rng.IntN(3) == 0 {
			m.replay()
		}
	}
	for range m.rng.IntN(3) {
		m.addPoison()
	}
	for range 2 + m.rng.IntN(6) {
		m.replay()
	}
	m.healthy = true
	for range 200 {
		if len(m.sqs.Messages("dead")) == 0 {
			break
		}
		m.replay()
		time.Sleep(15 * time.Minute)
		if m.onlyPoison() && m.rng.IntN(4) == 0 {
			break
		}
	}
	m.check()
	for _, id := range m.ids {
		switch n := m.taken[id]; {
		case m.blanks[id]:
			if n > 0 {
				m.t.Errorf("seed %d: blank event %s was delivered", m.seed, id)
			}
		case n == 0 && !m.quarantinedIDs()[id]:
			m.t.Errorf("seed %d: event %s was never delivered", m.seed, id)
		case n > 1 && !m.mayTwice[id]:
			m.t.Errorf("seed %d: event %s was delivered %d times without an allowed cause", m.seed, id, n)
		}
	}
	if m.poison > 0 && m.unreadable("dead")+m.unreadable("quarantine") < m.poison {
		m.t.Errorf("seed %d: %d unreadable messages of %d are left", m.seed, m.unreadable("dead")+m.unreadable("quarantine"), m.poison)
	}
}

// deliver invokes the forwarder as CloudWatch Logs does: Lambda tries three times,
// then dead-letters the event.
func (m *model) deliver(f *ship.Forwarder, event []byte) {
	m.lambda = append(m.lambda, event)
	done := false
	for try := 0; try < 3 && !done; try++ {
		m.step(func(ctx context.Context) {
			_, err := f.Invoke(ctx, event)
			lost, isLost := errors.AsType[*ship.LostError](err)
			switch {
			case err != nil && !isLost:
				m.t.Errorf("seed %d: %v is not a LostError", m.seed, err)
			case m.crashed:
				// its result is lost
			case err == nil:
				done = true
			case lost.Events == 0:
				m.t.Errorf("seed %d: nothing lost, yet %v", m.seed, err)
			}
		})
		if !done {
			m.excuse(event) // the confirmed part is sent again
		}
		if m.excused {
			m.excuse(event)
		}
	}
	if !done {
		_, err := m.sqs.Client().SendMessage(m.t.Context(), &sqs.SendMessageInput{QueueUrl: &m.url, MessageBody: aws.String(string(event)),
			MessageAttributes: map[string]types.MessageAttributeValue{"ErrorCode": {DataType: aws.String("Number"), StringValue: aws.String("200")}}})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	m.lambda = m.lambda[:len(m.lambda)-1]
}

func (m *model) excuse(event []byte) {
	for _, id := range idsOf(event) {
		m.mayTwice[id] = true
	}
}

func (m *model) addPoison() {
	body := []string{"no JSON", `{"foo":1}`, `{"awslogs":{"data":"AAAA"}}`, string(transform.Pack([]byte("no document")))}[m.rng.IntN(4)]
	if _, err := m.sqs.Client().SendMessage(m.t.Context(), &sqs.SendMessageInput{QueueUrl: &m.url, MessageBody: &body}); err != nil {
		m.t.Fatal(err)
	}
	m.poison++
}

// replay runs the replay function once, after some time: by hand or as an event
// source mapping does.
func (m *model) replay() {
	time.Sleep(time.Duration(m.rng.IntN(180)) * time.Second)
	r, err := ship.NewReplayer(m.options())
	if err != nil {
		m.t.Fatal(err)
	}
	before := m.sqs.Messages("dead")
	if m.rng.IntN(2) == 0 {
		m.step(func(ctx context.Context) { r.Invoke(ctx, []byte("{}")) })
	} else {
		m.step(func(ctx context.Context) { m.mapping(ctx, r) })
	}
	if m.excused {
		// What was in flight, wherever it is now, may be sent twice: also what one
		// drain kept, since it could not put a part back, and received again later.
		for _, message := range slices.Concat(before, m.sqs.Messages("dead")) {
			m.excuse(dlq.ParseEntry(message.Body, nil, time.Time{}).Event)
		}
	}
	m.check()
}

// mapping is an event source mapping with ReportBatchItemFailures.
func (m *model) mapping(ctx context.Context, r *ship.Replayer) {
	client := m.sqs.Client()
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &m.url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
	if err != nil {
		m.t.Fatal(err)
	}
	if len(out.Messages) == 0 {
		return
	}
	type attribute struct {
		StringValue string `json:"stringValue"`
	}
	var records []map[string]any
	for _, message := range out.Messages {
		attributes := map[string]attribute{}
		for name, v := range message.MessageAttributes {
			attributes[name] = attribute{aws.ToString(v.StringValue)}
		}
		records = append(records, map[string]any{"messageId": message.MessageId, "receiptHandle": message.ReceiptHandle, "body": message.Body,
			"attributes": message.Attributes, "messageAttributes": attributes, "eventSource": "aws:sqs"})
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		m.t.Fatal(err)
	}
	answer, err := r.Invoke(ctx, event)
	if err != nil {
		m.t.Errorf("seed %d: a batch failed as a whole: %v", m.seed, err)
	}
	if m.crashed {
		return // Lambda deletes nothing
	}
	var failures struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(answer, &failures); err != nil {
		m.t.Fatal(err)
	}
	for _, message := range out.Messages {
		if slices.ContainsFunc(failures.BatchItemFailures, func(f struct{ ItemIdentifier string }) bool { return f.ItemIdentifier == *message.MessageId }) {
			continue
		}
		if _, err := client.DeleteMessage(context.WithoutCancel(ctx), &sqs.DeleteMessageInput{QueueUrl: &m.url, ReceiptHandle: message.ReceiptHandle}); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *model) idsIn(queue string) map[string]bool {
	ids := map[string]bool{}
	for _, message := range m.sqs.Messages(queue) {
		for _, id := range idsOf(dlq.ParseEntry(message.Body, nil, time.Time{}).Event) {
			ids[id] = true
		}
	}
	return ids
}

func (m *model) quarantinedIDs() map[string]bool { return m.idsIn("quarantine") }

func (m *model) unreadable(queue string) int {
	n := 0
	for _, message := range m.sqs.Messages(queue) {
		if idsOf(dlq.ParseEntry(message.Body, nil, time.Time{}).Event) == nil {
			n++
		}
	}
	return n
}

func (m *model) onlyPoison() bool {
	return m.unreadable("dead") == len(m.sqs.Messages("dead"))
}

// check checks that no log event is lost.
func (m *model) check() {
	m.t.Helper()
	queued, quarantined := m.idsIn("dead"), m.quarantinedIDs()
	held := map[string]bool{}
	for _, event := range m.lambda {
		for _, id := range idsOf(event) {
			held[id] = true
		}
	}
	for _, id := range m.ids {
		if m.taken[id] == 0 && !queued[id] && !quarantined[id] && !held[id] && !m.blanks[id] {
			m.t.Fatalf("seed %d: event %s is gone", m.seed, id)
		}
	}
}
