package stack_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every queue is encrypted, keeps messages for 14 days, outlives the stack, has an
// alarm, and is used over TLS only.
func TestQueuesLoseNothing(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		alarms := fmt.Sprint(s.of("AWS::CloudWatch::Alarm"))
		policies := s.of("AWS::SQS::QueuePolicy")
		for name, p := range policies {
			if p.Attributes["DeletionPolicy"] != "RetainExceptOnCreate" || p.Attributes["UpdateReplacePolicy"] != "Retain" {
				t.Errorf("%s is deleted with the stack, but not its queue", name)
			}
		}
		for name, q := range s.of("AWS::SQS::Queue") {
			p := q.Properties
			key := s.parameters["KmsKeyArn"]
			if (p["SqsManagedSseEnabled"] == true) == (key != "") || key != "" && p["KmsMasterKeyId"] != key {
				t.Errorf("%s: encryption is wrong: %v", name, p)
			}
			if p["MessageRetentionPeriod"] != 14*24*3600 || p["MaximumMessageSize"] != 1<<20 {
				t.Errorf("%s: retention %v s, messages of %v bytes", name, p["MessageRetentionPeriod"], p["MaximumMessageSize"])
			}
			if q.Attributes["DeletionPolicy"] != "RetainExceptOnCreate" || q.Attributes["UpdateReplacePolicy"] != "Retain" {
				t.Errorf("%s is deleted with the stack", name)
			}
			if n, _ := p["QueueName"].(string); !strings.HasSuffix(n, testStackID) || len(n) > 80 {
				t.Errorf("%s: name %q", name, n)
			}
			if watched := strings.Contains(alarms, p["QueueName"].(string)); watched != (s.parameters["Alarms"] != "none") {
				t.Errorf("%s has an alarm: %t", name, watched)
			}
			if p["RedriveAllowPolicy"] == nil {
				t.Errorf("%s: any queue may use it as its dead-letter queue", name)
			}
			tls := false
			for _, policy := range policies {
				statement := get(policy.Properties, "PolicyDocument", "Statement").([]any)[0]
				if slices.Contains(policy.Properties["Queues"].([]any), s.ref(name)) {
					tls = get(statement, "Effect") == "Deny" && get(statement, "Principal") == "*" && get(statement, "Action") == "sqs:*" &&
						get(statement, "Resource") == s.attribute(name, "Arn") && get(statement, "Condition", "Bool", "aws:SecureTransport") == "false"
				}
			}
			if !tls {
				t.Errorf("%s may be used without TLS", name)
			}
		}
		dead, quarantine := s.resources["DeadLetterQueue"], s.resources["QuarantineQueue"]
		if dead.Properties == nil || quarantine.Properties == nil {
			t.Fatal("a queue is missing")
		}
		redrive := map[string]any{"deadLetterTargetArn": s.attribute("QuarantineQueue", "Arn"), "maxReceiveCount": 1000}
		if d := cmp.Diff(redrive, dead.Properties["RedrivePolicy"]); d != "" {
			t.Errorf("redrive policy (-want +got):\n%s", d)
		}
		allow := map[string]any{"redrivePermission": "byQueue", "sourceQueueArns": []any{s.attribute("DeadLetterQueue", "Arn")}}
		if d := cmp.Diff(allow, quarantine.Properties["RedriveAllowPolicy"]); d != "" {
			t.Errorf("redrive allow policy (-want +got):\n%s", d)
		}
	})
}

// An update of a stack of an earlier template replaces nothing that has log events in it:
// logical IDs, and the properties that CloudFormation cannot change in place, are those that
// they have had since they are there.
//
// Source: AWS CloudFormation Template Reference, "Update requires: Replacement" of each type.
func TestUpdatesKeepWhatHoldsLogEvents(t *testing.T) {
	id := map[string]any{"Id": map[string]any{"Fn::Select": []any{2, map[string]any{"Fn::Split": []any{"/", map[string]any{"Ref": "AWS::StackId"}}}}}}
	named := func(name string) map[string]any {
		return map[string]any{"QueueName": map[string]any{"Fn::Sub": []any{name, id}}}
	}
	want := map[string]map[string]any{
		"DeadLetterQueue": named("sumoship-dead-letters-${Id}"),
		"QuarantineQueue": named("sumoship-quarantine-${Id}"),
		"CentralStream":   {},
		"CentralBucket":   {},
	}
	fixed := map[string][]string{"AWS::SQS::Queue": {"QueueName", "FifoQueue"}, "AWS::Kinesis::Stream": {"Name"}, "AWS::S3::Bucket": {"BucketName"}}
	got := map[string]map[string]any{}
	for name, r := range readTemplate(t).section("Resources") {
		properties, holds := fixed[text(get(r, "Type"))]
		if !holds {
			continue
		}
		got[name] = map[string]any{}
		for _, p := range properties {
			if v := get(r, "Properties", p); v != nil {
				got[name][p] = v
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an update would replace (-before +now):\n%s", diff)
	}
}

// The visibility timeout is at least six times replay's timeout, whichever is chosen,
// and a request takes less time than the forwarder has.
func TestTimeoutsAreInOrder(t *testing.T) {
	tmpl := readTemplate(t)
	for _, v := range get(tmpl.section("Parameters"), "ReplayTimeout", "AllowedValues").([]any) {
		s := tmpl.create(t, with(made, fmt.Sprint("ReplayTimeout=", v)))
		timeout, err := strconv.Atoi(fmt.Sprint(s.resources["Replay"].Properties["Timeout"]))
		if err != nil {
			t.Fatal(err)
		}
		visibility := s.resources["DeadLetterQueue"].Properties["VisibilityTimeout"].(int)
		if visibility < 6*timeout || visibility > 12*3600 || timeout > 900 {
			t.Errorf("timeout %d s, visibility %d s", timeout, visibility)
		}
	}
	s := tmpl.create(t, made)
	timeout, _ := strconv.Atoi(s.parameters["ForwarderTimeout"])
	request, _ := strconv.Atoi(s.parameters["RequestTimeout"])
	if request >= 1000*timeout {
		t.Errorf("a request may take %d ms, the forwarder %d s", request, timeout)
	}
}
