package ship

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/sumo"
	"sumoship/transform"
)

// Report is what became of the log events of one invocation. Events = Confirmed +
// Filtered + DeadLettered + Quarantined + Overflowed + Kept + Lost. An event that cannot be decoded
// counts as one log event.
type Report struct {
	LogGroup  string         `json:"logGroup,omitempty"`
	LogStream string         `json:"logStream,omitempty"`
	Events    int            `json:"events"`
	Filtered  map[string]int `json:"filtered,omitempty"` // by reason
	Confirmed int            `json:"confirmed"`
	Heartbeat int            `json:"heartbeat,omitempty"` // of these, of the log group of the heartbeat

	DeadLettered int `json:"deadLettered"`          // in the dead-letter queue: put there, or left there by a replay
	Quarantined  int `json:"quarantined,omitempty"` // put into the quarantine queue by a replay
	Overflowed   int `json:"overflowed,omitempty"`  // saved in the archive by a replay
	Kept         int `json:"kept,omitempty"`        // in the stream that they came from; Lambda invokes the function with them again
	Lost         int `json:"lost"`                  // in none of these; Lambda retries them
	Untried      int `json:"untried,omitempty"`     // of these, not sent since the source was unavailable a moment before

	Failures map[string]int `json:"failures,omitempty"` // log events that were not confirmed, by class
	Warnings int            `json:"warnings,omitempty"` // bodies confirmed with a warning: Sumo Logic may have dropped them
	Breaker  string         `json:"breaker,omitempty"`  // state of the breaker afterwards: open, or probing; "" is closed

	Records      int            `json:"records"`
	Bodies       int            `json:"bodies"`
	PayloadBytes int            `json:"payloadBytes"` // of the decompressed payload
	RawBytes     int64          `json:"rawBytes"`     // of confirmed bodies before gzip
	SentBytes    int64          `json:"sentBytes"`    // of confirmed bodies as sent
	Attempts     map[string]int `json:"attempts,omitempty"`
	Clipped      int            `json:"clippedMetadata,omitempty"` // bodies whose metadata was over Sumo Logic's limits

	// Records sent with the source of their event, since their messages choose more
	// sources than MAX_SOURCES.
	OverMaxSources int `json:"overMaxSources,omitempty"`

	Masked     map[string]int `json:"masked,omitempty"`     // replacements in records, by mask
	StaleRules bool           `json:"staleRules,omitempty"` // the rules could not be read again; those read before were used

	UnknownTags int `json:"unknownTags,omitempty"` // origins of log events whose log group's tags could not be read

	Messages *Messages     `json:"messages,omitempty"` // of a replay
	Stream   *StreamCounts `json:"stream,omitempty"`   // of a stream forwarder

	Millis int64  `json:"ms"`
	Left   int64  `json:"msLeft"` // until the function's deadline; -1 if it has none
	Class  string `json:"class,omitempty"`
	Error  string `json:"error,omitempty"` // why something was not confirmed
}

// Messages counts what became of the messages of a replay: Received = Done + Kept
// + Untried.
type Messages struct {
	Received    int `json:"received"`
	Done        int `json:"done"`                 // deleted: confirmed, filtered, put back, quarantined or in the archive
	PutBack     int `json:"putBack"`              // of these, confirmed in part; the remainder is in new messages
	Quarantined int `json:"quarantined"`          // of these, unreadable, or they killed replay too often; in the quarantine queue
	Isolated    int `json:"isolated,omitempty"`   // of these, in new messages that are replayed alone
	Overflowed  int `json:"overflowed,omitempty"` // of these, in the archive, since they near their expiry
	Kept        int `json:"kept"`                 // not confirmed, or unreadable without a quarantine queue; visible again later
	Untried     int `json:"untried"`              // not tried: Sumo Logic could not be reached, or time was short
	Age         int `json:"age"`                  // of the oldest, in seconds since it was put into the queue
}

// StreamCounts counts what became of the records of a stream: Received = Done + Kept +
// Untried.
type StreamCounts struct {
	Received int `json:"received"`
	Done     int `json:"done"`               // confirmed, filtered or dead-lettered
	Repeated int `json:"repeated,omitempty"` // of these, by an earlier invocation with the same batch
	Kept     int `json:"kept"`               // not confirmed; stay in the stream
	Untried  int `json:"untried"`            // stay in the stream, behind a record that does
}

// FilteredTotal returns the number of log events that a rule dropped.
func (r *Report) FilteredTotal() int {
	n := 0
	for _, c := range r.Filtered {
		n += c
	}
	return n
}

// Add adds the counts of another report.
func (r *Report) Add(o Report) {
	r.Events += o.Events
	for reason, n := range o.Filtered {
		add(&r.Filtered, reason, n)
	}
	for class, n := range o.Failures {
		add(&r.Failures, class, n)
	}
	r.Untried += o.Untried
	r.Warnings += o.Warnings
	r.Heartbeat += o.Heartbeat
	r.Confirmed += o.Confirmed
	r.DeadLettered += o.DeadLettered
	r.Quarantined += o.Quarantined
	r.Kept += o.Kept
	r.Overflowed += o.Overflowed
	r.Lost += o.Lost
	r.Records += o.Records
	r.Bodies += o.Bodies
	r.PayloadBytes += o.PayloadBytes
	r.RawBytes += o.RawBytes
	r.SentBytes += o.SentBytes
	for class, n := range o.Attempts {
		add(&r.Attempts, class, n)
	}
	r.Clipped += o.Clipped
	r.OverMaxSources += o.OverMaxSources
	for mask, n := range o.Masked {
		add(&r.Masked, mask, n)
	}
	r.StaleRules = r.StaleRules || o.StaleRules
	r.UnknownTags += o.UnknownTags
	r.Millis += o.Millis
}

// read notes what a batch says of itself.
func (r *Report) read(b *transform.Batch) {
	r.LogGroup, r.LogStream, r.Events, r.PayloadBytes = b.LogGroup, b.LogStream, b.Len(), b.Size()
}

func (r *Report) filter(reason string, n int) { add(&r.Filtered, reason, n) }

func add(m *map[string]int, key string, n int) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key] += n
}

func (r *Report) delivered(o sumo.Outcome) {
	r.Records, r.Confirmed, r.Bodies = o.Records, o.Confirmed, o.Bodies
	r.RawBytes, r.SentBytes, r.Attempts, r.Clipped, r.Warnings = o.RawBytes, o.SentBytes, o.Attempts, o.Clipped, o.Warnings
}

// failed counts log events that were not confirmed, and notes the error if it is
// the first.
func (r *Report) failed(class string, err error, events int) {
	add(&r.Failures, class, events)
	if r.Error == "" {
		r.Class, r.Error = class, err.Error()
	}
}

// writeReport writes a line for people and one that CloudWatch turns into
// metrics, those of the report and more.
func writeReport(ctx context.Context, out *function.Reporter, r *Report, more ...function.Metric) {
	level, message := slog.LevelInfo, "delivered"
	switch {
	case r.Lost > 0:
		level, message = slog.LevelError, "lost"
	case r.DeadLettered > 0:
		level, message = slog.LevelWarn, "dead-lettered"
	case r.Quarantined > 0:
		level, message = slog.LevelWarn, "quarantined"
	case r.Stream != nil && r.Stream.Kept+r.Stream.Untried > 0:
		level, message = slog.LevelWarn, "kept"
	case r.Overflowed > 0:
		level, message = slog.LevelWarn, "saved in the bucket"
	}
	attrs := []slog.Attr{slog.String("requestId", function.RequestID(ctx)), slog.String("logGroup", r.LogGroup),
		slog.Int("events", r.Events), counts("filtered", r.Filtered), slog.Int("records", r.Records),
		slog.Int("bodies", r.Bodies), slog.Int("payloadBytes", r.PayloadBytes), slog.Int64("rawBytes", r.RawBytes),
		slog.Int64("sentBytes", r.SentBytes), counts("attempts", r.Attempts), slog.Int("confirmed", r.Confirmed),
		slog.Int("deadLettered", r.DeadLettered), slog.Int("lost", r.Lost), slog.Int64("ms", r.Millis), slog.Int64("msLeft", r.Left)}
	if r.Quarantined > 0 {
		attrs = append(attrs, slog.Int("quarantined", r.Quarantined))
	}
	if r.Kept > 0 {
		attrs = append(attrs, slog.Int("kept", r.Kept))
	}
	if r.Overflowed > 0 {
		attrs = append(attrs, slog.Int("overflowed", r.Overflowed))
	}
	if r.Untried > 0 {
		attrs = append(attrs, slog.Int("untried", r.Untried))
	}
	if r.Heartbeat > 0 {
		attrs = append(attrs, slog.Int("heartbeat", r.Heartbeat))
	}
	if len(r.Failures) > 0 {
		attrs = append(attrs, counts("failures", r.Failures))
	}
	if r.Warnings > 0 {
		attrs = append(attrs, slog.Int("warnings", r.Warnings))
	}
	if r.Breaker != "" {
		attrs = append(attrs, slog.String("breaker", r.Breaker))
	}
	if r.Clipped > 0 {
		attrs = append(attrs, slog.Int("clippedMetadata", r.Clipped))
	}
	if r.OverMaxSources > 0 {
		attrs = append(attrs, slog.Int("overMaxSources", r.OverMaxSources))
	}
	if len(r.Masked) > 0 {
		attrs = append(attrs, counts("masked", r.Masked))
	}
	if r.StaleRules {
		attrs = append(attrs, slog.Bool("staleRules", true))
	}
	if r.UnknownTags > 0 {
		attrs = append(attrs, slog.Int("unknownTags", r.UnknownTags))
	}
	if r.Messages != nil {
		attrs = append(attrs, slog.Any("messages", r.Messages))
	}
	if r.Stream != nil {
		attrs = append(attrs, slog.Any("stream", r.Stream))
	}
	if r.Error != "" {
		attrs = append(attrs, slog.String("class", r.Class), slog.String("error", r.Error))
	}
	out.Log.LogAttrs(ctx, level, message, attrs...)
	r.writeMetrics(out, more)
}

// counts is slog.Any of a map, less what reflection costs.
func counts(name string, m map[string]int) slog.Attr {
	if len(m) == 0 {
		return slog.Any(name, nil)
	}
	attrs := make([]slog.Attr, 0, len(m))
	for key, n := range m {
		attrs = append(attrs, slog.Int(key, n))
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return slog.GroupAttrs(name, attrs...)
}

// failureMetric names the metric of the log events that were not confirmed for a
// class of failure.
var failureMetric = map[string]string{
	string(sumo.Unavailable):   "Unavailable",
	string(sumo.Throttled):     "Throttled",
	string(sumo.Misconfigured): "Misconfigured",
	string(sumo.Rejected):      "Rejected",
	string(sumo.OutOfTime):     "OutOfTime",
	Undecodable:                "Undecodable",
	Killed:                     "Killed",
}

func (r *Report) writeMetrics(out *function.Reporter, more []function.Metric) {
	m := append(make([]function.Metric, 0, 32), more...)
	count := func(name string, n int) { m = append(m, function.Count(name, n)) }
	count("Events", r.Events)
	count("Filtered", r.FilteredTotal())
	count("Confirmed", r.Confirmed)
	count("DeadLettered", r.DeadLettered)
	count("Lost", r.Lost)
	count("Bodies", r.Bodies)
	for class, n := range r.Attempts {
		count("Attempts_"+class, n)
	}
	for class, n := range r.Failures {
		count(failureMetric[class], n)
	}
	if r.Untried > 0 {
		count("Untried", r.Untried)
	}
	if r.Warnings > 0 {
		count("Warnings", r.Warnings)
	}
	if r.OverMaxSources > 0 {
		count("OverMaxSources", r.OverMaxSources)
	}
	if r.Breaker != "" {
		count("BreakerOpen", 1)
	}
	r.countRules(count)
	if in := r.Messages; in != nil {
		count("Messages", in.Received)
		count("MessagesDone", in.Done)
		count("MessagesQuarantined", in.Quarantined)
		count("MessagesKept", in.Kept+in.Untried)
		if in.Overflowed > 0 {
			count("MessagesOverflowed", in.Overflowed)
		}
	}
	if in := r.Stream; in != nil {
		count("Kept", r.Kept)
		count("StreamRecords", in.Received)
		count("StreamRecordsKept", in.Kept+in.Untried)
	}
	m = append(m, function.Bytes("PayloadBytes", int64(r.PayloadBytes)), function.Bytes("RawBytes", r.RawBytes),
		function.Bytes("SentBytes", r.SentBytes), function.Milliseconds("Duration", r.Millis))
	if r.Left >= 0 {
		m = append(m, function.Milliseconds("TimeLeft", r.Left))
	}
	if in := r.Messages; in != nil && in.Received > 0 {
		// SQS's own metric leaves out messages that were received more than three
		// times: those that matter in an outage.
		m = append(m, function.Seconds("MessageAge", int64(in.Age)))
	}
	out.Metrics(m)
}

// ageOf returns how long ago a message was put into the queue, in seconds.
func ageOf(m dlq.Message) int {
	if m.Sent.IsZero() {
		return 0
	}
	return max(0, int(time.Since(m.Sent).Seconds()))
}

// countOf counts one message.
func countOf(m dlq.Message, d disposition) Messages {
	c := Messages{Received: 1, Age: ageOf(m)}
	switch d {
	case kept:
		c.Kept = 1
	case untried:
		c.Untried = 1
	default:
		c.Done = 1
	}
	switch d {
	case putBack:
		c.PutBack = 1
	case quarantined:
		c.Quarantined = 1
	case isolated:
		c.Isolated = 1
	case overflowed:
		c.Overflowed = 1
	}
	return c
}

func (m *Messages) add(o Messages) {
	m.Received += o.Received
	m.Done += o.Done
	m.PutBack += o.PutBack
	m.Quarantined += o.Quarantined
	m.Isolated += o.Isolated
	m.Overflowed += o.Overflowed
	m.Kept += o.Kept
	m.Untried += o.Untried
	m.Age = max(m.Age, o.Age)
}

// maxNamed bounds the metrics that are named after rules and masks: CloudWatch takes
// 100 of one log line.
const maxNamed = 20

// countRules counts log events by the rule that dropped them, and replacements by
// mask.
func (r *Report) countRules(count func(string, int)) {
	byRule := map[string]int{}
	for reason, n := range r.Filtered {
		if rule, _, ok := strings.Cut(reason, ":"); ok {
			byRule[rule] += n
		}
	}
	for prefix, counts := range map[string]map[string]int{"Filtered_": byRule, "Masked_": r.Masked} {
		for i, name := range slices.Sorted(maps.Keys(counts)) {
			if i < maxNamed {
				count(prefix+name, counts[name])
			}
		}
	}
	if r.StaleRules {
		count("StaleRules", 1)
	}
	if r.UnknownTags > 0 {
		count("UnknownTags", r.UnknownTags)
	}
}
