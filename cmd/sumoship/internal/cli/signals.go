package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// grace is how long a verb may take to stop after a signal.
const grace = 800 * time.Millisecond

// signalled is the cause of a context that a signal ended.
type signalled struct{ signal syscall.Signal }

func (s *signalled) Error() string { return "interrupted" }

// status is that of a shell for a process that the signal killed.
func (s *signalled) status() int { return signalStatus + int(s.signal) }

// Main runs the command and ends the process with its exit status. SIGINT and
// SIGTERM end its context. A command that does not stop soon after that is not
// waited for, and a second signal ends it at once.
func Main(run func(ctx context.Context, args []string, s Streams) int) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) { // as a shell has it for what runs in the background
			signal.Notify(signals, s)
		}
	}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv})
	}()
	select {
	case status := <-done:
		os.Exit(status)
	case s := <-signals:
		why := &signalled{s.(syscall.Signal)}
		cancel(why)
		select {
		case status := <-done:
			os.Exit(status)
		case <-signals:
		case <-time.After(grace):
			said := make(chan bool)
			go func() { // standard error may be what does not go on
				fmt.Fprintln(os.Stderr, "sumoship: interrupted; what was under way may be done or not")
				close(said)
			}()
			select {
			case <-said:
			case <-time.After(100 * time.Millisecond):
			}
		}
		os.Exit(why.status())
	}
}

// Interrupted ends a verb because ctx has ended. The text says what was done and
// what was not; it may be "".
func Interrupted(ctx context.Context, format string, args ...any) Exit {
	status := signalStatus + int(syscall.SIGINT)
	if s, ok := errors.AsType[*signalled](context.Cause(ctx)); ok {
		status = s.status()
	}
	text := "interrupted"
	if format != "" {
		text += "; " + fmt.Sprintf(format, args...)
	}
	return Fail(status, errors.New(text))
}

// Reading returns a reader of what a pipe or a terminal gives, whose reads end as soon as
// ctx has ended.
func Reading(ctx context.Context, in io.Reader) io.Reader {
	return &reading{ctx: ctx, in: in, buffer: make([]byte, 64<<10)}
}

type reading struct {
	ctx    context.Context
	in     io.Reader
	buffer []byte // in is read into it, perhaps also after ctx has ended
	left   []byte // of it
	err    error  // after left
}

func (r *reading) Read(b []byte) (int, error) {
	if len(r.left) == 0 && r.err == nil {
		r.left, r.err = await(r.ctx, func() ([]byte, error) {
			n, err := r.in.Read(r.buffer)
			return r.buffer[:n], err
		})
	}
	n := copy(b, r.left)
	if r.left = r.left[n:]; len(r.left) > 0 {
		return n, nil
	}
	return n, r.err
}

// await returns what f returns, or an error as soon as ctx has ended: reading from
// a terminal or a pipe cannot be interrupted otherwise.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, Interrupted(ctx, "nothing was changed")
	}
}
