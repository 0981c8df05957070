// Package sqstest is an Amazon SQS that lives in the test: standard queues
// behind the real client of aws-sdk-go-v2, with AWS JSON 1.0 between them. It
// refuses what the service refuses, with the same errors, takes time from
// package time (so that it lives in a testing/synctest bubble too), and fails
// on demand.
//
// What it knows of the service comes from the SQS API reference and developer
// guide; the contract test holds it, and moto where moto can, to the same
// cases. Where the reference leaves a choice it takes the one that is harder on
// the caller: a delete with a receipt handle that is not the message's latest
// succeeds and deletes nothing, and a move task moves to the source queues only
// what the redrive policy had put there. A field or an operation that it does
// not know is an error, never ignored.
package sqstest

import (
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

// Config describes a queue.
type Config struct {
	Name        string
	MaxSize     int           // bytes of a message with its attributes; 0 means 1 MiB
	Visibility  time.Duration // 0 means 30 s
	Retention   time.Duration // 0 means 4 days
	DeadLetter  string        // name of the queue for messages received MaxReceives times; empty: none
	MaxReceives int           // 0 means 10
}

// Message is a message as it lies in a queue.
type Message struct {
	ID         string
	Body       string
	Attributes map[string]string // those of type String or Number
	Receives   int
	VisibleAt  time.Time // when a receive can get it
	Sent       time.Time
}

// Call is a request that a fault can be put on.
type Call struct {
	Op    string // SendMessageBatch
	Queue string // name; empty where the operation has none
	N     int    // number of the request since the server was made, from 1
	Body  []byte // the input, in JSON
}

// Fault is how a request fails. The zero value lets it succeed.
type Fault struct {
	// Code is an error of the API: an exception of the SQS model, such as
	// RequestThrottled, QueueDoesNotExist or KmsAccessDenied, or another code,
	// such as AccessDenied or InternalError. Nothing happens to the queue.
	Code string
	// Status is the HTTP status; 0 means that of Code. Without a Code the
	// answer is not one of SQS, as if something in between had given it.
	Status int

	DropBefore bool // the connection breaks before anything happens
	DropAfter  bool // it happens, then the connection breaks without an answer

	// FailEntries are the places, from 0, of the entries of a batch that fail
	// with InternalError, which is not the sender's fault. The others go on.
	FailEntries []int
}

// Server is the service. Make it with New.
type Server struct {
	mu     sync.Mutex // never held while waiting
	queues map[string]*queue
	tasks  []*moveTask
	ids    int
	calls  int
	fault  func(Call) Fault
}

// New makes a service without queues.
func New() *Server { return &Server{queues: map[string]*queue{}} }

// Add makes a queue and returns its URL. A queue of that name is replaced,
// together with what is in it.
func (s *Server) Add(c Config) (url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := newQueue(c)
	s.queues[c.Name] = q
	return q.url()
}

// Messages are all messages of a queue, visible or not, oldest first.
func (s *Server) Messages(name string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil
	}
	q.expire(time.Now())
	var all []Message
	for _, m := range q.messages {
		attrs := map[string]string{}
		for name, a := range m.attributes {
			if a.StringValue != nil {
				attrs[name] = *a.StringValue
			}
		}
		all = append(all, Message{
			ID: m.id, Body: m.body, Attributes: attrs, Receives: m.receives,
			VisibleAt: m.visibleAt, Sent: m.sent,
		})
	}
	slices.SortStableFunc(all, func(a, b Message) int { return a.Sent.Compare(b.Sent) })
	return all
}

// OnRequest sets a function that is asked before each request is carried out
// how it should fail. It may call the methods of the server, and wait.
func (s *Server) OnRequest(fault func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Client is the SDK's client on this server, without a network. It tries each
// request once; set RetryMaxAttempts for the SDK's own retries.
func (s *Server) Client(optFns ...func(*sqs.Options)) *sqs.Client {
	return sqs.New(sqs.Options{
		Region:           region,
		Credentials:      credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "sqstest", ""),
		HTTPClient:       s,
		RetryMaxAttempts: 1,
	}, optFns...)
}
