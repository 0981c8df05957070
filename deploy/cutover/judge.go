package cutover

import (
	"fmt"
	"time"
)

// Limits say how much worse is too much. A zero field means its default.
type Limits struct {
	Errors    float64       // answers of 5xx, in percentage points above the old version or the time before; 0 is 1
	Latency   float64       // factor of the p99 latency; 0 is 1.5
	Slack     time.Duration // latency that does not count on top; 0 is 50 ms
	Requests  float64       // fewer are not judged; 0 is 20
	Unhealthy int           // looks in a row with unhealthy tasks; 0 is 3
}

func (l Limits) withDefaults() Limits {
	if l.Errors == 0 {
		l.Errors = 1
	}
	if l.Latency == 0 {
		l.Latency = 1.5
	}
	if l.Slack == 0 {
		l.Slack = 50 * time.Millisecond
	}
	if l.Requests == 0 {
		l.Requests = 20
	}
	if l.Unhealthy == 0 {
		l.Unhealthy = 3
	}
	return l
}

// Observation is what is known about both versions at one look.
type Observation struct {
	Share   int       // of the new version, in percent
	Need    int       // healthy tasks that its share takes
	Health  [2]Health // by Side
	Samples [2]Sample // since the step
	Before  Sample    // of the old version, before the first step
	Sick    [2]int    // looks in a row with unhealthy tasks
	Logs    [2]bool   // log events arrived since the step
	LogsDue bool      // they had the time to
}

// errorRate is the share of errors, in percent.
func (s Sample) errorRate() float64 {
	if s.Requests == 0 {
		return 0
	}
	return 100 * s.Errors / s.Requests
}

// Worse returns why an observation is reason to go back, "" if it is not. It does not
// judge what has too few requests.
func (l Limits) Worse(o Observation) string {
	l = l.withDefaults()
	if o.Health[New].Healthy == 0 {
		return "no task of the new version is healthy"
	}
	if o.Health[New].Healthy < o.Need && o.Sick[New] >= l.Unhealthy {
		return fmt.Sprintf("%d tasks of the new version are healthy, and its share takes %d", o.Health[New].Healthy, o.Need)
	}
	for _, side := range []Side{New, Old} {
		if side == Old && o.Share == 100 {
			break // it has no requests
		}
		if o.Sick[side] >= l.Unhealthy {
			return fmt.Sprintf("%d tasks of the %s version are unhealthy", o.Health[side].Unhealthy, side)
		}
		sample := o.Samples[side]
		if sample.Requests < l.Requests {
			continue
		}
		// The time before is what both are held against; the old version may suffer
		// from the new one. A new version may be as good as the old one is now.
		than, name := o.Before, "before the first step"
		if old := o.Samples[Old]; side == New && o.Share < 100 && (o.Before.Requests < l.Requests || old.errorRate() > o.Before.errorRate()) && old.Requests >= l.Requests {
			than, name = old, "the old version has now"
		}
		if than.Requests < l.Requests && side == Old {
			continue
		}
		if got, was := sample.errorRate(), than.errorRate(); got > was+l.Errors {
			return fmt.Sprintf("%.2f %% of the answers of the %s version are errors, and %.2f %% %s", got, side, was, name)
		}
		if than.Latency > 0 && sample.Latency > time.Duration(l.Latency*float64(than.Latency))+l.Slack {
			return fmt.Sprintf("the p99 latency of the %s version is %s, and %s %s", side,
				sample.Latency.Round(time.Millisecond), than.Latency.Round(time.Millisecond), name)
		}
	}
	if o.LogsDue {
		for _, side := range []Side{New, Old} {
			if !o.Logs[side] && o.Samples[side].Requests >= l.Requests {
				return fmt.Sprintf("the %s version answers requests, and none of its logs arrived at the forwarder", side)
			}
		}
	}
	return ""
}
