// Package logstest is what subscriptions need of Amazon CloudWatch Logs and AWS
// Lambda, and lives in the test: log groups, subscription filters, account
// policies, functions and their policies behind the real clients of
// aws-sdk-go-v2, with AWS JSON 1.1 and REST JSON between them. It refuses what
// the services refuse, with the same errors, has no clock but time.Now (so that
// it lives in a testing/synctest bubble too), and fails on demand.
//
// What it knows of the services comes from their API references and developer
// guides; the contract test holds it, and moto where moto can, to the same
// cases. A field or an operation that it does not know is an error, never
// ignored.
//
// It exists beside moto because moto cannot fail on demand, nor live in a
// synctest bubble; the contract test is what justifies it.
package logstest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"sumoship/function/awstest"
)

// The Region and account of every resource here.
const (
	Region  = "us-east-1"
	Account = "123456789012"
)

// Group is a log group.
type Group struct {
	Name    string
	Class   string // empty means STANDARD
	Days    int    // retention; 0 is for ever
	Tags    map[string]string
	Filters []Filter // in the order of their names
	Events  []Event  // in the order of their timestamps
}

// Event is a log event.
type Event struct {
	ID, Stream, Message string
	Timestamp           int64 // ms
}

// Filter is a subscription filter.
type Filter struct {
	Name, Pattern, Destination, Role string

	SystemFields string // emitSystemFields, joined by commas
	Selection    string // fieldSelectionCriteria
	Transformed  bool   // applyOnTransformedLogs
	Distribution string // empty means ByLogStream
}

// Policy is a subscription filter policy of the account.
type Policy struct {
	Name, Document, Criteria string
}

// Call is a request that a fault can be put on; Name is that of the log group,
// function or policy.
type Call = awstest.Call

// Fault is how a request fails.
type Fault = awstest.Fault

// Server is the services. Make it with New.
type Server struct {
	*awstest.Transport // Do, ServeHTTP, OnRequest

	// Page is how many log groups or filters a page has at most; 0 means 50, as
	// many as there are.
	Page int

	// PermissionDelay is how long CloudWatch Logs does not know of a permission
	// that was added, though Lambda shows it.
	PermissionDelay time.Duration

	// IgnoreTagFilters is a Region whose ListLogGroups does not know logGroupTags
	// yet, and ignores it as AWS JSON lets a service.
	IgnoreTagFilters bool

	mu        sync.Mutex // never held while waiting
	groups    map[string]*Group
	names     []string // of the groups, sorted; nil after a change
	policies  map[string]Policy
	functions map[string]*function
}

// New returns services with nothing in them.
func New() *Server {
	s := &Server{groups: map[string]*Group{}, policies: map[string]Policy{}, functions: map[string]*function{}}
	s.Transport = awstest.NewTransport(s.answer)
	return s
}

// Add creates log groups. One of the same name is replaced.
func (s *Server) Add(groups ...Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range groups {
		g.Tags, g.Filters = maps.Clone(g.Tags), slices.Clone(g.Filters)
		s.groups[g.Name] = &g
	}
	s.names = nil
}

// AddEvents adds log events to a log group, in the order of their timestamps.
func (s *Server) AddEvents(group string, events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[group]
	g.Events = append(g.Events, events...)
}

// Remove deletes a log group.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.groups, name)
	s.names = nil
}

// Groups are all log groups, by name.
func (s *Server) Groups() []Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Group
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		g := *s.groups[name]
		g.Tags, g.Filters = maps.Clone(g.Tags), slices.Clone(g.Filters)
		all = append(all, g)
	}
	return all
}

// Policies are all subscription policies of the account, by name. The service
// lets there be one.
func (s *Server) Policies() []Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Policy
	for _, name := range slices.Sorted(maps.Keys(s.policies)) {
		all = append(all, s.policies[name])
	}
	return all
}

// AddPolicy creates a subscription policy of the account.
func (s *Server) AddPolicy(p Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[p.Name] = p
}

// FunctionARN is the ARN of a function.
func FunctionARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", Region, Account, name)
}

// AddFunction creates a function that writes to a log group, by default that of
// its name. Nobody may call it yet.
func (s *Server) AddFunction(name, logGroup string) (arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if logGroup == "" {
		logGroup = "/aws/lambda/" + name
	}
	s.functions[name] = &function{name: name, logGroup: logGroup}
	return FunctionARN(name)
}

// SetVariables gives a function its environment variables.
func (s *Server) SetVariables(name string, variables map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functions[name].env = maps.Clone(variables)
}

// Permissions are the ids of the statements in the policy of a function, in
// their order.
func (s *Server) Permissions(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	if f := s.functions[name]; f != nil {
		for _, st := range f.policy {
			all = append(all, st.Sid)
		}
	}
	return all
}

// Invocations takes out the events that a function was called with
// asynchronously and that Lambda has still to hand to it.
func (s *Server) Invocations(name string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return nil
	}
	events := f.queue
	f.queue = nil
	return events
}

// Logs is the SDK's client of CloudWatch Logs on this server, without a network.
// It tries each request once; set RetryMaxAttempts for the SDK's own retries.
func (s *Server) Logs(optFns ...func(*cloudwatchlogs.Options)) *cloudwatchlogs.Client {
	return cloudwatchlogs.New(cloudwatchlogs.Options{Region: Region, Credentials: anybody, HTTPClient: s, RetryMaxAttempts: 1}, optFns...)
}

// Lambda is the SDK's client of Lambda on this server, without a network.
func (s *Server) Lambda(optFns ...func(*lambda.Options)) *lambda.Client {
	return lambda.New(lambda.Options{Region: Region, Credentials: anybody, HTTPClient: s, RetryMaxAttempts: 1}, optFns...)
}

var anybody aws.CredentialsProvider = credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "logstest", "")
