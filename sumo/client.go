package sumo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/klauspost/compress/gzip"
)

// Client sends records to an HTTP Source. Its fields must not change after first
// use. It is safe for concurrent use.
type Client struct {
	HTTP *http.Client // nil means NewHTTP
	Log  *slog.Logger // gets the warnings in responses; nil means none

	Name           string        // X-Sumo-Client
	UserAgent      string        // "" means sumoship
	NoCompression  bool          // send bodies without gzip
	Level          int           // of gzip, 1 to 9; 0 means DefaultLevel
	MaxBody        int           // of a body before gzip, in bytes; 0 means DefaultMaxBody
	InFlight       int           // bodies in flight in one delivery; 0 means DefaultInFlight
	MaxRequests    int           // requests in flight in all deliveries; 0 means InFlight for each
	Attempts       int           // requests per body; 0 means DefaultAttempts
	InitialBackoff time.Duration // before the second request, doubled for each further one up to 10 s; 0 means DefaultInitialBackoff
	Timeout        time.Duration // of one request; 0 means DefaultTimeout
	Budget         time.Duration // no retry starts later than this after the first request of its body; 0 means no limit but the deadline
	Yield          bool          // do not retry a body after a 429: others go first
	Breaker        *Breaker      // nil means that each delivery tries anew

	// Rand returns a number from 0 to 1 for jitter; nil means that of math/rand/v2. A
	// simulation that is to run again in the same way has its own.
	Rand func() float64

	once  sync.Once
	http  *http.Client
	slots chan struct{} // one for each request, if MaxRequests is set

	gzipPool   pool[*gzip.Writer]
	bodyPool   pool[*body]
	bufferPool pool[[]byte] // text buffers of bodies that were compressed
}

// pool keeps values for reuse. Unlike a sync.Pool it keeps them over garbage
// collections: a new gzip.Writer costs more than compressing a small body.
type pool[T any] chan T

// get returns the zero value of T if the pool is empty.
func (p pool[T]) get() (v T) {
	select {
	case v = <-p:
	default:
	}
	return v
}

// put drops v if the pool is full.
func (p pool[T]) put(v T) {
	select {
	case p <- v:
	default:
	}
}

// Defaults of Client.
const (
	DefaultLevel          = 6         // the cheapest, see docs/performance.md
	DefaultMaxBody        = 1_000_000 // Sumo Logic recommends 100 KB to 1 MB
	DefaultInFlight       = 4         // an HTTP Source is not made for many connections
	DefaultAttempts       = 6
	DefaultInitialBackoff = 250 * time.Millisecond
	DefaultTimeout        = 25 * time.Second // Sumo Logic itself gives up after 30 s
)

const maxBackoff = 10 * time.Second

// NewHTTP returns an HTTP client for a Client: it keeps one connection for each
// body in flight and does not follow redirects, which would turn a POST into a GET
// whose 200 confirms nothing. A Client follows none in any case.
func NewHTTP(inFlight int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = inFlight, inFlight
	// HTTP/2 would put all requests on one connection, where one lost packet delays
	// them all, and gains nothing for a few large requests.
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
		if c.InitialBackoff == 0 {
			c.InitialBackoff = DefaultInitialBackoff
		}
		if c.Timeout == 0 {
			c.Timeout = DefaultTimeout
		}
		if c.HTTP == nil {
			c.HTTP = NewHTTP(max(c.InFlight, c.MaxRequests))
		}
		unled := *c.HTTP
		unled.Transport = nowhere{c.HTTP.Transport}
		c.http = &unled
		if c.MaxRequests > 0 {
			c.slots = make(chan struct{}, c.MaxRequests)
		}
		bodies := max(c.InFlight, c.MaxRequests) + 1
		c.gzipPool = make(pool[*gzip.Writer], bodies)
		c.bodyPool = make(pool[*body], bodies)
		c.bufferPool = make(pool[[]byte], bodies)
		if c.Log == nil {
			c.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// nowhere is a transport whose responses lead nowhere. Whatever the settings of the
// HTTP client are, it does not follow a redirect, nor fails to read where to.
type nowhere struct{ next http.RoundTripper }

func (n nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	next := n.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err == nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// zip compresses the text of a body and sets it to nil.
func (c *Client) zip(b *body) {
	out := bytes.NewBuffer(b.zipped[:0])
	w := c.gzipPool.get()
	if w != nil {
		w.Reset(out)
	} else {
		w, _ = gzip.NewWriterLevel(out, c.Level) // the level was checked with the configuration
	}
	_, _ = w.Write(b.text) // to a bytes.Buffer: this cannot fail
	_ = w.Close()
	c.gzipPool.put(w)
	if cap(b.text) <= 2*c.MaxBody {
		c.bufferPool.put(b.text[:0])
	}
	b.text, b.zipped = nil, out.Bytes()
}

// unzip returns the text, size bytes long, that zip has compressed.
func unzip(zipped []byte, size int) []byte {
	text := make([]byte, size)
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err == nil {
		_, err = io.ReadFull(r, text)
	}
	if err != nil {
		panic(fmt.Sprintf("sumo: a body that was compressed here is not gzip: %v", err))
	}
	return text
}

// retries is the backoff between the attempts at one body: exponential with
// jitter, at least the source's Retry-After, and only while there is time for one
// more attempt.
type retries struct {
	backoff.ExponentialBackOff
	random func() float64
	left   int // attempts
	ctx    context.Context
	until  time.Time     // no attempt after it; zero for no limit
	after  time.Duration // Retry-After of the last response
}

func (c *Client) retries(ctx context.Context, attempts int) *retries {
	r := &retries{
		ExponentialBackOff: *backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(c.InitialBackoff), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0),
			backoff.WithMaxInterval(maxBackoff*2/3), backoff.WithMaxElapsedTime(0)),
		random: random(c.Rand),
		left:   attempts,
		ctx:    ctx,
	}
	if c.Budget > 0 {
		r.until = time.Now().Add(c.Budget)
	}
	return r
}

func (r *retries) NextBackOff() time.Duration {
	if r.left--; r.left <= 0 {
		return backoff.Stop
	}
	d := r.ExponentialBackOff.NextBackOff()
	d = max(min(d/2+part(d, r.random), maxBackoff), r.after)
	if deadline, ok := r.ctx.Deadline(); ok && time.Until(deadline) <= d || !r.until.IsZero() && time.Until(r.until) < d {
		return backoff.Stop
	}
	return d
}

// random is a source of jitter.
func random(of func() float64) func() float64 {
	if of == nil {
		return rand.Float64
	}
	return of
}

// part returns a random part of d.
func part(d time.Duration, random func() float64) time.Duration {
	return time.Duration(random() * float64(d))
}

// MaxRetryAfter bounds what a source can ask for with Retry-After.
const MaxRetryAfter = 5 * time.Minute

// retryAfter parses the Retry-After header, seconds or a date; 0 if there is none.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return time.Duration(min(s, int(MaxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(0, time.Until(t)), MaxRetryAfter)
	}
	return 0
}

// reading is a request body. The HTTP client may read it even after it has returned
// a response, until it closes it.
type reading struct {
	payload bytes.Reader
	left    atomic.Int64  // bytes that were not read yet
	readers *atomic.Int32 // how many are not closed yet
	once    sync.Once
}

func read(payload []byte, readers *atomic.Int32) *reading {
	r := &reading{readers: readers}
	r.payload.Reset(payload)
	r.left.Store(int64(len(payload)))
	readers.Add(1)
	return r
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.payload.Read(p)
	r.left.Add(-int64(n))
	return n, err
}

func (r *reading) Close() error {
	r.once.Do(func() { r.readers.Add(-1) })
	return nil
}

// Probe sends one request without a body, of which a source stores nothing. Its error
// is a *[SendError], nil if the source accepted the request.
func (c *Client) Probe(ctx context.Context, ep Endpoint) error {
	c.init()
	header := http.Header{"User-Agent": {cmp.Or(c.UserAgent, "sumoship")}}
	if token := ep.secret().token; token != "" {
		header[headerToken] = []string{token}
	}
	if _, failure := c.post(ctx, ep, header, nil, c.Timeout, new(atomic.Int32)); failure != nil {
		return failure
	}
	return nil
}

// post sends a payload once. It may still be read while readers is not 0.
func (c *Client) post(ctx context.Context, ep Endpoint, header http.Header, payload []byte, timeout time.Duration, readers *atomic.Int32) (warned bool, failure *SendError) {
	if c.slots != nil {
		select {
		case c.slots <- struct{}{}:
			defer func() {
				<-c.slots
				runtime.Gosched() // a goroutine that waits for the slot goes first
			}()
		case <-ctx.Done():
		}
	}
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	address := ep.secret().url
	var last atomic.Pointer[reading] // of the body: the HTTP client asks for another one if it tries again
	open := func() (io.ReadCloser, error) {
		if len(payload) == 0 {
			return http.NoBody, nil
		}
		r := read(payload, readers)
		last.Store(r)
		return r, nil
	}
	body, _ := open() // it has no error
	req := (&http.Request{
		Method:        http.MethodPost,
		URL:           address,
		Host:          address.Host,
		Header:        header,
		Body:          body,
		ContentLength: int64(len(payload)),
		GetBody:       open,
	}).WithContext(attempt)
	resp, err := c.http.Do(req)
	if err != nil {
		switch {
		case interrupted(ctx):
			return false, &SendError{Class: OutOfTime, Err: errors.New("interrupted before the source answered")}
		case ctx.Err() != nil:
			return false, &SendError{Class: OutOfTime, Err: errors.New("no answer before the deadline")}
		case attempt.Err() != nil:
			return false, &SendError{Class: Unavailable, Err: fmt.Errorf("no answer within %s", timeout)}
		}
		return false, &SendError{Class: Unavailable, Err: errors.New(ep.redact(Reason(err)))}
	}
	defer resp.Body.Close()
	// The status decides; an error in the rest of the response does not matter.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if failure = statusError(resp.StatusCode); failure != nil {
		if failure.RetryAfter = retryAfter(resp.Header); failure.RetryAfter > 0 {
			failure.Err = fmt.Errorf("%w, retry after %s", failure.Err, rounded(failure.RetryAfter))
		}
		return false, failure
	}
	if sent := last.Load(); sent != nil && sent.left.Load() > 0 {
		// It cannot have stored what it does not have yet, and who knows whether it reads on.
		return false, &SendError{Class: Unavailable, Err: fmt.Errorf("the source answered %d before it had the whole body", resp.StatusCode)}
	}
	return c.warn(ep, resp.StatusCode, answer), nil
}

// warn logs a warning in the response to a successful request, and reports whether
// there was one: the source may have dropped the data all the same.
func (c *Client) warn(ep Endpoint, status int, answer []byte) bool {
	answer = bytes.TrimSpace(answer)
	if len(answer) == 0 || answer[0] != '{' {
		return false
	}
	var w struct {
		Code, Message string
		Errors        []struct{ Code, Message string }
	}
	if json.Unmarshal(answer, &w) != nil {
		return false
	}
	if w.Code == "" && len(w.Errors) > 0 {
		w.Code, w.Message = w.Errors[0].Code, w.Errors[0].Message
	}
	if w.Code == "" && w.Message == "" {
		return false
	}
	message, _ := clip(clean(ep.redact(w.Message)), 200)
	code, _ := clip(clean(ep.redact(w.Code)), 100)
	c.Log.Warn("the source accepted the data with a warning", "status", status, "code", code, "warning", message)
	return true
}
