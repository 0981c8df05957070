package logstest

import (
	"bytes"
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
		panic(http.ErrAbortHandler) // breaks the connection
	}
	for name, v := range a.header {
		w.Header()[name] = v
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange is one request.
type exchange struct {
	s    *Server
	n    int
	op   string
	name string // of the function in a REST path
	sid  string // of the statement in it
	body []byte
}

// answer carries a request out. Its error is the caller's, or errDropped.
func (s *Server) answer(r *http.Request) (answer, error) {
	if err := r.Context().Err(); err != nil {
		return answer{}, err // as if it had not been sent
	}
	x := &exchange{s: s}
	if r.Body != nil {
		var err error
		if x.body, err = io.ReadAll(r.Body); err != nil {
			return answer{}, err
		}
	}
	s.mu.Lock()
	s.calls++
	x.n = s.calls
	s.mu.Unlock()

	run := x.logs
	if strings.HasPrefix(r.URL.Path, functionsPath) {
		x.route(r)
		run = x.lambda
	} else {
		x.op, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "Logs_20140328.")
	}
	status, out, err := run()
	if err == nil && r.Context().Err() != nil {
		return answer{}, r.Context().Err() // it happened, and nobody waited for it
	}
	h := http.Header{}
	h.Set("Content-Type", "application/x-amz-json-1.1")
	h.Set("X-Amzn-Requestid", fmt.Sprintf("%08x-0000-4000-8000-%012x", x.n, x.n))
	if err != nil {
		var problem *apiError
		if !errors.As(err, &problem) {
			return answer{}, err
		}
		h.Set("X-Amzn-Errortype", problem.code)
		b, _ := json.Marshal(map[string]string{"__type": problem.code, "message": problem.message, "Type": "User"})
		return answer{problem.http(), h, b}, nil
	}
	var b []byte
	if out != nil {
		if b, err = json.Marshal(out); err != nil {
			return answer{}, err
		}
	}
	return answer{status, h, b}, nil
}

// call decodes the input of an operation and carries it out, unless it is to
// fail.
func call[In any](x *exchange, do func(In) (any, error)) (any, error) {
	var in In
	if len(x.body) > 0 {
		dec := json.NewDecoder(bytes.NewReader(x.body))
		dec.DisallowUnknownFields() // what a test relies on must be here, or fail
		if err := dec.Decode(&in); err != nil {
			return nil, fail("SerializationException", "logstest: %v", err)
		}
	}
	var f Fault
	x.s.mu.Lock()
	ask := x.s.fault
	x.s.mu.Unlock()
	if ask != nil {
		c := Call{Op: x.op, Name: x.name, N: x.n}
		if in, ok := any(in).(input); ok {
			c.Name = in.subject()
		}
		f = ask(c)
	}
	switch {
	case f.DropBefore:
		return nil, errDropped
	case f.Code != "":
		if f.Message == "" {
			f.Message = "logstest was told to fail"
		}
		return nil, &apiError{code: f.Code, status: f.Status, message: f.Message}
	}
	x.s.mu.Lock()
	out, err := do(in)
	x.s.mu.Unlock()
	if f.DropAfter {
		return nil, errDropped
	}
	return out, err
}

// input is the input of an operation that knows what it is about.
type input interface{ subject() string }

// apiError is an error that a service answers with.
type apiError struct {
	code    string
	message string
	status  int // 0: that of the code
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// The messages are the services' own, upper-case and all.
func fail(code, format string, args ...any) error {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

func (e *apiError) http() int {
	switch {
	case e.status != 0:
		return e.status
	case e.code == "InternalFailure", e.code == "ServiceException":
		return http.StatusInternalServerError
	case e.code == "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	case e.code == "TooManyRequestsException":
		return http.StatusTooManyRequests
	case e.code == "ResourceConflictException":
		return http.StatusConflict
	}
	return http.StatusBadRequest
}
