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

// outgoing is a message to send, alone or in a batch.
type outgoing struct {
	MessageBody       string
	DelaySeconds      *int
	MessageAttributes map[string]attribute
}

// size returns the size that counts for the limits: that of the body and of the
// names, types and values of the attributes.
func (l outgoing) size() int {
	n := len(l.MessageBody)
	for name, a := range l.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.value())
	}
	return n
}

func (l outgoing) check(q *queue) error {
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
func (s *Server) send(q *queue, l outgoing) (sent, error) {
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
	outgoing
}

func (s *Server) sendMessage(_ *exchange, in sendInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	return s.send(q, in.outgoing)
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

// receiveMessage receives messages, or waits until one is sent or becomes visible,
// until the wait time is over or the caller gives up.
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

// tryReceive receives the visible messages. If there are none and time is left, it
// returns a function that waits until another try may succeed.
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
		return x.Context().Err() // a caller that has given up must not receive a message
	}, nil
}

// present returns a message with the attributes that the caller asked for.
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

// drop deletes a message. A handle that is not the message's latest deletes nothing,
// silently, as in the service.
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

// visibilityChange is a new visibility timeout, alone or in a batch.
type visibilityChange struct {
	receipt
	VisibilityTimeout *int
}

func (v visibilityChange) apply(q *queue) error {
	if v.ReceiptHandle == "" {
		return missing("ReceiptHandle")
	}
	if v.VisibilityTimeout == nil {
		return missing("VisibilityTimeout")
	}
	timeout := time.Duration(*v.VisibilityTimeout) * time.Second
	if timeout < 0 || timeout > maxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", *v.VisibilityTimeout)
	}
	m, err := q.lookup(v.ReceiptHandle)
	if err != nil {
		return err
	}
	now := time.Now()
	switch {
	case m == nil:
		return invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", v.ReceiptHandle)
	case m.visible(now):
		return fail("MessageNotInflight", "The specified message isn't in flight.")
	case now.Add(timeout).After(m.received.Add(maxVisibility)):
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", *v.VisibilityTimeout)
	}
	m.visibleAt = now.Add(timeout)
	q.wake()
	return nil
}

type visibilityInput struct {
	queueURL
	visibilityChange
}

func (s *Server) changeVisibility(_ *exchange, in visibilityInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	return nil, in.apply(q)
}
