package stackcmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
)

type tree struct {
	Doctor Doctor `cmd:""`
	Status Status `cmd:""`
	Tail   Tail   `cmd:""`
}

// What status writes for people.
func TestStatusText(t *testing.T) {
	n := 12
	var out strings.Builder
	if err := cli.WriteTable(&out, nil, overview(&out, &doctor.Overview{Stack: "sumoship", Region: "eu-west-1", Account: "123456789012", State: "UPDATE_COMPLETE",
		Versions: map[string]string{"replay": "v1", "forwarder": "v2"}, Minutes: 5, Events: 5100, Confirmed: 5000, Bytes: 1_000_000,
		Failures: map[string]int{"unavailable": 90, "throttled": 10}, Breaker: "open", Queue: 3, Oldest: 90, Quarantine: 1, Subscribed: &n, Alarms: []string{"a", "b"}})); err != nil {
		t.Fatal(err)
	}
	want := `stack              sumoship in eu-west-1 of account 123456789012, UPDATE_COMPLETE
versions           forwarder v2, replay v1
shipped            1000 log events a minute, 200 kB a minute, 5000 of 5100 confirmed in 5 minutes
failures           throttled 10, unavailable 90
breaker            open
dead-letter queue  3 messages, the oldest 1m30s
quarantine queue   1 message
subscribed         12 log groups
alarms             a, b
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What doctor writes for people.
func TestDoctorText(t *testing.T) {
	r := &doctor.Report{Findings: []doctor.Finding{
		{Check: "stack", Status: doctor.Sound, Seen: "there"},
		{Check: "endpoint", Status: doctor.Broken, Seen: "refused", Fault: "x", Why: "it matters a great deal to all who read", Mend: "do this and that and also the other thing"},
	}}
	for columns, want := range map[string]string{
		"": "✔ stack     there\n✘ endpoint  refused\n            it matters a great deal to all who read\n            → do this and that and also the other thing\n\n1 sound, 0 doubtful, 1 broken\n",
		"40": "✔ stack     there\n✘ endpoint  refused\n            it matters a great deal to\n            all who read\n" +
			"            → do this and that and also\n              the other thing\n\n1 sound, 0 doubtful, 1 broken\n",
	} {
		var out strings.Builder
		if err := write(cli.Streams{Out: &out, Getenv: func(string) string { return columns }}, r); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.ReplaceAll(out.String(), " \n", "\n"), " \n", "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s columns (-want +got):\n%s", columns, diff)
		}
	}
}
