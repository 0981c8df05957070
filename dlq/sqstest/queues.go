package sqstest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

type getAttributesInput struct {
	queueURL
	AttributeNames []string
}

func (s *Server) getQueueAttributes(_ *exchange, in getAttributesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	all, out := q.attributes(time.Now()), map[string]string{}
	for _, name := range in.AttributeNames {
		switch v, set := all[name]; {
		case name == "All":
			maps.Copy(out, all)
		case set:
			out[name] = v
		case name != "RedrivePolicy" && !kept(name): // those two are known, but not set
			return nil, unknownAttribute(name)
		}
	}
	return struct {
		Attributes map[string]string `json:",omitempty"`
	}{out}, nil
}

func unknownAttribute(name string) error {
	return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
}

func (q *queue) attributes(now time.Time) map[string]string {
	var visible, delayed, inFlight int
	for _, m := range q.messages {
		switch {
		case m.visible(now):
			visible++
		case m.delayed(now):
			delayed++
		default:
			inFlight++
		}
	}
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
	all := map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.modified.Unix(), 10),
		"DelaySeconds":                          seconds(q.delay),
		"MaximumMessageSize":                    strconv.Itoa(q.maxSize),
		"MessageRetentionPeriod":                seconds(q.retention),
		"QueueArn":                              q.arn(),
		"ReceiveMessageWaitTimeSeconds":         seconds(q.wait),
		"SqsManagedSseEnabled":                  "true",
		"VisibilityTimeout":                     seconds(q.visibility),
	}
	if q.deadLetter != "" {
		all["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, arn(q.deadLetter), q.maxReceives)
	}
	maps.Copy(all, q.other)
	return all
}

// kept reports whether an attribute is stored without an effect.
func kept(name string) bool {
	switch name {
	case "Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled":
		return true
	}
	return false
}

type setAttributesInput struct {
	queueURL
	Attributes map[string]string
}

func (s *Server) setQueueAttributes(_ *exchange, in setAttributesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	changed := *q // all attributes are set, or none
	changed.other = maps.Clone(q.other)
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if err := s.setAttribute(&changed, name, in.Attributes[name]); err != nil {
			return nil, err
		}
	}
	changed.modified = time.Now()
	*q = changed
	return nil, nil
}

func (s *Server) setAttribute(q *queue, name, value string) error {
	number := func(low, high int) (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return 0, fail("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
		}
		return n, nil
	}
	duration := func(d *time.Duration, low, high int) error {
		n, err := number(low, high)
		if err == nil {
			*d = time.Duration(n) * time.Second
		}
		return err
	}
	switch name {
	case "VisibilityTimeout":
		return duration(&q.visibility, 0, 43200)
	case "MessageRetentionPeriod":
		return duration(&q.retention, 60, 14*24*3600)
	case "DelaySeconds":
		return duration(&q.delay, 0, 900)
	case "ReceiveMessageWaitTimeSeconds":
		return duration(&q.wait, 0, 20)
	case "MaximumMessageSize":
		n, err := number(1024, maxSize)
		if err == nil {
			q.maxSize = n
		}
		return err
	case "RedrivePolicy":
		return s.setRedrive(q, value)
	}
	if !kept(name) {
		return unknownAttribute(name)
	}
	q.other[name] = value
	return nil
}

// setRedrive sets a redrive policy; "" removes it.
func (s *Server) setRedrive(q *queue, value string) error {
	if value == "" {
		q.deadLetter, q.maxReceives = "", 0
		return nil
	}
	wrong := func(reason string) error {
		return invalid("Value %s for parameter RedrivePolicy is invalid. Reason: %s", value, reason)
	}
	var policy struct {
		DeadLetterTargetArn string          `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"` // a number, or a number in quotes
	}
	if err := json.Unmarshal([]byte(value), &policy); err != nil {
		return wrong("Redrive policy is not a valid JSON map.")
	}
	count, err := strconv.Atoi(strings.Trim(string(policy.MaxReceiveCount), `"`))
	if err != nil || count < 1 || count > 1000 {
		return wrong("Invalid value for maxReceiveCount. Reason: Must be between 1 and 1000.")
	}
	dead := s.byARN(policy.DeadLetterTargetArn)
	if dead == nil {
		return wrong("Dead letter target does not exist.")
	}
	q.deadLetter, q.maxReceives = dead.name, count
	return nil
}

// byARN returns the queue with that ARN, or nil.
func (s *Server) byARN(a string) *queue {
	q := s.queues[nameOfARN(a)]
	if q == nil || q.arn() != a {
		return nil
	}
	return q
}

func nameOfARN(a string) string { return a[strings.LastIndexByte(a, ':')+1:] }

type getURLInput struct {
	QueueName              string
	QueueOwnerAWSAccountId string
}

func (in getURLInput) queueName() string { return in.QueueName }

func (s *Server) getQueueURL(_ *exchange, in getURLInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueName]
	if q == nil || in.QueueOwnerAWSAccountId != "" && in.QueueOwnerAWSAccountId != account {
		return nil, noQueue()
	}
	return struct{ QueueUrl string }{q.url()}, nil
}

// paging is the paging input of lists.
type paging struct {
	MaxResults *int
	NextToken  string
}

// page returns one page of a sorted list of queues. The token is the name of its last
// queue.
func (p paging) page(queues []*queue) (urls []string, next string, err error) {
	limit := 1000
	if p.MaxResults != nil {
		if limit = *p.MaxResults; limit < 1 || limit > 1000 {
			return nil, "", invalid("Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.")
		}
	}
	last, err := base64.StdEncoding.DecodeString(p.NextToken)
	if err != nil {
		return nil, "", invalid("Invalid or expired next token.")
	}
	for _, q := range queues {
		if q.name <= string(last) {
			continue
		}
		if len(urls) == limit {
			if p.MaxResults != nil { // without it there is one page
				next = base64.StdEncoding.EncodeToString([]byte(nameOfURL(urls[limit-1])))
			}
			break
		}
		urls = append(urls, q.url())
	}
	return urls, next, nil
}

func nameOfURL(u string) string { return queueURL{u}.queueName() }

// sorted returns the queues for which holds is true, sorted by name.
func (s *Server) sorted(holds func(*queue) bool) []*queue {
	var queues []*queue
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if q := s.queues[name]; holds(q) {
			queues = append(queues, q)
		}
	}
	return queues
}

type listQueuesInput struct {
	QueueNamePrefix string
	paging
}

func (listQueuesInput) queueName() string { return "" }

func (s *Server) listQueues(_ *exchange, in listQueuesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	urls, next, err := in.page(s.sorted(func(q *queue) bool { return strings.HasPrefix(q.name, in.QueueNamePrefix) }))
	return struct {
		QueueUrls []string `json:",omitempty"`
		NextToken string   `json:",omitempty"`
	}{urls, next}, err
}

type listSourcesInput struct {
	queueURL
	paging
}

func (s *Server) listDeadLetterSourceQueues(_ *exchange, in listSourcesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dead, err := s.find(in.queueURL)
	if err != nil {
		return nil, err
	}
	urls, next, err := in.page(s.sorted(func(q *queue) bool { return q.deadLetter == dead.name }))
	return struct {
		QueueUrls []string `json:"queueUrls"` // lower-case in this operation only
		NextToken string   `json:",omitempty"`
	}{urls, next}, err
}

func (s *Server) purgeQueue(_ *exchange, in queueURL) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if !q.purged.IsZero() && now.Before(q.purged.Add(time.Minute)) {
		return nil, fail("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
	}
	q.messages, q.purged = nil, now
	return nil, nil
}
