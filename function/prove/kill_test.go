package prove

import (
	"flag"
	"testing"
	"time"

	"sumoship/function/awstest/lambdatest"
	"sumoship/sumo/sumotest"
)

var (
	runs = flag.Int("runs", 80, "how many events TestKilledFunctionsLoseNothing ships")
	seed = flag.Uint64("seed", 1, "of the random choices")
)

// Functions that are killed and frozen at random moments, with a source that fails
// at random, lose nothing. Promises 1, 2, 4 and 6.
func TestKilledFunctionsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions and kills them")
	}
	w := newWorld(t, *seed, straight)
	w.forwarder.Memory(128 << 20) // as Lambda would at its smallest
	w.replay.Memory(128 << 20)
	calls, killed := 0, 0
	roughly := func(f *lambdatest.Function, event []byte) lambdatest.Result {
		calls++
		switch w.rng.IntN(4) {
		case 0:
			return f.Invoke(event, timeout)
		case 1:
			f.Freeze(time.Duration(w.rng.IntN(30)) * time.Millisecond)
			return f.Invoke(event, timeout)
		}
		// A start takes 10 ms, and an invocation half of that unless it waits for a retry.
		r := f.InvokeKilled(event, timeout, time.Duration(w.rng.IntN(15_000))*time.Microsecond)
		if r.ErrorType == died {
			killed++
		}
		return r
	}
	for run := range *runs {
		w.source.follow(w.faults()...)
		w.ship(roughly)
		if run%4 == 3 {
			w.wake()
			w.drain(roughly)
		}
	}
	twice := w.account()
	t.Logf("%d events in %d invocations, %d of them killed; %d log events, 0 lost; stored again: %d whose reply was lost, %d with which a function was killed",
		*runs, calls, killed, w.events, twice.replyLost, twice.killed)
	if killed == 0 {
		t.Error("no function was killed in its work")
	}
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
