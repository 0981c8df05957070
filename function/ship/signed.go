package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sumoship/function"
)

// signed calls AWS with requests that it signs itself. The clients of S3 and
// CloudWatch Logs in the SDK would cost every cold start their tables, for three calls.
type signed struct {
	load function.ConfigLoader
	http *http.Client
}

func newSigned(load function.ConfigLoader, timeout time.Duration) signed {
	return signed{load, &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// serviceURL returns the URL of a service in the Region of cfg, without a slash at its
// end, and whether the environment sets it.
func serviceURL(ctx context.Context, cfg aws.Config, sdkID, host string) (base string, own bool) {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if base, found, err := s.GetServiceBaseEndpoint(ctx, sdkID); err == nil && found {
				return strings.TrimSuffix(base, "/"), true
			}
		}
	}
	if cfg.BaseEndpoint != nil {
		return strings.TrimSuffix(*cfg.BaseEndpoint, "/"), true
	}
	host += "." + cfg.Region + ".amazonaws.com"
	if strings.HasPrefix(cfg.Region, "cn-") {
		host += ".cn"
	}
	return "https://" + host, false
}

// bucketURL returns the URL of a bucket.
func bucketURL(ctx context.Context, cfg aws.Config, bucket string) string {
	base, own := serviceURL(ctx, cfg, "S3", "s3")
	if own || strings.Contains(bucket, ".") { // a certificate covers one label
		return base + "/" + bucket
	}
	return strings.Replace(base, "https://", "https://"+bucket+".", 1)
}

// sign signs a request for a service.
func sign(ctx context.Context, cfg aws.Config, service string, r *http.Request, body []byte) error {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return ownError{errors.New("no credentials")}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash) // S3 compares it
	return v4.NewSigner().SignHTTP(ctx, credentials, r, hash, service, cfg.Region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = service == "s3"
	})
}

// do signs and sends a request. It returns at most limit bytes of the response, and
// with an error those that came before it.
func (s signed) do(ctx context.Context, cfg aws.Config, service string, r *http.Request, body []byte, limit int) (*http.Response, []byte, error) {
	if err := sign(ctx, cfg, service, r, body); err != nil {
		return nil, nil, err
	}
	response, err := s.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)))
	return response, data, err
}

// Object returns an object of S3.
//
// Source: Amazon S3 API Reference, GetObject.
func (s signed) Object(ctx context.Context, bucket, key, etag string, limit int) (data []byte, newETag string, err error) {
	cfg, err := s.load(ctx, "")
	if err != nil {
		return nil, "", ownError{err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, bucketURL(ctx, cfg, bucket)+"/"+escapePath(key), nil)
	if err != nil {
		return nil, "", ownError{errors.New("not the name of an object")}
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	response, data, err := s.do(ctx, cfg, "s3", r, nil, limit)
	switch {
	case err != nil:
		return nil, "", storeError(err)
	case response.StatusCode == http.StatusNotModified:
		return nil, etag, nil
	case response.StatusCode != http.StatusOK:
		return nil, "", answered(response, data)
	case data == nil:
		data = []byte{}
	}
	return data, response.Header.Get("ETag"), nil
}

// escapePath escapes a key as S3 signs it.
func escapePath(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

// Tags returns the tags of a log group.
//
// Source: Amazon CloudWatch Logs API Reference, ListTagsForResource.
func (s signed) Tags(ctx context.Context, account, group string) (map[string]string, error) {
	cfg, err := s.load(ctx, "")
	if err != nil {
		return nil, err
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(cfg.Region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(cfg.Region, "us-gov-"):
		partition = "aws-us-gov"
	}
	body, err := json.Marshal(map[string]string{"resourceArn": fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s", partition, cfg.Region, account, group)})
	if err != nil {
		return nil, err
	}
	base, _ := serviceURL(ctx, cfg, "CloudWatch Logs", "logs")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Logs_20140328.ListTagsForResource")
	response, data, err := s.do(ctx, cfg, "logs", r, body, 64<<10)
	if err != nil {
		return nil, storeError(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, answered(response, data)
	}
	var out struct{ Tags map[string]string }
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, errors.New("the response cannot be read")
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out.Tags, nil
}

// errorName finds the code of an error: S3 writes XML, CloudWatch Logs JSON.
var errorName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`<Code>([A-Za-z]{1,64})</Code>|"__type":\s*"(?:[a-zA-Z0-9.]*#)?([A-Za-z]{1,64})"`)
})

// answered returns the error of a response: its code, and nothing else that it says.
func answered(response *http.Response, data []byte) error {
	text := fmt.Sprintf("answered %d", response.StatusCode)
	if m := errorName().FindSubmatch(data); m != nil {
		text += " " + string(m[1]) + string(m[2])
	}
	return errors.New(text)
}
