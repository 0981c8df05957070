package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"sumoship/dlq"
	"sumoship/function"
)

// Archive is a second place for messages that near their expiry.
type Archive interface {
	// Save saves the event and the cause of a message.
	Save(ctx context.Context, m dlq.Message) error
}

// overflowAge is how old a message is that goes to the archive, if the source is still
// not available. SQS keeps it for 14 days; the rest between two attempts is 2 hours.
const overflowAge = 10 * 24 * time.Hour

// overflow saves a message in the archive if it nears its expiry and was not
// delivered, for a reason that is not this run's.
func (r *run) overflow(m dlq.Message, o outcome) outcome {
	if r.archive == nil || m.Sent.IsZero() || time.Since(m.Sent) < overflowAge {
		return o
	}
	r.mu.Lock()
	stopped := r.stopErr != nil && !r.overran.Load()
	r.mu.Unlock()
	if o.disposition != kept && (o.disposition != untried || !stopped) {
		return o
	}
	if err := r.archive.Save(r.saving, m); err != nil {
		r.out.Log.Error("a message that nears its expiry stays in the queue: it could not be saved", "message", m.ID, "error", err)
		return o
	}
	o.disposition = overflowed
	o.report.Overflowed, o.report.DeadLettered = o.report.DeadLettered, 0
	return o
}

// bucket is an archive in Amazon S3.
type bucket struct {
	signed
	name string
}

func newBucket(name string, load function.ConfigLoader) *bucket {
	return &bucket{newSigned(load, 30*time.Second), name}
}

// overflowPrefix is that of the keys, which the role of replay may write.
const overflowPrefix = "sumoship/"

// objectKey returns the key of a message: by the day of its first failure, its log
// group and its ID.
func objectKey(m dlq.Message) string {
	plain := func(s string) string {
		s = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_-.", r) {
				return r
			}
			return '_'
		}, s)
		for strings.Contains(s, "//") || strings.Contains(s, "..") {
			s = strings.ReplaceAll(strings.ReplaceAll(s, "//", "/"), "..", "_")
		}
		return strings.Trim(s, "/.")
	}
	group := plain(m.Entry.Cause.LogGroup)
	if group == "" {
		group = "unknown"
	}
	day := m.Entry.Cause.FirstFailure
	if day.IsZero() {
		day = m.Sent
	}
	return overflowPrefix + day.UTC().Format("2006/01/02/") + group + "/" + strings.ReplaceAll(plain(m.ID), "/", "_") + ".json"
}

// Save puts the event of a message into the bucket, its cause as metadata.
//
// Source: Amazon S3 API Reference, PutObject.
func (b *bucket) Save(ctx context.Context, m dlq.Message) error {
	policy := backoff.WithContext(backoff.WithMaxRetries(backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond)), 2), ctx)
	if err := backoff.Retry(func() error { return b.put(ctx, m) }, policy); err != nil {
		return fmt.Errorf("bucket %s: %w", b.name, err)
	}
	return nil
}

func (b *bucket) put(ctx context.Context, m dlq.Message) error {
	cfg, err := b.load(ctx, "")
	if err != nil {
		return backoff.Permanent(err)
	}
	body := m.Entry.Event
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, bucketURL(ctx, cfg, b.name)+"/"+objectKey(m), bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	r.Header.Set("Content-Type", "application/json")
	c := m.Entry.Cause
	for name, value := range map[string]string{
		"error-class": c.Class, "error-message": c.Message, "log-group": c.LogGroup, "first-failure": c.FirstFailure.UTC().Format(time.RFC3339Nano),
		"sent": m.Sent.UTC().Format(time.RFC3339Nano), "attempts": strconv.Itoa(c.Attempts), "receives": strconv.Itoa(m.Receives), "message-id": m.ID,
	} {
		if value = metadata(value); value != "" {
			r.Header.Set("X-Amz-Meta-"+name, value)
		}
	}
	answer, text, err := b.do(ctx, cfg, "s3", r, body, 4<<10)
	switch {
	case answer == nil:
		if _, own := errors.AsType[ownError](err); own {
			return backoff.Permanent(storeError(err))
		}
		return storeError(err)
	case answer.StatusCode == http.StatusOK:
		return nil
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		return refused(answer, text)
	}
	return backoff.Permanent(refused(answer, text))
}

// refused returns S3's own code of a response.
func refused(answer *http.Response, text []byte) error {
	if at := answer.Header.Get("X-Amz-Bucket-Region"); answer.StatusCode/100 == 3 && at != "" {
		return fmt.Errorf("is in %.20q; want a bucket in the Region of the function", at)
	}
	if m := errorName().FindSubmatch(text); m != nil {
		return fmt.Errorf("PutObject: %s%s (%d)", m[1], m[2], answer.StatusCode)
	}
	return fmt.Errorf("PutObject: status %d", answer.StatusCode)
}

// metadata returns a value as S3 takes it, in US-ASCII: other characters become
// percent-encoded. All metadata of an object may have 2 KB.
func metadata(value string) string {
	const most = 512
	var b strings.Builder
	for _, c := range []byte(strings.TrimSpace(value)) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
		if b.Len() > most {
			break
		}
	}
	return b.String()
}
