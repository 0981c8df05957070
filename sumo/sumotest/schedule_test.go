package sumotest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sumoship/sumo/sumotest"
)

func TestParseSchedule(t *testing.T) {
	for schedule, want := range map[string]sumotest.Schedule{
		"":            {},
		"503@2h..5h":  {Windows: []sumotest.Window{{Name: "503", Step: sumotest.Step{Status: 503}, Each: 1, From: 2 * time.Hour, To: 5 * time.Hour}}},
		"hang/3@0 ..": {Windows: []sumotest.Window{{Name: "hang/3", Step: sumotest.Step{Kind: sumotest.Hang}, Each: 3, To: sumotest.Forever}}},
		"slow@1.5d..2d12h30m, lostx2 ": {
			Steps:   []sumotest.Step{{Kind: sumotest.Lost}, {Kind: sumotest.Lost}},
			Windows: []sumotest.Window{{Name: "slow", Step: sumotest.Step{Kind: sumotest.Slow}, Each: 1, From: 36 * time.Hour, To: 60*time.Hour + 30*time.Minute}},
		},
	} {
		got, err := sumotest.ParseSchedule(schedule)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", schedule, err, d)
		}
	}
	for word, want := range map[string]string{
		"what@2h..5h":   "want a status from 200 to 599, reset, lost, hang or slow before the @",
		"503@2h":        "want two times after the @, such as @2h..5h",
		"503@2h-5h":     "want two times after the @",
		"503@..5h":      `"" is not a time; want one such as 90m, 2h30m or 1d12h`,
		"503@2..5":      `"2" is not a time`,
		"503@2h..never": `"never" is not a time`,
		"503@-2h..5h":   `"-2h" is not a time`,
		"503@5h..2h":    "it ends at 2h, before it begins",
		"503@2h..2h":    "it ends at 2h, before it begins",
		"503@0..99999d": "want at most 10 years",
		"503@0..99999h": "want at most 10 years",
		"503x20@2h..5h": "want a count or a time, not both",
		"503/1@2h..5h":  "want a number from 2 after the /",
		"503/x@2h..5h":  "want a number from 2 after the /",
		"503/2":         "a part of the requests needs a time, such as 503/2@2h..5h",
		"503/2x3":       "a part of the requests needs a time",
		"503x1000000":   "with it there are 1000001 requests; want at most 1000000",
	} {
		_, err := sumotest.ParseSchedule("200, " + word + " ,200")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `step 2, "`+word+`": `) {
			t.Errorf("%q: %v", word, err)
		}
	}
	if _, err := sumotest.ParseScript("503@2h..5h"); err == nil || !strings.Contains(err.Error(), "503@… is by the time, and no time passes here") {
		t.Error(err)
	}
}

// A schedule is read or refused; what was read is the same when it is written and read
// again.
func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"503x3,429,reset", "503@2h..5h", "hang/2@1d..", "slow@1d2h..3d, 200", "503@0.5h..1ms", "503@1h..1d1h1m1s1ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, schedule string) {
		s, err := sumotest.ParseSchedule(schedule)
		if err != nil {
			if s.Steps != nil || s.Windows != nil || !strings.HasPrefix(err.Error(), "step ") {
				t.Errorf("%+v beside %v", s, err)
			}
			return
		}
		for _, w := range s.Windows {
			again, err := sumotest.ParseSchedule(w.String())
			if d := cmp.Diff(sumotest.Schedule{Windows: []sumotest.Window{w}}, again); d != "" || err != nil || w.From < 0 || w.From >= w.To || w.Each < 1 {
				t.Errorf("%s: %v\n%s", w, err, d)
			}
		}
	})
}

// A slow source stores the data if the client still waits when it answers.
func TestSlowAnswer(t *testing.T) {
	for patience, stored := range map[time.Duration]int{10 * time.Second: 0, 30 * time.Second: 1} {
		synctest.Test(t, func(t *testing.T) {
			s := sumotest.New(sumotest.Step{Kind: sumotest.Slow})
			start := time.Now()
			client := &http.Client{Transport: s, Timeout: patience}
			resp, err := client.Post("http://sumo.example/", "", strings.NewReader("a record"))
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != (stored == 1) || len(s.Taken()) != stored || time.Since(start) != min(patience, sumotest.SlowAnswer) || len(s.Requests()) != 1 {
				t.Errorf("a client that waits %s: %v after %s, stored %q", patience, err, time.Since(start), s.Taken())
			}
		})
	}
}
