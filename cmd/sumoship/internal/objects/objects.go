// Package objects is Amazon S3 as verbs use it: the objects under s3://BUCKET/PREFIX,
// listed, read whatever breaks, and stored with their checksum.
package objects

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/dlq"
)

// Scheme is how the URL of a place begins.
const Scheme = "s3://"

// Place is s3://BUCKET/PREFIX. It is safe for concurrent use.
type Place struct {
	api            *s3.Client
	bucket, prefix string

	mu   sync.Mutex
	tags map[string]string // of the objects that were listed or stored, by key
}

// Meant reports whether a place is one of Amazon S3, or of anywhere but this machine, even
// if it is not written as it has to be: s3:/x is not a directory.
func Meant(place string) bool {
	return strings.HasPrefix(place, "s3:") || strings.Contains(place, "://")
}

// Split returns the parts of s3://BUCKET/PREFIX.
func Split(url string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(url, Scheme)
	if bucket, prefix, _ = strings.Cut(rest, "/"); bucket == "" || !ok {
		return "", "", cli.Usagef("%s: want s3://BUCKET/PREFIX", url)
	}
	return bucket, prefix, nil
}

// New returns the place with that URL.
func New(cfg aws.Config, getenv func(string) string, url string) (*Place, error) {
	bucket, prefix, err := Split(url)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		// An endpoint of one's own rarely has a name for each bucket.
		o.UsePathStyle = getenv("AWS_ENDPOINT_URL") != "" || getenv("AWS_ENDPOINT_URL_S3") != ""
	})
	return &Place{api: client, bucket: bucket, prefix: prefix, tags: map[string]string{}}, nil
}

// Error is an error of Amazon S3.
type Error struct {
	What string
	Err  error
}

func (e *Error) Error() string { return e.What + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ErrChanged reports an object that somebody else has written.
var ErrChanged = errors.New("the object was changed meanwhile")

// URL is that of an object.
func (p *Place) URL(key string) string { return Scheme + p.bucket + "/" + key }

func (p *Place) failed(what, key string, err error) error {
	return &Error{what + " " + p.URL(key), explain(err)}
}

// explain adds what to do to an error of S3.
func explain(err error) error {
	switch plain := cli.Plain(err); cli.Code(err) {
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "MovedPermanently":
		return fmt.Errorf("%w; the bucket is in another Region: give --region", plain)
	case "AccessDenied", "Forbidden":
		return fmt.Errorf("%w; it needs s3:ListBucket of the bucket, s3:GetObject of its objects, and s3:PutObject to write them", plain)
	case "PreconditionFailed", "ConditionalRequestConflict":
		return ErrChanged
	default:
		return plain
	}
}

// Object is an object as it was listed. Its ID changes with its content.
type Object struct {
	Key string
	ID  string
	dlq.File
}

// Objects lists the objects whose keys begin with the prefix, but for those that stand
// for folders.
func (p *Place) Objects(ctx context.Context) (all []Object, err error) { return p.list(ctx, p.prefix) }

func (p *Place) list(ctx context.Context, prefix string) (all []Object, err error) {
	pages := s3.NewListObjectsV2Paginator(p.api, &s3.ListObjectsV2Input{Bucket: &p.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, p.failed("list", prefix, err)
		}
		p.mu.Lock()
		for _, o := range out.Contents {
			key := aws.ToString(o.Key)
			if strings.HasSuffix(key, "/") {
				continue
			}
			p.tags[key] = aws.ToString(o.ETag)
			all = append(all, Object{key, aws.ToString(o.ETag), dlq.File{Name: strings.TrimPrefix(key, prefix), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}})
		}
		p.mu.Unlock()
	}
	return all, nil
}

// Read reads an object, as it was listed or stored.
func (p *Place) Read(ctx context.Context, key string) (io.ReadCloser, error) {
	r := &reader{place: p, key: key, tag: p.tag(key), ctx: ctx}
	return r, r.begin()
}

func (p *Place) tag(key string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tags[key]
}

// maxBreaks is how often in a row the reading of an object may break without a byte.
const maxBreaks = 4

// reader reads an object, and goes on where a connection broke: S3 ends those that wait
// for long, as they do while Sumo Logic does not take anything.
type reader struct {
	place    *Place
	key, tag string
	ctx      context.Context
	body     io.ReadCloser
	at       int64
	breaks   int
}

func (r *reader) begin() error {
	in := &s3.GetObjectInput{Bucket: &r.place.bucket, Key: &r.key}
	if r.tag != "" {
		in.IfMatch = &r.tag
	}
	if r.at > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.at))
	}
	out, err := r.place.api.GetObject(r.ctx, in)
	if err != nil {
		return r.place.failed("read", r.key, err)
	}
	r.body = out.Body
	return nil
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.body.Read(b)
	r.at += int64(n)
	if n > 0 {
		r.breaks = 0
	}
	if err == nil || err == io.EOF || r.ctx.Err() != nil {
		return n, err
	}
	if r.breaks++; r.breaks > maxBreaks {
		if op, ok := errors.AsType[*smithy.OperationError](err); ok {
			err = op.Err
		}
		return n, &Error{"read " + r.place.URL(r.key), err}
	}
	r.body.Close()
	return n, r.begin()
}

func (r *reader) Close() error { return r.body.Close() }

// Folder is the objects below a prefix as a store: those of s3://BUCKET/a are a/…
func (p *Place) Folder() dlq.Store {
	prefix := strings.TrimSuffix(p.prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &folder{p, prefix}
}

type folder struct {
	place  *Place
	prefix string
}

func (f *folder) Path(name string) string { return f.place.URL(f.prefix + name) }

func (f *folder) List(ctx context.Context) (files []dlq.File, err error) {
	all, err := f.place.list(ctx, f.prefix)
	for _, o := range all {
		files = append(files, o.File)
	}
	return files, err
}

func (f *folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return f.place.Read(ctx, f.prefix+name)
}

// Put stores an object in place of one that was listed or stored, or as a new one. S3
// compares it with its checksum, and says so.
func (f *folder) Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error {
	p, key := f.place, f.prefix+name
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	in := &s3.PutObjectInput{Bucket: &p.bucket, Key: &key, Body: body, ContentLength: &size, ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: &checksum}
	if tag := p.tag(key); tag != "" {
		in.IfMatch = &tag
	} else {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := p.api.PutObject(ctx, in)
	var tag, said string
	switch {
	case err == nil:
		tag, said = aws.ToString(out.ETag), aws.ToString(out.ChecksumSHA256)
	case errors.Is(explain(err), ErrChanged):
		// By us, if S3 had stored it and its answer was lost.
		if tag, said = f.head(ctx, key); said != checksum {
			return p.failed("write", key, err)
		}
	default:
		return p.failed("write", key, err)
	}
	if said == "" {
		tag, said = f.head(ctx, key)
	}
	if said != checksum {
		return &Error{"write " + p.URL(key), fmt.Errorf("S3 has not confirmed its SHA-256: it says %q, not %q", said, checksum)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tags[key] = tag
	return nil
}

// head returns the ETag and the SHA-256 of an object, "" if S3 does not tell.
func (f *folder) head(ctx context.Context, key string) (tag, checksum string) {
	out, err := f.place.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.place.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return "", ""
	}
	return aws.ToString(out.ETag), aws.ToString(out.ChecksumSHA256)
}

// Sum returns the SHA-256 that S3 has of an object, and reads one that was stored
// without.
func (f *folder) Sum(ctx context.Context, name string) (sum [sha256.Size]byte, err error) {
	key := f.prefix + name
	if tag, said := f.head(ctx, key); tag == f.place.tag(key) {
		if b, err := base64.StdEncoding.DecodeString(said); err == nil && len(b) == sha256.Size {
			return [sha256.Size]byte(b), nil // that of a multipart upload is not of the whole
		}
	}
	in, err := f.Open(ctx, name)
	if err != nil {
		return sum, err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
