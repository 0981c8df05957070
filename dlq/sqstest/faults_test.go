package sqstest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"sumoship/dlq/sqstest"
)

// faulty runs a test with and without a network, on a queue with one message.
func faulty(t *testing.T, f sqstest.Fault, test func(s *sqstest.Server, c service, url string)) {
	t.Helper()
	run := func(t *testing.T, opts func(*httptest.Server) []func(*sqs.Options)) {
		s := sqstest.New()
		srv := httptest.NewServer(s)
		defer srv.Close()
		c := service{t, s.Client(opts(srv)...), s.Add}
		url := s.Add(sqstest.Config{Name: "q"})
		c.send(url, "first")
		s.OnRequest(func(call sqstest.Call) sqstest.Fault { return f })
		test(s, c, url)
	}
	t.Run("fake", func(t *testing.T) {
		run(t, func(*httptest.Server) []func(*sqs.Options) { return nil })
	})
	t.Run("http", func(t *testing.T) {
		run(t, func(srv *httptest.Server) []func(*sqs.Options) {
			return []func(*sqs.Options){func(o *sqs.Options) {
				// A connection for each request: net/http itself retries a request if a
				// reused connection breaks.
				o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				o.BaseEndpoint = &srv.URL
			}}
		})
	})
}

func (c service) trySend(url, body string) error {
	_, err := c.SendMessage(c.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	return err
}

func bodies(s *sqstest.Server) string {
	var all []string
	for _, m := range s.Messages("q") {
		all = append(all, m.Body)
	}
	return strings.Join(all, " ")
}

func TestFaultCode(t *testing.T) {
	for _, want := range []struct {
		code   string // of the fault
		sdk    string // as the SDK gives it
		status int
		fault  smithy.ErrorFault
	}{
		{"QueueDoesNotExist", noQueue, 400, smithy.FaultClient},
		{noQueue, noQueue, 400, smithy.FaultClient},
		{"RequestThrottled", "RequestThrottled", 403, smithy.FaultClient},
		{"KmsAccessDenied", "KMS.AccessDeniedException", 400, smithy.FaultClient},
		{"OverLimit", "OverLimit", 403, smithy.FaultClient},
		{"AccessDenied", "AccessDenied", 403, smithy.FaultClient},
		{"InternalError", "InternalError", 500, smithy.FaultServer},
		{"ServiceUnavailable", "ServiceUnavailable", 503, smithy.FaultServer},
		{"ExpiredToken", "ExpiredToken", 400, smithy.FaultClient},
	} {
		t.Run(want.code, func(t *testing.T) {
			faulty(t, sqstest.Fault{Code: want.code}, func(s *sqstest.Server, c service, url string) {
				err := c.trySend(url, "second")
				c.fails(err, want.sdk)
				var api smithy.APIError
				var resp *awshttp.ResponseError
				if !errors.As(err, &api) || api.ErrorFault() != want.fault {
					c.t.Errorf("the fault of %v is not %v", err, want.fault)
				}
				if !errors.As(err, &resp) || resp.HTTPStatusCode() != want.status || resp.RequestID == "" {
					c.t.Errorf("%v: want status %d and a request id", err, want.status)
				}
				c.equal(bodies(s), "first")
			})
		})
	}
	faulty(t, sqstest.Fault{Code: "KmsThrottled"}, func(_ *sqstest.Server, c service, url string) {
		var kms *types.KmsThrottled
		if err := c.trySend(url, "second"); !errors.As(err, &kms) {
			c.t.Errorf("%v is not a KmsThrottled", err)
		}
	})
}

func TestFaultStatus(t *testing.T) {
	for _, f := range []sqstest.Fault{{Status: 503}, {Code: "AccessDenied", Status: 503}} {
		faulty(t, f, func(s *sqstest.Server, c service, url string) {
			err := c.trySend(url, "second")
			var resp *awshttp.ResponseError
			if !errors.As(err, &resp) || resp.HTTPStatusCode() != 503 {
				c.t.Errorf("%v: want status 503", err)
			}
			var api smithy.APIError
			if errors.As(err, &api) != (f.Code != "") {
				c.t.Errorf("%v: an API error? %v", err, f.Code != "")
			}
			c.equal(bodies(s), "first")
		})
	}
}

func TestFaultDrop(t *testing.T) {
	for f, want := range map[string]string{"before": "first", "after": "first second"} {
		t.Run(f, func(t *testing.T) {
			fault := sqstest.Fault{DropBefore: f == "before", DropAfter: f == "after"}
			faulty(t, fault, func(s *sqstest.Server, c service, url string) {
				if err := c.trySend(url, "second"); !errors.Is(err, syscall.ECONNRESET) {
					c.t.Errorf("%v is not a broken connection", err)
				}
				c.equal(bodies(s), want)
			})
		})
	}
}

func TestFaultDropAfterReceive(t *testing.T) {
	faulty(t, sqstest.Fault{DropAfter: true}, func(s *sqstest.Server, c service, url string) {
		if _, err := c.ReceiveMessage(c.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url}); err == nil {
			c.t.Error("no error after a broken connection")
		}
		c.equal(s.Messages("q")[0].Receives, 1) // in flight, without a receiver
	})
}

func TestSDKRetriesAfterALostAnswer(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q"})
		s.OnRequest(func(call sqstest.Call) sqstest.Fault { return sqstest.Fault{DropAfter: call.N == 1} })
		c.Client = s.Client(func(o *sqs.Options) { o.RetryMaxAttempts = 3 })
		c.ok(c.trySend(url, "x"))
		c.equal(bodies(s), "x x")
	})
}

func TestFaultFailEntries(t *testing.T) {
	faulty(t, sqstest.Fault{FailEntries: []int{1, 7}}, func(s *sqstest.Server, c service, url string) {
		check := func(ok int, failed []types.BatchResultErrorEntry, err error) {
			c.t.Helper()
			c.ok(err)
			if ok != 1 || len(failed) != 1 || *failed[0].Id != "1" || *failed[0].Code != "InternalError" || failed[0].SenderFault {
				c.t.Errorf("%d done, failed: %v", ok, failed)
			}
		}
		sent, err := c.SendMessageBatch(c.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries("second", "third")})
		c.ok(err)
		check(len(sent.Successful), sent.Failed, err)
		c.equal(bodies(s), "first second")

		got := c.receive(url)
		c.equal(len(got), 2)
		changed, err := c.ChangeMessageVisibilityBatch(c.t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url,
			Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String("0"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 60},
				{Id: aws.String("1"), ReceiptHandle: got[1].ReceiptHandle, VisibilityTimeout: 0},
			}})
		c.ok(err)
		check(len(changed.Successful), changed.Failed, err)
		c.counts(url, 0, 2, 0)

		deleted, err := c.DeleteMessageBatch(c.t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url,
			Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String("0"), ReceiptHandle: got[0].ReceiptHandle},
				{Id: aws.String("1"), ReceiptHandle: got[1].ReceiptHandle},
			}})
		c.ok(err)
		check(len(deleted.Successful), deleted.Failed, err)
		c.equal(bodies(s), "second")
	})
}

func TestCalls(t *testing.T) {
	s := sqstest.New()
	var mu sync.Mutex
	var calls []sqstest.Call
	s.OnRequest(func(c sqstest.Call) sqstest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if !json.Valid(c.Body) {
			t.Errorf("%s: body %q", c.Op, c.Body)
		}
		c.Body = nil
		calls = append(calls, c)
		s.Messages("q") // a script may call the server's methods
		return sqstest.Fault{}
	})
	c := service{t, s.Client(), s.Add}
	url := s.Add(sqstest.Config{Name: "q"})
	c.send(url, "x")
	c.receive(url)
	c.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("none")})
	c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("dead"))})
	s.OnRequest(nil)
	c.receive(url)
	want := []sqstest.Call{
		{Op: "SendMessage", Name: "q", N: 1}, {Op: "ReceiveMessage", Name: "q", N: 2}, {Op: "ListQueues", N: 3},
		{Op: "GetQueueUrl", Name: "none", N: 4}, {Op: "StartMessageMoveTask", Name: "dead", N: 5},
	}
	if d := cmp.Diff(want, calls); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestUnknownFieldsAndOperationsAreErrors(t *testing.T) {
	s := sqstest.New()
	c := service{t, s.Client(), s.Add}
	url := s.Add(sqstest.Config{Name: "q"})
	_, err := c.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "b"}})
	c.fails(err, "InvalidAction")
	_, err = c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
	c.fails(err, "MalformedInput")
	if err == nil || !strings.Contains(err.Error(), "MessageGroupId") {
		t.Errorf("%v does not name the unknown field", err)
	}
}

// A body that is not UTF-8 is sent with U+FFFD in place of the invalid bytes. The SDK
// notices that the digest differs when the message is already in the queue.
func TestBodyThatIsNotUTF8(t *testing.T) {
	s := sqstest.New()
	c := service{t, s.Client(), s.Add}
	url := s.Add(sqstest.Config{Name: "q"})
	if err := c.trySend(url, "a\xff"); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("got %v", err)
	}
	c.equal(bodies(s), "a\ufffd")
}

func TestURLs(t *testing.T) {
	s := sqstest.New()
	c := service{t, s.Client(), s.Add}
	s.Add(sqstest.Config{Name: "q"})
	c.ok(c.trySend("http://127.0.0.1:1234/123456789012/q", "x")) // any host
	for _, url := range []string{"q", "", "https://sqs.us-east-1.amazonaws.com/999999999999/q", "https://sqs.us-east-1.amazonaws.com/123456789012/q/r",
		"https://sqs.us-east-1.amazonaws.com/x/123456789012/q", "::"} {
		c.fails(c.trySend(url, "x"), noQueue)
	}
}
