package stack_test

import (
	"bytes"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"sumoship/dlq/dlqtest"
	"sumoship/function"
	"sumoship/function/ship"
	"sumoship/sumo/sumotest"
)

// The test command of the outputs sends an event that the forwarder ships. Only its
// call of AWS is left out.
func TestTestCommandWorks(t *testing.T) {
	s := readTemplate(t).create(t, made)
	command := s.eval(get(s.template.section("Outputs"), "TestCommand", "Value")).(string)
	pipe, call, ok := strings.Cut(command, " | aws lambda invoke ")
	if !ok || !strings.Contains(call, "--function-name ship-Forwarder ") || !strings.Contains(call, "fileb:///dev/stdin") {
		t.Fatalf("command %s", command)
	}
	event, err := exec.Command("sh", "-c", pipe).Output()
	if err != nil {
		t.Fatal(err)
	}
	source := sumotest.New()
	variables := s.variables("Forwarder")
	variables["SUMO_ENDPOINT"] = "https://collectors.example.com/x"
	f, err := ship.NewForwarder(ship.Options{
		Env:  function.Env{Getenv: func(n string) string { return variables[n] }, Out: new(bytes.Buffer)},
		HTTP: &http.Client{Transport: source}, Queue: new(dlqtest.Queue),
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := f.Ship(t.Context(), event)
	if err != nil || report.Confirmed != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := source.Taken(); len(got) != 1 || !strings.Contains(got[0], "hello from ship") {
		t.Errorf("the source stored %q", got)
	}
}

// The commands that invoke a function by hand pass it the event for that.
func TestInvokeCommandsPassAnEmptyEvent(t *testing.T) {
	s := readTemplate(t).create(t, with(made, "Subscription=pattern"))
	for output, name := range map[string]string{"ReplayCommand": "Replay", "SubscribeCommand": "Subscriber"} {
		pipe, call, ok := strings.Cut(s.outputs()[output], " | aws lambda invoke ")
		if !ok || pipe != "printf '{}'" || !strings.Contains(call, "--function-name ship-"+name+" ") ||
			!strings.Contains(call, "--cli-read-timeout 0 --payload fileb:///dev/stdin") {
			t.Errorf("%s: %s", output, s.outputs()[output])
		}
	}
}

func TestDashboardURLIsThatOfThePartition(t *testing.T) {
	for partition, host := range map[string]string{
		"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com",
	} {
		s := readTemplate(t).create(t, with(made, "Partition="+partition))
		if got := s.eval(get(s.template.section("Outputs"), "DashboardUrl", "Value")).(string); !strings.HasPrefix(got, "https://"+host+"/cloudwatch/") {
			t.Errorf("%s: %s", partition, got)
		}
	}
}
