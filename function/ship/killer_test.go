package ship_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
	"sumoship/sumo/leaktest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// mapping is an event source mapping between a queue and a function that runs.
type mapping struct {
	t        *testing.T
	f        *lambdatest.Function
	client   *sqs.Client
	url      string
	timeout  time.Duration
	received map[string]int // how often each body was received
}

func (m *mapping) send(body []byte) {
	if _, err := m.client.SendMessage(m.t.Context(), &sqs.SendMessageInput{QueueUrl: &m.url, MessageBody: aws.String(string(body))}); err != nil {
		m.t.Fatal(err)
	}
}

// invoke gives the function a batch of what is visible, and deletes what it says is
// done.
func (m *mapping) invoke() lambdatest.Result {
	m.t.Helper()
	out, err := m.client.ReceiveMessage(m.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &m.url, MaxNumberOfMessages: 10, VisibilityTimeout: 300,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	if err != nil {
		m.t.Fatal(err)
	}
	if len(out.Messages) == 0 {
		m.t.Fatalf("no message is visible\n%s", m.f.Output())
	}
	for _, r := range out.Messages {
		m.received[*r.Body]++
	}
	result := m.f.Invoke(mappingEvent(out.Messages), m.timeout)
	if result.Failed() {
		return result
	}
	var answer struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		m.t.Fatal(err)
	}
	stays := map[string]bool{}
	for _, f := range answer.BatchItemFailures {
		stays[f.ItemIdentifier] = true
	}
	for _, r := range out.Messages {
		if stays[*r.MessageId] { // its backoff passes
			_, err = m.client.ChangeMessageVisibility(m.t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &m.url, ReceiptHandle: r.ReceiptHandle})
		} else {
			_, err = m.client.DeleteMessage(m.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &m.url, ReceiptHandle: r.ReceiptHandle})
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return result
}

// mappingEvent is the event of a mapping with these messages.
func mappingEvent(messages []types.Message) []byte {
	records := []map[string]any{}
	for _, m := range messages {
		attributes := map[string]map[string]string{}
		for name, v := range m.MessageAttributes {
			attributes[name] = map[string]string{"stringValue": aws.ToString(v.StringValue), "dataType": "String"}
		}
		records = append(records, map[string]any{"messageId": *m.MessageId, "receiptHandle": *m.ReceiptHandle, "body": *m.Body,
			"attributes": m.Attributes, "messageAttributes": attributes, "eventSource": "aws:sqs"})
	}
	e, _ := json.Marshal(map[string]any{"Records": records})
	return e
}

// A batch of ten with one killer: the other nine are delivered within two receives,
// and the killer is quarantined after three deaths, with the reason. The built
// functions run, and are started anew where they were killed.
// It runs alone: its function has a part of a processor, and no time for others.
func TestKillersAreIsolated(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	replay := lambdatest.Build(t, "sumoship/function/replay")
	slowToDecode := transform.Pack([]byte(`{"messageType":"DATA_MESSAGE","logEvents":[` +
		strings.Repeat(`{"id":"1","timestamp":1,"message":""},`, 3_000_000) + `{"id":"1","timestamp":1,"message":""}]}`))
	for name, c := range map[string]struct {
		bootstrap string
		killer    []byte
		variables map[string]string
		memory    int64
		share     float64
		timeout   time.Duration
	}{
		"out of memory": {bootstrap: replay, killer: event(strings.Repeat("a", 200<<20)), memory: 160 << 20, timeout: 20 * time.Second,
			variables: map[string]string{"MAX_PAYLOAD_BYTES": strconv.Itoa(1 << 30)}},
		"out of time": {bootstrap: replay, killer: slowToDecode, share: 0.08, timeout: 5 * time.Second,
			variables: map[string]string{"DEADLINE_RESERVE": "3000", "GOMAXPROCS": "1", "MAX_PAYLOAD_BYTES": strconv.Itoa(1 << 30), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024"}},
		"panic": {bootstrap: lambdatest.Build(t, "sumoship/function/ship/testdata/panicking"), killer: event("panic"), timeout: 20 * time.Second,
			variables: map[string]string{"COMPRESS_DATA": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sqstest.New()
			quarantine := server.Add(sqstest.Config{Name: "quarantine"})
			url := server.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 1000})
			api := httptest.NewServer(server)
			defer api.Close()
			source := sumotest.New()
			sumo := httptest.NewServer(source)
			defer sumo.Close()
			variables := map[string]string{"SUMO_ENDPOINT": sumo.URL + "/" + leaktest.Secret, "TASK_QUEUE_URL": url, "QUARANTINE_QUEUE_URL": quarantine,
				"AWS_ENDPOINT_URL_SQS": api.URL, "DEAD_LETTER_DELAY": "0"}
			for name, value := range c.variables {
				variables[name] = value
			}
			f := lambdatest.Deploy(t, c.bootstrap, variables)
			f.Memory(c.memory)
			f.Slow(c.share)
			m := &mapping{t, f, server.Client(), url, c.timeout, map[string]int{}}
			for i := range 9 {
				if i == 4 {
					m.send(c.killer)
				}
				m.send(event(fmt.Sprint("good ", i)))
			}
			failures := 0
			start := time.Now()
			defer func() { t.Log(time.Since(start)) }()
			for i := 0; len(server.Messages("quarantine")) == 0 && i < 12; i++ {
				if r := m.invoke(); r.Failed() {
					t.Log(r.ErrorType, r.Error)
					failures++
					m.send(event(fmt.Sprint("later ", i))) // Lambda invokes the function for something
				}
			}
			for i := range 9 {
				if n := m.received[string(event(fmt.Sprint("good ", i)))]; n > 2 {
					t.Errorf("good message %d was received %d times", i, n)
				}
			}
			taken := map[string]bool{}
			for _, line := range source.Taken() {
				taken[line] = true
			}
			if want := 9 + failures; len(taken) < want-1 || len(taken) > want {
				t.Errorf("the source took %d events of %d: %q", len(taken), want, source.Taken())
			}
			quarantined := server.Messages("quarantine")
			if len(quarantined) != 1 || quarantined[0].Body != string(c.killer) || quarantined[0].Attributes["ErrorMessage"] != "killed replay 3 times" ||
				quarantined[0].Attributes["ErrorClass"] != ship.Killed {
				t.Errorf("%d quarantined\n%s", len(quarantined), f.Output())
			}
			for _, q := range quarantined {
				t.Log(q.Attributes)
			}
			if m.received[string(c.killer)] > 5 {
				t.Errorf("the killer was received %d times", m.received[string(c.killer)])
			}
			for _, left := range server.Messages("dead") {
				if left.Body == string(c.killer) {
					t.Error("the killer is still in the queue")
				}
			}
			if out := f.Output(); strings.Contains(out, "SECRET") {
				t.Errorf("a secret in %s", out)
			}
		})
	}
}
