package history

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Whatever is in a checkpoint's file: it is refused, or opened as it is, and then works.
// What is confirmed stays confirmed when it is opened again.
func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(`{"version":1,"input":"in","what":"w","first":1,"units":{"2":{"first":3,"more":[5],"partial":{"4":[1,2]}}},"spans":{"/g":[{"From":0,"To":10}]},"done":{"confirmed":7,"bytes":9}}`))
	f.Add([]byte(`{"version":1,"input":"in","units":{"0":null,"1":{"more":[-1,9,3]}},"first":-5}`))
	f.Add([]byte(`{"version":1,"input":"in","spans":{"/g":[{"From":10,"To":0},{"From":5,"To":20}]}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "checkpoint")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		in := Input{Fingerprint: "in", What: "w"}
		c, err := OpenCheckpoint(path, in)
		if err != nil {
			if b, err := os.ReadFile(path); err != nil || string(b) != string(text) {
				t.Errorf("what was refused was changed: %q, %v", b, err)
			}
			return
		}
		all := Span{From: 0, To: 100}
		for _, err := range []error{c.Confirm(2, 4, Counts{Confirmed: 1}, nil), c.Confirm(2, 6, Counts{Confirmed: 1}, []int{1}), c.End(1), c.EndSpan("/g", Span{20, 30}, Counts{})} {
			if err != nil {
				t.Fatal(err)
			}
		}
		check := func(c *Checkpoint) {
			t.Helper()
			if left, _ := c.Left(2, 4); left || !c.Complete(1) {
				t.Error("what was confirmed is left")
			}
			at := all.From
			for _, g := range c.Gaps("/g", all) {
				if g.From < at || g.To <= g.From || g.To > all.To || g.From < 30 && g.To > 20 {
					t.Errorf("gap %v after %d", g, at)
				}
				at = g.To
			}
		}
		check(c)
		done := c.Done()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c, err = OpenCheckpoint(path, in); err != nil {
			t.Fatalf("its own file is refused: %v", err)
		}
		check(c)
		if c.Done() != done {
			t.Errorf("%+v is %+v when it is opened again", done, c.Done())
		}
		_ = c.Close()
		b, err := os.ReadFile(path)
		if err != nil || !json.Valid(b) {
			t.Errorf("%q, %v", b, err)
		}
	})
}
