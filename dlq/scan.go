package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Scan goes through the messages of a queue, each once. SQS cannot show a message
// without a receive, nor choose: so a scan receives all that is visible, holds it, and
// gives it back at once in the end. Each look counts as a receive of each message.
type Scan struct {
	Workers    int           // receives at once; 0 means 16
	Most       int           // messages; 0 means all
	Visibility time.Duration // of what is held, extended as long as the scan takes; 0 means 2 minutes, or 10 if Most is over 1,000

	// MaxReceives is that of the queue's redrive policy, 0 without one. The scan stops
	// with [ErrNearLimit] before it is the reason that SQS moves a message away.
	MaxReceives int

	// Last, if not nil, is called when nothing more is received, unless the scan was
	// interrupted. What it returns is deleted too.
	Last func() (done []Message, err error)
}

// ErrNearLimit ends a scan that has met a message with few receives left.
var ErrNearLimit = errors.New("messages have few receives left before the redrive policy moves them to the quarantine queue")

// NearLimit reports whether a message has few receives left under a redrive policy
// with that maxReceiveCount: less than a fifth, or two.
func NearLimit(receives, maxReceives int) bool {
	return maxReceives > 0 && receives >= maxReceives-max(2, maxReceives/5)
}

// Scanned is what a scan has found.
type Scanned struct {
	Messages int // different ones
	Receives int // requests
	Deleted  int
	All      bool // no more were visible
	NearMost int  // receives of the message with the most
}

const (
	scanWorkers    = 16
	scanVisibility = 2 * time.Minute
	// To extend the visibility timeout of many takes as many requests as to receive them.
	longVisibility = 10 * time.Minute
	many           = 1000
	// receiving bounds a receive, which waits for a second.
	receiving = 30 * time.Second
	// givingBack bounds the time to give back what is held, also after an interruption.
	givingBack = 2 * time.Minute
)

// Scan calls visit with the messages of each receive, several at a time, and deletes
// those that visit returns: of these messages, or of those that it got before. It ends when no message is visible that it does not
// know, with the first error, or when ctx is done, and gives back what it holds.
func (q *Queue) Scan(ctx context.Context, s Scan, visit func([]Message) (done []Message, err error)) (Scanned, error) {
	c, err := q.open(ctx)
	if err != nil {
		return Scanned{}, err
	}
	receiving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &scan{Scan: s, q: q, c: c, held: map[string]Message{}, visit: visit, all: true}
	if r.Visibility == 0 {
		r.Visibility = scanVisibility
		if s.Most == 0 || s.Most > many {
			r.Visibility = longVisibility
		}
	}
	keeping, kept := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(kept)
		r.keep(context.WithoutCancel(ctx), keeping)
	}()
	var wg sync.WaitGroup
	for range cmp.Or(s.Workers, scanWorkers) {
		wg.Go(func() {
			if err := r.work(receiving); err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	var last error
	if s.Last != nil && ctx.Err() == nil {
		last = r.deleteAfter(context.WithoutCancel(ctx), s.Last)
	}
	close(keeping)
	<-kept
	saving, end := context.WithTimeout(context.WithoutCancel(ctx), givingBack)
	defer end()
	back := r.changeAll(saving, slices.Collect(maps.Values(r.held)), 0)
	err = cmp.Or(context.Cause(receiving), last)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	r.out.All = r.all && err == nil
	if err == nil || back == nil {
		return r.out, cmp.Or(err, back)
	}
	return r.out, errors.Join(err, back)
}

// scan is a Scan that goes on.
type scan struct {
	Scan
	q     *Queue
	c     *sqs.Client
	visit func([]Message) ([]Message, error)

	mu      sync.Mutex
	held    map[string]Message // by ID
	claimed int                // messages that may still come under Most
	out     Scanned
	all     bool
}

// claim returns how many messages a receive may bring.
func (r *scan) claim() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := maxBatchEntries
	if r.Most > 0 {
		n = min(n, r.Most-r.out.Messages-r.claimed)
	}
	if n > 0 {
		r.claimed += n
	}
	return n
}

// take notes the messages of a receive, and returns those that are new.
func (r *scan) take(claimed int, messages []Message) (fresh []Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claimed -= claimed
	r.out.Receives++
	for _, m := range messages {
		if _, known := r.held[m.ID]; !known {
			fresh = append(fresh, m)
			r.out.Messages++
		}
		r.held[m.ID] = Message{ID: m.ID, handle: m.handle} // the newest handle is valid
		r.out.NearMost = max(r.out.NearMost, m.Receives)
	}
	return fresh
}

// work receives until nothing new is visible. While it receives, the messages of the
// receive before are visited and deleted.
func (r *scan) work(ctx context.Context) (err error) {
	var before chan error
	wait := func() error {
		if before == nil {
			return nil
		}
		defer func() { before = nil }()
		return <-before
	}
	defer func() {
		if e := wait(); err == nil {
			err = e
		}
	}()
	for ctx.Err() == nil {
		n := r.claim()
		if n <= 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.all = false
			return nil
		}
		messages, err := r.receive(ctx, n)
		fresh := r.take(n, messages)
		if err != nil {
			return err
		}
		if err := wait(); err != nil {
			return err
		}
		if len(fresh) == 0 || ctx.Err() != nil {
			return nil
		}
		for _, m := range fresh {
			if NearLimit(m.Receives, r.MaxReceives) {
				return fmt.Errorf("%w: one was received %d times of %d", ErrNearLimit, m.Receives, r.MaxReceives)
			}
		}
		before = make(chan error, 1)
		go func(visited chan<- error) { visited <- r.visitAndDelete(context.WithoutCancel(ctx), fresh) }(before)
	}
	return nil
}

// receive receives, and does not break off when ctx is done: what SQS has sent would be
// invisible for a while.
func (r *scan) receive(ctx context.Context, n int) ([]Message, error) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), receiving)
	defer end()
	return r.q.Receive(ctx, n, time.Second, r.Visibility)
}

func (r *scan) visitAndDelete(ctx context.Context, messages []Message) error {
	return r.deleteAfter(ctx, func() ([]Message, error) { return r.visit(messages) })
}

// deleteAfter deletes what visit returns, also beside an error.
func (r *scan) deleteAfter(ctx context.Context, visit func() ([]Message, error)) error {
	done, err := visit()
	if e := r.delete(ctx, done); err == nil {
		err = e
	}
	return err
}

// keep extends the visibility timeout of what is held until ended is closed.
func (r *scan) keep(ctx context.Context, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(r.Visibility / 2):
		}
		r.mu.Lock()
		held := slices.Collect(maps.Values(r.held))
		r.mu.Unlock()
		_ = r.changeAll(ctx, held, r.Visibility) // what is received once more is known
	}
}

// delete deletes messages, and holds them no more.
func (r *scan) delete(ctx context.Context, messages []Message) error {
	return r.batches(messages, func(batch []Message) error {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(batch))
		r.mu.Lock()
		for i, m := range batch {
			handle := r.held[m.ID].handle
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &handle}
		}
		r.mu.Unlock()
		out, err := r.c.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &r.q.url, Entries: entries})
		if err != nil {
			return r.q.failed("delete", err)
		}
		r.mu.Lock()
		for _, ok := range out.Successful {
			i, _ := strconv.Atoi(aws.ToString(ok.Id)) // our own number
			m := r.held[batch[i].ID]
			m.handle = "" // known, but not held
			r.held[m.ID] = m
			r.out.Deleted++
		}
		r.mu.Unlock()
		return refused(r.q, "delete", out.Failed)
	})
}

// changeAll changes the visibility timeout of messages.
func (r *scan) changeAll(ctx context.Context, messages []Message, timeout time.Duration) error {
	messages = slices.DeleteFunc(messages, func(m Message) bool { return m.handle == "" })
	return r.batches(messages, func(batch []Message) error { return r.q.changeBatch(ctx, r.c, batch, timeout) })
}

// batches calls do with ten messages each, several at a time. It returns one of the
// errors.
func (r *scan) batches(messages []Message, do func(batch []Message) error) error {
	if len(messages) <= maxBatchEntries {
		if len(messages) == 0 {
			return nil
		}
		return do(messages)
	}
	batches := make(chan []Message)
	workers := cmp.Or(r.Workers, scanWorkers)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for batch := range batches {
				if err := do(batch); err != nil && errs[w] == nil {
					errs[w] = err
				}
			}
		})
	}
	for batch := range slices.Chunk(messages, maxBatchEntries) {
		batches <- batch
	}
	close(batches)
	wg.Wait()
	return cmp.Or(errs...)
}

// changeBatch changes the visibility timeout of at most 10 messages. That one of them
// is gone or visible already is not an error.
func (q *Queue) changeBatch(ctx context.Context, c *sqs.Client, messages []Message, timeout time.Duration) error {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.handle, VisibilityTimeout: int32(timeout.Seconds())}
	}
	if _, err := c.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries}); err != nil {
		return q.failed("change visibility", err)
	}
	return nil
}

// refused returns an error for what a batch did not do.
func refused(q *Queue, op string, failed []types.BatchResultErrorEntry) error {
	if len(failed) == 0 {
		return nil
	}
	f := failed[0]
	return &Error{Queue: q.Name(), Op: op, Class: aws.ToString(f.Code), Err: fmt.Errorf("%d of a batch: %s", len(failed), cmp.Or(aws.ToString(f.Message), "refused"))}
}

// Held are messages that are kept invisible until Release.
type Held struct {
	r           *scan
	ctx         context.Context
	ended, kept chan struct{}
}

// Hold holds messages of the queue, and extends their visibility timeout.
func (q *Queue) Hold(ctx context.Context, visibility time.Duration) (*Held, error) {
	c, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	h := &Held{&scan{Scan: Scan{Visibility: visibility}, q: q, c: c, held: map[string]Message{}}, context.WithoutCancel(ctx), make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(h.kept)
		h.r.keep(h.ctx, h.ended)
	}()
	return h, nil
}

// Add holds messages that were received. It returns how many are held.
func (h *Held) Add(messages ...Message) int {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	for _, m := range messages {
		h.r.held[m.ID] = Message{ID: m.ID, handle: m.handle}
	}
	return len(h.r.held)
}

// Release makes the messages visible at once.
func (h *Held) Release() error {
	close(h.ended)
	<-h.kept
	ctx, end := context.WithTimeout(h.ctx, givingBack)
	defer end()
	return h.r.changeAll(ctx, slices.Collect(maps.Values(h.r.held)), 0)
}
