package prove

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sumoship/function/awstest/lambdatest"
	"sumoship/sumo/sumotest"
)

var (
	runs = flag.Int("runs", 80, "how many events TestKilledFunctionsLoseNothing ships, and records TestKilledStreamsLoseNothing")
	seed = flag.Uint64("seed", 1, "of the random choices")
)

// Functions that are killed and frozen, at random and in the middle of their calls, with
// a source that fails at random, lose nothing. Promises 1, 2, 4 and 6.
func TestKilledFunctionsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions and kills them")
	}
	w := newWorld(t, *seed, straight)
	w.forwarder.Memory(128 << 20) // as Lambda would at its smallest
	w.replay.Memory(128 << 20)
	r := rough{w: w, deaths: map[string]int{}}
	for run := range *runs {
		w.source.follow(w.faults()...)
		w.ship(r.call)
		if run%4 == 3 {
			w.wake()
			w.drain(r.call)
		}
	}
	twice := w.account()
	t.Logf("%d events in %s; %d log events, 0 lost; stored again: %d whose reply was lost, %d with which a function was killed",
		*runs, r, w.events, twice.replyLost, twice.killed)
	r.check()
}

// rough calls functions as a bad day does: it freezes them, kills them, and gives them
// too little time.
type rough struct {
	w              *world
	calls, freezes int
	deaths         map[string]int // by moment
}

func (r *rough) call(f *lambdatest.Function, event []byte) lambdatest.Result {
	r.calls++
	rng := r.w.rng
	var result lambdatest.Result
	moment := ""
	switch rng.IntN(8) {
	case 0, 1:
		result = f.Invoke(event, timeout)
	case 2:
		r.freezes++
		f.Freeze(time.Duration(rng.IntN(30)) * time.Millisecond)
		result = f.Invoke(event, timeout)
	case 3:
		// It starts to give up before its time is over, unless it has too little even for that.
		moment = "out of time"
		result = f.Invoke(event, time.Duration(1+rng.IntN(40))*time.Millisecond)
	case 4, 5:
		// A start takes 10 ms, and an invocation half of that unless it waits for a retry.
		moment = "at a random moment"
		now := make(chan struct{})
		timer := time.AfterFunc(time.Duration(rng.IntN(15_000))*time.Microsecond, func() { close(now) })
		result = f.InvokeKilled(event, timeout, now)
		timer.Stop()
	default:
		call, after := []string{post, sendMessage}[rng.IntN(2)], rng.IntN(2) == 0
		moment = "during " + call
		if after {
			moment = "after " + call + " was carried out, before its answer"
		}
		result = f.InvokeKilled(event, timeout, r.w.trap.set(call, after))
		r.w.trap.set("", false)
	}
	r.w.hurried = moment == "out of time"
	if killed(result) {
		r.deaths[moment]++
	}
	return result
}

func (r rough) String() string {
	var by []string
	n := 0
	for _, moment := range slices.Sorted(maps.Keys(r.deaths)) {
		n += r.deaths[moment]
		by = append(by, fmt.Sprintf("%d %s", r.deaths[moment], moment))
	}
	return fmt.Sprintf("%d invocations, %d of them frozen before, %d killed (%s)", r.calls, r.freezes, n, strings.Join(by, ", "))
}

// check asks for deaths of several kinds, in a long run of each, or nothing was tried.
func (r rough) check() {
	r.w.t.Helper()
	want := 3
	if *runs >= 500 {
		want = 6
	}
	if len(r.deaths) < want {
		r.w.t.Errorf("deaths of %d kinds, want %d", len(r.deaths), want)
	}
}

// The calls in which a function can be killed.
const (
	post        = "POST"
	sendMessage = "SendMessage"
)

// trap stands before servers and has a function killed in the middle of a call.
type trap struct {
	mu     sync.Mutex
	call   string // "" if it is not set
	after  bool   // the call is carried out first
	moment chan struct{}
}

// set has the next call of that name end with the returned moment, and without an answer.
func (t *trap) set(call string, after bool) (moment <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.call, t.after, t.moment = call, after, make(chan struct{})
	return t.moment
}

func (t *trap) before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := post
		if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
			call = strings.TrimSuffix(operation, "Batch")
		}
		t.mu.Lock()
		caught, after, moment := call == t.call, t.after, t.moment
		if caught {
			t.call = ""
		}
		t.mu.Unlock()
		if !caught {
			h.ServeHTTP(w, r)
			return
		}
		if after {
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		close(moment)
		_, _ = io.Copy(io.Discard, r.Body) // which breaks off
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// faults returns how the source fails the next requests, if at all.
func (w *world) faults() []sumotest.Step {
	kinds := []sumotest.Step{
		{Status: 503}, {Status: 429}, {Status: 429, RetryAfter: "1"}, {Status: 408}, {Status: 401}, {Status: 500},
		{Kind: sumotest.Reset}, {Kind: sumotest.Lost}, {Kind: sumotest.Hang},
	}
	var steps []sumotest.Step
	for range w.rng.IntN(5) {
		steps = append(steps, kinds[w.rng.IntN(len(kinds))])
	}
	return steps
}

func straight(address string) string { return address }
