package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var activityFaults = []Fault{eventsLost, invocationsFail, throttled, deadLettered, sourceRefuses, allFiltered, nothingArrives, heartbeatSilent, subscriberFails, subscriberIdle}

var eventsLost = Fault{"events-lost", Broken,
	"The alarm LostAlarm is on.",
	"Log events reached neither Sumo Logic nor the dead-letter queue; Lambda tries them twice more.",
	"`sumoship tail --stack {stack}{region}` shows the error; it is mostly the permission for the queue or its key."}

var invocationsFail = Fault{"invocations-fail", Broken,
	"The alarm ForwarderErrorsAlarm is on.",
	"Invocations of the forwarder end with an error: Lambda tries each again.",
	"`sumoship tail --stack {stack}{region}` shows the errors."}

var throttled = Fault{"throttled", Doubt,
	"Logs arrive late.",
	"Lambda had no concurrency for the forwarder; events wait for up to 6 hours.",
	"See the concurrency of the account: `aws lambda get-account-settings{region}`, and ForwarderConcurrency of the stack."}

var deadLettered = Fault{"dead-lettering", Doubt,
	"Some logs arrive late.",
	"Sumo Logic did not confirm them at once; replay sends them.",
	"`sumoship dlq peek --queue {queue}{region}` says why."}

var sourceRefuses = Fault{"source-refuses", Broken,
	"The alarm MisconfiguredAlarm is on; everything is dead-lettered.",
	"Sumo Logic refuses the URL or the token of the source.",
	"Copy the URL of the HTTP Source from Sumo Logic into {endpoint}."}

var allFiltered = Fault{"all-filtered", Doubt,
	"Nothing arrives, and nothing fails.",
	"The rules of the stack drop every log event that arrives.",
	"See LogStreamPrefix, VpcCidrPrefix and LogFormat of the stack."}

var nothingArrives = Fault{"nothing-arrives", Doubt,
	"Nothing arrives but heartbeats.",
	"No log group delivered to the forwarder for an hour: none is subscribed, or none has logged.",
	"`sumoship subscribe --destination {forwarder-arn} --include PATTERN` subscribes log groups; `sumoship doctor --stack {stack}{region} --log-group NAME` looks at one."}

var heartbeatSilent = Fault{"heartbeat-silent", Broken,
	"The alarm HeartbeatAlarm is on.",
	"The heartbeat goes the whole way from a log group to Sumo Logic, and has not arrived for an hour.",
	"`sumoship doctor --canary --stack {stack}{region}` shows where it ends."}

var subscriberFails = Fault{"subscriber-fails", Broken,
	"New log groups are not shipped.",
	"Runs of the subscriber ended with errors, or left log groups undone.",
	"The log of the subscriber names them: `sumoship tail --stack {stack} --function subscriber{region}`."}

var subscriberIdle = Fault{"subscriber-idle", Doubt,
	"New log groups are not shipped.",
	"The subscriber has not run for a day: its schedule is off, or was changed.",
	"Deploy the stack again: `sumoship deploy --stack {stack}{region}`; see its SubscriptionSchedule."}

// name returns the name of a function of the stack.
func (x *exam) name(output string) string { return x.stack.Outputs[output] }

func (x *exam) delivery(ctx context.Context) error {
	own := func(name string) Metric { return Metric{"sumoship", name, "function", x.name("ForwarderName"), false} }
	lambda := func(name string) Metric {
		return Metric{"AWS/Lambda", name, "FunctionName", x.name("ForwarderName"), false}
	}
	v, err := x.Values(ctx, []Metric{lambda("Invocations"), lambda("Errors"), lambda("Throttles"), own("Events"), own("Confirmed"),
		own("Filtered"), own("DeadLettered"), own("Lost"), own("Misconfigured"), own("Heartbeat")}, time.Now().Add(-time.Hour))
	if err != nil {
		return err
	}
	invocations, failures, throttles, events, confirmed, filtered, dead, lost, misconfigured, beats := v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9]
	if lost > 0 {
		x.finds(eventsLost, "%.0f log events in an hour", lost)
	}
	if failures > 0 {
		x.finds(invocationsFail, "%.0f of %.0f invocations in an hour", failures, invocations)
	}
	if throttles > 0 {
		x.finds(throttled, "%.0f times in an hour", throttles)
	}
	switch {
	case misconfigured > 0:
		x.finds(sourceRefuses, "%.0f log events in an hour", misconfigured)
	case dead > 0:
		x.finds(deadLettered, "%.0f of %.0f log events in an hour", dead, events)
	}
	if events <= beats {
		x.finds(nothingArrives, "%.0f log events in an hour besides heartbeats", events-beats)
	}
	if events > 0 && filtered == events {
		x.finds(allFiltered, "%.0f of %.0f log events in an hour", filtered, events)
	}
	x.sound("in the last hour %.0f invocations, %.0f log events, %.0f confirmed", invocations, events, confirmed)
	return nil
}

func (x *exam) heartbeat(ctx context.Context) error {
	if x.name("HeartbeatLogGroup") == "" {
		return nil // the stack has none
	}
	v, err := x.Values(ctx, []Metric{{"sumoship", "Heartbeat", "function", x.name("ForwarderName"), false}}, time.Now().Add(-time.Hour))
	if err != nil {
		return err
	}
	if v[0] == 0 {
		x.finds(heartbeatSilent, "none in an hour")
	}
	x.sound("%.0f in an hour", v[0])
	return nil
}

func (x *exam) subscriber(ctx context.Context) error {
	name := x.name("SubscriberName")
	if name == "" {
		return nil
	}
	switch _, err := x.Functions.Function(ctx, x.name("SubscriberArn")); {
	case errors.Is(err, ErrNotFound):
		x.finds(functionMissing, "%s does not exist", x.name("SubscriberArn"))
		return nil
	case err != nil:
		return err
	}
	v, err := x.Values(ctx, []Metric{
		{"AWS/Lambda", "Invocations", "FunctionName", name, false}, {"AWS/Lambda", "Errors", "FunctionName", name, false},
		{"sumoship", "GroupsFailed", "function", name, false},
	}, time.Now().Add(-24*time.Hour))
	if err != nil {
		return err
	}
	switch runs, failures, failed := v[0], v[1], v[2]; {
	case failures > 0 || failed > 0:
		var parts []string
		if failures > 0 {
			parts = append(parts, fmt.Sprintf("%.0f of %.0f runs failed", failures, runs))
		}
		if failed > 0 {
			parts = append(parts, fmt.Sprintf("%.0f log groups could not be changed", failed))
		}
		x.finds(subscriberFails, "%s in a day", strings.Join(parts, ", "))
	case runs == 0:
		x.finds(subscriberIdle, "no run in a day")
	}
	x.sound("%.0f runs in a day", v[0])
	return nil
}
