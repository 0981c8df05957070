package backfillcmd

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/objects"
	"sumoship/history"
)

// search searches CloudWatch Logs.
type search struct {
	api     *cloudwatchlogs.Client
	pattern string
}

// Search returns a page of log events. The end of a search is the last millisecond of
// it, not the one after.
//
// Source: Amazon CloudWatch Logs API Reference, FilterLogEvents.
func (s *search) Search(ctx context.Context, group string, in history.Span, token string) ([]history.LogEvent, string, error) {
	q := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: &in.From, EndTime: aws.Int64(in.To - 1)}
	if s.pattern != "" {
		q.FilterPattern = &s.pattern
	}
	if token != "" {
		q.NextToken = &token
	}
	out, err := s.api.FilterLogEvents(ctx, q)
	if err != nil {
		if (retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}).IsErrorThrottle(err) == aws.TrueTernary {
			return nil, "", fmt.Errorf("%w: %w", history.ErrThrottled, err)
		}
		return nil, "", fmt.Errorf("search the log group: %w", err)
	}
	page := make([]history.LogEvent, len(out.Events))
	for i, e := range out.Events {
		page[i] = history.LogEvent{ID: aws.ToString(e.EventId), Stream: aws.ToString(e.LogStreamName), Message: aws.ToString(e.Message), Timestamp: aws.ToInt64(e.Timestamp)}
	}
	return page, aws.ToString(out.NextToken), nil
}

// objects lists the objects of s3://BUCKET/PREFIX.
func (c *Cmd) objects(ctx context.Context, s cli.Streams, url string) ([]history.Item, error) {
	if _, _, err := objects.Split(url); err != nil {
		return nil, err
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	place, err := objects.New(cfg, s.Getenv, url)
	if err != nil {
		return nil, err
	}
	list, err := place.Objects(ctx)
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, err)
	}
	var items []history.Item
	for _, o := range list {
		if history.Skipped(path.Base(o.Key)) || o.Size == 0 {
			continue
		}
		items = append(items, history.Item{Name: place.URL(o.Key), Size: o.Size, ID: o.ID,
			Open: func(ctx context.Context) (io.ReadCloser, error) { return place.Read(ctx, o.Key) }})
	}
	if len(items) == 0 {
		return nil, cli.Fail(cli.ExitFound, fmt.Errorf("there are no objects at %s", url))
	}
	return items, nil
}
