package function

import (
	"encoding/json"
	"io"
	"log/slog"
	"strconv"
	"time"

	"sumoship/version"
)

// Namespace is the CloudWatch namespace of the metrics.
const Namespace = "sumoship"

// Reporter writes the log lines and the metrics of invocations, as JSON.
type Reporter struct {
	Log *slog.Logger

	out       io.Writer
	dimension []byte // the function's name, as JSON
}

// NewReporter returns a reporter that writes to out. function is the value of the
// metrics' dimension.
func NewReporter(out io.Writer, function string) *Reporter {
	name, _ := json.Marshal(function) // a string always has JSON
	return &Reporter{Log: slog.New(slog.NewJSONHandler(out, nil)).With("version", version.Read().String()), out: out, dimension: name}
}

// Metric is a number that one invocation reports.
type Metric struct {
	name, unit string // without characters that JSON escapes
	value      int64
}

// Count returns a metric that counts.
func Count(name string, n int) Metric { return Metric{name, "Count", int64(n)} }

// Bytes returns a metric of a size.
func Bytes(name string, n int64) Metric { return Metric{name, "Bytes", n} }

// Milliseconds returns a metric of a duration.
func Milliseconds(name string, n int64) Metric { return Metric{name, "Milliseconds", n} }

// Seconds returns a metric of a duration.
func Seconds(name string, n int64) Metric { return Metric{name, "Seconds", n} }

// Metrics writes metrics in CloudWatch's embedded metric format.
//
// Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
func (p *Reporter) Metrics(metrics []Metric) {
	if _, err := p.out.Write(appendMetrics(make([]byte, 0, 2048), p.dimension, metrics, time.Now())); err != nil {
		p.Log.Error("the metrics could not be written", "error", err)
	}
}

// appendMetrics writes JSON by hand, since it is a good part of the cost of a
// small invocation. function is the function's name as JSON.
func appendMetrics(b, function []byte, metrics []Metric, now time.Time) []byte {
	b = append(append(b, `{"function":`...), function...)
	for _, m := range metrics {
		b = append(append(append(b, `,"`...), m.name...), `":`...)
		b = strconv.AppendInt(b, m.value, 10)
	}
	b = strconv.AppendInt(append(b, `,"_aws":{"Timestamp":`...), now.UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[{"Namespace":"`+Namespace+`","Dimensions":[["function"]],"Metrics":[`...)
	for i, m := range metrics {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"Name":"`...), m.name...)
		b = append(append(append(b, `","Unit":"`...), m.unit...), `"}`...)
	}
	return append(b, "]}]}}\n"...)
}
