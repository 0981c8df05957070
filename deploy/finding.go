package deploy

// Severity is how much a finding weighs.
type Severity string

const (
	Error   Severity = "error"   // ECS would refuse the definition, or its meaning would change
	Warning Severity = "warning" // it converts, and somebody should look
	Info    Severity = "info"    // it converts, and this is how
)

// Action is what the converter does at the place of a finding.
type Action string

const (
	Keep    Action = "keep"    // nothing: it is only remarked
	Set     Action = "set"     // gives a member a value that it needs
	Rewrite Action = "rewrite" // says the same in the way of Fargate
	Drop    Action = "drop"    // takes out what Fargate does not have
	Refuse  Action = "refuse"  // nothing: a person has to decide
)

// Finding is one thing that Fargate or the way of the logs asks of a task
// definition, and what the converter does about it.
type Finding struct {
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
	// Before and After are JSON, "" where there is none. Values of environment
	// variables are never in them whole.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Why    string `json:"why"`              // one sentence
	Help   string `json:"help,omitempty"`   // what to do next
	Source string `json:"source,omitempty"` // where AWS says so
}

// AtLeast reports whether s weighs as much as other or more.
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
