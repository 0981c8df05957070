// Package awstest is an AWS service faked in-process: an http.Handler and an
// HTTP client for the SDK, whose requests fail as a test's script says. A fake
// (dlq/sqstest, function/awstest/logstest) embeds a Transport and adds what its service
// knows: operations, state, the form of its errors.
package awstest

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
	"sync"
	"syscall"
	"time"
)

// Call is a request that a fault can be put on.
type Call struct {
	Op   string // PutSubscriptionFilter
	Name string // of the queue, log group, function or policy; empty where the operation has none
	N    int    // number of the request since the server was made, from 1
	Body []byte // the input, in JSON
}

// Fault is how a request fails. The zero value lets it succeed.
type Fault struct {
	// Code is an error of the API, such as ThrottlingException or
	// AccessDeniedException. Nothing happens.
	Code    string
	Message string // empty means one that says that this was asked for
	// Status is the HTTP status; 0 means that of Code. Without a Code the answer
	// is not one of the service, as if something in between had given it.
	Status int

	DropBefore bool // the connection breaks before anything happens
	DropAfter  bool // it happens, then the connection breaks without an answer

	// FailEntries are the places, from 0, of the entries of a batch that fail
	// with InternalError, which is not the sender's fault. The others go on.
	FailEntries []int
}

// Error is an error that a service answers with.
type Error struct {
	Code    string
	Message string
	Status  int // 0: that of the code
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Fail returns an *Error. The messages are the services' own, upper-case and all.
func Fail(code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// errDropped stands for an answer that never comes.
var errDropped = errors.New("the connection was broken on purpose")

// Request is a request to a fake.
type Request struct {
	*http.Request        // its Body has been read
	N             int    // as in Call
	Input         []byte // its body
	Fault         Fault  // set by Run

	transport *Transport
}

// ID is the id of the request.
func (r *Request) ID() string { return UUID(r.N) }

// UUID returns ids that are the same in each run, so that a schedule found by its
// seed can be played again.
func UUID(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n) }

// Decode reads the input of an operation. A field that the fake does not know is
// an error: what a test relies on must be there.
func (r *Request) Decode(in any) error {
	if len(r.Input) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(r.Input))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return Fail("SerializationException", "the fake does not know this input: %v", err)
	}
	return nil
}

// Run carries an operation out, unless the script makes it fail.
func (r *Request) Run(op, name string, do func() (any, error)) (any, error) {
	r.transport.mu.Lock()
	script := r.transport.script
	r.transport.mu.Unlock()
	if script != nil {
		r.Fault = script(Call{Op: op, Name: name, N: r.N, Body: r.Input})
	}
	switch f := r.Fault; {
	case f.DropBefore:
		return nil, errDropped
	case f.Code != "" || f.Status != 0:
		if f.Message == "" {
			f.Message = "the fake was told to fail"
		}
		return nil, &Error{Code: f.Code, Message: f.Message, Status: f.Status}
	}
	out, err := do()
	if r.Fault.DropAfter {
		return nil, errDropped
	}
	return out, err
}

// Reply is what a fake answers.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Transport carries requests to a fake, over a network or without one. Make it
// with NewTransport.
type Transport struct {
	answer func(*Request) (Reply, error)

	mu     sync.Mutex // never held while waiting
	calls  int
	script func(Call) Fault
}

// NewTransport returns the transport of a fake. answer carries a request out; its
// error is that of the request's context or of Run, if that is not an *Error.
func NewTransport(answer func(*Request) (Reply, error)) *Transport {
	return &Transport{answer: answer}
}

// OnRequest sets a function that is asked before each request is carried out
// how it should fail. It may call the methods of the fake, and wait.
func (t *Transport) OnRequest(fault func(Call) Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.script = fault
}

func (t *Transport) serve(r *http.Request) (Reply, error) {
	if err := r.Context().Err(); err != nil {
		return Reply{}, err // as if it had not been sent
	}
	x := &Request{Request: r, transport: t}
	if r.Body != nil {
		var err error
		if x.Input, err = io.ReadAll(r.Body); err != nil {
			return Reply{}, err
		}
	}
	t.mu.Lock()
	t.calls++
	x.N = t.calls
	t.mu.Unlock()
	return t.answer(x)
}

// Do answers a request as an http.Client would, without a network.
func (t *Transport) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	a, err := t.serve(r)
	if errors.Is(err, errDropped) {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	if err == nil {
		err = r.Context().Err() // it happened, and nobody waited for it
	}
	if err != nil {
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: err}
	}
	a.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat)) // the SDK compares its clock
	a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.Header, Request: r,
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)),
	}, nil
}

// ServeHTTP answers a request over a network.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := t.serve(r)
	if err != nil {
		reset(w)
		return
	}
	for name, v := range a.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client may be gone
}

// reset breaks a connection without a word.
func reset(w http.ResponseWriter) {
	if hj, ok := w.(http.Hijacker); ok {
		if conn, _, err := hj.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
