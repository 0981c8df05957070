package subscribe

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sumoship/deploy/subscription"
	"sumoship/function"
)

// config is what the environment variables of the subscriber say.
type config struct {
	rule         subscription.Rule
	workers      int
	reserve      time.Duration // 0: by the time there is
	functionName string
}

// readConfig reads the environment. It reports every mistake at once.
// Those variables that Sumo's connector has mean what they mean there.
func readConfig(getenv func(string) string) (config, error) {
	vars := function.NewVars(getenv)
	c := config{
		workers:      vars.Int("NUM_OF_WORKERS", defaultWorkers, 1, 64),
		reserve:      vars.Millis("DEADLINE_RESERVE", 0, 0, 10*time.Minute),
		functionName: vars.Text("AWS_LAMBDA_FUNCTION_NAME"),
	}
	r := &c.rule
	r.Prune = vars.Bool("PRUNE", false)
	r.Name = parsed(vars, "FILTER_NAME", subscription.ParseName)
	r.Pattern = parsed(vars, "FILTER_PATTERN", subscription.ParseFilterPattern)
	if fields := vars.List("EMIT_SYSTEM_FIELDS"); len(fields) > 0 {
		var err error
		if r.Options.SystemFields, err = subscription.ParseSystemFields(fields); err != nil {
			vars.Fail("EMIT_SYSTEM_FIELDS", err)
		}
	}
	r.Options.Selection = parsed(vars, "FIELD_SELECTION_CRITERIA", subscription.ParseSelection)
	if vars.Text("APPLY_ON_TRANSFORMED_LOGS") != "" {
		r.Options.Transformed = new(vars.Bool("APPLY_ON_TRANSFORMED_LOGS", false))
	}
	if p := parsed(vars, "LOG_GROUP_PATTERN", subscription.ParsePattern); p != nil {
		r.Include = append(r.Include, p)
	}
	if p := parsed(vars, "LOG_GROUP_EXCLUDE", subscription.ParsePattern); p != nil {
		r.Exclude = append(r.Exclude, p)
	}
	for _, text := range vars.List("LOG_GROUP_TAGS") {
		tag, err := subscription.ParseTag(text)
		if err != nil {
			vars.Fail("LOG_GROUP_TAGS", err)
		}
		r.Tags = append(r.Tags, tag)
	}
	for _, name := range slices.Concat(vars.List("OWN_LOG_GROUPS"), vars.List("AWS_LAMBDA_LOG_GROUP_NAME")) {
		if _, err := subscription.ParseGroup(name); err != nil {
			vars.Fail("OWN_LOG_GROUPS", err)
		}
		r.Own = append(r.Own, name)
	}
	if c.functionName != "" {
		r.Own = append(r.Own, "/aws/lambda/"+c.functionName)
	}
	if r.Destination = parsed(vars, "DESTINATION_ARN", subscription.ParseDestination); vars.Text("DESTINATION_ARN") == "" {
		vars.Fail("DESTINATION_ARN", errors.New("is not set; want the ARN of the forwarder, a Kinesis or Firehose stream, or a logical destination"))
	}
	if here := vars.Text("AWS_REGION"); here != "" && r.Destination.Region != "" && r.Destination.Region != here {
		vars.Fail("DESTINATION_ARN", fmt.Errorf("%s is not in %s; a log group delivers only within its Region", r.Destination.ARN, here))
	}
	if r.Destination.NeedsRole() { // of other destinations it has no meaning
		if r.Role = parsed(vars, "ROLE_ARN", subscription.ParseRole); vars.Text("ROLE_ARN") == "" {
			vars.Fail("ROLE_ARN", fmt.Errorf("is not set; CloudWatch Logs needs a role to deliver to %s", r.Destination.ARN))
		}
	}
	return c, vars.Err()
}

// parsed reads a variable that may be missing.
func parsed[T any](vars *function.Vars, name string, parse func(string) (T, error)) (v T) {
	text := vars.Text(name)
	if text == "" {
		return v
	}
	v, err := parse(text)
	if err != nil {
		vars.Fail(name, err)
	}
	return v
}
