// Package finding is what the checks of a task definition share: a Finding, the
// Rule behind it, and the Recorder that collects findings about one document.
// A Report writes the findings of one run as text, JSON or SARIF.
package finding

import (
	"slices"
	"strings"
)

// Severity is how serious a finding is.
type Severity string

const (
	Error   Severity = "error"   // ECS would refuse the definition, or its meaning would change
	Warning Severity = "warning" // it converts, and a person should look
	Info    Severity = "info"    // it converts, and this is how
)

// Action is what the converter does at the place of a finding.
type Action string

const (
	Keep    Action = "keep"    // nothing: it is only noted
	Set     Action = "set"     // gives a member the value that it needs
	Rewrite Action = "rewrite" // expresses the same as Fargate has it
	Drop    Action = "drop"    // removes what Fargate does not have
	Refuse  Action = "refuse"  // nothing: a person has to decide
)

// Finding is one thing that Fargate, or shipping the logs, requires of a task
// definition, and what the converter does about it.
type Finding struct {
	Topic    Topic    `json:"-"`  // of its rule
	Usual    bool     `json:"-"`  // likewise
	ID       string   `json:"id"` // stable, such as "host-port-dropped"
	Severity Severity `json:"severity"`
	// Pointer is the place in the input, a JSON pointer (RFC 6901); "" is the
	// whole document.
	Pointer string `json:"pointer"`
	// Line and Column are that place, or its nearest ancestor in the input, from
	// 1, the column in characters; 0 where the input has none.
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	Container string `json:"container,omitempty"` // name; "" at task level
	Action    Action `json:"action"`
	// Before and After are JSON, "" where there is none. They never hold the
	// whole value of an environment variable.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Why    string `json:"why"`              // one sentence
	Help   Advice `json:"help,omitempty"`   // what to do next, a string in JSON
	Source string `json:"source,omitempty"` // where this is documented
}

// AtLeast reports whether s is as serious as other, or more.
func (s Severity) AtLeast(other Severity) bool { return s.weight() >= other.weight() }

func (s Severity) weight() int {
	switch s {
	case Error:
		return 3
	case Warning:
		return 2
	case Info:
		return 1
	}
	return 0
}

// Advice is what to do next, sentence by sentence. In JSON it is one string.
type Advice []string

// CreateLogGroup is the advice that a caller removes if it creates the log groups.
const CreateLogGroup = "Create the log group before the first task."

// String joins the sentences.
func (a Advice) String() string { return strings.Join(a, " ") }

// MarshalText writes the advice as one string.
func (a Advice) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the string as one sentence.
func (a *Advice) UnmarshalText(text []byte) error {
	*a = Advice{string(text)}
	return nil
}

// Without returns the advice without one sentence.
func (a Advice) Without(sentence string) Advice {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return s == sentence })
}

// Topic groups the rules that a caller selects by subject.
type Topic string

// Network is the topic of the rules about a task's network.
const Network Topic = "network"
