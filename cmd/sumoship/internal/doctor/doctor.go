// Package doctor looks at a deployed stack and says what is wrong with it: each fault
// is a value with its mend, beside the check that finds it. It changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sumoship/deploy/subscription"
)

// Status is how a check ended.
type Status string

// Statuses of a check.
const (
	Sound  Status = "sound"
	Doubt  Status = "doubt"  // it works, and may not be what is wanted
	Broken Status = "broken" // log events are lost, late or not shipped, or soon will be
)

// Mark is the status as a sign: ✔, ! or ✘.
func (s Status) Mark() string {
	switch s {
	case Sound:
		return "✔"
	case Doubt:
		return "!"
	}
	return "✘"
}

// Fault is something that can be wrong. In Mend, {stack} and the like stand for the
// names of the stack that was looked at.
type Fault struct {
	ID      string
	Status  Status
	Symptom string // as one notices it without doctor
	Why     string // it matters
	Mend    string // what to do
}

// with returns the fault with texts in place of others in its mend.
func (f Fault) with(oldnew ...string) Fault {
	f.Mend = strings.NewReplacer(oldnew...).Replace(f.Mend)
	return f
}

// Finding is what a check has found.
type Finding struct {
	Check  string `json:"check"` // its subject
	Status Status `json:"status"`
	Seen   string `json:"seen"`
	Fault  string `json:"fault,omitempty"` // ID
	Why    string `json:"why,omitempty"`
	Mend   string `json:"mend,omitempty"`
}

// Report is what was found, in the order of the checks.
type Report struct {
	Version  string    `json:"version"` // of the command
	Stack    string    `json:"stack"`
	Region   string    `json:"region"`
	Account  string    `json:"account"`
	Findings []Finding `json:"findings"`
}

// Count returns how many findings have a status.
func (r *Report) Count(s Status) (n int) {
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// Options say what to look at.
type Options struct {
	Stack    string
	Region   string
	LogGroup string             // whose subscription is looked at too; may be ""
	NoProbe  bool               // do not connect to Sumo Logic
	Command  string             // its version
	Progress func(check string) // may be nil
	Explain  func(error) error  // words the errors of AWS; may be nil

	// Near asks whether something of a similar name was meant; may be nil.
	Near func(kind, name string) string
}

// check is one look at the stack. Its error is that it could not look.
type check struct {
	subject string
	run     func(*exam, context.Context) error
}

// checks are all checks, in order. Those after the first need what it finds.
var checks = []check{
	{"stack", (*exam).stackThere},
	{"forwarder", (*exam).forwarderRuns},
	{"replay", (*exam).replayRuns},
	{"versions", (*exam).versions},
	{"endpoint", (*exam).endpoint},
	{"permission", (*exam).permission},
	{"log group", (*exam).logGroup},
	{"log loop", (*exam).loop},
	{"event source mapping", (*exam).mapping},
	{"dead-letter queue", (*exam).queue},
	{"quarantine queue", (*exam).quarantine},
	{"alarms", (*exam).alarms},
	{"delivery", (*exam).delivery},
	{"heartbeat", (*exam).heartbeat},
	{"subscriber", (*exam).subscriber},
}

// exam is one examination.
type exam struct {
	Clients
	Options
	report Report

	stack     Stack
	forwarder Function
	replay    Function
	to        subscription.Destination // the forwarder
	subject   string                   // of the check that runs
	found     bool                     // it has found something
}

// Examine looks at a stack. A check that cannot look is a finding too, but for the
// first: then the error is why. It is also that of a context that has ended.
func Examine(ctx context.Context, c Clients, o Options) (*Report, error) {
	if o.Explain == nil {
		o.Explain = func(err error) error { return err }
	}
	if o.Near == nil {
		o.Near = func(string, string) string { return "" }
	}
	x := &exam{Clients: c, Options: o, report: Report{Version: o.Command, Stack: o.Stack, Region: o.Region}}
	for _, check := range checks {
		x.subject, x.found = check.subject, false
		if o.Progress != nil {
			o.Progress(check.subject)
		}
		err := check.run(x, ctx)
		if ctx.Err() != nil {
			return &x.report, ctx.Err()
		}
		switch {
		case err != nil && x.to.ARN == "":
			return &x.report, err
		case err != nil:
			x.finds(unseen, "%v", x.Explain(err))
		case x.to.ARN == "":
			return &x.report, nil // there is nothing to look at
		}
	}
	return &x.report, nil
}

// finds reports a fault, and what was seen of it.
func (x *exam) finds(f Fault, seen string, args ...any) {
	x.found = true
	x.report.Findings = append(x.report.Findings, Finding{Check: x.subject, Status: f.Status, Seen: fmt.Sprintf(seen, args...),
		Fault: f.ID, Why: f.Why, Mend: x.names(f.Mend)})
}

// sound reports that the check has found nothing, if that is so.
func (x *exam) sound(seen string, args ...any) {
	if !x.found {
		x.found = true
		x.report.Findings = append(x.report.Findings, Finding{Check: x.subject, Status: Sound, Seen: fmt.Sprintf(seen, args...)})
	}
}

// names puts the names of the stack into a text.
func (x *exam) names(text string) string {
	region := ""
	if x.Region != "" {
		region = " --region " + x.Region
	}
	out := func(name, otherwise string) string {
		if v := x.stack.Outputs[name]; v != "" {
			return v
		}
		return otherwise
	}
	return strings.NewReplacer(
		"{stack}", x.Options.Stack, "{region}", region, "{group}", x.LogGroup,
		"{forwarder}", out("ForwarderName", "FORWARDER"), "{forwarder-arn}", out("ForwarderArn", "FORWARDER-ARN"),
		"{replay}", out("ReplayName", "REPLAY"), "{queue}", out("DeadLetterQueueUrl", "QUEUE"), "{quarantine}", out("QuarantineQueueUrl", "QUARANTINE-QUEUE"),
		"{endpoint}", out("EndpointArn", "ENDPOINT-ARN"),
	).Replace(text)
}

// unseen is what a check reports that could not look.
var unseen = Fault{"not-seen", Doubt,
	"doctor cannot look at a part of the stack.",
	"What cannot be looked at may be wrong.",
	"Run it with the permissions that docs/troubleshooting.md names, or read the message: it says what AWS refused."}

// ErrNotFound is that AWS does not have what was asked for.
var ErrNotFound = errors.New("not found")

// Topic is a subject of checks, and what can be wrong with it.
type Topic struct {
	Name   string
	Faults []Fault
}

// Topics returns all faults that doctor knows, in the order of the checks.
func Topics() []Topic {
	return []Topic{{"The stack", stackFaults}, {"Functions", functionFaults}, {"Versions", versionFaults}, {"Endpoint", endpointFaults}, {"Log groups", groupFaults},
		{"Queues and replay", replayFaults}, {"Alarms", alarmFaults}, {"What arrives", activityFaults}, {"What doctor may see", []Fault{unseen}}}
}
