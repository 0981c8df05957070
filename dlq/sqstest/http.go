package sqstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sumoship/function/awstest"
)

// exchange is one request.
type exchange struct {
	*awstest.Request
	s  *Server
	op string
}

// answer carries a request out.
func (s *Server) answer(r *awstest.Request) (awstest.Reply, error) {
	x := &exchange{Request: r, s: s}
	x.op, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	out, err := x.run()
	if problem, ok := errors.AsType[*awstest.Error](err); ok {
		return answerError(problem, r.ID()), nil
	}
	if err != nil {
		return awstest.Reply{}, err
	}
	var b bytes.Buffer
	if out != nil {
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(out); err != nil {
			return awstest.Reply{}, err
		}
	}
	return awstest.Reply{Status: http.StatusOK, Header: header(r.ID()), Body: b.Bytes()}, nil
}

func header(id string) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Requestid", id)
	return h
}

func (x *exchange) run() (any, error) {
	switch s := x.s; x.op {
	case "SendMessage":
		return call(x, s.sendMessage)
	case "SendMessageBatch":
		return call(x, s.sendMessageBatch)
	case "ReceiveMessage":
		return call(x, s.receiveMessage)
	case "DeleteMessage":
		return call(x, s.deleteMessage)
	case "DeleteMessageBatch":
		return call(x, s.deleteMessageBatch)
	case "ChangeMessageVisibility":
		return call(x, s.changeVisibility)
	case "ChangeMessageVisibilityBatch":
		return call(x, s.changeVisibilityBatch)
	case "GetQueueAttributes":
		return call(x, s.getQueueAttributes)
	case "SetQueueAttributes":
		return call(x, s.setQueueAttributes)
	case "GetQueueUrl":
		return call(x, s.getQueueURL)
	case "ListQueues":
		return call(x, s.listQueues)
	case "ListDeadLetterSourceQueues":
		return call(x, s.listDeadLetterSourceQueues)
	case "PurgeQueue":
		return call(x, s.purgeQueue)
	case "StartMessageMoveTask":
		return call(x, s.startMoveTask)
	case "ListMessageMoveTasks":
		return call(x, s.listMoveTasks)
	}
	return nil, fail("UnknownOperationException", "sqstest does not know the operation %q", x.op)
}

// input is the input of an operation, which names its queue.
type input interface{ queueName() string }

// call decodes the input of an operation and carries it out, unless a fault is due.
func call[In input](x *exchange, do func(*exchange, In) (any, error)) (any, error) {
	var in In
	if err := x.Decode(&in); err != nil {
		return nil, err
	}
	return x.Run(x.op, in.queueName(), func() (any, error) { return do(x, in) })
}

// queueURL is the field by which most operations name their queue.
type queueURL struct{ QueueUrl string }

func (u queueURL) queueName() string {
	_, name, _ := strings.Cut(u.path(), account+"/")
	return name
}

// path returns the path of the URL. The host does not matter: the SDK sends to its
// endpoint whatever the host of the queue's URL is.
func (u queueURL) path() string {
	parsed, err := url.Parse(u.QueueUrl)
	if err != nil || parsed.Host == "" {
		return ""
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

// find returns the queue of a URL, after it has expired old messages. The lock is
// held.
func (s *Server) find(u queueURL) (*queue, error) {
	q := s.queues[u.queueName()]
	if q == nil || u.path() != account+"/"+q.name {
		return nil, noQueue()
	}
	q.expire(time.Now())
	return q, nil
}

func noQueue() error { return fail("QueueDoesNotExist", "The specified queue does not exist.") }
