package ship

import (
	"context"
	"sync"
	"time"
)

// pace spaces out the messages of replay when the source throttles, so that live
// traffic, which cannot wait, has its share. The zero value does not.
type pace struct {
	mu       sync.Mutex
	interval time.Duration // between the starts of two messages
	next     time.Time     // the start of the next one
}

// Bounds of the interval. Each environment of replay has its own.
const (
	minInterval = 20 * time.Millisecond
	maxInterval = 10 * time.Second
)

// learn doubles the interval after a batch that was throttled, and shortens it
// by a tenth after one that was not.
func (p *pace) learn(throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case throttled:
		p.interval = min(max(2*p.interval, minInterval), maxInterval)
	case p.interval <= minInterval:
		p.interval = 0
	default:
		p.interval = p.interval * 9 / 10
	}
}

// wait waits for the turn of a message.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	turn := p.next
	p.next = p.next.Add(p.interval)
	p.mu.Unlock()
	if turn.Equal(now) {
		return nil
	}
	select {
	case <-time.After(turn.Sub(now)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
