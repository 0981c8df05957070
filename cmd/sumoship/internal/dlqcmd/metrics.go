package dlqcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
)

// metrics are what CloudWatch says of a queue, without a receive.
type metrics struct {
	Oldest   *float64 `json:"oldestSeconds,omitempty"` // of messages received up to three times
	Received *float64 `json:"received,omitempty"`      // in the last hour
	Deleted  *float64 `json:"deleted,omitempty"`       // likewise
	Visible  *float64 `json:"visible,omitempty"`
	Receives *float64 `json:"receivesEstimated,omitempty"` // of a message that is as old as the oldest
	Missing  string   `json:"missing,omitempty"`           // why there are none
}

// metricsWait bounds the time for what the status can do without.
const metricsWait = 10 * time.Second

// metrics asks CloudWatch. That it does not answer is no error: the attributes are there.
func (f *queueFlags) metrics(ctx context.Context, s cli.Streams, queue string, maxReceives int, now time.Time) metrics {
	cfg, err := f.config(ctx, s)
	var m metrics
	if err == nil {
		ctx, end := context.WithTimeout(ctx, metricsWait)
		defer end()
		w := watch{cloudwatch.NewFromConfig(cfg, func(o *cloudwatch.Options) { o.RetryMaxAttempts = 2 }), queue}
		m, err = w.read(ctx, maxReceives, now)
	}
	if err != nil {
		plain := cli.Plain(err)
		switch cli.Code(err) {
		case "AccessDenied", "AccessDeniedException":
			m.Missing = "access denied: cloudwatch:GetMetricData"
		case "":
			m.Missing = "no answer"
			if errors.Is(err, context.DeadlineExceeded) {
				m.Missing = fmt.Sprintf("no answer in %s", metricsWait)
			}
		default:
			m.Missing = cmp.Or(cli.Code(plain), cli.Code(err))
		}
	}
	return m
}

// watch is CloudWatch, for a queue.
type watch struct {
	api   *cloudwatch.Client
	queue string
}

// statistic is one of a metric of SQS.
type statistic struct{ metric, stat string }

// point is a value of a period, which begins at a time.
type point struct {
	at    time.Time
	value float64
}

// points returns those of statistics since a time, one for each period that has one, the
// newest first.
func (w watch) points(ctx context.Context, since, until time.Time, period time.Duration, statistics ...statistic) ([][]point, error) {
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(since.Truncate(period)), EndTime: &until, ScanBy: types.ScanByTimestampDescending}
	for i, s := range statistics {
		in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{Id: aws.String(fmt.Sprint("m", i)), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String("AWS/SQS"), MetricName: &s.metric, Dimensions: []types.Dimension{{Name: aws.String("QueueName"), Value: &w.queue}}},
			Period: aws.Int32(int32(period.Seconds())), Stat: &s.stat}})
	}
	all := make([][]point, len(statistics))
	pages := cloudwatch.NewGetMetricDataPaginator(w.api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.MetricDataResults {
			var i int
			if _, err := fmt.Sscanf(aws.ToString(r.Id), "m%d", &i); err != nil || i >= len(all) {
				continue
			}
			for j := range min(len(r.Timestamps), len(r.Values)) {
				all[i] = append(all[i], point{r.Timestamps[j], r.Values[j]})
			}
		}
	}
	return all, nil
}

// read reads the metrics, and estimates how often messages were received if that is
// limited: of each hour since the oldest came, the receives by the messages there were.
//
// Source: Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS".
func (w watch) read(ctx context.Context, maxReceives int, now time.Time) (m metrics, err error) {
	hour, err := w.points(ctx, now.Add(-time.Hour), now, 5*time.Minute, statistic{"ApproximateAgeOfOldestMessage", "Maximum"},
		statistic{"NumberOfMessagesReceived", "Sum"}, statistic{"NumberOfMessagesDeleted", "Sum"}, statistic{"ApproximateNumberOfMessagesVisible", "Maximum"})
	if err != nil {
		return m, err
	}
	m.Oldest, m.Received, m.Deleted, m.Visible = first(hour[0]), sum(hour[1]), sum(hour[2]), first(hour[3])
	if m.Oldest == nil && m.Visible == nil {
		m.Missing = "none yet" // SQS sends none of a queue that is not used
		return m, nil
	}
	if maxReceives == 0 || m.Oldest == nil {
		return m, nil
	}
	since := now.Add(-time.Duration(*m.Oldest) * time.Second)
	hours, err := w.points(ctx, since, now, time.Hour, statistic{"NumberOfMessagesReceived", "Sum"},
		statistic{"ApproximateNumberOfMessagesVisible", "Average"}, statistic{"ApproximateNumberOfMessagesNotVisible", "Average"})
	if err != nil {
		return m, err
	}
	there := map[int64]float64{} // messages, by the second in which an hour begins: not each metric has each hour
	for _, p := range append(hours[1], hours[2]...) {
		there[p.at.Unix()] += p.value
	}
	var receives float64
	for _, received := range hours[0] {
		receives += received.value / max(1, there[received.at.Unix()])
	}
	m.Receives = &receives
	return m, nil
}

func first(points []point) *float64 {
	if len(points) == 0 {
		return nil
	}
	return &points[0].value
}

func sum(points []point) *float64 {
	if len(points) == 0 {
		return nil
	}
	var all float64
	for _, p := range points {
		all += p.value
	}
	return &all
}

// near reports whether messages may have few receives left.
func (m metrics) near(maxReceives int) bool {
	return m.Receives != nil && dlq.NearLimit(int(*m.Receives), maxReceives)
}

// rows show the metrics.
func (m metrics) rows(maxReceives int, retention time.Duration) (rows []cli.Row) {
	if m.Missing != "" {
		return []cli.Row{{"metrics", "-", m.Missing}}
	}
	if m.Oldest != nil {
		rows = append(rows, cli.Row{"oldest", span(time.Duration(*m.Oldest) * time.Second), fmt.Sprintf("in the queue, of what was received up to 3 times, says CloudWatch; the retention is %s", days(retention))})
	}
	if m.Received != nil || m.Deleted != nil {
		rows = append(rows, cli.Row{"last hour", fmt.Sprintf("%.0f", aws.ToFloat64(m.Received)), fmt.Sprintf("received, %.0f deleted, says CloudWatch", aws.ToFloat64(m.Deleted))})
	}
	if m.Receives != nil {
		text := fmt.Sprintf("of %d, by the metrics, for a message as old as the oldest", maxReceives)
		if m.near(maxReceives) {
			text += nearLimit
		}
		rows = append(rows, cli.Row{"receives", fmt.Sprintf("%.0f", *m.Receives), text})
	}
	return rows
}
