package logstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"sumoship/function/awstest"
)

// exchange is one request.
type exchange struct {
	*awstest.Request
	s    *Server
	op   string
	name string // of the function in a REST path
	sid  string // of the statement in it
}

// answer carries a request out.
func (s *Server) answer(r *awstest.Request) (awstest.Reply, error) {
	x := &exchange{Request: r, s: s}
	run := x.logs
	if strings.HasPrefix(r.URL.Path, functionsPath) {
		x.route(r.Request)
		run = x.lambda
	} else {
		x.op, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "Logs_20140328.")
	}
	status, out, err := run()
	h := http.Header{}
	h.Set("Content-Type", "application/x-amz-json-1.1")
	h.Set("X-Amzn-Requestid", r.ID())
	if problem, ok := errors.AsType[*awstest.Error](err); ok {
		h.Set("X-Amzn-Errortype", problem.Code)
		b, _ := json.Marshal(map[string]string{"__type": problem.Code, "message": problem.Message, "Type": "User"})
		return awstest.Reply{Status: statusOf(problem), Header: h, Body: b}, nil
	}
	if err != nil {
		return awstest.Reply{}, err
	}
	var b []byte
	if out != nil {
		if b, err = json.Marshal(out); err != nil {
			return awstest.Reply{}, err
		}
	}
	return awstest.Reply{Status: status, Header: h, Body: b}, nil
}

// call decodes the input of an operation and carries it out, unless it is to
// fail.
func call[In any](x *exchange, do func(In) (any, error)) (any, error) {
	var in In
	if err := x.Decode(&in); err != nil {
		return nil, err
	}
	name := x.name
	if in, ok := any(in).(input); ok {
		name = in.subject()
	}
	return x.Run(x.op, name, func() (any, error) {
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		return do(in)
	})
}

// input is the input of an operation that knows what it is about.
type input interface{ subject() string }

// The messages are the services' own, upper-case and all.
func fail(code, format string, args ...any) error { return awstest.Fail(code, format, args...) }

// statusOf is the HTTP status of an error.
func statusOf(e *awstest.Error) int {
	switch {
	case e.Status != 0:
		return e.Status
	case e.Code == "InternalFailure", e.Code == "ServiceException":
		return http.StatusInternalServerError
	case e.Code == "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	case e.Code == "TooManyRequestsException":
		return http.StatusTooManyRequests
	case e.Code == "ResourceConflictException":
		return http.StatusConflict
	}
	return http.StatusBadRequest
}
