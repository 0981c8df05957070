package prove

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sumoship/function/awstest/lambdatest"
	"sumoship/function/ship"
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
	steps []sumotest.Step // again and again; none works
}{
	{name: "sound", share: 0.2},
	{name: "503", share: 0.1, steps: []sumotest.Step{{Status: 503}}},
	{name: "sound", share: 0.15},
	{name: "hangs", share: 0.1, steps: []sumotest.Step{{Kind: sumotest.Hang}}},
	{name: "every other request is reset", share: 0.15, steps: []sumotest.Step{{Kind: sumotest.Reset}, {Status: 200}}},
	{name: "429", share: 0.1, steps: []sumotest.Step{{Status: 429}}},
	{name: "sound", share: 0.2},
}

// sample is a moment of a soak.
type sample struct {
	at                                time.Duration
	delivered, deadLettered, replayed int   // log events, so far
	waiting                           int   // messages in the queue
	resident                          int64 // bytes, of the forwarder
	descriptors                       int   // of the forwarder
}

// Mixed traffic with faults leaves the function as it was: memory and descriptors
// do not grow, and every log event arrives.
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
	var samples []sample
	begin := time.Now()
	end := 0.0
	for _, phase := range phases {
		end += phase.share
		w.source.follow(slices.Repeat(phase.steps, 100_000)...)
		for next := time.Now(); time.Since(begin).Seconds() < end*soak.Seconds(); {
			for range *rate {
				w.ship(counting)
			}
			w.wake()
			stored := w.source.stored()
			for len(phase.steps) == 0 && w.drain(soundly) {
			}
			replayed += w.source.stored() - stored
			resident, descriptors := w.forwarder.Resources()
			samples = append(samples, sample{
				time.Since(begin), delivered, deadLettered, replayed, len(w.queues.Messages("dead")), resident, descriptors,
			})
			next = next.Add(time.Second)
			time.Sleep(time.Until(next))
		}
	}
	w.account()
	first, last := samples[len(samples)/5:len(samples)/2], samples[len(samples)*4/5:]
	most := func(s []sample, of func(sample) int64) int64 {
		return of(slices.MaxFunc(s, func(a, b sample) int { return int(of(a) - of(b)) }))
	}
	resident := func(s sample) int64 { return s.resident }
	descriptors := func(s sample) int64 { return int64(s.descriptors) }
	t.Logf("%s: %d log events, %d delivered, %d dead-lettered, %d replayed; memory %d to %d KB, descriptors %d to %d",
		*soak, w.events, delivered, deadLettered, replayed, most(first, resident)>>10, most(last, resident)>>10, most(first, descriptors), most(last, descriptors))
	if a, b := most(first, resident), most(last, resident); b > a+a/4 {
		t.Errorf("memory grew from %d to %d KB", a>>10, b>>10)
	}
	if a, b := most(first, descriptors), most(last, descriptors); b > a+4 {
		t.Errorf("open descriptors grew from %d to %d", a, b)
	}
	if *picture != "" {
		if err := os.WriteFile(*picture, []byte(draw(samples)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// draw returns a picture of a soak: log events over time, and what the source did.
func draw(samples []sample) string {
	const width, height, left, top = 760.0, 300.0, 70.0, 30.0
	last := samples[len(samples)-1]
	most := float64(max(last.delivered, last.deadLettered, last.replayed, 1))
	x := func(at time.Duration) float64 { return left + width*at.Seconds()/last.at.Seconds() }
	y := func(n int) float64 { return top + height*(1-float64(n)/most) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n", left+width+20, top+height+70)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	begin := 0.0
	for _, phase := range phases {
		at := left + width*begin
		if len(phase.steps) > 0 {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#fbe9e7"/>`+"\n", at, top, width*phase.share, height)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" font-size="10" fill="#555">%s</text>`+"\n", at+3, top-8, strings.ReplaceAll(phase.name, "every other request is reset", "half reset"))
		begin += phase.share
	}
	fmt.Fprintf(&b, `<path d="M%.1f %.1fV%.1fH%.1f" fill="none" stroke="#333"/>`+"\n", left, top, top+height, left+width)
	for i := range 5 {
		n := int(most * float64(i) / 4)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end">%d</text>`+"\n", left-6, y(n)+4, n)
		at := last.at * time.Duration(i) / 4
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x(at), top+height+18, at.Round(time.Second))
	}
	for i, line := range []struct {
		name, colour string
		of           func(sample) int
	}{
		{"delivered by the forwarder", "#1565c0", func(s sample) int { return s.delivered }},
		{"dead-lettered", "#c62828", func(s sample) int { return s.deadLettered }},
		{"delivered by replay", "#2e7d32", func(s sample) int { return s.replayed }},
	} {
		points := make([]string, len(samples))
		for i, s := range samples {
			points[i] = fmt.Sprintf("%.1f,%.1f", x(s.at), y(line.of(s)))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), line.colour)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="%s">%s, log events</text>`+"\n", left+float64(i)*230, top+height+44, line.colour, line.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
