package clitest

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq/sqstest"
	"sumoship/transform"
)

// Queues is an AWS account with a dead-letter queue, as the command finds it.
func Queues(t *testing.T) *sqstest.Server {
	t.Helper()
	server := sqstest.New()
	server.Add(sqstest.Config{Name: "quarantine"})
	server.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 100})
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	SetAWS(t, api.URL)
	return server
}

// Send puts a message into a queue.
func Send(t *testing.T, server *sqstest.Server, queue, body string, attributes map[string]string) {
	t.Helper()
	url := "http://sqs/123456789012/" + queue
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
	for name, value := range attributes {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if _, err := server.Client().SendMessage(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// Message is the body of one with a log event for each line.
func Message(group string, lines ...string) string {
	var events []map[string]any
	for i, l := range lines {
		events = append(events, map[string]any{"id": fmt.Sprint(i), "timestamp": i, "message": l})
	}
	doc, _ := json.Marshal(map[string]any{"messageType": "DATA_MESSAGE", "logGroup": group, "logStream": "s", "logEvents": events})
	return string(transform.Pack(doc))
}
