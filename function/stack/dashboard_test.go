package stack_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The dashboard is JSON, shows metrics that exist, and fits its grid.
func TestDashboard(t *testing.T) {
	emitted := emitted(t)
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		dashboard, there := s.resources["Dashboard"]
		if there != (s.parameters["DashboardEnabled"] == "true") {
			t.Errorf("DashboardEnabled %s, dashboard: %t", s.parameters["DashboardEnabled"], there)
		}
		if !there {
			return
		}
		var body struct {
			Widgets []struct {
				Type                string
				X, Y, Width, Height int
				Properties          struct {
					Title, Region string
					Period        int
					Metrics       [][]any
					Alarms        []string
				}
			}
		}
		if err := json.Unmarshal([]byte(dashboard.Properties["DashboardBody"].(string)), &body); err != nil {
			t.Fatal(err)
		}
		shown, alarms := map[string]bool{}, []string(nil)
		taken := map[[2]int]string{}
		for _, w := range body.Widgets {
			p := w.Properties
			if w.X+w.Width > 24 || p.Title == "" || w.Width == 0 || w.Height == 0 {
				t.Errorf("widget %+v", w)
			}
			for x := w.X; x < w.X+w.Width; x++ {
				for y := w.Y; y < w.Y+w.Height; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%q overlaps %q", p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if w.Type == "alarm" {
				alarms = p.Alarms
				continue
			}
			if p.Region != s.pseudo["AWS::Region"] || len(p.Metrics) == 0 {
				t.Errorf("%s: region %s, %d metrics", p.Title, p.Region, len(p.Metrics))
			}
			for _, m := range p.Metrics {
				err := s.check(metric{m[0].(string), m[1].(string), map[string]string{m[2].(string): m[3].(string)}}, emitted)
				if err != nil {
					t.Errorf("%s: %v", p.Title, err)
				}
				shown[m[1].(string)] = true
			}
		}
		var want []string
		for name := range s.alarms() {
			want = append(want, s.attribute(name, "Arn").(string))
		}
		slices.Sort(alarms)
		slices.Sort(want)
		if d := cmp.Diff(want, alarms); d != "" {
			t.Errorf("alarms on the dashboard (-want +got):\n%s", d)
		}
		var all []string
		for name := range s.of("AWS::Serverless::Function") {
			all = append(all, emitted[name]...)
		}
		for _, m := range all {
			if !shown[m] && m != "Events" && m != "Bodies" { // the sums of those that are shown
				t.Errorf("the dashboard does not show %s", m)
			}
		}
	})
}
