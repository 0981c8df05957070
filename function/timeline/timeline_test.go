package timeline

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden picture")

func picture(moments int) Picture {
	p := Picture{
		Title: "An outage of <one> source",
		Spans: []Span{
			{From: 0, To: time.Hour, Name: "up"}, {From: time.Hour, To: 2 * time.Hour, Name: "503", Bad: true},
			{From: 2 * time.Hour, To: 3 * time.Hour, Name: "up again"},
		},
		Panels: []Panel{
			{Unit: "log events", Lines: []Line{{Name: "delivered"}, {Name: "dead-lettered"}}},
			{Unit: "MB", Lines: []Line{{Name: "memory"}}},
		},
	}
	for i := range moments {
		p.Moments = append(p.Moments, 3*time.Hour*time.Duration(i)/time.Duration(moments-1))
		add := func(l *Line, v int) { l.Values = append(l.Values, float64(v)) }
		add(&p.Panels[0].Lines[0], i*i)
		add(&p.Panels[0].Lines[1], i)
		add(&p.Panels[1].Lines[0], 20)
	}
	return p
}

func TestPicture(t *testing.T) {
	got := picture(8).SVG()
	const golden = "testdata/picture.svg"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("-want +got, -update rewrites it:\n%s", d)
	}
}

// A picture is XML, and does not grow with the number of moments.
func TestPictureOfManyMomentsIsSmall(t *testing.T) {
	for _, n := range []int{2, 1000, 100_000} {
		got := picture(n).SVG()
		d := xml.NewDecoder(bytes.NewReader(got))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%d moments: %v", n, err)
			}
		}
		if len(got) > 60_000 {
			t.Errorf("%d moments take %d bytes", n, len(got))
		}
	}
}

// What is thinned out keeps its peaks.
func TestPeaksStay(t *testing.T) {
	p := picture(10_000)
	p.Panels = p.Panels[1:]
	p.Panels[0].Lines[0].Values[4321] = 80
	if got := string(p.SVG()); !strings.Contains(got, ",52.0 ") {
		t.Error("the peak does not touch the top of its panel")
	}
}

func TestScale(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 0.3: 0.4, 1: 1, 3: 4, 41: 50, 61: 80, 99: 100, 2000: 2000} {
		if got := ceiling(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("ceiling(%v) = %v, want %v", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 12.5: "12.5", 80_000: "80000", 4e6: "4M", 2.5e9: "2.5G"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Millisecond: "2s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", 5 * time.Hour: "5h",
		30*time.Hour + 30*time.Minute: "30h30m", 60 * time.Hour: "2d12h", 72 * time.Hour: "3d",
	} {
		if got := Clock(d); got != want {
			t.Errorf("Clock(%s) = %s, want %s", d, got, want)
		}
	}
}
