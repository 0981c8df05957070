package placement

import (
	"slices"
	"strings"
	"testing"
)

// The architectures, operating systems and accelerators that expressions leave.
// Source of the forms: Amazon ECS Developer Guide, "Cluster query language".
func TestQueries(t *testing.T) {
	for _, c := range []struct {
		expressions string // one a line
		arch        string // "arm", "x86" or "" for both
		accelerated bool   // accelerators only
		systems     string // "linux", "windows", a family, or "" for any
	}{
		{"attribute:ecs.cpu-architecture == arm64", "arm", false, ""},
		{"attribute:ecs.cpu-architecture==arm64", "arm", false, ""},
		{"attribute:ecs.cpu-architecture equals 'arm64'", "arm", false, ""},
		{`attribute:ecs.cpu-architecture == "aarch64"`, "arm", false, ""},
		{"attribute:ecs.cpu-architecture in [arm64]", "arm", false, ""},
		{"attribute:ecs.cpu-architecture in [arm64, x86_64]", "", false, ""},
		{"attribute:ecs.cpu-architecture !in [x86_64]", "arm", false, ""},
		{"attribute:ecs.cpu-architecture not_in [x86_64]", "arm", false, ""},
		{"attribute:ecs.cpu-architecture != x86_64", "arm", false, ""},
		{"attribute:ecs.cpu-architecture != arm64", "x86", false, ""},
		{"not(attribute:ecs.cpu-architecture == arm64)", "x86", false, ""},
		{"!(attribute:ecs.cpu-architecture == arm64)", "x86", false, ""},
		{"not (attribute:ecs.cpu-architecture != arm64)", "arm", false, ""},
		{"attribute:ecs.cpu-architecture =~ arm.*", "arm", false, ""},
		{"attribute:ecs.cpu-architecture !~ arm.*", "x86", false, ""},
		{"attribute:ecs.cpu-architecture exists", "", false, ""},
		{"attribute:ecs.cpu-architecture == arm64 or attribute:team == a", "", false, ""},
		{"attribute:ecs.cpu-architecture == arm64 and attribute:team == a", "arm", false, ""},
		{"(attribute:team == a || attribute:team == b) && attribute:ecs.cpu-architecture == arm64", "arm", false, ""},
		{"attribute:team == a\nattribute:ecs.cpu-architecture == arm64", "arm", false, ""},
		{"attribute:ecs.instance-type == t4g.small", "arm", false, ""},
		{"attribute:ecs.instance-type == t3.small", "x86", false, ""},
		{"attribute:ecs.instance-type in [m5.large, m6g.large]", "", false, ""},
		{"attribute:ecs.instance-type in [m5.large, c5.24xlarge]", "x86", false, ""},
		{"attribute:ecs.instance-type =~ m6g.*", "arm", false, ""},
		{"attribute:ecs.instance-type =~ (m6g|c7g)[.].*", "arm", false, ""},
		{"attribute:ecs.instance-type =~ t4g", "arm", false, ""},
		{"attribute:ecs.instance-type !~ t4g.*", "", false, ""},
		{"attribute:ecs.instance-type =~ g4dn.*", "x86", true, ""},
		{"attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d", "x86", true, ""},
		{"attribute:ecs.instance-type == g5g.xlarge", "arm", true, ""},
		{"attribute:ecs.instance-type == p4d.24xlarge", "x86", true, ""},
		{"attribute:ecs.instance-type =~ inf.*", "x86", true, ""},
		{"attribute:ecs.instance-type =~ trn1.*", "x86", true, ""},
		{"attribute:ecs.instance-type =~ dl1.*", "x86", true, ""},
		{"attribute:ecs.instance-type =~ vt1.*", "x86", true, ""},
		{"attribute:ecs.instance-type =~ f1.*", "x86", true, ""},
		{"attribute:ecs.instance-type !~ g4dn.*", "", false, ""},
		{"attribute:ecs.gpu-driver-version exists", "", true, ""},
		{"attribute:ecs.os-type == linux", "", false, "LINUX"},
		{"attribute:ecs.os-type != windows", "", false, "LINUX"},
		{"attribute:ecs.os-type == windows", "", false, "windows"},
		{"attribute:ecs.os-type in [windows]", "", false, "windows"},
		{"attribute:ecs.os-family == WINDOWS_SERVER_2019_FULL", "", false, "WINDOWS_SERVER_2019_FULL"},
		{"attribute:ecs.os-family =~ WINDOWS.*", "", false, "windows"},
		{"not(attribute:ecs.os-family =~ WINDOWS.*)", "", false, "LINUX"},
		{"agentConnected == true", "", false, ""},
		{"runningTasksCount < 1", "", false, ""},
		{"not(task:group == service:production)", "", false, ""},
		{"registeredAt >= 2018-06-18T22:28:28+00:00", "", false, ""},
	} {
		var chosen Choice
		for line := range strings.SplitSeq(c.expressions, "\n") {
			q, err := Parse(line)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			chosen.Add(q)
		}
		arm, x86, accelerated := false, false, true
		kinds, _ := chosen.Instances()
		for _, i := range kinds {
			arm, x86, accelerated = arm || i.ARM, x86 || !i.ARM, accelerated && i.Accelerated
		}
		arch := map[bool]string{true: "arm", false: "x86"}[arm]
		if arm && x86 {
			arch = ""
		}
		if arch != c.arch || accelerated != c.accelerated {
			t.Errorf("%s: architecture %q, accelerated %v", c.expressions, arch, accelerated)
		}
		systems := chosen.Systems()
		got := ""
		switch {
		case len(systems) == 1:
			got = systems[0]
		case len(systems) > 0 && !slices.Contains(systems, "LINUX"):
			got = "windows"
		}
		if got != c.systems {
			t.Errorf("%s: systems %v", c.expressions, systems)
		}
	}
}

func TestQueryErrors(t *testing.T) {
	for expression, want := range map[string]string{
		"":                                      "want an attribute at 0",
		"attribute:a":                           "want an operator at 11",
		"attribute:a = b":                       "want an operator at 12",
		"attribute:a ==":                        "want a value at 14",
		"attribute:a in arm64":                  "want [ at 15",
		"attribute:a in [b":                     "want , or ] at 17",
		"(attribute:a == b":                     "want ) at 17",
		"attribute:a == b)":                     "want and, or, or the end at 16",
		"attribute:a == 'b":                     "want a closing quote at 15",
		"attribute:a == b c":                    "want and, or, or the end at 17",
		strings.Repeat("(", 500) + "a == b":     "want less nesting",
		strings.Repeat("not ", 500) + "a == b":  "want less nesting",
		"attribute:a == b and attribute:c == ":  "want a value",
		"attribute:a == b and or attribute:c==": "want an operator",
	} {
		if q, err := Parse(expression); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", expression, q, err, want)
		}
	}
}

// FuzzQuery parses and evaluates any expression: no panic, and the negation leaves
// what the expression excludes.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"attribute:ecs.cpu-architecture in [arm64]", "not(task:group == service:production)", "a == 'b c' and (b !in [c, d] || !c exists)",
		"attribute:ecs.instance-type =~ (m6g|c7g)[.].*", "a =~ [", "((((", "attribute:ecs.os-type==windows&&a!~b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(s)
		if err != nil {
			if q != nil {
				t.Fatal("an expression beside an error")
			}
			return
		}
		var chosen, other Choice
		chosen.Add(q)
		other.Add(&Expression{operator: "not", of: []*Expression{q}})
		with, excludes := chosen.Instances()
		without, _ := other.Instances()
		if n := len(sorts); len(with)+len(without) < n || !excludes && len(with) < n {
			t.Fatalf("%q and its negation leave only %d and %d instances", s, len(with), len(without))
		}
		if n := len(chosen.Systems()) + len(other.Systems()); n < len(osFamilies) {
			t.Fatalf("%q and its negation leave only %d systems", s, n)
		}
	})
}
