package backfillcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"sumoship/cmd/sumoship/internal/cli"
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

// objectError is an error of Amazon S3.
type objectError struct {
	what string
	err  error
}

func (e *objectError) Error() string { return e.what + ": " + e.err.Error() }
func (e *objectError) Unwrap() error { return e.err }

// objects lists the objects of s3://BUCKET/PREFIX.
func (c *Cmd) objects(ctx context.Context, s cli.Streams, url string) ([]history.Item, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if bucket == "" {
		return nil, cli.Usagef("%s: want s3://BUCKET/PREFIX", url)
	}
	cfg, err := c.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// An endpoint of one's own rarely has a name for each bucket.
		o.DisableLogOutputChecksumValidationSkipped = true
		o.UsePathStyle = s.Getenv("AWS_ENDPOINT_URL") != "" || s.Getenv("AWS_ENDPOINT_URL_S3") != ""
	})
	var items []history.Item
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, cli.Fail(cli.ExitAWS, &objectError{"list " + url, explain(err)})
		}
		for _, o := range out.Contents {
			key := aws.ToString(o.Key)
			if strings.HasSuffix(key, "/") || history.Skipped(path.Base(key)) || aws.ToInt64(o.Size) == 0 {
				continue
			}
			at := &object{api: client, bucket: bucket, key: key, etag: aws.ToString(o.ETag)}
			items = append(items, history.Item{Name: "s3://" + bucket + "/" + key, Size: aws.ToInt64(o.Size), ID: at.etag, Open: at.open})
		}
	}
	if len(items) == 0 {
		return nil, cli.Fail(cli.ExitFound, fmt.Errorf("there are no objects at %s", url))
	}
	return items, nil
}

// explain adds what to do to an error of S3.
func explain(err error) error {
	switch plain := cli.Plain(err); cli.Code(err) {
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "MovedPermanently":
		return fmt.Errorf("%w; the bucket is in another Region: give --region", plain)
	case "AccessDenied", "Forbidden":
		return fmt.Errorf("%w; it needs s3:ListBucket of the bucket and s3:GetObject of its objects", plain)
	case "PreconditionFailed":
		return errors.New("the object was changed after the listing: ship it again")
	default:
		return plain
	}
}

// object is an object of S3, as it was listed.
type object struct {
	api               *s3.Client
	bucket, key, etag string
}

func (o *object) open(ctx context.Context) (io.ReadCloser, error) {
	r := &objectReader{object: o, ctx: ctx}
	return r, r.begin()
}

// maxBreaks is how often in a row the reading of an object may break without a byte.
const maxBreaks = 4

// objectReader reads an object, and goes on where a connection broke: S3 ends those that
// wait for long, as they do while Sumo Logic does not take anything.
type objectReader struct {
	*object
	ctx    context.Context
	body   io.ReadCloser
	at     int64
	breaks int
}

func (r *objectReader) begin() error {
	in := &s3.GetObjectInput{Bucket: &r.bucket, Key: &r.key, IfMatch: &r.etag}
	if r.at > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.at))
	}
	out, err := r.api.GetObject(r.ctx, in)
	if err != nil {
		return &objectError{"read s3://" + r.bucket + "/" + r.key, explain(err)}
	}
	r.body = out.Body
	return nil
}

func (r *objectReader) Read(b []byte) (int, error) {
	n, err := r.body.Read(b)
	r.at += int64(n)
	if n > 0 {
		r.breaks = 0
	}
	if err == nil || err == io.EOF || r.ctx.Err() != nil {
		return n, err
	}
	if r.breaks++; r.breaks > maxBreaks {
		return n, &objectError{"read s3://" + r.bucket + "/" + r.key, plainest(err)}
	}
	r.body.Close()
	return n, r.begin()
}

func (r *objectReader) Close() error { return r.body.Close() }

// plainest is the error below those of the SDK.
func plainest(err error) error {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err
	}
	return err
}
