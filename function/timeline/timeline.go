// Package timeline draws what became of log events over time, as SVG. It is one
// writer of such pictures for the simulator and for the tests of real processes.
package timeline

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"time"
)

// Picture is a picture of panels above each other, with one axis of time.
type Picture struct {
	Title   string
	Spans   []Span
	Moments []time.Duration // of all values, in ascending order
	Panels  []Panel
}

// Span is a part of the time, such as an outage. One that is Bad has a background.
type Span struct {
	From, To time.Duration
	Name     string
	Bad      bool
}

// Panel has lines with one scale, from 0.
type Panel struct {
	Unit  string // of its values
	Lines []Line
}

// Line has a value for each moment of the picture.
type Line struct {
	Name   string
	Values []float64
}

const (
	width, left, right = 760.0, 76.0, 24.0
	top, gap, bottom   = 52.0, 56.0, 40.0
	tall, flat         = 280.0, 90.0 // of the first panel, and of the others
	points             = 380         // of a line, at most about
)

var colours = []string{"#1565c0", "#c62828", "#2e7d32", "#8e24aa", "#6d4c41"}

// SVG returns the picture. The same picture gives the same bytes.
func (p Picture) SVG() []byte {
	height := top + bottom
	for i := range p.Panels {
		height += p.panelHeight(i) + gap
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#24292f">`+"\n", left+width+right, height-gap)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(p.Title))
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	fmt.Fprintf(&b, `<text x="%.0f" y="18" font-size="14">%s</text>`+"\n", left, html.EscapeString(p.Title))
	end := time.Duration(1)
	if n := len(p.Moments); n > 0 {
		end = max(end, p.Moments[n-1])
	}
	x := func(at time.Duration) float64 { return left + width*min(1, at.Seconds()/end.Seconds()) }
	free := math.Inf(-1) // where the next name of a span has room
	for _, s := range p.Spans {
		if at := x(s.From); s.Name != "" && at >= free {
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" font-size="10" fill="#57606a">%s</text>`+"\n", at+3, top-8, html.EscapeString(s.Name))
			free = at + 6*float64(len(s.Name)) + 8
		}
	}
	y0 := top
	for i, panel := range p.Panels {
		h := p.panelHeight(i)
		for _, s := range p.Spans {
			if s.Bad {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#fbe9e7"/>`+"\n", x(s.From), y0, max(0.5, x(s.To)-x(s.From)), h)
			}
		}
		panel.draw(&b, y0, h, p.Moments, x)
		y0 += h + gap
	}
	for i := range 5 {
		at := end * time.Duration(i) / 4
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x(at), y0-gap+18, Clock(at))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (p Picture) panelHeight(i int) float64 {
	if i == 0 {
		return tall
	}
	return flat
}

// draw draws a panel h high, below y0.
func (p Panel) draw(b *bytes.Buffer, y0, h float64, moments []time.Duration, x func(time.Duration) float64) {
	most := 0.0
	for _, l := range p.Lines {
		for _, v := range l.Values {
			most = max(most, v)
		}
	}
	most = ceiling(most)
	y := func(v float64) float64 { return y0 + h*(1-v/most) }
	ticks := 4
	if h == flat {
		ticks = 2
	}
	for i := range ticks + 1 {
		v := most * float64(i) / float64(ticks)
		fmt.Fprintf(b, `<path d="M%.1f %.1fH%.1f" stroke="#d0d7de" stroke-width="0.5"/>`, left, y(v), left+width)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", left-6, y(v)+4, number(v))
	}
	at := left
	for i, l := range p.Lines {
		colour := colours[i%len(colours)]
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8"/>`+"\n", l.path(moments, x, y), colour)
		name := l.Name
		if p.Unit != "" {
			name += ", " + p.Unit
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", at, y0+h+36, colour, html.EscapeString(name))
		at += 7*float64(len(name)) + 20
	}
}

// path returns the points of a line, thinned out: each is the largest value of its
// part of the time.
func (l Line) path(moments []time.Duration, x func(time.Duration) float64, y func(float64) float64) string {
	each := max(1, len(moments)/points)
	var out, heights []string
	for i := 0; i < len(moments); i += each {
		last := min(i+each, len(moments))
		most := l.Values[i]
		for _, v := range l.Values[i:last] {
			most = max(most, v)
		}
		height := fmt.Sprintf("%.1f", y(most))
		if n := len(out); n > 1 && heights[n-1] == height && heights[n-2] == height {
			out, heights = out[:n-1], heights[:n-1] // in the middle of a straight line
		}
		out = append(out, fmt.Sprintf("%.1f,%s", x(moments[last-1]), height))
		heights = append(heights, height)
	}
	return strings.Join(out, " ")
}

// ceiling returns the next number that is one, two, four, five or eight times a power of ten.
func ceiling(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 5, 8} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

func number(v float64) string {
	switch {
	case v >= 1e9:
		return number(v/1e9) + "G"
	case v >= 1e6:
		return number(v/1e6) + "M"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Clock is a time as people write it, in two units at most.
func Clock(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d >= 2*day:
		if d = d.Round(time.Hour); d%day == 0 {
			return fmt.Sprintf("%dd", d/day)
		}
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		d = d.Round(time.Minute)
	case d >= time.Second:
		d = d.Round(time.Second)
	default:
		d = d.Round(time.Millisecond)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
