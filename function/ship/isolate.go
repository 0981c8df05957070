package ship

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"sumoship/dlq"
	"sumoship/function"
	"sumoship/transform"
)

// A message can end the process that replays it: by a panic, without an end, or by
// what Lambda kills a function for. It is then put anew, isolated, and replayed alone
// from then on; after maxDeaths it is quarantined. Only what is certain counts as a
// death: how often a message was received says nothing, since an outage, a throttled
// function and whoever looks into the queue have it received too.
const (
	maxDeaths = 3
	// everyone is more than the number of workers.
	everyone = 1 << 20
)

// split returns the indexes of the messages that may be replayed together, and of
// those that are isolated, the likelier killers last.
func split(messages []dlq.Message) (together, alone []int) {
	for i, m := range messages {
		if m.Entry.Cause.Isolated {
			alone = append(alone, i)
		} else {
			together = append(together, i)
		}
	}
	slices.SortStableFunc(alone, func(i, j int) int {
		a, b := messages[i].Entry, messages[j].Entry
		return cmp.Or(cmp.Compare(a.Cause.Deaths, b.Cause.Deaths), cmp.Compare(transform.SizeHint(a.Event), transform.SizeHint(b.Event)))
	})
	return together, alone
}

// enter waits until a message may be replayed: alone if it is isolated. It returns
// nil if there is not enough time for it, or the run has stopped. An isolated message
// has at least half of the invocation, so that it can be told from one that is late.
func (r *run) enter(m dlq.Message) (release func()) {
	if r.stopped() || r.pace.wait(r.sending) != nil {
		return nil
	}
	share := int64(1)
	if m.Entry.Cause.Isolated {
		share = everyone
	}
	if r.alone.Acquire(r.sending, share) != nil {
		return nil
	}
	deadline, ok := r.sending.Deadline()
	if r.stopped() || ok && m.Entry.Cause.Isolated && time.Until(deadline) < deadline.Sub(r.start)/2 {
		r.alone.Release(share)
		return nil
	}
	return func() { r.alone.Release(share) }
}

var errOverrun = errors.New("a message did not end when its time was over")

// outcome is what became of a message that was tried.
type outcome struct {
	disposition disposition
	report      Report
	stop        error // why no other message has a chance either
}

// Who decides what becomes of a message.
const (
	nobody int32 = iota
	worker
	watchdog
)

// watched tries a message. A panic is the fault of the message, and one that goes on
// after its time is given up.
func (r *run) watched(m dlq.Message) outcome {
	end := r.journal.begin(m)
	defer end()
	r.comeBackSoon(m)
	var owner atomic.Int32
	try := func() (o outcome) {
		defer func() {
			if v := recover(); v != nil && (owner.CompareAndSwap(nobody, worker) || owner.Load() == worker) {
				o = r.panicked(m, v)
			}
		}()
		return r.attempt(m, func() bool { return owner.CompareAndSwap(nobody, worker) })
	}
	if r.overdue.IsZero() {
		return try()
	}
	done := make(chan outcome, 1)
	go func() { done <- try() }()
	timer := time.NewTimer(time.Until(r.overdue))
	defer timer.Stop()
	select {
	case o := <-done:
		return o
	case <-timer.C:
	}
	if !owner.CompareAndSwap(nobody, watchdog) {
		return <-done // it is putting what is left into the queue, which has an end
	}
	r.overran.Store(true)
	deaths := 0
	if m.Entry.Cause.Isolated {
		deaths = 1 // others may have held up one that was not alone
	}
	o := r.isolate(m, deaths, errOverrun)
	o.stop = errOverrun
	return o
}

// comeBackSoon shortens the visibility timeout of a message that may kill replay to
// the time that replay has, so that it is received again while the execution
// environment that knows of its death is still there.
func (r *run) comeBackSoon(m dlq.Message) {
	deadline, ok := r.saving.Deadline()
	if !ok || r.journal == nil || !m.Entry.Cause.Isolated && (m.Receives < 2 || !r.fresh) {
		return
	}
	if err := r.inbox.ChangeVisibility(r.saving, m, time.Until(deadline)+time.Minute); err != nil {
		r.out.Log.Warn("the visibility timeout of a message could not be shortened", "error", err)
	}
}

// panicked takes a message whose attempt panicked. The value of the panic may be
// what a log must not have: only Go's own errors are quoted.
func (r *run) panicked(m dlq.Message, v any) outcome {
	err := fmt.Errorf("panic with a value of type %T", v)
	if known, ok := v.(runtime.Error); ok {
		err = fmt.Errorf("panic: %w", known)
	}
	r.out.Log.Error("a message panicked", "message", m.ID, "error", err, "stack", string(debug.Stack()))
	return r.isolate(m, 1, err)
}

// isolate puts a message anew, to be replayed alone, with so many deaths more.
func (r *run) isolate(m dlq.Message, deaths int, why error) outcome {
	o := outcome{kept, Report{Left: -1, Events: 1, DeadLettered: 1}, nil}
	o.report.failed(Killed, why, 1)
	r.out.Log.Error("a message may have killed replay", "message", m.ID, "logGroup", m.Entry.Cause.LogGroup, "deaths", m.Entry.Cause.Deaths+deaths, "error", why)
	if r.putAnew(m, deaths) {
		o.disposition = isolated
	}
	return o
}

// putAnew puts a message into the queue as a new one, isolated. It reports whether it
// is there.
func (r *run) putAnew(m dlq.Message, deaths int) bool {
	if r.queue == nil {
		return false
	}
	e := m.Entry
	e.Cause.Isolated, e.Cause.Deaths = true, e.Cause.Deaths+deaths
	if _, err := r.queue.Put(r.saving, []dlq.Entry{e}); err != nil {
		r.out.Log.Warn("a message that may have killed replay stays as it is, since it could not be put anew", "message", m.ID, "error", err)
		return false
	}
	return true
}

// bury quarantines a message that has killed replay too often. Without a quarantine
// queue it stays, untouched, until its redrive policy moves it.
func (r *run) bury(m dlq.Message) outcome {
	report := Report{Left: -1, Events: 1}
	cause := m.Entry.Cause
	err := fmt.Errorf("killed replay %d times", cause.Deaths)
	report.failed(Killed, err, 1)
	cause.Class, cause.Message, cause.Isolated, cause.Deaths = Killed, err.Error(), false, 0
	if !r.quarantine(m, cause) {
		report.DeadLettered = 1
		return outcome{kept, report, nil}
	}
	report.Quarantined = 1
	return outcome{quarantined, report, nil}
}

// mourn takes the messages that were in work when an earlier process of this
// execution environment died, as far as nobody else has received them since.
func (r *run) mourn() {
	for _, f := range r.journal.left() {
		if f.passed || r.inbox.ChangeVisibility(r.saving, f.message, mourning) != nil {
			f.passed = true
			r.journal.keep(f) // it may come
			continue
		}
		o := r.bereaved(f.message)
		if o.disposition != isolated {
			r.journal.keep(f)
			continue
		}
		f.remove()
		if err := r.inbox.Delete(r.saving, f.message); err != nil {
			r.out.Log.Error("a message that was put anew could not be deleted", "error", err)
		}
		r.report.Add(o.report)
	}
}

// bereaved isolates a message that was in work when a process died: of it, if it was
// alone.
func (r *run) bereaved(m dlq.Message) outcome {
	deaths := 0
	if m.Entry.Cause.Isolated {
		deaths = 1
	}
	return r.isolate(m, deaths, errDied)
}

var errDied = errors.New("replay died with it in work")

// mourning is the visibility timeout of a message while it is put anew.
const mourning = 2 * time.Minute

// giveBack does for a batch in which a message was given up what Lambda will not, since
// the invocation fails: it deletes the messages that are done, and gives back at once
// those that the message has held up.
func (r *run) giveBack(messages []dlq.Message, dispositions []disposition) {
	for i, d := range dispositions {
		var err error
		switch {
		case d == untried:
			err = r.inbox.ChangeVisibility(r.saving, messages[i], 0)
		case d.done() && !r.deletes:
			err = r.inbox.Delete(r.saving, messages[i])
		}
		if err != nil {
			r.out.Log.Error("a message comes again later than it could, or twice", "message", messages[i].ID, "error", err)
		}
	}
}

// reportAge writes the age of the oldest message before work begins, if one was
// received before, so that alarms see it even if replay does not survive.
func (r *run) reportAge(messages []dlq.Message) {
	age, before := 0, false
	for _, m := range messages {
		age = max(age, ageOf(m))
		before = before || m.Receives > 1 || m.Entry.Cause.Isolated
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if before && age > r.aged {
		r.aged = age
		r.out.Metrics([]function.Metric{function.Seconds("MessageAge", int64(age))})
	}
}
