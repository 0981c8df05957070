package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestHeartbeatTakesNothingButSchedules(t *testing.T) {
	for event, want := range map[string]string{
		"": "", "{}": "", "null": "", `{"detail-type":"Scheduled Event","detail":{}}`: "",
		`{"Records":[{"eventSource":"aws:kinesis"}]}`: "this is an event of Amazon Kinesis: it belongs to the stream function;",
		`{"awslogs":{"data":""}}`:                     "it belongs to the forwarder;",
	} {
		var out bytes.Buffer
		_, err := heartbeat{slog.New(slog.NewJSONHandler(&out, nil))}.Invoke(t.Context(), []byte(event))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || strings.Contains(out.String(), `"sumoship":"heartbeat"`) != (want == "") {
			t.Errorf("%s: %v, %s", event, err, &out)
		}
	}
}
