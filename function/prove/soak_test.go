package prove

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
	"sumoship/function/timeline"
	"sumoship/sumo/sumotest"
)

var (
	soak    = flag.Duration("soak", 6*time.Second, "how long TestSoak ships")
	rate    = flag.Int("rate", 20, "events a second that TestSoak ships")
	picture = flag.String("picture", "", "file for TestSoak's picture, in SVG")
)

// phases are what the source does in a soak, each for its share of the time.
var phases = []struct {
	name  string
	share float64
	steps []sumotest.Step // again and again
}{
	{name: "up", share: 0.2},
	{name: "503", share: 0.1, steps: []sumotest.Step{{Status: 503}}},
	{name: "up", share: 0.15},
	{name: "hangs", share: 0.1, steps: []sumotest.Step{{Kind: sumotest.Hang}}},
	{name: "every other reset", share: 0.15, steps: []sumotest.Step{{Kind: sumotest.Reset}, {Status: 200}}},
	{name: "429", share: 0.1, steps: []sumotest.Step{{Status: 429}}},
	{name: "up", share: 0.2},
}

// sample is a moment of a soak.
type sample struct {
	at                                time.Duration
	delivered, deadLettered, replayed int // log events, so far
	waiting                           int // messages in the queue
	forwarder, replay                 resources
}

// resources are what a process has.
type resources struct {
	resident    int64 // bytes
	descriptors int
}

func resourcesOf(f *lambdatest.Function) resources {
	resident, descriptors := f.Resources()
	return resources{resident, descriptors}
}

// Mixed traffic with faults leaves the functions as they were: memory, descriptors and
// goroutines do not grow, and every log event arrives.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("builds functions")
	}
	w := newWorld(t, *seed, straight)
	var delivered, deadLettered, replayed int
	counting := func(f *lambdatest.Function, event []byte) lambdatest.Result {
		if f == w.forwarder {
			w.mark(string(event)) // a request that hangs may have been stored
		}
		r := f.Invoke(event, timeout)
		var report ship.Report
		if err := json.Unmarshal(r.Payload, &report); err != nil && f == w.forwarder {
			t.Fatalf("%s: %s\n%s", r.ErrorType, r.Error, tail(f.Output()))
		}
		delivered += report.Confirmed
		deadLettered += report.DeadLettered
		return r
	}
	// Processes that have done each thing: an outage, and a batch of replay.
	once := func() {
		w.source.follow(slices.Repeat([]sumotest.Step{{Status: 503}}, 3)...)
		for range 12 {
			w.ship(counting)
		}
		w.source.follow()
		w.wake()
		for w.drain(soundly) {
		}
		replayed += w.source.stored()
	}
	once()
	goroutines := [2]int{w.forwarder.Goroutines(), w.replay.Goroutines()}
	once()
	var samples []sample
	var spans []timeline.Span
	begin := time.Now()
	end := 0.0
	for _, phase := range phases {
		from := end
		end += phase.share
		of := func(share float64) time.Duration { return time.Duration(share * float64(*soak)) }
		spans = append(spans, timeline.Span{From: of(from), To: of(end), Name: phase.name, Bad: phase.steps != nil})
		w.source.follow(slices.Repeat(phase.steps, 100_000)...)
		for next := time.Now(); time.Since(begin) < of(end); {
			for range *rate {
				w.ship(counting)
			}
			if phase.steps == nil {
				w.wake()
				stored := w.source.stored()
				for w.drain(soundly) {
				}
				replayed += w.source.stored() - stored
			}
			samples = append(samples, sample{
				time.Since(begin), delivered, deadLettered, replayed, len(w.queues.Messages("dead")), resourcesOf(w.forwarder), resourcesOf(w.replay),
			})
			next = next.Add(time.Second)
			time.Sleep(time.Until(next))
		}
	}
	w.account()
	t.Logf("%s: %d log events, %d delivered by the forwarder, %d dead-lettered, %d stored while replay ran, 0 lost",
		*soak, w.events, delivered, deadLettered, replayed)
	early, late := samples[len(samples)/5:len(samples)/2], samples[len(samples)*4/5:]
	flat := func(what string, margin func(int64) int64, of func(sample) int64) {
		by := func(a, b sample) int { return int(of(a) - of(b)) }
		a, b := of(slices.MaxFunc(early, by)), of(slices.MaxFunc(late, by))
		t.Logf("%s: at most %d in the second to fourth tenth, at most %d in the last two", what, a, b)
		if b > a+margin(a) {
			t.Errorf("%s grew from %d to %d", what, a, b)
		}
	}
	quarter := func(n int64) int64 { return n / 4 }
	connections := func(int64) int64 { return 12 } // of which replay has ten
	flat("memory of the forwarder, KB", quarter, func(s sample) int64 { return s.forwarder.resident >> 10 })
	flat("memory of replay, KB", quarter, func(s sample) int64 { return s.replay.resident >> 10 })
	flat("descriptors of the forwarder", connections, func(s sample) int64 { return int64(s.forwarder.descriptors) })
	flat("descriptors of replay", connections, func(s sample) int64 { return int64(s.replay.descriptors) })
	for i, f := range []*lambdatest.Function{w.forwarder, w.replay} {
		name, n := []string{"the forwarder", "replay"}[i], f.Goroutines()
		t.Logf("goroutines of %s: %d after its first events, %d at the end", name, goroutines[i], n)
		// Each connection has two, and replay has ten connections.
		if n > goroutines[i]+20 {
			t.Errorf("goroutines of %s grew from %d to %d\n%s", name, goroutines[i], n, tail(f.Output()))
		}
	}
	if *picture != "" {
		if err := os.WriteFile(*picture, draw(samples, spans), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// draw returns a picture of a soak.
func draw(samples []sample, spans []timeline.Span) []byte {
	p := timeline.Picture{Title: "A soak of " + soak.String() + ": what became of the log events", Spans: spans}
	for _, s := range samples {
		p.Moments = append(p.Moments, s.at)
	}
	line := func(name string, of func(sample) float64) timeline.Line {
		l := timeline.Line{Name: name}
		for _, s := range samples {
			l.Values = append(l.Values, of(s))
		}
		return l
	}
	p.Panels = []timeline.Panel{
		{Unit: "log events", Lines: []timeline.Line{
			line("delivered by the forwarder", func(s sample) float64 { return float64(s.delivered) }),
			line("dead-lettered", func(s sample) float64 { return float64(s.deadLettered) }),
			line("delivered by replay", func(s sample) float64 { return float64(s.replayed) }),
		}},
		{Unit: "messages", Lines: []timeline.Line{line("in the queue", func(s sample) float64 { return float64(s.waiting) })}},
		{Unit: "MB", Lines: []timeline.Line{
			line("memory of the forwarder", func(s sample) float64 { return float64(s.forwarder.resident) / (1 << 20) }),
			line("of replay", func(s sample) float64 { return float64(s.replay.resident) / (1 << 20) }),
		}},
		{Lines: []timeline.Line{
			line("open descriptors of the forwarder", func(s sample) float64 { return float64(s.forwarder.descriptors) }),
			line("of replay", func(s sample) float64 { return float64(s.replay.descriptors) }),
		}},
	}
	return p.SVG()
}
