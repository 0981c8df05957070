package backfillcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/objects"
	"sumoship/deploy/subscription"
	"sumoship/function/subscribe/awsapi"
	"sumoship/history"
)

// input finds what to read, and looks at it.
func (c *Cmd) input(ctx context.Context, s cli.Streams) (*input, error) {
	for i := range c.LogGroup {
		if err := c.Named("--log-group", &c.LogGroup[i]); err != nil {
			return nil, err
		}
	}
	if len(c.From) == 0 {
		return c.cloudWatch(ctx)
	}
	var errs []error
	if len(c.LogGroup) > 1 || c.LogGroupPattern != "" {
		errs = append(errs, errors.New("--log-group: of files give one; more are for CloudWatch Logs, without files"))
	}
	for flag, value := range map[string]string{"--since": c.Since, "--until": c.Until, "--filter-pattern": c.FilterPattern} {
		if value != "" {
			errs = append(errs, fmt.Errorf("%s: is for CloudWatch Logs, without files", flag))
		}
	}
	if len(errs) > 0 {
		return nil, cli.Usagef("%w", errors.Join(errs...))
	}
	files := &history.Files{Hints: history.Hints{LogStream: c.LogStream}}
	if len(c.LogGroup) == 1 {
		files.Hints.LogGroup = c.LogGroup[0]
	}
	for _, from := range c.From {
		items, err := c.items(ctx, s, from)
		if err != nil {
			return nil, err
		}
		files.Items = append(files.Items, items...)
	}
	plan, err := files.Plan(ctx)
	if err != nil {
		if _, aws := errors.AsType[*objects.Error](err); aws {
			return nil, cli.Fail(cli.ExitAWS, err)
		}
		return nil, cli.Usagef("%w", err)
	}
	var formats []string
	for _, f := range slices.Sorted(maps.Keys(plan.Formats)) {
		formats = append(formats, string(f))
	}
	in := &input{feed: files, files: files, what: files.Input(), text: plan.Text,
		told: planned{Files: plan.Items, Size: plan.Size, Formats: formats}}
	what := cli.Count(plan.Items, "file")
	if plan.Size >= 0 {
		what += " of " + cli.Size(plan.Size)
	}
	in.plan = append(in.plan, cli.Row{"from", what + ": " + strings.Join(formats, ", ")})
	if !plan.Oldest.IsZero() {
		in.plan = append(in.plan, cli.Row{"beginning", plan.Oldest.UTC().Format(time.RFC3339)})
		in.told.Since = plan.Oldest.UTC().Format(time.RFC3339)
	}
	if plan.Old > 0 {
		in.warn = append(in.warn, fmt.Sprintf("%s of %d begin with log events older than a year: Sumo Logic stamps those with the time of receipt, so searches do not find them at their own time",
			cli.Count(plan.Old, "file"), plan.Looked))
	}
	return in, nil
}

// items returns the files or objects at an argument.
func (c *Cmd) items(ctx context.Context, s cli.Streams, from string) ([]history.Item, error) {
	if from == cli.Stdin {
		return []history.Item{history.Stream("standard input", cli.Reading(ctx, s.In))}, nil
	}
	if a, err := arn.Parse(from); err == nil && a.Service == "s3" {
		from = objects.Scheme + a.Resource
	}
	if strings.HasPrefix(from, objects.Scheme) {
		return c.objects(ctx, s, from)
	}
	items, err := history.FindFiles([]string{from}, c.Resume, c.Resume+".lock")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usagef("%s does not exist", from)
	}
	if err != nil {
		return nil, cli.Usagef("%w", err)
	}
	return items, nil
}

// cloudWatch finds the log groups to read.
func (c *Cmd) cloudWatch(ctx context.Context) (*input, error) {
	if len(c.LogGroup) == 0 && c.LogGroupPattern == "" {
		return nil, cli.Usagef("what should be shipped? Give files, s3://BUCKET/PREFIX or -, or --log-group and --since for CloudWatch Logs")
	}
	span, err := c.span(time.Now())
	if err != nil {
		return nil, err
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	client := cloudwatchlogs.NewFromConfig(cfg)
	groups, err := c.groups(ctx, awsapi.NewLogGroups(client), cfg.Region)
	if err != nil {
		return nil, err
	}
	w := &history.Windows{Search: &search{client, c.FilterPattern}, Time: span, Query: cfg.Region + " " + c.FilterPattern}
	var names []string
	for _, g := range groups {
		w.Groups = append(w.Groups, history.Group{Name: g.Name, Owner: account(g.ARN)})
		names = append(names, g.Name)
	}
	shown := strings.Join(names[:min(5, len(names))], ", ")
	if len(names) > 5 {
		shown += ", …"
	}
	from, to := time.UnixMilli(span.From).UTC(), time.UnixMilli(span.To).UTC()
	events, text, err := w.Plan(ctx)
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, err)
	}
	about := fmt.Sprintf("about %d, by a few samples", events)
	if events == 0 {
		about, text = "none in a few samples", -1
	}
	told := planned{LogGroups: names, Region: cfg.Region, Since: from.Format(time.RFC3339), Until: to.Format(time.RFC3339), Events: events}
	in := &input{feed: w, what: w.Input(), text: text, told: told, plan: []cli.Row{
		{"from", fmt.Sprintf("CloudWatch Logs in %s, %s: %s", cfg.Region, cli.Count(len(groups), "log group"), shown)},
		{"time", fmt.Sprintf("%s to %s (%s)", from.Format(time.RFC3339), to.Format(time.RFC3339), to.Sub(from).Round(time.Second))},
		{"events", about},
	}}
	if time.Since(from) > history.Retention {
		in.warn = append(in.warn, "--since is more than a year ago: Sumo Logic stamps log events that old with the time of receipt, so searches do not find them at their own time")
	}
	for _, g := range groups {
		if days := g.Retention; days > 0 && time.Since(from) > time.Duration(days)*24*time.Hour {
			in.warn = append(in.warn, fmt.Sprintf("%s keeps log events for %d days: those before are gone", g.Name, days))
		}
	}
	return in, nil
}

// groups returns the log groups of the flags.
func (c *Cmd) groups(ctx context.Context, api *awsapi.LogGroups, region string) ([]subscription.Group, error) {
	var found []subscription.Group
	add := func(g subscription.Group) {
		if !slices.ContainsFunc(found, func(f subscription.Group) bool { return f.Name == g.Name }) {
			found = append(found, g)
		}
	}
	for _, name := range c.LogGroup {
		if _, err := subscription.ParseGroup(name); err != nil {
			return nil, cli.Usagef("--log-group: %w", err)
		}
		g, err := api.Find(ctx, name)
		if err != nil {
			return nil, cli.Fail(cli.ExitAWS, err)
		}
		if g.Missing {
			return nil, cli.Fail(cli.ExitAWS, &cli.Missing{Kind: "log group", Name: name})
		}
		add(g)
	}
	if c.LogGroupPattern == "" {
		return found, nil
	}
	pattern, err := subscription.ParsePattern(c.LogGroupPattern)
	if err != nil {
		return nil, cli.Usagef("--log-group-pattern: %w", err)
	}
	return found, c.matching(ctx, api, pattern, region, add)
}

func (c *Cmd) matching(ctx context.Context, api *awsapi.LogGroups, pattern *regexp.Regexp, region string, add func(subscription.Group)) error {
	n := 0
	for token := ""; ; {
		page, next, err := api.List(ctx, token)
		if err != nil {
			return cli.Fail(cli.ExitAWS, err)
		}
		for _, g := range page {
			if pattern.MatchString(g.Name) {
				n++
				add(g)
			}
		}
		if token = next; token == "" {
			break
		}
	}
	if n == 0 {
		return cli.Fail(cli.ExitFound, fmt.Errorf("--log-group-pattern: no log group in %s matches %q", region, c.LogGroupPattern))
	}
	return nil
}

// account returns that of an ARN.
func account(arn string) string {
	if part := strings.Split(arn, ":"); len(part) > 4 {
		return part[4]
	}
	return ""
}

// span reads --since and --until.
func (c *Cmd) span(now time.Time) (span history.Span, err error) {
	if c.Since == "" {
		return span, cli.Usagef("--since: since when? Give a time such as 2026-01-02T15:04:05Z, or 36h or 7d ago")
	}
	from, fixed, err := cli.Moment("--since", c.Since, now)
	if err != nil {
		return span, err
	}
	to, fixedTo := now, false
	if c.Until != "" {
		if to, fixedTo, err = cli.Moment("--until", c.Until, now); err != nil {
			return span, err
		}
	}
	switch {
	case !from.Before(to):
		return span, cli.Usagef("--since %s is not before --until %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	case c.Resume != "" && (!fixed || !fixedTo):
		return span, cli.Usagef("--resume: give --since and --until as times such as 2026-01-02T15:04:05Z: a later run has to read the same")
	}
	return history.Span{From: from.UnixMilli(), To: to.UnixMilli()}, nil
}
