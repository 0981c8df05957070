package stack_test

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every function is built by the Makefile, logs JSON into a group of its own, has a
// role of its own, and follows the options for tracing and the network.
func TestFunctions(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		groups := map[any]string{}
		for name, f := range s.of("AWS::Serverless::Function") {
			p := f.Properties
			if p["Runtime"] != "provided.al2023" || p["Handler"] != "bootstrap" || p["CodeUri"] != "." || get(f.Attributes, "Metadata", "BuildMethod") != "makefile" {
				t.Errorf("%s is not built by the Makefile: %v", name, p)
			}
			group := get(p, "LoggingConfig", "LogGroup")
			if other, taken := groups[group]; taken {
				t.Errorf("%s logs into the group of %s", name, other)
			}
			groups[group] = name
			if get(p, "LoggingConfig", "LogFormat") != "JSON" {
				t.Errorf("%s logs %v", name, p["LoggingConfig"])
			}
			if p["Role"] != s.attribute(name+"Role", "Arn") {
				t.Errorf("%s has the role %v", name, p["Role"])
			}
			// The heartbeat calls nothing.
			traced, vpc := s.parameters["Tracing"] == "true" && name != "Heartbeat", s.parameters["SubnetIds"] != "" && name != "Heartbeat"
			if (p["Tracing"] == "Active") != traced || (p["VpcConfig"] != nil) != vpc {
				t.Errorf("%s: tracing %v, VPC %v", name, p["Tracing"], p["VpcConfig"])
			}
			// Replay and the subscriber loop by design, the others never.
			if loops := p["RecursiveLoop"] == "Allow"; loops != (name == "Replay" || name == "Subscriber") || !loops && p["RecursiveLoop"] != nil {
				t.Errorf("%s: RecursiveLoop %v", name, p["RecursiveLoop"])
			}
		}
	})
}

func TestForwarder(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		p := s.resources["Forwarder"].Properties
		if got := get(p, "DeadLetterQueue", "TargetArn"); got != s.attribute("DeadLetterQueue", "Arn") {
			t.Errorf("an event that Lambda gives up goes to %v", got)
		}
		if _, reserved := p["ReservedConcurrentExecutions"]; reserved != (s.parameters["ForwarderConcurrency"] != "-1") {
			t.Errorf("reserved concurrency %v", p["ReservedConcurrentExecutions"])
		}
	})
}

func TestReplay(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		mapping := get(s.resources["Replay"].Properties, "Events", "DeadLetters", "Properties")
		want := map[string]any{
			"Queue": s.attribute("DeadLetterQueue", "Arn"), "Enabled": true,
			"FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "MaximumConcurrency": s.parameters["ReplayConcurrency"],
		}
		got := map[string]any{
			"Queue": get(mapping, "Queue"), "Enabled": get(mapping, "Enabled"),
			"FunctionResponseTypes": get(mapping, "FunctionResponseTypes"), "MaximumConcurrency": get(mapping, "ScalingConfig", "MaximumConcurrency"),
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("event source mapping (-want +got):\n%s", d)
		}
	})
	s := readTemplate(t).create(t, with(made, "ReplayEnabled=false"))
	if get(s.resources["Replay"].Properties, "Events", "DeadLetters", "Properties", "Enabled") != false {
		t.Error("ReplayEnabled=false does not disable the event source mapping")
	}
}

func TestSubscriber(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		subscriber, there := s.resources["Subscriber"]
		if want := s.parameters["Subscription"] == "pattern"; there != want {
			t.Errorf("Subscription %s: there is a subscriber: %t, want %t", s.parameters["Subscription"], there, want)
		}
		if !there {
			return
		}
		// The name of the filter is the stack's, so that no other stack takes the filter
		// for its own. CloudWatch Logs tries the destination when it gets a filter, so the
		// permission must exist before.
		v := s.variables("Subscriber")
		if v["DESTINATION_ARN"] != s.attribute("Forwarder", "Arn") || v["FILTER_NAME"] != s.pseudo["AWS::StackName"] {
			t.Errorf("destination %s, filter %s", v["DESTINATION_ARN"], v["FILTER_NAME"])
		}
		if got := subscriber.Attributes["DependsOn"]; got != "LogsMayInvokeForwarder" {
			t.Errorf("depends on %v, not on the permission", got)
		}
		if got := subscriber.Properties["Timeout"]; got != 900 {
			t.Errorf("timeout %v s", got)
		}
		if got := get(subscriber.Properties, "Events", "AllLogGroups", "Properties", "Schedule"); got != s.parameters["SubscriptionSchedule"] {
			t.Errorf("schedule %v", got)
		}
	})
}

// makeFunction builds a function as SAM does, and returns the path of its bootstrap.
func makeFunction(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("make", "--no-print-directory", "-C", "../..", "build-"+name, "ARTIFACTS_DIR="+dir).CombinedOutput(); err != nil {
		t.Fatalf("make build-%s: %v\n%s", name, err, out)
	}
	return filepath.Join(dir, "bootstrap")
}

// The Makefile's rule of each function builds a static arm64 bootstrap.
func TestMakeBuildsWhatIsDeployed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	t.Parallel()
	for name := range readTemplate(t).create(t, with(made, "Subscription=pattern", "OrganizationId="+organization)).of("AWS::Serverless::Function") {
		f, err := elf.Open(makeFunction(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Machine != elf.EM_AARCH64 || f.Type != elf.ET_EXEC {
			t.Errorf("%s: %v %v", name, f.Machine, f.Type)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is linked dynamically", name)
			}
		}
	}
}
