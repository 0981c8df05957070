package function_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/function"
)

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// net/http looks whether a body goes on after the SDK has closed it: when the answer was
// faster. It has ended then, and nothing is wrong.
func TestBodiesEndWithoutAnError(t *testing.T) {
	load := function.LambdaConfig(func(name string) string {
		return map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}[name]
	})
	cfg, err := load(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		asked++
		body, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength))
		if err != nil || !strings.Contains(string(body), "/dead") {
			t.Errorf("%s, %v", body, err)
		}
		r.Body.Close()
		if n, err := io.Copy(io.Discard, r.Body); n != 0 || err != nil {
			t.Errorf("%d bytes after the end, %v", n, err)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	})
	url := "https://sqs.eu-west-1.amazonaws.com/123456789012/dead"
	if _, err := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url}); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// What the SDK would take, and fail in the middle of a call, is refused with the variable,
// the value without a password, and what to write.
func TestEndpointsOfAWS(t *testing.T) {
	for value, shown := range map[string]string{ // "" if it is taken
		"http://localhost:5000":                         "",
		"https://vpce-1.sqs.eu-west-1.vpce.example.com": "",
		"HTTP://127.0.0.1:5000/path/":                   "",
		"http://[::1]:5000":                             "",
		"http://ann:PASSWORD@localhost:5000":            "",

		"localhost:5000":                  "localhost:5000",
		"127.0.0.1:5000":                  "127.0.0.1:5000",
		"localhost":                       "localhost",
		"//localhost:5000":                "//localhost:5000",
		"http:localhost:5000":             "http:localhost:5000",
		"http://":                         "http://",
		"http://:5000":                    "http://:5000",
		"ftp://localhost":                 "ftp://localhost",
		" http://localhost:5000":          " http://localhost:5000",
		"http://localhost:5000\n":         "http://localhost:5000\n",
		"ann:PASSWORD@localhost:5000":     "localhost:5000",
		"ann:PASS/WORD@localhost:5000":    "localhost:5000",
		"ftp://ann:PASSWORD@localhost":    "localhost",
		"http://ann:PASSWORD@localhost:x": "localhost:x",
	} {
		load := function.LambdaConfig(func(name string) string {
			return map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": value}[name]
		})
		_, err := load(t.Context(), "eu-west-1")
		if shown == "" {
			if err != nil {
				t.Errorf("%q is refused: %v", value, err)
			}
			continue
		}
		want := fmt.Sprintf("AWS_ENDPOINT_URL: %q is not the URL of an endpoint; want http:// or https:// and a host, such as http://localhost:5000", shown)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want\n%s", value, err, want)
		}
	}
}
