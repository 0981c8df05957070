package doctor

import (
	"context"
	"time"
)

// overviewTime is what the figures of an overview are of.
const overviewTime = 5 * time.Minute

// Overview is one look at what a stack does now.
type Overview struct {
	Stack      string            `json:"stack"`
	Region     string            `json:"region"`
	Account    string            `json:"account"`
	State      string            `json:"state"`    // of the stack
	Versions   map[string]string `json:"versions"` // of the functions that have logged, by name
	Minutes    int               `json:"minutes"`  // that the figures are of
	Events     int               `json:"events"`
	Confirmed  int               `json:"confirmed"`
	Bytes      int               `json:"bytes"`    // sent
	Failures   map[string]int    `json:"failures"` // log events by class
	Breaker    string            `json:"breaker"`  // closed, or open
	Queue      int               `json:"queue"`
	Oldest     int               `json:"oldestSeconds"`
	Quarantine int               `json:"quarantine"`
	Subscribed *int              `json:"subscribed,omitempty"` // log groups, if the stack has a subscriber that has run
	Alarms     []string          `json:"alarms"`               // that are on
}

// classes are the metrics of the classes of failure, by the names of the classes.
var classes = []struct{ class, metric string }{
	{"unavailable", "Unavailable"}, {"throttled", "Throttled"}, {"misconfigured", "Misconfigured"}, {"rejected", "Rejected"},
	{"out_of_time", "OutOfTime"}, {"undecodable", "Undecodable"},
}

// Look returns an overview of a stack. Errors: ErrNotFound.
func Look(ctx context.Context, c Clients, name, region string) (*Overview, error) {
	o := &Overview{Stack: name, Region: region, Versions: map[string]string{}, Minutes: int(overviewTime / time.Minute), Failures: map[string]int{}, Breaker: "closed", Alarms: []string{}}
	var err error
	if o.Account, err = c.Account(ctx); err != nil {
		return nil, err
	}
	s, err := c.Stacks.Stack(ctx, name)
	if err != nil {
		return nil, err
	}
	o.State = s.Status
	now := time.Now()
	metric := func(name string) Metric {
		return Metric{"sumoship", name, "function", s.Outputs["ForwarderName"], false}
	}
	metrics := []Metric{metric("Events"), metric("Confirmed"), metric("SentBytes"), metric("BreakerOpen")}
	for _, c := range classes {
		metrics = append(metrics, metric(c.metric))
	}
	v, err := c.Values(ctx, metrics, now.Add(-overviewTime))
	if err != nil {
		return nil, err
	}
	o.Events, o.Confirmed, o.Bytes = int(v[0]), int(v[1]), int(v[2])
	if v[3] > 0 {
		o.Breaker = "open"
	}
	for i, c := range classes {
		if n := int(v[4+i]); n > 0 {
			o.Failures[c.class] = n
		}
	}
	q, err := c.Queue(ctx, s.Outputs["DeadLetterQueueUrl"])
	if err != nil {
		return nil, err
	}
	o.Queue = q.Depth()
	later := []Metric{{"AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", q.Name, true}}
	if subscriber := s.Outputs["SubscriberName"]; subscriber != "" {
		for _, name := range []string{"GroupsAlready", "GroupsSubscribed"} {
			later = append(later, Metric{"sumoship", name, "function", subscriber, true})
		}
	}
	if v, err = c.Values(ctx, later, now.Add(-24*time.Hour)); err != nil {
		return nil, err
	}
	if q.Depth() > 0 {
		o.Oldest = int(v[0])
	}
	if len(v) > 1 && v[1]+v[2] > 0 {
		n := int(v[1] + v[2])
		o.Subscribed = &n
	}
	if q, err = c.Queue(ctx, s.Outputs["QuarantineQueueUrl"]); err != nil {
		return nil, err
	}
	o.Quarantine = q.Depth()
	if names := alarmsOf(s); len(names) > 0 {
		alarms, err := c.Alarms(ctx, names)
		if err != nil {
			return nil, err
		}
		for _, a := range alarms {
			if a.State == "ALARM" && !a.Composite {
				o.Alarms = append(o.Alarms, a.Name)
			}
		}
	}
	for function, group := range logGroups(s) {
		version, err := c.Version(ctx, group, now.Add(-overviewTime))
		if err == nil && version != "" { // it may not be read, or has not logged: the figures matter more
			o.Versions[function] = version
		}
	}
	return o, nil
}

// logGroups returns the log groups of the functions of a stack, by the functions.
func logGroups(s Stack) map[string]string {
	groups := map[string]string{}
	for function, output := range map[string]string{
		"forwarder": "ForwarderLogGroup", "replay": "ReplayLogGroup", "subscriber": "SubscriberLogGroup", "stream": "StreamLogGroup", "heartbeat": "HeartbeatLogGroup",
	} {
		if group := s.Outputs[output]; group != "" {
			groups[function] = group
		}
	}
	return groups
}
