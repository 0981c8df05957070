package sqstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sumoship/dlq/sqstest"
)

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, test func(s *sqstest.Server, c service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := sqstest.New()
		test(s, service{t, s.Client(), s.Add})
	})
}

func TestClockIsVirtual(t *testing.T) {
	real := time.Now()
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q", Visibility: time.Hour})
		sent := time.Now()
		c.send(url, "x")
		c.receiveOne(url)
		time.Sleep(time.Hour - time.Nanosecond)
		c.equal(len(c.receive(url)), 0)
		time.Sleep(time.Nanosecond)
		m := c.receiveOne(url)
		c.equal(s.Messages("q"), []sqstest.Message{{ID: *m.MessageId, Body: "x", Attributes: map[string]string{}, Receives: 2,
			VisibleAt: sent.Add(2 * time.Hour), Sent: sent}})
	})
	if d := time.Since(real); d > 5*time.Second {
		t.Errorf("two hours took %v", d)
	}
}

func TestRetention(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		s.Add(sqstest.Config{Name: "dead"})
		url := s.Add(sqstest.Config{Name: "q", Retention: 14 * 24 * time.Hour, DeadLetter: "dead", MaxReceives: 1})
		c.send(url, "x")
		time.Sleep(3 * 24 * time.Hour)
		c.receiveOne(url)
		time.Sleep(time.Minute)
		c.equal(len(c.receive(url)), 0)
		c.equal(len(s.Messages("dead")), 1)
		time.Sleep(24*time.Hour - 2*time.Minute)
		c.equal(len(s.Messages("dead")), 1)
		time.Sleep(time.Minute) // four days since it was sent, one since it moved
		c.equal(len(s.Messages("dead")), 0)
	})
}

func TestLongPollEndsWhenAMessageBecomesVisible(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q", Visibility: 5 * time.Second})
		c.send(url, "x")
		first := c.receiveOne(url)
		start := time.Now()
		second := c.receiveOne(url, longPoll(20))
		c.equal(time.Since(start), 5*time.Second)

		start = time.Now()
		go func() {
			time.Sleep(2 * time.Second)
			c.changeVisibility(url, second, 0)
		}()
		c.equal(*c.receiveOne(url, longPoll(20)).MessageId, *first.MessageId)
		c.equal(time.Since(start), 2*time.Second)

		start = time.Now()
		c.equal(len(c.receive(url, longPoll(3))), 0)
		c.equal(time.Since(start), 3*time.Second)
	})
}

func TestLongPollsShareMessages(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q", Visibility: time.Hour})
		got := make(chan int)
		for range 3 {
			go func() {
				start := time.Now()
				n := len(c.receive(url, longPoll(20)))
				if d := time.Since(start); n == 0 && d != 20*time.Second || n == 1 && d != time.Second {
					c.t.Errorf("%d messages after %v", n, d)
				}
				got <- n
			}()
		}
		time.Sleep(time.Second)
		c.send(url, "x")
		c.equal(<-got+<-got+<-got, 1)
	})
}

func TestLongPollEndsWithItsContext(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q"})
		ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		if !errors.Is(err, context.DeadlineExceeded) {
			c.t.Errorf("got %v", err)
		}
		c.equal(time.Since(start), 3*time.Second)
		c.send(url, "x")
		time.Sleep(time.Minute)
		c.equal(s.Messages("q")[0].Receives, 0) // nobody waits for it any more

		_, err = c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("y")})
		if !errors.Is(err, context.DeadlineExceeded) {
			c.t.Errorf("got %v", err)
		}
		c.equal(len(s.Messages("q")), 1)
	})
}

func TestLongPollEndsWithItsConnection(t *testing.T) {
	s := sqstest.New()
	srv := httptest.NewServer(s)
	defer srv.Close()
	c := service{t, s.Client(func(o *sqs.Options) { o.HTTPClient, o.BaseEndpoint = &http.Client{}, &srv.URL }), s.Add}
	url := s.Add(sqstest.Config{Name: "q"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20}); err == nil {
		t.Error("no error after the deadline")
	}
	time.Sleep(100 * time.Millisecond) // the server notices a little later
	c.send(url, "x")
	time.Sleep(50 * time.Millisecond)
	c.equal(s.Messages("q")[0].Receives, 0)
}

func TestVisibilityTimeoutIsAtMostTwelveHoursInAll(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q"})
		c.send(url, "x")
		m := c.receiveOne(url)
		c.ok(c.changeVisibility(url, m, 43200))
		time.Sleep(11 * time.Hour)
		c.fails(c.changeVisibility(url, m, 3601), invalidValue)
		c.ok(c.changeVisibility(url, m, 3600))
		time.Sleep(time.Hour)
		again := c.receiveOne(url)
		c.ok(c.changeVisibility(url, again, 43200)) // from the new receive
	})
}

func TestRetriesOfTheSDKWaitInVirtualTime(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q"})
		s.OnRequest(func(call sqstest.Call) sqstest.Fault {
			if call.N < 3 {
				return sqstest.Fault{Code: "RequestThrottled"}
			}
			return sqstest.Fault{}
		})
		_, err := c.SendMessage(c.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		var throttled *types.RequestThrottled
		if !errors.As(err, &throttled) {
			c.t.Errorf("got %v", err)
		}
		c.Client = s.Client(func(o *sqs.Options) { o.RetryMaxAttempts = 3 })
		c.send(url, "x")
		c.equal(len(s.Messages("q")), 1)
	})
}

func TestTimesOfAQueue(t *testing.T) {
	inBubble(t, func(s *sqstest.Server, c service) {
		url := s.Add(sqstest.Config{Name: "q"})
		created := time.Now().Unix()
		time.Sleep(time.Hour)
		_, err := c.SetQueueAttributes(c.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "60"}})
		c.ok(err)
		c.equal(c.attributes(url, "CreatedTimestamp", "LastModifiedTimestamp"), map[string]string{
			"CreatedTimestamp": fmt.Sprint(created), "LastModifiedTimestamp": fmt.Sprint(created + 3600),
		})
		c.send(url, "x")
		c.counts(url, 0, 0, 1)
		time.Sleep(time.Minute)
		c.counts(url, 1, 0, 0)
	})
}

// The SDK does not send a request whose context is cancelled; other callers might.
func TestDoWithACancelledContext(t *testing.T) {
	s := sqstest.New()
	s.OnRequest(func(sqstest.Call) sqstest.Fault {
		t.Error("the request was carried out")
		return sqstest.Fault{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", "https://sqs.us-east-1.amazonaws.com/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
	if _, err := s.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMessagesOfAnUnknownQueue(t *testing.T) {
	if got := sqstest.New().Messages("none"); got != nil {
		t.Errorf("got %v", got)
	}
}
