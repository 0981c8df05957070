package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sumoship/function/timeline"
)

// Run is a simulation from the first event until the queue is empty.
type Run struct {
	Config
	Length   time.Duration      // events arrive for so long
	Progress func(part float64) // is told how much of Length has passed; nil means nobody
}

// Patience bounds the wait for the queue to be empty after the last event. After it SQS
// has dropped what was in there.
const Patience = 15 * 24 * time.Hour

// samples is the number of moments in a result's picture, about.
const samples = 400

// Result is what a run found. Times are in seconds since its start.
type Result struct {
	Seed     uint64   `json:"seed"`
	Events   int      `json:"events"`
	Fates    Fates    `json:"fates"`
	Delays   Delays   `json:"delays"`
	Empty    float64  `json:"empty"` // when no message was in the queue any more, after the last event; 0 if that was not within Patience
	Requests int      `json:"requests"`
	Periods  []Period `json:"periods"`

	picture timeline.Picture
}

// Fates are what became of events. Each is in one of them, but for Twice.
type Fates struct {
	Delivered   int `json:"delivered"`   // by the forwarder
	Replayed    int `json:"replayed"`    // dead-lettered, and then delivered by replay
	Waiting     int `json:"waiting"`     // in the dead-letter queue
	Quarantined int `json:"quarantined"` // in the quarantine queue
	Lost        int `json:"lost"`        // nowhere
	Twice       int `json:"twice"`       // delivered more than once; they are in the others too
}

// All returns how many events there are.
func (f Fates) All() int { return f.Delivered + f.Replayed + f.Waiting + f.Quarantined + f.Lost }

// Delays are how long events took from their arrival to the source.
type Delays struct {
	Delivered Delay `json:"delivered"`
	Replayed  Delay `json:"replayed"`
}

// Delay describes the delays of many events, in seconds.
type Delay struct {
	Median  float64 `json:"median"`
	P99     float64 `json:"p99"`
	Longest float64 `json:"longest"`
}

// Period is a part of a run in which the source did one thing. The fates are those of the
// events that arrived in it.
type Period struct {
	Source     string  `json:"source"` // up, or what it did
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	Fates      Fates   `json:"fates"`
	Longest    float64 `json:"longest"`    // delay of one of these events
	Requests   int     `json:"requests"`   // to the source, in that time
	Forwarders float64 `json:"forwarders"` // executions at once, on average
	Depth      int     `json:"depth"`      // of the dead-letter queue, at its end
}

// SVG returns a picture of the run.
func (r Result) SVG() []byte { return r.picture.SVG() }

// Simulate runs in virtual time of its own. Whoever calls it must not use the standard
// output meanwhile. If ctx ends, its error is that of ctx.
func (r Run) Simulate(ctx context.Context) (result Result, err error) {
	if e := bubble(func() { result, err = r.simulate(ctx) }); e != nil {
		return Result{}, e
	}
	return result, err
}

// simulate runs in a bubble.
func (r Run) simulate(ctx context.Context) (Result, error) {
	f := New(r.Config)
	f.Start()
	out := Result{Seed: r.Seed}
	each := max(time.Minute, (r.Length / samples).Round(time.Second))
	delivered, dead, replayed := timeline.Line{Name: "delivered by the forwarder"}, timeline.Line{Name: "dead-lettered"}, timeline.Line{Name: "delivered by replay"}
	depth, executions := timeline.Line{Name: "in the dead-letter queue"}, timeline.Line{Name: "forwarders at once, on average"}
	last := f.Totals()
	sample := func() {
		t, d := f.Totals(), f.Depth()
		out.picture.Moments = append(out.picture.Moments, t.At)
		add := func(l *timeline.Line, v float64) { l.Values = append(l.Values, v) }
		add(&delivered, float64(t.Delivered))
		add(&dead, float64(t.DeadLettered))
		add(&replayed, float64(t.Replayed))
		add(&depth, float64(d))
		add(&executions, (t.Forwarding-last.Forwarding).Seconds()/max(1, (t.At-last.At).Seconds()))
		last = t
	}
	periods := r.periods()
	begun := f.Totals()
	end := func(p *Period) {
		t := f.Totals()
		p.To, p.Depth = t.At.Seconds(), f.Depth()
		p.Requests = t.Requests - begun.Requests
		p.Forwarders = (t.Forwarding - begun.Forwarding).Seconds() / max(1, (t.At-begun.At).Seconds())
		begun = t
	}
	next := time.Duration(0)
	for i := range periods {
		until := r.Length
		if i+1 < len(periods) {
			until = seconds(periods[i+1].From)
		}
		for f.now() < until && ctx.Err() == nil {
			if f.now() >= next {
				sample()
				next += each
				if r.Progress != nil {
					r.Progress(f.now().Seconds() / r.Length.Seconds())
				}
			}
			time.Sleep(min(next, until) - f.now())
		}
		end(&periods[i])
	}
	f.EndArrivals()
	var drain []Period
	if f.Depth() > 0 {
		drain = []Period{{Source: "no more events", From: f.now().Seconds()}}
	}
	for stop := f.now() + Patience; f.now() < stop && ctx.Err() == nil; {
		if f.Depth() == 0 {
			out.Empty = f.now().Seconds()
			break
		}
		if f.now() >= next {
			sample()
			next = f.now() + each
		}
		time.Sleep(time.Minute)
	}
	sample()
	for i := range drain {
		end(&drain[i])
	}
	fates := f.fates()
	if err := f.Stop(); err != nil {
		return Result{}, err
	}
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	for i := range periods {
		p := &periods[i]
		events := f.between(seconds(p.From), seconds(p.To))
		p.Fates = fates.count(events)
		for _, e := range events {
			if e.copies > 0 {
				p.Longest = max(p.Longest, (e.stored - e.arrived).Seconds())
			}
		}
	}
	out.Periods = append(periods, drain...)
	out.Events, out.Fates, out.Requests = len(f.events), fates.count(f.events), last.Requests
	out.Delays.Delivered = delays(f.events, false)
	out.Delays.Replayed = delays(f.events, true)
	out.picture.Title = fmt.Sprintf("%d log events, seed %d: what became of them", out.Events, r.Seed)
	out.picture.Panels = []timeline.Panel{
		{Unit: "log events", Lines: []timeline.Line{delivered, dead, replayed}},
		{Unit: "messages", Lines: []timeline.Line{depth}},
		{Lines: []timeline.Line{executions}},
	}
	for _, p := range out.Periods {
		out.picture.Spans = append(out.picture.Spans, timeline.Span{From: seconds(p.From), To: seconds(p.To), Name: p.Source, Bad: p.bad()})
	}
	return out, nil
}

// bad reports whether the source failed.
func (p Period) bad() bool { return p.Source != up && p.Source != "no more events" }

const up = "up"

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// periods returns the parts of the run's length between the ends of the windows.
func (r Run) periods() []Period {
	ends := []time.Duration{0}
	for _, w := range r.Schedule.Windows {
		ends = append(ends, w.From, w.To)
	}
	ends = slices.DeleteFunc(ends, func(d time.Duration) bool { return d >= r.Length })
	slices.Sort(ends)
	ends = slices.Compact(ends)
	periods := make([]Period, len(ends))
	for i, at := range ends {
		var names []string
		for _, w := range r.Schedule.Windows {
			if w.In(at) {
				names = append(names, w.Name)
				if w.Each == 1 {
					break // those after it never apply
				}
			}
		}
		periods[i] = Period{Source: cmp.Or(strings.Join(names, ", "), up), From: at.Seconds()}
	}
	return periods
}

// between returns the events that arrived in a time.
func (f *Fleet) between(from, to time.Duration) []event {
	by := func(e event, at time.Duration) int { return cmp.Compare(e.arrived, at) }
	first, _ := slices.BinarySearchFunc(f.events, from, by)
	last, _ := slices.BinarySearchFunc(f.events, to, by)
	return f.events[first:last]
}

// held are the numbers of the events that are in queues.
type held struct{ waiting, quarantined map[int]bool }

// fates returns the events in the queues.
func (f *Fleet) fates() held {
	f.turns.take("")
	in := func(name string) map[int]bool {
		numbers := map[int]bool{}
		for _, m := range f.sqs.Messages(name) {
			n, err := number(m.Body)
			if err != nil {
				f.fail(fmt.Errorf("queue %s: %w", name, err))
			}
			numbers[n] = true
		}
		return numbers
	}
	return held{in("dead"), in("quarantine")}
}

// count counts the fates of events.
func (h held) count(events []event) (f Fates) {
	for _, e := range events {
		switch {
		case e.copies > 0 && e.replayed:
			f.Replayed++
		case e.copies > 0:
			f.Delivered++
		case h.waiting[e.number]:
			f.Waiting++
		case h.quarantined[e.number]:
			f.Quarantined++
		default:
			f.Lost++
		}
		if e.copies > 1 {
			f.Twice++
		}
	}
	return f
}

// Fates returns what became of the events of a fleet so far.
func (f *Fleet) Fates() Fates {
	h := f.fates()
	f.mu.Lock()
	defer f.mu.Unlock()
	return h.count(f.events)
}

func delays(events []event, replayed bool) Delay {
	var all []time.Duration
	for _, e := range events {
		if e.copies > 0 && e.replayed == replayed {
			all = append(all, e.stored-e.arrived)
		}
	}
	if len(all) == 0 {
		return Delay{}
	}
	slices.Sort(all)
	return Delay{all[len(all)/2].Seconds(), all[len(all)*99/100].Seconds(), all[len(all)-1].Seconds()}
}
