package sqstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errDropped stands for an answer that never comes.
var errDropped = errors.New("the connection was broken on purpose")

// Do answers a request as an http.Client would, without a network.
func (s *Server) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	a, err := s.answer(r)
	if errors.Is(err, errDropped) {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	if err != nil {
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: err}
	}
	a.header.Set("Date", time.Now().UTC().Format(http.TimeFormat)) // the SDK compares its clock
	a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header, Request: r,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// ServeHTTP answers a request over a network.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := s.answer(r)
	if err != nil {
		reset(w)
		return
	}
	for name, v := range a.header {
		w.Header()[name] = v
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// reset breaks a connection without a word.
func reset(w http.ResponseWriter) {
	if hj, ok := w.(http.Hijacker); ok {
		if conn, _, err := hj.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.SetLinger(0)
			}
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// answer carries a request out. Its error is the caller's, or errDropped.
func (s *Server) answer(r *http.Request) (answer, error) {
	if err := r.Context().Err(); err != nil {
		return answer{}, err // as if it had not been sent
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return answer{}, err
		}
	}
	s.mu.Lock()
	s.calls++
	x := &exchange{s: s, ctx: r.Context(), n: s.calls, body: body}
	s.mu.Unlock()
	x.op, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")

	out, err := x.run()
	if err != nil {
		var problem *apiError
		if !errors.As(err, &problem) {
			return answer{}, err
		}
		return problem.answer(x.n), nil
	}
	var b bytes.Buffer
	if out != nil {
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(out); err != nil {
			return answer{}, err
		}
	}
	return answer{http.StatusOK, header(x.n), b.Bytes()}, nil
}

func header(n int) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Requestid", uuid(n))
	return h
}

// uuid makes ids that are the same in each run, so that a schedule found by its
// seed can be played again.
func uuid(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n) }

// exchange is one request and how it is to fail.
type exchange struct {
	s     *Server
	ctx   context.Context
	n     int
	op    string
	body  []byte
	fault Fault
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

// input is the input of an operation, which knows its queue's name.
type input interface{ queueName() string }

// call decodes the input of an operation and carries it out, unless it is to fail.
func call[In input](x *exchange, do func(*exchange, In) (any, error)) (any, error) {
	var in In
	dec := json.NewDecoder(bytes.NewReader(x.body))
	dec.DisallowUnknownFields() // what a test relies on must be here, or fail
	if err := dec.Decode(&in); err != nil {
		return nil, fail("SerializationException", "sqstest: %v", err)
	}
	x.s.mu.Lock()
	ask := x.s.fault
	x.s.mu.Unlock()
	if ask != nil {
		x.fault = ask(Call{Op: x.op, Queue: in.queueName(), N: x.n, Body: x.body})
	}
	switch f := x.fault; {
	case f.DropBefore:
		return nil, errDropped
	case f.Code != "" || f.Status != 0:
		return nil, &apiError{code: f.Code, status: f.Status, message: "sqstest was told to fail"}
	}
	out, err := do(x, in)
	if x.fault.DropAfter {
		return nil, errDropped
	}
	return out, err
}

// queueURL is the field that most operations name their queue by.
type queueURL struct{ QueueUrl string }

func (u queueURL) queueName() string {
	_, name, _ := strings.Cut(u.path(), account+"/")
	return name
}

// path is that of the URL. The host is anyone's: the SDK sends to its endpoint
// whatever the host of the queue's URL is.
func (u queueURL) path() string {
	parsed, err := url.Parse(u.QueueUrl)
	if err != nil || parsed.Host == "" {
		return ""
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

// find is the queue of a URL, without what is past its retention. The lock is held.
func (s *Server) find(u queueURL) (*queue, error) {
	q := s.queues[u.queueName()]
	if q == nil || u.path() != account+"/"+q.name {
		return nil, noQueue()
	}
	q.expire(time.Now())
	return q, nil
}

func noQueue() error { return fail("QueueDoesNotExist", "The specified queue does not exist.") }
