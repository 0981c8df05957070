package stackcmd

import (
	"io"
	"testing"
	"time"

	"sumoship/cmd/sumoship/internal/doctor"
)

// --jsonl writes a JSON document a line, whatever a function has logged.
func TestTailWritesJSONLines(t *testing.T) {
	c := Tail{JSONL: true}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for message, want := range map[string]string{
		`{"level":"INFO","msg":"started"}`:        `{"level":"INFO","msg":"started"}`,
		"{\n  \"level\": \"WARN\"\n}\n":           `{"level":"WARN"}`,
		`{"events":"many"}`:                       `{"events":"many"}`, // not as the functions write it
		"panic: oh \"no\"\n\tmain.go:1":           `{"function":"replay","msg":"panic: oh \"no\"\n\tmain.go:1","time":"2026-01-02T03:04:05Z"}`,
		"{not so":                                 `{"function":"replay","msg":"{not so","time":"2026-01-02T03:04:05Z"}`,
		"null":                                    `{"function":"replay","msg":"null","time":"2026-01-02T03:04:05Z"}`,
		`{"level":"INFO","_aws":{"Timestamp":1}}`: "", // metrics
		`{"type":"platform.start","record":{}}`:   "",
	} {
		if got := c.text(io.Discard, tailed{doctor.Line{At: at, Message: message}, "replay"}); got != want {
			t.Errorf("%q: got %s, want %s", message, got, want)
		}
	}
}
