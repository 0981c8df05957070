package sumotest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Schedule is how a source fails: request by request, and by the time.
type Schedule struct {
	Steps   []Step // of the first requests, in order
	Windows []Window
}

// Window is how the source responds for a while. Of windows that overlap, the first
// that applies to a request counts.
type Window struct {
	Name     string // such as 503/2
	Step     Step
	Each     int           // only to each so-manieth request; 1 means to all
	From, To time.Duration // since the start; a To of Forever means to the end
}

// Forever is the To of a window that does not end.
const Forever = time.Duration(1<<63 - 1)

// In reports whether the window is open at a time since the start.
func (w Window) In(at time.Duration) bool { return at >= w.From && at < w.To }

// String returns the window as ParseSchedule takes it.
func (w Window) String() string {
	if w.To == Forever {
		return fmt.Sprintf("%s@%s..", w.Name, w.From)
	}
	return fmt.Sprintf("%s@%s..%s", w.Name, w.From, w.To)
}

const (
	maxCount = 1_000_000
	kinds    = "a status from 200 to 599, reset, lost, hang or slow"
)

// ParseSchedule parses a schedule: words, separated by commas. Each says what the source
// does: a status from 200 to 599, reset (before the data is stored), lost (after), hang,
// or slow (it answers after SlowAnswer). Without more it is for one request, and
//
//	503x20         for 20 requests
//	503@2h..5h     from two hours after the start to five
//	hang@1d..      from then on; units are d, h, m, s and ms
//	503/2@2h..5h   for each second request in that time
//
// The words without a time are for the first requests, in order. Spaces around words do
// not matter. The error says which word is wrong, and what would be right.
func ParseSchedule(schedule string) (Schedule, error) {
	var s Schedule
	for i, word := range strings.Split(schedule, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		var err error
		if before, when, timed := strings.Cut(word, "@"); timed {
			var w Window
			if w, err = parseWindow(before, when); err == nil {
				s.Windows = append(s.Windows, w)
			}
		} else {
			var steps []Step
			if steps, err = parseSteps(word); err == nil {
				s.Steps = append(s.Steps, steps...)
			}
			if err == nil && len(s.Steps) > maxCount {
				err = fmt.Errorf("with it there are %d requests; want at most %d", len(s.Steps), maxCount)
			}
		}
		if err != nil {
			return Schedule{}, fmt.Errorf("step %d, %q: %w", i+1, word, err)
		}
	}
	return s, nil
}

// ParseScript parses a schedule without times, such as 503x3,429,reset,hang.
func ParseScript(script string) ([]Step, error) {
	s, err := ParseSchedule(script)
	if err != nil {
		return nil, err
	}
	if len(s.Windows) > 0 {
		return nil, fmt.Errorf("%s is by the time, and no time passes here; want a number of requests, such as 503x20", s.Windows[0].Name+"@…")
	}
	return s.Steps, nil
}

func parseSteps(word string) ([]Step, error) {
	what, times, repeated := strings.Cut(word, "x")
	n := 1
	if repeated {
		var err error
		if n, err = strconv.Atoi(times); err != nil || n < 1 || n > maxCount {
			return nil, fmt.Errorf("want a count from 1 to %d after the x", maxCount)
		}
	}
	if _, _, parted := strings.Cut(what, "/"); parted {
		return nil, fmt.Errorf("a part of the requests needs a time, such as %s@2h..5h", what)
	}
	step, err := parseKind(what)
	if err != nil {
		return nil, fmt.Errorf("%w, each optionally with a count such as x3", err)
	}
	steps := make([]Step, n)
	for i := range steps {
		steps[i] = step
	}
	return steps, nil
}

func parseKind(what string) (Step, error) {
	switch k := Kind(what); k {
	case Reset, Lost, Hang, Slow:
		return Step{Kind: k}, nil
	}
	if status, err := strconv.Atoi(what); err == nil && status >= 200 && status <= 599 {
		return Step{Status: status}, nil
	}
	return Step{}, fmt.Errorf("want %s", kinds)
}

func parseWindow(name, when string) (Window, error) {
	w := Window{Name: name, Each: 1}
	what, part, parted := strings.Cut(name, "/")
	if parted {
		var err error
		if w.Each, err = strconv.Atoi(part); err != nil || w.Each < 2 || w.Each > maxCount {
			return Window{}, fmt.Errorf("want a number from 2 after the /: 503/2 fails each second request")
		}
	}
	var err error
	if w.Step, err = parseKind(what); err != nil {
		if strings.Contains(what, "x") {
			return Window{}, fmt.Errorf("want a count or a time, not both: 503x20, or 503@2h..5h")
		}
		return Window{}, fmt.Errorf("%w before the @", err)
	}
	from, to, ranged := strings.Cut(when, "..")
	if !ranged {
		return Window{}, fmt.Errorf("want two times after the @, such as @2h..5h, or @2h.. for from then on")
	}
	if w.From, err = parseTime(from); err != nil {
		return Window{}, err
	}
	if w.To = Forever; strings.TrimSpace(to) != "" {
		if w.To, err = parseTime(to); err != nil {
			return Window{}, err
		}
	}
	if w.To <= w.From {
		return Window{}, fmt.Errorf("it ends at %s, before it begins", strings.TrimSpace(to))
	}
	return w, nil
}

var (
	timeOf  = regexp.MustCompile(`^(?:\d+(?:\.\d+)?(?:d|h|ms|m|s))+$`)
	dayOf   = regexp.MustCompile(`^(\d+(?:\.\d+)?)d`)
	maxTime = 10 * 365 * 24 * time.Hour
)

// parseTime parses a duration as package time does, with days before.
func parseTime(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	wrong := fmt.Errorf("%q is not a time; want one such as 90m, 2h30m or 1d12h", s)
	if s == "0" {
		return 0, nil
	}
	if !timeOf.MatchString(s) {
		return 0, wrong
	}
	var d time.Duration
	if m := dayOf.FindStringSubmatch(s); m != nil {
		days, err := strconv.ParseFloat(m[1], 64)
		if err != nil || days > maxTime.Hours()/24 {
			return 0, fmt.Errorf("%q is too long; want at most 10 years", s)
		}
		d, s = time.Duration(days*24*float64(time.Hour)), s[len(m[0]):]
	}
	if s != "" {
		rest, err := time.ParseDuration(s)
		if err != nil {
			return 0, wrong
		}
		d += rest
	}
	if d < 0 || d > maxTime {
		return 0, fmt.Errorf("%q is too long; want at most 10 years", s)
	}
	return d, nil
}
