package doctor

import (
	"context"
	"time"

	"sumoship/deploy/subscription"
	"sumoship/dlq"
	"sumoship/sumo"
)

// Clients are AWS and Sumo Logic as the checks see them.
type Clients struct {
	Stacks
	Functions
	Groups
	Queues
	Reports
	Watch
	Source
}

// Stacks is AWS CloudFormation, and who asks it.
type Stacks interface {
	// Account returns the account of the caller.
	Account(ctx context.Context) (string, error)
	// Stack returns a stack. Errors: ErrNotFound.
	Stack(ctx context.Context, name string) (Stack, error)
}

// Functions is AWS Lambda.
type Functions interface {
	// Function returns a function. Errors: ErrNotFound.
	Function(ctx context.Context, arn string) (Function, error)
	// Mappings returns the event source mappings of a function.
	Mappings(ctx context.Context, name string) ([]Mapping, error)
	// Permitted reports whether CloudWatch Logs may call a function.
	Permitted(ctx context.Context, d subscription.Destination) (bool, error)
}

// Groups is Amazon CloudWatch Logs.
type Groups interface {
	Find(ctx context.Context, name string) (subscription.Group, error)
	Filters(ctx context.Context, group string) ([]subscription.Filter, error)
	Policies(ctx context.Context) ([]subscription.AccountPolicy, error)
}

// Queues is Amazon SQS.
type Queues interface {
	// Queue returns a queue by its URL. Errors: ErrNotFound.
	Queue(ctx context.Context, url string) (dlq.Status, error)
}

// Reports are what the functions have logged.
type Reports interface {
	// Version returns the version that a function names in its log group since a time,
	// "" if it has not logged since. Errors: ErrNotFound.
	Version(ctx context.Context, group string, since time.Time) (string, error)
}

// Watch is Amazon CloudWatch and SNS.
type Watch interface {
	Alarms(ctx context.Context, names []string) ([]Alarm, error)
	// Topic returns a topic of SNS. Errors: ErrNotFound.
	Topic(ctx context.Context, arn string) (SNSTopic, error)
	// Values returns a figure for each metric: its statistic over the time since.
	Values(ctx context.Context, metrics []Metric, since time.Time) ([]float64, error)
}

// Source is where the functions send to.
type Source interface {
	// Endpoint reads the endpoint as a function with these variables does. Its errors
	// hold no secret.
	Endpoint(ctx context.Context, variables map[string]string) (sumo.Endpoint, error)
	// Probe sends a request without a body. Errors: *sumo.SendError.
	Probe(ctx context.Context, e sumo.Endpoint) error
}

// Stack is a stack of CloudFormation.
type Stack struct {
	Status, Reason string
	Outputs        map[string]string
	Resources      []Resource
}

// Resource is one of a stack.
type Resource struct{ Logical, Physical, Type string }

// Function is a function of Lambda.
type Function struct {
	State, Reason string // Active
	Update, Why   string // the last one: Successful
	Variables     map[string]string
	DeadLetters   string // ARN of the queue of events that it failed, "" if none
	Timeout       time.Duration
	Concurrency   int // reserved; -1 is none
	LogGroup      string
}

// Mapping is an event source mapping.
type Mapping struct {
	Source  string // ARN
	State   string // Enabled, Disabled, …
	Result  string // of the last batch: OK, No records processed, PROBLEM: …
	Partial bool   // it reports the messages of a batch that failed
}

// Alarm is an alarm of CloudWatch.
type Alarm struct {
	Name, State, Reason string // ALARM, OK, INSUFFICIENT_DATA
	Actions             []string
	Enabled             bool // its actions are
	Composite           bool
}

// SNSTopic is a topic of SNS, with the number of its subscriptions.
type SNSTopic struct{ Confirmed, Pending int }

// Metric is a metric with one dimension.
type Metric struct {
	Namespace, Name  string
	Dimension, Value string
	Max              bool // the maximum, not the sum
}
