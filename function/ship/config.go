package ship

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/rules/mask"
	"sumoship/sumo"
	"sumoship/transform"
)

// config is read from the environment variables.
type config struct {
	endpoint secret // SUMO_ENDPOINT
	token    secret // SUMO_TOKEN

	records  transform.Options
	rules    rulesPlace // RULES
	rulesKey secret     // RULES_KEY
	limit    int64      // of a decompressed payload, in bytes

	clientName   string
	plain        bool
	level        int
	maxBody      int
	inFlight     int
	maxSources   int // of one event
	attempts     int
	pause        time.Duration
	timeout      time.Duration
	breakerPause time.Duration
	reserve      time.Duration // 0: as function.SplitDeadline has it

	queueURL       string        // TASK_QUEUE_URL: the dead-letter queue
	quarantineURL  string        // QUARANTINE_QUEUE_URL: for messages that cannot be read
	overflowBucket string        // OVERFLOW_BUCKET: for messages that near their expiry
	delay          time.Duration // before a new message becomes visible
	workers        int

	functionName string
	heartbeat    string // HEARTBEAT_LOG_GROUP: its log events are counted, and no rule drops them
	describe     bool   // INCLUDE_SECURITY_GROUP_INFO: VPC-JSON records tell of their network interface
}

// patience is how long a function tries to send an event, unless its variables
// say otherwise.
type patience struct {
	retries int
	timeout time.Duration
}

// Forwarder gives up early, since what it dead-letters is not lost and what it
// waits for is paid for by every event of an outage. Replay is patient.
var (
	impatient = patience{retries: 2, timeout: 10 * time.Second}
	patient   = patience{retries: sumo.DefaultAttempts - 1, timeout: sumo.DefaultTimeout}
)

// readConfig reads the environment. Its error reports every mistake: the name of
// the variable, its value unless that is a secret, and what is wanted.
func readConfig(getenv func(string) string, p patience) (config, error) {
	vars := function.NewVars(getenv)
	c := config{
		endpoint: readSecret(vars, "SUMO_ENDPOINT"),
		token:    readSecret(vars, "SUMO_TOKEN"),
		records: transform.Options{
			LogInfo: vars.Bool("INCLUDE_LOG_INFO", false),
			EventID: vars.Bool("INCLUDE_EVENT_ID", false),
			Source: transform.Source{
				Name:     vars.Text("SOURCE_NAME_OVERRIDE"),
				Category: vars.Text("SOURCE_CATEGORY_OVERRIDE"),
				Host:     vars.Text("SOURCE_HOST_OVERRIDE"),
				Fields:   vars.Text("SOURCE_FIELDS_OVERRIDE"),
			},
			StreamPrefixes: vars.List("LOG_STREAM_PREFIX"),
		},
		limit:          int64(vars.Int("MAX_PAYLOAD_BYTES", transform.DefaultLimit, 1<<10, 1<<30)),
		clientName:     vars.Text("SUMO_CLIENT_HEADER"),
		plain:          !vars.Bool("COMPRESS_DATA", true),
		level:          vars.Int("COMPRESSION_LEVEL", sumo.DefaultLevel, 1, 9),
		maxBody:        vars.Int("MAX_BODY_BYTES", sumo.DefaultMaxBody, 1, 1<<20),
		inFlight:       vars.Int("MAX_IN_FLIGHT", sumo.DefaultInFlight, 1, 64),
		maxSources:     vars.Int("MAX_SOURCES", 100, 1, 10_000),
		attempts:       vars.Int("NUMBER_OF_RETRIES", p.retries, 0, 100) + 1,
		pause:          vars.Millis("RETRY_INTERVAL", sumo.DefaultInitialBackoff, time.Millisecond, 10*time.Second),
		timeout:        vars.Millis("REQUEST_TIMEOUT", p.timeout, time.Millisecond, 30*time.Second),
		breakerPause:   vars.Millis("BREAKER_PAUSE", sumo.DefaultPause, time.Millisecond, 5*time.Minute),
		reserve:        vars.Millis("DEADLINE_RESERVE", 0, 0, 10*time.Minute),
		queueURL:       readQueueURL(vars, "TASK_QUEUE_URL"),
		quarantineURL:  readQueueURL(vars, "QUARANTINE_QUEUE_URL"),
		overflowBucket: vars.Text("OVERFLOW_BUCKET"),
		delay:          vars.Millis("DEAD_LETTER_DELAY", dlq.DefaultDelay, 0, 15*time.Minute),
		workers:        vars.Int("NUM_OF_WORKERS", 10, 1, 64),
		functionName:   vars.Text("AWS_LAMBDA_FUNCTION_NAME"),
		heartbeat:      vars.Text("HEARTBEAT_LOG_GROUP"),
	}
	// The dead-letter queue of a function is in its Region. Who replays it by hand may be
	// in another.
	c.records.Region = cmp.Or(regionOf(c.queueURL), vars.Text("AWS_REGION"))
	var err error
	if c.records.Format, err = transform.ParseFormat(vars.Text("LOG_FORMAT")); err != nil {
		vars.Fail("LOG_FORMAT", err)
	}
	if c.records.Metadata, err = transform.ParseMetadata(vars.Text("METADATA_FROM_MESSAGES")); err != nil {
		vars.Fail("METADATA_FROM_MESSAGES", err)
	}
	if c.records.Internal, err = transform.ParseNetworks(vars.Text("VPC_CIDR_PREFIX")); err != nil {
		vars.Fail("VPC_CIDR_PREFIX", err)
	}
	for _, v := range []struct{ name, override string }{
		{"SOURCE_NAME_OVERRIDE", c.records.Source.Name}, {"SOURCE_CATEGORY_OVERRIDE", c.records.Source.Category},
		{"SOURCE_HOST_OVERRIDE", c.records.Source.Host}, {"SOURCE_FIELDS_OVERRIDE", c.records.Source.Fields},
	} {
		if err := transform.CheckOverride(v.override); err != nil {
			vars.Fail(v.name, err)
		}
	}
	if c.rulesKey = readSecret(vars, "RULES_KEY"); c.rulesKey.literal() && len(c.rulesKey.value) < mask.MinKey {
		vars.Fail("RULES_KEY", fmt.Errorf("has %d bytes; want at least %d, or the ARN of an SSM parameter or a secret", len(c.rulesKey.value), mask.MinKey))
	}
	if c.rules, err = parseRulesPlace(vars.Text("RULES")); err != nil {
		vars.Fail("RULES", err)
	} else if c.rules.inline != "" {
		key := c.rulesKey.value
		if !c.rulesKey.literal() {
			key = strings.Repeat("-", len(key)) // not known yet; that of the store is checked when it is read
		}
		if _, err := ReadRules([]byte(c.rules.inline), []byte(key)); err != nil {
			vars.Fail("RULES", err)
		}
	}
	if c.token.literal() {
		if err := checkToken(c.token.value); err != nil {
			vars.Fail("SUMO_TOKEN", err)
		}
	}
	if c.endpoint.literal() {
		token := c.token.value
		if !c.token.literal() {
			token = ""
		}
		if _, err := sumo.ParseEndpoint(c.endpoint.value, token); err != nil {
			vars.Fail("SUMO_ENDPOINT", err)
		}
	}
	if b := c.overflowBucket; b != "" && !bucketName(b) {
		vars.Fail("OVERFLOW_BUCKET", fmt.Errorf("%q is not the name of a bucket; want 3 to 63 of a-z, 0-9, dots and hyphens", b))
	}
	c.describe = vars.Bool("INCLUDE_SECURITY_GROUP_INFO", false)
	return c, vars.Err()
}

// bucketName reports whether s can be the name of a bucket.
//
// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
func bucketName(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && !strings.Contains(s, "..") && strings.Trim(s, ".-") == s && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	})
}

// readQueueURL reads the URL of a queue.
func readQueueURL(vars *function.Vars, name string) string {
	v := vars.Text(name)
	u, err := url.Parse(v)
	if v != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Count(strings.Trim(u.Path, "/"), "/") != 1) {
		vars.Fail(name, fmt.Errorf("%q is not the URL of a queue; want https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", v))
	}
	return v
}

func readSecret(vars *function.Vars, name string) secret {
	s := secret{value: vars.Text(name)}
	if !strings.HasPrefix(s.value, "arn:") {
		return s
	}
	if err := s.parseARN(); err != nil {
		vars.Fail(name, err)
	}
	return s
}
