package stack_test

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFunctions(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		groups := map[any]string{}
		for name, f := range s.of("AWS::Serverless::Function") {
			p := f.Properties
			if p["Runtime"] != "provided.al2023" || p["Handler"] != "bootstrap" || p["CodeUri"] != "." || get(f.Attributes, "Metadata", "BuildMethod") != "makefile" {
				t.Errorf("%s is not built as the Makefile does: %v", name, p)
			}
			group := get(p, "LoggingConfig", "LogGroup")
			if other, taken := groups[group]; taken {
				t.Errorf("%s logs where %s does", name, other)
			}
			groups[group] = name
			if get(p, "LoggingConfig", "LogFormat") != "JSON" {
				t.Errorf("%s logs %v", name, p["LoggingConfig"])
			}
			if p["Role"] != s.attribute(name+"Role", "Arn") {
				t.Errorf("%s has the role %v", name, p["Role"])
			}
			traced, vpc := s.parameters["Tracing"] == "true", s.parameters["SubnetIds"] != ""
			if (p["Tracing"] == "Active") != traced || (p["VpcConfig"] != nil) != vpc {
				t.Errorf("%s: tracing %v, VPC %v", name, p["Tracing"], p["VpcConfig"])
			}
		}
		forwarder, replay := s.resources["Forwarder"].Properties, s.resources["Replay"].Properties
		if get(forwarder, "DeadLetterQueue", "TargetArn") != s.attribute("DeadLetterQueue", "Arn") {
			t.Error("what Lambda gives up does not go to the dead-letter queue")
		}
		if _, reserved := forwarder["ReservedConcurrentExecutions"]; reserved != (s.parameters["ForwarderConcurrency"] != "-1") {
			t.Errorf("reserved concurrency %v", forwarder["ReservedConcurrentExecutions"])
		}
		subscriber := s.resources["Subscriber"].Properties
		if byPattern := s.parameters["Subscription"] == "pattern"; byPattern != (subscriber != nil) {
			t.Errorf("Subscription %s, subscriber %v", s.parameters["Subscription"], subscriber)
		}
		if replay["RecursiveLoop"] != "Allow" || forwarder["RecursiveLoop"] != nil || subscriber != nil && subscriber["RecursiveLoop"] != "Allow" {
			t.Error("replay and the subscriber loop by design, and no other")
		}
		if subscriber != nil {
			// Under this name no other stack takes its filters for its own. CloudWatch
			// Logs tries the destination when it gets a filter, so the permission is first.
			v := s.variables("Subscriber")
			if v["DESTINATION_ARN"] != s.attribute("Forwarder", "Arn") || v["FILTER_NAME"] != s.pseudo["AWS::StackName"] ||
				s.resources["Subscriber"].Attributes["DependsOn"] != "LogsMayInvokeForwarder" || subscriber["Timeout"] != 900 {
				t.Errorf("subscriber %v", subscriber)
			}
			if got := get(subscriber, "Events", "AllLogGroups", "Properties", "Schedule"); got != s.parameters["SubscriptionSchedule"] {
				t.Errorf("schedule %v", got)
			}
		}
		mapping := get(replay, "Events", "DeadLetters", "Properties")
		if get(mapping, "Queue") != s.attribute("DeadLetterQueue", "Arn") || !cmp.Equal(get(mapping, "FunctionResponseTypes"), []any{"ReportBatchItemFailures"}) ||
			get(mapping, "Enabled") != true || get(mapping, "ScalingConfig", "MaximumConcurrency") != s.parameters["ReplayConcurrency"] {
			t.Errorf("mapping %v", mapping)
		}
	})
	s := readTemplate(t).create(t, with(made, "ReplayEnabled=false"))
	if get(s.resources["Replay"].Properties, "Events", "DeadLetters", "Properties", "Enabled") != false {
		t.Error("ReplayEnabled=false does not turn the mapping off")
	}
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

// Each function's rule of the Makefile makes a static arm64 bootstrap.
func TestMakeBuildsWhatIsDeployed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	for name := range readTemplate(t).create(t, with(made, "Subscription=pattern")).of("AWS::Serverless::Function") {
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
