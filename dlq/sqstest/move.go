package sqstest

import (
	"slices"
	"time"
)

// moveTask is a task that has moved the messages of a dead-letter queue. Here it
// completes at once, so there is nothing to cancel.
type moveTask struct {
	SourceArn                         string
	DestinationArn                    string `json:",omitempty"`
	MaxNumberOfMessagesPerSecond      *int   `json:",omitempty"`
	Status                            string
	FailureReason                     string `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int
	ApproximateNumberOfMessagesToMove int
	StartedTimestamp                  int64 // milliseconds
}

type startMoveInput struct {
	SourceArn                    string
	DestinationArn               string
	MaxNumberOfMessagesPerSecond *int
}

func (in startMoveInput) queueName() string { return nameOfARN(in.SourceArn) }

// startMoveTask moves the visible messages, oldest first, to the destination, or each
// to the queue whose redrive policy brought it. A message that was sent to the
// dead-letter queue directly has no such queue, and makes the task fail.
func (s *Server) startMoveTask(x *exchange, in startMoveInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.byARN(in.SourceArn)
	if from == nil {
		return nil, noResource("SourceArn")
	}
	if len(s.sorted(func(q *queue) bool { return q.deadLetter == from.name })) == 0 {
		return nil, invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	to := s.byARN(in.DestinationArn)
	if in.DestinationArn != "" && to == nil {
		return nil, noResource("DestinationArn")
	}
	if to == from {
		return nil, invalid("Value %s for parameter DestinationArn is invalid. Reason: the source and the destination are the same queue.", in.DestinationArn)
	}
	if n := in.MaxNumberOfMessagesPerSecond; n != nil && (*n < 1 || *n > 500) {
		return nil, invalid("Value %d for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a value between 1 and 500.", *n)
	}
	now := time.Now()
	from.expire(now)
	t := &moveTask{
		SourceArn: in.SourceArn, DestinationArn: in.DestinationArn, MaxNumberOfMessagesPerSecond: in.MaxNumberOfMessagesPerSecond,
		Status: "COMPLETED", StartedTimestamp: now.UnixMilli(),
	}
	s.tasks = append(s.tasks, t)
	var visible []*message
	for _, m := range from.messages {
		if m.visible(now) {
			visible = append(visible, m)
		}
	}
	t.ApproximateNumberOfMessagesToMove = len(visible)
	for _, m := range visible {
		dest := to
		if dest == nil && m.source == "" {
			t.Status, t.FailureReason = "FAILED", "CouldNotDetermineMessageSource"
			break
		}
		if dest == nil {
			dest = s.queues[m.source]
		}
		from.remove(m)
		dest.put(&message{id: s.newID(), body: m.body, bodyMD5: m.bodyMD5, attributes: m.attributes, sent: now, visibleAt: now}) // a new message, says the guide
		t.ApproximateNumberOfMessagesMoved++
	}
	return struct{ TaskHandle string }{x.ID()}, nil
}

func noResource(parameter string) error {
	return fail("ResourceNotFoundException", "The resource that you specified for the %s parameter doesn't exist.", parameter)
}

type listMovesInput struct {
	SourceArn  string
	MaxResults *int
}

func (in listMovesInput) queueName() string { return nameOfARN(in.SourceArn) }

func (s *Server) listMoveTasks(_ *exchange, in listMovesInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byARN(in.SourceArn) == nil {
		return nil, noResource("SourceArn")
	}
	limit := 1
	if in.MaxResults != nil {
		if limit = *in.MaxResults; limit < 1 || limit > 10 {
			return nil, invalid("Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 10.")
		}
	}
	tasks := []*moveTask{}
	for _, t := range slices.Backward(s.tasks) {
		if t.SourceArn == in.SourceArn && len(tasks) < limit {
			tasks = append(tasks, t)
		}
	}
	return struct{ Results []*moveTask }{tasks}, nil
}
