package sim

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"sumoship/sumo/sumotest"
)

// source is the HTTP Source, as an environment sees it.
type source struct {
	f      *Fleet
	name   string // of the environment
	random func() float64
	replay bool // it is one of replay
}

func (s source) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	f := s.f
	f.turns.take(s.name)
	defer f.turns.take(s.name)
	step := f.respond()
	latency := sourceLatency + time.Duration(s.random()*float64(time.Millisecond))
	switch step.Kind {
	case sumotest.Slow:
		latency += sumotest.SlowAnswer
		step.Status = http.StatusOK
	case sumotest.Hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
		return nil, r.Context().Err() // it had not stored the data yet
	}
	f.turns.take(s.name)
	if step.Status/100 == 2 || step.Kind == sumotest.Lost {
		f.store(body, s.replay)
	}
	if step.Kind == sumotest.Lost || step.Kind == sumotest.Reset {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return &http.Response{StatusCode: step.Status, Header: http.Header{}, Body: http.NoBody, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// respond returns how the source responds to the next request.
func (f *Fleet) respond() sumotest.Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.totals.Requests++
	if len(f.steps) > 0 {
		step := f.steps[0]
		f.steps = f.steps[1:]
		return step
	}
	for i, w := range f.c.Schedule.Windows {
		if !w.In(f.now()) {
			continue
		}
		if f.calls[i]++; f.calls[i]%w.Each == 0 {
			return w.Step
		}
	}
	if !f.admit() {
		return sumotest.Step{Status: http.StatusTooManyRequests}
	}
	return sumotest.Step{Status: http.StatusOK}
}

// admit takes a token of the source's rate limit.
func (f *Fleet) admit() bool {
	if f.c.Limit == 0 {
		return true
	}
	now := time.Now()
	f.tokens = min(max(1, f.c.Limit), f.tokens+now.Sub(f.filled).Seconds()*f.c.Limit)
	f.filled = now
	if f.tokens < 1 {
		return false
	}
	f.tokens--
	return true
}

// store notes the events of a body.
func (f *Fleet) store(body []byte, replay bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		_, rest, ok := bytes.Cut(line, []byte(`"message":"event `))
		digits, _, closed := bytes.Cut(rest, []byte(`"`))
		n, err := strconv.Atoi(string(digits))
		if !ok || !closed || err != nil || n >= len(f.events) {
			if f.err == nil {
				f.err = fmt.Errorf("a record that is not an event: %s", line)
			}
			return
		}
		e := &f.events[n]
		if e.copies++; e.copies > 1 {
			continue
		}
		e.stored, e.replayed = f.now(), replay
		if replay {
			f.totals.Replayed++
		} else {
			f.totals.Delivered++
		}
	}
}
