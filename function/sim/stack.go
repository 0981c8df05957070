package sim

import (
	"strconv"
	"time"
)

// Stack is what is deployed: functions, queues and the mapping between them.
type Stack struct {
	Forwarder, Replay               map[string]string // variables of the functions
	ForwarderTimeout, ReplayTimeout time.Duration
	ForwarderMemory, ReplayMemory   int // MB
	InvokeRetries                   int
	InvokeAge                       time.Duration

	Visibility, Retention time.Duration
	MaxReceives           int
	DeadLetterDelay       time.Duration

	Concurrency, BatchSize, Workers int // of replay
}

// Template returns what template.yaml deploys if its parameters are left alone.
func Template() Stack {
	variables := func(retries, timeout string) map[string]string {
		return map[string]string{
			"NUMBER_OF_RETRIES": retries, "REQUEST_TIMEOUT": timeout,
			"RETRY_INTERVAL": "250", "MAX_IN_FLIGHT": "4", "DEADLINE_RESERVE": "0",
		}
	}
	s := Stack{
		Forwarder: variables("2", "10000"), ForwarderTimeout: time.Minute, ForwarderMemory: 256,
		Replay: variables("5", "25000"), ReplayTimeout: 5 * time.Minute, ReplayMemory: 512,
		InvokeRetries: 2, InvokeAge: 6 * time.Hour,
		Visibility: 30 * time.Minute, Retention: 14 * 24 * time.Hour, MaxReceives: 1000, DeadLetterDelay: time.Minute,
		Concurrency: 10, BatchSize: 10, Workers: 10,
	}
	s.Replay["NUM_OF_WORKERS"] = strconv.Itoa(s.Workers)
	return s
}

// Share returns the stack with a share of its replay, for a simulation with a share of
// the traffic: first fewer at once in an environment, then fewer environments, of which
// Lambda has 2 at least. With single, each environment has one worker, and so there are
// more environments.
func (s Stack) Share(share float64, single bool) Stack {
	requests := max(2, int(share*float64(s.Concurrency*s.Workers)+0.5))
	if single {
		s.Concurrency, s.Workers = requests, 1
		return s
	}
	s.Concurrency = max(2, min(s.Concurrency, requests/2))
	s.Workers = max(1, requests/s.Concurrency)
	return s
}
