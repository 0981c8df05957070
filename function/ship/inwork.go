package ship

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"sumoship/dlq"
	"sumoship/transform"
)

const (
	// maxInWork bounds what the messages in work inflate to, in bytes, over all
	// workers of a batch or a drain. A message that inflates to more goes alone.
	maxInWork = 32 << 20
	// usualRatio is about how many times longer than its message a payload is.
	usualRatio = 8
	// maxReceived bounds the bytes of the messages that a drain has received and not
	// yet handled.
	maxReceived = 32 << 20
	// maxMessage is the size of the largest message of SQS.
	maxMessage = 1 << 20
	// keepDecoded is the size of a payload, in bytes, up to which the buffers that
	// hold it are kept for the next message: there is a decoder for each worker.
	keepDecoded = 2 << 20
)

// inWork calls try with the number of bytes that the payload of a message may inflate
// to, when there is room for as many. Its error is that of the context, if there was
// no room in time.
//
// A payload says itself what it inflates to. If try reports that it was more than it
// says, and than is usual, try is called again with all that is allowed.
func (r *run) inWork(m dlq.Message, try func(limit int64) (more bool)) error {
	return inWork(r.sending, r.room, m.Entry.Event, r.limit, try)
}

// inWork is that of a run, for an event that may inflate to most bytes.
func inWork(ctx context.Context, inWork *semaphore.Weighted, event []byte, most int64, try func(limit int64) (more bool)) error {
	limit := max(transform.SizeHint(event), int64(len(event))*usualRatio)
	for {
		limit = min(limit, most)
		room := min(limit, maxInWork)
		if err := inWork.Acquire(ctx, room); err != nil {
			return err
		}
		more := func() bool {
			defer inWork.Release(room)
			return try(limit)
		}()
		if !more || limit == most {
			return nil
		}
		limit = most
	}
}

// receive receives up to n messages, when there is room for as many of the largest.
// It returns how many bytes of them must be released after they are handled.
func (r *run) receive(n int, visibility time.Duration) (messages []dlq.Message, bytes int64, err error) {
	room := int64(n) * maxMessage
	if err := r.received.Acquire(r.sending, room); err != nil {
		return nil, 0, err
	}
	messages, err = r.inbox.Receive(r.sending, n, receiveWait, visibility)
	for _, m := range messages {
		bytes += int64(len(m.Body))
	}
	bytes = min(bytes, room)
	r.received.Release(room - bytes)
	return messages, bytes, err
}
