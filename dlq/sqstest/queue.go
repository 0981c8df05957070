package sqstest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxSize       = 1 << 20        // bytes: of a message, and of a batch
	maxVisibility = 12 * time.Hour // from the receive, with all changes
)

// queue is a standard queue. The server's lock guards it.
type queue struct {
	name        string
	maxSize     int
	visibility  time.Duration
	retention   time.Duration
	delay       time.Duration
	wait        time.Duration
	deadLetter  string // name; "" means no redrive policy
	maxReceives int
	other       map[string]string // attributes that are stored without an effect

	created, modified, purged time.Time

	messages []*message // in the order of arrival in this queue
	waiters  map[chan struct{}]bool
}

type message struct {
	id         string
	body       string
	bodyMD5    string
	attributes map[string]attribute

	sent          time.Time // kept by a redrive policy, not by a move task
	firstReceived time.Time
	received      time.Time // last; zero means never
	visibleAt     time.Time
	receives      int
	source        string // name of the queue whose redrive policy put it here
}

func newQueue(c Config) *queue {
	now := time.Now()
	q := &queue{
		name: c.Name, maxSize: c.MaxSize, visibility: c.Visibility, retention: c.Retention,
		deadLetter: c.DeadLetter, maxReceives: c.MaxReceives, other: map[string]string{},
		created: now, modified: now, waiters: map[chan struct{}]bool{},
	}
	if q.maxSize == 0 {
		q.maxSize = maxSize
	}
	if q.visibility == 0 {
		q.visibility = 30 * time.Second
	}
	if q.retention == 0 {
		q.retention = 4 * 24 * time.Hour
	}
	if q.deadLetter != "" && q.maxReceives == 0 {
		q.maxReceives = 10
	}
	return q
}

func (q *queue) url() string {
	return "https://sqs." + region + ".amazonaws.com/" + account + "/" + q.name
}
func (q *queue) arn() string { return arn(q.name) }

func arn(name string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + name }

// put adds a message and wakes the waiters.
func (q *queue) put(m *message) {
	q.messages = append(q.messages, m)
	q.wake()
}

func (q *queue) remove(m *message) {
	q.messages = slices.DeleteFunc(q.messages, func(other *message) bool { return other == m })
}

// expire drops the messages older than the retention period.
func (q *queue) expire(now time.Time) {
	old := func(m *message) bool { return !now.Before(m.sent.Add(q.retention)) }
	if slices.ContainsFunc(q.messages, old) {
		q.messages = slices.DeleteFunc(q.messages, old)
	}
}

func (m *message) visible(now time.Time) bool { return !now.Before(m.visibleAt) }

// delayed reports whether the delay after the send is not over yet.
func (m *message) delayed(now time.Time) bool { return !m.visible(now) && m.received.IsZero() }

// take receives up to limit messages. A message that has reached maxReceives goes
// to the dead-letter queue instead: only now, as in the service, and not when its
// last visibility timeout expires. If that queue does not exist it is received.
func (q *queue) take(now time.Time, limit int, visibility time.Duration, dead *queue) []*message {
	var got []*message
	for _, m := range slices.Clone(q.messages) {
		if len(got) == limit {
			break
		}
		if !m.visible(now) {
			continue
		}
		if dead != nil && m.receives >= q.maxReceives {
			q.remove(m)
			m.source, m.visibleAt = q.name, now
			dead.put(m)
			continue
		}
		m.receives++
		m.received, m.visibleAt = now, now.Add(visibility)
		if m.firstReceived.IsZero() {
			m.firstReceived = now
		}
		got = append(got, m)
	}
	return got
}

// next returns when the next message becomes visible; zero means never.
func (q *queue) next(now time.Time) time.Time {
	var next time.Time
	for _, m := range q.messages {
		if !m.visible(now) && (next.IsZero() || m.visibleAt.Before(next)) {
			next = m.visibleAt
		}
	}
	return next
}

// subscribe returns a channel that receives when the queue has changed. The waiter
// creates the channel, so that it belongs to the waiter's synctest bubble.
func (q *queue) subscribe() (changed chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	q.waiters[ch] = true
	return ch, func() { delete(q.waiters, ch) }
}

func (q *queue) wake() {
	for ch := range q.waiters {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// handle returns the receipt handle of the latest receive of m. It encodes the
// queue, the message and the number of the receive.
func (q *queue) handle(m *message) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Join([]string{q.name, m.id, strconv.Itoa(m.receives)}, "\x00")))
}

// lookup returns the message of a receipt handle, or nil if the message is gone,
// moved, or has been received again. A handle that this queue never issued is an
// error.
func (q *queue) lookup(handle string) (*message, error) {
	raw, err := base64.StdEncoding.DecodeString(handle)
	part := strings.Split(string(raw), "\x00")
	if err != nil || len(part) != 3 || part[0] != q.name {
		return nil, fail("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
	}
	for _, m := range q.messages {
		if m.id == part[1] && strconv.Itoa(m.receives) == part[2] {
			return m, nil
		}
	}
	return nil, nil
}
