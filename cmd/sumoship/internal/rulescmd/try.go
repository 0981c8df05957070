package rulescmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/ship"
	"sumoship/history"
	"sumoship/transform"
)

type tryCmd struct {
	document
	LogGroup string            `required:"" help:"Log group to read from." placeholder:"GROUP"`
	Since    time.Duration     `help:"How far back to read." default:"1h"`
	Limit    int               `help:"Most log events to read." default:"10000"`
	Tag      map[string]string `help:"Tags of the log group, for rules that match on them." placeholder:"KEY=VALUE"`
	Prices   string            `help:"JSON file with what a GB costs, such as {\"Sumo Logic\":2.5,\"transfer\":0.02}." placeholder:"FILE"`
	Yes      bool              `short:"y" help:"Read without asking."`
	JSON     bool              `name:"json" help:"Write the result as JSON."`
	cli.AWSFlags
}

func (tryCmd) Help() string {
	return `  sumoship rules try rules.yaml --log-group /ecs/shop --since 1h

Reads log events with FilterLogEvents, page by page, and applies the rules to them.
Nothing is sent. The variables of the function, such as LOG_FORMAT, work here too.

Exit status: 0 if the rules are right, 1 if they have mistakes or you say no, 2 if the
command or a file is wrong, 3 if AWS refuses.`
}

// pageSize is the most log events that FilterLogEvents returns at once, and pageBytes
// about the most bytes.
//
// Source: Amazon CloudWatch Logs API Reference, FilterLogEvents.
const (
	pageSize  = 10_000
	pageBytes = 1 << 20
)

// tried is what rules would do, and its form in JSON.
type tried struct {
	LogGroup string         `json:"logGroup"`
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	All      bool           `json:"all"` // false if there are more log events than were read
	Events   int            `json:"events"`
	Shipped  int            `json:"shipped"`
	Dropped  map[string]int `json:"dropped"` // by rule and member, or reason
	Masked   map[string]int `json:"masked"`  // replacements by mask
	Changed  int            `json:"changed"` // log events with a replacement
	Sampled  int            `json:"sampled"` // shipped with their rate as a field
	Rules    map[string]int `json:"rules"`   // log events by rule

	Before int `json:"bytesBefore"` // of records, before gzip
	After  int `json:"bytesAfter"`

	Month *month `json:"month,omitempty"`
}

// month is what 30 days like this cost.
type month struct {
	GBBefore float64            `json:"gbBefore"`
	GBAfter  float64            `json:"gbAfter"`
	Dollars  map[string]dollars `json:"dollars"` // by the names of the prices
}

type dollars struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Outputs is what it writes as JSON.
func (c *tryCmd) Outputs() []any { return []any{tried{}} }

func (c *tryCmd) Run(ctx context.Context, s cli.Streams) error {
	if c.Limit < 1 || c.Limit > 1_000_000 || c.Since <= 0 {
		return cli.Usagef("--limit is from 1 to 1000000, --since longer than nothing")
	}
	set, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	base, err := ship.RecordOptions(s.Getenv)
	if err != nil {
		return cli.Fail(cli.ExitUsage, err)
	}
	prices, err := c.prices(ctx, s)
	if err != nil {
		return err
	}
	if err := c.Named("--log-group", &c.LogGroup); err != nil {
		return err
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return err
	}
	base.Region = cfg.Region
	question := fmt.Sprintf("Read at most %s of %s since %s ago? AWS charges nothing for the calls (FilterLogEvents, at most %s a second), only for data that leaves AWS: about 1 MB each.",
		cli.Count(c.Limit, "log event"), c.LogGroup, c.Since, cli.Count(callsPerSecond, "call"))
	if err := cli.Consent(ctx, s, c.Yes, question); err != nil {
		return err
	}
	t := &tried{LogGroup: c.LogGroup, Dropped: map[string]int{}, Masked: map[string]int{}, Rules: map[string]int{}}
	t.To = time.Now().UTC().Truncate(time.Millisecond)
	t.From = t.To.Add(-c.Since)
	bar := cli.NewBar(c.Limit, "reading log events", s.Err)
	err = c.fetch(ctx, cloudwatchlogs.NewFromConfig(cfg), t, func(events []types.FilteredLogEvent) error {
		bar.Add(len(events))
		in := &history.Reader{File: c.LogGroup, Hints: history.Hints{LogGroup: c.LogGroup}}
		return in.Read(ctx, bytes.NewReader(asInput(events)), func(b history.Batch) error {
			return judge(set, base, c.Tag, transform.Event(b.Doc), t.see)
		})
	})
	bar.Finish()
	if err != nil {
		return err
	}
	t.extrapolate(prices)
	if c.JSON {
		return cli.WriteJSON(s.Out, t)
	}
	return t.write(s)
}

// prices reads what a GB costs, by name.
func (c *tryCmd) prices(ctx context.Context, s cli.Streams) (map[string]float64, error) {
	if c.Prices == "" {
		return nil, nil
	}
	b, err := cli.ReadFile(ctx, s, c.Prices, 1<<20)
	if err != nil {
		return nil, err
	}
	prices := map[string]float64{}
	if err := json.Unmarshal(b, &prices); err != nil {
		return nil, cli.Usagef("%s: not prices: want a JSON object of dollars per GB, such as {\"Sumo Logic\":2.5,\"transfer\":0.02}", c.Prices)
	}
	for name, price := range prices {
		if price < 0 {
			return nil, cli.Usagef("%s: the price of %q is negative", c.Prices, name)
		}
	}
	return prices, nil
}

// callsPerSecond keeps below the quota of FilterLogEvents, which is 5 in the smallest
// Regions.
const callsPerSecond = 4

// fetch reads pages of log events until there are no more or the limit is reached.
func (c *tryCmd) fetch(ctx context.Context, client *cloudwatchlogs.Client, t *tried, page func([]types.FilteredLogEvent) error) error {
	from, to := t.From.UnixMilli(), t.To.UnixMilli()
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &c.LogGroup, StartTime: &from, EndTime: &to}
	read, last := 0, t.From
	for {
		limit := int32(min(pageSize, c.Limit-read))
		in.Limit = &limit
		out, err := client.FilterLogEvents(ctx, in)
		switch {
		case ctx.Err() != nil:
			return cli.Interrupted(ctx, "%s read", cli.Count(read, "log event"))
		case err != nil:
			if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
				return cli.Fail(cli.ExitAWS, &cli.Missing{Kind: "log group", Name: c.LogGroup})
			}
			return cli.Fail(cli.ExitAWS, cli.Plain(err))
		}
		events := out.Events[:min(len(out.Events), c.Limit-read)]
		read += len(events)
		for _, e := range events {
			if at := time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(); at.After(last) {
				last = at
			}
		}
		if err := page(events); err != nil {
			return err
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			t.All = true
			return nil
		}
		if read >= c.Limit {
			t.To = last // what was read is the time until here
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second / callsPerSecond):
		}
	}
}

// asInput returns log events as aws logs filter-log-events writes them.
func asInput(events []types.FilteredLogEvent) []byte {
	type event struct {
		Stream    *string `json:"logStreamName"`
		Timestamp *int64  `json:"timestamp"`
		Message   *string `json:"message"`
		ID        *string `json:"eventId"`
	}
	list := []event{}
	for _, e := range events {
		list = append(list, event{e.LogStreamName, e.Timestamp, e.Message, e.EventId})
	}
	b, _ := json.Marshal(map[string]any{"events": list}) // texts and numbers
	return b
}

// see counts what becomes of a log event.
func (t *tried) see(j judged) {
	rule := j.Rule
	if rule == "" {
		rule = "no rule"
	}
	t.Events++
	t.Rules[rule]++
	t.Before += j.before
	t.After += j.after
	if !j.Shipped {
		t.Dropped[j.Why]++
		return
	}
	t.Shipped++
	for mask, n := range j.Masked {
		t.Masked[mask] += n
	}
	if len(j.Masked) > 0 {
		t.Changed++
	}
	if strings.Contains(","+j.Fields, ",sample_rate=") {
		t.Sampled++
	}
}

// extrapolate says what a month of such hours costs.
func (t *tried) extrapolate(prices map[string]float64) {
	span := t.To.Sub(t.From)
	if span <= 0 || t.Events == 0 {
		return
	}
	times := float64(30*24*time.Hour) / float64(span)
	m := &month{GBBefore: float64(t.Before) * times / 1e9, GBAfter: float64(t.After) * times / 1e9, Dollars: map[string]dollars{}}
	for name, price := range prices {
		m.Dollars[name] = dollars{m.GBBefore * price, m.GBAfter * price}
	}
	t.Month = m
}

func (t *tried) write(s cli.Streams) error {
	if t.Events == 0 {
		_, err := fmt.Fprintf(s.Out, "%s has no log events since %s.\n", t.LogGroup, t.From.Format(time.RFC3339))
		return err
	}
	share := func(n int) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(t.Events)) }
	rows := []cli.Row{{"log events", t.Events, ""}}
	for _, by := range []struct {
		what    string
		counts  map[string]int
		meaning cli.Meaning
	}{{"by rule ", t.Rules, ""}, {"dropped, ", t.Dropped, cli.Doubt}} {
		for _, name := range slices.Sorted(maps.Keys(by.counts)) {
			rows = append(rows, cli.Row{cli.Paint(s.Out, by.meaning, by.what+name), by.counts[name], share(by.counts[name])})
		}
	}
	rows = append(rows, cli.Row{cli.Paint(s.Out, cli.Good, "shipped"), t.Shipped, share(t.Shipped)}, cli.Row{"shipped as a sample", t.Sampled, share(t.Sampled)}, cli.Row{"with something masked", t.Changed, share(t.Changed)})
	for _, name := range slices.Sorted(maps.Keys(t.Masked)) {
		rows = append(rows, cli.Row{"masked, " + name, t.Masked[name], ""})
	}
	rows = append(rows, cli.Row{"bytes of records before", t.Before, ""}, cli.Row{"bytes of records after", t.After, fmt.Sprintf("%.1f %%", 100*float64(t.After)/float64(max(1, t.Before)))})
	if err := cli.WriteTable(s.Out, cli.Row{t.LogGroup, "", ""}, rows); err != nil {
		return err
	}
	if !t.All {
		fmt.Fprintf(s.Out, "There are more log events: these are the first, until %s. --limit reads more.\n", t.To.Format(time.RFC3339))
	}
	if t.Month == nil {
		return nil
	}
	fmt.Fprintf(s.Out, "30 days like these: %.3g GB before, %.3g GB after.\n", t.Month.GBBefore, t.Month.GBAfter)
	for _, name := range slices.Sorted(maps.Keys(t.Month.Dollars)) {
		d := t.Month.Dollars[name]
		fmt.Fprintf(s.Out, "%s: $%.2f before, $%.2f after, a month.\n", name, d.Before, d.After)
	}
	return nil
}
