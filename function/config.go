package function

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sumoship/dlq"
	"sumoship/sumo"
	"sumoship/transform"
)

// config is what the environment variables of a function say.
type config struct {
	endpoint secret // SUMO_ENDPOINT
	token    secret // SUMO_TOKEN

	records transform.Options
	limit   int64 // of a decompressed payload, in bytes

	clientName string
	plain      bool
	level      int
	maxBody    int
	inFlight   int
	attempts   int
	pause      time.Duration
	timeout    time.Duration
	reserve    time.Duration // 0: by the time there is

	queue   string        // TASK_QUEUE_URL: the dead-letter queue
	parking string        // PARKING_QUEUE_URL: where what cannot be read is put
	delay   time.Duration // before a letter is first seen
	workers int

	functionName string
	ignored      []string // variables that are set and have no effect
}

// readConfig reads the environment. It reports every mistake at once: the name
// of the variable, its value unless that is a secret, and what was expected.
func readConfig(getenv func(string) string) (config, error) {
	e := environment{getenv: getenv}
	c := config{
		endpoint: e.secret("SUMO_ENDPOINT"),
		token:    e.secret("SUMO_TOKEN"),
		records: transform.Options{
			LogInfo: e.boolean("INCLUDE_LOG_INFO", false),
			EventID: e.boolean("INCLUDE_EVENT_ID", false),
			Source: transform.Source{
				Name:     e.text("SOURCE_NAME_OVERRIDE"),
				Category: e.text("SOURCE_CATEGORY_OVERRIDE"),
				Host:     e.text("SOURCE_HOST_OVERRIDE"),
				Fields:   e.text("SOURCE_FIELDS_OVERRIDE"),
			},
			StreamPrefixes: e.list("LOG_STREAM_PREFIX"),
		},
		limit:        int64(e.number("MAX_PAYLOAD_BYTES", transform.DefaultLimit, 1<<10, 1<<30)),
		clientName:   e.text("SUMO_CLIENT_HEADER"),
		plain:        !e.boolean("COMPRESS_DATA", true),
		level:        e.number("COMPRESSION_LEVEL", sumo.DefaultLevel, 1, 9),
		maxBody:      e.number("MAX_BODY_BYTES", sumo.DefaultMaxBody, 1, 1<<20),
		inFlight:     e.number("MAX_IN_FLIGHT", sumo.DefaultInFlight, 1, 64),
		attempts:     e.number("NUMBER_OF_RETRIES", sumo.DefaultAttempts-1, 0, 100) + 1,
		pause:        e.millis("RETRY_INTERVAL", sumo.DefaultPause, time.Millisecond, 10*time.Second),
		timeout:      e.millis("REQUEST_TIMEOUT", sumo.DefaultTimeout, time.Millisecond, 30*time.Second),
		reserve:      e.millis("DEADLINE_RESERVE", 0, 0, 10*time.Minute),
		queue:        e.url("TASK_QUEUE_URL"),
		parking:      e.url("PARKING_QUEUE_URL"),
		delay:        e.millis("DEAD_LETTER_DELAY", dlq.DefaultDelay, 0, 15*time.Minute),
		workers:      e.number("NUM_OF_WORKERS", 4, 1, 64),
		functionName: e.text("AWS_LAMBDA_FUNCTION_NAME"),
	}
	var err error
	if c.records.Format, err = transform.ParseFormat(e.text("LOG_FORMAT")); err != nil {
		e.fail("LOG_FORMAT", err)
	}
	if c.records.Internal, err = transform.ParseNetworks(e.text("VPC_CIDR_PREFIX")); err != nil {
		e.fail("VPC_CIDR_PREFIX", err)
	}
	if c.endpoint.literal() {
		token := c.token.value
		if !c.token.literal() {
			token = ""
		}
		if _, err := sumo.ParseEndpoint(c.endpoint.value, token); err != nil {
			e.fail("SUMO_ENDPOINT", err)
		}
	}
	if e.boolean("INCLUDE_SECURITY_GROUP_INFO", false) {
		c.ignored = append(c.ignored, "INCLUDE_SECURITY_GROUP_INFO")
	}
	return c, errors.Join(e.errs...)
}

// environment reads variables and gathers what is wrong with them.
type environment struct {
	getenv func(string) string
	errs   []error
}

func (e *environment) fail(name string, err error) {
	e.errs = append(e.errs, fmt.Errorf("%s: %w", name, err))
}

func (e *environment) text(name string) string { return strings.TrimSpace(e.getenv(name)) }

func (e *environment) boolean(name string, otherwise bool) bool {
	switch v := e.text(name); strings.ToLower(v) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		e.fail(name, fmt.Errorf("%q is neither true nor false", v))
		return otherwise
	}
}

func (e *environment) number(name string, otherwise, least, most int) int {
	v := e.text(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		e.fail(name, fmt.Errorf("%q is not a whole number from %d to %d", v, least, most))
		return otherwise
	}
	return n
}

// millis reads a duration that is written as a number of milliseconds.
func (e *environment) millis(name string, otherwise, least, most time.Duration) time.Duration {
	return time.Duration(e.number(name, int(otherwise.Milliseconds()), int(least.Milliseconds()), int(most.Milliseconds()))) * time.Millisecond
}

// list reads a comma-separated list, less blanks and empty entries.
func (e *environment) list(name string) []string {
	v := e.text(name)
	var out []string
	for entry := range strings.SplitSeq(v, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	if v != "" && out == nil {
		e.fail(name, fmt.Errorf("%q is a list without an entry; leave it empty instead", v))
	}
	return out
}

// url reads the URL of a queue.
func (e *environment) url(name string) string {
	v := e.text(name)
	u, err := url.Parse(v)
	if v != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Count(strings.Trim(u.Path, "/"), "/") != 1) {
		e.fail(name, fmt.Errorf("%q is not the URL of a queue (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME)", v))
	}
	return v
}

func (e *environment) secret(name string) secret {
	s := secret{value: e.text(name)}
	if !strings.HasPrefix(s.value, "arn:") {
		return s
	}
	if err := s.parseARN(); err != nil {
		e.fail(name, err)
	}
	return s
}
