package sumo

import (
	"errors"
	"fmt"
	"net/http"
)

// Class is the kind of failure that kept records from Sumo Logic. It decides what
// to do about them.
type Class string

const (
	Unavailable   Class = "unavailable"   // 408, 429, 5xx or no answer: retry later
	Misconfigured Class = "misconfigured" // 401, 403, 404 or a redirect: the endpoint is wrong or was rotated
	Rejected      Class = "rejected"      // another 4xx: it would be refused again
	OutOfTime     Class = "out_of_time"   // the deadline came first
)

// SendError is why records were not confirmed. Its text contains nothing of the
// endpoint but its host.
type SendError struct {
	Class  Class
	Status int // of the last answer; 0 if there was none
	Err    error
}

func (e *SendError) Error() string { return string(e.Class) + ": " + e.Err.Error() }
func (e *SendError) Unwrap() error { return e.Err }

// ClassOf returns the class of the SendError in err, "" if there is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*SendError](err); ok {
		return e.Class
	}
	return ""
}

// statusError returns the error for the status of a response; nil means confirmed.
//
// Source: Sumo Logic, "Troubleshooting HTTP Sources".
func statusError(status int) *SendError {
	e := &SendError{Status: status, Err: fmt.Errorf("the source answered %d %s", status, http.StatusText(status))}
	switch {
	case status/100 == 2:
		return nil
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		e.Class = Unavailable
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status/100 == 3:
		e.Class = Misconfigured
	default:
		e.Class = Rejected
	}
	return e
}
