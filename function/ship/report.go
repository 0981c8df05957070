package ship

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sumoship/function"
	"sumoship/sumo"
)

// Report is what became of the log events of one invocation. The counts of
// events add up: Events = Confirmed + Filtered + Parked + Lost. An event of
// Lambda that cannot be decoded counts as one log event.
type Report struct {
	LogGroup  string         `json:"logGroup,omitempty"`
	LogStream string         `json:"logStream,omitempty"`
	Events    int            `json:"events"`
	Filtered  map[string]int `json:"filtered,omitempty"` // by reason
	Confirmed int            `json:"confirmed"`
	Parked    int            `json:"parked"`
	Lost      int            `json:"lost"`

	Records      int            `json:"records"`
	Bodies       int            `json:"bodies"`
	PayloadBytes int            `json:"payloadBytes"` // of the decompressed payload
	RawBytes     int64          `json:"rawBytes"`     // of confirmed bodies before gzip
	SentBytes    int64          `json:"sentBytes"`    // of confirmed bodies as they were sent
	Attempts     map[string]int `json:"attempts,omitempty"`
	Clipped      int            `json:"clippedMetadata,omitempty"` // bodies whose metadata was over Sumo Logic's limits

	Messages *Messages `json:"messages,omitempty"` // of a replay

	Millis int64  `json:"ms"`
	Left   int64  `json:"msLeft"` // until the function's deadline; -1 if it has none
	Class  string `json:"class,omitempty"`
	Error  string `json:"error,omitempty"` // why something was not confirmed
}

// Messages counts what became of the messages of the dead-letter queue.
type Messages struct {
	Received int `json:"received"`
	Done     int `json:"done"`    // deleted: all of it was confirmed, filtered or put back
	PutBack  int `json:"putBack"` // of these, messages whose unconfirmed rest was put back as new ones
	Poison   int `json:"poison"`  // cannot be read; put into the parking queue, or left for the redrive policy
	Kept     int `json:"kept"`    // failed; comes back later
	Untried  int `json:"untried"` // given back without trying: Sumo Logic was not to be reached or time was short
	Age      int `json:"age"`     // of the oldest, in seconds since it was put into the queue
}

// FilteredTotal is the number of events that a rule kept back.
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
		r.filter(reason, n)
	}
	r.Confirmed += o.Confirmed
	r.Parked += o.Parked
	r.Lost += o.Lost
	r.Records += o.Records
	r.Bodies += o.Bodies
	r.PayloadBytes += o.PayloadBytes
	r.RawBytes += o.RawBytes
	r.SentBytes += o.SentBytes
	for class, n := range o.Attempts {
		if r.Attempts == nil {
			r.Attempts = map[string]int{}
		}
		r.Attempts[class] += n
	}
	r.Clipped += o.Clipped
	r.Millis += o.Millis
}

// took notes how long an invocation took and what time was left of it.
func (r *Report) took(ctx context.Context, start time.Time) {
	r.Millis, r.Left = function.Elapsed(ctx, start)
}

func (r *Report) filter(reason string, n int) {
	if r.Filtered == nil {
		r.Filtered = map[string]int{}
	}
	r.Filtered[reason] += n
}

func (r *Report) delivered(o sumo.Outcome) {
	r.Records, r.Confirmed, r.Bodies = o.Records, o.Confirmed, o.Bodies
	r.RawBytes, r.SentBytes, r.Attempts, r.Clipped = o.RawBytes, o.SentBytes, o.Attempts, o.Clipped
}

// failed notes the first thing that went wrong.
func (r *Report) failed(class string, err error) {
	if r.Error == "" {
		r.Class, r.Error = class, err.Error()
	}
}

// writeReport writes a line for people and one that CloudWatch turns into
// metrics.
func writeReport(ctx context.Context, out *function.Reporter, r *Report) {
	level, message := slog.LevelInfo, "delivered"
	switch {
	case r.Lost > 0:
		level, message = slog.LevelError, "lost"
	case r.Parked > 0:
		level, message = slog.LevelWarn, "parked"
	}
	attrs := []slog.Attr{slog.String("requestId", function.RequestID(ctx)), slog.String("logGroup", r.LogGroup),
		slog.Int("events", r.Events), counts("filtered", r.Filtered), slog.Int("records", r.Records),
		slog.Int("bodies", r.Bodies), slog.Int("payloadBytes", r.PayloadBytes), slog.Int64("rawBytes", r.RawBytes),
		slog.Int64("sentBytes", r.SentBytes), counts("attempts", r.Attempts), slog.Int("confirmed", r.Confirmed),
		slog.Int("parked", r.Parked), slog.Int("lost", r.Lost), slog.Int64("ms", r.Millis), slog.Int64("msLeft", r.Left)}
	if r.Clipped > 0 {
		attrs = append(attrs, slog.Int("clippedMetadata", r.Clipped))
	}
	if r.Messages != nil {
		attrs = append(attrs, slog.Any("messages", r.Messages))
	}
	if r.Error != "" {
		attrs = append(attrs, slog.String("class", r.Class), slog.String("error", r.Error))
	}
	out.Log.LogAttrs(ctx, level, message, attrs...)
	out.Metrics(r.metrics())
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

func (r *Report) metrics() []function.Metric {
	m := make([]function.Metric, 0, 24)
	count := func(name string, n int) { m = append(m, function.Count(name, n)) }
	count("Events", r.Events)
	count("Filtered", r.FilteredTotal())
	count("Confirmed", r.Confirmed)
	count("Parked", r.Parked)
	count("Lost", r.Lost)
	count("Bodies", r.Bodies)
	for class, n := range r.Attempts {
		count("Attempts_"+class, n)
	}
	if in := r.Messages; in != nil {
		count("Messages", in.Received)
		count("MessagesDone", in.Done)
		count("MessagesPoison", in.Poison)
		count("MessagesKept", in.Kept+in.Untried)
	}
	m = append(m, function.Bytes("PayloadBytes", int64(r.PayloadBytes)), function.Bytes("RawBytes", r.RawBytes),
		function.Bytes("SentBytes", r.SentBytes), function.Milliseconds("Duration", r.Millis))
	if r.Left >= 0 {
		m = append(m, function.Milliseconds("TimeLeft", r.Left))
	}
	if in := r.Messages; in != nil && in.Received > 0 {
		// SQS's own age of the oldest message leaves out those that were received
		// more than three times: all that matter in an outage.
		m = append(m, function.Seconds("MessageAge", int64(in.Age)))
	}
	return m
}
