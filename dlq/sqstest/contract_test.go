package sqstest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/moto"
)

// TestContract holds the fake, with and without a network, to the same cases as
// moto: the fake is right as long as all of them agree.
func TestContract(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sqstest.New()
					c.check(service{t, s.Client(), s.Add})
				})
			})
		}
	})
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		s := sqstest.New()
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		client := s.Client(func(o *sqs.Options) {
			o.HTTPClient, o.BaseEndpoint = http.DefaultClient, &srv.URL
		})
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.check(service{t, client, s.Add})
			})
		}
	})
	t.Run("moto", func(t *testing.T) {
		t.Parallel()
		endpoint := moto.Start(t)
		client := sqs.New(sqs.Options{
			Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "moto", ""),
			HTTPClient: http.DefaultClient, BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		})
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if c.notMoto != "" {
					t.Skip("moto 5.2.1 " + c.notMoto)
				}
				c.check(service{t, client, func(c sqstest.Config) string { return createQueue(t, client, c) }})
			})
		}
	})
}

// createQueue does through the API what Server.Add does.
func createQueue(t *testing.T, client *sqs.Client, c sqstest.Config) string {
	t.Helper()
	attrs := map[string]string{}
	set := func(name string, n int) {
		if n != 0 {
			attrs[name] = strconv.Itoa(n)
		}
	}
	set("MaximumMessageSize", c.MaxSize)
	set("VisibilityTimeout", int(c.Visibility.Seconds()))
	set("MessageRetentionPeriod", int(c.Retention.Seconds()))
	if c.DeadLetter != "" {
		attrs["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, arn(c.DeadLetter), c.MaxReceives)
	}
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &c.Name, Attributes: attrs})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func arn(name string) string { return "arn:aws:sqs:us-east-1:123456789012:" + name }

// service is the SQS on which a case runs.
type service struct {
	t *testing.T
	*sqs.Client
	add func(sqstest.Config) string
}

// queue creates a queue whose name no other case uses.
func (s service) queue(c sqstest.Config) (url string) {
	c.Name = s.name(c.Name)
	if c.DeadLetter != "" {
		c.DeadLetter = s.name(c.DeadLetter)
	}
	return s.add(c)
}

func (s service) name(suffix string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, path.Base(s.t.Name()))
	return name[:min(len(name), 60)] + "-" + suffix
}

func (s service) send(url, body string) (id string) {
	s.t.Helper()
	out, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	s.ok(err)
	return *out.MessageId
}

func (s service) receive(url string, opts ...func(*sqs.ReceiveMessageInput)) []types.Message {
	s.t.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	}
	for _, o := range opts {
		o(in)
	}
	out, err := s.ReceiveMessage(s.t.Context(), in)
	s.ok(err)
	return out.Messages
}

// receiveOne receives exactly one message, or fails the case.
func (s service) receiveOne(url string, opts ...func(*sqs.ReceiveMessageInput)) types.Message {
	s.t.Helper()
	got := s.receive(url, opts...)
	if len(got) != 1 {
		s.t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

func (s service) changeVisibility(url string, m types.Message, seconds int32) error {
	_, err := s.ChangeMessageVisibility(s.t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

func (s service) del(url string, m types.Message) error {
	_, err := s.DeleteMessage(s.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (s service) attributes(url string, names ...types.QueueAttributeName) map[string]string {
	s.t.Helper()
	out, err := s.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	s.ok(err)
	return out.Attributes
}

// counts checks how many messages are visible, in flight, delayed.
func (s service) counts(url string, visible, inFlight, delayed int) {
	s.t.Helper()
	a := s.attributes(url, "All")
	got := fmt.Sprint(a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"])
	if want := fmt.Sprint(strconv.Itoa(visible), strconv.Itoa(inFlight), strconv.Itoa(delayed)); got != want {
		s.t.Errorf("visible, in flight, delayed: %s, want %s", got, want)
	}
}

func (s service) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// fails checks that err has the code, as older SDKs see it.
func (s service) fails(err error, code string) {
	s.t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		s.t.Errorf("got error %v, want %s", err, code)
	}
}

func (s service) equal(got, want any) {
	s.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("-want +got:\n%s", d)
	}
}

const (
	prefix         = "AWS.SimpleQueueService."
	noQueue        = prefix + "NonExistentQueue"
	invalidValue   = "InvalidParameterValue"
	invalidReceipt = "ReceiptHandleIsInvalid"
)

func text(v string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
}

func entries(bodies ...string) []types.SendMessageBatchRequestEntry {
	var all []types.SendMessageBatchRequestEntry
	for i := range bodies {
		all = append(all, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i]})
	}
	return all
}

var contract = []struct {
	name    string
	notMoto string // what moto does instead
	check   func(service)
}{
	{"send receive delete", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		id := s.send(url, "hello")
		s.counts(url, 1, 0, 0)
		m := s.receiveOne(url)
		s.equal([]string{*m.MessageId, *m.Body, *m.MD5OfBody}, []string{id, "hello", "5d41402abc4b2a76b9719d911017c592"})
		s.equal(m.Attributes["ApproximateReceiveCount"], "1")
		for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
			if ms, err := strconv.ParseInt(m.Attributes[name], 10, 64); err != nil || time.Since(time.UnixMilli(ms)).Abs() > time.Minute {
				s.t.Errorf("%s is %q", name, m.Attributes[name])
			}
		}
		s.counts(url, 0, 1, 0)
		s.equal(len(s.receive(url)), 0)
		s.ok(s.del(url, m))
		s.counts(url, 0, 0, 0)
		s.ok(s.del(url, m)) // again
	}},
	{"attributes on request", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("msg"),
			MessageAttributes: map[string]types.MessageAttributeValue{"Hello": text("There"), "General": text("Kenobi"), "Help.Me": text("Me")}})
		s.ok(err)
		// The digests are those of the service.
		for _, want := range []struct {
			asked []string
			names []string
			md5   string
		}{
			{nil, nil, ""},
			{[]string{"All"}, []string{"General", "Hello", "Help.Me"}, "4c360f3fdafd970e05fae2f149d997f5"},
			{[]string{"Hel.*"}, []string{"Hello", "Help.Me"}, "83fee93c1bcd8b9a5a923ffacdc636c7"},
			{[]string{"General", "Hello", "None"}, []string{"General", "Hello"}, "fca026605781cb4126a1e9044df24232"},
		} {
			m := s.receiveOne(url, func(in *sqs.ReceiveMessageInput) {
				in.MessageAttributeNames, in.MessageSystemAttributeNames = want.asked, nil
			})
			var names []string
			for name := range m.MessageAttributes {
				names = append(names, name)
			}
			slices.Sort(names)
			s.equal(names, want.names)
			s.equal(aws.ToString(m.MD5OfMessageAttributes), want.md5)
			s.equal(len(m.Attributes), 0)
			s.ok(s.changeVisibility(url, m, 0))
		}
	}},
	{"attributes of each type", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		sent := map[string]types.MessageAttributeValue{
			"s": text("Zürich <&> \t"),
			"n": {DataType: aws.String("Number.long"), StringValue: aws.String("-12.5e3")},
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
		}
		out, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: sent})
		s.ok(err)
		m := s.receiveOne(url)
		s.equal(m.MD5OfMessageAttributes, out.MD5OfMessageAttributes)
		for name, want := range sent {
			got := m.MessageAttributes[name]
			s.equal([]any{got.DataType, got.StringValue, got.BinaryValue}, []any{want.DataType, want.StringValue, want.BinaryValue})
		}
	}},
	{"digest of a binary attribute", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		out, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("test"),
			MessageAttributes: map[string]types.MessageAttributeValue{"attr1": {DataType: aws.String("Binary"),
				BinaryValue: []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")}}})
		s.ok(err)
		s.equal(aws.ToString(out.MD5OfMessageAttributes), "8cbe4db156db8a94db8b801b7addb984") // the service's
	}},
	{"batches", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		batch := entries("a", "b", "c")
		batch[1].MessageAttributes = map[string]types.MessageAttributeValue{"k": text("x")}
		out, err := s.SendMessageBatch(s.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: batch})
		s.ok(err)
		s.equal(len(out.Failed), 0)
		ids := map[string]string{} // message id by entry
		for _, e := range out.Successful {
			ids[*e.Id] = *e.MessageId
		}
		s.equal(aws.ToString(out.Successful[1].MD5OfMessageAttributes), "a45daa70926828a2f0a1db3418e6feb4") // the service's

		got := s.receive(url)
		s.equal(len(got), 3)
		for i, m := range got {
			s.equal(*m.MessageId, ids[strconv.Itoa(i)])
		}
		changed, err := s.ChangeMessageVisibilityBatch(s.t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url,
			Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String("ok"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
				{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage"), VisibilityTimeout: 0},
			}})
		s.ok(err)
		s.equal([]string{*changed.Successful[0].Id, *changed.Failed[0].Id, *changed.Failed[0].Code}, []string{"ok", "bad", invalidReceipt})
		s.equal(changed.Failed[0].SenderFault, true)
		s.counts(url, 1, 2, 0)

		deleted, err := s.DeleteMessageBatch(s.t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url,
			Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")},
				{Id: aws.String("ok"), ReceiptHandle: got[1].ReceiptHandle},
			}})
		s.ok(err)
		s.equal([]string{*deleted.Successful[0].Id, *deleted.Failed[0].Id, *deleted.Failed[0].Code}, []string{"ok", "bad", invalidReceipt})
		s.counts(url, 1, 1, 0)
	}},
	{"batches refused as a whole", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		send := func(batch []types.SendMessageBatchRequestEntry) error {
			_, err := s.SendMessageBatch(s.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: batch})
			return err
		}
		same, bad := entries("a", "b"), entries("a")
		same[1].Id, bad[0].Id = same[0].Id, aws.String("a.b")
		half := strings.Repeat("x", 1<<19)
		s.fails(send([]types.SendMessageBatchRequestEntry{}), prefix+"EmptyBatchRequest")
		s.fails(send(entries(strings.Split("abcdefghijk", "")...)), prefix+"TooManyEntriesInBatchRequest")
		s.fails(send(same), prefix+"BatchEntryIdsNotDistinct")
		s.fails(send(bad), prefix+"InvalidBatchEntryId")
		s.fails(send(entries(half, half, "x")), prefix+"BatchRequestTooLong")
		s.counts(url, 0, 0, 0)
		s.ok(send(entries(half, half)))
	}},
	{"batches of receipts refused as a whole", "does not look at these ids and numbers", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		send := func(ids ...string) error {
			in := []types.DeleteMessageBatchRequestEntry{}
			for _, id := range ids {
				in = append(in, types.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: aws.String("h")})
			}
			_, err := s.DeleteMessageBatch(s.t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: in})
			return err
		}
		s.fails(send(), prefix+"EmptyBatchRequest")
		s.fails(send(strings.Split("abcdefghijk", "")...), prefix+"TooManyEntriesInBatchRequest")
		s.fails(send("a", "a"), prefix+"BatchEntryIdsNotDistinct")
		s.fails(send(""), prefix+"InvalidBatchEntryId")
		s.fails(send(strings.Repeat("a", 81)), prefix+"InvalidBatchEntryId")
	}},
	{"a bad entry fails alone", "refuses the whole batch, or accepts the entry", func(s service) {
		url := s.queue(sqstest.Config{Name: "q", MaxSize: 1024})
		batch := entries("good", "bad\x00", strings.Repeat("x", 1025), "late", "")
		batch[3].DelaySeconds = 901
		out, err := s.SendMessageBatch(s.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: batch})
		s.ok(err)
		var failed []string
		for _, f := range out.Failed {
			failed = append(failed, fmt.Sprint(*f.Id, *f.Code, f.SenderFault))
		}
		s.equal(failed, []string{"1InvalidMessageContentstrue", "2InvalidParameterValuetrue", "3InvalidParameterValuetrue", "4MissingParametertrue"})
		s.equal(*out.Successful[0].Id, "0")
		s.counts(url, 1, 0, 0)
	}},
	{"size of a body", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q", MaxSize: 1024})
		s.send(url, strings.Repeat("x", 1024))
		_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1025))})
		s.fails(err, invalidValue)
	}},
	{"size counts bytes and attributes", "counts only the characters of the body", func(s service) {
		url := s.queue(sqstest.Config{Name: "q", MaxSize: 1024})
		send := func(body string) error {
			_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body,
				MessageAttributes: map[string]types.MessageAttributeValue{"name": text("ü")}}) // 4 + 6 + 2 bytes
			return err
		}
		s.ok(send(strings.Repeat("ü", 506)))
		s.fails(send(strings.Repeat("ü", 506)+"x"), invalidValue)

		url = s.queue(sqstest.Config{Name: "r"})
		half := strings.Repeat("x", 1<<19)
		batch := entries(half, half)
		batch[0].MessageAttributes = map[string]types.MessageAttributeValue{"k": text("x")}
		_, err := s.SendMessageBatch(s.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: batch})
		s.fails(err, prefix+"BatchRequestTooLong")
	}},
	{"legal characters", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		body := "\t\n\r ~\u007f\u0085\u2028\ud7ff\ue000\ufffd\U00010000\U0010ffff\"\\<&>"
		s.send(url, body)
		s.equal(*s.receiveOne(url).Body, body)
	}},
	{"illegal characters", "accepts them", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		for _, body := range []string{"\x00", "\x0b", "a\x1fb", "\ufffe", "\uffff"} {
			_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
			s.fails(err, "InvalidMessageContents")
		}
		_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"k": text("\x08")}})
		s.fails(err, invalidValue)
	}},
	{"empty body", "accepts it", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
		s.fails(err, "MissingParameter")
	}},
	{"bad type of an attribute", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		v := text("x")
		v.DataType = aws.String("Text")
		_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"k": v}})
		s.fails(err, invalidValue)
	}},
	{"bad attributes", "accepts most of them", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		send := func(attrs map[string]types.MessageAttributeValue) error {
			_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: attrs})
			return err
		}
		many := map[string]types.MessageAttributeValue{}
		for i := range 10 {
			many[strconv.Itoa(i)] = text("x")
		}
		s.ok(send(many))
		many["10"] = text("x")
		s.fails(send(many), invalidValue)
		for _, name := range []string{"", "a b", "ü", ".a", "a.", "a..b", "aWs.a", "AMAZON.a", strings.Repeat("a", 257)} {
			s.fails(send(map[string]types.MessageAttributeValue{name: text("x")}), invalidValue)
		}
		str, num, bin := aws.String("String"), aws.String("Number"), aws.String("Binary")
		for _, v := range []types.MessageAttributeValue{
			text(""), {DataType: str}, {DataType: str, BinaryValue: []byte("x")}, {DataType: aws.String("")},
			{DataType: aws.String("string"), StringValue: aws.String("x")}, {DataType: aws.String("String." + strings.Repeat("x", 250)), StringValue: aws.String("x")},
			{DataType: num, StringValue: aws.String("x")}, {DataType: num}, {DataType: bin}, {DataType: bin, StringValue: aws.String("x")},
		} {
			s.fails(send(map[string]types.MessageAttributeValue{"k": v}), invalidValue)
		}
		s.fails(send(map[string]types.MessageAttributeValue{"k": {DataType: str, StringListValues: []string{"x"}}}), prefix+"UnsupportedOperation")
	}},
	{"delay", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		send := func(seconds int32) error {
			_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: seconds})
			return err
		}
		s.fails(send(901), invalidValue)
		s.ok(send(2))
		s.equal(len(s.receive(url)), 0)
		s.equal(s.attributes(url, "ApproximateNumberOfMessagesDelayed")["ApproximateNumberOfMessagesDelayed"], "1")
		time.Sleep(2 * time.Second)
		s.receiveOne(url, longPoll(2))
	}},
	{"visibility timeout ends", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q", Visibility: 2 * time.Second})
		s.send(url, "x")
		first := s.receiveOne(url)
		s.equal(len(s.receive(url)), 0)
		time.Sleep(2 * time.Second)
		again := s.receiveOne(url, longPoll(2))
		s.equal([]string{*again.MessageId, again.Attributes["ApproximateReceiveCount"]}, []string{*first.MessageId, "2"})
		s.equal(again.Attributes["ApproximateFirstReceiveTimestamp"], first.Attributes["ApproximateFirstReceiveTimestamp"])
		if *again.ReceiptHandle == *first.ReceiptHandle {
			s.t.Error("the receipt handle is the same")
		}
		s.ok(s.del(url, first)) // an older handle is not an error
	}},
	{"an older handle deletes nothing", "deletes the message", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "x")
		first := s.receiveOne(url)
		s.ok(s.changeVisibility(url, first, 0))
		second := s.receiveOne(url)
		s.ok(s.del(url, first))
		s.counts(url, 0, 1, 0)
		s.fails(s.changeVisibility(url, first, 0), invalidValue)
		s.ok(s.del(url, second))
		s.counts(url, 0, 0, 0)
	}},
	{"visibility timeout is changed", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "x")
		m := s.receiveOne(url, func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 40 })
		s.ok(s.changeVisibility(url, m, 60))
		s.counts(url, 0, 1, 0)
		s.fails(s.changeVisibility(url, m, 43201), invalidValue)
		s.ok(s.changeVisibility(url, m, 0))
		m = s.receiveOne(url)
		s.equal(m.Attributes["ApproximateReceiveCount"], "2")
		time.Sleep(10 * time.Millisecond)
		s.fails(s.changeVisibility(url, m, 43200), invalidValue) // with what is over already, more than 12 h
		s.ok(s.changeVisibility(url, m, 43190))
	}},
	{"visible with its handle still good", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "x")
		m := s.receiveOne(url)
		s.ok(s.changeVisibility(url, m, 0))
		s.ok(s.del(url, m))
		s.equal(len(s.receive(url)), 0)
	}},
	{"not in flight", "hides the message again", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "x")
		m := s.receiveOne(url)
		s.ok(s.changeVisibility(url, m, 0))
		s.fails(s.changeVisibility(url, m, 60), prefix+"MessageNotInflight")
		s.counts(url, 1, 0, 0)
	}},
	{"changing the visibility of a deleted message", "finds the handle invalid", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "x")
		m := s.receiveOne(url)
		s.ok(s.del(url, m))
		s.fails(s.changeVisibility(url, m, 60), invalidValue)
	}},
	{"a receive of zero seconds uses the default timeout", "", func(s service) {
		// The SDK does not send a zero, so nobody can peek that way.
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "x")
		s.receiveOne(url, func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 0 })
		s.counts(url, 0, 1, 0)
	}},
	{"invalid handle", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		other := s.queue(sqstest.Config{Name: "other"})
		s.send(other, "x")
		for _, m := range []types.Message{{ReceiptHandle: aws.String("garbage")}, s.receiveOne(other)} {
			s.fails(s.del(url, m), invalidReceipt)
			s.fails(s.changeVisibility(url, m, 0), invalidReceipt)
		}
		s.counts(other, 0, 1, 0)
	}},
	{"limits of a receive", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		for _, in := range []sqs.ReceiveMessageInput{{MaxNumberOfMessages: 11}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201}} {
			in.QueueUrl = &url
			_, err := s.ReceiveMessage(s.t.Context(), &in)
			s.fails(err, invalidValue)
		}
		s.send(url, "a")
		s.send(url, "b")
		s.receiveOne(url, func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 0 }) // not sent: 1
	}},
	{"long poll", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		start := time.Now()
		s.equal(len(s.receive(url, longPoll(1))), 0)
		if d := time.Since(start); d < time.Second {
			s.t.Errorf("an empty queue answered after %v", d)
		}
		sent := make(chan error)
		go func() {
			time.Sleep(500 * time.Millisecond)
			_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
			sent <- err
		}()
		start = time.Now()
		s.receiveOne(url, longPoll(20))
		if d := time.Since(start); d > 10*time.Second {
			s.t.Errorf("a message that came after 500ms was received after %v", d)
		}
		s.ok(<-sent)
	}},
	{"redrive", "", func(s service) {
		dead := s.queue(sqstest.Config{Name: "dead"})
		url := s.queue(sqstest.Config{Name: "q", DeadLetter: "dead", MaxReceives: 2})
		_, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"k": text("v")}})
		s.ok(err)
		var m types.Message
		for range 2 {
			m = s.receiveOne(url)
			s.ok(s.changeVisibility(url, m, 0))
		}
		s.counts(url, 1, 0, 0) // it moves when it would be received
		s.equal(len(s.receive(url)), 0)
		s.counts(url, 0, 0, 0)
		moved := s.receiveOne(dead)
		s.equal([]string{*moved.MessageId, *moved.Body, *moved.MessageAttributes["k"].StringValue}, []string{*m.MessageId, "x", "v"})
		s.equal(moved.Attributes["SentTimestamp"], m.Attributes["SentTimestamp"])
		s.equal(moved.Attributes["ApproximateReceiveCount"], "3")

		sources, err := s.ListDeadLetterSourceQueues(s.t.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dead})
		s.ok(err)
		s.equal(len(sources.QueueUrls), 1)
		s.equal(path.Base(sources.QueueUrls[0]), s.name("q"))
	}},
	{"source of a redrive", "does not say where a message comes from", func(s service) {
		dead := s.queue(sqstest.Config{Name: "dead"})
		url := s.queue(sqstest.Config{Name: "q", DeadLetter: "dead", MaxReceives: 1})
		s.send(url, "x")
		s.ok(s.changeVisibility(url, s.receiveOne(url), 0))
		s.receive(url)
		s.equal(s.receiveOne(dead).Attributes["DeadLetterQueueSourceArn"], arn(s.name("q")))
	}},
	{"queue attributes", "", func(s service) {
		s.queue(sqstest.Config{Name: "dead"})
		url := s.queue(sqstest.Config{Name: "q", DeadLetter: "dead", MaxReceives: 5})
		all := s.attributes(url, "All")
		var policy map[string]any
		s.ok(json.Unmarshal([]byte(all["RedrivePolicy"]), &policy))
		s.equal(policy, map[string]any{"deadLetterTargetArn": arn(s.name("dead")), "maxReceiveCount": 5.0})
		for _, name := range []string{"CreatedTimestamp", "LastModifiedTimestamp"} {
			if all[name] == "" {
				s.t.Errorf("no %s", name)
			}
			delete(all, name)
		}
		delete(all, "RedrivePolicy")
		delete(all, "Policy")
		s.equal(all, map[string]string{
			"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
			"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "QueueArn": arn(s.name("q")),
			"ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
		})
		s.equal(len(s.attributes(url)), 0)
		s.equal(s.attributes(url, "MaximumMessageSize", "KmsMasterKeyId"), map[string]string{"MaximumMessageSize": "1048576"})
		_, err := s.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Nonsense"}})
		s.fails(err, "InvalidAttributeName")

		_, err = s.SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{
			"MaximumMessageSize": "262144", "VisibilityTimeout": "60", "MessageRetentionPeriod": "1209600", "RedrivePolicy": "",
		}})
		s.ok(err)
		s.equal(s.attributes(url, "MaximumMessageSize", "VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"),
			map[string]string{"MaximumMessageSize": "262144", "VisibilityTimeout": "60", "MessageRetentionPeriod": "1209600"})
	}},
	{"bad queue attributes", "accepts them, or has another code", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		for name, value := range map[string]string{
			"MaximumMessageSize": "1023", "VisibilityTimeout": "43201", "MessageRetentionPeriod": "59", "DelaySeconds": "x",
			"ReceiveMessageWaitTimeSeconds": "21",
		} {
			_, err := s.SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{name: value}})
			s.fails(err, "InvalidAttributeValue")
		}
		for _, policy := range []string{
			"x", fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":0}`, arn(s.name("q"))),
			`{"deadLetterTargetArn":"dummy","maxReceiveCount":3}`, fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":3}`, arn("none")),
		} {
			_, err := s.SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": policy}})
			s.fails(err, invalidValue)
		}
		_, err := s.SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{
			"DelaySeconds": "1", "FifoQueue": "true", // all or none
		}})
		s.fails(err, "InvalidAttributeName")
		_, err = s.SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{
			"KmsMasterKeyId": "k", "VisibilityTimeout": "x",
		}})
		s.fails(err, "InvalidAttributeValue")
		s.equal(s.attributes(url, "DelaySeconds", "KmsMasterKeyId"), map[string]string{"DelaySeconds": "0"})
	}},
	{"unknown queue", "", func(s service) {
		url := strings.TrimSuffix(s.queue(sqstest.Config{Name: "q"}), "q") + "none"
		ctx, m := s.t.Context(), types.Message{ReceiptHandle: aws.String("h")}
		_, err := s.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(s.name("none"))})
		s.fails(err, noQueue)
		_, err = s.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		s.fails(err, noQueue)
		var typed *types.QueueDoesNotExist
		if !errors.As(err, &typed) {
			s.t.Errorf("%v is not a QueueDoesNotExist", err)
		}
		_, err = s.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries("x")})
		s.fails(err, noQueue)
		_, err = s.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url})
		s.fails(err, noQueue)
		s.fails(s.del(url, m), noQueue)
		s.fails(s.changeVisibility(url, m, 0), noQueue)
		_, err = s.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
		s.fails(err, noQueue)
		_, err = s.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url})
		s.fails(err, noQueue)
	}},
	{"finding queues", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "a"})
		s.queue(sqstest.Config{Name: "b"})
		found, err := s.GetQueueUrl(s.t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(s.name("a"))})
		s.ok(err)
		s.equal(*found.QueueUrl, url)
		list, err := s.ListQueues(s.t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String(s.name(""))})
		s.ok(err)
		s.equal(list.QueueUrls, []string{url, strings.TrimSuffix(url, "a") + "b"})
	}},
	{"pages of queues", "returns all at once", func(s service) {
		var want, got []string
		for _, name := range []string{"a", "b", "c"} {
			want = append(want, s.queue(sqstest.Config{Name: name, DeadLetter: "a", MaxReceives: 1}))
		}
		pages := sqs.NewListQueuesPaginator(s, &sqs.ListQueuesInput{QueueNamePrefix: aws.String(s.name("")), MaxResults: aws.Int32(2)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(s.t.Context())
			s.ok(err)
			got = append(got, page.QueueUrls...)
		}
		s.equal(got, want)
		got = nil
		sources := sqs.NewListDeadLetterSourceQueuesPaginator(s, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &want[0], MaxResults: aws.Int32(1)})
		for sources.HasMorePages() {
			page, err := sources.NextPage(s.t.Context())
			s.ok(err)
			got = append(got, page.QueueUrls...)
		}
		s.equal(got, want)
	}},
	{"purge", "", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		s.send(url, "a")
		s.send(url, "b")
		s.receive(url, func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 1 })
		_, err := s.PurgeQueue(s.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		s.ok(err)
		s.counts(url, 0, 0, 0)
	}},
	{"purge twice", "allows it", func(s service) {
		url := s.queue(sqstest.Config{Name: "q"})
		_, err := s.PurgeQueue(s.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		s.ok(err)
		_, err = s.PurgeQueue(s.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		s.fails(err, prefix+"PurgeQueueInProgress")
	}},
	{"move task", noMoves, func(s service) {
		dead := s.queue(sqstest.Config{Name: "dead"})
		url := s.queue(sqstest.Config{Name: "q", DeadLetter: "dead", MaxReceives: 1})
		other := s.queue(sqstest.Config{Name: "other"})
		id := s.send(url, "x")
		bury := func() {
			s.ok(s.changeVisibility(url, s.receiveOne(url), 0))
			s.equal(len(s.receive(url)), 0)
		}
		bury()
		from := arn(s.name("dead"))
		_, err := s.StartMessageMoveTask(s.t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &from})
		s.ok(err)
		task := s.lastMove(from)
		s.equal([]any{task.Status, task.ApproximateNumberOfMessagesMoved, *task.ApproximateNumberOfMessagesToMove, task.DestinationArn},
			[]any{aws.String("COMPLETED"), int64(1), int64(1), (*string)(nil)})
		s.counts(dead, 0, 0, 0)
		if m := s.receiveOne(url); *m.MessageId == id || m.Attributes["ApproximateReceiveCount"] != "1" {
			s.t.Error("a message that was moved back is a new one")
		} else {
			s.ok(s.changeVisibility(url, m, 0))
		}
		s.equal(len(s.receive(url)), 0) // buried again

		_, err = s.StartMessageMoveTask(s.t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &from, DestinationArn: aws.String(arn(s.name("other")))})
		s.ok(err)
		s.equal(*s.lastMove(from).DestinationArn, arn(s.name("other")))
		s.counts(other, 1, 0, 0)
	}},
	{"move task without a source", noMoves, func(s service) {
		// What was sent to the dead-letter queue came from nowhere.
		dead := s.queue(sqstest.Config{Name: "dead"})
		url := s.queue(sqstest.Config{Name: "q", DeadLetter: "dead", MaxReceives: 1})
		s.send(dead, "x")
		from, to := arn(s.name("dead")), arn(s.name("q"))
		_, err := s.StartMessageMoveTask(s.t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &from})
		s.ok(err)
		task := s.lastMove(from)
		s.equal([]string{*task.Status, *task.FailureReason}, []string{"FAILED", "CouldNotDetermineMessageSource"})
		s.counts(dead, 1, 0, 0)
		_, err = s.StartMessageMoveTask(s.t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &from, DestinationArn: &to})
		s.ok(err)
		s.counts(url, 1, 0, 0)
	}},
	{"move tasks refused", noMoves, func(s service) {
		s.queue(sqstest.Config{Name: "dead"})
		s.queue(sqstest.Config{Name: "q", DeadLetter: "dead", MaxReceives: 1})
		start := func(from, to string) error {
			in := &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn(s.name(from)))}
			if to != "" {
				in.DestinationArn = aws.String(arn(s.name(to)))
			}
			_, err := s.StartMessageMoveTask(s.t.Context(), in)
			return err
		}
		s.fails(start("none", ""), "ResourceNotFoundException")
		s.fails(start("dead", "none"), "ResourceNotFoundException")
		s.fails(start("q", ""), invalidValue) // nobody's dead-letter queue
		s.fails(start("dead", "dead"), invalidValue)
	}},
}

const noMoves = "answers 500"

func longPoll(seconds int32) func(*sqs.ReceiveMessageInput) {
	return func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
}

func (s service) lastMove(from string) types.ListMessageMoveTasksResultEntry {
	s.t.Helper()
	out, err := s.ListMessageMoveTasks(s.t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &from})
	s.ok(err)
	if len(out.Results) != 1 {
		s.t.Fatalf("%d move tasks, want the last", len(out.Results))
	}
	return out.Results[0]
}
