package function

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sumoship/deploy/subscription"
)

// subscriberConfig is what the environment variables of the subscriber say.
type subscriberConfig struct {
	rule         subscription.Rule
	workers      int
	reserve      time.Duration // 0: by the time there is
	functionName string
}

// readSubscriberConfig reads the environment. It reports every mistake at once.
// Those variables that Sumo's connector has mean what they mean there.
func readSubscriberConfig(getenv func(string) string) (subscriberConfig, error) {
	e := environment{getenv: getenv}
	c := subscriberConfig{
		workers:      e.number("NUM_OF_WORKERS", DefaultWorkers, 1, 64),
		reserve:      e.millis("DEADLINE_RESERVE", 0, 0, 10*time.Minute),
		functionName: e.text("AWS_LAMBDA_FUNCTION_NAME"),
	}
	r := &c.rule
	r.Prune = e.boolean("PRUNE", false)
	r.Name = parsed(&e, "FILTER_NAME", subscription.ParseName)
	r.Pattern = parsed(&e, "FILTER_PATTERN", subscription.ParseFilterPattern)
	if p := parsed(&e, "LOG_GROUP_PATTERN", subscription.ParsePattern); p != nil {
		r.Include = append(r.Include, p)
	}
	if p := parsed(&e, "LOG_GROUP_EXCLUDE", subscription.ParsePattern); p != nil {
		r.Exclude = append(r.Exclude, p)
	}
	for _, text := range e.list("LOG_GROUP_TAGS") {
		tag, err := subscription.ParseTag(text)
		if err != nil {
			e.fail("LOG_GROUP_TAGS", err)
		}
		r.Tags = append(r.Tags, tag)
	}
	for _, name := range slices.Concat(e.list("OWN_LOG_GROUPS"), e.list("AWS_LAMBDA_LOG_GROUP_NAME")) {
		if _, err := subscription.ParseGroup(name); err != nil {
			e.fail("OWN_LOG_GROUPS", err)
		}
		r.Own = append(r.Own, name)
	}
	if c.functionName != "" {
		r.Own = append(r.Own, "/aws/lambda/"+c.functionName)
	}
	if r.Destination = parsed(&e, "DESTINATION_ARN", subscription.ParseDestination); e.text("DESTINATION_ARN") == "" {
		e.fail("DESTINATION_ARN", errors.New("is not set; it is to be the ARN of the forwarder, a Kinesis or Firehose stream, or a logical destination"))
	}
	if here := e.text("AWS_REGION"); here != "" && r.Destination.Region != "" && r.Destination.Region != here {
		e.fail("DESTINATION_ARN", fmt.Errorf("%s is not in %s; a log group delivers only within its Region", r.Destination.ARN, here))
	}
	if r.Destination.NeedsRole() { // of other destinations it has no meaning
		if r.Role = parsed(&e, "ROLE_ARN", subscription.ParseRole); e.text("ROLE_ARN") == "" {
			e.fail("ROLE_ARN", fmt.Errorf("is not set; CloudWatch Logs needs a role to deliver to %s", r.Destination.ARN))
		}
	}
	return c, errors.Join(e.errs...)
}

// parsed reads a variable that may be missing.
func parsed[T any](e *environment, name string, parse func(string) (T, error)) (v T) {
	text := e.text(name)
	if text == "" {
		return v
	}
	v, err := parse(text)
	if err != nil {
		e.fail(name, err)
	}
	return v
}
