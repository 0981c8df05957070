// Package cutover moves the requests of a running service to its Fargate version step
// by step: it waits for healthy tasks, compares both versions, and goes back when the
// new one is worse. It decides; what it looks at and changes are small interfaces.
package cutover

import (
	"context"
	"time"
)

// Side is one of the two versions of a service.
type Side int

// The sides.
const (
	Old Side = iota
	New
)

func (s Side) String() string { return [...]string{"old", "new"}[s] }

// Health is how many tasks of a version can answer. Of a version in several target
// groups it is that of the group with the fewest healthy targets.
type Health struct{ Healthy, Unhealthy int }

// Fleet is the tasks of one version.
type Fleet interface {
	Health(ctx context.Context) (Health, error)
	// Desired returns how many tasks should run.
	Desired(ctx context.Context) (int, error)
	// Scale sets how many tasks should run, and what else scales the service stays
	// away from it: at 0 nothing else starts tasks.
	Scale(ctx context.Context, tasks int) error
}

// Router shares the requests between the versions. It has one or more routes, such
// as rules of a listener.
type Router interface {
	// Shares returns the share of the new version in each route, in percent.
	Shares(ctx context.Context) ([]int, error)
	// SetShare sets the share of the new version in one route, in percent.
	SetShare(ctx context.Context, route, percent int) error
}

// Sample is what a version did in a span of time.
type Sample struct {
	Requests, Errors float64       // errors are answers of 5xx, and connections that failed
	Latency          time.Duration // p99, 0 if unknown
}

// Monitor observes the versions.
type Monitor interface {
	Sample(ctx context.Context, side Side, from, to time.Time) (Sample, error)
	// Logs reports whether log events of a version arrived at the forwarder since a time.
	Logs(ctx context.Context, side Side, since time.Time) (bool, error)
}

// Store keeps the entry where another run finds it.
type Store interface {
	Load(ctx context.Context) (Entry, error) // the zero Entry if there is none
	Save(ctx context.Context, e Entry) error
}

// Cutover is the move of one service. A zero duration or count means its default.
type Cutover struct {
	Fleets  [2]Fleet // by Side
	Router  Router
	Monitor Monitor
	Store   Store

	Steps      []int         // shares of the new version, in percent, rising to 100; nil is 5, 25, 50, 100
	Bake       time.Duration // how long a step is watched; 0 is 5 minutes
	Poll       time.Duration // between two looks; 0 is 15 s
	HealthWait time.Duration // how long to wait for healthy tasks; 0 is 15 minutes
	LogWait    time.Duration // how long logs may take to arrive; 0 is 5 minutes
	Drain      time.Duration // how long the old version finishes what it has, before it stops; 0 is 5 minutes
	Limits     Limits

	Report func(format string, args ...any) // told what happens; nil is nobody
}

// DefaultSteps returns the shares of the new version, in percent.
func DefaultSteps() []int { return []int{5, 25, 50, 100} }

const (
	defaultBake       = 5 * time.Minute
	defaultPoll       = 15 * time.Second
	defaultHealthWait = 15 * time.Minute
	defaultLogWait    = 5 * time.Minute
	defaultDrain      = 5 * time.Minute
)

func (c *Cutover) steps() []int {
	if len(c.Steps) == 0 {
		return DefaultSteps()
	}
	return c.Steps
}

func or(d, without time.Duration) time.Duration {
	if d == 0 {
		return without
	}
	return d
}

func (c *Cutover) report(format string, args ...any) {
	if c.Report != nil {
		c.Report(format, args...)
	}
}

// Need is how many tasks of the new version a share takes, of as many as the old
// version has in all.
func Need(tasks, percent int) int { return max(1, (tasks*percent+99)/100) }
