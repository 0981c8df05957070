// Package sqstest is an in-process Amazon SQS for tests: standard queues behind the
// real client of aws-sdk-go-v2, with AWS JSON 1.0 between them. It refuses what the
// service refuses, with the same errors, uses package time (so that it works in a
// testing/synctest bubble), and fails on demand.
//
// It exists beside moto because moto can neither fail on demand nor run in a
// synctest bubble. It implements the SQS API reference and developer guide; a
// contract test holds it to the same cases as moto, as far as moto goes. Where the
// reference leaves a choice it makes the one that is harder on the caller: a delete
// with a receipt handle that is not the message's latest succeeds and deletes
// nothing, and a move task moves to the source queues only what the redrive policy
// had put there. An unknown field or operation is an error, never ignored.
package sqstest

import (
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/function/awstest"
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
	DeadLetter  string        // name of the queue for messages received MaxReceives times; "" means none
	MaxReceives int           // 0 means 10
}

// Message is a message in a queue.
type Message struct {
	ID         string
	Body       string
	Attributes map[string]string // those of type String or Number
	Receives   int
	VisibleAt  time.Time // when it can be received
	Sent       time.Time
}

// Call is a request that a fault can be put on; Name is that of the queue.
type Call = awstest.Call

// Fault is how a request fails. Code is an exception of the SQS model, such as
// RequestThrottled, QueueDoesNotExist or KmsAccessDenied, or another code, such
// as AccessDenied or InternalError.
type Fault = awstest.Fault

// Server is the service. Create it with New.
type Server struct {
	*awstest.Transport // Do, ServeHTTP, OnRequest

	mu     sync.Mutex // never held while waiting
	queues map[string]*queue
	tasks  []*moveTask
	ids    int
}

// New returns a service without queues.
func New() *Server {
	s := &Server{queues: map[string]*queue{}}
	s.Transport = awstest.NewTransport(s.answer)
	return s
}

// Add creates a queue and returns its URL. It replaces a queue of that name and its
// messages.
func (s *Server) Add(c Config) (url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := newQueue(c)
	s.queues[c.Name] = q
	return q.url()
}

// Messages returns all messages of a queue, visible or not, oldest first.
func (s *Server) Messages(name string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil
	}
	q.expire(time.Now())
	var all []Message
	for m := range q.all() {
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

// Show makes all messages of a queue visible at once, as time would.
func (s *Server) Show(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	for m := range q.all() {
		m.visibleAt = time.Now()
	}
	q.wake()
}

// Client returns an SDK client of this server that uses no network. It tries each
// request once; set RetryMaxAttempts for the SDK's own retries.
func (s *Server) Client(optFns ...func(*sqs.Options)) *sqs.Client {
	return sqs.New(sqs.Options{
		Region:           region,
		Credentials:      credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "sqstest", ""),
		HTTPClient:       s,
		RetryMaxAttempts: 1,
	}, optFns...)
}
