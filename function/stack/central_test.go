package stack_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const organization = "o-a1b2c3d4e5"

// With OrganizationId there is the whole way from other accounts, without it nothing
// of it.
func TestCentralAccount(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		central := s.parameters["OrganizationId"] != ""
		for _, name := range []string{
			"CentralStream", "CentralRole", "CentralDestination", "CentralBucket", "CentralBucketPolicy", "StreamLogs", "StreamRole", "Stream", "StreamMapping",
		} {
			if _, there := s.resources[name]; there != central {
				t.Errorf("OrganizationId %q, there is a %s: %t", s.parameters["OrganizationId"], name, there)
			}
		}
	})
}

// Only accounts of the organization may subscribe to the destination, and CloudWatch
// Logs may write for them, into this stream alone.
func TestDestinationIsForTheOrganization(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		d, there := s.resources["CentralDestination"]
		if !there {
			t.Skip("no destination")
		}
		var policy any
		if err := json.Unmarshal([]byte(text(d.Properties["DestinationPolicy"])), &policy); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Sid": "Organization", "Effect": "Allow", "Principal": "*",
				"Action":    []any{"logs:PutSubscriptionFilter", "logs:PutAccountPolicy"},
				"Resource":  s.attribute("CentralDestination", "Arn"),
				"Condition": map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": organization}},
			}},
		}
		if diff := cmp.Diff(want, policy); diff != "" {
			t.Errorf("policy of the destination (-want +got):\n%s", diff)
		}
		if d.Properties["TargetArn"] != s.attribute("CentralStream", "Arn") || d.Properties["RoleArn"] != s.attribute("CentralRole", "Arn") {
			t.Errorf("destination %v", d.Properties)
		}
		// Amazon CloudWatch Logs API Reference, "PutDestination", destinationName.
		if name := text(d.Properties["DestinationName"]); len(name) > 512 || strings.ContainsAny(name, ":*") {
			t.Errorf("the name %q of the destination is not valid", name)
		}

		role := s.resources["CentralRole"].Properties
		trust := get(role, "AssumeRolePolicyDocument", "Statement").([]any)[0]
		wantTrust := map[string]any{
			"Effect": "Allow", "Principal": map[string]any{"Service": "logs." + s.pseudo["AWS::URLSuffix"]}, "Action": "sts:AssumeRole",
			"Condition": map[string]any{
				"ArnLike":              map[string]any{"aws:SourceArn": fmt.Sprintf("arn:%s:logs:%s:*:*", s.pseudo["AWS::Partition"], s.pseudo["AWS::Region"])},
				"StringEqualsIfExists": map[string]any{"aws:SourceOrgID": organization},
			},
		}
		if diff := cmp.Diff(wantTrust, trust); diff != "" {
			t.Errorf("trust (-want +got):\n%s", diff)
		}
		for _, statement := range get(role["Policies"].([]any)[0], "PolicyDocument", "Statement").([]any) {
			for _, p := range permissions(statement) {
				action, resource, _ := strings.Cut(p, " ")
				ok := strings.HasPrefix(action, "kinesis:PutRecord") && resource == s.attribute("CentralStream", "Arn") ||
					action == "kms:GenerateDataKey" && resource == s.parameters["KmsKeyArn"]
				if !ok {
					t.Errorf("CloudWatch Logs may %s", p)
				}
			}
		}
	})
}

// The stream is the buffer of an outage: encrypted, kept with its stack gone, and
// Lambda puts a batch aside, whole, before the stream deletes it.
func TestStreamLosesNothing(t *testing.T) {
	tmpl := readTemplate(t)
	for _, hours := range get(tmpl.section("Parameters"), "StreamRetention", "AllowedValues").([]any) {
		for _, key := range []string{"", "arn:aws:kms:us-east-1:123456789012:key/2"} {
			s := tmpl.create(t, with(made, "OrganizationId="+organization, fmt.Sprint("StreamRetention=", hours), "KmsKeyArn="+key))
			for _, name := range []string{"CentralStream", "CentralBucket", "CentralBucketPolicy"} {
				if a := s.resources[name].Attributes; a["DeletionPolicy"] != "RetainExceptOnCreate" || a["UpdateReplacePolicy"] != "Retain" {
					t.Errorf("%s is deleted with the stack", name)
				}
			}
			stream, mapping := s.resources["CentralStream"].Properties, s.resources["StreamMapping"].Properties
			wantKey := key
			if key == "" {
				wantKey = "alias/aws/kinesis"
			}
			if get(stream, "StreamEncryption", "KeyId") != wantKey || get(stream, "StreamModeDetails", "StreamMode") != "ON_DEMAND" {
				t.Errorf("stream %v", stream)
			}
			retention, _ := strconv.Atoi(text(stream["RetentionPeriodHours"]))
			// AWS Lambda API Reference, "CreateEventSourceMapping": at most seven days.
			age := number(mapping["MaximumRecordAgeInSeconds"])
			if age > 7*24*3600 || age > float64(retention-6)*3600 || age < 24*3600 {
				t.Errorf("retention %d h, maximum age %.0f s", retention, age)
			}
			want := map[string]any{
				"FunctionName": "ship-Stream", "EventSourceArn": s.attribute("CentralStream", "Arn"), "StartingPosition": "TRIM_HORIZON",
				"BatchSize": "500", "MaximumBatchingWindowInSeconds": "5", "ParallelizationFactor": "2", "MaximumRetryAttempts": -1,
				"FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "BisectBatchOnFunctionError": true,
				"MaximumRecordAgeInSeconds": int(age), "MetricsConfig": map[string]any{"Metrics": []any{"EventCount"}},
				"DestinationConfig": map[string]any{"OnFailure": map[string]any{"Destination": s.attribute("CentralBucket", "Arn")}},
			}
			if diff := cmp.Diff(want, mapping); diff != "" {
				t.Errorf("mapping (-want +got):\n%s", diff)
			}
			bucket := s.resources["CentralBucket"].Properties
			encryption := get(bucket, "BucketEncryption", "ServerSideEncryptionConfiguration").([]any)[0]
			if got := get(encryption, "ServerSideEncryptionByDefault", "KMSMasterKeyID"); key != "" && got != key {
				t.Errorf("the bucket is encrypted with %v", got)
			}
			blocked := map[string]any{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true}
			if diff := cmp.Diff(blocked, bucket["PublicAccessBlockConfiguration"]); diff != "" {
				t.Errorf("public access (-want +got):\n%s", diff)
			}
		}
	}
}

// The stream function ships as the forwarder does.
func TestStreamShipsAsTheForwarderDoes(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		if _, there := s.resources["Stream"]; !there {
			t.Skip("no stream function")
		}
		want := s.variables("Forwarder")
		delete(want, "SUMO_CLIENT_HEADER") // it sends its own
		want["NUM_OF_WORKERS"] = s.parameters["NumOfWorkers"]
		if diff := cmp.Diff(want, s.variables("Stream")); diff != "" {
			t.Errorf("variables (-forwarder +stream):\n%s", diff)
		}
	})
}

// What the alarms of the forwarder watch, they watch of the stream function too; the
// others are about its stream.
func TestStreamAlarmsOnFigures(t *testing.T) {
	s := readTemplate(t).create(t, with(made, "OrganizationId="+organization, "QuietHours=1"))
	ship := func(function, name string) metric {
		return metric{"sumoship", name, map[string]string{"function": "ship-" + function}}
	}
	mapping := func(name string) metric {
		return metric{"AWS/Lambda", name, map[string]string{"EventSourceMappingUUID": "ship-StreamMapping"}}
	}
	const hour = 60
	type figure struct {
		metric metric
		value  float64
	}
	for _, c := range []struct {
		name, alarm string
		every       []figure
		off, on     int // minutes at which it is off, and on; -1: never
	}{
		{"14 minutes", "StreamAgeAlarm", []figure{{s.lambda("Stream", "IteratorAge"), 14 * 60 * 1000}}, hour, -1},
		{"16 minutes", "StreamAgeAlarm", []figure{{s.lambda("Stream", "IteratorAge"), 16 * 60 * 1000}}, 2, 5},
		{"records put aside", "StreamDroppedAlarm", []figure{{mapping("OnFailureDestinationDeliveredEventCount"), 1}}, 0, 1},
		{"records dropped", "StreamDroppedAlarm", []figure{{mapping("DroppedEventCount"), 1}}, 0, 1},
		{"writes throttled", "StreamThrottledAlarm", []figure{{metric{"AWS/Kinesis", "WriteProvisionedThroughputExceeded", map[string]string{"StreamName": "ship-CentralStream"}}, 1}}, 9, 15},
		{"200 with a warning", "WarningsAlarm", []figure{{ship("Stream", "Warnings"), 1}}, 0, 1},
		{"all of the stream is dropped by a rule", "FilteredAlarm", []figure{
			{ship("Stream", "Filtered"), 10}, {ship("Stream", "Events"), 10},
			{ship("Forwarder", "Heartbeat"), 1}, {ship("Forwarder", "Events"), 1},
		}, hour / 4, hour},
		{"one in ten is dropped by a rule", "FilteredAlarm", []figure{
			{ship("Stream", "Filtered"), 1}, {ship("Stream", "Events"), 10},
		}, 2 * hour, -1},
		{"only the stream has log events", "QuietAlarm", []figure{
			{ship("Stream", "Events"), 10}, {ship("Forwarder", "Heartbeat"), 1}, {ship("Forwarder", "Events"), 1},
		}, 3 * hour, -1},
		{"only heartbeats", "QuietAlarm", []figure{
			{ship("Forwarder", "Heartbeat"), 1}, {ship("Forwarder", "Events"), 1},
		}, -1, 2 * hour},
	} {
		metrics := cloudWatch{}
		for _, f := range c.every {
			for at := range 4 * hour {
				metrics.put(f.metric, at, f.value)
			}
		}
		a := &alarm{s.resources[c.alarm].Properties, metrics, c.off}
		if a.properties == nil {
			t.Fatalf("there is no %s", c.alarm)
		}
		if c.off >= 0 && a.on(t) {
			t.Errorf("%s: %s is on after %d min", c.name, c.alarm, c.off)
		}
		if a.now = c.on; c.on >= 0 && !a.on(t) {
			t.Errorf("%s: %s is off after %d min", c.name, c.alarm, c.on)
		}
	}
}
