package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/objects/s3test"
	"sumoship/dlq"
	"sumoship/function/awstest/moto"
)

// at returns a place of an S3.
func at(t *testing.T, endpoint, url string) *Place {
	t.Helper()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), RetryMaxAttempts: 1}
	p, err := New(cfg, func(string) string { return "set" }, url)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func put(s dlq.Store, name, body string) error {
	return s.Put(context.Background(), name, strings.NewReader(body), int64(len(body)), sha256.Sum256([]byte(body)))
}

func content(t *testing.T, s dlq.Store, name string) string {
	t.Helper()
	r, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What a place promises holds on moto and on the fake.
func TestContract(t *testing.T) {
	t.Run("s3test", func(t *testing.T) {
		srv := httptest.NewServer(s3test.New("bucket"))
		defer srv.Close()
		contract(t, srv.URL)
	})
	t.Run("moto", func(t *testing.T) {
		endpoint := moto.Start(t)
		if _, err := at(t, endpoint, "s3://bucket").api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
			t.Fatal(err)
		}
		contract(t, endpoint)
	})
}

func contract(t *testing.T, endpoint string) {
	ctx := t.Context()
	one, other := at(t, endpoint, "s3://bucket/dead/x").Folder(), at(t, endpoint, "s3://bucket/dead/x/").Folder()
	if files, err := one.List(ctx); err != nil || len(files) != 0 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := put(one, "g/1.ndjson", "one\n"); err != nil {
		t.Fatal(err)
	}
	if err := put(one, "g/1.ndjson", "one\ntwo\n"); err != nil { // what it has stored itself
		t.Fatal(err)
	}
	// Somebody else, who has not listed it, and then one who has.
	if err := put(other, "g/1.ndjson", "other"); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "write s3://bucket/dead/x/g/1.ndjson: the object was changed meanwhile") {
		t.Errorf("an object was overwritten: %v", err)
	}
	files, err := other.List(ctx)
	if err != nil || len(files) != 1 || files[0].Name != "g/1.ndjson" || files[0].Size != 8 || files[0].Modified.IsZero() {
		t.Fatalf("%+v, %v", files, err)
	}
	if got := content(t, other, "g/1.ndjson"); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	if sum, err := other.Sum(ctx, "g/1.ndjson"); err != nil || sum != sha256.Sum256([]byte("one\ntwo\n")) {
		t.Errorf("%x, %v", sum, err)
	}
	if err := put(other, "g/1.ndjson", "other"); err != nil {
		t.Error(err)
	}
	if err := put(one, "g/1.ndjson", "one"); !errors.Is(err, ErrChanged) {
		t.Errorf("an object of somebody else was overwritten: %v", err)
	}
	if _, err := one.Open(ctx, "g/1.ndjson"); !errors.Is(err, ErrChanged) {
		t.Errorf("an object that was changed was read: %v", err)
	}
	if _, err := one.Open(ctx, "none"); cli.Code(err) != "NoSuchKey" {
		t.Errorf("%v", err)
	}
	if _, err := at(t, endpoint, "s3://nobucket/x").Objects(ctx); err == nil || !strings.Contains(err.Error(), "list s3://nobucket/x: NoSuchBucket") {
		t.Errorf("%v", err)
	}
	all, err := at(t, endpoint, "s3://bucket/dead").Objects(ctx)
	if err != nil || len(all) != 1 || all[0].Key != "dead/x/g/1.ndjson" || all[0].Name != "/x/g/1.ndjson" || all[0].ID == "" {
		t.Errorf("%+v, %v", all, err)
	}
}

// A body that is broken on its way is not stored. moto does not compare.
func TestBrokenBody(t *testing.T) {
	fake := s3test.New("bucket")
	srv := httptest.NewServer(fake)
	defer srv.Close()
	err := at(t, srv.URL, "s3://bucket").Folder().Put(t.Context(), "broken", strings.NewReader("xyz"), 3, sha256.Sum256([]byte("abc")))
	if err == nil || len(fake.Objects("bucket")) != 0 {
		t.Errorf("%v, %v", err, fake.Objects("bucket"))
	}
}

// An answer that is lost after S3 has stored the object is not somebody else's write.
func TestLostAnswer(t *testing.T) {
	fake, puts := s3test.New("bucket"), 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if puts++; puts == 1 {
				fake.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
		}
		fake.ServeHTTP(w, r)
	}))
	defer srv.Close()
	p := at(t, srv.URL, "s3://bucket/x")
	o := p.api.Options()
	o.RetryMaxAttempts, o.Retryer = 2, nil
	p.api = s3.New(o)
	if err := put(p.Folder(), "a", "text"); err != nil || puts != 2 || fake.Objects("bucket")["x/a"] != "text" {
		t.Errorf("%v after %d puts", err, puts)
	}
}

// What S3 does not confirm with its checksum is not stored.
func TestUnconfirmed(t *testing.T) {
	fake := s3test.New("bucket")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("X-Amz-Checksum-Sha256")
		fake.ServeHTTP(w, r)
	}))
	defer srv.Close()
	s := at(t, srv.URL, "s3://bucket").Folder()
	if err := put(s, "a", "text"); err == nil || !strings.Contains(err.Error(), "S3 has not confirmed its SHA-256") {
		t.Errorf("%v", err)
	}
	// Its sum is read.
	if _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sum, err := s.Sum(t.Context(), "a"); err != nil || sum != sha256.Sum256([]byte("text")) {
		t.Errorf("%x, %v", sum, err)
	}
}

// Reading goes on where a connection broke, and lists have pages.
func TestLargeAndBroken(t *testing.T) {
	fake := s3test.New("bucket")
	want := strings.Repeat("0123456789", 10_000)
	for i := range 2100 {
		fake.Set("bucket", fmt.Sprintf("n/%04d", i), "")
	}
	fake.Set("bucket", "large", want)
	gets := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "large") {
			if gets++; gets < 4 {
				whole := httptest.NewRecorder()
				fake.ServeHTTP(whole, r)
				for k, v := range whole.Header() {
					w.Header()[k] = v
				}
				w.WriteHeader(whole.Code)
				w.Write(whole.Body.Bytes()[:20_000])
				panic(http.ErrAbortHandler)
			}
		}
		fake.ServeHTTP(w, r)
	}))
	defer srv.Close()
	p := at(t, srv.URL, "s3://bucket/")
	all, err := p.Objects(t.Context())
	if err != nil || len(all) != 2101 {
		t.Fatalf("%d objects, %v", len(all), err)
	}
	r, err := p.Read(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := io.Copy(&got, r); err != nil || gets != 4 {
		t.Errorf("%v after %d gets", err, gets)
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Error("not what was stored")
	}
}

func TestURLs(t *testing.T) {
	for _, url := range []string{"s3://", "s3:///x", "ftp://b/x", "b/x"} {
		if _, err := New(aws.Config{}, func(string) string { return "" }, url); err == nil || !strings.Contains(err.Error(), "want s3://BUCKET/PREFIX") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for url, want := range map[string]string{"s3://bucket": "s3://bucket/x", "s3://bucket/": "s3://bucket/x", "s3://bucket/a": "s3://bucket/a/x", "s3://bucket/a/": "s3://bucket/a/x"} {
		if got := at(t, "http://x", url).Folder().Path("x"); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
