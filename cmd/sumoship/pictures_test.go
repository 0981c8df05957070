package main

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"sumoship/cmd/sumoship/internal/cli"
)

// The pictures of the README are drawn here: go test ./cmd/sumoship -run Pictures -update
// writes them.
func TestPictures(t *testing.T) {
	for name, draw := range map[string]func(*testing.T) []byte{"way.svg": way, "local.svg": recording} {
		path := filepath.Join("../../docs/pictures", name)
		want := draw(t)
		got, err := os.ReadFile(path)
		if bytes.Equal(got, want) {
			continue
		}
		if !*update {
			t.Errorf("%s is not up to date, -update writes it: %v", path, err)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// recording shows a terminal in which the forwarder loses nothing in an outage.
func recording(t *testing.T) []byte {
	t.Helper()
	var lines []string
	for _, args := range [][]string{{"local", "--fail", "503x20", "--replay"}} {
		status, out, errs := command(t, map[string]string{"COLUMNS": "88"}, args...)
		if status != cli.ExitOK {
			t.Fatalf("status %d\n%s", status, errs)
		}
		all := strings.Split(strings.TrimRight(out, "\n"), "\n")
		lines = append(lines, "$ sumoship "+strings.Join(args, " "), "…")
		lines = append(lines, all[max(0, len(all)-6):]...)
	}
	for i, l := range lines { // how many requests it took differs
		if confirmed, _, ok := strings.Cut(l, "  in "); ok && strings.HasPrefix(l, "confirmed") {
			lines[i] = confirmed
		}
	}
	const width, line = 8.4, 20
	columns := 0
	for _, l := range lines {
		columns = max(columns, utf8.RuneCountInString(l))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" role="img">`+"\n", float64(columns)*width+32, line*len(lines)+32)
	b.WriteString(`<title>sumoship local: an outage, and nothing is lost</title>
<style>
text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre; animation: show 0.1s both }
@keyframes show { from { opacity: 0 } to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { text { animation: none } }
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
`)
	for i, l := range lines {
		fmt.Fprintf(&b, `<text x="16" y="%d" style="animation-delay:%.1fs">%s</text>`+"\n", 16+line*i+14, 0.3*float64(i), html.EscapeString(l))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// way draws the way of a log line.
func way(*testing.T) []byte {
	type box struct {
		x, y   int
		fill   string
		labels []string
	}
	const w, h = 150, 56
	boxes := map[string]box{
		"log":        {0, 0, "#eaf2ff", []string{"log group", "CloudWatch Logs"}},
		"forwarder":  {220, 0, "#fff3df", []string{"forwarder", "decode, rules, gzip"}},
		"sumo":       {440, 0, "#e7f7ec", []string{"HTTP Source", "Sumo Logic"}},
		"queue":      {220, 120, "#f3f3f3", []string{"dead-letter queue", "14 days"}},
		"replay":     {440, 120, "#fff3df", []string{"replay", "by itself"}},
		"quarantine": {220, 240, "#fdeaea", []string{"quarantine queue", "alarm"}},
	}
	arrows := []struct {
		from, to, label string
	}{
		{"log", "forwarder", "filter"}, {"forwarder", "sumo", "confirmed"}, {"forwarder", "queue", "not confirmed"},
		{"queue", "replay", ""}, {"replay", "sumo", "confirmed"}, {"queue", "quarantine", "unreadable, or kills replay"},
	}
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 620 320" role="img">
<title>The way of a log line: log group, forwarder, HTTP Source; what is not confirmed goes by the dead-letter queue and replay</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f; text-anchor: middle }
.small { font-size: 11px; fill: #57606a }
.label { font-size: 11px; fill: #57606a; text-anchor: start }
rect { stroke: #8c959f; rx: 6px }
line { stroke: #57606a; stroke-width: 1.5; marker-end: url(#arrow) }
</style>
<rect x="-10" y="-10" width="620" height="320" fill="#ffffff" style="stroke: none"/>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#57606a"/></marker></defs>
`)
	for _, name := range []string{"log", "forwarder", "sumo", "queue", "replay", "quarantine"} {
		x := boxes[name]
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d">%s</text><text class="small" x="%d" y="%d">%s</text>`+"\n",
			x.x, x.y, w, h, x.fill, x.x+w/2, x.y+24, x.labels[0], x.x+w/2, x.y+42, x.labels[1])
	}
	for _, a := range arrows {
		from, to := boxes[a.from], boxes[a.to]
		x1, y1, x2, y2 := from.x+w, from.y+h/2, to.x, to.y+h/2 // to the right
		lx, ly := x1+8, y1-6
		switch {
		case from.y < to.y: // down
			x1, y1, x2, y2 = from.x+w/2, from.y+h, to.x+w/2, to.y
			lx, ly = x1+8, (y1+y2)/2
		case from.y > to.y: // up
			x1, y1, x2, y2 = from.x+w/2, from.y, to.x+w/2, to.y+h
			lx, ly = x1+8, (y1+y2)/2
		}
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d"/><text class="label" x="%d" y="%d">%s</text>`+"\n", x1, y1, x2, y2, lx, ly, a.label)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
