// Package sumotest is a Sumo Logic HTTP Source that answers by a script: for tests,
// and for people who want to see what their logs would look like there.
package sumotest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Step is how the source responds to one request.
type Step struct {
	Kind       Kind
	Status     int    // for Answer
	RetryAfter string // header, for Answer
	Body       string // for Answer
	Over       int    // for Limit: bytes before gzip that the source accepts
}

// Kind is the kind of a Step.
type Kind string

const (
	Answer Kind = ""      // Status
	Reset  Kind = "reset" // the connection breaks before the data is stored
	Lost   Kind = "lost"  // the data is stored, then the connection breaks
	Hang   Kind = "hang"  // no answer until the client gives up
	Slow   Kind = "slow"  // 200 after SlowAnswer, if the client still waits then
	Limit  Kind = "limit" // 413 if the body exceeds Over, else 200; for all further requests
)

// SlowAnswer is how long a Slow source takes.
const SlowAnswer = 20 * time.Second

// Statuses returns steps that answer with these statuses.
func Statuses(codes ...int) []Step {
	steps := make([]Step, len(codes))
	for i, c := range codes {
		steps[i].Status = c
	}
	return steps
}

// Request is one POST that the source got.
type Request struct {
	Header http.Header
	URI    string
	Body   []byte // without its Content-Encoding
	Wire   int    // size of the body as sent, in bytes
	Status int    // of the answer; 0 if there was none
	Taken  bool   // the source has stored the data
}

// Lines returns the records in the body.
func (r Request) Lines() []string {
	if len(r.Body) == 0 {
		return nil
	}
	return strings.Split(string(r.Body), "\n")
}

// Source is a scripted HTTP Source. Each request takes the next step of the script;
// after the last, all are answered 200. It is an http.Handler, and an
// http.RoundTripper for use without a network.
type Source struct {
	mu    sync.Mutex
	steps []Step
	reqs  []Request
	done  chan struct{}
	close sync.Once
}

// New returns a source with that script.
func New(steps ...Step) *Source { return &Source{steps: steps, done: make(chan struct{})} }

// Close ends the requests that hang.
func (s *Source) Close() { s.close.Do(func() { close(s.done) }) }

// Requests returns the requests so far, in order.
func (s *Source) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.reqs...)
}

// Taken returns the records that the source has stored, in order.
func (s *Source) Taken() []string {
	var lines []string
	for _, r := range s.Requests() {
		if r.Taken {
			lines = append(lines, r.Lines()...)
		}
	}
	return lines
}

// take records a request and returns how to respond to it.
func (s *Source) take(r *http.Request) (Step, error) {
	wire, err := io.ReadAll(r.Body)
	if err != nil {
		return Step{}, err
	}
	body := wire
	if r.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(bytes.NewReader(wire))
		if err != nil {
			return Step{}, err
		}
		if body, err = io.ReadAll(zr); err != nil {
			return Step{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	step := Step{Status: http.StatusOK}
	if len(s.steps) > 0 {
		if step = s.steps[0]; step.Kind != Limit {
			s.steps = s.steps[1:]
		}
	}
	if step.Kind == Limit {
		step = Step{Status: http.StatusOK, Over: step.Over}
		if len(body) > step.Over {
			step.Status = http.StatusRequestEntityTooLarge
		}
	}
	if step.Kind == Slow {
		if step = (Step{Status: http.StatusOK}); !s.wait(r.Context(), SlowAnswer) {
			s.reqs = append(s.reqs, Request{Header: r.Header.Clone(), URI: r.URL.RequestURI(), Body: body, Wire: len(wire)})
			return Step{}, errGone
		}
	}
	s.reqs = append(s.reqs, Request{
		Header: r.Header.Clone(), URI: r.URL.RequestURI(), Body: body, Wire: len(wire), Status: step.Status,
		Taken: step.Kind == Lost || step.Status/100 == 2,
	})
	return step, nil
}

// errGone says that the client did not wait for a slow answer.
var errGone = errors.New("the client has given up")

// wait waits without the lock, and reports whether the client does too.
func (s *Source) wait(ctx context.Context, d time.Duration) bool {
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-s.done:
	}
	return false
}

func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	step, err := s.take(r)
	if errors.Is(err, errGone) {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		http.Error(w, "the body is not readable", http.StatusBadRequest)
		return
	}
	switch step.Kind {
	case Hang:
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
		panic(http.ErrAbortHandler)
	case Reset, Lost:
		reset(w)
		return
	}
	if step.RetryAfter != "" {
		w.Header().Set("Retry-After", step.RetryAfter)
	}
	w.WriteHeader(step.Status)
	_, _ = io.WriteString(w, step.Body) // the client may be gone
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

// RoundTrip answers a request without a network.
func (s *Source) RoundTrip(r *http.Request) (*http.Response, error) {
	step, err := s.take(r)
	r.Body.Close() // as http.RoundTripper promises
	if err != nil && r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	switch step.Kind {
	case Hang:
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-s.done:
			return nil, io.ErrUnexpectedEOF
		}
	case Reset, Lost:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	h := http.Header{}
	if step.RetryAfter != "" {
		h.Set("Retry-After", step.RetryAfter)
	}
	return &http.Response{
		Status: strconv.Itoa(step.Status), StatusCode: step.Status, Header: h, Request: r,
		ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader(step.Body)),
	}, nil
}

// Serve listens on a free port of the loopback interface until stop is called
// and returns the URL of the source.
func (s *Source) Serve() (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(ln) }() // until stop
	stop = func() {
		s.Close()
		_ = srv.Close()
	}
	return "http://" + ln.Addr().String() + "/receiver/v1/http/local", stop, nil
}
