package sqstest

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"sumoship/function/awstest"
)

// letter is what a message is sent as, alone or in a batch.
type letter struct {
	MessageBody       string
	DelaySeconds      *int
	MessageAttributes map[string]attribute
}

// size is what counts for the limits: the body, and names, types and values of
// the attributes.
func (l letter) size() int {
	n := len(l.MessageBody)
	for name, a := range l.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.value())
	}
	return n
}

func (l letter) check(q *queue) error {
	if l.MessageBody == "" {
		return missing("MessageBody")
	}
	if !legal(l.MessageBody) {
		return fail("InvalidMessageContents", "%s", illegalText)
	}
	if err := checkAttributes(l.MessageAttributes); err != nil {
		return err
	}
	if d := l.DelaySeconds; d != nil && (*d < 0 || *d > 900) {
		return invalid("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *d)
	}
	if l.size() > q.maxSize {
		return invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.maxSize)
	}
	return nil
}

const illegalText = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

func legal(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

type sent struct {
	Id                     string `json:",omitempty"` // of a batch's entry
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

// send checks a message and puts it into the queue. The lock is held.
func (s *Server) send(q *queue, l letter) (sent, error) {
	if err := l.check(q); err != nil {
		return sent{}, err
	}
	delay := q.delay
	if l.DelaySeconds != nil {
		delay = time.Duration(*l.DelaySeconds) * time.Second
	}
	now := time.Now()
	m := &message{id: s.newID(), body: l.MessageBody, bodyMD5: md5Hex(l.MessageBody), attributes: l.MessageAttributes, sent: now, visibleAt: now.Add(delay)}
	q.put(m)
	return sent{MessageId: m.id, MD5OfMessageBody: m.bodyMD5, MD5OfMessageAttributes: attributesMD5(m.attributes)}, nil
}

func (s *Server) newID() string {
	s.ids++
	return awstest.UUID(s.ids)
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

type sendInput struct {
	queueURL
	letter
}

func (s *Server) sendMessage(_ *exchange, in sendInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	return s.send(q, in.letter)
}

type receiveInput struct {
	queueURL
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string // the older name of the next
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type received struct {
	MessageId              string
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	Attributes             map[string]string    `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
}

func (in receiveInput) check() error {
	between := func(name string, v *int, low, high int) error {
		if v == nil || *v >= low && *v <= high {
			return nil
		}
		return invalid("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", *v, name, low, high)
	}
	if err := between("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10); err != nil {
		return err
	}
	if err := between("VisibilityTimeout", in.VisibilityTimeout, 0, int(maxVisibility.Seconds())); err != nil {
		return err
	}
	if err := between("WaitTimeSeconds", in.WaitTimeSeconds, 0, 20); err != nil {
		return err
	}
	for _, name := range in.systemNames() {
		switch name {
		case "All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
			"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn":
		default:
			return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return nil
}

func (in receiveInput) systemNames() []string {
	return slices.Concat(in.MessageSystemAttributeNames, in.AttributeNames)
}

// receiveMessage takes messages, or waits for one: until it is sent, until one
// becomes visible, until the time is up or the caller goes.
func (s *Server) receiveMessage(x *exchange, in receiveInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	start := time.Now()
	for {
		out, retry, err := s.tryReceive(in, start)
		if err != nil || retry == nil {
			return struct{ Messages []received }{out}, err
		}
		err = retry(x)
		if err != nil {
			return nil, err
		}
	}
}

// tryReceive takes what is there. Where nothing is and time is left it returns
// a function that waits until another try can be worth it.
func (s *Server) tryReceive(in receiveInput, start time.Time) (out []received, retry func(*exchange) error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, nil, err
	}
	limit, visibility, wait := 1, q.visibility, q.wait
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	now := time.Now()
	for _, m := range q.take(now, limit, visibility, s.queues[q.deadLetter]) {
		out = append(out, in.present(q, m))
	}
	until := start.Add(wait)
	if len(out) > 0 || !now.Before(until) {
		return out, nil, nil
	}
	if next := q.next(now); !next.IsZero() && next.Before(until) {
		until = next
	}
	changed, cancel := q.subscribe()
	return nil, func(x *exchange) error {
		timer := time.NewTimer(until.Sub(now))
		defer timer.Stop()
		select {
		case <-changed:
		case <-timer.C:
		case <-x.Context().Done():
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		cancel()
		return x.Context().Err() // a caller who has gone gets nothing that another could have
	}, nil
}

// present is a message with the attributes that the caller asked for.
func (in receiveInput) present(q *queue, m *message) received {
	r := received{
		MessageId: m.id, ReceiptHandle: q.handle(m), Body: m.body, MD5OfBody: m.bodyMD5,
		Attributes: map[string]string{}, MessageAttributes: map[string]attribute{},
	}
	millis := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	system := map[string]string{
		"SenderId": account, "SentTimestamp": millis(m.sent),
		"ApproximateReceiveCount": strconv.Itoa(m.receives), "ApproximateFirstReceiveTimestamp": millis(m.firstReceived),
	}
	if m.source != "" {
		system["DeadLetterQueueSourceArn"] = arn(m.source)
	}
	names := in.systemNames()
	for name, v := range system {
		if slices.Contains(names, "All") || slices.Contains(names, name) {
			r.Attributes[name] = v
		}
	}
	for name, a := range m.attributes {
		if in.wants(name) {
			r.MessageAttributes[name] = a
		}
	}
	r.MD5OfMessageAttributes = attributesMD5(r.MessageAttributes)
	return r
}

func (in receiveInput) wants(name string) bool {
	return slices.ContainsFunc(in.MessageAttributeNames, func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, ".*")
		return pattern == "All" || pattern == name || wild && strings.HasPrefix(name, prefix)
	})
}

// receipt names a received message, alone or in a batch.
type receipt struct{ ReceiptHandle string }

// drop deletes a message. A handle that is not its latest is none to delete it
// with; the service says so by saying nothing.
func (r receipt) drop(q *queue) error {
	if r.ReceiptHandle == "" {
		return missing("ReceiptHandle")
	}
	m, err := q.lookup(r.ReceiptHandle)
	if m != nil {
		q.remove(m)
	}
	return err
}

type deleteInput struct {
	queueURL
	receipt
}

func (s *Server) deleteMessage(_ *exchange, in deleteInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	return nil, in.drop(q)
}

// hiding is a new visibility timeout, alone or in a batch.
type hiding struct {
	receipt
	VisibilityTimeout *int
}

func (h hiding) apply(q *queue) error {
	if h.ReceiptHandle == "" {
		return missing("ReceiptHandle")
	}
	if h.VisibilityTimeout == nil {
		return missing("VisibilityTimeout")
	}
	timeout := time.Duration(*h.VisibilityTimeout) * time.Second
	if timeout < 0 || timeout > maxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", *h.VisibilityTimeout)
	}
	m, err := q.lookup(h.ReceiptHandle)
	if err != nil {
		return err
	}
	now := time.Now()
	switch {
	case m == nil:
		return invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", h.ReceiptHandle)
	case m.visible(now):
		return fail("MessageNotInflight", "The specified message isn't in flight.")
	case now.Add(timeout).After(m.received.Add(maxVisibility)):
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", *h.VisibilityTimeout)
	}
	m.visibleAt = now.Add(timeout)
	q.wake()
	return nil
}

type hideInput struct {
	queueURL
	hiding
}

func (s *Server) changeVisibility(_ *exchange, in hideInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	return nil, in.apply(q)
}
