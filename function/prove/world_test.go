// Package prove holds what a sceptic can run: the built functions as processes of
// their own, killed, frozen and cut off at random, and an account of every log event.
package prove

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/rs/zerolog"

	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy logs what it does
	m.Run()
}

const timeout = 10 * time.Second // of an invocation; none comes near it

// world is the stack, each function a process of its own, and what the test knows
// of its log events.
type world struct {
	t         *testing.T
	rng       *rand.Rand
	source    *source
	queues    *sqstest.Server
	url       string // of the dead-letter queue
	client    *sqs.Client
	api       string            // where functions reach SQS
	bootstrap string            // of the forwarder
	variables map[string]string // of both functions
	forwarder *lambdatest.Function
	replay    *lambdatest.Function
	stream    *lambdatest.Function // nil unless a test deploys it
	events    int                  // log events sent, whose ids count from 1
	cut       map[string]bool      // ids of log events with which a function was killed, or had too little time
	hurried   bool                 // the last invocation had so little time that it may have given up what was stored
	trap      *trap                // between the functions and both services
}

// newWorld starts a stack. Its way to the source leads through what route returns:
// the address to call for that of the source.
func newWorld(t *testing.T, seed uint64, route func(address string) string) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 22)), source: &source{}, queues: sqstest.New(), cut: map[string]bool{}, trap: &trap{}}
	w.source.follow()
	srv := httptest.NewUnstartedServer(w.trap.before(w.source))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections whose function was killed
	srv.StartTLS()
	t.Cleanup(srv.Close)
	t.Cleanup(w.source.close)
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(certificate, block, 0o600); err != nil {
		t.Fatal(err)
	}
	w.url = w.queues.Add(sqstest.Config{Name: "dead"})
	quarantine := w.queues.Add(sqstest.Config{Name: "quarantine"})
	w.client = w.queues.Client()
	api := httptest.NewServer(w.trap.before(w.queues))
	t.Cleanup(api.Close)
	w.api = api.Listener.Addr().String()
	w.bootstrap = lambdatest.Build(t, "sumoship/function/forwarder")
	w.variables = map[string]string{
		"SUMO_ENDPOINT": "https://" + route(srv.Listener.Addr().String()) + leaktest.Path, "SSL_CERT_FILE": certificate,
		"TASK_QUEUE_URL": w.url, "QUARANTINE_QUEUE_URL": quarantine, "AWS_ENDPOINT_URL_SQS": api.URL, "INCLUDE_EVENT_ID": "true", "SUMO_TOKEN": leaktest.Token,
		"RETRY_INTERVAL": "5", "NUMBER_OF_RETRIES": "2", "REQUEST_TIMEOUT": "400", "BREAKER_PAUSE": "20",
	}
	w.forwarder = lambdatest.Deploy(t, w.bootstrap, w.variables)
	w.replay = lambdatest.Deploy(t, lambdatest.Build(t, "sumoship/function/replay"), w.variables)
	return w
}

// event returns an event of CloudWatch Logs with log events that no other has.
func (w *world) event() []byte {
	type logEvent struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	events := make([]logEvent, 1+w.rng.IntN(40))
	for i := range events {
		w.events++
		events[i] = logEvent{id(w.events), 1767323045000 + int64(w.events), strings.Repeat("x", w.rng.IntN(400)) + "."}
	}
	b, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/ecs/web",
		"logStream": fmt.Sprintf("web/app/%d", w.rng.IntN(3)), "subscriptionFilters": []string{"f"}, "logEvents": events,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return transform.Pack(b)
}

func id(n int) string { return fmt.Sprintf("id-%07d", n) }

// invoke calls a function as Lambda or a test's worse version of it does.
type invoke func(f *lambdatest.Function, event []byte) lambdatest.Result

func soundly(f *lambdatest.Function, event []byte) lambdatest.Result { return f.Invoke(event, timeout) }

// killed reports whether a result is that of a function that was killed in its work, by
// the test, for its memory or at its timeout.
func killed(r lambdatest.Result) bool {
	return r.ErrorType == "Runtime.ExitError" || r.ErrorType == "Sandbox.Timedout"
}

// explains reports whether an invocation may not have known what it had delivered.
func (w *world) explains(r lambdatest.Result) bool { return killed(r) || w.hurried }

// ship delivers a new event as Lambda does: three tries, then Lambda writes it into
// its dead-letter queue, which is the function's own.
func (w *world) ship(call invoke) {
	event := w.event()
	for range 3 {
		r := call(w.forwarder, event)
		if w.explains(r) {
			w.mark(string(event))
		}
		if !r.Failed() {
			return
		}
	}
	w.put(string(event), nil)
}

func (w *world) put(body string, attributes map[string]string) {
	values := map[string]types.MessageAttributeValue{}
	for name, value := range attributes {
		values[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{QueueUrl: &w.url, MessageBody: &body, MessageAttributes: values})
	if err != nil {
		w.t.Fatal(err)
	}
}

// wake makes every message visible again, as time does.
func (w *world) wake() { w.queues.Show("dead") }

// drain has replay work on a batch, as an event source mapping does, and deletes
// what it does not report as failed. It reports whether there was a message.
func (w *world) drain(call invoke) bool {
	ctx := w.t.Context()
	out, err := w.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &w.url, MaxNumberOfMessages: 10, VisibilityTimeout: 900, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(out.Messages) == 0 {
		return false
	}
	type record struct {
		MessageID     string            `json:"messageId"`
		ReceiptHandle string            `json:"receiptHandle"`
		Body          string            `json:"body"`
		Attributes    map[string]string `json:"attributes"`
		Values        map[string]any    `json:"messageAttributes"`
		Source        string            `json:"eventSource"`
		ARN           string            `json:"eventSourceARN"`
	}
	var records []record
	handles := map[string]string{}
	for _, m := range out.Messages {
		values := map[string]any{}
		for name, v := range m.MessageAttributes {
			values[name] = map[string]any{"stringValue": v.StringValue, "dataType": v.DataType}
		}
		records = append(records, record{*m.MessageId, *m.ReceiptHandle, *m.Body, m.Attributes, values, "aws:sqs", "arn:aws:sqs:us-east-1:123456789012:dead"})
		handles[*m.MessageId] = *m.ReceiptHandle
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		w.t.Fatal(err)
	}
	r := call(w.replay, event)
	if w.explains(r) {
		for _, r := range records {
			w.mark(r.Body)
		}
	}
	if r.Failed() {
		return true // the mapping leaves the batch in the queue
	}
	var response struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(r.Payload, &response); err != nil {
		w.t.Fatalf("replay returned %s", r.Payload)
	}
	for _, f := range response.Failures {
		delete(handles, f.ID)
	}
	for _, handle := range handles {
		if _, err := w.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &w.url, ReceiptHandle: &handle}); err != nil {
			w.t.Fatal(err)
		}
	}
	return true
}

// mark notes the log events of an awslogs event that may come again, since the function
// that had them was killed.
func (w *world) mark(body string) {
	var event struct{ AWSLogs struct{ Data []byte } }
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		w.t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(event.AWSLogs.Data))
	if err != nil {
		w.t.Fatal(err)
	}
	var payload struct{ LogEvents []struct{ ID string } }
	if err := json.NewDecoder(r).Decode(&payload); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range payload.LogEvents {
		w.cut[e.ID] = true
	}
}

// duplicates counts the copies that were too many, by what explains them.
type duplicates struct{ replyLost, killed int }

func (d duplicates) all() int { return d.replyLost + d.killed }

// account drains the queue with a source that works, and then checks that every log
// event arrived, that a failure explains each copy too many, that no queue holds a
// message, and that no output holds the secret.
func (w *world) account() (twice duplicates) {
	w.t.Helper()
	w.source.follow()
	for range 1000 {
		if w.wake(); !w.drain(soundly) {
			break
		}
	}
	copies := w.source.copies()
	var missing []string
	for i := range w.events {
		id := id(i + 1)
		stored := copies[id]
		if len(stored) == 0 {
			missing = append(missing, id)
			continue
		}
		for _, answered := range stored[:len(stored)-1] {
			switch {
			case !answered:
				twice.replyLost++
			case w.cut[id]:
				twice.killed++
			default:
				w.t.Errorf("%s was stored %d times, though its first copy was confirmed to a function that lived", id, len(stored))
			}
		}
	}
	dead, quarantined := w.queues.Messages("dead"), w.queues.Messages("quarantine")
	if len(missing)+len(dead)+len(quarantined) > 0 || len(copies) > w.events {
		w.t.Errorf("of %d log events missing %q; %d messages left, %d quarantined; %d ids in the source\n%s",
			w.events, missing, len(dead), len(quarantined), len(copies), tail(w.replay.Output()))
	}
	outputs := map[string]string{"forwarder": w.forwarder.Output(), "replay": w.replay.Output(), "queues": fmt.Sprint(dead, quarantined)}
	if w.stream != nil {
		outputs["stream"] = w.stream.Output()
	}
	for name, out := range outputs {
		leaktest.Check(w.t, "what came of "+name, out)
	}
	return twice
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// source is an HTTP Source whose script can be set anew while it runs.
type source struct {
	mu      sync.Mutex
	all     []*sumotest.Source
	instead http.Handler // of a script, if not nil
}

// follow sets the script; without steps the source works.
func (s *source) follow(steps ...sumotest.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.instead = append(s.all, sumotest.New(steps...)), nil
}

func (s *source) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var current http.Handler = s.script()
	if s.instead != nil {
		current = s.instead
	}
	s.mu.Unlock()
	current.ServeHTTP(rw, r)
}

// script is the source that follows the last script.
func (s *source) script() *sumotest.Source { return s.all[len(s.all)-1] }

// become has another server in the place of the source until follow.
func (s *source) become(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h != nil {
		s.instead = h
	}
}

func (s *source) close() {
	for _, source := range s.all {
		source.Close()
	}
}

// stored returns how many records were stored since follow, copies among them.
func (s *source) stored() int { return len(s.script().Taken()) }

// copies returns the copies of each log event that were stored, by id, in order: for
// each whether the source answered.
func (s *source) copies() map[string][]bool {
	copies := map[string][]bool{}
	for _, source := range s.all {
		for _, request := range source.Requests() {
			if !request.Taken {
				continue
			}
			for _, line := range request.Lines() {
				var record struct{ ID string }
				if err := json.Unmarshal([]byte(line), &record); err != nil {
					panic(fmt.Sprintf("record %q: %v", line, err))
				}
				copies[record.ID] = append(copies[record.ID], request.Status != 0)
			}
		}
	}
	return copies
}
