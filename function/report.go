package function

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

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
	r.Millis, r.Left = time.Since(start).Milliseconds(), -1
	if deadline, ok := ctx.Deadline(); ok {
		r.Left = max(0, time.Until(deadline).Milliseconds())
	}
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

// reporter writes reports: a line for people and one that CloudWatch turns into
// metrics.
type reporter struct {
	out      io.Writer
	log      *slog.Logger
	function string
}

func newReporter(out io.Writer, function string) *reporter {
	return &reporter{out: out, log: slog.New(slog.NewJSONHandler(out, nil)), function: function}
}

func (p *reporter) write(ctx context.Context, requestID string, r *Report) {
	level, message := slog.LevelInfo, "delivered"
	switch {
	case r.Lost > 0:
		level, message = slog.LevelError, "lost"
	case r.Parked > 0:
		level, message = slog.LevelWarn, "parked"
	}
	attrs := []slog.Attr{slog.String("requestId", requestID), slog.String("logGroup", r.LogGroup),
		slog.Int("events", r.Events), slog.Any("filtered", r.Filtered), slog.Int("records", r.Records),
		slog.Int("bodies", r.Bodies), slog.Int("payloadBytes", r.PayloadBytes), slog.Int64("rawBytes", r.RawBytes),
		slog.Int64("sentBytes", r.SentBytes), slog.Any("attempts", r.Attempts), slog.Int("confirmed", r.Confirmed),
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
	p.log.LogAttrs(ctx, level, message, attrs...)
	p.metrics(r)
}

// Namespace is the CloudWatch namespace of the metrics.
const Namespace = "sumoship"

// metrics writes the counts in CloudWatch's embedded metric format.
//
// Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
func (p *reporter) metrics(r *Report) {
	type metric struct{ Name, Unit string }
	counts := map[string]int{
		"Events": r.Events, "Filtered": r.FilteredTotal(), "Confirmed": r.Confirmed, "Parked": r.Parked, "Lost": r.Lost,
		"Bodies": r.Bodies,
	}
	for class, n := range r.Attempts {
		counts["Attempts_"+class] = n
	}
	if m := r.Messages; m != nil {
		counts["Messages"], counts["MessagesDone"], counts["MessagesPoison"] = m.Received, m.Done, m.Poison
		counts["MessagesKept"] = m.Kept + m.Untried
	}
	sizes := map[string]int64{"PayloadBytes": int64(r.PayloadBytes), "RawBytes": r.RawBytes, "SentBytes": r.SentBytes}
	times := map[string]int64{"Duration": r.Millis}
	if r.Left >= 0 {
		times["TimeLeft"] = r.Left
	}
	line := map[string]any{"function": p.function}
	var list []metric
	add := func(name, unit string, value any) {
		list = append(list, metric{name, unit})
		line[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		add(name, "Count", counts[name])
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		add(name, "Bytes", sizes[name])
	}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		add(name, "Milliseconds", times[name])
	}
	line["_aws"] = map[string]any{
		"Timestamp": time.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": Namespace, "Dimensions": [][]string{{"function"}}, "Metrics": list,
		}},
	}
	b, err := json.Marshal(line)
	if err != nil {
		p.log.Error("metrics", "error", err)
		return
	}
	p.out.Write(append(b, '\n'))
}
