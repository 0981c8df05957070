package sumo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/klauspost/compress/gzip"
)

// Client sends records to an HTTP Source. Its fields are not changed after
// first use; it may be used by several goroutines.
type Client struct {
	HTTP *http.Client // nil means one that NewHTTP makes
	Log  *slog.Logger // nil means none; told of warnings in answers

	Name     string        // X-Sumo-Client
	Plain    bool          // send bodies without gzip
	Level    int           // of gzip, 1 to 9; 0 means DefaultLevel
	MaxBody  int           // of a body before gzip, in bytes; 0 means DefaultMaxBody
	InFlight int           // bodies on their way at once in one delivery; 0 means DefaultInFlight
	Together int           // requests at once in all deliveries; 0 means no bound but InFlight of each
	Attempts int           // requests per body; 0 means DefaultAttempts
	Pause    time.Duration // before the second request, doubled for each further one up to 10 s; 0 means DefaultPause
	Timeout  time.Duration // of one request; 0 means DefaultTimeout

	once  sync.Once
	slots chan struct{} // one for each request, if Together is set

	// What is kept for its next use. It is kept over garbage collections, unlike
	// in a sync.Pool: making a writer anew costs more than compressing a small
	// body does.
	zips  chan *gzip.Writer
	boxes chan *body
	texts chan []byte // of bodies that were compressed
}

// Defaults of Client.
const (
	DefaultLevel    = 6         // the cheapest, see docs/performance.md
	DefaultMaxBody  = 1_000_000 // Sumo Logic recommends 100 KB to 1 MB
	DefaultInFlight = 4         // an HTTP Source is not made for many connections
	DefaultAttempts = 6
	DefaultPause    = 250 * time.Millisecond
	DefaultTimeout  = 25 * time.Second // Sumo Logic itself gives up after 30 s
)

const maxPause = 10 * time.Second

// NewHTTP makes the HTTP client that suits a Client: it keeps one connection
// for each body in flight and follows no redirect, which would turn a POST
// into a GET and its 200 into a lie.
func NewHTTP(inFlight int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = inFlight, inFlight
	// HTTP/2 would put all requests on one connection, which a single loss holds
	// up, and brings nothing to a few large requests.
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2, t.TLSNextProto, t.TLSClientConfig = false, nil, nil
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *Client) init() {
	c.once.Do(func() {
		set := func(v *int, d int) {
			if *v == 0 {
				*v = d
			}
		}
		set(&c.Level, DefaultLevel)
		set(&c.MaxBody, DefaultMaxBody)
		set(&c.InFlight, DefaultInFlight)
		set(&c.Attempts, DefaultAttempts)
		if c.Pause == 0 {
			c.Pause = DefaultPause
		}
		if c.Timeout == 0 {
			c.Timeout = DefaultTimeout
		}
		if c.HTTP == nil {
			c.HTTP = NewHTTP(max(c.InFlight, c.Together))
		}
		if c.Together > 0 {
			c.slots = make(chan struct{}, c.Together)
		}
		bodies := max(c.InFlight, c.Together) + 1
		c.zips, c.boxes, c.texts = make(chan *gzip.Writer, bodies), make(chan *body, bodies), make(chan []byte, bodies)
		if c.Log == nil {
			c.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// zip compresses the text of a body, which then is nil.
func (c *Client) zip(b *body) {
	out := bytes.NewBuffer(b.zipped[:0])
	var w *gzip.Writer
	select {
	case w = <-c.zips:
		w.Reset(out)
	default:
		w, _ = gzip.NewWriterLevel(out, c.Level) // the level was checked with the configuration
	}
	w.Write(b.text) // a bytes.Buffer takes everything
	w.Close()
	select {
	case c.zips <- w:
	default:
	}
	if cap(b.text) <= 2*c.MaxBody {
		select {
		case c.texts <- b.text[:0]:
		default:
		}
	}
	b.text, b.zipped = nil, out.Bytes()
}

// unzip is the text of size bytes that zip has compressed.
func unzip(zipped []byte, size int) []byte {
	text := make([]byte, size)
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err == nil {
		_, err = io.ReadFull(r, text)
	}
	if err != nil {
		panic(fmt.Sprintf("what was compressed here is not gzip: %v", err))
	}
	return text
}

// pauses is the pace of the attempts at one body: exponential with jitter, not
// before the time that the source asked for, and only while there is time for
// one more attempt.
type pauses struct {
	backoff.ExponentialBackOff
	left  int // attempts
	ctx   context.Context
	after time.Duration // what Retry-After of the last answer said
}

func (c *Client) pauses(ctx context.Context) *pauses {
	return &pauses{
		ExponentialBackOff: *backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(c.Pause), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.5),
			backoff.WithMaxInterval(maxPause*2/3), backoff.WithMaxElapsedTime(0)),
		left: c.Attempts,
		ctx:  ctx,
	}
}

func (p *pauses) NextBackOff() time.Duration {
	if p.left--; p.left <= 0 {
		return backoff.Stop
	}
	d := max(min(p.ExponentialBackOff.NextBackOff(), maxPause), p.after)
	if deadline, ok := p.ctx.Deadline(); ok && time.Until(deadline) <= d {
		return backoff.Stop
	}
	return d
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return time.Duration(min(s, 86400)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}

// reading is a payload that the HTTP client reads. It may do so even after it
// has returned an answer, until it closes the reader.
type reading struct {
	bytes.Reader
	readers *atomic.Int32 // not closed yet
	once    sync.Once
}

func read(payload []byte, readers *atomic.Int32) *reading {
	r := &reading{readers: readers}
	r.Reset(payload)
	readers.Add(1)
	return r
}

func (r *reading) Close() error {
	r.once.Do(func() { r.readers.Add(-1) })
	return nil
}

// post sends a payload once. While readers is not 0 it is still being read.
func (c *Client) post(ctx context.Context, ep Endpoint, header http.Header, payload []byte, readers *atomic.Int32) (after time.Duration, failure *SendError) {
	if c.slots != nil {
		select {
		case c.slots <- struct{}{}:
			defer func() {
				<-c.slots
				runtime.Gosched() // whoever waits for the slot goes first
			}()
		case <-ctx.Done():
		}
	}
	attempt, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	address := ep.secret().url
	var body io.ReadCloser = http.NoBody
	if len(payload) > 0 {
		body = read(payload, readers)
	}
	req := (&http.Request{
		Method:        http.MethodPost,
		URL:           address,
		Host:          address.Host,
		Header:        header,
		Body:          body,
		ContentLength: int64(len(payload)),
		GetBody:       func() (io.ReadCloser, error) { return read(payload, readers), nil },
	}).WithContext(attempt)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return 0, &SendError{Class: OutOfTime, Err: errors.New("no answer before the time was up")}
		case attempt.Err() != nil:
			return 0, &SendError{Class: Unavailable, Err: fmt.Errorf("no answer within %s", c.Timeout)}
		}
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the rest of its text is the URL
		}
		return 0, &SendError{Class: Unavailable, Err: errors.New(ep.redact(err.Error()))}
	}
	defer resp.Body.Close()
	// The status has decided; what goes wrong with the rest does not matter.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if failure = statusError(resp.StatusCode); failure != nil {
		return retryAfter(resp.Header), failure
	}
	c.warn(ep, resp.StatusCode, answer)
	return 0, nil
}

// warn logs what an answer of success says against its data.
func (c *Client) warn(ep Endpoint, status int, answer []byte) {
	answer = bytes.TrimSpace(answer)
	if len(answer) == 0 || answer[0] != '{' {
		return
	}
	var w struct {
		Code, Message string
		Errors        []struct{ Code, Message string }
	}
	if json.Unmarshal(answer, &w) != nil {
		return
	}
	if w.Code == "" && len(w.Errors) > 0 {
		w.Code, w.Message = w.Errors[0].Code, w.Errors[0].Message
	}
	if w.Code == "" && w.Message == "" {
		return
	}
	message, _ := clip(clean(ep.redact(w.Message)), 200)
	code, _ := clip(clean(ep.redact(w.Code)), 100)
	c.Log.Warn("the source took the data with a warning", "status", status, "code", code, "warning", message)
}
